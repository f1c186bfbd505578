//! The configuration as the list of commands that fail2ban's reader sends to its server: what `fail2ban-client -d`
//! prints, in its order.
//!
//! A jail whose values only the server would refuse stands in it all the same, as it does there.

use std::path::PathBuf;

use indexmap::IndexMap;

use crate::config::ini::is_space;
use crate::config::written::{Sheet, WrittenJail};
use crate::config::{Action, Kind, Written, filter, journal};
use crate::word::{Word, json};

/// One command.
pub type Command = Vec<Word>;

/// Every command. `expand` says which paths a pattern of `logpath` means now.
pub fn stream(written: &Written, expand: &dyn Fn(&str) -> Vec<PathBuf>) -> Vec<Command> {
    let mut stream = Vec::new();
    for name in MAIN {
        let value = written.main.get(name);
        stream.extend(value.map(|value| vec![Word::text("set"), Word::text(name), value.clone()]));
    }
    for WrittenJail { name, sheet } in &written.jails {
        match sheet {
            Ok(sheet) => stream.extend(jail(name, sheet, expand)),
            Err(reason) => {
                let text = format!("Jail '{name}' skipped, because of wrong configuration: {reason}");
                stream.push(words(["config-error", &text]));
            }
        }
    }
    let good = written.jails.iter().filter(|jail| jail.sheet.is_ok());
    stream.extend(good.map(|jail| words(["start", &jail.name])));
    stream
}

/// The daemon's settings, in order.
const MAIN: [&str; 8] =
    ["thread", "syslogsocket", "loglevel", "logtarget", "allowipv6", "dbfile", "dbmaxmatches", "dbpurgeage"];

/// A jail's own options, in order.
const JAIL: [&str; 18] = [
    "maxretry",
    "maxmatches",
    "findtime",
    "bantime",
    "bantime.increment",
    "bantime.factor",
    "bantime.formula",
    "bantime.multipliers",
    "bantime.maxtime",
    "bantime.rndtime",
    "bantime.overalljails",
    "ignorecommand",
    "ignoreself",
    "ignoreip",
    "ignorecache",
    "logtimezone",
    "logencoding",
    "logpath",
];

fn jail(name: &str, sheet: &Sheet, expand: &dyn Fn(&str) -> Vec<PathBuf>) -> Vec<Command> {
    let mut stream = Vec::new();
    let own = sheet.filter.iter().map(|(option, value)| (option.as_str(), value));
    of_filter(&mut stream, name, own);
    of_filter(
        &mut stream,
        name,
        filter::OPTIONS.iter().filter_map(|option| Some((*option, sheet.options.get(*option)?))),
    );
    let mut logs = Vec::new();
    for option in JAIL {
        let Some(value) = sheet.options.get(option) else { continue };
        match option {
            "logpath" if sheet.backend.starts_with("systemd") => {}
            "logpath" => {
                for (pattern, flag) in patterns(&value.plain()) {
                    let found = expand(pattern).into_iter().map(|path| path.display().to_string());
                    logs.extend(found.map(|path| words(["set", name, "addlogpath", &path, flag])));
                }
            }
            "ignoreip" => {
                let text = value.plain();
                let mut command = words(["set", name, "addignoreip"]);
                let blank = |c: char| c == ',' || is_space(c);
                command.extend(text.split(blank).filter(|word| !word.is_empty()).map(Word::text));
                stream.push(command);
            }
            _ => stream.push(set(name, option, value)),
        }
    }
    stream.append(&mut logs);
    stream.extend(sheet.actions.iter().flat_map(|action| commands(name, action)));
    stream.insert(0, words(["add", name, &sheet.backend]));
    stream
}

/// The patterns of a `logpath`, each with where reading begins.
pub fn patterns(logpath: &str) -> impl Iterator<Item = (&str, &str)> {
    logpath.split('\n').map(|line| line.rsplit_once(' ').unwrap_or((line, "head")))
}

/// What decides how a regex is read comes before the regexes: `usedns` first, then `prefregex` and `maxlines`.
fn of_filter<'a>(stream: &mut Vec<Command>, jail: &str, options: impl Iterator<Item = (&'a str, &'a Word)>) {
    let mut early = 0;
    for (option, value) in options.filter(|(_, value)| **value != Word::None) {
        let text = value.plain();
        let lines = text.split('\n').filter(|line| !line.is_empty());
        match option {
            "usedns" | "prefregex" | "maxlines" => {
                stream.insert(if option == "usedns" { 0 } else { early }, set(jail, option, value));
                early += 1;
            }
            "failregex" | "ignoreregex" => {
                let lines: Vec<Word> = lines.map(Word::text).collect();
                let add = format!("add{option}");
                match lines.as_slice() {
                    [] => {}
                    [line] => stream.push(set(jail, &add, line)),
                    _ => stream.push([words(["multi-set", jail, &add]), vec![Word::List(lines)]].concat()),
                }
            }
            "journalmatch" => {
                for split in lines.filter_map(|line| journal::words(line).ok()) {
                    let mut command = words(["set", jail, "addjournalmatch"]);
                    command.extend(split.into_iter().map(Word::Text));
                    stream.push(command);
                }
            }
            "datepattern" => stream.push(set(jail, option, value)),
            _ => {}
        }
    }
}

fn commands(jail: &str, action: &Action) -> Vec<Command> {
    let add = words(["set", jail, "addaction", &action.name]);
    let none = IndexMap::new();
    let (commands, properties) = match &action.kind {
        Kind::Own { properties, .. } => (&none, properties),
        Kind::Python { path, parameters } => {
            let given = json(parameters.iter().map(|(name, text)| (name.as_str(), text.as_str())));
            return vec![[add, words([path, &given])].concat()];
        }
        Kind::Commands { commands, properties } => (commands, properties),
    };
    let commands = commands.iter().map(|(name, value)| vec![Word::text(name), value.clone()]);
    let properties = properties.iter().map(|(name, text)| words([name, text]));
    let pairs: Vec<Command> = commands.chain(properties).collect();
    let head = |first| words([first, jail, "action", &action.name]);
    let all = match pairs.as_slice() {
        [pair] => [head("set"), pair.clone()].concat(),
        _ => [head("multi-set"), vec![Word::List(pairs.into_iter().map(Word::List).collect())]].concat(),
    };
    vec![add, all]
}

fn set(jail: &str, option: &str, value: &Word) -> Command {
    [words(["set", jail, option]), vec![value.clone()]].concat()
}

fn words<const N: usize>(texts: [&str; N]) -> Command {
    texts.map(Word::text).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::config;

    fn read(jail: &str) -> Vec<String> {
        let dir = tempfile::tempdir().expect("a directory");
        std::fs::write(dir.path().join("jail.conf"), jail).expect("a file");
        let written = config::load(dir.path()).written;
        let expand = |pattern: &str| vec![PathBuf::from(pattern.replace('*', "1"))];
        let said = stream(&written, &expand).into_iter().map(|command| Word::List(command).to_string());
        said.filter(|line| line.contains("'j'")).collect()
    }

    #[test]
    fn a_jail_comes_in_the_order_of_the_original() {
        let said = read(
            "[j]\nenabled = yes\nfilter =\nlogpath = /a\n  /b* tail\naction = ipset[port=\"1,2\"]\nmaxlines = 2\nmaxretry = 0_7\n\
             failregex = a\n  b\nignoreip = 1.1.1.1, ::1\njournalmatch = A=1 + B=\"x y\"\nusedns = no\nignoreself = maybe\n\
             bantime.factor = 1\n",
        );
        let expected = [
            "['add', 'j', 'auto']",
            "['set', 'j', 'usedns', 'no']",
            "['set', 'j', 'maxlines', 2]",
            "['multi-set', 'j', 'addfailregex', ['a', 'b']]",
            "['set', 'j', 'addjournalmatch', 'A=1', '+', 'B=x y']",
            "['set', 'j', 'maxretry', 7]",
            "['set', 'j', 'bantime.factor', '1']",
            "['set', 'j', 'ignoreself', False]",
            "['set', 'j', 'addignoreip', '1.1.1.1', '::1']",
            "['set', 'j', 'addlogpath', '/a', 'head']",
            "['set', 'j', 'addlogpath', '/b1', 'tail']",
            "['set', 'j', 'addaction', 'ipset']",
            "['multi-set', 'j', 'action', 'ipset', [['port', '1,2'], ['name', 'j'], ['actname', 'ipset']]]",
            "['start', 'j']",
        ];
        assert_eq!(said, expected);
    }

    #[test]
    fn a_jail_that_is_left_out_says_why() {
        let said = read("[j]\nenabled = yes\nfilter = nosuch\n");
        let why = "Jail 'j' skipped, because of wrong configuration: Unable to read the filter 'nosuch'";
        assert_eq!(said, [format!("['config-error', \"{why}\"]")]);
    }
}
