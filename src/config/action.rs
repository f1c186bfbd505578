//! The `action` list of a jail: names and parameters, and what of it sipjail does itself.

pub mod file;
pub mod reach;

use std::collections::HashSet;

use super::filter::Reference;
use super::ini::Options;
use super::tree::Tree;
use super::value::Value;
use super::{Original, Problem, Severity, brackets};
use crate::word::repr;
use file::Refused;

pub use file::{Action, Kind, Own};

/// What sipjail itself does with the bans of a jail with these actions, see [`JailSettings::own`](super::JailSettings::own).
pub fn own(actions: &[Action]) -> Option<Own> {
    let first = actions.iter().find_map(|action| match action.kind {
        Kind::Own { own, .. } => Some(own),
        Kind::Commands { .. } | Kind::Python { .. } => None,
    });
    let python = actions.iter().any(|action| matches!(action.kind, Kind::Python { .. }));
    let unguarded = python && !actions.iter().any(Action::bans);
    first.or(unguarded.then_some(Own::Ipset))
}

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
    let mut lost = Vec::new();
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
        match file::read(tree, &item, jail, options) {
            Ok(action) => {
                if let Kind::Python { .. } = action.kind {
                    lost.push(Lost { item, why: Refused::Python, place: actions.list.len() });
                }
                actions.list.push(action);
            }
            Err(Refused::Missing) if let Some(own) = Own::by_name(&item.name) => {
                actions.list.push(file::built_in(own, &item, jail));
                actions.problems.extend(without_effect(&item).filter(|problem| said.is_new(problem)));
            }
            Err(why) => {
                if let Refused::Missing = why {
                    actions.skip(format!("Unable to read action {}", repr(&item.name)));
                }
                lost.push(Lost { item, why, place: actions.list.len() });
            }
        }
    }
    let guarded = actions.list.iter().any(Action::bans);
    let mut filled = 0;
    for Lost { item, why, place } in lost {
        if !guarded && !matches!(why, Refused::Python) {
            actions.list.insert(place + filled, file::built_in(Own::Ipset, &item, jail));
            filled += 1;
        }
        let problems = complaint(&item, why, guarded, jail);
        actions.problems.extend(problems.into_iter().filter(|problem| said.is_new(problem)));
    }
    actions
}

/// An action that cannot be had.
struct Lost {
    item: Reference,
    why: Refused,
    /// Where in the list it would stand.
    place: usize,
}

impl Said {
    fn is_new(&mut self, problem: &Problem) -> bool {
        self.0.insert(problem.message.clone())
    }
}

impl Actions {
    fn skip(&mut self, reason: String) {
        self.skipped.get_or_insert(reason);
    }
}

/// What the operator should know of an action that cannot be had; `guarded`: others ban.
fn complaint(item: &Reference, why: Refused, guarded: bool, jail: &str) -> Vec<Problem> {
    let name = &item.name;
    let instead = if guarded { "" } else { "; bans go into the kernel's ipsets instead" };
    let say = |message: String| Problem::new(Severity::Warning, item.origin.clone(), format!("{message}{instead}"));
    let fault = match why {
        Refused::Missing => {
            let problem = say(format!("there is no action `{name}`")).fail2ban(Original::SkipsJail);
            let blank = name.ends_with(char::is_whitespace).then(|| "no blank may stand before `[`".to_owned());
            return vec![Problem { hint: blank, ..problem }];
        }
        Refused::Python => {
            return vec![say(format!("`{name}` is a Python program, which sipjail cannot run"))];
        }
        Refused::Files(problems) => problems,
        Refused::Text(fault) => vec![fault.problem(Severity::Error)],
    };
    let warning = |problem| Problem { severity: Severity::Warning, jail: Some(jail.to_owned()), ..problem };
    fault.into_iter().map(warning).chain([say(format!("`{name}` cannot be read"))]).collect()
}

/// What is to be said of an action of ours.
fn without_effect(item: &Reference) -> Option<Problem> {
    let name = &item.name;
    item.parameters.keys().find(|parameter| WITHOUT_EFFECT.contains(&parameter.as_str()))?;
    let message = format!("`port`, `protocol` and `chain` have no effect on `{name}`");
    let problem = Problem::new(Severity::Note, item.origin.clone(), message);
    Some(problem.hint("a banned address is cut off on every port and protocol"))
}

const WITHOUT_EFFECT: [&str; 3] = ["port", "protocol", "chain"];

#[cfg(test)]
mod tests {
    use super::*;

    type Read = (Vec<(String, usize)>, Vec<(Severity, String)>);

    fn read(text: &str) -> Read {
        let dir = tempfile::tempdir().expect("a directory");
        std::fs::create_dir(dir.path().join("action.d")).expect("a folder");
        for (name, more) in [("iptables-multiport", "actionunban = b\n"), ("mail", "")] {
            let text = format!("[Definition]\nactionban = a\n{more}");
            std::fs::write(dir.path().join(format!("action.d/{name}.conf")), text).expect("a file");
        }
        let options = Options::default();
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
    fn what_cannot_be_run_is_said_and_the_jail_bans_all_the_same() {
        let (actions, problems) = read("iptables-multiport[name=sip-tcp]\n nosuch mail[dest=x] a.py");
        let names: Vec<&str> = actions.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["iptables-multiport-tcp", "mail", "a"], "others ban");
        let said = |message: &str| (Severity::Warning, message.to_owned());
        let python = "`a.py` is a Python program, which sipjail cannot run";
        assert_eq!(problems, [said("there is no action `nosuch`"), said(python)]);
        let (actions, problems) = read("mail nosuch[name=x] mail[name=y] a.py");
        let names: Vec<&str> = actions.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["mail", "nosuch-x", "mail-y", "a"]);
        let instead = "; bans go into the kernel's ipsets instead";
        let expected = [format!("there is no action `nosuch`{instead}"), format!("{python}{instead}")];
        assert_eq!(problems, expected.map(|message| said(&message)));
    }

    #[test]
    fn a_jail_with_scripts_alone_does_not_ban_in_the_kernel() {
        let list = |text: &str| {
            let dir = tempfile::tempdir().expect("a directory");
            std::fs::create_dir(dir.path().join("action.d")).expect("a folder");
            for (name, more) in
                [("block", "actionunban = b\n"), ("mail", ""), ("report", "actionunban = b\nnorestored = 1\n")]
            {
                let text = format!("[Definition]\nactionban = a\n{more}");
                std::fs::write(dir.path().join(format!("action.d/{name}.conf")), text).expect("a file");
            }
            let found =
                actions(&Tree::new(dir.path()), &Value::bare(text), "sip", &Options::default(), &mut Said::default());
            own(&found.list)
        };
        for (text, expected) in [
            ("block", None),
            ("mail", None),
            ("", None),
            ("block ipset", Some(Own::Ipset)),
            ("dryrun block", Some(Own::DryRun)),
            ("nosuch", Some(Own::Ipset)),
            ("nosuch block", None),
            ("nosuch mail", Some(Own::Ipset)),
            ("nosuch report", Some(Own::Ipset)),
            ("a.py", Some(Own::Ipset)),
            ("a.py mail", Some(Own::Ipset)),
            ("block a.py", None),
        ] {
            assert_eq!(list(text), expected, "{text}");
        }
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
