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
        let with =
            |set: Set, (first, last): (u32, u32)| if first > 0x7f { set } else { set.with_all(first, last.min(0x7f)) };
        let none = Set::default();
        match class {
            Class::Unicode(class) => {
                class.iter().map(|range| (range.start().into(), range.end().into())).fold(none, with)
            }
            Class::Bytes(class) => {
                class.iter().map(|range| (range.start().into(), range.end().into())).fold(none, with)
            }
        }
    }

    fn with_all(self, first: u32, last: u32) -> Set {
        let all = u128::MAX << first & u128::MAX >> (0x7f - last);
        self.and(Set([all as u64, (all >> 64) as u64]))
    }

    /// In order.
    fn members(self) -> impl Iterator<Item = u8> {
        let mut left = u128::from(self.0[1]) << 64 | u128::from(self.0[0]);
        std::iter::from_fn(move || {
            let next = (left != 0).then(|| left.trailing_zeros() as u8)?;
            left &= left - 1;
            Some(next)
        })
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
        self.members().next().filter(|_| self.count() == 1)
    }

    /// The characters that are not in it, where they are few.
    pub fn until(self) -> Option<Until> {
        let mut others = ALL.without(self).members();
        match [others.next(), others.next(), others.next(), others.next()] {
            [Some(a), None, ..] => Some(Until::One(a)),
            [Some(a), Some(b), None, _] => Some(Until::Two(a, b)),
            [Some(a), Some(b), Some(c), None] => Some(Until::Three(a, b, c)),
            _ => None,
        }
    }
}

/// All characters.
pub const ALL: Set = Set([u64::MAX; 2]);
/// Characters that are looked at before a way is gone.
pub const AHEAD: usize = 4;
