//! A text with the place of each of its lines, kept through continuation lines, interpolation and tags, so that a
//! problem found at the end of all that can still point into a file.

use super::{Origin, Spanned};

/// A text and where each of its lines was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Value {
    text: String,
    lines: Vec<Origin>,
}

impl Value {
    /// A text that was written at one place.
    pub fn new(text: impl Into<String>, origin: Origin) -> Value {
        let text = text.into();
        let lines = vec![origin; line_count(&text)];
        Value { text, lines }
    }

    /// A text that stands in no file.
    pub fn bare(text: impl Into<String>) -> Value {
        Value::new(text, Origin::default())
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Where the first line that is not empty was written.
    pub fn origin(&self) -> Origin {
        let first = self.text.split('\n').position(|line| !line.is_empty()).unwrap_or(0);
        self.lines.get(first).cloned().unwrap_or_default()
    }

    /// Where the line that holds byte `at` was written.
    pub fn origin_at(&self, at: usize) -> Origin {
        let before = self.text.as_bytes().iter().take(at).filter(|b| **b == b'\n').count();
        self.lines.get(before).cloned().unwrap_or_default()
    }

    /// The lines that are not empty.
    pub fn lines(&self) -> impl Iterator<Item = Spanned> {
        let lines = self.text.split('\n').zip(&self.lines);
        lines.filter(|(text, _)| !text.is_empty()).map(|(text, o)| Spanned { text: text.to_owned(), origin: o.clone() })
    }

    /// All of it, line feeds included.
    pub fn whole(&self) -> Spanned {
        Spanned { text: self.text.clone(), origin: self.origin() }
    }

    /// A part of it, by bytes.
    pub fn slice(&self, range: std::ops::Range<usize>) -> Value {
        let text = self.text[range.clone()].to_owned();
        let first = self.text[..range.start].matches('\n').count();
        let lines = self.lines.iter().skip(first).take(line_count(&text)).cloned().collect();
        Value { text, lines }
    }

    /// Begins a new line.
    pub fn push_line(&mut self, text: &str, origin: Origin) {
        self.text.push('\n');
        self.text.push_str(text);
        self.lines.push(origin);
    }

    /// Goes on in the last line with `more`; a line that is still empty takes the place of what comes.
    pub fn append(&mut self, more: &Value) {
        let fresh = self.text.is_empty() || self.text.ends_with('\n');
        let mut lines = more.lines.iter();
        if let Some(first) = lines.next()
            && (fresh || self.lines.is_empty())
        {
            self.lines.pop();
            self.lines.push(first.clone());
        }
        self.lines.extend(lines.cloned());
        self.text.push_str(&more.text);
    }

    /// The same with every `from` replaced by `to`.
    pub fn replace(&self, from: &str, to: &Value) -> Value {
        let mut out = Value::default();
        let (mut done, mut line) = (0, 0);
        for (at, _) in self.text.match_indices(from) {
            out.append_part(self, done..at, &mut line);
            out.append(to);
            done = at + from.len();
        }
        out.append_part(self, done..self.text.len(), &mut line);
        out
    }

    /// Appends a part of another value that is walked from its begin to its end; `line` counts its lines from 0.
    pub fn append_part(&mut self, of: &Value, range: std::ops::Range<usize>, line: &mut usize) {
        let text = &of.text[range];
        let count = line_count(text);
        let lines = of.lines.iter().skip(*line).take(count).cloned().collect();
        *line += count - 1;
        self.append(&Value { text: text.to_owned(), lines });
    }

    /// Takes white space off the end.
    pub fn trim_end(&mut self) {
        self.text.truncate(super::ini::trim_end(&self.text).len());
        self.lines.truncate(line_count(&self.text));
    }
}

fn line_count(text: &str) -> usize {
    text.matches('\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(line: usize) -> Origin {
        Origin { line, column: 1, width: 1, ..Origin::default() }
    }

    #[test]
    fn every_line_keeps_its_place() {
        let mut outer = Value::new("a<x>b", at(1));
        outer.push_line("<x>", at(2));
        let mut inner = Value::new("p", at(10));
        inner.push_line("q", at(11));
        let got = outer.replace("<x>", &inner);
        assert_eq!(got.text(), "ap\nqb\np\nq");
        let places: Vec<usize> = got.lines().map(|s| s.origin.line).collect();
        assert_eq!(places, [1, 11, 10, 11]);
        assert_eq!(got.slice(3..7).lines().map(|s| s.origin.line).collect::<Vec<_>>(), [11, 10]);
    }
}
