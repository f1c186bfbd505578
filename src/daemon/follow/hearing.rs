//! The events of all PBXs: one connection for each server however many jails hear it, and a pipe of their own, since what
//! counts as a failure among events is not what does so in a log.

use std::os::fd::BorrowedFd;
use std::sync::Arc;

use rustix::event::PollFlags;

use crate::command::status::Heard;
use crate::config::Server;
use crate::time::{Span, Timestamp};

use super::super::inbox::Message;
use super::super::pipe::{Pipe, PipeJail};
use super::connection::Connection;
use super::reader::Reader;

/// A jail that hears a server.
pub(super) struct Hearer {
    pub jail: PipeJail,
    pub server: Arc<Server>,
}

/// All of them.
pub(super) struct Hearing {
    pipe: Pipe,
    /// Whom each jail in the pipe hears.
    heard_by: Vec<(Arc<str>, Arc<Server>)>,
    readers: Vec<Reader<Connection>>,
    /// What was told of each reader's connection, and when.
    told: Vec<(Heard, Timestamp)>,
}

impl Hearing {
    /// Nothing is connected before the first [`Hearing::step`].
    pub fn new(jails: Vec<Hearer>) -> Hearing {
        let mut hearing =
            Hearing { pipe: Pipe::new(Vec::new()), heard_by: Vec::new(), readers: Vec::new(), told: Vec::new() };
        hearing.exchange(jails, &|_| false);
        hearing
    }

    /// These jails, and of those before the ones that stay. A connection that is still wanted stays.
    pub fn exchange(&mut self, jails: Vec<Hearer>, stays: &dyn Fn(&str) -> bool) {
        self.heard_by.retain(|(jail, _)| stays(jail));
        self.heard_by.extend(jails.iter().map(|Hearer { jail, server }| (jail.name.clone(), server.clone())));
        self.pipe.exchange(stays, jails.into_iter().map(|hearer| hearer.jail).collect());
        let servers: Vec<&Arc<Server>> = self.heard_by.iter().map(|(_, server)| server).collect();
        let mut known: Vec<_> =
            std::mem::take(&mut self.readers).into_iter().zip(std::mem::take(&mut self.told)).collect();
        for (first, server) in servers.iter().enumerate() {
            if servers[..first].contains(server) {
                continue;
            }
            let jails: Vec<usize> = (first..servers.len()).filter(|at| servers[*at] == *server).collect();
            let route = self.pipe.route(&jails);
            let (mut reader, told) = match known.iter().position(|(reader, _)| reader.source.server() == *server) {
                Some(at) => known.swap_remove(at),
                None => {
                    let reader = Reader::of_events(Connection::new((*server).clone()), self.pipe.route(&[]));
                    (reader, (Heard { events: u64::MAX, ..Heard::default() }, Timestamp(i64::MIN / 2)))
                }
            };
            reader.route = route;
            self.readers.push(reader);
            self.told.push(told);
        }
    }

    /// Does what can be done now; true: there is more.
    pub fn step(&mut self, now: Timestamp, sink: &mut dyn FnMut(Message)) -> bool {
        let mut more = false;
        for (reader, (told, when)) in self.readers.iter_mut().zip(&mut self.told) {
            more |= reader.read(&mut self.pipe, now, sink);
            let heard = reader.source.heard();
            let urgent = (heard.since, &heard.trouble) != (told.since, &told.trouble);
            if heard != told && (urgent || !(Span::default()..TOLD).contains(&(now - *when))) {
                (*told, *when) = (heard.clone(), now);
                sink(Message::Heard { server: reader.source.server().label(), heard: heard.clone() });
            }
        }
        more
    }

    /// What tells that there is something to do, and by what.
    pub fn fds(&self) -> impl Iterator<Item = (BorrowedFd<'_>, PollFlags)> {
        self.readers.iter().filter_map(|reader| reader.source.fd())
    }

    /// When the next step is due even if nothing is heard.
    pub fn due(&self) -> Option<Timestamp> {
        let untold = self.readers.iter().zip(&self.told).filter(|(reader, (told, _))| reader.source.heard() != told);
        let telling = untold.map(|(_, (_, when))| *when + TOLD);
        self.readers.iter().filter_map(|reader| reader.source.due()).chain(telling).min()
    }
}

/// Counts are told so often at most.
const TOLD: Span = Span::from_secs(1);
