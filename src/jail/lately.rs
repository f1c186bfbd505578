//! What each key was seen with lately, and when: the accounts of an address, the addresses of a dialled number.
//!
//! Senders choose both, so memory is bounded: a key has [`VALUES`] at most, its oldest is forgotten first; all of them
//! together [`ALL`], and then the key is forgotten whose last new value lies furthest back, which is counted.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

use crate::time::{Span, Timestamp};

/// Values by key, each with the moment when it was new.
#[derive(Debug)]
pub struct Lately<K, V> {
    /// The last new one at the end.
    seen: HashMap<K, Vec<(V, Timestamp)>>,
    /// Every time a value was new, in that order; a key stands here once for each, and the last one counts.
    order: VecDeque<(Timestamp, K)>,
    /// Values of all keys.
    held: usize,
    again: u64,
    forgotten: u64,
    max: usize,
}

impl<K, V> Default for Lately<K, V> {
    fn default() -> Lately<K, V> {
        Lately { seen: HashMap::new(), order: VecDeque::new(), held: 0, again: 0, forgotten: 0, max: ALL }
    }
}

impl<K: Clone + Eq + Hash, V: PartialEq> Lately<K, V> {
    /// Whether `key` is seen with `value` for the first time, or the last time that was so told lies `within` or more away.
    /// `now` is when it happened. The answer is remembered: asked twice, it is no the second time; and what goes on happening
    /// is new once every `within`.
    pub fn is_new(&mut self, key: &K, value: V, within: Span, now: Timestamp) -> bool {
        self.end(now - within);
        if let Some(seen) = self.seen.get_mut(key)
            && let Some(at) = seen.iter().position(|(other, _)| *other == value)
        {
            // An older line of another log, or of before a clock was set back, is as near as a newer one.
            if Span((now - seen[at].1).0.saturating_abs()) < within {
                self.again += 1;
                return false;
            }
            seen.remove(at);
            self.held -= 1;
        }
        self.put(key, value, now);
        true
    }

    /// The values of `key`, each with the moment when it was new, the last one at the end; some may be long over.
    pub fn of(&self, key: &K) -> &[(V, Timestamp)] {
        self.seen.get(key).map_or(&[], Vec::as_slice)
    }

    /// Takes back what [`Lately::of`] gave before a restart.
    pub fn restore(&mut self, key: &K, values: impl IntoIterator<Item = (V, Timestamp)>) {
        self.forget(key);
        for (value, since) in values {
            self.put(key, value, since);
        }
    }

    /// Forgets all of a key that begins anew.
    pub fn forget(&mut self, key: &K) {
        self.held -= self.seen.remove(key).map_or(0, |seen| seen.len());
        if self.seen.is_empty() {
            self.order = VecDeque::new();
        }
    }

    /// How often something was not new, so far.
    pub fn again(&self) -> u64 {
        self.again
    }

    /// Keys that were given up because there were too many.
    pub fn forgotten(&self) -> u64 {
        self.forgotten
    }

    /// Every key, in no order.
    pub fn keys(&self) -> impl Iterator<Item = &K> {
        self.seen.keys()
    }

    fn put(&mut self, key: &K, value: V, since: Timestamp) {
        let seen = self.seen.entry(key.clone()).or_default();
        if seen.len() >= VALUES {
            seen.remove(0);
            self.held -= 1;
        }
        seen.push((value, since));
        self.held += 1;
        self.order.push_back((since, key.clone()));
        while self.held > self.max || self.order.len() > 2 * self.max {
            self.forgotten += u64::from(self.end_oldest());
        }
    }

    /// Ends keys whose last new value is not younger than this.
    fn end(&mut self, before: Timestamp) {
        while self.order.front().is_some_and(|(since, _)| *since <= before) {
            self.end_oldest();
        }
    }

    /// Takes the front of the order away, and its key with it if nothing of it was new since; whether that was so.
    fn end_oldest(&mut self) -> bool {
        let Some((since, key)) = self.order.pop_front() else { return false };
        let last = self.of(&key).last().is_some_and(|(_, last)| *last == since);
        if last {
            self.forget(&key);
        }
        last
    }
}

/// Values of one key that are remembered. An address with more accounts is no phone, and each further one is new.
pub const VALUES: usize = 256;

/// Values of all keys of a jail: some 60 MB, if each is of another key.
pub const ALL: usize = 250_000;

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Span = Span::from_secs(3600);

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_secs(1_000_000 + secs)
    }

    #[test]
    fn a_value_is_new_once_in_a_while_and_each_key_has_its_own() {
        let mut lately = Lately::default();
        let mut new = |key: u32, value: u32, secs: i64| lately.is_new(&key, value, HOUR, at(secs));
        let told = [0, 30, 3599, 3600, 3601, 7199, 7200].map(|secs| new(1, 100, secs));
        assert_eq!(told, [true, false, false, true, false, false, true]);
        assert!(new(1, 101, 7200) && new(2, 100, 7200));
        assert!(!new(1, 101, 7201) && !new(2, 100, 7201));
        assert_eq!(lately.again(), 6);
    }

    #[test]
    fn an_older_line_is_as_near_as_a_newer_one() {
        let mut lately = Lately::default();
        assert!(lately.is_new(&1, 1, HOUR, at(7200)));
        assert!(!lately.is_new(&1, 1, HOUR, at(3601)));
        assert!(lately.is_new(&1, 1, HOUR, at(3600)), "and no clock that was set back hides it for ever");
    }

    #[test]
    fn they_are_the_same_after_a_restart() {
        let mut before = Lately::default();
        for (value, secs) in [(1, 0), (2, 10), (3, 20)] {
            before.is_new(&1, value, HOUR, at(secs));
        }
        let mut after = Lately::default();
        after.restore(&1, before.of(&1).to_vec());
        assert_eq!(after.of(&1), before.of(&1));
        assert!(!after.is_new(&1, 3, HOUR, at(3600)));
        assert!(after.is_new(&1, 1, HOUR, at(3600)));
    }

    #[test]
    fn what_is_over_takes_no_room() {
        let mut lately = Lately::default();
        for n in 0..20_000 {
            lately.is_new(&n, 1, HOUR, at(n));
        }
        assert_eq!((lately.seen.len(), lately.held, lately.order.len()), (3600, 3600, 3600));
        for _ in 0..20_000 {
            lately.forget(&7);
            lately.is_new(&7, 1, HOUR, at(20_000));
        }
        assert!(lately.order.len() <= 2 * ALL);
        assert_eq!(lately.forgotten(), 0);
    }

    #[test]
    fn of_too_many_the_oldest_are_forgotten() {
        let mut lately = Lately { max: 1000, ..Lately::default() };
        for n in 0..1500 {
            lately.is_new(&n, 1, HOUR, at(n));
            lately.is_new(&5_000, n, HOUR, at(n));
            assert!(lately.held <= 1000 && lately.order.len() <= 2000);
        }
        assert_eq!(lately.of(&5_000).len(), VALUES);
        assert_eq!(lately.held, lately.seen.values().map(Vec::len).sum::<usize>());
        assert!(lately.forgotten() > 500);
        assert!(!lately.is_new(&1499, 1, HOUR, at(1500)));
        assert!(lately.is_new(&0, 1, HOUR, at(1500)));
    }
}
