//! Whether a prefregex matches a line, found out a byte at a time and no further than needed.
//!
//! Most lines of a log begin alike, up to behind their date, and a few bytes more tell that no match is coming. So where
//! the automaton stood behind the date is kept for the next line. What it cannot tell is left to a real search.

use regex_automata::hybrid::LazyStateID;
use regex_automata::hybrid::dfa::{Cache, DFA};
use regex_automata::{Anchored, util::start};
use regex_syntax::hir::Hir;

use super::ascii;

/// An expression's automaton for lines of ASCII.
#[derive(Debug)]
pub struct Sieve {
    dfa: DFA,
    cache: Cache,
    /// What is left of the expression asks for one character more, whatever it is.
    rest: bool,
}

/// Where the automaton stands.
#[derive(Clone, Copy, Debug)]
pub enum Stand {
    /// The expression matches, however the text goes on.
    Matched,
    /// It does not.
    Dead,
    /// It depends on what follows. Holds until the automaton forgets its states, which the number tells.
    At(LazyStateID, usize),
    /// Only a search can tell.
    Unknown,
}

impl Sieve {
    /// From the expression's tree for any text; `None` where it would be too big.
    pub fn new(hir: &Hir) -> Option<Sieve> {
        let narrow = ascii::narrow(hir);
        let (dfa, rest) = match ascii::before_rest(&narrow) {
            Some(before) => (super::linear::automaton(&before)?, true),
            None => (super::linear::automaton(&narrow)?, false),
        };
        let cache = Cache::new(&dfa);
        Some(Sieve { dfa, cache, rest })
    }

    /// The start of a text.
    pub fn start(&mut self) -> Stand {
        let config = start::Config::new().anchored(Anchored::No);
        match self.dfa.start_state(&mut self.cache, &config) {
            Ok(state) => Stand::At(state, self.cache.clear_count()),
            Err(_) => Stand::Unknown,
        }
    }

    /// Goes on with a part of the text, which holds no line feed. What is not ASCII it cannot judge.
    pub fn feed(&mut self, stand: Stand, part: &[u8]) -> Stand {
        let Stand::At(mut state, known) = stand else { return stand };
        if known != self.cache.clear_count() {
            return Stand::Unknown;
        }
        for &byte in part {
            match self.step(state, byte) {
                Stand::At(next, _) => state = next,
                settled => return settled,
            }
        }
        Stand::At(state, self.cache.clear_count())
    }

    /// Whether the expression matches, where a part of the text settles that which stands before the end of the line.
    pub fn settles(&mut self, stand: Stand, rest: &[u8]) -> Option<bool> {
        let mut state = match stand {
            Stand::Matched => return Some(true),
            Stand::Dead => return Some(false),
            Stand::At(state, known) if known == self.cache.clear_count() => state,
            Stand::At(..) | Stand::Unknown => return None,
        };
        for &byte in rest {
            if matches!(byte, b'\n' | b'\r') {
                return None;
            }
            match self.step(state, byte) {
                Stand::At(next, _) => state = next,
                Stand::Matched => return Some(true),
                Stand::Dead => return Some(false),
                Stand::Unknown => return None,
            }
        }
        None
    }

    /// Whether the expression matches, now that the line feed follows with which a text ends.
    pub fn end(&mut self, stand: Stand) -> Option<bool> {
        let state = match stand {
            Stand::Matched => return Some(true),
            Stand::Dead => return Some(false),
            Stand::Unknown => return None,
            // A character more would have settled it.
            Stand::At(..) if self.rest => return Some(false),
            Stand::At(state, known) if known == self.cache.clear_count() => state,
            Stand::At(..) => return None,
        };
        match self.step(state, b'\n') {
            Stand::Matched => Some(true),
            Stand::Dead => Some(false),
            Stand::Unknown => None,
            Stand::At(state, _) => Some(self.dfa.next_eoi_state(&mut self.cache, state).ok()?.is_match()),
        }
    }

    #[inline]
    fn step(&mut self, state: LazyStateID, byte: u8) -> Stand {
        if !byte.is_ascii() {
            return Stand::Unknown;
        }
        match self.dfa.next_state(&mut self.cache, state, byte) {
            Ok(next) if !next.is_tagged() => Stand::At(next, 0),
            Ok(next) if next.is_match() => Stand::Matched,
            Ok(next) if next.is_dead() => Stand::Dead,
            Ok(next) if !next.is_quit() => Stand::At(next, 0),
            _ => Stand::Unknown,
        }
    }
}
