//! Actions against the original: the same tree under fail2ban's server and under ours, each in a network namespace of its
//! own, and everything compared that comes of it: the programs that actions run, with their words, in their order; the
//! rules that are in the kernel then; whose packets arrive. Skipped, and said so, where fail2ban is not installed or the
//! test is not run by root. With `SIPJAIL_JUDGE_ITSELF` set the original plays both sides, which shows what is chance.

#![expect(clippy::disallowed_methods, reason = "a test runs programs, and a judge beside them")]

#[macro_use]
#[path = "../common/counted.rs"]
mod counted;
#[path = "../common/mod.rs"]
mod common;
mod faults;
mod grown;
mod known;
mod logs;
mod own;
mod reach;
mod recorder;
mod reload;
mod scenario;
mod side;
mod space;
mod table;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use known::Known;
use scenario::{Both, Jail, jails, play};

/// Played once for all tests.
static BOTH: LazyLock<Option<Both>> = LazyLock::new(|| Both::play(jails(), play));

#[test]
fn the_same_commands_in_the_same_order() {
    let Some(Both { jails, ours, theirs }) = &*BOTH else { return };
    assert_eq!(ours.calls.get("nobody"), None);
    assert_eq!(theirs.calls.get("nobody"), None);
    let compared = compare(jails, &ours.calls, &theirs.calls, known::COMMANDS);
    counted!(
        "actions: {compared} commands compared over {} scenarios, {} known differences",
        jails.len(),
        known::COMMANDS.len()
    );
}

#[test]
fn a_changed_configuration_is_loaded_the_same_way() {
    let Some(Both { jails, ours, theirs }) = Both::play(reload::jails(), reload::play) else { return };
    let compared = compare(&jails, &ours.calls, &theirs.calls, known::RELOADED);
    counted!("actions: {compared} commands compared over {} reloads", jails.len());
}

#[test]
fn the_same_rules_are_in_the_kernel() {
    let Some(Both { jails, ours, theirs }) = &*BOTH else { return };
    let mut wrong = Vec::new();
    let mut compared = 0;
    for ((when, ours), (_, theirs)) in ours.rules.iter().zip(&theirs.rules) {
        assert_eq!(ours.get("nobody"), theirs.get("nobody"), "{when}");
        for jail in jails.iter().filter(|jail| !known::COMMANDS.iter().any(|(action, _)| *action == jail.written)) {
            let (ours, theirs) = (ours.get(&jail.name), theirs.get(&jail.name));
            compared += theirs.map_or(0, Vec::len);
            if ours != theirs {
                wrong.push(format!("{when}: {}: ours {ours:#?}, theirs {theirs:#?}", jail.action));
            }
            if ["started", "stopped"].contains(when) && jail.drops_udp {
                assert_eq!(ours, None, "{when}: {} leaves something", jail.action);
            }
        }
    }
    assert!(wrong.is_empty(), "{} differ: {}", wrong.len(), wrong[..wrong.len().min(5)].join("\n"));
    counted!("actions: {compared} rules and members compared");
}

#[test]
fn who_is_banned_is_cut_off() {
    let Some(Both { jails, ours, theirs }) = &*BOTH else { return };
    let mut sent = 0;
    for ((when, ours), (_, theirs)) in ours.packets.iter().zip(&theirs.packets) {
        for jail in jails.iter().filter(|jail| jail.drops_udp) {
            let arrive = match *when {
                "banned" | "banned once more" | "restored" => [false, false],
                "one is free again" | "reloaded" => [true, false],
                _ => [true, true],
            };
            assert_eq!(theirs[&jail.name], arrive, "theirs, {when}: {}", jail.action);
            assert_eq!(ours[&jail.name], arrive, "ours, {when}: {}", jail.action);
            sent += 2;
        }
    }
    counted!("actions: {sent} packets dropped or let through as with fail2ban");
}

#[test]
fn mails_are_the_same_and_what_they_quote_is_inert() {
    let Some(Both { jails, ours, theirs }) = &*BOTH else { return };
    let mut mails = 0;
    for jail in jails.iter().filter(|jail| jail.action.contains("mail")) {
        let of = |played: &scenario::Played| -> Vec<String> {
            let calls = played.calls[&jail.name]
                .iter()
                .filter(|script| script.contains("\"sendmail\"") || script.contains("\"mail\""));
            calls.cloned().collect()
        };
        assert_eq!(of(ours), of(theirs), "{}", jail.action);
        mails += of(ours).len();
    }
    let quoting = ours
        .calls
        .values()
        .flatten()
        .filter(|script| script.contains("Subject: ") && script.contains(scenario::HOSTILE));
    assert!(quoting.count() >= 3, "mails quote what was matched");
    assert_eq!([ours.pwned, theirs.pwned], [false, false]);
    counted!("actions: {mails} mails compared");
}

#[test]
fn what_goes_wrong_is_logged_in_the_same_words() {
    let Some(Both { jails, ours, theirs }) = &*BOTH else { return };
    let ((ours, our_others), (theirs, their_others)) = (logs::lines(jails, ours), logs::lines(jails, theirs));
    let compared = compare(jails, &ours, &theirs, known::LOGGED);
    assert_eq!(our_others, their_others);
    counted!("actions: {compared} log lines compared, {} known differences", known::LOGGED.len());
}

/// Compares what each jail ran, and gives how many commands that were.
fn compare(
    jails: &[Jail],
    ours: &BTreeMap<String, Vec<String>>,
    theirs: &BTreeMap<String, Vec<String>>,
    known: &[Known],
) -> usize {
    let mut wrong = Vec::new();
    let mut met = Vec::new();
    let mut compared = 0;
    for jail in jails {
        let none = Vec::new();
        let [ours, theirs] = [ours, theirs].map(|side| side.get(&jail.name).unwrap_or(&none));
        let starts = |line: &&str| line.starts_with('"') || line.starts_with("fail2ban.");
        compared += theirs.iter().flat_map(|item| item.lines()).filter(starts).count();
        if ours == theirs {
            continue;
        }
        match known.iter().find(|(action, _)| *action == jail.written) {
            Some((action, _)) => met.push(*action),
            None => wrong.push(apart(jail, ours, theirs)),
        }
    }
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), jails.len(), wrong.join("\n"));
    for (action, reason) in known {
        assert!(met.contains(action), "`{action}` is no difference any more ({reason})");
    }
    compared
}

/// Where two go apart, with what was just before.
fn apart(jail: &Jail, ours: &[String], theirs: &[String]) -> String {
    let at = ours.iter().zip(theirs).position(|(ours, theirs)| ours != theirs).unwrap_or(ours.len().min(theirs.len()));
    let shown = |all: &[String]| all[at..].iter().take(6).cloned().collect::<Vec<_>>().join("\n    ");
    let before = ours[at.saturating_sub(3)..at].join("\n    ");
    format!(
        "== {} {}\n  both\n    {before}\n  ours\n    {}\n  theirs\n    {}",
        jail.name,
        jail.action,
        shown(ours),
        shown(theirs)
    )
}
