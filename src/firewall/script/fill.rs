//! Tags become values, in two passes as in fail2ban: first what the configuration says, again and again until nothing
//! changes; then what only this ban knows, once, and never as code.

use std::borrow::Cow;

use indexmap::IndexMap;

use super::Family;
use crate::config::tags::next_tag;
use crate::script::{Script, replace, variable};

/// The first pass: properties, those of the family before the others. An error: a tag leads back to itself.
pub fn fixed(command: &str, properties: &IndexMap<String, String>, family: Family) -> Result<String, String> {
    let mut text = command.to_owned();
    let mut counts: IndexMap<String, usize> = IndexMap::new();
    let mut at = 0;
    while let Some((start, tag)) = next_tag(&text, at) {
        let Some(value) = fixed_value(tag, properties, family) else {
            at = start + tag.len() + 2;
            continue;
        };
        let tag = tag.to_owned();
        let count = counts.entry(tag.clone()).or_default();
        *count += 1;
        let full = format!("<{tag}>");
        let length = text.len() + text.matches(&full).count() * value.len();
        if *count > MAX_REPEATS || length > MAX_LENGTH || counts.len() > MAX_TAGS {
            return Err(format!("`<{tag}>` leads back to itself or grows beyond all bounds"));
        }
        text = text.replace(&full, &value);
        // What was filled in may be the inner part of another tag.
        at = 0;
    }
    Ok(text)
}

fn fixed_value<'a>(tag: &str, properties: &'a IndexMap<String, String>, family: Family) -> Option<Cow<'a, str>> {
    // An action cannot choose the length of a ban, whatever it is given.
    if tag == "bantime" {
        return None;
    }
    let conditional = |word: &str| properties.get(&format!("{tag}?family={word}"));
    let found = family.word().filter(|_| !tag.contains('?')).and_then(conditional).or_else(|| properties.get(tag));
    match (tag, found) {
        (_, Some(value)) => Some(Cow::Borrowed(value.as_str())),
        ("family", None) => family.word().map(Cow::Borrowed),
        ("br", None) => Some(Cow::Borrowed("\n")),
        ("sp", None) => Some(Cow::Borrowed(" ")),
        ("timeout", None) => Some(Cow::Borrowed("60")),
        _ => None,
    }
}

/// The second pass. A value that a shell could take for more than words becomes an argument, and the text finds it in a
/// variable; tags without a value stay.
pub fn of_ban(command: &str, mut value: impl FnMut(&str) -> Option<String>) -> Script {
    let mut names: Vec<String> = Vec::new();
    let mut args: Vec<String> = Vec::new();
    let mut pass = |text: &str, groups: bool| {
        replace(text, |tag| {
            if tag.starts_with("F-") != groups {
                return None;
            }
            let value = value(tag)?;
            if is_harmless(&value) {
                return Some(Cow::Owned(value));
            }
            let name = variable(tag);
            if !names.contains(&name) {
                names.push(name.clone());
                args.push(cut(value));
            }
            Some(Cow::Owned(format!("${name}")))
        })
    };
    // Groups come last, as in fail2ban; a value that was written into the text holds no tag.
    let text = pass(command, false);
    let text = pass(&text, true);
    if names.is_empty() {
        return Script { text, args };
    }
    let place = |at: usize| if at < 10 { format!("${at}") } else { format!("${{{at}}}") };
    let assign: String = names.iter().enumerate().map(|(at, name)| format!("{name}={} ", place(at))).collect();
    Script { text: format!("{assign}\n{text}"), args }
}

/// Whether a value may stand in the script itself: words and blanks, nothing that means something to a shell.
fn is_harmless(value: &str) -> bool {
    value.len() <= MAX_INLINE && !value.contains(|c: char| MEANING.contains(c) || c == '\0')
}

/// The kernel starts nothing with a longer argument: a sender's long line must not keep a ban from being made.
fn cut(mut value: String) -> String {
    if value.len() > MAX_ARGUMENT {
        let end = (0..=MAX_ARGUMENT).rev().find(|at| value.is_char_boundary(*at)).unwrap_or_default();
        value.truncate(end);
    }
    value
}

const MEANING: &str = "\\#&;`|*?~<>^()[]{}$'\"\n\r";
const MAX_REPEATS: usize = 25;
const MAX_TAGS: usize = 1000;
const MAX_LENGTH: usize = 1 << 20;
const MAX_INLINE: usize = 4096;
const MAX_ARGUMENT: usize = 96 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    fn properties(pairs: &[(&str, &str)]) -> IndexMap<String, String> {
        pairs.iter().map(|(name, text)| (name.to_string(), text.to_string())).collect()
    }

    #[test]
    fn a_property_of_the_family_comes_before_the_others() {
        let properties = properties(&[
            ("blocktype", "REJECT-4"),
            ("blocktype?family=inet6", "REJECT-6"),
            ("iptables", "ip<six>tables <lockingopt>"),
            ("six", ""),
            ("six?family=inet6", "6"),
            ("lockingopt", "-w"),
            ("kind", "x"),
            ("rule-x", "<rule>"),
            ("rule", "R"),
            ("bantime", "7"),
        ]);
        let text = "<iptables> -s <ip> -j <blocktype> <rule-<kind>> <family> <bantime> <no> 2>/dev/null <sp>a < b";
        let filled = |family| fixed(text, &properties, family);
        assert_eq!(
            filled(Family::V6).as_deref(),
            Ok("ip6tables -w -s <ip> -j REJECT-6 R inet6 <bantime> <no> 2>/dev/null  a < b")
        );
        let any = filled(Family::Any).expect("it is sound");
        assert_eq!(any, "iptables -w -s <ip> -j REJECT-4 R <family> <bantime> <no> 2>/dev/null  a < b");
    }

    #[test]
    fn a_tag_that_leads_back_to_itself_is_refused() {
        for pairs in [&[("a", "<a>")][..], &[("a", "x<b>"), ("b", "<a>")], &[("a", "<b><b>"), ("b", "<a><a>")]] {
            assert!(fixed("do <a>", &properties(pairs), Family::Any).is_err(), "{pairs:?}");
        }
    }

    #[test]
    fn what_means_something_to_a_shell_is_an_argument() {
        let value = |tag: &str| match tag {
            "matches" => Some("a line\nand `another`".to_owned()),
            "ip" => Some("192.0.2.1".to_owned()),
            "F-USER" => Some("X'; touch pwned; $(id)".to_owned()),
            "F-UA" => Some("friendly scanner 1.0 <F-USER>".to_owned()),
            "F-NAME" => Some("two words".to_owned()),
            tag if tag.starts_with("F-") => Some(String::new()),
            _ => None,
        };
        let script = of_ban("ban <F-USER> <ip> \"<matches>\" <matches> <F-UA> <F-NAME>[<F-NONE>] <unknown>", value);
        assert_eq!(
            script.text,
            "f2bV_matches=$0 f2bV_F_user=$1 f2bV_F_ua=$2 \n\
             ban $f2bV_F_user 192.0.2.1 \"$f2bV_matches\" $f2bV_matches $f2bV_F_ua two words[] <unknown>"
        );
        assert_eq!(script.args, ["a line\nand `another`", "X'; touch pwned; $(id)", "friendly scanner 1.0 <F-USER>"]);
        assert_eq!(of_ban("a <ip>", value), Script { text: "a 192.0.2.1".into(), args: vec![] });
    }

    #[test]
    fn values_beyond_the_kernels_bounds_are_cut_and_the_tenth_is_found() {
        let script = of_ban("<a> <b> <c> <d> <e> <f> <g> <h> <i> <j> <k>", |_| Some("é$".repeat(100_000)));
        assert!(script.args.iter().all(|arg| arg.len() <= MAX_ARGUMENT) && script.args.len() == 11);
        assert!(script.text.starts_with("f2bV_a=$0 ") && script.text.contains(" f2bV_k=${10} \n"));
    }
}
