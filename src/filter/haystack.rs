//! What of a line is searched: without its date, with a newline at its end, of which some expressions see only a part.

use std::ops::{Deref, Range};

/// A text to search, and whether it is known that all of it is ASCII: that is asked once for all expressions.
#[derive(Clone, Copy, Debug)]
pub struct Text<'t> {
    text: &'t str,
    ascii: bool,
}

impl Text<'_> {
    /// Whether all of it is ASCII.
    pub fn is_ascii(self) -> bool {
        self.ascii
    }
}

impl<'t> From<&'t str> for Text<'t> {
    fn from(text: &'t str) -> Text<'t> {
        Text { text, ascii: text.is_ascii() }
    }
}

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        self.text
    }
}

/// The text of the line that is looked at. It keeps its room for the next line.
#[derive(Clone, Debug, Default)]
pub struct Haystack {
    whole: String,
    /// Where the part begins that is searched; it goes up to the end.
    from: usize,
    ascii: bool,
}

impl Haystack {
    /// Puts a line without what is cut out of it in the place of what was here; `None`: the cut lies beside its characters.
    pub fn set(&mut self, line: &str, cut: Range<usize>) {
        self.clear();
        self.whole.push_str(line.get(..cut.start).unwrap_or(line));
        self.whole.push_str(line.get(cut.end..).unwrap_or_default());
        self.end();
    }

    /// Puts a text in the place of what was here.
    pub fn put(&mut self, text: String) {
        (self.whole, self.from) = (text, 0);
        self.ascii = self.whole.is_ascii();
    }

    /// Only this part is searched from now on, as if it were a line.
    pub fn narrow(&mut self, part: Range<usize>) {
        self.whole.truncate(self.from + part.end);
        self.from += part.start;
        self.end();
    }

    /// What is searched.
    pub fn text(&self) -> Text<'_> {
        Text { text: &self.whole[self.from..], ascii: self.ascii }
    }

    fn clear(&mut self) {
        self.whole.clear();
        self.whole.shrink_to(KEPT);
        (self.from, self.ascii) = (0, false);
    }

    fn end(&mut self) {
        self.whole.push('\n');
        self.ascii = self.ascii || self.whole[self.from..].is_ascii();
    }
}

/// Bytes that are kept for the next line, which is seldom longer.
const KEPT: usize = 4096;
