//! Which of many expressions may match a text at all, told by how it begins.
//!
//! A filter has dozens of failregexes and most begin with a fixed text, which a prefregex has left bare: the name of the
//! source file that wrote the line. So one look at the start of a text replaces dozens of searches that end there.

use super::pyregex::Pattern;

/// The beginnings of a list of expressions.
#[derive(Debug)]
pub struct Heads {
    heads: Vec<Head>,
    /// Expressions that may begin with anything.
    any: Vec<usize>,
}

/// A text that some expressions ask for at the start.
#[derive(Debug)]
struct Head {
    /// Its first bytes …
    first: u128,
    /// … and which bits of a text's first ones they are.
    mask: u128,
    text: Box<[u8]>,
    /// By their place in the list, in order.
    expressions: Vec<usize>,
}

impl Heads {
    /// Of these expressions, which are known by their places.
    pub fn of<'a>(patterns: impl Iterator<Item = &'a Pattern>) -> Heads {
        let mut heads: Vec<Head> = Vec::new();
        let mut any = Vec::new();
        for (number, pattern) in patterns.enumerate() {
            let Some(texts) = pattern.heads() else {
                any.push(number);
                continue;
            };
            for text in texts {
                match heads.iter_mut().find(|head| head.text == *text) {
                    Some(head) => head.expressions.push(number),
                    None => heads.push(Head::new(text, number)),
                }
            }
        }
        Heads { heads, any }
    }

    /// Puts the expressions that may match `text` into `out`, in order.
    pub fn possible(&self, text: &str, out: &mut Vec<usize>) {
        out.clear();
        out.extend_from_slice(&self.any);
        let (mut sources, first) = (usize::from(!out.is_empty()), first(text.as_bytes()));
        for head in &self.heads {
            if first & head.mask == head.first && text.as_bytes().starts_with(&head.text) {
                out.extend_from_slice(&head.expressions);
                sources += 1;
            }
        }
        if sources > 1 {
            out.sort_unstable();
            out.dedup();
        }
    }
}

impl Head {
    fn new(text: &[u8], expression: usize) -> Head {
        let mask = if text.len() < FIRST { (1 << (8 * text.len())) - 1 } else { u128::MAX };
        Head { first: first(text), mask, text: text.into(), expressions: vec![expression] }
    }
}

/// The first bytes of a text as a number; zeros where it has ended.
fn first(text: &[u8]) -> u128 {
    let mut bytes = [0; FIRST];
    match text.first_chunk() {
        Some(whole) => bytes = *whole,
        None => bytes[..text.len()].copy_from_slice(text),
    }
    u128::from_le_bytes(bytes)
}

/// Bytes that are compared at once.
const FIRST: usize = 16;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::filter::translate::Options;

    const PATTERNS: [&str; 9] = [
        "^ab",
        "b",
        "^(?:abc|b)x",
        "^abc",
        "(?i)^b",
        "^abcdefghijklmnopqrst",
        "^abcdefghijklmnop",
        "^abcdefghijklmnox",
        "^[ab]?c",
    ];

    proptest! {
        #[test]
        fn whatever_matches_is_possible_and_the_order_stays(
            text in "[abc]{0,3}|abcdefghijklmno[px]?(qrst)?",
            picks in prop::collection::vec(prop::sample::select(&PATTERNS[..]), 0..12),
        ) {
            let patterns: Vec<Pattern> = picks.iter().map(|p| Pattern::new(p, Options::default()).unwrap()).collect();
            let mut possible = vec![7];
            Heads::of(patterns.iter()).possible(&text, &mut possible);
            prop_assert!(possible.windows(2).all(|pair| pair[0] < pair[1]));
            for (number, pattern) in patterns.iter().enumerate() {
                let head = pattern.heads().is_none_or(|heads| heads.iter().any(|h| text.as_bytes().starts_with(h)));
                prop_assert_eq!(possible.contains(&number), head, "{} {}", picks[number], text);
                prop_assert!(head || !pattern.is_match(&text).unwrap());
            }
        }
    }
}
