//! Which literal texts a line must hold for a filter to care about it.
//!
//! The literals come out of the failregexes themselves: `required` walks an expression's tree and keeps the set of
//! literals of which every match holds one. What makes that safe on *raw* lines, although a failregex sees the line
//! decoded, unwrapped and without its date:
//!
//! * Only printable ASCII is kept, so the bytes of the raw line are those of the decoded text in every encoding that
//!   extends ASCII, also where undecodable bytes were replaced, and the appended `\n` is never part of a literal.
//! * Where a date was cut out, text before it and behind it became neighbours; a literal may lie across. [`Cut`] says
//!   where that can happen: not at all, behind at most two characters that are no word's (those are taken off the
//!   literal), or anywhere. In the last case both halves of the literal are searched for: wherever the cut falls, one
//!   half is whole.
//! * A line wrapped in JSON may hold some characters escaped; literals for such lines avoid them.

use std::cell::RefCell;
use std::collections::HashMap;

use memchr::memmem;
use regex_syntax::hir::literal::{ExtractKind, Extractor, Literal, Seq};
use regex_syntax::hir::{Class, Hir, HirKind, Repetition};

use super::backtrack::Bytes;

/// Texts of which a line holds at least one, or it is of no interest; one set per failregex.
pub type Literals = Vec<Vec<Vec<u8>>>;

/// Where the date was taken out of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// At its start, or nowhere.
    Start,
    /// Behind up to two characters that belong to no word: `{^LN-BEG}`.
    NearStart,
    /// Anywhere, but what follows begins with one of these bytes.
    Before(Bytes),
    /// Anywhere.
    Anywhere,
}

impl Cut {
    /// Where at most `lead` characters stand before the date, none of them part of a word; `None`: any text may. Then
    /// `behind` says with which bytes the text behind it begins, if that is known.
    pub fn behind(lead: Option<usize>, behind: impl FnOnce() -> Option<Bytes>) -> Cut {
        match lead {
            Some(0) => Cut::Start,
            Some(1 | 2) => Cut::NearStart,
            _ => behind().map_or(Cut::Anywhere, Cut::Before),
        }
    }
}

/// The literals of expressions' outlines, of which each line that matters matches one. `escaped`: the lines may be wrapped in
/// JSON. `None`: every line has to be seen.
pub fn gather<T: AsRef<str>>(all: impl IntoIterator<Item = T>, cut: Cut, escaped: bool) -> Option<Literals> {
    gather_beside(all, &[], cut, escaped)
}

/// The same where others stand beside them: what those hold too is a poor literal.
pub fn gather_beside<T: AsRef<str>>(
    all: impl IntoIterator<Item = T>,
    others: &[String],
    cut: Cut,
    escaped: bool,
) -> Option<Literals> {
    let all: Vec<T> = all.into_iter().collect();
    let shared = Shared::new(all.iter().map(AsRef::as_ref).chain(others.iter().map(String::as_str)));
    let rule = Rule { cut, escaped, shared: &shared };
    all.iter().map(|text| required(&bare(regex_syntax::parse(text.as_ref()).ok()?), rule)).collect()
}

/// The same tree without groups and what takes no character, so that texts on both sides become one.
fn bare(hir: Hir) -> Hir {
    if hir.properties().explicit_captures_len() == 0 && hir.properties().look_set().is_empty() {
        return hir;
    }
    match hir.into_kind() {
        HirKind::Capture(capture) => bare(*capture.sub),
        HirKind::Repetition(r) => Hir::repetition(Repetition { sub: Box::new(bare(*r.sub)), ..r }),
        HirKind::Concat(parts) => Hir::concat(parts.into_iter().map(bare).collect()),
        HirKind::Alternation(parts) => Hir::alternation(parts.into_iter().map(bare).collect()),
        HirKind::Look(_) | HirKind::Empty | HirKind::Literal(_) | HirKind::Class(_) => Hir::empty(),
    }
}

/// At most `max` literals that stand for `sets`: copies and whatever contains another one go first, then the literals of
/// one set are replaced by what they have in common. More than `max` are left only where nothing is common.
pub fn reduce(mut sets: Literals, max: usize) -> Vec<Vec<u8>> {
    let mut all = distinct(&sets);
    while all.len() > max {
        let coarse = |set: &Vec<Vec<u8>>| (set.len() > 1).then(|| common(set)).flatten();
        let best = (0..sets.len()).filter_map(|i| Some((sets[i].len(), i, coarse(&sets[i])?))).max();
        let Some((_, i, text)) = best else { break };
        sets[i] = vec![text];
        all = distinct(&sets);
    }
    all
}

/// The literals of all sets, without copies and whatever contains another one.
pub fn distinct(sets: &Literals) -> Vec<Vec<u8>> {
    without_longer(sets.iter().flatten().cloned().collect())
}

/// Shortest first, without copies and whatever contains another one.
fn without_longer(mut all: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    all.sort_by(|a, b| a.len().cmp(&b.len()).then_with(|| a.cmp(b)));
    let mut kept: Vec<Vec<u8>> = Vec::new();
    for literal in all {
        if !kept.iter().any(|k| memmem::find(&literal, k).is_some()) {
            kept.push(literal);
        }
    }
    kept
}

/// The longest text that stands in all of `set`.
fn common(set: &[Vec<u8>]) -> Option<Vec<u8>> {
    let shortest = set.iter().min_by_key(|l| l.len())?;
    (COMMON..=shortest.len()).rev().find_map(|len| {
        let everywhere = |text: &&[u8]| set.iter().all(|l| memmem::find(l, text).is_some());
        shortest.windows(len).find(everywhere).map(<[u8]>::to_vec)
    })
}

#[derive(Clone, Copy)]
struct Rule<'a> {
    cut: Cut,
    escaped: bool,
    shared: &'a Shared,
}

/// What several failregexes hold.
struct Shared {
    /// All failregexes without their backslashes.
    texts: Vec<String>,
    /// What was asked before.
    known: RefCell<HashMap<Vec<u8>, i32>>,
}

impl Shared {
    fn new<'a>(fail: impl Iterator<Item = &'a str>) -> Shared {
        Shared { texts: fail.map(|text| text.replace('\\', "")).collect(), known: RefCell::default() }
    }

    /// What it takes from a text that so many of them hold it: nothing if only one does, and more the more do.
    fn penalty(&self, text: &[u8]) -> i32 {
        if let Some(known) = self.known.borrow().get(text) {
            return *known;
        }
        // A class or a choice may end what is spelt out in the expression, so most of the text is enough.
        let most = text.len() - text.len() / 4;
        let parts = [&text[..most], &text[text.len() - most..]].map(memmem::Finder::new);
        let holding = self.texts.iter().filter(|text| parts.iter().any(|part| part.find(text.as_bytes()).is_some()));
        let penalty = match holding.take(HOLDERS).count() {
            0 | 1 => 0,
            many => SHARED + many as i32,
        };
        self.known.borrow_mut().insert(text.to_vec(), penalty);
        penalty
    }
}

/// A set of literals of which every match of `hir` holds one, fit for raw lines; the best that can be found.
fn required(hir: &Hir, rule: Rule<'_>) -> Option<Vec<Vec<u8>>> {
    best_of(hir, rule).map(|(_, set)| set)
}

type Scored = (i32, Vec<Vec<u8>>);

fn best_of(hir: &Hir, rule: Rule<'_>) -> Option<Scored> {
    match hir.kind() {
        HirKind::Literal(literal) => usable(std::iter::once(&literal.0[..]), rule),
        HirKind::Repetition(repetition) if repetition.min >= 1 => best_of(&repetition.sub, rule),
        HirKind::Alternation(branches) => {
            let mut all = Vec::new();
            for branch in branches {
                all.extend(best_of(branch, rule)?.1);
            }
            better(scored(all, rule), extracted(hir, rule))
        }
        HirKind::Concat(_) => {
            let mut parts = Vec::new();
            flatten(hir, &mut parts);
            let extracts = |kind: ExtractKind| -> Vec<Seq> {
                let extractor = extractor(kind);
                parts.iter().map(|part| extractor.extract(part)).collect()
            };
            let (begins, ends) = (extracts(ExtractKind::Prefix), extracts(ExtractKind::Suffix));
            let mut best = None;
            for i in 0..parts.len() {
                best = better(best, best_of(parts[i], rule));
                best = better(best, from_seq(&crossed(parts[i..].iter().zip(&begins[i..]), ExtractKind::Prefix), rule));
                let until = parts[..=i].iter().zip(&ends[..=i]).rev();
                best = better(best, from_seq(&crossed(until, ExtractKind::Suffix), rule));
            }
            best
        }
        HirKind::Class(_) => None,
        _ => None,
    }
}

/// The literals of parts that follow each other, up to one behind which none goes on: what [`Extractor`] makes of them
/// together, from what it makes of each.
fn crossed<'a>(parts: impl Iterator<Item = (&'a &'a Hir, &'a Seq)>, kind: ExtractKind) -> Seq {
    let ends = |hir: &Hir| match hir.kind() {
        HirKind::Class(Class::Unicode(class)) => class.iter().map(|range| range.len()).sum::<usize>() > CLASS,
        HirKind::Repetition(r) => r.min > 0 && r.max != Some(r.min),
        _ => false,
    };
    let mut all = Seq::singleton(Literal::exact(Vec::new()));
    for (part, seq) in parts.take(SPAN) {
        if all.is_inexact() {
            break;
        }
        let mut seq = seq.clone();
        if all.max_cross_len(&seq).is_some_and(|len| len > TOTAL) {
            seq.make_infinite();
        }
        match kind {
            ExtractKind::Suffix => {
                all.cross_reverse(&mut seq);
                all.keep_last_bytes(LENGTH);
            }
            _ => {
                all.cross_forward(&mut seq);
                all.keep_first_bytes(LENGTH);
            }
        }
        if ends(part) {
            break;
        }
    }
    all
}

fn flatten<'a>(hir: &'a Hir, out: &mut Vec<&'a Hir>) {
    match hir.kind() {
        HirKind::Concat(parts) => parts.iter().for_each(|p| flatten(p, out)),
        HirKind::Empty => {}
        _ => out.push(hir),
    }
}

fn extracted(hir: &Hir, rule: Rule<'_>) -> Option<Scored> {
    better(prefixes(hir, rule), suffixes(hir, rule))
}

fn prefixes(hir: &Hir, rule: Rule<'_>) -> Option<Scored> {
    from_seq(&extractor(ExtractKind::Prefix).extract(hir), rule)
}

fn suffixes(hir: &Hir, rule: Rule<'_>) -> Option<Scored> {
    from_seq(&extractor(ExtractKind::Suffix).extract(hir), rule)
}

fn extractor(kind: ExtractKind) -> Extractor {
    let mut extractor = Extractor::new();
    extractor.kind(kind).limit_class(CLASS).limit_repeat(4).limit_literal_len(LENGTH).limit_total(TOTAL);
    extractor
}

fn from_seq(seq: &Seq, rule: Rule<'_>) -> Option<Scored> {
    usable(seq.literals()?.iter().map(|l| l.as_bytes()), rule)
}

fn better(a: Option<Scored>, b: Option<Scored>) -> Option<Scored> {
    match (a, b) {
        (Some(a), Some(b)) => Some(if b.0 > a.0 { b } else { a }),
        (a, b) => a.or(b),
    }
}

/// What of these literals may be searched for in raw lines; `None` if that is too little for one of them.
fn usable<'a>(literals: impl Iterator<Item = &'a [u8]>, rule: Rule<'_>) -> Option<Scored> {
    let mut out = Vec::new();
    for literal in literals {
        let mut rest = literal;
        if rule.cut == Cut::NearStart {
            // Bytes of a character beyond ASCII are no word's here: too much taken off is still right.
            let off = rest.iter().take(2).take_while(|b| !b.is_ascii_alphanumeric() && **b != b'_').count();
            rest = if rest.is_ascii() { &rest[off..] } else { after_ascii_break(rest) };
        }
        let pieces = rest.split(|b| !fits(*b, rule.escaped));
        let pieces = pieces.flat_map(|piece| {
            piece.chunk_by(|_, next| !matches!(rule.cut, Cut::Before(behind) if behind.contains(*next)))
        });
        let pieces = pieces.filter(|p| p.len() >= MIN);
        let piece = pieces.max_by_key(|p| weight(p, rule))?;
        if rule.cut == Cut::Anywhere {
            let (first, second) = piece.split_at(piece.len() / 2);
            if first.len() < MIN {
                return None;
            }
            out.push(first.to_vec());
            out.push(second.to_vec());
        } else {
            out.push(piece.to_vec());
        }
    }
    scored(out, rule)
}

/// What stands behind the last byte beyond ASCII that is among the first eight.
fn after_ascii_break(literal: &[u8]) -> &[u8] {
    let last = literal.iter().take(8).rposition(|b| !b.is_ascii());
    let rest = last.map_or(literal, |at| &literal[at + 1..]);
    let off = rest.iter().take(2).take_while(|b| !b.is_ascii_alphanumeric() && **b != b'_').count();
    &rest[off..]
}

fn fits(byte: u8, escaped: bool) -> bool {
    let printable = (0x20..0x7f).contains(&byte);
    printable && !(escaped && matches!(byte, b'"' | b'\\' | b'/' | b'<' | b'>' | b'&' | b'\''))
}

fn scored(set: Vec<Vec<u8>>, rule: Rule<'_>) -> Option<Scored> {
    let mut set = without_longer(set);
    set.sort();
    if set.is_empty() || set.len() > MANY {
        return None;
    }
    let least = set.iter().map(|l| weight(l, rule)).min()?;
    // Two may be one, with something before it that may be missing.
    let few = if rule.cut == Cut::Anywhere { 4 } else { 2 };
    let spelt = || set.iter().all(|literal| length(literal) >= WORD && !is_label(literal));
    let choice = if set.len() > few && spelt() { CHOICE } else { 0 };
    Some((least + choice - 2 * set.len() as i32, set))
}

/// How seldom a literal is likely to be in lines that do not match: by its length up to a point, a little by bytes that
/// logs hold less of, and by what it is. Several words are a message. What several failregexes hold is the name of a
/// program or a field, and stands in many other lines as well.
fn weight(literal: &[u8], rule: Rule<'_>) -> i32 {
    let word = |b: &u8| b.is_ascii_alphanumeric();
    let inner = match (literal.iter().position(word), literal.iter().rposition(word)) {
        (Some(first), Some(last)) => &literal[first..=last],
        _ => literal,
    };
    let words = WORDS * memchr::memchr_iter(b' ', inner).count().min(2) as i32;
    let label = if is_label(literal) && words == 0 { LABEL } else { 0 };
    length(literal).min(LONG) + words - label - rule.shared.penalty(inner)
}

/// A field's name, a program's, a source file's: what is said by a line stands behind it.
fn is_label(literal: &[u8]) -> bool {
    [&b"="[..], b":", b".c", b".cpp"].iter().any(|end| literal.trim_ascii_end().ends_with(end))
}

/// How long a literal is, in tenths of a byte, a little more where logs hold less of its bytes.
fn length(literal: &[u8]) -> i32 {
    let rarity = |b: &u8| match b {
        b' ' => 0,
        b'a'..=b'z' => 10,
        b'0'..=b'9' | b'.' | b':' | b'-' => 10,
        b'A'..=b'Z' => 11,
        _ => 12,
    };
    literal.iter().map(rarity).sum()
}

/// Weight above which a longer literal is no better.
const LONG: i32 = 100;
/// What a second and a third word count for.
const WORDS: i32 = 40;
/// Weight of a word that says something by itself.
const WORD: i32 = 80;
/// What several literals to choose from count for: a filter that spells them out tells them from others.
const CHOICE: i32 = 30;
/// What it counts against a literal that several failregexes hold it.
const SHARED: i32 = 60;
/// What it counts against a literal that only says what comes.
const LABEL: i32 = 50;
/// So many failregexes are as good as all.
const HOLDERS: usize = 20;
/// Bytes of a literal, at least.
const MIN: usize = 3;
/// Literals of one expression, at most.
const MANY: usize = 64;
/// Parts of a concatenation that one literal is gathered from.
const SPAN: usize = 16;
/// Characters of a class that literals are made of, at most.
const CLASS: usize = 4;
/// Bytes of a literal, as far as it is spelt out.
const LENGTH: usize = 64;
/// Literals that parts give together, before nothing is known of them.
const TOTAL: usize = 64;
/// Bytes that literals must have in common to be searched for by those.
const COMMON: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;

    fn literals(pattern: &str, cut: Cut, escaped: bool) -> Option<Vec<String>> {
        gather([pattern], cut, escaped)
            .map(|sets| sets.concat().into_iter().map(|l| String::from_utf8(l).unwrap()).collect())
    }

    #[test]
    fn the_longest_text_that_every_match_holds_is_found() {
        let of = |pattern| literals(pattern, Cut::Start, false).unwrap_or_default();
        assert_eq!(of(r"^Registration from '[^']*' failed"), ["Registration from '"]);
        assert_eq!(of(r"^\S+ (?:Wrong password|No such user)\s*$"), [" No such user", " Wrong password"]);
        assert_eq!(of(r"(?:abcd)+x?"), ["abcd"]);
        assert_eq!(of(r"(?:abcd)*x?"), Vec::<String>::new());
        assert_eq!(of(r"(?:abcd|.)x"), Vec::<String>::new());
        assert_eq!(of(r"failed\n"), ["failed"]);
    }

    #[test]
    fn parts_give_together_what_is_extracted_from_the_whole() {
        for pattern in [
            r"^ab?c(?:d|ef)(?:gh){2}(i|j)+k",
            r"(?:a|b){3}[cd][ef]{2}(?:gh|ij)x",
            r"\d+ab(?:c|d)*ef$",
            r"(?i)ab\b cd\s?e",
            r"a(?:bc|de)?f(?:[0-9]{1,3}\.){3}x[yz]",
            &format!("x{}(?:y|z){}", "a".repeat(60), "b".repeat(70)),
        ] {
            let hir = bare(regex_syntax::parse(pattern).unwrap());
            let mut parts = Vec::new();
            flatten(&hir, &mut parts);
            for kind in [ExtractKind::Prefix, ExtractKind::Suffix] {
                // Up to the first behind which none goes on: there is none such here but the last.
                let until = parts
                    .iter()
                    .position(|part| matches!(part.kind(), HirKind::Repetition(r) if r.min > 0 && r.max.is_none()));
                let parts = match (&kind, until) {
                    (ExtractKind::Prefix, Some(until)) => &parts[..=until],
                    (_, until) => &parts[until.unwrap_or(0)..],
                };
                let extractor = extractor(kind.clone());
                let seqs: Vec<Seq> = parts.iter().map(|part| extractor.extract(part)).collect();
                let together = match kind {
                    ExtractKind::Prefix => crossed(parts.iter().zip(&seqs), kind.clone()),
                    _ => crossed(parts.iter().zip(&seqs).rev(), kind.clone()),
                };
                let whole = Hir::concat(parts.iter().map(|part| (*part).clone()).collect());
                assert_eq!(together, extractor.extract(&whole), "{pattern} {kind:?}");
            }
        }
    }

    #[test]
    fn a_literal_never_lies_across_the_date() {
        assert_eq!(literals(r"^\[\] NOTICE", Cut::NearStart, false).unwrap(), [" NOTICE"]);
        assert_eq!(literals(r"abcdef", Cut::Anywhere, false).unwrap(), ["abc", "def"]);
        assert_eq!(literals(r"abcd", Cut::Anywhere, false), None);
    }

    #[test]
    fn what_follows_the_date_tells_where_a_literal_may_be_cut() {
        let hyphen = crate::filter::backtrack::Program::new(r"^(?:x: )?(\d+)(?=\b)-\d").unwrap().behind.unwrap();
        let cut = Cut::behind(None, || Some(hyphen));
        assert_eq!(cut, Cut::Before(hyphen));
        assert_eq!(literals(r"SIP auth failure", cut, false).unwrap(), ["SIP auth failure"]);
        assert_eq!(literals(r"abc-defghi", cut, false).unwrap(), ["-defghi"]);
        for unknown in [r"^(?:x: )?(\d+)", r"^(?:x: )?(\d+)-?", r"^(?:(\d+)-|x)", r"^\d+-"] {
            assert_eq!(crate::filter::backtrack::Program::new(unknown).unwrap().behind, None, "{unknown}");
        }
    }

    #[test]
    fn literals_for_json_avoid_what_json_escapes() {
        let found = literals(r#"SecurityEvent="InvalidPassword""#, Cut::Start, true).unwrap();
        assert_eq!(found, ["InvalidPassword"]);
        assert_eq!(literals(r"'</a>'", Cut::Start, true), None);
    }

    #[test]
    fn what_stands_before_the_date_tells_where_a_cut_may_be() {
        let of = |lead| Cut::behind(lead, || None);
        assert_eq!([Some(0), Some(1), Some(2)].map(of), [Cut::Start, Cut::NearStart, Cut::NearStart]);
        assert_eq!([Some(3), None].map(of), [Cut::Anywhere, Cut::Anywhere]);
    }

    #[test]
    fn what_several_failregexes_share_or_a_program_is_called_is_not_looked_for() {
        let fail = [
            r"^chan_sip\.c: Registration from '.*' failed$",
            r"^chan_sip\.c: Call from '' \(x\) to extension '",
            r#"^log\.c: Event="(?:BadPassword|BadAccount)",.*,LocalAddress="[^"]*""#,
            r#"^log\.c: Event="BadSession",.*,LocalAddress="[^"]*""#,
        ];
        let found = gather(fail, Cut::Start, true).unwrap();
        let found: Vec<Vec<_>> =
            found.iter().map(|set| set.iter().map(|l| String::from_utf8_lossy(l)).collect()).collect();
        assert_eq!(
            found,
            [
                vec!["chan_sip.c: Registration from "],
                vec![" (x) to extension "],
                vec!["BadAccount", "BadPassword"],
                vec!["BadSession"]
            ]
        );
    }

    #[test]
    fn too_many_literals_become_coarser_ones() {
        let sets = vec![vec![b"user one failed".to_vec(), b"user two failed".to_vec()], vec![b"other".to_vec()]];
        assert_eq!(reduce(sets.clone(), 64).len(), 3);
        assert_eq!(reduce(sets, 2), [b"other".to_vec(), b" failed".to_vec()]);
        let sets = vec![vec![b"failed".to_vec()], vec![b"login failed".to_vec()]];
        assert_eq!(reduce(sets, 64), [b"failed".to_vec()]);
    }
}
