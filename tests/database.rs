//! The database in both directions, with the programs themselves: what fail2ban's server left sipjail goes on with, and
//! the other way round. Bans, how often, and places in logs.
//!
//! Skipped, and said so, where fail2ban is not installed.

#![allow(clippy::disallowed_methods, reason = "a test runs programs")]

#[macro_use]
#[path = "common/counted.rs"]
mod counted;
mod common;

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use common::{Daemon, World, wait_until};
use rusqlite::Connection;
use serde_json::json;
use sipjail::store::Store;
use sipjail::time::Timestamp;

#[test]
fn from_fail2ban_to_us_and_back_nothing_is_lost_and_nothing_counts_twice() {
    if !Path::new("/usr/bin/fail2ban-server").exists() {
        return println!("skipped: fail2ban is not installed");
    }
    let world = tree();
    let theirs = Theirs::start(&world);
    (0..3).for_each(|_| knock(&world, "203.0.113.1"));
    theirs.wait_for("[door] Ban 203.0.113.1", 1);
    theirs.client(&["set", "gate", "banip", "203.0.113.9", "2001:db8::7"]);
    theirs.wait_for("[gate] Ban 2001:db8::7", 1);
    // Two short bans, both over: the history knows of two.
    rattle(&world, "203.0.113.3");
    theirs.wait_for("[short] Unban 203.0.113.3", 1);
    rattle(&world, "203.0.113.3");
    theirs.wait_for("[short] Increase Ban 203.0.113.3 (2 #", 1);
    theirs.wait_for("[short] Unban 203.0.113.3", 2);
    wait_until("fail2ban writes it down", || count(&world, "203.0.113.3", "short") == Some(2));
    wait_until("fail2ban writes it down", || count(&world, "203.0.113.9", "gate") == Some(1));
    theirs.end();
    let left = rows(&world);
    (0..2).for_each(|_| knock(&world, "203.0.113.5"));

    let mut ours = world.run_with(&["--dry-run"]);
    wait_until("the lines of the time between are read", || failed(&world, "door") == 2);
    assert_eq!(banned(&world, "door"), ["203.0.113.1"]);
    assert_eq!(banned(&world, "gate"), ["2001:db8::7", "203.0.113.9"]);
    let until = world.json(&["banned", "--jail", "gate"]);
    assert!(until.as_array().expect("a list").iter().all(|ban| ban["until"].is_null()), "permanent stays so: {until}");
    knock(&world, "203.0.113.5");
    ours.wait_for("[door] Ban 203.0.113.5");
    rattle(&world, "203.0.113.3");
    ours.wait_for("[short] Increase Ban 203.0.113.3 (3 # 6s");
    assert_eq!(failed(&world, "door"), 3, "no line counted twice");
    let matched = matches(&world, "203.0.113.1");
    assert!(matched.contains("kn\u{f6}ck \u{1f4de}"), "{matched}");
    ours.wait_for("[short] Unban 203.0.113.3");
    world.text(&["ban", "2001:db8:1:2::/64", "--jail", "gate"]);
    stop(ours);
    let mut compared = same(&left, &rows(&world), "203.0.113.3");
    let left = rows(&world);
    (0..2).for_each(|_| knock(&world, "203.0.113.6"));

    let theirs = Theirs::start(&world);
    theirs.wait_for("[door] Found 203.0.113.6", 2);
    for (jail, address) in [
        ("door", "203.0.113.1"),
        ("door", "203.0.113.5"),
        ("gate", "203.0.113.9"),
        ("gate", "2001:db8::7"),
        ("gate", "2001:db8:1:2::/64"),
    ] {
        theirs.wait_for(&format!("[{jail}] Restore Ban {address}"), 1);
    }
    knock(&world, "203.0.113.6");
    theirs.wait_for("[door] Ban 203.0.113.6", 1);
    rattle(&world, "203.0.113.3");
    theirs.wait_for("[short] Increase Ban 203.0.113.3 (4 #", 1);
    // Each line was found by one of the three servers, once.
    assert_eq!(theirs.said("[door] Found"), 3 + 2 + 1);
    assert_eq!(theirs.said("[short] Found"), 2 + 1);
    theirs.end();
    compared += same(&left, &rows(&world), "203.0.113.3");
    let lines = 3 + 2 + 1 + 2 + 1 + 4;
    counted!("database: {compared} rows the same after the other program ran, {lines} lines each counted once");
}

/// Every row of the history and of the newest bans, with what stands in it.
fn rows(world: &World) -> Vec<String> {
    let database = Connection::open(world.path("db")).expect("it is there");
    let all = |table: &str| -> Vec<String> {
        let row = "ip || ' ' || jail || ' ' || timeofban || ' ' || bantime || ' ' || bancount || ' ' || data";
        let mut asked = database.prepare(&format!("SELECT '{table} ' || {row} FROM {table}")).expect("it has them");
        asked.query_map([], |row| row.get(0)).expect("rows").map(|row| row.expect("text")).collect()
    };
    [all("bans"), all("bips")].concat()
}

/// What the other program found is there as it was, but for the address that it banned once more. How many rows.
fn same(before: &[String], after: &[String], again: &str) -> usize {
    let kept: Vec<&String> = before.iter().filter(|row| row.starts_with("bans ") || !row.contains(again)).collect();
    for row in &kept {
        assert!(after.contains(row), "{row}\nis no more in\n{}", after.join("\n"));
    }
    kept.len()
}

/// Jails `door` and `short` (bans of seconds that grow) on a log of their own, and `gate`, which bans for ever.
fn tree() -> World {
    let world = World::new();
    let own = |name: &str| world.path(name).display().to_string();
    world.write(
        "conf/fail2ban.conf",
        &format!(
            "[DEFAULT]\nloglevel = INFO\nlogtarget = {}\nsyslogsocket = auto\nallowipv6 = auto\nsocket = {}\n\
             pidfile = {}\ndbfile = {}\ndbpurgeage = 1d\ndbmaxmatches = 10\n[Definition]\n",
            own("theirs.log"),
            own("theirs.sock"),
            own("theirs.pid"),
            own("db")
        ),
    );
    world.write(
        "conf/jail.conf",
        &format!(
            "[DEFAULT]\nbackend = polling\nignoreself = false\nusedns = no\naction =\nenabled = true\nmaxmatches = 5\n\
             maxretry = 3\nfindtime = 10m\nfilter = door\nlogpath = {}\n\
             [door]\nbantime = 1h\n\
             [gate]\nbantime = -1\nlogpath = {}\n\
             [short]\nbantime = 5\nbantime.increment = true\nbantime.maxtime = 6\nmaxretry = 1\nlogpath = {}\n",
            own("door.log"),
            own("gate.log"),
            own("short.log")
        ),
    );
    world.write("conf/filter.d/door.conf", "[Definition]\nfailregex = ^ door: kn\u{f6}ck .* from <HOST>$\n");
    for log in ["door.log", "gate.log", "short.log"] {
        world.write(log, "2026-01-01 00:00:00 door: it is put in\n");
    }
    world
}

fn knock(world: &World, address: &str) {
    world.append("door.log", format!("{} door: kn\u{f6}ck \u{1f4de} from {address}\n", common::now()));
}

fn rattle(world: &World, address: &str) {
    world.append("short.log", format!("{} door: kn\u{f6}ck \u{1f4de} from {address}\n", common::now()));
}

fn banned(world: &World, jail: &str) -> Vec<String> {
    let status = world.json(&["status", jail]);
    let list = status["actions"]["banned"].as_array().expect("a list");
    let mut list: Vec<String> = list.iter().map(|address| address.as_str().expect("text").to_owned()).collect();
    list.sort();
    list
}

fn failed(world: &World, jail: &str) -> u64 {
    world.json(&["status", jail])["filter"]["total_failed"].as_u64().expect("a number")
}

fn count(world: &World, address: &str, jail: &str) -> Option<u32> {
    let sql = "SELECT bancount FROM bips WHERE ip = ?1 AND jail = ?2";
    Connection::open(world.path("db")).ok()?.query_row(sql, [address, jail], |row| row.get(0)).ok()
}

fn matches(world: &World, address: &str) -> String {
    let sql = "SELECT data FROM bips WHERE ip = ?1";
    let data: Vec<u8> = Connection::open(world.path("db"))
        .and_then(|conn| conn.query_row(sql, [address], |row| row.get(0)))
        .expect("a row");
    String::from_utf8(data).expect("text")
}

fn stop(daemon: Daemon) {
    daemon.signal("-TERM");
    let (well, said) = daemon.ended();
    assert!(well, "{said:#?}");
}

/// fail2ban's server.
struct Theirs<'a> {
    world: &'a World,
    child: Child,
}

impl Theirs<'_> {
    fn start(world: &World) -> Theirs<'_> {
        let child = Theirs::command(world, "fail2ban-server", &["-x", "-f", "start"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("it starts");
        let theirs = Theirs { world, child };
        wait_until("fail2ban answers", || {
            Theirs::command(world, "fail2ban-client", &["status", "short"]).output().is_ok_and(|o| o.status.success())
        });
        theirs
    }

    fn command(world: &World, program: &str, words: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.arg("-c").arg(world.path("conf")).args(words).env("TZ", "UTC");
        command
    }

    fn client(&self, words: &[&str]) {
        let output = Theirs::command(self.world, "fail2ban-client", words).output().expect("it runs");
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stdout));
    }

    /// How often its log says `text`.
    fn said(&self, text: &str) -> usize {
        let log = fs::read_to_string(self.world.path("theirs.log")).unwrap_or_default();
        log.lines().filter(|line| line.contains(text)).count()
    }

    fn wait_for(&self, text: &str, times: usize) {
        let log = || fs::read_to_string(self.world.path("theirs.log")).unwrap_or_default();
        let end = Instant::now() + common::PATIENCE;
        while self.said(text) < times {
            assert!(Instant::now() < end, "fail2ban says `{text}` {times} times: {}", log());
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
    }

    fn end(mut self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().expect("kill runs").success());
        assert!(self.child.wait().expect("it ends").success());
    }
}

impl Drop for Theirs<'_> {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _status = self.child.wait();
    }
}

/// Rows as a newer fail2ban wrote them: see `fixtures/README.md`.
#[test]
fn what_fail2ban_1_1_wrote_is_taken_over() {
    let world = World::new();
    let rows = fs::read_to_string(common::fixtures().join("databases/fail2ban-1.1.1.sql")).expect("it is there");
    // The tables are the same (`store.rs` compares them); ours are not there yet.
    drop(Store::open(&world.path("db"), Timestamp::from_secs(0), &mut Vec::new()).expect("made"));
    let conn = Connection::open(world.path("db")).expect("it opens");
    let ours =
        "DROP TABLE sipjail_meta; DROP TABLE sipjail_counters; DROP TABLE sipjail_positions; DROP TABLE sipjail_trust;";
    conn.execute_batch(&format!("{ours} DELETE FROM fail2banDb; {rows}")).expect("made");
    drop(conn);
    world.append("conf/jail.conf", "bantime.increment = true\n[gate]\nenabled = true\nfilter = door\nlogpath = ");
    world.append("conf/jail.conf", format!("{}\nbantime.increment = true\n", world.path("gate.log").display()));
    world.write("gate.log", "");
    let mut daemon = world.run();
    let list = world.json(&["banned"]);
    let bans: Vec<_> = list
        .as_array()
        .expect("a list")
        .iter()
        .map(|ban| json!([ban["jail"], ban["address"], ban["until"].is_null(), ban["count"]]))
        .collect();
    assert_eq!(
        json!(bans),
        json!([
            ["door", "203.0.113.1", false, 0],
            ["door", "203.0.113.2", false, 1],
            ["gate", "2001:db8::7", true, 0],
            ["gate", "198.51.100.0/24", true, 0],
        ])
    );
    let data = matches(&world, "203.0.113.1");
    assert!(data.contains("kn\u{f6}ck"), "{data}");
    // The third ban of somebody whose second one is over.
    (0..3).for_each(|_| world.knock("203.0.113.3"));
    daemon.wait_for("[door] Increase Ban 203.0.113.3 (3 # 4h");
    let place: u32 = Connection::open(world.path("db"))
        .and_then(|conn| {
            conn.query_row("SELECT lastfilepos FROM logs WHERE path = '/var/log/old.log'", [], |row| row.get(0))
        })
        .expect("the place in a log that nobody reads now is kept");
    assert_eq!(place, 864);
}

#[test]
fn fifty_thousand_bans_are_restored_into_the_kernel() {
    if !common::has_kernel() {
        return;
    }
    let world = World::new();
    world.write("conf/jail.local", "[DEFAULT]\nbanaction = ipset\n[door]\nbantime = 1w\n");
    let lines: String = (0..50_000).map(|n| format!("10.{}.{}.{}\n", n >> 16, n >> 8 & 255, n & 255)).collect();
    world.write("list.txt", &lines);
    let list = world.path("list.txt").display().to_string();
    assert_eq!(world.json(&["import", "--jail", "door", &list])["jails"]["door"]["banned"], 50_000);
    let began = Instant::now();
    let daemon = world.run_in_namespace();
    let entries = || {
        let pid = daemon.child.id().to_string();
        let output = Command::new("nsenter")
            .args(["-t", &pid, "-n", "ipset", "list", "-t", "sipjail4-door"])
            .output()
            .expect("it runs");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    wait_until("all are in the set", || entries().contains("Number of entries: 50000"));
    counted!(
        "database: 50,000 bans restored into the kernel, from the start on: {:.1} s",
        began.elapsed().as_secs_f64()
    );
    assert_eq!(world.json(&["status", "door"])["actions"]["currently_banned"], 50_000);
}
