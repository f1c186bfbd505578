//! Whether a ban reaches the attacker's packets: SIP comes over UDP first of all, and fail2ban's actions ban TCP unless told
//! otherwise.

use std::sync::LazyLock;

use regex::Regex;

use super::{Action, Kind, own};
use crate::config::{Origin, Own, Problem, Severity};

/// The warning for a SIP jail whose actions ban TCP alone. `filter` is the name of its filter.
pub fn narrow(actions: &[Action], filter: &str, origin: &Origin) -> Option<Problem> {
    let banning: Vec<&Action> = actions.iter().filter(|action| action.bans()).collect();
    let sip = FILTERS.iter().any(|name| filter.starts_with(name)) || banning.iter().any(|action| speaks_sip(action));
    let narrow = !banning.is_empty() && banning.iter().all(|action| is_tcp_only(action));
    if !sip || !narrow || own(actions) == Some(Own::Ipset) {
        return None;
    }
    let name = &banning[0].name;
    let message = format!(
        "`{name}` bans TCP only: SIP over UDP goes on from a banned address, although the ban is listed as done"
    );
    // `protocol=all` would be no mend: with ports, iptables refuses it.
    let hint =
        "give the action `protocol=\"tcp,udp\"`, or write `banaction = ipset`, which cuts off every protocol and port";
    Some(Problem::new(Severity::Warning, origin.clone(), message).hint(hint))
}

fn is_tcp_only(action: &Action) -> bool {
    property(action, "protocol").is_some_and(|protocol| protocol.trim().eq_ignore_ascii_case("tcp"))
        && ["actionstart", "actionban"].iter().filter_map(|name| action.command(name)).any(|text| TCP.is_match(text))
}

fn speaks_sip(action: &Action) -> bool {
    let ports = property(action, "port").unwrap_or_default();
    ports.split(|c: char| !c.is_alphanumeric()).any(|port| PORTS.contains(&port))
}

fn property<'a>(action: &'a Action, name: &str) -> Option<&'a str> {
    match &action.kind {
        Kind::Commands { properties, .. } => properties.get(name).map(String::as_str),
        Kind::Own { .. } | Kind::Python { .. } => None,
    }
}

/// The protocol as a word of its own; without one the action does not look at it.
static TCP: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"(?i)\btcp\b").expect("it is well formed"));

const FILTERS: [&str; 4] = ["asterisk", "freeswitch", "kamailio", "opensips"];

const PORTS: [&str; 5] = ["5060", "5061", "5080", "sip", "sips"];

#[cfg(test)]
mod tests {
    use indexmap::IndexMap;

    use super::*;
    use crate::word::Word;

    fn action(protocol: &str, port: &str) -> Action {
        let commands = [
            ("actionstart", format!("iptables -I INPUT -p {protocol}")),
            ("actionban", "b".into()),
            ("actionunban", "u".into()),
        ];
        let properties = [("protocol", protocol), ("port", port)];
        let commands = commands.map(|(name, text)| (name.to_owned(), Word::text(text)));
        let properties = properties.map(|(name, text)| (name.to_owned(), text.to_owned()));
        Action { name: "a".into(), kind: Kind::Commands { commands: commands.into(), properties: properties.into() } }
    }

    #[test]
    fn a_sip_jail_that_bans_tcp_alone_is_warned_of() {
        let warned = |actions: &[Action], filter| narrow(actions, filter, &Origin::default()).is_some();
        assert!(warned(&[action("tcp", "ssh")], "asterisk"));
        assert!(warned(&[action("tcp", "5060,5061")], "f"));
        assert!(warned(&[action("TCP", "sip")], "f"));
        assert!(!warned(&[action("tcp", "ssh")], "sshd"));
        assert!(!warned(&[action("all", "5060")], "asterisk"));
        assert!(!warned(&[action("tcp", "5060"), action("udp", "5060")], "asterisk"));
        let own = Action { name: "ipset".into(), kind: Kind::Own { own: Own::Ipset, properties: IndexMap::new() } };
        assert!(!warned(&[own, action("tcp", "5060")], "asterisk"));
        assert!(!warned(&[], "asterisk"));
    }
}
