//! Tallies by identity, each in a slot of its own: a look-up costs one hash of a few bytes, and what else belongs to a
//! tally (its place in an order, a mark) names it by its slot.

use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;

use super::Tally;
use crate::addr::Id;

/// The tallies of a jail.
#[derive(Debug, Default)]
pub struct Table {
    slots: Vec<Option<Tally>>,
    free: Vec<u32>,
    index: HashTable<u32>,
    /// With a key of its own: senders choose the addresses.
    hasher: RandomState,
}

impl Table {
    /// Where the tally of `id` is.
    pub fn find(&self, id: &Id) -> Option<u32> {
        self.index.find(self.hasher.hash_one(id), |at| self.is_of(*at, id)).copied()
    }

    /// Puts in the tally of somebody who has none, and gives its slot.
    pub fn insert(&mut self, tally: Tally) -> u32 {
        let hash = self.hasher.hash_one(&tally.id);
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            u32::try_from(self.slots.len() - 1).expect("there are a million at most")
        });
        self.slots[slot as usize] = Some(tally);
        let Table { slots, index, hasher, .. } = self;
        let hash_of = |at: &u32| slots[*at as usize].as_ref().map_or(0, |tally| hasher.hash_one(&tally.id));
        index.insert_unique(hash, slot, hash_of);
        slot
    }

    /// Takes a tally out; its slot goes to somebody else.
    pub fn remove(&mut self, slot: u32) -> Option<Tally> {
        let tally = self.slots.get_mut(slot as usize)?.take()?;
        if let Ok(entry) = self.index.find_entry(self.hasher.hash_one(&tally.id), |at| *at == slot) {
            entry.remove();
        }
        self.free.push(slot);
        Some(tally)
    }

    /// What is in a slot.
    pub fn get(&self, slot: u32) -> Option<&Tally> {
        self.slots.get(slot as usize)?.as_ref()
    }

    /// What is in a slot, to be changed.
    pub fn get_mut(&mut self, slot: u32) -> Option<&mut Tally> {
        self.slots.get_mut(slot as usize)?.as_mut()
    }

    /// All of them, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Tally> {
        self.slots.iter().flatten()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.index.len()
    }

    fn is_of(&self, slot: u32, id: &Id) -> bool {
        self.get(slot).is_some_and(|tally| tally.id == *id)
    }
}
