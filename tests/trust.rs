//! An office on trust, as its operator meets it: a real log of Asterisk's, the stock filter, the kernel's sets.
#![expect(clippy::disallowed_methods, reason = "the kernel's sets are asked by a program")]

mod common;

use std::process::Command;

use common::{Daemon, World};
use serde_json::json;

/// An office with many phones behind one address, and somebody else.
const OFFICE: &str = "192.0.2.1";
const CRACKER: &str = "198.51.100.1";

/// A fail2ban tree with our filter, whose only jail trusts.
fn world(banaction: &str) -> World {
    let world = World::new();
    let jail = format!(
        "[DEFAULT]\nbanaction = {banaction}\naction = %(banaction)s\nignoreself = false\nusedns = no\n[asterisk]\n\
         enabled = true\nfilter = asterisk[mode=accounts, account=yes]\nlogpath = {}\nmaxretry = 5\nfindtime = 10m\n\
         bantime = 1h\ndedupe = true\ntrusttime = 6h\ntrustmaxretry = 8\noutage = 3\n",
        world.path("security").display()
    );
    world.write("conf/jail.conf", &jail);
    world.write("security", "");
    world
}

/// A SecurityEvent of PJSIP's, written now; each has a Call-ID of its own.
fn event(name: &str, account: &str, address: &str, rest: &str) -> String {
    let number = std::sync::atomic::AtomicU32::fetch_add(&CALLS, 1, std::sync::atomic::Ordering::Relaxed);
    format!(
        "[{}] SECURITY[7] res_security_log.c: SecurityEvent=\"{name}\",EventTV=\"2026-08-20T10:00:00.000+0000\",\
         Severity=\"Informational\",Service=\"PJSIP\",EventVersion=\"1\",AccountID=\"{account}\",SessionID=\"call{number}\",\
         LocalAddress=\"IPV4/UDP/203.0.113.9/5060\",RemoteAddress=\"IPV4/UDP/{address}/5060\"{rest}\n",
        common::now()
    )
}

static CALLS: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);

fn good(account: &str, address: &str) -> String {
    event("SuccessfulAuth", account, address, ",UsingPassword=\"1\"")
}

fn bad(account: &str, address: &str) -> String {
    let rest = ",Challenge=\"1/a\",Response=\"b\",ExpectedResponse=\"\"";
    event("ChallengeResponseFailed", account, address, rest)
}

/// Whether the kernel drops an address.
fn drops(daemon: &Daemon, address: &str) -> bool {
    let pid = daemon.child.id().to_string();
    let test = ["-t", &pid, "-n", "ipset", "-q", "test", "sipjail4-asterisk", address];
    Command::new("nsenter").args(test).status().expect("it runs").success()
}

#[test]
fn an_office_with_a_stale_phone_goes_on_while_a_cracker_is_stopped_and_after_a_restart_too() {
    if !common::has_kernel() {
        return;
    }
    let world = world("ipset");
    let mut daemon = world.run_in_namespace();
    assert_eq!(world.text(&["trusted"]).trim(), "nobody is on trust");
    world.append("security", good("100", OFFICE) + &good("101", OFFICE));
    daemon.wait_for("[asterisk] Trust 192.0.2.1");
    for _ in 0..6 {
        world.append("security", bad("103", OFFICE) + &bad("103", OFFICE) + &bad("103", CRACKER));
    }
    daemon.wait_for("[asterisk] Ban 198.51.100.1");
    assert!(drops(&daemon, CRACKER) && !drops(&daemon, OFFICE));
    let list = world.json(&["trusted", "asterisk"]);
    assert_eq!(json!([list[0]["address"], list[0]["accounts"], list[1]]), json!([OFFICE, 2, null]));
    daemon.wait_for("[asterisk] Ignore 192.0.2.1 by trust");
    assert_eq!(world.json(&["status", "asterisk"])["filter"]["trusted"], 1);
    assert!(world.text(&["status", "asterisk"]).contains("|  |- Addresses on trust:\t1\n"));
    daemon.signal("-TERM");
    assert!(daemon.ended().0);

    let mut daemon = world.run_in_namespace();
    assert_eq!(world.json(&["trusted"])[0]["accounts"], 2);
    world.append("security", (0..7).map(|_| bad("104", OFFICE)).collect::<String>());
    world.append("security", (0..4).map(|n| bad(&format!("a{n}"), OFFICE)).collect::<String>());
    common::wait_until("the last one is counted", || {
        world.json(&["status", "asterisk"])["filter"]["total_failed"] == 5
    });
    assert!(!drops(&daemon, OFFICE), "{:?}", daemon.seen);
    // Eight accounts are no stale phone.
    world.append("security", (4..9).map(|n| bad(&format!("a{n}"), OFFICE)).collect::<String>());
    daemon.wait_for("192.0.2.1 was on trust and is to be banned all the same");
    daemon.wait_for("[asterisk] Ban 192.0.2.1");
    assert!(drops(&daemon, OFFICE));
    assert_eq!(world.json(&["trusted"]), json!([]));
}

#[test]
fn a_login_that_a_sender_made_up_is_none() {
    let world = world("dryrun");
    let mut daemon = world.run();
    let pair = "\",LocalAddress=\"IPV4/UDP/203.0.113.9/5060\",RemoteAddress=\"IPV4/UDP/198.51.100.1/5060\",UsingPassword=\"1\"";
    // In the Call-ID of a login without a password, and of a failure.
    let forged = |name: &str, rest: &str| {
        event(name, "100", OFFICE, rest).replace("\",LocalAddress", &format!("{pair}\",LocalAddress"))
    };
    world.append("security", forged("SuccessfulAuth", ",UsingPassword=\"0\""));
    world.append("security", forged("ChallengeResponseFailed", ",Challenge=\"\",Response=\"\",ExpectedResponse=\"\""));
    world.append("security", forged("SuccessfulAuth", ",UsingPassword=\"1\""));
    daemon.wait_for("[asterisk] Trust 192.0.2.1");
    assert_eq!(world.json(&["trusted"]).as_array().map(Vec::len), Some(1));
}

#[test]
fn trust_is_ended_by_hand_and_after_a_restart_of_the_pbx_known_accounts_are_held() {
    let world = world("dryrun");
    let mut daemon = world.run();
    let accounts = ["100", "101", "102", "103", "104"];
    world.append("security", accounts.map(|account| good(account, OFFICE)).concat());
    let line = format!("[{}] NOTICE[16] loader.c: 364 modules will be loaded.\n", common::now());
    world.append("security", line + &accounts.map(|account| bad(account, OFFICE)).concat());
    daemon.wait_for("The PBX was started or reloaded");
    let said = daemon.wait_for("accounts that are known to log in failed within 10 s");
    assert!(said.contains("WARNING [asterisk] 4 accounts"), "{said}");
    common::wait_until("the others are not counted", || world.json(&["status", "asterisk"])["filter"]["spared"] == 2);
    assert_eq!(world.json(&["status", "asterisk"])["filter"]["total_failed"], 3);
    assert_eq!(
        world.text(&["distrust", "198.51.100.0/24"]).trim(),
        "0 addresses are on trust no more\n198.51.100.0/24 was not on trust"
    );
    assert_eq!(world.text(&["distrust", "192.0.2.0/24"]).trim(), "1 address is on trust no more");
    world.append("security", bad("100", OFFICE) + &bad("100", OFFICE));
    daemon.wait_for("[asterisk] Ban 192.0.2.1");
    let refused = world.client(&["distrust", "bob"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("`bob` is neither an address nor a network"));
}
