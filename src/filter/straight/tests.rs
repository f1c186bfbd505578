//! Straight on, against an automaton.

use proptest::prelude::*;
use regex_automata::{Input, meta};

use super::*;
use crate::config::UseDns;
use crate::filter::ascii::narrow;
use crate::filter::failregex::expand;
use crate::filter::translate::{Dialect, Options, translate};

type Groups = Vec<Option<usize>>;

/// What is found in a text, with all ends of groups: straight, and by an automaton.
fn both(pattern: &str, text: &str) -> (Option<(Found, Groups)>, (Found, Groups)) {
    let hir = narrow(&regex_syntax::parse(pattern).unwrap());
    let regex = meta::Builder::new().build_from_hir(&hir).unwrap();
    let places = |slots: &[Slot]| slots.iter().map(|slot| slot.map(NonMaxUsize::get)).collect::<Groups>();
    let mut slots = vec![None; regex.captures_len() * 2];
    let straight = Straight::new(&hir).map(|straight| {
        let found = straight.search(text, &mut slots);
        assert!(found == Found::Unknown || straight.search(text, &mut []) == found, "{pattern} {text:?}");
        (found, places(&slots))
    });
    let mut slots = vec![None; regex.captures_len() * 2];
    if regex.search_slots(&Input::new(text), &mut slots).is_none() {
        slots.fill(None);
    }
    let found = slots[0].zip(slots[1]).map_or(Found::No, |(start, end)| Found::Yes(start.get()..end.get()));
    (straight, (found, places(&slots)))
}

#[test]
fn what_our_own_filters_ask_for_goes_straight() {
    for (pattern, text, end) in [
        (r"^a\.c(?::\d+(?: in)? \w*)?:\s+Request (?:'\S+' )?from '", "a.c:12 in x:  Request 'OPTIONS' from 'y", 38),
        (r#"^"(?:[^"\\]|\\.)*" ?<[^<> ]*>"#, r#""a\"b\\" <sip:x@y>' from <z>"#, 18),
        (r"Registration from '.*' failed for '", "Registration from 'x' failed for 'y' failed for 'z'\n", 49),
        (r#"x="(?:One|Two)",.*,At="(?:WS|WSS)6?/[^"/]+/\d+",By=""#, r#"x="Two",a,At="WSS6/b/5",By="c""#, 28),
        (r"(?::\d+)? - (?:Wrong|No)(?m:$)", ":5060 - No\n", 10),
        (r"^(?:\d{1,3}\.){3}x", "1.22.333.x", 10),
        (r"^[^\[\]]{7,}\d\d:\d\d[^\[\]]*\] ", "[2026-11-20 10:00:00] ", 0),
        (r"^x'(?:[^']|'(?:'| ')*(?:[^' ]| [^'f]))*'*' f(?m:$)", "x'a' ''g' b'' f\n", 15),
        (r#"^x(?:,(?:A|AB|B)="(?:[^"\\]|\\.)*"|,R="(?:A: .*|[\w ]*)")*(?m:$)"#, ",A=\"\\\"\",B=\"\",R=\"A: \"\"\n", 0),
        (
            r#"^x(?:,(?:A|AB|B)="(?:[^"\\]|\\.)*"|,R="(?:A: .*|[\w ]*)")*(?m:$)"#,
            "x,AB=\"\\\"\",B=\"\",R=\"A: \"\"\n",
            23,
        ),
    ] {
        let (found, expected) = both(pattern, text);
        assert_eq!(found.as_ref(), Some(&expected), "{pattern}");
        assert_eq!(expected.0, if end == 0 { Found::No } else { Found::Yes(0..end) }, "{pattern}");
    }
}

#[test]
fn of_a_way_that_leads_nowhere_nothing_is_kept() {
    for (pattern, text) in [("^(.+)a(b)1", "bbab"), ("^(?:(a+)b|(a)(a*))1", "aaa1"), ("a(b)?(?:1a|(b))1", "ab1ab1b1")] {
        let (found, expected) = both(pattern, text);
        assert_eq!(found, Some(expected), "{pattern}");
    }
}

#[test]
fn what_does_not_go_straight_is_known() {
    for pattern in [r"^a(?:b|c*)*", r"^(?:ab){9}", r".*a", r"\w+ a", r"a?", r"^\b{start}a"] {
        assert!(Straight::new(&narrow(&regex_syntax::parse(pattern).unwrap())).is_none(), "{pattern}");
    }
}

#[test]
fn a_text_that_takes_many_steps_is_left_to_others() {
    let text = "ab".repeat(400);
    assert_eq!(both("^.*a.*a.*a.*c", &text).0.unwrap().0, Found::Unknown);
    let text = "x".repeat(100_000);
    assert_eq!(both("^(?:x|(?:x|xx)y?)*z", &text).0.unwrap().0, Found::Unknown);
}

#[rustfmt::skip]
const PIECES: &[&str] = &[
    "a", "b", "ab", "ba", "[ab]", "[^a]", "[^ab]", "[ab]+", "a*", "[^b]*", ".*", ".+", r"\d+", r"\S+", "(?:a|ab)",
    "(?:ab|a)?", "(?:b|ab|)", "(?:[^b1]|1.)*", "(?:a|b1)+", "a{2}", "[ab]{1,3}", "(?:a1?){2}", "(?:ab?){1,3}",
    "1", "(?m:$)", "\\n", "a?", "(?:a*|1)?", "(?:a1|b)*", "(?i:A)", "abab", ".*aba1", "[ab]*baab",
    "(a)", "(a|ab)", "(.*)", "(.+)a", "(?:(a)|(b))", "(?:(a1)|b)?", "(a?){2}", "(?:(a)|b)*", "(?:(a)b?|(b)1)+", "(?:a|ba|(b))*",
    "a*?", ".*?", ".+?1", "(?:ab)*?", "(.{1,3}?)", "(?:a|b1)+?", "(?:ab?){0,2}?", r"\b", r"\B", "(?m:^)", r"\z", "(?:ab|ab1|b)*a",
    "(?:[^a]|a(?:b|1a)*1)*", "(?:(?:a|b1)*1)*", r"\d\d", "[ab][^a]", "[^1]{9}", "(?:ab|(b1))", "(?:aab|aba|ab1|b1)", "(?:a[^1]|b.|1)*?",
    "(?:(?:aba|abb)+|b)", "(?:(aa)|ab|a1|ba|bb|b1|1a|1b|11|aaa|aab|aba|abb|baa|bab|bba|b1b|b1a|11a|(1ba))",
    "(?:(aa)|a|ab|a1|ba|bb|b1|1a|1b|11|aaa|aab|aba|abb|baa|bab|bba|b1b|b1a|11a)*",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6000))]

    #[test]
    fn the_first_choice_is_that_of_an_automaton(
        pieces in prop::collection::vec(prop::sample::select(PIECES), 1..9),
        start in any::<bool>(),
        texts in prop::collection::vec("[ab1]{0,14}\n?", 6),
    ) {
        let pattern = format!("{}{}", if start { "^" } else { "" }, pieces.concat());
        for text in texts {
            let (found, expected) = both(&pattern, &text);
            let same = found.as_ref().is_none_or(|found| *found == expected || found.0 == Found::Unknown);
            prop_assert!(same, "{pattern} {text:?}: {found:?} {expected:?}");
        }
    }

    #[test]
    fn addresses_are_what_an_automaton_finds(
        text in "(x|x\\[)(::ffff:)?([0-9]{1,4}\\.?){2,6}(:?[0-9a-f]{0,4}){0,4}\\]?(:[0-9]|y| )?",
        (tag, usedns) in prop::sample::select(vec![("<ADDR>", UseDns::No), ("<HOST>", UseDns::No), ("<HOST>", UseDns::Warn)]),
        tail in prop::sample::select(vec!["", "y$", r":\d", r"\b", r"\d"]),
    ) {
        let expanded = expand(&format!("^x{tag}{tail}"), usedns);
        let exact = translate(&expanded, Dialect::Exact, Options::default()).unwrap();
        prop_assert!(regex_syntax::parse(&exact.form).is_ok());
        let (found, expected) = both(&exact.form, &(text + "\n"));
        prop_assert_eq!(found, Some(expected));
    }
}
