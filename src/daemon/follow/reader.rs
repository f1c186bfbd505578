//! One source on its way through the pipe: it is read a turn at a time, what was found is handed on, and behind that how
//! far the reading came.

use std::sync::Arc;

use crate::line::{Batch, Position};
use crate::record::Record;
use crate::source::Source;
use crate::source::file::LogFile;
use crate::source::journal::JournalReader;
use crate::ticket::Failure;
use crate::time::{Span, Timestamp};

use super::super::inbox::Message;
use super::super::pipe::{Pipe, Route};
use super::TURN;
use super::connection::Connection;

/// A source and the jails that read it.
pub(super) struct Reader<S> {
    pub source: S,
    pub route: Route,
    /// The position that was handed on last, and when.
    sent: Option<Position>,
    sent_at: Timestamp,
    /// Kept for its capacity while there is more to read.
    found: Vec<(Arc<str>, Failure)>,
}

impl Reader<LogFile> {
    /// Of a log file. Its first position is handed on even where it is the saved one.
    pub fn of_file(source: LogFile, route: Route) -> Reader<LogFile> {
        Reader { source, route, sent: None, sent_at: Timestamp(i64::MIN), found: Vec::new() }
    }

    /// Opens the file if need be and reads one turn; true if there is more.
    pub fn read(&mut self, pipe: &mut Pipe, now: Timestamp, sink: &mut dyn FnMut(Message)) -> bool {
        let mut log = Vec::new();
        if !self.source.is_open() {
            let (source, route) = (&mut self.source, &self.route);
            let since = pipe.since(route, now);
            source.begin(now, since, &mut |line| pipe.date(route, line, now), &mut log);
        }
        self.turn(pipe, now, log, sink)
    }

    /// Whether both have come to the same place and nothing keeps either from going on there.
    pub fn has_met(&self, other: &Reader<LogFile>) -> bool {
        let settled = |file: &LogFile| file.is_live() && !file.is_draining();
        settled(&self.source) && settled(&other.source) && self.source.position() == other.source.position()
    }
}

impl Reader<JournalReader> {
    /// Of the journal.
    pub fn of_journal(source: JournalReader, route: Route) -> Reader<JournalReader> {
        Reader { sent: source.position(), source, route, sent_at: Timestamp(i64::MIN), found: Vec::new() }
    }

    /// The jail's place in the pipe.
    pub fn jail(&self) -> usize {
        self.route.jails()[0]
    }

    /// Goes on where the jail of this name was before a reload.
    pub fn go_on(&mut self, before: Reader<JournalReader>) {
        self.source.go_on(before.source);
        (self.sent, self.sent_at) = (before.sent, before.sent_at);
    }

    /// Reads one turn; true if there is more.
    pub fn read(&mut self, pipe: &mut Pipe, now: Timestamp, sink: &mut dyn FnMut(Message)) -> bool {
        self.turn(pipe, now, Vec::new(), sink)
    }
}

impl Reader<Connection> {
    /// Of a PBX's events.
    pub fn of_events(source: Connection, route: Route) -> Reader<Connection> {
        Reader { source, route, sent: None, sent_at: Timestamp(i64::MIN), found: Vec::new() }
    }

    /// Does what can be done now; true if there is more.
    pub fn read(&mut self, pipe: &mut Pipe, now: Timestamp, sink: &mut dyn FnMut(Message)) -> bool {
        self.turn(pipe, now, Vec::new(), sink)
    }
}

impl<S: Source> Reader<S> {
    /// Other jails read it from now on, each of which wants to know how far it is.
    pub fn serve(&mut self, route: Route) {
        self.route = route;
        self.sent = None;
    }

    /// The position for each jail, if it is another than the last time and due, or `all` are wanted.
    pub fn positions(&mut self, pipe: &Pipe, now: Timestamp, all: bool) -> Vec<(Arc<str>, Position)> {
        // A clock that was set back must not put them off.
        self.sent_at = self.sent_at.min(now);
        let due = self.position_due().is_some_and(|due| all || due <= now);
        if due { self.hand_on(pipe, now) } else { Vec::new() }
    }

    /// When the position should be handed on, if it is another than the last time.
    pub fn position_due(&self) -> Option<Timestamp> {
        (self.source.position() != self.sent).then(|| self.sent_at + POSITIONS)
    }

    /// Failures are followed by the position behind them: what was counted is not read again after a crash, and the
    /// engine has something whole to keep.
    fn turn(&mut self, pipe: &mut Pipe, now: Timestamp, mut log: Vec<Record>, sink: &mut dyn FnMut(Message)) -> bool {
        let Reader { source, route, found, .. } = self;
        let mut failed = false;
        let mut take = |batch: Batch<'_>| {
            pipe.batch(route, &batch, now, found);
            failed |= !found.is_empty();
            in_portions(found, sink);
        };
        let more = source.read(now, TURN, &mut take, &mut log);
        if !more {
            *found = Vec::new();
        }
        log.extend(pipe.records(route));
        let gave_up = pipe.gave_up(route);
        if failed {
            sink(Message::Positions(self.hand_on(pipe, now)));
        }
        for (jail, more) in gave_up {
            sink(Message::GaveUp { jail, more });
        }
        for record in log {
            sink(Message::Log(record));
        }
        more
    }

    fn hand_on(&mut self, pipe: &Pipe, now: Timestamp) -> Vec<(Arc<str>, Position)> {
        (self.sent, self.sent_at) = (self.source.position(), now);
        let jails = self.route.jails().iter().map(|at| pipe.name(*at));
        self.sent.iter().flat_map(|position| jails.clone().map(|jail| (jail.clone(), position.clone()))).collect()
    }
}

fn in_portions(found: &mut Vec<(Arc<str>, Failure)>, sink: &mut dyn FnMut(Message)) {
    let mut found = found.drain(..);
    while !found.as_slice().is_empty() {
        sink(Message::Failures(found.by_ref().take(FEW).collect()));
    }
}

/// Failures in one message: what waits in the inbox is soon handled, however fast a log is written.
const FEW: usize = 64;

/// Positions behind lines in which nothing was found are handed on so often at most.
const POSITIONS: Span = Span::from_secs(1);

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::super::super::pipe::PipeJail;
    use super::*;
    use crate::config::{FilterSettings, Spanned, UseDns};
    use crate::filter::Filter;
    use crate::filter::date::Zones;
    use crate::line::Unwrap;

    /// Says the same lines at each turn.
    struct Repeating(String);

    impl Source for Repeating {
        fn read(&mut self, _: Timestamp, _: usize, sink: &mut dyn FnMut(Batch<'_>), _: &mut Vec<Record>) -> bool {
            sink(Batch { bytes: self.0.as_bytes(), live: true, time: None });
            false
        }

        fn position(&self) -> Option<Position> {
            Some(Position { path: "any".into(), file: None, offset: 7, first_line: None })
        }
    }

    #[test]
    fn whatever_the_source_failures_come_a_few_at_a_time_and_the_position_behind_them_in_the_same_turn() {
        let settings = FilterSettings {
            failregex: vec![Spanned::bare("^failed from <HOST>$")],
            maxlines: 1,
            ..FilterSettings::default()
        };
        let zones = Zones { local: TimeZone::UTC, logtimezone: None };
        let (filter, _) = Filter::of(&settings, UseDns::No, "auto", zones).expect("it compiles");
        let findtime = Span::from_secs(600);
        let mut pipe = Pipe::new(vec![PipeJail { name: "a".into(), filter, unwrap: Unwrap::None, findtime }]);
        let source = Repeating("failed from 192.0.2.1\n".repeat(FEW + 1));
        let mut reader =
            Reader { source, route: pipe.route_to_all(), sent: None, sent_at: Timestamp(i64::MIN), found: Vec::new() };
        for _ in 0..2 {
            let mut said = Vec::new();
            let mut sink = |message| match message {
                Message::Failures(all) => said.push(all.len()),
                Message::Positions(all) => said.push(all.len() * 1000),
                _ => {}
            };
            reader.turn(&mut pipe, Timestamp::from_secs(1000), Vec::new(), &mut sink);
            assert_eq!(said, [FEW, 1, 1000]);
        }
    }
}
