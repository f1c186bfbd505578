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
