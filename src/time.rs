//! Moments, lengths of time and their text forms.
//!
//! Nothing here reads a clock: `now` is an argument everywhere below `daemon/`. Lengths are written the way
//! fail2ban reads them (`1d12h`, `10M` is ten minutes, `2*60`); [`crate::expr`] does the arithmetic.

use std::fmt;
use std::ops::{Add, Sub};

use jiff::tz::TimeZone;

use crate::expr;

/// A moment, in microseconds since 1970-01-01 UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// The moment `secs` whole seconds after the epoch.
    pub const fn from_secs(secs: i64) -> Timestamp {
        Timestamp(secs.saturating_mul(1_000_000))
    }

    /// The moment `secs` seconds after the epoch, to the microsecond.
    pub fn from_secs_f64(secs: f64) -> Timestamp {
        Timestamp((secs * 1e6).round() as i64)
    }

    /// Whole seconds since the epoch, rounded down.
    pub const fn secs(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// Seconds since the epoch with their fraction.
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e6
    }

    /// `2026-11-20 10:00:00` in `zone`.
    pub fn in_zone(self, zone: &TimeZone) -> String {
        self.zoned(zone).strftime("%Y-%m-%d %H:%M:%S").to_string()
    }

    /// `2026-11-20T10:00:00+01:00` in `zone` (RFC 3339, whole seconds).
    pub fn rfc3339(self, zone: &TimeZone) -> String {
        self.zoned(zone).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
    }

    /// As a date with its zone; moments beyond year 9999 are shown as its last second.
    pub fn zoned(self, zone: &TimeZone) -> jiff::Zoned {
        let shown = jiff::Timestamp::from_microsecond(self.0).unwrap_or(jiff::Timestamp::MAX);
        shown.to_zoned(zone.clone())
    }
}

impl Add<Span> for Timestamp {
    type Output = Timestamp;

    fn add(self, span: Span) -> Timestamp {
        Timestamp(self.0.saturating_add(span.0))
    }
}

impl Sub<Span> for Timestamp {
    type Output = Timestamp;

    fn sub(self, span: Span) -> Timestamp {
        Timestamp(self.0.saturating_sub(span.0))
    }
}

impl Sub for Timestamp {
    type Output = Span;

    fn sub(self, earlier: Timestamp) -> Span {
        Span(self.0.saturating_sub(earlier.0))
    }
}

/// A length of time in microseconds; may be negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Span(pub i64);

impl Span {
    /// `secs` whole seconds.
    pub const fn from_secs(secs: i64) -> Span {
        Span(secs.saturating_mul(1_000_000))
    }

    /// `secs` seconds, to the microsecond; what does not fit becomes the longest span.
    pub fn from_secs_f64(secs: f64) -> Span {
        Span((secs * 1e6).round() as i64)
    }

    /// Whole seconds, rounded down.
    pub const fn secs(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// Seconds with their fraction.
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e6
    }

    /// Reads fail2ban's time text: `600`, `10m`, `1d12h`, `1h 30`, `24*60*60`, `1d-1h`, `-1`; a `#` begins a comment.
    ///
    /// Units are case-insensitive, so `10M` is ten minutes; a month is 30.4375 days, a year 365.25 days.
    pub fn parse(text: &str) -> Result<Span, SpanError> {
        seconds(text).map(Span::from_secs_f64)
    }
}

impl fmt::Display for Span {
    /// In words, for people: `2h 15m`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = std::time::Duration::from_secs(self.secs().unsigned_abs());
        if self.0 < 0 {
            f.write_str("-")?;
        }
        humantime::format_duration(whole).fmt(f)
    }
}

/// How long a ban lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Bantime {
    /// Until somebody lifts it (`-1`).
    Forever,
    /// From the failure that caused it. Zero or less: over before it begins.
    For(Span),
}

impl Bantime {
    /// Reads fail2ban's `bantime`: exactly -1 means for ever.
    pub fn parse(text: &str) -> Result<Bantime, SpanError> {
        seconds(text).map(Bantime::from_secs_f64)
    }

    /// From the number in fail2ban's database or configuration.
    pub fn from_secs_f64(secs: f64) -> Bantime {
        if secs == -1.0 { Bantime::Forever } else { Bantime::For(Span::from_secs_f64(secs)) }
    }

    /// The number that fail2ban would write: -1 for ever, else seconds.
    pub fn as_secs_f64(self) -> f64 {
        match self {
            Bantime::Forever => -1.0,
            Bantime::For(span) => span.as_secs_f64(),
        }
    }

    /// When a ban that began at `start` ends; `None`: never.
    pub fn until(self, start: Timestamp) -> Option<Timestamp> {
        match self {
            Bantime::Forever => None,
            Bantime::For(span) => Some(start + span),
        }
    }
}

/// A time text that says nothing.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("`{text}` is not a length of time")]
pub struct SpanError {
    /// What was written.
    pub text: String,
}

/// Seconds in fail2ban's time text; the fraction matters to `--str2sec`.
pub fn seconds(text: &str) -> Result<f64, SpanError> {
    let bad = || SpanError { text: text.to_owned() };
    let arithmetic = expand_units(expr::code(text)).ok_or_else(bad)?;
    let value = expr::Expr::parse(&arithmetic).and_then(|e| e.eval(&[])).map_err(|_| bad())?;
    if value.is_finite() { Ok(value) } else { Err(bad()) }
}

/// `1d12h` → `1*86400+12*3600`; numbers standing side by side are added.
fn expand_units(text: &str) -> Option<String> {
    let mut out = String::new();
    let mut rest = text.trim();
    if rest.is_empty() {
        return None;
    }
    let mut after_term = false;
    while let Some(c) = rest.chars().next() {
        if c.is_whitespace() {
            rest = rest.trim_start();
        } else if c.is_ascii_digit() || c == '.' {
            let end = rest.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(rest.len());
            let (number, tail) = rest.split_at(end);
            let unit_start = tail.trim_start();
            let unit_len = unit_start.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(unit_start.len());
            let (unit, tail) = unit_start.split_at(unit_len);
            let factor = if unit.is_empty() { "1" } else { unit_seconds(unit)? };
            if after_term {
                out.push('+');
            }
            out.push_str(&format!("({number}*{factor})"));
            after_term = true;
            rest = tail;
        } else if "+-*/()".contains(c) {
            if c == '(' && after_term {
                out.push('+');
            }
            out.push(c);
            after_term = c == ')';
            rest = &rest[1..];
        } else {
            return None;
        }
    }
    Some(out)
}

fn unit_seconds(unit: &str) -> Option<&'static str> {
    Some(match unit.to_ascii_lowercase().as_str() {
        "s" | "ss" | "sec" | "second" | "seconds" => "1",
        "m" | "mm" | "min" | "minute" | "minutes" => "60",
        "h" | "hh" | "hou" | "hour" | "hours" => "3600",
        "d" | "dd" | "da" | "day" | "days" => "86400",
        "w" | "ww" | "wee" | "week" | "weeks" => "604800",
        "mo" | "mon" | "month" | "months" => "2629800",
        "y" | "yy" | "yea" | "year" | "years" => "31557600",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_texts_mean_what_fail2ban_means() {
        for (text, secs) in [
            ("600", 600.0),
            ("1d12h", 129_600.0),
            ("1M", 60.0),
            ("10M", 600.0),
            ("1mo", 2_629_800.0),
            ("1y", 31_557_600.0),
            ("-1", -1.0),
            ("1h-5m", 3300.0),
            ("2*60", 120.0),
            ("1h 30", 3630.0),
            ("1.5h", 5400.0),
            ("1 2", 3.0),
            ("24*60*60", 86_400.0),
            ("3d-12h", 216_000.0),
            ("90 seconds", 90.0),
            ("10H", 36_000.0),
            ("1mm", 60.0),
            ("1d12", 86_412.0),
            ("(1h+5m)*2", 7800.0),
            ("2d 7h 15m", 198_900.0),
        ] {
            assert_eq!(seconds(text), Ok(secs), "{text}");
        }
        for text in ["", "abc", "1e3", "5mins", "1ms", "1/0", "1 +", "__import__"] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }

    #[test]
    fn minus_one_and_nothing_else_is_for_ever() {
        assert_eq!(Bantime::parse("-1"), Ok(Bantime::Forever));
        assert_eq!(Bantime::parse("-2"), Ok(Bantime::For(Span::from_secs(-2))));
    }
}
