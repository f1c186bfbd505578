//! From the lines of logs to failures: scan, unwrap, filter, for all jails that read them.
//!
//! The same composition serves the follower, `replay` and the tests. Whose lines they are, and where they come from, is
//! the caller's business.

use std::ops::Range;
use std::sync::Arc;

use crate::filter::neighbours::Around;
use crate::filter::{Filter, Moment, Scan, Shared, Torn};
use crate::line::{Batch, Neighbours, Unwrap};
use crate::record::{Level, Record};
use crate::source::unwrap::unwrap;
use crate::ticket::Failure;
use crate::time::{Span, Timestamp};

/// Jails with their filters; all that is needed to make failures of lines.
///
/// Jails of the same filter that have seen the same lines are of one mind: there is one filter with one state for all of
/// them, and a line that they all read is looked at once. Where they part, because not all of them read a log or read it
/// at the same time, those that go their own way take a copy along.
pub struct Pipe {
    jails: Vec<Member>,
    filters: Vec<Filter>,
    /// How many jails have each filter.
    minds: Vec<usize>,
    /// What was made for the logs that are read by certain jails: others are often read by jails with the same filters.
    scans: Vec<(Vec<usize>, Scan)>,
    /// What [`Pipe::records`] says next.
    said: Vec<Record>,
    /// How far each jail has looked at the lines of this batch; matters to those in the middle of a record.
    seen: Vec<usize>,
    /// What the filters before found in the line that they all look at.
    shared: Box<Shared>,
    /// Kept for its capacity.
    found: Vec<Failure>,
}

/// A jail in the pipe.
struct Member {
    name: Arc<str>,
    unwrap: Unwrap,
    findtime: Span,
    /// The place of its filter, which may be others' as well.
    filter: usize,
    /// What [`Pipe::gave_up`] said last of it.
    told: u64,
}

/// The way of one log's lines: which jails of a [`Pipe`] read it.
///
/// A jail that reads several logs has one filter with one state for all of them, as in fail2ban.
pub struct Route {
    jails: Vec<usize>,
    /// Jails for which the same lines are candidates.
    alike: Vec<Arc<[usize]>>,
    /// Made with the first lines: most logs of a quiet host say nothing for long.
    scan: Option<Scan>,
    /// What surrounds a line, where the option `neighbours` of some of them wants to know.
    around: Option<Around>,
    /// Which of `alike` do.
    listening: Vec<bool>,
    /// For each jail the record in whose middle the last batch ended.
    torn: Vec<Option<Torn>>,
    /// Whether records of several lines matter to some of them.
    records: bool,
}

/// A line that some jails of the same filter have to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Where it lies in its batch, without its newline.
    range: Range<usize>,
    /// The jails' places in the pipe.
    jails: Arc<[usize]>,
    /// The lines before it speak against it, and these jails listen to them.
    doubtful: bool,
}

/// One jail as far as its lines are concerned.
pub struct PipeJail {
    /// The jail's name.
    pub name: Arc<str>,
    /// What counts as a failure. It has seen no line yet.
    pub filter: Filter,
    /// What has to come off a line first.
    pub unwrap: Unwrap,
    /// The time within which failures must happen: older lines are not looked at when a log is read from the start.
    pub findtime: Span,
}

impl Pipe {
    /// A pipe for these jails.
    pub fn new(jails: Vec<PipeJail>) -> Pipe {
        let mut pipe = Pipe {
            jails: vec![],
            filters: vec![],
            minds: vec![],
            scans: vec![],
            said: vec![],
            seen: vec![],
            shared: Box::default(),
            found: vec![],
        };
        pipe.join(jails);
        pipe
    }

    /// Other jails from now on: of those before the ones that stay, in their order and as they are, and behind them `new`
    /// ones.
    pub fn exchange(&mut self, stays: impl Fn(&str) -> bool, new: Vec<PipeJail>) {
        self.jails.retain(|jail| stays(&jail.name));
        self.scans.clear();
        self.minds.clear();
        let mut filters: Vec<Option<Filter>> = std::mem::take(&mut self.filters).into_iter().map(Some).collect();
        let mut places = vec![0; filters.len()];
        for jail in &mut self.jails {
            let was = jail.filter;
            if let Some(filter) = filters[was].take() {
                places[was] = self.filters.len();
                self.filters.push(filter);
                self.minds.push(0);
            }
            jail.filter = places[was];
            self.minds[jail.filter] += 1;
        }
        self.join(new);
    }

    /// Takes jails in. They have seen no line: those of the same filter are of one mind with each other, and with nobody else.
    fn join(&mut self, new: Vec<PipeJail>) {
        let first = self.jails.len();
        for PipeJail { name, filter, unwrap, findtime } in new {
            let twin = self.jails[first..].iter().find(|jail| {
                let same = jail.unwrap == unwrap && self.filters[jail.filter].is_twin(&filter);
                same && (jail.findtime == findtime || filter.is_memoryless())
            });
            let told = filter.backtrack_limits();
            let filter = match twin {
                Some(jail) => jail.filter,
                None => {
                    self.filters.push(filter);
                    self.minds.push(0);
                    self.filters.len() - 1
                }
            };
            self.minds[filter] += 1;
            self.jails.push(Member { name, unwrap, findtime, filter, told });
        }
    }

    /// The route of a log that the given jails read, each by its place in [`Pipe::new`].
    pub fn route(&self, jails: &[usize]) -> Route {
        let mut alike: Vec<Vec<usize>> = Vec::new();
        for &at in jails {
            match alike.iter_mut().find(|jails| self.are_alike(at, jails[0])) {
                Some(jails) => jails.push(at),
                None => alike.push(vec![at]),
            }
        }
        let listens =
            |jails: &Vec<usize>| self.filters[self.jails[jails[0]].filter].neighbours() == Neighbours::FreeSwitch;
        let listening: Vec<bool> = alike.iter().map(listens).collect();
        let around = listening.contains(&true).then(Around::default);
        let alike = alike.into_iter().map(Arc::from).collect();
        let records = jails.iter().any(|jail| self.filters[self.jails[*jail].filter].has_records());
        Route { jails: jails.to_vec(), alike, scan: None, around, listening, torn: vec![None; jails.len()], records }
    }

    /// The route of a log that every jail reads, ready for [`Route::candidates`].
    pub fn route_to_all(&mut self) -> Route {
        let route = self.route(&Vec::from_iter(0..self.jails.len()));
        Route { scan: Some(self.scan(&route.alike)), ..route }
    }

    /// Whether the same lines are candidates for both jails.
    fn are_alike(&self, one: usize, other: usize) -> bool {
        let (one, other) = (&self.jails[one], &self.jails[other]);
        one.unwrap == other.unwrap && self.filters[one.filter].is_twin(&self.filters[other.filter])
    }

    fn scan(&mut self, alike: &[Arc<[usize]>]) -> Scan {
        let jails: Vec<usize> = alike.iter().map(|jails| jails[0]).collect();
        let same = |known: &[usize]| {
            known.len() == jails.len() && known.iter().zip(&jails).all(|(one, other)| self.are_alike(*one, *other))
        };
        if let Some((_, scan)) = self.scans.iter().find(|(known, _)| same(known)) {
            return scan.clone();
        }
        let filters: Vec<&Filter> = jails.iter().map(|jail| &self.filters[self.jails[*jail].filter]).collect();
        let wrapped: Vec<bool> = jails.iter().map(|jail| self.jails[*jail].unwrap != Unwrap::None).collect();
        let scan = Scan::new(&filters, &wrapped);
        for ((filter, jails), wrapped) in filters.iter().zip(alike).zip(wrapped) {
            let Some(why) = filter.remark(wrapped) else { continue };
            let record =
                |jail: &usize| Record::new(Level::Info, "filter", format!("[{}] {why}", self.jails[*jail].name));
            self.said.extend(jails.iter().map(record));
        }
        self.scans.push((jails, scan.clone()));
        scan
    }

    /// Takes lines in and adds the failures that they prove to `out`, in the order of the lines.
    pub fn batch(&mut self, route: &mut Route, batch: &Batch<'_>, now: Timestamp, out: &mut Vec<(Arc<str>, Failure)>) {
        if route.scan.is_none() {
            route.scan = Some(self.scan(&route.alike));
        }
        self.seen.clear();
        self.seen.resize(self.jails.len(), 0);
        // What the filters were in the middle of when this log's last lines came.
        for (jail, torn) in route.jails.iter().zip(&mut route.torn) {
            self.filters[self.jails[*jail].filter].go_on(torn.take());
        }
        let live = batch.live.then_some(now);
        route.each(batch.bytes, live, |jails, range, doubtful| self.line(jails, range, doubtful, batch, now, out));
        route.alike.iter().for_each(|jails| self.between(jails, batch.bytes.len(), batch, now, out));
        for (jail, torn) in route.jails.iter().zip(&mut route.torn) {
            *torn = self.filters[self.jails[*jail].filter].torn().cloned();
        }
        route.jails.iter().for_each(|jail| self.filters[self.jails[*jail].filter].go_on(None));
    }

    /// The same for the next batch of the one log that is read, of which [`Route::candidates`] are known.
    pub fn judge(
        &mut self,
        candidates: &[Candidate],
        batch: &Batch<'_>,
        now: Timestamp,
        out: &mut Vec<(Arc<str>, Failure)>,
    ) {
        self.seen.clear();
        self.seen.resize(self.jails.len(), 0);
        for Candidate { range, jails, doubtful } in candidates {
            self.line(jails, range.clone(), *doubtful, batch, now, out);
        }
        for filter in 0..self.filters.len() {
            let jails: Vec<usize> = (0..self.jails.len()).filter(|jail| self.jails[*jail].filter == filter).collect();
            self.between(&jails, batch.bytes.len(), batch, now, out);
        }
    }

    /// The one log that is read has come to its end: no record goes on behind it.
    pub fn at_end(&mut self) {
        self.filters.iter_mut().for_each(|filter| filter.go_on(None));
    }

    /// Jails of the same filter look at a line, and before it at those that they would have passed over, where they are in
    /// the middle of a record.
    fn line(
        &mut self,
        jails: &[usize],
        range: Range<usize>,
        doubtful: bool,
        batch: &Batch<'_>,
        now: Timestamp,
        out: &mut Vec<(Arc<str>, Failure)>,
    ) {
        self.between(jails, range.start, batch, now, out);
        self.one(jails, range, doubtful, batch, now, out);
    }

    /// Jails of the same filter that are in the middle of a record look at all lines up to `end`, until they are not.
    fn between(
        &mut self,
        jails: &[usize],
        end: usize,
        batch: &Batch<'_>,
        now: Timestamp,
        out: &mut Vec<(Arc<str>, Failure)>,
    ) {
        loop {
            let waits = |jail: &usize| self.seen[*jail] < end && self.filters[self.jails[*jail].filter].is_torn();
            let waiting = || jails.iter().copied().filter(waits);
            let Some(at) = waiting().map(|jail| self.seen[jail]).min() else { return };
            let waiting: Vec<usize> = waiting().filter(|jail| self.seen[*jail] == at).collect();
            let range = at..memchr::memchr(b'\n', &batch.bytes[at..]).map_or(batch.bytes.len(), |n| at + n);
            self.one(&waiting, range, false, batch, now, out);
        }
    }

    /// Jails of the same filter look at a line, those of one mind with one look.
    fn one(
        &mut self,
        jails: &[usize],
        range: Range<usize>,
        doubtful: bool,
        batch: &Batch<'_>,
        now: Timestamp,
        out: &mut Vec<(Arc<str>, Failure)>,
    ) {
        jails.iter().for_each(|jail| self.seen[*jail] = range.end + 1);
        let before = &batch.bytes[..range.start];
        let line = unwrap(self.jails[jails[0]].unwrap, &batch.bytes[range]);
        let moment = Moment { now, findtime: Span::default(), live: batch.live, time: line.time, before };
        if doubtful {
            return self.doubt(jails, &line.text, &moment);
        }
        if self.are_of_one_mind(jails) {
            return self.look(jails, &line.text, batch.time, moment, out);
        }
        let mut others = jails.to_vec();
        while let Some(first) = others.first() {
            let filter = self.jails[*first].filter;
            let (minds, rest): (Vec<_>, Vec<_>) =
                others.into_iter().partition(|jail| self.jails[*jail].filter == filter);
            self.part(filter, &minds);
            self.look(&minds, &line.text, batch.time, moment, out);
            others = rest;
        }
    }

    /// Jails hear of a line that they should not believe. It changes nothing for any of them.
    fn doubt(&mut self, jails: &[usize], text: &[u8], moment: &Moment<'_>) {
        let mut filters: Vec<usize> = jails.iter().map(|jail| self.jails[*jail].filter).collect();
        filters.dedup();
        filters.into_iter().for_each(|filter| self.filters[filter].doubt(text, moment));
    }

    /// Jails of one mind look at a line.
    fn look(
        &mut self,
        jails: &[usize],
        text: &[u8],
        time: Option<Timestamp>,
        moment: Moment<'_>,
        out: &mut Vec<(Arc<str>, Failure)>,
    ) {
        let Pipe { jails: members, filters, found, shared, .. } = self;
        let findtime = members[jails[0]].findtime;
        // What is live is never too old, so nobody's `findtime` matters then.
        let together = moment.live || jails.iter().all(|jail| members[*jail].findtime == findtime);
        for jails in jails.chunks(if together { jails.len() } else { 1 }) {
            let Member { filter, findtime, .. } = members[jails[0]];
            let moment = Moment { findtime, ..moment };
            filters[filter].line_among(text, time, &moment, shared, found);
            let Some((last, others)) = jails.split_last() else { continue };
            for failure in found.drain(..) {
                out.extend(others.iter().map(|jail| (members[*jail].name.clone(), failure.clone())));
                out.push((members[*last].name.clone(), failure));
            }
        }
    }

    /// Whether these jails, and no others, have one filter.
    fn are_of_one_mind(&self, jails: &[usize]) -> bool {
        let filter = self.jails[jails[0]].filter;
        self.minds[filter] == jails.len() && jails.iter().all(|jail| self.jails[*jail].filter == filter)
    }

    /// These jails, which have the same filter, see a line that others who have it may not see: then they take a copy along.
    fn part(&mut self, filter: usize, jails: &[usize]) {
        if self.minds[filter] == jails.len() {
            return;
        }
        self.minds[filter] -= jails.len();
        for jail in jails {
            self.jails[*jail].filter = self.filters.len();
        }
        self.filters.push(self.filters[filter].clone());
        self.minds.push(jails.len());
    }

    /// What the filters of the route have to say about the log, each with its jail's name.
    pub fn records(&mut self, route: &Route) -> Vec<Record> {
        let mut all = std::mem::take(&mut self.said);
        for &at in &route.jails {
            let filter = self.jails[at].filter;
            let said = self.filters[filter].records();
            // Of one mind, they say the same.
            for jail in self.jails.iter().filter(|jail| jail.filter == filter) {
                let named = |r: &Record| Record { text: format!("[{}] {}", jail.name, r.text), ..r.clone() };
                all.extend(said.iter().map(named));
            }
        }
        all
    }

    /// Jails of the route whose filters gave searches up since the last call, because they would have cost unbounded
    /// time, with how many.
    pub fn gave_up(&mut self, route: &Route) -> Vec<(Arc<str>, u64)> {
        let Pipe { jails, filters, .. } = self;
        let news = route.jails.iter().map(|&at| {
            let jail = &mut jails[at];
            let all = filters[jail.filter].backtrack_limits();
            (jail.name.clone(), all - std::mem::replace(&mut jail.told, all))
        });
        news.filter(|(_, more)| *more > 0).collect()
    }

    /// The moment that a line of the route says, by its wrapper or the first filter that finds a date in it.
    pub fn date(&mut self, route: &Route, line: &[u8], now: Timestamp) -> Option<Timestamp> {
        route.alike.iter().find_map(|jails| {
            let jail = &self.jails[jails[0]];
            let line = unwrap(jail.unwrap, line);
            line.time.or_else(|| self.filters[jail.filter].date(&line.text, now))
        })
    }

    /// The moment before which no line counts for any jail of the route.
    pub fn since(&self, route: &Route, now: Timestamp) -> Timestamp {
        now - route.jails.iter().map(|at| self.jails[*at].findtime).max().unwrap_or_default()
    }

    /// The name of the jail at a place.
    pub fn name(&self, jail: usize) -> &Arc<str> {
        &self.jails[jail].name
    }
}

impl Route {
    /// The lines of a batch that some jail has to look at, in order. Which they are depends on nothing but the batches
    /// before, so another thread may find them. The log has been there for long. For a route of [`Pipe::route_to_all`]; on
    /// another one there are none.
    pub fn candidates(&mut self, bytes: &[u8]) -> Vec<Candidate> {
        let mut found = Vec::new();
        self.each(bytes, None, |jails, range, doubtful| {
            found.push(Candidate { range, jails: jails.clone(), doubtful })
        });
        found
    }

    /// Whether lines that are no candidates may belong to one before them: then [`Pipe::judge`] has to get every batch.
    pub fn has_records(&self) -> bool {
        self.records
    }

    /// Calls `found` for these lines, `live` being the present where the log is being written.
    fn each(
        &mut self,
        bytes: &[u8],
        live: Option<Timestamp>,
        mut found: impl FnMut(&Arc<[usize]>, Range<usize>, bool),
    ) {
        let Route { alike, scan: Some(scan), around, listening, .. } = self else { return };
        scan.candidates(bytes, |range, filter| {
            let Some(jails) = alike.get(filter) else { return };
            let doubtful =
                listening[filter] && around.as_mut().is_some_and(|around| around.breaks(bytes, &range, live));
            found(jails, range, doubtful);
        });
        if let Some(around) = around {
            around.leave(bytes, live);
        }
    }

    /// The jails that read the log, each by its place in the pipe.
    pub fn jails(&self) -> &[usize] {
        &self.jails
    }
}
