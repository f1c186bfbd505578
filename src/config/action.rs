//! The `action` list of a jail: names and parameters, and what of it sipjail does itself.

use std::collections::HashSet;

use super::filter::Reference;
use super::tree::Tree;
use super::value::Value;
use super::{ActionSettings, Problem, Severity, brackets};

/// What is said once for all jails.
#[derive(Debug, Default)]
pub struct Said(HashSet<String>);

/// Reads the list. Errors among the problems mean that the jail is left out.
pub fn actions(tree: &Tree, value: &Value, jail: &str, said: &mut Said) -> (Vec<ActionSettings>, Vec<Problem>) {
    let mut problems = Vec::new();
    let mut actions: Vec<ActionSettings> = Vec::new();
    let mut identities = HashSet::new();
    for range in brackets::split(value.text()) {
        let item = match Reference::parse(&value.slice(range)) {
            Ok(item) => item,
            Err(fault) => {
                problems.push(fault.problem(Severity::Error).of_jail(jail));
                continue;
            }
        };
        let parameters = item.parameters.into_iter().map(|(name, value)| (name, value.text().to_owned()));
        let action = ActionSettings { name: item.name, parameters: parameters.collect(), origin: item.origin };
        let identity = identity(&action, jail);
        if !identities.insert(identity.clone()) {
            let message = format!("action `{identity}` stands twice");
            let problem = Problem::new(Severity::Warning, action.origin.clone(), message).of_jail(jail);
            problems.push(problem.hint("fail2ban would not start; give one of them `actname=…`"));
        }
        problems.extend(remark(tree, &action).filter(|problem| said.0.insert(problem.message.clone())));
        actions.push(action);
    }
    (actions, problems)
}

/// What fail2ban calls the action: two of one name cannot be in a jail.
fn identity(action: &ActionSettings, jail: &str) -> String {
    if let Some(name) = action.parameters.get("actname") {
        return name.clone();
    }
    match action.parameters.get("name").filter(|name| *name != jail) {
        Some(name) => match name.strip_prefix(jail) {
            Some(suffix) => format!("{}{suffix}", action.name),
            None => format!("{}-{name}", action.name),
        },
        None => action.name.clone(),
    }
}

/// What the operator should know about an action.
fn remark(tree: &Tree, action: &ActionSettings) -> Option<Problem> {
    let name = &action.name;
    let say = |severity, message: String| Some(Problem::new(severity, action.origin.clone(), message));
    let file = ["conf", "local"].iter().any(|end| tree.exists(&tree.dir().join(format!("action.d/{name}.{end}"))));
    if BUILT_IN.contains(&name.as_str()) && !file {
        if !action.parameters.keys().any(|parameter| WITHOUT_EFFECT.contains(&parameter.as_str())) {
            return None;
        }
        let message = format!("`port`, `protocol` and `chain` have no effect on `{name}`");
        return Some(say(Severity::Note, message)?.hint("a banned address is cut off on every port and protocol"));
    }
    if name.ends_with(".py") {
        return say(Severity::Note, format!("`{name}` is a Python program, which sipjail cannot run"));
    }
    if BANNING.iter().any(|prefix| name.starts_with(prefix)) || BUILT_IN.contains(&name.as_str()) {
        return say(Severity::Warning, format!("`{name}` is not run yet; bans go into the kernel's ipsets instead"));
    }
    say(Severity::Note, format!("`{name}` is not run yet"))
}

/// What sipjail does without any file.
pub const BUILT_IN: [&str; 2] = ["ipset", "dryrun"];

const WITHOUT_EFFECT: [&str; 3] = ["port", "protocol", "chain"];

/// Begins of the names of fail2ban's actions that ban.
const BANNING: [&str; 18] = [
    "iptables",
    "nftables",
    "ipset",
    "firewallcmd",
    "ufw",
    "pf",
    "shorewall",
    "route",
    "hostsdeny",
    "ipfw",
    "bsd-ipfw",
    "osx-ipfw",
    "osx-afctl",
    "ipfilter",
    "npf",
    "apf",
    "netscaler",
    "cloudflare",
];

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    type Read = (Vec<(String, usize)>, Vec<(Severity, String)>);

    fn read(text: &str) -> Read {
        let tree = Tree::new(Path::new("/nonexistent"));
        let (actions, problems) = actions(&tree, &Value::bare(text), "sip", &mut Said::default());
        let actions = actions.into_iter().map(|a| (a.name, a.parameters.len())).collect();
        (actions, problems.into_iter().map(|p| (p.severity, p.message)).collect())
    }

    #[test]
    fn our_own_actions_need_nothing() {
        assert_eq!(read("ipset dryrun[x=1]"), (vec![("ipset".into(), 0), ("dryrun".into(), 1)], vec![]));
        let (actions, problems) = read("ipset[port=\"5060\", protocol=\"udp\"]\nipset[port=1, name=sip-tcp]");
        assert_eq!(actions.len(), 2);
        assert_eq!(problems, [(Severity::Note, "`port`, `protocol` and `chain` have no effect on `ipset`".to_owned())]);
    }

    #[test]
    fn what_is_not_run_is_said_once() {
        let (actions, problems) =
            read("iptables-multiport[name=sip-tcp]\n iptables-multiport[name=sip-udp] mail[dest=x] a.py");
        assert_eq!(actions.len(), 4);
        let said: Vec<_> = problems.iter().map(|(severity, message)| (*severity, message.split(' ').next())).collect();
        let word = |word| Some(word);
        assert_eq!(
            said,
            [
                (Severity::Warning, word("`iptables-multiport`")),
                (Severity::Note, word("`mail`")),
                (Severity::Note, word("`a.py`"))
            ]
        );
    }

    #[test]
    fn two_of_one_name_and_bad_brackets_are_reported() {
        assert_eq!(read("ipset ipset").1[0].0, Severity::Warning);
        assert_eq!(read("ipset ipset[actname=c] ipset[name=x] ipset[name=sip-y]").1, []);
        assert_eq!(
            read("ipset[x] dryrun"),
            (
                vec![("dryrun".into(), 0)],
                vec![(
                    Severity::Error,
                    "`ipset[x]` cannot be read: `option=value` is expected at `x`, without blanks around the `=`"
                        .to_owned()
                )]
            )
        );
    }
}
