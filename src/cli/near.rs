//! A near miss for a person: the line, and under it a caret where the best expression stopped.

use crate::filter::near::Near;
use crate::text::printable;

/// Two lines, each behind `indent`: the text around the stop, and what `name` (`failregex 1`) would have taken there.
pub fn caret(near: &Near, name: &str, indent: &str, colour: bool) -> String {
    let (before, after) = near.text.split_at(near.offset);
    // Of several lines the one with the stop in it.
    let before = before.rsplit('\n').next().unwrap_or(before);
    let after = after.lines().next().unwrap_or_default();
    let skipped = before.char_indices().rev().nth(BEFORE).map_or(0, |(at, c)| at + c.len_utf8());
    let rest = after.char_indices().nth(AFTER).map_or(after.len(), |(at, _)| at);
    let head = format!("{}{}", if skipped > 0 { "…" } else { "" }, printable(&before[skipped..]));
    let tail = format!("{}{}", printable(&after[..rest]), if rest < after.len() { "…" } else { "" });
    let blank = " ".repeat(head.chars().count());
    let (on, off) = if colour { ("\x1b[1;31m", "\x1b[0m") } else { ("", "") };
    format!("{indent}{head}{tail}\n{indent}{blank}{on}^{off} {}", stop(near, name))
}

/// `failregex 1 stopped here: expected …`.
fn stop(near: &Near, name: &str) -> String {
    let words = match near.expected.as_slice() {
        [] => return format!("{name} matched up to here, but for a look-around or a back-reference"),
        [one] => one.clone(),
        [most @ .., last] if most.len() < SHOWN => format!("{} or {last}", most.join(", ")),
        many => format!("{} or {} others", many[..SHOWN - 1].join(", "), many.len() + 1 - SHOWN),
    };
    let place = if near.anywhere { " here or further on" } else { "" };
    format!("{name} stopped here: expected {words}{place}")
}

/// Characters shown before the stop.
const BEFORE: usize = 120;
/// Characters shown behind it.
const AFTER: usize = 60;
/// Expectations shown.
const SHOWN: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_caret_stands_under_the_stop() {
        let shown = caret(&near("a\u{1b}b wrong", 4, &["`right`"]), "failregex 1", "  ", false);
        assert_eq!(shown, "  a\\x1bb wrong\n         ^ failregex 1 stopped here: expected `right`");
    }

    #[test]
    fn of_a_long_line_a_part_is_shown() {
        let shown = caret(&near(&"é".repeat(30_000), 20_000, &["`x`", "`y`", "an address"]), "prefregex", "", true);
        let (line, stop) = shown.split_once('\n').expect("two lines");
        assert_eq!(line, format!("…{}…", "é".repeat(180)));
        assert_eq!(stop.find('\u{1b}'), Some(121));
        assert!(stop.ends_with(" prefregex stopped here: expected `x`, `y` or an address"), "{stop}");
    }

    #[test]
    fn of_several_lines_one_is_shown() {
        let many: Vec<String> = (1..=6).map(|n| format!("`{n}`")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let shown = caret(&near("one\ntwo\nthree", 5, &many), "failregex 2", "", false);
        assert_eq!(shown, "two\n ^ failregex 2 stopped here: expected `1`, `2`, `3` or 3 others");
        let shown = caret(&near("one", 3, &[]), "failregex 2", "", false);
        assert!(shown.ends_with("but for a look-around or a back-reference"), "{shown}");
    }

    fn near(text: &str, offset: usize, expected: &[&str]) -> Near {
        let expected = expected.iter().map(|text| (*text).to_owned()).collect();
        Near { regex: Some(0), text: text.into(), offset, expected, found: String::new(), anywhere: false, share: 0.5 }
    }
}
