//! Matches and their groups, found without an automaton: texts are compared, runs of characters are counted.
//!
//! An automaton looks at each byte and cannot look at the next one before, and what finds groups costs hundreds of
//! instructions a byte. What a failregex asks for are mostly fixed texts with runs of something between them, and those a
//! processor passes over many bytes at a time. The ways through are tried in the expression's own order, so the first that
//! goes through is its first choice; a run gives characters back only where what follows could take one. A text on which
//! that takes many steps is left to an automaton.

mod build;

use std::ops::Range;

use memchr::memmem::Finder;
use regex_automata::util::primitives::NonMaxUsize;
use regex_syntax::hir::Look;

use super::ascii::Slot;
use build::{First, Set};

/// An expression for texts of ASCII.
#[derive(Debug)]
pub struct Straight {
    nodes: Vec<Node>,
    start: usize,
    /// It begins where the text does.
    anchored: bool,
    /// Repetitions inside of each other, while it is built.
    depth: usize,
}

/// What a search found out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// There is no match.
    No,
    /// It is here.
    Yes(Range<usize>),
    /// It would have taken too many steps to know.
    Unknown,
}

#[derive(Debug)]
struct Node {
    step: Step,
    first: First,
}

/// A step, and the nodes that may follow it.
#[derive(Debug)]
enum Step {
    Done,
    Look(Look, usize),
    One(Set, usize),
    Text(Box<Finder<'static>>, usize),
    Run(Run, usize),
    /// An end of a group.
    Save(usize, usize),
    /// Characters that can only be another round are passed over; then like [`Step::Either`].
    Again(Option<Run>, [usize; 2]),
    /// In this order.
    Either(Box<[usize]>),
}

/// As many characters of a set as there are, or as few.
#[derive(Clone, Copy, Debug)]
struct Run {
    set: Set,
    min: usize,
    max: usize,
    /// What follows takes none of them, so none is given back.
    keeps: bool,
    lazy: bool,
    /// The characters that end it, where they are few.
    until: Option<Until>,
}

#[derive(Clone, Copy, Debug)]
enum Until {
    One(u8),
    Two(u8, u8),
    Three(u8, u8, u8),
}

/// A search on its way.
struct Walk<'a> {
    text: &'a [u8],
    slots: &'a mut [Slot],
    /// Steps that it may still take.
    left: usize,
}

impl Walk<'_> {
    /// So many bytes were passed over.
    #[inline]
    fn passed(&mut self, bytes: usize) {
        self.left = self.left.saturating_sub(bytes / FAST);
    }
}

impl Straight {
    /// The leftmost match in `text`, which is ASCII; the ends of its groups are put into `slots`, as far as there are any.
    pub fn search(&self, text: &str, slots: &mut [Slot]) -> Found {
        let text = text.as_bytes();
        slots.fill(None);
        let mut walk = Walk { text, slots, left: STEPS + 2 * text.len().min(LONG) };
        let mut from = 0;
        while from <= text.len() {
            let start = match self.anchored {
                true => Some(0),
                false => self.first_place(self.start, from, text.len(), &mut walk),
            };
            let Some(start) = start else { break };
            let end = self.go(self.start, start, &mut walk);
            if walk.left == 0 {
                return Found::Unknown;
            }
            if let Some(end) = end {
                for (slot, place) in walk.slots.iter_mut().zip([start, end]) {
                    *slot = NonMaxUsize::new(place);
                }
                return Found::Yes(start..end);
            }
            if self.anchored {
                break;
            }
            from = start + 1;
        }
        Found::No
    }

    /// Where the first way through from `node` on ends, if there is one.
    fn go(&self, node: usize, at: usize, walk: &mut Walk<'_>) -> Option<usize> {
        let (mut node, mut at, text) = (node, at, walk.text);
        loop {
            walk.left = walk.left.saturating_sub(1);
            if walk.left == 0 {
                return None;
            }
            match &self.nodes[node].step {
                Step::Done => return Some(at),
                Step::Look(look, next) => node = stands(*look, text, at).then_some(*next)?,
                Step::One(set, next) => {
                    at = text.get(at).filter(|byte| set.has(**byte)).map(|_| at + 1)?;
                    node = *next;
                }
                Step::Text(wanted, next) => {
                    let wanted = wanted.needle();
                    at = text.get(at..)?.starts_with(wanted).then_some(at + wanted.len())?;
                    node = *next;
                }
                Step::Run(run, next) => {
                    let length = run.length(&text[at..]);
                    walk.passed(length);
                    let min = (length >= run.min).then_some(at + run.min)?;
                    match run.lazy {
                        true => return self.forwards(*next, min, at + length, walk),
                        false if !run.keeps => return self.backwards(*next, min, at + length, walk),
                        false => (node, at) = (*next, at + length),
                    }
                }
                Step::Save(slot, next) => {
                    if let Some(kept) = walk.slots.get(*slot).copied() {
                        walk.slots[*slot] = NonMaxUsize::new(at);
                        let end = self.deeper(*next, at, walk);
                        if end.is_none() {
                            walk.slots[*slot] = kept;
                        }
                        return end;
                    }
                    node = *next;
                }
                Step::Either(ways) => match self.choose(ways, at, walk)? {
                    Way::Last(next) => node = next,
                    Way::Through(end) => return Some(end),
                },
                Step::Again(alone, ways) => {
                    if let Some(run) = alone {
                        let length = run.length(&text[at..]);
                        walk.passed(length);
                        at += length;
                    }
                    match self.choose(ways, at, walk)? {
                        Way::Last(next) => node = next,
                        Way::Through(end) => return Some(end),
                    }
                }
            }
        }
    }

    /// The same from inside of a search: so deep that it takes much room it does not go.
    fn deeper(&self, node: usize, at: usize, walk: &mut Walk<'_>) -> Option<usize> {
        walk.left = walk.left.saturating_sub(DEEPER);
        self.go(node, at, walk)
    }

    /// Tries these ways but for the last.
    fn choose(&self, ways: &[usize], at: usize, walk: &mut Walk<'_>) -> Option<Way> {
        let mut ways = ways.iter().copied().filter(|way| self.may_begin(*way, walk.text, at));
        let mut way = ways.next()?;
        for next in ways {
            if let Some(end) = self.deeper(way, at, walk) {
                return Some(Way::Through(end));
            }
            way = next;
        }
        Some(Way::Last(way))
    }

    /// Goes on from the last place that leads through, of those from `from` to `to`.
    fn backwards(&self, node: usize, from: usize, to: usize, walk: &mut Walk<'_>) -> Option<usize> {
        let mut to = Some(to);
        while let Some(place) = self.last_place(node, from, to?, walk) {
            if let Some(end) = self.deeper(node, place, walk) {
                return Some(end);
            }
            to = place.checked_sub(1).filter(|_| walk.left > 0);
        }
        None
    }

    /// The same of the first place.
    fn forwards(&self, node: usize, from: usize, to: usize, walk: &mut Walk<'_>) -> Option<usize> {
        let mut from = from;
        while let Some(place) = self.first_place(node, from, to, walk) {
            if let Some(end) = self.deeper(node, place, walk) {
                return Some(end);
            }
            if walk.left == 0 {
                return None;
            }
            from = place + 1;
        }
        None
    }

    /// The last place from `from` to `to` where a node may begin.
    fn last_place(&self, node: usize, from: usize, to: usize, walk: &mut Walk<'_>) -> Option<usize> {
        if to < from {
            return None;
        }
        let (Node { step, first }, text) = (self.behind_saves(node), walk.text);
        match step {
            // Forwards it is found many bytes at a time.
            Step::Text(finder, _) if finder.needle().len() >= WORTH => {
                let text = &text[..text.len().min(to + finder.needle().len())];
                let (mut last, mut from) = (None, from);
                while let Some(found) = text.get(from..).and_then(|text| finder.find(text)) {
                    walk.passed(found + FAST);
                    last = Some(from + found);
                    from += found + 1;
                }
                last
            }
            _ if first.done || to == text.len() => Some(to),
            _ => first.set.rfind(first.only, &text[from..=to]).map(|found| from + found),
        }
    }

    /// The first place from `from` to `to` where a node may begin.
    fn first_place(&self, node: usize, from: usize, to: usize, walk: &mut Walk<'_>) -> Option<usize> {
        if to < from {
            return None;
        }
        let (Node { step, first }, text) = (self.behind_saves(node), walk.text);
        let place = match step {
            Step::Text(finder, _) => Some(from + finder.find(&text[from..])?),
            _ if first.done => Some(from),
            _ => first.set.find(first.only, &text[from..]).map(|found| from + found),
        };
        // At the end nothing is known of what follows.
        let place = place.unwrap_or(text.len());
        walk.passed(place - from);
        (place <= to).then_some(place)
    }

    /// The node that follows where ends of groups are noted.
    fn behind_saves(&self, node: usize) -> &Node {
        let mut node = &self.nodes[node];
        while let Step::Save(_, next) = node.step {
            node = &self.nodes[next];
        }
        node
    }

    #[inline]
    fn may_begin(&self, node: usize, text: &[u8], at: usize) -> bool {
        let first = &self.nodes[node].first;
        first.done || text.get(at).is_none_or(|byte| first.set.has(*byte))
    }
}

/// How one of several ways went.
enum Way {
    /// It led through and ended here.
    Through(usize),
    /// It is the last one, and still to be tried.
    Last(usize),
}

impl Run {
    /// How many characters it can take at the start of a text.
    fn length(&self, text: &[u8]) -> usize {
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
fn stands(look: Look, text: &[u8], at: usize) -> bool {
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

/// Steps on a text, and two more for each of its bytes.
const STEPS: usize = 512;
/// Bytes of a text that add steps.
const LONG: usize = 1000;
/// Steps that it counts for to go deeper.
const DEEPER: usize = 3;
/// Bytes of a text that is worth a search of its own.
const WORTH: usize = 4;
/// Bytes of a run that are passed over in the time of a step.
const FAST: usize = 8;

#[cfg(test)]
mod tests;
