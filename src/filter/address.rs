//! `<ADDR>` and `<HOST>` by hand: nearly every failregex has one of them, and mostly it holds an IPv4 address.

use std::ops::Range;
use std::sync::LazyLock;

use regex_syntax::hir::Hir;

use super::ascii::{cut, narrow};
use super::failregex::expand;
use super::linear::parse;
use super::translate::{Dialect, Options, translate};
use crate::config::UseDns;

/// What the groups of an expression are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Address {
    /// Those of `<ADDR>`: `ip4` and `ip6`, their brackets beside them.
    Addr,
    /// Those of `<HOST>`: also `dns`, their brackets among them.
    Host,
}

impl Address {
    /// What the groups of an expression for ASCII are, where they are one of these and nothing else.
    pub fn of(groups: &Hir) -> Option<Address> {
        let is = |tag: &LazyLock<Option<Hir>>| LazyLock::force(tag).as_ref() == Some(groups);
        is(&ADDR).then_some(Address::Addr).or_else(|| is(&HOST).then_some(Address::Host))
    }

    /// How many groups that are.
    pub fn groups(self) -> usize {
        match self {
            Address::Addr => 2,
            Address::Host => 3,
        }
    }

    /// The first of these groups and the end of all, where a search from `from` on would find an IPv4 address there;
    /// `None`: it may find something else.
    pub fn ip4(self, text: &[u8], from: usize) -> Option<(Range<usize>, usize)> {
        let stands = |byte: u8, at: usize| usize::from(self == Address::Host && text.get(at) == Some(&byte));
        let from = from + stands(b'[', from);
        let end = ip4(text, from)?;
        Some((from..end, end + stands(b']', end)))
    }
}

/// The end of the address that begins here.
fn ip4(text: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    for part in 0..4 {
        let digits = text.get(at..)?.iter().take(4).take_while(|byte| byte.is_ascii_digit()).count();
        match (part, digits) {
            (_, 0) => return None,
            (3, digits) => return Some(at + digits.min(3)),
            (_, 4) => return None,
            (_, digits) if text.get(at + digits) == Some(&b'.') => at += digits + 1,
            _ => return None,
        }
    }
    None
}

/// What holds the groups in any expression that has this one first.
fn groups_of(tag: &str) -> Option<Hir> {
    let expanded = expand(&format!("x{tag}"), UseDns::Warn);
    let exact = translate(&expanded, Dialect::Exact, Options::default()).ok()?;
    let [_, groups, _] = cut(&narrow(&parse(&exact.text).ok()?))?;
    Some(groups)
}

static ADDR: LazyLock<Option<Hir>> = LazyLock::new(|| groups_of("<ADDR>"));
static HOST: LazyLock<Option<Hir>> = LazyLock::new(|| groups_of("<HOST>"));

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::filter::parts::Parts;
    use crate::filter::pyregex::Pattern;

    #[test]
    fn a_failregex_is_known_by_its_address() {
        for (text, known) in [
            ("^from '<ADDR>:\\d+' x$", Some(Address::Addr)),
            ("^from <ADDR>", Some(Address::Addr)),
            ("^from <HOST>$", Some(Address::Host)),
            ("^from <F-USER>x</F-USER> <ADDR>", None),
            ("^from <SUBNET>", None),
        ] {
            let exact = translate(&expand(text, UseDns::Warn), Dialect::Exact, Options::default()).unwrap();
            let hir = narrow(&parse(&exact.text).unwrap());
            assert!(Parts::new(&hir, 1 << 20).is_some());
            assert_eq!(Address::of(&cut(&hir).unwrap()[1]), known, "{text}");
        }
    }

    proptest! {
        /// With and without the hand nothing else is found.
        #[test]
        fn what_is_found_by_hand_is_what_a_search_finds(
            text in "(x|x\\[)(::ffff:)?([0-9]{1,4}\\.?){2,6}(:?[0-9a-f]{0,4}){0,4}\\]?(:[0-9]|y| )?",
            (tag, usedns) in prop::sample::select(vec![("<ADDR>", UseDns::No), ("<HOST>", UseDns::No), ("<HOST>", UseDns::Warn)]),
            tail in prop::sample::select(vec!["", "y$", r":\d", r"\b", r"\d"]),
        ) {
            let expanded = expand(&format!("x{tag}{tail}"), usedns);
            let pattern = Pattern::new(&expanded, Options::default()).unwrap();
            let exact = translate(&expanded, Dialect::Exact, Options::default()).unwrap();
            let text = text + "\n";
            let expected = regex::Regex::new(&exact.text).unwrap().captures(&text).map(|c| {
                (c.get_match().range(), c.iter().skip(1).map(|g| g.map(|g| g.range())).collect::<Vec<_>>())
            });
            let found = pattern.captures(&text).unwrap().map(|m| (m.whole, m.groups.to_vec()));
            prop_assert_eq!(found, expected);
        }
    }
}
