//! Where the last date stood, and what it said: the next line mostly has one in the same place, and often the same one.

use std::ops::Range;

use super::parts::{Moment, Parsed};
use super::template::Kind;
use crate::filter::backtrack::{Machine, charset};

/// A match of a template.
#[derive(Clone, Debug)]
pub struct Match {
    /// All of it.
    pub whole: Range<usize>,
    /// What is cut out of the line.
    pub cut: Range<usize>,
    /// Characters before it.
    pub start: usize,
    /// Characters up to its end.
    pub end: usize,
    /// What it says.
    pub parsed: Parsed,
}

/// Where the last date stood, in characters, and between which.
#[derive(Clone, Debug, Default)]
pub struct Place {
    /// Characters before it.
    pub start: usize,
    /// Characters up to its end.
    pub end: usize,
    before: Option<char>,
    first: Option<char>,
    last: Option<char>,
    after: Option<char>,
}

impl Place {
    /// Before any line fail2ban expects a date at the very start, or one character further.
    pub fn before_the_first() -> Place {
        Place { start: 1, ..Place::default() }
    }

    /// The place of a match.
    pub fn of(found: &Match, line: &str) -> Place {
        Place {
            start: found.start,
            end: found.end,
            before: line[..found.whole.start].chars().next_back(),
            first: line[found.whole.start..].chars().next(),
            last: line[..found.whole.end].chars().next_back(),
            after: line[found.whole.end..].chars().next(),
        }
    }

    /// The same place in another line, if a date may begin and end there as it did before.
    pub fn window(&self, line: &str) -> Option<Range<usize>> {
        // A line that is too short has no character there at all.
        let (start, end) = (byte_of(line, self.start), byte_of(line, self.end));
        let before = start.and_then(|start| line[..start].chars().next_back());
        let first = start.and_then(|start| line[start..].chars().next());
        let last = end.and_then(|end| line[..end].chars().next_back());
        let after = end.and_then(|end| line[end..].chars().next());
        let sign = |one: Option<char>, other: Option<char>| one == other && !one.is_some_and(charset::is_alphanumeric);
        let begins = before == self.before || sign(first, self.first);
        let ends = after == self.after || sign(last, self.last);
        (begins && ends).then(|| start.unwrap_or(line.len())..end.unwrap_or(line.len()))
    }
}

/// The byte at which the character with this number begins, or would begin if the line went on.
fn byte_of(line: &str, number: usize) -> Option<usize> {
    match line.as_bytes().get(..number) {
        Some(head) if head.is_ascii() => Some(number),
        _ => line.char_indices().map(|(at, _)| at).chain([line.len()]).nth(number),
    }
}

/// What a line gave, for the many lines that have the same date, or one that differs in a few digits.
#[derive(Clone, Debug)]
pub struct Memo {
    /// Of which template, by its id.
    pub template: usize,
    key: Key,
    /// What it matched.
    pub found: Match,
    /// The named groups of the match.
    groups: Box<[(Box<str>, Range<usize>)]>,
    /// What that means, where it means the same at any time.
    pub moment: Option<Moment>,
}

#[derive(Clone, Debug)]
enum Key {
    /// The outcome depends on these first bytes of the line, and on nothing else. Where each of them is one of those that
    /// stand beside it (none is beyond ASCII), the same is found at the same place.
    Prefix(Box<[u8]>, Box<[u128]>),
    /// The same window holds this text, behind this character.
    Window(Range<usize>, Option<char>, Box<str>),
}

/// What is known of a line before it is searched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recalled {
    /// It has the same date.
    Same,
    /// It has a date at the same place.
    Alike,
}

impl Memo {
    /// Remembers a match, with how far into the line it looked; not if that is the whole line or too much of it.
    pub fn of(
        template: usize,
        found: &Match,
        groups: Vec<(Box<str>, Range<usize>)>,
        line: &str,
        window: Option<Range<usize>>,
        machine: &Machine,
    ) -> Option<Memo> {
        let (far, saw_end) = machine.reach();
        let key = match window {
            None if saw_end || far > MEMO_BYTES => return None,
            None => {
                let same =
                    if line.as_bytes()[..far].is_ascii() { machine.asked(line.as_bytes(), far) } else { [].into() };
                Key::Prefix(line.as_bytes()[..far].into(), same)
            }
            Some(window) if window.len() > MEMO_BYTES => return None,
            Some(window) => {
                let before = line[..window.start].chars().next_back();
                Key::Window(window.clone(), before, line[window].into())
            }
        };
        Some(Memo { template, key, found: found.clone(), groups: groups.into(), moment: None })
    }

    /// Whether searching `line` must end with the same match, or with one at the same place.
    pub fn recall(&self, line: &str, window: Option<&Range<usize>>) -> Option<Recalled> {
        match (&self.key, window) {
            (Key::Prefix(prefix, same), None) => {
                let head = line.as_bytes().get(..prefix.len())?;
                if *head == **prefix {
                    return Some(Recalled::Same);
                }
                let fits = |(byte, same): (&u8, &u128)| byte.is_ascii() && same >> byte & 1 == 1;
                (same.len() == head.len() && head.iter().zip(same).all(fits)).then_some(Recalled::Alike)
            }
            (Key::Window(known, before, text), Some(window)) => {
                let same = known == window
                    && line[window.clone()] == **text
                    && line[..window.start].chars().next_back() == *before;
                same.then_some(Recalled::Same)
            }
            _ => None,
        }
    }

    /// Takes the date of a line over that has one at the same place.
    pub fn renew(&mut self, line: &str, kind: Kind) {
        if let Key::Prefix(prefix, _) = &mut self.key {
            let length = prefix.len();
            prefix.copy_from_slice(&line.as_bytes()[..length]);
        }
        let groups = self.groups.iter().map(|(name, span)| (&**name, &line[span.clone()]));
        self.found.parsed = Parsed::read(kind, &line[self.found.cut.clone()], groups);
        self.moment = None;
    }

    /// The bytes of ASCII at the start of a line that settle its date and what surrounds it, where its meaning lasts.
    pub fn head(&self) -> Option<&[u8]> {
        match &self.key {
            Key::Prefix(prefix, same) if self.moment.is_some() && prefix.len() > self.found.whole.end => {
                Some(&**prefix).filter(|_| !same.is_empty())
            }
            _ => None,
        }
    }
}

/// Longer texts are not worth remembering.
const MEMO_BYTES: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::backtrack::{Program, Window};
    use proptest::prelude::*;

    proptest! {
        /// What is recalled of a line is what a search finds in it.
        #[test]
        fn a_memo_never_differs_from_a_search(
            pattern in prop::sample::select(vec![
                r"^(\d\d)-(?P<m>0?[1-9]|1[0-2])(?P<s>[-/])(?P<d>[1-2]\d|[0 ]?[1-9]|3[0-1])(?P=s)x",
                r"^(?:[^\[\]]*\bab\[\d+\]: )?(?P<y>20[012]\d)-\d\d(?=\b|\W|$)",
                r"^(?:\W{0,2})?((?i:(?P<b>jan|feb)) (?P<d>\d)(?!9)(?P<e>\d))",
                r"^(?P<a>\w)(?P=a)?(?P<n>\d{1,3})(?:\.|(?<=7)x|$)",
                r"(?=^|\b|\W)((?P<y>\d{2})-\d)",
            ]),
            first in "[0-3abx][0-9abn]-?[0-9jf]{1,2}[-/ .\\[]{0,2}[0-9]{0,3}[-/x: .]{0,2}[ab0-9]{0,3}",
            changes in prop::collection::vec((0usize..14, prop::char::range(' ', '~')), 0..4),
        ) {
            let program = Program::new(pattern).unwrap();
            let mut machine = Machine::default();
            let mut find = |text: &str| {
                machine.refill(100_000);
                let found = machine.search_asking(&program, Window { text, from: 0, to: text.len() }).unwrap();
                let spans = (0..program.slots / 2).map(|group| machine.group(group));
                found.then(|| (spans.collect::<Vec<_>>(), machine.reach(), machine.asked(text.as_bytes(), machine.reach().0)))
            };
            let Some((spans, (far, saw_end), same)) = find(&first) else { return Ok(()) };
            if saw_end {
                return Ok(());
            }
            let mut other: Vec<u8> = first.bytes().collect();
            for (at, c) in changes {
                if at < other.len() && (at >= far || same[at] >> (c as u32) & 1 == 1) {
                    other[at] = c as u8;
                }
            }
            let other = String::from_utf8(other).unwrap();
            prop_assert_eq!(find(&other).map(|(spans, ..)| spans), Some(spans), "{:?} {:?}", first, other);
        }
    }
}
