//! A jail's options, one by one, from text to the types of [`JailSettings`](super::JailSettings).

use std::sync::Arc;

use super::events::{Protocol, Server, Servers};
use super::ini::Options;
use super::number::{int, truth};
use super::value::Value;
use super::{
    CountBy, FilterSettings, Ignore, Increment, Journal, LogPath, Origin, Original, Problem, Severity, Spanned, Spread,
    Trust, UseDns, brackets, ignore,
};
use crate::addr::Subnet;
use crate::expr::{Expr, ExprError};
use crate::line::{Neighbours, Unwrap};
use crate::time::{Bantime, Span};
use crate::zone;

/// The options of one jail, and what is found wrong while they are read. An error leaves the jail out, so what stands
/// in for a bad value never matters.
pub struct Values<'a> {
    options: &'a Options,
    jail: &'a str,
    /// What was found.
    pub problems: Vec<Problem>,
}

impl<'a> Values<'a> {
    /// Of the jail of this name.
    pub fn new(options: &'a Options, jail: &'a str) -> Values<'a> {
        Values { options, jail, problems: Vec::new() }
    }

    /// An option's text.
    pub fn text(&self, option: &str) -> Option<&'a str> {
        self.options.get(option).map(Value::text)
    }

    /// A doubt about a place.
    pub fn warn(&mut self, origin: &Origin, message: &str, hint: Option<&str>) {
        self.report(Severity::Warning, origin.clone(), message.to_owned(), hint);
    }

    /// The way of reading: fail2ban's words, with or without parameters. `systemd` asks the journal for `journalmatch`.
    pub fn backend(&mut self, backend: &Value, journalmatch: &[Spanned]) -> Option<Journal> {
        let read = match brackets::parse(backend.text()) {
            Ok(read) => read,
            Err((_, wrong)) => {
                self.report(Severity::Error, backend.origin(), format!("`backend`: {wrong}"), None);
                return None;
            }
        };
        let name = read.name.to_lowercase();
        if name == "systemd" {
            let (journal, problems) = Journal::read(backend, &read, journalmatch);
            self.problems.extend(problems.into_iter().map(|problem| problem.of_jail(self.jail)));
            return Some(journal);
        }
        if name == "gamin" {
            let message = "`gamin` is gone since fail2ban 1.1; the log is read as with `auto`";
            self.warn(&backend.origin(), message, None);
        } else if !BACKENDS.contains(&name.as_str()) && Protocol::parse(&name).is_none() {
            let hint = "one of `auto`, `polling`, `pyinotify`, `systemd`, `ami`, `esl`";
            let message = format!("there is no backend `{}`", backend.text());
            self.report(Severity::Error, backend.origin(), message, Some(hint));
        }
        None
    }

    /// The events that the backend asks for, if it does: of which server, and whether logs are read beside them.
    pub fn events(&mut self, backend: &Value, servers: &Servers) -> Option<Result<(Arc<Server>, bool), Unknown>> {
        let read = brackets::parse(backend.text()).ok()?;
        let protocol = Protocol::parse(read.name)?;
        let wanted = servers.wanted(protocol, backend, &read, &mut |severity, message, hint| {
            self.report(severity, backend.origin(), message, hint.as_deref());
        });
        Some(wanted.ok_or(Unknown))
    }

    /// `logpath` and `logpath_also`: one per line, ` head` or ` tail` behind the last blank. A path that comes twice keeps
    /// its first flag.
    pub fn logpath(&mut self) -> Vec<LogPath> {
        let mut paths: Vec<LogPath> = Vec::new();
        let options = self.options;
        let lines = |option: &str| options.get(option).into_iter().flat_map(Value::lines);
        let also = lines("logpath_also").map(|line| (line, true));
        for (line, also) in lines("logpath").map(|line| (line, false)).chain(also) {
            let (pattern, flag) = line.text.rsplit_once(' ').unwrap_or((&line.text, "head"));
            if flag != "head" && flag != "tail" {
                let message = format!("`{flag}` behind a path is neither `head` nor `tail`");
                let hint = "a path with a blank in it needs `head` or `tail` behind it";
                self.report(Severity::Error, line.origin, message, Some(hint));
            } else if paths.iter().any(|path| path.pattern == pattern) {
                self.warn(&line.origin, &format!("`{pattern}` stands twice; the first one holds"), None);
            } else {
                paths.push(LogPath { pattern: pattern.to_owned(), tail: flag == "tail", also });
            }
        }
        paths
    }

    /// `logtimezone`, as seconds east of UTC.
    pub fn logtimezone(&mut self) -> Option<i32> {
        let value = self.options.get("logtimezone").filter(|value| !value.text().is_empty())?;
        let offset = zone::offset(value.text());
        if offset.is_none() {
            let message = format!("`{}` is no time zone that a log can have here", value.text());
            let hint = "write `UTC`, `+0200`, `UTC-05:00` or a name such as `CET`; place names are not known";
            self.report(Severity::Error, value.origin(), message, Some(hint));
        }
        offset
    }

    /// `unwrap`, ours.
    pub fn unwrap(&mut self) -> Unwrap {
        self.options.get("unwrap").map_or(Unwrap::None, |value| self.word("unwrap", value, Unwrap::WORDS))
    }

    /// `neighbours`, ours.
    pub fn neighbours(&mut self, value: &Value) -> Neighbours {
        self.word("neighbours", value, Neighbours::WORDS)
    }

    /// What one of a few words stands for.
    fn word<T: Copy + Default>(&mut self, option: &str, value: &Value, words: &[(&str, T)]) -> T {
        let found = words.iter().find(|(word, _)| value.text().eq_ignore_ascii_case(word));
        found.map(|(_, meant)| *meant).unwrap_or_else(|| {
            let message = format!("`{option}` does not know `{}`", value.text());
            let known: Vec<String> = words.iter().map(|(word, _)| format!("`{word}`")).collect();
            self.report(Severity::Error, value.origin(), message, Some(&format!("one of {}", known.join(", "))));
            self.last(Original::Ignores);
            T::default()
        })
    }

    /// `usedns`; a word that does not exist means `no`, as for fail2ban.
    pub fn usedns(&mut self, value: &Value) -> UseDns {
        let word = value.text().to_lowercase();
        let known = UseDns::WORDS.iter().find(|(known, _)| *known == word);
        known.map(|(_, usedns)| *usedns).unwrap_or_else(|| {
            let message = format!("`usedns` does not know `{word}` and is read as `no`");
            self.warn(&value.origin(), &message, Some("one of `yes`, `warn`, `no`, `raw`"));
            UseDns::No
        })
    }

    /// A whole number of at least `least`; a smaller one is taken for that, since it means the same to fail2ban.
    pub fn count(&mut self, option: &str, least: i64) -> Option<u32> {
        let value = self.options.get(option)?;
        let Some(number) = int(value.text()) else {
            let message = format!("`{option}` has to be a whole number from {least} on, not `{}`", value.text());
            self.report(Severity::Error, value.origin(), message, None);
            return None;
        };
        if number < least {
            self.warn(&value.origin(), &format!("`{option} = {number}` is read as {least}"), None);
        }
        Some(u32::try_from(number.max(least)).unwrap_or(u32::MAX))
    }

    /// `maxlines`; what is no number counts for nothing, as for fail2ban.
    pub fn maxlines(&mut self, value: &Value) -> usize {
        let number = int(value.text());
        if number.is_none() {
            self.warn(
                &value.origin(),
                &format!("`maxlines = {}` is no whole number and is read as 1", value.text()),
                None,
            );
            return 1;
        }
        let lines = number.and_then(|n| usize::try_from(n).ok()).filter(|n| *n > 0);
        if lines.is_none() {
            let message = format!("`maxlines` has to be a whole number from 1 on, not `{}`", value.text());
            self.report(Severity::Error, value.origin(), message, None);
        }
        lines.unwrap_or(1)
    }

    /// `subnet4` and `subnet6`, ours.
    pub fn subnet(&mut self) -> Subnet {
        let mut bits = |option: &str, least: i64, most: u8| {
            let Some(value) = self.options.get(option) else { return most };
            let bits = int(value.text()).filter(|bits| (least..=most.into()).contains(bits));
            bits.and_then(|bits| u8::try_from(bits).ok()).unwrap_or_else(|| {
                let message =
                    format!("`{option}` has to be a whole number from {least} to {most}, not `{}`", value.text());
                self.report(Severity::Error, value.origin(), message, None);
                self.last(Original::Ignores);
                most
            })
        };
        Subnet { v4: bits("subnet4", MIN_SUBNET4, 32), v6: bits("subnet6", MIN_SUBNET6, 128) }
    }

    /// `findtime`.
    pub fn findtime(&mut self) -> Span {
        let Some(span) = self.time("findtime") else { return Span::from_secs(600) };
        if span <= Span::default() {
            let origin = self.options["findtime"].origin();
            self.warn(&origin, "no failure can happen within this `findtime`", None);
        }
        span
    }

    /// `bantime`.
    pub fn bantime(&mut self) -> Bantime {
        let bantime = self.parsed("bantime", |text| Bantime::parse(text).map_err(|e| e.to_string()));
        let bantime = bantime.unwrap_or(Bantime::For(Span::from_secs(600)));
        if let Bantime::For(span) = bantime
            && span <= Span::default()
            && let Some(value) = self.options.get("bantime")
        {
            self.warn(&value.origin(), "a ban of this `bantime` is over before it begins", Some("-1 means for ever"));
        }
        bantime
    }

    /// `countby`; without accounts there is nothing to count.
    pub fn countby(&mut self, filter: &FilterSettings) -> CountBy {
        let Some(value) = self.options.get("countby") else { return CountBy::Line };
        let countby = self.word("countby", value, CountBy::WORDS);
        if countby != CountBy::Line && !filter.names("user") {
            let message = format!("`countby = {}`, but the filter names no `<F-USER>`", value.text());
            self.warn(&value.origin(), &message, Some("a filter of ours has the option `account = yes` for it"));
        }
        countby
    }

    /// `spread`, `spreadtime`, `spreaddigits`.
    pub fn spread(&mut self, filter: &FilterSettings) -> Spread {
        let default = Spread::default();
        let from = self.count("spread", 0).unwrap_or(default.from);
        let digits = self.count("spreaddigits", 1).unwrap_or(default.digits);
        if digits > Spread::MOST_DIGITS {
            let message = format!("`spreaddigits = {digits}` is read as {}", Spread::MOST_DIGITS);
            self.warn(&self.options["spreaddigits"].origin(), &message, None);
        }
        if from > 0 && !filter.names("number") {
            let message = format!("`spread = {from}`, but the filter names no `<F-NUMBER>`: it never happens");
            self.warn(&self.options["spread"].origin(), &message, None);
        }
        let within = self.time("spreadtime").unwrap_or(default.within);
        Spread { from, within, digits: digits.min(Spread::MOST_DIGITS) }
    }

    /// `bantime.increment` and its family.
    pub fn increment(&mut self) -> Increment {
        let default = Increment::default();
        let formula = self.formula();
        let factor = self.parsed("bantime.factor", |text| {
            Expr::parse(text).and_then(|e| e.eval(&[])).map_err(|e| format!("`{text}`: {e}"))
        });
        let multipliers = self.parsed("bantime.multipliers", |text| {
            let number = |word: &str| int(word).ok_or_else(|| format!("`{word}` is no whole number"));
            text.split_whitespace().map(|word| number(word).map(|n| n as f64)).collect::<Result<Vec<_>, _>>()
        });
        if let Some(value) = self.options.get("bantime.multipliers").filter(|_| multipliers.is_some())
            && value.text().split(' ').any(|word| int(word).is_none())
        {
            let message = "`bantime.multipliers` are parted by more than one blank";
            self.report(Severity::Note, value.origin(), message.to_owned(), None);
            self.last(Original::StopsServer);
        }
        Increment {
            enabled: self.truth("bantime.increment").unwrap_or(default.enabled),
            factor: factor.unwrap_or(default.factor),
            formula: formula.unwrap_or(default.formula),
            multipliers: multipliers.unwrap_or(default.multipliers),
            maxtime: self.time("bantime.maxtime"),
            rndtime: self.time("bantime.rndtime"),
            overalljails: self.truth("bantime.overalljails").unwrap_or(default.overalljails),
        }
    }

    /// `bantime.formula`. fail2ban finds out about a name that does not exist when it bans.
    fn formula(&mut self) -> Option<Expr> {
        let value = self.options.get("bantime.formula").filter(|value| !value.text().is_empty())?;
        let names = [("ban.Time", 600.0), ("ban.Count", 1.0), ("banFactor", 1.0)];
        match Expr::parse(value.text()).and_then(|formula| formula.eval(&names).map(|_| formula)) {
            Ok(formula) => Some(formula),
            Err(error) => {
                let message = format!("`bantime.formula`: `{}`: {error}", value.text());
                self.report(Severity::Error, value.origin(), message, None);
                if !matches!(error, ExprError::Syntax(_)) {
                    self.last(Original::Ignores);
                }
                None
            }
        }
    }

    /// `ignoreself`, `ignoreip`, `ignorecommand`, `ignorecache`.
    pub fn ignore(&mut self) -> Ignore {
        let mut found = Vec::new();
        let list = self.options.get("ignoreip").map(|value| ignore::list(value, &mut found));
        self.problems.extend(found.into_iter().map(|problem| problem.of_jail(self.jail)));
        let cache = self.options.get("ignorecache").map(|value| (ignore::cache(value), value));
        let cache = match cache {
            Some((Err(message), value)) => {
                self.report(Severity::Error, value.origin(), message, None);
                None
            }
            Some((Ok(cache), _)) => cache,
            None => None,
        };
        Ignore {
            myself: self.truth("ignoreself").unwrap_or(true),
            list: list.unwrap_or_default(),
            command: self.text("ignorecommand").filter(|text| !text.is_empty()).map(str::to_owned),
            cache,
        }
    }

    /// `trusttime` and what belongs to it, ours; written empty, it takes back what a file before said.
    pub fn trust(&mut self) -> Option<Trust> {
        self.text("trusttime").filter(|text| !text.is_empty())?;
        let trust = Trust {
            time: self.time("trusttime")?,
            maxretry: self.count("trustmaxretry", 1).unwrap_or(50),
            outage: self.count("outage", 0).unwrap_or(10),
        };
        Some(trust).filter(|trust| trust.time > Span::default())
    }

    /// A yes or no; what is neither is warned about.
    pub fn truth(&mut self, option: &str) -> Option<bool> {
        let value = self.options.get(option)?;
        let (yes, meant) = truth(value.text());
        if !meant {
            self.warn(&value.origin(), &format!("`{option} = {}` is read as false", value.text()), None);
        }
        Some(yes)
    }

    /// A length of time.
    pub fn time(&mut self, option: &str) -> Option<Span> {
        self.parsed(option, |text| Span::parse(text).map_err(|e| e.to_string()))
    }

    /// An option through `parse`; nothing where it is not written, or written empty in the family of `bantime.`.
    fn parsed<T>(&mut self, option: &str, parse: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        let value = self.options.get(option)?;
        if option.contains('.') && value.text().is_empty() {
            return None;
        }
        parse(value.text())
            .map_err(|message| self.report(Severity::Error, value.origin(), format!("`{option}`: {message}"), None))
            .ok()
    }

    /// An error counts as one that fail2ban's server would stop at, unless [`last`](Values::last) says otherwise.
    fn report(&mut self, severity: Severity, origin: Origin, message: String, hint: Option<&str>) {
        let original = if severity == Severity::Error { Original::StopsServer } else { Original::Ignores };
        let problem = Problem::new(severity, origin, message).of_jail(self.jail).fail2ban(original);
        self.problems.push(Problem { hint: hint.map(str::to_owned), ..problem });
    }

    /// What fail2ban does about what was reported last.
    pub fn last(&mut self, original: Original) {
        if let Some(problem) = self.problems.last_mut() {
            problem.fail2ban = original;
        }
    }
}

/// There is no such server; why is among the problems.
#[derive(Clone, Copy, Debug)]
pub struct Unknown;

/// Nobody owns more than this; a network beyond it is a slip of the pen that would ban half a world.
const MIN_SUBNET4: i64 = 8;
const MIN_SUBNET6: i64 = 16;

const BACKENDS: [&str; 3] = ["auto", "polling", "pyinotify"];

#[cfg(test)]
mod tests {
    use super::*;

    fn read<T>(lines: &[(&str, &str)], get: impl FnOnce(&mut Values<'_>) -> T) -> (T, usize) {
        let options = lines.iter().map(|(option, text)| (option.to_string(), Value::bare(*text))).collect();
        let mut values = Values::new(&options, "j");
        let got = get(&mut values);
        (got, values.problems.len())
    }

    #[test]
    fn a_path_may_have_a_flag_behind_its_last_blank() {
        let path = |pattern: &str, tail| LogPath { pattern: pattern.to_owned(), tail, also: false };
        let text = "/var/log/a\n/var/log/b tail\n/with blank/c head\n/two  tail\n\n/var/log/a tail";
        let (got, problems) = read(&[("logpath", text)], |v| v.logpath());
        let expected =
            [path("/var/log/a", false), path("/var/log/b", true), path("/with blank/c", false), path("/two ", true)];
        assert_eq!((got, problems), (expected.to_vec(), 1));
        assert_eq!(read(&[("logpath", "/dev/null bogus")], |v| v.logpath()), (vec![], 1));
    }

    #[test]
    fn defaults_are_those_of_fail2bans_server() {
        assert_eq!(read(&[], |v| v.count("maxretry", 1)), (None, 0));
        assert_eq!(read(&[], |v| v.findtime()), (Span::from_secs(600), 0));
        assert_eq!(read(&[], |v| v.bantime()), (Bantime::For(Span::from_secs(600)), 0));
        assert_eq!(read(&[], |v| v.increment()), (Increment::default(), 0));
        let ignore = Ignore { myself: true, ..Ignore::default() };
        assert_eq!(read(&[], |v| v.ignore()), (ignore, 0));
    }

    #[test]
    fn values_are_read() {
        assert_eq!(read(&[("maxretry", " 1_0 ")], |v| v.count("maxretry", 1)), (Some(10), 0));
        assert_eq!(read(&[("maxretry", "0")], |v| v.count("maxretry", 1)), (Some(1), 1));
        assert_eq!(read(&[("maxretry", "99999999999")], |v| v.count("maxretry", 1)), (Some(u32::MAX), 0));
        assert_eq!(read(&[("bantime", "-1")], |v| v.bantime()), (Bantime::Forever, 0));
        assert_eq!(read(&[("bantime", "-2")], |v| v.bantime()), (Bantime::For(Span::from_secs(-2)), 1));
        assert_eq!(read(&[("bantime", "")], |v| v.bantime()).1, 1);
        assert_eq!(read(&[("unwrap", "Auto")], |v| v.unwrap()), (Unwrap::Auto, 0));
        assert_eq!(read(&[("logtimezone", "UTC+0200")], |v| v.logtimezone()), (Some(7200), 0));
        let trust = Trust { time: Span::from_secs(21_600), maxretry: 50, outage: 3 };
        assert_eq!(read(&[("trusttime", "6h"), ("outage", "3")], |v| v.trust()), (Some(trust), 0));
        assert_eq!(read(&[("trusttime", ""), ("outage", "x")], |v| v.trust()), (None, 0));
        assert_eq!(read(&[("trusttime", "0")], |v| v.trust()), (None, 0));
        assert_eq!(read(&[("trusttime", "soon")], |v| v.trust()), (None, 1));
        let lines = [
            ("bantime.increment", "true"),
            ("bantime.factor", "2*2"),
            ("bantime.multipliers", "1 5  30"),
            ("bantime.maxtime", "1h"),
            ("bantime.rndtime", ""),
            ("bantime.formula", "ban.Time * math.exp(float(ban.Count+1)*banFactor)/math.exp(1*banFactor)"),
        ];
        let (got, problems) = read(&lines, |v| v.increment());
        assert_eq!((problems, got.enabled, got.factor, got.rndtime), (1, true, 4.0, None));
        assert_eq!((got.multipliers, got.maxtime), (vec![1.0, 5.0, 30.0], Some(Span::from_secs(3600))));
    }
}
