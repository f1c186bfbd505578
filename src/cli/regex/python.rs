//! Values as Python shows them (`repr`), which is how `fail2ban-regex -o row` prints a failure.

use std::sync::LazyLock;

use regex::Regex;

/// A text in quotes.
pub fn text(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut out = String::from(quote);
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c == quote => out.extend(['\\', c]),
            c if shown(c) => out.push(c),
            c if (c as u32) < 0x100 => out.push_str(&format!("\\x{:02x}", c as u32)),
            c if (c as u32) < 0x1_0000 => out.push_str(&format!("\\u{:04x}", c as u32)),
            c => out.push_str(&format!("\\U{:08x}", c as u32)),
        }
    }
    out.push(quote);
    out
}

/// A text, or `None`.
pub fn optional(value: Option<&str>) -> String {
    value.map_or_else(|| "None".to_owned(), text)
}

/// A `dict`, of names with what is shown already.
pub fn dict<'a>(items: impl IntoIterator<Item = (&'a str, String)>) -> String {
    let items: Vec<_> = items.into_iter().map(|(name, value)| format!("{}: {value}", text(name))).collect();
    format!("{{{}}}", items.join(", "))
}

/// A `set` of texts.
pub fn set(items: &[String]) -> String {
    if items.is_empty() {
        return "set()".to_owned();
    }
    let items: Vec<_> = items.iter().map(|item| text(item)).collect();
    format!("{{{}}}", items.join(", "))
}

/// A `float` of the size of a time.
pub fn float(number: f64) -> String {
    format!("{number:?}")
}

fn shown(c: char) -> bool {
    match c {
        ' '..='~' => true,
        c if c.is_ascii() => false,
        c => !HIDDEN.is_match(c.encode_utf8(&mut [0; 4])),
    }
}

/// What Python writes as an escape: controls, formats, what is not assigned, and blanks other than the blank.
static HIDDEN: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"[\p{C}\p{Z}]").expect("a constant expression"));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_quoted_and_escaped() {
        assert_eq!(text("bob"), "'bob'");
        assert_eq!(text("bo'b"), "\"bo'b\"");
        assert_eq!(text("\"x' \\\t\r\n"), r#"'"x\' \\\t\r\n'"#);
        assert_eq!(text("ü\u{1b}\u{a0}\u{200e}\u{e0001}\u{fffd}"), "'ü\\x1b\\xa0\\u200e\\U000e0001\u{fffd}'");
    }

    #[test]
    fn other_values_look_like_pythons() {
        assert_eq!(dict([("a", optional(None)), ("b", optional(Some("x")))]), "{'a': None, 'b': 'x'}");
        assert_eq!((dict([]), set(&[]), set(&["x".into()])), ("{}".into(), "set()".into(), "{'x'}".into()));
        assert_eq!((float(1_795_168_801.0), float(1.25)), ("1795168801.0".into(), "1.25".into()));
    }
}
