//! From the groups of a match to a moment: what is missing is filled in from the present, as fail2ban does.

use std::borrow::Cow;

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::AmbiguousOffset;

use super::Zones;
use super::template::{EPOCH_GROUP, Kind};
use crate::filter::backtrack::charset::digit;
use crate::time::Timestamp;
use crate::zone;

/// What a match says, before the present and the zone are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// The matched text is empty.
    Empty,
    /// It says nothing that could be a date.
    Broken,
    /// A moment.
    At(Timestamp),
    /// A date, a time of day, or parts of them.
    Civil(Civil),
}

/// Date and time as written; what is not written is missing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Civil {
    year: Option<i32>,
    month: Option<i32>,
    day: Option<i32>,
    hour: i32,
    minute: i32,
    second: i32,
    /// From Monday, 0.
    weekday: Option<i32>,
    yearday: Option<i32>,
    week: Option<Week>,
    /// Seconds east of UTC.
    zone: Option<i32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Week {
    number: i32,
    from_monday: bool,
}

/// A moment, and what it hangs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// When.
    pub at: Timestamp,
    /// The offset of local time that was used.
    pub offset: Option<i32>,
    /// It hangs neither on the present nor on the line before.
    pub lasting: bool,
}

impl Parsed {
    /// Reads the text that was cut out, and the named groups of the match.
    pub fn read<'a>(kind: Kind, cut: &str, mut groups: impl Iterator<Item = (&'a str, &'a str)>) -> Parsed {
        let moment = match kind {
            _ if cut.is_empty() => return Parsed::Empty,
            Kind::Civil => return Civil::read(groups).map_or(Parsed::Broken, Parsed::Civil),
            Kind::Tai64n => cut.get(2..17).and_then(|hex| i64::from_str_radix(hex, 16).ok()).map(Timestamp::from_secs),
            Kind::Epoch | Kind::LongEpoch => {
                let inner = groups.find(|(name, _)| *name == EPOCH_GROUP).map(|(_, text)| text);
                epoch(inner.unwrap_or(cut), kind == Kind::LongEpoch)
            }
        };
        moment.map_or(Parsed::Broken, Parsed::At)
    }
}

impl Civil {
    /// Whether a group of this name says something.
    pub fn reads(name: &str) -> bool {
        const NAMES: &str = "YymbBdHIpMSaAwjUWzZ";
        name.len() == 1 && NAMES.contains(name)
    }

    /// If two groups say the same part, the later one counts.
    fn read<'a>(groups: impl Iterator<Item = (&'a str, &'a str)>) -> Option<Civil> {
        let mut civil = Civil::default();
        let (mut half_day, mut pm) = (None, false);
        for (name, text) in groups {
            match name {
                "Y" => civil.year = Some(number(text)?),
                "y" => civil.year = Some(number(text).map(|year| if year <= 2000 { year + 2000 } else { year })?),
                "m" => civil.month = Some(number(text)?),
                "b" => civil.month = Some(position(&MONTHS, text, 3)? + 1),
                "B" => civil.month = Some(position(&MONTHS, text, usize::MAX)? + 1),
                "d" => civil.day = Some(number(text)?),
                "H" => (civil.hour, half_day) = (number(text)?, None),
                "I" => half_day = Some(number(text)?),
                "p" => pm = text.eq_ignore_ascii_case("pm"),
                "M" => civil.minute = number(text)?,
                "S" => civil.second = number(text)?,
                "a" => civil.weekday = Some(position(&DAYS, text, 3)?),
                "A" => civil.weekday = Some(position(&DAYS, text, usize::MAX)?),
                "w" => civil.weekday = Some((number(text)? + 6) % 7),
                "j" => civil.yearday = Some(number(text)?),
                "U" | "W" => civil.week = Some(Week { number: number(text)?, from_monday: name == "W" }),
                "z" | "Z" => civil.zone = Some(zone::offset(&plain_digits(text))?),
                _ => {}
            }
        }
        if let Some(hour) = half_day {
            civil.hour = if pm { 12 } else { 0 } + if hour == 12 { 0 } else { hour };
        }
        Some(civil)
    }

    /// The moment meant. `last_offset` is the offset of local time of the line before; it decides where the clock shows a
    /// time twice. `None`: there is no such date.
    pub fn at(&self, now: Timestamp, zones: &Zones, last_offset: Option<i32>) -> Option<Moment> {
        let complete = self.year.is_some() && self.month.is_some() && self.day.is_some();
        let east = self.zone.or(zones.logtimezone);
        let civil = if complete {
            shifted(self.date_time(self.year?, self.month?, self.day?)?, east)?
        } else {
            self.filled_in(now.zoned(&zones.local).datetime(), east)?
        };
        if east.is_some() {
            return Some(Moment { at: in_utc(civil, 0), offset: None, lasting: complete });
        }
        let moment = local(civil, zones, last_offset);
        Some(Moment { lasting: moment.lasting && complete, ..moment })
    }

    fn date_time(&self, year: i32, month: i32, day: i32) -> Option<DateTime> {
        if !(1..=9999).contains(&year) {
            return None;
        }
        let small = |value: i32| i8::try_from(value).ok();
        let date = Date::new(year as i16, small(month)?, small(day)?).ok()?;
        let time = Time::new(small(self.hour)?, small(self.minute)?, small(self.second)?, 0).ok()?;
        Some(date.to_datetime(time))
    }

    /// Parts that are missing come from the present: of today or, if that is still to come, of yesterday; of this year or, if
    /// that is more than a day ahead, of the last.
    ///
    /// With a zone the outcome is in UTC, and yet it is compared with the local clock, and takes day and month as written when
    /// it moves to the last year: both as fail2ban does it.
    fn filled_in(&self, now: DateTime, east: Option<i32>) -> Option<DateTime> {
        let year = self.year.unwrap_or(i32::from(now.year()));
        let yearday = self.yearday.or_else(|| self.week?.yearday(year, self.weekday?));
        let by_yearday = yearday.filter(|_| self.month.is_none() || self.day.is_none());
        let day = jiff::Span::new().days(1);
        let written = match (self.month, self.day, by_yearday) {
            (_, _, Some(yearday)) => {
                let first = self.date_time(year, 1, 1)?;
                first.checked_add(jiff::Span::new().try_days(yearday - 1).ok()?).ok()?
            }
            (Some(month), Some(day), None) => self.date_time(year, month, day)?,
            (None, None, None) => {
                let today = shifted(self.date_time(year, i32::from(now.month()), i32::from(now.day()))?, east)?;
                return if today > now { today.checked_sub(day).ok() } else { Some(today) };
            }
            _ => return None,
        };
        let civil = shifted(written, east)?;
        if self.year.is_none() && now.checked_add(day).is_ok_and(|tomorrow| civil > tomorrow) {
            let date = Date::new(written.year() - 1, written.month(), written.day()).ok()?;
            return Some(date.to_datetime(civil.time()));
        }
        Some(civil)
    }
}

impl Week {
    /// The day of the year, from 1; less in a week that began in the year before.
    fn yearday(self, year: i32, weekday: i32) -> Option<i32> {
        let first = Date::new(i16::try_from(year).ok()?, 1, 1).ok()?.weekday();
        let (first, weekday) = if self.from_monday {
            (i32::from(first.to_monday_zero_offset()), weekday)
        } else {
            (i32::from(first.to_sunday_zero_offset()), (weekday + 1) % 7)
        };
        Some(match self.number {
            0 => 1 + weekday - first,
            number => 1 + (7 - first) % 7 + 7 * (number - 1) + weekday,
        })
    }
}

/// The time in UTC, if it was written `east` of it. `None`: before the year 1 or after 9999, which is no date for fail2ban.
fn shifted(civil: DateTime, east: Option<i32>) -> Option<DateTime> {
    let utc = match east {
        Some(east) => civil.checked_sub(jiff::Span::new().seconds(east)).ok()?,
        None => civil,
    };
    (1..=9999).contains(&utc.year()).then_some(utc)
}

/// Not by way of jiff's own moments, which end a day before the year 9999 does.
fn in_utc(civil: DateTime, east: i32) -> Timestamp {
    let since = civil.duration_since(DateTime::constant(1970, 1, 1, 0, 0, 0, 0));
    Timestamp::from_secs(since.as_secs() - i64::from(east))
}

/// Local time as `mktime` takes it: a time that the clock jumps over is moved on by the jump.
fn local(civil: DateTime, zones: &Zones, last_offset: Option<i32>) -> Moment {
    let (offset, used, lasting) = match zones.local.to_ambiguous_timestamp(civil).offset() {
        AmbiguousOffset::Unambiguous { offset } => (offset, offset, true),
        AmbiguousOffset::Gap { before, after } => (before, after, true),
        AmbiguousOffset::Fold { before, after } => {
            let offset = if last_offset == Some(before.seconds()) { before } else { after };
            (offset, offset, false)
        }
    };
    Moment { at: in_utc(civil, offset.seconds()), offset: Some(used.seconds()), lasting }
}

/// Seconds with their fraction; long ones are milliseconds or microseconds by their length.
fn epoch(text: &str, by_length: bool) -> Option<Timestamp> {
    let ascii: String = text.chars().map(|c| digit(c).and_then(|d| char::from_digit(d, 10)).unwrap_or(c)).collect();
    let value: f64 = ascii.parse().ok()?;
    let scale = match ascii.len() {
        16.. if by_length && !ascii.contains('.') => 1e6,
        13.. if by_length => 1e3,
        _ => 1.0,
    };
    Some(Timestamp::from_secs_f64(value / scale))
}

/// A number in the digits of any script, blanks around it.
fn number(text: &str) -> Option<i32> {
    if (1..=SHORT).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(text.bytes().fold(0, |value, byte| value * 10 + i32::from(byte - b'0')));
    }
    let text = text.trim();
    if text.is_empty() || text.len() > 36 {
        return None;
    }
    text.chars().try_fold(0i32, |value, c| value.checked_mul(10)?.checked_add(digit(c)? as i32))
}

/// Which of the names it is, of which the first `letters` letters are written.
fn position(names: &[&str], text: &str, letters: usize) -> Option<i32> {
    names.iter().position(|name| name[..letters.min(name.len())].eq_ignore_ascii_case(text)).map(|at| at as i32)
}

/// Digits of other scripts, which Python's `\d` matches as well, as ASCII.
fn plain_digits(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    text.chars().map(|c| digit(c).and_then(|d| char::from_digit(d, 10)).unwrap_or(c)).collect()
}

/// Digits that fit into a number in any case.
const SHORT: usize = 9;

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];
const DAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_772_366_400); // 2026-03-01 12:00:00 UTC

    fn seconds(zone: &str, groups: &[(&str, &str)], last_offset: Option<i32>) -> Option<i64> {
        let zones = Zones { local: TimeZone::posix(zone).unwrap(), logtimezone: None };
        match Parsed::read(Kind::Civil, "x", groups.iter().copied()) {
            Parsed::Civil(civil) => civil.at(NOW, &zones, last_offset).map(|moment| moment.at.secs()),
            _ => None,
        }
    }

    fn utc(groups: &[(&str, &str)]) -> Option<String> {
        seconds("UTC0", groups, None).map(|secs| Timestamp::from_secs(secs).in_zone(&TimeZone::UTC))
    }

    #[test]
    fn missing_parts_come_from_the_present() {
        for (groups, expected) in [
            (&[("H", "10"), ("M", "00")][..], "2026-03-01 10:00:00"),
            (&[("H", "13"), ("M", "00")], "2026-02-28 13:00:00"),
            (&[("b", "Mar"), ("d", " 2"), ("H", "11")], "2026-03-02 11:00:00"),
            (&[("b", "MAR"), ("d", "2"), ("H", "12"), ("S", "1")], "2025-03-02 12:00:01"),
            (&[("Y", "2025"), ("H", "10")], "2025-03-01 10:00:00"),
            (&[("j", "366")], "2026-01-01 00:00:00"),
            (&[("Y", "2024"), ("j", "60")], "2024-02-29 00:00:00"),
            (&[("Y", "2026"), ("U", "00"), ("w", "0")], "2025-12-28 00:00:00"),
            (&[("Y", "2026"), ("W", "10"), ("a", "Sun")], "2026-03-15 00:00:00"),
            (&[("U", "10"), ("a", "mon")], "2025-03-09 00:00:00"),
            (&[("y", "99"), ("m", "1"), ("d", "2")], "2099-01-02 00:00:00"),
            (&[("I", "12"), ("p", "am")], "2026-03-01 00:00:00"),
            (&[("I", "1"), ("p", "PM")], "2026-02-28 13:00:00"),
            (&[("I", "12")], "2026-03-01 00:00:00"),
            (&[("Y", "2026"), ("m", "3"), ("d", "1"), ("z", "+0130")], "2026-02-28 22:30:00"),
            (&[("Y", "202٦"), ("m", "3"), ("d", "1")], "2026-03-01 00:00:00"),
        ] {
            assert_eq!(utc(groups).as_deref(), Some(expected), "{groups:?}");
        }
    }

    #[test]
    fn a_group_that_says_nothing_is_known_as_such() {
        for name in ["Y", "y", "m", "b", "B", "d", "H", "I", "p", "M", "S", "a", "A", "w", "j", "U", "W", "z", "Z"] {
            assert!(Civil::reads(name), "{name}");
        }
        for name in ["f", "G", "u", "V", "_sep", "", "YM", "é"] {
            assert!(!Civil::reads(name), "{name}");
            assert_eq!(Civil::read([(name, "1")].into_iter()), Some(Civil::default()), "{name}");
        }
    }

    #[test]
    fn what_no_calendar_knows_is_no_date() {
        for groups in [
            &[("Y", "2026"), ("m", "02"), ("d", "30")][..],
            &[("b", "Feb"), ("d", "29")],
            &[("S", "60")],
            &[("S", "61")],
            &[("m", "3")],
            &[("d", "3")],
            &[("Y", "0000")],
            &[("z", "utc")],
            &[("Z", "WARN")],
            &[("Y", "0001"), ("m", "1"), ("d", "1"), ("z", "+01")],
        ] {
            assert_eq!(utc(groups), None, "{groups:?}");
        }
    }

    #[test]
    fn a_jump_of_the_clock_loses_no_time() {
        let berlin = "CET-1CEST,M3.5.0,M10.5.0/3";
        let date = |month: &'static str, day: &'static str| {
            [("Y", "2026"), ("m", month), ("d", day), ("H", "02"), ("M", "30")]
        };
        assert_eq!(seconds(berlin, &date("3", "29"), None), Some(1_774_747_800));
        assert_eq!(seconds(berlin, &date("10", "25"), None), Some(1_792_891_800));
        assert_eq!(seconds(berlin, &date("10", "25"), Some(7200)), Some(1_792_888_200));
        assert_eq!(seconds(berlin, &date("10", "25"), Some(3600)), Some(1_792_891_800));
    }

    #[test]
    fn epochs_keep_their_fraction() {
        for (text, by_length, micros) in [
            ("1772359200", false, 1_772_359_200_000_000),
            ("1772359200.123", false, 1_772_359_200_123_000),
            ("1772359200123", true, 1_772_359_200_123_000),
            ("1772359200123456", true, 1_772_359_200_123_456),
            ("1772359200123.456", true, 1_772_359_200_123_456),
            ("17723592001", true, 17_723_592_001_000_000),
        ] {
            assert_eq!(epoch(text, by_length), Some(Timestamp(micros)), "{text}");
        }
        let tai = Parsed::read(Kind::Tai64n, "@4000000069a40f200dd1f0f4", std::iter::empty());
        assert_eq!(tai, Parsed::At(Timestamp::from_secs(1_772_359_456)));
    }
}
