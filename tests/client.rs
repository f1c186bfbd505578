//! fail2ban's own client against our daemon and against fail2ban's, on the same tree: what it prints, and how it ends.
//!
//! Skipped, and said so, where fail2ban is not installed.

#![allow(clippy::disallowed_methods, reason = "a test runs programs")]

#[macro_use]
#[path = "common/counted.rs"]
mod counted;
mod common;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::{PATIENCE, World};

#[test]
fn the_stock_client_prints_the_same_with_either_server() {
    let Some(both) = Both::start() else { return };
    let mut differences = Vec::new();
    let mut met = Vec::new();
    for line in SCRIPT.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let words = split(line);
        let (ours, theirs) = (both.ours.ask(&words), both.theirs.ask(&words));
        if ours == theirs {
            continue;
        }
        match KNOWN.iter().find(|(known, _)| *known == line) {
            Some((known, _)) => met.push(*known),
            None => differences.push(format!("{line}\n--- ours\n{ours}\n--- theirs\n{theirs}")),
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n\n"));
    for (known, reason) in KNOWN {
        assert!(met.contains(known), "`{known}` is no difference any more ({reason})");
    }
    let asked = SCRIPT.lines().filter(|line| !line.trim().is_empty()).count();
    counted!("client: {asked} invocations, {} known differences", KNOWN.len());
}

/// What is asked, in this order; both servers keep what it did.
const SCRIPT: &str = r#"
    ping
    ping 1
    version
    echo a "b c"
    server-status
    status
    status door
    status door short
    status door nosuchflavor
    status nojail
    status --all
    set door banip 192.0.2.9
    set door banip 192.0.2.9
    set door banip 192.0.2.8 2001:DB8::0001 198.51.100.5/24
    set door banip
    status door
    get door banned
    get door banned 192.0.2.9
    get door banned 192.0.2.9 192.0.2.77
    get door banip
    get door banip ,
    get door banip --with-time
    banned
    banned 192.0.2.9
    banned 192.0.2.9 192.0.2.77 2001:db8::1
    set gate banip 192.0.2.9
    banned 192.0.2.9
    status gate
    set door unbanip 192.0.2.8
    set door unbanip 192.0.2.8
    set door unbanip --report-absent 192.0.2.8 192.0.2.78
    set door unbanip
    unban 192.0.2.9
    unban 192.0.2.9
    unban
    get door banip
    set door banip 203.0.113.1 203.0.113.2
    set door unbanip 203.0.113.0/24
    set gate banip 203.0.113.3
    unban --all
    banned
    get door maxretry
    set door maxretry 7
    get door maxretry
    set door maxretry x
    set door maxretry
    get door maxmatches
    set door maxmatches 2
    get door findtime
    set door findtime 1d12h
    get door findtime
    set door findtime nonsense
    get door bantime
    set door bantime 10m
    set door bantime -1
    get door bantime
    get door ignoreip
    set door addignoreip 10.0.0.0/8
    set door addignoreip 192.0.2.200
    get door ignoreip
    set door delignoreip 10.0.0.0/8
    set door delignoreip 192.0.2.200
    get door ignoreip
    set door delignoreip 192.0.2.201
    get door ignoreself
    set door ignoreself true
    set door ignoreself off
    get door ignorecommand
    get door ignorecache
    get gate ignorecache
    get door logpath
    get door logencoding
    get gate logencoding
    get door logtimezone
    get door journalmatch
    get door usedns
    get gate usedns
    get door prefregex
    get gate prefregex
    get door failregex
    get gate failregex
    get door ignoreregex
    get gate ignoreregex
    get door maxlines
    get gate maxlines
    get door datepattern
    get gate datepattern
    get door bantime.increment
    get door actions
    get door action nope timeout
    get door actionproperties nope
    get door nosuchthing
    get door
    get
    set
    set door
    set nojail maxretry 5
    get nojail maxretry
    set door nosuchthing 1
    get loglevel
    set loglevel BOGUS
    set loglevel NOTICE
    get loglevel
    get logtarget
    get syslogsocket
    get dbfile
    get dbmaxmatches
    get dbpurgeage
    flushlogs
    foo
    help
    reload nojail
    reload
    get door maxretry
    get door findtime
    get door bantime
    reload --unban
    stats
    stop
    ping
"#;

/// What differs, and why.
const KNOWN: &[(&str, &str)] = &[
    ("set door maxretry x", "the message names the option, not Python's function"),
    ("set door findtime nonsense", "a time text is no Python, so the message is ours"),
    ("set door delignoreip 192.0.2.201", "what is not there is named"),
];

/// Two servers on one tree, read from one place.
struct Both {
    ours: Server,
    theirs: Server,
    _world: World,
}

struct Server {
    dir: PathBuf,
    child: Child,
}

impl Both {
    fn start() -> Option<Both> {
        if !Path::new("/usr/bin/fail2ban-server").exists() {
            println!("skipped: fail2ban is not installed");
            return None;
        }
        let world = World::new();
        let log = world.path("door.log").display().to_string();
        for side in ["ours", "theirs"] {
            let own = |name: &str| world.path(&format!("{side}/{name}")).display().to_string();
            world.write(
                &format!("{side}/fail2ban.conf"),
                &format!(
                    "[DEFAULT]\nloglevel = INFO\nlogtarget = STDOUT\nsyslogsocket = auto\nallowipv6 = auto\nsocket = {}\n\
                     pidfile = {}\ndbfile = None\ndbpurgeage = 1d\ndbmaxmatches = 10\n[Definition]\n",
                    own("sock"),
                    own("pid")
                ),
            );
            world.write(&format!("{side}/jail.conf"), &TREE.replace("LOG", &log));
            world.write(&format!("{side}/filter.d/door.conf"), DOOR);
            world.write(&format!("{side}/filter.d/gate.conf"), GATE);
        }
        let mut ours = common::sipjail();
        ours.args(["run", "--dry-run", "-c"]).arg(world.path("ours"));
        let mut theirs = Command::new("fail2ban-server");
        theirs.args(["-x", "-f", "-c"]).arg(world.path("theirs")).arg("start").env("TZ", "UTC");
        let ours = Server::start(ours, world.path("ours"));
        let theirs = Server::start(theirs, world.path("theirs"));
        Some(Both { ours, theirs, _world: world })
    }
}

impl Server {
    fn start(mut command: Command, dir: PathBuf) -> Server {
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
        let server = Server { dir, child };
        let end = Instant::now() + PATIENCE;
        while !server.client(&["status", "gate"]).status.success() {
            assert!(Instant::now() < end, "no answer in {}", server.dir.display());
            std::thread::sleep(Duration::from_millis(50));
        }
        server
    }

    fn client(&self, words: &[&str]) -> std::process::Output {
        let mut client = Command::new("fail2ban-client");
        client.arg("-c").arg(&self.dir).args(words).env("TZ", "UTC").output().expect("it runs")
    }

    /// What the client printed and its exit code, without what is the run's own: times, pids, paths.
    fn ask(&self, words: &[&str]) -> String {
        let output = self.client(words);
        let text = |bytes: &[u8]| {
            let text = String::from_utf8_lossy(bytes).replace(&self.dir.display().to_string(), "DIR");
            TIMES.replace_all(&text, "TIME").into_owned()
        };
        let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
        format!("{stdout}[{stderr}] {:?}", output.status.code())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _status = self.child.wait();
    }
}

static TIMES: std::sync::LazyLock<regex::Regex> = std::sync::LazyLock::new(|| {
    regex::Regex::new(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:,\d{3})?|\[ *\d+\]:").expect("it is sound")
});

/// Words between blanks, quotes around those that hold one.
fn split(line: &str) -> Vec<&str> {
    let pieces = line.split('"').enumerate();
    pieces.flat_map(|(at, piece)| if at % 2 == 1 { vec![piece] } else { piece.split_whitespace().collect() }).collect()
}

const TREE: &str = "[DEFAULT]
backend = polling
ignoreself = false
usedns = no
action =
logpath = LOG
enabled = true
maxmatches = 5
bantime = 10m
findtime = 10m
[door]
filter = door
maxretry = 3
[gate]
filter = gate
maxretry = 4
usedns = warn
logencoding = utf-8
ignoreip = 127.0.0.0/8
ignorecache = key=\"<ip>\", max-count=10, max-time=1m
";

const DOOR: &str = "[Definition]\nfailregex = ^ door: knock by .* from <HOST>$\n";

const GATE: &str = r"[Definition]
prefregex = ^ gate: <F-CONTENT>.+</F-CONTENT>$
failregex = ^rattled by <ADDR>$
            ^climbed by <F-USER>\S+</F-USER> from <HOST>$
ignoreregex = from 192\.0\.2\.254$
maxlines = 2
datepattern = ^%%Y-%%m-%%d %%H:%%M:%%S
";
