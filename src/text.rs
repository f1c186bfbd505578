//! Text for people: what a sender wrote is made harmless, and a mistyped word meets the one that was meant.

use std::borrow::Cow;

/// Makes text from a log safe for a terminal, a page or our own log.
///
/// Control characters (escape, line feed, C1 …) and Unicode's direction marks become `\xNN` or `\u{…}`; everything else
/// stays. A backslash stays as it is: this is for reading, not for reading back.
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.chars().any(unsafe_char) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '\t' => out.push_str("\\t"),
            c if unsafe_char(c) && (c as u32) < 0x100 => out.push_str(&format!("\\x{:02x}", c as u32)),
            c if unsafe_char(c) => out.push_str(&c.escape_unicode().to_string()),
            c => out.push(c),
        }
    }
    Cow::Owned(out)
}

fn unsafe_char(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// The hint that names the word among `known` that `typed` was probably meant to be.
pub fn did_you_mean<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    likely(typed, known).map(|word| format!("did you mean `{word}`?"))
}

/// The word among `known` that `typed` was probably meant to be.
pub fn likely<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let typed = typed.to_lowercase();
    known
        .into_iter()
        .map(|word| (strsim::jaro_winkler(&typed, &word.to_lowercase()), word))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, word)| word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_bytes_never_pass() {
        assert_eq!(printable("a\x1b[31mb\r\n\u{9b}\u{202e}é\t"), "a\\x1b[31mb\\x0d\\x0a\\x9b\\u{202e}é\\t");
        assert!(matches!(printable("plain é"), Cow::Borrowed(_)));
    }

    #[test]
    fn a_mistyped_word_meets_its_neighbour() {
        let jails = ["asterisk", "freeswitch", "recidive"];
        assert_eq!(likely("astersik", jails), Some("asterisk"));
        assert_eq!(likely("Freeswich", jails), Some("freeswitch"));
        assert_eq!(did_you_mean("Freeswich", jails).as_deref(), Some("did you mean `freeswitch`?"));
        assert_eq!(likely("zzz", jails), None);
    }
}
