//! Dates: which text of a line is its date, and which moment it means.
//!
//! A [`Detector`] belongs to a jail. It knows a list of templates (`template`), learns which of them the log uses and looks
//! there first (`place`, `memo`, `mold`), so that a date inside a text which a sender chose does not replace the one at the line's start. A
//! pattern's directives (`pattern`) and `bounds` become a regular expression (`parser`, `syntax`), that becomes a `program`,
//! which the `machine` runs; the groups become a moment (`parts`, [`crate::zone`]). Nothing here reads a clock; the host's zone is a
//! value.

mod bounds;
mod memo;
mod mold;
mod parts;
mod pattern;
mod place;
mod template;

use std::ops::Range;

use jiff::tz::TimeZone;

use crate::filter::backtrack::{Bytes, Machine, TooCostly, Window};
use crate::time::{Span, Timestamp};
use memo::{Memo, Memos};
use mold::Fit;
use parts::Parsed;
use pattern::Decades;
use place::{Match, Place};
use template::{Kind, Template};

pub use template::DatePatternError;

/// Finds the dates of a jail's lines.
#[derive(Clone, Debug)]
pub struct Detector {
    /// In the order in which they are tried; it changes with what is found.
    entries: Vec<Entry>,
    /// Which entry was found last.
    last: Option<usize>,
    place: Place,
    memos: Memos,
    machine: Machine,
    /// This line has no steps left.
    spent: bool,
    gave_up: u64,
    zones: Zones,
    last_offset: Option<i32>,
    decades: Decades,
    /// The times for which `decades` holds.
    present: Range<Timestamp>,
}

/// How a date without a zone is meant.
#[derive(Clone, Debug)]
pub struct Zones {
    /// The host's zone.
    pub local: TimeZone,
    /// `logtimezone`, in seconds east of UTC; goes before the host's.
    pub logtimezone: Option<i32>,
}

/// A date in a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// What is cut out of the line before a failregex sees it.
    pub cut: Range<usize>,
    /// All that the template matched.
    pub whole: Range<usize>,
    /// When.
    pub time: DateValue,
    /// Whether the zone is known from the text or from `logtimezone`, not taken from the host.
    pub zoned: bool,
    /// Which template: [`TemplateInfo::id`].
    pub template: usize,
}

/// What the text of a date means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DateValue {
    /// A moment.
    At(Timestamp),
    /// The text is empty, as `{NONE}` has it.
    Empty,
    /// It looks like a date but is none: February 30, second 60, a zone that nobody knows.
    Unparsable,
}

/// A template and how it has fared.
#[derive(Clone, Debug, PartialEq)]
pub struct TemplateInfo {
    /// Its place in the list at the start; never changes.
    pub id: usize,
    /// What fail2ban calls it: `ExYear(?P<_sep>[-/.])Month…`.
    pub name: String,
    /// As it was written; empty for a word like `EPOCH`.
    pub pattern: String,
    /// The regular expression that it became, in Python's notation.
    pub regex: String,
    /// How many lines it was found in.
    pub hits: u64,
    /// The more hits and the nearer to the line's start, the more.
    pub weight: f64,
    /// What a hit of it counts: templates at the start of the line count more.
    pub base_weight: f64,
    /// Characters before its last match.
    pub distance: Option<usize>,
}

impl Found {
    /// Whether it says a moment.
    pub fn is_plain(&self) -> bool {
        matches!(self.time, DateValue::At(_))
    }
}

impl Detector {
    /// A detector for the lines of a `datepattern`; none means the default templates.
    pub fn new(patterns: &[&str], zones: Zones) -> Result<Detector, DatePatternError> {
        let templates = template::templates(patterns)?;
        let entry = |(id, template)| Entry { id, template, hits: 0, last_used: Timestamp(i64::MIN), distance: None };
        Ok(Detector {
            entries: templates.into_iter().enumerate().map(entry).collect(),
            last: None,
            place: Place::before_the_first(),
            memos: Memos::default(),
            machine: Machine::default(),
            spent: false,
            gave_up: 0,
            zones,
            last_offset: None,
            decades: Decades::of_year(0),
            present: Timestamp(0)..Timestamp(0),
        })
    }

    /// Finds the date in a line (without its newline).
    pub fn find(&mut self, line: &str, now: Timestamp) -> Option<Found> {
        self.machine.refill(STEPS + STEPS_PER_BYTE * line.len());
        self.spent = false;
        if let Some((found, _)) = self.again(line.as_bytes(), now) {
            let found = found.clone();
            self.count_again(1, now);
            return Some(found);
        }
        self.find_too(line, now)
    }

    /// The same for one line more, within the steps that [`Detector::find`] left.
    pub fn find_too(&mut self, line: &str, now: Timestamp) -> Option<Found> {
        self.follow_the_years(now);
        let (index, found) = self.choose(line)?;
        let index = self.note(index, &found, line, now);
        let meaning = self.moment(&found, now);
        let entry = &self.entries[index];
        let (bound, template, parsed) = (entry.template.anchored, entry.id, found.parsed);
        let found = meaning.of(found, template, entry.template.kind);
        if let Some(memo) = self.memos.newest().filter(|_| meaning.lasting && bound) {
            // The same date may stand elsewhere in a line of which nothing is remembered.
            let same = memo.template == template && (&memo.found.cut, memo.found.parsed) == (&found.cut, parsed);
            if same && memo.head(line.as_bytes()).is_some_and(|(_, fit)| fit == Fit::Same) {
                memo.steady = Some(found.clone());
            }
        }
        Some(found)
    }

    /// What [`Detector::find`] would find in a line (which others may follow), and how many bytes of it settle that, where it
    /// begins as an earlier one did. Who makes use of it says so by [`Detector::count_again`].
    pub fn again(&mut self, line: &[u8], now: Timestamp) -> Option<(&Found, usize)> {
        let entry = self.last.filter(|_| self.present.contains(&now)).map(|last| &self.entries[last])?;
        let (id, kind) = (entry.id, entry.template.kind);
        if !entry.template.anchored {
            return None;
        }
        let fits = |memo: &Memo| memo.head(line).filter(|_| memo.template == id);
        let known = |memo: &Memo| fits(memo).filter(|(_, fit)| *fit == Fit::Same && memo.steady.is_some());
        let (at, (length, fit)) = self.memos.find(known).or_else(|| self.memos.find(fits))?;
        let memo = self.memos.take(at)?;
        if fit == Fit::Alike {
            memo.renew(std::str::from_utf8(&line[..length]).ok()?, kind);
        }
        if memo.steady.is_none() {
            let found = memo.found.clone();
            let meaning = self.moment(&found, now);
            self.memos.newest()?.steady = Some(meaning.of(found, id, kind)).filter(|_| meaning.lasting);
        }
        let memo = self.memos.newest()?;
        let found = memo.steady.as_ref()?;
        let offset = memo.moment.and_then(|moment| moment.offset);
        self.last_offset = offset.or(self.last_offset);
        Some((found, length))
    }

    /// Counts so many lines of which [`Detector::again`] found something in the last one.
    pub fn count_again(&mut self, lines: u64, now: Timestamp) {
        let entry = self.last.and_then(|last| self.entries.get_mut(last));
        let (Some(entry), Some(memo)) = (entry, self.memos.newest()) else { return };
        entry.hits += lines;
        entry.last_used = now;
        entry.distance = Some(memo.found.start);
        self.place = Place::bound(&memo.found);
    }

    /// The beginning of a line, which ends before its newline, where that has its date at the place of the last one, and
    /// [`Detector::find`] would find the same in it as in the whole line.
    pub fn alike<'a>(&self, line: &'a [u8], now: Timestamp) -> Option<&'a str> {
        let entry = &self.entries[self.last.filter(|_| self.present.contains(&now))?];
        let (id, bound) = (entry.id, entry.template.anchored);
        let known = |memo: &Memo| memo.head(line).filter(|_| bound && memo.template == id);
        let (_, (length, _)) = self.memos.find(known)?;
        std::str::from_utf8(&line[..length]).ok()
    }

    /// A moment that a journal knows, as fail2ban writes it before the line where the line is shown.
    pub fn written(&self, time: Timestamp) -> String {
        let there = time.zoned(&self.zones.local);
        let form = if there.microsecond() == 0 && there.millisecond() == 0 {
            "%Y-%m-%dT%H:%M:%S "
        } else {
            "%Y-%m-%dT%H:%M:%S%.6f "
        };
        there.strftime(form).to_string()
    }

    /// The templates in the order in which they are tried at present.
    pub fn templates(&self) -> impl Iterator<Item = TemplateInfo> {
        self.entries.iter().map(|entry| TemplateInfo {
            id: entry.id,
            name: entry.template.name.clone(),
            pattern: entry.template.pattern.clone(),
            regex: entry.template.regex(self.decades),
            hits: entry.hits,
            weight: entry.weight(),
            base_weight: entry.template.weight,
            distance: entry.distance,
        })
    }

    /// The most characters that stand before what is cut out, where every template is bound to the start of the line and
    /// leaves nothing before the cut but characters that are no part of a word. `None`: a cut may be anywhere.
    pub fn lead(&self) -> Option<usize> {
        let lead = |entry: &Entry| {
            let program = entry.template.program(self.decades);
            program.lead.filter(|_| entry.template.anchored && program.at_start)
        };
        self.entries.iter().map(lead).try_fold(0, |most, lead| Some(lead?.max(most)))
    }

    /// Bytes with which the text behind what is cut out begins, where every template asks for some.
    pub fn behind(&self) -> Option<Bytes> {
        let mut all = self.entries.iter().map(|entry| entry.template.program(self.decades).behind);
        all.try_fold(Bytes::default(), |all, one| Some(all.union(one?)))
    }

    /// How many lines were given up because their date would have taken unbounded time.
    pub fn gave_up(&self) -> u64 {
        self.gave_up
    }

    /// The steps that the last line took, and those that were searched with it.
    pub fn steps(&self) -> usize {
        self.machine.taken()
    }

    /// `%ExY` depends on the present year.
    fn follow_the_years(&mut self, now: Timestamp) {
        if self.present.contains(&now) {
            return;
        }
        // Half a day around is enough; a window of years need not be exact to the hour.
        let day = Span::from_secs(86_400);
        self.present = now - day..now + day;
        let decades = Decades::of_year(i32::from(now.zoned(&TimeZone::UTC).year()));
        if decades != self.decades {
            self.decades = decades;
            self.memos.clear();
            self.entries.iter_mut().for_each(|entry| entry.template.forget());
        }
    }

    /// The entry whose date counts: the one that was found last time if it is found again at the same place, else the first in
    /// the list whose match is not further from the line's start than is usual for it.
    fn choose(&mut self, line: &str) -> Option<(usize, Match)> {
        let mut candidate: Option<(usize, Match)> = None;
        let mut searched = None;
        if let Some(last) = self.last {
            let anchored = self.entries[last].template.anchored;
            let window = if anchored { None } else { self.place.window(line) };
            if window.is_none() {
                searched = Some(last);
            }
            if let Some(found) = self.search(last, line, window) {
                let same_place = (found.start, found.end) == (self.place.start, self.place.end);
                if self.entries.len() == 1 || anchored || same_place {
                    return Some((last, found));
                }
                candidate = Some((last, found));
            }
        }
        for index in 0..self.entries.len() {
            if searched == Some(index) {
                continue;
            }
            let Some(found) = self.search(index, line, None) else { continue };
            let entry = &self.entries[index];
            let next = self.entries.get(index + 1);
            let first_of_its_kind = found.start == 0 && entry.hits > 0 && next.is_some_and(|next| next.hits == 0);
            if next.is_none() || entry.template.anchored || first_of_its_kind {
                return Some((index, found));
            }
            let unusual = entry.distance.is_some_and(|usual| found.start > usual) || found.start > self.place.start;
            if !unusual {
                return Some((index, found));
            }
            if candidate.as_ref().is_none_or(|(_, other)| found.start < other.start) {
                candidate = Some((index, found));
            }
        }
        candidate
    }

    /// Searches the whole line, or a window of it.
    fn search(&mut self, index: usize, line: &str, window: Option<Range<usize>>) -> Option<Match> {
        let learns = self.last == Some(index);
        if learns && let Some(known) = self.recall(index, line, window.as_ref()) {
            return Some(known);
        }
        let entry = &self.entries[index];
        let program = entry.template.program(self.decades);
        let whole = 0..line.len();
        let Range { start: from, end: to } = window.clone().unwrap_or(whole);
        let text = Window { text: line, from, to };
        let found = match learns && window.is_none() {
            true => self.machine.search_asking(program, text),
            false => self.machine.search(program, text),
        };
        match found {
            Ok(true) => {}
            Ok(false) => return None,
            Err(TooCostly) => {
                self.gave_up += u64::from(!self.spent);
                self.spent = true;
                return None;
            }
        }
        let span = |group| self.machine.group(group).map(|(start, end)| start..end);
        let whole = span(0)?;
        // A group 1 that took no part is cut nowhere.
        let cut = span(1).unwrap_or(whole.start..whole.start);
        let groups = program.names.iter().filter_map(|(name, group)| Some((&**name, span(*group)?)));
        let texts = groups.clone().map(|(name, span)| (name, &line[span]));
        let parsed = Parsed::read(entry.template.kind, &line[cut.clone()], texts);
        let start = line[..whole.start].chars().count();
        let end = start + line[whole.clone()].chars().count();
        let found = Match { whole, cut, start, end, parsed };
        if learns && !(program.looks_behind && window.is_some()) {
            let groups = groups.map(|(name, span)| (name.into(), span)).collect();
            let of = (entry.id, entry.template.kind);
            if let Some(memo) = Memo::of(of, &found, groups, line, window, &self.machine) {
                self.memos.keep(memo);
            }
        }
        Some(found)
    }

    /// What is known of a line that begins like an earlier one.
    fn recall(&mut self, index: usize, line: &str, window: Option<&Range<usize>>) -> Option<Match> {
        let Entry { id, template, .. } = &self.entries[index];
        let (id, kind) = (*id, template.kind);
        let known = |memo: &Memo| memo.recall(line, window).filter(|_| memo.template == id);
        let (at, fit) = self.memos.find(known)?;
        let memo = self.memos.take(at)?;
        if fit == Fit::Alike {
            memo.renew(line, kind);
        }
        Some(memo.found.clone())
    }

    /// What a match means.
    fn moment(&mut self, found: &Match, now: Timestamp) -> Meaning {
        let none = |time| Meaning { time, zoned: false, lasting: false };
        let civil = match found.parsed {
            Parsed::Empty => return none(DateValue::Empty),
            Parsed::Broken => return none(DateValue::Unparsable),
            Parsed::At(at) => return Meaning { lasting: true, ..none(DateValue::At(at)) },
            Parsed::Civil(civil) => civil,
        };
        let known = self.memos.find(|memo| memo.moment.filter(|_| memo.found.parsed == found.parsed));
        let known = known.map(|(_, moment)| moment);
        let Some(moment) = known.or_else(|| civil.at(now, &self.zones, self.last_offset)) else {
            return none(DateValue::Unparsable);
        };
        if moment.offset.is_some() {
            self.last_offset = moment.offset;
        }
        if let Some(memo) = self.memos.newest().filter(|memo| moment.lasting && memo.found.parsed == found.parsed) {
            memo.moment = Some(moment);
        }
        Meaning { time: DateValue::At(moment.at), zoned: moment.offset.is_none(), lasting: moment.lasting }
    }

    /// Remembers the winner, and moves it towards the front of the list if it does better than who stands there. Returns its
    /// new index.
    fn note(&mut self, index: usize, found: &Match, line: &str, now: Timestamp) -> usize {
        let entry = &mut self.entries[index];
        entry.hits += 1;
        entry.last_used = now;
        entry.distance = Some(found.start);
        self.place = if entry.template.anchored { Place::bound(found) } else { Place::of(found, line) };
        let index = if self.last == Some(index) { index } else { self.reorder(index) };
        self.last = Some(index);
        index
    }

    fn reorder(&mut self, index: usize) -> usize {
        if index == 0 {
            return 0;
        }
        let entry = &self.entries[index];
        let better = |other: &Entry| entry.weight() > other.weight() || entry.last_used - STALE > other.last_used;
        let unused = self.entries.iter().position(|entry| entry.hits == 0).unwrap_or(self.entries.len());
        let target = if unused < index { unused } else { index / 2 };
        let target = [target, index - 1].into_iter().find(|&target| better(&self.entries[target]));
        let Some(target) = target else { return index };
        let entry = self.entries.remove(index);
        self.entries.insert(target, entry);
        target
    }
}

/// What a match means.
#[derive(Clone, Copy)]
struct Meaning {
    time: DateValue,
    /// The host's zone had no part in it.
    zoned: bool,
    /// It hangs neither on the present nor on the line before.
    lasting: bool,
}

impl Meaning {
    /// What is told of a match of a template.
    fn of(self, found: Match, template: usize, kind: Kind) -> Found {
        let zoned = self.zoned || kind == Kind::Tai64n;
        Found { cut: found.cut, whole: found.whole, time: self.time, zoned, template }
    }
}

/// A template in the list.
#[derive(Clone, Debug)]
struct Entry {
    id: usize,
    template: Template,
    hits: u64,
    last_used: Timestamp,
    /// Characters before its last match.
    distance: Option<usize>,
}

impl Entry {
    fn weight(&self) -> f64 {
        let distance = self.distance.map_or(f64::from(i32::MAX), |distance| distance.max(1) as f64);
        self.hits as f64 * self.template.weight / distance
    }
}

/// Enough for all templates on a short line …
const STEPS: usize = 80_000;
/// … and on a long one.
const STEPS_PER_BYTE: usize = 3;

/// An entry that was not used for so much longer gives way.
const STALE: Span = Span::from_secs(300);

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_772_366_400); // 2026-03-01 12:00:00 UTC
    const TEN: i64 = 1_772_359_200;

    fn utc() -> Zones {
        Zones { local: TimeZone::UTC, logtimezone: None }
    }

    fn first(patterns: &[&str], line: &str) -> Option<(String, DateValue)> {
        let found = Detector::new(patterns, utc()).unwrap().find(line, NOW)?;
        Some((line[found.cut].to_owned(), found.time))
    }

    #[test]
    fn each_default_template_finds_its_date() {
        let local = [
            "2026-03-01T10:00:00.123456",
            "2026/03/01 10:00:00",
            "2026.3.1 10:00:00",
            "Mar  1 10:00:00",
            "Sun Mar  1 10:00:00.123 2026",
            "Mar  1 2026 10:00:00",
            "01/03/2026 10:00:00",
            "01-03-26 10:00:00",
            "01/Mar/2026:10:00:00",
            "03/01/2026:10:00:00",
            "1772359200",
            "10:00:00",
            "<03/01/26@10:00:00>",
            "260301 10:00:00",
            "Mar 01, 2026 10:00:00 AM",
            "Mar-01-26 10:00:00",
            "20260301T100000",
            "20260301-10:00:00",
            "UTC Mar  1 10:00:00",
            "+00:00 Mar  1 10:00:00.011 2026",
            "2026-03-01T12:00:00+02:00",
            "01/Mar/2026:05:00:00 -0500",
        ];
        for date in local {
            let value = DateValue::At(Timestamp::from_secs(TEN));
            assert_eq!(first(&[], &format!("{date} host x")), Some((date.to_owned(), value)), "{date}");
        }
        let moment = |line: &str| first(&[], line).unwrap().1;
        assert_eq!(moment("@4000000069a40f200dd1f0f4"), DateValue::At(Timestamp::from_secs(1_772_359_456)));
        assert_eq!(moment("audit(1772359200.123:45)"), DateValue::At(Timestamp(TEN * 1_000_000 + 123_000)));
        assert_eq!(first(&[], "no date at all"), None);
        assert_eq!(first(&[], "1999-01-01 10:00:00 x"), None);
    }

    #[test]
    fn the_cut_is_group_one() {
        for (line, pattern, cut) in [
            ("[2026-03-01 10:00:00] NOTICE", "{^LN-BEG}", "2026-03-01 10:00:00"),
            ("[2026-03-01 10:00:00] x", r"^\[%Y-%m-%d %H:%M:%S\]", "[2026-03-01 10:00:00]"),
            ("[2026-03-01 10:00:00] x", r"^\[(%Y-%m-%d %H:%M:%S)\]", "2026-03-01 10:00:00"),
            ("x 2026-03-01 10:00:00 y", "^x {DATE}", "x 2026-03-01 10:00:00"),
            ("x 2026-03-01 10:00:00 y", "^x ({DATE})", "2026-03-01 10:00:00"),
            ("type=A msg=audit(1772359200.123:45): x", "EPOCH", "1772359200.123"),
            ("x 1772359200 y", "x {EPOCH} y", "x 1772359200 y"),
            ("x 1772359200 y", "x ({EPOCH}) y", "1772359200"),
            ("anything", "{NONE}", ""),
            ("", "{NONE}", ""),
            ("x", "?=", ""),
        ] {
            assert_eq!(first(&[pattern], line).map(|(cut, _)| cut).as_deref(), Some(cut), "{pattern}");
        }
        assert_eq!(first(&["{NONE}"], "x").unwrap().1, DateValue::Empty);
    }

    #[test]
    fn what_looks_like_a_date_but_is_none_is_said_so() {
        for line in
            ["2026-02-30 10:00:00 x", "2026-03-01 10:00:61 x", "WARN Mar  1 10:00:00 x", "host Mar  1 10:00:00 x"]
        {
            assert_eq!(first(&["{^LN-BEG}"], line).unwrap().1, DateValue::Unparsable, "{line}");
        }
    }

    #[test]
    fn a_date_in_a_senders_text_does_not_replace_the_lines_own() {
        let mut detector = Detector::new(&[], utc()).unwrap();
        for _ in 0..3 {
            let found = detector.find("user 2020-01-01 00:00:00 at Mar  1 10:00:00 2026", NOW).unwrap();
            assert_eq!(found.cut, 5..24);
        }
    }

    #[test]
    fn a_date_of_another_length_does_not_stand_for_those_that_were_before() {
        let mut detector = Detector::new(&[], utc()).unwrap();
        let mut cut = |line: &str| detector.find(line, NOW).map(|found| found.cut);
        for _ in 0..3 {
            assert_eq!(cut("[2026-03-01 10:00:00] a"), Some(1..20));
            assert_eq!(cut("[2026-03-01 10:00:00] b"), Some(1..20));
            assert_eq!(cut("[2026-03-01 10:00:00.123] c"), Some(1..24));
            assert_eq!(cut(r#"{"log":"[2026-03-01 10:00:00] d"#), Some(9..28));
            assert_eq!(cut("[2026-03-01 10:00:00"), Some(1..20));
            assert_eq!(cut("2026-03-01 10:00:00 e"), Some(0..19));
        }
    }

    #[test]
    fn the_same_date_again_is_the_same_moment_and_a_longer_one_is_not() {
        let mut detector = Detector::new(&["{^LN-BEG}"], utc()).unwrap();
        let mut at = |line: &str| detector.find(line, NOW).map(|found| (found.cut, found.time)).unwrap();
        let ten = DateValue::At(Timestamp::from_secs(TEN));
        assert_eq!(at("2026-03-01 10:00:00 a"), (0..19, ten));
        assert_eq!(at("2026-03-01 10:00:00 a"), (0..19, ten));
        assert_eq!(at("2026-03-01 10:00:00 +0100 a"), (0..25, DateValue::At(Timestamp::from_secs(TEN - 3600))));
        assert_eq!(at("2026-03-01 10:00:00.5 a"), (0..21, ten));
        assert_eq!(at("2026-03-01 10:00:01 a"), (0..19, DateValue::At(Timestamp::from_secs(TEN + 1))));
    }

    #[test]
    fn a_time_shown_twice_takes_the_offset_of_the_line_before() {
        let local = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        let mut detector = Detector::new(&["{^LN-BEG}"], Zones { local, logtimezone: None }).unwrap();
        let mut at = |line: &str| detector.find(line, NOW).map(|found| found.time);
        let fold = "2026-10-25 02:30:00 x";
        assert_eq!(at(fold), Some(DateValue::At(Timestamp::from_secs(1_792_891_800))));
        at("2026-10-25 01:59:59 x");
        assert_eq!(at(fold), Some(DateValue::At(Timestamp::from_secs(1_792_888_200))));
        at("2026-10-25 03:00:00 x");
        assert_eq!(at(fold), Some(DateValue::At(Timestamp::from_secs(1_792_891_800))));
    }

    #[test]
    fn the_window_of_years_follows_the_present() {
        let mut detector = Detector::new(&["%ExY-%m-%d"], utc()).unwrap();
        assert!(detector.find("2030-01-01", NOW).is_none());
        let later = Timestamp::from_secs(1_830_000_000); // 2027-12-28
        assert!(detector.find("2030-01-01", later).is_some());
    }

    #[test]
    fn how_much_stands_before_the_cut_is_known() {
        for (patterns, lead) in [
            (&[][..], None),
            (&["{^LN-BEG}"], Some(2)),
            (&["^%Y-%m-%d %H:%M:%S"], Some(0)),
            (&[r"^\[%Y-%m-%d"], Some(0)),
            (&[r"^\[(%Y-%m-%d)\]"], Some(1)),
            (&[r"^(\[){DATE}\]"], Some(0)),
            (&[r"^<\d+>\d+\s+{DATE}"], Some(0)),
            (&[r"^[^\[]*\[({DATE})"], None),
            (&[r"^\[%Y-%m-%d", "{^LN-BEG}"], Some(2)),
            (&["%Y-%m-%d"], None),
            (&["%Y$"], None),
        ] {
            assert_eq!(Detector::new(patterns, utc()).unwrap().lead(), lead, "{patterns:?}");
        }
    }

    #[test]
    fn hostile_lines_cost_little_and_harm_nothing() {
        let mut detector = Detector::new(&[], utc()).unwrap();
        for line in ["\u{0}", "é", "2026-03-01", &"1".repeat(70_000), &"Mar ".repeat(20_000), &"é1:".repeat(20_000)] {
            for _ in 0..2 {
                detector.find(line, NOW);
                assert!(detector.steps() <= STEPS + STEPS_PER_BYTE * line.len());
                assert!(detector.find("2026-03-01 10:00:00 x", NOW).is_some());
            }
            detector.find("éé 2026-03-01 10:00:00é", NOW);
        }
        // Of the two lines that are made of nothing but beginnings of dates the whole is not searched.
        assert_eq!(detector.gave_up(), 6);
    }

    #[test]
    fn a_date_is_not_remembered_for_a_line_that_begins_otherwise() {
        let mut detector = Detector::new(&["EPOCH"], utc()).unwrap();
        for _ in 0..3 {
            assert!(detector.find("audit(1772359200.123:1)", NOW).is_some());
        }
        assert_eq!(detector.find("xudit(1772359200.123:1)", NOW), None);
    }

    proptest::proptest! {
        #[test]
        fn any_pattern_is_refused_or_harmless(
            pattern in r"(\^|\*\*|\{UNB\}|\{\^LN-BEG\})?([%(\[\])*+?{}|\\.$^Exa-zA-Z0-9:= -]|%Y|%m|%d|%H:%M|\(\?:|\(\?=|\(\?P<n>|\{DATE\}|\{EPOCH\}){0,12}",
            lines in proptest::collection::vec("[0-9a-c :/.\\[-]{0,12}|2026-03-01 10:00:00.{0,5}|\\PC{0,12}", 4),
        ) {
            if let Ok(mut detector) = Detector::new(&[&pattern], utc()) {
                for line in lines {
                    if let Some(found) = detector.find(&line, NOW) {
                        proptest::prop_assert!(line.get(found.cut).is_some() && line.get(found.whole).is_some());
                    }
                }
                detector.lead();
                detector.templates().for_each(drop);
            }
        }
    }
}
