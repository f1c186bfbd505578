//! Sets of characters with the meaning that Python's `re` gives them for text: `\d`, `\w`, `\s` of all scripts.

use std::sync::LazyLock;

/// A class such as `[^-/.\d]`, or one letter that is matched without regard to case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CharSet {
    /// Answers for ASCII, negation and case included.
    ascii: u128,
    negated: bool,
    ignore_case: bool,
    items: Vec<Item>,
}

/// One member of a class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Item {
    /// From the first character to the last one.
    Range(char, char),
    /// `\d`: decimal digits.
    Digit(bool),
    /// `\w`: letters, numbers and the underscore.
    Word(bool),
    /// `\s`.
    Space(bool),
    /// `\d` under the flag `a`.
    AsciiDigit(bool),
    /// `\w` under the flag `a`.
    AsciiWord(bool),
    /// `\s` under the flag `a`.
    AsciiSpace(bool),
}

impl CharSet {
    /// The set of `items`, or of all others.
    pub fn new(items: Vec<Item>, negated: bool, ignore_case: bool) -> CharSet {
        let mut ascii = items.iter().fold(0, |all, item| all | item.ascii());
        if ignore_case {
            let (upper, lower) = (ascii & UPPER, ascii & LOWER);
            ascii |= upper << CASE | lower >> CASE;
        }
        CharSet { ascii: if negated { !ascii } else { ascii }, negated, ignore_case, items }
    }

    /// Whether the character belongs to it.
    pub fn contains(&self, c: char) -> bool {
        if c.is_ascii() { self.ascii >> (c as u32) & 1 == 1 } else { self.decide(c) }
    }

    /// Its members among the ASCII characters, a bit for each.
    pub fn ascii(&self) -> u128 {
        self.ascii
    }

    /// Whether all of it are characters that [`is_word`] denies.
    pub fn without_words(&self) -> bool {
        let only_ascii = !self.negated
            && !self.ignore_case
            && self.items.iter().all(|item| matches!(item, Item::Range(_, last) if last.is_ascii()));
        let no_word_class = self.items.iter().any(|item| matches!(item, Item::Word(false))) && self.items.len() == 1;
        let spaces = !self.negated && self.items.iter().all(|item| matches!(item, Item::Space(true)));
        let ascii_words = (0..128u8).any(|byte| self.contains(char::from(byte)) && is_word(char::from(byte)));
        !ascii_words && (only_ascii || spaces || no_word_class && !self.negated)
    }

    fn decide(&self, c: char) -> bool {
        let mut inside = self.has(c);
        if !inside && self.ignore_case {
            let folded = fold(c);
            inside = self.has(folded) || folded.to_uppercase().any(|upper| self.has(upper));
        }
        inside != self.negated
    }

    fn has(&self, c: char) -> bool {
        self.items.iter().any(|item| match *item {
            Item::Range(first, last) => (first..=last).contains(&c),
            Item::Digit(yes) => digit(c).is_some() == yes,
            Item::Word(yes) => is_word(c) == yes,
            Item::Space(yes) => is_space(c) == yes,
            Item::AsciiDigit(yes) => c.is_ascii_digit() == yes,
            Item::AsciiWord(yes) => is_ascii_word(c) == yes,
            Item::AsciiSpace(yes) => matches!(c, ' ' | '\t'..='\r') == yes,
        })
    }
}

impl Item {
    /// Its members among the ASCII characters, a bit for each.
    fn ascii(self) -> u128 {
        let (set, yes) = match self {
            Item::Range(first, last) if first.is_ascii() && first <= last => {
                let last = u32::from(last).min(127);
                (u128::MAX << u32::from(first) & u128::MAX >> (127 - last), true)
            }
            Item::Range(..) => (0, true),
            Item::Digit(yes) | Item::AsciiDigit(yes) => (DIGITS, yes),
            Item::Word(yes) | Item::AsciiWord(yes) => (WORDS, yes),
            Item::Space(yes) => (SPACES | CONTROL_SPACES, yes),
            Item::AsciiSpace(yes) => (SPACES, yes),
        };
        if yes { set } else { !set }
    }
}

/// The value of a decimal digit of any script.
pub fn digit(c: char) -> Option<u32> {
    if c.is_ascii() {
        return c.to_digit(10);
    }
    let tables = &*TABLES;
    let range = range_of(&tables.digits, c)?;
    // Each script has its ten digits in a row, so a range begins with a zero and may hold several scripts.
    Some((c as u32 - range.0 as u32) % 10)
}

/// Python's `\w`.
pub fn is_word(c: char) -> bool {
    c == '_' || is_alphanumeric(c)
}

/// The same under the flag `a`.
pub fn is_ascii_word(c: char) -> bool {
    c == '_' || c.is_ascii_alphanumeric()
}

/// Python's `str.isalnum`, for one character.
pub fn is_alphanumeric(c: char) -> bool {
    if c.is_ascii() { c.is_ascii_alphanumeric() } else { range_of(&TABLES.words, c).is_some() }
}

/// Python's `\s`.
pub fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\x1c'..='\x1f').contains(&c)
}

/// The form under which Python compares characters when case is ignored.
pub fn fold(c: char) -> char {
    match c {
        'A'..='Z' => c.to_ascii_lowercase(),
        c if c.is_ascii() => c,
        'ſ' => 's',
        'İ' | 'ı' => 'i',
        c => c.to_lowercase().next().unwrap_or(c),
    }
}

fn range_of(table: &[(char, char)], c: char) -> Option<(char, char)> {
    let at = table.partition_point(|range| range.1 < c);
    table.get(at).copied().filter(|range| range.0 <= c)
}

const fn between(first: u8, last: u8) -> u128 {
    u128::MAX << first & u128::MAX >> (127 - last)
}

const DIGITS: u128 = between(b'0', b'9');
const UPPER: u128 = between(b'A', b'Z');
const LOWER: u128 = between(b'a', b'z');
/// ASCII characters that are part of a word.
pub const WORDS: u128 = DIGITS | UPPER | LOWER | 1 << b'_';
const SPACES: u128 = between(b'\t', b'\r') | 1 << b' ';
const CONTROL_SPACES: u128 = between(0x1c, 0x1f);
/// From a capital letter to its small one.
const CASE: u32 = 32;

struct Tables {
    digits: Vec<(char, char)>,
    words: Vec<(char, char)>,
}

/// Made when the first character outside ASCII is met.
static TABLES: LazyLock<Tables> =
    LazyLock::new(|| Tables { digits: ranges(r"\p{Nd}"), words: ranges(r"[\p{L}\p{N}]") });

fn ranges(class: &str) -> Vec<(char, char)> {
    let parsed = regex_syntax::parse(class).expect("a constant class");
    let regex_syntax::hir::HirKind::Class(regex_syntax::hir::Class::Unicode(class)) = parsed.into_kind() else {
        unreachable!("a class of Unicode is parsed as one")
    };
    class.iter().map(|range| (range.start(), range.end())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_of_every_script_have_a_value() {
        assert_eq!(digit('7'), Some(7));
        assert_eq!(digit('٢'), Some(2));
        assert_eq!(digit('\u{1d7ff}'), Some(9));
        assert_eq!(digit('²'), None);
        assert_eq!(digit('x'), None);
    }

    #[test]
    fn words_are_letters_numbers_and_the_underscore() {
        assert!(is_word('_') && is_word('é') && is_word('²') && !is_word('-') && !is_word('\u{301}'));
        assert!(is_space('\x1c') && is_space('\u{a0}') && !is_space('x'));
    }

    #[test]
    fn case_is_ignored_as_python_does() {
        let set = CharSet::new(vec![Item::Range('A', 'Z')], false, true);
        assert!(set.contains('k') && set.contains('K') && set.contains('\u{212a}') && !set.contains('1'));
        let none = CharSet::new(vec![Item::Range('a', 'z')], true, true);
        assert!(!none.contains('K') && none.contains('1'));
    }

    #[test]
    fn what_is_known_of_ascii_is_what_the_items_say() {
        let all = [true, false].map(|yes| {
            [
                Item::Digit(yes),
                Item::Word(yes),
                Item::Space(yes),
                Item::AsciiDigit(yes),
                Item::AsciiWord(yes),
                Item::AsciiSpace(yes),
            ]
        });
        let ranges =
            [('a', 'f'), ('X', 'b'), ('\0', '\x7f'), ('z', 'é'), ('é', 'ü'), ('K', 'K'), ('b', 'a'), ('ſ', 'ſ')];
        let items = all.concat().into_iter().chain(ranges.map(|(first, last)| Item::Range(first, last)));
        for item in items {
            for (negated, ignore_case) in [(false, false), (true, false), (false, true), (true, true)] {
                let set = CharSet::new(vec![item, Item::Range('%', '&')], negated, ignore_case);
                for c in '\0'..='\x7f' {
                    assert_eq!(set.contains(c), set.decide(c), "{item:?} {negated} {ignore_case} {c:?}");
                }
            }
        }
    }

    #[test]
    fn what_holds_no_word_character_is_known() {
        assert!(CharSet::new(vec![Item::Word(false)], false, false).without_words());
        assert!(CharSet::new(vec![Item::Range('[', '[')], false, false).without_words());
        assert!(!CharSet::new(vec![Item::Range(']', ']')], true, false).without_words());
        assert!(!CharSet::new(vec![Item::Range('!', 'z')], false, false).without_words());
    }
}
