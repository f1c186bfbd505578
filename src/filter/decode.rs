//! From the bytes of a line to text: `logencoding`.
//!
//! What cannot be decoded becomes U+FFFD, as fail2ban does it; a line never fails for its bytes.

use std::borrow::Cow;

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};

/// How the bytes of a log become text.
#[derive(Clone, Copy, Debug)]
pub enum Decoder {
    /// Each byte below 0x80 is a character, each other one is not text.
    Ascii,
    /// Each byte is the character of its number. Browsers read windows-1252 in its place, Python does not.
    Latin1,
    /// As browsers read it.
    Of(&'static Encoding),
}

impl Decoder {
    /// By fail2ban's (Python's) name of an encoding; `auto` is UTF-8. `None` for a name that nobody knows.
    pub fn new(name: &str) -> Option<Decoder> {
        let label = name.trim().to_ascii_lowercase().replace('_', "-");
        let encoding = match &*label {
            "ascii" | "us-ascii" | "646" => return Some(Decoder::Ascii),
            "latin-1" | "latin1" | "latin" | "l1" | "iso8859-1" | "iso-8859-1" | "8859" | "cp819" => {
                return Some(Decoder::Latin1);
            }
            "" | "auto" | "u8" | "utf" | "utf-8-sig" => UTF_8,
            label => Encoding::for_label(label.as_bytes()).or_else(|| {
                let number = label.strip_prefix("iso8859-")?;
                Encoding::for_label(format!("iso-8859-{number}").as_bytes())
            })?,
        };
        Some(Decoder::Of(encoding))
    }

    /// Whether ASCII text stands in the bytes as itself.
    pub fn extends_ascii(self) -> bool {
        match self {
            Decoder::Ascii | Decoder::Latin1 => true,
            Decoder::Of(encoding) => encoding.is_ascii_compatible(),
        }
    }

    /// The text of a line, without the `\r` and `\n` at its end, cut to 64 KiB. A newline inside becomes `\` and `n`.
    pub fn decode(self, line: &[u8]) -> Cow<'_, str> {
        let line = &line[..line.len().min(LONGEST)];
        let text = match self {
            Decoder::Ascii => match std::str::from_utf8(line) {
                Ok(text) if text.is_ascii() => Cow::Borrowed(text),
                _ => line.iter().map(|&byte| if byte.is_ascii() { char::from(byte) } else { '\u{fffd}' }).collect(),
            },
            Decoder::Latin1 => encoding_rs::mem::decode_latin1(line),
            // Nearly every line is text, and that alone is known much sooner.
            Decoder::Of(e) if e == UTF_8 => match std::str::from_utf8(line) {
                Ok(text) => Cow::Borrowed(text),
                Err(_) => String::from_utf8_lossy(line),
            },
            // Lines are split behind the byte 0x0a, so of each newline's two bytes one is left over.
            Decoder::Of(e) if e == UTF_16LE && line.len() % 2 == 1 => e.decode_without_bom_handling(&line[1..]).0,
            Decoder::Of(e) if e == UTF_16BE && line.len() % 2 == 1 => {
                e.decode_without_bom_handling(&line[..line.len() - 1]).0
            }
            Decoder::Of(e) => e.decode_without_bom_handling(line).0,
        };
        let ends = |c| c == '\r' || c == '\n';
        match text {
            text if memchr::memchr(b'\n', text.trim_end_matches(ends).as_bytes()).is_some() => {
                Cow::Owned(text.trim_end_matches(ends).replace('\n', "\\n"))
            }
            Cow::Borrowed(text) => Cow::Borrowed(text.trim_end_matches(ends)),
            Cow::Owned(mut text) => {
                text.truncate(text.trim_end_matches(ends).len());
                Cow::Owned(text)
            }
        }
    }
}

/// Bytes of a line that are looked at.
const LONGEST: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_bytes_are_replaced_and_the_line_goes_on() {
        let utf8 = Decoder::new("auto").unwrap();
        assert_eq!(utf8.decode(b"a\xffb\r\n"), "a\u{fffd}b");
        assert!(matches!(utf8.decode("é\r".as_bytes()), Cow::Borrowed("é")));
        assert_eq!(utf8.decode(b"a\nb"), "a\\nb");
        assert_eq!(utf8.decode(&vec![b'x'; 70_000]).len(), 65_536);
    }

    #[test]
    fn encodings_go_by_their_python_names() {
        assert_eq!(Decoder::new("latin_1").unwrap().decode(b"\xe9\x85"), "é\u{85}");
        assert_eq!(Decoder::new("ISO-8859-1").unwrap().decode(b"\x93a\r"), "\u{93}a");
        assert_eq!(Decoder::new("ascii").unwrap().decode("aé\n".as_bytes()), "a\u{fffd}\u{fffd}");
        assert!(matches!(Decoder::new("us-ascii").unwrap().decode(b"plain\r"), Cow::Borrowed("plain")));
        assert_eq!(Decoder::new("iso8859_15").unwrap().decode(b"\xa4"), "€");
        assert_eq!(Decoder::new("cp1251").unwrap().decode(b"\xe9"), "й");
        assert!(Decoder::new("klingon").is_none());
        let wide = Decoder::new("utf-16-le").or(Decoder::new("utf-16le")).unwrap();
        assert!(!wide.extends_ascii());
        assert_eq!(wide.decode(b"\0a\0b\0"), "ab");
    }
}
