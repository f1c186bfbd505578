//! What a PBX's event interface tells, as a running daemon hears it; the PBX is played by the test.

#[path = "../common/mod.rs"]
mod common;
mod pbx;
mod recorded;
mod secured;
mod silence;
mod together;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use common::{Daemon, World, wait_until};
use pbx::{Pbx, SECRET, USER, failure, invalid, record};

/// A world whose one jail hears `backend`; three failures are too many.
fn world(pbx: &Pbx, backend: &str, filter: &str) -> World {
    let world = World::new();
    let port = pbx.port();
    let secret = if backend.starts_with("ami") { "secret" } else { "password" };
    let kind = &backend[..3];
    let user = if kind == "ami" { format!("username = {USER}\n") } else { String::new() };
    world.append("conf/sipjail.conf", format!("[{kind} pbx]\nport = {port}\n{user}{secret}file = {}\n", path(&world)));
    world.write("secret", &format!("{SECRET}\n"));
    fs::set_permissions(world.path("secret"), Permissions::from_mode(0o600)).expect("it is ours");
    world.write("conf/jail.local", &format!("[door]\nbackend = {backend}\nfilter = {filter}\n"));
    world
}

fn path(world: &World) -> String {
    world.path("secret").display().to_string()
}

fn banned(world: &World) -> Vec<String> {
    let all = world.json(&["banned"]);
    let list = all.as_array().or_else(|| all["banned"].as_array()).expect("a list").clone();
    let mut found: Vec<String> =
        list.iter().map(|ban| ban["address"].as_str().expect("an address").to_owned()).collect();
    found.sort();
    found
}

fn heard(world: &World) -> Value {
    world.json(&["status", "door"])["filter"]["events"].clone()
}

fn wait_for_events(world: &World, count: u64) {
    wait_until("the events came", || heard(world)["events"] == json!(count));
}

/// Ends the daemon, and looks for the secret in all that it has left behind or said.
fn end(world: &World, daemon: Daemon) -> Vec<String> {
    daemon.signal("-TERM");
    let (good, said) = daemon.ended();
    assert!(good, "{said:#?}");
    for name in ["our.log", "db"] {
        let text = fs::read(world.path(name)).expect("it is there");
        assert!(!String::from_utf8_lossy(&text).contains(SECRET), "{name}");
    }
    assert!(!said.iter().any(|line| line.contains(SECRET)), "{said:#?}");
    said
}

#[test]
fn failures_that_asterisk_tells_are_banned() {
    let pbx = Pbx::new();
    let world = world(&pbx, "ami", "asterisk");
    let mut daemon = world.run();
    let mut guest = pbx.asterisk();
    daemon.wait_for("the events of `[ami pbx]` are heard");
    // In pieces, with others between them.
    let text = [invalid("192.0.2.7", "100"), invalid("192.0.2.8", "1"), invalid("2001:db8::7", "2")].concat();
    for piece in text.repeat(2).as_bytes().chunks(5) {
        guest.send(piece);
    }
    guest.send(invalid("192.0.2.7", "x\" address=\"192.0.2.9\""));
    daemon.wait_for("Ban 192.0.2.7");
    guest.send(invalid("2001:db8::7", "3"));
    daemon.wait_for("Ban 2001:db8::7");
    wait_for_events(&world, 8);
    let events = heard(&world);
    assert_eq!(
        (&events["server"], &events["broken"], &events["trouble"]),
        (&json!("ami pbx"), &json!(0), &Value::Null)
    );
    assert!(events["connected_since"].is_string() && events["connected_for"].is_u64(), "{events}");
    let text = world.text(&["status", "door"]);
    assert!(text.contains("Events:\tami pbx, connected for ") && text.contains(", 8 came\n"), "{text}");
    let shown = world.client(&["check"]);
    assert!(!String::from_utf8_lossy(&[shown.stdout, shown.stderr].concat()).contains(SECRET));
    assert_eq!(banned(&world), ["192.0.2.7", "2001:db8::7"]);
    end(&world, daemon);
}

#[test]
fn forged_events_are_said_once_and_name_their_sender_alone() {
    let pbx = Pbx::new();
    let world = world(&pbx, "ami", "asterisk");
    let mut daemon = world.run();
    let mut guest = pbx.asterisk();
    for account in [
        "x\r\nRemoteAddress: IPV4/UDP/8.8.8.8/1",
        "x\r\n\r\nEvent: SuccessfulAuth",
        "x\nRemoteAddress: IPV4/UDP/8.8.8.8/1",
    ] {
        guest.send(invalid("192.0.2.7", account));
    }
    guest.send(invalid("192.0.2.8", &"x".repeat(200_000)));
    guest.send(invalid("192.0.2.8", "1"));
    daemon.wait_for("Ban 192.0.2.7");
    wait_for_events(&world, 6);
    assert_eq!(heard(&world)["broken"], json!(5), "{}", heard(&world));
    assert_eq!(banned(&world), ["192.0.2.7"]);
    let said = end(&world, daemon);
    let warnings = said.iter().filter(|line| line.contains("somebody tries to forge events")).count();
    assert!((1..=2).contains(&warnings), "{said:#?}");
}

#[test]
fn a_server_that_offers_no_challenge_hears_the_secret_on_loopback() {
    let pbx = Pbx::new();
    let world = world(&pbx, "ami", "ami");
    let mut daemon = world.run();
    let mut guest = pbx.meet();
    guest.greet_as_asterisk();
    guest.hear("\r\n\r\n");
    guest.send("Response: Error\r\nMessage: Must specify AuthType\r\n\r\n");
    let login = format!("Action: Login\r\nUsername: {USER}\r\nSecret: {SECRET}\r\nEvents: security");
    assert_eq!(guest.hear("\r\n\r\n"), login);
    guest.send("Response: Success\r\nMessage: Authentication accepted\r\n\r\n");
    daemon.wait_for("are heard");
    end(&world, daemon);
}

#[test]
fn who_is_refused_or_thrown_out_comes_again() {
    let pbx = Pbx::new();
    let world = world(&pbx, "ami", "asterisk");
    let mut daemon = world.run();
    let mut guest = pbx.meet();
    guest.greet_as_asterisk();
    guest.hear("\r\n\r\n");
    guest.send("Response: Success\r\nChallenge: 1\r\n\r\n");
    guest.hear("\r\n\r\n");
    guest.send("Response: Error\r\nMessage: Authentication failed\r\n\r\n");
    daemon.wait_for("cannot be heard: it does not let `watcher` in: Authentication failed; it is tried again");
    assert!(guest.has_gone());
    wait_until("status knows", || heard(&world)["trouble"].as_str().is_some_and(|why| why.contains("Authentication")));
    assert_eq!(heard(&world)["connected_since"], Value::Null);
    // The server goes amid an event, and half of one counts for nothing.
    let mut guest = pbx.asterisk();
    daemon.wait_for("are heard");
    guest.send(invalid("192.0.2.7", "1"));
    guest.send(&invalid("192.0.2.7", "2")[..200]);
    wait_for_events(&world, 1);
    drop(guest);
    daemon.wait_for("cannot be heard: the connection was closed");
    let mut guest = pbx.asterisk();
    daemon.wait_for("are heard");
    guest.send(invalid("192.0.2.7", "3"));
    wait_for_events(&world, 2);
    assert_eq!(banned(&world), [] as [&str; 0]);
    guest.send(invalid("192.0.2.7", "4"));
    daemon.wait_for("Ban 192.0.2.7");
    drop((guest, pbx));
    daemon.wait_for("cannot be heard: the connection was closed");
    daemon.wait_for("cannot be heard: Connection refused");
    end(&world, daemon);
}

#[test]
fn several_jails_share_a_connection_that_a_reload_keeps() {
    let pbx = Pbx::new();
    let world = world(&pbx, "ami", "asterisk");
    let own = "[own]\nenabled = true\nbackend = ami[name=pbx]\nfilter =\nmaxretry = 1\nfailregex = ^AMI .* AccountID=\"root\"\n";
    let own = own.replace("^AMI .*", "^AMI InvalidAccountID address=\"<HOST>\" .*");
    world.append("conf/jail.local", own);
    let mut daemon = world.run();
    let mut guest = pbx.asterisk();
    daemon.wait_for("are heard");
    guest.send(invalid("192.0.2.7", "root"));
    daemon.wait_for("[own] Ban 192.0.2.7");
    world.append("conf/jail.local", "[third]\nenabled = true\nbackend = ami\nfilter = ami\nmaxretry = 1\n");
    world.text(&["reload"]);
    let count = || world.json(&["status", "own"])["filter"]["events"]["events"].clone();
    wait_until("what came before is counted", || count() == json!(1));
    guest.send(invalid("192.0.2.8", "x"));
    daemon.wait_for("[third] Ban 192.0.2.8");
    guest.send(invalid("192.0.2.7", "x").repeat(2));
    daemon.wait_for("[door] Ban 192.0.2.7");
    assert!(pbx.meet_now().is_none(), "one connection is enough");
    // Nobody wants it any more.
    world.write("conf/jail.local", "[door]\nbackend = auto\n");
    world.text(&["reload"]);
    assert!(guest.has_gone());
    end(&world, daemon);
}

#[test]
fn events_and_a_log_count_together_and_a_log_cannot_play_events() {
    let pbx = Pbx::new();
    let world = world(&pbx, "ami[logs=yes]", "door");
    world.append("conf/filter.d/door.conf", "eventregex = ^AMI InvalidAccountID address=\"<HOST>\"\n");
    let mut daemon = world.run();
    let mut guest = pbx.asterisk();
    daemon.wait_for("are heard");
    world.append("door.log", "AMI InvalidAccountID address=\"192.0.2.9\" port=\"1\"\n".repeat(5));
    world.knock("192.0.2.7");
    guest.send(invalid("192.0.2.7", "1"));
    wait_for_events(&world, 1);
    assert_eq!(world.json(&["status", "door"])["filter"]["files"].as_array().map(Vec::len), Some(1));
    world.knock("192.0.2.7");
    daemon.wait_for("Ban 192.0.2.7");
    assert_eq!(banned(&world), ["192.0.2.7"]);
    end(&world, daemon);
}

#[test]
fn a_flood_is_counted_to_the_last_event() {
    let pbx = Pbx::new();
    let world = world(&pbx, "ami", "asterisk");
    let mut daemon = world.run();
    let mut guest = pbx.asterisk();
    let flood: String =
        (0..20_000).map(|n| invalid(&format!("198.51.{}.{}", n / 250 % 100, n % 250 + 1), "1")).collect();
    guest.send(flood.replace("InvalidAccountID", "ChallengeSent").replace("\r\n\r\n", "\r\nChallenge: \r\n\r\n"));
    guest.send(invalid("192.0.2.7", "1").repeat(3));
    daemon.wait_for("Ban 192.0.2.7");
    wait_for_events(&world, 20_003);
    assert_eq!((heard(&world)["broken"].clone(), banned(&world)), (json!(0), vec!["192.0.2.7".to_owned()]));
    end(&world, daemon);
}

#[test]
fn failures_that_freeswitch_tells_are_banned_and_its_log_cannot_be_forged() {
    let pbx = Pbx::new();
    let world = world(&pbx, "esl", "freeswitch");
    let mut daemon = world.run();
    let mut guest = pbx.freeswitch();
    daemon.wait_for("the events of `[esl pbx]` are heard");
    let forged =
        "2026-11-20 11:22:56.384455 99.47% [WARNING] sofia_reg.c:7 IP 10.77.0.99 Rejected by register acl \"x\"";
    for _ in 0..3 {
        guest.send(failure("192.0.2.7", "x\nnetwork-ip: 10.77.0.99\n\n"));
        guest.send(record(
            "sofia_reg.c",
            "SIP auth failure (REGISTER) on sofia profile 'internal' for [x@y] from ip 192.0.2.7",
        ));
        guest.send(record("switch_channel.c", &format!("New Channel sofia/internal/x\n{forged}")));
        guest.send(record("sofia_reg.c", &format!("Can't find user [x\n{forged}")));
        for piece in record("sofia.c", "IP 2001:db8::7 Rejected by acl \"trunks\"").chunks(3) {
            guest.send(piece);
        }
    }
    daemon.wait_for("Ban 192.0.2.7");
    daemon.wait_for("Ban 2001:db8::7");
    wait_for_events(&world, 15);
    assert_eq!((heard(&world)["broken"].clone(), banned(&world).len()), (json!(0), 2), "{:?}", banned(&world));
    assert_eq!(world.json(&["status", "door"])["filter"]["total_failed"], json!(6));
    end(&world, daemon);
}

#[test]
fn a_wrong_password_and_a_list_of_addresses_are_said() {
    let pbx = Pbx::new();
    let world = world(&pbx, "esl", "esl");
    let mut daemon = world.run();
    let mut guest = pbx.meet();
    guest.send("Content-Type: text/rude-rejection\nContent-Length: 24\n\nAccess Denied, go away.\n");
    daemon.wait_for("cannot be heard: its list of addresses does not let us in");
    let mut guest = pbx.meet();
    guest.send("Content-Type: auth/request\n\n");
    guest.hear("\n\n");
    guest.send("Content-Type: command/reply\nReply-Text: -ERR invalid\n\n");
    daemon.wait_for("cannot be heard: it does not take the password");
    pbx.freeswitch();
    daemon.wait_for("are heard");
    end(&world, daemon);
}

#[test]
fn a_name_is_looked_up() {
    let pbx = Pbx::new();
    let world = world(&pbx, "esl", "esl");
    world.append("conf/sipjail.conf", "host = localhost\n");
    let mut daemon = world.run();
    pbx.freeswitch();
    daemon.wait_for("are heard");
    end(&world, daemon);
    world.append("conf/sipjail.conf", "[esl pbx]\nhost = nowhere.invalid\n");
    let mut daemon = world.run();
    daemon.wait_for("cannot be heard: `nowhere.invalid` is not found");
    end(&world, daemon);
}
