//! Where lines come from: a [`Source`] is read when something may be new, and hands on whole lines.

pub mod ami;
pub mod esl;
pub mod event;
pub mod file;
pub mod glob;
pub mod journal;
pub mod lines;
pub mod seek;
pub mod unwrap;

mod generation;
pub mod rotated;

use crate::line::{Batch, Position};
use crate::record::Record;
use crate::time::Timestamp;

/// Something that writes lines: a log file, the journal.
pub trait Source {
    /// Reads what is there, in batches of whole lines, until it is at its end (then `false`) or `budget` bytes were
    /// read and more may be there (then `true`). Problems (gone, unreadable, rotated) come out as records and are not
    /// the end of it: the caller simply reads again later.
    fn read(&mut self, now: Timestamp, budget: usize, sink: &mut dyn FnMut(Batch<'_>), log: &mut Vec<Record>) -> bool;

    /// How far it has been read.
    fn position(&self) -> Option<Position>;
}
