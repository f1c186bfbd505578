//! Where the last date stood: the next line mostly has one in the same place.

use std::ops::Range;

use super::parts::Parsed;
use crate::filter::backtrack::charset;

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

    /// The place of a match of a template that is bound to the start of the line: no other line is asked for a window.
    pub fn bound(found: &Match) -> Place {
        Place { start: found.start, end: found.end, ..Place::default() }
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
