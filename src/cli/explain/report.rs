//! What was found out about lines: as data, and as text for a person.

use std::fmt::Write;

use indexmap::IndexMap;
use serde::Serialize;

use crate::cli::near::caret;
use crate::filter::near::Near;
use crate::text::printable;
use crate::time::Span;

/// All lines, in the order given.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Each with what the jails make of it.
    pub lines: Vec<Line>,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Line {
    /// As it was given.
    pub line: String,
    /// What each jail makes of it.
    pub jails: Vec<Told>,
}

/// What one jail makes of a line.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Told {
    /// The jail.
    pub jail: String,
    /// What becomes of the line.
    pub outcome: Outcome,
    /// The line as the filter gets it, where that is not how it was given.
    pub unwrapped: Option<String>,
    /// When it was written.
    pub date: Date,
    /// Whether the filter gets to see it.
    pub prefilter: Prefilter,
    /// Whether the prefregex matched; `null`: there is none.
    pub prefregex: Option<bool>,
    /// What the prefregex left for the failregexes.
    pub content: Option<String>,
    /// Which failregex matched.
    pub failregex: Option<Rule>,
    /// Which trustregex matched, where none did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trustregex: Option<Rule>,
    /// Which restartregex, likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restartregex: Option<Rule>,
    /// What its groups hold, with those of earlier lines of the same session.
    pub groups: IndexMap<String, String>,
    /// By what it is ignored.
    pub ignored: Option<Ignored>,
    /// Whom it is about: an address, a host name, or what stands in the place of one.
    pub who: Option<String>,
    /// What the daemon would find out first, and nobody is asked here.
    pub would_ask: Vec<String>,
    /// How it is counted.
    pub counted: Option<Counted>,
    /// Whether its date (1), its expressions (1) or both (2) were given up, because they would have taken too long.
    pub gave_up: u64,
    /// Where the best expression stopped, if none matched and one nearly did.
    pub nearest: Option<Nearest>,
    /// Failures that cause a ban.
    pub maxretry: u32,
    /// Seconds within which they must happen.
    pub findtime: i64,
    /// Seconds that a first ban lasts; `null`: for ever.
    pub bantime: Option<i64>,
    /// Seconds for which a login counts; `null`: nobody is on trust.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trusttime: Option<i64>,
}

/// What becomes of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// No failregex matches.
    Missed,
    /// A regex was given up because it would have taken too long; no other matches.
    GaveUp,
    /// Something keeps it from counting.
    Ignored,
    /// It is no failure, but tells something about its session.
    Helps,
    /// It is a failure, and nobody knows whose; another line of its session may tell.
    Pending,
    /// What stands in the place of an address is none, so it is nobody's failure.
    Invalid,
    /// It is a failure of the addresses of a host name.
    Named,
    /// It is a failure, but of an account that has just failed, or of none (`countby`).
    Uncounted,
    /// It is a failure.
    Counted,
    /// It is the failure that causes a ban.
    Banned,
    /// It is a login, which puts its address on trust.
    Trusted,
    /// The PBX was started or reloaded.
    Restarted,
}

/// A line's date.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Date {
    /// Its text, which the failregexes do not see; `null`: no template found one.
    pub text: Option<String>,
    /// The template that found it.
    pub template: Option<String>,
    /// What it means (RFC 3339).
    pub time: Option<String>,
    /// It looks like a date and is none: February 30, a zone that nobody knows.
    pub unparsable: bool,
    /// Who says the time; `null`: nobody.
    pub by: Option<Clock>,
    /// When the line counts in a log that is being followed.
    pub followed: Standing,
    /// When it counts in a log that is read from its start.
    pub from_the_start: Standing,
}

/// Who says when a line was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Clock {
    /// Its own text.
    Line,
    /// What it is wrapped in.
    Wrapper,
    /// The journal, which hands lines on without a date; none is looked for.
    Journal,
}

/// When a line counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// At its date.
    Dated,
    /// When it is read.
    Now,
    /// At the date of a line before it, if that is less than a minute ago, else when it is read.
    BeforeOrNow,
    /// At the date of a line before it, if that is less than a minute ago, else never.
    BeforeOrNever,
    /// Never: it is older than `findtime`.
    Never,
}

/// Whether a filter gets to see a line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Prefilter {
    /// It does.
    pub candidate: bool,
    /// Since the line holds this text.
    pub literal: Option<String>,
    /// Since it sees every line.
    pub every_line: bool,
}

/// A regex of the filter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Rule {
    /// Its number, from 1.
    pub number: usize,
    /// Its text, with the tags of the configuration filled in.
    pub text: String,
    /// Where it was written.
    pub place: Option<String>,
}

/// Why a match does not count.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Ignored {
    /// Which option says so.
    pub by: By,
    /// The regex, the address or network, the file, the command.
    pub what: String,
    /// Where a regex was written.
    pub place: Option<String>,
}

/// An option that ignores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum By {
    /// A regex of the filter.
    Ignoreregex,
    /// This host's own addresses.
    Ignoreself,
    /// A list in the configuration, or a file that it names.
    Ignoreip,
    /// A program.
    Ignorecommand,
}

/// How a failure is counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Counted {
    /// Tries that the line stands for.
    pub tries: u32,
    /// Failures so far, by the lines given.
    pub failures: u32,
    /// Whether that is one too many.
    pub bans: bool,
}

/// The expression that got furthest.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Nearest {
    /// `failregex` or `prefregex`.
    pub of: &'static str,
    /// Which one.
    pub rule: Rule,
    /// Where it stopped.
    #[serde(flatten)]
    pub near: Near,
}

impl Report {
    /// For a person; text from the lines is made safe for a terminal.
    pub fn text(&self, colour: bool) -> String {
        let mut out = String::new();
        for line in &self.lines {
            let _ = writeln!(out, "{}", long(&line.line));
            for told in &line.jails {
                told.write(&mut out, colour);
            }
            out.push('\n');
        }
        out.truncate(out.trim_end().len());
        out
    }
}

impl Told {
    fn write(&self, out: &mut String, colour: bool) {
        let (on, off) = if colour { ("\x1b[1m", "\x1b[0m") } else { ("", "") };
        let _ = writeln!(out, "\n{on}[{}] {}{off}", printable(&self.jail), self.headline());
        let mut row = |name: &str, text: String| {
            let _ = writeln!(out, "  {name:<10} {text}");
        };
        if let Some(text) = &self.unwrapped {
            row("seen as", long(text));
        }
        row("date", self.date.text());
        row("prefilter", self.prefilter.text());
        match (self.prefregex, &self.content) {
            (None, _) => {}
            (Some(false), _) => row("prefregex", "does not match, so no failregex is tried".into()),
            (Some(true), None) => row("prefregex", "matches".into()),
            (Some(true), Some(content)) => row("prefregex", format!("matches and leaves `{}`", long(content))),
        }
        if let Some(rule) = &self.failregex {
            row("failregex", rule.to_text());
        }
        for (option, rule) in [("trustregex", &self.trustregex), ("restartregex", &self.restartregex)] {
            if let Some(rule) = rule {
                row(option, rule.to_text());
            }
        }
        if !self.groups.is_empty() {
            let group = |(name, value): (&String, &String)| format!("{name} = `{}`", long(value));
            row("groups", self.groups.iter().map(group).collect::<Vec<_>>().join(", "));
        }
        if let Some(ignored) = self.ignored.as_ref().filter(|ignored| ignored.by == By::Ignoreregex) {
            row("ignored by", format!("{}{}", printable(&ignored.what), at(ignored.place.as_deref())));
        }
        for asked in &self.would_ask {
            row("would ask", printable(asked).into_owned());
        }
        if self.gave_up > 0 {
            row("gave up", "the search for its date or by its expressions: it would have taken too long".to_owned());
        }
        if let Some(Nearest { rule, near, .. }) = &self.nearest {
            let name = near.regex.map_or("prefregex".to_owned(), |_| format!("failregex {}", rule.number));
            row("nearly", format!("{name}{}", at(rule.place.as_deref())));
            let _ = writeln!(out, "{}", caret(near, &name, "    ", colour));
        }
    }

    fn headline(&self) -> String {
        let who = self.who.as_deref().map(printable).unwrap_or_default();
        let (within, span) = (Span::from_secs(self.findtime), self.bantime.map(Span::from_secs));
        let length = span.map_or_else(|| "for ever".to_owned(), |span| format!("for {span}"));
        match self.outcome {
            Outcome::Missed => "no failregex matches".into(),
            Outcome::GaveUp => {
                "a regex was given up: it would have taken too long on this line; no other matches".into()
            }
            Outcome::Helps => "no failure, but it helps: kept for other lines of its session".into(),
            Outcome::Pending => "a failure of nobody yet: another line of its session may say whose".into(),
            Outcome::Invalid => format!("nobody's failure: `{who}` is no address"),
            Outcome::Named => format!("a failure of each address of `{who}`"),
            Outcome::Ignored => match &self.ignored {
                Some(Ignored { by: By::Ignoreregex, .. }) | None => "ignored by an ignoreregex".into(),
                Some(Ignored { by: By::Ignoreself, what, .. }) => format!("{who} is ignored by ignoreself: {what}"),
                Some(Ignored { by: By::Ignoreip, what, .. }) => {
                    format!("{who} is ignored by ignoreip: {}", printable(what))
                }
                Some(Ignored { by: By::Ignorecommand, .. }) => format!("{who} is ignored by ignorecommand"),
            },
            Outcome::Trusted => {
                format!("a login: {who} is on trust for {}", Span::from_secs(self.trusttime.unwrap_or_default()))
            }
            Outcome::Restarted => "no failure: the PBX was started or reloaded".into(),
            Outcome::Uncounted if self.groups.get("user").is_some_and(|user| !user.is_empty()) => {
                format!("no further failure of {who}: this account has failed there within `samefailtime`")
            }
            Outcome::Uncounted => format!("no failure of {who}: it names no account, and the jail counts those"),
            Outcome::Counted | Outcome::Banned => {
                let Some(Counted { tries, failures, bans }) = &self.counted else { return String::new() };
                let stands = if *tries > 1 { format!(" (the line stands for {tries})") } else { String::new() };
                let maxretry = self.maxretry;
                match bans {
                    true => format!("failure {failures} of {who}{stands}: banned {length}"),
                    false => {
                        format!("failure {failures} of {who}{stands}: number {maxretry} within {within} bans {length}")
                    }
                }
            }
        }
    }
}

impl Date {
    fn text(&self) -> String {
        let text = self.text.as_deref().map(|text| printable(text).into_owned()).unwrap_or_default();
        let template = self.template.as_deref().map(printable).unwrap_or_default();
        let found = match (&self.time, self.by) {
            (Some(time), Some(Clock::Journal)) => format!("{time}; the journal says when, so none is looked for"),
            (Some(time), Some(Clock::Wrapper)) => format!("{time}, as the wrapper says"),
            (Some(time), _) => format!("{time} by {template}"),
            (None, _) if self.unparsable => format!("`{text}` is no date, though {template} finds it"),
            (None, _) => "none of the templates finds one".into(),
        };
        let then = match (self.followed, self.from_the_start) {
            (Standing::Dated, Standing::Dated) => return found,
            (Standing::Now, Standing::Now) => "in the future, so the line counts as just written".to_owned(),
            (followed, start) => {
                format!(
                    "in a followed log the line {}; in one read from its start it {}",
                    followed.text(),
                    start.text()
                )
            }
        };
        format!("{found}\n{:13}{then}", "")
    }
}

impl Standing {
    fn text(self) -> &'static str {
        match self {
            Standing::Dated => "counts at its date",
            Standing::Now => "counts as just written",
            Standing::BeforeOrNow => "takes the date of a line of the last minute, else counts as just written",
            Standing::BeforeOrNever => "takes the date of a line of the last minute, else does not count",
            Standing::Never => "is passed over: it is older than findtime",
        }
    }
}

impl Prefilter {
    fn text(&self) -> String {
        match (self.candidate, &self.literal) {
            (false, _) => "passed over: it holds none of the texts that a failregex needs".into(),
            (true, Some(literal)) => format!("looked at, since it holds `{}`", printable(literal)),
            (true, None) if self.every_line => "looked at, as every line is by this filter".into(),
            (true, None) => "looked at, since it holds a terminal's escape character".into(),
        }
    }
}

impl Rule {
    fn to_text(&self) -> String {
        format!("{}{}: {}", self.number, at(self.place.as_deref()), printable(&self.text))
    }
}

fn at(place: Option<&str>) -> String {
    place.map(|place| format!(" ({})", printable(place))).unwrap_or_default()
}

/// Text from a line, safe for a terminal, not without end.
fn long(text: &str) -> String {
    let cut = text.char_indices().nth(LONG).map_or(text.len(), |(at, _)| at);
    let rest = if cut < text.len() { "…" } else { "" };
    format!("{}{rest}", printable(&text[..cut]))
}

/// Characters shown of a text.
const LONG: usize = 1_000;
