//! From an expression's tree to the steps of a search.

use regex_syntax::hir::{Hir, HirKind, Look, Repetition};

use super::Straight;
use super::first::{AHEAD, ALL, First, Set};
use super::step::{MANY, Node, Run, Step, Text, Ways};

impl Straight {
    /// From a tree for ASCII; `None` where it asks for something else than texts, runs, choices and groups, or might be
    /// tried at too many places of a text.
    pub fn new(hir: &Hir) -> Option<Straight> {
        let done = Node { step: Step::Done, first: First::of(Set::default(), true) };
        let anchored = hir.properties().look_set_prefix().contains(Look::Start);
        let mut straight = Straight { nodes: vec![done], start: 0, anchored, depth: 0 };
        straight.start = straight.add(hir, 0)?;
        let first = straight.nodes[straight.start].first;
        (anchored || !first.done && first.set().count() <= BEGINNINGS).then_some(straight)
    }

    /// Adds what leads through `hir` to `next`.
    fn add(&mut self, hir: &Hir, next: usize) -> Option<usize> {
        let follows = self.nodes[next].first;
        match hir.kind() {
            HirKind::Empty => Some(next),
            HirKind::Literal(literal) if literal.0.len() > 1 => {
                if !literal.0.is_ascii() {
                    return None;
                }
                let head = literal.0.iter().take(AHEAD).rev();
                let first = head.fold(follows, |next, byte| next.behind(Set::default().with(*byte)));
                self.push(Step::Text(Box::new(Text::new(&literal.0)), next), first)
            }
            HirKind::Literal(_) | HirKind::Class(_) => self.add_one(single(hir)?, next),
            HirKind::Look(look) => {
                let first = match look {
                    Look::EndLF => First::of(Set::default().with(b'\n'), false),
                    Look::End => First::of(Set::default(), false),
                    Look::Start | Look::StartLF | Look::WordAscii | Look::WordAsciiNegate if follows.done => {
                        First::of(ALL, false)
                    }
                    Look::Start | Look::StartLF | Look::WordAscii | Look::WordAsciiNegate => follows,
                    _ => return None,
                };
                self.push(Step::Look(*look, next), first)
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
                self.either(&ways)
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
                start = self.either(&in_order(*greedy, more, next))?;
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
        let first = self.nodes[once].first.set();
        self.nodes.truncate(known);
        let again = self.push(Step::Done, First::of(first.and(follows.set()), follows.done))?;
        let once = self.add(sub, again)?;
        let alone = self.alone(sub, once, (!follows.done || !greedy).then_some(follows));
        self.nodes[again].step = Step::Again(alone, self.ways(&in_order(greedy, once, next)));
        self.depth -= 1;
        Some(again)
    }

    /// The characters that are a round of a loop by themselves, and nothing else can take.
    fn alone(&self, sub: &Hir, once: usize, follows: Option<First>) -> Option<Run> {
        let (HirKind::Alternation(parts), Step::Either(ways)) = (sub.kind(), &self.nodes[once].step) else {
            return None;
        };
        if parts.len() > MANY {
            return None;
        }
        let (mut alone, mut others) = (Set::default(), Set::default());
        if let Some(follows) = follows {
            others = if follows.done { ALL } else { follows.set() };
        }
        for (part, way) in parts.iter().zip(&ways.nodes) {
            match single(part) {
                Some(set) => alone = alone.and(set),
                None => others = others.and(self.nodes[*way].first.set()),
            }
        }
        let set = alone.without(others);
        let run = Run { set, min: 0, max: usize::MAX, keeps: true, lazy: false, until: set.until() };
        (set != Set::default()).then_some(run)
    }

    /// One character, and those that follow it with it.
    fn add_one(&mut self, set: Set, next: usize) -> Option<usize> {
        let step = match &self.nodes[next].step {
            Step::One(other, behind) => Step::Each([set, *other].into(), *behind),
            Step::Each(others, behind) => Step::Each([&[set], &others[..]].concat().into(), *behind),
            _ => Step::One(set, next),
        };
        self.push(step, self.nodes[next].first.behind(set))
    }

    fn add_run(&mut self, set: Set, min: usize, max: usize, greedy: bool, next: usize) -> Option<usize> {
        if min == max && (1..=UNROLLED).contains(&max) {
            return (0..max).try_fold(next, |next, _| self.add_one(set, next));
        }
        let follows = self.nodes[next].first;
        let fixed = min == max;
        let keeps = fixed || follows.done || !set.meets(follows.set());
        let last = First::of(if follows.done { ALL } else { set.and(follows.set()) }, false);
        let first = match min {
            0 => First::of(set.and(follows.set()), follows.done),
            _ => (0..min.min(AHEAD)).fold(last, |next, _| next.behind(set)),
        };
        let run = Run { set, min, max, keeps, lazy: !greedy && !fixed, until: set.until() };
        self.push(Step::Run(run, next), first)
    }

    fn either(&mut self, ways: &[usize]) -> Option<usize> {
        let first = ways.iter().map(|way| self.nodes[*way].first).reduce(First::or)?;
        let ways = match ways.split_at_checked(MANY) {
            Some((some, others)) if !others.is_empty() => {
                let others = self.either(&ways[MANY - 1..])?;
                self.ways(&[&some[..MANY - 1], &[others]].concat())
            }
            _ => self.ways(ways),
        };
        self.push(Step::Either(ways), first)
    }

    /// At most so many ways.
    fn ways(&self, nodes: &[usize]) -> Ways {
        Ways::new(&nodes.iter().map(|node| (*node, self.nodes[*node].first)).collect::<Vec<_>>())
    }

    fn push(&mut self, step: Step, first: First) -> Option<usize> {
        self.nodes.push(Node { step, first });
        (self.nodes.len() <= NODES).then_some(self.nodes.len() - 1)
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

/// Nodes at most.
const NODES: usize = 512;
/// Repetitions that are written out.
const UNROLLED: usize = 8;
/// Loops inside of each other: each is built twice.
const DEPTH: usize = 4;
/// Characters that a match may begin with, where it may begin anywhere.
const BEGINNINGS: u32 = 8;
