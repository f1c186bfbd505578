//! From the lines of logs to failures: scan, unwrap, filter, for all jails that read them.
//!
//! The same composition serves the follower, `replay` and the tests. Whose lines they are, and where they come from, is
//! the caller's business.

use std::ops::Range;
use std::sync::Arc;

use crate::filter::{Filter, Moment, Scan, Torn};
use crate::line::{Batch, Unwrap};
use crate::record::Record;
use crate::source::unwrap::unwrap;
use crate::ticket::Failure;
use crate::time::{Span, Timestamp};

/// Jails with their filters; all that is needed to make failures of lines.
pub struct Pipe {
    jails: Vec<PipeJail>,
    /// What [`Pipe::gave_up`] said last of each jail.
    told: Vec<u64>,
    /// How far each jail whose filter is in the middle of a record has looked at the lines of this batch.
    seen: Vec<usize>,
    /// Kept for its capacity.
    found: Vec<Failure>,
}

/// The way of one log's lines: which jails of a [`Pipe`] read it.
///
/// A jail that reads several logs has one filter with one state for all of them, as in fail2ban.
pub struct Route {
    jails: Vec<usize>,
    scan: Scan,
    /// For each jail the record in whose middle the last batch ended.
    torn: Vec<Option<Torn>>,
}

/// A line that a jail has to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Where it lies in its batch, without its newline.
    range: Range<usize>,
    /// The jail's place in the pipe.
    jail: usize,
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
        Pipe { told, seen: vec![0; jails.len()], jails, found: Vec::new() }
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
        let torn = jails.iter().map(|_| None).collect();
        Route { jails: jails.to_vec(), scan: Scan::new(&filters, &wrapped), torn }
    }

    /// The route of a log that every jail reads.
    pub fn route_to_all(&self) -> Route {
        self.route(&Vec::from_iter(0..self.jails.len()))
    }

    /// Takes lines in and adds the failures that they prove to `out`, in the order of the lines.
    pub fn batch(&mut self, route: &mut Route, batch: &Batch<'_>, now: Timestamp, out: &mut Vec<(Arc<str>, Failure)>) {
        self.begin(route);
        let Route { jails, scan, .. } = &mut *route;
        scan.candidates(batch.bytes, |range, filter| {
            let Some(&jail) = jails.get(filter) else { return };
            self.line(&Candidate { range, jail }, batch, now, out);
        });
        self.end(route, batch, now, out);
    }

    /// The same for the next batch of the one log that is read, of which [`Route::candidates`] are known.
    pub fn judge(
        &mut self,
        candidates: &[Candidate],
        batch: &Batch<'_>,
        now: Timestamp,
        out: &mut Vec<(Arc<str>, Failure)>,
    ) {
        self.seen.fill(0);
        candidates.iter().for_each(|candidate| self.line(candidate, batch, now, out));
        (0..self.jails.len()).for_each(|jail| self.between(jail, batch.bytes.len(), batch, now, out));
    }

    /// The one log that is read has come to its end: no record goes on behind it.
    pub fn at_end(&mut self) {
        self.jails.iter_mut().for_each(|jail| jail.filter.go_on(None));
    }

    /// Gives the filters back what they were in the middle of when this log's last lines came.
    fn begin(&mut self, route: &mut Route) {
        for (&jail, torn) in route.jails.iter().zip(&mut route.torn) {
            self.seen[jail] = 0;
            self.jails[jail].filter.go_on(torn.take());
        }
    }

    /// Filters that are in the middle of a record see the rest of the batch, and may be still.
    fn end(&mut self, route: &mut Route, batch: &Batch<'_>, now: Timestamp, out: &mut Vec<(Arc<str>, Failure)>) {
        for (&jail, torn) in route.jails.iter().zip(&mut route.torn) {
            self.between(jail, batch.bytes.len(), batch, now, out);
            *torn = self.jails[jail].filter.take_torn();
        }
    }

    fn line(&mut self, candidate: &Candidate, batch: &Batch<'_>, now: Timestamp, out: &mut Vec<(Arc<str>, Failure)>) {
        self.between(candidate.jail, candidate.range.start, batch, now, out);
        self.one(candidate, batch, now, out);
        self.seen[candidate.jail] = candidate.range.end + 1;
    }

    /// Lines up to `end` that are no candidates and count all the same, in the middle of a record.
    fn between(
        &mut self,
        jail: usize,
        end: usize,
        batch: &Batch<'_>,
        now: Timestamp,
        out: &mut Vec<(Arc<str>, Failure)>,
    ) {
        while self.jails[jail].filter.is_torn() && self.seen[jail] < end {
            let at = self.seen[jail];
            let range = at..memchr::memchr(b'\n', &batch.bytes[at..]).map_or(batch.bytes.len(), |n| at + n);
            self.seen[jail] = range.end + 1;
            self.one(&Candidate { range, jail }, batch, now, out);
        }
    }

    fn one(&mut self, candidate: &Candidate, batch: &Batch<'_>, now: Timestamp, out: &mut Vec<(Arc<str>, Failure)>) {
        let Pipe { jails, found, .. } = self;
        let (range, jail) = (&candidate.range, &mut jails[candidate.jail]);
        let before = &batch.bytes[..range.start];
        let line = unwrap(jail.unwrap, &batch.bytes[range.clone()]);
        let moment = Moment { now, findtime: jail.findtime, live: batch.live, time: line.time, before };
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
    /// The lines of a batch that a jail has to look at, in order. Which they are depends on nothing that came before, so
    /// another thread may find them.
    pub fn candidates(&mut self, bytes: &[u8]) -> Vec<Candidate> {
        let Route { jails, scan, .. } = self;
        let mut found = Vec::new();
        scan.candidates(bytes, |range, filter| found.extend(jails.get(filter).map(|&jail| Candidate { range, jail })));
        found
    }

    /// The jails that read the log, each by its place in the pipe.
    pub fn jails(&self) -> &[usize] {
        &self.jails
    }
}
