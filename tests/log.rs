//! Our own log: fail2ban's lines to the byte, for those who read it, and `recidive` reads it itself.
//!
//! The comparison is skipped, and said so, where fail2ban is not installed.

#![allow(clippy::disallowed_methods, reason = "a test runs programs")]

#[macro_use]
#[path = "common/counted.rs"]
mod counted;
mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;

use common::{World, wait_until};
use regex::Regex;

/// Two servers on one tree, each with its log and database.
struct Both {
    world: World,
}

struct Server<'a> {
    world: &'a World,
    side: &'static str,
    child: Child,
}

impl Both {
    fn new() -> Both {
        let world = World::new();
        let path = |name: &str| world.path(name).display().to_string();
        for side in ["ours", "theirs"] {
            let own = |name: &str| path(&format!("{side}/{name}"));
            world.write(
                &format!("{side}/fail2ban.conf"),
                &format!(
                    "[DEFAULT]\nloglevel = INFO\nlogtarget = {}\nsyslogsocket = auto\nallowipv6 = auto\nsocket = {}\n\
                     pidfile = {}\ndbfile = {}\ndbpurgeage = 1d\ndbmaxmatches = 10\n[Definition]\n",
                    own("log"),
                    own("sock"),
                    own("pid"),
                    own("db")
                ),
            );
            world
                .write(&format!("{side}/filter.d/door.conf"), "[Definition]\nfailregex = ^ door: knock from <HOST>$\n");
            world.write(
                &format!("{side}/jail.conf"),
                &format!(
                    "[DEFAULT]\nbackend = polling\nignoreself = false\nusedns = no\naction =\nenabled = true\n\
                     maxmatches = 5\nmaxretry = 3\nfindtime = 10m\nfilter = door\nbantime = 1h\nlogpath = {}\n\
                     ignoreip = 198.51.100.0/24\n[door]\n\
                     [short]\nbantime = 5\nbantime.increment = true\nbantime.maxtime = 7\nlogpath = {}\n",
                    path("door.log"),
                    path("short.log")
                ),
            );
        }
        for log in ["door.log", "short.log"] {
            world.write(log, "2026-01-01 00:00:00 door: it is put in\n");
        }
        Both { world }
    }

    fn start(&self) -> [Server<'_>; 2] {
        let mut ours = common::sipjail();
        ours.args(["run", "--dry-run", "-c"]).arg(self.world.path("ours"));
        let mut theirs = Command::new("fail2ban-server");
        theirs.args(["-x", "-f", "-c"]).arg(self.world.path("theirs")).arg("start").env("TZ", "UTC");
        [("ours", ours), ("theirs", theirs)].map(|(side, mut command)| {
            let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
            let server = Server { world: &self.world, side, child };
            wait_until("it answers", || server.client(&["status", "short"]));
            server
        })
    }

    fn knock(&self, log: &str, address: &str, times: usize) {
        let line = format!("{} door: knock from {address}\n", common::now());
        (0..times).for_each(|_| self.world.append(log, &line));
    }
}

impl Server<'_> {
    fn dir(&self) -> PathBuf {
        self.world.path(self.side)
    }

    /// Asks with fail2ban's client.
    fn client(&self, words: &[&str]) -> bool {
        let mut client = Command::new("fail2ban-client");
        client.arg("-c").arg(self.dir()).args(words).output().is_ok_and(|o| o.status.success())
    }

    fn log(&self) -> String {
        fs::read_to_string(self.dir().join("log")).unwrap_or_default()
    }

    fn wait_for(&self, text: &str, times: usize) {
        let said =
            || self.log().lines().filter(|line| line.ends_with(text) || line.contains(&format!("{text} "))).count();
        wait_until(&format!("{} says `{text}` {times} times", self.side), || said() >= times);
    }

    fn end(mut self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().expect("kill runs").success());
        assert!(self.child.wait().expect("it ends").success());
    }
}

impl Drop for Server<'_> {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _status = self.child.wait();
    }
}

#[test]
fn our_log_reads_as_fail2bans_on_the_same_lines() {
    if !Path::new("/usr/bin/fail2ban-server").exists() {
        return println!("skipped: fail2ban is not installed");
    }
    let both = Both::new();
    let servers = both.start();
    let wait = |text: &str, times: usize| servers.iter().for_each(|server| server.wait_for(text, times));
    both.knock("door.log", "203.0.113.1", 3);
    both.knock("door.log", "198.51.100.7", 1);
    wait("[door] Ban 203.0.113.1", 1);
    wait("[door] Ignore 198.51.100.7 by ip", 1);
    both.knock("short.log", "203.0.113.3", 3);
    wait("[short] Unban 203.0.113.3", 1);
    // More than three seconds later.
    both.knock("door.log", "203.0.113.1", 3);
    wait("[door] 203.0.113.1 already banned", 1);
    both.knock("short.log", "203.0.113.3", 2);
    wait("[short] Increase Ban 203.0.113.3", 1);
    for words in [
        &["set", "door", "banip", "203.0.113.8", "2001:db8::1"][..],
        &["set", "door", "unbanip", "203.0.113.8"],
        &["set", "door", "unbanip", "203.0.113.88"],
        &["flushlogs"],
    ] {
        assert!(servers.iter().all(|server| server.client(words)), "{words:?}");
        if words.contains(&"banip") {
            wait("[door] Ban 2001:db8::1", 1);
        }
    }
    wait("[short] Unban 203.0.113.3", 2);
    let logs = servers.each_ref().map(|server| server.dir().join("log"));
    servers.into_iter().for_each(Server::end);
    let again = both.start();
    again.iter().for_each(|server| server.wait_for("[door] Restore Ban 2001:db8::1", 1));
    again.into_iter().for_each(Server::end);

    let [ours, theirs] = logs.map(|log| records(&fs::read_to_string(log).expect("it is there"), &both.world));
    let mut differences = Vec::new();
    let mut compared = 0;
    for text in ours.keys().chain(theirs.keys()) {
        let counts = [&ours, &theirs].map(|log| log.get(text).copied().unwrap_or(0));
        compared += counts[0].min(counts[1]);
        if counts[0] != counts[1] && !KNOWN.iter().any(|(known, _)| text.contains(known)) {
            differences.push(format!("{text}: ours {}, theirs {}", counts[0], counts[1]));
        }
    }
    differences.dedup();
    assert!(differences.is_empty(), "{differences:#?}");
    for (known, reason) in KNOWN {
        let mut texts = ours.keys().chain(theirs.keys()).filter(|text| text.contains(known));
        let differs = texts.any(|text| ours.get(text) != theirs.get(text));
        assert!(differs, "`{known}` is no difference any more ({reason})");
    }
    counted!("log: {} records the same in both, {} kinds of difference known", compared / 2, KNOWN.len());
}

/// What differs, by a part of the record, and why.
const KNOWN: &[(&str, &str)] = &[
    (" Starting ", "each by its own name"),
    (" Exiting ", "each by its own name"),
    ("fail2ban.config ", "what is wrong with the configuration stands in the log too"),
    ("Unban 2001:db8::1", "SIGTERM leaves bans in the kernel, so a restart has no gap"),
    ("[door] Unban 203.0.113.1", "the same"),
    ("banTime: ", "what a jail is set to is asked with `get`, and said on stdout at the start"),
    ("findtime: ", "the same"),
    ("maxRetry: ", "the same"),
    ("Set banTime.", "the same"),
    ("Added logfile: ", "the same; `status JAIL` lists them"),
    ("Removed logfile: ", "the same"),
    ("Creating new jail ", "it is said once it runs: `Jail 'door' started`"),
    (" uses poller ", "there is one way to follow a log"),
    ("Initiated 'polling' backend", "the same"),
    ("fail2ban.database ", "only what is wrong with the database is said"),
    ("fail2ban.observer       [PID]: INFO    Observer st", "there is no such thread"),
    ("-----", "no line for the eye"),
    ("Stopping all jails", "each jail is named: `Jail 'door' stopped`"),
];

/// How often each record stands in a log; without times, pids and paths, which are the run's own.
fn records(log: &str, world: &World) -> BTreeMap<String, usize> {
    static OWN: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(,\d{3})?|\[ *\d+\]").expect("it is sound"));
    let mut records = BTreeMap::new();
    for line in log.lines() {
        let line = OWN.replace_all(line, |found: &regex::Captures<'_>| match &found[0] {
            pid if pid.starts_with('[') => "[PID]".to_owned(),
            time => format!("TIME{}", &",mmm"[..if time.contains(',') { 4 } else { 0 }]),
        });
        let line = ["ours", "theirs", ""].iter().fold(line.into_owned(), |line, side| {
            line.replace(world.path(side).to_str().expect("text").trim_end_matches('/'), "DIR")
        });
        *records.entry(line).or_default() += 1;
    }
    records
}

/// A world whose jail `recidive` reads our own log; the jail `door` bans for three seconds.
fn with_recidive() -> World {
    let world = World::new();
    let log = world.path("our.log").display().to_string();
    world.write(
        "conf/jail.local",
        &format!(
            "[door]\nbantime = 3\nmaxretry = 1\n\
             [recidive]\nenabled = true\nfilter = recidive\nlogpath = {log}\nmaxretry = 3\nfindtime = 1d\nbantime = 1w\n"
        ),
    );
    world
}

#[test]
fn who_is_banned_again_and_again_is_banned_for_long_by_our_own_log() {
    let world = with_recidive();
    let mut daemon = world.run();
    for _ in 0..2 {
        world.knock("203.0.113.1");
        daemon.wait_for("[door] Ban 203.0.113.1");
        daemon.wait_for("[recidive] Found 203.0.113.1");
        daemon.wait_for("[door] Unban 203.0.113.1");
    }
    // A ban that is restored is no new one: it is not counted, neither in this run nor after it.
    world.text(&["ban", "203.0.113.2", "--jail", "door", "--for", "1h"]);
    daemon.wait_for("[recidive] Found 203.0.113.2");
    for _ in 0..3 {
        daemon.signal("-TERM");
        assert!(daemon.ended().0);
        daemon = world.run();
        daemon.wait_for("[door] Restore Ban 203.0.113.2");
    }
    world.knock("203.0.113.1");
    daemon.wait_for("[recidive] Ban 203.0.113.1");
    assert!(!daemon.seen.iter().any(|line| line.contains("[recidive] Found 203.0.113.2")), "{:#?}", daemon.seen);
    let bans = world.json(&["banned", "--jail", "recidive"]);
    let time = |name: &str| bans[0][name].as_str().expect("text").parse::<jiff::Timestamp>().expect("a time");
    assert_eq!(time("until").as_second() - time("since").as_second(), 7 * 86_400);
    // Its own ban is not counted against him.
    daemon.wait_for("[door] Unban 203.0.113.1");
    let status = world.json(&["status", "recidive"]);
    assert_eq!((&status["actions"]["currently_banned"], &status["filter"]["total_failed"]), (&1.into(), &1.into()));
}

#[test]
fn both_recidive_filters_take_our_bans_and_nothing_else() {
    let world = with_recidive();
    world.write("conf/jail.d/more.conf", "[door]\nbantime.increment = true\nignoreip = 198.51.100.0/24\n");
    let mut daemon = world.run();
    for address in ["203.0.113.1", "2001:db8::1"] {
        world.knock(address);
        daemon.wait_for(&format!("[door] Ban {address}"));
        daemon.wait_for(&format!("[door] Unban {address}"));
    }
    world.knock("198.51.100.1");
    daemon.wait_for("Ignore 198.51.100.1 by ip");
    world.knock("203.0.113.1");
    daemon.wait_for("[door] Increase Ban 203.0.113.1 (2 #");
    world.text(&["ban", "203.0.113.9", "--jail", "door", "--for", "1h"]);
    daemon.wait_for("[door] Ban 203.0.113.9");
    daemon.signal("-HUP");
    daemon.wait_for("rollover performed");
    daemon.signal("-TERM");
    assert!(daemon.ended().0);
    let mut daemon = world.run();
    daemon.wait_for("[door] Restore Ban 203.0.113.9");
    world.text(&["stop"]);
    drop(daemon);

    let log = fs::read_to_string(world.path("our.log")).expect("it is there");
    let pattern = r"(?x)^\d{4}-\d\d-\d\d\ \d\d:\d\d:\d\d,\d{3}\ fail2ban\.[a-z]+\ *\[\d+\]:\ [A-Z]+\ *\ \S";
    let shape = Regex::new(pattern).expect("it is sound");
    let column = |line: &str| line.find('[').filter(|at| *at == 24 + 24);
    for line in log.lines() {
        assert!(shape.is_match(line) && column(line).is_some(), "{line}");
    }
    for expected in [
        "fail2ban.filter         [PID]: INFO    [door] Found 203.0.113.1 - TIME",
        "fail2ban.observer       [PID]: INFO    [door] Found 203.0.113.1, bad - TIME, 1 # -> 1, Ban",
        "fail2ban.filter         [PID]: INFO    [door] Ignore 198.51.100.1 by ip",
        "fail2ban.actions        [PID]: NOTICE  [door] Ban 203.0.113.1",
        "fail2ban.actions        [PID]: NOTICE  [door] Ban 2001:db8::1",
        "fail2ban.actions        [PID]: NOTICE  [door] Unban 203.0.113.1",
        "fail2ban.actions        [PID]: NOTICE  [door] Restore Ban 203.0.113.9",
        "fail2ban.observer       [PID]: INFO    [door] IP 203.0.113.1 is bad: 1 # last TIME - incr 3s to 6s",
        "fail2ban.observer       [PID]: NOTICE  [door] Increase Ban 203.0.113.1 (2 # 6s -> TIME)",
        "fail2ban.server         [PID]: INFO    rollover performed on DIR/our.log",
        "fail2ban.server         [PID]: INFO    Shutdown in progress...",
        "fail2ban.jail           [PID]: INFO    Jail 'door' started",
        "fail2ban.jail           [PID]: INFO    Jail 'door' stopped",
    ] {
        assert!(records(&log, &world).contains_key(&format!("TIME,mmm {expected}")), "{expected}: {log}");
    }

    let bans: Vec<&str> = log.lines().filter(|line| line.contains("NOTICE  [door] Ban ")).collect();
    let expected: Vec<String> = bans.iter().map(|line| line.rsplit(' ').next().expect("a word").to_owned()).collect();
    assert_eq!(expected.len(), 4);
    let ours = matched(common::sipjail().args(["regex", "-o", "id"]), &world.path("our.log"), "recidive");
    assert_eq!(ours, expected, "ours");
    let stock = Path::new("/etc/fail2ban/filter.d/recidive.conf");
    if !stock.exists() {
        return println!("skipped: fail2ban's filter is not installed");
    }
    let by_us =
        matched(common::sipjail().args(["regex", "-o", "id"]), &world.path("our.log"), stock.to_str().expect("text"));
    assert_eq!(by_us, expected, "fail2ban's filter in our engine");
    let by_them = matched(
        Command::new("fail2ban-regex").args(["-o", "id"]).env("TZ", "UTC"),
        &world.path("our.log"),
        stock.to_str().expect("text"),
    );
    assert_eq!(by_them, expected, "fail2ban's filter in its own");
}

/// Whom a filter finds in a log, in order.
fn matched(command: &mut Command, log: &Path, filter: &str) -> Vec<String> {
    let output = command.arg(log).arg(filter).output().expect("it runs");
    String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
}
