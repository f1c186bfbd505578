//! Running servers, asked by both clients: fail2ban's own, and our daemon.

use std::process::{Child, Command, Stdio};

use crate::common::{self, World};
use crate::program::{Known, Whose, run, seen, split, stock, wait};

#[test]
fn fail2bans_own_server_is_asked_as_the_stock_client_asks_it() {
    compare(Whose::Stock, &[], "faces, fail2ban's server");
}

#[test]
fn our_daemon_is_asked_as_the_stock_client_asks_it() {
    const KNOWN: &[(&str, &str)] =
        &[("stats", "our daemon answers as 1.1's does, and the stock client of 1.0 shows that as it comes")];
    compare(Whose::Ours, KNOWN, "faces, our daemon");
}

/// Two servers of a kind on the same tree, one for each client, since many commands change something.
fn compare(server: Whose, known: &'static [(&'static str, &'static str)], what: &str) {
    if stock().is_none() {
        return;
    }
    let world = World::new();
    world.write("door.log", "");
    let [ours, theirs] = ["ours", "theirs"].map(|side| Server::start(&world, side, server));
    let mut known = Known::new(known);
    for line in SCRIPT.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let words = split(line);
        known.compare(line, &ours.ask(&world, Whose::Ours, &words), &theirs.ask(&world, Whose::Stock, &words));
    }
    // What is asked from the prompt comes out as on the command line; only the greeting is our own.
    let of = |server: &Server, whose| {
        let words = ["-c", server.side, "-i"];
        let said = server.masked(&seen(&run(&world, whose, "fail2ban-client", &words, LINES)));
        said.split_once("fail2ban> ").map(|(_, said)| said.to_owned()).expect("it prompts")
    };
    known.compare("-i", &of(&ours, Whose::Ours), &of(&theirs, Whose::Stock));
    known.compare("stop", &ours.ask(&world, Whose::Ours, &["stop"]), &theirs.ask(&world, Whose::Stock, &["stop"]));
    known.compare("ping", &ours.ask(&world, Whose::Ours, &["ping"]), &theirs.ask(&world, Whose::Stock, &["ping"]));
    known.judge(what);
}

struct Server {
    side: &'static str,
    child: Child,
}

impl Server {
    fn start(world: &World, side: &'static str, whose: Whose) -> Server {
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
        world.write(&format!("{side}/jail.conf"), &TREE.replace("LOG", &world.path("door.log").display().to_string()));
        world.write(&format!("{side}/filter.d/door.conf"), "[Definition]\nfailregex = ^ door: knock from <HOST>$\n");
        let mut command = match whose {
            Whose::Stock => Command::new("/usr/bin/fail2ban-server"),
            Whose::Ours => common::sipjail(),
        };
        match whose {
            Whose::Stock => command.args(["-x", "-f", "-c"]).arg(world.path(side)).arg("start"),
            Whose::Ours => command.args(["run", "--dry-run", "-c"]).arg(world.path(side)),
        };
        let child = command.env("TZ", "UTC").stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
        let server = Server { side, child };
        wait("it answers", || server.ask(world, Whose::Ours, &["status", "gate"]).contains("Filter"));
        server
    }

    fn ask(&self, world: &World, client: Whose, words: &[&str]) -> String {
        let words = [&["-c", self.side], words].concat();
        self.masked(&seen(&run(world, client, "fail2ban-client", &words, "")))
    }

    /// Without what is this server's own.
    fn masked(&self, said: &str) -> String {
        let said = said.replace(&format!("/{}/", self.side), "/SIDE/");
        said.replace(&format!("under {}", self.side), "under SIDE")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _status = self.child.wait();
    }
}

const TREE: &str = "[DEFAULT]
backend = polling
ignoreself = false
usedns = no
action =
logpath = LOG
enabled = true
bantime = 10m
[door]
filter = door
[gate]
filter = door
[off]
enabled = false
filter = door
";

const SCRIPT: &str = r#"
    ping
    ping 1
    ping x
    version
    echo a "b c"
    server-status
    status
    status door
    status door short
    status nojail
    set door banip 192.0.2.9 2001:DB8::1
    set door banip 192.0.2.9
    set door banip "not an address"
    status door
    banned
    banned 192.0.2.9
    get door banned
    get door banned 192.0.2.9
    get door banip
    get door banip ,
    get door banip --with-time
    set door unbanip 192.0.2.9
    unban --all
    unban
    get door logpath
    get door failregex
    get door ignoreregex
    get door ignoreip
    set door addignoreip 10.0.0.0/8 192.0.2.200
    get door ignoreip
    set door delignoreip 10.0.0.0/8
    get door actions
    get door action nope timeout
    get door maxretry
    set door maxretry 7
    set door maxretry x
    get door findtime
    get door bantime
    get door datepattern
    get door journalmatch
    get door logencoding
    get door usedns
    get door prefregex
    get door ignorecommand
    get door ignorecache
    get door nosuch
    get door
    get
    set
    set door nosuch 1
    set nojail maxretry 5
    get loglevel
    set loglevel NOTICE
    set loglevel BOGUS
    get logtarget
    get syslogsocket
    get dbfile
    get dbmaxmatches
    get dbpurgeage
    flushlogs
    foo
    help
    stats
    -q status
    -t status
    -t -q reload
    --async ping
    start
    -x start
    -f start
    -t start
    reload nojail
    reload --bogus
    reload --if-exists nojail
    reload door gate
    reload --all door
    reload door
    reload
    reload --unban
    reload --all
    reload --restart door
    restart door
    restart --unban door
    restart --if-exists nojail
    restart door gate
    -v --str2sec 5
    add new polling
    add --all
    start door
    start nojail
    stop nojail
    set door idle on
    set door addaction say
    set door addlogpath /nonexistent/log
    get door actions
    server-stream
    config-error x
    status door nosuchflavor
"#;

const LINES: &str = "ping\n\n  status   door \nfoo\necho \"a b\" 'c d' e\\ f\necho \"open\nreload\nreload nojail\nstart\n\
                     status nojail\nexit now\nping 1\nquit\n";

/// A server that hangs is given the time that was asked for, and no more.
#[test]
fn a_busy_server_is_not_waited_for_longer_than_said() {
    if stock().is_none() {
        return;
    }
    let world = World::new();
    let _busy = std::os::unix::net::UnixListener::bind(world.path("busy")).expect("bound");
    world.write("conf/fail2ban.conf", MAIN);
    world.write("conf/jail.conf", "[DEFAULT]\n");
    let mut known = Known::new(&[]);
    for line in ["-s busy ping 0.5", "-s busy start"] {
        let words = [&["-c", "conf"][..], &split(line)].concat();
        let of = |whose| seen(&run(&world, whose, "fail2ban-client", &words, ""));
        known.compare(line, &of(Whose::Ours), &of(Whose::Stock));
    }
    known.judge("faces, a busy server");
}

const MAIN: &str = "[Definition]\nloglevel = INFO\nlogtarget = STDOUT\nsyslogsocket = auto\nallowipv6 = auto\n\
                    pidfile = pid\nsocket = sock\ndbfile = None\ndbpurgeage = 1d\ndbmaxmatches = 10\n";
