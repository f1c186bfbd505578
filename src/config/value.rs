//! A text with the place of each of its lines, kept through continuation lines, interpolation and tags, so that a
//! problem found at the end of all that can still point into a file.

use std::ops::Range;
use std::rc::Rc;

use memchr::{memchr_iter, memmem};
use smallvec::SmallVec;

use super::{Origin, Spanned};

/// A text and where each of its lines was written. Its clones share one text until one of them is changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Value(Rc<Body>);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Body {
    text: String,
    lines: SmallVec<[Origin; 1]>,
    name: Option<Origin>,
}

impl Value {
    /// A text that was written at one place.
    pub fn new(text: impl Into<String>, origin: Origin) -> Value {
        let text = text.into();
        let lines = SmallVec::from_elem(origin, line_count(&text));
        Value(Rc::new(Body { text, lines, name: None }))
    }

    /// The same for an option whose name was written at `place`.
    pub fn named(mut self, place: Origin) -> Value {
        Rc::make_mut(&mut self.0).name = Some(place);
        self
    }

    /// An empty text with room for so many bytes.
    pub fn with_capacity(bytes: usize) -> Value {
        Value(Rc::new(Body { text: String::with_capacity(bytes), ..Body::default() }))
    }

    /// A text that stands in no file.
    pub fn bare(text: impl Into<String>) -> Value {
        Value::new(text, Origin::default())
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.0.text
    }

    /// Where the name of its option was written; `None`: it is not as it stands in a file.
    pub fn name(&self) -> Option<&Origin> {
        self.0.name.as_ref()
    }

    /// Where the first line that is not empty was written.
    pub fn origin(&self) -> Origin {
        let first = self.text().split('\n').position(|line| !line.is_empty()).unwrap_or(0);
        self.0.lines.get(first).cloned().unwrap_or_default()
    }

    /// Where the line that holds byte `at` was written.
    pub fn origin_at(&self, at: usize) -> Origin {
        let before = self.text().as_bytes().iter().take(at).filter(|b| **b == b'\n').count();
        self.0.lines.get(before).cloned().unwrap_or_default()
    }

    /// The lines that are not empty.
    pub fn lines(&self) -> impl Iterator<Item = Spanned> {
        let lines = self.text().split('\n').zip(&self.0.lines);
        lines.filter(|(text, _)| !text.is_empty()).map(|(text, o)| Spanned { text: text.to_owned(), origin: o.clone() })
    }

    /// All of it, line feeds included.
    pub fn whole(&self) -> Spanned {
        Spanned { text: self.text().to_owned(), origin: self.origin() }
    }

    /// A part of it, by bytes.
    pub fn slice(&self, range: Range<usize>) -> Value {
        let text = self.text()[range.clone()].to_owned();
        let first = line_count(&self.text()[..range.start]) - 1;
        let lines = self.0.lines.iter().skip(first).take(line_count(&text)).cloned().collect();
        Value(Rc::new(Body { text, lines, name: None }))
    }

    /// Begins a new line.
    pub fn push_line(&mut self, text: &str, origin: Origin) {
        let body = Rc::make_mut(&mut self.0);
        body.text.push('\n');
        body.text.push_str(text);
        body.lines.push(origin);
    }

    /// The same with every `from` replaced by `to`; `None`: it would be longer than `most` bytes, `from` itself counted in.
    pub fn replace(&self, from: &str, to: &Value, most: usize) -> Option<Value> {
        let places: SmallVec<[usize; 8]> = memmem::find_iter(self.text().as_bytes(), from).collect();
        if self.text().len() + places.len() * to.text().len() > most {
            return None;
        }
        let mut body = Body {
            text: String::with_capacity(self.text().len() + places.len() * to.text().len()),
            lines: SmallVec::with_capacity(self.0.lines.len() + places.len() * to.0.lines.len()),
            name: None,
        };
        let (mut done, mut line) = (0, 0);
        for at in places {
            body.append_part(&self.0, done..at, &mut line);
            body.append(to.text(), &to.0.lines);
            done = at + from.len();
        }
        body.append_part(&self.0, done..self.text().len(), &mut line);
        Some(Value(Rc::new(body)))
    }

    /// Goes on in the last line with a part of another value that is walked from its begin to its end; `line` counts its
    /// lines from 0.
    pub fn append_part(&mut self, of: &Value, range: Range<usize>, line: &mut usize) {
        Rc::make_mut(&mut self.0).append_part(&of.0, range, line);
    }

    /// Takes white space off the end.
    pub fn trim_end(&mut self) {
        let length = super::ini::trim_end(self.text()).len();
        if length < self.text().len() {
            let body = Rc::make_mut(&mut self.0);
            body.text.truncate(length);
            body.lines.truncate(line_count(&body.text));
        }
    }
}

impl Body {
    /// Goes on in the last line; one that is still empty takes the place of what comes.
    fn append(&mut self, text: &str, lines: &[Origin]) {
        let fresh = self.text.is_empty() || self.text.ends_with('\n');
        let Some((first, rest)) = lines.split_first() else { return self.text.push_str(text) };
        if fresh || self.lines.is_empty() {
            self.lines.pop();
            self.lines.push(first.clone());
        }
        if !rest.is_empty() {
            self.lines.extend(rest.iter().cloned());
        }
        self.text.push_str(text);
    }

    fn append_part(&mut self, of: &Body, range: Range<usize>, line: &mut usize) {
        let text = &of.text[range];
        let first = *line;
        if of.lines.len() > 1 {
            *line += line_count(text) - 1;
        }
        let behind = of.lines.len().min(*line + 1);
        self.append(text, of.lines.get(first..behind).unwrap_or_default());
    }
}

fn line_count(text: &str) -> usize {
    memchr_iter(b'\n', text.as_bytes()).count() + 1
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
        let got = outer.replace("<x>", &inner, 100).expect("it is short enough");
        assert_eq!(got.text(), "ap\nqb\np\nq");
        let places: Vec<usize> = got.lines().map(|s| s.origin.line).collect();
        assert_eq!(places, [1, 11, 10, 11]);
        assert_eq!(got.slice(3..7).lines().map(|s| s.origin.line).collect::<Vec<_>>(), [11, 10]);
    }
}
