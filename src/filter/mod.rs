//! The filter language: which line is a failure, of whom, and when.
//!
//! Lines go in as bytes, [`Failure`]s come out. A [`Filter`] is one jail's filter with its state (last date, cached
//! `<F-MLFID>` groups, window of `maxlines`); a [`Scan`] finds, in one pass over a block, the few lines that any of the
//! filters of a log could match. Nothing here reads a file, a clock or a name server.

mod ascii;
mod backtrack;
mod budget;
mod cover;
pub mod date;
mod decode;
pub mod failregex;
mod finder;
mod forge;
mod haystack;
mod heads;
mod hit;
mod hits;
mod linear;
mod mlfid;
pub mod near;
pub mod neighbours;
mod notes;
mod passing;
pub mod prefilter;
pub mod pyregex;
mod rules;
mod scan;
mod shared;
mod shelf;
mod sieve;
mod straight;
mod torn;
mod trace;
pub mod translate;
mod when;
mod window;

use std::borrow::Cow;
use std::sync::Arc;

use jiff::tz::TimeZone;

use crate::config::{FilterSettings, JailSettings, Origin, Problem, Severity, UseDns};
use crate::line::Neighbours;
use crate::record::Record;
use crate::text::printable;
use crate::ticket::Failure;
use crate::time::{Span, Timestamp};
use backtrack::Machine;
use date::{DateValue, TemplateInfo, Zones};
use decode::Decoder;
use failregex::Groups;
use haystack::Haystack;
use hits::Told;
use mlfid::Sessions;
use notes::{Note, Notes};
use passing::Passing;
use prefilter::{Cut, Literals};
use rules::Rules;
use shelf::Shelf;
use torn::Forgers;
use when::Clock;
use window::Window;

pub use forge::Forge;
pub use hit::Hit;
pub use scan::{Reason, Scan};
pub use shared::Shared;
pub use torn::Torn;
pub use trace::{Dated, Trace};

/// One jail's filter with its state. Its expressions have been read, so that they are right; what searches for them is
/// built with the first line that asks for it.
#[derive(Clone)]
pub struct Filter {
    rules: Arc<Rules>,
    decoder: Decoder,
    clock: Clock,
    sessions: Sessions,
    window: Option<Window>,
    notes: Notes,
    /// What the expressions may still cost on this line.
    machine: Option<Box<Machine>>,
    /// Kept for their capacity.
    haystack: Haystack,
    possible: Vec<usize>,
    limits: u64,
    prefix_hits: u64,
    ignore_hits: Vec<u64>,
    /// Off in tools: dates count as they are.
    checked: bool,
    /// On in tools: further failregexes and ignoreregexes are tried after the first match.
    tries_all: bool,
    /// On where somebody asks for [`Filter::prefix_groups`].
    tells_prefix: bool,
    prefix_found: Option<Groups>,
    passing: Passing,
    /// What this line's expressions found, see [`Filter::line_among`].
    shared: Box<Shared>,
    neighbours: Neighbours,
    /// The record that waits for its end.
    torn: Option<Torn>,
    forgers: Forgers,
}

/// Whether `logencoding` may be called so.
pub fn knows_encoding(name: &str) -> bool {
    Decoder::new(name).is_some()
}

/// What surrounds a line that a filter looks at.
#[derive(Clone, Copy, Debug)]
pub struct Moment<'a> {
    /// The present, or in a replay the time of the log.
    pub now: Timestamp,
    /// The jail's `findtime`.
    pub findtime: Span,
    /// fail2ban's "in operation", see [`crate::line::Batch::live`].
    pub live: bool,
    /// When the line was written, where the source or a wrapper knows it; counts if the line has no date of its own.
    pub time: Option<Timestamp>,
    /// The bytes of the block before this line. A line without a date takes that of the nearest earlier line that has
    /// one; with a prefilter that line was not looked at yet.
    pub before: &'a [u8],
}

/// What became of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// No failregex matched.
    Missed,
    /// It is too old, or no date could be given to it.
    Dropped,
    /// An ignoreregex matched, or it only helps other lines (`<F-NOFAIL>`); the number is the regex, from 0.
    Ignored(usize),
    /// A failregex matched; the number is the regex, from 0. Where its groups name nobody, or what looks like an address
    /// and is none, there is no failure all the same.
    Matched(usize),
}

impl Filter {
    /// Makes a jail's filter; `zone` is the local time zone. What cannot be used (a bad regex, one without an address)
    /// is an error in the list; what can but should be known (an expression that may cost much) is a warning beside the
    /// filter. See [`Forge`] for the filters of many jails, and [`Filter::remark`].
    pub fn new(jail: &JailSettings, zone: &TimeZone) -> Result<(Filter, Vec<Problem>), Vec<Problem>> {
        Forge::new(zone).filter(jail)
    }

    /// The filter for the events that a jail hears beside its logs; they come with their times.
    pub fn of_events(jail: &JailSettings) -> Result<(Filter, Vec<Problem>), Vec<Problem>> {
        let own = jail.events.as_ref().and_then(|events| events.filter.as_ref()).unwrap_or(&jail.filter);
        let zones = Zones { local: TimeZone::UTC, logtimezone: None };
        Filter::of(own, jail.usedns, "auto", zones)
    }

    /// A filter that finds nobody.
    pub fn none() -> Filter {
        let zones = Zones { local: TimeZone::UTC, logtimezone: None };
        let (filter, _) =
            Filter::of(&FilterSettings::default(), UseDns::No, "auto", zones).expect("nothing can be wrong");
        filter
    }

    /// The same without a jail: what [`Filter::new`] takes from one is given by hand.
    pub fn of(
        settings: &FilterSettings,
        usedns: UseDns,
        encoding: &str,
        zones: Zones,
    ) -> Result<(Filter, Vec<Problem>), Vec<Problem>> {
        Filter::with(settings, usedns, encoding, zones, &mut Shelf::default())
    }

    /// The same with what was read for other filters of the host.
    fn with(
        settings: &FilterSettings,
        usedns: UseDns,
        encoding: &str,
        zones: Zones,
        shelf: &mut Shelf,
    ) -> Result<(Filter, Vec<Problem>), Vec<Problem>> {
        let mut problems = Vec::new();
        let rules = Rules::new(settings, usedns, shelf).map_err(|mut found| problems.append(&mut found)).ok();
        let patterns: Vec<&str> = settings.datepattern.iter().map(|p| &*p.text).collect();
        let detector = shelf
            .detector(&patterns, zones)
            .map_err(|e| {
                let origin = settings.datepattern.first().map(|p| p.origin.clone()).unwrap_or_default();
                problems.push(Problem::new(Severity::Error, origin, e.to_string()));
            })
            .ok();
        let decoder = Decoder::new(encoding);
        if decoder.is_none() {
            problems.push(Problem::new(Severity::Error, Origin::default(), format!("unknown encoding `{encoding}`")));
        }
        let (Some(rules), Some(detector), Some(decoder)) = (rules, detector, decoder) else { return Err(problems) };
        problems.extend(rules.costly(settings));
        if settings.failregex.is_empty() {
            let why = "the filter has no failregex: it never finds anybody".to_owned();
            problems.push(Problem::new(Severity::Warning, Origin::default(), why));
        }
        let filter = Filter {
            ignore_hits: vec![0; rules.ignore.len()],
            rules: Arc::new(rules),
            decoder,
            clock: Clock::new(detector),
            sessions: Sessions::default(),
            window: (settings.maxlines > 1).then(|| Window::new(settings.maxlines)),
            notes: Notes::default(),
            machine: None,
            haystack: Haystack::default(),
            possible: Vec::new(),
            limits: 0,
            prefix_hits: 0,
            checked: true,
            tries_all: false,
            tells_prefix: false,
            prefix_found: None,
            passing: Passing::default(),
            shared: Box::default(),
            neighbours: Neighbours::None,
            torn: None,
            forgers: Forgers::default(),
        };
        Ok((filter, problems))
    }

    /// Why it has to look at every line of a log, if it has to: no text is common to what it looks for. `escaped`: the
    /// lines may be wrapped in JSON. To find that out takes longer than making the filter.
    pub fn remark(&self, escaped: bool) -> Option<String> {
        match &self.window {
            _ if self.rules.fail.is_empty() || self.literals(escaped).is_some() => None,
            Some(window) => Some(format!("`maxlines = {}` looks at every line of the log", window.max())),
            None => Some(
                "no text is common to what the failregexes match, so every line of the log is looked at".to_owned(),
            ),
        }
    }

    /// Whether another filter was made of the same settings, so that the same lines leave both in the same state.
    pub fn is_twin(&self, other: &Filter) -> bool {
        Arc::ptr_eq(&self.rules, &other.rules) && self.neighbours == other.neighbours
    }

    /// Whether what becomes of a line depends on no line before, except for whose date a line without one takes.
    pub fn is_memoryless(&self) -> bool {
        self.window.is_none() && self.rules.are_memoryless()
    }

    /// Texts of which each line that it has to see holds one, or, with `escaped`, each line that may be wrapped in JSON.
    fn literals(&self, escaped: bool) -> Option<&Literals> {
        let detector = &self.clock.detector;
        let cut = || Cut::behind(detector.lead(), || detector.behind());
        match &self.window {
            None if self.decoder.extends_ascii() => self.rules.literals(escaped, cut),
            _ => None,
        }
    }

    /// The same for a tool that examines a log: no line is too old or too new, one without a date has none unless a line
    /// before it was written just now (see [`Hit::time`]), and with `tries_all` every failregex and ignoreregex is tried
    /// and counted, not only until the first match.
    pub fn for_tools(mut self, tries_all: bool) -> Filter {
        self.checked = false;
        self.tries_all = tries_all;
        self
    }

    /// The same for a tool that shows what the prefregex finds, see [`Filter::prefix_groups`].
    pub fn telling_prefix(mut self) -> Filter {
        self.tells_prefix = true;
        self
    }

    /// Looks at one line (without its newline, unwrapped) and adds the failures that it proves to `out`.
    pub fn line(&mut self, line: &[u8], moment: &Moment<'_>, out: &mut Vec<Failure>) -> Verdict {
        self.failures(line, None, moment, out)
    }

    /// The same for a line of which the source knows the time better than the text does (a journal): no date is looked
    /// for in it.
    pub fn line_at(&mut self, line: &[u8], time: Timestamp, moment: &Moment<'_>, out: &mut Vec<Failure>) -> Verdict {
        self.failures(line, Some(time), moment, out)
    }

    fn failures(
        &mut self,
        line: &[u8],
        written: Option<Timestamp>,
        moment: &Moment<'_>,
        out: &mut Vec<Failure>,
    ) -> Verdict {
        self.look(line, written, None, moment, Told::Failures(out))
    }

    /// The moment that a line's own date says, for finding where to begin in a log.
    pub fn date(&mut self, line: &[u8], now: Timestamp) -> Option<Timestamp> {
        let found = self.clock.detector.find(&self.decoder.decode(line), now)?;
        match found.time {
            DateValue::At(time) => Some(time),
            DateValue::Empty | DateValue::Unparsable => None,
        }
    }

    /// The steps that the last line took: for its date, and for all expressions together.
    pub fn steps(&self) -> (usize, usize) {
        (self.clock.detector.steps(), self.machine.as_ref().map_or(0, |machine| machine.taken()))
    }

    /// A line as text, as the expressions see it, date included.
    pub fn text<'a>(&self, line: &'a [u8]) -> Cow<'a, str> {
        self.decoder.decode(line)
    }

    /// On how many lines the date or an expression was given up because it would have cost unbounded time.
    pub fn backtrack_limits(&self) -> u64 {
        self.limits + self.clock.detector.gave_up()
    }

    /// Whether the lines before a line have a say in whether it is believed; whoever hands lines over asks
    /// [`neighbours::Around`] then, and hands over what it does not believe by [`Filter::doubt`] instead.
    pub fn neighbours(&self) -> Neighbours {
        self.neighbours
    }

    /// A line that is not believed: it proves nothing, and a warning says so if it would have otherwise.
    pub fn doubt(&mut self, line: &[u8], moment: &Moment<'_>) {
        let mut hits = Vec::new();
        let sessions = std::mem::take(&mut self.sessions);
        let torn = self.is_torn();
        self.hits(line, None, moment, &mut hits);
        self.sessions = sessions;
        if !torn {
            // What begins no record hides nothing.
            self.torn = None;
        }
        if !hits.is_empty() {
            self.notes.daily(Note::Forged, moment.now, || {
                let line = printable(&String::from_utf8_lossy(line)).into_owned();
                format!("a line that a caller may have forged is not believed, since it does not go on from the record of a call before it: {line}")
            });
        }
    }

    /// What there is to say about the log since the last call; at most a few records a day.
    pub fn records(&mut self) -> Vec<Record> {
        self.notes.take()
    }

    /// The date templates with their hits, for tools.
    pub fn templates(&self) -> impl Iterator<Item = TemplateInfo> + '_ {
        self.clock.detector.templates()
    }

    /// The prefregex with its tags expanded, and how often it matched.
    pub fn prefregex(&self) -> Option<(&str, u64)> {
        self.rules.prefix.as_ref().map(|p| (p.expanded(), self.prefix_hits))
    }

    /// What the prefregex found in the last line; `None` also where nobody asked by [`Filter::telling_prefix`].
    pub fn prefix_groups(&self) -> Option<&Groups> {
        self.prefix_found.as_ref()
    }

    /// The names of the prefregex's groups, in its order.
    pub fn prefix_names(&self) -> impl Iterator<Item = &str> {
        self.rules.prefix.iter().flat_map(|prefix| prefix.pattern().names())
    }

    /// The names of a failregex's groups, in its order.
    pub fn names(&self, regex: usize) -> impl Iterator<Item = &str> {
        self.rules.fail.get(regex).into_iter().flat_map(|regex| regex.pattern().names())
    }

    /// The failregexes with their tags expanded.
    pub fn expanded(&self) -> impl Iterator<Item = &str> {
        self.rules.failregexes().iter().map(|regex| regex.expanded())
    }

    /// How often each ignoreregex kept a line from being a failure.
    pub fn ignore_hits(&self) -> &[u64] {
        &self.ignore_hits
    }
}

impl Scan {
    /// Builds the automaton for the filters of one log; `escaped` says of each whether its lines may be wrapped in JSON
    /// or hold terminal colours.
    pub fn new(filters: &[&Filter], escaped: &[bool]) -> Scan {
        let literals = |(i, filter): (usize, &&Filter)| {
            if !escaped.get(i).copied().unwrap_or(false) {
                return (filter.literals(false).cloned(), false);
            }
            let mut sets = filter.literals(true).cloned();
            // Colours may stand inside of a literal, so a line that has any is looked at.
            if let Some(sets) = &mut sets {
                sets.push([&b"#033["[..], b"\\u001b"].map(<[u8]>::to_vec).to_vec());
            }
            (sets, true)
        };
        Scan::of(filters.iter().enumerate().map(literals).collect())
    }
}
