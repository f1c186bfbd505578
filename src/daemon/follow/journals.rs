//! The jails that read systemd's journal, each with a reader of its own.

use std::os::fd::BorrowedFd;

use crate::line::Position;
use crate::record::Record;
use crate::source::Source;
use crate::source::journal::JournalReader;
use crate::time::Timestamp;

use super::super::inbox::Message;
use super::super::pipe::{Pipe, Route};
use super::{POSITIONS, TURN};

/// One jail's way to the journal.
pub(super) struct FollowedJournal {
    reader: JournalReader,
    route: Route,
    /// The position that was handed on last, and when.
    sent: Option<Position>,
    sent_at: Timestamp,
}

impl FollowedJournal {
    pub fn new(reader: JournalReader, route: Route) -> FollowedJournal {
        FollowedJournal { sent: reader.position(), reader, route, sent_at: Timestamp(i64::MIN) }
    }

    /// The jail's place in the pipe.
    pub fn jail(&self) -> usize {
        self.route.jails()[0]
    }

    /// Goes on where the jail of this name was before a reload.
    pub fn go_on(&mut self, before: FollowedJournal) {
        self.reader.go_on(before.reader);
        self.sent = before.sent;
        self.sent_at = before.sent_at;
    }

    /// Reads one turn; true if there is more.
    pub fn read(&mut self, pipe: &mut Pipe, now: Timestamp, sink: &mut dyn FnMut(Message)) -> bool {
        let FollowedJournal { reader, route, .. } = self;
        let (mut found, mut log): (Vec<_>, Vec<Record>) = (Vec::new(), Vec::new());
        let more = reader.read(now, TURN, &mut |batch| pipe.batch(route, &batch, now, &mut found), &mut log);
        if !found.is_empty() {
            sink(Message::Failures(found));
        }
        log.extend(pipe.records(route));
        for record in log {
            sink(Message::Log(record));
        }
        more
    }

    /// The position, if it is another than the last time and `all` are wanted or it is due.
    pub fn position(&mut self, now: Timestamp, all: bool) -> Option<Position> {
        self.sent_at = self.sent_at.min(now);
        self.position_due().filter(|due| all || *due <= now)?;
        self.sent = self.reader.position();
        self.sent_at = now;
        self.sent.clone()
    }

    /// When something is due even if nothing is heard.
    pub fn due(&self) -> Option<Timestamp> {
        [self.reader.due(), self.position_due()].into_iter().flatten().min()
    }

    /// What becomes readable when there is something new.
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.reader.fd()
    }

    fn position_due(&self) -> Option<Timestamp> {
        (self.reader.position() != self.sent).then(|| self.sent_at + POSITIONS)
    }
}
