//! Whom the host cannot do without, and networks as one: a daemon with the kernel's sets, in namespaces of its own where
//! routes, name servers, names, logins and the PBX's files are those of the test.
//!
//! Skipped, and said so, where we are not root.

#![expect(clippy::disallowed_methods, reason = "tests run programs")]

mod common;

use std::fs;
use std::process::Command;

use common::{Daemon, World, wait_until};

/// The world's files, with what `extra` adds to `[DEFAULT]`.
fn world(extra: &str) -> World {
    let world = World::new();
    let path = |name: &str| world.path(name).display().to_string();
    world.append(
        "conf/sipjail.conf",
        format!("asteriskdir = {}\nfreeswitchdir = {}\n", path("asterisk"), path("freeswitch")),
    );
    let jails = fs::read_to_string(world.path("conf/jail.conf")).expect("it is there");
    let jails = jails.replace("banaction = dryrun", &format!("banaction = ipset\n{extra}"));
    world.write("conf/jail.conf", &jails);
    world.write(
        "asterisk/pjsip.conf",
        "[carrier]\ntype=identify\nmatch=192.0.2.1\n[reg]\ntype=registration\nserver_uri=sip:sip.example:5060\n\
         [unknown]\ntype=registration\nserver_uri=sip:none.example\n",
    );
    world.write(
        "freeswitch/sip_profiles/external/gw.xml",
        "<gateway name=\"gw\"><param name=\"proxy\" value=\"[2001:db8:9::1]:5060\"/></gateway>\n",
    );
    world.write("etc/resolv.conf", "nameserver 192.0.2.53\n");
    world.write("etc/hosts", "127.0.0.1 localhost\n192.0.2.2 sip.example\n192.0.2.3 office.example\n");
    world.write("etc/nsswitch.conf", "hosts: files\n");
    world.write("run/utmp", "");
    fs::write(world.path("run/utmp"), login("root", [198, 51, 100, 22])).expect("written");
    world
}

/// An entry of utmp: this process is a login from there.
fn login(user: &str, address: [u8; 4]) -> Vec<u8> {
    let wide = cfg!(target_arch = "aarch64");
    let mut record = vec![0; if wide { 400 } else { 384 }];
    record[..2].copy_from_slice(&7_i16.to_ne_bytes());
    record[4..8].copy_from_slice(&std::process::id().to_ne_bytes());
    record[44..44 + user.len()].copy_from_slice(user.as_bytes());
    let at = if wide { 360 } else { 348 };
    record[at..at + 4].copy_from_slice(&address);
    record
}

/// Starts the daemon where this world's files stand in for the host's, behind the gateway 203.0.113.1.
fn run(world: &World) -> Daemon {
    let inner = world.command(&["run"]);
    let script =
        "set -e; cp -a /etc/alternatives \"$0/etc/\"; mount --bind \"$0/etc\" /etc; mount --bind \"$0/run\" /run
                  ip link set lo up; ip link add d0 type veth peer name d1; ip link set d0 up; ip link set d1 up
                  ip address add 203.0.113.10/24 dev d0; ip route add default via 203.0.113.1; exec \"$@\"";
    let mut command = Command::new("unshare");
    command.args(["-n", "-m", "sh", "-c", script]).arg(world.dir.path());
    command.arg(inner.get_program()).args(inner.get_args()).env_remove("NOTIFY_SOCKET").env("TZ", "UTC");
    let mut daemon = world.begin(command);
    daemon.wait_for("Starting sipjail");
    assert!(world.client(&["ping"]).status.success(), "it answers: {:?}", daemon.seen);
    daemon
}

/// What the kernel's set of a family holds.
fn held(daemon: &Daemon, set: &str) -> String {
    let pid = daemon.child.id().to_string();
    let listed = Command::new("nsenter").args(["-t", &pid, "-n", "ipset", "list", set]).output().expect("it runs");
    let text = String::from_utf8_lossy(&listed.stdout).into_owned();
    text.split_once("Members:\n").map_or(text.clone(), |(_, members)| members.to_owned())
}

fn protected(world: &World) -> Vec<(String, String)> {
    let rows = world.json(&["protected"]);
    let text = |value: &serde_json::Value| value.as_str().unwrap_or("?").to_owned();
    rows.as_array().expect("a list").iter().map(|row| (text(&row["address"]), text(&row["why"]))).collect()
}

fn is_protected(world: &World, address: &str) -> bool {
    protected(world).iter().any(|(known, _)| known == address)
}

fn knock(world: &World, addresses: &[&str]) {
    (0..3).for_each(|_| addresses.iter().for_each(|address| world.knock(address)));
}

const FRIENDS: [(&str, &str); 7] = [
    ("203.0.113.10", "an address of this host"),
    ("203.0.113.1", "the default gateway of d0"),
    ("192.0.2.53", "a name server of /etc/resolv.conf"),
    ("198.51.100.22", "root is logged in from there"),
    ("192.0.2.1", "match of [carrier] in"),
    ("192.0.2.2", "server_uri of [reg] in"),
    ("2001:db8:9::1", "proxy of gateway gw in"),
];

#[test]
fn whom_the_host_cannot_do_without_is_warned_of_and_not_banned() {
    if !common::has_kernel() {
        return;
    }
    let world = world("protect = true\nsubnet6 = 64");
    let mut daemon = run(&world);
    wait_until("the name is known", || is_protected(&world, "192.0.2.2"));
    let list = protected(&world);
    for (address, why) in FRIENDS {
        let found = list.iter().find(|(known, _)| known == address).unwrap_or_else(|| panic!("{address}: {list:?}"));
        assert!(found.1.starts_with(why), "{found:?}");
        knock(&world, &[address]);
    }
    assert!(list.iter().any(|(known, why)| known == "?" && why.contains("[unknown]")), "{list:?}");
    knock(&world, &["192.0.2.66", "2001:db8:9::66", "2001:db8:7::1"]);
    daemon.wait_for("[door] Ban 2001:db8:7::/64");
    let warned = |address: &str, why: &str| {
        daemon.seen.iter().any(|line| {
            line.contains("WARNING")
                && line.contains(&format!("[door] {address} is not banned: it is protected as {why}"))
        })
    };
    for (address, why) in FRIENDS {
        assert!(warned(address, why), "{address}: {:#?}", daemon.seen);
    }
    let banned = world.json(&["status", "door"])["actions"]["banned"].clone();
    assert_eq!(banned, serde_json::json!(["192.0.2.66", "2001:db8:9::66", "2001:db8:7::/64"]));
    assert!(
        held(&daemon, "sipjail4-door").starts_with("192.0.2.66 timeout")
            && held(&daemon, "sipjail4-door").lines().count() == 1
    );
    let six = held(&daemon, "sipjail6-door");
    assert!(
        six.contains("2001:db8:7::/64 timeout") && six.contains("2001:db8:9::66 timeout") && six.lines().count() == 2,
        "{six}"
    );

    let refused = world.client(&["ban", "192.0.2.1"]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        !refused.status.success() && said.contains("it is protected as match of [carrier]") && said.contains("--force"),
        "{said}"
    );
    assert!(!world.client(&["set", "door", "banip", "192.0.2.1"]).status.success());
    assert!(world.text(&["ban", "--force", "192.0.2.1"]).contains("banned until"));
    assert!(held(&daemon, "sipjail4-manual").starts_with("192.0.2.1 timeout"));
    assert_eq!(world.text(&["unban", "2001:db8:7:0:1::5"]).trim(), "1 ban lifted");
    assert!(!held(&daemon, "sipjail6-door").contains("2001:db8:7::"));
    let text = world.text(&["protected"]);
    assert!(text.starts_with("ADDRESS") && text.contains("not known yet  none.example"), "{text}");
}

#[test]
fn files_that_change_are_read_again_and_a_ban_that_hits_a_new_peer_ends() {
    if !common::has_kernel() {
        return;
    }
    let world = world("protect = true");
    let mut daemon = run(&world);
    knock(&world, &["192.0.2.7", "192.0.2.8"]);
    daemon.wait_for("[door] Ban 192.0.2.8");
    assert_eq!(held(&daemon, "sipjail4-door").lines().count(), 2);
    world.append("asterisk/pjsip.conf", "#include extra.conf\n");
    world.write("asterisk/extra.conf", "[new]\ntype=identify\nmatch=192.0.2.7\nmatch=0.0.0.0/1\n");
    world.write("etc/resolv.conf", "nameserver 192.0.2.54\n");
    let said = daemon.wait_for("is half a world");
    assert!(said.contains("extra.conf:4: `0.0.0.0/1`"), "{said}");
    daemon.wait_for("[door] Unban 192.0.2.7");
    daemon.wait_for("[door] 192.0.2.7 is not banned: it is protected as match of [new]");
    assert!(held(&daemon, "sipjail4-door").starts_with("192.0.2.8 timeout"));
    assert!(is_protected(&world, "192.0.2.54") && !is_protected(&world, "192.0.2.53"));
    world.write("asterisk/extra.conf", "");
    world.text(&["reload"]);
    assert!(!is_protected(&world, "192.0.2.7"), "a reload looks at once");
}

#[test]
fn a_ban_of_somebody_who_is_protected_now_is_not_put_back() {
    if !common::has_kernel() {
        return;
    }
    let world = world("protect = true\nsubnet6 = 64");
    let mut daemon = run(&world);
    knock(&world, &["192.0.2.7", "2001:db8:7::1"]);
    daemon.wait_for("[door] Ban 2001:db8:7::/64");
    daemon.signal("-TERM");
    assert!(daemon.ended().0);
    world.append("asterisk/pjsip.conf", "[new]\ntype=identify\nmatch=192.0.2.7\n");
    let mut daemon = run(&world);
    daemon.wait_for("[door] 192.0.2.7 is not banned");
    let banned = world.json(&["banned"]);
    assert_eq!((banned[0]["address"].as_str(), banned.as_array().map(Vec::len)), (Some("2001:db8:7::/64"), Some(1)));
    assert!(held(&daemon, "sipjail6-door").starts_with("2001:db8:7::/64 timeout"));
}

#[test]
fn a_fail2ban_tree_protects_nobody_and_counts_each_address_for_itself() {
    if !common::has_kernel() {
        return;
    }
    let world = world("");
    let mut daemon = run(&world);
    for address in ["203.0.113.1", "192.0.2.1", "2001:db8:7::1"] {
        knock(&world, &[address]);
        daemon.wait_for(&format!("[door] Ban {address}"));
    }
    assert_eq!(world.text(&["protected"]).trim(), "nobody is protected: no jail says `protect = true`");
    assert!(world.text(&["ban", "192.0.2.2"]).contains("banned until"));
}

#[test]
fn an_idle_daemon_has_no_thread_for_names_that_nobody_says() {
    if !common::has_kernel() {
        return;
    }
    let world = world("protect = true");
    world.write("asterisk/pjsip.conf", "[carrier]\ntype=identify\nmatch=192.0.2.1\n");
    let daemon = run(&world);
    assert!(is_protected(&world, "192.0.2.1"));
    let tasks = || fs::read_dir(format!("/proc/{}/task", daemon.child.id())).expect("it runs").flatten();
    let names = || tasks().filter_map(|task| fs::read_to_string(task.path().join("comm")).ok()).collect::<Vec<_>>();
    assert!(!names().iter().any(|name| name.trim() == "ask"), "{:?}", names());
    wait_until("the client's thread has ended", || tasks().count() <= 5);
}
