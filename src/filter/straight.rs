//! Matches and their groups, found without an automaton: texts are compared, runs of characters are counted.
//!
//! An automaton looks at each byte and cannot look at the next one before, and what finds groups costs hundreds of
//! instructions a byte. What a failregex asks for are mostly fixed texts with runs of something between them, and those a
//! processor passes over many bytes at a time. The ways through are tried in the expression's own order, so the first that
//! goes through is its first choice; a run gives characters back only where what follows could take one. A text on which
//! that takes many steps is left to an automaton.

mod build;
mod first;
mod step;

use std::ops::Range;

use regex_automata::util::primitives::NonMaxUsize;
use smallvec::SmallVec;

use super::ascii::Slot;
use step::{Node, Step, Ways, stands};

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

/// A search on its way.
struct Walk<'a> {
    text: &'a [u8],
    slots: &'a mut [Slot],
    /// What was in slots before, for the way back.
    trail: SmallVec<[(usize, Slot); 16]>,
    /// Steps that it may still take.
    left: usize,
}

impl Walk<'_> {
    /// So many bytes were passed over.
    #[inline]
    fn passed(&mut self, bytes: usize) {
        self.left = self.left.saturating_sub(bytes / FAST);
    }

    /// Notes an end of a group.
    #[inline]
    fn save(&mut self, slot: usize, at: usize) {
        if let Some(kept) = self.slots.get_mut(slot) {
            self.trail.push((slot, std::mem::replace(kept, NonMaxUsize::new(at))));
        }
    }

    /// Forgets what was noted since the trail was so long.
    fn go_back(&mut self, length: usize) {
        while self.trail.len() > length
            && let Some((slot, kept)) = self.trail.pop()
        {
            self.slots[slot] = kept;
        }
    }
}

impl Straight {
    /// The leftmost match in `text`, which is ASCII; the ends of its groups are put into `slots`, as far as there are any.
    pub fn search(&self, text: &str, slots: &mut [Slot]) -> Found {
        let text = text.as_bytes();
        slots.fill(None);
        let mut walk = Walk { text, slots, trail: SmallVec::new(), left: STEPS + 2 * text.len().min(LONG) };
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
            walk.go_back(0);
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
                Step::Each(sets, next) => {
                    let part = text.get(at..at + sets.len())?;
                    at = part.iter().zip(sets).all(|(byte, set)| set.has(*byte)).then_some(at + sets.len())?;
                    node = *next;
                }
                Step::Text(wanted, next) => {
                    let wanted = wanted.finder.needle();
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
                    walk.save(*slot, at);
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
    #[inline]
    fn deeper(&self, node: usize, at: usize, walk: &mut Walk<'_>) -> Option<usize> {
        walk.left = walk.left.saturating_sub(DEEPER);
        let trail = walk.trail.len();
        let end = self.go(node, at, walk);
        if end.is_none() {
            walk.go_back(trail);
        }
        end
    }

    /// Tries these ways but for the last.
    #[inline]
    fn choose(&self, ways: &Ways, at: usize, walk: &mut Walk<'_>) -> Option<Way> {
        let mut left = ways.possible(walk.text, at);
        while left & left.wrapping_sub(1) != 0 {
            let way = ways.nodes[left.trailing_zeros() as usize];
            if self.may_begin(way, walk.text, at)
                && let Some(end) = self.deeper(way, at, walk)
            {
                return Some(Way::Through(end));
            }
            left &= left - 1;
        }
        ways.nodes.get(left.trailing_zeros() as usize).copied().map(Way::Last)
    }

    /// Goes on from the last place that leads through, of those from `from` to `to`.
    #[inline(never)]
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
    #[inline(never)]
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
            Step::Text(wanted, _) => {
                let (place, tried) = wanted.rfind(text, from, to);
                walk.left = walk.left.saturating_sub(tried);
                place
            }
            _ if first.done || to == text.len() => Some(to),
            _ => {
                let mut to = to;
                loop {
                    let found = from + first.set().rfind(first.only, &text[from..=to])?;
                    if first.fits(&text[found..]) {
                        break Some(found);
                    }
                    walk.left = walk.left.saturating_sub(1);
                    to = found.checked_sub(1).filter(|to| *to >= from)?;
                }
            }
        }
    }

    /// The first place from `from` to `to` where a node may begin.
    fn first_place(&self, node: usize, from: usize, to: usize, walk: &mut Walk<'_>) -> Option<usize> {
        if to < from {
            return None;
        }
        let (Node { step, first }, text) = (self.behind_saves(node), walk.text);
        let place = match step {
            Step::Text(wanted, _) => Some(from + wanted.finder.find(&text[from..])?),
            _ if first.done => Some(from),
            _ => {
                let mut from = from;
                loop {
                    let Some(found) = first.set().find(first.only, &text[from..]) else { break None };
                    if first.fits(&text[from + found..]) {
                        break Some(from + found);
                    }
                    walk.left = walk.left.saturating_sub(1);
                    from += found + 1;
                }
            }
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
        let Node { step, first } = &self.nodes[node];
        match step {
            Step::Text(wanted, _) => text[at..].starts_with(wanted.finder.needle()),
            _ => first.done || first.fits(&text[at..]),
        }
    }
}

/// How one of several ways went.
enum Way {
    /// It led through and ended here.
    Through(usize),
    /// It is the last one, and still to be tried.
    Last(usize),
}

/// Steps on a text, and two more for each of its bytes.
const STEPS: usize = 512;
/// Bytes of a text that add steps.
const LONG: usize = 1000;
/// Steps that it counts for to go deeper.
const DEEPER: usize = 3;
/// Bytes of a run that are passed over in the time of a step.
const FAST: usize = 8;

#[cfg(test)]
mod tests;
