//! What a search asked of each character of a text, so that it need not be done again for a text that answers the same.
//!
//! A search goes step by step, and each step asks whether a character belongs to some set. As long as every answer is
//! the same, so is the way: another text for which it is gives the same match at the same place. So dates that differ in
//! their seconds are one date to a pattern.

use std::ops::Range;

/// The questions of one search.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    on: bool,
    /// The place of a character, and the set that was asked for.
    questions: Vec<(usize, u128)>,
    /// Places whose character is compared with others, so that it has to stay.
    fixed: Vec<Range<usize>>,
    /// There were too many of them.
    lost: bool,
}

impl Asked {
    /// Remembers from now on.
    pub fn begin(&mut self) {
        self.questions.clear();
        self.fixed.clear();
        (self.on, self.lost) = (true, false);
    }

    /// No longer.
    pub fn end(&mut self) {
        self.on = false;
    }

    /// The character at `at` is asked whether it belongs to a set of ASCII characters (a bit for each).
    #[inline]
    pub fn ask(&mut self, at: usize, set: impl FnOnce() -> u128) {
        if self.on {
            self.lost |= self.questions.len() == MANY;
            if !self.lost {
                self.questions.push((at, set()));
            }
        }
    }

    /// The characters there are compared with others.
    #[inline]
    pub fn fix(&mut self, places: Range<usize>) {
        if self.on {
            self.fixed.push(places);
        }
    }

    /// For each of the first `bytes` characters of `text`, which is ASCII there, those that would have answered the same.
    pub fn of(&self, text: &[u8], bytes: usize) -> Box<[u128]> {
        let itself = |byte: &u8| if byte.is_ascii() { 1u128 << byte } else { 0 };
        let mut same: Box<[u128]> = match self.lost {
            true => text[..bytes].iter().map(itself).collect(),
            false => vec![u128::MAX; bytes].into(),
        };
        for (at, set) in &self.questions {
            if let (Some(same), Some(byte)) = (same.get_mut(*at), text.get(*at)) {
                *same &= if itself(byte) & set == 0 { !set } else { *set };
            }
        }
        for places in &self.fixed {
            for at in places.start..places.end.min(bytes) {
                same[at] = itself(&text[at]);
            }
        }
        same
    }
}

/// The set of one character.
pub fn one(c: char) -> u128 {
    if c.is_ascii() { 1 << u32::from(c) } else { 0 }
}

/// The line feed.
pub const NEWLINE: u128 = 1 << b'\n';
/// Questions that are remembered; a search that asks more is not worth it.
const MANY: usize = 4096;
