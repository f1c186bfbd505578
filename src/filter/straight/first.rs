//! Characters of ASCII, and those that a way through begins with: what is known of it before it is gone.

use regex_syntax::hir::Class;

use super::step::Until;

/// What a way through begins with.
#[derive(Clone, Copy, Debug)]
pub struct First {
    /// Which characters its first ones may be.
    sets: [Set; AHEAD],
    /// The one that is the very first.
    pub only: Option<u8>,
    /// It may end at once, and so always goes through.
    pub done: bool,
}

/// Characters of ASCII.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Set([u64; 2]);

impl First {
    /// It begins with one of these.
    pub fn of(set: Set, done: bool) -> First {
        let mut sets = [ALL; AHEAD];
        sets[0] = set;
        First::new(sets, done)
    }

    fn new(sets: [Set; AHEAD], done: bool) -> First {
        First { sets, only: sets[0].only(), done }
    }

    /// The same behind one of these.
    pub fn behind(self, set: Set) -> First {
        let mut sets = [ALL; AHEAD];
        sets[0] = set;
        if !self.done {
            sets[1..].copy_from_slice(&self.sets[..AHEAD - 1]);
        }
        First::new(sets, false)
    }

    /// One or the other.
    pub fn or(self, other: First) -> First {
        let mut sets = self.sets;
        sets.iter_mut().zip(other.sets).for_each(|(set, other)| *set = set.and(other));
        First::new(sets, self.done || other.done)
    }

    /// What it begins with.
    pub fn set(&self) -> Set {
        self.sets[0]
    }

    /// Whether it may stand at the start of a text; where that ends, nothing is known.
    #[inline]
    pub fn fits(&self, text: &[u8]) -> bool {
        text.iter().zip(&self.sets).all(|(byte, set)| set.has(*byte))
    }
}

impl Set {
    /// Those of a class that are ASCII.
    pub fn of(class: &Class) -> Set {
        let ranges: Vec<(u32, u32)> = match class {
            Class::Unicode(class) => class.iter().map(|range| (range.start().into(), range.end().into())).collect(),
            Class::Bytes(class) => class.iter().map(|range| (range.start().into(), range.end().into())).collect(),
        };
        let mut set = Set::default();
        for (start, end) in ranges {
            for byte in start..=end.min(0x7f) {
                set = set.with(byte as u8);
            }
        }
        set
    }

    /// With one more.
    pub fn with(self, byte: u8) -> Set {
        let mut set = self;
        set.0[usize::from(byte >> 6 & 1)] |= 1 << (byte & 63);
        set
    }

    /// Whether it is one of them.
    #[inline]
    pub fn has(&self, byte: u8) -> bool {
        self.0[usize::from(byte >> 6 & 1)] >> (byte & 63) & 1 == 1
    }

    /// The first place in a text where one of them is; `only` where there is one.
    pub fn find(&self, only: Option<u8>, text: &[u8]) -> Option<usize> {
        match only {
            Some(byte) => memchr::memchr(byte, text),
            None => text.iter().position(|byte| self.has(*byte)),
        }
    }

    /// The same of the last place.
    pub fn rfind(&self, only: Option<u8>, text: &[u8]) -> Option<usize> {
        match only {
            Some(byte) => memchr::memrchr(byte, text),
            None => text.iter().rposition(|byte| self.has(*byte)),
        }
    }

    /// Those of either.
    pub fn and(self, other: Set) -> Set {
        Set([self.0[0] | other.0[0], self.0[1] | other.0[1]])
    }

    /// Those that are not in the other.
    pub fn without(self, other: Set) -> Set {
        Set([self.0[0] & !other.0[0], self.0[1] & !other.0[1]])
    }

    /// Whether one is in both.
    pub fn meets(self, other: Set) -> bool {
        self.0[0] & other.0[0] != 0 || self.0[1] & other.0[1] != 0
    }

    /// How many they are.
    pub fn count(self) -> u32 {
        self.0[0].count_ones() + self.0[1].count_ones()
    }

    /// The one that it has, where that is all.
    fn only(self) -> Option<u8> {
        let [low, high] = self.0;
        let place = if high == 0 { low.trailing_zeros() } else { 64 + high.trailing_zeros() };
        (self.count() == 1).then_some(place as u8)
    }

    /// The characters that are not in it, where they are few.
    pub fn until(self) -> Option<Until> {
        let others: Vec<u8> = (0..0x80).filter(|byte| !self.has(*byte)).take(4).collect();
        match others[..] {
            [a] => Some(Until::One(a)),
            [a, b] => Some(Until::Two(a, b)),
            [a, b, c] => Some(Until::Three(a, b, c)),
            _ => None,
        }
    }
}

/// All characters.
pub const ALL: Set = Set([u64::MAX; 2]);
/// Characters that are looked at before a way is gone.
pub const AHEAD: usize = 4;
