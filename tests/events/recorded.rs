//! What real servers told while they were attacked, through the stock filters: everybody under his own address.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::tz::TimeZone;

use sipjail::config::{Secret, UseDns, filter};
use sipjail::filter::date::Zones;
use sipjail::filter::{Filter, Moment};
use sipjail::source::event::News;
use sipjail::source::{ami, esl};
use sipjail::ticket::Sign;
use sipjail::time::{Span, Timestamp};

use super::common::fixtures;

const NOW: Timestamp = Timestamp::from_secs(1_795_168_800);

/// How many failures of whom a stock filter finds among events.
fn found(name: &str, lines: &[u8]) -> BTreeMap<String, usize> {
    let settings = filter(Path::new("/nonexistent"), name).expect("a stock filter").of_events();
    let zones = Zones { local: TimeZone::UTC, logtimezone: None };
    let (mut filter, notes) = Filter::of(&settings, UseDns::No, "auto", zones).expect("it compiles");
    assert_eq!(notes, []);
    let mut counts = BTreeMap::new();
    for line in lines.split(|byte| *byte == b'\n') {
        let moment = Moment { now: NOW, findtime: Span::from_secs(600), live: true, time: None, before: b"" };
        let mut failures = Vec::new();
        filter.line_at(line, NOW, &moment, &mut failures);
        for failure in failures {
            *counts.entry(format!("{}", failure.who)).or_default() += 1;
        }
    }
    counts
}

/// What else a jail with a `trusttime` finds among them: logins by address and account, and how often the PBX was started.
fn signs(filter: &str, backend: &str, lines: &[u8]) -> (BTreeMap<String, usize>, usize) {
    let dir = tempfile::tempdir().expect("a directory");
    let write = |name: &str, text: String| std::fs::write(dir.path().join(name), text).expect("a file");
    write("sipjail.conf", "[ami a]\nusername = u\nsecret = s\n[esl e]\npassword = s\n".into());
    let jail = format!(
        "[t]\nenabled = true\nfilter = {filter}\nbackend = {backend}\naction = dryrun\ntrusttime = 6h\nusedns = no\n"
    );
    write("jail.conf", jail);
    let config = sipjail::config::load(dir.path());
    assert_eq!(config.jails.len(), 1, "{:?}", config.problems);
    let (mut filter, _) = Filter::new(&config.jails[0], &TimeZone::UTC).expect("it compiles");
    let (mut logins, mut starts) = (BTreeMap::new(), 0);
    for line in lines.split(|byte| *byte == b'\n') {
        let moment = Moment { now: NOW, findtime: Span::from_secs(600), live: true, time: None, before: b"" };
        let mut found = Vec::new();
        filter.line_at(line, NOW, &moment, &mut found);
        for failure in found {
            match failure.sign {
                Sign::Failed => {}
                Sign::Restarted => starts += 1,
                Sign::LoggedIn => {
                    *logins
                        .entry(format!("{} {}", failure.who, failure.groups.get("user").unwrap_or_default()))
                        .or_default() += 1
                }
            }
        }
    }
    (logins, starts)
}

fn asterisk(path: &str) -> Vec<u8> {
    let text = std::fs::read(fixtures().join(path)).expect("the fixture is there");
    let mut session = ami::Session::new("u", &Secret::new("s"), false);
    let mut news = News::default();
    session.take(
        b"Asterisk Call Manager/1\r\nResponse: Success\r\nChallenge: 1\r\n\r\nResponse: Success\r\n\r\n",
        &mut news,
    );
    assert!(news.entered);
    // Behind the greeting and the login that were recorded.
    let start = text.windows(7).position(|word| word == b"Event: ").expect("events");
    session.take(&text[start..], &mut news);
    news.lines
}

fn freeswitch(path: &str) -> Vec<u8> {
    let text = std::fs::read(fixtures().join(path)).expect("the fixture is there");
    let mut session = esl::Session::new(&Secret::new("s"));
    let mut news = News::default();
    if !text.starts_with(b"Content-Type: auth/request") {
        let login = b"Content-Type: auth/request\n\nContent-Type: command/reply\nReply-Text: +OK accepted\n\n";
        session.take(login, &mut news);
    }
    session.take(&text, &mut news);
    assert!(news.entered && news.broken == 0);
    news.lines
}

fn expected(counts: &[(&str, usize)]) -> BTreeMap<String, usize> {
    counts.iter().map(|(address, count)| ((*address).to_owned(), *count)).collect()
}

#[test]
fn asterisk_names_every_attacker_and_no_good_login() {
    for (version, attacker) in [("16", 35), ("22", 18)] {
        let lines = asterisk(&format!("asterisk-{version}/ami.txt"));
        let who = expected(&[("10.77.0.11", attacker), ("10.77.0.12", 2), ("10.77.0.13", 4), ("127.0.0.1", 1)]);
        for name in ["asterisk", "ami"] {
            assert_eq!(found(name, &lines), who, "{name}, {version}");
        }
    }
}

#[test]
fn freeswitch_names_every_attacker_once_for_each_failure() {
    let lines = [freeswitch("freeswitch-1.10.12/events.txt"), freeswitch("freeswitch-1.10.12/esl-log.txt")].concat();
    // Failures by event; five refusals and two odd requests by the log alone.
    let who = expected(&[("10.77.0.11", 22 + 5), ("10.77.0.12", 3), ("10.77.0.13", 9 + 2), ("::1", 2)]);
    for name in ["freeswitch", "esl", "freeswitch[mode=extra]"] {
        assert_eq!(found(name, &lines), who, "{name}");
    }
    let flooded = found("freeswitch[mode=ddos]", &lines);
    assert_eq!(flooded["10.77.0.11"], 27 + 24 + 70, "{flooded:?}");
}

#[test]
fn nobody_is_named_who_sent_nothing() {
    for mode in ["normal", "extra", "ddos"] {
        for path in ["injection-events.txt", "injection-esl-log.txt"] {
            let lines = freeswitch(&format!("freeswitch-1.10.12/{path}"));
            let who = found(&format!("freeswitch[mode={mode}]"), &lines);
            assert!(!who.contains_key("10.77.0.99"), "{who:?}");
            assert!(path.contains("log") || who.contains_key("10.77.0.13"), "{who:?}");
        }
    }
}

#[test]
fn good_logins_are_told_with_their_accounts_and_so_is_a_new_connection() {
    for version in ["16", "22"] {
        let lines = asterisk(&format!("asterisk-{version}/ami.txt"));
        for name in ["asterisk", "ami"] {
            assert_eq!(signs(name, "ami", &lines), (expected(&[("10.77.0.12 1001", 7)]), 1), "{name}, {version}");
        }
    }
    let lines = freeswitch("freeswitch-1.10.12/events.txt");
    // Right answers to challenges, of which the phone had one too many registrations; 1007 has no password.
    let logins = expected(&[
        ("10.77.0.12 1001", 11),
        ("10.77.0.12 1003", 2),
        ("10.77.0.12 1009", 1),
        ("10.77.0.13 1001", 1),
        ("10.77.0.13 1007", 1),
        ("::1 1001", 1),
    ]);
    for name in ["freeswitch", "esl", "freeswitch[mode=extra]"] {
        assert_eq!(signs(name, "esl", &lines), (logins.clone(), 1), "{name}");
    }
    for path in ["injection-events.txt", "injection-esl-log.txt"] {
        let lines = freeswitch(&format!("freeswitch-1.10.12/{path}"));
        assert_eq!(signs("freeswitch", "esl", &lines), (expected(&[]), 1), "{path}");
    }
    assert_eq!(signs("asterisk", "ami", b"AMI Connected x\nAMI SuccessfulAuth address=\"x\"\nAMI Connected\n").1, 1);
}
