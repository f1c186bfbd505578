//! Real logs of attacked servers through the stock jails: the attacker is banned, and nobody else.

mod common;

use common::{fixtures, sipjail};
use serde_json::Value;

fn replay(log: &str, jail: &str) -> Value {
    replay_all(&[log], jail)
}

fn replay_all(logs: &[&str], jail: &str) -> Value {
    let mut command = sipjail();
    command.args(["-c", "/nonexistent", "replay", "--jail", jail, "--format", "json"]);
    command.args(logs.iter().map(|log| fixtures().join(log)));
    let output = command.output().expect("it runs");
    assert!(output.status.success(), "{logs:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn banned(report: &Value) -> Vec<&str> {
    report["bans"].as_array().expect("a list").iter().map(|b| b["address"].as_str().expect("text")).collect()
}

fn failures(report: &Value, address: &str) -> u64 {
    report["jails"][0]["addresses"][address].as_u64().unwrap_or(0)
}

#[test]
fn on_asterisk_the_attacker_alone_is_banned() {
    for version in ["asterisk-16", "asterisk-22"] {
        for log in ["messages", "full"] {
            let log = format!("{version}/{log}");
            let report = replay(&log, "asterisk");
            let mut addresses = banned(&report);
            addresses.dedup();
            assert_eq!(addresses, ["10.77.0.11"], "{log}");
            assert_eq!(failures(&report, "10.77.0.13"), 4, "{log}");
            assert!(failures(&report, "10.77.0.12") < 5, "{log}");
            assert!(failures(&report, "127.0.0.1") < 5, "{log}");
        }
    }
}

#[test]
fn what_two_logs_tell_of_one_event_counts_once() {
    for version in ["asterisk-16", "asterisk-22"] {
        let (messages, security) = (format!("{version}/messages"), format!("{version}/security"));
        let (one, other) = (replay(&messages, "asterisk"), replay(&security, "asterisk"));
        let both = replay_all(&[&messages, &security], "asterisk");
        let of = |host: &str| [&one, &other, &both].map(|report| failures(report, host));
        for host in ["10.77.0.11", "10.77.0.13"] {
            let [one, other, both] = of(host);
            assert!(both > 0 && [one, other] == [both, both], "{version} {host}");
        }
        // A good phone fails twice with one account; the log that tells of its logins puts it on trust.
        assert_eq!(of("10.77.0.12"), [2, 1, 1], "{version}");
    }
}

#[test]
fn on_freeswitch_challenges_of_good_phones_are_no_failures() {
    let report = replay("freeswitch-1.10.12/freeswitch.log", "freeswitch");
    let mut addresses = banned(&report);
    addresses.sort_unstable();
    addresses.dedup();
    assert_eq!(addresses, ["10.77.0.11", "10.77.0.13"]);
    assert!(failures(&report, "10.77.0.12") < 5);
    assert!(failures(&report, "::1") < 5);
}

#[test]
fn a_jail_that_is_not_asked_for_is_not_looked_into() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = |name: &str| dir.path().join(name);
    let jails = "[door]\nenabled = true\nfailregex = ^bad <HOST>$\nlogpath = x\n\
                 [gate]\nenabled = true\nfailregex = ^bad (<HOST>$\nlogpath = x\n";
    std::fs::write(path("jail.conf"), jails.replace("failregex", "filter =\nfailregex")).expect("written");
    std::fs::write(path("log"), "2026-11-20 10:00:00 bad 192.0.2.1\n").expect("written");
    let said = |jail: &[&str]| {
        let mut command = sipjail();
        command.arg("-c").arg(dir.path()).args(["replay", "--format", "json"]).args(jail).arg(path("log"));
        let output = command.output().expect("it runs");
        let report: Option<Value> = serde_json::from_slice(&output.stdout).ok();
        let jails = report.map(|report| report["jails"].as_array().expect("a list").len());
        (jails, String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (jails, errors) = said(&["--jail", "door"]);
    assert_eq!((jails, &*errors), (Some(1), ""));
    for asked in [&["--jail", "gate"][..], &[]] {
        let (jails, errors) = said(asked);
        assert_eq!(jails, asked.is_empty().then_some(1), "{errors}");
        assert!(errors.contains("unable to compile regular expression"), "{errors}");
    }
    let (jails, errors) = said(&["--jail", "dor"]);
    assert_eq!(jails, None);
    assert!(errors.contains("did you mean `door`?"), "{errors}");
}
