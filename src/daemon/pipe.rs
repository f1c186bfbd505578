//! From the lines of logs to failures: scan, unwrap, filter, for all jails that read them.
//!
//! The same composition serves the follower, `replay` and the tests. Whose lines they are, and where they come from, is
//! the caller's business.

use std::sync::Arc;

use crate::filter::{Filter, Moment, Scan, Verdict};
use crate::line::{Batch, Unwrap};
use crate::record::Record;
use crate::source::unwrap::unwrap;
use crate::ticket::Failure;
use crate::time::{Span, Timestamp};

/// Jails with their filters; all that is needed to make failures of lines.
pub struct Pipe {
    jails: Vec<PipeJail>,
    counts: Vec<Counts>,
    /// Kept for its capacity.
    found: Vec<Failure>,
}

/// The way of one log's lines: which jails of a [`Pipe`] read it.
///
/// A jail that reads several logs has one filter with one state for all of them, as in fail2ban.
pub struct Route {
    jails: Vec<usize>,
    scan: Scan,
}

/// One jail as far as its lines are concerned.
pub struct PipeJail {
    /// The jail's name.
    pub name: Arc<str>,
    /// What counts as a failure, with its state.
    pub filter: Filter,
    /// What has to come off a line first.
    pub unwrap: Unwrap,
    /// The time within which failures must happen: older lines are not looked at when a log is read from the start.
    pub findtime: Span,
}

/// What became of a jail's lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// All lines; those that the scan passed over are in none of the following.
    pub lines: u64,
    /// No failregex matched.
    pub missed: u64,
    /// Too old, or without a date.
    pub dropped: u64,
    /// An ignoreregex matched, or the line only helps others.
    pub ignored: u64,
    /// A failregex matched.
    pub matched: u64,
}

impl Pipe {
    /// A pipe for these jails.
    pub fn new(jails: Vec<PipeJail>) -> Pipe {
        Pipe { counts: vec![Counts::default(); jails.len()], jails, found: Vec::new() }
    }

    /// The route of a log that the given jails read, each by its place in [`Pipe::new`].
    pub fn route(&self, jails: &[usize]) -> Route {
        let read_by: Vec<&PipeJail> = jails.iter().map(|at| &self.jails[*at]).collect();
        let filters: Vec<&Filter> = read_by.iter().map(|jail| &jail.filter).collect();
        let wrapped: Vec<bool> = read_by.iter().map(|jail| jail.unwrap != Unwrap::None).collect();
        Route { jails: jails.to_vec(), scan: Scan::new(&filters, &wrapped) }
    }

    /// The route of a log that every jail reads.
    pub fn route_to_all(&self) -> Route {
        self.route(&Vec::from_iter(0..self.jails.len()))
    }

    /// Takes lines in and adds the failures that they prove to `out`, in the order of the lines.
    pub fn batch(&mut self, route: &mut Route, batch: &Batch<'_>, now: Timestamp, out: &mut Vec<(Arc<str>, Failure)>) {
        let Pipe { jails, counts, found } = self;
        let lines = memchr::memchr_iter(b'\n', batch.bytes).count() as u64;
        for at in &route.jails {
            counts[*at].lines += lines;
        }
        route.scan.candidates(batch.bytes, |range, filter| {
            let Some(&at) = route.jails.get(filter) else { return };
            let (jail, counts) = (&mut jails[at], &mut counts[at]);
            let before = &batch.bytes[..range.start];
            let line = unwrap(jail.unwrap, &batch.bytes[range]);
            let moment = Moment { now, findtime: jail.findtime, live: batch.live, time: line.time, before };
            let verdict = match batch.time {
                Some(time) => jail.filter.line_at(&line.text, time, &moment, found),
                None => jail.filter.line(&line.text, &moment, found),
            };
            match verdict {
                Verdict::Missed => counts.missed += 1,
                Verdict::Dropped => counts.dropped += 1,
                Verdict::Ignored(_) => counts.ignored += 1,
                Verdict::Matched(_) => counts.matched += 1,
            }
            out.extend(found.drain(..).map(|failure| (jail.name.clone(), failure)));
        });
    }

    /// What the filters of the route have to say about the log.
    pub fn records(&mut self, route: &Route) -> Vec<Record> {
        route.jails.iter().flat_map(|at| self.jails[*at].filter.records()).collect()
    }

    /// The moment that a line of the route says, by its wrapper or the first filter that finds a date in it.
    pub fn date(&mut self, route: &Route, line: &[u8], now: Timestamp) -> Option<Timestamp> {
        route.jails.iter().find_map(|at| {
            let jail = &mut self.jails[*at];
            let line = unwrap(jail.unwrap, line);
            line.time.or_else(|| jail.filter.date(&line.text, now))
        })
    }

    /// The moment before which no line counts for any jail of the route.
    pub fn since(&self, route: &Route, now: Timestamp) -> Timestamp {
        now - route.jails.iter().map(|at| self.jails[*at].findtime).max().unwrap_or_default()
    }

    /// The jails, in order.
    pub fn jails(&self) -> &[PipeJail] {
        &self.jails
    }

    /// Each jail's counts, in the order of the jails.
    pub fn counts(&self) -> impl Iterator<Item = (&Arc<str>, Counts)> {
        self.jails.iter().map(|jail| &jail.name).zip(self.counts.iter().copied())
    }

    /// How often a regex was given up because it would have cost unbounded time, over all jails.
    pub fn backtrack_limits(&self) -> u64 {
        self.jails.iter().map(|jail| jail.filter.backtrack_limits()).sum()
    }
}

impl Route {
    /// The jails that read the log, each by its place in the pipe.
    pub fn jails(&self) -> &[usize] {
        &self.jails
    }
}
