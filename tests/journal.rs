//! systemd's journal as a running daemon reads it, with a stand-in for `journalctl` that hands on what a test writes.
#![expect(clippy::disallowed_methods, reason = "tests run programs and start threads")]

mod common;

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::mpsc::channel;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use serde_json::{Value, json};

use common::{PATIENCE, World};

const MATCHES: &str = "_SYSTEMD_UNIT=door.service + SYSLOG_IDENTIFIER=\"front door\"\n  _TRANSPORT=kernel PRIORITY=4";

/// A world whose one jail reads the journal. The stand-in notes its process id and arguments, and becomes `cat`.
fn world() -> World {
    let mut world = World::new();
    world
        .write("conf/filter.d/door.conf", "[Definition]\nfailregex = ^\\S+ door\\[\\d+\\]: knock by .* from <HOST>$\n");
    let jail = format!("[door]\nbackend = systemd\nlogpath =\njournalmatch = {MATCHES}\n");
    world.write("conf/jail.local", &jail);
    let here = world.dir.path().display();
    let program = format!("#!/bin/sh\nexec <{here}/feed\nprintf '%s\\n' \"$$\" \"$@\" >{here}/called\nexec /bin/cat\n");
    world.write("bin/journalctl", &program);
    fs::set_permissions(world.path("bin/journalctl"), Permissions::from_mode(0o755)).expect("it can be run");
    assert!(Command::new("mkfifo").arg(world.path("feed")).status().expect("mkfifo runs").success());
    world.env.push(("PATH", world.path("bin").display().to_string()));
    world
}

/// What the stand-in hands on, once it is there.
struct Feed {
    file: File,
    child: OwnedFd,
    pid: String,
    arguments: Vec<String>,
}

impl Feed {
    fn open(world: &World) -> Feed {
        let (sender, opened) = channel();
        let path = world.path("feed");
        // Opening waits for a reader.
        let _waits = std::thread::spawn(move || sender.send(OpenOptions::new().write(true).open(path)));
        let file = opened.recv_timeout(PATIENCE).expect("the child is started").expect("it opens");
        // The note follows; until it is whole there is nothing to be read in it.
        let mut called = String::new();
        let end = std::time::Instant::now() + PATIENCE;
        while !called.contains("\n--\n") && std::time::Instant::now() < end {
            called = fs::read_to_string(world.path("called")).unwrap_or_default();
            std::thread::yield_now();
        }
        fs::remove_file(world.path("called")).expect("it was called");
        let mut lines = called.lines().map(str::to_owned);
        let pid = lines.next().expect("a process id");
        let child = pid.parse().ok().and_then(Pid::from_raw).expect("a process id");
        let child = pidfd_open(child, PidfdFlags::empty()).expect("it runs");
        Feed { file, child, pid, arguments: lines.collect() }
    }

    fn write(&mut self, entry: &Value) {
        self.file.write_all(format!("{entry}\n").as_bytes()).expect("somebody reads");
    }

    /// Waits for the child's end.
    fn has_ended(&self) -> bool {
        let patience = Timespec { tv_sec: PATIENCE.as_secs() as i64, tv_nsec: 0 };
        poll(&mut [PollFd::new(&self.child, PollFlags::IN)], Some(&patience)) == Ok(1)
    }

    fn option(&self, name: &str) -> Option<&str> {
        self.arguments.iter().find_map(|argument| argument.strip_prefix(name))
    }
}

fn micros() -> i64 {
    jiff::Timestamp::now().as_microsecond()
}

/// An entry written just now.
fn entry(cursor: &str, message: Value) -> Value {
    let now = micros().to_string();
    json!({
        "__CURSOR": cursor, "__REALTIME_TIMESTAMP": now, "__MONOTONIC_TIMESTAMP": "5000000", "_BOOT_ID": "0",
        "_SOURCE_REALTIME_TIMESTAMP": now, "_HOSTNAME": "pbx", "SYSLOG_IDENTIFIER": "door", "_PID": "77",
        "MESSAGE": message,
    })
}

fn knock(cursor: &str, address: &str) -> Value {
    entry(cursor, json!(format!("knock by somebody from {address}")))
}

#[test]
fn entries_of_the_journal_are_counted_and_forged_ones_are_not() {
    let world = world();
    let mut daemon = world.run();
    let mut feed = Feed::open(&world);
    let start: Vec<&str> = feed.arguments.iter().map(String::as_str).take(7).collect();
    assert_eq!(start, ["-o", "json", "-f", "--no-tail", "--all", "--quiet", "--no-pager"]);
    let matches: Vec<&str> = feed.arguments.iter().map(String::as_str).skip_while(|a| *a != "--").collect();
    let asked = "-- _SYSTEMD_UNIT=door.service + SYSLOG_IDENTIFIER=front door + _TRANSPORT=kernel PRIORITY=4";
    assert_eq!(matches.join(" "), asked);
    assert!(feed.arguments.iter().any(|a| a == "--system"), "{:?}", feed.arguments);
    let since: f64 = feed.option("--since=@").expect("a time").parse().expect("a number");
    assert!((since - (micros() as f64 / 1e6 - 600.0)).abs() < 60.0, "{since}");

    // Long ago, forged by a line break, without a time, no JSON at all: none of them counts.
    let mut old = knock("s=1;i=1", "203.0.113.1");
    for field in ["__REALTIME_TIMESTAMP", "_SOURCE_REALTIME_TIMESTAMP"] {
        old[field] = json!((micros() - 3_600_000_000).to_string());
    }
    feed.write(&old);
    feed.write(&entry("s=1;i=2", json!("hello\npbx door[1]: knock by x from 203.0.113.2")));
    feed.write(&json!({"MESSAGE": "knock by x from 203.0.113.3", "__CURSOR": "s=1;i=3"}));
    feed.file.write_all(b"-- No entries --\n\xff{\"MESSAGE\":\n").expect("written");
    feed.write(&entry("s=1;i=4", json!(null)));

    // Text, bytes, several values: the same knock.
    feed.write(&knock("s=1;i=5", "192.0.2.7"));
    let bytes: Vec<u8> = b"knock by \xff\x1b[2J from 192.0.2.7".to_vec();
    feed.write(&entry("s=1;i=6", json!(bytes)));
    feed.write(&entry("s=1;i=7", json!(["knock by several", "from 192.0.2.7"])));
    daemon.wait_for("[door] Ban 192.0.2.7");
    let found = daemon.seen.iter().filter(|line| line.contains("Found")).count();
    assert_eq!(found, 3, "{:#?}", daemon.seen);
    if !daemon.seen.iter().any(|line| line.contains("too long or no JSON")) {
        daemon.wait_for("too long or no JSON");
    }

    let status = world.json(&["status", "door"]);
    assert_eq!(status["filter"]["total_failed"], 3);
    let groups = ["_SYSTEMD_UNIT=door.service", "SYSLOG_IDENTIFIER=front door", "_TRANSPORT=kernel PRIORITY=4"];
    assert_eq!(status["filter"]["journalmatch"], json!(groups));
    let tree = world.text(&["status", "door"]);
    assert!(tree.contains(&format!("|  `- Journal matches:\t{}\n", groups.join(" + "))), "{tree}");
    assert!(!tree.contains("File list"), "{tree}");
}

#[test]
fn a_restart_goes_on_behind_the_last_entry_and_no_child_has_ended() {
    let world = world();
    let mut daemon = world.run();
    let mut feed = Feed::open(&world);
    feed.write(&knock("s=1;i=1", "192.0.2.7"));
    feed.write(&knock("s=1;i=2 b", "192.0.2.7"));
    for _ in 0..2 {
        daemon.wait_for("[door] Found 192.0.2.7");
    }
    daemon.signal("-TERM");
    assert!(feed.has_ended());
    assert!(daemon.ended().0);
    assert!(!Path::new("/proc").join(&feed.pid).exists());

    let mut daemon = world.run();
    let mut feed = Feed::open(&world);
    assert_eq!(feed.option("--after-cursor="), Some("s=1;i=2 b"));
    assert_eq!(feed.option("--since="), None);
    feed.write(&knock("s=1;i=3", "192.0.2.7"));
    daemon.wait_for("[door] Ban 192.0.2.7");
}

#[test]
fn a_child_that_dies_comes_back_and_goes_on() {
    let world = world();
    let mut daemon = world.run();
    let mut feed = Feed::open(&world);
    feed.write(&knock("s=1;i=1", "192.0.2.7"));
    daemon.wait_for("[door] Found 192.0.2.7");
    drop(feed);
    daemon.wait_for("cannot be read: `journalctl` ended; it is tried again");
    let mut feed = Feed::open(&world);
    assert_eq!(feed.option("--after-cursor="), Some("s=1;i=1"));
    feed.write(&knock("s=1;i=2", "192.0.2.7"));
    daemon.wait_for("is read again");
    feed.write(&knock("s=1;i=3", "192.0.2.7"));
    daemon.wait_for("[door] Ban 192.0.2.7");
}

#[test]
fn a_child_that_does_not_know_the_cursor_is_asked_by_time() {
    let world = world();
    let mut daemon = world.run();
    let mut feed = Feed::open(&world);
    feed.write(&knock("s=1;i=1", "192.0.2.7"));
    daemon.wait_for("[door] Found 192.0.2.7");
    let good = fs::read_to_string(world.path("bin/journalctl")).expect("it is there");
    world.write("bin/journalctl", "#!/bin/sh\necho 'Failed to seek to cursor: Invalid argument' >&2\nexit 1\n");
    drop(feed);
    daemon.wait_for("`journalctl` ended;");
    daemon.wait_for("`journalctl` says: Failed to seek to cursor: Invalid argument");
    world.write("bin/journalctl", &good);
    let feed = Feed::open(&world);
    assert_eq!(feed.option("--after-cursor="), None);
    let since: f64 = feed.option("--since=@").expect("a time").parse().expect("a number");
    assert!((since - micros() as f64 / 1e6).abs() < 60.0, "{since}");
}

#[test]
fn a_jail_that_is_reloaded_keeps_its_child_and_one_that_goes_does_not() {
    let world = world();
    let mut daemon = world.run();
    let mut feed = Feed::open(&world);
    feed.write(&knock("s=1;i=1", "192.0.2.7"));
    daemon.wait_for("[door] Found 192.0.2.7");
    let settings = fs::read_to_string(world.path("conf/jail.local")).expect("it is there");
    world.write("conf/jail.local", &format!("{settings}maxretry = 2\n"));
    world.text(&["reload"]);
    daemon.wait_for("Reload finished");
    feed.write(&knock("s=1;i=2", "192.0.2.7"));
    daemon.wait_for("[door] Ban 192.0.2.7");

    world.write("conf/jail.local", &settings.replace("PRIORITY=4", "PRIORITY=3"));
    world.text(&["reload"]);
    assert!(feed.has_ended());
    let other = Feed::open(&world);
    assert_eq!(other.arguments.last().map(String::as_str), Some("PRIORITY=3"));
    assert_eq!(other.option("--after-cursor="), Some("s=1;i=2"));

    world.write("conf/jail.local", "[door]\nenabled = false\n");
    world.text(&["reload"]);
    assert!(other.has_ended());
    daemon.signal("-TERM");
    assert!(daemon.ended().0);
}

#[test]
fn without_journalctl_the_log_says_what_to_install() {
    let mut world = world();
    world.env = vec![("PATH", world.path("empty").display().to_string())];
    let mut daemon = world.run();
    let said = daemon.wait_for("`journalctl` is not there: install the package `systemd`");
    assert!(said.contains("ERROR") && said.contains("_SYSTEMD_UNIT=door.service"), "{said}");
    assert_eq!(world.json(&["status"])["jails"], json!(["door"]));
}

#[test]
fn check_reports_what_the_journal_cannot_be_asked() {
    let world = world();
    let check = || String::from_utf8_lossy(&world.client(&["check"]).stdout).into_owned();
    assert!(check().contains("1 jail: door · nothing wrong"), "{}", check());
    world.write("conf/jail.local", "[door]\nbackend = systemd[journalpth=/x]\njournalmatch = A=1\n");
    let said = check();
    assert!(said.contains("no parameter `journalpth`") && said.contains("did you mean `journalpath`?"), "{said}");
    world.write("conf/jail.local", "[door]\nbackend = systemd\njournalmatch = --flush\n");
    let said = check();
    assert!(said.contains("`--flush` in `journalmatch` is no `NAME=VALUE`") && said.contains("no jail"), "{said}");
}
