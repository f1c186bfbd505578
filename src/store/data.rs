//! The JSON in a ban's `data` column: `{"matches": […], "failures": N, …}` with the captured groups beside them.
//!
//! Written as UTF-8, not escaped to ASCII, as fail2ban writes it. Reading is lenient: the ban counts, not its story; what
//! is not understood is left out.

use indexmap::IndexMap;
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value;

use crate::ticket::{Texts, Ticket};
use crate::time::Timestamp;

/// What the column says of a ban.
#[derive(Debug, Default, PartialEq)]
pub struct Data {
    /// The matched lines.
    pub matches: Vec<String>,
    /// How many failures.
    pub failures: u32,
    /// The captured groups; a number or a list of fail2ban's becomes its JSON text.
    pub groups: IndexMap<String, String>,
}

/// The column for a ticket, with its last `max_matches` matches.
pub fn write(ticket: &Ticket, max_matches: usize) -> Vec<u8> {
    serde_json::to_vec(&Column { ticket, max_matches }).expect("strings and numbers always become JSON")
}

/// The column as fail2ban or [`write()`] left it; anything else is as good as empty.
pub fn read(column: &[u8]) -> Data {
    let parsed = serde_json::from_str(&String::from_utf8_lossy(column));
    let Ok(Value::Object(map)) = parsed else { return Data::default() };
    let mut data = Data::default();
    for (key, value) in map {
        match (key.as_str(), value) {
            (MATCHES, Value::Array(list)) => data.matches = list.into_iter().map(joined).collect(),
            (FAILURES, value) => data.failures = count(&value),
            (MATCHES, _) | (_, Value::Null) => {}
            (_, Value::String(text)) => {
                data.groups.insert(key, text);
            }
            (_, other) => {
                data.groups.insert(key, other.to_string());
            }
        }
    }
    data
}

/// The matches of a counter, which are written again and again in a flood: no JSON, but the texts as they lie in memory
/// behind [`PACKED`].
pub fn write_lines(lines: &Texts) -> Vec<u8> {
    [&[PACKED], lines.as_bytes()].concat()
}

/// The list that [`write_lines`] wrote, or a list of strings as JSON; of anything else what can be read.
pub fn read_lines(column: &[u8]) -> Texts {
    match column.split_first() {
        Some((&PACKED, texts)) => Texts::from_bytes(texts),
        _ => {
            let lines: Vec<String> = serde_json::from_slice(column).unwrap_or_default();
            Texts::new(lines.iter().map(String::as_str))
        }
    }
}

/// The accounts of a counter: of each its hash and when it was new, eight bytes each; nothing where there are none.
pub fn write_accounts(accounts: &[(u64, Timestamp)]) -> Option<Vec<u8>> {
    let pairs = accounts.iter().flat_map(|(account, since)| [account.to_le_bytes(), since.0.to_le_bytes()]);
    (!accounts.is_empty()).then(|| pairs.flatten().collect())
}

/// What [`write_accounts`] wrote.
pub fn read_accounts(column: &[u8]) -> Vec<(u64, Timestamp)> {
    let (words, _) = column.as_chunks::<8>();
    let (pairs, _) = words.as_chunks::<2>();
    pairs.iter().map(|[hash, since]| (u64::from_le_bytes(*hash), Timestamp(i64::from_le_bytes(*since)))).collect()
}

struct Column<'a> {
    ticket: &'a Ticket,
    max_matches: usize,
}

impl Serialize for Column<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Column { ticket, max_matches } = self;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry(MATCHES, &ticket.matches[ticket.matches.len().saturating_sub(*max_matches)..])?;
        map.serialize_entry(FAILURES, &ticket.failures)?;
        for (name, text) in ticket.groups.iter().filter(|(name, _)| !matches!(name.as_str(), MATCHES | FAILURES)) {
            map.serialize_entry(name, text)?;
        }
        map.end()
    }
}

/// A match is a string, or a list of what stood before the date, the date, and what stood after it.
fn joined(line: Value) -> String {
    match line {
        Value::String(text) => text,
        Value::Array(parts) => parts.into_iter().map(joined).collect(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

fn count(value: &Value) -> u32 {
    value.as_f64().unwrap_or(0.0) as u32
}

const MATCHES: &str = "matches";
const FAILURES: &str = "failures";
/// No JSON begins so.
const PACKED: u8 = 0;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::addr::Id;

    fn ticket(matches: Vec<String>, groups: IndexMap<String, String>) -> Ticket {
        let id = Id::parse("192.0.2.1");
        Ticket { id, time: Timestamp(0), bantime: None, bancount: 1, failures: 3, matches, groups, restored: false }
    }

    #[test]
    fn the_column_looks_as_fail2ban_writes_it() {
        let groups = [("user", "älice"), ("failures", "not this")].map(|(k, v)| (k.to_owned(), v.to_owned()));
        let ticket = ticket(["a", "b", "\u{1b}\"c"].map(str::to_owned).into(), groups.into());
        let column = String::from_utf8(write(&ticket, 2)).unwrap();
        assert_eq!(column, r#"{"matches":["b","\u001b\"c"],"failures":3,"user":"älice"}"#);
        assert!(write(&ticket, 0).starts_with(br#"{"matches":[],"#));
    }

    #[test]
    fn the_parts_of_a_match_are_joined() {
        let column =
            r#"{"matches": [["", "1795170254.361", " SIP fail é"], "x y", 5], "failures": 3.0, "n": 7, "t": ["a", 1]}"#;
        let data = read(column.as_bytes());
        assert_eq!(data.matches, ["1795170254.361 SIP fail é", "x y", "5"]);
        assert_eq!(data.failures, 3);
        let groups = [("n", "7"), ("t", r#"["a",1]"#)].map(|(k, v)| (k.to_owned(), v.to_owned()));
        assert_eq!(data.groups, IndexMap::from(groups));
    }

    #[test]
    fn nonsense_is_as_good_as_empty() {
        for column in ["", "null", "[1]", "{", r#"{"matches": 3, "failures": "x", "a": null}"#, &"[".repeat(100_000)] {
            assert_eq!(read(column.as_bytes()), Data::default(), "{column:.40}");
        }
        assert_eq!(read(br#"{"failures": -4}"#).failures, 0);
        assert_eq!(read(br#"{"failures": 1e99}"#).failures, u32::MAX);
        assert_eq!(read(b"{\"matches\": [\"a\xffb\"]}").matches, ["a\u{fffd}b"]);
    }

    proptest! {
        #[test]
        fn whatever_was_matched_comes_back(
            matches in prop::collection::vec(any::<String>(), 0..5),
            groups in prop::collection::btree_map("[a-z_]{1,6}", any::<String>(), 0..4),
        ) {
            let groups: IndexMap<String, String> = groups.into_iter().collect();
            let ticket = ticket(matches, groups);
            let data = read(&write(&ticket, 10));
            prop_assert_eq!(data, Data { matches: ticket.matches, failures: 3, groups: ticket.groups });
            let lines = Texts::new(["\0\u{7f}", "\""].into_iter());
            prop_assert_eq!(read_lines(&write_lines(&lines)), lines);
            prop_assert_eq!(read_lines(br#"["a","b"]"#), Texts::new(["a", "b"].into_iter()));
        }
    }
}
