//! A configuration that has changed is loaded into running jails: an action came, went, was replaced, or does other things.

use crate::scenario::{Jail, Played, calls_of, write_tree};
use crate::side::Side;

/// What each jail's actions are before and after; the rest of the world stays.
const CHANGES: &[(&str, &str)] = &[
    ("plain", "plain"),
    ("plain[actname=kept]", "plain[actname=kept]\n         plain[actname=added]"),
    ("plain[actname=kept]\n         plain[actname=removed]", "plain[actname=kept]"),
    ("plain[actname=old]", "plain[actname=new]"),
    ("conditional[more=one]", "conditional[more=two]"),
    ("flushing[actname=removed]\n         plain", "plain"),
];

pub fn jails() -> Vec<Jail> {
    let jail = |(at, (before, after)): (usize, &(&str, &str))| Jail {
        name: format!("jail{:03}", at + 1),
        number: at + 1,
        action: format!("{before} -> {after}"),
        written: format!("{before} -> {after}"),
        more: "",
        drops_udp: false,
    };
    CHANGES.iter().enumerate().map(jail).collect()
}

pub fn play(side: &mut Side, jails: &[Jail]) -> Played {
    let as_of = |after: bool| {
        let half = |action: &str| action.split(" -> ").nth(usize::from(after)).expect("two halves").to_owned();
        jails
            .iter()
            .map(move |jail| Jail {
                action: half(&jail.action),
                name: jail.name.clone(),
                written: String::new(),
                ..*jail
            })
            .collect()
    };
    let all = |side: &Side, what: &str, whom: &dyn Fn(&Jail) -> String| {
        let notes: Vec<String> =
            jails.iter().map(|j| format!("{} {what} {}", j.name, whom(j)).trim_end().to_owned()).collect();
        side.noted(&notes, 1);
    };
    let nobody: &dyn Fn(&Jail) -> String = &|_| String::new();
    let ban = |side: &Side, whom: &dyn Fn(&Jail) -> String| {
        for jail in jails {
            side.ask(&["set", &jail.name, "banip", &whom(jail)]);
        }
        all(side, "ban", whom);
    };
    let before: Vec<Jail> = as_of(false);
    let after: Vec<Jail> = as_of(true);
    write_tree(side, &before);
    side.start(&jails[jails.len() - 1].name);
    all(side, "start", nobody);
    ban(side, &|j| j.v4(1));
    ban(side, &|j| j.v6(1));
    write_tree(side, &after);
    side.client(&["reload"]);
    all(side, "reload", nobody);
    ban(side, &|j| j.v4(2));
    for jail in jails {
        side.ask(&["set", &jail.name, "unbanip", &jail.v4(1)]);
    }
    all(side, "unban", &|j| j.v4(1));
    side.stop();
    Played { calls: calls_of(side, jails), rules: Vec::new(), packets: Vec::new(), log: side.log(), pwned: false }
}
