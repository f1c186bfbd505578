//! Carries out a pickle's instructions, those that make plain data, and gives what they made.

use super::{Plain, Unreadable, op};

/// A pickle that is being read.
pub struct Reader<'a> {
    bytes: &'a [u8],
    things: Vec<Thing>,
    stack: Vec<usize>,
    marks: Vec<usize>,
    memo: Vec<Option<usize>>,
    /// Names of classes are taken as what was raised.
    raised: bool,
}

impl<'a> Reader<'a> {
    /// At the start of a pickle.
    pub fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { bytes, things: Vec::new(), stack: Vec::new(), marks: Vec::new(), memo: Vec::new(), raised: false }
    }

    /// The same, where exceptions may stand in it: they are kept as names and values, nothing is run.
    pub fn raised(self) -> Reader<'a> {
        Reader { raised: true, ..self }
    }

    /// Reads it to its end.
    pub fn read(mut self) -> Result<Plain, Unreadable> {
        let top = self.run()?;
        let mut left = MAX_VALUES;
        self.plain(top, 0, &mut left)
    }

    fn run(&mut self) -> Result<usize, Unreadable> {
        loop {
            let code = self.byte()?;
            if code == op::STOP {
                return self.pop();
            }
            self.step(code)?;
            if self.things.len().max(self.stack.len()).max(self.marks.len()) > MAX_VALUES {
                return Err(Unreadable::TooBig);
            }
        }
    }

    fn step(&mut self, code: u8) -> Result<(), Unreadable> {
        match code {
            op::PROTO => match self.byte()? {
                0..=5 => {}
                other => return Err(Unreadable::Protocol(other)),
            },
            op::FRAME => drop(self.take(8)?),
            op::MARK => self.marks.push(self.stack.len()),
            op::POP => match self.marks.last() {
                Some(mark) if *mark == self.stack.len() => drop(self.marks.pop()),
                _ => drop(self.pop()?),
            },
            op::POP_MARK => drop(self.since_mark()?),
            op::DUP => {
                let top = self.top()?;
                self.stack.push(top);
            }
            op::NONE => self.leaf(Plain::None),
            op::NEWTRUE => self.leaf(Plain::Bool(true)),
            op::NEWFALSE => self.leaf(Plain::Bool(false)),
            op::BININT1
            | op::BININT2
            | op::BININT
            | op::INT
            | op::LONG
            | op::LONG1
            | op::LONG4
            | op::FLOAT
            | op::BINFLOAT => {
                let number = self.number(code)?;
                self.leaf(number);
            }
            op::STRING
            | op::UNICODE
            | op::BINSTRING
            | op::SHORT_BINSTRING
            | op::BINUNICODE
            | op::SHORT_BINUNICODE
            | op::BINUNICODE8
            | op::BINBYTES
            | op::SHORT_BINBYTES
            | op::BINBYTES8
            | op::BYTEARRAY8 => {
                let text = self.text(code)?;
                self.leaf(text);
            }
            op::EMPTY_LIST | op::EMPTY_SET => self.push(Thing::List(Vec::new())),
            op::EMPTY_DICT => self.push(Thing::Dict(Vec::new())),
            op::EMPTY_TUPLE => self.push(Thing::Tuple(Vec::new())),
            op::LIST | op::FROZENSET => {
                let items = self.since_mark()?;
                self.push(Thing::List(items));
            }
            op::TUPLE => {
                let items = self.since_mark()?;
                self.push(Thing::Tuple(items));
            }
            op::DICT => {
                let items = self.since_mark()?;
                self.push(Thing::Dict(items));
            }
            op::TUPLE1..=op::TUPLE3 => {
                let at = self.stack.len().checked_sub(usize::from(code - op::TUPLE1) + 1);
                let items = self.stack.split_off(at.ok_or(Unreadable::Truncated)?);
                self.push(Thing::Tuple(items));
            }
            op::APPEND => {
                let item = self.pop()?;
                self.extend(vec![item])?;
            }
            op::SETITEM => {
                let value = self.pop()?;
                let key = self.pop()?;
                self.extend(vec![key, value])?;
            }
            op::APPENDS | op::SETITEMS | op::ADDITEMS => {
                let items = self.since_mark()?;
                self.extend(items)?;
            }
            op::MEMOIZE => self.remember(self.memo.len())?,
            op::PUT | op::BINPUT | op::LONG_BINPUT => {
                let at = self.memo_number(code)?;
                self.remember(at)?;
            }
            op::GET | op::BINGET | op::LONG_BINGET => {
                let at = self.memo_number(code)?;
                let known = self.memo.get(at).copied().flatten().ok_or(Unreadable::Malformed)?;
                self.stack.push(known);
            }
            op::GLOBAL => {
                let (module, name) = (self.line()?, self.line()?);
                self.class(module.to_owned(), name.to_owned())?;
            }
            op::STACK_GLOBAL => {
                let (name, module) = (self.pop_text()?, self.pop_text()?);
                self.class(module, name)?;
            }
            op::REDUCE => self.call()?,
            // What an exception was given beyond its arguments.
            op::BUILD if self.raised => drop(self.pop()?),
            other => return Err(Unreadable::Opcode(other)),
        }
        Ok(())
    }

    fn number(&mut self, code: u8) -> Result<Plain, Unreadable> {
        let bad = |_| Unreadable::Malformed;
        Ok(match code {
            op::BININT1 => Plain::Int(i64::from(self.byte()?)),
            op::BININT2 => Plain::Int(i64::from(u16::from_le_bytes(self.array()?))),
            op::BININT => Plain::Int(i64::from(i32::from_le_bytes(self.array()?))),
            op::LONG1 => {
                let length = usize::from(self.byte()?);
                Plain::Int(whole(self.take(length)?)?)
            }
            op::LONG4 => {
                let length = self.length::<4>()?;
                Plain::Int(whole(self.take(length)?)?)
            }
            op::BINFLOAT => Plain::Float(f64::from_be_bytes(self.array()?)),
            op::FLOAT => Plain::Float(self.line()?.parse().map_err(|_| Unreadable::Malformed)?),
            op::INT => match self.line()? {
                "00" => Plain::Bool(false),
                "01" => Plain::Bool(true),
                digits => Plain::Int(digits.parse().map_err(bad)?),
            },
            _ => Plain::Int(self.line()?.trim_end_matches('L').parse().map_err(bad)?),
        })
    }

    fn text(&mut self, code: u8) -> Result<Plain, Unreadable> {
        let length = match code {
            op::STRING => return Ok(Plain::Text(unquoted(self.line()?).ok_or(Unreadable::Malformed)?)),
            op::UNICODE => return Ok(Plain::Text(unescaped(self.line()?).ok_or(Unreadable::Malformed)?)),
            op::SHORT_BINSTRING | op::SHORT_BINUNICODE | op::SHORT_BINBYTES => usize::from(self.byte()?),
            op::BINSTRING | op::BINUNICODE | op::BINBYTES => self.length::<4>()?,
            _ => self.length::<8>()?,
        };
        let bytes = self.take(length)?;
        Ok(match code {
            op::BINBYTES | op::SHORT_BINBYTES | op::BINBYTES8 | op::BYTEARRAY8 => Plain::Bytes(bytes.to_vec()),
            // Python's old strings are bytes; what is not UTF-8 in them is no text that a command could hold.
            _ => Plain::Text(std::str::from_utf8(bytes).map_err(|_| Unreadable::Malformed)?.to_owned()),
        })
    }

    /// Only the class of texts may be named, and in a reply those of exceptions.
    fn class(&mut self, module: String, name: String) -> Result<(), Unreadable> {
        let class = match (&*module, &*name) {
            ("builtins" | "__builtin__", "str") | ("__builtin__", "unicode") => Thing::Str,
            _ if self.raised => Thing::Class(module, name),
            _ => return Err(Unreadable::Code(format!("{module}.{name}"))),
        };
        self.push(class);
        Ok(())
    }

    /// `str(text)` is the text.
    fn call(&mut self) -> Result<(), Unreadable> {
        let (given, class) = (self.pop()?, self.pop()?);
        let Thing::Tuple(arguments) = &self.things[given] else { return Err(Unreadable::Malformed) };
        match (&self.things[class], &arguments[..]) {
            (Thing::Class(..), _) => self.push(Thing::Raised(class, given)),
            (Thing::Str, [text]) if matches!(self.things[*text], Thing::Leaf(Plain::Text(_))) => self.stack.push(*text),
            (_, [_]) => return Err(Unreadable::Code("a call".to_owned())),
            _ => return Err(Unreadable::Malformed),
        }
        Ok(())
    }

    fn extend(&mut self, items: Vec<usize>) -> Result<(), Unreadable> {
        let at = self.top()?;
        match &mut self.things[at] {
            Thing::List(all) | Thing::Dict(all) => all.extend(items),
            _ => return Err(Unreadable::Malformed),
        }
        Ok(())
    }

    fn remember(&mut self, at: usize) -> Result<(), Unreadable> {
        let top = self.top()?;
        if at > MAX_VALUES {
            return Err(Unreadable::TooBig);
        }
        if at >= self.memo.len() {
            self.memo.resize(at + 1, None);
        }
        self.memo[at] = Some(top);
        Ok(())
    }

    fn memo_number(&mut self, code: u8) -> Result<usize, Unreadable> {
        match code {
            op::BINPUT | op::BINGET => Ok(usize::from(self.byte()?)),
            op::LONG_BINPUT | op::LONG_BINGET => self.length::<4>(),
            _ => self.line()?.parse().map_err(|_| Unreadable::Malformed),
        }
    }

    fn leaf(&mut self, value: Plain) {
        self.push(Thing::Leaf(value));
    }

    fn push(&mut self, thing: Thing) {
        self.stack.push(self.things.len());
        self.things.push(thing);
    }

    /// The top of the stack, down to the last mark.
    fn pop(&mut self) -> Result<usize, Unreadable> {
        let floor = self.marks.last().copied().unwrap_or(0);
        if self.stack.len() <= floor {
            return Err(Unreadable::Malformed);
        }
        self.stack.pop().ok_or(Unreadable::Malformed)
    }

    fn top(&self) -> Result<usize, Unreadable> {
        self.stack.last().copied().ok_or(Unreadable::Malformed)
    }

    fn pop_text(&mut self) -> Result<String, Unreadable> {
        let at = self.pop()?;
        match &self.things[at] {
            Thing::Leaf(Plain::Text(text)) => Ok(text.clone()),
            _ => Err(Unreadable::Malformed),
        }
    }

    fn since_mark(&mut self) -> Result<Vec<usize>, Unreadable> {
        let mark = self.marks.pop().filter(|mark| *mark <= self.stack.len()).ok_or(Unreadable::Malformed)?;
        Ok(self.stack.split_off(mark))
    }

    fn byte(&mut self) -> Result<u8, Unreadable> {
        Ok(self.take(1)?[0])
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Unreadable> {
        let (taken, rest) = self.bytes.split_at_checked(length).ok_or(Unreadable::Truncated)?;
        self.bytes = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Unreadable> {
        self.take(N)?.try_into().map_err(|_| Unreadable::Truncated)
    }

    fn length<const N: usize>(&mut self) -> Result<usize, Unreadable> {
        let bytes: [u8; N] = self.array()?;
        let mut wide = [0; 8];
        wide[..N].copy_from_slice(&bytes);
        usize::try_from(u64::from_le_bytes(wide)).map_err(|_| Unreadable::TooBig)
    }

    fn line(&mut self) -> Result<&'a str, Unreadable> {
        let end = memchr::memchr(b'\n', self.bytes).ok_or(Unreadable::Truncated)?;
        let line = std::str::from_utf8(&self.bytes[..end]).map_err(|_| Unreadable::Malformed)?;
        self.bytes = &self.bytes[end + 1..];
        Ok(line.strip_suffix('\r').unwrap_or(line))
    }

    /// The thing as a value of its own; `left` are the values that it may still come to.
    fn plain(&self, at: usize, depth: usize, left: &mut usize) -> Result<Plain, Unreadable> {
        if depth > MAX_DEPTH || *left == 0 {
            return Err(Unreadable::TooBig);
        }
        *left -= 1;
        let mut all = |items: &[usize]| -> Result<Vec<Plain>, Unreadable> {
            items.iter().map(|item| self.plain(*item, depth + 1, left)).collect()
        };
        Ok(match &self.things[at] {
            Thing::Leaf(value) => {
                let length = match value {
                    Plain::Text(text) => text.len(),
                    Plain::Bytes(bytes) => bytes.len(),
                    _ => 0,
                };
                *left = left.checked_sub(length / BYTES_A_VALUE).ok_or(Unreadable::TooBig)?;
                value.clone()
            }
            Thing::List(items) => Plain::List(all(items)?),
            Thing::Tuple(items) => Plain::Tuple(all(items)?),
            Thing::Dict(items) => {
                let mut items = all(items)?.into_iter();
                let mut pairs = Vec::new();
                while let Some(key) = items.next() {
                    pairs.push((key, items.next().ok_or(Unreadable::Malformed)?));
                }
                Plain::Dict(pairs)
            }
            Thing::Raised(class, given) => {
                let (Thing::Class(module, name), Thing::Tuple(items)) = (&self.things[*class], &self.things[*given])
                else {
                    return Err(Unreadable::Malformed);
                };
                Plain::Exception(module.clone().into(), name.clone().into(), all(items)?)
            }
            Thing::Str | Thing::Class(..) => return Err(Unreadable::Code("a class".to_owned())),
        })
    }
}

/// What is being built. Python's values are shared and may change after they were put somewhere: so each has a place of
/// its own, and the others refer to it.
#[derive(Debug)]
enum Thing {
    Leaf(Plain),
    List(Vec<usize>),
    Tuple(Vec<usize>),
    Dict(Vec<usize>),
    /// The class `str`.
    Str,
    /// Another class: its module, its name.
    Class(String, String),
    /// What was made of a class with a tuple.
    Raised(usize, usize),
}

/// Little-endian two's complement of any length that fits.
fn whole(bytes: &[u8]) -> Result<i64, Unreadable> {
    let negative = bytes.last().is_some_and(|b| b & 0x80 != 0);
    let mut wide = [if negative { 0xff } else { 0 }; 8];
    wide.get_mut(..bytes.len()).ok_or(Unreadable::Malformed)?.copy_from_slice(bytes);
    Ok(i64::from_le_bytes(wide))
}

/// A text in quotes with Python's escapes.
fn unquoted(text: &str) -> Option<String> {
    let text = text.trim();
    let quote = text.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
    unescaped(text.strip_prefix(quote)?.strip_suffix(quote)?)
}

fn unescaped(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        let kind = rest.next()?;
        let digits = match kind {
            'n' => '\n'.into(),
            'r' => '\r'.into(),
            't' => '\t'.into(),
            '\\' | '\'' | '"' => kind.into(),
            'x' => 2.into(),
            'u' => 4.into(),
            'U' => 8.into(),
            _ => return None,
        };
        match digits {
            Escape::Char(c) => out.push(c),
            Escape::Digits(n) => {
                let hex: String = rest.by_ref().take(n).collect();
                let valid = hex.len() == n && hex.bytes().all(|b| b.is_ascii_hexdigit());
                out.push(char::from_u32(u32::from_str_radix(&hex, 16).ok().filter(|_| valid)?)?);
            }
        }
    }
    Some(out)
}

enum Escape {
    Char(char),
    Digits(usize),
}

impl From<char> for Escape {
    fn from(c: char) -> Escape {
        Escape::Char(c)
    }
}

impl From<usize> for Escape {
    fn from(n: usize) -> Escape {
        Escape::Digits(n)
    }
}

const MAX_VALUES: usize = 1 << 20;
/// So many bytes of text count as one more value.
const BYTES_A_VALUE: usize = 16;
const MAX_DEPTH: usize = 64;
