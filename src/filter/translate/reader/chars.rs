//! Escapes and classes: what stands for one character, or one of several.

use super::super::{Item, Kind, Output, Place, Set};
use super::{Fallible, Last, Translator};

impl<O: Output> Translator<O> {
    pub(super) fn escape(&mut self) -> Fallible<Last> {
        let c = self.next().ok_or(r"bad escape (end of pattern)")?;
        self.edges |= matches!(c, 'b' | 'B') && !self.flags.ascii;
        Ok(match c {
            'A' => self.place(Place::Start),
            'Z' => self.place(Place::TextEnd),
            'b' | 'B' if self.flags.ascii => {
                // The linear engine does not have the opposite.
                self.backtracks |= c == 'B';
                self.place(Place::AsciiEdge(c == 'b'))
            }
            'b' | 'B' => self.place(Place::Edge(c == 'b')),
            '1'..='9' => return self.digits(c),
            c => match self.set(c) {
                Some(set) => {
                    self.out.set(set, self.flags.ignore_case);
                    Last::Item
                }
                None => {
                    let c = self.escaped_char(c)?;
                    self.literal(c)
                }
            },
        })
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

    fn set(&self, c: char) -> Option<Set> {
        let kind = match c.to_ascii_lowercase() {
            'd' => Kind::Digit,
            's' => Kind::Space,
            'w' => Kind::Word,
            _ => return None,
        };
        Some(Set { kind, ascii: self.flags.ascii, negated: c.is_ascii_uppercase() })
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
        let (negated, mut items) = (self.eat("^"), Vec::new());
        loop {
            let c = self.next().ok_or("unterminated character set")?;
            if c == ']' && !items.is_empty() {
                break;
            }
            let low = self.class_item(c)?;
            let range = self.peek() == Some('-') && self.input.get(self.at + 1).is_some_and(|c| *c != ']');
            if !range {
                items.push(low);
                continue;
            }
            self.at += 1;
            let high = self.next().ok_or("unterminated character set")?;
            let (Item::Range(low, _), Item::Range(high, _)) = (low, self.class_item(high)?) else {
                return Err("bad character range".into());
            };
            if high < low {
                return Err(format!("bad character range `{low}-{high}`"));
            }
            items.push(Item::Range(low, high));
        }
        self.out.class(negated, &items, self.flags.ignore_case);
        Ok(Last::Item)
    }

    fn class_item(&mut self, c: char) -> Fallible<Item> {
        let single = |c| Item::Range(c, c);
        if c != '\\' {
            return Ok(single(c));
        }
        let c = self.next().ok_or("unterminated character set")?;
        match self.set(c) {
            _ if c == 'b' => Ok(single('\x08')),
            Some(set) => Ok(Item::Set(set)),
            None => self.escaped_char(c).map(single),
        }
    }
}
