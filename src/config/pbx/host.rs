//! The host in what a PBX's file gives as a peer: `sip:user@host:port;transport=tls`, `[2001:db8::1]:5061`, `10.0.0.0/8`.

use crate::addr::{self, Id};
use crate::ticket::Who;

/// Whom a text means; `None`: nobody in particular (`dynamic`, a user alone, `0.0.0.0`).
pub fn who(text: &str) -> Option<Who> {
    let text = text.trim().trim_matches('"');
    let text = text.split_once('<').map_or(text, |(_, rest)| rest.split('>').next().unwrap_or_default()).trim();
    let text = match text.split_once("://") {
        Some((_, rest)) => rest,
        None => scheme(text)?,
    };
    let text = text.rsplit_once('@').map_or(text, |(_, host)| host);
    if let Some(id) = id(text) {
        return some(id);
    }
    let (text, rest) = text.find([';', '?', ',', '/', ' ', '\t']).map_or((text, ""), |at| text.split_at(at));
    let host = match text.strip_prefix('[').and_then(|inside| inside.split_once(']')) {
        Some((inside, _)) => inside,
        None => text.split_once(':').map_or(text, |(host, _)| host),
    };
    // `match = 192.0.2.0:5061/24` is that network, for packets from that port.
    match id(&format!("{host}{rest}")).or_else(|| id(host)) {
        Some(id) => some(id),
        None if is_name(host) && !text.starts_with('[') => {
            Some(Who::Name(host.trim_end_matches('.').to_ascii_lowercase()))
        }
        None => None,
    }
}

/// What follows `sip:`; a number to dial is no host.
fn scheme(text: &str) -> Option<&str> {
    let (scheme, rest) = text.split_once(':').unwrap_or(("", text));
    match scheme.to_ascii_lowercase().as_str() {
        "sip" | "sips" | "iax2" => Some(rest),
        "tel" => None,
        _ => Some(text),
    }
}

fn id(text: &str) -> Option<Id> {
    match Id::parse(text) {
        Id::Raw(_) => None,
        id => Some(id),
    }
}

fn some(id: Id) -> Option<Who> {
    (!id.ip().is_some_and(|ip| ip.is_unspecified())).then_some(Who::Id(id))
}

/// Whether a name server may be asked for it.
fn is_name(text: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    let bare = text.strip_suffix('.').unwrap_or(text);
    bare.len() <= 253
        && bare.split('.').all(label)
        && bare.bytes().any(|b| b.is_ascii_alphabetic())
        && addr::ip(bare).is_none()
        && !bare.eq_ignore_ascii_case("dynamic")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_found_in_whatever_form_it_is_given() {
        for (text, expected) in [
            ("192.0.2.1", "192.0.2.1"),
            ("192.0.2.1:5080", "192.0.2.1"),
            ("192.0.2.0/24", "192.0.2.0/24"),
            ("192.0.2.0:5061/24", "192.0.2.0/24"),
            ("[2001:db8::]:5061/48", "2001:db8::/48"),
            ("192.0.2.0/255.255.255.0", "192.0.2.0/24"),
            ("2001:db8::1", "2001:db8::1"),
            ("2001:db8::/48", "2001:db8::/48"),
            ("[2001:db8::1]:5061", "2001:db8::1"),
            ("sip:[2001:db8::1]:5061;transport=tls", "2001:db8::1"),
            ("sip:carrier@sip.example:5060\u{3b}lr", "sip.example"),
            ("SIPS:Sip.Example.", "sip.example"),
            ("\"Line\" <sip:100@192.0.2.7;x=1>;expires=3600", "192.0.2.7"),
            ("tls://user:se@cret:auth@sip.example:5061/100~60", "sip.example"),
            ("pbx", "pbx"),
            ("sip.example,force", "sip.example"),
            ("_sip.example", "_sip.example"),
        ] {
            assert_eq!(who(text).map(|who| who.to_string()).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn nobody_in_particular_is_nobody() {
        let long = "a.".repeat(200);
        for text in [
            "",
            " ",
            "dynamic",
            "Dynamic",
            "0.0.0.0",
            "::",
            "tel:+15550100",
            "12345",
            "sip:100@",
            "-x.example",
            "a..b",
            "[x]",
            "[2001:db8::1",
            "$${domain}",
            "exa mple\u{0}",
            "h\u{e9}",
            "<",
            "@",
            "%d",
            "a/../..",
            &long,
        ] {
            let found = who(text);
            let harmless = matches!(&found, Some(Who::Name(name)) if ["exa", "a"].contains(&name.as_str()));
            assert!(found.is_none() || harmless, "{text}: {found:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_upsets_it(text in r"\PC{0,80}|[\[\]<>@:;/.0-9a-f]{0,60}") {
            if let Some(Who::Name(name)) = who(&text) {
                proptest::prop_assert!(is_name(&name));
            }
        }
    }
}
