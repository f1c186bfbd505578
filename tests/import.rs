//! `sipjail import`: bans of other programs come in, with a daemon running and without, and it says what it left out.

#![allow(clippy::disallowed_methods, reason = "a test runs programs")]

#[macro_use]
#[path = "common/counted.rs"]
mod counted;
mod common;

use std::process::Command;
use std::time::Instant;

use common::World;
use rusqlite::Connection;
use serde_json::{Value, json};

/// Imports these files; the report, and the exit code.
fn import(world: &World, words: &[&str]) -> (Value, Option<i32>) {
    let output = world.client(&[&["import", "--format", "json"], words].concat());
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    (serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {text}")), output.status.code())
}

fn path(world: &World, name: &str) -> String {
    world.path(name).display().to_string()
}

fn secs() -> i64 {
    jiff::Timestamp::now().as_second()
}

/// Each ban as `ADDRESS JAIL SECONDS COUNT`; the seconds are rounded to hours, `-` is for ever.
fn banned(world: &World) -> Vec<String> {
    let list = world.json(&["banned"]);
    let mut bans: Vec<String> = list
        .as_array()
        .expect("a list")
        .iter()
        .map(|ban| {
            let time = |name: &str| ban[name].as_str().map(|t| t.parse::<jiff::Timestamp>().expect("a time"));
            let hours = time("until").map(|until| ((until.as_second() - secs()) as f64 / 3600.0).round().to_string());
            let (address, jail) = (ban["address"].as_str().expect("text"), ban["jail"].as_str().expect("text"));
            format!("{address} {jail} {} {}", hours.unwrap_or("-".into()), ban["count"])
        })
        .collect();
    bans.sort();
    bans
}

/// fail2ban's tables with some bans of the jails `door` and `sshd`, and a position.
fn fail2bans(world: &World, name: &str) -> String {
    let db = world.path(name);
    let conn = Connection::open(&db).expect("it opens");
    conn.execute_batch(
        "CREATE TABLE fail2banDb(version INTEGER); INSERT INTO fail2banDb VALUES (4);
         CREATE TABLE jails(name TEXT NOT NULL UNIQUE, enabled INTEGER NOT NULL DEFAULT 1);
         INSERT INTO jails(name) VALUES ('door'), ('sshd');
         CREATE TABLE logs(jail TEXT NOT NULL, path TEXT, firstlinemd5 TEXT, lastfilepos INTEGER DEFAULT 0,
             UNIQUE(jail, path));
         CREATE TABLE bans(jail TEXT NOT NULL, ip TEXT, timeofban INTEGER NOT NULL, bantime INTEGER NOT NULL,
             bancount INTEGER NOT NULL DEFAULT 1, data JSON);
         CREATE TABLE bips(ip TEXT NOT NULL, jail TEXT NOT NULL, timeofban INTEGER NOT NULL, bantime INTEGER NOT NULL,
             bancount INTEGER NOT NULL DEFAULT 1, data JSON, PRIMARY KEY(ip, jail));",
    )
    .expect("made");
    let data = r#"{"matches": [["", "1", " é\u001b"], "x"], "failures": 3, "user": "älice"}"#;
    for (ip, jail, ago, bantime, count) in [
        ("203.0.113.1", "door", 60, 3600, 1),
        ("203.0.113.2", "door", 86_400, -1, 4),
        ("203.0.113.3", "door", 86_400, 600, 3),
        ("203.0.113.4", "sshd", 60, 7200, 2),
        ("bob", "door", 60, 3600, 1),
        ("127.0.0.1", "door", 60, 3600, 1),
        ("0.0.0.0/0", "door", 60, 3600, 1),
        ("198.51.100.7", "door", 60, 3600, 1),
    ] {
        conn.execute(
            "INSERT INTO bips(ip, jail, timeofban, bantime, bancount, data) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            rusqlite::params![ip, jail, secs() - ago, bantime, count, data.as_bytes()],
        )
        .expect("written");
    }
    conn.execute("INSERT INTO bips VALUES ('203.0.113.9', 'door', 'noon', 600, 1, NULL)", []).expect("written");
    conn.execute("INSERT INTO logs VALUES ('sshd', '/var/log/auth.log', 'abc', 475)", []).expect("written");
    db.display().to_string()
}

const IGNORING: &str = "[door]\nignoreip = 198.51.100.0/24\nbantime.increment = true\nmaxretry = 1\n";

#[test]
fn fail2bans_database_comes_over_with_its_history_and_stays_as_it_was() {
    for running in [true, false] {
        let world = World::new();
        world.write("conf/jail.local", IGNORING);
        let file = fail2bans(&world, "fail2ban.sqlite3");
        let before = std::fs::read(&file).expect("it is there");
        let first = running.then(|| world.run());
        let (report, code) = import(&world, &[&file]);
        assert_eq!(code, Some(1), "something was refused");
        assert_eq!((&report["daemon"], &report["files"][0]["entries"]), (&json!(running), &json!(8)));
        let (waiting, positions) = (1, u32::from(!running));
        let door = json!({ "banned": 2, "waiting": 0, "remembered": 1, "known": 0 });
        let sshd = json!({ "banned": 0, "waiting": waiting, "remembered": 0, "known": 0 });
        assert_eq!(report["jails"], json!({ "door": door, "sshd": sshd }));
        assert_eq!((&report["positions"], &report["positions_left"]), (&json!(positions), &json!(1 - positions)));
        let refused: Vec<String> = report["refused"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|r| format!("{} {}", r["entry"].as_str().expect("text"), r["reason"].as_str().expect("text")))
            .collect();
        assert_eq!(
            refused,
            [
                "rows: 1 without an address, a time or a length",
                "bob not an address",
                "127.0.0.1 it is, or holds, an address of this host",
                "0.0.0.0/0 it would ban everybody",
                "198.51.100.7 ignored by ip",
            ]
        );
        assert!(report["refused"][1]["place"].as_str().expect("text").ends_with("fail2ban.sqlite3: jail door"));
        assert_eq!(std::fs::read(&file).expect("it is there"), before, "the source is never written to");
        assert!(!world.path("fail2ban.sqlite3-journal").exists() && !world.path("fail2ban.sqlite3-wal").exists());

        // Once more changes nothing.
        let (again, _) = import(&world, &[&file]);
        assert_eq!(again["jails"]["door"], json!({ "banned": 0, "waiting": 0, "remembered": 0, "known": 3 }));
        assert_eq!(again["jails"]["sshd"]["known"], 1);

        let places = "SELECT count(*) FROM logs WHERE jail = 'sshd' AND lastfilepos = 475 AND firstlinemd5 = 'abc'";
        let places: u32 = Connection::open(world.path("db"))
            .and_then(|conn| conn.query_row(places, [], |row| row.get(0)))
            .expect("a row");
        assert_eq!(places, positions);

        // A restart keeps it; the one who was banned three times gets the fourth, longer ban.
        if let Some(daemon) = first {
            assert_eq!(banned(&world), ["203.0.113.1 door 1 0", "203.0.113.2 door - 3"]);
            daemon.signal("-TERM");
            assert!(daemon.ended().0);
        }
        let mut daemon = world.run();
        assert_eq!(banned(&world), ["203.0.113.1 door 1 0", "203.0.113.2 door - 3"]);
        world.knock("203.0.113.3");
        daemon.wait_for("[door] Increase Ban 203.0.113.3 (4 # 8h");
        let conn = Connection::open(world.path("db")).expect("it opens");
        let data: Vec<u8> =
            conn.query_row("SELECT data FROM bips WHERE ip = '203.0.113.1'", [], |row| row.get(0)).expect("a row");
        let data: Value = serde_json::from_slice(&data).expect("JSON");
        assert_eq!(data, json!({ "matches": ["1 é\u{1b}", "x"], "failures": 3, "user": "älice" }));

        // The jail that was not on comes on, and its ban with it.
        world.write("sshd.log", "");
        let log = path(&world, "sshd.log");
        world.write(
            "conf/jail.d/sshd.conf",
            &format!("[sshd]\nenabled = true\nfilter = door\nlogpath = {log}\nbantime = 1d\n"),
        );
        world.text(&["reload"]);
        assert!(banned(&world).contains(&"203.0.113.4 sshd 2 1".into()), "{:?}", banned(&world));
    }
}

#[test]
fn a_file_without_a_time_bans_as_long_as_the_jail_or_as_told() {
    for running in [true, false] {
        let world = World::new();
        world.write("list.txt", "203.0.113.1 2001:db8::/64 # seen today\nroot\n");
        world.write("sipban.dump", "create sipban hash:net timeout 604800\nadd sipban 203.0.113.2 timeout 18000\n");
        let dat = format!("203.0.113.3,{}\n203.0.113.4,{}\n", secs() - 3600, secs() - 90_000);
        world.write("blacklist.dat", &dat);
        let daemon = running.then(|| world.run());
        let files = ["list.txt", "sipban.dump", "blacklist.dat"].map(|name| path(&world, name));
        let (report, code) = import(&world, &files.each_ref().map(String::as_str));
        let kinds: Vec<_> = report["files"].as_array().expect("a list").iter().map(|f| f["kind"].clone()).collect();
        assert_eq!((kinds, code), (vec![json!("list"), json!("ipset"), json!("sipcheck")], Some(1)));
        assert_eq!(report["jails"]["manual"]["banned"], 4);
        let refused = json!([
            { "place": format!("{}:2", files[0]), "entry": "root", "reason": "not an address" },
            { "place": format!("{}:2", files[2]), "entry": "203.0.113.4", "reason": "over already" },
        ]);
        assert_eq!(report["refused"], refused);
        let words = ["--jail", "door", "--bantime", "-1", "--as", "list", &files[0]];
        assert_eq!(import(&world, &words).0["jails"]["door"]["banned"], 2);
        assert_eq!(import(&world, &["--jail", "door", &files[0]]).0["jails"]["door"]["known"], 2);
        let expected = [
            "2001:db8::/64 door - 0",
            "2001:db8::/64 manual 0 0",
            "203.0.113.1 door - 0",
            "203.0.113.1 manual 0 0",
            "203.0.113.2 manual 5 0",
            "203.0.113.3 manual 23 0",
        ];
        if let Some(daemon) = daemon {
            assert_eq!(banned(&world), expected);
            daemon.signal("-TERM");
            assert!(daemon.ended().0);
        }
        let _daemon = world.run();
        assert_eq!(banned(&world), expected, "the next start restores them");
    }
}

#[test]
fn a_rehearsal_changes_nothing() {
    let world = World::new();
    let file = fail2bans(&world, "theirs");
    world.write("list.txt", "203.0.113.77\n");
    let list = path(&world, "list.txt");
    let (report, _) = import(&world, &["--dry-run", &file, &list]);
    assert_eq!((&report["jails"]["door"]["banned"], &report["jails"]["manual"]["banned"]), (&json!(3), &json!(1)));
    assert!(!world.path("db").exists());
    let _daemon = world.run();
    let (online, _) = import(&world, &["--dry-run", &file, &list]);
    assert_eq!(online["jails"], report["jails"]);
    assert_eq!(banned(&world), [] as [&str; 0]);
    assert!(world.text(&["status"]).contains("door") && !world.text(&["status"]).contains("manual"));
}

#[test]
fn an_allow_list_never_becomes_bans() {
    let world = World::new();
    let _daemon = world.run();
    world.write("whitelist.txt", "# offices\n203.0.113.1\n198.51.100.0/24\n\n");
    world.write("trunks", "203.0.113.5\n");
    let (report, code) = import(&world, &[&path(&world, "whitelist.txt")]);
    assert_eq!((&report["allow"], code), (&json!(["203.0.113.1", "198.51.100.0/24"]), Some(0)));
    let text = world.text(&["import", "--as", "allow", &path(&world, "trunks")]);
    assert!(text.ends_with("under [DEFAULT] in jail.local:\nignoreip = 203.0.113.5\n"), "{text}");
    assert_eq!(banned(&world), [] as [&str; 0]);
    // The printed line is one that `jail.local` takes.
    let text = world.text(&["import", &path(&world, "whitelist.txt")]);
    let (_, line) = text.split_once("jail.local:\n").expect("it says where");
    world.write("conf/jail.local", &format!("[DEFAULT]\n{line}"));
    world.text(&["reload"]);
    assert_eq!(world.json(&["get", "door", "ignoreip"]), json!(["203.0.113.1", "198.51.100.0/24"]));
}

#[test]
fn what_cannot_be_meant_is_said_and_nothing_is_taken() {
    let world = World::new();
    world.write("list.txt", "203.0.113.1\n");
    world.write("other.db", "");
    Connection::open(world.path("other.db")).and_then(|conn| conn.execute_batch("CREATE TABLE t(x)")).expect("made");
    let newer = fail2bans(&world, "newer.db");
    Connection::open(&newer).and_then(|conn| conn.execute_batch("UPDATE fail2banDb SET version = 5")).expect("made");
    world.run().signal("-TERM");
    let (list, other, own) = (path(&world, "list.txt"), path(&world, "other.db"), path(&world, "db"));
    for (words, code, said) in [
        (vec!["import", &list, "/nonexistent/x"], 1, "cannot read /nonexistent/x"),
        (vec!["import", &list, &other], 1, "none of fail2ban's"),
        (vec!["import", &newer], 1, "schema version 5"),
        (vec!["import", &own], 2, "own database"),
        (vec!["import", "--jail", "dor", &list], 2, "did you mean `door`?"),
        (vec!["import", "--bantime", "soon", &list], 2, "not a length of time"),
        (vec!["import", "--bantime", "0", &list], 2, "over before it begins"),
        (vec!["import", "/"], 1, "cannot read /"),
        (vec!["import"], 2, "FILE"),
    ] {
        let output = world.client(&words);
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(code) && text.contains(said), "{words:?}: {text}");
    }
    let rows: u32 = Connection::open(&own)
        .and_then(|conn| conn.query_row("SELECT count(*) FROM bips", [], |row| row.get(0)))
        .expect("read");
    assert_eq!(rows, 0);
}

#[test]
fn databases_of_old_schemas_come_over_too() {
    for version in [1, 2, 3] {
        let world = World::new();
        let db = world.path("old.db");
        let conn = Connection::open(&db).expect("it opens");
        let columns = if version < 3 { "" } else { ", bantime INTEGER NOT NULL, bancount INTEGER NOT NULL DEFAULT 1" };
        conn.execute_batch(&format!(
            "CREATE TABLE fail2banDb(version INTEGER); INSERT INTO fail2banDb VALUES ({version});
             CREATE TABLE jails(name TEXT NOT NULL UNIQUE, enabled INTEGER NOT NULL DEFAULT 1);
             INSERT INTO jails(name) VALUES ('door');
             CREATE TABLE logs(jail TEXT NOT NULL, path TEXT, firstlinemd5 TEXT, lastfilepos INTEGER DEFAULT 0);
             CREATE TABLE bans(jail TEXT NOT NULL, ip TEXT, timeofban INTEGER NOT NULL, data JSON{columns});"
        ))
        .expect("made");
        let values = if version < 3 { "" } else { ", 7200, 2" };
        for (ip, ago) in [("203.0.113.1", 600), ("203.0.113.1", 60), ("203.0.113.2", 86_400)] {
            let sql = format!("INSERT INTO bans VALUES ('door', ?1, ?2, NULL{values})");
            conn.execute(&sql, rusqlite::params![ip, secs() - ago]).expect("written");
        }
        drop(conn);
        let before = std::fs::read(&db).expect("it is there");
        let (report, code) = import(&world, &[&db.display().to_string()]);
        let expected = json!({ "banned": 1, "waiting": 0, "remembered": 1, "known": 0 });
        assert_eq!((&report["jails"]["door"], code), (&expected, Some(0)), "version {version}");
        assert_eq!(std::fs::read(&db).expect("it is there"), before);
        let _daemon = world.run();
        // Without a length of its own it is the jail's, and never more than that.
        let count = if version < 3 { 0 } else { 1 };
        assert_eq!(banned(&world), [format!("203.0.113.1 door 1 {count}")], "version {version}");
    }
}

#[test]
fn a_damaged_database_gives_what_can_be_read() {
    let world = World::new();
    let file = fail2bans(&world, "theirs");
    let mut bytes = std::fs::read(&file).expect("read");
    // The last page is missing.
    bytes.truncate(bytes.len() - 4096);
    std::fs::write(&file, bytes).expect("written");
    let (report, _) = import(&world, &[&file]);
    assert!(report["files"][0]["damage"].is_string(), "{report}");
}

#[test]
fn fifty_thousand_addresses_are_taken_in_batches() {
    for running in [true, false] {
        let world = World::new();
        let kernel = running && common::has_kernel();
        if kernel {
            world.write("conf/jail.local", "[DEFAULT]\nbanaction = ipset\n");
        }
        let daemon = running.then(|| if kernel { world.run_in_namespace() } else { world.run() });
        let lines: String = (0..50_000).map(|n| format!("10.{}.{}.{}\n", n >> 16, n >> 8 & 255, n & 255)).collect();
        world.write("list.txt", &lines);
        let began = Instant::now();
        let (report, code) = import(&world, &["--bantime", "1d", &path(&world, "list.txt")]);
        let seconds = began.elapsed().as_secs_f64();
        counted!("import: 50,000 addresses, daemon {running}, kernel {kernel}: {seconds:.1} s");
        assert_eq!((&report["jails"]["manual"]["banned"], code), (&json!(50_000), Some(0)));
        if let Some(daemon) = daemon.filter(|_| kernel) {
            let pid = daemon.child.id().to_string();
            let words = ["-t", &pid, "-n", "ipset", "list", "-t", "sipjail4-manual"];
            let set = Command::new("nsenter").args(words).output().expect("it runs");
            let set = String::from_utf8_lossy(&set.stdout).into_owned();
            assert!(set.contains("Number of entries: 50000"), "{set}");
            // Behind the back of a daemon on another socket nothing is written.
            let mut command = Command::new("nsenter");
            let import = world.command(&["import", "--socket", "/nonexistent/sock", &path(&world, "list.txt")]);
            command.args(["-t", &pid, "-n"]).arg(import.get_program()).args(import.get_args());
            let refused = command.output().expect("it runs");
            let said = String::from_utf8_lossy(&refused.stderr).into_owned();
            assert!(refused.status.code() == Some(1) && said.contains(&format!("(pid {pid})")), "{said}");
        }
    }
}
