//! The running daemon, as an operator meets it: with the dry-run firewall, so that no test here needs root.

mod common;

use common::World;

#[test]
fn an_attacker_is_banned_at_maxretry_and_shown() {
    let world = World::new();
    let mut daemon = world.run();
    for _ in 0..3 {
        world.knock("192.0.2.7");
    }
    world.knock("192.0.2.8");
    daemon.wait_for("[door] Ban 192.0.2.7");
    daemon.wait_for("[door] Found 192.0.2.8");
    let status = world.json(&["status", "door"]);
    assert_eq!(status["filter"]["currently_failed"], 1);
    assert_eq!(status["filter"]["total_failed"], 4);
    assert_eq!(status["filter"]["files"][0], world.path("door.log").display().to_string());
    assert_eq!(status["actions"]["banned"], serde_json::json!(["192.0.2.7"]));
    let tree = world.text(&["status", "door"]);
    assert!(tree.starts_with("Status for the jail: door\n|- Filter\n|  |- Currently failed:\t1\n"), "{tree}");
    let banned = world.json(&["banned"]);
    assert_eq!(banned[0]["address"], "192.0.2.7");
    assert_eq!(banned[0]["jail"], "door");
    assert_eq!(banned[0]["count"], 0);
}

#[test]
fn what_a_filter_says_of_a_log_is_logged_and_what_it_gave_up_is_counted() {
    let world = World::new();
    let failregex = r"^ (?P<q>a*)(?:\w+\s?)+(?P=q)c: <HOST>$";
    world.write("conf/filter.d/door.conf", &format!("[Definition]\nfailregex = {failregex}\n"));
    let mut daemon = world.run();
    assert_eq!(world.json(&["status", "door"])["filter"]["gave_up"], 0);
    world.append("door.log", format!("{} {}c: 192.0.2.1\n", common::now(), "a".repeat(2000) + "b").repeat(2));
    let said = daemon.wait_for("were given up on a line");
    assert!(said.contains("WARNING [door] failregex 1"), "{said}");
    assert_eq!(world.json(&["status", "door"])["filter"]["gave_up"], 2);
    assert!(world.text(&["status", "door"]).contains("Lines given up:\t2"));
}

#[test]
fn bans_by_hand_come_and_go() {
    let world = World::new();
    let mut daemon = world.run();
    assert!(world.text(&["ban", "203.0.113.7", "--jail", "door", "--for", "2h"]).contains("banned until"));
    assert!(world.text(&["ban", "203.0.113.9", "2001:db8::/64"]).contains("in jail manual"));
    daemon.wait_for("[manual] Ban 2001:db8::/64");
    assert_eq!(world.json(&["banned"]).as_array().map(Vec::len), Some(3));
    assert_eq!(world.text(&["unban", "203.0.113.7"]).trim(), "1 ban lifted");
    assert_eq!(world.text(&["unban", "203.0.113.7"]).trim(), "0 bans lifted\n203.0.113.7 was not banned");
    assert_eq!(world.text(&["unban", "--all"]).trim(), "2 bans lifted");
    assert_eq!(world.text(&["banned"]).trim(), "nobody is banned");
}

#[test]
fn a_running_jail_is_asked_and_changed_in_fail2bans_words() {
    let world = World::new();
    let mut daemon = world.run();
    assert_eq!(world.text(&["get", "door", "maxretry"]), "3\n");
    assert_eq!(world.json(&["get", "door", "bantime"]), 3600);
    assert_eq!(world.text(&["set", "door", "maxretry", "1"]), "1\n");
    world.knock("192.0.2.30");
    daemon.wait_for("[door] Ban 192.0.2.30");
    assert_eq!(world.text(&["set", "door", "banip", "192.0.2.31"]), "1\n");
    assert_eq!(world.json(&["get", "door", "banip"]).as_array().map(Vec::len), Some(2));
    assert_eq!(world.text(&["set", "door", "unbanip", "192.0.2.30", "192.0.2.31"]), "2\n");
    assert_eq!(world.text(&["set", "loglevel", "DEBUG"]), "DEBUG\n");
    assert_eq!(world.text(&["set", "door", "idle", "on"]), "true\n");
    assert_eq!(world.text(&["set", "door", "addfailregex", "^ door: kick by .* from <HOST>$"]).lines().count(), 2);
    world.append("door.log", format!("{} door: kick by x from 192.0.2.32\n", common::now()));
    assert_eq!(world.text(&["set", "door", "idle", "off"]), "false\n");
    daemon.wait_for("[door] Ban 192.0.2.32");
    for (words, said) in [
        (&["set", "door", "maxrety", "1"][..], "did you mean `maxretry`?"),
        (&["set", "door", "filter", "gate"], "into the jail's configuration and reload"),
        (&["set", "door", "addfailregex", "^(broken <HOST>"], "unable to compile"),
        (&["set", "door", "idle", "maybe"], "must be 'on' or 'off'"),
        (&["set", "loglevel", "LOUD"], "Invalid log level"),
        (&["set", "door", "maxretry"], "`maxretry` wants a value"),
        (&["get", "nosuch", "maxretry"], "there is no jail `nosuch`"),
        (&["get", "door"], "options of the daemon are"),
    ] {
        let output = world.client(words);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(2) && text.contains(said), "{words:?}: {text}");
    }
}

#[test]
fn what_cannot_be_meant_is_named_with_what_was_meant() {
    let world = World::new();
    let _daemon = world.run();
    for (words, said) in [
        (vec!["status", "dor"], "did you mean `door`?"),
        (vec!["ban", "nobody"], "`nobody` is not an address"),
        (vec!["ban", "192.0.2.1", "--for", "soon"], "`soon` is not a length of time"),
        (vec!["ban", "192.0.2.1", "--for", "-5"], "over before it begins"),
        (vec!["ban", "192.0.2.1", "--jail", "dor"], "did you mean `door`?"),
        (vec!["ban", "0.0.0.0/0"], "0.0.0.0/0"),
        (vec!["unban", "192.0.2.1", "--jail", "dor"], "did you mean `door`?"),
    ] {
        let output = world.client(&words);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(stderr.contains(said), "{words:?}: {stderr}");
        assert_eq!(output.status.code(), Some(2), "{words:?}");
    }
    assert_eq!(world.client(&["stauts"]).status.code(), Some(2));
}

#[test]
fn without_a_daemon_the_error_says_how_to_start_one() {
    let world = World::new();
    let output = world.client(&["status"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("start it: `sipjail run`"));
}

#[test]
fn a_second_daemon_is_refused_by_the_first_ones_pid() {
    let world = World::new();
    let daemon = world.run();
    let second = world.client(&["run"]);
    let stderr = String::from_utf8_lossy(&second.stderr);
    assert_eq!(second.status.code(), Some(1));
    assert!(stderr.contains(&format!("pid {}", daemon.child.id())), "{stderr}");
    assert!(world.client(&["ping"]).status.success());
}

#[test]
fn bans_and_counters_survive_sigterm_and_kill() {
    let world = World::new();
    let mut daemon = world.run();
    for _ in 0..3 {
        world.knock("192.0.2.7");
    }
    daemon.wait_for("[door] Ban 192.0.2.7");
    world.knock("192.0.2.8");
    daemon.wait_for("[door] Found 192.0.2.8");
    world.knock("192.0.2.8");
    daemon.wait_for("[door] Found 192.0.2.8");
    daemon.signal("-TERM");
    assert!(daemon.ended().0);
    // A third knock while nobody listens is read after the restart, and counts with the two before.
    world.knock("192.0.2.8");
    let mut daemon = world.run();
    daemon.wait_for("[door] Ban 192.0.2.8");
    assert!(daemon.seen.iter().any(|l| l.contains("[door] Restore Ban 192.0.2.7")), "{:#?}", daemon.seen);
    daemon.signal("-KILL");
    daemon.ended();
    let mut daemon = world.run();
    let banned = world.json(&["banned"]);
    let addresses: Vec<_> = banned.as_array().expect("a list").iter().map(|b| b["address"].clone()).collect();
    assert!(addresses.contains(&"192.0.2.7".into()), "{addresses:?}");
    if !addresses.contains(&"192.0.2.8".into()) {
        // Killed before it was written down: the log still says it.
        daemon.wait_for("Ban 192.0.2.8");
    }
}

#[test]
fn distinct_accounts_count_over_days_and_over_a_kill() {
    let world = World::new();
    let filter = "[Definition]\nfailregex = ^ door: knock by <F-USER>\\S+</F-USER> from <HOST>$\n";
    world.write("conf/filter.d/door.conf", filter);
    let jail = "[door]\ncountby = user\nsamefailtime = 1w\nfindtime = 3d\n";
    world.write("conf/jail.local", jail);
    let days_ago = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(50);
    let knock =
        |when: &str, user: u32| world.append("door.log", format!("{when} door: knock by {user} from 192.0.2.7\n"));
    for user in [100, 100, 101, 100] {
        knock(&days_ago.strftime("%Y-%m-%d %H:%M:%S").to_string(), user);
    }
    let mut daemon = world.run();
    let kept = || {
        let database = rusqlite::Connection::open(world.path("db")).expect("opened");
        let sql = "SELECT count(*) FROM sipjail_counters WHERE retry = 2 AND length(accounts) = 32";
        database.query_row(sql, [], |row| row.get(0)).is_ok_and(|rows: u32| rows == 1)
    };
    common::wait_until("the accounts are kept", kept);
    assert_eq!(world.json(&["status", "door"])["filter"]["repeated"], 2);
    assert!(world.text(&["status", "door"]).contains("Repeated, not counted:\t2"));
    daemon.signal("-KILL");
    daemon.ended();
    for user in [101, 100, 102] {
        knock(&common::now(), user);
    }
    daemon = world.run();
    daemon.wait_for("[door] Ban 192.0.2.7");
    assert_eq!(world.json(&["status", "door"])["filter"]["repeated"], 2);
}

#[test]
fn a_log_that_appears_later_is_followed_and_its_auto_jail_comes_on() {
    let world = World::new();
    let log = world.path("late/pbx.log");
    world.write(
        "conf/jail.d/late.conf",
        &format!("[late]\nenabled = auto\nfilter = door\nlogpath = {}\nmaxretry = 2\n", log.display()),
    );
    let mut daemon = world.run();
    assert_eq!(world.json(&["status"])["waiting"][0]["jail"], "late");
    world.write("late/pbx.log", "");
    daemon.wait_for("Jail 'late' started");
    for _ in 0..2 {
        world.append("late/pbx.log", format!("{} door: knock by x from 198.51.100.4\n", common::now()));
    }
    daemon.wait_for("[late] Ban 198.51.100.4");
    assert_eq!(world.json(&["status"])["jails"], serde_json::json!(["door", "late"]));
}

#[test]
fn escape_bytes_of_a_log_reach_neither_our_log_nor_a_terminal() {
    let world = World::new();
    let mut daemon = world.run();
    for _ in 0..3 {
        let line = format!("{} door: knock by \x1b[2J\x1b]0;pwned\x07\u{9b}31m from 192.0.2.66\n", common::now());
        world.append("door.log", line);
    }
    daemon.wait_for("[door] Ban 192.0.2.66");
    let ours = std::fs::read(world.path("our.log")).expect("it is written");
    let shown = world.client(&["replay", world.path("door.log").to_str().expect("text")]);
    assert!(shown.status.success());
    for bytes in [ours, shown.stdout] {
        assert!(bytes.iter().all(|b| *b >= 0x20 || *b == b'\n'), "{}", String::from_utf8_lossy(&bytes));
        assert!(!String::from_utf8_lossy(&bytes).contains('\u{9b}'));
    }
}

#[test]
fn a_reload_takes_new_settings_and_keeps_bans() {
    let world = World::new();
    let mut daemon = world.run();
    world.text(&["ban", "192.0.2.1", "--jail", "door"]);
    world.write("conf/jail.local", "[door]\nmaxretry = 1\n");
    assert!(world.text(&["reload"]).contains("reloaded; jails: door"));
    world.knock("192.0.2.9");
    daemon.wait_for("[door] Ban 192.0.2.9");
    assert_eq!(world.json(&["status", "door"])["actions"]["currently_banned"], 2);
    world.write("conf/jail.local", "[door]\nfailregex = no address here\n");
    let refused = world.client(&["reload"]);
    let stderr = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1));
    assert!(stderr.contains("`door` would end") && stderr.contains("no address here"), "{stderr}");
    assert_eq!(world.json(&["status", "door"])["actions"]["currently_banned"], 2);
}

#[test]
fn a_reload_brings_and_takes_jails_and_says_what_it_leaves_out() {
    let world = World::new();
    let mut daemon = world.run();
    world.text(&["ban", "192.0.2.1", "--jail", "door"]);
    let gate = format!(
        "[gate]\nenabled = true\nfilter = door\nmaxretry = 1\nlogpath = {}\n",
        world.path("gate.log").display()
    );
    world.write("gate.log", "");
    world.write("conf/jail.d/gate.conf", &format!("{gate}[bad]\nenabled = true\nfilter = nosuchfilter\n"));
    let reply = world.json(&["reload"]);
    assert!(reply["problems"].to_string().contains("nosuchfilter"), "{reply}");
    world.append("gate.log", format!("{} door: knock by x from 192.0.2.9\n", common::now()));
    daemon.wait_for("[gate] Ban 192.0.2.9");
    world.write("conf/jail.local", "[door]\nenabled = false\n");
    assert!(world.text(&["reload"]).contains("jails: gate"));
    daemon.wait_for("[door] Unban 192.0.2.1");
    assert_eq!(world.json(&["status"])["jails"], serde_json::json!(["gate"]));
    world.write("conf/jail.d/gate.conf", "[gate\n");
    assert_eq!(world.client(&["reload"]).status.code(), Some(1));
    assert_eq!(world.json(&["status", "gate"])["actions"]["currently_banned"], 1);
}

#[test]
fn one_bad_jail_never_stops_the_good_ones() {
    let world = World::new();
    world.write("conf/jail.d/bad.conf", "[bad]\nenabled = true\nfilter = nosuchfilter\nlogpath = /dev/null\n[worse]\nenabled = true\nmaxretry = many\nfilter = door\n");
    let mut daemon = world.run();
    assert_eq!(world.json(&["status"])["jails"], serde_json::json!(["door"]));
    for _ in 0..3 {
        world.knock("192.0.2.7");
    }
    daemon.wait_for("[door] Ban 192.0.2.7");
    let check = world.client(&["check"]);
    assert_eq!(check.status.code(), Some(1));
    let said = String::from_utf8_lossy(&check.stdout);
    assert!(said.contains("nosuchfilter") && said.contains("bad.conf:7:"), "{said}");
}

#[test]
fn stop_ends_the_daemon_and_hup_opens_the_log_again() {
    let world = World::new();
    let mut daemon = world.run();
    std::fs::rename(world.path("our.log"), world.path("our.log.1")).expect("rotated");
    daemon.signal("-HUP");
    daemon.wait_for("rollover performed");
    assert!(world.path("our.log").exists());
    assert!(world.text(&["stop"]).contains("all bans lifted"));
    assert!(daemon.ended().0);
    assert!(!world.path("sock").exists());
}

#[test]
fn a_corrupt_database_is_set_aside() {
    let world = World::new();
    world.write("db", &"this is no database\n".repeat(500));
    let mut daemon = world.run();
    for _ in 0..3 {
        world.knock("192.0.2.7");
    }
    daemon.wait_for("[door] Ban 192.0.2.7");
    assert!(daemon.seen.iter().any(|l| l.contains("ERROR") && l.contains("db")), "{:#?}", daemon.seen);
}
