//! Who has failed how often: fail2ban's fail manager.
//!
//! The count is fail2ban's estimate and not a sliding window: when failures reach back further than `findtime`, those
//! so far are scaled to what their rate gives for `findtime`. A counter ends to the moment when its last failure lies
//! `findtime` back; fail2ban looks for such counters every few seconds only.
//!
//! Senders choose the addresses, so memory is bounded: beyond [`MAX_ADDRESSES`] or [`MAX_TEXT`] the counter with the
//! oldest last failure is forgotten, and that is counted. A failure of somebody who has failed before is a look-up and
//! a few numbers: the order of the counters is put right when somebody asks for its front, and what has to be kept is a
//! mark.

mod marks;
mod table;
mod tally;

use std::collections::BTreeSet;

use crate::addr::Id;
use crate::ticket::{Counter, Failure};
use crate::time::{Span, Timestamp};
use marks::Marks;
use table::Table;
use tally::Tally;

pub use tally::Sentence;

/// The counters of one jail.
#[derive(Debug)]
pub struct Failures {
    table: Table,
    /// Slots by [`Tally::queued`], for ending and forgetting.
    order: BTreeSet<(Timestamp, u32)>,
    /// Slots whose counter is not as it was last kept.
    changed: Marks,
    /// Whose counter was kept and has ended since.
    ended: Vec<Id>,
    findtime: Span,
    maxmatches: usize,
    text: usize,
    total: u64,
    forgotten: u64,
    max_addresses: usize,
    max_text: usize,
}

impl Failures {
    /// No failures yet.
    pub fn new(findtime: Span, maxmatches: usize) -> Failures {
        Failures {
            table: Table::default(),
            order: BTreeSet::new(),
            changed: Marks::default(),
            ended: Vec::new(),
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

    /// Counts a failure against `id` as so many tries and gives the tries so far. A line that stands for several counts
    /// once in [`Failures::total`].
    pub fn add(&mut self, id: &Id, failure: &Failure, tries: u32) -> u32 {
        let Failure { time, matches, groups, .. } = failure;
        let (time, tries) = (*time, tries.max(1));
        self.total += 1;
        let slot = match self.table.find(id) {
            Some(slot) => slot,
            None => self.insert(Tally { groups: groups.texts().clone(), ..Tally::new(id.clone(), time) }),
        };
        self.changed.set(slot);
        let Some(tally) = self.table.get_mut(slot) else { return 0 };
        if time > tally.last {
            tally.slide(time, self.findtime);
        }
        tally.retry = tally.retry.saturating_add(tries);
        tally.failures = tally.failures.saturating_add(tries);
        let (retry, before) = (tally.retry, tally.text());
        // Copied, not taken over: memory goes back to the thread that took it.
        tally.remember(matches.iter().map(|line| Box::from(line.as_str())), self.maxmatches);
        self.text = self.text - before + tally.text();
        self.forget_oldest(slot);
        retry
    }

    /// Adds `extra` tries to a counter that exists, for somebody who is known to be bad.
    pub fn raise(&mut self, id: &Id, extra: u32) -> u32 {
        let Some(slot) = self.table.find(id) else { return 0 };
        self.changed.set(slot);
        let Some(tally) = self.table.get_mut(slot) else { return 0 };
        tally.retry = tally.retry.saturating_add(extra);
        tally.retry
    }

    /// Ends the counter of somebody who is to be banned and gives what led to it.
    pub fn take(&mut self, id: &Id) -> Option<Sentence> {
        let slot = self.table.find(id)?;
        self.remove(slot).map(Sentence::from)
    }

    /// Forgets the failures of `id`; whether there were any.
    pub fn forget(&mut self, id: &Id) -> bool {
        self.table.find(id).and_then(|slot| self.remove(slot)).is_some()
    }

    /// Forgets the failures of everything inside `id`.
    pub fn forget_inside(&mut self, id: &Id) {
        let inside: Vec<Id> = self.table.iter().map(|tally| &tally.id).filter(|i| id.contains(i)).cloned().collect();
        for id in &inside {
            self.forget(id);
        }
    }

    /// Ends the counters whose last failure lies `findtime` back.
    pub fn clean(&mut self, now: Timestamp) {
        let limit = now - self.findtime;
        while let Some(&(queued, slot)) = self.order.first()
            && queued <= limit
        {
            if !self.requeue(slot) {
                self.remove(slot);
            }
        }
    }

    /// Takes back a counter that was kept; one that is too old is dropped, and that is a change to be kept.
    pub fn restore(&mut self, id: Id, counter: Counter, now: Timestamp) {
        if counter.last <= now - self.findtime {
            self.ended.push(id);
            return;
        }
        let Counter { first, last, retry, failures, matches, .. } = counter;
        let known = self.forget(&id);
        let mut tally = Tally { first, retry, failures, kept: true, ..Tally::new(id, last) };
        tally.remember(matches.iter().map(Box::from), self.maxmatches);
        let slot = self.insert(tally);
        if known {
            self.changed.set(slot);
        }
        self.forget_oldest(slot);
    }

    /// How many changes [`Failures::changes`] has to give.
    pub fn changed(&self) -> usize {
        self.changed.len() + self.ended.len()
    }

    /// Every counter that changed since the last call, those that ended first: `None`. What came and went meanwhile is no
    /// change.
    pub fn changes(&mut self) -> Vec<(Id, Option<Counter>)> {
        let mut changes = Vec::with_capacity(self.changed());
        changes.extend(std::mem::take(&mut self.ended).into_iter().map(|id| (id, None)));
        for slot in self.changed.take() {
            let Some(tally) = self.table.get_mut(slot) else { continue };
            tally.kept = true;
            changes.push((tally.id.clone(), Some(tally.counter())));
        }
        changes
    }

    /// The counter of `id`.
    pub fn counter(&self, id: &Id) -> Option<Counter> {
        self.get(id).map(Tally::counter)
    }

    /// Counters that run.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether nobody has failed.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Failures since the jail started.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Counters that were given up because there were too many.
    pub fn forgotten(&self) -> u64 {
        self.forgotten
    }

    fn get(&self, id: &Id) -> Option<&Tally> {
        self.table.get(self.table.find(id)?)
    }

    fn insert(&mut self, tally: Tally) -> u32 {
        self.text += tally.text();
        let queued = tally.queued;
        let slot = self.table.insert(tally);
        self.order.insert((queued, slot));
        slot
    }

    fn remove(&mut self, slot: u32) -> Option<Tally> {
        let tally = self.table.remove(slot)?;
        self.order.remove(&(tally.queued, slot));
        self.changed.clear(slot);
        self.text -= tally.text();
        if tally.kept {
            self.ended.push(tally.id.clone());
        }
        if self.is_empty() {
            // After a flood its room is given back.
            self.table = Table::default();
        }
        Some(tally)
    }

    /// Gives a counter the place in the order that its last failure has; `false`: it was there.
    fn requeue(&mut self, slot: u32) -> bool {
        let Some(tally) = self.table.get_mut(slot).filter(|tally| tally.queued < tally.last) else { return false };
        self.order.remove(&(tally.queued, slot));
        tally.queued = tally.last;
        self.order.insert((tally.queued, slot))
    }

    /// Makes room; the counter just worked on stays.
    fn forget_oldest(&mut self, current: u32) {
        while self.table.len() > self.max_addresses || self.text > self.max_text {
            let Some(&(_, oldest)) = self.order.iter().find(|(_, slot)| *slot != current) else { break };
            if !self.requeue(oldest) {
                self.remove(oldest);
                self.forgotten += 1;
            }
        }
    }
}

/// Counters per jail at most.
pub const MAX_ADDRESSES: usize = 1_000_000;

/// Bytes of matches and groups per jail at most.
pub const MAX_TEXT: usize = 256 << 20;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ticket::{Named, Sign, Who};

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_secs(secs)
    }

    fn id() -> Id {
        Id::parse("192.0.2.1")
    }

    fn failure(secs: i64) -> Failure {
        let matches = vec![format!("line {secs}")];
        Failure { who: Who::Id(id()), time: at(secs), count: 1, matches, groups: Named::default(), sign: Sign::Failed }
    }

    fn add(failures: &mut Failures, id: &Id, failure: Failure) -> u32 {
        failures.add(id, &failure, failure.count)
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
            let got: Vec<u32> = times.iter().map(|t| add(&mut failures, &id(), failure(*t))).collect();
            assert_eq!(got, expected, "{times:?}");
        }
    }

    #[test]
    fn a_counter_ends_when_its_last_failure_lies_findtime_back() {
        let mut failures = failures();
        add(&mut failures, &id(), failure(1000));
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
            failure.groups = Named::from([("user", user), ("leer", "")]);
            add(&mut failures, &id(), failure);
        }
        let sentence = failures.take(&id()).expect("it has failed");
        assert_eq!((sentence.failures(), sentence.last()), (4, at(4)));
        let (groups, matches) = sentence.story();
        assert_eq!(matches, ["line 2", "line 3", "line 4"]);
        assert_eq!(groups["user"], "alice1");
        assert_eq!(groups["leer"], "");
        assert!(failures.is_empty());
    }

    #[test]
    fn no_matches_are_kept_where_maxmatches_is_zero() {
        let mut failures = Failures::new(Span::from_secs(600), 0);
        add(&mut failures, &id(), failure(1));
        add(&mut failures, &id(), failure(2));
        assert!(failures.counter(&id()).is_some_and(|counter| counter.matches.is_empty()));
    }

    #[test]
    fn after_n_tries_counts_as_n_but_is_one_failure_in_the_total() {
        let mut failures = failures();
        assert_eq!(add(&mut failures, &id(), Failure { count: 4, ..failure(1) }), 4);
        assert_eq!(add(&mut failures, &id(), Failure { count: u32::MAX, ..failure(2) }), u32::MAX);
        assert_eq!(failures.total(), 2);
    }

    #[test]
    fn changes_say_what_runs_and_what_ended_once_and_nothing_of_what_came_and_went() {
        let mut failures = failures();
        let [other, third] = ["192.0.2.2", "192.0.2.3"].map(Id::parse);
        add(&mut failures, &id(), failure(1));
        add(&mut failures, &other, failure(1));
        add(&mut failures, &third, failure(1));
        failures.forget(&third);
        assert_eq!(failures.changed(), 2);
        let retries = |changes: Vec<(Id, Option<Counter>)>| -> Vec<(Id, Option<u32>)> {
            changes.into_iter().map(|(id, counter)| (id, counter.map(|counter| counter.retry))).collect()
        };
        assert_eq!(retries(failures.changes()), [(id(), Some(1)), (other.clone(), Some(1))]);
        assert_eq!((failures.changed(), failures.changes().len()), (0, 0));
        failures.forget(&other);
        add(&mut failures, &id(), failure(2));
        add(&mut failures, &third, failure(2));
        failures.forget(&id());
        add(&mut failures, &id(), failure(3));
        let mut changes = retries(failures.changes());
        changes[2..].sort();
        assert_eq!(changes, [(other, None), (id(), None), (id(), Some(1)), (third, Some(1))]);
    }

    #[test]
    fn kept_counters_come_back_and_go_on() {
        let mut before = failures();
        add(&mut before, &id(), failure(100));
        add(&mut before, &id(), failure(110));
        let (id, counter) = before.changes().remove(0);
        let counter = counter.expect("it runs");
        let mut after = failures();
        after.restore(id.clone(), counter.clone(), at(120));
        assert_eq!(after.changed(), 0);
        assert_eq!(add(&mut after, &id, failure(130)), 3);
        let mut late = failures();
        late.restore(id.clone(), counter, at(900));
        assert!(late.is_empty());
        assert_eq!(late.changes(), [(id, None)]);
    }

    #[test]
    fn beyond_the_cap_the_oldest_is_forgotten_and_counted() {
        let mut failures = failures();
        failures.max_addresses = 100;
        for i in 0..150_u32 {
            add(
                &mut failures,
                &Id::from(std::net::IpAddr::from(0xc000_0200_u32.wrapping_add(i).to_be_bytes())),
                failure(i64::from(i)),
            );
        }
        assert_eq!((failures.len(), failures.forgotten()), (100, 50));
        assert!(failures.counter(&Id::parse("192.0.2.49")).is_none());
        assert!(failures.counter(&Id::parse("192.0.2.50")).is_some());
        failures.max_text = 100;
        add(&mut failures, &id(), Failure { matches: vec!["x".repeat(200)], ..failure(200) });
        assert_eq!(failures.len(), 1, "the one that is worked on stays");
    }

    #[test]
    fn who_failed_lately_is_not_the_oldest_however_long_ago_that_began() {
        let mut failures = failures();
        failures.max_addresses = 2;
        let ids = ["192.0.2.1", "192.0.2.2", "192.0.2.3"].map(Id::parse);
        for (id, secs) in [(&ids[0], 1), (&ids[1], 2), (&ids[0], 3), (&ids[0], 2), (&ids[2], 4)] {
            add(&mut failures, id, failure(secs));
        }
        assert!(failures.counter(&ids[1]).is_none() && failures.counter(&ids[0]).is_some());
        failures.clean(at(602));
        assert_eq!(failures.len(), 2);
        failures.clean(at(603));
        assert_eq!(failures.len(), 1);
        failures.clean(at(604));
        assert_eq!((failures.len(), failures.order.len(), failures.text), (0, 0, 0));
    }
}
