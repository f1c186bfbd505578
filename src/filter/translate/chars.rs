//! Escapes and classes: what stands for one character, or one of several.

use super::{Fallible, Last, Translator};

impl Translator {
    pub(super) fn escape(&mut self) -> Fallible<Last> {
        let c = self.next().ok_or(r"bad escape (end of pattern)")?;
        self.edges |= matches!(c, 'b' | 'B') && !self.flags.ascii;
        let text = match c {
            'A' => r"\A",
            'Z' => r"\z",
            // What is a word beside a mark the linear engine sees differently, so the relaxed form does not ask.
            'b' | 'B' if self.relaxed && !self.outline => "(?:)",
            'b' if self.flags.ascii => r"(?-u:\b)",
            'b' => r"\b",
            // The linear engine does not have this one.
            'B' if self.flags.ascii => {
                self.backtracks = true;
                r"\B"
            }
            'B' => r"\B",
            '1'..='9' => return self.digits(c),
            c => {
                if let Some(set) = self.set(c) {
                    self.out.push_str(set);
                } else {
                    let c = self.escaped_char(c)?;
                    self.literal(c);
                }
                return Ok(Last::Item);
            }
        };
        self.out.push_str(text);
        Ok(if matches!(c, 'A' | 'Z' | 'b' | 'B') { Last::Nothing } else { Last::Item })
    }

    /// `\1` … `\99` is a group, three octal digits are a character.
    fn digits(&mut self, first: char) -> Fallible<Last> {
        let octal = |c: Option<&char>| c.is_some_and(|c| matches!(c, '0'..='7'));
        if matches!(first, '1'..='7') && octal(self.input.get(self.at)) && octal(self.input.get(self.at + 1)) {
            let text: String = self.input[self.at - 1..self.at + 2].iter().collect();
            self.at += 2;
            let c = u32::from_str_radix(&text, 8).ok().filter(|n| *n <= 0o377).and_then(char::from_u32);
            return Ok(self.literal(c.ok_or("octal escape value outside of range 0-0o377")?));
        }
        let mut number = first.to_digit(10).unwrap_or(0) as usize;
        if let Some(second) = self.peek().and_then(|c| c.to_digit(10)) {
            self.at += 1;
            number = number * 10 + second as usize;
        }
        self.reference(number)
    }

    /// The classes `\d`, `\s`, `\w` and their opposites, as text that also stands inside `[…]`.
    fn set(&self, c: char) -> Option<&'static str> {
        Some(match (c, self.flags.ascii) {
            // Quicker to read than escapes.
            ('s', false) if self.outline => "[\t-\r\x1c- \u{e001}]",
            ('S', false) if self.outline => "[^\t-\r\x1c- \u{e001}]",
            ('w', false) if self.outline => "[0-9A-Za-z_\u{e000}]",
            ('W', false) if self.outline => "[^0-9A-Za-z_\u{e000}]",
            ('d', false) => r"\d",
            ('D', false) => r"\D",
            // Python's words have no marks and no joiners, and its numbers are not only digits.
            ('w', false) => r"[\p{L}\p{N}_]",
            ('W', false) => r"[^\p{L}\p{N}_]",
            // Python counts the four separators as white space.
            ('s', false) => r"[\s\x1c-\x1f]",
            ('S', false) => r"[^\s\x1c-\x1f]",
            ('d', true) => "[0-9]",
            ('D', true) => "[^0-9]",
            ('w', true) => "[0-9A-Za-z_]",
            ('W', true) => "[^0-9A-Za-z_]",
            ('s', true) => r"[ \t\n\r\f\v]",
            ('S', true) => r"[^ \t\n\r\f\v]",
            _ => return None,
        })
    }

    /// The character that `\` and `c` stand for, inside a class or outside.
    fn escaped_char(&mut self, c: char) -> Fallible<char> {
        let hex = |t: &mut Self, n: usize| -> Fallible<char> {
            let text: String = t.input[t.at..].iter().take(n).take_while(|c| c.is_ascii_hexdigit()).collect();
            if text.len() < n {
                return Err(format!(r"incomplete escape `\{c}{text}`"));
            }
            t.at += n;
            let code = u32::from_str_radix(&text, 16).ok().and_then(char::from_u32);
            code.ok_or_else(|| format!(r"bad escape `\{c}{text}`"))
        };
        match c {
            'a' => Ok('\x07'),
            'f' => Ok('\x0c'),
            'n' => Ok('\n'),
            'r' => Ok('\r'),
            't' => Ok('\t'),
            'v' => Ok('\x0b'),
            'x' => hex(self, 2),
            'u' => hex(self, 4),
            'U' => hex(self, 8),
            '0'..='7' => {
                let more: String =
                    self.input[self.at..].iter().take(2).take_while(|c| matches!(c, '0'..='7')).collect();
                self.at += more.len();
                let code = u32::from_str_radix(&format!("{c}{more}"), 8).ok().filter(|n| *n <= 0o377);
                code.and_then(char::from_u32).ok_or("octal escape value outside of range 0-0o377".into())
            }
            c if c.is_ascii_alphanumeric() => Err(format!(r"bad escape `\{c}`")),
            c => Ok(c),
        }
    }

    pub(super) fn class(&mut self) -> Fallible<Last> {
        self.out.push('[');
        if self.eat("^") {
            self.out.push('^');
        }
        let start = self.at;
        loop {
            let c = self.next().ok_or("unterminated character set")?;
            if c == ']' && self.at > start + 1 {
                break;
            }
            let low = self.class_item(c)?;
            let range = self.peek() == Some('-') && self.input.get(self.at + 1).is_some_and(|c| *c != ']');
            if !range {
                self.push_item(low);
                continue;
            }
            self.at += 1;
            let high = self.next().ok_or("unterminated character set")?;
            let (Item::Char(low), Item::Char(high)) = (low, self.class_item(high)?) else {
                return Err("bad character range".into());
            };
            if high < low {
                return Err(format!("bad character range `{low}-{high}`"));
            }
            push_literal(&mut self.out, low);
            self.out.push('-');
            push_literal(&mut self.out, high);
        }
        self.out.push(']');
        Ok(Last::Item)
    }

    fn class_item(&mut self, c: char) -> Fallible<Item> {
        if c != '\\' {
            return Ok(Item::Char(c));
        }
        let c = self.next().ok_or("unterminated character set")?;
        if c == 'b' {
            return Ok(Item::Char('\x08'));
        }
        match self.set(c) {
            Some(set) => Ok(Item::Set(set)),
            None => Ok(Item::Char(self.escaped_char(c)?)),
        }
    }

    fn push_item(&mut self, item: Item) {
        match item {
            Item::Char(c) => push_literal(&mut self.out, c),
            Item::Set(set) => self.out.push_str(set),
        }
    }
}

/// One item of a class.
#[derive(Clone, Copy)]
enum Item {
    Char(char),
    Set(&'static str),
}

/// A character that stands for itself, outside of a class and inside.
pub(super) fn push_literal(out: &mut String, c: char) {
    match c {
        '\\' | '.' | '+' | '*' | '?' | '(' | ')' | '|' | '[' | ']' | '{' | '}' | '^' | '$' | '#' | '&' | '-' | '~' => {
            out.push('\\');
            out.push(c);
        }
        c if c.is_control() => out.push_str(&format!(r"\x{{{:x}}}", c as u32)),
        c => out.push(c),
    }
}
