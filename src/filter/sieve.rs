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
    /// The states that lines came to, by their numbers here.
    states: Vec<LazyStateID>,
    /// Where each byte leads from each of them; [`ASK`] until that is known.
    ways: Vec<[u16; 256]>,
    /// Times that both were forgotten.
    forgotten: usize,
}

/// Where the automaton stands.
#[derive(Clone, Copy, Debug)]
pub enum Stand {
    /// The expression matches, however the text goes on.
    Matched,
    /// It does not.
    Dead,
    /// It depends on what follows. Holds until the automaton forgets its states, which the second number tells.
    At(u16, usize),
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
        Some(Sieve { dfa, cache, rest, states: Vec::new(), ways: Vec::new(), forgotten: 0 })
    }

    /// The start of a text.
    pub fn start(&mut self) -> Stand {
        let config = start::Config::new().anchored(Anchored::No);
        let clears = self.cache.clear_count();
        match self.dfa.start_state(&mut self.cache, &config) {
            Ok(state) => {
                self.keep_up(clears);
                self.number(state).map_or(Stand::Unknown, |number| Stand::At(number, self.forgotten))
            }
            Err(_) => Stand::Unknown,
        }
    }

    /// Goes on with a part of the text, which holds no line feed. What is not ASCII it cannot judge.
    pub fn feed(&mut self, stand: Stand, part: &[u8]) -> Stand {
        let Stand::At(mut state, known) = stand else { return stand };
        if known != self.forgotten {
            return Stand::Unknown;
        }
        for &byte in part {
            state = match self.ways[usize::from(state)][usize::from(byte)] {
                next if next < MANY => next,
                MATCHED => return Stand::Matched,
                DEAD => return Stand::Dead,
                _ => match self.step(state, byte) {
                    Stand::At(next, _) => next,
                    settled => return settled,
                },
            }
        }
        Stand::At(state, self.forgotten)
    }

    /// Whether the expression matches, where a part of the text settles that which stands before the end of the line.
    #[inline]
    pub fn settles(&mut self, stand: Stand, rest: &[u8]) -> Option<bool> {
        let mut state = match stand {
            Stand::Matched => return Some(true),
            Stand::Dead => return Some(false),
            Stand::At(state, known) if known == self.forgotten => state,
            Stand::At(..) | Stand::Unknown => return None,
        };
        for &byte in rest {
            state = match self.ways[usize::from(state)][usize::from(byte)] {
                next if next < MANY => next,
                MATCHED => return Some(true),
                DEAD => return Some(false),
                _ if matches!(byte, b'\n' | b'\r') => return None,
                _ => match self.step(state, byte) {
                    Stand::At(next, _) => next,
                    Stand::Matched => return Some(true),
                    Stand::Dead => return Some(false),
                    Stand::Unknown => return None,
                },
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
            Stand::At(state, known) if known == self.forgotten => state,
            Stand::At(..) => return None,
        };
        match self.step(state, b'\n') {
            Stand::Matched => Some(true),
            Stand::Dead => Some(false),
            Stand::Unknown => None,
            Stand::At(state, _) => {
                let state = self.states[usize::from(state)];
                let clears = self.cache.clear_count();
                let end = self.dfa.next_eoi_state(&mut self.cache, state);
                self.keep_up(clears);
                Some(end.ok()?.is_match())
            }
        }
    }

    /// What a byte leads to, where that is not written down yet.
    #[cold]
    fn step(&mut self, state: u16, byte: u8) -> Stand {
        if !byte.is_ascii() {
            return Stand::Unknown;
        }
        let clears = self.cache.clear_count();
        let next = self.dfa.next_state(&mut self.cache, self.states[usize::from(state)], byte);
        let forgotten = self.forgotten;
        self.keep_up(clears);
        let (way, stand) = match next {
            Ok(next) if next.is_match() => (MATCHED, Stand::Matched),
            Ok(next) if next.is_dead() => (DEAD, Stand::Dead),
            Ok(next) if !next.is_quit() => match self.number(next) {
                Some(number) => (number, Stand::At(number, self.forgotten)),
                None => return Stand::Unknown,
            },
            _ => return Stand::Unknown,
        };
        // Ends of lines are looked at each time.
        if self.forgotten == forgotten && !matches!(byte, b'\n' | b'\r') {
            self.ways[usize::from(state)][usize::from(byte)] = way;
        }
        stand
    }

    /// The number of a state, a new one if need be.
    fn number(&mut self, state: LazyStateID) -> Option<u16> {
        if let Some(number) = self.states.iter().position(|known| *known == state) {
            return u16::try_from(number).ok();
        }
        if self.states.len() == usize::from(MANY) {
            self.forget();
        }
        self.states.push(state);
        self.ways.push([ASK; 256]);
        u16::try_from(self.states.len() - 1).ok()
    }

    /// Once the automaton has forgotten its states, what is known of them is gone too.
    fn keep_up(&mut self, clears: usize) {
        if self.cache.clear_count() != clears {
            self.forget();
        }
    }

    fn forget(&mut self) {
        self.states.clear();
        self.ways.clear();
        self.forgotten += 1;
    }
}

/// States above which all are forgotten; also the first of the words that are no number of one.
const MANY: u16 = 256;
const MATCHED: u16 = MANY;
const DEAD: u16 = MANY + 1;
/// Not known yet, or to be asked each time.
const ASK: u16 = MANY + 2;
