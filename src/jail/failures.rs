//! Who has failed how often: fail2ban's fail manager.
//!
//! The count is fail2ban's estimate and not a sliding window: when failures reach back further than `findtime`, those
//! so far are scaled to what their rate gives for `findtime`. A counter ends to the moment when its last failure lies
//! `findtime` back; fail2ban looks for such counters every few seconds only.
//!
//! Senders choose the addresses, so memory is bounded: beyond [`MAX_ADDRESSES`] or [`MAX_TEXT`] the counter with the
//! oldest last failure is forgotten, and that is counted.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};

use indexmap::IndexMap;

use crate::addr::Id;
use crate::ticket::{Counter, Failure};
use crate::time::{Span, Timestamp};

/// The counters of one jail.
#[derive(Debug)]
pub struct Failures {
    tallies: HashMap<Id, Tally>,
    /// By last failure, for ending and forgetting.
    order: BTreeSet<(Timestamp, Id)>,
    /// Whose counter is not as it was last kept.
    changed: HashSet<Id>,
    findtime: Span,
    maxmatches: usize,
    text: usize,
    total: u64,
    forgotten: u64,
    max_addresses: usize,
    max_text: usize,
}

/// What led to a ban.
#[derive(Clone, Debug, PartialEq)]
pub struct Sentence {
    /// Failures and matches.
    pub counter: Counter,
    /// Groups captured at the first failure.
    pub groups: IndexMap<String, String>,
}

#[derive(Debug)]
struct Tally {
    first: Timestamp,
    last: Timestamp,
    retry: u32,
    failures: u32,
    /// Packed, see [`pack`].
    groups: Option<Box<[u8]>>,
    matches: Option<Box<Matches>>,
}

/// Behind a pointer, since most counters have none: a deque itself has 32 bytes.
#[derive(Debug, Default)]
struct Matches {
    lines: VecDeque<Box<str>>,
}

impl Failures {
    /// No failures yet.
    pub fn new(findtime: Span, maxmatches: usize) -> Failures {
        Failures {
            tallies: HashMap::new(),
            order: BTreeSet::new(),
            changed: HashSet::new(),
            findtime,
            maxmatches,
            text: 0,
            total: 0,
            forgotten: 0,
            max_addresses: MAX_ADDRESSES,
            max_text: MAX_TEXT,
        }
    }

    /// New limits; counters follow with their next failure.
    pub fn limit(&mut self, findtime: Span, maxmatches: usize) {
        self.findtime = findtime;
        self.maxmatches = maxmatches;
    }

    /// Counts a failure against `id` and gives the failures so far. A line that stands for several tries counts as
    /// many, but once in [`Failures::total`].
    pub fn add(&mut self, id: &Id, failure: Failure) -> u32 {
        let Failure { time, count, matches, groups, .. } = failure;
        self.total += 1;
        self.changed.insert(id.clone());
        let (maxmatches, findtime) = (self.maxmatches, self.findtime);
        let retry = match self.tallies.get_mut(id) {
            Some(tally) => {
                if time > tally.last {
                    self.order.remove(&(tally.last, id.clone()));
                    self.order.insert((time, id.clone()));
                    tally.slide(time, findtime);
                }
                tally.retry = tally.retry.saturating_add(count.max(1));
                tally.failures = tally.failures.saturating_add(count.max(1));
                self.text = self.text - tally.text() + tally.with_matches(matches, maxmatches);
                tally.retry
            }
            None => {
                let (retry, failures) = (count.max(1), count.max(1));
                let mut tally =
                    Tally { first: time, last: time, retry, failures, groups: pack(&groups), matches: None };
                self.text += tally.with_matches(matches, maxmatches);
                self.insert(id.clone(), tally);
                retry
            }
        };
        self.forget_oldest(id);
        retry
    }

    /// Adds `extra` tries to a counter that exists, for somebody who is known to be bad.
    pub fn raise(&mut self, id: &Id, extra: u32) -> u32 {
        let Some(tally) = self.tallies.get_mut(id) else { return 0 };
        tally.retry = tally.retry.saturating_add(extra);
        self.changed.insert(id.clone());
        tally.retry
    }

    /// Ends the counter of somebody who is to be banned and gives what led to it.
    pub fn take(&mut self, id: &Id) -> Option<Sentence> {
        let tally = self.remove(id)?;
        Some(Sentence { counter: tally.counter(), groups: unpack(tally.groups.as_deref()) })
    }

    /// Forgets the failures of `id`; whether there were any.
    pub fn forget(&mut self, id: &Id) -> bool {
        self.remove(id).is_some()
    }

    /// Forgets the failures of everything inside `id`.
    pub fn forget_inside(&mut self, id: &Id) {
        let inside: Vec<Id> = self.tallies.keys().filter(|i| id.contains(i)).cloned().collect();
        for id in &inside {
            self.remove(id);
        }
    }

    /// Ends the counters whose last failure lies `findtime` back.
    pub fn clean(&mut self, now: Timestamp) {
        while let Some((last, id)) = self.order.first()
            && *last <= now - self.findtime
        {
            let id = id.clone();
            self.remove(&id);
        }
    }

    /// Takes back a counter that was kept; one that is too old is dropped, and that is a change to be kept.
    pub fn restore(&mut self, id: Id, counter: Counter, now: Timestamp) {
        if counter.last <= now - self.findtime {
            self.changed.insert(id);
            return;
        }
        let Counter { first, last, retry, failures, matches } = counter;
        let mut tally = Tally { first, last, retry, failures, groups: None, matches: None };
        self.remove(&id);
        self.text += tally.with_matches(matches, self.maxmatches);
        self.changed.remove(&id);
        self.insert(id.clone(), tally);
        self.forget_oldest(&id);
    }

    /// Whether [`Failures::changes`] has something to give.
    pub fn is_changed(&self) -> bool {
        !self.changed.is_empty()
    }

    /// Every counter that changed since the last call, `None` where it ended.
    pub fn changes(&mut self) -> impl Iterator<Item = (Id, Option<Counter>)> {
        let changed = std::mem::take(&mut self.changed);
        changed.into_iter().map(|id| {
            let counter = self.tallies.get(&id).map(Tally::counter);
            (id, counter)
        })
    }

    /// The counter of `id`.
    pub fn counter(&self, id: &Id) -> Option<Counter> {
        self.tallies.get(id).map(Tally::counter)
    }

    /// Counters that run.
    pub fn len(&self) -> usize {
        self.tallies.len()
    }

    /// Whether nobody has failed.
    pub fn is_empty(&self) -> bool {
        self.tallies.is_empty()
    }

    /// Failures since the jail started.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Counters that were given up because there were too many.
    pub fn forgotten(&self) -> u64 {
        self.forgotten
    }

    fn insert(&mut self, id: Id, tally: Tally) {
        self.text += tally.groups.as_deref().map_or(0, <[u8]>::len);
        self.order.insert((tally.last, id.clone()));
        self.tallies.insert(id, tally);
    }

    fn remove(&mut self, id: &Id) -> Option<Tally> {
        let tally = self.tallies.remove(id)?;
        self.order.remove(&(tally.last, id.clone()));
        self.text -= tally.text();
        self.changed.insert(id.clone());
        Some(tally)
    }

    /// Makes room; the counter just worked on stays.
    fn forget_oldest(&mut self, current: &Id) {
        while self.tallies.len() > self.max_addresses || self.text > self.max_text {
            let Some(oldest) = self.order.iter().map(|(_, id)| id).find(|id| *id != current).cloned() else { break };
            self.remove(&oldest);
            self.forgotten += 1;
        }
    }
}

impl Tally {
    /// Moves the window to a newer failure.
    fn slide(&mut self, time: Timestamp, findtime: Span) {
        if self.first < time - findtime {
            let rate = f64::from(self.retry) / (time - self.first).as_secs_f64();
            self.retry = (rate * findtime.as_secs_f64()).round_ties_even() as u32;
            self.first = time - findtime;
        }
        self.last = time;
    }

    /// Adds matches, keeps the newest, and gives the bytes of text held now.
    fn with_matches(&mut self, matches: Vec<String>, max: usize) -> usize {
        if max > 0 && !matches.is_empty() {
            let kept = &mut self.matches.get_or_insert_default().lines;
            let skip = matches.len().saturating_sub(max);
            kept.extend(matches.into_iter().skip(skip).map(String::into_boxed_str));
        }
        if let Some(matches) = &mut self.matches {
            let extra = matches.lines.len().saturating_sub(max);
            matches.lines.drain(..extra);
        }
        self.text()
    }

    fn text(&self) -> usize {
        let matches = self.matches.as_ref().map_or(0, |m| m.lines.iter().map(|line| line.len()).sum());
        matches + self.groups.as_deref().map_or(0, <[u8]>::len)
    }

    fn counter(&self) -> Counter {
        let matches = self.matches.iter().flat_map(|m| m.lines.iter().map(ToString::to_string)).collect();
        Counter { first: self.first, last: self.last, retry: self.retry, failures: self.failures, matches }
    }
}

/// Names and values one after the other, each after its length: a map would cost more than all the rest of a counter.
fn pack(groups: &IndexMap<String, String>) -> Option<Box<[u8]>> {
    if groups.is_empty() {
        return None;
    }
    let mut bytes = Vec::with_capacity(groups.iter().map(|(k, v)| k.len() + v.len() + 8).sum());
    for text in groups.iter().flat_map(|(name, value)| [name, value]) {
        let len = u32::try_from(text.len()).expect("a line is far shorter than 4 GiB");
        bytes.extend_from_slice(&len.to_le_bytes());
        bytes.extend_from_slice(text.as_bytes());
    }
    Some(bytes.into_boxed_slice())
}

fn unpack(bytes: Option<&[u8]>) -> IndexMap<String, String> {
    let mut texts = Vec::new();
    let mut rest = bytes.unwrap_or_default();
    while let Some((len, tail)) = rest.split_first_chunk::<4>() {
        let (text, tail) = tail.split_at(u32::from_le_bytes(*len) as usize);
        texts.push(String::from_utf8_lossy(text).into_owned());
        rest = tail;
    }
    let mut texts = texts.into_iter();
    std::iter::from_fn(|| Some((texts.next()?, texts.next()?))).collect()
}

/// Counters per jail at most.
pub const MAX_ADDRESSES: usize = 1_000_000;

/// Bytes of matches and groups per jail at most.
pub const MAX_TEXT: usize = 256 << 20;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ticket::Who;

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_secs(secs)
    }

    fn id() -> Id {
        Id::parse("192.0.2.1")
    }

    fn failure(secs: i64) -> Failure {
        let matches = vec![format!("line {secs}")];
        Failure { who: Who::Id(id()), time: at(secs), count: 1, matches, groups: IndexMap::new() }
    }

    fn failures() -> Failures {
        Failures::new(Span::from_secs(600), 3)
    }

    #[test]
    fn the_estimate_is_fail2bans() {
        for (times, expected) in [
            (&[0, 500, 1000, 1500, 2000][..], &[1, 2, 2, 2, 2][..]),
            (&[0, 100, 700, 800], &[1, 2, 3, 4]),
            (&[0, 601], &[1, 2]),
            (&[0, 1201], &[1, 1]),
            (&[0, 10, 20, 620], &[1, 2, 3, 4]),
            (&[100, 50, 200], &[1, 2, 3]),
            (&[0, 500, 601, 1201, 1202, 5000, 4000], &[1, 2, 3, 3, 4, 2, 3]),
        ] {
            let mut failures = failures();
            let got: Vec<u32> = times.iter().map(|t| failures.add(&id(), failure(*t))).collect();
            assert_eq!(got, expected, "{times:?}");
        }
    }

    #[test]
    fn a_counter_ends_when_its_last_failure_lies_findtime_back() {
        let mut failures = failures();
        failures.add(&id(), failure(1000));
        failures.clean(at(1599));
        assert_eq!(failures.len(), 1);
        failures.clean(at(1600));
        assert_eq!(failures.len(), 0);
        assert!(failures.order.is_empty());
        assert_eq!(failures.text, 0);
    }

    #[test]
    fn the_newest_matches_and_the_first_groups_stay() {
        let mut failures = failures();
        for (secs, user) in [(1, "alice1"), (2, "alice2"), (3, "bob1"), (4, "bob2")] {
            let mut failure = failure(secs);
            failure.groups.insert("user".into(), user.into());
            failure.groups.insert("leer".into(), String::new());
            failures.add(&id(), failure);
        }
        let sentence = failures.take(&id()).expect("it has failed");
        assert_eq!(sentence.counter.matches, ["line 2", "line 3", "line 4"]);
        assert_eq!(sentence.counter.failures, 4);
        assert_eq!(sentence.groups["user"], "alice1");
        assert_eq!(sentence.groups["leer"], "");
        assert!(failures.is_empty());
    }

    #[test]
    fn no_matches_are_kept_where_maxmatches_is_zero() {
        let mut failures = Failures::new(Span::from_secs(600), 0);
        failures.add(&id(), failure(1));
        failures.add(&id(), failure(2));
        assert_eq!(failures.counter(&id()).map(|c| c.matches), Some(vec![]));
    }

    #[test]
    fn after_n_tries_counts_as_n_but_is_one_failure_in_the_total() {
        let mut failures = failures();
        assert_eq!(failures.add(&id(), Failure { count: 4, ..failure(1) }), 4);
        assert_eq!(failures.add(&id(), Failure { count: u32::MAX, ..failure(2) }), u32::MAX);
        assert_eq!(failures.total(), 2);
    }

    #[test]
    fn changes_say_what_runs_and_what_ended_once() {
        let mut failures = failures();
        let other = Id::parse("192.0.2.2");
        failures.add(&id(), failure(1));
        failures.add(&other, failure(1));
        failures.forget(&other);
        let changes: HashMap<Id, Option<Counter>> = failures.changes().collect();
        assert_eq!(changes[&id()].as_ref().map(|c| c.retry), Some(1));
        assert_eq!(changes[&other], None);
        assert!(!failures.is_changed());
        assert_eq!(failures.changes().count(), 0);
    }

    #[test]
    fn kept_counters_come_back_and_go_on() {
        let mut before = failures();
        before.add(&id(), failure(100));
        before.add(&id(), failure(110));
        let (id, counter) = before.changes().next().expect("it changed");
        let counter = counter.expect("it runs");
        let mut after = failures();
        after.restore(id.clone(), counter.clone(), at(120));
        assert!(!after.is_changed());
        assert_eq!(after.add(&id, failure(130)), 3);
        let mut late = failures();
        late.restore(id.clone(), counter, at(900));
        assert!(late.is_empty());
        assert_eq!(late.changes().collect::<Vec<_>>(), [(id, None)]);
    }

    #[test]
    fn beyond_the_cap_the_oldest_is_forgotten_and_counted() {
        let mut failures = failures();
        failures.max_addresses = 100;
        for i in 0..150_u32 {
            failures.add(
                &Id::from(std::net::IpAddr::from(0xc000_0200_u32.wrapping_add(i).to_be_bytes())),
                failure(i64::from(i)),
            );
        }
        assert_eq!((failures.len(), failures.forgotten()), (100, 50));
        assert!(failures.counter(&Id::parse("192.0.2.49")).is_none());
        assert!(failures.counter(&Id::parse("192.0.2.50")).is_some());
        failures.max_text = 100;
        failures.add(&id(), Failure { matches: vec!["x".repeat(200)], ..failure(200) });
        assert_eq!(failures.len(), 1, "the one that is worked on stays");
    }

    #[test]
    fn a_counter_is_small() {
        assert!(size_of::<(Id, Tally)>() <= 72, "{}", size_of::<(Id, Tally)>());
    }
}
