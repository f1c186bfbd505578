//! `maxlines` above 1: a failregex sees the last lines together.
//!
//! Lines enter at one end; what a match covers leaves (except for what `<SKIPLINES>` skipped), the rest stays for later
//! matches until newer lines push it out. Which lines a match covers is counted by newlines, as fail2ban counts them: a
//! match in a prefregex's content stands for the oldest line.

use std::sync::Arc;

use super::pyregex::Match;

/// The last lines of a log.
#[derive(Clone, Debug)]
pub struct Window {
    /// What is searched.
    lines: Vec<Entry>,
    /// The lines as they were when the newest came, which matches are counted in.
    all: Vec<Entry>,
    max: usize,
}

#[derive(Clone, Debug)]
struct Entry {
    /// As it is shown.
    original: Arc<str>,
    /// Without its date.
    text: Arc<str>,
}

/// The lines of a window, divided by a match.
#[derive(Debug)]
pub struct Division {
    covered: Vec<Entry>,
    rest: Vec<Entry>,
}

impl Window {
    /// A window of `max` lines.
    pub fn new(max: usize) -> Window {
        Window { lines: Vec::new(), all: Vec::new(), max }
    }

    /// The most lines that it holds.
    pub fn max(&self) -> usize {
        self.max
    }

    /// Takes a line in and lets older ones go; `text` is without its newline.
    pub fn push(&mut self, original: &str, text: &str) {
        self.lines.push(Entry { original: original.into(), text: text.into() });
        let size = |e: &Entry| e.original.len() + e.text.len();
        let mut total: usize = self.lines.iter().map(size).sum();
        let mut gone = 0;
        while self.lines.len() - gone > self.max || (total > BYTES && self.lines.len() - gone > 1) {
            total -= size(&self.lines[gone]);
            gone += 1;
        }
        self.lines.drain(..gone);
        self.all.clone_from(&self.lines);
    }

    /// Puts one line in the place of all: what a prefregex's content does.
    pub fn replace(&mut self, text: &str) {
        self.lines = vec![Entry { original: text.into(), text: text.into() }];
    }

    /// All lines, one after the other.
    pub fn text(&self) -> String {
        joined(&self.lines)
    }

    /// Divides the lines by a match in `text`, of which `skipped` was passed over.
    pub fn divide(&self, text: &str, found: &Match, skipped: &str) -> Division {
        if self.all.len() <= 1 {
            return Division { covered: self.all.clone(), rest: Vec::new() };
        }
        let (bytes, whole) = (text.as_bytes(), &found.whole);
        let count = |end: usize| memchr::memchr_iter(b'\n', &bytes[..end]).count().min(self.all.len());
        // A match that begins with a newline begins behind it; an empty one at the very start covers everything.
        let begin = memchr::memrchr(b'\n', &bytes[..(whole.start + 1).min(bytes.len())]).map_or(0, |at| at + 1);
        let last = whole.end.checked_sub(1).unwrap_or(bytes.len() - 1);
        let end = memchr::memchr(b'\n', &bytes[last..]).map_or(bytes.len(), |at| last + at + 1);
        let (first, behind) = (count(begin), count(end));
        let mut covered = self.all.get(first..behind).unwrap_or_default().to_vec();
        let mut rest = self.all[..first].to_vec();
        let mut from = 0;
        for line in python_lines(skipped) {
            if let Some(at) = covered[from..].iter().position(|entry| &*entry.text == line) {
                rest.push(covered.remove(from + at));
                from += at;
            }
        }
        rest.extend_from_slice(&self.all[behind..]);
        Division { covered, rest }
    }

    /// Lets the lines go that a match covers.
    pub fn keep_rest(&mut self, division: Division) {
        self.lines = division.rest;
    }
}

impl Division {
    /// The covered lines as they are shown.
    pub fn originals(&self) -> Vec<String> {
        self.covered.iter().map(|entry| entry.original.to_string()).collect()
    }

    /// The covered lines without their dates.
    pub fn text(&self) -> String {
        joined(&self.covered)
    }
}

fn joined(lines: &[Entry]) -> String {
    lines.iter().map(|e| &*e.text).collect::<Vec<_>>().join("\n") + "\n"
}

/// Python's `splitlines`, which knows more ends of lines than `\n`.
fn python_lines(text: &str) -> impl Iterator<Item = &str> {
    let ends = ['\n', '\r', '\x0b', '\x0c', '\x1c', '\x1d', '\x1e', '\u{85}', '\u{2028}', '\u{2029}'];
    text.split_inclusive(ends).map(move |line| line.trim_end_matches(ends))
}

/// Bytes of all lines together.
const BYTES: usize = 128 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    fn window(lines: &[&str]) -> Window {
        let mut window = Window::new(lines.len());
        lines.iter().for_each(|line| window.push(line, line));
        window
    }

    fn divide(window: &mut Window, whole: std::ops::Range<usize>, skipped: &str) -> Vec<String> {
        let division = window.divide(&window.text(), &Match { whole, groups: Vec::new() }, skipped);
        let lines = division.originals();
        window.keep_rest(division);
        lines
    }

    #[test]
    fn what_matched_leaves_and_what_was_skipped_stays() {
        let mut window = window(&["A 7", "A 8", "B 7", "x"]);
        // From `A 7` to `B 7` over the line `A 8`.
        assert_eq!(divide(&mut window, 0..11, "A 8\n"), ["A 7", "B 7"]);
        assert_eq!(window.text(), "A 8\nx\n");
    }

    #[test]
    fn lines_are_counted_by_their_newlines() {
        assert_eq!(divide(&mut window(&["a", "b", "c"]), 1..3, ""), ["b"]);
        assert_eq!(divide(&mut window(&["a", "b", "c"]), 0..0, ""), ["a", "b", "c"]);
        assert_eq!(divide(&mut window(&["a", "x\u{c}y", "c"]), 0..7, "x\u{c}y\n"), ["a", "x\u{c}y", "c"]);
    }

    #[test]
    fn a_window_is_bounded_in_lines_and_bytes() {
        let mut window = Window::new(3);
        for i in 0..10 {
            window.push("", &i.to_string());
        }
        assert_eq!(window.text(), "7\n8\n9\n");
        let mut window = Window::new(usize::MAX);
        for _ in 0..100 {
            window.push("", &"x".repeat(60_000));
        }
        assert!(window.text().len() <= BYTES);
    }
}
