//! What a filter does with one line, step by step, in fail2ban's order: date, early ignoreregex, prefregex, failregex,
//! ignoreregex, groups of several lines, identity.

use std::borrow::Cow;

use super::budget::Costly;
use super::failregex::{Groups, Identity, beside, identify};
use super::haystack::{Haystack, Text};
use super::hit::{Hit, failure};
use super::notes::Note;
use super::pyregex::Match;
use super::when::Place;
use super::window::Division;
use super::{Filter, Moment, Verdict};
use crate::addr::Id;
use crate::text::printable;
use crate::ticket::{Failure, Sign, Who};
use crate::time::Timestamp;

/// Who wants to know what matched.
pub(super) enum Told<'a> {
    /// Nobody: no failregex is tried.
    Nobody,
    /// Of every match, with everything about it.
    Hits(&'a mut Vec<Hit>),
    /// Of what is proved. Where one line by itself proves it, nothing of it is copied that no failure keeps.
    Failures(&'a mut Vec<Failure>),
}

impl Told<'_> {
    fn take(&mut self, hit: Hit) {
        match self {
            Told::Nobody => {}
            Told::Hits(out) => out.push(hit),
            Told::Failures(out) => out.extend(hit.failure()),
        }
    }

    /// The same for another look.
    pub(super) fn again(&mut self) -> Told<'_> {
        match self {
            Told::Nobody => Told::Nobody,
            Told::Hits(out) => Told::Hits(out),
            Told::Failures(out) => Told::Failures(out),
        }
    }

    /// What has been told.
    pub(super) fn len(&self) -> usize {
        match self {
            Told::Nobody => 0,
            Told::Hits(out) => out.len(),
            Told::Failures(out) => out.len(),
        }
    }
}

impl Filter {
    /// Looks at one line and adds every match to `out`, also those that prove nothing. With `written` the source knows
    /// the time (a journal): then no date is looked for.
    pub fn hits(
        &mut self,
        line: &[u8],
        written: Option<Timestamp>,
        moment: &Moment<'_>,
        out: &mut Vec<Hit>,
    ) -> Verdict {
        self.look(line, written, None, moment, Told::Hits(out))
    }

    /// With `placed` the line's place in time is known already.
    pub(super) fn look(
        &mut self,
        line: &[u8],
        written: Option<Timestamp>,
        placed: Option<Place>,
        moment: &Moment<'_>,
        mut told: Told<'_>,
    ) -> Verdict {
        self.prefix_found = None;
        if !matches!(told, Told::Nobody)
            && let Some(verdict) = self.next_piece(line, moment, &mut told)
        {
            return verdict;
        }
        let gave_up = self.clock.detector.gave_up();
        let text = self.decoder.decode(line);
        if matches!(text, Cow::Owned(_)) && text.contains('\u{fffd}') {
            self.notes.daily(Note::Undecodable, moment.now, || {
                "a line holds bytes that are no text in this encoding, perhaps `logencoding` is wrong".into()
            });
        }
        let place = match (placed, written) {
            (Some(place), _) => place,
            (None, Some(time)) => self.clock.place_at(time, moment, self.checked, &mut self.notes),
            (None, None) => self.clock.place(&text, moment, self.checked, self.decoder, &mut self.notes),
        };
        if self.clock.detector.gave_up() > gave_up {
            self.notes.daily(Note::CostlyDate, moment.now, || {
                "no date was found in a line because the search would have taken too long, perhaps `datepattern` should name one".into()
            });
        }
        let (time, cut, date) = match place {
            Place::TooOld => return Verdict::Dropped,
            Place::At(time, cut) => (Some(time), cut, String::new()),
            Place::Lent(time, date) => (Some(time), 0..0, date),
            Place::Unknown(cut) => (None, cut, String::new()),
        };
        if matches!(told, Told::Nobody) && self.rules.prefix.is_none() && !self.rules.ignores_early() {
            return Verdict::Missed;
        }
        let date = match written {
            Some(time) => self.clock.detector.written(time),
            None => date,
        };
        let mut haystack = std::mem::take(&mut self.haystack);
        haystack.set(&text, cut);
        let shown = if date.is_empty() { text } else { Cow::Owned(date + &text) };
        if let Some(window) = &mut self.window {
            window.push(&shown, haystack.text().strip_suffix('\n').unwrap_or_default());
            haystack.put(window.text());
        }
        if !matches!(told, Told::Nobody) && self.holds(&shown, &haystack.text(), time) {
            self.haystack = haystack;
            return Verdict::Missed;
        }
        let verdict = self.search(&shown, &mut haystack, time, moment, told);
        self.haystack = haystack;
        verdict
    }

    pub(super) fn search(
        &mut self,
        line: &str,
        haystack: &mut Haystack,
        time: Option<Timestamp>,
        moment: &Moment<'_>,
        told: Told<'_>,
    ) -> Verdict {
        let mut costly = Costly::new(self.machine.take().unwrap_or_default(), &haystack.text());
        let verdict = self.judge(line, haystack, time, moment, told, &mut costly);
        let (machine, given_up) = costly.end();
        self.machine = Some(machine);
        if let Some((kind, number)) = given_up {
            self.limits += 1;
            let (kind, number) = if kind == "failregex" { self.rules.named(number) } else { (kind, number) };
            self.notes.daily(Note::TooCostly, moment.now, || {
                let which = if kind == "prefregex" { String::new() } else { format!(" {}", number + 1) };
                format!(
                    "{kind}{which} and what follows it were given up on a line because they would have taken too long; \
                     whether they match it is not known, so it may be a failure that was missed"
                )
            });
        }
        verdict
    }

    fn judge(
        &mut self,
        line: &str,
        haystack: &mut Haystack,
        time: Option<Timestamp>,
        moment: &Moment<'_>,
        mut told: Told<'_>,
        costly: &mut Costly,
    ) -> Verdict {
        if self.rules.ignores_early()
            && let Some(number) = self.ignored(haystack.text(), costly)
        {
            return Verdict::Ignored(number);
        }
        let Some(common) = self.prefixed(haystack, costly) else { return Verdict::Missed };
        let mut verdict = Verdict::Missed;
        if matches!(told, Told::Nobody) {
            return verdict;
        }
        let possible = self.possible(&haystack.text());
        for &number in &possible {
            let (regex, text) = (&self.rules.fail[number], haystack.text());
            let found = costly.settle("failregex", number, |machine| self.shared.failure(regex, text, machine));
            let Some(found) = found else { continue };
            let division = self.window.as_ref().map(|w| w.divide(&text, &found, &regex.skipped(&found, &text)));
            let covered = division.as_ref().map(Division::text);
            let ignore = self.ignored(covered.as_deref().map_or(text, Text::from), costly);
            let undated = ignore.is_none() && self.checked && time.is_none();
            let new = match (ignore, &mut told) {
                _ if undated => {
                    self.say_undated(line, moment);
                    Some(Verdict::Dropped)
                }
                (Some(ignore), _) => Some(Verdict::Ignored(ignore)),
                (None, Told::Failures(out)) if self.proves_alone(number, &common) => {
                    self.prove(number, &found, (line, &text), time, moment, out)
                }
                (None, told) => {
                    let groups = with(&common, self.rules.fail[number].groups(&found, &text));
                    let lines = division.as_ref().map_or_else(|| vec![line.to_owned()], Division::originals);
                    self.hit(number, groups, lines, time, moment).map(|hit| {
                        let nofail = hit.nofail;
                        told.take(hit);
                        if nofail { Verdict::Ignored(number) } else { Verdict::Matched(number) }
                    })
                }
            };
            if !undated && let (Some(window), Some(division)) = (&mut self.window, division) {
                window.keep_rest(division);
                haystack.put(window.text());
            }
            match new {
                Some(new) if !matches!(verdict, Verdict::Matched(_)) => verdict = new,
                Some(_) => {}
                // For fail2ban the expression is wrong then; what the line holds has been taken by it all the same.
                None if self.window.is_none() && !self.tries_all => break,
                None => continue,
            }
            if !undated && !self.tries_all {
                break;
            }
        }
        self.possible = possible;
        verdict
    }

    /// The failregexes that may match a text, in order.
    fn possible(&mut self, text: &str) -> Vec<usize> {
        let mut possible = std::mem::take(&mut self.possible);
        if self.window.is_some() {
            // With each match it is another text.
            possible.clear();
            possible.extend(0..self.rules.fail.len());
        } else {
            self.rules.heads().possible(text, &mut possible);
        }
        possible
    }

    /// The ignoreregex that matches, of several the last one that was tried.
    fn ignored(&mut self, text: Text<'_>, costly: &mut Costly) -> Option<usize> {
        let mut last = None;
        for (number, pattern) in self.rules.ignore.iter().enumerate() {
            if (self.tries_all || last.is_none()) && costly.matches("ignoreregex", number, pattern, text) {
                self.ignore_hits[number] += 1;
                last = Some(number);
            }
        }
        last
    }

    /// Leaves of the text what the prefregex leaves, and gives its other groups; `None`: it does not match.
    fn prefixed(&mut self, haystack: &mut Haystack, costly: &mut Costly) -> Option<Groups> {
        let Some(prefix) = &self.rules.prefix else { return Some(Groups::new()) };
        let text = haystack.text();
        let found = costly.settle("prefregex", 0, |machine| self.shared.prefix(prefix, text, machine))?;
        self.prefix_hits += 1;
        if self.tells_prefix {
            self.prefix_found = Some(prefix.groups(&found, &text));
        }
        let groups = if prefix.gives_content_alone() { Groups::new() } else { prefix.beside_content(&found, &text) };
        if let Some(content) = prefix.content(&found) {
            if let Some(window) = &mut self.window {
                window.replace(&text[content.clone()]);
            }
            haystack.narrow(content);
        }
        Some(groups)
    }

    /// Whether all that counts of a match of this failregex is in its groups: no tool asks for more, and no other line
    /// belongs to it.
    fn proves_alone(&self, number: usize, common: &Groups) -> bool {
        self.checked && self.window.is_none() && common.is_empty() && self.rules.fail[number].is_plain()
    }

    /// Adds the failure that a match proves by itself, if it proves one; `None`: the failregex names nobody. It is what
    /// [`Filter::hit`] would give, and costs a fraction of it.
    fn prove(
        &mut self,
        number: usize,
        found: &Match,
        (line, text): (&str, &str),
        time: Option<Timestamp>,
        moment: &Moment<'_>,
        out: &mut Vec<Failure>,
    ) -> Option<Verdict> {
        let (spans, usedns) = (self.rules.fail[number].spans(found, text), self.rules.usedns);
        let sign = self.rules.sign(number);
        match of_sign(identify(&spans, usedns), sign) {
            Identity::Known(who) => {
                let proven = |time: Timestamp| {
                    let (ip, groups, time) = (beside(&spans, usedns), spans.others(), time.min(moment.now));
                    failure(who, ip.as_deref(), groups, time, vec![line.to_owned()])
                };
                out.extend(time.map(proven).map(|found| Failure { sign, ..found }));
            }
            Identity::Nobody => return None,
            Identity::Invalid(text) => self.say_invalid(&text),
        }
        Some(Verdict::Matched(number))
    }

    /// What a match proves, with what other lines of its session say; `None`: the failregex names nobody.
    fn hit(
        &mut self,
        regex: usize,
        groups: Groups,
        lines: Vec<String>,
        time: Option<Timestamp>,
        moment: &Moment<'_>,
    ) -> Option<Hit> {
        let joined = self.sessions.join(groups, lines, moment.now, !self.checked);
        let sign = self.rules.sign(regex);
        let (who, invalid) = match of_sign(identify(&joined.groups, self.rules.usedns), sign) {
            Identity::Known(who) => (Some(who), None),
            Identity::Nobody if !joined.groups.contains_key("mlfid") => return None,
            Identity::Nobody => (None, None),
            Identity::Invalid(text) => {
                self.say_invalid(&text);
                (None, Some(text))
            }
        };
        Some(Hit {
            regex,
            sign,
            who,
            invalid,
            ip: beside(&joined.groups, self.rules.usedns),
            time: if self.checked { time.map(|t| t.min(moment.now)) } else { time },
            zoned: self.clock.found.as_ref().is_some_and(|found| found.zoned),
            nofail: joined.nofail,
            groups: joined.groups,
            users: joined.users,
            matches: joined.matches,
        })
    }

    fn say_invalid(&mut self, text: &str) {
        self.notes.debug(|| format!("`{}` is no address, so nobody failed", printable(text)));
    }

    fn say_undated(&mut self, line: &str, moment: &Moment<'_>) {
        self.notes.daily(Note::Undated, moment.now, || {
            format!("a match without a date does not count, perhaps `datepattern` is wrong: {}", printable(line))
        });
    }
}

/// A restart is nobody's.
fn of_sign(identity: Identity, sign: Sign) -> Identity {
    if sign == Sign::Restarted { Identity::Known(Who::Id(Id::Raw("".into()))) } else { identity }
}

/// The groups of a prefregex, and over them those of a failregex.
fn with(common: &Groups, found: Groups) -> Groups {
    if common.is_empty() {
        return found;
    }
    common.iter().map(|(name, text)| (name.clone(), text.clone())).chain(found).collect()
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;
    use crate::config::{FilterSettings, Spanned, UseDns};
    use crate::filter::Scan;
    use crate::filter::date::Zones;
    use crate::time::Span;

    /// 2026-11-20 10:00:00 UTC.
    const NOW: Timestamp = Timestamp::from_secs(1_795_168_800);

    fn filter(change: impl FnOnce(&mut FilterSettings)) -> Filter {
        let mut settings = FilterSettings { maxlines: 1, ..FilterSettings::default() };
        settings.failregex = vec![Spanned::bare(r"^ bad <HOST>$")];
        change(&mut settings);
        let zones = Zones { local: TimeZone::UTC, logtimezone: None };
        Filter::of(&settings, UseDns::Warn, "auto", zones).unwrap().0
    }

    fn moment(live: bool, before: &str) -> Moment<'_> {
        Moment { now: NOW, findtime: Span::from_secs(600), live, time: None, before: before.as_bytes() }
    }

    /// Seconds between the failure and the present, or what became of the line instead.
    fn age(filter: &mut Filter, line: &str, moment: &Moment<'_>) -> Result<i64, Verdict> {
        let mut out = Vec::new();
        let verdict = filter.line(line.as_bytes(), moment, &mut out);
        out.pop().map(|f| (moment.now - f.time).secs()).ok_or(verdict)
    }

    #[test]
    fn in_operation_every_date_is_made_plausible() {
        let mut filter = filter(|s| s.failregex = vec![Spanned::bare(r"^\s*bad <HOST>$")]);
        let live = moment(true, "");
        assert_eq!(age(&mut filter, "2026-11-20 09:59:30 bad 192.0.2.1", &live), Ok(30));
        assert_eq!(age(&mut filter, "bad 192.0.2.1", &live), Ok(30));
        assert_eq!(age(&mut filter, "2020-01-01 00:00:00 bad 192.0.2.1", &live), Ok(0));
        assert_eq!(age(&mut filter, "2026-11-20 10:30:00 bad 192.0.2.1", &live), Ok(0));
        assert_eq!(age(&mut filter, "2026-11-20 10:00:30 bad 192.0.2.1", &live), Ok(0));
        assert_eq!(filter.records().len(), 1);
    }

    #[test]
    fn at_first_reading_old_and_dateless_lines_do_not_count() {
        let mut filter = filter(|s| s.failregex = vec![Spanned::bare(r"^\s*bad <HOST>$")]);
        let reading = moment(false, "");
        assert_eq!(age(&mut filter, "bad 192.0.2.1", &reading), Err(Verdict::Dropped));
        assert_eq!(age(&mut filter, "2026-11-20 09:49:59 bad 192.0.2.1", &reading), Err(Verdict::Dropped));
        assert_eq!(age(&mut filter, "2026-11-20 09:50:00 bad 192.0.2.1", &reading), Ok(600));
        assert_eq!(age(&mut filter, "bad 192.0.2.1", &reading), Err(Verdict::Dropped));
        assert_eq!(filter.records().len(), 2);
    }

    #[test]
    fn a_line_without_a_date_takes_that_of_a_line_before_it() {
        let mut filter = filter(|s| s.failregex = vec![Spanned::bare(r"^\s*bad <HOST>$")]);
        let before = "2026-11-20 09:59:50 hello\nnothing here\n\n";
        assert_eq!(age(&mut filter, "bad 192.0.2.1", &moment(false, before)), Ok(10));
        let far = format!("2026-11-20 09:59:55 hello\n{}", "x\n".repeat(100));
        let mut fresh = self::filter(|s| s.failregex = vec![Spanned::bare(r"^\s*bad <HOST>$")]);
        assert_eq!(age(&mut fresh, "bad 192.0.2.1", &moment(false, &far)), Err(Verdict::Dropped));
        let known = Moment { time: Some(NOW - Span::from_secs(7)), ..moment(false, "") };
        assert_eq!(age(&mut fresh, "bad 192.0.2.1", &known), Ok(7));
    }

    #[test]
    fn a_line_without_a_date_is_shown_with_the_one_it_borrows() {
        let mut filter = filter(|s| s.failregex = vec![Spanned::bare(r"^\s*bad <HOST>$")]);
        let mut out = Vec::new();
        filter.line(b"bad 192.0.2.1", &moment(true, "2026-11-20 09:59:50 hello\n"), &mut out);
        assert_eq!(out[0].matches, ["2026-11-20 09:59:50bad 192.0.2.1"]);
        let hasty = Moment { findtime: Span::from_secs(5), ..moment(false, "") };
        assert_eq!(age(&mut filter, "bad 192.0.2.1", &hasty), Err(Verdict::Dropped));
        let mut tool = filter.for_tools(true);
        assert_eq!(age(&mut tool, "bad 192.0.2.1", &moment(true, "")), Ok(10));
    }

    #[test]
    fn a_line_that_only_helps_and_has_no_session_is_ignored_by_tools_alone() {
        let change = |s: &mut FilterSettings| s.failregex = vec![Spanned::bare("<F-NOFAIL>ok</F-NOFAIL> <HOST>$")];
        let line = "2026-11-20 10:00:00 ok 192.0.2.1";
        assert_eq!(age(&mut filter(change), line, &moment(true, "")), Ok(0));
        assert_eq!(age(&mut filter(change).for_tools(true), line, &moment(true, "")), Err(Verdict::Ignored(0)));
    }

    #[test]
    fn tools_count_every_ignoreregex() {
        let change = |s: &mut FilterSettings| s.ignoreregex = ["bad", "192", "x"].map(Spanned::bare).to_vec();
        let line = b"2026-11-20 10:00:00 bad 192.0.2.1";
        let hits = |mut filter: Filter| {
            assert!(matches!(filter.line(line, &moment(true, ""), &mut Vec::new()), Verdict::Ignored(_)));
            filter.ignore_hits().to_vec()
        };
        assert_eq!(hits(filter(change)), [1, 0, 0]);
        assert_eq!(hits(filter(change).for_tools(true)), [1, 1, 0]);
    }

    #[test]
    fn a_match_that_names_nobody_is_none() {
        let change = |s: &mut FilterSettings| {
            s.failregex = ["^ bad(?: <ADDR>)?", "^ bad at <ADDR>$"].map(Spanned::bare).to_vec()
        };
        let line = "2026-11-20 10:00:00 bad at 192.0.2.1";
        assert_eq!(age(&mut filter(change), line, &moment(true, "")), Err(Verdict::Missed));
        assert_eq!(age(&mut filter(change).for_tools(true), line, &moment(true, "")), Ok(0));
    }

    #[test]
    fn a_journal_line_is_taken_whole_and_at_its_time() {
        let mut filter = filter(|s| s.failregex = vec![Spanned::bare(r"^2026-11-20 09:00:00 bad <HOST>$")]);
        let mut out = Vec::new();
        filter.line_at(b"2026-11-20 09:00:00 bad 192.0.2.1", NOW, &moment(false, ""), &mut out);
        assert_eq!(out[0].time, NOW);
        assert_eq!(out[0].matches, ["2026-11-20T10:00:00 2026-11-20 09:00:00 bad 192.0.2.1"]);
    }

    #[test]
    fn ignoreregexes_see_the_line_only_where_they_are_few() {
        let line = "2026-11-20 10:00:00 host bad 192.0.2.1";
        let of = |failregexes: usize| {
            filter(|s| {
                s.prefregex = Some(Spanned::bare("^ host <F-CONTENT>.+</F-CONTENT>$"));
                s.failregex = vec![Spanned::bare("^bad <HOST>$"); failregexes];
                s.ignoreregex = vec![Spanned::bare(r"^\s*host")];
            })
        };
        assert_eq!(age(&mut of(4), line, &moment(true, "")), Err(Verdict::Ignored(0)));
        assert_eq!(age(&mut of(3), line, &moment(true, "")), Ok(0));
    }

    #[test]
    fn what_is_no_address_is_nobodys_failure() {
        let mut filter = filter(|_| {});
        let line = "2026-11-20 10:00:00 bad 999.0.2.1";
        assert_eq!(age(&mut filter, line, &moment(true, "")), Err(Verdict::Matched(0)));
        assert!(filter.records()[0].text.contains("999.0.2.1"));
    }

    #[test]
    fn groups_reach_the_failure_without_those_that_say_who() {
        let mut filter = filter(|s| {
            s.failregex =
                vec![Spanned::bare("^ bad <F-ID>\\w+</F-ID> as <F-USER>\\w+</F-USER> <F-TRIES>\\d+</F-TRIES> <HOST>$")]
        });
        let mut out = Vec::new();
        filter.line(b"2026-11-20 10:00:00 bad x as bob 5 192.0.2.1\r", &moment(true, ""), &mut out);
        let failure = out.remove(0);
        assert_eq!(failure.who, Who::Id(Id::parse("x")));
        assert_eq!(failure.count, 5);
        assert_eq!((failure.groups.get("user"), failure.groups.get("ip")), (Some("bob"), Some("192.0.2.1")));
        assert!(["fid", "ip4"].iter().all(|name| failure.groups.get(name).is_none()));
        assert_eq!(failure.matches, ["2026-11-20 10:00:00 bad x as bob 5 192.0.2.1"]);
    }

    #[test]
    fn a_host_stands_beside_an_identity_only_where_it_is_another() {
        let ip = |usedns: UseDns, line: &str| {
            let settings = FilterSettings {
                failregex: vec![Spanned::bare("^(?: as <F-ID>\\S+</F-ID>)? from <HOST>$")],
                maxlines: 1,
                ..FilterSettings::default()
            };
            let zones = Zones { local: TimeZone::UTC, logtimezone: None };
            let mut filter = Filter::of(&settings, usedns, "auto", zones).unwrap().0;
            let mut out = Vec::new();
            filter.line(line.as_bytes(), &moment(true, ""), &mut out);
            out[0].groups.get("ip").map(str::to_owned)
        };
        for usedns in [UseDns::Warn, UseDns::Raw] {
            assert_eq!(ip(usedns, " from ::ffff:c000:0207"), None);
            assert_eq!(ip(usedns, " as bob from 2001:DB8::1").as_deref(), Some("2001:db8::1"));
        }
        assert_eq!(ip(UseDns::Raw, " as bob from h.example").as_deref(), Some("h.example"));
        assert_eq!(ip(UseDns::Warn, " as bob from h.example"), None);
    }

    #[test]
    fn a_window_matches_lines_together_and_is_scanned_line_by_line() {
        let mut filter = filter(|s| {
            s.maxlines = 4;
            s.failregex = vec![Spanned::bare(r"^ A (?P<id>\d+) .*<SKIPLINES>\s*B (?P=id) <HOST>$")];
        });
        let mut found = Vec::new();
        for text in ["A 7 x", "A 8 x", "B 7 192.0.2.1", "B 8 192.0.2.2"] {
            filter.line(format!("2026-11-20 10:00:00 {text}").as_bytes(), &moment(true, ""), &mut found);
        }
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].matches, ["2026-11-20 10:00:00 A 7 x", "2026-11-20 10:00:00 B 7 192.0.2.1"]);
        let mut lines = 0;
        Scan::new(&[&filter], &[false]).candidates(b"a\nb\nc\n", |_, _| lines += 1);
        assert_eq!(lines, 3);
    }

    #[test]
    fn a_regex_that_costs_too_much_is_counted_and_said() {
        let costly = [r"^ never <HOST>$", r"^ (?:(\w+)\s?)*\1?(?<!a): <HOST>$", r"^ \w+: (?!1)<HOST>$"];
        let mut filter = filter(|s| s.failregex = costly.map(Spanned::bare).to_vec());
        let line = format!("2026-11-20 10:00:00 {}: 192.0.2.1", "a".repeat(60));
        assert_eq!(age(&mut filter, &line, &moment(true, "")), Err(Verdict::Missed));
        assert_eq!(filter.backtrack_limits(), 1);
        let records = filter.records();
        assert_eq!(records.len(), 1);
        assert!(records[0].text.starts_with("failregex 2 and what follows it were given up"), "{}", records[0].text);
    }

    #[test]
    fn every_bad_regex_is_an_error_of_its_own() {
        let mut settings = FilterSettings { maxlines: 1, ..FilterSettings::default() };
        settings.failregex = ["a(", "no id", "<F-TUPLE_ID>x</F-TUPLE_ID>", "fine <HOST>"].map(Spanned::bare).to_vec();
        settings.ignoreregex = vec![Spanned::bare("*")];
        let zones = Zones { local: TimeZone::UTC, logtimezone: None };
        let problems = Filter::of(&settings, UseDns::Warn, "klingon", zones).err().unwrap();
        assert_eq!(problems.len(), 5);
        assert_eq!(problems[1].message, "no failure-id group in `no id`");
    }
}
