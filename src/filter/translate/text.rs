//! An expression as a text in Rust's notation.

use super::{Dialect, Greed, Group, Item, Kind, Output, Place, Repeat, Set};

/// The text so far.
pub struct Text {
    out: String,
    relaxed: bool,
    open: Vec<Open>,
}

/// A group that is not closed yet.
struct Open {
    /// Where it begins.
    start: usize,
    /// It is a look-around.
    looks: bool,
    /// It has to get another branch.
    halved: bool,
}

impl Text {
    pub fn new(dialect: Dialect, room: usize) -> Text {
        Text { out: String::with_capacity(room), relaxed: dialect == Dialect::Relaxed, open: Vec::new() }
    }

    fn item(&mut self, item: Item) {
        match item {
            Item::Set(set) => self.out.push_str(spelt(set)),
            Item::Range(low, high) if low == high => push_literal(&mut self.out, low),
            Item::Range(low, high) => {
                push_literal(&mut self.out, low);
                self.out.push('-');
                push_literal(&mut self.out, high);
            }
        }
    }
}

impl Output for Text {
    type Form = String;

    fn leading_case(&mut self) {
        self.out.push_str("(?i)");
    }

    fn literal(&mut self, c: char, _: bool) {
        push_literal(&mut self.out, c);
    }

    fn set(&mut self, set: Set, _: bool) {
        self.out.push_str(spelt(set));
    }

    fn class(&mut self, negated: bool, items: &[Item], _: bool) {
        self.out.push_str(if negated { "[^" } else { "[" });
        items.iter().for_each(|item| self.item(*item));
        self.out.push(']');
    }

    fn dot(&mut self, all: bool) {
        self.out.push_str(if all { "(?s:.)" } else { "." });
    }

    fn place(&mut self, place: Place) {
        self.out.push_str(match place {
            Place::Start => "^",
            Place::TextEnd => r"\z",
            Place::LineStart => "(?m:^)",
            Place::End if !self.relaxed => r"(?:(?=\n\z)|\z)",
            Place::End | Place::LineEnd => "(?m:$)",
            // What is a word beside a mark the linear engine sees differently, so the relaxed form does not ask.
            Place::Edge(_) | Place::AsciiEdge(_) if self.relaxed => "(?:)",
            Place::AsciiEdge(true) => r"(?-u:\b)",
            Place::Edge(true) => r"\b",
            Place::Edge(false) | Place::AsciiEdge(false) => r"\B",
        });
    }

    fn open(&mut self, group: Group<'_>) {
        self.open.push(Open {
            start: self.out.len(),
            looks: matches!(group, Group::Look(_)),
            halved: matches!(group, Group::Conditional(_)),
        });
        self.out.push('(');
        match group {
            Group::Capture(_, None) => {}
            Group::Capture(_, Some(name)) => {
                self.out.push_str("?P<");
                self.out.push_str(name);
                self.out.push('>');
            }
            Group::Look(look) => {
                self.out.push('?');
                self.out.push_str(look);
            }
            Group::Atomic if !self.relaxed => self.out.push_str("?>"),
            Group::Conditional(number) if !self.relaxed => self.out.push_str(&format!("?({number})")),
            Group::Plain | Group::Atomic | Group::Conditional(_) => self.out.push_str("?:"),
            Group::Case(ignored) => self.out.push_str(if ignored { "?i:" } else { "?-i:" }),
        }
    }

    fn branch(&mut self) {
        if let Some(open) = self.open.last_mut() {
            open.halved = false;
        }
        self.out.push('|');
    }

    fn close(&mut self) {
        let Some(open) = self.open.pop() else { return };
        if open.looks && self.relaxed {
            self.out.truncate(open.start);
            self.out.push_str("(?:");
        } else if open.halved && self.relaxed {
            self.out.push('|');
        }
        self.out.push(')');
    }

    fn reference(&mut self, number: usize) {
        match self.relaxed {
            true => self.out.push_str("(?s:.*)"),
            false => self.out.push_str(&format!(r"(?:\{number})")),
        }
    }

    fn repeat(&mut self, repeat: Repeat) {
        match (repeat.min, repeat.max) {
            (0, None) => self.out.push('*'),
            (1, None) => self.out.push('+'),
            (0, Some(1)) => self.out.push('?'),
            (min, None) => self.out.push_str(&format!("{{{min},}}")),
            (min, Some(max)) => self.out.push_str(&format!("{{{min},{max}}}")),
        }
        match repeat.greed {
            Greed::Lazy => self.out.push('?'),
            Greed::Possessive if !self.relaxed => self.out.push('+'),
            Greed::Possessive | Greed::Greedy => {}
        }
    }

    fn end(self) -> String {
        self.out
    }
}

/// A set as text that also stands inside `[…]`.
fn spelt(set: Set) -> &'static str {
    match (set.kind, set.ascii, set.negated) {
        (Kind::Digit, false, false) => r"\d",
        (Kind::Digit, false, true) => r"\D",
        // Python's words have no marks and no joiners, and its numbers are not only digits.
        (Kind::Word, false, false) => r"[\p{L}\p{N}_]",
        (Kind::Word, false, true) => r"[^\p{L}\p{N}_]",
        // Python counts the four separators as white space.
        (Kind::Space, false, false) => r"[\s\x1c-\x1f]",
        (Kind::Space, false, true) => r"[^\s\x1c-\x1f]",
        (Kind::Digit, true, false) => "[0-9]",
        (Kind::Digit, true, true) => "[^0-9]",
        (Kind::Word, true, false) => "[0-9A-Za-z_]",
        (Kind::Word, true, true) => "[^0-9A-Za-z_]",
        (Kind::Space, true, false) => r"[ \t\n\r\f\v]",
        (Kind::Space, true, true) => r"[^ \t\n\r\f\v]",
    }
}

/// A character that stands for itself, outside of a class and inside.
fn push_literal(out: &mut String, c: char) {
    match c {
        '\\' | '.' | '+' | '*' | '?' | '(' | ')' | '|' | '[' | ']' | '{' | '}' | '^' | '$' | '#' | '&' | '-' | '~' => {
            out.push('\\');
            out.push(c);
        }
        c if c.is_control() => out.push_str(&format!(r"\x{{{:x}}}", c as u32)),
        c => out.push(c),
    }
}
