//! `maxlines` above 1: a failregex sees the last lines together.
//!
//! Lines enter at one end; what a match covers leaves (except for what `<SKIPLINES>` skipped), the rest stays for later
//! matches until newer lines push it out.

use std::collections::VecDeque;
use std::ops::Range;

/// The last lines of a log.
#[derive(Debug)]
pub struct Window {
    lines: VecDeque<Entry>,
    max: usize,
}

#[derive(Debug)]
struct Entry {
    /// As it stood in the log.
    original: String,
    /// Without its date, with `\n`.
    text: String,
}

impl Window {
    /// A window of `max` lines.
    pub fn new(max: usize) -> Window {
        Window { lines: VecDeque::new(), max }
    }

    /// Takes a line in and lets older ones go.
    pub fn push(&mut self, original: &str, text: &str) {
        self.lines.push_back(Entry { original: original.to_owned(), text: text.to_owned() });
        let size = |e: &Entry| e.original.len() + e.text.len();
        let mut total: usize = self.lines.iter().map(size).sum();
        while self.lines.len() > self.max || (total > BYTES && self.lines.len() > 1) {
            total -= self.lines.pop_front().as_ref().map_or(0, size);
        }
    }

    /// Puts one line in the place of all: what a prefregex's content does.
    pub fn replace(&mut self, text: &str) {
        self.lines.clear();
        self.lines.push_back(Entry { original: text.trim_end_matches('\n').to_owned(), text: text.to_owned() });
    }

    /// All lines, one after the other.
    pub fn text(&self) -> String {
        self.lines.iter().map(|e| &*e.text).collect()
    }

    /// Takes out the lines that a match in [`Window::text`] covers, except for those in `skipped`; gives them as they
    /// stood in the log and as they were searched.
    pub fn take(&mut self, found: &Range<usize>, skipped: &[Range<usize>]) -> (Vec<String>, String) {
        let (mut originals, mut searched, mut at) = (Vec::new(), String::new(), 0);
        // A match that begins with a newline begins behind it.
        let whole = self.text();
        let start = found.start + usize::from(whole.as_bytes().get(found.start) == Some(&b'\n'));
        let end = found.end.max(start + 1);
        self.lines.retain(|entry| {
            let line = at..at + entry.text.len();
            at = line.end;
            let covered = line.start < end && start < line.end;
            let skip = skipped.iter().any(|s| s.start <= line.start && line.end <= s.end && !s.is_empty());
            if covered && !skip {
                originals.push(entry.original.clone());
                searched.push_str(&entry.text);
            }
            !covered || skip
        });
        (originals, searched)
    }
}

/// Bytes of all lines together.
const BYTES: usize = 128 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_matched_leaves_and_what_was_skipped_stays() {
        let mut window = Window::new(4);
        for line in ["A 7", "A 8", "B 7", "x"] {
            window.push(line, &format!("{line}\n"));
        }
        // From `A 7` to `B 7` over the line `A 8`.
        let (lines, text) = window.take(&(0..11), std::slice::from_ref(&(4..8)));
        assert_eq!((lines, &*text), (vec!["A 7".to_owned(), "B 7".to_owned()], "A 7\nB 7\n"));
        assert_eq!(window.text(), "A 8\nx\n");
    }

    #[test]
    fn a_window_is_bounded_in_lines_and_bytes() {
        let mut window = Window::new(3);
        for i in 0..10 {
            window.push("", &format!("{i}\n"));
        }
        assert_eq!(window.text(), "7\n8\n9\n");
        let mut window = Window::new(usize::MAX);
        for _ in 0..100 {
            window.push("", &"x".repeat(60_000));
        }
        assert!(window.text().len() <= BYTES);
    }
}
