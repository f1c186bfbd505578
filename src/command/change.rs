//! One change of a jail's settings, in fail2ban's grammar: a word of `set JAIL …` or of a command stream.
//!
//! Nothing happens to a jail that runs: the settings that result are taken on by whoever asked for them.

use super::action;
use crate::config::ini::Options;
use crate::config::settings::Values;
use crate::config::value::Value;
use crate::config::{FilterSettings, IgnoreItem, JailSettings, LogPath, Problem, Severity, Spanned, ignore, number};
use crate::error::{Error, Kind};
use crate::time::{Bantime, Span};

/// What can be changed.
pub const OPTIONS: [&str; 34] = [
    "action",
    "addaction",
    "addfailregex",
    "addignoreip",
    "addignoreregex",
    "addjournalmatch",
    "addlogpath",
    "bantime",
    "bantime.factor",
    "bantime.formula",
    "bantime.increment",
    "bantime.maxtime",
    "bantime.multipliers",
    "bantime.overalljails",
    "bantime.rndtime",
    "datepattern",
    "delaction",
    "delfailregex",
    "delignoreip",
    "delignoreregex",
    "deljournalmatch",
    "dellogpath",
    "findtime",
    "ignorecache",
    "ignorecommand",
    "ignoreself",
    "logencoding",
    "logtimezone",
    "maxlines",
    "maxmatches",
    "maxretry",
    "prefregex",
    "unwrap",
    "usedns",
];

/// Those that concern how a log is read, and what is a failure in it.
pub const OF_READING: [&str; 16] = [
    "addfailregex",
    "addignoreregex",
    "addjournalmatch",
    "addlogpath",
    "datepattern",
    "delfailregex",
    "delignoreregex",
    "deljournalmatch",
    "dellogpath",
    "findtime",
    "logencoding",
    "logtimezone",
    "maxlines",
    "prefregex",
    "unwrap",
    "usedns",
];

/// Takes on one change. What should be known of it although it can be done goes into `said`.
pub fn change(jail: &mut JailSettings, option: &str, values: &[&str], said: &mut Vec<Problem>) -> Result<(), Error> {
    match option {
        "addignoreip" => return ignore_more(jail, values, said),
        "addjournalmatch" | "deljournalmatch" => return journalmatch(jail, option, values, said),
        "addlogpath" => return logpath(jail, values),
        "addfailregex" | "addignoreregex" if !values.is_empty() => {
            regexes(&mut jail.filter, option).extend(values.iter().map(|regex| Spanned::bare(*regex)));
            return Ok(());
        }
        "addaction" | "delaction" | "action" => return action::change(&mut jail.actions, option, values),
        _ => {}
    }
    let missing = || bad(format!("`{option}` wants a value"));
    let value = *values.first().ok_or_else(missing)?;
    let options = Options::from_iter([(option.to_owned(), Value::bare(value))]);
    let name = jail.name.clone();
    let mut read = Values::new(&options, &name);
    match option {
        "maxretry" => jail.maxretry = whole(option, value)?,
        "maxmatches" => jail.maxmatches = whole(option, value)?,
        "maxlines" => {
            let lines = whole::<i64>(option, value)?;
            let lines = usize::try_from(lines).ok().filter(|lines| *lines > 0);
            jail.filter.maxlines = lines.ok_or_else(|| bad("maxlines must be integer greater than zero".to_owned()))?;
        }
        "findtime" => jail.findtime = Span::parse(value).map_err(|e| bad(e.to_string()))?,
        "bantime" => jail.bantime = Bantime::parse(value).map_err(|e| bad(e.to_string()))?,
        "ignoreself" => jail.ignore.myself = number::truth(value).0,
        "ignorecommand" => jail.ignore.command = Some(value.to_owned()),
        "ignorecache" => jail.ignore.cache = ignore::cache(&Value::bare(value)).map_err(bad)?,
        "delignoreip" => {
            let item = IgnoreItem::parse(value).map_err(bad)?;
            let at = jail.ignore.list.iter().position(|known| *known == item);
            jail.ignore.list.remove(at.ok_or_else(|| bad(format!("`{value}` is not in `ignoreip`")))?);
        }
        "dellogpath" => jail.logpath.retain(|path| path.pattern != value),
        "delfailregex" | "delignoreregex" => {
            let at: i64 = whole(option, value)?;
            let list = regexes(&mut jail.filter, option);
            // As in a list of Python's, -1 is the last one.
            let at = if at < 0 { at + i64::try_from(list.len()).unwrap_or(0) } else { at };
            match usize::try_from(at).ok().filter(|at| *at < list.len()) {
                Some(at) => drop(list.remove(at)),
                None => said.push(note(
                    Severity::Error,
                    format!("Cannot remove regular expression. Index {value} is not valid"),
                )),
            }
        }
        "prefregex" => jail.filter.prefregex = Some(Spanned::bare(value)).filter(|regex| !regex.text.is_empty()),
        "datepattern" => {
            jail.filter.datepattern = Value::bare(value).lines().collect();
        }
        "usedns" => jail.usedns = read.usedns(&Value::bare(value)),
        "logencoding" => jail.logencoding = value.to_owned(),
        "logtimezone" => jail.logtimezone = read.logtimezone(),
        "unwrap" => jail.unwrap = read.unwrap(),
        option if option.starts_with("bantime.") => grow(jail, option, &mut read),
        option => return Err(Error::unknown("option to set", option, &OPTIONS.map(str::to_owned))),
    }
    judge(read.problems, said)
}

fn grow(jail: &mut JailSettings, option: &str, read: &mut Values<'_>) {
    let (read, into) = (read.increment(), &mut jail.increment);
    match option {
        "bantime.increment" => into.enabled = read.enabled,
        "bantime.factor" => into.factor = read.factor,
        "bantime.formula" => into.formula = read.formula,
        "bantime.multipliers" => into.multipliers = read.multipliers,
        "bantime.maxtime" => into.maxtime = read.maxtime,
        "bantime.rndtime" => into.rndtime = read.rndtime,
        _ => into.overalljails = read.overalljails,
    }
}

fn ignore_more(jail: &mut JailSettings, values: &[&str], said: &mut Vec<Problem>) -> Result<(), Error> {
    let mut problems = Vec::new();
    let items = ignore::list(&Value::bare(values.join(" ")), &mut problems);
    judge(problems, said)?;
    for item in items {
        if !jail.ignore.list.contains(&item) {
            jail.ignore.list.push(item);
        }
    }
    Ok(())
}

/// Only where the journal is read; the words of one command are one line.
fn journalmatch(jail: &mut JailSettings, option: &str, values: &[&str], said: &mut Vec<Problem>) -> Result<(), Error> {
    if !jail.backend.to_lowercase().starts_with("systemd") {
        return Ok(());
    }
    let quoted = |word: &&str| if *word == "+" { "+".to_owned() } else { format!("'{}'", word.replace('\'', "'\\''")) };
    let line = values.iter().map(quoted).collect::<Vec<_>>().join(" ");
    let mut lines = jail.filter.journalmatch.clone();
    match option {
        "addjournalmatch" => lines.push(Spanned::bare(line)),
        _ if values.is_empty() => lines.clear(),
        _ => lines.retain(|known| known.text != line),
    }
    let options = Options::default();
    let mut read = Values::new(&options, &jail.name);
    let journal = read.backend(&Value::bare(&jail.backend), &lines);
    judge(read.problems, said)?;
    jail.filter.journalmatch = lines;
    jail.journal = journal;
    Ok(())
}

fn logpath(jail: &mut JailSettings, values: &[&str]) -> Result<(), Error> {
    let [path, rest @ ..] = values else { return Err(bad("`addlogpath` wants a path".to_owned())) };
    let tail = match rest {
        [] | ["head", ..] => false,
        ["tail", ..] => true,
        _ => return Err(bad("File option must be 'head' or 'tail'".to_owned())),
    };
    if !jail.logpath.iter().any(|known| known.pattern == *path) {
        jail.logpath.push(LogPath { pattern: (*path).to_owned(), tail, also: false });
    }
    Ok(())
}

fn regexes<'a>(filter: &'a mut FilterSettings, option: &str) -> &'a mut Vec<Spanned> {
    if option.ends_with("failregex") { &mut filter.failregex } else { &mut filter.ignoreregex }
}

/// The first error stops it; the rest is to be said.
fn judge(problems: Vec<Problem>, said: &mut Vec<Problem>) -> Result<(), Error> {
    if let Some(problem) = problems.iter().find(|problem| problem.severity == Severity::Error) {
        return Err(refused(problem));
    }
    said.extend(problems);
    Ok(())
}

/// A problem as the reason why something is not done.
pub fn refused(problem: &Problem) -> Error {
    let error = bad(problem.message.clone());
    match &problem.hint {
        Some(hint) => error.hint(hint.clone()),
        None => error,
    }
}

fn note(severity: Severity, message: String) -> Problem {
    Problem::new(severity, crate::config::Origin::default(), message)
}

fn bad(message: String) -> Error {
    Error::new(Kind::Usage, message)
}

fn whole<T: TryFrom<i64>>(option: &str, text: &str) -> Result<T, Error> {
    let wrong = || bad(format!("`{option}` has to be a whole number, not `{text}`"));
    number::int(text).and_then(|n| T::try_from(n).ok()).ok_or_else(wrong)
}
