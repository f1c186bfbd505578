//! The same expression for texts of ASCII alone, which nearly all lines are.
//!
//! Over such texts an expression means the same when every class is cut down to its ASCII members and every word
//! boundary asks for ASCII words; what is left of `\w` are 63 characters instead of 140,000, and the automata become that
//! much smaller. A search goes [`Straight`] where that is possible.

use std::ops::Range;
use std::sync::OnceLock;

use regex_automata::{Input, meta, util::primitives::NonMaxUsize};
use regex_syntax::hir::{Capture, Class, ClassUnicode, ClassUnicodeRange, Hir, HirKind, Look, Repetition};

use super::straight::{Found, Straight};
use super::translate::stand;

/// An expression for ASCII texts.
#[derive(Debug)]
pub struct Ascii {
    hir: Hir,
    /// Bytes of the engine; `None`: there is none.
    size_limit: Option<usize>,
    straight: Option<Straight>,
    /// For what does not go straight, or a text on which it does not. Made when it is first needed.
    engine: OnceLock<Option<meta::Regex>>,
}

impl Ascii {
    /// From an expression's tree. Its engine may not take more than `size_limit` bytes; `None`: it has none, so texts on which
    /// it does not go straight are left open.
    pub fn new(hir: &Hir, size_limit: Option<usize>) -> Ascii {
        let hir = narrow(hir);
        let straight = Straight::new(&hir);
        Ascii { hir, size_limit, straight, engine: OnceLock::new() }
    }

    fn engine(&self) -> Result<&meta::Regex, NoEngine> {
        self.engine.get_or_init(|| build(&self.hir, self.size_limit?)).as_ref().ok_or(NoEngine)
    }

    /// Whether it matches anywhere in `text`.
    pub fn is_match(&self, text: &str) -> Result<bool, NoEngine> {
        match self.straight.as_ref().map(|straight| straight.search(text, &mut [])) {
            Some(Found::No) => Ok(false),
            Some(Found::Yes(_)) => Ok(true),
            Some(Found::Unknown) | None => Ok(self.engine()?.is_match(text)),
        }
    }

    /// The leftmost match in `text`; `take` is told where it lies and where its groups do.
    pub fn captures<T>(
        &self,
        text: &str,
        take: impl FnOnce(Range<usize>, &Groups<'_>) -> T,
    ) -> Result<Option<T>, NoEngine> {
        let (mut few, mut many) = ([None; FEW], Vec::new());
        let slots = match self.hir.properties().explicit_captures_len() * 2 + 2 {
            count @ ..=FEW => &mut few[..count],
            count => {
                many.resize(count, None);
                &mut many[..]
            }
        };
        let found = match self.straight.as_ref().map(|straight| straight.search(text, slots)) {
            Some(Found::No) => false,
            Some(Found::Yes(_)) => true,
            Some(Found::Unknown) | None => self.engine()?.search_slots(&Input::new(text), slots).is_some(),
        };
        let groups = Groups(slots);
        Ok(groups.get(0).filter(|_| found).map(|whole| take(whole, &groups)))
    }
}

/// An end of a group.
pub type Slot = Option<NonMaxUsize>;

/// It did not go straight, and there is no other engine, as it would take more than it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoEngine;

/// Where the groups of a match lie.
#[derive(Debug)]
pub struct Groups<'a>(pub &'a [Slot]);

impl Groups<'_> {
    /// The group of that number; `None` if it took no part.
    pub fn get(&self, number: usize) -> Option<Range<usize>> {
        let slot = |at: usize| self.0.get(at).copied().flatten().map(NonMaxUsize::get);
        Some(slot(number * 2)?..slot(number * 2 + 1)?)
    }
}

/// Texts of which one stands at the start of every text that matches; `None` if nothing is known.
pub fn heads(hir: &Hir) -> Option<Vec<Box<[u8]>>> {
    use regex_syntax::hir::literal::Extractor;
    if !hir.properties().look_set_prefix().contains(Look::Start) {
        return None;
    }
    let found = Extractor::new().limit_total(HEADS).extract(hir);
    let literals = found.literals().filter(|all| all.iter().all(|l| !l.as_bytes().is_empty()))?;
    Some(literals.iter().map(|l| l.as_bytes().into()).collect())
}

/// An upper bound of the states that an expression needs when it is compiled for any text, from its outline.
pub fn states(hir: &Hir) -> usize {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => 1,
        HirKind::Literal(literal) => literal.0.len(),
        HirKind::Class(Class::Unicode(class)) => {
            let far = || class.ranges().iter().rev().take_while(|range| range.end() >= stand::WORD);
            let holds = |c: char| far().any(|range| range.start() <= c && c <= range.end());
            let opposite = holds(stand::NOTHING);
            let stand = STANDS.iter().filter(|(c, _)| holds(*c) != opposite).map(|(_, states)| states);
            class.iter().map(encoded).fold(stand.sum(), usize::saturating_add)
        }
        HirKind::Class(Class::Bytes(_)) => 1,
        HirKind::Repetition(repetition) => {
            let times = repetition.max.unwrap_or(repetition.min).max(1) as usize;
            states(&repetition.sub).saturating_add(3).saturating_mul(times).saturating_add(2)
        }
        HirKind::Capture(capture) => states(&capture.sub).saturating_add(2),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => {
            parts.iter().map(states).fold(1, |sum, part| sum.saturating_add(part).saturating_add(1))
        }
    }
}

/// An upper bound of the bytes in all sequences of bytes that a range's characters are written in.
fn encoded(range: &ClassUnicodeRange) -> usize {
    let (first, last) = (range.start(), range.end());
    match (first.len_utf8(), last.len_utf8()) {
        (_, 1) => 1,
        (one, other) if one == other && first as u32 >> 6 == last as u32 >> 6 => one,
        (one, other) => (one..=other).map(|len| len * (2 * len - 1)).sum(),
    }
}

/// How many characters the expression has to take when its repetitions are written out, each endless one once more than
/// it must.
pub fn places(hir: &Hir) -> usize {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => 0,
        HirKind::Literal(literal) => literal.0.len(),
        HirKind::Class(_) => 1,
        HirKind::Repetition(r) => places(&r.sub).saturating_mul(r.max.unwrap_or(r.min.saturating_add(1)) as usize),
        HirKind::Capture(capture) => places(&capture.sub),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => parts.iter().map(places).fold(0, usize::saturating_add),
    }
}

/// The tree for texts of ASCII alone.
pub fn narrow(hir: &Hir) -> Hir {
    match hir.kind() {
        HirKind::Empty => Hir::empty(),
        HirKind::Literal(literal) if literal.0.is_ascii() => Hir::literal(literal.0.clone()),
        HirKind::Literal(_) => Hir::fail(),
        HirKind::Class(Class::Unicode(class)) => {
            let mut class = class.clone();
            class.intersect(&ClassUnicode::new([ClassUnicodeRange::new('\0', '\x7f')]));
            Hir::class(Class::Unicode(class))
        }
        HirKind::Class(Class::Bytes(class)) => Hir::class(Class::Bytes(class.clone())),
        HirKind::Look(look) => Hir::look(match look {
            Look::WordUnicode => Look::WordAscii,
            Look::WordUnicodeNegate => Look::WordAsciiNegate,
            Look::WordStartUnicode => Look::WordStartAscii,
            Look::WordEndUnicode => Look::WordEndAscii,
            Look::WordStartHalfUnicode => Look::WordStartHalfAscii,
            Look::WordEndHalfUnicode => Look::WordEndHalfAscii,
            other => *other,
        }),
        HirKind::Repetition(repetition) => {
            Hir::repetition(Repetition { sub: Box::new(narrow(&repetition.sub)), ..repetition.clone() })
        }
        HirKind::Capture(capture) => Hir::capture(Capture { sub: Box::new(narrow(&capture.sub)), ..capture.clone() }),
        HirKind::Concat(parts) => Hir::concat(parts.iter().map(narrow).collect()),
        HirKind::Alternation(parts) => Hir::alternation(parts.iter().map(narrow).collect()),
    }
}

/// What stands before the first group, what holds all groups, and the rest. `None`: nothing stands before, or there is no
/// group.
fn cut(hir: &Hir) -> Option<[Hir; 3]> {
    let HirKind::Concat(parts) = hir.kind() else { return None };
    let holds = |part: &Hir| part.properties().explicit_captures_len() > 0;
    let (first, last) = (parts.iter().position(holds)?, parts.iter().rposition(holds)?);
    if first == 0 {
        return None;
    }
    Some([&parts[..first], &parts[first..=last], &parts[last + 1..]].map(|part| Hir::concat(part.to_vec())))
}

/// What stands before `(.+)$`, where the expression ends so.
pub fn before_rest(hir: &Hir) -> Option<Hir> {
    let [before, groups, after] = cut(hir)?;
    is_rest(&groups, &after).then_some(before)
}

/// Whether these are `(.+)` and `$`.
fn is_rest(groups: &Hir, after: &Hir) -> bool {
    let HirKind::Capture(group) = groups.kind() else { return false };
    let HirKind::Repetition(repetition) = group.sub.kind() else { return false };
    let HirKind::Class(class) = repetition.sub.kind() else { return false };
    let not_newline = [ClassUnicodeRange::new('\0', '\x09'), ClassUnicodeRange::new('\x0b', '\x7f')];
    let dot = match class {
        Class::Unicode(class) => class.ranges() == not_newline,
        Class::Bytes(class) => class.to_unicode_class().is_some_and(|class| class.ranges() == not_newline),
    };
    let all = group.index == 1 && repetition.min == 1 && repetition.max.is_none() && repetition.greedy;
    dot && all && matches!(after.kind(), HirKind::Look(Look::EndLF))
}

/// The engine for searches, also for groups; `None`: it would be too big.
fn build(hir: &Hir, size_limit: usize) -> Option<meta::Regex> {
    let config = meta::Config::new().nfa_size_limit(Some(size_limit));
    meta::Builder::new().configure(config).build_from_hir(hir).ok()
}

/// Ends of groups that fit on the stack.
const FEW: usize = 32;
/// Upper bounds of the states of all that a character stands for, or of all others.
const STANDS: [(char, usize); 3] = [(stand::WORD, 4000), (stand::SPACE, 100), (stand::DIGIT, 400)];
/// Texts to compare the start of a text with, at most.
const HEADS: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    fn heads_of(pattern: &str) -> Option<Vec<String>> {
        let found = heads(&regex_syntax::parse(pattern).unwrap())?;
        Some(found.iter().map(|head| String::from_utf8_lossy(head).into_owned()).collect())
    }

    #[test]
    fn what_every_match_begins_with_is_known() {
        assert_eq!(heads_of(r"^chan_sip\.c(?::\d+)?: x").unwrap(), ["chan_sip.c:", "chan_sip.c: x"]);
        assert_eq!(heads_of(r"^(?:a|bc)\w+x").unwrap(), ["a", "bc"]);
        assert_eq!(heads_of(r"^ab|^c").unwrap(), ["ab", "c"]);
        for unknown in [r"ab", r"^a|b", r"(?m:^)ab", r"^.*ab", r"^(?:ab)?", r"(?:^|x)ab"] {
            assert_eq!(heads_of(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn no_expression_has_more_states_than_its_outline_says() {
        use crate::filter::translate::{Dialect, Options, outline, translate};
        use regex_automata::nfa::thompson::{Compiler, Config};
        for text in [
            r"\w",
            r"\W",
            r"\d+",
            r"\s?",
            r"\S",
            r"[\w.-]{1,9}",
            r"[^\w.-]{3,}x",
            r"(?i)straße \w",
            r".*",
            r"[^'é]{7}",
            "é{2}",
            r"(?:(?:a|\d\W){2,}){3}",
            r"(?:(?:x*)+?y?)+",
            "<(?P<x>[0-9a-fA-F]{1,4}::?|::){1,7}>",
            r"[\x80-\u20ff]\b|^$|(a)??",
            r"\D",
            r"[^\d\s]",
            r"[^\w\s]",
            r"[\d:]",
        ] {
            let exact = translate(text, Dialect::Exact, Options::default()).unwrap().form;
            let exact = regex_syntax::parse(&exact).unwrap();
            let outline = outline(text, Options::default()).unwrap().form.unwrap();
            for reverse in [false, true] {
                let config = Config::new().reverse(reverse).which_captures(match reverse {
                    true => regex_automata::nfa::thompson::WhichCaptures::None,
                    false => regex_automata::nfa::thompson::WhichCaptures::All,
                });
                let nfa = Compiler::new().configure(config).build_from_hir(&exact).unwrap();
                // The search for anywhere and the end take a few of their own.
                assert!(
                    nfa.states().len() <= states(&outline) + 8,
                    "{text}: {} {}",
                    nfa.states().len(),
                    states(&outline)
                );
            }
        }
    }

    /// The whole match and its groups.
    type Found = (Range<usize>, Vec<Option<Range<usize>>>);

    fn found(pattern: &str, text: &str) -> Option<Found> {
        let ascii = Ascii::new(&regex_syntax::parse(pattern).unwrap(), Some(1 << 20));
        let groups = ascii.hir.properties().explicit_captures_len() + 1;
        ascii.captures(text, |whole, found| (whole, (0..groups).skip(1).map(|n| found.get(n)).collect())).unwrap()
    }

    #[test]
    fn groups_are_those_that_an_automaton_finds() {
        for (pattern, text, expected) in [
            (r"^a\d+ (.+)(?m:$)", "a12 bc\n", Some((0..6, vec![Some(4..6)]))),
            (r"^a\s*(.+)(?m:$)", "a \n", Some((0..2, vec![Some(1..2)]))),
            (r"^a ?(.+)(?m:$)", "a b\nc\n", Some((0..3, vec![Some(2..3)]))),
            (r"^(?:a|ab) ?(.+?)(?m:$)", "ab\n", Some((0..2, vec![Some(1..2)]))),
            (r"^ab? ?(.+)(?m:$)", "ab\n", Some((0..2, vec![Some(1..2)]))),
            (r"^(?:a|ab)(b?)c", "abc", Some((0..3, vec![Some(1..2)]))),
            // What was taken first leaves nothing for what follows.
            (r"x.* from (\d+)", "x from 1 from y", Some((0..8, vec![Some(7..8)]))),
            (r"x(\d+?)(\d*)z", "x12z", Some((0..4, vec![Some(1..2), Some(2..3)]))),
            (r"x(\d+?)y", "x12z x34y", Some((5..9, vec![Some(6..8)]))),
            (r"x(?:(a)|(b))\b", "xb", Some((0..2, vec![None, Some(1..2)]))),
            (r"x(a|ab)(?m:$)", "xab\n", Some((0..3, vec![Some(1..3)]))),
            (r"x(a)", "xb", None),
        ] {
            assert_eq!(found(pattern, text), expected, "{pattern}");
            let whole = regex::Regex::new(pattern).unwrap().captures(text);
            assert_eq!(found(pattern, text).map(|(all, _)| all), whole.map(|c| c.get_match().range()), "{pattern}");
        }
    }
}
