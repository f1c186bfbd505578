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
        let (ours, theirs) = match line.split_at(1) {
            (">", text) => {
                both.world.append("door.log", format!("{} {}\n", common::now(), text.trim()));
                continue;
            }
            ("%", change) => {
                let change = change.replace("\\n", "\n");
                let [from, to] = split(&change)[..] else { panic!("{line}: not two words") };
                both.change(from, to);
                continue;
            }
            ("?", question) => {
                let words = split(question);
                both.each(|server| server.wait(&words[1..], words[0]))
            }
            _ => {
                let words = split(line);
                both.each(|server| server.ask(&words))
            }
        };
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
    let asked = SCRIPT.lines().filter(|line| !line.trim().is_empty() && !line.trim().starts_with(['>', '%'])).count();
    counted!("client: {asked} invocations, {} known differences", KNOWN.len());
}

/// What is asked, in this order; both servers keep what it did. `> TEXT` writes a line into the log, `% A B` changes A
/// into B in the jails of both, `? TEXT WORDS` asks until the answer holds the text. `DIR` is each one's own directory.
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
    get door bantime.formula
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
    set door idle on
    set door idle maybe
    status door
    set door idle off
    get door idle
    set door ignorecommand "/bin/false <ip>"
    get door ignorecommand
    set door ignorecommand ""
    get door ignorecommand
    set door ignorecache key=<ip>,max-count=7,max-time=2m
    get door ignorecache
    set door ignorecache ""
    get door ignorecache
    set door usedns raw
    get door usedns
    set door usedns maybe
    set door usedns no
    set door logencoding latin-1
    get door logencoding
    set door logencoding nope
    set door logencoding auto
    get door logencoding
    set door logtimezone UTC+0200
    get door logtimezone
    set door logtimezone Mars
    set door logtimezone UTC
    set door maxlines 3
    get door maxlines
    set door maxlines 0
    set door maxlines 1
    set door datepattern %Y-%m-%d
    get door datepattern
    set door datepattern "^%Y-%m-%d %H:%M:%S"
    get door datepattern
    set door datepattern Epoch
    set door datepattern {^LN-BEG}
    set door prefregex "^ door: <F-CONTENT>.+</F-CONTENT>$"
    get door prefregex
    set door prefregex "(broken"
    get door prefregex
    set door prefregex ""
    get door prefregex
    set door addfailregex "^ door: kick by .* from <HOST>$"
    get door failregex
    set door addfailregex "(broken <HOST>"
    get door failregex
    set door addfailregex "no host"
    set door addfailregex
    set door delfailregex 1
    get door failregex
    set door delfailregex 7
    set door delfailregex x
    set door delfailregex
    set door addignoreregex "from 192\.0\.2\.253$"
    get door ignoreregex
    set door addignoreregex "(broken"
    set door delignoreregex 0
    get door ignoreregex
    set door delignoreregex 0
    multi-set door addfailregex "^x <HOST>$"
    set door addjournalmatch _SYSTEMD_UNIT=door.service
    get door journalmatch
    set door deljournalmatch
    set door addlogpath DIR/none.log
    set door addlogpath DIR/jail.conf tail
    set door addlogpath DIR/jail.conf sideways
    set door addlogpath DIR/jail.conf head
    get door logpath
    status door
    set door dellogpath DIR/jail.conf
    set door dellogpath DIR/jail.conf
    get door logpath
    set door addlogpath
    set door bantime.increment true
    get door bantime.increment
    set door bantime.factor 2
    get door bantime.factor
    set door bantime.formula "ban.Time * 2"
    get door bantime.formula
    set door bantime.multipliers "1 5 30"
    get door bantime.multipliers
    set door bantime.maxtime 1w
    get door bantime.maxtime
    set door bantime.rndtime 5m
    get door bantime.rndtime
    set door bantime.overalljails true
    get door bantime.overalljails
    set door bantime.multipliers ""
    get door bantime.multipliers
    set door bantime.maxtime ""
    get door bantime.maxtime
    set door bantime.rndtime ""
    set door bantime.overalljails ""
    set door bantime.increment ""
    get door bantime.increment off
    set door bantime.nonsense 1
    get door bantime.nonsense
    get shed actions
    get shed action note timeout
    get shed action note colour
    get shed action note actionban
    get shed action note actionunban
    get shed action note actionstart
    get shed action note norestored
    get shed action note nope
    get shed action nope colour
    get shed action note
    get shed action
    get shed actionproperties note
    get shed actionmethods note
    set shed action note colour green
    get shed action note colour
    set shed action note timeout 2m
    get shed action note timeout
    set shed action note actioncheck "/bin/true <ip>"
    get shed action note actioncheck
    set shed action note bantime 5
    set shed action note fresh 1
    set shed action nope colour 1
    set shed action note
    set shed addaction second
    set shed addaction second
    get shed actions
    set shed action second actionban /bin/true
    get shed actionproperties second
    set shed delaction second
    set shed delaction second
    get shed actions
    set shed action note start
    set shed action note stop
    status shed cymru
    status shed stats
    status shed basic
    statistics
    stats
    add
    add built polling
    add built polling again
    add --all
    add worse inotify
    status
    status built
    get built failregex
    get built maxretry
    get built findtime
    get built bantime
    get built maxmatches
    get built usedns
    get built ignoreself
    get built ignoreip
    get built logencoding
    get built actions
    get built logpath
    get built datepattern
    set built usedns no
    set built addfailregex "^ built: knock from <HOST>$"
    set built ignoreself no
    set built maxretry 2
    set built addlogpath DIR/../door.log tail
    start built
    start built
    start nojail
    status built
    > built: knock from 203.0.113.70
    > built: knock from 203.0.113.70
    ? 203.0.113.70 get built banip
    status built
    set built attempt 203.0.113.71
    set built attempt 203.0.113.71 "one" "two"
    ? 203.0.113.71 get built banip
    set built attempt
    set built idle on
    set built unbanip 203.0.113.70 203.0.113.71
    status built
    stop built
    stop built
    status built
    status
    sleep 0
    sleep x
    config-error "something is wrong"
    get thread
    set thread {}
    set allowipv6 auto
    set allowipv6 yes
    get allowipv6
    set syslogsocket auto
    set logtarget DIR/other.log
    get logtarget
    set logtarget /nonexistent/dir/log
    get logtarget
    set logtarget STDOUT
    set dbfile DIR/db
    set dbfile None
    set dbmaxmatches 5
    set dbpurgeage 2d
    set loglevel DEBUG
    set loglevel 10
    set loglevel INFO
    multi-set
    multi-set nojail addfailregex x
    server-stream
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
    set door banip 192.0.2.30
    set gate banip 192.0.2.31
    set door maxretry 9
    set gate maxretry 9
    reload door
    get door maxretry
    get gate maxretry
    get door banip
    reload --unban door
    get door banip
    get gate banip
    reload --restart door
    status door
    reload --if-exists nojail
    reload door gate
    restart door
    restart --unban gate
    restart --if-exists shed
    reload --restart
    status
    % "maxretry = 3" "maxretry = 6"
    get door maxretry
    reload
    get door maxretry
    set door banip 192.0.2.33
    % "[gate]" "[lodge]"
    reload
    status
    status gate
    get lodge maxretry
    get door banip
    % "usedns = warn" "usedns = warn\nfailregex = (broken <HOST>"
    % "[shed]" "[barn]"
    reload lodge
    get lodge failregex
    % "failregex = (broken <HOST>\n" ""
    reload
    status
    stop lodge
    status
    stop nojail
    unban --all
    stop --all
    status
    reload
    status
    stop
    ping
"#;

/// What differs, and why.
const KNOWN: &[(&str, &str)] = &[
    ("set door maxretry x", NUMBER),
    ("set door delfailregex x", NUMBER),
    ("set door findtime nonsense", "a time text is no Python, so the message is ours"),
    ("set door delignoreip 192.0.2.201", "what is not there is named"),
    ("set door logtimezone Mars", "the message says what can be written"),
    ("set door prefregex \"(broken\"", REGEX),
    ("set door addfailregex \"(broken <HOST>\"", REGEX),
    ("set door addfailregex \"no host\"", REGEX),
    ("set door addignoreregex \"(broken\"", REGEX),
    ("multi-set door addfailregex \"^x <HOST>$\"", "a text is no list of one-letter expressions"),
    ("get door bantime.overalljails", "it is yes or no, whatever word said so (there `false` is yes)"),
    ("set door bantime.increment \"\"", OFF),
    ("get door bantime.increment off", OFF),
    ("set door bantime.nonsense 1", "an option that does nothing is refused"),
    ("get door bantime.nonsense", "an option that does nothing is refused"),
    ("set built attempt", "no Python, so none of its words"),
    ("set thread {}", "without effect, and so is a bad value"),
    ("get allowipv6", "it can be asked for"),
    ("set loglevel 10", "levels have names"),
    ("add worse inotify", "the message says what there is"),
    ("add built polling again", "1.0.2 has no name for its own exception here; the reply is that of 1.1"),
    ("status --all", NEWER),
    ("status shed stats", NEWER),
    ("statistics", NEWER),
    ("stats", NEWER),
    ("reload lodge", "a jail that runs is not ended by a mistake in its new configuration"),
    ("get lodge failregex", "it goes on as it was"),
];

const NUMBER: &str = "the message names the option, not Python's function";
const REGEX: &str = "the message is ours; the exception is a ValueError, which a client of any version can read";
const OFF: &str = "what is off and what was never said are one thing";
const NEWER: &str = "1.0.2 does not know it; the reply is that of 1.1";

/// Two servers on one tree, read from one place.
struct Both {
    ours: Server,
    theirs: Server,
    world: World,
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
                     pidfile = {}\ndbfile = {}\ndbpurgeage = 1d\ndbmaxmatches = 10\n[Definition]\n",
                    own("sock"),
                    own("pid"),
                    own("db")
                ),
            );
            world.write(&format!("{side}/jail.conf"), &TREE.replace("LOG", &log));
            world.write(&format!("{side}/filter.d/door.conf"), DOOR);
            world.write(&format!("{side}/filter.d/gate.conf"), GATE);
            world.write(&format!("{side}/action.d/note.conf"), NOTE);
        }
        let mut ours = common::sipjail();
        ours.args(["run", "--dry-run", "-c"]).arg(world.path("ours"));
        let mut theirs = Command::new("fail2ban-server");
        theirs.args(["-x", "-f", "-c"]).arg(world.path("theirs")).arg("start").env("TZ", "UTC");
        let ours = Server::start(ours, world.path("ours"));
        let theirs = Server::start(theirs, world.path("theirs"));
        Some(Both { ours, theirs, world })
    }

    /// The same of ours and of theirs, at the same time.
    fn each(&self, ask: impl Fn(&Server) -> String + Sync) -> (String, String) {
        std::thread::scope(|scope| {
            let theirs = scope.spawn(|| ask(&self.theirs));
            (ask(&self.ours), theirs.join().expect("it answers"))
        })
    }

    fn change(&self, from: &str, to: &str) {
        for side in ["ours", "theirs"] {
            let name = format!("{side}/jail.conf");
            let text = std::fs::read_to_string(self.world.path(&name)).expect("it can be read");
            assert!(text.contains(from), "{from}");
            self.world.write(&name, &text.replacen(from, to, 1));
        }
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

    /// Asks until the answer holds a text.
    fn wait(&self, words: &[&str], text: &str) -> String {
        let end = Instant::now() + PATIENCE;
        loop {
            let answer = self.ask(words);
            if answer.contains(text) {
                return answer;
            }
            assert!(Instant::now() < end, "{words:?}: no `{text}` in {answer}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn client(&self, words: &[&str]) -> std::process::Output {
        let own = self.dir.display().to_string();
        let words: Vec<String> = words.iter().map(|word| word.replace("DIR", &own)).collect();
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
[shed]
filter = door
action = note[colour=blue]
[gate]
filter = gate
maxretry = 4
usedns = warn
logencoding = utf-8
ignoreip = 127.0.0.0/8
ignorecache = key=\"<ip>\", max-count=10, max-time=1m
";

const DOOR: &str = "[Definition]\nfailregex = ^ door: knock by .* from <HOST>$\n";

const NOTE: &str = "[Definition]\nactionban = true\nactionunban = true\n[Init]\ncolour = red\n";

const GATE: &str = r"[Definition]
prefregex = ^ gate: <F-CONTENT>.+</F-CONTENT>$
failregex = ^rattled by <ADDR>$
            ^climbed by <F-USER>\S+</F-USER> from <HOST>$
ignoreregex = from 192\.0\.2\.254$
maxlines = 2
datepattern = ^%%Y-%%m-%%d %%H:%%M:%%S
";
