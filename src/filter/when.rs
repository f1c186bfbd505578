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
pub struct Clock {
    /// Finds the date in a line.
    pub detector: Detector,
    /// The date of the line that was placed last, as its text says it.
    pub found: Option<Found>,
    /// What the failregexes do not see of that line.
    pub cut: Range<usize>,
    last: Option<Timestamp>,
}

/// A line's place in time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Written then; the range is the date, which the failregexes do not see.
    At(Timestamp, Range<usize>),
    /// Nobody knows when.
    Unknown(Range<usize>),
    /// Older than `findtime`.
    TooOld,
}

impl Clock {
    /// A clock that has seen nothing.
    pub fn new(detector: Detector) -> Clock {
        Clock { detector, found: None, cut: 0..0, last: None }
    }

    /// Places a line. `checked` is off in tools: then every date counts as it is, and a line without one has none.
    pub fn place(&mut self, line: &str, moment: &Moment<'_>, checked: bool, from: Decoder, notes: &mut Notes) -> Place {
        self.found = self.detector.find(line, moment.now);
        let place = self.settle_line(moment, checked, from, notes);
        self.cut = match &place {
            Place::At(_, cut) | Place::Unknown(cut) => cut.clone(),
            Place::TooOld => 0..0,
        };
        place
    }

    fn settle_line(&mut self, moment: &Moment<'_>, checked: bool, from: Decoder, notes: &mut Notes) -> Place {
        let (cut, time) = match self.found.clone() {
            None => (0..0, None),
            Some(found) => match found.time {
                DateValue::At(time) => (found.cut, Some(time)),
                DateValue::Empty => {
                    let recent = self.last.filter(|last| *last > moment.now - RECENT);
                    (found.cut, Some(recent.unwrap_or(moment.now)))
                }
                DateValue::Unparsable => (found.cut, None),
            },
        };
        match time.or(moment.time) {
            Some(time) if !checked => {
                self.last = Some(time);
                Place::At(time, cut)
            }
            None if !checked => Place::Unknown(cut),
            Some(time) => self.settle(time, moment, Some(notes)).map_or(Place::TooOld, |time| Place::At(time, cut)),
            None => {
                self.look_back(moment, from);
                match self.last.filter(|last| *last > moment.now - RECENT) {
                    // The whole line then, also what looked like a date.
                    Some(last) => Place::At(last, 0..0),
                    None if moment.live => Place::At(moment.now, cut),
                    None => Place::Unknown(cut),
                }
            }
        }
    }

    /// Places a line of which the source knows the time; no date is looked for.
    pub fn place_at(&mut self, time: Timestamp, moment: &Moment<'_>, checked: bool, notes: &mut Notes) -> Place {
        (self.found, self.cut) = (None, 0..0);
        if !checked {
            return Place::At(time, 0..0);
        }
        self.settle(time, moment, Some(notes)).map_or(Place::TooOld, |time| Place::At(time, 0..0))
    }

    /// Remembers a date and makes it plausible; `None` is too old.
    fn settle(&mut self, time: Timestamp, moment: &Moment<'_>, notes: Option<&mut Notes>) -> Option<Timestamp> {
        let off = time - moment.now;
        let skewed = moment.live && (off.0 / 1_000_000).abs() > 60;
        let old = !moment.live && time < moment.now - moment.findtime;
        let time = if skewed { moment.now } else { time };
        self.last = Some(time);
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
        (!old).then_some(time)
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
            let found = self.detector.find_too(&line, moment.now).map(|found| found.time);
            if let Some(DateValue::At(time)) = found {
                self.settle(time, moment, None);
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
