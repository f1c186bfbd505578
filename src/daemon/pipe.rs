//! From the lines of logs to failures: scan, unwrap, filter, for all jails that read them.
//!
//! The same composition serves the follower, `replay` and the tests. Whose lines they are, and where they come from, is
//! the caller's business.

use std::ops::Range;
use std::sync::Arc;

use crate::filter::neighbours::Around;
use crate::filter::{Filter, Moment, Scan};
use crate::line::{Batch, Neighbours, Unwrap};
use crate::record::Record;
use crate::source::unwrap::unwrap;
use crate::ticket::Failure;
use crate::time::{Span, Timestamp};

/// Jails with their filters; all that is needed to make failures of lines.
pub struct Pipe {
    jails: Vec<PipeJail>,
    /// What [`Pipe::gave_up`] said last of each jail.
    told: Vec<u64>,
    /// Kept for its capacity.
    found: Vec<Failure>,
}

/// The way of one log's lines: which jails of a [`Pipe`] read it.
///
/// A jail that reads several logs has one filter with one state for all of them, as in fail2ban.
pub struct Route {
    jails: Vec<usize>,
    scan: Scan,
    /// What surrounds a line, where a jail's option `neighbours` wants to know: those jails' places in the pipe.
    around: Option<(Around, Vec<usize>)>,
}

/// A line that a jail has to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Where it lies in its batch, without its newline.
    range: Range<usize>,
    /// The jail's place in the pipe.
    jail: usize,
    /// The lines before it speak against it, and the jail listens to them.
    doubtful: bool,
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

impl Pipe {
    /// A pipe for these jails.
    pub fn new(jails: Vec<PipeJail>) -> Pipe {
        let told = jails.iter().map(|jail| jail.filter.backtrack_limits()).collect();
        Pipe { told, jails, found: Vec::new() }
    }

    /// Its jails, to be put into another pipe.
    pub fn take(&mut self) -> Vec<PipeJail> {
        std::mem::take(&mut self.jails)
    }

    /// The route of a log that the given jails read, each by its place in [`Pipe::new`].
    pub fn route(&self, jails: &[usize]) -> Route {
        let read_by: Vec<&PipeJail> = jails.iter().map(|at| &self.jails[*at]).collect();
        let filters: Vec<&Filter> = read_by.iter().map(|jail| &jail.filter).collect();
        let wrapped: Vec<bool> = read_by.iter().map(|jail| jail.unwrap != Unwrap::None).collect();
        let listens = |at: &usize| self.jails[*at].filter.neighbours() == Neighbours::FreeSwitch;
        let around: Vec<usize> = jails.iter().copied().filter(listens).collect();
        let around = (!around.is_empty()).then(|| (Around::default(), around));
        Route { jails: jails.to_vec(), scan: Scan::new(&filters, &wrapped), around }
    }

    /// The route of a log that every jail reads.
    pub fn route_to_all(&self) -> Route {
        self.route(&Vec::from_iter(0..self.jails.len()))
    }

    /// Takes lines in and adds the failures that they prove to `out`, in the order of the lines.
    pub fn batch(&mut self, route: &mut Route, batch: &Batch<'_>, now: Timestamp, out: &mut Vec<(Arc<str>, Failure)>) {
        let live = batch.live.then_some(now);
        route.each(batch.bytes, live, |candidate| self.line(&candidate, batch, now, out));
    }

    /// The same for a batch of which [`Route::candidates`] are known.
    pub fn judge(
        &mut self,
        candidates: &[Candidate],
        batch: &Batch<'_>,
        now: Timestamp,
        out: &mut Vec<(Arc<str>, Failure)>,
    ) {
        candidates.iter().for_each(|candidate| self.line(candidate, batch, now, out));
    }

    fn line(&mut self, candidate: &Candidate, batch: &Batch<'_>, now: Timestamp, out: &mut Vec<(Arc<str>, Failure)>) {
        let Pipe { jails, found, .. } = self;
        let (range, jail) = (&candidate.range, &mut jails[candidate.jail]);
        let before = &batch.bytes[..range.start];
        let line = unwrap(jail.unwrap, &batch.bytes[range.clone()]);
        let moment = Moment { now, findtime: jail.findtime, live: batch.live, time: line.time, before };
        if candidate.doubtful {
            return jail.filter.doubt(&line.text, &moment);
        }
        match batch.time {
            Some(time) => jail.filter.line_at(&line.text, time, &moment, found),
            None => jail.filter.line(&line.text, &moment, found),
        };
        out.extend(found.drain(..).map(|failure| (jail.name.clone(), failure)));
    }

    /// What the filters of the route have to say about the log, each with its jail's name.
    pub fn records(&mut self, route: &Route) -> Vec<Record> {
        let said = |at: &usize| -> Vec<Record> {
            let PipeJail { name, filter, .. } = &mut self.jails[*at];
            let named = |record: Record| Record { text: format!("[{name}] {}", record.text), ..record };
            filter.records().into_iter().map(named).collect()
        };
        route.jails.iter().flat_map(said).collect()
    }

    /// Jails of the route whose filters gave searches up since the last call, because they would have cost unbounded
    /// time, with how many.
    pub fn gave_up(&mut self, route: &Route) -> Vec<(Arc<str>, u64)> {
        let Pipe { jails, told, .. } = self;
        let news = route.jails.iter().map(|&at| {
            let all = jails[at].filter.backtrack_limits();
            (jails[at].name.clone(), all - std::mem::replace(&mut told[at], all))
        });
        news.filter(|(_, more)| *more > 0).collect()
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
}

impl Route {
    /// The lines of a batch that a jail has to look at, in order. Which they are depends on nothing but the batches before,
    /// so another thread may find them. The log has been there for long.
    pub fn candidates(&mut self, bytes: &[u8]) -> Vec<Candidate> {
        let mut found = Vec::new();
        self.each(bytes, None, |candidate| found.push(candidate));
        found
    }

    fn each(&mut self, bytes: &[u8], live: Option<Timestamp>, mut found: impl FnMut(Candidate)) {
        let Route { jails, scan, around } = self;
        scan.candidates(bytes, |range, filter| {
            let Some(&jail) = jails.get(filter) else { return };
            let doubtful = around
                .as_mut()
                .is_some_and(|(around, listening)| listening.contains(&jail) && around.breaks(bytes, &range, live));
            found(Candidate { range, jail, doubtful });
        });
        if let Some((around, _)) = around {
            around.leave(bytes, live);
        }
    }

    /// The jails that read the log, each by its place in the pipe.
    pub fn jails(&self) -> &[usize] {
        &self.jails
    }
}
