//! The jails of this host: as data, and as text for a person.

use std::fmt::Write;

use serde::Serialize;

use crate::text::printable;
use crate::time::Span;

/// All of them, in the order of the files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Each with its state.
    pub jails: Vec<JailReport>,
}

/// One jail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct JailReport {
    /// Its name.
    pub name: String,
    /// What it would do.
    pub state: State,
    /// For what reason.
    pub why: String,
    /// What it is set to; not of one that is off, or that cannot be read.
    #[serde(flatten)]
    pub settings: Option<Settings>,
}

/// What a jail would do here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It guards.
    On,
    /// It is wanted, and something is wrong with it.
    Refused,
    /// Its logs lie where this user may not look.
    Unseen,
    /// It comes on when one of its logs appears.
    Waits,
    /// Nobody wants it.
    Off,
}

/// What a jail is set to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Settings {
    /// How it reads, as written.
    pub backend: String,
    /// Its filter, as written.
    pub filter: String,
    /// The logs that it would read now.
    pub logs: Vec<String>,
    /// Paths and patterns of its own that mean no file now.
    pub missing: Vec<String>,
    /// What it would ask systemd's journal for; empty: all of it; `null`: nothing.
    pub journal: Option<String>,
    /// Whose events it would hear: `ami pbx at 127.0.0.1:5038`.
    pub events: Option<String>,
    /// Failures that cause a ban.
    pub maxretry: u32,
    /// What counts as one: `line`, `user`, `user-or-line`.
    pub countby: &'static str,
    /// From so many addresses a number bans them all; 0: it does not.
    pub spread: u32,
    /// Seconds within which they must happen.
    pub findtime: i64,
    /// Seconds that a first ban lasts; `null`: for ever.
    pub bantime: Option<i64>,
}

impl Report {
    /// For a terminal: a few lines for each jail, those that are on first, and one for all.
    pub fn text(&self, colour: bool) -> String {
        let width = self.jails.iter().map(|jail| printable(&jail.name).chars().count()).max().unwrap_or(0);
        let blank = " ".repeat(width + 9);
        let mut out = String::new();
        let mut jails: Vec<&JailReport> = self.jails.iter().collect();
        jails.sort_by_key(|jail| jail.state);
        for jail in jails {
            let lines = jail.lines();
            let (on, off) = if colour { (jail.state.colour(), "\x1b[0m") } else { ("", "") };
            let name = printable(&jail.name);
            let _infallible = writeln!(out, "{on}{:7}{off}  {name:width$}  {}", jail.state.word(), lines[0]);
            for line in &lines[1..] {
                let _infallible = writeln!(out, "{blank}  {line}");
            }
        }
        let on = self.jails.iter().filter(|jail| jail.state == State::On).count();
        let all = self.jails.len();
        let _infallible = writeln!(out, "{on} of {all} jail{} would be on", if all == 1 { "" } else { "s" });
        out
    }
}

impl JailReport {
    /// Its state at length, then what it reads and what it looks for.
    fn lines(&self) -> Vec<String> {
        let mut lines = vec![printable(&self.why).into_owned()];
        let Some(settings) = &self.settings else { return lines };
        if matches!(self.state, State::Off | State::Refused) {
            return lines;
        }
        lines.extend(settings.reads());
        let Settings { filter, maxretry, countby, spread, findtime, bantime, .. } = settings;
        let bantime =
            bantime.map_or("until somebody lifts it".to_owned(), |secs| format!("for {}", Span::from_secs(secs)));
        let filter = if filter.is_empty() { "no filter" } else { filter };
        let findtime = Span::from_secs(*findtime);
        let what = match *countby {
            "user" => " accounts",
            "user-or-line" => " accounts or lines",
            _ => "",
        };
        lines.push(format!("{}: {maxretry}{what} within {findtime} are banned {bantime}", printable(filter)));
        if *spread > 0 {
            lines.push(format!("a number from {spread} addresses bans all of them"));
        }
        lines
    }
}

impl Settings {
    /// From where it takes its lines, or would.
    fn reads(&self) -> Vec<String> {
        let list = |texts: &[String]| texts.iter().map(|text| printable(text)).collect::<Vec<_>>().join(", ");
        let mut lines = Vec::new();
        if let Some(events) = &self.events {
            lines.push(format!("hears {}", printable(events)));
        }
        match self.journal.as_deref() {
            Some("") => lines.push("reads the whole journal".to_owned()),
            Some(asked) => lines.push(format!("reads the journal: {}", printable(asked))),
            None => {}
        }
        if !self.logs.is_empty() {
            lines.push(format!("reads {}", list(&self.logs)));
        } else if !self.missing.is_empty() && self.journal.is_none() {
            lines.push(format!("looked for {}", list(&self.missing)));
        }
        lines
    }
}

impl State {
    fn word(self) -> &'static str {
        match self {
            State::On => "on",
            State::Waits => "waits",
            State::Unseen => "unseen",
            State::Off => "off",
            State::Refused => "refused",
        }
    }

    fn colour(self) -> &'static str {
        match self {
            State::On => "\x1b[32m",
            State::Waits | State::Off => "\x1b[2m",
            State::Unseen => "\x1b[33m",
            State::Refused => "\x1b[31m",
        }
    }
}
