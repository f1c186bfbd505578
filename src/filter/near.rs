//! The near miss: how far an expression got on a line that it did not match, and what would have had to come next.
//!
//! Each failregex is followed through the line as a `Track`, all its ways at once, and the furthest point that any of
//! them reached counts. A line **nearly matched** if that point lies behind half of the pieces that every match has (what
//! may be left out is none), or behind the first text of several words that the expression spells out (`Registration
//! from '`): a line that shares a program's name and a bracket with an expression is no near miss.
//!
//! The expression followed is the relaxed one, without look-around and back-references: where only those are in the way,
//! that is what is said. The cost is bounded by `STEPS` per expression, whatever the line holds; beyond them what was
//! reached by then counts.

mod track;
mod walk;
mod weight;

use std::cmp::Reverse;
use std::ops::Range;
use std::sync::Arc;

use serde::Serialize;

use super::Filter;
use super::failregex::FailRegex;
use track::Track;

/// How far the best expression of a filter got on a line.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Near {
    /// Which failregex, from 0; `None` is the prefregex, before which no failregex is tried.
    #[serde(skip)]
    pub regex: Option<usize>,
    /// The line as text, in a filter with `maxlines` all lines that were looked at together.
    pub text: String,
    /// Up to where `text` matched, in bytes; always at a character's start or the end.
    pub offset: usize,
    /// What could have come next: a quoted text, a piece of the expression, or words such as `an address`; one of them
    /// would have done. Empty: the line matches but for a look-around or a back-reference.
    pub expected: Vec<String>,
    /// What stood there, in part; empty at the line's end.
    pub found: String,
    /// It might have come anywhere behind `offset`: the piece before it takes any text.
    pub anywhere: bool,
    /// Which part of the expression's pieces had matched, from 0 to 1.
    pub share: f64,
}

/// A filter's expressions, ready to be followed.
pub struct Tracks {
    prefix: Option<Track>,
    fail: Vec<Option<Track>>,
}

impl Filter {
    /// What [`Filter::near`] needs; made once, since it costs more than a line does.
    pub fn tracks(&self) -> Tracks {
        let track = |regex: &Arc<FailRegex>| Track::new(&regex.relaxed());
        Tracks {
            prefix: self.rules.prefix.as_ref().and_then(track),
            fail: self.rules.failregexes().iter().map(track).collect(),
        }
    }

    /// Says of the line that was looked at last, and missed, where the best expression stopped; `None` if none nearly
    /// matched. Nothing is said of filters that have both a prefregex and `maxlines` above 1: there a line that got
    /// past the prefregex takes the place of those before it.
    pub fn near(&self, tracks: &Tracks, line: &[u8]) -> Option<Near> {
        let (mut text, mut cut) = (self.decoder.decode(line).into_owned(), self.clock.cut.clone());
        if let Some(window) = &self.window {
            if self.rules.prefix.is_some() {
                return None;
            }
            (text, cut) = (window.text(), 0..0);
            text.truncate(text.trim_end_matches('\n').len());
        }
        let mut searched = Searched::new(&text, cut);
        let mut fail: Vec<_> = tracks.fail.iter().enumerate().map(|(number, track)| (Some(number), track)).collect();
        if let Some(prefix) = &self.rules.prefix {
            match prefix.search(&searched.haystack).ok().flatten() {
                None => fail = vec![(None, &tracks.prefix)],
                Some(found) => {
                    let mut named = prefix.pattern().names().zip(&found.groups);
                    if let Some(content) = named.find_map(|(name, at)| at.clone().filter(|_| name == "content")) {
                        searched.narrow(content);
                    }
                }
            }
        }
        let all = fail.into_iter().filter_map(|(regex, track)| Some((regex, track.as_ref()?)));
        let reached = all.map(|(regex, track)| (regex, track, track.furthest(&searched.haystack)));
        let near = reached.filter(|(_, track, furthest)| furthest.is_near(track));
        // Of two that got as far, the one that had less to go; of equals, the first.
        let (regex, track, furthest) =
            near.min_by_key(|(_, track, furthest)| (Reverse(furthest.rank), track.length))?;
        let offset = searched.in_line(furthest.at).min(text.len());
        let found = text.get(offset..)?.lines().next().unwrap_or_default().chars().take(FOUND).collect();
        Some(Near {
            regex,
            found,
            text,
            offset,
            expected: furthest.expected(track),
            anywhere: furthest.anywhere,
            share: furthest.rank as f64 / track.length.max(1) as f64,
        })
    }
}

/// What the expressions see of a line, and where that stands in it.
struct Searched {
    /// With a newline at its end.
    haystack: String,
    /// Where the date was taken out.
    cut: Range<usize>,
    /// Bytes of the dateless line before the haystack.
    skipped: usize,
}

impl Searched {
    fn new(text: &str, cut: Range<usize>) -> Searched {
        let head = text.get(..cut.start).unwrap_or(text);
        let tail = text.get(cut.end..).unwrap_or_default();
        Searched { haystack: format!("{head}{tail}\n"), cut, skipped: 0 }
    }

    /// Only the prefregex's content from here on.
    fn narrow(&mut self, content: Range<usize>) {
        if let Some(text) = self.haystack.get(content.clone()).filter(|text| !text.is_empty()) {
            self.haystack = format!("{text}\n");
            self.skipped = content.start;
        }
    }

    fn in_line(&self, at: usize) -> usize {
        let dateless = self.skipped + at;
        if dateless < self.cut.start { dateless } else { dateless + self.cut.len() }
    }
}

/// Characters shown of what stood where an expression stopped.
const FOUND: usize = 40;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::config::{FilterSettings, Spanned, UseDns};
    use crate::filter::date::Zones;
    use crate::filter::{Moment, Verdict};
    use crate::time::{Span, Timestamp};

    #[test]
    fn a_mistyped_word_is_where_it_stops() {
        let near = miss(
            "^ knock by '.*' from <HOST>:\\d+ - (?:Wrong password|No such door)$",
            "2026-11-20 10:00:00 knock by 'bob' from 192.0.2.1:5062 - Wrong pass",
        );
        let near = near.expect("a near miss");
        assert_eq!((near.offset, &*near.found), (near.text.len(), ""));
        assert_eq!(near.expected, ["`word`"]);
        assert_eq!(near.regex, Some(0));
        assert!(near.share > 0.8 && near.share < 1.0, "{}", near.share);
    }

    #[test]
    fn offsets_count_the_date_that_was_cut_out() {
        let near = miss("^ knock from <HOST>$", "2026-11-20 10:00:00 knock from nobody!").expect("a near miss");
        assert_eq!(&near.text[near.offset..], "!");
        assert_eq!(near.expected, ["the end of the line"]);
        let near = miss("^ knock by \\w+ from <ADDR>$", "2026-11-20 10:00:00 knock by bob from home").expect("near");
        assert_eq!((&near.text[near.offset..], &*near.found), ("home", "home"));
        assert_eq!(near.expected, ["an address"]);
    }

    #[test]
    fn the_furthest_of_several_counts() {
        let near = miss("^ knock from <HOST>$\n^ knock from <HOST> by hand$\n^ kick <HOST>", "knock by 192.0.2.1");
        assert_eq!(near, None, "a first word is nothing");
        let near =
            miss("^knock from <HOST>$\n^knock from <HOST> by hand$\n^kick <HOST>", "knock from 192.0.2.1 by foot");
        let near = near.expect("near");
        assert_eq!((near.regex, &*near.found, &*near.expected), (Some(1), "foot", &["`hand`".to_owned()][..]));
    }

    #[test]
    fn a_long_expression_that_is_far_off_hides_no_short_one() {
        let long = format!("^knock at{} <HOST>$", " twice".repeat(40));
        let near =
            miss(&format!("{}\n^knock \\w+ <ADDR>$", long.replace("knock at", "knock\\w* at ")), "knock at home");
        assert_eq!(near.map(|near| near.regex), Some(Some(1)));
    }

    #[test]
    fn an_expression_that_is_too_big_to_follow_is_left_out() {
        assert_eq!(miss("^(?:knock at the door ){1000} <HOST>$", "knock at the door "), None);
    }

    #[test]
    fn what_follows_any_text_is_missed_from_where_that_began() {
        let near = miss("^call from '.*' failed for <HOST>$", "call from 'bob failed for 192.0.2.1").expect("near");
        assert_eq!((&near.text[..near.offset], near.anywhere), ("call from '", true));
        assert_eq!(near.expected, ["`' failed for `"]);
    }

    #[test]
    fn a_choice_tells_its_branches() {
        let near = miss("^door (?:knock|kick) <HOST>$", "door slam 192.0.2.1");
        assert_eq!(near, None);
        let near =
            miss("^the door was (?:knocked|kicked) by <HOST>$", "the door was slammed by 192.0.2.1").expect("near");
        assert_eq!(near.expected, ["`knocked`", "`kicked`"]);
    }

    #[test]
    fn a_prefregex_comes_first_and_its_content_is_mapped_back() {
        let filter = |line: &str| {
            judge(
                settings("^knocked at <HOST>$", Some("^ door\\[\\d+\\]: <F-CONTENT>.+</F-CONTENT>$")),
                line.as_bytes(),
            )
        };
        let near = filter("2026-11-20 10:00:00 door[7] knocked at 192.0.2.1").expect("near");
        assert_eq!((near.regex, &near.text[near.offset..]), (None, " knocked at 192.0.2.1"));
        assert_eq!(near.expected, ["`: `"]);
        let near = filter("2026-11-20 10:00:00 door[7]: knocked at 192.0.2.1 twice").expect("near");
        assert_eq!((near.regex, &near.text[near.offset..]), (Some(0), " twice"));
    }

    #[test]
    fn a_look_around_in_the_way_is_said() {
        let near = miss("^knock by (?!bob)\\w+ from <HOST>$", "knock by bob from 192.0.2.1").expect("near");
        assert!(near.expected.is_empty());
        assert_eq!(near.share, 1.0);
    }

    #[test]
    fn several_lines_are_told_together() {
        let settings = FilterSettings { maxlines: 2, ..settings("^knock at the door\\n from <HOST>$", None) };
        let near = judge(settings, b"knock at the door\nfrom nobody").expect("near");
        assert_eq!(near.text, "knock at the door\nfrom nobody");
        assert_eq!(&near.text[near.offset..], "from nobody");
    }

    #[test]
    fn hostile_lines_cost_a_bounded_number_of_steps() {
        let long = "knock by ".repeat(8_000);
        for line in [&long, &"\u{1b}[2J\u{202e}".repeat(8_000), &"'".repeat(64 << 10), ""] {
            for regex in
                ["^(?:.*' )*knock by .*' from <HOST>$", "(?:\\w+\\s*)*(?:'.*)*x <HOST>", "(?:a?){40}a{40} <HOST>"]
            {
                let near = miss(regex, line);
                assert!(near.is_none_or(|near| near.text.is_char_boundary(near.offset)));
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn the_stop_lies_within_the_line(
            line in prop_oneof![
                proptest::collection::vec(any::<u8>(), 0..200),
                "(2026-11-20 10:00:00|é|)?( knock| by '[^\n]{0,20}'| from 192.0.2.[0-9]{1,4}| - Wrong pass(word)?|\u{0}|\u{1b}){0,6}"
                    .prop_map(String::into_bytes),
            ],
        ) {
            let regexes = "^ knock by '.*' from <HOST> - Wrong password$\n(?i) KNOCK .* \\S+ <HOST>(?=x)\n^(?:\\s+knock){2,} by <F-USER>[^']*</F-USER> <SUBNET>";
            for prefix in [None, Some("^ (?:knock )?<F-CONTENT>.+</F-CONTENT>$")] {
                if let Some(near) = judge(settings(regexes, prefix), &line) {
                    prop_assert!(near.text.is_char_boundary(near.offset));
                    prop_assert!((0.0..=1.0).contains(&near.share));
                    prop_assert!(near.text[near.offset..].starts_with(&near.found));
                }
            }
        }
    }

    fn miss(failregexes: &str, line: &str) -> Option<Near> {
        judge(settings(failregexes, None), line.as_bytes())
    }

    fn settings(failregexes: &str, prefregex: Option<&str>) -> FilterSettings {
        let failregex = failregexes.lines().map(Spanned::bare).collect();
        FilterSettings { failregex, prefregex: prefregex.map(Spanned::bare), maxlines: 1, ..FilterSettings::default() }
    }

    /// What is said of the last line; `None` as well where it matches.
    fn judge(settings: FilterSettings, text: &[u8]) -> Option<Near> {
        let zones = Zones { local: jiff::tz::TimeZone::UTC, logtimezone: None };
        let (filter, _) = Filter::of(&settings, UseDns::Warn, "auto", zones).expect("it compiles");
        let mut filter = filter.for_tools(false);
        let tracks = filter.tracks();
        let now = Timestamp::from_secs(1_795_000_000);
        let moment = Moment { now, findtime: Span::default(), live: false, time: None, before: &[] };
        let mut near = None;
        for line in text.split(|b| *b == b'\n') {
            near = match filter.hits(line, None, &moment, &mut Vec::new()) {
                Verdict::Missed => filter.near(&tracks, line),
                _ => None,
            };
        }
        near
    }
}
