//! What is given out to be kept: counters and the positions that belong to them, in one run, so that after a crash
//! every line is counted once.

use super::{Engine, Request};
use crate::store::Change;
use crate::time::{Span, Timestamp};

impl Engine {
    /// When counters or positions want to be given out; `None`: nothing is new.
    pub(super) fn flush_due(&self) -> Option<Timestamp> {
        if self.jails.values().any(|jail| jail.failures.is_changed()) {
            Some(self.flushed + COUNTERS_EVERY)
        } else if !self.positions.is_empty() {
            Some(self.flushed + POSITIONS_EVERY)
        } else {
            None
        }
    }

    /// Gives out every change to a counter since the last time, then every position.
    pub(super) fn flush(&mut self, now: Timestamp, out: &mut Vec<Request>) {
        self.flushed = now;
        for (name, jail) in &mut self.jails {
            let changes = jail.failures.changes();
            out.extend(
                changes.map(|(id, counter)| Request::Keep(Change::Failures { jail: name.to_string(), id, counter })),
            );
        }
        let positions = std::mem::take(&mut self.positions);
        out.extend(
            positions
                .into_iter()
                .map(|((jail, _), position)| Request::Keep(Change::Position { jail: jail.to_string(), position })),
        );
    }
}

/// Counters, and the positions with them, are given out this often at most.
const COUNTERS_EVERY: Span = Span::from_secs(1);

/// Positions alone: lines that changed nothing may be read twice after a crash.
const POSITIONS_EVERY: Span = Span::from_secs(10);
