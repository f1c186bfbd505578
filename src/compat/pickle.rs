//! Python's pickle, as far as fail2ban's clients speak it: plain data in, plain data out.
//!
//! [`decode`] reads protocols 0 to 5. Python would run code that a pickle names; here a name is refused, `str` aside,
//! which only makes a text of a text. Depth and size are bounded, also of what refers to itself or to the same thing
//! many times. [`encode`] writes protocol 2 without memo, which every client reads, the old ones in Go too.

use thiserror::Error;

/// A value without behaviour.
#[derive(Clone, Debug, PartialEq)]
pub enum Plain {
    /// `None`
    None,
    /// `True`, `False`
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number with a fraction.
    Float(f64),
    /// `str`
    Text(String),
    /// `bytes`
    Bytes(Vec<u8>),
    /// `list`; a `set` is read as one.
    List(Vec<Plain>),
    /// `tuple`
    Tuple(Vec<Plain>),
    /// `dict`, in its order.
    Dict(Vec<(Plain, Plain)>),
    /// An exception: its module, its class, what it was made with. Only ever sent.
    Exception(&'static str, &'static str, Vec<Plain>),
}

/// Why a pickle cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[expect(missing_docs, reason = "each says it in its message")]
pub enum Unreadable {
    #[error("pickle data was truncated")]
    Truncated,
    #[error("invalid load key, {}.", shown(*.0))]
    Opcode(u8),
    #[error("unsupported pickle protocol: {0}")]
    Protocol(u8),
    #[error("`{0}` is not plain data")]
    Code(String),
    #[error("a number, a text or a length in it cannot be read")]
    Malformed,
    #[error("there is more of it than a command can need")]
    TooBig,
}

/// Reads one pickle; what stands behind its end is passed over.
pub fn decode(bytes: &[u8]) -> Result<Plain, Unreadable> {
    if bytes.len() > MAX_BYTES {
        return Err(Unreadable::TooBig);
    }
    let mut reader = Reader { bytes, things: Vec::new(), stack: Vec::new(), marks: Vec::new(), memo: Vec::new() };
    let top = reader.run()?;
    let mut left = MAX_VALUES;
    reader.plain(top, 0, &mut left)
}

/// Writes a value as one pickle.
pub fn encode(value: &Plain) -> Vec<u8> {
    let mut out = vec![op::PROTO, 2];
    write(value, &mut out);
    out.push(op::STOP);
    out
}

impl From<&str> for Plain {
    fn from(text: &str) -> Plain {
        Plain::Text(text.to_owned())
    }
}

impl From<String> for Plain {
    fn from(text: String) -> Plain {
        Plain::Text(text)
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
}

struct Reader<'a> {
    bytes: &'a [u8],
    things: Vec<Thing>,
    stack: Vec<usize>,
    marks: Vec<usize>,
    memo: Vec<Option<usize>>,
}

impl<'a> Reader<'a> {
    fn run(&mut self) -> Result<usize, Unreadable> {
        loop {
            let code = self.byte()?;
            if code == op::STOP {
                return self.pop();
            }
            self.step(code)?;
            if self.things.len() > MAX_VALUES {
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
                self.class(&format!("{module}.{name}"))?;
            }
            op::STACK_GLOBAL => {
                let (name, module) = (self.pop_text()?, self.pop_text()?);
                self.class(&format!("{module}.{name}"))?;
            }
            op::REDUCE => self.call()?,
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

    /// Only the class of texts may be named.
    fn class(&mut self, name: &str) -> Result<(), Unreadable> {
        match name {
            "builtins.str" | "__builtin__.str" | "__builtin__.unicode" => {
                self.push(Thing::Str);
                Ok(())
            }
            other => Err(Unreadable::Code(other.to_owned())),
        }
    }

    /// `str(text)` is the text.
    fn call(&mut self) -> Result<(), Unreadable> {
        let (arguments, class) = (self.pop()?, self.pop()?);
        let Thing::Tuple(arguments) = &self.things[arguments] else { return Err(Unreadable::Malformed) };
        let [text] = arguments[..] else { return Err(Unreadable::Malformed) };
        let is_text = matches!(self.things[text], Thing::Leaf(Plain::Text(_)));
        if !is_text || !matches!(self.things[class], Thing::Str) {
            return Err(Unreadable::Code("a call".to_owned()));
        }
        self.stack.push(text);
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
            Thing::Str => return Err(Unreadable::Code("str".to_owned())),
        })
    }
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

fn write(value: &Plain, out: &mut Vec<u8>) {
    match value {
        Plain::None => out.push(op::NONE),
        Plain::Bool(true) => out.push(op::NEWTRUE),
        Plain::Bool(false) => out.push(op::NEWFALSE),
        Plain::Int(number) => write_int(*number, out),
        Plain::Float(number) => {
            out.push(op::BINFLOAT);
            out.extend(number.to_be_bytes());
        }
        Plain::Text(text) => write_sized(op::BINUNICODE, text.as_bytes(), out),
        // Nobody wants bytes of us; as a text they harm nobody.
        Plain::Bytes(bytes) => write_sized(op::BINUNICODE, String::from_utf8_lossy(bytes).as_bytes(), out),
        Plain::List(items) => {
            out.push(op::EMPTY_LIST);
            if !items.is_empty() {
                out.push(op::MARK);
                items.iter().for_each(|item| write(item, out));
                out.push(op::APPENDS);
            }
        }
        Plain::Tuple(items) => write_tuple(items, out),
        Plain::Dict(pairs) => {
            out.push(op::EMPTY_DICT);
            if !pairs.is_empty() {
                out.push(op::MARK);
                for (key, value) in pairs {
                    write(key, out);
                    write(value, out);
                }
                out.push(op::SETITEMS);
            }
        }
        Plain::Exception(module, class, arguments) => {
            out.push(op::GLOBAL);
            out.extend(format!("{module}\n{class}\n").bytes());
            write_tuple(arguments, out);
            out.push(op::REDUCE);
        }
    }
}

fn write_int(number: i64, out: &mut Vec<u8>) {
    if let Ok(small) = u8::try_from(number) {
        out.extend([op::BININT1, small]);
    } else if let Ok(small) = u16::try_from(number) {
        out.push(op::BININT2);
        out.extend(small.to_le_bytes());
    } else if let Ok(small) = i32::try_from(number) {
        out.push(op::BININT);
        out.extend(small.to_le_bytes());
    } else {
        out.extend([op::LONG1, 8]);
        out.extend(number.to_le_bytes());
    }
}

fn write_sized(code: u8, bytes: &[u8], out: &mut Vec<u8>) {
    // Four bytes of length; nothing that is said here comes near their end.
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    out.push(code);
    out.extend(length.to_le_bytes());
    out.extend(&bytes[..bytes.len().min(length as usize)]);
}

fn write_tuple(items: &[Plain], out: &mut Vec<u8>) {
    match items {
        [] => out.push(op::EMPTY_TUPLE),
        [_] | [_, _] | [_, _, _] => {
            items.iter().for_each(|item| write(item, out));
            out.push(op::TUPLE1 + u8::try_from(items.len() - 1).unwrap_or(0));
        }
        _ => {
            out.push(op::MARK);
            items.iter().for_each(|item| write(item, out));
            out.push(op::TUPLE);
        }
    }
}

/// A byte as Python shows it.
fn shown(byte: u8) -> String {
    match byte {
        b'\'' => "\"'\"".to_owned(),
        0x20..=0x7e => format!("'{}'", char::from(byte)),
        _ => format!("'\\x{byte:02x}'"),
    }
}

/// The longest pickle that is read.
pub const MAX_BYTES: usize = 16 << 20;
const MAX_VALUES: usize = 1 << 20;
/// So many bytes of text count as one more value.
const BYTES_A_VALUE: usize = 16;
const MAX_DEPTH: usize = 64;

/// The machine's instructions, by Python's names.
mod op {
    pub const MARK: u8 = b'(';
    pub const STOP: u8 = b'.';
    pub const POP: u8 = b'0';
    pub const POP_MARK: u8 = b'1';
    pub const DUP: u8 = b'2';
    pub const FLOAT: u8 = b'F';
    pub const INT: u8 = b'I';
    pub const BININT: u8 = b'J';
    pub const BININT1: u8 = b'K';
    pub const LONG: u8 = b'L';
    pub const BININT2: u8 = b'M';
    pub const NONE: u8 = b'N';
    pub const REDUCE: u8 = b'R';
    pub const STRING: u8 = b'S';
    pub const BINSTRING: u8 = b'T';
    pub const SHORT_BINSTRING: u8 = b'U';
    pub const UNICODE: u8 = b'V';
    pub const BINUNICODE: u8 = b'X';
    pub const APPEND: u8 = b'a';
    pub const GLOBAL: u8 = b'c';
    pub const DICT: u8 = b'd';
    pub const EMPTY_DICT: u8 = b'}';
    pub const APPENDS: u8 = b'e';
    pub const GET: u8 = b'g';
    pub const BINGET: u8 = b'h';
    pub const LONG_BINGET: u8 = b'j';
    pub const LIST: u8 = b'l';
    pub const EMPTY_LIST: u8 = b']';
    pub const PUT: u8 = b'p';
    pub const BINPUT: u8 = b'q';
    pub const LONG_BINPUT: u8 = b'r';
    pub const SETITEM: u8 = b's';
    pub const TUPLE: u8 = b't';
    pub const EMPTY_TUPLE: u8 = b')';
    pub const SETITEMS: u8 = b'u';
    pub const BINFLOAT: u8 = b'G';
    pub const BINBYTES: u8 = b'B';
    pub const SHORT_BINBYTES: u8 = b'C';
    pub const PROTO: u8 = 0x80;
    pub const TUPLE1: u8 = 0x85;
    pub const TUPLE3: u8 = 0x87;
    pub const NEWTRUE: u8 = 0x88;
    pub const NEWFALSE: u8 = 0x89;
    pub const LONG1: u8 = 0x8a;
    pub const LONG4: u8 = 0x8b;
    pub const SHORT_BINUNICODE: u8 = 0x8c;
    pub const BINUNICODE8: u8 = 0x8d;
    pub const BINBYTES8: u8 = 0x8e;
    pub const EMPTY_SET: u8 = 0x8f;
    pub const ADDITEMS: u8 = 0x90;
    pub const FROZENSET: u8 = 0x91;
    pub const STACK_GLOBAL: u8 = 0x93;
    pub const MEMOIZE: u8 = 0x94;
    pub const FRAME: u8 = 0x95;
    pub const BYTEARRAY8: u8 = 0x96;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Plain {
        text.into()
    }

    #[test]
    fn what_clients_send_is_read() {
        let ping = Plain::List(vec![text("ping")]);
        for bytes in [
            &b"\x80\x05\x95\x0b\0\0\0\0\0\0\0]\x94\x8c\x04ping\x94a."[..],
            b"\x80\x02(U\x04pingl.",
            b"(U\x04pingl.",
            b"(lp0\nVping\np1\na.",
            b"(lp0\nS'ping'\np1\na.",
            b"(S\"pi\\x6eg\"\nl.",
            b"\x80\x02]q\0X\x04\0\0\0pingq\x01a.trailing",
            b"\x80\x02]c__builtin__\nunicode\nX\x04\0\0\0ping\x85Ra.",
            b"\x80\x04]\x8c\x08builtins\x8c\x03str\x93\x8c\x04ping\x85Ra.",
        ] {
            assert_eq!(decode(bytes), Ok(ping.clone()), "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn numbers_of_every_kind_are_read() {
        for (bytes, number) in [
            (&b"K\x07."[..], Plain::Int(7)),
            (b"M\x58\x02.", Plain::Int(600)),
            (b"J\xff\xff\xff\xff.", Plain::Int(-1)),
            (b"I-5\n.", Plain::Int(-5)),
            (b"I01\n.", Plain::Bool(true)),
            (b"L86400L\n.", Plain::Int(86_400)),
            (b"\x8a\x02\x00\xff.", Plain::Int(-256)),
            (b"\x8a\0.", Plain::Int(0)),
            (b"F0.5\n.", Plain::Float(0.5)),
            (b"G\x3f\xb9\x99\x99\x99\x99\x99\x9a.", Plain::Float(0.1)),
            (b"\x88.", Plain::Bool(true)),
            (b"N.", Plain::None),
        ] {
            assert_eq!(decode(bytes), Ok(number), "{}", bytes.escape_ascii());
        }
        assert_eq!(decode(b"\x8a\x09123456789."), Err(Unreadable::Malformed));
    }

    #[test]
    fn a_list_that_grows_after_it_was_remembered_is_one_list() {
        // [x, x] where x = ["a"], the "a" appended last.
        let expected = Plain::List(vec![Plain::List(vec![text("a")]), Plain::List(vec![text("a")])]);
        assert_eq!(decode(b"](]q\0h\0ej\0\0\0\0X\x01\0\0\0aa0."), Ok(expected));
    }

    #[test]
    fn code_is_refused() {
        for bytes in [
            &b"cos\nsystem\n(S'true'\ntR."[..],
            b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x04true\x85R.",
            b"c__builtin__\nstr\n.",
            b"(S'x'\nios\nsystem\n.",
            b"cbuiltins\nstr\n]\x85R.",
            b"]]R.",
        ] {
            assert!(decode(bytes).is_err(), "{}", bytes.escape_ascii());
        }
        assert_eq!(decode(b"[\"ping\"]").expect_err("JSON").to_string(), "invalid load key, '['.");
    }

    #[test]
    fn what_would_become_too_big_is_refused() {
        // Each list holds the one before twice, thirty times over.
        let mut laughs = b"]X\x01\0\0\0aaq\0".to_vec();
        for at in 0..30u8 {
            laughs.extend([b']', b'h', at, b'a', b'h', at, b'a', b'q', at + 1]);
        }
        laughs.push(b'.');
        assert_eq!(decode(&laughs), Err(Unreadable::TooBig));
        assert_eq!(decode(b"]q\0h\0a."), Err(Unreadable::TooBig), "a list that holds itself");
        let deep = [&b"]".repeat(100)[..], &b"a".repeat(99), b"."].concat();
        assert_eq!(decode(&deep), Err(Unreadable::TooBig));
        assert_eq!(decode(b"Nr\xff\xff\xff\xff."), Err(Unreadable::TooBig));
        assert_eq!(decode(b"X\xff\xff\xff\xffa."), Err(Unreadable::Truncated));
        assert_eq!(decode(&vec![b'N'; MAX_BYTES + 1]), Err(Unreadable::TooBig));
    }

    #[test]
    fn replies_have_the_bytes_that_every_client_reads() {
        let reply = |value| Plain::Tuple(vec![Plain::Int(0), value]);
        assert_eq!(encode(&reply(text("pong"))), b"\x80\x02K\0X\x04\0\0\0pong\x86.");
        assert_eq!(encode(&reply(Plain::None)), b"\x80\x02K\0N\x86.");
        assert_eq!(encode(&reply(Plain::Int(600))), b"\x80\x02K\0M\x58\x02\x86.");
        assert_eq!(encode(&reply(Plain::Int(-1))), b"\x80\x02K\0J\xff\xff\xff\xff\x86.");
        assert_eq!(encode(&reply(Plain::List(vec![]))), b"\x80\x02K\0]\x86.");
        let unknown = Plain::Exception("fail2ban.exceptions", "UnknownJailException", vec![text("nojail")]);
        let refusal = Plain::Tuple(vec![Plain::Int(1), unknown]);
        let expected = b"\x80\x02K\x01cfail2ban.exceptions\nUnknownJailException\nX\x06\0\0\0nojail\x85R\x86.";
        assert_eq!(encode(&refusal), expected);
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(0u8.., 0..200)) {
            let _either = decode(&bytes);
        }

        #[test]
        fn what_is_written_is_read_again(value in values()) {
            proptest::prop_assert_eq!(decode(&encode(&value)), Ok(value));
        }
    }

    fn values() -> impl proptest::strategy::Strategy<Value = Plain> {
        use proptest::prelude::*;
        let leaf = prop_oneof![
            Just(Plain::None),
            any::<bool>().prop_map(Plain::Bool),
            any::<i64>().prop_map(Plain::Int),
            (-1e9..1e9f64).prop_map(Plain::Float),
            ".*".prop_map(Plain::Text),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            let pair = (inner.clone(), inner.clone());
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Plain::List),
                prop::collection::vec(inner, 0..6).prop_map(Plain::Tuple),
                prop::collection::vec(pair, 0..4).prop_map(Plain::Dict),
            ]
        })
    }
}
