//! When a line was written: its own date, that of a line before it, or the present.
//!
//! fail2ban's rules, in the order of [`Clock::place`]. Lines without a date take that of the line before; with a
//! prefilter that line was never looked at, so it is searched for here, backwards in the block.

use std::borrow::Cow;
use std::ops::Range;

use super::Moment;
use super::date::{DateValue, Detector, Found};
use super::decode::Decoder;
use super::notes::{Note, Notes};
use crate::time::{Span, Timestamp};

/// A filter's date detector and the last date it saw.
#[derive(Clone)]
pub struct Clock {
    /// Finds the date in a line.
    pub detector: Detector,
    /// The date of the line that was placed last, as its text says it.
    pub found: Option<Found>,
    /// What the failregexes do not see of that line.
    pub cut: Range<usize>,
    last: Option<Timestamp>,
    /// That date as it stood in the log.
    text: String,
}

/// A line's place in time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Written then; the range is the date, which the failregexes do not see.
    At(Timestamp, Range<usize>),
    /// Without a date: it has that of a line before, whose text stands before the line where the line is shown. The
    /// failregexes see all of the line, also what looked like a date.
    Lent(Timestamp, String),
    /// Nobody knows when.
    Unknown(Range<usize>),
    /// Older than `findtime`.
    TooOld,
}

impl Clock {
    /// A clock that has seen nothing.
    pub fn new(detector: Detector) -> Clock {
        Clock { detector, found: None, cut: 0..0, last: None, text: String::new() }
    }

    /// Places a line. `checked` is off in tools: then every date counts as it is, however old or new.
    pub fn place(&mut self, line: &str, moment: &Moment<'_>, checked: bool, from: Decoder, notes: &mut Notes) -> Place {
        self.found = self.detector.find(line, moment.now);
        let place = match self.found.clone() {
            Some(found) => match found.time {
                DateValue::At(time) => {
                    self.remember(time, line.get(found.cut.clone()).unwrap_or_default());
                    Place::At(time, found.cut)
                }
                DateValue::Empty => self.lend(moment).unwrap_or(Place::At(moment.now, found.cut)),
                DateValue::Unparsable => self.without_date(found.cut, moment, checked, from),
            },
            None => self.without_date(0..0, moment, checked, from),
        };
        let place = if checked { self.settle(place, moment, Some(notes)) } else { place };
        self.cut = match &place {
            Place::At(_, cut) | Place::Unknown(cut) => cut.clone(),
            Place::Lent(..) | Place::TooOld => 0..0,
        };
        place
    }

    /// Whether a line (which others may follow) begins as an earlier one did, in a tool: then [`Clock::place`]
    /// would place it by that date. Gives the bytes up to behind the date, and what of them is cut out. Who makes use of it
    /// says so by [`Clock::count_again`].
    pub fn again<'a>(&mut self, line: &'a [u8], now: Timestamp) -> Option<(&'a [u8], Range<usize>)> {
        let (found, length) = self.detector.again(line, now).filter(|(found, _)| found.is_plain())?;
        Some((&line[..length], found.cut.clone())).filter(|_| found.cut.end <= length)
    }

    /// Counts so many lines that began so, of which this is the last.
    pub fn count_again(&mut self, lines: u64, line: &[u8], now: Timestamp) {
        let Some((found, _)) = self.detector.again(line, now) else { return };
        self.found = Some(found.clone());
        self.cut = found.cut.clone();
        if let DateValue::At(time) = found.time {
            let text = String::from_utf8_lossy(&line[found.cut.clone()]).into_owned();
            self.remember(time, &text);
        }
        self.detector.count_again(lines, now);
    }

    /// What [`Clock::place`] would say of a line of which only the date may differ from an earlier one's, in a tool; `None`:
    /// that has to find out.
    pub fn place_alike(&mut self, line: &[u8], moment: &Moment<'_>, from: Decoder, notes: &mut Notes) -> Option<Place> {
        let head = self.detector.alike(line, moment.now)?;
        Some(self.place(head, moment, false, from, notes))
    }

    /// Places a line of which the source knows the time; no date is looked for.
    pub fn place_at(&mut self, time: Timestamp, moment: &Moment<'_>, checked: bool, notes: &mut Notes) -> Place {
        (self.found, self.cut) = (None, 0..0);
        self.remember(time, "");
        let place = Place::At(time, 0..0);
        if checked { self.settle(place, moment, Some(notes)) } else { place }
    }

    fn without_date(&mut self, cut: Range<usize>, moment: &Moment<'_>, checked: bool, from: Decoder) -> Place {
        if let Some(time) = moment.time {
            self.remember(time, "");
            return Place::At(time, cut);
        }
        if checked {
            self.look_back(moment, from);
        }
        match self.lend(moment) {
            Some(place) => place,
            None if checked && moment.live => Place::At(moment.now, cut),
            None => Place::Unknown(cut),
        }
    }

    fn lend(&self, moment: &Moment<'_>) -> Option<Place> {
        let last = self.last.filter(|last| *last > moment.now - RECENT)?;
        Some(Place::Lent(last, self.text.clone()))
    }

    fn remember(&mut self, time: Timestamp, text: &str) {
        self.last = Some(time);
        self.text.clear();
        self.text.push_str(text);
    }

    /// Makes a time plausible: in a log that is being written it is the present, more or less; in one that is read for
    /// the first time it may be too old.
    fn settle(&mut self, place: Place, moment: &Moment<'_>, notes: Option<&mut Notes>) -> Place {
        let (Place::At(time, _) | Place::Lent(time, _)) = &place else { return place };
        let off = *time - moment.now;
        let skewed = moment.live && (off.0 / 1_000_000).abs() > 60;
        let old = !moment.live && *time < moment.now - moment.findtime;
        match notes {
            Some(notes) if skewed => notes.daily(Note::Skewed, moment.now, || skew(off)),
            Some(notes) if old => notes.daily(Note::Old, moment.now, || {
                format!(
                    "lines older than {} are passed over; a log that was not read for long has many",
                    moment.findtime
                )
            }),
            _ => {}
        }
        if skewed {
            self.last = Some(moment.now);
        }
        match place {
            _ if old => Place::TooOld,
            Place::At(_, cut) if skewed => Place::At(moment.now, cut),
            Place::Lent(_, text) if skewed => Place::Lent(moment.now, text),
            place => place,
        }
    }

    /// Finds the date of the nearest earlier line that has one.
    fn look_back(&mut self, moment: &Moment<'_>, from: Decoder) {
        let before = moment.before;
        let mut rest = before.strip_suffix(b"\n").unwrap_or(before);
        let oldest = rest.len().saturating_sub(BYTES);
        for _ in 0..LINES {
            if rest.len() <= oldest {
                return;
            }
            let start = memchr::memrchr(b'\n', rest).map_or(0, |at| at + 1);
            let line: Cow<'_, str> = from.decode(&rest[start..]);
            if let Some(found) = self.detector.find_too(&line, moment.now)
                && let DateValue::At(time) = found.time
            {
                self.remember(time, line.get(found.cut).unwrap_or_default());
                self.settle(Place::At(time, 0..0), moment, None);
                return;
            }
            rest = &rest[..start.saturating_sub(1)];
        }
    }
}

fn skew(off: Span) -> String {
    let late = -off.secs();
    let side = if late > 0 { "before" } else { "after" };
    let cause = if (0..=3300).contains(&late) { "latency" } else { "time zone" };
    let length = Span(off.0.saturating_abs());
    format!(
        "an entry says {length} {side} the present, which looks like a {cause} problem; such entries count as just written"
    )
}

/// How long a line without a date belongs to the last one that had one.
const RECENT: Span = Span::from_secs(60);
/// Lines that are searched backwards for a date.
const LINES: usize = 64;
/// Bytes that are searched backwards for a date.
const BYTES: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::super::date::Zones;
    use super::*;

    #[test]
    fn what_was_only_counted_is_lent_to_lines_without_a_date() {
        let now = Timestamp::from_secs(1_795_168_800); // 2026-11-20 10:00:00 UTC
        let moment = Moment { now, findtime: Span::default(), live: false, time: None, before: &[] };
        let zones = Zones { local: TimeZone::UTC, logtimezone: None };
        let mut clock = Clock::new(Detector::new(&[r"^(%Y-%m-%d %H:%M:%S\.%f)"], zones).unwrap());
        let from = Decoder::new("auto").unwrap();
        let mut notes = Notes::default();
        let mut place = |clock: &mut Clock, line: &str| clock.place(line, &moment, false, from, &mut notes);
        for line in ["2026-11-20 09:59:58.000001 a", "2026-11-20 09:59:59.000001 a", "2026-11-20 09:59:59.000002 a"] {
            place(&mut clock, line);
        }
        let lines = b"2026-11-20 09:59:59.123456 b\n2026-11-20 10:00:00.000001 c\n";
        let (head, cut) = clock.again(lines, now).unwrap();
        assert_eq!((head, cut), (&lines[..27], 0..26));
        assert!(clock.again(&lines[29..], now).is_some());
        clock.count_again(3, lines, now);
        let last = Timestamp::from_secs(now.secs() - 1);
        assert_eq!(place(&mut clock, "x"), Place::Lent(last, "2026-11-20 09:59:59.123456".to_owned()));
        assert_eq!(clock.detector.templates().map(|template| template.hits).sum::<u64>(), 6);
    }
}
