//! What a filter has to say about a log, for whoever writes our own: each kind of thing once a day.

use crate::record::{Level, Record};
use crate::time::{Span, Timestamp};

/// Records that nobody has fetched yet; bounded.
#[derive(Clone, Debug, Default)]
pub struct Notes {
    records: Vec<Record>,
    said: [Option<Timestamp>; 7],
}

/// A kind of thing that is said once a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Note {
    /// Lines too old to count.
    Old,
    /// A date that is not the present although the log is being written.
    Skewed,
    /// A match without a date.
    Undated,
    /// A regex that was given up.
    TooCostly,
    /// A date that was not looked for to the end.
    CostlyDate,
    /// Bytes that are no text.
    Undecodable,
    /// A failure that does not fit the lines before it.
    Forged,
}

impl Notes {
    /// Says it unless it was said within a day.
    pub fn daily(&mut self, note: Note, now: Timestamp, text: impl FnOnce() -> String) {
        let said = &mut self.said[note as usize];
        if said.is_none_or(|at| now < at || now - at >= DAY) {
            *said = Some(now);
            self.records.push(Record::new(Level::Warning, "filter", text()));
        }
    }

    /// Says something that whoever calls says rarely.
    pub fn warn(&mut self, text: String) {
        if self.records.len() < MANY {
            self.records.push(Record::new(Level::Warning, "filter", text));
        }
    }

    /// Says a detail.
    pub fn debug(&mut self, text: impl FnOnce() -> String) {
        if self.records.len() < MANY {
            self.records.push(Record::new(Level::Debug, "filter", text()));
        }
    }

    /// What was said since the last call.
    pub fn take(&mut self) -> Vec<Record> {
        std::mem::take(&mut self.records)
    }
}

const DAY: Span = Span::from_secs(86_400);
/// Records that wait to be fetched, beside the daily ones.
const MANY: usize = 100;
