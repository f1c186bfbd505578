//! The same expression for texts of ASCII alone, which nearly all lines are.
//!
//! Over such texts an expression means the same when every class is cut down to its ASCII members and every word
//! boundary asks for ASCII words; what is left of `\w` are 63 characters instead of 140,000. The automata become so much
//! smaller that finding groups costs a tenth. Two more things are read from the expression's tree: the texts of which
//! one begins every match at the start of the text, so that most texts are refused by a comparison; and whether it
//! ends in a single group `.+`, which then needs no search for groups at all.

use std::ops::Range;

use regex_automata::{Input, meta, util::primitives::NonMaxUsize};
use regex_syntax::hir::{Capture, Class, ClassUnicode, ClassUnicodeRange, Hir, HirKind, Look, Repetition};

/// An expression for ASCII texts.
#[derive(Debug)]
pub struct Ascii {
    regex: meta::Regex,
    /// All before the last group, where that is `(.+)$` and the only group.
    head: Option<meta::Regex>,
}

impl Ascii {
    /// From an expression's tree; `None` if it cannot be built within `size_limit` bytes. Where `lines` says that a text
    /// may hold several lines, no tail is split off.
    pub fn new(hir: &Hir, size_limit: usize, lines: bool) -> Option<Ascii> {
        let build = |hir: &Hir| {
            let config = meta::Config::new().nfa_size_limit(Some(size_limit));
            meta::Builder::new().configure(config).build_from_hir(hir).ok()
        };
        let narrow = narrow(hir);
        let head = if lines { None } else { head(&narrow).as_ref().and_then(build) };
        Some(Ascii { regex: build(&narrow)?, head })
    }

    /// Whether it matches anywhere in `text`.
    pub fn is_match(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }

    /// The leftmost match in `text`, and a function from the number of a group to where it lies.
    pub fn captures<T>(&self, text: &str, take: impl FnOnce(Range<usize>, &Groups<'_>) -> T) -> Option<T> {
        if let Some(head) = &self.head
            && let Some(last) = text.strip_suffix('\n').map(str::len)
        {
            let found = head.find(text)?;
            if found.end() < last {
                let spans = [found.start(), last, found.end(), last].map(NonMaxUsize::new);
                return Some(take(found.start()..last, &Groups(&spans)));
            }
        }
        let mut few = [None; FEW];
        let mut many;
        let slots = match self.regex.captures_len() * 2 {
            count @ ..=FEW => &mut few[..count],
            count => {
                many = vec![None; count];
                &mut many[..]
            }
        };
        self.regex.search_slots(&Input::new(text), slots)?;
        let groups = Groups(slots);
        Some(take(groups.get(0)?, &groups))
    }
}

/// Where the groups of a match lie.
pub struct Groups<'a>(&'a [Option<NonMaxUsize>]);

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

/// An upper bound of the states that an expression needs when it is compiled for any text.
pub fn states(hir: &Hir) -> usize {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => 1,
        HirKind::Literal(literal) => literal.0.len(),
        HirKind::Class(Class::Unicode(class)) => class.ranges().len().saturating_mul(4 * 4),
        HirKind::Class(Class::Bytes(_)) => 1,
        HirKind::Repetition(repetition) => {
            let times = repetition.max.unwrap_or(0).max(repetition.min).max(1) as usize + 1;
            states(&repetition.sub).saturating_add(2).saturating_mul(times)
        }
        HirKind::Capture(capture) => states(&capture.sub).saturating_add(2),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => {
            parts.iter().map(states).fold(1, |sum, part| sum.saturating_add(part).saturating_add(1))
        }
    }
}

fn narrow(hir: &Hir) -> Hir {
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

/// What stands before `(.+)$` at the end, if there is no other group. The tail takes all of the line that the head
/// leaves; as long as that is something, the head's first choice is also the whole expression's.
fn head(hir: &Hir) -> Option<Hir> {
    if hir.properties().explicit_captures_len() != 1 {
        return None;
    }
    let HirKind::Concat(parts) = hir.kind() else { return None };
    let [before @ .., group, end] = &parts[..] else { return None };
    let (HirKind::Capture(group), HirKind::Look(Look::EndLF)) = (group.kind(), end.kind()) else { return None };
    let HirKind::Repetition(repetition) = group.sub.kind() else { return None };
    let HirKind::Class(class) = repetition.sub.kind() else { return None };
    let dot = ClassUnicode::new([ClassUnicodeRange::new('\0', '\x09'), ClassUnicodeRange::new('\x0b', '\x7f')]);
    let any = matches!(class, Class::Unicode(class) if *class == dot);
    let all = repetition.min == 1 && repetition.max.is_none() && repetition.greedy;
    (any && all && !before.is_empty()).then(|| Hir::concat(before.to_vec()))
}

/// Ends of groups that fit on the stack.
const FEW: usize = 32;
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
    fn a_tail_is_split_off_only_where_it_takes_all_that_is_left() {
        let split = |pattern: &str| head(&narrow(&regex_syntax::parse(pattern).unwrap())).is_some();
        assert!(split(r"^a\d+ (?P<content>.+)(?m:$)"));
        assert!(split(r"^(?:a|ab)?(?P<content>.+)(?m:$)"));
        for other in [
            r"^a(b) (.+)(?m:$)",
            r"a|b(.+)(?m:$)",
            r"a(.+?)(?m:$)",
            r"a(.*)(?m:$)",
            r"a(\w+)(?m:$)",
            r"a(.+)$",
            r"a(.+)",
        ] {
            assert!(!split(other), "{other}");
        }
    }
}
