//! Runs a [`Program`] over a text.
//!
//! Why not a crate: it has to count its steps and to stop at any of them; it has to tell how much of a line the outcome
//! depends on, which is what makes it cheap to see that the next line begins alike; it has to search within a window
//! without hiding what stands before; and thirty patterns with Unicode classes shall not cost megabytes per jail.
//!
//! A search that goes on for long begins to remember which ways failed where, so that none is gone twice: from then on it
//! takes time in proportion to the text, unless back-references or conditionals make a way's end depend on its start.

use super::asked::{Asked, NEWLINE, one};
use super::charset::{WORDS, fold, is_ascii_word, is_word};
use super::program::{Program, Step, UNSURE};
use super::syntax::{Assert, Look};

/// What searches need besides program and text, kept between them; and the steps that they may still take.
#[derive(Clone, Debug, Default)]
pub struct Machine {
    stack: Vec<Frame>,
    slots: Vec<usize>,
    given: usize,
    left: usize,
    /// What of `left` remains when a search begins to remember.
    patience: usize,
    failed: Failed,
    /// The end of the furthest character that was looked at.
    far: usize,
    /// The end of the text was looked at.
    saw_end: bool,
    /// What the search asks of each character, where somebody wants to know.
    asked: Asked,
}

/// The search was given up: it would have taken more steps than were left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooCostly;

#[derive(Clone, Copy, Debug)]
enum Frame {
    /// The step that has another way to go, and where.
    Branch(u32, usize),
    Restore(u32, usize),
    /// When this comes up again, all that the fork of that number leads to there has failed.
    Failed(u32, usize),
}

/// Where a search looks.
#[derive(Clone, Copy, Debug)]
pub struct Window<'a> {
    /// The line; `^` is its start.
    pub text: &'a str,
    /// Where a match may begin at the earliest.
    pub from: usize,
    /// Where the text ends for the search.
    pub to: usize,
}

impl Machine {
    /// Gives so many steps to the searches that follow; what was left is forgotten.
    pub fn refill(&mut self, steps: usize) {
        (self.given, self.left) = (steps, steps);
    }

    /// The steps taken since [`Machine::refill`].
    pub fn taken(&self) -> usize {
        self.given - self.left
    }

    /// Takes so many steps for work that is done elsewhere. Once a step is lacking, all are.
    pub fn charge(&mut self, steps: usize) -> Result<(), TooCostly> {
        match self.left.checked_sub(steps) {
            Some(left) if left > 0 => {
                self.left = left;
                Ok(())
            }
            _ => {
                self.left = 0;
                Err(TooCostly)
            }
        }
    }

    /// Finds the first match; its groups are then to be had from [`Machine::group`].
    pub fn search(&mut self, program: &Program, window: Window<'_>) -> Result<bool, TooCostly> {
        let found = self.search_from_scratch(program, window);
        self.stack.clear();
        self.stack.shrink_to(FRAMES_KEPT);
        self.failed.forget();
        found
    }

    /// The same, remembering what it asks of each character: see [`Machine::asked`].
    pub fn search_asking(&mut self, program: &Program, window: Window<'_>) -> Result<bool, TooCostly> {
        self.asked.begin();
        let found = self.search(program, window);
        self.asked.end();
        found
    }

    /// For each of the first `bytes` characters of a text of ASCII, those by which it may be replaced (a bit for each)
    /// without a change in the way that the last [`Machine::search_asking`] took from the start of the text.
    pub fn asked(&self, text: &[u8], bytes: usize) -> Box<[u128]> {
        self.asked.of(text, bytes)
    }

    fn search_from_scratch(&mut self, program: &Program, window: Window<'_>) -> Result<bool, TooCostly> {
        self.far = 0;
        self.saw_end = false;
        self.charge(1 + program.slots / CHEAP)?;
        self.patience = self.left.saturating_sub(PATIENCE);
        self.slots.clear();
        self.slots.resize(program.slots, NOWHERE);
        let mut at = window.from;
        while let Some(start) = self.next_start(program, window, at) {
            self.charge(1 + (start - at) / CHEAP)?;
            // A run that fails leaves the slots as they were.
            if let Some(end) = self.run(program, window, 0, start) {
                (self.slots[0], self.slots[1]) = (start, end);
                self.far = self.far.max(start);
                return Ok(true);
            }
            if self.left == 0 {
                return Err(TooCostly);
            }
            at = start + 1;
        }
        self.charge(window.to.saturating_sub(at) / CHEAP)?;
        Ok(false)
    }

    /// The first place from `at` on where a match may begin.
    fn next_start(&mut self, program: &Program, window: Window<'_>, at: usize) -> Option<usize> {
        let bytes = window.text.as_bytes();
        if program.at_start {
            return (at == 0).then_some(0);
        }
        self.asked.fix(0..window.to);
        let mut at = at;
        while at < window.to {
            let byte = bytes[at];
            let possible = match &program.first {
                Some(first) => first.contains(byte),
                None => window.text.is_char_boundary(at),
            };
            // Within a word of ASCII letters no date begins; other letters are left to the program.
            let inside_word =
                program.at_edge && at > 0 && ASCII_WORD[usize::from(byte)] && ASCII_WORD[usize::from(bytes[at - 1])];
            if possible && !inside_word && (byte < 0x80 || window.text.is_char_boundary(at)) {
                return Some(at);
            }
            at += 1;
        }
        self.saw_end = true;
        (program.first.is_none() && at == window.to).then_some(at)
    }

    /// The text span of a group of the last match; there may be no such group (`?=` in brackets is none).
    pub fn group(&self, group: usize) -> Option<(usize, usize)> {
        let (start, end) = (*self.slots.get(2 * group)?, *self.slots.get(2 * group + 1)?);
        (start != NOWHERE && end != NOWHERE).then_some((start, end))
    }

    /// How far the last search looked: whatever begins with the same bytes gives the same match, provided that it also ends
    /// there if the second value is true.
    pub fn reach(&self) -> (usize, bool) {
        (self.far, self.saw_end)
    }

    fn run(&mut self, program: &Program, window: Window<'_>, pc: u32, at: usize) -> Option<usize> {
        let base = self.stack.len();
        let (mut pc, mut at) = (pc as usize, at);
        loop {
            if self.left == 0 || self.stack.len() > MAX_FRAMES {
                self.left = 0;
                self.stack.truncate(base);
                return None;
            }
            self.left -= 1;
            let mut taken = true;
            match program.steps[pc] {
                Step::Char(wanted) => {
                    self.asked.ask(at, || one(wanted));
                    match self.char_at(window, at) {
                        Some((c, next)) if c == wanted => at = next,
                        _ => taken = false,
                    }
                }
                Step::Folded(wanted) => {
                    self.asked.ask(at, || one(wanted) | one(wanted.to_ascii_uppercase()));
                    match self.char_at(window, at) {
                        Some((c, next)) if fold(c) == wanted => at = next,
                        _ => taken = false,
                    }
                }
                Step::Set(set) => {
                    let set = &program.sets[usize::from(set)];
                    self.asked.ask(at, || set.ascii());
                    match self.char_at(window, at) {
                        Some((c, next)) if set.contains(c) => at = next,
                        _ => taken = false,
                    }
                }
                Step::Any(all) => {
                    self.asked.ask(at, || if all { 0 } else { NEWLINE });
                    match self.char_at(window, at) {
                        Some((c, next)) if all || c != '\n' => at = next,
                        _ => taken = false,
                    }
                }
                Step::Assert(assert) => taken = self.holds(assert, window, at),
                Step::Split(first, _) => {
                    if !self.failed.holds(program.forks[pc], at) {
                        self.stack.push(Frame::Branch(pc as u32, at));
                        pc = first as usize;
                        continue;
                    }
                    taken = false;
                }
                Step::Try(first, second, set) => {
                    let set = &program.bytes[usize::from(set)];
                    self.asked.ask(at, || set.ascii());
                    let begins = match window.text.as_bytes().get(at) {
                        Some(byte) if at < window.to => set.contains(*byte),
                        _ => false,
                    };
                    if begins && self.failed.holds(program.forks[pc], at) {
                        taken = false;
                    } else if begins {
                        self.stack.push(Frame::Branch(pc as u32, at));
                        pc = first as usize;
                        continue;
                    } else {
                        self.note(window, at);
                        pc = second as usize;
                        continue;
                    }
                }
                Step::Jump(to) => {
                    pc = to as usize;
                    continue;
                }
                Step::Save(slot) => {
                    self.stack.push(Frame::Restore(slot, self.slots[slot as usize]));
                    self.slots[slot as usize] = at;
                }
                Step::Moved(slot, past) => {
                    if self.slots[slot as usize] == at {
                        pc = past as usize;
                        continue;
                    }
                }
                Step::Backref(group, ignore_case) => match self.again(window, usize::from(group), at, ignore_case) {
                    Some(next) => at = next,
                    None => taken = false,
                },
                Step::Look(look, then) => match self.look(program, window, look, pc as u32 + 1, at) {
                    Some(next) => {
                        at = next;
                        pc = then as usize;
                        continue;
                    }
                    None => taken = false,
                },
                Step::Unless(group, then) => {
                    if self.group(usize::from(group)).is_none() {
                        pc = then as usize;
                        continue;
                    }
                }
                Step::Done => {
                    self.keep_restores(base);
                    return Some(at);
                }
            }
            if taken {
                pc += 1;
                continue;
            }
            (pc, at) = self.back(program, window, base)?;
        }
    }

    /// The newest alternative above `base`, with the slots as they were then.
    fn back(&mut self, program: &Program, window: Window<'_>, base: usize) -> Option<(usize, usize)> {
        while self.stack.len() > base {
            match self.stack.pop()? {
                Frame::Branch(fork, at) => {
                    let number = program.forks[fork as usize];
                    if self.left < self.patience && number != UNSURE {
                        self.failed.begin(program.fork_count, window.to + 1);
                        self.stack.push(Frame::Failed(number, at));
                    }
                    if let Step::Split(_, second) | Step::Try(_, second, _) = program.steps[fork as usize] {
                        return Some((second as usize, at));
                    }
                }
                Frame::Restore(slot, old) => self.slots[slot as usize] = old,
                Frame::Failed(fork, at) => self.failed.insert(fork, at),
            }
        }
        None
    }

    /// A part is matched for good: its alternatives go, but its groups can still be taken back.
    fn keep_restores(&mut self, base: usize) {
        if base == 0 {
            self.stack.clear();
            return;
        }
        let mut kept = base;
        for at in base..self.stack.len() {
            if matches!(self.stack[at], Frame::Restore(..)) {
                self.stack[kept] = self.stack[at];
                kept += 1;
            }
        }
        self.stack.truncate(kept);
    }

    fn look(&mut self, program: &Program, window: Window<'_>, look: Look, pc: u32, at: usize) -> Option<usize> {
        // An alternative below keeps the inner run from taking this stack for its own.
        let base = self.stack.len();
        self.stack.push(Frame::Restore(0, self.slots[0]));
        let start = match look {
            Look::Behind(_, 0) | Look::Ahead(_) | Look::Atomic => Some(at),
            Look::Behind(_, width) => {
                self.charge(width as usize / CHEAP).ok()?;
                window.text[..at].char_indices().rev().nth(width as usize - 1).map(|(start, _)| start)
            }
        };
        let end = start.and_then(|start| self.run(program, window, pc, start));
        match look {
            Look::Atomic => end,
            Look::Ahead(true) => end.map(|_| at),
            Look::Behind(true, _) => end.filter(|&end| end == at),
            Look::Ahead(false) | Look::Behind(false, _) => {
                while self.stack.len() > base {
                    if let Some(Frame::Restore(slot, old)) = self.stack.pop() {
                        self.slots[slot as usize] = old;
                    }
                }
                (end.is_none() && self.left > 0).then_some(at)
            }
        }
    }

    fn again(&mut self, window: Window<'_>, group: usize, at: usize, ignore_case: bool) -> Option<usize> {
        let (start, end) = self.group(group)?;
        self.charge((end - start) / CHEAP).ok()?;
        self.asked.fix(start..end);
        self.asked.fix(at..at + (end - start));
        let mut at = at;
        for wanted in window.text[start..end].chars() {
            let (c, next) = self.char_at(window, at)?;
            if c != wanted && !(ignore_case && fold(c) == fold(wanted)) {
                return None;
            }
            at = next;
        }
        Some(at)
    }

    fn char_at(&mut self, window: Window<'_>, at: usize) -> Option<(char, usize)> {
        if at >= window.to {
            self.saw_end = true;
            return None;
        }
        let byte = window.text.as_bytes()[at];
        let (c, next) = if byte.is_ascii() {
            (char::from(byte), at + 1)
        } else {
            let c = window.text[at..].chars().next()?;
            (c, at + c.len_utf8())
        };
        self.far = self.far.max(next);
        Some((c, next))
    }

    fn holds(&mut self, assert: Assert, window: Window<'_>, at: usize) -> bool {
        if assert == Assert::Start {
            return at == 0;
        }
        self.asked.ask(at, || WORDS);
        self.asked.ask(at, || NEWLINE);
        if let Some(before) = at.checked_sub(1) {
            self.asked.ask(before, || WORDS);
            self.asked.ask(before, || NEWLINE);
        }
        let before = window.text[..at].chars().next_back();
        let after = self.char_at(window, at).map(|(c, _)| c);
        let left = before.is_some_and(is_word);
        let right = after.is_some_and(is_word);
        match assert {
            Assert::Start => at == 0,
            Assert::End => match after {
                None => true,
                Some(c) => c == '\n' && at + 1 == window.to && !self.note_end(),
            },
            Assert::TextEnd => after.is_none(),
            Assert::LineStart => before.is_none_or(|c| c == '\n'),
            Assert::LineEnd => after.is_none_or(|c| c == '\n'),
            Assert::WordEdge => left != right,
            Assert::NoWordEdge => left == right,
            Assert::AsciiWordEdge(wanted) => {
                (before.is_some_and(is_ascii_word) != after.is_some_and(is_ascii_word)) == wanted
            }
            Assert::DateStart => at == 0 || left != right || after.is_some() && !right,
            Assert::DateEnd => !(left && right),
        }
    }

    /// The character there was looked at.
    fn note(&mut self, window: Window<'_>, at: usize) {
        match window.text.as_bytes().get(at) {
            Some(byte) if at < window.to && byte.is_ascii() => self.far = self.far.max(at + 1),
            _ => drop(self.char_at(window, at)),
        }
    }

    /// Always false; the outcome depends on where the text ends.
    fn note_end(&mut self) -> bool {
        self.saw_end = true;
        false
    }
}

const NOWHERE: usize = usize::MAX;

/// How far a search may have to go back, and what of it stays allocated.
const MAX_FRAMES: usize = 400_000;
const FRAMES_KEPT: usize = 1000;

const ASCII_WORD: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0u8;
    while byte < 128 {
        table[byte as usize] = byte.is_ascii_alphanumeric() || byte == b'_';
        byte += 1;
    }
    table
};

/// Ways that are known to lead nowhere: a bit for each fork and place.
#[derive(Clone, Debug, Default)]
struct Failed {
    bits: Vec<u64>,
    places: usize,
}

impl Failed {
    /// Makes room, where it was not made yet and is affordable.
    fn begin(&mut self, forks: usize, places: usize) {
        let words = forks.saturating_mul(places) / 64 + 1;
        if self.bits.is_empty() && words <= MAX_WORDS {
            (self.bits, self.places) = (vec![0; words], places);
        }
    }

    fn forget(&mut self) {
        self.bits = Vec::new();
    }

    fn holds(&self, fork: u32, at: usize) -> bool {
        !self.bits.is_empty() && fork != UNSURE && {
            let bit = fork as usize * self.places + at;
            self.bits[bit / 64] >> (bit % 64) & 1 == 1
        }
    }

    fn insert(&mut self, fork: u32, at: usize) {
        let bit = fork as usize * self.places + at;
        if let Some(word) = self.bits.get_mut(bit / 64) {
            *word |= 1 << (bit % 64);
        }
    }
}

/// Steps after which a search begins to remember what failed.
const PATIENCE: usize = 2000;
/// Eight bytes each, for what failed.
const MAX_WORDS: usize = 1 << 18;
/// Bytes that are passed over, compared or cleared in the time of a step.
const CHEAP: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    fn machine() -> Machine {
        let mut machine = Machine::default();
        machine.refill(100_000);
        machine
    }

    fn find(pattern: &str, text: &str) -> Option<(usize, usize)> {
        let program = Program::new(pattern).unwrap();
        let mut machine = machine();
        let found = machine.search(&program, Window { text, from: 0, to: text.len() });
        found.unwrap().then(|| machine.group(0).unwrap())
    }

    #[test]
    fn patterns_match_as_in_python() {
        for (pattern, text, span) in [
            ("b|bc", "abc", Some((1, 2))),
            ("a*?b", "aab", Some((0, 3))),
            (r"(\d)-(\1)", "1-2 2-2", Some((4, 7))),
            (r"(?<=\bx\()\d+", "ax(1 x(23", Some((7, 9))),
            (r"(?<!a)b", "abb", Some((2, 3))),
            (r"a(?!b)", "abac", Some((2, 3))),
            (r"(?>a+)ab", "aaab", None),
            (r"a++b", "aaab", Some((0, 4))),
            (r"(?P<q>x)?(?(q)y|z)", "z", Some((0, 1))),
            (r"^(?P<q>x)?(?(q)y|z)$", "xy", Some((0, 2))),
            (r"(?:a?)*b", "aab", Some((0, 3))),
            (r"(?:)*", "x", Some((0, 0))),
            (r"(?i)mär", "MÄR", Some((0, 4))),
            (r"(?=^|\b|\W)1", "a1 1", Some((3, 4))),
            (r"1(?=\b|\W|$)", "1a 1", Some((3, 4))),
            (r"\d", "é٢", Some((2, 4))),
            (r"x$", "x\n", Some((0, 1))),
            (r"x{2,3}", "xxxx", Some((0, 3))),
            (r"x{2,3}?", "xxxx", Some((0, 2))),
            (r"(?m)^b$", "a\nb\nc", Some((2, 3))),
            (r".", "\n", None),
            (r"(?s).", "\n", Some((0, 1))),
        ] {
            assert_eq!(find(pattern, text), span, "{pattern} on {text:?}");
        }
    }

    #[test]
    fn a_group_that_was_given_up_is_forgotten() {
        let program = Program::new("(?:(a)x|a)(y)").unwrap();
        let mut machine = machine();
        assert!(machine.search(&program, Window { text: "ay", from: 0, to: 2 }).unwrap());
        assert_eq!((machine.group(1), machine.group(2)), (None, Some((1, 2))));
    }

    #[test]
    fn the_reach_covers_what_was_looked_at() {
        let program = Program::new(r"^(ab(?: cd)?)(?=\b|\W|$)").unwrap();
        let mut machine = machine();
        assert!(machine.search(&program, Window { text: "ab cx", from: 0, to: 5 }).unwrap());
        assert_eq!(machine.reach(), (5, false));
        assert!(machine.search(&program, Window { text: "ab", from: 0, to: 2 }).unwrap());
        assert_eq!(machine.reach(), (2, true));
    }

    #[test]
    fn an_empty_turn_ends_a_loop_and_sets_its_groups() {
        let program = Program::new("(a|)*(b)").unwrap();
        let mut machine = machine();
        assert!(machine.search(&program, Window { text: "aab", from: 0, to: 3 }).unwrap());
        assert_eq!(machine.group(1), Some((2, 2)));
    }

    #[test]
    fn no_way_is_gone_twice_in_a_long_search() {
        for (pattern, text, most) in [
            (r"^(?:[^']+)+'$", "a".repeat(2000), 30_000),
            (r"^(?:(?!x)\w+\s?)+:$", "a".repeat(2000), 40_000),
            (r"(?:a|a|ab?)*(?<!b)c", "ab".repeat(1000), 60_000),
            (r"(?:a?){50}b", "a".repeat(50), 30_000),
        ] {
            let program = Program::new(pattern).unwrap();
            let mut machine = Machine::default();
            machine.refill(1_000_000);
            assert_eq!(
                machine.search(&program, Window { text: &text, from: 0, to: text.len() }),
                Ok(false),
                "{pattern}"
            );
            assert!(machine.taken() < most, "{} steps: {pattern}", machine.taken());
        }
    }

    #[test]
    fn what_is_remembered_changes_no_outcome() {
        let long = format!("{}b:", "a".repeat(3000));
        for (pattern, text, span) in [
            (r"^(?:(?!x)\w+\s?)+:$", &long, Some((0, 3002))),
            (r"^(?:(?=(a+)bx)a|b)+:", &long, None),
            (r"^(?:(?>a{2})|a)+b:", &long, Some((0, 3002))),
            (r"(?:a|(?=a*(b))a)*\1:", &format!("{}b:", "a".repeat(500)), Some((0, 502))),
        ] {
            let program = Program::new(pattern).unwrap();
            let mut machine = Machine::default();
            machine.refill(20_000_000);
            let found = machine.search(&program, Window { text, from: 0, to: text.len() }).unwrap();
            assert_eq!(found.then(|| machine.group(0).unwrap()), span, "{pattern}");
        }
    }

    #[test]
    fn a_search_stops_when_its_steps_are_gone() {
        let program = Program::new(r"^(?:(\w+)\s?)*\1?(?<!a):$").unwrap();
        let text = "a".repeat(60);
        let mut machine = machine();
        assert_eq!(machine.search(&program, Window { text: &text, from: 0, to: text.len() }), Err(TooCostly));
        assert_eq!(machine.taken(), 100_000);
        assert_eq!(machine.search(&program, Window { text: "a:", from: 0, to: 2 }), Err(TooCostly));
    }
}
