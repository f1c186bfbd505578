//! The `action` list of a jail: names and parameters, and what of it sipjail does itself.

pub mod file;

use std::collections::HashSet;

use super::filter::Reference;
use super::ini::Options;
use super::tree::Tree;
use super::value::Value;
use super::{Original, Problem, Severity, brackets};
use crate::word::repr;
use file::Refused;

pub use file::{Action, Kind, Own};

/// What is said once for all jails.
#[derive(Debug, Default)]
pub struct Said(HashSet<String>);

/// The actions of a jail.
#[derive(Debug, Default)]
pub struct Actions {
    /// As their files say, in order; one that cannot be read is `ipset` instead.
    pub list: Vec<Action>,
    /// Why fail2ban would leave the jail out: the first reason, in its own words.
    pub skipped: Option<String>,
    /// Errors among them mean that the jail is left out.
    pub problems: Vec<Problem>,
}

/// Reads the list. `options` are the jail's own, as [`spoken`](super::written::spoken) gives them.
pub fn actions(tree: &Tree, value: &Value, jail: &str, options: &Options, said: &mut Said) -> Actions {
    let mut actions = Actions::default();
    let mut identities = HashSet::new();
    for range in brackets::split(value.text()) {
        let text = value.slice(range);
        let item = match Reference::parse(&text) {
            Ok(item) => item,
            Err(fault) => {
                actions.skip(format!("Invalid action definition {}: {}", repr(text.text()), fault.original));
                let problem = fault.problem(Severity::Error).fail2ban(Original::SkipsJail);
                actions.problems.push(problem.of_jail(jail));
                continue;
            }
        };
        let identity = file::identity(&item.name, &item.parameters, jail);
        if !identities.insert(identity.clone()) {
            let message = format!("action `{identity}` stands twice");
            let problem = Problem::new(Severity::Warning, item.origin.clone(), message).of_jail(jail);
            actions.problems.push(problem.hint("give one of them `actname=…`").fail2ban(Original::StopsServer));
        }
        let problems = actions.file(tree, &item, jail, options);
        actions.problems.extend(problems.into_iter().filter(|problem| said.0.insert(problem.message.clone())));
    }
    actions
}

impl Actions {
    /// Reads the action's file, and gives what the operator should know about it.
    fn file(&mut self, tree: &Tree, item: &Reference, jail: &str, options: &Options) -> Vec<Problem> {
        let name = &item.name;
        let say = |severity, message: String| Problem::new(severity, item.origin.clone(), message);
        let fault = match file::read(tree, item, jail, options) {
            Ok(action) => {
                self.list.push(action);
                return vec![remark(item)];
            }
            Err(Refused::Missing) if let Some(own) = Own::by_name(name) => {
                self.list.push(file::built_in(own, item, jail));
                return Vec::from_iter(without_effect(item));
            }
            Err(Refused::Missing) => {
                self.list.push(file::built_in(Own::Ipset, item, jail));
                self.skip(format!("Unable to read action {}", repr(name)));
                let message = format!("there is no action `{name}`; bans go into the kernel's ipsets instead");
                let problem = say(Severity::Warning, message).fail2ban(Original::SkipsJail);
                let blank = name.ends_with(char::is_whitespace).then(|| "no blank may stand before `[`".to_owned());
                return vec![Problem { hint: blank, ..problem }];
            }
            Err(Refused::Files(problems)) => problems,
            Err(Refused::Text(fault)) => vec![fault.problem(Severity::Error)],
        };
        self.list.push(file::built_in(Own::Ipset, item, jail));
        let warning = |problem| Problem { severity: Severity::Warning, jail: Some(jail.to_owned()), ..problem };
        let mut problems: Vec<Problem> = fault.into_iter().map(warning).collect();
        problems
            .push(say(Severity::Warning, format!("`{name}` cannot be read; bans go into the kernel's ipsets instead")));
        problems
    }

    fn skip(&mut self, reason: String) {
        self.skipped.get_or_insert(reason);
    }
}

/// What is to be said of an action of ours.
fn without_effect(item: &Reference) -> Option<Problem> {
    let name = &item.name;
    item.parameters.keys().find(|parameter| WITHOUT_EFFECT.contains(&parameter.as_str()))?;
    let message = format!("`port`, `protocol` and `chain` have no effect on `{name}`");
    let problem = Problem::new(Severity::Note, item.origin.clone(), message);
    Some(problem.hint("a banned address is cut off on every port and protocol"))
}

/// What is to be said of an action that has a file.
fn remark(item: &Reference) -> Problem {
    let name = &item.name;
    let say = |severity, message: String| Problem::new(severity, item.origin.clone(), message);
    if name.ends_with(".py") {
        return say(Severity::Note, format!("`{name}` is a Python program, which sipjail cannot run"));
    }
    if BANNING.iter().any(|prefix| name.starts_with(prefix)) || Own::by_name(name).is_some() {
        return say(Severity::Warning, format!("`{name}` is not run yet; bans go into the kernel's ipsets instead"));
    }
    say(Severity::Note, format!("`{name}` is not run yet"))
}

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
    use super::*;

    type Read = (Vec<(String, usize)>, Vec<(Severity, String)>);

    fn read(text: &str) -> Read {
        let dir = tempfile::tempdir().expect("a directory");
        std::fs::create_dir(dir.path().join("action.d")).expect("a folder");
        for name in ["iptables-multiport", "mail"] {
            std::fs::write(dir.path().join(format!("action.d/{name}.conf")), "[Definition]\n").expect("a file");
        }
        let options = Options::new();
        let found = actions(&Tree::new(dir.path()), &Value::bare(text), "sip", &options, &mut Said::default());
        let properties = |kind| match kind {
            Kind::Own { properties, .. } | Kind::Commands { properties, .. } => properties.len(),
            Kind::Python { parameters, .. } => parameters.len(),
        };
        let actions = found.list.into_iter().map(|a| (a.name, properties(a.kind))).collect();
        (actions, found.problems.into_iter().map(|p| (p.severity, p.message)).collect())
    }

    #[test]
    fn our_own_actions_need_nothing() {
        assert_eq!(read("ipset dryrun[x=1]"), (vec![("ipset".into(), 2), ("dryrun".into(), 3)], vec![]));
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
                vec![("dryrun".into(), 2)],
                vec![(
                    Severity::Error,
                    "`ipset[x]` cannot be read: `option=value` is expected at `x`, without blanks around the `=`"
                        .to_owned()
                )]
            )
        );
    }
}
