//! The steps of a search, and how each of them looks at a text.

use memchr::memmem::Finder;
use regex_syntax::hir::Look;

use super::first::{First, Set};

/// A step, and what a way through begins with from there on.
#[derive(Debug)]
pub struct Node {
    pub step: Step,
    pub first: First,
}

/// A step, and the nodes that may follow it.
#[derive(Debug)]
pub enum Step {
    Done,
    Look(Look, usize),
    One(Set, usize),
    /// One character of each set.
    Each(Box<[Set]>, usize),
    Text(Box<Text>, usize),
    Run(Run, usize),
    /// An end of a group.
    Save(usize, usize),
    /// Characters that can only be another round are passed over; then like [`Step::Either`].
    Again(Option<Run>, Ways),
    /// In this order.
    Either(Ways),
}

/// Nodes that are tried in this order.
#[derive(Debug)]
pub struct Ways {
    pub nodes: Box<[usize]>,
    /// Which of them may begin with a character, a bit each.
    by_first: Box<[u16; 0x80]>,
}

/// A text of several characters.
#[derive(Debug)]
pub struct Text {
    pub finder: Finder<'static>,
    /// The character in it that is met least, and its place.
    rare: (u8, usize),
}

/// As many characters of a set as there are, or as few.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    pub set: Set,
    pub min: usize,
    pub max: usize,
    /// What follows takes none of them, so none is given back.
    pub keeps: bool,
    pub lazy: bool,
    /// The characters that end it, where they are few.
    pub until: Option<Until>,
}

#[derive(Clone, Copy, Debug)]
pub enum Until {
    One(u8),
    Two(u8, u8),
    Three(u8, u8, u8),
}

impl Ways {
    /// These nodes, [`MANY`] at most, each with what it begins with.
    pub fn new(ways: &[(usize, First)]) -> Ways {
        let mut by_first = Box::new([0; 0x80]);
        for (number, (_, first)) in ways.iter().enumerate() {
            let may = (0..0x80).filter(|byte| first.done || first.set().has(*byte));
            may.for_each(|byte| by_first[usize::from(byte)] |= 1 << number);
        }
        Ways { nodes: ways.iter().map(|(node, _)| *node).collect(), by_first }
    }

    /// Which of them may go on at a place of a text, a bit each. At the end nothing is known of what follows.
    #[inline]
    pub fn possible(&self, text: &[u8], at: usize) -> u16 {
        match text.get(at) {
            Some(byte) => self.by_first[usize::from(byte & 0x7f)],
            None => u16::MAX >> (MANY - self.nodes.len()),
        }
    }
}

impl Text {
    /// This text.
    pub fn new(text: &[u8]) -> Text {
        // Of the letters, capital ones are met least.
        let often = |byte: &u8| match byte {
            b'A'..=b'Z' => 0,
            b'_' | b'@' | b'(' | b')' | b'[' | b']' | b'<' | b'>' | b'!' | b'*' => 1,
            b'j' | b'k' | b'q' | b'v' | b'w' | b'x' | b'y' | b'z' => 2,
            b'0'..=b'9' | b' ' | b'a' | b'e' => 4,
            _ => 3,
        };
        let rare =
            text.iter().enumerate().min_by_key(|(_, byte)| often(byte)).map_or((0, 0), |(place, byte)| (*byte, place));
        Text { finder: Finder::new(text).into_owned(), rare }
    }

    /// The last place from `from` to `to` where it stands in `text`, and how many places looked like one.
    pub fn rfind(&self, text: &[u8], from: usize, to: usize) -> (Option<usize>, usize) {
        let (rare, place) = self.rare;
        let (mut end, mut tried) = ((to + place + 1).min(text.len()), 0);
        while let Some(part) = text.get(from + place..end)
            && let Some(found) = memchr::memrchr(rare, part)
        {
            if text[from + found..].starts_with(self.finder.needle()) {
                return (Some(from + found), tried);
            }
            (end, tried) = (from + place + found, tried + 1);
        }
        (None, tried)
    }
}

impl Run {
    /// How many characters it can take at the start of a text.
    pub fn length(&self, text: &[u8]) -> usize {
        let text = &text[..text.len().min(self.max)];
        let found = match self.until {
            Some(Until::One(a)) => memchr::memchr(a, text),
            Some(Until::Two(a, b)) => memchr::memchr2(a, b, text),
            Some(Until::Three(a, b, c)) => memchr::memchr3(a, b, c, text),
            None => text.iter().position(|byte| !self.set.has(*byte)),
        };
        found.unwrap_or(text.len())
    }
}

/// Whether this holds at a place of a text.
pub fn stands(look: Look, text: &[u8], at: usize) -> bool {
    let word = |at: Option<usize>| {
        let byte = at.and_then(|at| text.get(at));
        byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
    };
    let edge = || word(at.checked_sub(1)) != word(Some(at));
    match look {
        Look::Start => at == 0,
        Look::End => at == text.len(),
        Look::StartLF => at.checked_sub(1).is_none_or(|before| text[before] == b'\n'),
        Look::EndLF => text.get(at).is_none_or(|byte| *byte == b'\n'),
        Look::WordAscii => edge(),
        Look::WordAsciiNegate => !edge(),
        // Nothing is built of the others.
        _ => false,
    }
}

/// Ways of which one is chosen at once, at most.
pub const MANY: usize = 16;
