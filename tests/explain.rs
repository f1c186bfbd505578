//! `sipjail explain`: what a person reads is a snapshot, what a program reads is compared value by value.

mod common;

use std::fs;
use std::io::Write;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;
use std::process::Stdio;

use serde_json::{Value, json};

use common::sipjail;

const FILTER: &str = r"[Definition]
failregex = ^ door: knock by '.*' from <HOST> - (?:wrong key|no key)$
            ^ door: kick (?:<F-TRIES>\d+</F-TRIES> times )?from <HOST>$
            ^ door: mauled (?:\w+ )*by <HOST>(?! \w)
ignoreregex = by 'friend'
";

const SESSIONS: &str = r"[Definition]
prefregex = ^ lift\[<F-MLFID>\d+</F-MLFID>\]: <F-CONTENT>.+</F-CONTENT>$
failregex = ^<F-NOFAIL>called</F-NOFAIL> from <HOST>$
            ^stuck with <F-USER>\S+</F-USER>$
";

const JAILS: &str = "[DEFAULT]
banaction = dryrun
action = %(banaction)s
ignoreself = false
[door]
enabled = true
filter = door
logpath = /nonexistent/door.log
maxretry = 3
findtime = 10m
bantime = 1h
ignoreip = 198.51.100.0/24
[lift]
enabled = auto
filter = lift
logpath = /nonexistent/lift.log
maxretry = 1
bantime = -1
unwrap = docker
usedns = yes
ignoreip = office.example.org
ignorecommand = /bin/is-good <ip>
[cellar]
enabled = true
filter = cellar
backend = systemd
journalmatch = _COMM=cellar
";

const CELLAR: &str = r"[Definition]
failregex = ^\S+ cellar: flooded by <HOST>$
";

struct House(tempfile::TempDir);

impl House {
    fn new() -> House {
        let dir = tempfile::tempdir().expect("a scratch directory");
        fs::create_dir_all(dir.path().join("filter.d")).expect("made");
        let write = |name: &str, text: &str| fs::write(dir.path().join(name), text).expect("written");
        write("filter.d/door.conf", FILTER);
        write("filter.d/lift.conf", SESSIONS);
        write("filter.d/cellar.conf", CELLAR);
        write("jail.conf", JAILS);
        House(dir)
    }

    fn conf(&self) -> &str {
        self.0.path().to_str().expect("text")
    }

    fn said(&self, words: &[&str]) -> (String, Option<i32>) {
        let command = ["explain", "-c", self.conf()];
        let output = sipjail().args(command).args(words).env("TZ", "UTC").output().expect("it runs");
        let text = String::from_utf8([output.stdout, output.stderr].concat()).expect("text");
        (text.replace(self.conf(), "CONF"), output.status.code())
    }

    fn text(&self, jail: &str, lines: &[&str]) -> String {
        let (text, code) = self.said(&[&["--jail", jail], lines].concat());
        assert_eq!(code, Some(0), "{text}");
        text
    }

    fn data(&self, jail: &str, lines: &[&str]) -> Vec<Value> {
        let (text, code) = self.said(&[&["--format", "json", "--jail", jail], lines].concat());
        assert_eq!(code, Some(0), "{text}");
        let report: Value = serde_json::from_str(&text).expect("JSON");
        report["lines"].as_array().expect("lines").iter().map(|line| line["jails"][0].clone()).collect()
    }
}

#[test]
fn a_tried_filter_shows_where_it_stopped() {
    let line = "2026-11-20 10:00:00 door: knock by bob at 192.0.2.7";
    let words = ["regex", "--explain", line, "^ door: knock by \\S+ from <ADDR>$"];
    let output = sipjail().args(words).output().expect("it runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("|- Nearly matched line(s):\n|  2026-11-20 10:00:00 door: knock by bob at"), "{text}");
    assert!(text.contains("^ failregex 1 stopped here: expected"), "{text}");
    let output = sipjail().args(words).args(["--format", "json"]).output().expect("it runs");
    let data: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(data["nearly"]["count"], 1);
    assert_eq!(data["nearly"]["misses"][0]["failregex"], 1);
    let offset = data["nearly"]["misses"][0]["offset"].as_u64().expect("a number");
    assert_eq!(&line[usize::try_from(offset).expect("it fits")..], "at 192.0.2.7");
}

#[test]
fn a_near_miss_is_shown_with_a_caret() {
    let line = "2020-01-02 10:00:00 door: knock by 'bob' from 192.0.2.1 - wrong kay";
    insta::assert_snapshot!(House::new().text("door", &[line]));
}

#[test]
fn every_jail_tells_its_part() {
    let (text, _) = House::new().said(&["2020-01-02 10:00:00 door: kick 2 times from 192.0.2.1"]);
    insta::assert_snapshot!(text);
}

#[test]
fn lines_of_one_session_are_told_together() {
    let lines = ["2020-01-02 10:00:00 lift[7]: stuck with bob", "2020-01-02 10:00:01 lift[7]: called from 192.0.2.1"];
    insta::assert_snapshot!(House::new().text("lift", &lines));
}

#[test]
fn data_has_every_step() {
    let line = "2020-01-02 10:00:00 door: kick 2 times from 192.0.2.1";
    let expected = json!({
        "jail": "door",
        "outcome": "counted",
        "unwrapped": null,
        "date": {
            "text": "2020-01-02 10:00:00",
            "template": "{^LN-BEG}ExYear(?P<_sep>[-/.])Month(?P=_sep)Day(?:T|  ?)24hour:Minute:Second(?:[.,]Microseconds)?(?:\\s*Zone offset)?",
            "time": "2020-01-02T10:00:00+00:00",
            "unparsable": false,
            "by": "line",
            "followed": "now",
            "from_the_start": "never",
        },
        "prefilter": { "candidate": true, "literal": " door: ", "every_line": false },
        "prefregex": null,
        "content": null,
        "failregex": {
            "number": 2,
            "text": r"^ door: kick (?:<F-TRIES>\d+</F-TRIES> times )?from <HOST>$",
            "place": "CONF/filter.d/door.conf:3:13",
        },
        "groups": { "tries": "2", "ip4": "192.0.2.1" },
        "ignored": null,
        "who": "192.0.2.1",
        "would_ask": [],
        "counted": { "tries": 2, "failures": 2, "bans": false },
        "gave_up": 0,
        "nearest": null,
        "maxretry": 3,
        "findtime": 600,
        "bantime": 3600,
    });
    assert_eq!(House::new().data("door", &[line]), [expected]);
}

#[test]
fn failures_add_up_until_one_bans() {
    let line = "2020-01-02 10:00:00 door: kick from 192.0.2.1";
    let told = House::new().data("door", &[line, line, line, line]);
    let outcomes: Vec<_> = told.iter().map(|told| (&told["outcome"], &told["counted"]["failures"])).collect();
    assert_eq!(json!(outcomes), json!([["counted", 1], ["counted", 2], ["banned", 3], ["counted", 1]]));
}

#[test]
fn a_network_that_counts_as_one_adds_up_too() {
    let house = House::new();
    fs::write(house.0.path().join("jail.conf"), JAILS.replace("[lift]", "subnet6 = 64\n[lift]")).expect("written");
    let line = |host: u32| format!("2020-01-02 10:00:00 door: kick from 2001:db8:1:2::{host}");
    let told = house.data("door", &[&line(1), &line(2), &line(3)]);
    assert_eq!((&told[2]["outcome"], &told[2]["who"]), (&json!("banned"), &json!("2001:db8:1:2::/64")));
}

#[test]
fn who_is_ignored_is_said_with_the_reason() {
    let house = House::new();
    let told = house.data("door", &["2020-01-02 10:00:00 door: kick from 198.51.100.7"]);
    assert_eq!(told[0]["ignored"], json!({ "by": "ignoreip", "what": "198.51.100.0/24", "place": null }));
    let told = house.data("door", &["2020-01-02 10:00:00 door: knock by 'friend' from 192.0.2.1 - no key"]);
    let place = "CONF/filter.d/door.conf:5:15";
    assert_eq!(told[0]["ignored"], json!({ "by": "ignoreregex", "what": "by 'friend'", "place": place }));
    assert_eq!((&told[0]["failregex"]["number"], &told[0]["groups"]["ip4"]), (&json!(1), &json!("192.0.2.1")));
}

#[test]
fn nobody_is_asked_and_that_is_said() {
    let wrapped = |log: &str| {
        json!({ "log": format!("{log}\n"), "stream": "stdout", "time": "2020-01-02T10:00:00Z" }).to_string()
    };
    let lines = [wrapped(" lift[7]: called from 192.0.2.1"), wrapped(" lift[7]: stuck with bob")];
    let told = House::new().data("lift", &lines.each_ref().map(|line| &**line));
    assert_eq!(
        (&told[0]["outcome"], &told[0]["unwrapped"]),
        (&json!("helps"), &json!(" lift[7]: called from 192.0.2.1"))
    );
    assert_eq!(told[1]["outcome"], "banned");
    assert_eq!((&told[1]["bantime"], &told[1]["date"]["by"]), (&json!(null), &json!("wrapper")));
    let asked = told[1]["would_ask"].to_string();
    assert!(asked.contains("the addresses of `office.example.org` (ignoreip)"), "{asked}");
    assert!(asked.contains("ignorecommand: "), "{asked}");
    let named = [wrapped(" lift[8]: called from door.example.org"), wrapped(" lift[8]: stuck with bob")];
    let told = House::new().data("lift", &named.each_ref().map(|line| &**line));
    assert_eq!((&told[1]["outcome"], &told[1]["who"]), (&json!("named"), &json!("door.example.org")));
    assert_eq!(told[1]["would_ask"], json!(["the addresses of `door.example.org`"]));
}

#[test]
fn a_line_of_the_journal_comes_without_its_date() {
    let line = "house cellar: flooded by 192.0.2.1";
    let told = House::new().data("cellar", &[line, &format!("2020-01-02 10:00:00 {line}")]);
    assert_eq!((&told[0]["outcome"], &told[1]["outcome"]), (&json!("counted"), &json!("counted")));
    assert_eq!((&told[0]["unwrapped"], &told[1]["unwrapped"]), (&json!(null), &json!(line)));
    assert_eq!(
        (&told[1]["date"]["by"], &told[1]["date"]["time"]),
        (&json!("journal"), &json!("2020-01-02T10:00:00+00:00"))
    );
}

#[test]
fn a_date_that_is_none_is_said() {
    let told = House::new().data("door", &["2020-02-30 10:00:00 door: kick from 192.0.2.1", "kick"]);
    let date = &told[0]["date"];
    assert_eq!(
        (&date["text"], &date["time"], &date["unparsable"]),
        (&json!("2020-02-30 10:00:00"), &json!(null), &json!(true))
    );
    assert_eq!((&date["followed"], &date["from_the_start"]), (&json!("before-or-now"), &json!("before-or-never")));
    assert_eq!((&told[1]["date"]["text"], &told[1]["nearest"]), (&json!(null), &json!(null)));
    let told = House::new().data("door", &["2020-01-02 10:00:00 door: kick from 999.1.2.3"]);
    assert_eq!((&told[0]["outcome"], &told[0]["who"]), (&json!("invalid"), &json!("999.1.2.3")));
}

#[test]
fn lines_come_from_stdin_too_and_may_hold_anything() {
    let house = House::new();
    let mut command = sipjail();
    command.args(["explain", "-c", house.conf(), "-"]).env("TZ", "UTC");
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it starts");
    let mut hostile =
        b"2020-01-02 10:00:00 door: knock by '\x1b[2J\xff\xe2\x80\xae' from 192.0.2.1 - wrong k\x07\n".to_vec();
    hostile.extend([b"2020-01-02 10:00:00 door: knock by '", "'é ".repeat(20_000).as_bytes(), b"\n"].concat());
    child.stdin.take().expect("piped").write_all(&hostile).expect("written");
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).expect("text");
    assert!(text.chars().all(|c| c == '\n' || !c.is_control()) && !text.contains('\u{202e}'), "{text:?}");
    assert!(text.contains("\\x1b[2J") && text.contains("expected `ey`"), "{text}");
    assert_eq!(text.matches("[door] ").count(), 2);
}

#[test]
fn an_argument_need_not_be_text() {
    let line = std::ffi::OsString::from_vec(b"2020-01-02 10:00:00 door: kick\xff from 192.0.2.1".to_vec());
    let house = House::new();
    let output = sipjail().args(["explain", "-c", house.conf()]).arg(line).output().expect("it runs");
    assert!(output.status.success());
    assert!(String::from_utf8_lossy(&output.stdout).contains("kick\u{fffd} from"));
}

#[test]
fn an_unknown_jail_and_a_flood_are_errors_with_hints() {
    let house = House::new();
    let (text, code) = house.said(&["--jail", "dor", "x"]);
    assert_ne!(code, Some(0));
    assert!(text.contains("did you mean `door`?"), "{text}");
    let path = house.0.path().join("flood");
    fs::write(&path, "x\n".repeat(1 << 20)).expect("written");
    let flood = fs::File::open(path).expect("opened");
    let output = sipjail().args(["explain", "-c", house.conf(), "-"]).stdin(flood).output().expect("it runs");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && text.contains("sipjail replay LOG"), "{text}");
}

/// What a filter finds, the prefilter must have let through; and no line keeps `explain` from telling.
#[test]
fn what_matches_in_the_fixtures_was_a_candidate() {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/samples");
    let (mut lines, mut matched) = (0, 0);
    for file in fs::read_dir(samples).expect("it is there").flatten().map(|entry| entry.path()).filter(|p| p.is_file())
    {
        let text = fs::read(&file).expect("readable");
        let input = fs::File::open(&file).expect("opened");
        if text.len() >= 256 << 10 {
            continue;
        }
        let mut command = sipjail();
        command.args(["explain", "-c", "/nonexistent", "--format", "json", "-"]).env("TZ", "UTC");
        let output = command.stdin(input).output().expect("it runs");
        let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        for line in report["lines"].as_array().expect("lines") {
            for told in line["jails"].as_array().expect("jails") {
                lines += 1;
                let missed = told["outcome"] == "missed";
                matched += usize::from(!missed);
                // What an ignoreregex takes first, on the whole line, need not be one.
                let found = !missed && told["outcome"] != "ignored";
                assert!(!found || told["prefilter"]["candidate"] == true, "{line:#}");
                assert!(missed || told["nearest"].is_null(), "{line:#}");
                if let Some(offset) = told["nearest"]["offset"].as_u64() {
                    let text = told["nearest"]["text"].as_str().expect("text");
                    assert!(text.is_char_boundary(offset as usize), "{line:#}");
                }
            }
        }
    }
    println!("explained {lines} lines, {matched} of them found by a filter");
    assert!(lines > 0 && matched > 0);
}
