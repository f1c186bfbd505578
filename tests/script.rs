//! Actions that run commands, in a running daemon: in which order, that a slow one holds nobody else up, that nothing of
//! a log becomes code, and that a stock action of an installed fail2ban cuts somebody off.

#![expect(clippy::disallowed_methods, reason = "tests run programs")]

mod common;

use std::env;
use std::fs;
use std::io::ErrorKind;
use std::net::{TcpListener, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::{Daemon, PATIENCE, World};

/// A world whose jail `door` has one action `note`, which appends what it is told to do to the file `notes`.
fn world(more: &str) -> World {
    let world = World::new();
    let notes = world.path("notes").display().to_string();
    let commands = [("start", "<family>"), ("stop", ""), ("ban", "<ip> <restored>"), ("unban", "<ip>")];
    let lines = commands.map(|(name, tags)| format!("action{name} = echo \"{name} {tags}\" >> {notes}\n"));
    action(&world, "note", &format!("{}{more}", lines.concat()));
    world.write("conf/jail.local", "[door]\naction = note\nmaxretry = 1\n");
    world
}

fn action(world: &World, name: &str, definition: &str) {
    world.write(&format!("conf/action.d/{name}.conf"), &format!("[Definition]\n{definition}"));
}

fn notes(world: &World, name: &str) -> Vec<String> {
    let text = fs::read_to_string(world.path(name)).unwrap_or_default();
    text.lines().map(|line| line.trim_end().to_owned()).collect()
}

/// Waits until the file holds these lines and no other.
fn wait_for(world: &World, name: &str, lines: &[&str]) {
    until(|| notes(world, name).len() >= lines.len(), || format!("{:?} of {lines:?}", notes(world, name)));
    assert_eq!(notes(world, name), lines);
}

#[track_caller]
fn until(mut done: impl FnMut() -> bool, told: impl Fn() -> String) {
    let end = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < end, "it did not come to that: {}", told());
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn end(world: &World, daemon: Daemon) -> Vec<String> {
    assert!(world.client(&["stop"]).status.success());
    let (good, said) = daemon.ended();
    assert!(good, "{said:#?}");
    said
}

#[test]
fn an_action_lives_as_long_as_its_jail() {
    let world = world("");
    let mut daemon = world.run();
    assert!(daemon.seen.iter().any(|line| line.trim() == "bans go into note"), "{:?}", daemon.seen);
    wait_for(&world, "notes", &["start"]);
    world.knock("192.0.2.1");
    daemon.wait_for("[door] Ban 192.0.2.1");
    wait_for(&world, "notes", &["start", "ban 192.0.2.1 0"]);
    world.text(&["ban", "2001:db8::1", "--jail", "door"]);
    world.text(&["unban", "192.0.2.1"]);
    let so_far = ["start", "ban 192.0.2.1 0", "ban 2001:db8::1 0", "unban 192.0.2.1"];
    wait_for(&world, "notes", &so_far);
    end(&world, daemon);
    assert_eq!(notes(&world, "notes"), [&so_far[..], &["unban 2001:db8::1", "stop"]].concat());
}

#[test]
fn sigterm_stops_actions_and_keep_leaves_them_and_restored_bans_are_made_again() {
    let world = world("");
    let mut daemon = world.run();
    world.knock("192.0.2.1");
    daemon.wait_for("[door] Ban 192.0.2.1");
    wait_for(&world, "notes", &["start", "ban 192.0.2.1 0"]);
    daemon.signal("-TERM");
    let (good, said) = daemon.ended();
    assert!(good && said.iter().any(|line| line.ends_with("[door] Unban 192.0.2.1")), "{said:#?}");
    let first = ["start", "ban 192.0.2.1 0", "unban 192.0.2.1", "stop"];
    assert_eq!(notes(&world, "notes"), first);
    let daemon = world.run();
    let second = [&first[..], &["start", "ban 192.0.2.1 1"]].concat();
    wait_for(&world, "notes", &second);
    assert!(world.client(&["stop", "--keep"]).status.success());
    assert!(daemon.ended().0);
    assert_eq!(notes(&world, "notes"), second);
}

#[test]
fn a_slow_action_holds_up_no_other_jail_and_not_the_loop() {
    let world = world("");
    let (log, pid) = (world.path("slow.log"), world.path("pid-of-sleep"));
    world.write("slow.log", "");
    action(&world, "slow", &format!("actionban = echo $$ > {}; exec sleep 600\n", pid.display()));
    let jail = "enabled = true\nfilter = door\nmaxretry = 1\naction = slow";
    world.write("conf/jail.d/slow.conf", &format!("[slow]\n{jail}\nlogpath = {}\n", log.display()));
    let mut daemon = world.run();
    world.append("slow.log", format!("{} door: knock by x from 192.0.2.1\n", common::now()));
    daemon.wait_for("[slow] Ban 192.0.2.1");
    let sleeper = || fs::read_to_string(&pid).unwrap_or_default().trim().to_owned();
    until(|| !sleeper().is_empty(), || "nobody sleeps".into());
    world.knock("192.0.2.2");
    wait_for(&world, "notes", &["start", "ban 192.0.2.2 0"]);
    assert_eq!(world.json(&["status", "slow"])["actions"]["currently_banned"], 1);
    assert!(Command::new("kill").args(["-0", &sleeper()]).status().expect("it runs").success(), "it still sleeps");
    assert!(Command::new("kill").arg(sleeper()).status().expect("it runs").success());
}

#[test]
fn an_action_that_hangs_is_ended_and_the_reply_to_stop_comes_after_it() {
    let world = world("");
    action(&world, "hang", "actionban = true\nactionunban = true\nactionstop = echo bye; sleep 600\n");
    world.write("conf/jail.local", "[door]\naction = note\n hang[timeout=1]\nmaxretry = 1\n");
    let mut daemon = world.run();
    world.knock("192.0.2.1");
    daemon.wait_for("[door] Ban 192.0.2.1");
    let said = end(&world, daemon);
    let place = |text: &str| said.iter().position(|line| line.contains(text)).unwrap_or_else(|| panic!("{said:#?}"));
    assert!(place(" -- exec: echo bye; sleep 600") < place(" -- timed out after 1 seconds."));
    assert!(place(" -- stdout: 'bye'") < place(" -- killed with SIGTERM (return code: -15)"));
    let failed = "Failed to stop jail 'door' action 'hang': Error stopping action Jail('door')/hang: 'Script error'";
    assert!(place("killed with") < place(failed) && place(failed) < place("Exiting sipjail"));
    assert_eq!(notes(&world, "notes").last().map(String::as_str), Some("stop"), "the others stop all the same");
}

#[test]
fn three_hundred_bans_are_made_in_their_order() {
    let world = world("");
    let daemon = world.run();
    let addresses: Vec<String> =
        ["198.51.100", "203.0.113"].iter().flat_map(|net| (1..=150).map(move |host| format!("{net}.{host}"))).collect();
    addresses.iter().for_each(|address| world.knock(address));
    let bans = addresses.iter().map(|address| format!("ban {address} 0"));
    let expected: Vec<String> = std::iter::once("start".to_owned()).chain(bans).collect();
    until(|| notes(&world, "notes").len() >= expected.len(), || format!("{}", notes(&world, "notes").len()));
    assert_eq!(notes(&world, "notes"), expected);
    drop(daemon);
}

#[test]
fn much_output_and_a_failure_are_borne() {
    let world = world("");
    action(
        &world,
        "loud",
        "actionban = head -c 1000000 /dev/zero | tr '\\\\0' x; head -c 1000000 /dev/zero >&2; false\n",
    );
    world.write("conf/jail.local", "[door]\naction = loud\n note\nmaxretry = 1\n");
    let mut daemon = world.run();
    world.knock("192.0.2.1");
    daemon.wait_for("Failed to execute ban jail 'door' action 'loud'");
    wait_for(&world, "notes", &["start", "ban 192.0.2.1 0"]);
    assert_eq!(daemon.seen.iter().filter(|line| line.contains(" -- returned 1")).count(), 2, "tried twice");
    assert_eq!(world.json(&["status", "door"])["actions"]["currently_banned"], 1);
}

#[test]
fn nothing_of_a_log_becomes_code() {
    let world = world("");
    world.write(
        "conf/filter.d/door.conf",
        "[Definition]\nfailregex = ^ door: knock by <F-USER>.*</F-USER> from <HOST>$\n",
    );
    let out = world.path("out").display().to_string();
    let definition = format!(
        "actionban = cd {}; printf '%%s|' \"<matches>\" \"<F-USER>\" \"<ipmatches>\" \"<raw-ticket>\" > {out}.new\n \
         : <matches> <F-USER> <ipjailmatches> <raw-ticket>\n mv {out}.new {out}\n",
        world.dir.path().display()
    );
    action(&world, "tell", &definition);
    world.write("conf/jail.local", "[door]\naction = tell\nmaxretry = 1\n");
    let mut daemon = world.run();
    let hostile = "X'; touch pwned1; $(touch pwned2) `touch pwned3` \" && touch pwned4 | touch pwned5 & <ip> ${IFS}\\";
    let line = format!("{} door: knock by {hostile} from 192.0.2.66", common::now());
    world.append("door.log", format!("{line}\n"));
    daemon.wait_for("[door] Ban 192.0.2.66");
    until(|| world.path("out").exists(), || format!("{:#?}", notes(&world, "our.log")));
    let told = fs::read_to_string(world.path("out")).expect("it is written");
    let parts: Vec<&str> = told.split('|').collect();
    let whole = format!("{line}|{hostile}|{line}|BanTicket: ip=192.0.2.66 ");
    assert!(told.starts_with(&whole), "{parts:#?}");
    let pwned: Vec<_> =
        fs::read_dir(world.dir.path()).expect("it can be read").flatten().map(|f| f.file_name()).collect();
    assert!(!pwned.iter().any(|name| name.to_string_lossy().starts_with("pwned")), "{pwned:?}");
}

#[test]
fn earlier_bans_of_all_jails_are_told_with_the_one_that_is_being_made() {
    let world = world("");
    let out = world.path("out").display().to_string();
    action(&world, "tell", &format!("actionban = echo <failures> <ipfailures> <ipjailfailures> <bancount> >> {out}\n"));
    world.write("conf/jail.local", "[door]\naction = tell\nmaxretry = 2\n");
    let mut daemon = world.run();
    for times in 1..=2 {
        world.knock("192.0.2.1");
        world.knock("192.0.2.1");
        daemon.wait_for("[door] Ban 192.0.2.1");
        until(|| notes(&world, "out").len() == times, || format!("{:?}", notes(&world, "out")));
        if times == 1 {
            // By its own end: a ban that somebody lifts is forgotten.
            world.text(&["set", "door", "bantime", "0"]);
            daemon.wait_for("[door] Unban 192.0.2.1");
            world.text(&["set", "door", "bantime", "600"]);
        }
    }
    assert_eq!(notes(&world, "out"), ["2 2 2 1", "2 4 4 2"]);
}

#[test]
fn a_reload_brings_and_takes_actions_and_the_bans_follow() {
    let world = world("actionreload = echo reload >> <out>\n[Init]\nout = /dev/null\n");
    let notes_file = world.path("notes").display().to_string();
    world.write("conf/jail.local", &format!("[door]\naction = note[out={notes_file}]\nmaxretry = 1\n"));
    let mut daemon = world.run();
    world.knock("192.0.2.1");
    daemon.wait_for("[door] Ban 192.0.2.1");
    wait_for(&world, "notes", &["start", "ban 192.0.2.1 0"]);
    let other = world.path("other").display().to_string();
    action(
        &world,
        "other",
        &format!("actionban = echo \"ban <ip>\" >> {other}\nactionunban = echo \"unban <ip>\" >> {other}\n"),
    );
    let both = format!("[door]\naction = note[out={notes_file}]\n other\nmaxretry = 1\n");
    world.write("conf/jail.local", &both);
    world.text(&["reload"]);
    wait_for(&world, "other", &["ban 192.0.2.1"]);
    // Its texts are the same for both families that were started.
    wait_for(&world, "notes", &["start", "ban 192.0.2.1 0", "reload"]);
    world.text(&["set", "door", "findtime", "300"]);
    world.write("conf/jail.local", "[door]\naction = other\nmaxretry = 1\n");
    world.text(&["reload"]);
    wait_for(&world, "notes", &["start", "ban 192.0.2.1 0", "reload", "unban 192.0.2.1", "stop"]);
    world.text(&["unban", "--all"]);
    wait_for(&world, "other", &["ban 192.0.2.1", "unban 192.0.2.1"]);
    end(&world, daemon);
}

#[test]
fn a_dry_run_runs_no_action() {
    let world = world("");
    let mut daemon = world.run_with(&["--dry-run"]);
    world.knock("192.0.2.1");
    daemon.wait_for("[door] Ban 192.0.2.1");
    end(&world, daemon);
    assert_eq!(notes(&world, "notes"), [""; 0]);
}

#[test]
fn a_stock_action_cuts_somebody_off_and_our_own_sets_are_not_made() {
    in_namespace("a_stock_action_cuts_somebody_off_and_our_own_sets_are_not_made", || {
        let world = World::new();
        let copied = Command::new("cp").args(["-r", STOCK]).arg(world.path("conf")).status().expect("it runs");
        assert!(copied.success());
        let action = "iptables-allports[name=door, protocol=all]";
        world.write("conf/jail.local", &format!("[door]\naction = {action}\nmaxretry = 1\n"));
        let peer = Peer::new();
        let here = UdpSocket::bind("192.0.2.1:5060").expect("it is ours");
        here.set_nonblocking(true).expect("it can");
        let _listens = TcpListener::bind("192.0.2.1:5060").expect("it is ours");
        // Over a cable of this kernel's own: what is sent has arrived when the sender is done.
        let gets_through = || {
            peer.run("echo hello > /dev/udp/192.0.2.1/5060");
            let udp = match here.recv(&mut [0; 16]) {
                Ok(_) => true,
                Err(e) if e.kind() == ErrorKind::WouldBlock => false,
                Err(e) => panic!("{e}"),
            };
            assert_eq!(peer.run("exec 3<>/dev/tcp/192.0.2.1/5060"), udp, "one protocol as the other");
            udp
        };
        let mut daemon = world.run();
        assert!(gets_through());
        world.knock("192.0.2.7");
        daemon.wait_for("[door] Ban 192.0.2.7");
        let rules = || output("iptables", &["-S"]);
        until(|| rules().contains("-A f2b-door -s 192.0.2.7/32 -j REJECT"), rules);
        assert!(!gets_through());
        assert_eq!(output("ipset", &["list", "-n"]), "");
        assert!(!output("iptables", &["-t", "raw", "-S"]).contains("match-set"));
        world.text(&["unban", "192.0.2.7"]);
        until(|| !rules().contains("192.0.2.7"), rules);
        assert!(gets_through());
        // The sets are made once somebody bans by hand.
        world.text(&["ban", "192.0.2.9"]);
        assert!(output("ipset", &["list", "-n"]).contains("sipjail4-manual"));
        end(&world, daemon);
        assert_eq!((output("ipset", &["list", "-n"]), rules().contains("f2b")), (String::new(), false));
        assert!(gets_through());
    });
}

#[test]
fn after_a_kill_no_rule_stands_twice_and_none_too_long() {
    in_namespace("after_a_kill_no_rule_stands_twice_and_none_too_long", || {
        let world = World::new();
        let copied = Command::new("cp").args(["-r", STOCK]).arg(world.path("conf")).status().expect("it runs");
        assert!(copied.success());
        world.write("conf/jail.local", "[door]\naction = iptables-allports[name=door, protocol=all]\n");
        let rules = || output("iptables", &["-S", "f2b-door"]);
        let daemon = world.run();
        world.text(&["ban", "192.0.2.7", "--jail", "door", "--for", "1h"]);
        let kept = || {
            let database = rusqlite::Connection::open(world.path("db")).expect("it is there");
            database.query_row("SELECT count(*) FROM bips", [], |row| row.get(0)).unwrap_or(0)
        };
        until(|| rules().contains("192.0.2.7") && kept() == 1, rules);
        daemon.signal("-KILL");
        daemon.ended();
        // Of somebody whose ban ended while nobody ran.
        output("iptables", &["-I", "f2b-door", "-s", "192.0.2.8", "-j", "REJECT"]);
        assert!(rules().contains("192.0.2.8"));
        let daemon = world.run();
        let stand = |rules: &str, address: &str| rules.matches(&format!("-s {address}/32")).count();
        let once = |rules: &str| stand(rules, "192.0.2.7") == 1 && stand(rules, "192.0.2.8") == 0;
        until(|| once(&rules()), rules);
        end(&world, daemon);
    });
}

#[test]
fn what_a_running_daemon_holds_is_not_swept_by_another() {
    let world = world("");
    let flush =
        format!("actionflush = echo flush >> {0}\nactionstart = echo start >> {0}\n", world.path("swept").display());
    action(&world, "note", &flush);
    let daemon = world.run();
    wait_for(&world, "swept", &["start"]);
    let socket = world.path("other.sock").display().to_string();
    let other = world.run_with(&["-s", &socket]);
    wait_for(&world, "swept", &["start", "start"]);
    other.signal("-TERM");
    assert!(other.ended().0);
    end(&world, daemon);
}

#[test]
fn a_daemon_with_scripts_alone_needs_no_right_and_takes_away_only_what_nobody_uses() {
    in_namespace("a_daemon_with_scripts_alone_needs_no_right_and_takes_away_only_what_nobody_uses", || {
        let sets = || output("ipset", &["list", "-n"]);
        let other = World::new();
        other.write("conf/jail.local", "[door]\naction = ipset\n");
        let others = other.run();
        assert!(sets().contains("sipjail4-door"));
        let world = world("");
        let mut command = Command::new("setpriv");
        let lost = "-net_admin,-net_raw";
        command.args([format!("--bounding-set={lost}"), format!("--inh-caps={lost}")]);
        command.arg(env!("CARGO_BIN_EXE_sipjail")).arg("-c").arg(world.path("conf")).arg("run").env("TZ", "UTC");
        let mut weak = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it runs");
        until(|| world.client(&["ping"]).status.success(), || "it does not answer".into());
        world.knock("192.0.2.1");
        wait_for(&world, "notes", &["start", "ban 192.0.2.1 0"]);
        let refused = world.client(&["ban", "192.0.2.2"]);
        assert!(String::from_utf8_lossy(&refused.stderr).contains("another daemon"), "{refused:?}");
        assert!(world.client(&["stop"]).status.success() && weak.wait().expect("it ends").success());
        let strong = world.run();
        assert!(sets().contains("sipjail4-door"), "somebody uses them");
        others.signal("-TERM");
        others.ended();
        end(&world, strong);
        assert!(sets().contains("sipjail4-door"), "SIGTERM left them");
        let strong = world.run();
        assert_eq!(sets(), "");
        end(&world, strong);
    });
}

/// Somebody on another host: a network namespace at the other end of a cable.
struct Peer(Child);

impl Peer {
    fn new() -> Peer {
        let child = Command::new("unshare").args(["-n", "sleep", "600"]).stdin(Stdio::null()).spawn().expect("it runs");
        let pid = child.id().to_string();
        let own = fs::read_link("/proc/self/ns/net").expect("it is there");
        let apart = || fs::read_link(format!("/proc/{pid}/ns/net")).is_ok_and(|theirs| theirs != own);
        until(apart, || "it stays here".into());
        let peer = Peer(child);
        output("ip", &["link", "set", "lo", "up"]);
        output("ip", &["link", "add", "here", "type", "veth", "peer", "name", "there", "netns", &pid]);
        output("ip", &["address", "add", "192.0.2.1/24", "dev", "here"]);
        output("ip", &["link", "set", "here", "up"]);
        assert!(peer.run("ip address add 192.0.2.7/24 dev there && ip link set there up"));
        peer
    }

    fn run(&self, script: &str) -> bool {
        let pid = self.0.id().to_string();
        let mut command = Command::new("nsenter");
        let command =
            command.args(["-t", &pid, "-n", "bash", "-c", script]).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().expect("it runs").success()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ended = self.0.kill();
        let _status = self.0.wait();
    }
}

fn output(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).output().expect("it runs");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Runs a test in a network namespace of its own: this binary starts itself once more, for that test alone.
fn in_namespace(name: &str, test: impl FnOnce()) {
    if env::var_os(ROLE).is_some() {
        return test();
    }
    if !rustix::process::geteuid().is_root() {
        return println!("{name}: skipped, not root");
    }
    if !fs::exists(format!("{STOCK}/iptables-allports.conf")).unwrap_or(false) {
        return println!("{name}: skipped, fail2ban is not installed");
    }
    for program in ["ipset", "iptables", "ip", "unshare", "nsenter", "setpriv", "bash"] {
        if Command::new(program).arg("--version").output().is_err() {
            return println!("{name}: skipped, there is no {program}");
        }
    }
    let output = Command::new("timeout")
        .args(["120", "unshare", "-n"])
        .arg(env::current_exe().expect("it has a name"))
        .args(["--exact", name, "--nocapture"])
        .env(ROLE, "namespace")
        .output()
        .expect("it runs");
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

const ROLE: &str = "SIPJAIL_SCRIPT_TEST";

/// The actions of an installed fail2ban.
const STOCK: &str = "/etc/fail2ban/action.d";
