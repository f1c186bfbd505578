//! Numbers and truth as fail2ban's configuration writes them.

/// Python's `int()`: blanks around it, a sign, `_` between digits.
pub fn int(text: &str) -> Option<i64> {
    let text = super::ini::trim(text);
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.split('_').any(|part| part.is_empty() || !part.bytes().all(|b| b.is_ascii_digit())) {
        return None;
    }
    text.replace('_', "").parse().ok()
}

/// Whether it means yes (`1`, `on`, `true`, `yes`), and whether the word is one that can be meant at all: fail2ban takes
/// every other one for no.
pub fn truth(text: &str) -> (bool, bool) {
    let lower = text.to_lowercase();
    let yes = matches!(lower.as_str(), "1" | "on" | "true" | "yes");
    (yes, yes || matches!(lower.as_str(), "" | "0" | "off" | "false" | "no"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_are_pythons() {
        for (text, expected) in [(" 5 ", 5), ("+1_000", 1000), ("-1", -1), ("007", 7)] {
            assert_eq!(int(text), Some(expected), "{text}");
        }
        for text in ["", "x", "1.5", "_1", "1_", "1__0", "- 1", "0x10", "99999999999999999999"] {
            assert_eq!(int(text), None, "{text}");
        }
    }

    #[test]
    fn truth_is_four_words() {
        assert_eq!(["1", "ON", "True", "yes"].map(truth), [(true, true); 4]);
        assert_eq!([truth("maybe"), truth(""), truth("no")], [(false, false), (false, true), (false, true)]);
    }
}
