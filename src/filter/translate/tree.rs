//! The outline of an expression as a tree, built without a text that would have to be read again.

use regex_syntax::hir::{Capture, Class, ClassUnicode, ClassUnicodeRange, Dot, Hir, Look, Repetition};

use super::{Greed, Group, Item, Kind, Output, Place, Repeat, Set};

/// What stands for others in an outline.
pub mod stand {
    /// For the words of other scripts.
    pub const WORD: char = '\u{e000}';
    /// For their white space.
    pub const SPACE: char = '\u{e001}';
    /// For nothing: a class that holds this one is the opposite of some other.
    pub const NOTHING: char = '\u{e002}';
    /// For their digits, which are words too.
    pub const DIGIT: char = '\u{e003}';
}

/// The tree so far.
#[derive(Default)]
pub struct Tree {
    /// What stands one after the other in the groups that are open.
    parts: Vec<Hir>,
    /// Characters behind the last part, and where the last of them begins.
    literal: Vec<u8>,
    last: usize,
    open: Vec<Open>,
    /// The branches of the whole expression.
    branches: Vec<Hir>,
    /// Groups stood too deep inside of each other.
    too_deep: bool,
}

/// A group that is not closed yet.
struct Open {
    kind: Closing,
    /// Its first part.
    start: usize,
    branches: Vec<Hir>,
}

/// What becomes of a group.
enum Closing {
    Itself,
    Capture(u32, Option<Box<str>>),
    Nothing,
    /// It may be missing where it has one branch.
    Halved,
}

impl Tree {
    fn item(&mut self, item: Hir) {
        self.flush();
        self.parts.push(item);
    }

    fn flush(&mut self) {
        if !self.literal.is_empty() {
            self.parts.push(Hir::literal(&self.literal[..]));
            self.literal.clear();
        }
    }

    /// What stands behind the last `|`, as one part.
    fn sequence(&mut self) -> Hir {
        self.flush();
        let start = self.open.last().map_or(0, |open| open.start);
        match self.parts.len() - start {
            1 => self.parts.pop().unwrap_or_else(Hir::empty),
            _ => Hir::concat(self.parts.drain(start..).collect()),
        }
    }
}

impl Output for Tree {
    type Form = Option<Hir>;

    fn leading_case(&mut self) {}

    fn literal(&mut self, c: char, ignore_case: bool) {
        if ignore_case && (!c.is_ascii() || c.is_ascii_alphabetic()) {
            return self.class(false, &[Item::Range(c, c)], true);
        }
        self.last = self.literal.len();
        self.literal.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
    }

    fn set(&mut self, set: Set, ignore_case: bool) {
        self.item(Hir::class(Class::Unicode(class_of(set, ignore_case))));
    }

    fn class(&mut self, negated: bool, items: &[Item], ignore_case: bool) {
        let mut ranges = Vec::with_capacity(items.len());
        for item in items {
            match item {
                Item::Range(low, high) => ranges.push(ClassUnicodeRange::new(*low, *high)),
                Item::Set(set) if !set.negated => ranges.extend(members(*set)),
                Item::Set(set) => ranges.extend_from_slice(class_of(*set, ignore_case).ranges()),
            }
        }
        let mut class = ClassUnicode::new(ranges);
        if ignore_case {
            class.case_fold_simple();
        }
        if negated {
            class.negate();
        }
        self.item(Hir::class(Class::Unicode(class)));
    }

    fn dot(&mut self, all: bool) {
        self.item(Hir::dot(if all { Dot::AnyChar } else { Dot::AnyCharExceptLF }));
    }

    fn place(&mut self, place: Place) {
        self.item(Hir::look(match place {
            Place::Start => Look::Start,
            Place::TextEnd => Look::End,
            Place::LineStart => Look::StartLF,
            Place::End | Place::LineEnd => Look::EndLF,
            Place::AsciiEdge(true) => Look::WordAscii,
            Place::Edge(true) => Look::WordUnicode,
            Place::Edge(false) | Place::AsciiEdge(false) => Look::WordUnicodeNegate,
        }));
    }

    fn open(&mut self, group: Group<'_>) {
        self.flush();
        let kind = match group {
            Group::Plain | Group::Case(_) | Group::Atomic => Closing::Itself,
            Group::Capture(number, name) => Closing::Capture(number as u32, name.map(Box::from)),
            Group::Look(_) => Closing::Nothing,
            Group::Conditional(_) => Closing::Halved,
        };
        self.open.push(Open { kind, start: self.parts.len(), branches: Vec::new() });
        self.too_deep |= self.open.len() > DEPTH;
    }

    fn branch(&mut self) {
        let branch = self.sequence();
        self.open.last_mut().map_or(&mut self.branches, |open| &mut open.branches).push(branch);
    }

    fn close(&mut self) {
        let last = self.sequence();
        let Some(Open { kind, mut branches, .. }) = self.open.pop() else { return };
        branches.push(last);
        if matches!(kind, Closing::Halved) && branches.len() == 1 {
            branches.push(Hir::empty());
        }
        let sub = either(branches);
        self.parts.push(match kind {
            _ if self.too_deep => Hir::empty(),
            Closing::Itself | Closing::Halved => sub,
            Closing::Capture(index, name) => Hir::capture(Capture { index, name, sub: Box::new(sub) }),
            Closing::Nothing => Hir::empty(),
        });
    }

    fn reference(&mut self, _: usize) {
        let sub = Box::new(Hir::dot(Dot::AnyChar));
        self.item(Hir::repetition(Repetition { min: 0, max: None, greedy: true, sub }));
    }

    fn repeat(&mut self, repeat: Repeat) {
        let sub = if self.literal.is_empty() {
            self.parts.pop().unwrap_or_else(Hir::empty)
        } else {
            let last = Hir::literal(&self.literal[self.last..]);
            self.literal.truncate(self.last);
            self.flush();
            last
        };
        let Repeat { min, max, greed } = repeat;
        let greedy = greed != Greed::Lazy;
        self.parts.push(Hir::repetition(Repetition { min, max, greedy, sub: Box::new(sub) }));
    }

    fn end(mut self) -> Option<Hir> {
        let last = self.sequence();
        self.branches.push(last);
        let tree = either(self.branches);
        (!self.too_deep).then_some(tree)
    }
}

fn either(mut branches: Vec<Hir>) -> Hir {
    match branches.len() {
        1 => branches.pop().unwrap_or_else(Hir::empty),
        _ => Hir::alternation(branches),
    }
}

/// The set with what stands for the characters beyond ASCII.
fn class_of(set: Set, ignore_case: bool) -> ClassUnicode {
    let mut class = ClassUnicode::new(members(set));
    if ignore_case {
        class.case_fold_simple();
    }
    if set.negated {
        class.negate();
    }
    class
}

/// The same of what it is the opposite of, if it is one.
fn members(set: Set) -> impl Iterator<Item = ClassUnicodeRange> {
    let (ascii, beyond): (&[(char, char)], &[char]) = match set.kind {
        Kind::Digit => (&[('0', '9')], &[stand::DIGIT]),
        Kind::Word => (&[('0', '9'), ('A', 'Z'), ('_', '_'), ('a', 'z')], &[stand::WORD, stand::DIGIT]),
        Kind::Space if set.ascii => (&[('\t', '\r'), (' ', ' ')], &[stand::SPACE]),
        Kind::Space => (&[('\t', '\r'), ('\x1c', ' ')], &[stand::SPACE]),
    };
    let ascii = ascii.iter().map(|(low, high)| ClassUnicodeRange::new(*low, *high));
    let beyond = if set.ascii { &[] } else { beyond };
    ascii.chain(beyond.iter().map(|c| ClassUnicodeRange::new(*c, *c)))
}

/// Groups inside of each other: who walks over a tree goes into it.
const DEPTH: usize = 250;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::filter::ascii::narrow;
    use crate::filter::pyregex::Pattern;
    use crate::filter::translate::{Dialect, Options, outline, translate};

    const PIECES: &[&str] = &[
        "a", "bc", "K", "é", ".", "^", "$", "|", "|", "(", "(", "(?:", "(?i:", "(?-i:", "(?s:", "(?P<x>", ")", ")",
        ")", "*", "+?", "?", "{2}", "{,3}", "{1,}", r"\w", r"\W", r"\d", r"\D", r"\s", r"\S", r"\b", r"\B", r"\A",
        r"\Z", r"\.", r"\n", "[ab]", "[^k]", r"[\w.-]", r"[^\d\s]", r"[\Wk]", r"[\S]", "[é-ü]", "{",
    ];

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(3000))]

        #[test]
        fn for_texts_of_ascii_it_is_the_tree_of_the_exact_text(
            flags in prop::sample::select(vec!["", "(?i)", "(?a)", "(?m)", "(?s)", "(?ia)"]),
            pieces in prop::collection::vec(prop::sample::select(PIECES), 1..14),
        ) {
            let text = flags.to_owned() + &pieces.concat();
            let Ok(exact) = translate(&text, Dialect::Exact, Options::default()) else {
                prop_assert!(outline(&text, Options::default()).is_err(), "{text}");
                return Ok(());
            };
            let outline = outline(&text, Options::default()).unwrap();
            prop_assert_eq!(&outline.names, &exact.names);
            prop_assert_eq!((outline.backtracks, outline.edges), (exact.backtracks, exact.edges));
            if exact.backtracks {
                return Ok(());
            }
            let expected = regex_syntax::parse(&exact.form).unwrap();
            prop_assert_eq!(narrow(&outline.form.unwrap()), narrow(&expected), "{} {}", text, exact.form);
        }
    }

    #[test]
    fn what_needs_backtracking_passes_more_in_its_outline() {
        let same = |text: &str, relaxed: &str| {
            let outline = outline(text, Options { multiline: false, window: true }).unwrap();
            assert!(outline.backtracks, "{text}");
            assert_eq!(outline.form.unwrap(), regex_syntax::parse(relaxed).unwrap(), "{text}");
        };
        same("a(?=b)c(?<!d)*", "ac(?:)*");
        same(r"(?P<x>a)?(?P=x)(?(x)b)(?(1)c|d)", r"(?P<x>a)?(?s:.*)(?:b|)(?:c|d)");
        same("(?>a+)b++$", "a+b+(?m:$)");
    }

    #[test]
    fn groups_too_deep_inside_of_each_other_have_no_tree() {
        let nested = |depth| format!("{}a{}", "(".repeat(depth), ")".repeat(depth));
        let tree = |depth| outline(&nested(depth), Options::default()).unwrap().form;
        assert!(tree(DEPTH).is_some());
        assert!(tree(DEPTH + 1).is_none());
        assert!(tree(100_000).is_none());
        let deepest = Pattern::new(&nested(DEPTH), Options::default()).unwrap();
        assert_eq!(deepest.captures("ba").unwrap().map(|found| found.whole), Some(1..2));
    }
}
