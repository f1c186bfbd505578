//! Where a part of an expression ends, found without an automaton: texts are compared, runs of characters are counted.
//!
//! An automaton looks at each byte and cannot look at the next one before. What a failregex asks for are mostly fixed texts
//! with runs of something between them, and those a processor passes over many bytes at a time. The ways through are tried
//! in the expression's own order, so the first that goes through is its first choice; a run gives characters back only
//! where what follows could take one. A text on which that takes many steps is left to an automaton.

use memchr::memmem::Finder;
use regex_syntax::hir::{Class, Hir, HirKind, Look, Repetition};

/// A part of an expression for texts of ASCII.
#[derive(Debug)]
pub struct Straight {
    /// Each leads to ones before it; the last is where it begins.
    nodes: Vec<Node>,
}

/// Where a part ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Here.
    At(usize),
    /// It does not match.
    Nowhere,
    /// It would have taken too many steps to know.
    Unknown,
}

#[derive(Debug)]
struct Node {
    step: Step,
    first: First,
}

#[derive(Debug)]
enum Step {
    Done,
    Start(usize),
    /// The end of the text or of a line in it.
    LineEnd(usize),
    One(Set, usize),
    Text(Box<Finder<'static>>, usize),
    Run(Run, usize),
    /// One of these after the other, as long as it goes on: each is known by its first character, and what follows takes
    /// none of those.
    Loop(Box<[Box<[Set]>]>, usize),
    /// In this order.
    Either(Box<[usize]>),
}

/// As many characters of a set as there are.
#[derive(Clone, Copy, Debug)]
struct Run {
    set: Set,
    min: usize,
    max: usize,
    /// What follows takes none of them, so none is given back.
    keeps: bool,
    /// The characters that end it, where they are few.
    until: Option<Until>,
}

#[derive(Clone, Copy, Debug)]
enum Until {
    One(u8),
    Two(u8, u8),
    Three(u8, u8, u8),
}

/// What a way through begins with.
#[derive(Clone, Copy, Debug)]
struct First {
    set: Set,
    /// The one character of the set.
    only: Option<u8>,
    /// It may end at once, and so always goes through.
    done: bool,
}

impl First {
    fn new(set: Set, done: bool) -> First {
        let mut all = (0..0x80).filter(|byte| set.has(*byte));
        let only = all.next().filter(|_| all.next().is_none());
        First { set, only, done }
    }
}

/// Characters of ASCII.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Set([u64; 2]);

impl Straight {
    /// From a part's tree for ASCII; `None` where it asks for something else than texts, runs and choices.
    pub fn new(hir: &Hir) -> Option<Straight> {
        let done = Node { step: Step::Done, first: First::new(Set::default(), true) };
        let mut straight = Straight { nodes: vec![done] };
        let start = straight.add(hir, 0)?;
        // The last is the start, whatever it was built of.
        let first = straight.nodes[start].first;
        straight.push(Step::Either([start].into()), first)?;
        Some(straight)
    }

    /// The end of its first choice in `text`, which is ASCII, from `from` on.
    pub fn end(&self, text: &[u8], from: usize) -> End {
        let mut left = STEPS + text.len();
        match self.go(self.nodes.len() - 1, text, from, &mut left) {
            _ if left == 0 => End::Unknown,
            Some(end) => End::At(end),
            None => End::Nowhere,
        }
    }

    fn go(&self, node: usize, text: &[u8], at: usize, left: &mut usize) -> Option<usize> {
        let (mut node, mut at) = (node, at);
        loop {
            *left = left.saturating_sub(1);
            if *left == 0 {
                return None;
            }
            match &self.nodes[node].step {
                Step::Done => return Some(at),
                Step::Start(next) if at == 0 => node = *next,
                Step::LineEnd(next) if text.get(at).is_none_or(|byte| *byte == b'\n') => node = *next,
                Step::Start(_) | Step::LineEnd(_) => return None,
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
                    *left = left.saturating_sub(length / FAST);
                    let min = (length >= run.min).then_some(at + run.min)?;
                    at += length;
                    if !run.keeps {
                        // From behind, wherever what follows may begin.
                        while let Some(before) = self.last_place(*next, text, min, at, left) {
                            if let Some(end) = self.go(*next, text, before, left) {
                                return Some(end);
                            }
                            at = before.checked_sub(1)?;
                        }
                        return None;
                    }
                    node = *next;
                }
                Step::Loop(bodies, next) => {
                    let from = at;
                    while let Some(length) = bodies.iter().find_map(|body| once(body, &text[at..])) {
                        at += length;
                    }
                    *left = left.saturating_sub((at - from) / FAST);
                    node = *next;
                }
                Step::Either(ways) => {
                    let mut ways = ways.iter().filter(|way| self.may_begin(**way, text, at));
                    let mut way = ways.next()?;
                    for next in ways {
                        if let Some(end) = self.go(*way, text, at, left) {
                            return Some(end);
                        }
                        way = next;
                    }
                    node = *way;
                }
            }
        }
    }

    /// The last place from `min` to `at` where a node may begin.
    fn last_place(&self, node: usize, text: &[u8], min: usize, at: usize, left: &mut usize) -> Option<usize> {
        let Node { step, first } = &self.nodes[node];
        if at < min {
            return None;
        }
        match step {
            // Forwards it is found many bytes at a time.
            Step::Text(finder, _) if finder.needle().len() >= LONG => {
                let text = &text[..text.len().min(at + finder.needle().len())];
                let (mut last, mut from) = (None, min);
                while let Some(found) = finder.find(&text[from..]) {
                    *left = left.saturating_sub(1 + found / FAST);
                    last = Some(from + found);
                    from += found + 1;
                }
                last
            }
            _ if first.done || at == text.len() => Some(at),
            _ => match first.only {
                Some(byte) => memchr::memrchr(byte, &text[min..=at]),
                None => text[min..=at].iter().rposition(|byte| first.set.has(*byte)),
            }
            .map(|found| min + found),
        }
    }

    #[inline]
    fn may_begin(&self, node: usize, text: &[u8], at: usize) -> bool {
        let first = &self.nodes[node].first;
        first.done || text.get(at).is_none_or(|byte| first.set.has(*byte))
    }

    /// Adds what leads through `hir` to `next`.
    fn add(&mut self, hir: &Hir, next: usize) -> Option<usize> {
        let follows = self.nodes[next].first;
        match hir.kind() {
            HirKind::Empty => Some(next),
            HirKind::Literal(literal) if literal.0.len() == 1 => {
                let set = single(hir)?;
                self.push(Step::One(set, next), First::new(set, false))
            }
            HirKind::Literal(literal) => {
                let set = Set::default().with(*literal.0.first().filter(|_| literal.0.is_ascii())?);
                let finder = Finder::new(&literal.0).into_owned();
                self.push(Step::Text(Box::new(finder), next), First::new(set, false))
            }
            HirKind::Class(class) => {
                let set = Set::of(class)?;
                self.push(Step::One(set, next), First::new(set, false))
            }
            HirKind::Look(Look::Start) => {
                let set = if follows.done { Set([u64::MAX; 2]) } else { follows.set };
                self.push(Step::Start(next), First::new(set, false))
            }
            HirKind::Look(Look::EndLF) => self.push(Step::LineEnd(next), First::new(Set::default().with(b'\n'), false)),
            HirKind::Repetition(repetition) if repetition.greedy => self.add_repetition(repetition, next),
            HirKind::Look(_) | HirKind::Repetition(_) | HirKind::Capture(_) => None,
            HirKind::Concat(parts) => parts.iter().rev().try_fold(next, |next, part| self.add(part, next)),
            HirKind::Alternation(parts) => {
                let ways = parts.iter().map(|part| self.add(part, next)).collect::<Option<Vec<_>>>()?;
                self.either(ways)
            }
        }
    }

    fn add_repetition(&mut self, repetition: &Repetition, next: usize) -> Option<usize> {
        let (min, max) = (repetition.min as usize, repetition.max.map_or(usize::MAX, |max| max as usize));
        if let Some(set) = single(&repetition.sub) {
            return self.add_run(set, min, max, next);
        }
        if max <= UNROLLED {
            // Each one more that need not be is a way of its own.
            let mut start = next;
            for _ in min..max {
                let more = self.add(&repetition.sub, start)?;
                start = self.either(vec![more, next])?;
            }
            return (0..min).try_fold(start, |next, _| self.add(&repetition.sub, next));
        }
        if max < usize::MAX || min > 1 {
            return None;
        }
        let bodies = match repetition.sub.kind() {
            HirKind::Alternation(parts) => parts.iter().map(fixed).collect::<Option<Vec<_>>>()?,
            _ => vec![fixed(&repetition.sub)?],
        };
        let follows = self.nodes[next].first;
        let mut set = Set::default();
        for first in bodies.iter().map(|body| body[0]) {
            if first.meets(set) || first.meets(follows.set) && !follows.done {
                return None;
            }
            set = set.and(first);
        }
        let first = First::new(set.and(follows.set), follows.done);
        let many = self.push(Step::Loop(bodies.into(), next), first)?;
        if min == 0 { Some(many) } else { self.add(&repetition.sub, many) }
    }

    fn add_run(&mut self, set: Set, min: usize, max: usize, next: usize) -> Option<usize> {
        let follows = self.nodes[next].first;
        let keeps = min == max || follows.done || !set.meets(follows.set);
        let first = match min {
            0 => First::new(set.and(follows.set), follows.done),
            _ => First::new(set, false),
        };
        self.push(Step::Run(Run { set, min, max, keeps, until: set.until() }, next), first)
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

impl Run {
    /// How many characters it takes at the start of a text.
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

impl Set {
    fn of(class: &Class) -> Option<Set> {
        let ranges: Vec<(u32, u32)> = match class {
            Class::Unicode(class) => class.iter().map(|range| (range.start().into(), range.end().into())).collect(),
            Class::Bytes(class) => class.iter().map(|range| (range.start().into(), range.end().into())).collect(),
        };
        let mut set = Set::default();
        for (start, end) in ranges {
            for byte in start..=end.min(0x7f) {
                set = set.with(byte as u8);
            }
        }
        Some(set)
    }

    fn with(self, byte: u8) -> Set {
        let mut set = self;
        set.0[usize::from(byte >> 6 & 1)] |= 1 << (byte & 63);
        set
    }

    #[inline]
    fn has(&self, byte: u8) -> bool {
        self.0[usize::from(byte >> 6 & 1)] >> (byte & 63) & 1 == 1
    }

    fn and(self, other: Set) -> Set {
        Set([self.0[0] | other.0[0], self.0[1] | other.0[1]])
    }

    fn meets(self, other: Set) -> bool {
        self.0[0] & other.0[0] != 0 || self.0[1] & other.0[1] != 0
    }

    /// The characters that are not in it, where they are few.
    fn until(self) -> Option<Until> {
        let others: Vec<u8> = (0..0x80).filter(|byte| !self.has(*byte)).take(4).collect();
        match others[..] {
            [a] => Some(Until::One(a)),
            [a, b] => Some(Until::Two(a, b)),
            [a, b, c] => Some(Until::Three(a, b, c)),
            _ => None,
        }
    }
}

/// The set, where the expression is one character of it.
fn single(hir: &Hir) -> Option<Set> {
    match hir.kind() {
        HirKind::Class(class) => Set::of(class),
        HirKind::Literal(literal) => match literal.0[..] {
            [byte] if byte.is_ascii() => Some(Set::default().with(byte)),
            _ => None,
        },
        _ => None,
    }
}

/// The sets, where the expression is always so many characters.
fn fixed(hir: &Hir) -> Option<Box<[Set]>> {
    match hir.kind() {
        HirKind::Concat(parts) => parts.iter().map(single).collect(),
        _ => single(hir).map(|set| [set].into()),
    }
}

/// How many characters these are at the start of a text, if they stand there.
fn once(sets: &[Set], text: &[u8]) -> Option<usize> {
    let stand = text.len() >= sets.len() && sets.iter().zip(text).all(|(set, byte)| set.has(*byte));
    stand.then_some(sets.len())
}

/// Nodes at most.
const NODES: usize = 256;
/// Repetitions that are written out.
const UNROLLED: usize = 4;
/// Steps on a text, and one more for each of its bytes.
const STEPS: usize = 256;
/// Bytes of a text that is worth a search of its own.
const LONG: usize = 4;
/// Bytes of a run that are passed over in the time of a step.
const FAST: usize = 8;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use regex_automata::{Anchored, Input, meta};

    use super::*;
    use crate::filter::ascii::narrow;

    fn both(pattern: &str, text: &str, from: usize) -> (Option<End>, End) {
        let hir = narrow(&regex_syntax::parse(pattern).unwrap());
        let input = Input::new(text).range(from..).anchored(Anchored::Yes);
        let expected = meta::Builder::new().build_from_hir(&hir).unwrap().search_half(&input);
        let found = Straight::new(&hir).map(|straight| straight.end(text.as_bytes(), from));
        (found, expected.map_or(End::Nowhere, |end| End::At(end.offset())))
    }

    #[test]
    fn what_our_own_filters_ask_for_goes_straight() {
        for (pattern, text, end) in [
            (r"^a\.c(?::\d+(?: in)? \w*)?:\s+Request (?:'\S+' )?from '", "a.c:12 in x:  Request 'OPTIONS' from 'y", 38),
            (r#""(?:[^"\\]|\\.)*" ?<[^<> ]*>"#, r#""a\"b\\" <sip:x@y>' from <z>"#, 18),
            (r"Registration from '.*' failed for '", "Registration from 'x' failed for 'y' failed for 'z'\n", 49),
            (r#"x="(?:One|Two)",.*,At="(?:WS|WSS)6?/[^"/]+/\d+",By=""#, r#"x="Two",a,At="WSS6/b/5",By="c""#, 28),
            (r"(?::\d+)? - (?:Wrong|No)(?m:$)", ":5060 - No\n", 10),
            (r"(?:\d{1,3}\.){3}x", "1.22.333.x", 10),
            (r"[^\[\]]{7,}\d\d:\d\d[^\[\]]*\] ", "[2026-11-20 10:00:00] ", 0),
        ] {
            let (found, expected) = both(pattern, text, 0);
            assert_eq!(found, Some(expected), "{pattern}");
            assert_eq!(expected, if end == 0 { End::Nowhere } else { End::At(end) }, "{pattern}");
        }
    }

    #[test]
    fn what_does_not_go_straight_is_known() {
        for pattern in [r"a\b", r"(?:a*b)*a", "a+?b", "(?:ab|ac)*d", "(?:ab)*a", "(a)"] {
            assert!(Straight::new(&narrow(&regex_syntax::parse(pattern).unwrap())).is_none(), "{pattern}");
        }
    }

    #[test]
    fn a_text_that_takes_many_steps_is_left_to_others() {
        let text = "ab".repeat(400);
        assert_eq!(both(".*a.*a.*a.*c", &text, 0).0, Some(End::Unknown));
    }

    #[rustfmt::skip]
    const PIECES: &[&str] = &[
        "a", "b", "ab", "ba", "[ab]", "[^a]", "[^ab]", "[ab]+", "a*", "[^b]*", ".*", ".+", r"\d+", r"\S+", "(?:a|ab)",
        "(?:ab|a)?", "(?:b|ab|)", "(?:[^b1]|1.)*", "(?:a|b1)+", "a{2}", "[ab]{1,3}", "(?:a1?){2}", "(?:ab?){1,3}",
        "1", "(?m:$)", "\\n", "a?", "(?:a*|1)?", "(?:a1|b)*", "(?i:A)", "abab", ".*aba1", "[ab]*baab",
    ];

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]

        #[test]
        fn the_first_choice_is_that_of_an_automaton(
            pieces in prop::collection::vec(prop::sample::select(PIECES), 1..9),
            start in any::<bool>(),
            texts in prop::collection::vec("[ab1]{0,14}\n?", 6),
            from in 0usize..3,
        ) {
            let pattern = format!("{}{}", if start { "^" } else { "" }, pieces.concat());
            for text in texts {
                let (found, expected) = both(&pattern, &text, from.min(text.len()));
                let same = found.is_none_or(|found| found == expected || found == End::Unknown);
                prop_assert!(same, "{pattern} {text:?}: {found:?} {expected:?}");
            }
        }
    }
}
