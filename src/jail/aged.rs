//! A map that forgets: entries grow old, and there are never more than so many.

use std::borrow::Borrow;
use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

use crate::time::{Span, Timestamp};

/// A bounded map whose entries end after a while; the oldest goes first.
#[derive(Debug)]
pub struct Aged<K, V> {
    entries: HashMap<K, Entry<V>>,
    /// When each entry was put in, with its number; renewed ones stand here more than once.
    order: VecDeque<(Timestamp, u64, K)>,
    next: u64,
    max_count: usize,
    max_time: Span,
}

#[derive(Debug)]
struct Entry<V> {
    number: u64,
    since: Timestamp,
    value: V,
}

impl<K: Clone + Eq + Hash, V> Aged<K, V> {
    /// An empty map with room for `max_count` entries that live for `max_time`.
    pub fn new(max_count: usize, max_time: Span) -> Aged<K, V> {
        Aged { entries: HashMap::new(), order: VecDeque::new(), next: 0, max_count, max_time }
    }

    /// What was put in, unless that was too long ago.
    pub fn get<Q>(&self, key: &Q, now: Timestamp) -> Option<&V>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        let entry = self.entries.get(key)?;
        (now < entry.since + self.max_time).then_some(&entry.value)
    }

    /// Puts an entry in, as new.
    pub fn put(&mut self, key: K, value: V, now: Timestamp) {
        let number = self.next;
        self.next += 1;
        self.order.push_back((now, number, key.clone()));
        self.entries.insert(key, Entry { number, since: now, value });
        while self.is_front_over(now) {
            let Some((_, number, key)) = self.order.pop_front() else { break };
            if self.entries.get(&key).is_some_and(|entry| entry.number == number) {
                self.entries.remove(&key);
            }
        }
    }

    fn is_front_over(&self, now: Timestamp) -> bool {
        let crowded = self.entries.len() > self.max_count || self.order.len() > 2 * self.max_count;
        self.order.front().is_some_and(|(since, ..)| crowded || *since + self.max_time <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_secs(secs)
    }

    #[test]
    fn an_entry_ends_after_its_time() {
        let mut map = Aged::new(10, Span::from_secs(300));
        map.put("a", 1, at(0));
        assert_eq!(map.get("a", at(299)), Some(&1));
        assert_eq!(map.get("a", at(300)), None);
    }

    #[test]
    fn the_oldest_goes_first_and_a_renewed_one_counts_as_new() {
        let mut map = Aged::new(2, Span::from_secs(300));
        map.put("a", 1, at(0));
        map.put("b", 2, at(1));
        map.put("a", 3, at(2));
        map.put("c", 4, at(3));
        assert_eq!(map.get("a", at(4)), Some(&3));
        assert_eq!(map.get("b", at(4)), None);
        assert_eq!(map.get("c", at(4)), Some(&4));
    }

    #[test]
    fn renewing_one_entry_for_ever_costs_no_memory() {
        let mut map = Aged::new(2, Span::from_secs(300));
        for i in 0..1000 {
            map.put("a", i, at(0));
        }
        assert!(map.order.len() <= 5, "{}", map.order.len());
        assert_eq!(map.get("a", at(1)), Some(&999));
    }
}
