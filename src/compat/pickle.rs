//! Python's pickle, as far as fail2ban's clients speak it: plain data in, plain data out.
//!
//! [`decode`] reads protocols 0 to 5. Python would run code that a pickle names; here a name is refused, `str` aside,
//! which only makes a text of a text. Depth and size are bounded, also of what refers to itself or to the same thing
//! many times. [`encode`] writes protocol 2 without memo, which every client reads, the old ones in Go too.

mod op;
mod reader;
mod shown;

use std::borrow::Cow;

use thiserror::Error;

use reader::Reader;

use crate::word::Word;

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
    /// An exception: its module, its class, what it was made with. Only in replies.
    Exception(Cow<'static, str>, Cow<'static, str>, Vec<Plain>),
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
    Reader::new(bytes).read()
}

/// Reads what a server replied: the same, but an exception may be in it.
pub fn decode_reply(bytes: &[u8]) -> Result<Plain, Unreadable> {
    Reader::new(bytes).raised().read()
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

impl From<Word> for Plain {
    fn from(word: Word) -> Plain {
        match word {
            Word::None => Plain::None,
            Word::Bool(truth) => Plain::Bool(truth),
            Word::Int(number) => Plain::Int(number),
            Word::Text(text) => Plain::Text(text),
            Word::List(words) => Plain::List(words.into_iter().map(Plain::from).collect()),
            Word::Dict(entries) => Plain::Dict(entries.into_iter().map(|(k, w)| (k.into(), w.into())).collect()),
        }
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
    fn an_exception_in_a_reply_is_a_name_with_values() {
        let unknown = |args| Plain::Exception("builtins".into(), "KeyError".into(), args);
        let reply = b"\x80\x05K\x01\x8c\x08builtins\x94\x8c\x08KeyError\x94\x93\x94\x8c\x01x\x94\x85\x94R\x94\x86\x94.";
        let expected = Plain::Tuple(vec![Plain::Int(1), unknown(vec![text("x")])]);
        assert_eq!(decode_reply(reply), Ok(expected));
        assert_eq!(decode_reply(b"cbuiltins\nKeyError\n)R}b."), Ok(unknown(vec![])));
        for bytes in [&b"cbuiltins\nKeyError\n."[..], b"]]R.", b"cbuiltins\nKeyError\n]R."] {
            assert!(decode_reply(bytes).is_err(), "{}", bytes.escape_ascii());
        }
        assert!(decode(reply).is_err());
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
        let unknown =
            Plain::Exception("fail2ban.exceptions".into(), "UnknownJailException".into(), vec![text("nojail")]);
        let refusal = Plain::Tuple(vec![Plain::Int(1), unknown]);
        let expected = b"\x80\x02K\x01cfail2ban.exceptions\nUnknownJailException\nX\x06\0\0\0nojail\x85R\x86.";
        assert_eq!(encode(&refusal), expected);
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(0u8.., 0..200)) {
            let _either = (decode(&bytes), decode_reply(&bytes));
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
