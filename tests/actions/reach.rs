//! What `sipjail check` says of stock actions on a SIP jail: one that bans TCP alone leaves the attacker's way open.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::common::sipjail;
use crate::side::STOCK;

/// Those that ban by protocol, and TCP where nothing else is said.
const BY_PROTOCOL: &[&str] = &[
    "iptables",
    "iptables-allports",
    "iptables-multiport",
    "iptables-multiport-log",
    "iptables-new",
    "iptables-ipset",
    "iptables-ipset-proto4",
    "iptables-ipset-proto6",
    "iptables-ipset-proto6-allports",
    "nftables",
    "nftables-allports",
    "nftables-multiport",
    "firewallcmd-ipset",
    "firewallcmd-multiport",
    "firewallcmd-new",
    "firewallcmd-rich-logging",
    "firewallcmd-rich-rules",
    "pf",
];

/// Those that ban an address whatever it speaks, and those that ban nobody.
const WHOLLY: &[&str] = &[
    "route",
    "firewallcmd-allports",
    "ufw",
    "shorewall",
    "shorewall-ipset-proto6",
    "npf",
    "apf",
    "iptables-xt_recent-echo",
    "symbiosis-blacklist-allports",
    "dummy",
    "sendmail",
    "sendmail-whois-lines",
    "mail-whois",
    "abuseipdb",
    "blocklist_de",
    "cloudflare",
];

/// What is given, and whether TCP alone is banned then.
const GIVEN: &[(&str, bool)] = &[
    ("", true),
    ("protocol=tcp", true),
    ("port=\"5060,5061\", protocol=\"tcp\"", true),
    ("protocol=udp", false),
    ("protocol=\"tcp,udp\"", false),
    ("protocol=all", false),
];

#[test]
fn an_action_that_bans_tcp_alone_is_pointed_out_on_a_sip_jail() {
    if !Path::new(STOCK).exists() {
        println!("skipped: fail2ban is not installed");
        return;
    }
    let world = tempfile::tempdir().expect("a scratch directory");
    let conf = world.path().join("conf");
    for folder in ["action.d", "filter.d"] {
        fs::create_dir_all(conf.join(folder)).expect("made");
    }
    for entry in fs::read_dir(STOCK).expect("it can be read") {
        let path = entry.expect("it can be read").path();
        fs::copy(&path, conf.join("action.d").join(path.file_name().expect("a file"))).expect("copied");
    }
    for filter in ["asterisk", "door"] {
        fs::write(conf.join(format!("filter.d/{filter}.conf")), "[Definition]\nfailregex = ^ x <HOST>$\n")
            .expect("written");
    }
    fs::write(world.path().join("log"), "").expect("written");
    let log = world.path().join("log").display().to_string();
    let mut tree = format!("[DEFAULT]\nenabled = true\nlogpath = {log}\nbackend = polling\n");
    let mut expected = BTreeSet::new();
    let mut jails = 0;
    let mut jail = |kind: &str, filter: &str, port: &str, action: &str, given: &str, warned: bool| {
        jails += 1;
        let name = format!("{kind}{jails}-{action}");
        tree += &format!("[{name}]\nfilter = {filter}\nport = {port}\naction = {action}[{given}]\n");
        if warned {
            expected.insert(name);
        }
    };
    for (given, tcp_alone) in GIVEN {
        for action in BY_PROTOCOL {
            jail("filter", "asterisk", "ssh", action, given, *tcp_alone);
            jail("web", "door", "http", action, &given.replace("5060,5061", "80,443"), false);
            // The port as stock jails hand it on.
            let with_port =
                if given.contains("port=") { (*given).to_owned() } else { format!("port=\"%(port)s\", {given}") };
            jail("port", "door", "5060", action, with_port.trim_end_matches(", "), *tcp_alone);
        }
        for action in WHOLLY {
            jail("whole", "asterisk", "5060", action, given, false);
        }
    }
    fs::write(conf.join("jail.conf"), &tree).expect("written");
    let output = sipjail().args(["check", "-c"]).arg(&conf).output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    let jail = |line: &str| Some(line.split_once("jail `")?.1.split_once('`')?.0.to_owned());
    let warned: BTreeSet<String> =
        said.lines().filter(|line| line.contains("bans TCP only")).filter_map(jail).collect();
    let missing: Vec<_> = expected.difference(&warned).collect();
    let too_many: Vec<_> = warned.difference(&expected).collect();
    assert!(missing.is_empty() && too_many.is_empty(), "not said of {missing:?}, said of {too_many:?} in\n{tree}");
    counted!("actions: {jails} jails checked for a ban of TCP alone, {} have one", expected.len());
}
