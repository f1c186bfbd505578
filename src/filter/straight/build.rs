//! From an expression's tree to the steps of a search.

use memchr::memmem::Finder;
use regex_syntax::hir::{Class, Hir, HirKind, Look, Repetition};

use super::{Node, Run, Step, Straight, Until};

/// What a way through begins with.
#[derive(Clone, Copy, Debug)]
pub struct First {
    pub set: Set,
    /// The one character of the set.
    pub only: Option<u8>,
    /// It may end at once, and so always goes through.
    pub done: bool,
}

/// Characters of ASCII.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Set([u64; 2]);

impl Straight {
    /// From a tree for ASCII; `None` where it asks for something else than texts, runs, choices and groups, or might be
    /// tried at too many places of a text.
    pub fn new(hir: &Hir) -> Option<Straight> {
        let done = Node { step: Step::Done, first: First::new(Set::default(), true) };
        let anchored = hir.properties().look_set_prefix().contains(Look::Start);
        let mut straight = Straight { nodes: vec![done], start: 0, anchored, depth: 0 };
        straight.start = straight.add(hir, 0)?;
        let first = straight.nodes[straight.start].first;
        (anchored || !first.done && first.set.count() <= BEGINNINGS).then_some(straight)
    }

    /// Adds what leads through `hir` to `next`.
    fn add(&mut self, hir: &Hir, next: usize) -> Option<usize> {
        let follows = self.nodes[next].first;
        match hir.kind() {
            HirKind::Empty => Some(next),
            HirKind::Literal(literal) if literal.0.len() > 1 => {
                let first = *literal.0.first().filter(|_| literal.0.is_ascii())?;
                let finder = Finder::new(&literal.0).into_owned();
                self.push(Step::Text(Box::new(finder), next), First::new(Set::default().with(first), false))
            }
            HirKind::Literal(_) | HirKind::Class(_) => {
                let set = single(hir)?;
                self.push(Step::One(set, next), First::new(set, false))
            }
            HirKind::Look(look) => {
                let set = match look {
                    Look::EndLF => Set::default().with(b'\n'),
                    Look::End => Set::default(),
                    Look::Start | Look::StartLF | Look::WordAscii | Look::WordAsciiNegate if follows.done => ALL,
                    Look::Start | Look::StartLF | Look::WordAscii | Look::WordAsciiNegate => follows.set,
                    _ => return None,
                };
                self.push(Step::Look(*look, next), First::new(set, false))
            }
            HirKind::Repetition(repetition) => self.add_repetition(repetition, next),
            HirKind::Capture(capture) => {
                let number = capture.index as usize;
                let end = self.push(Step::Save(2 * number + 1, next), follows)?;
                let start = self.add(&capture.sub, end)?;
                self.push(Step::Save(2 * number, start), self.nodes[start].first)
            }
            HirKind::Concat(parts) => parts.iter().rev().try_fold(next, |next, part| self.add(part, next)),
            HirKind::Alternation(parts) => {
                let ways = parts.iter().map(|part| self.add(part, next)).collect::<Option<Vec<_>>>()?;
                self.either(ways)
            }
        }
    }

    fn add_repetition(&mut self, repetition: &Repetition, next: usize) -> Option<usize> {
        let Repetition { min, max, greedy, sub } = repetition;
        let (min, max) = (*min as usize, max.map_or(usize::MAX, |max| max as usize));
        if let Some(set) = single(sub) {
            return self.add_run(set, min, max, *greedy, next);
        }
        let copies = if max == usize::MAX { min } else { max };
        if copies > UNROLLED {
            return None;
        }
        let mut start = next;
        if max == usize::MAX {
            start = self.add_again(sub, *greedy, next)?;
        } else {
            // Each one more that need not be is a way of its own.
            for _ in min..max {
                let more = self.add(sub, start)?;
                start = self.either(in_order(*greedy, more, next).into())?;
            }
        }
        (0..min).try_fold(start, |next, _| self.add(sub, next))
    }

    /// Adds a loop. What leads through it once takes something, so it ends.
    fn add_again(&mut self, sub: &Hir, greedy: bool, next: usize) -> Option<usize> {
        if sub.properties().minimum_len().is_none_or(|least| least == 0) || self.depth >= DEPTH {
            return None;
        }
        self.depth += 1;
        let follows = self.nodes[next].first;
        // What it begins with has to be known before what leads back to it is built.
        let known = self.nodes.len();
        let once = self.add(sub, next)?;
        let first = self.nodes[once].first.set;
        self.nodes.truncate(known);
        let again = self.push(Step::Done, First::new(first.and(follows.set), follows.done))?;
        let once = self.add(sub, again)?;
        let alone = self.alone(sub, once, (!follows.done || !greedy).then_some(follows));
        self.nodes[again].step = Step::Again(alone, in_order(greedy, once, next));
        self.depth -= 1;
        Some(again)
    }

    /// The characters that are a round of a loop by themselves, and nothing else can take.
    fn alone(&self, sub: &Hir, once: usize, follows: Option<First>) -> Option<Run> {
        let (HirKind::Alternation(parts), Step::Either(ways)) = (sub.kind(), &self.nodes[once].step) else {
            return None;
        };
        let (mut alone, mut others) = (Set::default(), Set::default());
        if let Some(follows) = follows {
            others = if follows.done { ALL } else { follows.set };
        }
        for (part, way) in parts.iter().zip(ways) {
            match single(part) {
                Some(set) => alone = alone.and(set),
                None => others = others.and(self.nodes[*way].first.set),
            }
        }
        let set = alone.without(others);
        let run = Run { set, min: 0, max: usize::MAX, keeps: true, lazy: false, until: set.until() };
        (set != Set::default()).then_some(run)
    }

    fn add_run(&mut self, set: Set, min: usize, max: usize, greedy: bool, next: usize) -> Option<usize> {
        let follows = self.nodes[next].first;
        let fixed = min == max;
        let keeps = fixed || follows.done || !set.meets(follows.set);
        let first = match min {
            0 => First::new(set.and(follows.set), follows.done),
            _ => First::new(set, false),
        };
        let run = Run { set, min, max, keeps, lazy: !greedy && !fixed, until: set.until() };
        self.push(Step::Run(run, next), first)
    }

    fn either(&mut self, ways: Vec<usize>) -> Option<usize> {
        let firsts = ways.iter().map(|way| self.nodes[*way].first);
        let none = First::new(Set::default(), false);
        let first = firsts.fold(none, |all, one| First::new(all.set.and(one.set), all.done || one.done));
        self.push(Step::Either(ways.into()), first)
    }

    fn push(&mut self, step: Step, first: First) -> Option<usize> {
        self.nodes.push(Node { step, first });
        (self.nodes.len() <= NODES).then_some(self.nodes.len() - 1)
    }
}

impl First {
    fn new(set: Set, done: bool) -> First {
        First { set, only: set.members().next().filter(|_| set.count() == 1), done }
    }
}

impl Set {
    fn of(class: &Class) -> Set {
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

    fn with(self, byte: u8) -> Set {
        let mut set = self;
        set.0[usize::from(byte >> 6 & 1)] |= 1 << (byte & 63);
        set
    }

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

    fn and(self, other: Set) -> Set {
        Set([self.0[0] | other.0[0], self.0[1] | other.0[1]])
    }

    fn without(self, other: Set) -> Set {
        Set([self.0[0] & !other.0[0], self.0[1] & !other.0[1]])
    }

    fn meets(self, other: Set) -> bool {
        self.0[0] & other.0[0] != 0 || self.0[1] & other.0[1] != 0
    }

    fn count(self) -> u32 {
        self.0[0].count_ones() + self.0[1].count_ones()
    }

    /// The characters that are not in it, where they are few.
    fn until(self) -> Option<Until> {
        let mut others = ALL.without(self).members();
        match [others.next(), others.next(), others.next(), others.next()] {
            [Some(a), None, ..] => Some(Until::One(a)),
            [Some(a), Some(b), None, _] => Some(Until::Two(a, b)),
            [Some(a), Some(b), Some(c), None] => Some(Until::Three(a, b, c)),
            _ => None,
        }
    }
}

/// The set, where the expression is one character of it.
fn single(hir: &Hir) -> Option<Set> {
    match hir.kind() {
        HirKind::Class(class) => Some(Set::of(class)),
        HirKind::Literal(literal) => match literal.0[..] {
            [byte] if byte.is_ascii() => Some(Set::default().with(byte)),
            _ => None,
        },
        _ => None,
    }
}

fn in_order(greedy: bool, more: usize, next: usize) -> [usize; 2] {
    if greedy { [more, next] } else { [next, more] }
}

const ALL: Set = Set([u64::MAX; 2]);
/// Nodes at most.
const NODES: usize = 512;
/// Repetitions that are written out.
const UNROLLED: usize = 8;
/// Loops inside of each other: each is built twice.
const DEPTH: usize = 4;
/// Characters that a match may begin with, where it may begin anywhere.
const BEGINNINGS: u32 = 8;
