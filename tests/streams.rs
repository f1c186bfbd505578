//! Jails that come over the socket: what fail2ban's own client sends at `start` and `reload` is carried out by our daemon.
//!
//! Skipped, and said so, where fail2ban is not installed.

#![allow(clippy::disallowed_methods, reason = "a test runs programs")]

mod common;

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use common::{PATIENCE, World};

/// A tree of fail2ban's, a copy of its client, and beside that our daemon under its server's name.
struct Tree {
    world: World,
}

impl Tree {
    fn new(jails: &str) -> Option<Tree> {
        if !Path::new("/usr/bin/fail2ban-client").exists() {
            println!("skipped: fail2ban is not installed");
            return None;
        }
        let world = World::new();
        let own = |name: &str| world.path(name).display().to_string();
        std::fs::create_dir(world.path("bin")).expect("a folder");
        std::fs::copy("/usr/bin/fail2ban-client", world.path("bin/fail2ban-client")).expect("it is copied");
        symlink(env!("CARGO_BIN_EXE_sipjail"), world.path("bin/fail2ban-server")).expect("it is linked");
        world.write(
            "tree/fail2ban.conf",
            &format!(
                "[DEFAULT]\nloglevel = INFO\nlogtarget = {}\nsyslogsocket = auto\nallowipv6 = auto\nsocket = {}\n\
                 pidfile = {}\ndbfile = {}\ndbpurgeage = 1d\ndbmaxmatches = 10\n[Definition]\n",
                own("log"),
                own("f2b.sock"),
                own("f2b.pid"),
                own("f2b.db")
            ),
        );
        world.write("tree/filter.d/door.conf", "[Definition]\nfailregex = ^ door: knock by .* from <HOST>$\n");
        world.write("tree/filter.d/bad.conf", "[Definition]\nfailregex = ^ (door <HOST>$\n");
        world.write("tree/action.d/note.conf", "[Definition]\nactionban = true\nactionunban = true\n");
        let tree = Tree { world };
        tree.jails(jails);
        Some(tree)
    }

    /// What `jail.conf` says below its defaults.
    fn jails(&self, jails: &str) {
        let log = self.world.path("door.log").display().to_string();
        let defaults = "[DEFAULT]\nbackend = polling\nusedns = no\nignoreself = false\naction = note\nenabled = true\n\
                        filter = door\nmaxmatches = 5\nlogpath = LOG\n"
            .replace("LOG", &log);
        self.world.write("tree/jail.conf", &format!("{defaults}{jails}"));
    }

    fn client(&self, words: &[&str]) -> Output {
        // Its own network namespace, so that nothing of this host is touched.
        let mut client = Command::new(if rustix::process::geteuid().is_root() { "unshare" } else { "env" });
        if rustix::process::geteuid().is_root() {
            client.arg("-n");
        }
        client.arg(self.world.path("bin/fail2ban-client")).arg("-c").arg(self.world.path("tree")).args(words);
        client.env("TZ", "UTC").output().expect("it runs")
    }

    fn says(&self, words: &[&str]) -> String {
        let output = self.client(words);
        assert!(output.status.success(), "{words:?}: {output:?}\n{}", self.log());
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    /// Asks until the answer holds a text.
    fn wait(&self, words: &[&str], text: &str) {
        let end = Instant::now() + PATIENCE;
        while !self.says(words).contains(text) {
            assert!(Instant::now() < end, "{words:?} never said {text}\n{}", self.log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.world.path("log")).unwrap_or_default()
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        let _ended = self.client(&["stop"]);
    }
}

#[test]
fn the_stock_client_starts_our_server_and_its_jails_ban() {
    let Some(tree) = Tree::new("[door]\nmaxretry = 2\nbantime = 1h\nbantime.increment = true\n[quiet]\nmaxretry = 9\n")
    else {
        return;
    };
    assert_eq!(tree.says(&["start"]), "Server ready");
    assert_eq!(tree.says(&["get", "door", "bantime"]), "3600");
    assert!(tree.says(&["get", "dbfile"]).contains("f2b.db"));
    tree.world.knock("192.0.2.7");
    tree.world.knock("192.0.2.7");
    tree.wait(&["get", "door", "banip"], "192.0.2.7");
    tree.wait(&["status", "quiet"], "Total failed:\t2");

    // What is not said any more goes back to its default, what goes ends, and the rest goes on where it was.
    tree.jails("[door]\nbantime = 1h\n");
    assert_eq!(tree.says(&["reload"]), "OK");
    assert_eq!(tree.says(&["get", "door", "maxretry"]), "3");
    assert_eq!(tree.says(&["get", "door", "bantime.increment"]), "None");
    assert!(tree.says(&["status"]).ends_with("Jail list:\tdoor"));
    tree.world.knock("192.0.2.8");
    tree.wait(&["status", "door"], "Total failed:\t3");
    assert_eq!(tree.says(&["get", "door", "banip"]), "192.0.2.7");

    // What begins anew has its bans back, and what is unbanned has not.
    assert_eq!(tree.says(&["reload", "--restart", "door"]), "OK");
    assert_eq!(tree.says(&["get", "door", "banip"]), "192.0.2.7");
    tree.says(&["set", "door", "banip", "192.0.2.77"]);
    assert_eq!(tree.says(&["reload", "--unban", "door"]), "OK");
    assert_eq!(tree.says(&["get", "door", "banip"]), "");
    assert_eq!(tree.says(&["set", "door", "banip", "192.0.2.7"]), "1");

    // The next run has the bans from the database, and does not count a line twice.
    assert_eq!(tree.says(&["stop"]), "Shutdown successful");
    assert_eq!(tree.says(&["start"]), "Server ready");
    assert_eq!(tree.says(&["get", "door", "banip"]), "192.0.2.7");
    tree.world.knock("192.0.2.9");
    tree.wait(&["status", "door"], "Total failed:\t1");
}

#[test]
fn what_a_killed_server_left_is_swept_before_actions_begin() {
    let Some(tree) = Tree::new("[door]\n") else { return };
    let notes = tree.world.path("notes").display().to_string();
    let command = |what: &str| format!("action{what} = echo {what} >> {notes}\n");
    let text = ["start", "stop", "flush", "ban", "unban"].map(command).concat();
    tree.world.write("tree/action.d/note.conf", &format!("[Definition]\n{text}"));
    tree.world.write("f2b.pid", "0\n");
    assert_eq!(tree.says(&["start"]), "Server ready");
    let noted = || std::fs::read_to_string(&notes).unwrap_or_default();
    common::wait_until("the action begins", || noted().contains("start"));
    assert_eq!(noted(), "flush\nstart\n");
}

#[test]
fn one_bad_jail_does_not_stop_the_good_ones_and_the_client_sees_it() {
    let Some(tree) = Tree::new("[first]\n[bad]\nfilter = bad\n[last]\n") else { return };
    let output = tree.client(&["start"]);
    assert_eq!(output.status.code(), Some(255), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("unable to compile"), "{output:?}");
    assert!(tree.says(&["status"]).ends_with("Jail list:\tfirst, last"));
    tree.world.knock("192.0.2.7");
    tree.wait(&["status", "first"], "Total failed:\t1");
    tree.wait(&["status", "last"], "Total failed:\t1");
    assert!(tree.log().contains("[bad]"), "{}", tree.log());

    // A mistake in a jail that runs changes nothing.
    tree.jails("[first]\nfilter = bad\n[last]\nmaxretry = 8\n");
    assert_eq!(tree.client(&["reload"]).status.code(), Some(255));
    assert!(tree.says(&["status"]).ends_with("Jail list:\tfirst, last"));
    assert_eq!(tree.says(&["get", "last", "maxretry"]), "3");
}

#[test]
fn our_own_reading_counts_where_the_stream_says_the_same() {
    let Some(tree) = Tree::new("[door]\nunwrap = syslog\n") else { return };
    // As our daemon, with a configuration of its own: the client's directory.
    let mut command = common::sipjail();
    command.args(["run", "--dry-run", "-c"]).arg(tree.world.path("tree"));
    let mut child = command.stdout(std::process::Stdio::null()).spawn().expect("it starts");
    let end = Instant::now() + PATIENCE;
    while !tree.client(&["ping"]).status.success() {
        assert!(Instant::now() < end);
        std::thread::sleep(Duration::from_millis(50));
    }
    let unwrap = || {
        let mut get = common::sipjail();
        let output = get.arg("-s").arg(tree.world.path("f2b.sock")).args(["get", "door", "unwrap"]).output();
        String::from_utf8_lossy(&output.expect("it runs").stdout).trim().to_owned()
    };
    for words in [&["reload"][..], &["reload", "door"], &["reload", "--restart", "door"]] {
        assert_eq!(tree.says(words), "OK");
        assert_eq!(unwrap(), "syslog", "{words:?}");
    }
    assert_eq!(tree.says(&["set", "door", "addfailregex", "^ more <HOST>$"]).matches("more").count(), 1);
    assert_eq!(tree.says(&["reload", "door"]), "OK");
    assert!(!tree.says(&["get", "door", "failregex"]).contains("more"));
    assert_eq!(tree.says(&["stop"]), "Shutdown successful");
    let _ended = child.wait();
}

#[test]
fn who_sleeps_keeps_nobody_waiting() {
    let Some(tree) = Tree::new("[door]\n") else { return };
    assert_eq!(tree.says(&["start"]), "Server ready");
    std::thread::scope(|scope| {
        let asleep = scope.spawn(|| tree.client(&["sleep", "3"]));
        while !asleep.is_finished() {
            assert_eq!(tree.says(&["ping", "1"]), "Server replied: pong");
        }
        assert!(asleep.join().expect("it runs").status.success());
    });
}

#[test]
fn a_jail_that_rests_reads_on_where_it_was() {
    let Some(tree) = Tree::new("[door]\nmaxretry = 9\n[other]\nmaxretry = 9\n") else { return };
    assert_eq!(tree.says(&["start"]), "Server ready");
    tree.world.knock("192.0.2.7");
    tree.wait(&["status", "door"], "Total failed:\t1");
    assert_eq!(tree.says(&["set", "door", "idle", "on"]), "True");
    tree.world.knock("192.0.2.7");
    tree.wait(&["status", "other"], "Total failed:\t2");
    assert!(tree.says(&["status", "door"]).contains("Total failed:\t1"));
    assert_eq!(tree.says(&["set", "door", "idle", "off"]), "False");
    tree.wait(&["status", "door"], "Total failed:\t2");

    // Another expression: the jail goes on where it is, and so do the others.
    assert!(tree.says(&["set", "door", "addfailregex", "^ door: kick by .* from <HOST>$"]).contains("kick"));
    tree.world.append("door.log", format!("{} door: kick by x from 192.0.2.9\n", common::now()));
    tree.world.knock("192.0.2.7");
    tree.wait(&["status", "door"], "Total failed:\t4");
    tree.wait(&["status", "other"], "Total failed:\t3");
    assert_eq!(tree.client(&["set", "door", "addfailregex", "^(broken <HOST>"]).status.code(), Some(255));
    tree.world.knock("192.0.2.7");
    tree.wait(&["status", "door"], "Total failed:\t5");
}
