//! What is done to a daemon by those who mean no good, and by accidents: it goes on guarding.

mod common;

use std::io::{Read, Write};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::process::Stdio;
use std::time::Instant;

use common::{Daemon, World};

/// One request on a connection of its own, and the reply.
fn raw(world: &World, request: &[u8]) -> String {
    let mut stream = UnixStream::connect(world.path("sock")).expect("it listens");
    let _refused = stream.write_all(request);
    let _reset = stream.shutdown(std::net::Shutdown::Write);
    let mut reply = Vec::new();
    let _reset = stream.read_to_end(&mut reply);
    String::from_utf8_lossy(&reply).into_owned()
}

fn banned(world: &World) -> Vec<String> {
    let status = world.json(&["status", "door"]);
    let list = status["actions"]["banned"].as_array().expect("a list");
    list.iter().map(|address| address.as_str().expect("text").to_owned()).collect()
}

#[test]
fn a_crash_counts_no_line_twice() {
    let world = World::new();
    for round in 0..8 {
        let mut daemon = world.run();
        let slow = format!("198.51.100.{round}");
        for _ in 0..2 {
            world.knock(&slow);
            daemon.wait_for(&format!("[door] Found {slow}"));
        }
        // Until the counter is written down.
        let database = rusqlite::Connection::open(world.path("db")).expect("it opens");
        let end = Instant::now() + common::PATIENCE;
        while !database
            .query_row("SELECT retry FROM sipjail_counters WHERE ip = ?1", [&slow], |row| row.get(0))
            .is_ok_and(|retry: u32| retry >= 2)
        {
            assert!(Instant::now() < end, "the counter is kept");
            world.client(&["ping"]);
        }
        let fast = format!("203.0.113.{round}");
        (0..3).for_each(|_| world.knock(&fast));
        daemon.wait_for(&format!("[door] Ban {fast}"));
        daemon.signal("-KILL");
        daemon.ended();
    }
    let mut daemon = world.run();
    world.knock("192.0.2.1");
    daemon.wait_for("[door] Found 192.0.2.1");
    let mut expected: Vec<String> = (0..8).map(|round| format!("203.0.113.{round}")).collect();
    let mut found = banned(&world);
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
}

#[test]
fn a_crash_amid_a_flood_loses_nothing_and_counts_nothing_twice() {
    let world = World::new();
    let daemon = world.run();
    let now = common::now();
    let line = |n: usize| format!("{now} door: knock by x from 10.2.{}.{}\n", n / 250, n % 250);
    let counted = |part: &str, wanted: u64| {
        let begun = Instant::now();
        while world.json(&["status", "door"])["filter"][part].as_u64() != Some(wanted) {
            assert!(begun.elapsed() < common::PATIENCE, "{part}: {}", world.json(&["status", "door"])["filter"]);
        }
    };
    // So many that they are not written down at once.
    world.append("door.log", (0..10_000).map(|n| line(n % 5_000)).collect::<String>());
    counted("total_failed", 10_000);
    daemon.signal("-KILL");
    daemon.ended();
    let daemon = world.run();
    counted("currently_failed", 5_000);
    assert_eq!(banned(&world), [""; 0]);
    world.append("door.log", (0..100).map(|n| line(n * 7)).collect::<String>());
    counted("currently_failed", 4_900);
    assert_eq!(banned(&world).len(), 100);
    drop(daemon);
}

#[test]
fn a_flood_of_failures_keeps_no_client_waiting() {
    let world = World::new();
    let mut daemon = world.run();
    let now = common::now();
    let lines: String =
        (0..30_000).map(|n| format!("{now} door: knock by x from 10.0.{}.{}\n", n / 256 % 256, n % 256)).collect();
    world.append("door.log", lines);
    daemon.wait_for("Found");
    let failed = |world: &World| world.json(&["status", "door"])["filter"]["total_failed"].as_u64();
    let (asked, mut slowest) = (Instant::now(), std::time::Duration::ZERO);
    while failed(&world) < Some(30_000) {
        assert!(asked.elapsed() < common::PATIENCE * 3);
        let began = Instant::now();
        assert!(world.client(&["ping"]).status.success());
        slowest = slowest.max(began.elapsed());
    }
    assert!(slowest.as_secs() < 3, "a client waited {slowest:?}");
}

#[test]
fn silent_clients_starve_nobody() {
    let world = World::new();
    let _daemon = world.run();
    let silent: Vec<UnixStream> =
        (0..200).map(|_| UnixStream::connect(world.path("sock")).expect("it listens")).collect();
    assert!(world.text(&["ping"]).contains("pong"));
    assert!(world.json(&["status"])["jails"].is_array());
    drop(silent);
    assert!(world.text(&["ping"]).contains("pong"));
}

#[test]
fn nonsense_on_the_socket_is_answered_and_forgotten() {
    let world = World::new();
    let _daemon = world.run();
    let deep = format!("{{\"command\":{}\n", "[".repeat(100_000));
    let bomb = format!("{}\n", "{\"a\":".repeat(100_000));
    for (request, said) in [
        (&b"status\n"[..], "not a JSON object"),
        (b"\x80\x04\x95\x00 pickle<F2B_END_COMMAND>", "ERROR: "),
        (b"(cos\nsystem\n(S'true'\ntRl.<F2B_END_COMMAND>", "ERROR: "),
        (b"[\"ping\"]<F2B_END_COMMAND>", "invalid load key"),
        (b"\x80\x02(U\x04pingl.<F2B_END_COMMAND><F2B_CLOSE_COMMAND><F2B_END_COMMAND>", "pong"),
        (b"\x80\x02(U\x04pingl.", ""),
        (b"\x80\x02N.<F2B_END_COMMAND>", "Invalid command"),
        (b"\x80\x02].<F2B_END_COMMAND>", "list index out of range"),
        (b"\n", "not a JSON object"),
        (b"{}\n", "missing field `command`"),
        (b"{\"command\":[]}\n", "no command was given"),
        (b"{\"command\":[\"nosuch\"]}\n", "nosuch"),
        (b"{\"command\":[\"run\"]}\n", "unrecognized"),
        (b"{\"command\":[\"status\",\"--help\"]}\n", "unexpected argument"),
        (b"{\"command\":\"ping\"}", "expected a sequence"),
        (deep.as_bytes(), "not understood"),
        (bomb.as_bytes(), "not understood"),
        (&vec![b'{'; 10 << 20], ""),
        (&vec![b'('; 100 << 20], ""),
    ] {
        let reply = raw(&world, request);
        let start = String::from_utf8_lossy(&request[..request.len().min(40)]).into_owned();
        assert!(reply.contains(said) && reply.len() < 1000, "{start}: {reply}");
        assert!(world.client(&["ping"]).status.success(), "{start}");
    }
}

#[test]
fn nobody_else_may_connect_or_read() {
    use std::os::unix::fs::PermissionsExt;
    let world = World::new();
    let _daemon: Daemon = world.run();
    for name in ["sock", "db", "our.log"] {
        let mode = world.path(name).metadata().expect("it is there").permissions().mode();
        assert_eq!(mode & 0o7777, 0o600, "{name}");
    }
}

#[test]
fn a_closed_stdout_ends_nothing() {
    let world = World::new();
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("it opens");
    let mut child = world.command(&["run"]).stdout(full).stderr(Stdio::null()).spawn().expect("it starts");
    let end = Instant::now() + common::PATIENCE;
    while !world.client(&["ping"]).status.success() {
        assert!(Instant::now() < end && child.try_wait().expect("ours").is_none(), "it runs");
    }
    assert!(world.client(&["stop"]).status.success());
    assert!(child.wait().expect("it ends").success());
}

#[test]
fn a_configuration_that_guards_nobody_says_so() {
    for (name, text, said) in [
        ("conf/jail.conf", "", "no jail is on in"),
        ("conf/filter.d/door.conf", "", "[door] the filter has no failregex"),
    ] {
        let world = World::new();
        world.write(name, text);
        let mut daemon = world.run_with(&["--dry-run"]);
        assert!(world.text(&["stop"]).contains("lifted"));
        assert!(daemon.wait_for(said).contains("WARNING"));
    }
}

#[test]
fn a_supervisor_hears_of_readiness_life_and_end() {
    let world = World::new();
    let socket = UnixDatagram::bind(world.path("notify")).expect("it is bound");
    socket.set_read_timeout(Some(common::PATIENCE)).expect("it is set");
    let mut command = world.command(&["run"]);
    command.env("NOTIFY_SOCKET", world.path("notify")).env("WATCHDOG_USEC", "200000");
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
    let hear = || {
        let mut buffer = [0; 200];
        let length = socket.recv(&mut buffer).expect("it says something");
        String::from_utf8_lossy(&buffer[..length]).trim().to_owned()
    };
    assert_eq!(hear(), "READY=1");
    assert!(world.client(&["ping"]).status.success(), "who is ready answers");
    for _ in 0..10 {
        assert_eq!(hear(), "WATCHDOG=1");
    }
    assert!(world.client(&["stop"]).status.success());
    assert!((0..1000).any(|_| hear() == "STOPPING=1"));
    assert!(child.wait().expect("it ends").success());
}

#[test]
fn ten_thousand_attackers_are_all_banned_and_written_down() {
    let world = World::new();
    let mut daemon = world.run();
    let now = common::now();
    let one = |n: usize| format!("{now} door: knock by x from 10.1.{}.{}\n", n / 256, n % 256);
    world.append("door.log", (0..30_000).map(|n| one(n % 10_000)).collect::<String>());
    daemon.wait_for(&format!("[door] Ban 10.1.{}.{}", 9_999 / 256, 9_999 % 256));
    assert_eq!(banned(&world).len(), 10_000);
    daemon.signal("-TERM");
    assert!(daemon.ended().0);
    let database = rusqlite::Connection::open(world.path("db")).expect("it opens");
    let count = |sql: &str| -> u32 { database.query_row(sql, [], |row| row.get(0)).expect("it is counted") };
    assert_eq!(count("SELECT count(DISTINCT ip) FROM bips"), 10_000);
    assert_eq!(count("SELECT count(*) FROM bans"), 10_000);
    assert_eq!(count("SELECT count(*) FROM sipjail_counters"), 0);
}
