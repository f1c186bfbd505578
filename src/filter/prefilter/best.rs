//! The best set of literals that an expression's tree gives.
//!
//! There are many to choose from: those of each part by itself, and those of parts that follow each other, forwards and
//! backwards from each. To know how good a set is takes longer than to see how good it can be at most, so what cannot be the
//! best is passed over.

use regex_syntax::hir::literal::{ExtractKind, Extractor, Literal, Seq};
use regex_syntax::hir::{Class, Hir, HirKind, Repetition};

use super::weight::{CHOICE, LONG, MOST_WORDS, Scored, at_most, length, scored, spoken, weight, words};
use super::{Cut, Rule};

/// A set of literals of which every match of `hir` holds one, fit for raw lines; the best that can be found.
pub fn required(hir: Hir, rule: Rule<'_>) -> Option<Vec<Vec<u8>>> {
    best_of(&bare(hir), rule, i32::MIN).map(|(_, set)| set)
}

/// The same tree without groups and what takes no character, so that texts on both sides become one.
pub fn bare(hir: Hir) -> Hir {
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

/// The best set that is better than `known`.
pub fn best_of(hir: &Hir, rule: Rule<'_>, known: i32) -> Option<Scored> {
    match hir.kind() {
        HirKind::Literal(literal) => usable(std::iter::once(&literal.0[..]), rule, known),
        HirKind::Repetition(repetition) if repetition.min >= 1 => best_of(&repetition.sub, rule, known),
        HirKind::Alternation(branches) => {
            let mut all = Vec::new();
            for branch in branches {
                all.extend(best_of(branch, rule, i32::MIN)?.1);
            }
            let mut best = Best { known, set: None };
            best.or(scored(all, rule));
            best.or_of(&extractor(ExtractKind::Prefix).extract(hir), rule);
            best.or_of(&extractor(ExtractKind::Suffix).extract(hir), rule);
            best.end()
        }
        HirKind::Concat(_) => {
            let mut parts = Vec::new();
            flatten(hir, &mut parts);
            let extracts = |kind: ExtractKind| -> Vec<Seq> {
                let extractor = extractor(kind);
                parts.iter().map(|part| extractor.extract(part)).collect()
            };
            let (begins, ends) = (extracts(ExtractKind::Prefix), extracts(ExtractKind::Suffix));
            let leasts = |seqs: &[Seq]| -> Vec<Least> {
                parts.iter().zip(seqs).map(|(part, seq)| Least::of(seq, stops(part))).collect()
            };
            let (least_begins, least_ends) = (leasts(&begins), leasts(&ends));
            let mut best = Best { known, set: None };
            for i in 0..parts.len() {
                best.or(best_of(parts[i], rule, best.known));
                if at_most_of(least_begins[i..].iter()) > best.known {
                    best.or_of(&crossed(parts[i..].iter().zip(&begins[i..]), ExtractKind::Prefix), rule);
                }
                if at_most_of(least_ends[..=i].iter().rev()) > best.known {
                    let until = parts[..=i].iter().zip(&ends[..=i]).rev();
                    best.or_of(&crossed(until, ExtractKind::Suffix), rule);
                }
            }
            best.end()
        }
        _ => None,
    }
}

/// The best set so far; of several that are as good, the first.
struct Best {
    /// What has to be surpassed.
    known: i32,
    set: Option<Vec<Vec<u8>>>,
}

impl Best {
    fn or(&mut self, other: Option<Scored>) {
        if let Some((score, set)) = other.filter(|(score, _)| *score > self.known) {
            (self.known, self.set) = (score, Some(set));
        }
    }

    fn or_of(&mut self, seq: &Seq, rule: Rule<'_>) {
        if let Some(literals) = seq.literals() {
            self.or(usable(literals.iter().map(Literal::as_bytes), rule, self.known));
        }
    }

    fn end(self) -> Option<Scored> {
        Some((self.known, self.set?))
    }
}

/// What is known of a part's literals without crossing them with others.
struct Least {
    /// Bytes that each of them has.
    bytes: usize,
    /// How good one of them is at most, and what its words count for in that.
    worth: i32,
    words: i32,
    /// How many they are; `None`: too little is known of them.
    count: Option<usize>,
    /// What follows is part of no literal.
    last: bool,
}

impl Least {
    fn of(seq: &Seq, stops: bool) -> Least {
        let all = seq.literals().unwrap_or_default();
        let worths = all.iter().map(|literal| (length(literal.as_bytes()), words(literal.as_bytes())));
        let (worth, words) = worths.min().unwrap_or_default();
        let bytes = all.iter().map(Literal::len).min().unwrap_or(0);
        Least { bytes, worth, words, count: seq.len(), last: stops || seq.is_inexact() }
    }
}

/// How good the literals of parts that follow each other are at most, see [`crossed`]: no set is better than its poorest
/// literal, and none of these holds more than the poorest of each part together.
fn at_most_of<'a>(parts: impl Iterator<Item = &'a Least>) -> i32 {
    let (mut bytes, mut worth, mut words, mut count) = (0, 0, 0, 1_usize);
    for part in parts.take(SPAN) {
        let Some(many) = part.count else {
            // Where nothing is known of the first of them nothing is known of all.
            if bytes == 0 {
                return i32::MIN;
            }
            break;
        };
        (bytes, worth, words) = (bytes + part.bytes, worth + part.worth, words + part.words);
        count = many.saturating_mul(count);
        if part.last {
            break;
        }
    }
    if bytes < MIN {
        return i32::MIN;
    }
    worth.min(LONG) + words.min(MOST_WORDS) + if count > 2 { CHOICE } else { 0 } - 2
}

/// The literals of parts that follow each other, up to one behind which none goes on: what [`Extractor`] makes of them
/// together, from what it makes of each.
pub fn crossed<'a>(parts: impl Iterator<Item = (&'a &'a Hir, &'a Seq)>, kind: ExtractKind) -> Seq {
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
        if stops(part) {
            break;
        }
    }
    all
}

/// Whether no literal goes on behind it.
fn stops(hir: &Hir) -> bool {
    match hir.kind() {
        HirKind::Class(Class::Unicode(class)) => class.iter().map(|range| range.len()).sum::<usize>() > CLASS,
        HirKind::Repetition(r) => r.min > 0 && r.max != Some(r.min),
        _ => false,
    }
}

pub fn flatten<'a>(hir: &'a Hir, out: &mut Vec<&'a Hir>) {
    match hir.kind() {
        HirKind::Concat(parts) => parts.iter().for_each(|p| flatten(p, out)),
        HirKind::Empty => {}
        _ => out.push(hir),
    }
}

pub fn extractor(kind: ExtractKind) -> Extractor {
    let mut extractor = Extractor::new();
    extractor.kind(kind).limit_class(CLASS).limit_repeat(4).limit_literal_len(LENGTH).limit_total(TOTAL);
    extractor
}

/// What of these literals may be searched for in raw lines; `None` if that is too little for one of them, or is no better
/// than `known`.
pub fn usable<'a>(literals: impl ExactSizeIterator<Item = &'a [u8]>, rule: Rule<'_>, known: i32) -> Option<Scored> {
    let alone = literals.len() == 1 && rule.cut != Cut::Anywhere;
    let mut out = Vec::with_capacity(literals.len());
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
        let mut best: Option<(i32, &[u8])> = None;
        let mut most = i32::MIN;
        for piece in pieces {
            most = most.max(if alone { at_most(piece) } else { spoken(piece) + CHOICE });
            // To know all about it takes longer.
            if best.is_none_or(|(weight, _)| weight <= at_most(piece)) {
                let weight = weight(piece, rule);
                best = best.filter(|(best, _)| *best > weight).or(Some((weight, piece)));
            }
        }
        let (_, piece) = best.filter(|_| most - 2 > known)?;
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
    scored(out, rule).filter(|(score, _)| *score > known)
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

/// Bytes of a literal, at least.
const MIN: usize = 3;
/// Parts of a concatenation that one literal is gathered from.
const SPAN: usize = 16;
/// Characters of a class that literals are made of, at most.
const CLASS: usize = 4;
/// Bytes of a literal, as far as it is spelt out.
const LENGTH: usize = 64;
/// Literals that parts give together, before nothing is known of them.
const TOTAL: usize = 64;
