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

mod best;
mod weight;

use super::backtrack::Bytes;
use super::pyregex::Pattern;
use best::required;
use weight::Shared;

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

/// The literals of expressions, of which each line that matters matches one. `escaped`: the lines may be wrapped in JSON.
/// `None`: every line has to be seen.
pub fn gather<'p>(all: impl IntoIterator<Item = &'p Pattern>, cut: Cut, escaped: bool) -> Option<Literals> {
    gather_beside(all, [], cut, escaped)
}

/// The same where others stand beside them: what those hold too is a poor literal.
pub fn gather_beside<'p>(
    all: impl IntoIterator<Item = &'p Pattern>,
    others: impl IntoIterator<Item = &'p Pattern>,
    cut: Cut,
    escaped: bool,
) -> Option<Literals> {
    let all: Vec<&Pattern> = all.into_iter().collect();
    let shared = Shared::new(all.iter().copied().chain(others).map(Pattern::text));
    let rule = Rule { cut, escaped, shared: &shared };
    all.iter().map(|pattern| required(pattern.outline()?, rule)).collect()
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
        if !kept.iter().any(|k| holds(&literal, k)) {
            kept.push(literal);
        }
    }
    kept
}

/// Whether a short text holds another one; a searcher would take longer to build.
pub fn holds(text: &[u8], part: &[u8]) -> bool {
    let Some((first, rest)) = part.split_first() else { return true };
    memchr::memchr_iter(*first, text).any(|at| text[at + 1..].starts_with(rest))
}

/// The longest text that stands in all of `set`.
fn common(set: &[Vec<u8>]) -> Option<Vec<u8>> {
    let shortest = set.iter().min_by_key(|l| l.len())?;
    (COMMON..=shortest.len()).rev().find_map(|len| {
        let everywhere = |text: &&[u8]| set.iter().all(|l| holds(l, text));
        shortest.windows(len).find(everywhere).map(<[u8]>::to_vec)
    })
}

/// How literals are chosen.
#[derive(Clone, Copy)]
struct Rule<'a> {
    cut: Cut,
    escaped: bool,
    shared: &'a Shared,
}

/// Bytes that literals must have in common to be searched for by those.
const COMMON: usize = 5;

#[cfg(test)]
mod tests;
