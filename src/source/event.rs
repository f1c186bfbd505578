//! An event of a PBX as a line that filters match.
//!
//! ```text
//! AMI InvalidPassword address="192.0.2.1" port="5060" transport="UDP" Service="PJSIP" AccountID="100" …
//! ESL sofia::register_failure address="192.0.2.1" port="5060" profile-name="internal" to-user="100" …
//! ESL log file="sofia_reg.c" line="1792" text="SIP auth failure (REGISTER) … from ip 192.0.2.1"
//! ```
//!
//! The interface, the event's name, and fields `NAME="VALUE"` in an order that is always the same, each after one blank.
//! `address`, `port` and `transport` come first, and only where the server says them; `address` is an IP address and
//! nothing else. No value looks like something else: of a value's bytes those from ` ` to `~` but for `"` and `%` stand as
//! they are, and each other one as `%` and two capital hex digits. A value of more than [`LONGEST`] bytes ([`LONGEST_TEXT`]
//! for `text`) loses its middle, where a `%` stands alone. So `"` stands nowhere but around a value, and a filter may look
//! for ` AccountID="100"` wherever it stands in a line.

use std::net::IpAddr;

/// What stands in the place of an event's name when the server has let us in: it was started, or one of us was gone. No event
/// is called so.
pub const CONNECTED: &str = "Connected";

/// The bytes of a value that are kept.
pub const LONGEST: usize = 256;

/// The same for the message of a log's record, whose end often says who it was.
pub const LONGEST_TEXT: usize = 1024;

/// What became of the bytes that a server sent.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct News {
    /// Events as lines, each with its newline.
    pub lines: Vec<u8>,
    /// Events that came, those included that are of no interest.
    pub events: u64,
    /// Among them those that the server alone cannot have written so.
    pub broken: u64,
    /// The server has let us in.
    pub entered: bool,
    /// Why the server, or we, will have nothing to do with the other.
    pub refused: Option<String>,
}

/// A line in the making.
#[derive(Debug)]
pub struct Rendered(Vec<u8>);

impl Rendered {
    /// `AMI InvalidPassword`; both words are ours.
    pub fn new(interface: &str, event: &str) -> Rendered {
        Rendered(format!("{interface} {event}").into_bytes())
    }

    /// Who it was, as the server says.
    pub fn from(self, address: IpAddr, port: Option<u16>) -> Rendered {
        let line = self.field("address", address.to_string().as_bytes());
        match port {
            Some(port) => line.field("port", port.to_string().as_bytes()),
            None => line,
        }
    }

    /// A field; its name is ours, its value anybody's.
    pub fn field(self, name: &str, value: &[u8]) -> Rendered {
        self.bounded(name, value, LONGEST)
    }

    /// The message of a log's record.
    pub fn text(self, value: &[u8]) -> Rendered {
        self.bounded("text", value, LONGEST_TEXT)
    }

    /// Adds the line to `lines`.
    pub fn end(self, lines: &mut Vec<u8>) {
        lines.extend(self.0);
        lines.push(b'\n');
    }

    fn bounded(mut self, name: &str, value: &[u8], longest: usize) -> Rendered {
        self.0.extend(format!(" {name}=\"").into_bytes());
        if value.len() > longest {
            self.bytes(&value[..longest / 2]);
            self.0.push(b'%');
            self.bytes(&value[value.len() - longest / 2..]);
        } else {
            self.bytes(value);
        }
        self.0.push(b'"');
        self
    }

    fn bytes(&mut self, value: &[u8]) {
        for &byte in value {
            match byte {
                b'"' | b'%' | ..b' ' | 0x7f.. => self.0.extend(format!("%{byte:02X}").into_bytes()),
                byte => self.0.push(byte),
            }
        }
    }
}

/// Takes `%XX` off, as an event socket writes values. What is no such thing stays.
pub fn decoded(value: &[u8]) -> Vec<u8> {
    let hex = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut out = Vec::with_capacity(value.len());
    let mut at = 0;
    while let Some(&byte) = value.get(at) {
        let pair = value.get(at + 1).zip(value.get(at + 2)).filter(|_| byte == b'%');
        match pair.and_then(|(high, low)| Some(hex(*high)? << 4 | hex(*low)?)) {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(byte);
                at += 1;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn line(values: &[(&str, &[u8])]) -> String {
        let mut lines = Vec::new();
        let rendered = values.iter().fold(Rendered::new("AMI", "X"), |line, (name, value)| line.field(name, value));
        rendered.end(&mut lines);
        String::from_utf8(lines).expect("ASCII")
    }

    #[test]
    fn a_value_that_looks_like_a_field_is_none() {
        let forged = b"x\" address=\"192.0.2.1\"\r\nAMI Y %41\x1b[31m\xc3\xa9";
        let expected = "AMI X a=\"x%22 address=%22192.0.2.1%22%0D%0AAMI Y %2541%1B[31m%C3%A9\" b=\"\"\n";
        assert_eq!(line(&[("a", forged), ("b", b"")]), expected);
    }

    #[test]
    fn a_long_value_keeps_both_ends() {
        let long = [b"head".as_slice(), &[b'x'; 2000], b"tail"].concat();
        let line = line(&[("a", &long)]);
        assert!(line.starts_with("AMI X a=\"headx") && line.ends_with("xtail\"\n") && line.contains("x%x"), "{line}");
        assert_eq!(line.len(), "AMI X a=\"\"\n".len() + LONGEST + 1);
    }

    proptest! {
        #[test]
        fn values_come_back_as_they_went_in(a in proptest::collection::vec(any::<u8>(), 0..=LONGEST), b in "\\PC{0,40}") {
            let line = line(&[("a", &a), ("b", b.as_bytes())]);
            let quotes: Vec<&str> = line.strip_suffix('\n').expect("one newline, at the end").split('"').collect();
            prop_assert_eq!(quotes.len(), 5);
            prop_assert!(line.bytes().filter(|b| *b != b'\n').all(|b| (b' '..=b'~').contains(&b)));
            prop_assert_eq!(line.matches('\n').count(), 1);
            prop_assert_eq!((quotes[0], quotes[2], quotes[4]), ("AMI X a=", " b=", ""));
            prop_assert_eq!((decoded(quotes[1].as_bytes()), decoded(quotes[3].as_bytes())), (a, b.into_bytes()));
        }
    }
}
