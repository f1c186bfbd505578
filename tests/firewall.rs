//! The contract of [`Firewall`], kept by the dry run always, and by the kernel's ipsets in a network namespace of each
//! test's own where the tests run as root; then what only the kernel can show: sets, rules, packets.
//!
//! The `ipset` and `iptables` programs are the judges of what is in the kernel.

#![expect(clippy::disallowed_methods, reason = "tests run programs")]
#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::collections::BTreeSet;
use std::env;
use std::io::{BufRead, BufReader, Write};
use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use ipnet::IpNet;
use sipjail::firewall::{Deed, DryRun, Entry, Firewall, FirewallError, Ipset, MANUAL, by_name};

/// Makes firewalls that look at one and the same world.
type Maker = dyn Fn() -> Box<dyn Firewall + Send>;

macro_rules! contract {
    ($($name:ident),* $(,)?) => {
        mod dry_run {
            use super::*;
            $(#[test] fn $name() {
                let world = DryRun::new();
                super::$name(&move || Box::new(world.clone()));
            })*
        }
        mod ipset {
            use super::*;
            $(#[test] fn $name() {
                in_namespace(concat!("ipset::", stringify!($name)), || {
                    super::$name(&|| Box::new(Ipset::new()));
                });
            })*
        }
    };
}

contract!(
    a_ban_is_listed_until_it_is_lifted,
    a_second_ban_sets_the_timeout_anew,
    timeouts_stay_within_bounds,
    networks_are_banned_whole,
    both_families_live_in_one_jail,
    everybody_is_never_banned,
    an_unknown_jail_is_an_error,
    jails_come_and_go,
    a_flush_empties_one_jail,
    a_restart_finds_every_ban,
    jails_that_are_not_named_any_more_go,
    twenty_thousand_go_in_one_call,
    names_of_any_kind_work,
    nothing_is_left_after_stop,
);

fn a_ban_is_listed_until_it_is_lifted(make: &Maker) {
    let mut firewall = started(make, &["sip"]);
    assert_eq!(nets(&list(&mut *firewall, "sip")), [] as [&str; 0]);
    firewall.ban("sip", &[host("192.0.2.1", Some(600)), host("192.0.2.2", None)]).unwrap();
    let held = list(&mut *firewall, "sip");
    assert_eq!(nets(&held), ["192.0.2.1/32", "192.0.2.2/32"]);
    assert!(matches!(held[0].timeout, Some(590..=600)), "{held:?}");
    assert_eq!(held[1].timeout, None);
    firewall.ban("sip", &[host("2001:db8::1", Some(600))]).unwrap();
    assert_eq!(firewall.count("sip"), Ok(3));
    firewall.unban("sip", net("2001:db8::1/128")).unwrap();
    firewall.unban("sip", net("192.0.2.1/32")).unwrap();
    firewall.unban("sip", net("192.0.2.1/32")).unwrap();
    assert_eq!(nets(&list(&mut *firewall, "sip")), ["192.0.2.2/32"]);
}

fn a_second_ban_sets_the_timeout_anew(make: &Maker) {
    let mut firewall = started(make, &["sip"]);
    for (timeout, shown) in [(Some(100), 90..=100), (Some(1000), 990..=1000), (Some(50), 40..=50)] {
        firewall.ban("sip", &[host("192.0.2.1", timeout), host("192.0.2.1", timeout)]).unwrap();
        let held = list(&mut *firewall, "sip");
        assert!(held.len() == 1 && shown.contains(&held[0].timeout.unwrap()), "{held:?}");
    }
    firewall.ban("sip", &[host("192.0.2.1", None)]).unwrap();
    assert_eq!(list(&mut *firewall, "sip"), [host("192.0.2.1", None)]);
}

fn timeouts_stay_within_bounds(make: &Maker) {
    let mut firewall = started(make, &["sip"]);
    firewall.ban("sip", &[host("192.0.2.1", Some(u32::MAX))]).unwrap();
    let held = list(&mut *firewall, "sip");
    assert!(held[0].timeout.is_some_and(|t| t <= Entry::MAX_TIMEOUT && t > Entry::MAX_TIMEOUT - 10), "{held:?}");
    firewall.ban("sip", &[host("192.0.2.2", Some(0))]).unwrap();
    assert!(list(&mut *firewall, "sip").iter().all(|e| e.timeout.is_some()), "no time at all became for ever");
}

fn networks_are_banned_whole(make: &Maker) {
    let mut firewall = started(make, &["sip"]);
    let net = |net: &str| Entry { net: self::net(net), timeout: Some(600) };
    firewall.ban("sip", &[net("198.51.100.77/24"), net("203.0.113.128/25"), host("198.51.100.1", Some(9))]).unwrap();
    assert_eq!(nets(&list(&mut *firewall, "sip")), ["198.51.100.0/24", "198.51.100.1/32", "203.0.113.128/25"]);
    firewall.unban("sip", self::net("198.51.100.99/24")).unwrap();
    assert_eq!(nets(&list(&mut *firewall, "sip")), ["198.51.100.1/32", "203.0.113.128/25"]);
}

fn both_families_live_in_one_jail(make: &Maker) {
    let mut firewall = started(make, &["sip"]);
    let wide = Entry { net: net("2001:db8:1::/48"), timeout: None };
    firewall.ban("sip", &[host("2001:db8::1", Some(600)), host("192.0.2.1", Some(600)), wide]).unwrap();
    assert_eq!(nets(&list(&mut *firewall, "sip")), ["192.0.2.1/32", "2001:db8::1/128", "2001:db8:1::/48"]);
    firewall.unban("sip", net("2001:db8::1/128")).unwrap();
    assert_eq!(nets(&list(&mut *firewall, "sip")), ["192.0.2.1/32", "2001:db8:1::/48"]);
}

fn everybody_is_never_banned(make: &Maker) {
    let mut firewall = started(make, &["sip"]);
    for everybody in ["0.0.0.0/0", "::/0"] {
        let entry = Entry { net: net(everybody), timeout: Some(60) };
        let refused = firewall.ban("sip", &[host("192.0.2.1", None), entry, host("192.0.2.2", None)]).unwrap_err();
        assert!(refused.to_string().contains(everybody), "{refused}");
        assert_eq!(nets(&list(&mut *firewall, "sip")), ["192.0.2.1/32", "192.0.2.2/32"], "the others are in");
        firewall.unban("sip", entry.net).unwrap();
    }
}

fn an_unknown_jail_is_an_error(make: &Maker) {
    let mut firewall = started(make, &["sip"]);
    let unknown = FirewallError::UnknownJail("bob".into());
    assert_eq!(firewall.ban("bob", &[host("192.0.2.1", None)]), Err(unknown.clone()));
    assert_eq!(firewall.unban("bob", net("192.0.2.1/32")), Err(unknown.clone()));
    assert_eq!(firewall.flush("bob"), Err(unknown.clone()));
    assert_eq!(firewall.list("bob"), Err(unknown.clone()));
    assert_eq!(firewall.remove_jail("bob"), Err(unknown));
    assert_eq!(firewall.ban("sip", &[]), Ok(()));
}

fn jails_come_and_go(make: &Maker) {
    let mut firewall = started(make, &["sip"]);
    firewall.add_jail("web").unwrap();
    firewall.ban("web", &[host("192.0.2.1", None)]).unwrap();
    firewall.add_jail("web").unwrap();
    assert_eq!(list(&mut *firewall, "web"), [host("192.0.2.1", None)]);
    firewall.remove_jail("web").unwrap();
    assert!(firewall.list("web").is_err());
    firewall.add_jail("web").unwrap();
    assert_eq!(list(&mut *firewall, "web"), [], "its bans went with it");
}

fn a_flush_empties_one_jail(make: &Maker) {
    let mut firewall = started(make, &["sip", "web"]);
    for jail in ["sip", "web"] {
        firewall.ban(jail, &[host("192.0.2.1", None), host("2001:db8::1", None)]).unwrap();
    }
    firewall.flush("sip").unwrap();
    assert_eq!(list(&mut *firewall, "sip"), []);
    assert_eq!(list(&mut *firewall, "web").len(), 2);
}

fn a_restart_finds_every_ban(make: &Maker) {
    let mut firewall = started(make, &["sip", "web"]);
    firewall.add_jail(MANUAL).unwrap();
    for (jail, ip) in [("sip", "192.0.2.1"), ("web", "2001:db8::1"), (MANUAL, "192.0.2.9")] {
        firewall.ban(jail, &[host(ip, None)]).unwrap();
    }
    drop(firewall);
    let mut firewall = make();
    firewall.start(&["sip".into(), "web".into()]).unwrap();
    for (jail, ip) in [("sip", "192.0.2.1"), ("web", "2001:db8::1"), (MANUAL, "192.0.2.9")] {
        assert_eq!((list(&mut *firewall, jail), firewall.count(jail)), (vec![host(ip, None)], Ok(1)));
    }
    firewall.ban(MANUAL, &[host("192.0.2.8", None)]).unwrap();
    assert_eq!(firewall.check().unwrap().jails, [] as [&str; 0]);
}

fn jails_that_are_not_named_any_more_go(make: &Maker) {
    let mut firewall = started(make, &["sip", "web"]);
    firewall.ban("web", &[host("192.0.2.1", None)]).unwrap();
    drop(firewall);
    let mut firewall = make();
    firewall.start(&["sip".into()]).unwrap();
    assert!(firewall.list("web").is_err());
    firewall.add_jail("web").unwrap();
    assert_eq!(list(&mut *firewall, "web"), []);
}

fn twenty_thousand_go_in_one_call(make: &Maker) {
    let mut firewall = started(make, &["sip"]);
    let mut entries: Vec<Entry> = (0..20_000).map(|i| Entry::host(ip(i), Some(3600))).collect();
    entries.extend((0..100).map(|i| host(&format!("2001:db8::{i:x}"), None)));
    firewall.expect("sip", [20_000, 100]);
    firewall.ban("sip", &entries).unwrap();
    let given: BTreeSet<IpNet> = entries.iter().map(|e| e.net).collect();
    let held = list(&mut *firewall, "sip");
    assert_eq!(held.len(), entries.len());
    assert_eq!(held.iter().map(|e| e.net).collect::<BTreeSet<_>>(), given);
    assert!(held.iter().all(|e| e.timeout.is_none_or(|t| (3000..=3600).contains(&t))));
    if firewall.name() == "ipset" {
        assert_eq!(members("sipjail4-sip").len(), 20_000);
        let header = run("ipset", &["list", "-t", "sipjail4-sip"]);
        assert!(header.contains("hashsize 16384"), "made with room for all: {header}");
        assert!(!run("ipset", &["list", "-n"]).contains("resize"));
        assert_eq!(firewall.check().unwrap().records, []);
    }
}

fn names_of_any_kind_work(make: &Maker) {
    let jails =
        ["a-name-that-is-far-too-long-for-a-set", "a-name-that-is-far-too-long-for-a-sea", "büro süd", "a,b:c!"];
    let mut firewall = started(make, &jails);
    for (n, jail) in jails.into_iter().enumerate() {
        firewall.ban(jail, &[Entry::host(ip(n as u32), None)]).unwrap();
    }
    for (n, jail) in jails.into_iter().enumerate() {
        assert_eq!(list(&mut *firewall, jail), [Entry::host(ip(n as u32), None)]);
    }
}

fn nothing_is_left_after_stop(make: &Maker) {
    let mut firewall = started(make, &["sip", "web"]);
    firewall.add_jail(MANUAL).unwrap();
    for jail in ["sip", "web", MANUAL] {
        firewall.ban(jail, &[host("192.0.2.1", None), host("2001:db8::1", Some(5))]).unwrap();
    }
    if firewall.name() == "ipset" {
        // A fresh one, as after a crash, knows no jails and clears up all the same.
        firewall = make();
    }
    firewall.stop().unwrap();
    assert!(firewall.list("sip").is_err());
    firewall.stop().unwrap();
    if firewall.name() == "ipset" {
        assert_eq!(run("ipset", &["list", "-n"]), "");
        assert_eq!(rules("iptables") + rules("ip6tables"), 0);
        assert_eq!(firewall.check(), Ok(Default::default()));
        assert_eq!(run("ipset", &["list", "-n"]), "", "what was stopped is not put back");
    }
    firewall.start(&["sip".into()]).unwrap();
    assert_eq!(list(&mut *firewall, "sip"), []);
}

#[test]
fn banactions_have_their_firewall() {
    assert_eq!(by_name("ipset").unwrap().name(), "ipset");
    assert_eq!(by_name("dryrun").unwrap().name(), "dryrun");
    assert!(by_name("iptables-allports").is_none());
}

#[test]
fn the_dry_run_tells_what_it_was_told() {
    let looker = DryRun::new();
    let world = looker.clone();
    let mut firewall = started(&move || Box::new(world.clone()), &["sip"]);
    firewall.ban("sip", &[host("192.0.2.1", Some(600))]).unwrap();
    assert_eq!(looker.take_deeds()[1], Deed::Ban("sip".into(), host("192.0.2.1", Some(600))));
}

/// What only the kernel can show.
mod kernel {
    use super::*;

    macro_rules! namespaced {
        ($($name:ident)*) => { $(#[test] fn $name() {
            in_namespace(concat!("kernel::", stringify!($name)), super::kernel_tests::$name);
        })* };
    }

    namespaced! {
        the_ipset_program_sees_what_we_made
        what_the_ipset_program_adds_we_list
        sets_and_rules_are_put_back
        a_ban_heals_a_set_that_was_taken
        a_set_of_somebody_else_is_refused
        a_rule_of_somebody_else_that_uses_our_set_is_told
        the_list_takes_any_number_of_jails
        a_full_set_says_so_and_keeps_what_it_has
        packets_of_an_established_flow_are_dropped
        packets_over_ipv6_are_dropped
        without_the_capability_nothing_is_done
        without_the_programs_nothing_is_done
        a_host_that_cannot_guard_ipv6_guards_ipv4
    }
}

mod kernel_tests {
    use super::*;

    pub fn the_ipset_program_sees_what_we_made() {
        let mut firewall = ipset(&["asterisk"]);
        firewall.ban("asterisk", &[host("192.0.2.1", Some(600)), host("2001:db8::1", None)]).unwrap();
        let set = run("ipset", &["list", "-t", "sipjail4-asterisk"]);
        assert!(set.contains("Type: hash:net") && set.contains("family inet ") && set.contains("timeout 0"), "{set}");
        assert!(set.contains("maxelem 2097152"), "{set}");
        assert!(run("ipset", &["list", "-t", "sipjail6-asterisk"]).contains("family inet6"));
        assert_eq!(members("sipjail"), ["sipjail4-asterisk", "sipjail6-asterisk"]);
        let shown = members("sipjail4-asterisk");
        assert!(shown[0].starts_with("192.0.2.1 timeout 5") || shown[0] == "192.0.2.1 timeout 600", "{shown:?}");
        assert_eq!(members("sipjail6-asterisk"), ["2001:db8::1 timeout 0"]);
        for program in ["iptables", "ip6tables"] {
            assert!(
                run(program, &["-t", "raw", "-S"]).contains("-A PREROUTING -m set --match-set sipjail src -j DROP")
            );
            assert_eq!(rules(program), 1);
        }
        drop(firewall);
        ipset(&["asterisk"]);
        assert_eq!(rules("iptables") + rules("ip6tables"), 2, "a second start adds no second rule");
    }

    pub fn what_the_ipset_program_adds_we_list() {
        let mut firewall = ipset(&["sip"]);
        run("ipset", &["add", "sipjail4-sip", "192.0.2.0/24", "timeout", "100"]);
        run("ipset", &["add", "sipjail4-sip", "192.0.2.5", "nomatch"]);
        run("ipset", &["add", "sipjail6-sip", "2001:db8::/32"]);
        let held = list(&mut firewall, "sip");
        assert_eq!(nets(&held), ["192.0.2.0/24", "2001:db8::/32"]);
        assert!(matches!(held[0].timeout, Some(90..=100)), "{held:?}");
        for (ip, dropped) in
            [("192.0.2.77", true), ("192.0.2.5", false), ("198.51.100.1", false), ("2001:db8::9", true)]
        {
            assert_eq!(firewall.drops("sip", host(ip, None).net), Ok(dropped), "{ip}");
        }
    }

    pub fn sets_and_rules_are_put_back() {
        let mut firewall = ipset(&["sip", "web"]);
        assert_eq!(firewall.check(), Ok(Default::default()));

        run("iptables", &["-t", "raw", "-D", "PREROUTING", "-m", "set", "--match-set", "sipjail", "src", "-j", "DROP"]);
        let repaired = firewall.check().unwrap();
        assert_eq!(texts(&repaired), ["the IPv4 rule was gone and stands again"]);
        assert_eq!((repaired.jails.len(), rules("iptables"), rules("ip6tables")), (0, 1, 1));

        run("ip6tables", &["-t", "raw", "-F"]);
        assert_eq!(texts(&firewall.check().unwrap()), ["the IPv6 rule was gone and stands again"]);

        run("ipset", &["del", "sipjail", "sipjail4-web"]);
        let repaired = firewall.check().unwrap();
        assert_eq!(texts(&repaired), ["the set `sipjail4-web` was not in the list `sipjail` and is again"]);
        assert_eq!(repaired.jails, ["web"]);

        run("ipset", &["del", "sipjail", "sipjail6-web"]);
        run("ipset", &["destroy", "sipjail6-web"]);
        let repaired = firewall.check().unwrap();
        assert_eq!(texts(&repaired), ["the set `sipjail6-web` was gone and is made anew"]);
        assert_eq!(repaired.jails, ["web"]);

        run("ipset", &["flush"]);
        let repaired = firewall.check().unwrap();
        assert_eq!(repaired.jails, ["sip", "web"], "an empty list means that the sets may be empty too");

        for program in ["iptables", "ip6tables"] {
            run(program, &["-t", "raw", "-F"]);
        }
        run("ipset", &["flush", "sipjail"]);
        until(|| succeeds("ipset", &["destroy"]));
        let repaired = firewall.check().unwrap();
        assert_eq!(repaired.jails, ["sip", "web"]);
        assert_eq!(members("sipjail").len(), 4);
        assert_eq!((rules("iptables"), rules("ip6tables")), (1, 1));
        assert_eq!(firewall.check(), Ok(Default::default()));
        firewall.ban("sip", &[host("192.0.2.1", None)]).unwrap();
    }

    pub fn a_ban_heals_a_set_that_was_taken() {
        let mut firewall = ipset(&["sip"]);
        run("ipset", &["del", "sipjail", "sipjail4-sip"]);
        run("ipset", &["destroy", "sipjail4-sip"]);
        firewall.unban("sip", net("192.0.2.1/32")).unwrap();
        assert_eq!(firewall.list("sip"), Ok(vec![]));
        firewall.ban("sip", &[host("192.0.2.1", None)]).unwrap();
        assert_eq!(members("sipjail4-sip"), ["192.0.2.1 timeout 0"]);
        assert_eq!(members("sipjail").len(), 2);
        assert_eq!(firewall.check().unwrap().jails, ["sip"], "other bans were lost with the set");
        assert_eq!(firewall.check().unwrap().jails, [] as [&str; 0]);
    }

    pub fn a_set_of_somebody_else_is_refused() {
        for (args, why) in [
            (&["create", "sipjail4-sip", "hash:ip"][..], "of type hash:ip"),
            (&["create", "sipjail4-sip", "hash:net", "family", "inet6", "timeout", "0"], "other address family"),
            (&["create", "sipjail4-sip", "hash:net"], "without timeouts"),
            (&["create", "sipjail", "hash:ip"], "of type hash:ip"),
        ] {
            run("ipset", args);
            let refused = Ipset::new().start(&["web".into(), "sip".into()]).unwrap_err().to_string();
            assert!(refused.contains(&format!("`{}`", args[1])) && refused.contains(why), "{refused}");
            assert_eq!(run("ipset", &["list", "-n"]).trim(), args[1], "nothing was made before");
            run("ipset", &["destroy"]);
        }
    }

    pub fn a_rule_of_somebody_else_that_uses_our_set_is_told() {
        let mut firewall = ipset(&["sip"]);
        let theirs = ["INPUT", "-m", "set", "--match-set", "sipjail4-sip", "src", "-j", "DROP"];
        run("iptables", &[&["-A"], &theirs[..]].concat());
        firewall.ban("sip", &[host("192.0.2.1", None)]).unwrap();
        let refused = firewall.stop().unwrap_err().to_string();
        assert!(refused.contains("sipjail4-sip") && refused.contains("still uses"), "{refused}");
        assert_eq!(run("ipset", &["list", "-n"]).trim(), "sipjail4-sip");
        assert_eq!(members("sipjail4-sip"), [] as [&str; 0], "nobody is banned in it");
        assert_eq!(rules("iptables") + rules("ip6tables"), 0);
    }

    pub fn the_list_takes_any_number_of_jails() {
        run("ipset", &["create", "sipjail", "list:set", "size", "4"]);
        let jails: Vec<String> = (0..100).map(|n| format!("jail{n}")).collect();
        let mut firewall = Ipset::new();
        firewall.start(&jails).unwrap();
        assert_eq!(members("sipjail").len(), 200);
        assert_eq!(firewall.check(), Ok(Default::default()));
        assert_eq!((rules("iptables"), rules("ip6tables")), (1, 1));
        firewall.stop().unwrap();
        assert_eq!(run("ipset", &["list", "-n"]), "");
    }

    pub fn a_full_set_says_so_and_keeps_what_it_has() {
        run("ipset", &["create", "sipjail4-sip", "hash:net", "timeout", "0", "maxelem", "1000"]);
        let mut firewall = ipset(&["sip"]);
        let entries: Vec<Entry> = (0..3000).map(|i| Entry::host(ip(i), None)).collect();
        let refused = firewall.ban("sip", &entries).unwrap_err().to_string();
        assert!(refused.contains("and 1999 more in jail `sip`: the set is full"), "{refused}");
        assert_eq!(members("sipjail4-sip").len(), 1000);
        let refused = firewall.ban("sip", &[host("192.0.2.1", None)]).unwrap_err().to_string();
        assert_eq!(refused, "cannot ban `192.0.2.1` in jail `sip`: the set is full");
    }

    pub fn packets_of_an_established_flow_are_dropped() {
        let mut peer = Peer::new("192.0.2.2", "192.0.2.1");
        let mut firewall = ipset(&["sip"]);
        run("iptables", &["-A", "INPUT", "-m", "conntrack", "--ctstate", "ESTABLISHED", "-j", "ACCEPT"]);
        peer.exchange("one");
        peer.exchange("two");
        assert!(counted("iptables", "filter", "ESTABLISHED") >= 1, "the flow is an established one");

        firewall.ban("sip", &[host("192.0.2.2", Some(600))]).unwrap();
        peer.send("three");
        until(|| counted("iptables", "raw", "sipjail") == 1);
        firewall.unban("sip", net("192.0.2.2/32")).unwrap();
        peer.exchange("four");

        firewall.ban("sip", &[Entry { net: net("192.0.2.0/24"), timeout: None }]).unwrap();
        peer.send("five");
        until(|| counted("iptables", "raw", "sipjail") == 2);
        firewall.stop().unwrap();
        peer.exchange("six");
    }

    pub fn packets_over_ipv6_are_dropped() {
        let mut peer = Peer::new("2001:db8::2", "2001:db8::1");
        let mut firewall = ipset(&["sip"]);
        peer.exchange("one");
        let before = counted("ip6tables", "raw", "sipjail");
        firewall.ban("sip", &[host("2001:db8::2", Some(600))]).unwrap();
        peer.send("two");
        until(|| counted("ip6tables", "raw", "sipjail") > before);
        firewall.flush("sip").unwrap();
        peer.exchange("three");
    }

    pub fn without_the_capability_nothing_is_done() {
        for (lost, name) in [("-net_admin", "CAP_NET_ADMIN"), ("-net_raw", "CAP_NET_RAW")] {
            let test = "start_and_tell";
            let mut command = Command::new("setpriv");
            command.args([format!("--bounding-set={lost}"), format!("--inh-caps={lost}")]);
            command.arg(env::current_exe().unwrap()).args(["--exact", test, "--nocapture"]).env(ROLE, "start");
            let output = command.output().unwrap();
            let said = String::from_utf8_lossy(&output.stdout);
            assert!(said.contains(&format!("told: {name} is missing")), "{said}");
            assert_eq!(run("ipset", &["list", "-n"]), "");
        }
    }

    pub fn without_the_programs_nothing_is_done() {
        // A place where the programs are not: everything of the host, with an empty /usr/sbin in a mount namespace.
        let script = "mount -t tmpfs none /usr/sbin && if [ ! -L /sbin ]; then mount -t tmpfs none /sbin; fi && \
                      PATH=/usr/bin:/bin exec \"$0\" --exact start_and_tell --nocapture";
        let mut command = Command::new("unshare");
        command.args(["-m", "sh", "-c", script]).arg(env::current_exe().unwrap()).env(ROLE, "start");
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(said.contains("told: iptables: not found: install the package `iptables`"), "{said}");
        assert_eq!(run("ipset", &["list", "-n"]), "");
    }

    pub fn a_host_that_cannot_guard_ipv6_guards_ipv4() {
        let folder = tempfile::tempdir().unwrap();
        let script = "printf '#!/bin/sh\\necho no such table >&2; exit 3\\n' > $1/ip6tables && chmod 755 $1/ip6tables && \
                      PATH=$1:$PATH exec \"$0\" --exact start_and_tell --nocapture";
        let mut command = Command::new("sh");
        command.args(["-c", script]).arg(env::current_exe().unwrap()).arg(folder.path()).env(ROLE, "start");
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(said.contains("told: [\"only IPv4 is guarded: ip6tables: no such table\"]\ntold: []"), "{said}");
        assert_eq!((rules("iptables"), rules("ip6tables")), (1, 0));
        assert_eq!(texts(&ipset(&["sip"]).check().unwrap()), [""; 0]);
        assert_eq!(rules("ip6tables"), 1);
    }
}

/// Not a test by itself: started by others with fewer rights, it says how a start went and what was noted.
#[test]
fn start_and_tell() {
    if env::var(ROLE).is_ok_and(|role| role == "start") {
        let mut firewall = Ipset::new();
        if let Err(e) = firewall.start(&["sip".into()]) {
            return println!("told: {e}");
        }
        for _ in 0..2 {
            println!("told: {:?}", texts(&firewall.check().unwrap()));
        }
    }
}

/// Not a test by itself: started by [`Peer`] in a namespace of its own, it sends each line that it reads.
#[test]
fn peer() {
    let Ok(role) = env::var(ROLE) else { return };
    let Some((from, to)) = role.strip_prefix("peer ").and_then(|r| r.split_once(' ')) else { return };
    let (from, to): (IpAddr, IpAddr) = (from.parse().unwrap(), to.parse().unwrap());
    let socket = UdpSocket::bind((from, 5060)).unwrap();
    socket.connect((to, 5060)).unwrap();
    println!("\nready");
    for line in std::io::stdin().lines() {
        // An earlier answer "nobody listens" may still lie in the socket.
        while socket.send(line.as_ref().unwrap().as_bytes()).is_err() {}
        println!("sent");
    }
}

/// Somebody on another host: a process in its own network namespace, at the other end of a cable.
struct Peer {
    process: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    here: UdpSocket,
}

impl Peer {
    fn new(theirs: &str, ours: &str) -> Peer {
        let length = if theirs.contains(':') { "64" } else { "24" };
        let script = "read go && ip link set lo up && ip address add \"$1/$2\" dev there $3 && ip link set there up && \
                      exec \"$0\" --exact peer --nocapture";
        let mut process = Command::new("unshare")
            .args(["-n", "sh", "-c", script])
            .arg(env::current_exe().unwrap())
            .args([theirs, length, if length == "64" { "nodad" } else { "" }])
            .env(ROLE, format!("peer {theirs} {ours}"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let pid = process.id().to_string();
        let own = std::fs::read_link("/proc/self/ns/net").unwrap();
        until(|| std::fs::read_link(format!("/proc/{pid}/ns/net")).is_ok_and(|theirs| theirs != own));
        run("ip", &["link", "add", "here", "type", "veth", "peer", "name", "there", "netns", &pid]);
        let address = format!("{ours}/{length}");
        let mut add = vec!["address", "add", &address, "dev", "here"];
        add.extend((length == "64").then_some("nodad"));
        run("ip", &add);
        run("ip", &["link", "set", "here", "up"]);
        let mut stdin = process.stdin.take().unwrap();
        stdin.write_all(b"go\n").unwrap();
        let stdout = BufReader::new(process.stdout.take().unwrap());
        let here = UdpSocket::bind((ours.parse::<IpAddr>().unwrap(), 5060)).unwrap();
        here.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut peer = Peer { process, stdin, stdout, here };
        peer.wait_for("ready");
        peer
    }

    fn send(&mut self, line: &str) {
        self.stdin.write_all(format!("{line}\n").as_bytes()).unwrap();
        self.wait_for("sent");
    }

    /// The peer sends, and this is the next thing that arrives; it is answered.
    fn exchange(&mut self, line: &str) {
        self.send(line);
        let mut buffer = [0; 64];
        let (length, from) = self.here.recv_from(&mut buffer).expect("arrives");
        assert_eq!(str::from_utf8(&buffer[..length]), Ok(line));
        self.here.send_to(b"answer", from).unwrap();
    }

    fn wait_for(&mut self, word: &str) {
        let mut line = String::new();
        while line.trim() != word {
            line.clear();
            assert_ne!(self.stdout.read_line(&mut line).unwrap(), 0, "the peer left before `{word}`");
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Runs a test in a network namespace of its own: this binary starts itself once more, for that test alone.
fn in_namespace(name: &str, test: impl FnOnce()) {
    if env::var(ROLE).is_ok_and(|role| role == "namespace") {
        return test();
    }
    if !rustix::process::geteuid().is_root() {
        return println!("{name}: skipped, not root");
    }
    for program in ["ipset", "iptables", "ip6tables", "ip", "setpriv", "unshare"] {
        if Command::new(program).arg("--version").output().is_err() {
            return println!("{name}: skipped, there is no {program}");
        }
    }
    if !succeeds("unshare", &["-n", "ipset", "list", "-n"]) {
        return println!("{name}: skipped, no ipset in a network namespace here");
    }
    let output = Command::new("timeout")
        .args(["120", "unshare", "-n"])
        .arg(env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(ROLE, "namespace")
        .output()
        .unwrap();
    assert!(
        output.status.success() && String::from_utf8_lossy(&output.stdout).contains("1 passed"),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

fn started(make: &Maker, jails: &[&str]) -> Box<dyn Firewall + Send> {
    let mut firewall = make();
    let jails: Vec<String> = jails.iter().map(|j| j.to_string()).collect();
    firewall.start(&jails).unwrap();
    jails.iter().for_each(|jail| assert_eq!(list(&mut *firewall, jail), []));
    firewall
}

fn ipset(jails: &[&str]) -> Ipset {
    let mut firewall = Ipset::new();
    firewall.start(&jails.iter().map(|j| j.to_string()).collect::<Vec<_>>()).unwrap();
    firewall
}

/// What a jail holds, in order.
fn list(firewall: &mut dyn Firewall, jail: &str) -> Vec<Entry> {
    let mut held = firewall.list(jail).unwrap();
    held.sort_by_key(|e| e.net);
    held
}

fn nets(entries: &[Entry]) -> Vec<String> {
    entries.iter().map(|e| e.net.to_string()).collect()
}

fn texts(repaired: &sipjail::firewall::Repaired) -> Vec<&str> {
    repaired.records.iter().map(|r| r.text.as_str()).collect()
}

fn host(ip: &str, timeout: Option<u32>) -> Entry {
    Entry::host(ip.parse().unwrap(), timeout)
}

fn net(net: &str) -> IpNet {
    net.parse().unwrap()
}

/// The n-th of many addresses, in the range for benchmarks.
fn ip(n: u32) -> IpAddr {
    Ipv4Addr::from(u32::from(Ipv4Addr::new(198, 18, 0, 0)) + n).into()
}

fn run(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).output().unwrap();
    assert!(output.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn succeeds(program: &str, args: &[&str]) -> bool {
    Command::new(program).args(args).output().is_ok_and(|o| o.status.success())
}

/// Tries until it is so; what is waited for comes within milliseconds, and each look is a program's run.
fn until(mut so: impl FnMut() -> bool) {
    assert!((0..5_000).any(|_| so()), "never came");
}

/// A set's members as the `ipset` program shows them, in order.
fn members(set: &str) -> Vec<String> {
    let shown = run("ipset", &["list", set]);
    let mut members: Vec<String> = shown.split_once("Members:\n").unwrap().1.lines().map(str::to_string).collect();
    members.sort();
    members
}

/// How many rules match our list.
fn rules(program: &str) -> usize {
    run(program, &["-t", "raw", "-S"]).lines().filter(|l| l.contains("--match-set sipjail src")).count()
}

/// How many packets a rule has matched.
fn counted(program: &str, table: &str, rule: &str) -> u64 {
    let shown = run(program, &["-t", table, "-nvxL"]);
    let line = shown.lines().find(|l| l.contains(rule)).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

/// What a process of this binary is to be: `namespace`, `start`, or `peer THEIRS OURS`.
const ROLE: &str = "SIPJAIL_TEST_ROLE";
