//! Lines that no failregex can match and that count all the same: a tool says of how many of them a date was found, and
//! how many a prefregex matched.
//!
//! Such a line goes the way of all lines, unless it begins like an earlier one up to behind the date: then all that is
//! still open is whether the prefregex matches, and a few bytes more tell that.

use std::ops::Range;

use super::hits::Told;
use super::pyregex::Pattern;
use super::rules::Rules;
use super::sieve::{Sieve, Stand};
use super::{Filter, Moment, Verdict};

/// What lines are sifted with that begin like earlier ones. A copy has none yet.
#[derive(Debug, Default)]
pub struct Passing {
    /// Of the ignoreregexes, where they are tried first, then of the prefregex. Made when they are first needed; `None`
    /// inside: one of them has to be searched each time.
    sieves: Option<Option<Vec<Sieve>>>,
    /// How far each came behind the date; kept for its capacity.
    behind: Vec<Stand>,
}

impl Clone for Passing {
    fn clone(&self) -> Passing {
        Passing::default()
    }
}

impl Filter {
    /// What counts of a line that no failregex can match, as a [`Scan`](super::Scan) found out: its date, the prefregex,
    /// and the ignoreregexes where they are tried first. Gives what [`Filter::hits`] would have given.
    pub fn passed_over(&mut self, line: &[u8], moment: &Moment<'_>) -> Verdict {
        if !self.may_pass() || line.len() > LONG {
            return self.look(line, None, None, moment, Told::Nobody);
        }
        // What the decoder takes off.
        let end = line.iter().rposition(|byte| !matches!(byte, b'\r' | b'\n')).map_or(0, |at| at + 1);
        let text = &line[..end];
        if let Some(prefixed) = self.passes(text, moment) {
            self.clock.count_again(1, text, moment.now);
            self.prefix_hits += u64::from(prefixed);
            return Verdict::Missed;
        }
        let placed = self.clock.place_alike(text, moment, self.decoder, &mut self.notes);
        if placed.is_some()
            && let Some(prefixed) = self.passes(text, moment)
        {
            self.prefix_hits += u64::from(prefixed);
            return Verdict::Missed;
        }
        self.look(line, None, placed, moment, Told::Nobody)
    }

    /// The same for the first ones of these lines (each with its newline), as many as begin like earlier lines and need
    /// little work: gives how many bytes and how many lines that are. All of them are missed. The first byte of a line that
    /// begins like an earlier one is the same, or another letter or digit.
    pub fn passed_over_alike(&mut self, lines: &[u8], moment: &Moment<'_>) -> (usize, u64) {
        let (mut at, mut count, mut prefixed, mut last) = (0, 0, 0, 0);
        if !self.may_pass() {
            return (at, count);
        }
        let Filter { clock, passing, rules, .. } = self;
        let Some((early, sieves, behind)) = passing.sieves(rules) else { return (at, count) };
        let mut known: &[u8] = &[];
        while at < lines.len() {
            let text = &lines[at..];
            if known.is_empty() || !text.starts_with(known) {
                let Some((head, cut)) = clock.again(text, moment.now) else { break };
                stand_behind(head, &cut, sieves, behind);
                known = head;
            }
            let rest = &text[known.len()..];
            let Some(matched) = sift(sieves, behind, early, |sieve, stand| sieve.settles(stand, rest)) else { break };
            let Some(end) = memchr::memchr(b'\n', rest).filter(|end| known.len() + end <= LONG) else { break };
            last = at;
            at += known.len() + end + 1;
            count += 1;
            prefixed += u64::from(matched);
        }
        if count > 0 {
            clock.count_again(count, &lines[last..at], moment.now);
            self.prefix_hits += if self.rules.prefix.is_some() { prefixed } else { 0 };
        }
        (at, count)
    }

    fn may_pass(&self) -> bool {
        self.literals(false).is_some() && !self.tells_prefix && !self.checked
    }

    /// Whether the prefregex matches a line that begins like an earlier one; `None`: that, or more, has to be looked for.
    fn passes(&mut self, line: &[u8], moment: &Moment<'_>) -> Option<bool> {
        let (early, sieves, behind) = self.passing.sieves(&self.rules)?;
        let (head, cut) = self.clock.again(line, moment.now)?;
        stand_behind(head, &cut, sieves, behind);
        let rest = &line[head.len()..];
        let matches = sift(sieves, behind, early, |sieve, stand| {
            let stand = sieve.feed(stand, rest);
            sieve.end(stand)
        })?;
        Some(matches && self.rules.prefix.is_some())
    }
}

impl Passing {
    /// How many ignoreregexes are tried first, the sieves, and room for where each stands.
    fn sieves(&mut self, rules: &Rules) -> Option<(usize, &mut [Sieve], &mut Vec<Stand>)> {
        let early = if rules.ignores_early() { rules.ignore.len() } else { 0 };
        let sieves = self.sieves.get_or_insert_with(|| {
            let early = rules.ignore[..early].iter();
            early.chain(rules.prefix.as_ref().map(|regex| regex.pattern())).map(Pattern::sieve).collect()
        });
        Some((early, sieves.as_mut()?, &mut self.behind))
    }
}

/// Where each sieve stands behind the beginning of a line, of which a part is cut out.
fn stand_behind(head: &[u8], cut: &Range<usize>, sieves: &mut [Sieve], behind: &mut Vec<Stand>) {
    behind.clear();
    behind.extend(sieves.iter_mut().map(|sieve| {
        let before = sieve.start();
        let before = sieve.feed(before, &head[..cut.start]);
        sieve.feed(before, &head[cut.end..])
    }));
}

/// What the last sieve says; `None`: one does not know, or one of the early ones matches.
fn sift(
    sieves: &mut [Sieve],
    behind: &[Stand],
    early: usize,
    mut settles: impl FnMut(&mut Sieve, Stand) -> Option<bool>,
) -> Option<bool> {
    let mut matches = false;
    for (number, (sieve, stand)) in sieves.iter_mut().zip(behind).enumerate() {
        matches = settles(sieve, *stand)?;
        if matches && number < early {
            return None;
        }
    }
    Some(matches)
}

/// Longer lines have rules of their own.
const LONG: usize = 4000;

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;
    use proptest::prelude::*;

    use super::*;
    use crate::config::{FilterSettings, Spanned, UseDns};
    use crate::filter::date::{Found, Zones};
    use crate::time::Span;
    use crate::time::Timestamp;

    /// 2026-11-20 10:00:00 UTC.
    const NOW: Timestamp = Timestamp::from_secs(1_795_168_800);

    fn filter(prefregex: &str, datepattern: &str, ignoreregex: &str) -> Filter {
        let texts = |text: &str| if text.is_empty() { None } else { Some(Spanned::bare(text)) };
        let settings = FilterSettings {
            maxlines: 1,
            failregex: vec![Spanned::bare("very bad <HOST>$"); 4],
            ignoreregex: texts(ignoreregex).into_iter().collect(),
            prefregex: texts(prefregex),
            datepattern: texts(datepattern).into_iter().collect(),
            ..FilterSettings::default()
        };
        let zones = Zones { local: TimeZone::get("Europe/Berlin").unwrap(), logtimezone: None };
        Filter::of(&settings, UseDns::Warn, "auto", zones).unwrap().0.for_tools(true)
    }

    /// What a line was found to be, and all that is counted.
    type Seen = (Verdict, Option<Found>, u64, Vec<u64>, Vec<(usize, u64, Option<usize>)>);

    fn seen(filter: &Filter, verdict: Verdict) -> Seen {
        let templates = filter.templates().map(|t| (t.id, t.hits, t.distance)).collect();
        (verdict, filter.clock.found.clone(), filter.prefix_hits, filter.ignore_hits.clone(), templates)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]

        /// Lines that are passed over leave the filter as if each had gone the way of all lines.
        #[test]
        fn what_begins_alike_is_counted_as_if_it_was_looked_at(
            prefregex in prop::sample::select(vec![
                "",
                r"^\[?\]? ?(?:NOTE|ERR)\[\d{2,}\]:? <F-CONTENT>.+</F-CONTENT>$",
                r"^[^\[]* (?:NOTE|ERR)\b <F-CONTENT>\S.*</F-CONTENT>$",
                r" <F-CONTENT>[a-z]+</F-CONTENT> \w+$",
                r"^(?:\W|x)*(?!N)\w+ <F-CONTENT>.+</F-CONTENT>$",
                r"<F-CONTENT>.*</F-CONTENT>",
            ]),
            datepattern in prop::sample::select(vec![
                "", r"^(\[){DATE}\]", r"^\[%Y-%m-%d %H:%M:%S\]", "{^LN-BEG}EPOCH", r"%Y-%m-%d %H:%M:%S",
                r"^(?:[^\[\]]*\bab\[\d+\]: )?(%ExY)-%m-%d %H:%M:%S(?:\.%f)?",
                r"^(?:[\da-f]{4}-[\da-f]{2} )?(%ExY)-%m-%d %H:%M:%S(?:\.%f)?",
            ]),
            ignoreregex in prop::sample::select(vec!["", r"^ [ \d]\d \d\d:", "^.? NOTE", "a$", r"^(?!\])\W+ "]),
            lines in prop::collection::vec((0usize..9, 0u32..5, 0usize..8, "[ a-zé\\[\\]0-9]{0,6}\r?"), 1..40),
        ) {
            let (mut quick, mut thorough) = (filter(prefregex, datepattern, ignoreregex), filter(prefregex, datepattern, ignoreregex));
            let moment = Moment { now: NOW, findtime: Span::default(), live: false, time: None, before: &[] };
            let (mut log, mut missed) = (Vec::new(), 0);
            for (shape, second, level, rest) in lines {
                let level = ["NOTE[12]", "ERR[1]", "NOTE x", "ERR", "INFO[12]", "xé", "", "note"][level];
                let line = match shape {
                    0..3 => format!("[2026-11-19 23:59:0{second}] {level} {rest}"),
                    3 => format!("2026-10-25 02:30:5{second} {level}: {rest}"),
                    4 => format!("2026-11-19 23:5{second}:01.12{second}45{second} {level} {rest}"),
                    5 => format!("17951688{second}0 {level} {rest}"),
                    6 => format!("{second}a{second}c-b{second} 2026-11-19 23:59:01.5{second} {level} {rest}"),
                    7 => format!("{level} {rest} 2026-11-19 23:59:0{second}"),
                    _ => format!("{level}{rest}"),
                };
                let verdict = quick.passed_over(line.as_bytes(), &moment);
                let expected = thorough.look(line.as_bytes(), None, None, &moment, Told::Nobody);
                prop_assert_eq!(seen(&quick, verdict), seen(&thorough, expected), "{:?}", line);
                missed += u64::from(expected == Verdict::Missed);
                log.extend_from_slice(line.as_bytes());
                log.push(b'\n');
            }
            let (mut many, mut at) = (filter(prefregex, datepattern, ignoreregex), 0);
            while at < log.len() {
                let (bytes, count) = many.passed_over_alike(&log[at..], &moment);
                at += bytes;
                missed -= count;
                if let Some(end) = memchr::memchr(b'\n', &log[at..]) {
                    missed -= u64::from(many.passed_over(&log[at..at + end], &moment) == Verdict::Missed);
                    at += end + 1;
                }
            }
            prop_assert_eq!(missed, 0);
            prop_assert_eq!(seen(&many, Verdict::Missed), seen(&thorough, Verdict::Missed));
        }
    }

    #[test]
    fn lines_of_a_known_shape_are_not_looked_at() {
        let mut filter =
            filter(r"^\] (?:NOTE|ERR)\[\d+\] <F-CONTENT>.+</F-CONTENT>$", r"^(\[%Y-%m-%d %H:%M:%S)\]", "^ x");
        let moment = Moment { now: NOW, findtime: Span::default(), live: false, time: None, before: &[] };
        let mut quick = |line: &str| {
            let found = filter.passes(line.as_bytes(), &moment);
            (found, filter.passed_over(line.as_bytes(), &moment)).0
        };
        assert_eq!(quick("[2026-11-19 23:59:01] NOTE[1] a"), None);
        assert_eq!(quick("[2026-11-19 23:59:01] NOTE[1] a"), None);
        assert_eq!(quick("[2026-11-19 23:59:01] NOTE[12] b"), Some(true));
        assert_eq!(quick("[2026-11-19 23:59:01] INFO[12] b"), Some(false));
        assert_eq!(quick("[2026-11-19 23:59:02] NOTE[12] b"), Some(true));
        assert_eq!(quick("[2026-11-19 23:59:02] NOTE[12] "), Some(false));
        let alike = "[2026-11-19 23:59:02] NOTE[12] a\n[2026-11-19 23:59:02] INFO[12] b\r\n";
        let lines = format!("{alike}[2026-11-19 23:59:02] NOTE[12] \r\n[2026-11-19 23:59:03] NOTE[12] a\n");
        assert_eq!(filter.passed_over_alike(lines.as_bytes(), &moment), (alike.len(), 2));
        assert_eq!(filter.passed_over_alike(&lines.as_bytes()[alike.len()..], &moment), (0, 0));
        assert_eq!(filter.prefix_hits, 5);
    }
}
