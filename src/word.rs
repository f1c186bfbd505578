//! The plain values that fail2ban's commands are made of, and how Python writes them.

use std::fmt::{self, Write};
use std::sync::LazyLock;

use indexmap::IndexMap;
use regex::Regex;
use serde::Serialize;

/// One value of a command. [`Display`](fmt::Display) is Python's `repr`; as data it is what it is in JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Word {
    /// `None`: an option whose value could not be read.
    None,
    /// `True` or `False`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Text.
    Text(String),
    /// `[…]`.
    List(Vec<Word>),
    /// `{…}` with names that are text, in order.
    Dict(IndexMap<String, Word>),
}

impl Word {
    /// Text.
    pub fn text(text: impl Into<String>) -> Word {
        Word::Text(text.into())
    }

    /// What Python's `str` makes of it: text as it is, everything else as `repr` writes it.
    pub fn plain(&self) -> String {
        match self {
            Word::Text(text) => text.clone(),
            word => word.to_string(),
        }
    }
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Word::None => f.write_str("None"),
            Word::Bool(true) => f.write_str("True"),
            Word::Bool(false) => f.write_str("False"),
            Word::Int(number) => number.fmt(f),
            Word::Text(text) => quote(f, text),
            Word::List(words) => {
                f.write_char('[')?;
                for (at, word) in words.iter().enumerate() {
                    write!(f, "{}{word}", if at > 0 { ", " } else { "" })?;
                }
                f.write_char(']')
            }
            Word::Dict(entries) => {
                f.write_char('{')?;
                for (at, (name, word)) in entries.iter().enumerate() {
                    f.write_str(if at > 0 { ", " } else { "" })?;
                    quote(f, name)?;
                    write!(f, ": {word}")?;
                }
                f.write_char('}')
            }
        }
    }
}

/// Text in single quotes, in double ones where that saves escapes.
fn quote(f: &mut impl Write, text: &str) -> fmt::Result {
    let mark = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    f.write_char(mark)?;
    for c in text.chars() {
        match c {
            '\\' => f.write_str("\\\\")?,
            '\n' => f.write_str("\\n")?,
            '\r' => f.write_str("\\r")?,
            '\t' => f.write_str("\\t")?,
            c if c == mark => write!(f, "\\{c}")?,
            ' '..='~' => f.write_char(c)?,
            c if HIDDEN.is_match(c.encode_utf8(&mut [0; 4])) => match c as u32 {
                code @ 0..0x100 => write!(f, "\\x{code:02x}")?,
                code @ 0x100..0x10000 => write!(f, "\\u{code:04x}")?,
                code => write!(f, "\\U{code:08x}")?,
            },
            c => f.write_char(c)?,
        }
    }
    f.write_char(mark)
}

/// What `str.isprintable` calls unprintable.
static HIDDEN: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"[\p{C}\p{Z}]").expect("it is well formed"));

/// A text as Python's `repr` writes it.
pub fn repr(text: &str) -> String {
    let mut out = String::new();
    quote(&mut out, text).expect("a string takes everything");
    out
}

/// A list of pairs as Python's `json.dumps` writes it: one object, everything but ASCII escaped.
pub fn json<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let pairs = pairs.into_iter().map(|(name, text)| format!("{}: {}", json_text(name), json_text(text)));
    format!("{{{}}}", pairs.collect::<Vec<_>>().join(", "))
}

fn json_text(text: &str) -> String {
    let mut out = serde_json::Value::from(text).to_string().replace('\x7f', "\\u007f");
    if !out.is_ascii() {
        let escape = |c: char| match c.is_ascii() {
            true => c.to_string(),
            false => c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect(),
        };
        out = out.chars().map(escape).collect();
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_as_python_writes_them() {
        for (text, expected) in [
            ("a", r"'a'"),
            ("it's", r#""it's""#),
            ("'\"", r#"'\'"'"#),
            ("\"x' \\\t", r#"'"x\' \\\t'"#),
            ("\\d\n\t\r\x1b\x7f", r"'\\d\n\t\r\x1b\x7f'"),
            ("é\u{ad}\u{a0}\u{202e}\u{feff}\u{10ffff}😀", r"'é\xad\xa0\u202e\ufeff\U0010ffff😀'"),
        ] {
            assert_eq!(repr(text), expected);
        }
        let list = [Word::text("x"), Word::None, Word::Bool(true), Word::Int(-1), Word::List(vec![])];
        assert_eq!(Word::List(list.into()).to_string(), "['x', None, True, -1, []]");
        let dict = [("a".to_owned(), Word::Int(1)), ("b".to_owned(), Word::Bool(false))];
        assert_eq!(Word::Dict(dict.into()).to_string(), "{'a': 1, 'b': False}");
        assert_eq!([Word::text("a'").plain(), Word::Bool(true).plain()], ["a'", "True"]);
    }

    #[test]
    fn json_is_ascii() {
        assert_eq!(json([("x", "1\n\""), ("y", "é😀")]), r#"{"x": "1\n\"", "y": "\u00e9\ud83d\ude00"}"#);
        assert_eq!(json([]), "{}");
    }
}
