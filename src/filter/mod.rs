//! The filter language: which line is a failure, of whom, and when.
//!
//! Lines go in as bytes, [`Failure`]s come out. A [`Filter`] is one jail's filter with its state (last date, cached
//! `<F-MLFID>` groups, window of `maxlines`); a [`Scan`] finds, in one pass over a block, the few lines that any of the
//! filters of a log could match. Nothing here reads a file, a clock or a name server.

pub mod date;

use std::ops::Range;

use crate::config::{JailSettings, Problem};
use crate::ticket::Failure;
use crate::time::{Span, Timestamp};

/// One jail's filter, compiled, with its state.
pub struct Filter {}

/// What surrounds a line that a filter looks at.
#[derive(Clone, Copy, Debug)]
pub struct Moment<'a> {
    /// The present, or in a replay the time of the log.
    pub now: Timestamp,
    /// The jail's `findtime`.
    pub findtime: Span,
    /// fail2ban's "in operation", see [`crate::line::Batch::live`].
    pub live: bool,
    /// When the line was written, where the source or a wrapper knows it.
    pub time: Option<Timestamp>,
    /// The bytes of the block before this line. A line without a date takes that of the nearest earlier line that has
    /// one; with a prefilter that line was not looked at yet.
    pub before: &'a [u8],
}

/// What became of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// No failregex matched.
    Missed,
    /// It is too old, or no date could be given to it.
    Dropped,
    /// An ignoreregex matched, or it only helps other lines (`<F-NOFAIL>`); the number is the regex, from 0.
    Ignored(usize),
    /// A failregex matched; the number is the regex, from 0.
    Matched(usize),
}

impl Filter {
    /// Compiles a jail's filter. What cannot be used (a bad regex, one without an address) is an error in the list;
    /// what can but should be known (no prefilter possible) is a note beside the filter.
    pub fn new(jail: &JailSettings) -> Result<(Filter, Vec<Problem>), Vec<Problem>> {
        let _ = jail;
        Ok((Filter {}, Vec::new()))
    }

    /// Looks at one line (without its newline, unwrapped) and adds the failures that it proves to `out`.
    pub fn line(&mut self, line: &[u8], moment: &Moment<'_>, out: &mut Vec<Failure>) -> Verdict {
        let _ = (line, moment, out);
        Verdict::Missed
    }

    /// The moment that a line's own date says, for finding where to begin in a log.
    pub fn date(&mut self, line: &[u8], now: Timestamp) -> Option<Timestamp> {
        let _ = (line, now);
        None
    }

    /// How often a regex was given up because it would have cost unbounded time.
    pub fn backtrack_limits(&self) -> u64 {
        0
    }
}

/// One pass over a block for all filters of a log.
pub struct Scan {}

impl Scan {
    /// Builds the automaton for the filters of one log; `escaped` says of each whether its lines may be wrapped in JSON.
    pub fn new(filters: &[&Filter], escaped: &[bool]) -> Scan {
        let _ = (filters, escaped);
        Scan {}
    }

    /// Calls `found` for each line (as a range of `block`, without its newline) that one of the filters has to look at,
    /// with the index of that filter; in the order of the lines.
    pub fn candidates(&mut self, block: &[u8], mut found: impl FnMut(Range<usize>, usize)) {
        let _ = block;
        found(0..0, 0);
    }
}
