//! One of many literals in a text, by vector instructions where they are few.

use std::ops::Range;

use aho_corasick::packed::Searcher;
use aho_corasick::{AhoCorasick, MatchKind};

/// A search for literals.
#[derive(Clone, Debug)]
pub enum Finder {
    /// Few literals, by vector instructions.
    Few(Searcher),
    /// More of them, or such as the instructions of this processor do not fit.
    Many(AhoCorasick),
}

impl Finder {
    /// One that leaves most of the work to vector instructions while there are few literals.
    pub fn of(literals: &[Vec<u8>]) -> Option<Finder> {
        let automaton = || AhoCorasick::builder().match_kind(MatchKind::LeftmostFirst).build(literals).ok();
        Searcher::new(literals).map(Finder::Few).or_else(|| automaton().map(Finder::Many))
    }

    /// Where the leftmost one stands, and which that is: of several at one place the first.
    pub fn find(&self, text: &[u8]) -> Option<(usize, Range<usize>)> {
        match self {
            Finder::Few(literals) => {
                literals.find(text).map(|found| (found.pattern().as_usize(), found.start()..found.end()))
            }
            Finder::Many(literals) => literals.find(text).map(|found| (found.pattern().as_usize(), found.range())),
        }
    }
}

/// To whom it matters that a text was found, where others of them may stand at the same place; `owners` says it of each text
/// alone, a bit for everybody. Who looks behind the start of each text that is found misses nobody.
pub fn beside(texts: &[Vec<u8>], owners: impl Iterator<Item = u64>) -> Vec<u64> {
    let owners: Vec<u64> = owners.collect();
    let all = |text: &Vec<u8>| {
        let beside = texts.iter().zip(&owners).filter(|(other, _)| text.starts_with(other) || other.starts_with(text));
        beside.fold(0, |all, (_, owners)| all | owners)
    };
    texts.iter().map(all).collect()
}
