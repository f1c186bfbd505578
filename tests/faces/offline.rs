//! What needs no server: options, the command stream, the test of a configuration, lengths of time.

use crate::common::World;
use crate::program::{Known, Whose, run, seen, split, stock};

#[test]
fn what_needs_no_server_is_the_same() {
    if stock().is_none() {
        return;
    }
    let world = world();
    let mut known = Known::new(KNOWN);
    for line in SCRIPT.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let words = split(line);
        let (program, words) = words.split_first().expect("it names a program");
        let program = format!("fail2ban-{program}");
        let of = |whose| seen(&run(&world, whose, &program, words, ""));
        known.compare(line, &of(Whose::Ours), &of(Whose::Stock));
    }
    known.judge("faces, no server");
}

/// Trees with one thing wrong each, beside a good one.
fn world() -> World {
    let world = World::new();
    world.write("empty.log", "");
    let log = world.path("empty.log").display().to_string();
    for (name, main, jails) in TREES {
        let own = |what: &str| world.path(&format!("{name}/{what}")).display().to_string();
        if !main.is_empty() {
            let main = main.replace("SOCK", &own("sock")).replace("PID", &own("pid")).replace("LOG", &own("log"));
            world.write(&format!("{name}/fail2ban.conf"), &main);
        }
        if !jails.is_empty() {
            world.write(&format!("{name}/jail.conf"), &jails.replace("LOG", &log));
        }
        world.write(&format!("{name}/filter.d/door.conf"), "[Definition]\nfailregex = ^knock from <HOST>$\n");
        let long = "long line of words ".repeat(80);
        world.write(&format!("{name}/action.d/say.conf"), &format!("[Definition]\nactionban = echo <ip>\n  {long}\n"));
    }
    std::os::unix::net::UnixListener::bind(world.path("stale")).expect("bound, and left behind");
    world.write("plain", "");
    world
}

const MAIN: &str = "[DEFAULT]\nloglevel = INFO\nlogtarget = LOG\nsyslogsocket = auto\nallowipv6 = auto\nsocket = SOCK\n\
                    pidfile = PID\ndbfile = None\ndbpurgeage = 1d\ndbmaxmatches = 10\n[Definition]\n";

const DOOR: &str = "[DEFAULT]\nbackend = polling\naction =\nlogpath = LOG\nenabled = true\n[door]\nfilter = door\n";

const TREES: &[(&str, &str, &str)] = &[
    ("good", MAIN, DOOR),
    (
        "many",
        MAIN,
        "[DEFAULT]\nbackend = polling\nlogpath = LOG\nenabled = true\nusedns = no\n[a]\nfilter = door\naction = say\n\
         [b]\nfilter =\naction = say[x=1]\n   say[actname=two, y=\"a,b\"]\nfailregex = one <HOST>\n   two <HOST>\n\
         [off]\nfilter = door\nenabled = false\n",
    ),
    (
        "skipped",
        MAIN,
        "[DEFAULT]\nbackend = polling\naction =\nlogpath = LOG\nenabled = true\n[x]\nfilter = nosuch\n\
         [y]\nfilter = door\naction = nosuch\n[z]\nfilter =\nfailregex = a<HOST>\n",
    ),
    (
        "nolog",
        MAIN,
        "[DEFAULT]\nbackend = polling\naction =\nenabled = true\n[x]\nfilter = door\nlogpath = /nonexistent/log\n\
         [y]\nfilter = door\nlogpath = LOG\n",
    ),
    (
        "terse",
        MAIN,
        "[a]\nenabled = true\nfilter = door\nlogpath = LOG\n[b]\nlogpath = x\n[c]\nenabled = true\n[d]\nenabled = true\n\
         filter = nosuch\n[e]\nenabled = true\nfilter = door\naction = nosuch\nbackend = auto\nlogpath = LOG\n",
    ),
    ("broken", MAIN, "[broken\n"),
    ("nojail", MAIN, ""),
    ("level", "[Definition]\nloglevel = BOGUS\nsocket = SOCK\n", DOOR),
    ("bare", "[Definition]\nsocket = SOCK\n", DOOR),
    ("section", "[DEFAULT]\nsocket = SOCK\n", DOOR),
    ("main", "[Definition\n", DOOR),
];

const SCRIPT: &str = r#"
    client
    client -h
    client --help
    client -c good
    client -c good -x
    client -c good -h status
    client --bogus
    client -Z
    client -c
    client --t ping
    client --log x ping
    client --help=3
    client -V
    client --version
    client -c good -V status
    client --dump-pretty --version
    client -c /nonexistent status
    client -c /nonexistent -t
    client -c /nonexistent -d
    client -c /nonexistent -s x -p y --loglevel INFO --logtarget STDOUT --syslogsocket auto status
    client -c /nonexistent -s x -p y --loglevel INFO --logtarget STDOUT --syslogsocket auto -d
    client -c good --loglevel BOGUS ping
    client -c good --loglevel 15 ping
    client -c level status
    client -c level -d
    client -c main -t
    client -c bare -d
    client -c bare ping
    client -c bare -s x --loglevel INFO ping
    client -c section ping
    client --str2sec 1d12h
    client --str2sec 1mo
    client --str2sec 1y
    client --str2sec 1d-1h
    client --str2sec "1h 30m" status
    client --str2sec=-1
    client --str2sec 6/2
    client --str2sec 10.5
    client --str2sec 10M
    client --str2sec 2weeks
    client --str2sec foo
    client --str2sec a.b
    client --str2sec 1x
    client --str2sec 1/0
    client --str2sec "1 +"
    client --str2sec
    client --str2sec 1s --str2sec 2s
    client --timeout x ping
    client -c good --time 1 ping
    client -c good -d
    client -c good --dp
    client -c good -d status
    client -c good -t
    client -c good -qt
    client -c good -t -d
    client -c good -t status
    client -c good -i -d
    client -c many -d
    client -c many --dp
    client -c many --dump-pretty
    client -c many -t
    client -c skipped -d
    client -c skipped -t
    client -c skipped -q -t
    client -c skipped -t -d
    client -c skipped -t start
    client -c nolog -d
    client -c nolog -t
    client -c nolog -t -d
    client -c nolog start
    client -c nolog -x start
    client -c terse -d
    client -c terse -t
    client -c broken -t
    client -c broken -d
    client -c broken start
    client -c nojail -t
    client -c nojail -d
    client -d
    client --dp
    client -c good status
    client -c good ping
    client -c good ping 1
    client -c good reload
    client -c good reload a b
    client -c good reload door --unban
    client -c good reload --all door
    client -c good restart door
    client -c good restart --unban --if-exists
    client -c good stop
    client -c good stop door
    client -c good start door
    client -c good help
    client -c good ""
    client -c good -- ping
    client -c good -vq ping
    client -c good -v ping
    client -c good -i status
    client -c good -i
    client -c good -s stale ping
    client -c good -s stale status
    client -c good -s stale ping x
    client -c good -s stale start
    client -c good -s stale stop
    client -c good -s stale reload
    client -c good -s stale restart
    client -c good -s plain ping
    client -c good -s plain status
    client -c good -s good ping
    client -c good -s good start
    client -c good -s/nonexistent/dir/sock ping
    server -h
    server --bogus
    server -V
    server --version
    server -c good -t
    server -c good -d
    server -c good status
    server -c good reload
    server -c good -s stale start
    server -c good -s stale -f start
    server -c good -s stale -f
    server -c /nonexistent -f start
    server -c /nonexistent status
    server --str2sec 5m
    server -c level start
    server -c nolog -b start
"#;

/// What differs, and why.
const KNOWN: &[(&str, &str)] = &[
    ("client -c main -t", "a mistake is shown in our words: the place, what is wrong, what to do"),
    ("client -c broken -t", "the same"),
    ("client -c broken -d", "the same"),
    ("client -c broken start", "the same"),
    ("client --str2sec 1x", "a time text is no Python, so the message is ours"),
    ("client --str2sec 1/0", "the same"),
    ("client --str2sec \"1 +\"", "the same"),
    ("client -c good -v ping", "what is read in which order is fail2ban's own affair"),
    ("client -c good -i", "the greeting is ours"),
];
