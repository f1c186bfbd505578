//! One entry of the journal, as `journalctl -o json` writes it, becomes a line of text with its time.
//!
//! The line is `HOSTNAME IDENT[PID]: MESSAGE`, what is missing left out, as fail2ban makes it; a line break inside
//! becomes the two characters `\n`. A field that is no text comes as a list of its bytes, one that stands several times
//! as a list of its values, one that is too long as `null`.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::source::lines::MAX_LINE;
use crate::time::Timestamp;

/// An entry as far as a filter is concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where it stands in the journal.
    pub cursor: Option<String>,
    /// When the journal received it: the order of the journal.
    pub received: Timestamp,
    /// When it was written.
    pub written: Timestamp,
    /// Its text and a newline; no other newline is in it, and at most [`MAX_LINE`] bytes.
    pub line: Vec<u8>,
}

impl Entry {
    /// Reads one line of `journalctl`'s output; `None`: it is none, or says no time.
    pub fn parse(json: &[u8]) -> Option<Entry> {
        let fields: Fields = match serde_json::from_slice(json) {
            Ok(fields) => fields,
            Err(_) => serde_json::from_str(&String::from_utf8_lossy(json)).ok()?,
        };
        let received = fields.received.time().map(Timestamp)?;
        Some(Entry {
            cursor: String::from_utf8(fields.cursor.0.clone()).ok().filter(|c| !c.is_empty() && c.len() <= CURSOR),
            received,
            written: fields.written.time().map_or(received, Timestamp),
            line: fields.line(),
        })
    }
}

/// The fields to ask for; the journal's own, with two underscores, come anyway.
pub const FIELDS: &str = "MESSAGE,SYSLOG_IDENTIFIER,SYSLOG_PID,_COMM,_PID,_HOSTNAME,_SOURCE_REALTIME_TIMESTAMP,\
                          _SOURCE_MONOTONIC_TIMESTAMP";

/// The longest cursor that is kept; the journal's have about 150 bytes.
const CURSOR: usize = 1024;

#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct Fields {
    #[serde(rename = "__CURSOR")]
    cursor: Field,
    #[serde(rename = "__REALTIME_TIMESTAMP")]
    received: Field,
    #[serde(rename = "_SOURCE_REALTIME_TIMESTAMP")]
    written: Field,
    #[serde(rename = "__MONOTONIC_TIMESTAMP")]
    uptime: Field,
    #[serde(rename = "_SOURCE_MONOTONIC_TIMESTAMP")]
    uptime_written: Field,
    #[serde(rename = "_HOSTNAME")]
    host: Field,
    #[serde(rename = "SYSLOG_IDENTIFIER")]
    identifier: Field,
    #[serde(rename = "_COMM")]
    program: Field,
    #[serde(rename = "SYSLOG_PID")]
    said_pid: Field,
    #[serde(rename = "_PID")]
    pid: Field,
    #[serde(rename = "MESSAGE")]
    message: Field,
}

impl Fields {
    fn line(&self) -> Vec<u8> {
        let mut parts: Vec<Vec<u8>> = vec![self.host.0.clone()];
        if let Some(name) = [&self.identifier, &self.program].into_iter().find(|field| !field.0.is_empty()) {
            let pid = [&self.said_pid, &self.pid].into_iter().find_map(Field::number);
            let pid = pid.map_or(String::new(), |pid| format!("[{pid}]"));
            parts.push([&name.0, pid.as_bytes(), b":"].concat());
            if pid.is_empty() && name.0 == b"kernel" {
                let uptime = self.uptime_written.number().or_else(|| self.uptime.number()).unwrap_or(0);
                parts.push(format!("[{:12.6}]", uptime as f64 / 1e6).into_bytes());
            }
        }
        parts.push(self.message.0.clone());
        parts.retain(|part| !part.is_empty());
        let mut line = Vec::new();
        for byte in parts.join(&b' ').into_iter().take(MAX_LINE) {
            if byte == b'\n' {
                line.extend(b"\\n");
            } else {
                line.push(byte);
            }
        }
        line.truncate(MAX_LINE);
        line.push(b'\n');
        line
    }
}

/// A field's bytes; several values with a blank between them.
#[derive(Default)]
struct Field(Vec<u8>);

impl Field {
    fn number(&self) -> Option<u64> {
        let digits = !self.0.is_empty() && self.0.iter().all(u8::is_ascii_digit);
        std::str::from_utf8(&self.0).ok().filter(|_| digits)?.parse().ok()
    }

    /// Microseconds since the epoch.
    fn time(&self) -> Option<i64> {
        self.number().and_then(|micros| i64::try_from(micros).ok())
    }
}

impl<'de> Deserialize<'de> for Field {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Field, D::Error> {
        Ok(match Part::deserialize(deserializer)? {
            Part::Text(text) => Field(text),
            Part::Byte(_) | Part::Nothing => Field::default(),
        })
    }
}

/// A value in a field: text, one byte of a text, or neither.
enum Part {
    Text(Vec<u8>),
    Byte(u8),
    Nothing,
}

impl<'de> Deserialize<'de> for Part {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PartVisitor)
    }
}

struct PartVisitor;

impl<'de> Visitor<'de> for PartVisitor {
    type Value = Part;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field of the journal")
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Part::Text(text.as_bytes().to_vec()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(u8::try_from(number).map_or(Part::Nothing, Part::Byte))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(Part::Nothing)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Part::Nothing)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Part::Nothing)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Part::Nothing)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Part::Nothing)
    }

    /// Bytes are one text, texts have a blank between them.
    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut all = Vec::new();
        while let Some(part) = list.next_element::<Part>()? {
            match part {
                Part::Byte(byte) => all.push(byte),
                Part::Text(text) => {
                    if !all.is_empty() {
                        all.push(b' ');
                    }
                    all.extend(text);
                }
                Part::Nothing => {}
            }
        }
        Ok(Part::Text(all))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn entry(fields: Value) -> Entry {
        Entry::parse(fields.to_string().as_bytes()).expect("an entry")
    }

    fn line(mut fields: Value) -> String {
        fields["__REALTIME_TIMESTAMP"] = json!("1790000000000001");
        let line = String::from_utf8_lossy(&entry(fields).line).into_owned();
        line.strip_suffix('\n').expect("a newline").to_owned()
    }

    #[test]
    fn a_line_reads_as_syslog_would_write_it() {
        let all = json!({"_HOSTNAME": "pbx", "SYSLOG_IDENTIFIER": "asterisk", "_COMM": "ast", "SYSLOG_PID": "7",
            "_PID": "9", "MESSAGE": "hello"});
        assert_eq!(line(all.clone()), "pbx asterisk[7]: hello");
        let without = |names: &[&str]| {
            let mut fields = all.clone();
            names.iter().for_each(|name| drop(fields.as_object_mut().expect("an object").remove(*name)));
            line(fields)
        };
        assert_eq!(without(&["SYSLOG_IDENTIFIER", "SYSLOG_PID"]), "pbx ast[9]: hello");
        assert_eq!(without(&["SYSLOG_PID", "_PID"]), "pbx asterisk: hello");
        assert_eq!(without(&["SYSLOG_IDENTIFIER", "_COMM"]), "pbx hello");
        assert_eq!(without(&["_HOSTNAME"]), "asterisk[7]: hello");
        assert_eq!(without(&["MESSAGE"]), "pbx asterisk[7]:");
        assert_eq!(line(json!({})), "");
    }

    #[test]
    fn the_kernel_says_its_uptime() {
        let kernel = json!({"_HOSTNAME": "pbx", "SYSLOG_IDENTIFIER": "kernel", "MESSAGE": "x",
            "_SOURCE_MONOTONIC_TIMESTAMP": "12345678", "__MONOTONIC_TIMESTAMP": "99"});
        assert_eq!(line(kernel), "pbx kernel: [   12.345678] x");
        let later = json!({"SYSLOG_IDENTIFIER": "kernel", "MESSAGE": "x", "__MONOTONIC_TIMESTAMP": "99"});
        assert_eq!(line(later), "kernel: [    0.000099] x");
    }

    #[test]
    fn a_forged_line_break_is_no_line() {
        let forged = json!({"SYSLOG_IDENTIFIER": "a\nb", "SYSLOG_PID": "1]: x[2", "_PID": "3",
            "MESSAGE": "one\nNov 20 10:00:00 pbx asterisk[9]: two\n"});
        assert_eq!(line(forged), r"a\nb[3]: one\nNov 20 10:00:00 pbx asterisk[9]: two\n");
    }

    #[test]
    fn bytes_lists_and_nothing_are_read() {
        assert_eq!(line(json!({"MESSAGE": [104, 105, 10, 27, 255, 256, -1, 1.5]})), "hi\\n\u{1b}\u{fffd}");
        assert_eq!(line(json!({"MESSAGE": ["one", [116, 119, 111, "x", {}], null, "three"]})), "one two x three");
        assert_eq!(line(json!({"MESSAGE": null, "_HOSTNAME": "pbx"})), "pbx");
        assert_eq!(line(json!({"MESSAGE": {"a": [{}]}, "_COMM": true, "_HOSTNAME": 5})), "");
    }

    #[test]
    fn the_writers_time_comes_first() {
        let fields = json!({"__CURSOR": "s=1;i=2", "__REALTIME_TIMESTAMP": "1790000000000001",
            "_SOURCE_REALTIME_TIMESTAMP": "1790000000000000"});
        let Entry { cursor, received, written, .. } = entry(fields);
        assert_eq!(
            (cursor.as_deref(), received.0, written.0),
            (Some("s=1;i=2"), 1_790_000_000_000_001, 1_790_000_000_000_000)
        );
        let plain = entry(json!({"__REALTIME_TIMESTAMP": "5", "_SOURCE_REALTIME_TIMESTAMP": "soon"}));
        assert_eq!((plain.cursor, plain.received, plain.written), (None, Timestamp(5), Timestamp(5)));
        for none in [json!({}), json!({"__REALTIME_TIMESTAMP": "-5"}), json!([]), json!("x"), json!(null)] {
            assert_eq!(Entry::parse(none.to_string().as_bytes()), None);
        }
        assert_eq!(
            Entry::parse(b"{\"__REALTIME_TIMESTAMP\": \"5\", \"MESSAGE\": \"a\xff\"}").map(|e| e.line),
            Some("a\u{fffd}\n".into())
        );
    }

    #[test]
    fn a_huge_message_is_cut() {
        let long = json!({"__REALTIME_TIMESTAMP": "5", "MESSAGE": "\n".repeat(3 * MAX_LINE)});
        assert_eq!(entry(long).line.len(), MAX_LINE + 1);
    }

    proptest! {
        #[test]
        fn nothing_breaks_it(bytes in proptest::collection::vec(any::<u8>(), 0..100), at in 0usize..100) {
            let mut text = br#"{"__REALTIME_TIMESTAMP":"5","MESSAGE":["a",[1,2],null],"_PID":"4"}"#.to_vec();
            let at = at.min(text.len());
            text.splice(at..at, bytes);
            if let Some(entry) = Entry::parse(&text) {
                prop_assert_eq!(entry.line.iter().filter(|b| **b == b'\n').count(), 1);
            }
        }
    }
}
