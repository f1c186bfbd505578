//! Whether a line can be what it looks like, by the lines around it: the option `neighbours`.
//!
//! FreeSWITCH's `mod_logfile` can be made to break a record of a call where the caller likes, so that what follows looks
//! like a record of the server's own, byte for byte. But a sender knows neither the microsecond that the server puts on
//! the broken record, nor the idle time of the processor that it puts on every record at that moment. So behind a record
//! of a call nothing is believed until a line goes on from it, with no earlier time and the same idle time; or until some
//! time has passed. How much that is our own clock says while the log is being written, and the lines themselves where it is
//! read afterwards, which a sender could make use of. Logs of FreeSWITCH before 1.10.7 have no idle time; there only the
//! order of the times is left.
//!
//! What it costs: where the idle time changes (every second or so) right behind a record of a call, the failures of the
//! next 50 ms are lost. They are warned of, not counted.
//!
//! A record has an end within 256 KiB; so what is further back decides nothing, and only lines before a candidate have
//! to be looked at.

use std::ops::Range;

use crate::time::{Span, Timestamp};

/// What is known of a log up to a line.
#[derive(Debug, Default)]
pub struct Around {
    /// The record of a call that what follows may still belong to.
    open: Option<Mark>,
    /// The last record that was believed.
    last: Option<Mark>,
    /// How much of the log came since `open`.
    since: usize,
    /// How much of the present block has been looked at.
    at: usize,
}

impl Around {
    /// Whether the line at `line`, in a block that goes on from the last one, cannot be believed. Lines are asked in
    /// their order; `now` is the present where the log is being written.
    pub fn breaks(&mut self, block: &[u8], line: &Range<usize>, now: Option<Timestamp>) -> bool {
        self.pass(block, line.start, now);
        let mut after = Around { open: self.open, last: self.last, ..Around::default() };
        after.take(&block[line.clone()], now)
    }

    /// What there is to know of the rest of a block. The next one begins with its own first line.
    pub fn leave(&mut self, block: &[u8], now: Option<Timestamp>) {
        self.pass(block, block.len(), now);
        self.at = 0;
    }

    /// Looks at the lines up to `end`.
    fn pass(&mut self, block: &[u8], end: usize, now: Option<Timestamp>) {
        if end > self.at + LONGEST {
            let from = end - LONGEST;
            let begin = memchr::memchr(b'\n', &block[from..end]).map_or(end, |newline| from + newline + 1);
            *self = Around { at: begin, ..Around::default() };
        }
        while self.at < end {
            let rest = &block[self.at..end];
            let length = memchr::memchr(b'\n', rest).map_or(rest.len(), |newline| newline + 1);
            self.take(&rest[..length], now);
            self.at += length;
        }
    }

    /// Takes the next line in, and says whether it is one that cannot be believed.
    fn take(&mut self, line: &[u8], now: Option<Timestamp>) -> bool {
        self.since += line.len();
        if self.since > LONGEST {
            self.open = None;
        }
        let call = is_call(line);
        let Some(mark) = Mark::of(if call { &line[CALL..] } else { line }, now) else {
            // `UUID EXECUTE …`: a record of a call without a time.
            if call && self.open.is_none() {
                (self.open, self.since) = (self.last, 0);
            }
            return false;
        };
        if self.open.is_some_and(|open| !mark.goes_on_from(&open, now)) {
            return true;
        }
        (self.open, self.last, self.since) = (call.then_some(mark), Some(mark), 0);
        false
    }
}

/// What only the server knows when it writes a record. Most are never compared with another, so nothing is made of it before.
#[derive(Clone, Copy, Debug)]
struct Mark {
    /// `2026-08-20 10:00:00.123456 98.10% [`, the idle time being optional.
    head: [u8; HEAD],
    /// When it was read, while the log is being written.
    read: Option<Timestamp>,
}

impl Mark {
    fn of(line: &[u8], read: Option<Timestamp>) -> Option<Mark> {
        let head: [u8; HEAD] = *line.first_chunk()?;
        let shape = [(4, b'-'), (7, b'-'), (10, b' '), (13, b':'), (16, b':'), (19, b'.'), (26, b' ')];
        shape.iter().all(|(at, byte)| head[*at] == *byte).then_some(Mark { head, read })
    }

    /// Microseconds on a calendar whose months have 31 days.
    fn time(&self) -> i64 {
        let number = |from: usize, to: usize| {
            self.head[from..to].iter().fold(0, |n, digit| n * 10 + i64::from(digit.wrapping_sub(b'0')))
        };
        let days = (number(0, 4) * 12 + number(5, 7)) * 31 + number(8, 10);
        let seconds = ((days * 24 + number(11, 13)) * 60 + number(14, 16)) * 60 + number(17, 19);
        seconds * 1_000_000 + number(20, 26)
    }

    /// Up to its percent sign; none before 1.10.7.
    fn idle(&self) -> &[u8] {
        let rest = &self.head[27..];
        &rest[..rest.iter().position(|b| *b == b'%').unwrap_or(0)]
    }

    fn goes_on_from(&self, open: &Mark, now: Option<Timestamp>) -> bool {
        if self.head[..20] == open.head[..20]
            && self.head[20..26] >= open.head[20..26]
            && [self, open].iter().all(|mark| mark.head[20..26].iter().all(u8::is_ascii_digit))
            && self.idle() == open.idle()
        {
            // The same second, as mostly: nothing has to be worked out.
            return true;
        }
        let later = self.time() - open.time();
        let same = later >= 0 && self.idle() == open.idle();
        // A clock that was set back does not make our own wait.
        let later = match (now, open.read) {
            (Some(now), Some(read)) => now - read,
            _ => Span(later),
        };
        same || later >= LATER
    }
}

/// Whether a line begins with a call's UUID and a blank.
fn is_call(line: &[u8]) -> bool {
    line.first_chunk::<CALL>().is_some_and(|head| {
        // What holds the digits apart is none, so they are counted, which a processor does many at a time.
        [(8, b'-'), (13, b'-'), (18, b'-'), (23, b'-'), (36, b' ')].iter().all(|(at, byte)| head[*at] == *byte)
            && head.iter().map(|byte| u8::from(byte.is_ascii_hexdigit())).sum::<u8>() == 32
    })
}

/// The length of `7f0c8c2e-3c0e-4f2c-9a43-5b8b1a9b1c11 `.
const CALL: usize = 37;
/// What of a record is looked at: up to the level behind `100.00% `.
const HEAD: usize = 36;
/// A record ends within so many bytes: a SIP message has 64 KiB at most, and each line that is broken out of it gets a UUID.
const LONGEST: usize = 256 << 10;
/// The pieces of a record are written, and read, within a fraction of this.
const LATER: Span = Span(50_000);

#[cfg(test)]
mod tests {
    use super::*;

    const CALL_ID: &str = "7f0c8c2e-3c0e-4f2c-9a43-5b8b1a9b1c11 ";

    /// Which lines of a log are not believed, by their numbers; read afterwards.
    fn broken(log: &str) -> Vec<usize> {
        let (mut around, mut broken, mut at) = (Around::default(), Vec::new(), 0);
        for (number, line) in log.split_inclusive('\n').enumerate() {
            if around.breaks(log.as_bytes(), &(at..at + line.len()), None) {
                broken.push(number);
            }
            at += line.len();
        }
        broken
    }

    fn line(call: bool, time: &str, idle: &str) -> String {
        format!("{}2026-08-20 10:00:{time} {idle}% [WARNING] x\n", if call { CALL_ID } else { "" })
    }

    #[test]
    fn what_goes_on_from_a_call_is_believed() {
        let (own, call) = (|time| line(false, time, "98.10"), |time| line(true, time, "98.10"));
        let log = [call("00.000000"), own("00.000000"), own("00.000001"), call("00.020000"), call("00.020000")];
        assert!(broken(&log.concat()).is_empty());
    }

    #[test]
    fn nothing_is_believed_behind_a_call_that_knows_no_time_or_idle_time() {
        let call = line(true, "10.000000", "98.10");
        for (forged, plain) in
            [("09.999999", "98.10"), ("10.000001", "99.00"), ("10.049999", "98.1"), ("00.000000", "0.00")]
        {
            let forged = line(false, forged, plain).repeat(3) + &line(true, forged, plain) + "\n\n b";
            let end = line(false, "10.000001", "98.10");
            assert_eq!(broken(&format!("{call}{forged}\n{end}{call}")), [1, 2, 3, 4]);
        }
    }

    #[test]
    fn a_call_without_a_time_is_one_too() {
        let log =
            [line(false, "10.000000", "98.10"), format!("{CALL_ID}EXECUTE x\n"), line(false, "10.000000", "99.00")];
        assert_eq!(broken(&log.concat()), [2]);
    }

    #[test]
    fn time_goes_on_by_our_own_clock_while_the_log_is_written() {
        let (mut around, start) = (Around::default(), Timestamp::from_secs(1_787_220_000));
        let later = line(false, "59.000000", "99.00");
        let mut at = |line: &str, millis: i64| {
            let now = Some(start + Span(millis * 1000));
            let broken = around.breaks(line.as_bytes(), &(0..line.len()), now);
            around.leave(line.as_bytes(), now);
            broken
        };
        assert!(!at(&line(true, "10.000000", "98.10"), 0));
        assert!(at(&later, 49));
        assert!(!at(&later, 50));
        assert!(!at(&line(false, "00.000000", "98.10"), 51));
        assert!(!at(&line(true, "10.000000", "98.10"), 60));
        assert!(at(&line(false, "09.000000", "98.10"), 60));
        assert!(!at(&line(false, "09.000000", "98.10"), 110));
    }

    #[test]
    fn nobody_is_doubted_for_ever() {
        let far = "x\n".repeat(LONGEST / 2 + 1);
        let log = [line(true, "10.000000", "98.10"), far, line(false, "09.000000", "98.10")].concat();
        assert!(broken(&log).is_empty());
        let last = log.len() - line(false, "09.000000", "98.10").len();
        assert!(!Around::default().breaks(log.as_bytes(), &(last..log.len()), None));
    }

    #[test]
    fn what_is_no_record_changes_nothing() {
        for text in ["", "\n", "2026-08-20 10:00:00.123456 ", "2026-08-20 10:00:00,123456 [WARNING] x", "7f0c8c2e-3c0e"]
        {
            assert!(broken(text).is_empty());
            assert!(Mark::of(text.as_bytes(), None).is_none());
        }
        let mark = |text: &str| Mark::of(text.as_bytes(), None).unwrap();
        assert_eq!(mark("2026-08-20 10:00:00.123456 [WARNING] x").idle(), b"");
        assert_eq!(mark("2026-08-20 10:00:00.123456 100.00% [WARNING]").idle(), b"100.00");
        let (first, last) = ("2026-08-31 23:59:59.999999 [ALERT] x", "2026-09-01 00:00:00.000000 [ALERT] x");
        assert_eq!(mark(last).time() - mark(first).time(), 1);
    }
}
