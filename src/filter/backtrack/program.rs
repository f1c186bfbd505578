//! A pattern as instructions for the [`machine`](super::machine).

use super::charset::{CharSet, Item, fold};
use super::parser::{Options, parse};
use super::syntax::{Assert, Look, Node, Tree};

/// A compiled pattern.
#[derive(Clone, Debug)]
pub struct Program {
    /// What to do, beginning at 0.
    pub steps: Box<[Step]>,
    /// The sets that steps name.
    pub sets: Box<[CharSet]>,
    /// The sets of bytes that steps name.
    pub bytes: Box<[Bytes]>,
    /// Places to remember: two per group, then one per loop whose body may be empty.
    pub slots: usize,
    /// Names of groups with their numbers, in the order in which they begin.
    pub names: Box<[(Box<str>, usize)]>,
    /// For each step where ways part and all that comes depends on the place alone, so that what failed there once fails
    /// there again: a number from 0; for all others [`UNSURE`].
    pub forks: Box<[u32]>,
    /// How many steps have such a number.
    pub fork_count: usize,
    /// A match can only be at the start of the line.
    pub at_start: bool,
    /// Bytes with which a match can begin; `None`: it may be empty, so anything.
    pub first: Option<Bytes>,
    /// More than one character before a match can matter.
    pub looks_behind: bool,
    /// It begins with [`Assert::DateStart`].
    pub at_edge: bool,
    /// The most characters between the start of the match and group 1, if none of them is part of a word.
    pub lead: Option<usize>,
    /// Bytes with which the text behind group 1 begins, where a match always has any.
    pub behind: Option<Bytes>,
}

/// A set of bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bytes([u64; 4]);

impl Bytes {
    /// Whether the byte belongs to it.
    pub fn contains(&self, byte: u8) -> bool {
        self.0[usize::from(byte >> 6)] >> (byte & 63) & 1 == 1
    }

    /// Those below 0x80, a bit for each.
    pub fn ascii(&self) -> u128 {
        u128::from(self.0[0]) | u128::from(self.0[1]) << 64
    }

    /// Those of both.
    pub fn union(self, other: Bytes) -> Bytes {
        Bytes(std::array::from_fn(|at| self.0[at] | other.0[at]))
    }

    fn add(&mut self, byte: u8) {
        self.0[usize::from(byte >> 6)] |= 1 << (byte & 63);
    }

    fn add_all(&mut self, set: &CharSet) {
        self.0[0] |= set.ascii() as u64;
        self.0[1] |= (set.ascii() >> 64) as u64;
        // A character beyond ASCII may belong to it.
        self.0[2..].fill(u64::MAX);
    }
}

/// One instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// This character.
    Char(char),
    /// A character that is this one when case is ignored.
    Folded(char),
    /// A character of the set.
    Set(u16),
    /// Any character; also a line feed, or not.
    Any(bool),
    /// A place.
    Assert(Assert),
    /// Go on at the first; if that fails, at the second.
    Split(u32, u32),
    /// The same, but what begins at the first can only begin with one of these bytes, so nothing else is tried.
    Try(u32, u32, u16),
    /// Go on there.
    Jump(u32),
    /// Remember the place.
    Save(u32),
    /// If nothing was taken since the place was remembered, go on there: the loop is over.
    Moved(u32, u32),
    /// The text of a group once more, case ignored or not.
    Backref(u16, bool),
    /// What follows, up to its [`Step::Done`], on its own; then go on there.
    Look(Look, u32),
    /// If the group did not take part, go on there.
    Unless(u16, u32),
    /// The end: of the whole, or of a look.
    Done,
}

impl Program {
    /// Compiles a pattern in Python's notation; the error says what is wrong with it.
    pub fn new(pattern: &str) -> Result<Program, String> {
        Program::with(pattern, Options::default())
    }

    /// The same for a pattern that is meant as `options` say.
    pub fn with(pattern: &str, options: Options) -> Result<Program, String> {
        let tree = parse(pattern, options)?;
        let mut builder =
            Builder { steps: Vec::new(), sets: Vec::new(), bytes: Vec::new(), slots: 2 * tree.groups, nodes: 0 };
        builder.node(&tree.root)?;
        builder.push(Step::Done)?;
        let mut first = Bytes::default();
        let empty = begins(&tree.root, &mut first);
        let (forks, fork_count) = forks(&builder.steps, 2 * tree.groups);
        Ok(Program {
            forks,
            fork_count,
            looks_behind: builder.steps.iter().any(|step| matches!(step, Step::Look(Look::Behind(..), _))),
            steps: builder.steps.into(),
            sets: builder.sets.into(),
            bytes: builder.bytes.into(),
            slots: builder.slots,
            at_start: starts(&tree.root),
            first: (!empty).then_some(first),
            at_edge: matches!(&tree.root, Node::Cat(parts) if matches!(parts[0], Node::Assert(Assert::DateStart))),
            lead: lead(&tree),
            behind: behind(&tree),
            names: tree.names.into_iter().map(|(name, group)| (name.into(), group)).collect(),
        })
    }
}

struct Builder {
    steps: Vec<Step>,
    sets: Vec<CharSet>,
    bytes: Vec<Bytes>,
    slots: usize,
    /// Nodes that were visited: repetitions of nothing leave no steps and take time all the same.
    nodes: usize,
}

impl Builder {
    fn push(&mut self, step: Step) -> Result<u32, String> {
        if self.steps.len() >= MAX_STEPS {
            return Err(TOO_LONG.into());
        }
        self.steps.push(step);
        Ok(self.steps.len() as u32 - 1)
    }

    fn here(&self) -> u32 {
        self.steps.len() as u32
    }

    /// A choice between what begins at `first` and what begins at `second`; `node` is what stands at `first`.
    fn choice(&mut self, node: &Node, first: u32, second: u32) -> Step {
        let mut set = Bytes::default();
        if begins(node, &mut set) {
            return Step::Split(first, second);
        }
        self.choice_of(set, first, second)
    }

    fn choice_of(&mut self, set: Bytes, first: u32, second: u32) -> Step {
        let known = self.bytes.iter().position(|other| *other == set);
        let at = known.unwrap_or_else(|| {
            self.bytes.push(set);
            self.bytes.len() - 1
        });
        Step::Try(first, second, at as u16)
    }

    fn node(&mut self, node: &Node) -> Result<(), String> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return Err(TOO_LONG.into());
        }
        match node {
            Node::Empty => {}
            Node::Char(c, false) => drop(self.push(Step::Char(*c))?),
            Node::Char(c, true) => drop(self.push(Step::Folded(fold(*c)))?),
            Node::Set(set) => {
                let known = self.sets.iter().position(|other| other == set);
                let at = known.unwrap_or_else(|| {
                    self.sets.push(set.clone());
                    self.sets.len() - 1
                });
                self.push(Step::Set(at as u16))?;
            }
            Node::Any(all) => drop(self.push(Step::Any(*all))?),
            Node::Assert(assert) => drop(self.push(Step::Assert(*assert))?),
            Node::Capture(group, inner) => {
                self.push(Step::Save(2 * *group as u32))?;
                self.node(inner)?;
                self.push(Step::Save(2 * *group as u32 + 1))?;
            }
            Node::Cat(parts) => parts.iter().try_for_each(|part| self.node(part))?,
            Node::Alt(parts) => self.alternatives(parts)?,
            Node::Repeat(inner, min, max, greedy) => self.repeat(inner, *min, *max, *greedy)?,
            Node::Backref(group, ignore_case) => drop(self.push(Step::Backref(*group as u16, *ignore_case))?),
            Node::Look(look, inner) => {
                let at = self.push(Step::Look(*look, 0))?;
                self.node(inner)?;
                self.push(Step::Done)?;
                self.steps[at as usize] = Step::Look(*look, self.here());
            }
            Node::If(group, yes, no) => {
                let at = self.push(Step::Unless(*group as u16, 0))?;
                self.node(yes)?;
                let jump = self.push(Step::Jump(0))?;
                self.steps[at as usize] = Step::Unless(*group as u16, self.here());
                self.node(no)?;
                self.steps[jump as usize] = Step::Jump(self.here());
            }
        }
        Ok(())
    }

    fn alternatives(&mut self, parts: &[Node]) -> Result<(), String> {
        let mut jumps = Vec::new();
        for (at, part) in parts.iter().enumerate() {
            if at + 1 == parts.len() {
                self.node(part)?;
                break;
            }
            let split = self.push(Step::Split(0, 0))?;
            self.node(part)?;
            jumps.push(self.push(Step::Jump(0))?);
            self.steps[split as usize] = self.choice(part, split + 1, self.here());
        }
        for jump in jumps {
            self.steps[jump as usize] = Step::Jump(self.here());
        }
        Ok(())
    }

    fn repeat(&mut self, inner: &Node, min: u32, max: Option<u32>, greedy: bool) -> Result<(), String> {
        for _ in 0..min {
            self.node(inner)?;
        }
        let mut splits = Vec::new();
        match max {
            None => {
                splits.push(self.push(Step::Split(0, 0))?);
                let guard = begins(inner, &mut Bytes::default()).then_some(self.slots as u32);
                if let Some(slot) = guard {
                    self.slots += 1;
                    self.push(Step::Save(slot))?;
                }
                self.node(inner)?;
                let moved = guard.map(|slot| self.push(Step::Moved(slot, 0))).transpose()?;
                self.push(Step::Jump(splits[0]))?;
                if let (Some(slot), Some(moved)) = (guard, moved) {
                    self.steps[moved as usize] = Step::Moved(slot, self.here());
                }
            }
            Some(max) => {
                for _ in min..max {
                    splits.push(self.push(Step::Split(0, 0))?);
                    self.node(inner)?;
                }
            }
        }
        let past = self.here();
        let mut set = Bytes::default();
        let sure = !begins(inner, &mut set);
        for split in splits {
            self.steps[split as usize] = match greedy {
                true if sure => self.choice_of(set, split + 1, past),
                true => Step::Split(split + 1, past),
                false => Step::Split(past, split + 1),
            };
        }
        Ok(())
    }
}

/// Numbers the steps where ways part and what comes depends on the place alone: on no group's text, and on no place that
/// a loop remembers.
fn forks(steps: &[Step], group_slots: usize) -> (Box<[u32]>, usize) {
    // One bit for each place that a loop remembers, the last for all else; a step needs what its successors need.
    let guard = |slot: u32| 1u64 << (slot as usize).saturating_sub(group_slots).min(63);
    let mut needs = vec![0u64; steps.len()];
    loop {
        let mut stable = true;
        for at in (0..steps.len()).rev() {
            let of = |to: u32| needs[to as usize];
            let next = || needs.get(at + 1).copied().unwrap_or(0);
            let all = match steps[at] {
                Step::Done => 0,
                Step::Backref(..) => next() | 1 << 63,
                Step::Unless(_, to) => next() | of(to) | 1 << 63,
                Step::Moved(slot, to) => next() | of(to) | guard(slot),
                Step::Save(slot) if slot as usize >= group_slots && guard(slot) != 1 << 63 => next() & !guard(slot),
                Step::Split(first, second) | Step::Try(first, second, _) => of(first) | of(second),
                Step::Jump(to) => of(to),
                Step::Look(_, then) => next() | of(then),
                _ => next(),
            };
            stable &= all == needs[at];
            needs[at] = all;
        }
        if stable {
            break;
        }
    }
    let mut count = 0;
    let number = |(step, needs): (&Step, u64)| match step {
        Step::Split(..) | Step::Try(..) if needs == 0 => {
            count += 1;
            count - 1
        }
        _ => UNSURE,
    };
    let forks = steps.iter().zip(needs).map(number).collect();
    (forks, count as usize)
}

/// Adds the bytes with which `node` can begin; true if it may take nothing at all.
fn begins(node: &Node, first: &mut Bytes) -> bool {
    match node {
        Node::Empty | Node::Assert(_) => true,
        Node::Char(c, ignore_case) => {
            let mut buffer = [0; 4];
            first.add(c.encode_utf8(&mut buffer).as_bytes()[0]);
            if *ignore_case {
                first.add_all(&CharSet::new(vec![Item::Range(*c, *c)], false, true));
            }
            false
        }
        Node::Set(set) => {
            first.add_all(set);
            false
        }
        Node::Any(_) => {
            *first = Bytes([u64::MAX; 4]);
            false
        }
        Node::Capture(_, inner) | Node::Look(Look::Atomic, inner) => begins(inner, first),
        Node::Look(..) => true,
        // Every alternative has to be asked, so no short circuit here.
        Node::Alt(parts) => parts.iter().fold(false, |empty, part| begins(part, first) | empty),
        Node::Cat(parts) => parts.iter().all(|part| begins(part, first)),
        Node::Repeat(inner, min, max, _) => begins(inner, first) | (*min == 0) | (*max == Some(0)),
        Node::Backref(..) => {
            *first = Bytes([u64::MAX; 4]);
            true
        }
        Node::If(_, yes, no) => begins(yes, first) | begins(no, first),
    }
}

/// Whether every match begins at the start of the line.
fn starts(node: &Node) -> bool {
    match node {
        Node::Assert(Assert::Start) => true,
        Node::Capture(_, inner) | Node::Look(Look::Atomic, inner) => starts(inner),
        Node::Cat(parts) => {
            let zero_wide = |part: &&Node| matches!(part, Node::Empty | Node::Assert(_)) && !starts(part);
            parts.iter().find(|part| !zero_wide(part)).is_some_and(starts)
        }
        Node::Alt(parts) => parts.iter().all(starts),
        _ => false,
    }
}

/// `None` also where group 1 is not a part of its own.
fn behind(tree: &Tree) -> Option<Bytes> {
    let Node::Cat(parts) = &tree.root else { return None };
    let group = parts.iter().position(|part| matches!(part, Node::Capture(1, _)))?;
    let mut first = Bytes::default();
    let empty = parts[group + 1..].iter().all(|part| begins(part, &mut first));
    (!empty).then_some(first)
}

fn lead(tree: &Tree) -> Option<usize> {
    fn harmless(node: &Node) -> Option<usize> {
        match node {
            Node::Empty | Node::Assert(_) => Some(0),
            Node::Char(c, _) => (!super::charset::is_word(*c)).then_some(1),
            Node::Set(set) => set.without_words().then_some(1),
            Node::Cat(parts) => parts.iter().map(harmless).sum(),
            Node::Alt(parts) => parts.iter().map(harmless).try_fold(0, |most, part| Some(part?.max(most))),
            Node::Repeat(inner, _, Some(most), _) => harmless(inner)?.checked_mul(*most as usize),
            _ => None,
        }
    }
    fn walk(node: &Node) -> Option<usize> {
        match node {
            Node::Capture(group, _) => (*group == 1).then_some(0),
            Node::Cat(parts) => {
                let mut before: usize = 0;
                for part in parts {
                    match harmless(part) {
                        Some(length) => before = before.checked_add(length)?,
                        None => return before.checked_add(walk(part)?),
                    }
                }
                None
            }
            _ => None,
        }
    }
    if starts(&tree.root) { walk(&tree.root) } else { None }
}

/// No number of [`Program::forks`].
pub const UNSURE: u32 = u32::MAX;

const MAX_STEPS: usize = 50_000;
const MAX_NODES: usize = 4 * MAX_STEPS;
const TOO_LONG: &str = "the pattern is too long";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_byte_is_known() {
        let first = |pattern: &str| Program::new(pattern).unwrap().first;
        let set = first(r"(?=^|\b|\W)(?:\d|x)y").unwrap();
        assert!(set.contains(b'7') && set.contains(b'x') && !set.contains(b'y'));
        assert!(first("a?").is_none());
        let folded = first("(?i)k").unwrap();
        assert!(folded.contains(b'K') && folded.contains(b'k') && folded.contains(0xe2));
    }

    #[test]
    fn anchors_are_seen() {
        for (pattern, at_start, lead) in [
            ("^a", true, None),
            ("^(a)", true, Some(0)),
            ("(^a)", true, Some(0)),
            ("(?:^a|^b)", true, None),
            ("(?:^|b)a", false, None),
            (r"^(?:\W{0,2})?(a)", true, Some(2)),
            (r"^(?:--|\[{1,3}) ?(a)", true, Some(4)),
            (r"^\[(a)\]", true, Some(1)),
            (r"^x (a)", true, None),
            (r"^[^\[]*\[(a)", true, None),
            (r"^\s*(a)", true, None),
            ("a", false, None),
        ] {
            let program = Program::new(pattern).unwrap();
            assert_eq!((program.at_start, program.lead), (at_start, lead), "{pattern}");
        }
    }

    #[test]
    fn forks_are_numbered_where_the_place_decides_alone() {
        for (pattern, count) in [
            ("a*b|c", 2),
            (r"(a)*x*\1", 0),
            (r"(a)*\1b*", 1),
            ("(a)?(?(1)b*|c)", 1),
            // The outer loop begins anew at each place, the inner one knows where it began.
            ("(?:a*)*b", 1),
            ("(?!a*b)c?", 2),
        ] {
            assert_eq!(Program::new(pattern).unwrap().fork_count, count, "{pattern}");
        }
    }

    #[test]
    fn a_pattern_that_explodes_is_refused() {
        assert!(Program::new("(?:(?:a{1000}){1000}){1000}").is_err());
        assert!(Program::new("(?:(?:(?:(?:){1000}){1000}){1000}){1000}").is_err());
    }
}
