//! Entries in the order in which they came, each found by its key.
//!
//! There may be a million of them: an entry is stored once, in a slot of its own, and a table of slot numbers finds it. Who
//! leaves leaves a gap; gaps are closed when they are the half.

use std::hash::{BuildHasher, Hash, RandomState};

use hashbrown::HashTable;

/// The entries.
#[derive(Debug)]
pub struct Roll<K, V> {
    slots: Vec<Option<(K, V)>>,
    index: HashTable<u32>,
    /// With a key of its own: senders choose the addresses.
    hasher: RandomState,
}

impl<K, V> Default for Roll<K, V> {
    fn default() -> Roll<K, V> {
        Roll { slots: Vec::new(), index: HashTable::new(), hasher: RandomState::new() }
    }
}

impl<K: Hash + Eq, V> Roll<K, V> {
    /// In which slot an entry is.
    pub fn find(&self, key: &K) -> Option<u32> {
        let is_it = |slot: &u32| self.slots[*slot as usize].as_ref().is_some_and(|(other, _)| other == key);
        self.index.find(self.hasher.hash_one(key), is_it).copied()
    }

    /// What is in a slot.
    pub fn at(&self, slot: u32) -> Option<(&K, &V)> {
        self.slots.get(slot as usize)?.as_ref().map(|(key, value)| (key, value))
    }

    /// The value of a key.
    pub fn get(&self, key: &K) -> Option<&V> {
        self.at(self.find(key)?).map(|(_, value)| value)
    }

    /// The value of a key, to be changed.
    pub fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        let slot = self.find(key)?;
        self.slots[slot as usize].as_mut().map(|(_, value)| value)
    }

    /// Adds an entry behind all others, and gives its slot; where there is one of this key, that one changes in its place.
    pub fn put(&mut self, key: K, value: V) -> u32 {
        if let Some(slot) = self.find(&key) {
            self.slots[slot as usize] = Some((key, value));
            return slot;
        }
        let slot = u32::try_from(self.slots.len()).expect("there are far fewer than 2³²");
        let hash = self.hasher.hash_one(&key);
        self.slots.push(Some((key, value)));
        let Roll { slots, index, hasher } = self;
        index.insert_unique(hash, slot, |slot| hash_of(hasher, slots, *slot));
        slot
    }

    /// Takes an entry out.
    pub fn remove(&mut self, key: &K) -> Option<V> {
        let slot = self.find(key)?;
        if let Ok(entry) = self.index.find_entry(self.hasher.hash_one(key), |at| *at == slot) {
            entry.remove();
        }
        self.slots[slot as usize].take().map(|(_, value)| value)
    }

    /// Keeps those for which `wanted` holds.
    pub fn retain(&mut self, mut wanted: impl FnMut(&K, &V) -> bool) {
        let before = self.slots.len();
        self.slots.retain(|slot| slot.as_ref().is_some_and(|(key, value)| wanted(key, value)));
        if self.slots.len() < before {
            self.renumber();
        }
    }

    /// Closes the gaps where they are more than the entries; true: entries have other slots now, in the same order.
    pub fn tidy(&mut self) -> bool {
        let much = self.slots.len() > 2 * self.len() + GAPS;
        if much {
            self.slots.retain(Option::is_some);
            self.renumber();
        }
        much
    }

    /// Every entry, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.slots.iter().flatten().map(|(key, value)| (key, value))
    }

    /// Every entry with its slot, in order.
    pub fn slots(&self) -> impl Iterator<Item = (u32, &K, &V)> {
        (0..).zip(&self.slots).filter_map(|(slot, entry)| entry.as_ref().map(|(key, value)| (slot, key, value)))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.index.len()
    }

    fn renumber(&mut self) {
        self.slots.shrink_to_fit();
        let Roll { slots, index, hasher } = self;
        *index = HashTable::with_capacity(slots.len());
        for slot in 0..slots.len() as u32 {
            index.insert_unique(hash_of(hasher, slots, slot), slot, |slot| hash_of(hasher, slots, *slot));
        }
    }
}

fn hash_of<K: Hash, V>(hasher: &RandomState, slots: &[Option<(K, V)>], slot: u32) -> u64 {
    slots[slot as usize].as_ref().map_or(0, |(key, _)| hasher.hash_one(key))
}

/// Gaps that are never worth the work.
const GAPS: usize = 64;

#[cfg(test)]
mod tests {
    use indexmap::IndexMap;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// As a map that keeps its order does, but slower.
        #[test]
        fn entries_are_found_in_order_whoever_came_and_went(steps in prop::collection::vec((0u8..6, 0u8..40), 0..600)) {
            let (mut roll, mut model) = (Roll::default(), IndexMap::new());
            for (n, (what, key)) in (0u32..).zip(steps) {
                match what {
                    0..3 => {
                        roll.put(key, n);
                        model.insert(key, n);
                    }
                    3 | 4 => prop_assert_eq!(roll.remove(&key), model.shift_remove(&key)),
                    _ if key < 4 => {
                        roll.retain(|k, _| k % 3 != key);
                        model.retain(|k, _| k % 3 != key);
                    }
                    _ => drop(roll.tidy()),
                }
                prop_assert_eq!(roll.get(&key), model.get(&key));
                prop_assert_eq!(roll.find(&key).and_then(|slot| roll.at(slot)), model.get_key_value(&key));
            }
            prop_assert!(roll.iter().eq(model.iter()));
            prop_assert_eq!(roll.len(), model.len());
        }
    }

    #[test]
    fn gaps_are_closed_when_they_are_the_half() {
        let mut roll = Roll::default();
        for key in 0..200 {
            roll.put(key, ());
        }
        for key in 0..150 {
            roll.remove(&key);
            roll.tidy();
        }
        assert!(roll.slots.len() <= 2 * roll.len() + GAPS, "{}", roll.slots.len());
        assert!(roll.slots().map(|(slot, key, ())| (roll.find(key), slot)).all(|(found, slot)| found == Some(slot)));
    }
}
