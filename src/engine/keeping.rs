//! What is given out to be kept: counters and the positions that belong to them, in one run, so that after a crash
//! every line is counted once.

use super::{Engine, Request};
use crate::config::CountBy;
use crate::store::Change;
use crate::time::{Span, Timestamp};

impl Engine {
    /// When counters or positions want to be given out; `None`: nothing is new.
    pub(super) fn flush_due(&self) -> Option<Timestamp> {
        if !self.keeps {
            return None;
        }
        match self.jails.values().map(|jail| jail.failures.changed()).sum() {
            0 if self.positions.is_empty() && self.trusted.changed() == 0 => None,
            1..=FEW => Some(self.flushed + SOON),
            _ => Some(self.flushed + LATER),
        }
    }

    /// Gives out every change to a counter since the last time, then every position.
    pub(super) fn flush(&mut self, now: Timestamp, out: &mut Vec<Request>) {
        self.flushed = now;
        self.flush_of(&|_| true, out);
        if self.trusted.changed() > 0 {
            // Without it the accounts in them mean nothing.
            if !std::mem::replace(&mut self.key.1, true) {
                out.push(Request::Keep(Change::Key(self.key.0.0)));
            }
            out.push(Request::Keep(Change::Trust(self.trusted.changes())));
        }
    }

    /// The same of some jails.
    pub(super) fn flush_of(&mut self, wanted: &dyn Fn(&str) -> bool, out: &mut Vec<Request>) {
        for (name, jail) in self.jails.iter_mut().filter(|(name, _)| wanted(name)) {
            let counters = jail.changes();
            if !counters.is_empty() {
                if jail.settings.countby != CountBy::Line && !self.key.1 {
                    self.key.1 = true;
                    out.push(Request::Keep(Change::Key(self.key.0.0)));
                }
                out.push(Request::Keep(Change::Failures { jail: name.clone(), counters }));
            }
        }
        let positions = self.positions.extract_if(.., |(jail, _), _| wanted(jail));
        out.extend(
            positions.map(|((jail, _), position)| Request::Keep(Change::Position { jail: jail.to_string(), position })),
        );
    }
}

/// A few counters, and the positions with them, are given out this often at most.
const SOON: Span = Span::from_secs(1);

/// Many counters: in a flood most of them change all the time, and each is written once for all that happened meanwhile.
/// A crash loses nothing by it, since the position waits with them and the lines are read again. Positions alone too: lines
/// that changed nothing may be read twice. And logins, which go on all day.
const LATER: Span = Span::from_secs(10);

/// Changes that are worth no waiting.
const FEW: usize = 1000;
