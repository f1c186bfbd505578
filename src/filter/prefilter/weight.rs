//! How good literals are: how seldom they are likely to be in lines that do not match.

use std::cell::RefCell;
use std::collections::HashMap;

use memchr::memmem;

use super::{Cut, Rule, without_longer};

/// A set of literals and how good it is.
pub type Scored = (i32, Vec<Vec<u8>>);

/// What a set is worth; `None`: it is too large, or empty.
pub fn scored(set: Vec<Vec<u8>>, rule: Rule<'_>) -> Option<Scored> {
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
pub fn weight(literal: &[u8], rule: Rule<'_>) -> i32 {
    at_most(literal) - rule.shared.penalty(inner(literal))
}

/// The same if no other failregex holds it.
pub fn at_most(literal: &[u8]) -> i32 {
    let words = words(inner(literal));
    let label = if is_label(literal) && words == 0 { LABEL } else { 0 };
    length(literal).min(LONG) + words - label
}

/// What neither it nor any part of it surpasses.
pub fn spoken(literal: &[u8]) -> i32 {
    length(literal).min(LONG) + words(literal)
}

/// What its words count for.
pub fn words(text: &[u8]) -> i32 {
    (WORDS * memchr::memchr_iter(b' ', text).count() as i32).min(MOST_WORDS)
}

/// From its first letter or digit to its last one.
fn inner(literal: &[u8]) -> &[u8] {
    let word = |b: &u8| b.is_ascii_alphanumeric();
    match (literal.iter().position(word), literal.iter().rposition(word)) {
        (Some(first), Some(last)) => &literal[first..=last],
        _ => literal,
    }
}

/// A field's name, a program's, a source file's: what is said by a line stands behind it.
fn is_label(literal: &[u8]) -> bool {
    [&b"="[..], b":", b".c", b".cpp"].iter().any(|end| literal.trim_ascii_end().ends_with(end))
}

/// How long a literal is, in tenths of a byte, a little more where logs hold less of its bytes.
pub fn length(literal: &[u8]) -> i32 {
    let rarity = |b: &u8| match b {
        b' ' => 0,
        b'a'..=b'z' => 10,
        b'0'..=b'9' | b'.' | b':' | b'-' => 10,
        b'A'..=b'Z' => 11,
        _ => 12,
    };
    literal.iter().map(rarity).sum()
}

/// What several failregexes hold.
pub struct Shared {
    /// All failregexes without their backslashes, each behind a line feed.
    texts: Vec<u8>,
    /// What was asked before.
    known: RefCell<HashMap<Vec<u8>, i32>>,
}

impl Shared {
    pub fn new<'a>(fail: impl Iterator<Item = &'a str>) -> Shared {
        let bytes = fail.flat_map(|text| std::iter::once(BETWEEN).chain(text.bytes().filter(|b| !b"\\\n".contains(b))));
        Shared { texts: bytes.collect(), known: RefCell::default() }
    }

    /// What it takes from a text that so many of them hold it: nothing if only one does, and more the more do.
    fn penalty(&self, text: &[u8]) -> i32 {
        if let Some(known) = self.known.borrow().get(text) {
            return *known;
        }
        // A class or a choice may end what is spelt out in the expression, so most of the text is enough.
        let most = text.len() - text.len() / 4;
        let penalty = match self.holders([&text[..most], &text[text.len() - most..]]) {
            0 | 1 => 0,
            many => SHARED + many as i32,
        };
        self.known.borrow_mut().insert(text.to_vec(), penalty);
        penalty
    }

    /// How many of them hold one of two texts, as far as it matters.
    pub fn holders(&self, parts: [&[u8]; 2]) -> usize {
        let finders = parts.map(memmem::Finder::new);
        let mut next = finders.each_ref().map(|finder| finder.find(&self.texts));
        let mut holders = 0;
        while let Some(found) = next.into_iter().flatten().min().filter(|_| holders < HOLDERS) {
            holders += 1;
            // On with the next one.
            let Some(end) = memchr::memchr(BETWEEN, &self.texts[found..]).map(|end| found + end) else { break };
            for (next, finder) in next.iter_mut().zip(&finders) {
                *next = next.and_then(|at| match at < end {
                    true => Some(end + finder.find(&self.texts[end..])?),
                    false => Some(at),
                });
            }
        }
        holders
    }
}

/// Weight above which a longer literal is no better.
pub const LONG: i32 = 100;
/// What a second and a third word count for.
const WORDS: i32 = 40;
/// What words count for at most.
pub const MOST_WORDS: i32 = 2 * WORDS;
/// Weight of a word that says something by itself.
const WORD: i32 = 80;
/// What several literals to choose from count for: a filter that spells them out tells them from others.
pub const CHOICE: i32 = 30;
/// What it counts against a literal that only says what comes.
const LABEL: i32 = 50;
/// What it counts against a literal that several failregexes hold it.
const SHARED: i32 = 60;
/// What stands between failregexes, and in no literal.
const BETWEEN: u8 = b'\n';
/// So many failregexes are as good as all.
const HOLDERS: usize = 20;
/// Literals of one expression, at most.
const MANY: usize = 64;
