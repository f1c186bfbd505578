//! What goes wrong on a host: logs, database, socket, configuration. Each is met by the running daemon; it goes on
//! guarding, says what is wrong, and takes the thing up again when it is mended.
//!
//! Elsewhere: rotations and copytruncate in every order (`follow.rs`), what others send to the socket (`abuse.rs`), a
//! database that is damaged, full or killed while it is written, below the daemon (`store.rs`).

#![allow(clippy::disallowed_methods, reason = "a test runs programs")]

#[macro_use]
#[path = "common/counted.rs"]
mod counted;
mod common;

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Command, Stdio};
use std::sync::Barrier;

use common::{Daemon, World, wait_until};
use rusqlite::Connection;

/// Three knocks, and the ban.
fn is_guarded(world: &World, daemon: &mut Daemon, address: &str) {
    (0..3).for_each(|_| world.knock(address));
    daemon.wait_for(&format!("[door] Ban {address}"));
}

/// Whether a ban is written down.
fn is_kept(world: &World, db: &str, address: &str) -> bool {
    let sql = "SELECT 1 FROM bips WHERE ip = ?1";
    Connection::open(world.path(db)).is_ok_and(|conn| conn.query_row(sql, [address], |_| Ok(())).is_ok())
}

/// The daemon behind some other program.
fn run_behind(world: &World, wrapper: &[&str]) -> Daemon {
    let inner = world.command(&["run"]);
    let mut command = Command::new(wrapper[0]);
    command.args(&wrapper[1..]).arg(inner.get_program()).args(inner.get_args());
    command.env_remove("NOTIFY_SOCKET").env("TZ", "UTC");
    world.begin(command)
}

fn succeeds(program: &str, words: &[&str]) -> bool {
    Command::new(program).args(words).stderr(Stdio::null()).stdout(Stdio::null()).status().is_ok_and(|s| s.success())
}

/// In a mount namespace of its own a small file system over the directory `state`, where the database is then.
fn on_a_small_disk(world: &World) -> Option<Daemon> {
    fs::create_dir(world.path("state")).expect("made");
    let (db, log) = (world.path("state/db").display().to_string(), world.path("state/our.log").display().to_string());
    world.append("conf/sipjail.conf", format!("dbfile = {db}\nlogtarget = {log}\n"));
    let mount = format!("mount -t tmpfs -o size=1m none '{}'", world.path("state").display());
    if !succeeds("unshare", &["-m", "sh", "-c", &mount]) {
        println!("skipped: no right to mount a small file system");
        return None;
    }
    let script = format!("{mount} && exec \"$0\" \"$@\"");
    Some(run_behind(world, &["unshare", "-m", "sh", "-c", &script]))
}

/// Runs a shell line where the daemon is.
fn beside(daemon: &Daemon, line: &str) -> String {
    let output = Command::new("nsenter")
        .args(["-t", &daemon.child.id().to_string(), "-m", "sh", "-c", line])
        .output()
        .expect("it runs");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

// ------------------------------------------------------------------ logs

#[test]
fn a_log_that_is_not_there_at_the_start_is_read_once_it_is() {
    let world = World::new();
    fs::remove_file(world.path("door.log")).expect("removed");
    let mut daemon = world.run();
    assert!(daemon.seen.iter().any(|line| line.contains("not there yet")), "{:#?}", daemon.seen);
    is_guarded(&world, &mut daemon, "203.0.113.1");
}

#[test]
fn a_log_that_is_deleted_rotated_or_cut_is_read_on() {
    let world = World::new();
    let mut daemon = world.run();
    is_guarded(&world, &mut daemon, "203.0.113.1");
    fs::remove_file(world.path("door.log")).expect("removed");
    is_guarded(&world, &mut daemon, "203.0.113.2");
    fs::rename(world.path("door.log"), world.path("door.log.1")).expect("moved");
    // What is still written to the old file counts as well.
    world.append("door.log.1", format!("{} door: knock by x from 203.0.113.3\n", common::now()));
    daemon.wait_for("[door] Found 203.0.113.3");
    is_guarded(&world, &mut daemon, "203.0.113.4");
    world.write("door.log", "");
    is_guarded(&world, &mut daemon, "203.0.113.5");
    // Cut, and beyond its old length again before anybody looks: five more than the three that stood there.
    let lines: String = (0..8).map(|n| format!("{} door: knock by x from 198.51.100.{n}\n", common::now())).collect();
    fs::write(world.path("door.log"), lines).expect("written");
    for n in 0..8 {
        daemon.wait_for(&format!("[door] Found 198.51.100.{n}"));
    }
    assert_eq!(world.json(&["status", "door"])["filter"]["total_failed"], 3 * 4 + 1 + 8, "no line counted twice");
}

/// Root may read what nobody may; so the daemon runs without that right.
#[test]
fn a_log_that_may_not_be_read_is_named_and_read_once_it_may() {
    let wrapper = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search", "--"];
    if !succeeds(wrapper[0], &[&wrapper[1..], &["true"]].concat()) {
        return println!("skipped: no right to give rights up");
    }
    let world = World::new();
    fs::set_permissions(world.path("door.log"), fs::Permissions::from_mode(0o000)).expect("set");
    let mut daemon = run_behind(&world, &wrapper);
    let said = daemon.wait_for("ermission denied");
    assert!(said.contains("door.log"), "{said}");
    fs::set_permissions(world.path("door.log"), fs::Permissions::from_mode(0o600)).expect("set");
    is_guarded(&world, &mut daemon, "203.0.113.1");
}

#[test]
fn a_regex_that_does_not_compile_costs_its_jail_alone() {
    let world = World::new();
    world.write("conf/filter.d/bad.conf", "[Definition]\nfailregex = ^x(<HOST>$\n");
    let log = world.path("door.log").display().to_string();
    // Before and behind the bad one.
    let jails = format!(
        "[bad]\nenabled = true\nfilter = bad\nlogpath = {log}\n[last]\nenabled = true\nfilter = door\nlogpath = {log}\n"
    );
    world.write("conf/jail.d/more.conf", &jails);
    let mut daemon = world.run();
    assert_eq!(world.json(&["status"])["jails"], serde_json::json!(["door", "last"]));
    assert!(daemon.wait_for("[bad]").contains("ERROR"));
    is_guarded(&world, &mut daemon, "203.0.113.1");
}

// ------------------------------------------------------------------ the database

#[test]
fn a_database_that_another_program_holds_loses_nothing() {
    let world = World::new();
    let mut daemon = world.run();
    let other = Connection::open(world.path("db")).expect("it opens");
    other.execute_batch("BEGIN EXCLUSIVE").expect("ours now");
    is_guarded(&world, &mut daemon, "203.0.113.1");
    let said = daemon.wait_for("the database cannot be written");
    assert!(said.contains("ERROR") && said.contains("locked"), "{said}");
    is_guarded(&world, &mut daemon, "203.0.113.2");
    other.execute_batch("COMMIT").expect("given back");
    daemon.wait_for("takes writes again; nothing was lost");
    assert!(["203.0.113.1", "203.0.113.2"].iter().all(|address| is_kept(&world, "db", address)));
}

#[test]
fn a_database_that_is_held_at_the_start_is_read_then_and_written_later() {
    let world = World::new();
    let mut daemon = world.run();
    is_guarded(&world, &mut daemon, "203.0.113.1");
    daemon.signal("-TERM");
    assert!(daemon.ended().0);
    let other = Connection::open(world.path("db")).expect("it opens");
    other.execute_batch("BEGIN IMMEDIATE").expect("ours now");
    let mut daemon = world.run();
    assert!(daemon.seen.iter().any(|line| line.contains("cannot be written")), "{:#?}", daemon.seen);
    daemon.wait_for("[door] Restore Ban 203.0.113.1");
    is_guarded(&world, &mut daemon, "203.0.113.2");
    other.execute_batch("COMMIT").expect("given back");
    daemon.wait_for("takes writes again; nothing was lost");
    assert!(is_kept(&world, "db", "203.0.113.2"));
    daemon.signal("-TERM");
    assert!(daemon.ended().0);
    let _daemon = world.run();
    assert_eq!(world.json(&["status", "door"])["actions"]["currently_banned"], 2);
}

#[test]
fn a_read_only_disk_gives_the_saved_bans_and_takes_the_new_ones_later() {
    let world = World::new();
    fs::create_dir(world.path("state")).expect("made");
    let state = world.path("state").display().to_string();
    world.append("conf/sipjail.conf", format!("dbfile = {state}/db\n"));
    let mut daemon = world.run();
    is_guarded(&world, &mut daemon, "203.0.113.1");
    daemon.signal("-TERM");
    assert!(daemon.ended().0);
    let script = format!("mount --bind '{state}' '{state}' && mount -o remount,ro,bind '{state}'");
    if !succeeds("unshare", &["-m", "sh", "-c", &script]) {
        return println!("skipped: no right to mount");
    }
    let mut daemon = run_behind(&world, &["unshare", "-m", "sh", "-c", &format!("{script} && exec \"$0\" \"$@\"")]);
    let said = daemon.wait_for("cannot be written");
    assert!(said.contains("ERROR") && said.to_lowercase().contains("read-only"), "{said}");
    daemon.wait_for("[door] Restore Ban 203.0.113.1");
    is_guarded(&world, &mut daemon, "203.0.113.2");
    beside(&daemon, &format!("mount -o remount,rw,bind '{state}'"));
    daemon.wait_for("takes writes again; nothing was lost");
    assert!(is_kept(&world, "state/db", "203.0.113.2"));
}

#[test]
fn a_full_disk_stops_no_ban_and_is_written_to_when_there_is_room() {
    let world = World::new();
    let Some(mut daemon) = on_a_small_disk(&world) else { return };
    daemon.wait_for("Jail 'door' started");
    is_guarded(&world, &mut daemon, "203.0.113.1");
    let state = world.path("state").display().to_string();
    beside(&daemon, &format!("head -c 2000000 /dev/zero > '{state}/filler'"));
    // Enough for the pages that the database has already.
    let lines: String = (0..3000)
        .map(|n| format!("{} door: knock by x from 10.0.{}.{}\n", common::now(), n / 3 / 250, n / 3 % 250))
        .collect();
    world.append("door.log", lines);
    daemon.wait_for("the database cannot be written");
    wait_until("bans go on", || world.json(&["status", "door"])["actions"]["currently_banned"] == 1001);
    beside(&daemon, &format!("rm '{state}/filler'"));
    daemon.wait_for("takes writes again; nothing was lost");
    let sql = "select count(*) from bips";
    wait_until("all are kept", || beside(&daemon, &format!("sqlite3 '{state}/db' '{sql}'")).trim() == "1001");
}

#[test]
fn a_disk_without_room_at_the_start_is_used_later() {
    let world = World::new();
    fs::create_dir(world.path("state")).expect("made");
    let state = world.path("state").display().to_string();
    world.append("conf/sipjail.conf", format!("dbfile = {state}/db\nlogtarget = {state}/our.log\n"));
    let mount = format!("mount -t tmpfs -o size=64k none '{state}'");
    if !succeeds("unshare", &["-m", "sh", "-c", &mount]) {
        return println!("skipped: no right to mount a small file system");
    }
    let script = format!("{mount} && head -c 100000 /dev/zero > '{state}/filler'; exec \"$0\" \"$@\"");
    let mut daemon = run_behind(&world, &["unshare", "-m", "sh", "-c", &script]);
    daemon.wait_for("cannot be written");
    is_guarded(&world, &mut daemon, "203.0.113.1");
    beside(&daemon, &format!("mount -o remount,size=4m '{state}'"));
    daemon.wait_for("takes writes again; nothing was lost");
}

// ------------------------------------------------------------------ the socket

#[test]
fn a_missing_directory_of_the_socket_is_made_and_one_that_cannot_be_is_named() {
    let world = World::new();
    let socket = world.path("a/sock").display().to_string();
    world.append("conf/sipjail.conf", format!("socket = {socket}\n"));
    let daemon = world.run();
    daemon.signal("-TERM");
    assert!(daemon.ended().0);
    for impossible in ["door.log/sock", "b/c/sock"] {
        let output = world.client(&["run", "--socket", &world.path(impossible).display().to_string()]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1));
        assert!(said.contains("cannot listen on") && said.contains("hint"), "{said}");
    }
}

#[test]
fn a_socket_that_somebody_removes_is_made_again() {
    let world = World::new();
    let mut daemon = world.run();
    fs::remove_file(world.path("sock")).expect("removed");
    assert!(!world.client(&["ping"]).status.success());
    daemon.wait_for("was gone and is made again");
    assert!(world.client(&["ping"]).status.success());
    assert_eq!(world.path("sock").metadata().expect("it is there").permissions().mode() & 0o777, 0o600);
    // Without it, a signal ends the daemon in good order.
    fs::remove_file(world.path("sock")).expect("removed");
    daemon.signal("-TERM");
    assert!(daemon.ended().0);
}

#[test]
fn a_server_that_does_not_speak_our_language_keeps_nobody_waiting() {
    let world = World::new();
    let listener = UnixListener::bind(world.path("sock")).expect("it listens");
    // As fail2ban's, it reads until its own word for the end comes, or nothing more does.
    let server = std::thread::spawn(move || {
        let (mut client, _) = listener.accept().expect("somebody comes");
        client.set_read_timeout(Some(common::PATIENCE)).expect("it is set");
        client.read_to_end(&mut Vec::new()).is_ok()
    });
    let asked = world.client(&["ping"]);
    assert!(server.join().expect("it ends"), "the client waits for ever");
    assert!(String::from_utf8_lossy(&asked.stderr).contains("before it answered"), "{asked:?}");
}

#[test]
fn clients_that_die_keep_nobody_waiting() {
    let world = World::new();
    let mut daemon = world.run();
    for _ in 0..50 {
        for request in
            [&b""[..], b"{", b"{\"command\":[\"banned\"]", b"{\"command\":[\"banned\"]}\n", b"\x80\x02(U\x04ping"]
        {
            let mut stream = UnixStream::connect(world.path("sock")).expect("it listens");
            stream.write_all(request).expect("sent");
        }
        // One that is killed while its request is on the way.
        let mut child = world.command(&["banned"]).stdout(Stdio::null()).spawn().expect("it starts");
        let _gone = child.kill();
        let _status = child.wait();
    }
    assert!(world.client(&["ping"]).status.success());
    is_guarded(&world, &mut daemon, "203.0.113.1");
}

#[test]
fn a_thousand_clients_at_once_are_all_answered() {
    let world = World::new();
    let mut daemon = world.run();
    let barrier = Barrier::new(1000);
    let (path, mut answers) = (world.path("sock"), Vec::new());
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..1000)
            .map(|_| {
                let client = || {
                    barrier.wait();
                    let mut reply = String::new();
                    let mut stream = UnixStream::connect(&path).map_err(|e| e.to_string())?;
                    stream.write_all(b"{\"command\":[\"ping\"]}\n").map_err(|e| e.to_string())?;
                    stream.shutdown(std::net::Shutdown::Write).map_err(|e| e.to_string())?;
                    stream.read_to_string(&mut reply).map_err(|e| e.to_string())?;
                    Ok(reply)
                };
                std::thread::Builder::new().stack_size(64 << 10).spawn_scoped(scope, client).expect("it starts")
            })
            .collect();
        answers
            .extend(clients.into_iter().map(|client| -> Result<String, String> { client.join().expect("no panic") }));
    });
    let served = answers.iter().filter(|a| a.as_ref().is_ok_and(|reply| reply.contains("ok"))).count();
    counted!("faults: of 1,000 clients at once {served} were served");
    let other: Vec<_> =
        answers.iter().filter(|a| !a.as_ref().is_ok_and(|reply| reply.contains("ok"))).take(5).collect();
    assert_eq!(served, 1000, "{other:?}");
    is_guarded(&world, &mut daemon, "203.0.113.1");
}

// ------------------------------------------------------------------ the process and its configuration

#[test]
fn after_a_kill_the_next_start_takes_everything_over_in_the_kernel_too() {
    if !common::has_kernel() {
        return;
    }
    let world = World::new();
    world.write("conf/jail.local", "[DEFAULT]\nbanaction = ipset\n");
    let namespace = format!("sipjail-faults-{}", std::process::id());
    let _gone_with_the_test = Namespace::new(&namespace);
    let run = || {
        let mut daemon = run_behind(&world, &["ip", "netns", "exec", &namespace]);
        daemon.wait_for("Jail 'door' started");
        daemon
    };
    let mut daemon = run();
    is_guarded(&world, &mut daemon, "203.0.113.1");
    world.text(&["ban", "203.0.113.2", "--jail", "door", "--for", "3s"]);
    daemon.signal("-KILL");
    daemon.ended();
    assert!(world.path("sock").exists() && world.path("pid").exists(), "a killed one cleans nothing up");
    wait_until("the kernel lifts it by itself", || !in_kernel(&namespace).contains("203.0.113.2"));
    assert!(in_kernel(&namespace).contains("203.0.113.1"));
    // The database rounds to whole seconds, so there it may last for half a second more.
    let over = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(1);
    wait_until("it is over everywhere", || jiff::Timestamp::now() > over);
    let daemon = run();
    let held = in_kernel(&namespace);
    assert!(held.contains("203.0.113.1") && !held.contains("203.0.113.2"), "{held}");
    assert_eq!(world.json(&["status", "door"])["actions"]["currently_banned"], 1);
    let rules = Command::new("ip").args(["netns", "exec", &namespace, "iptables-save"]).output().expect("it runs");
    assert_eq!(
        String::from_utf8_lossy(&rules.stdout).matches("--match-set sipjail").count(),
        1,
        "no rule stands twice"
    );
    drop(daemon);
}

/// A network namespace with a name, that ends with the test.
struct Namespace(String);

impl Namespace {
    fn new(name: &str) -> Namespace {
        assert!(succeeds("ip", &["netns", "add", name]));
        Namespace(name.to_owned())
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        succeeds("ip", &["netns", "del", &self.0]);
    }
}

fn in_kernel(namespace: &str) -> String {
    let output = Command::new("ip")
        .args(["netns", "exec", namespace, "ipset", "list", "sipjail4-door"])
        .output()
        .expect("it runs");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Nothing is configured, so all is where it is by default: in a mount and network namespace of its own.
#[test]
fn without_configuration_or_with_an_empty_one_the_stock_jails_guard() {
    let namespace = "for d in /run /var/lib /var/log; do mount -t tmpfs none $d || exit; done";
    if !succeeds("unshare", &["-mn", "sh", "-c", namespace]) {
        return println!("skipped: no right to mount");
    }
    for make in [false, true] {
        let world = World::new();
        fs::remove_dir_all(world.path("conf")).expect("removed");
        if make {
            world.write("conf/sipjail.conf", "");
            world.write("conf/jail.local", "");
        }
        let script = format!(
            "{namespace} && mkdir /var/log/asterisk && : > /var/log/asterisk/messages && exec \"$0\" \"$@\" --dry-run"
        );
        let mut daemon = run_behind(&world, &["unshare", "-mn", "sh", "-c", &script]);
        daemon.wait_for("Jail 'asterisk' started");
        for _ in 0..5 {
            let line = format!(
                "[{}] NOTICE[123] chan_sip.c: Registration from '<sip:1@192.0.2.1>' failed for '203.0.113.7:5060' - Wrong password",
                common::now()
            );
            beside(&daemon, &format!("echo \"{line}\" >> /var/log/asterisk/messages"));
        }
        daemon.wait_for("[asterisk] Ban 203.0.113.7");
        daemon.signal("-TERM");
        assert!(daemon.ended().0);
    }
}
