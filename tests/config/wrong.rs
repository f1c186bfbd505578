//! What is wrong with a tree: how we call it, and what fail2ban does about it, judged by fail2ban itself.

use std::path::Path;

use jiff::tz::TimeZone;
use sipjail::config::Original::{self, Ignores, SkipsJail, Stops, StopsServer};
use sipjail::config::Severity::{self, Error, Note, Warning};
use sipjail::daemon::prepare;

use crate::judge;
use crate::world::{Files, tree, write};

#[test]
fn each_problem_knows_what_fail2ban_does() {
    if judge::installed().is_none() {
        return;
    }
    let version = judge::version();
    let mut wrong = Vec::new();
    let mut streams = Vec::new();
    let trees = OPTIONS.iter().map(|(line, severity, original)| (*line, *severity, *original, made(line)));
    let more = FILES.iter().map(|(name, severity, original, files)| {
        let dir = tree(&[("jail.conf", GOOD), ("action.d/a.conf", "[Definition]\n")]);
        files.iter().for_each(|(file, text)| write(dir.path(), file, text));
        (*name, *severity, *original, dir)
    });
    let all: Vec<_> = trees.chain(more).collect();
    for (name, severity, original, dir) in &all {
        let stream = judge::stream(dir.path());
        let found = match &stream {
            Err(_) => Some(Stops),
            Ok(stream) if stream.iter().any(|line| line.contains("config-error")) => Some(SkipsJail),
            // Its `-t` sees no more than its `-d`, but for logs that are not there.
            Ok(_) if *original != StopsServer && !judge::accepts(dir.path()) => Some(Stops),
            Ok(_) => None,
        };
        if found.is_none() {
            streams.push((*name, *original, stream.unwrap_or_default()));
        } else if found != Some(*original) {
            wrong.push(format!("{name}: fail2ban {found:?}, expected {original:?}"));
        }
        wrong.extend(ours(dir.path()).filter(|said| *said != (*severity, *original)).map(|(found, said)| {
            format!("{name}: we say {found:?}, fail2ban {said:?}; expected {severity:?}, {original:?}")
        }));
    }
    // Before 1.1 it stopped at this one.
    streams.retain(|(name, ..)| *name != "ignoreip = 10.0.0.1/x" || !version.starts_with("1.0."));
    let given: Vec<_> = streams.iter().map(|(.., stream)| stream.clone()).collect();
    for ((name, original, _), verdict) in streams.iter().zip(judge::server(&given)) {
        let found = if verdict.is_some() { StopsServer } else { Ignores };
        if found != *original {
            wrong.push(format!("{name}: fail2ban's server {found:?} ({verdict:?}), expected {original:?}"));
        }
    }
    assert!(wrong.is_empty(), "fail2ban {version}\n{}", wrong.join("\n"));
    counted!("config: {} wrong trees judged", all.len());
}

#[test]
fn a_sound_tree_has_nothing_that_stops() {
    let dir = tree(&[("jail.conf", GOOD), ("action.d/a.conf", "[Definition]\n")]);
    assert!(ours(dir.path()).all(|said| said == (Note, Ignores)));
}

/// The worst that we say of the jail `j` or of all, where the good jail stays; nothing is said where nothing is wrong.
fn ours(dir: &Path) -> impl Iterator<Item = (Severity, Original)> {
    let config = prepare::prepare(dir, &TimeZone::UTC).config;
    assert!(config.jails.iter().any(|jail| jail.name == "good"), "the good jail has gone: {:?}", config.problems);
    let report = sipjail::cli::check::check(config);
    let concerned = report.problems.into_iter().filter(|problem| problem.jail.as_deref() != Some("good"));
    let problems: Vec<_> = concerned.collect();
    let left_out = report.jails.iter().all(|jail| jail.name != "j");
    let severity = problems.iter().map(|problem| problem.severity).max();
    assert!(severity != Some(Error) || left_out || problems.iter().all(|p| p.jail.is_none()), "{problems:?}");
    let original = problems.iter().map(|problem| problem.fail2ban).max().unwrap_or_default();
    severity.map(|severity| (severity, original)).into_iter()
}

/// A tree whose jail `j` has these lines.
fn made(lines: &str) -> tempfile::TempDir {
    let mut jail = "[DEFAULT]\nlogpath = /dev/null\naction = a\n".to_owned() + GOOD + "[j]\nenabled = true\n";
    if !lines.starts_with("filter") {
        jail += "filter = f\n";
    }
    tree(&[
        ("jail.conf", &(jail + lines + "\n")),
        ("action.d/a.conf", "[Definition]\n"),
        ("filter.d/f.conf", "[Definition]\nfailregex = ^x <HOST>$\npercent = %%\n"),
    ])
}

const GOOD: &str = "[good]\nenabled = true\nlogpath = /dev/null\naction = a\nfilter =\n";

/// Lines of a jail.
const OPTIONS: &[(&str, Severity, Original)] = &[
    ("maxretry = x", Error, StopsServer),
    ("maxretry = 0", Warning, Ignores),
    ("maxmatches = -1", Warning, Ignores),
    ("maxmatches = 1.5", Error, StopsServer),
    ("maxlines = 0", Error, StopsServer),
    ("maxlines = x", Warning, Ignores),
    ("findtime = abc", Error, StopsServer),
    ("findtime = 7 # seconds", Note, Ignores),
    ("findtime = 7 ; seconds", Note, Ignores),
    ("bantime = 7;seconds", Error, StopsServer),
    ("bantime.factor = 2 # twice", Note, Ignores),
    ("bantime.formula = ban.Time # the same", Note, Ignores),
    ("bantime.multipliers = 1 2 # x", Error, StopsServer),
    ("maxretry = 3 # x", Error, StopsServer),
    ("findtime = 0", Warning, Ignores),
    ("findtime =", Error, StopsServer),
    ("bantime = 9;notcomment", Error, StopsServer),
    ("bantime = 0", Warning, Ignores),
    ("bantime.formula = ((", Error, StopsServer),
    ("bantime.formula = ban.Tim", Error, Ignores),
    ("bantime.factor = x", Error, StopsServer),
    ("bantime.multipliers = 1 x", Error, StopsServer),
    ("bantime.multipliers = 1  2", Note, StopsServer),
    ("bantime.maxtime = abc", Error, StopsServer),
    ("bantime.rndtime = abc", Error, StopsServer),
    ("ignoreip = 10.0.0.1/255.0.255.0", Error, StopsServer),
    ("ignoreip = 10.0.0.1/x", Warning, Ignores),
    ("ignoreip = 10.0.0.1/40", Warning, Ignores),
    ("ignoreip = [2001:db8::]/48", Warning, Ignores),
    ("ignorecache = max-count=1", Error, StopsServer),
    ("ignorecache = key=<ip>, max-count=x", Error, StopsServer),
    ("ignorecache = key", Error, StopsServer),
    ("ignoreself = maybe", Warning, Ignores),
    ("logtimezone = Europe/Paris", Error, StopsServer),
    ("logencoding = nope", Error, StopsServer),
    ("backend = nope", Error, StopsServer),
    ("backend = auto[x]", Error, StopsServer),
    ("journalmatch = A=\"1", Warning, Stops),
    ("usedns = perhaps", Warning, Ignores),
    ("logpath = /dev/null bogus", Error, StopsServer),
    ("logpath = /nonexistent", Note, Stops),
    ("logpath =", Warning, Stops),
    ("failregex = (", Error, StopsServer),
    ("failregex = no group", Error, StopsServer),
    ("failregex = <mdre-typo>", Error, StopsServer),
    ("ignoreregex = [", Error, StopsServer),
    ("prefregex = (x", Error, StopsServer),
    ("datepattern = %%Q", Error, StopsServer),
    ("unwrap = zip", Error, Ignores),
    ("maxrety = 3", Warning, Ignores),
    ("bantime = %d", Error, Stops),
    ("bantime = %(none)s", Error, Stops),
    ("bantime = %(bantime)s", Error, Stops),
    ("maxretry = %(DEFAULT/logpath)s", Error, Stops),
    ("datepattern = %(known/percent)s", Error, Stops),
    ("enabled = true", Warning, Stops),
    ("a line alone", Error, Stops),
    ("filter = nosuch", Error, SkipsJail),
    ("filter = f [x=1]", Error, SkipsJail),
    ("filter = f[x]", Error, SkipsJail),
    ("filter = f[x=a]b]", Error, SkipsJail),
    ("filter =", Warning, Ignores),
    ("action = nosuch", Warning, SkipsJail),
    ("action = a [x=1]", Warning, SkipsJail),
    ("action = a[x", Error, SkipsJail),
    ("action = a a", Warning, StopsServer),
    ("action = a a[actname=b]", Note, Ignores),
    ("action =", Warning, Ignores),
];

/// Trees beside the good jail.
const FILES: &[(&str, Severity, Original, Files<'static>)] = &[
    ("a byte order mark", Warning, Stops, &[("jail.local", "\u{feff}[j]\n")]),
    ("no section", Error, Stops, &[("jail.local", "maxretry = 3\n")]),
    ("a section twice", Warning, Stops, &[("jail.local", "[j]\n[good]\n[j]\n")]),
    ("an include without end", Error, Stops, &[("jail.local", "[INCLUDES]\nbefore = %(x)s\n")]),
    ("a jail that is off", Warning, Stops, &[("jail.local", "[j]\nfilter = %(none)s\n")]),
    ("a jail that is off and hardly read", Note, Ignores, &[("jail.local", "[j]\nfindtime = %d\n")]),
    (
        "a filter without sections",
        Error,
        Stops,
        &[("jail.local", "[j]\nenabled=true\nfilter=f\n"), ("filter.d/f.conf", "failregex=x\n")],
    ),
    (
        "a filter that refers to itself",
        Error,
        Stops,
        &[
            ("jail.local", "[j]\nenabled=true\nfilter=f\n"),
            ("filter.d/f.conf", "[Definition]\nfailregex=<failregex>\n"),
        ],
    ),
    (
        "an action that refers to itself",
        Warning,
        Stops,
        &[
            ("jail.local", "[j]\nenabled=true\nfilter=\naction=b\nlogpath=/dev/null\n"),
            ("action.d/b.conf", "[Definition]\nactionban=<actionban>\n"),
        ],
    ),
    (
        "an action that knows no such name",
        Warning,
        Stops,
        &[
            ("jail.local", "[j]\nenabled=true\nfilter=\naction=b\nlogpath=/dev/null\n"),
            ("action.d/b.conf", "[Definition]\nactionban=%(none)s\n"),
        ],
    ),
    ("a log level", Error, Stops, &[("fail2ban.conf", "[Definition]\nloglevel = LOUD\n")]),
    ("a purge age", Error, StopsServer, &[("fail2ban.conf", "[Definition]\ndbpurgeage = soon\n")]),
    ("a number of matches", Error, StopsServer, &[("fail2ban.conf", "[Definition]\ndbmaxmatches = x\n")]),
];
