//! The stream of commands, compared line by line.

use std::fs;
use std::path::Path;

use sipjail::cli::check;
use sipjail::config::{self, Config, JailSettings, Main, Spanned, Written};
use sipjail::time::{Bantime, Span};
use sipjail::word::Word;

use crate::judge;
use crate::trees::SOUND;
use crate::world::{copy, tree, write};

#[test]
fn every_jail_filter_and_action_of_the_original_reads_the_same() {
    let Some(installed) = judge::installed() else { return };
    let mut count = Count::default();
    let stock = copy(&installed);
    write(stock.path(), "jail.local", "[DEFAULT]\nenabled = true\n");
    count.compare("stock", stock.path());
    assert!(count.jails >= 80, "{count:?}");
    let ours = config::load(stock.path()).problems;
    assert!(ours.iter().all(|problem| problem.severity < config::Severity::Error), "{ours:?}");

    let dir = copy(&installed);
    let _none = fs::remove_dir_all(dir.path().join("jail.d"));
    write(dir.path(), "jail.conf", every(&installed));
    count.compare("every filter and action", dir.path());
    count.judge(2, 500);
}

#[test]
fn hostile_trees_read_the_same() {
    if judge::installed().is_none() {
        return;
    }
    let mut count = Count::default();
    for (name, files) in SOUND {
        count.compare(name, tree(files).path());
    }
    let latin = tree(&[
        ("jail.conf", "[INCLUDES]\nbefore = latin.conf\n[j]\nenabled = 1\nfilter = f\nlogpath = /dev/null\naction =\n"),
        ("filter.d/f.conf", "[INCLUDES]\nafter = latin.conf\n[Definition]\nfailregex = a\n"),
    ]);
    write(latin.path(), "latin.conf", b"[j]\nmaxretry = 9 ; \xe9\n");
    write(latin.path(), "filter.d/latin.conf", b"[Definition]\nfailregex = \xff\n");
    count.compare("an include in another encoding", latin.path());
    let filter = "[Definition]\nfailregex = a\n";
    let action = "[Definition]\nactionban = b\n";
    let layers = tree(&[
        ("jail.conf", "[DEFAULT]\nenabled = 1\nlogpath = /dev/null\naction = a\n[j]\nfilter = f\n[k]\nfilter = g\n"),
        ("filter.d/f.conf", filter),
        ("filter.d/g.local", filter),
        ("action.d/a.conf", action),
    ]);
    for path in ["filter.d/f.local", "filter.d/f.d/x.conf", "filter.d/g.conf", "action.d/a.local", "jail.local"] {
        write(layers.path(), path, b"[Definition]\nfailregex = \xff\n");
    }
    count.compare("layers in another encoding", layers.path());
    count.judge(40, 100);
}

#[test]
fn the_stream_is_printed_one_command_a_line() {
    let dir = tree(&[("jail.conf", "[j]\nenabled = 1\nfilter =\naction = ipset\n")]);
    let run = || assert_cmd::Command::new(env!("CARGO_BIN_EXE_sipjail"));
    let printed = run().arg("-c").arg(dir.path()).args(["check", "--dump"]).output().expect("it runs").stdout;
    let printed = String::from_utf8(printed).expect("it is text");
    assert!(printed.ends_with("['start', 'j']\n"), "{printed}");
    let json = run().arg("-c").arg(dir.path()).args(["check", "--dump", "--format=json"]).output().expect("it runs");
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).expect("it is JSON");
    assert!(json.as_array().is_some_and(|list| list.contains(&serde_json::json!(["add", "j", "auto"]))), "{json}");
}

/// What differs and why.
struct Known {
    /// The trees, by how their names begin.
    tree: &'static str,
    /// The versions, likewise.
    versions: &'static [&'static str],
    /// Something that the line holds.
    line: &'static str,
    /// What fail2ban says, and what we say in its place; a line of which nothing is left is gone.
    says: &'static [(&'static str, &'static str)],
    /// Why.
    reason: &'static str,
}

/// Every known difference; one that is gone fails as well.
const KNOWN: &[Known] = &[
    Known {
        tree: "a parameter that is part of a longer name",
        versions: &["1.0.", "1.1.0"],
        line: "",
        says: &[("['set', 'j', 'date', '1']", ""), ("['set', 'j', 'patter', '2']", "")],
        reason: "each parameter whose name is part of the word `datepattern` becomes a command, at which the server stops",
    },
    Known {
        tree: "known values of a section that came once or twice",
        versions: &["1.0.", "1.1.0"],
        line: "",
        says: &[("['set', 'k', 'a', '']", ""), ("['set', 'k', 'd', '']", "")],
        reason: "the same: `a` and `d` are part of `datepattern`",
    },
    Known {
        tree: "ignored words behind a tab",
        versions: &["1.0."],
        line: "",
        says: &[(r"'10.0.0.0/8\t::1'", "'10.0.0.0/8', '::1'")],
        reason: "since 1.1 words are split at every blank",
    },
    Known {
        tree: "a parameter under a condition",
        versions: &["1.0.", "1.1.0"],
        line: "",
        says: &[("['block?family=inet6', '6']", "['block?family=inet6', 'P']")],
        reason: "since 1.1.1 what the jail gives holds for IPv6 too, which is what one who writes it means",
    },
    Known {
        tree: "stock",
        versions: &["1.0."],
        line: "'pass2allow-ftp', 'action'",
        says: &[(
            "['blocktype?family=inet6', 'REJECT --reject-with icmp6-port-unreachable']",
            "['blocktype?family=inet6', 'RETURN']",
        )],
        reason: "the same: a jail that lets somebody in would shut him out over IPv6",
    },
];

#[derive(Debug, Default)]
struct Count {
    trees: usize,
    jails: usize,
    values: usize,
    wrong: Vec<String>,
}

impl Count {
    fn compare(&mut self, name: &str, dir: &Path) {
        let theirs = match judge::stream(dir) {
            Ok(theirs) => theirs,
            Err(said) => return self.wrong.push(format!("{name}: fail2ban refuses it: {said}")),
        };
        let Config { jails, written, .. } = config::load_with(dir, Main::fail2ban());
        self.wrong.extend(jails.iter().flat_map(|jail| unlike(jail, &written)).map(|said| format!("{name}: {said}")));
        let commands = check::dump(&written);
        self.trees += 1;
        self.jails += written.jails.len();
        self.values += commands.iter().map(leaves).sum::<usize>();
        let shown = |line: &str| line.replace(&dir.display().to_string(), "DIR");
        let ours = in_order(commands.iter().map(|word| shown(&word.to_string())));
        let mut theirs = in_order(theirs.iter().map(|line| shown(line)));
        let version = judge::version();
        let here = |known: &&Known| {
            name.starts_with(known.tree) && known.versions.iter().any(|begin| version.starts_with(begin))
        };
        for Known { line, says, reason, .. } in KNOWN.iter().filter(here) {
            for (said, instead) in *says {
                let Some(text) = theirs.iter_mut().find(|text| text.contains(line) && text.contains(said)) else {
                    self.wrong.push(format!("{name}: fail2ban does not say {said} any more ({reason})"));
                    continue;
                };
                *text = text.replace(said, instead);
            }
            theirs.retain(|line| !line.is_empty());
        }
        if let Some(at) = (0..ours.len().max(theirs.len())).find(|at| ours.get(*at) != theirs.get(*at)) {
            self.wrong.push(format!("{name}: line {at}\n   ours: {:?}\n theirs: {:?}", ours.get(at), theirs.get(at)));
        }
    }

    fn judge(self, trees: usize, jails: usize) {
        assert!(self.wrong.is_empty(), "{}", self.wrong.join("\n"));
        assert!(self.trees >= trees && self.jails >= jails, "{self:?}");
        counted!("config: {} trees, {} jails, {} values compared", self.trees, self.jails, self.values);
    }
}

/// Where a jail would not run as its commands say.
fn unlike(jail: &JailSettings, written: &Written) -> Vec<String> {
    let JailSettings { name, filter, .. } = jail;
    let Some(Ok(sheet)) = written.jails.iter().find(|found| found.name == *name).map(|found| &found.sheet) else {
        return Vec::new();
    };
    let own = |option: &str| sheet.options.get(option).filter(|word| **word != Word::None);
    let of_filter = |option: &str| sheet.filter.iter().find(|(name, _)| name == option).map(|(_, word)| word);
    let both = |option: &str| -> Vec<String> {
        let words = [of_filter(option), own(option)].into_iter().flatten().map(Word::plain);
        words.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>()).filter(|l| !l.is_empty()).collect()
    };
    let last = |option: &str| of_filter(option).or(own(option)).map(Word::plain).filter(|text| !text.is_empty());
    let texts = |list: &[Spanned]| list.iter().map(|text| text.text.clone()).collect::<Vec<_>>();
    let plain = |option: &str| own(option).map(Word::plain);
    let same = [
        ("failregex", texts(&filter.failregex) == both("failregex")),
        ("ignoreregex", texts(&filter.ignoreregex) == both("ignoreregex")),
        ("prefregex", filter.prefregex.as_ref().map(|text| text.text.clone()) == last("prefregex")),
        ("maxlines", last("maxlines").is_none_or(|text| text == filter.maxlines.to_string() || text == "None")),
        ("journalmatch", texts(&filter.journalmatch) == both("journalmatch")),
        (
            "maxretry",
            plain("maxretry").is_none_or(|n| {
                n.parse().is_ok_and(|n: i64| n.clamp(1, i64::from(u32::MAX)) == i64::from(jail.maxretry))
            }),
        ),
        ("findtime", plain("findtime").is_none_or(|text| Span::parse(&text) == Ok(jail.findtime))),
        ("bantime", plain("bantime").is_none_or(|text| Bantime::parse(&text) == Ok(jail.bantime))),
        ("ignoreip", own("ignoreip").is_some() || jail.ignore.list.is_empty()),
        ("action", sheet.actions.len() == jail.actions.len()),
    ];
    same.iter()
        .filter(|(_, same)| !same)
        .map(|(option, _)| format!("jail `{name}` runs with another `{option}`"))
        .collect()
}

/// The values in a command, those in lists one by one.
fn leaves(word: &Word) -> usize {
    match word {
        Word::List(words) => words.iter().map(leaves).sum(),
        _ => 1,
    }
}

/// The logs of a jail sorted: the order of what a pattern matches is not promised.
fn in_order(lines: impl Iterator<Item = String>) -> Vec<String> {
    let mut lines: Vec<String> = lines.collect();
    let log = |line: &String| line.contains("'addlogpath'");
    for run in lines.chunk_by_mut(|a, b| log(a) && log(b)) {
        run.sort();
    }
    lines
}

/// A jail for every filter in every mode and log type, with and without parameters, and one for every action.
fn every(installed: &Path) -> String {
    let mut text =
        "[DEFAULT]\nbackend = polling\naction =\nusedns = no\nlogpath = /dev/null\nenabled = true\n".to_owned();
    let mode = regex::Regex::new(r"(?m)^(?:_?mdre|cmnfailre|failre)[\w-]*?-(\w+)\s*=").expect("it is well formed");
    let whole = |name: &String| !name.ends_with("common");
    for name in names(&installed.join("filter.d")).into_iter().filter(whole) {
        let source = fs::read_to_string(installed.join(format!("filter.d/{name}.conf"))).expect("it can be read");
        let mut variants = vec![
            "logtype=short".to_owned(),
            "logtype=rfc5424".to_owned(),
            "logtype=bogus, mode=bogus".to_owned(),
            "_daemon=x, __prefix_line=\"P \"".to_owned(),
            "failregex=\"^<__prefix_line>x <HOST>\", maxlines=3".to_owned(),
            "datepattern=\"%%Y-%%m\"".to_owned(),
        ];
        variants.extend(mode.captures_iter(&source).map(|found| format!("mode={}", &found[1])));
        for (at, variant) in variants.iter().enumerate() {
            text += &format!("[{name}-{at}]\nfilter = {name}[{variant}]\n");
        }
        text += &format!("[{name}]\nfilter = {name}\nbackend = systemd[journalflags=1]\n");
    }
    for name in names(&installed.join("action.d")) {
        let two = format!("{name}[port=\"1,2\", chain=X] {name}[name=%(__name__)s-x, bantime=7]");
        text += &format!("[action-{name}]\nfilter =\naction = {two}\n");
    }
    text
}

/// The files of a folder, without extension.
fn names(folder: &Path) -> Vec<String> {
    let files = folder.read_dir().expect("it can be read").flatten();
    let names = files.filter_map(|file| Some(file.file_name().to_str()?.strip_suffix(".conf")?.to_owned()));
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}
