//! Jails come and go while logs are followed: those that stay go on where they are, and where a jail was that goes is
//! remembered for the time when it comes back.

use std::path::Path;
use std::sync::Arc;

use crate::line::Position;
use crate::source::Source;
use crate::source::journal::JournalReader;
use crate::time::Timestamp;

use super::super::inbox::Message;
use super::super::pipe::PipeJail;
use super::jails::Jail;
use super::reader::Reader;
use super::{FollowJail, Logs};

/// What is remembered of a jail that is not followed.
#[derive(Default)]
pub(super) struct Left {
    pub jail: Option<Jail>,
    pub positions: Vec<Position>,
}

impl Logs {
    /// How far jails that come later had been in an earlier run.
    pub fn remember(&mut self, saved: Vec<(String, Position)>) {
        for (name, position) in saved {
            self.left.entry(name).or_default().positions.push(position);
        }
    }

    /// Other jails from now on. A jail of the same name goes on in a log where it was; others begin where they were when
    /// they were left, else as after a start.
    pub fn reload(&mut self, jails: Vec<FollowJail>, now: Timestamp, sink: &mut dyn FnMut(Message)) {
        self.exchange(jails, &|_| false, now, sink);
    }

    /// One more jail, or one with other settings; nothing changes for the others.
    pub fn put(&mut self, jail: FollowJail, now: Timestamp, sink: &mut dyn FnMut(Message)) {
        let name = jail.name.clone();
        self.exchange(vec![jail], &|other| *other != *name, now, sink);
    }

    /// A jail is not followed any more; where it was is remembered.
    pub fn remove(&mut self, name: &str, now: Timestamp, sink: &mut dyn FnMut(Message)) {
        self.exchange(Vec::new(), &|other| other != name, now, sink);
    }

    /// These jails, and of those before the ones that stay, which keep everything.
    fn exchange(
        &mut self,
        mut new: Vec<FollowJail>,
        stays: &dyn Fn(&str) -> bool,
        now: Timestamp,
        sink: &mut dyn FnMut(Message),
    ) {
        self.send_positions(now, true, sink);
        for jail in &mut new {
            let left = self.left.get_mut(&*jail.name).map(|left| std::mem::take(&mut left.positions));
            jail.saved.extend(left.unwrap_or_default());
        }
        let comes = |name: &str| new.iter().any(|jail| *jail.name == *name);
        let before: Vec<Arc<str>> = self.jails.iter().map(|jail| jail.name.clone()).collect();
        let gone = |at: &usize| !stays(&before[*at]) && !comes(&before[*at]);
        let left: Vec<(String, Left)> =
            (0..before.len()).filter(gone).map(|at| (before[at].to_string(), self.left_by(at))).collect();
        let mut jails = Vec::new();
        let remains = |name: &str| stays(name) && !comes(name);
        for jail in std::mem::take(&mut self.jails) {
            if remains(&jail.name) {
                jails.push(jail);
            } else {
                let name = jail.name.to_string();
                self.left.entry(name).or_default().jail = Some(jail);
            }
        }
        let kept = jails.len();
        let names: Vec<Arc<str>> = jails.iter().map(|jail| jail.name.clone()).collect();
        let (new, piped, readers) = apart(new);
        jails.extend(new);
        self.jails = jails;
        self.pipe.exchange(|name| names.iter().any(|kept| **kept == *name), piped);
        for jail in &mut self.jails[kept..] {
            if let Some(before) = self.left.remove(&*jail.name).and_then(|left| left.jail) {
                jail.go_on(&before);
            }
        }
        for (name, left) in left {
            self.left.entry(name).or_default().positions = left.positions;
        }
        let place = |at: &usize| self.jails.iter().position(|jail| jail.name == before[*at]);
        let mut journals: Vec<Reader<JournalReader>> =
            readers.into_iter().map(|(at, reader)| Reader::of_journal(reader, self.pipe.route(&[kept + at]))).collect();
        for mut old in std::mem::take(&mut self.journals) {
            let Some(at) = place(&old.jail()) else { continue };
            if at < kept {
                old.route = self.pipe.route(&[at]);
                journals.push(old);
            } else if let Some(journal) = journals.iter_mut().find(|journal| journal.jail() == at) {
                journal.go_on(old);
            }
        }
        self.journals = journals;
        for log in &mut self.logs {
            for reader in &mut log.readers {
                let jails: Vec<usize> = reader.route.jails().iter().filter_map(place).collect();
                reader.route = self.pipe.route(&jails);
            }
        }
        self.stale = true;
    }

    /// How far a jail has come in everything it reads.
    fn left_by(&self, at: usize) -> Left {
        let readers = self.logs.iter().flat_map(|log| &log.readers).filter(|r| r.route.jails().contains(&at));
        let files = readers.filter_map(|reader| reader.source.position());
        let journals = self.journals.iter().filter(|journal| journal.jail() == at);
        Left { jail: None, positions: files.chain(journals.filter_map(|journal| journal.source.position())).collect() }
    }
}

/// Patterns, filters, and the readers of the journal, each with its jail's place.
pub(super) type Apart = (Vec<Jail>, Vec<PipeJail>, Vec<(usize, JournalReader)>);

pub(super) fn apart(jails: Vec<FollowJail>) -> Apart {
    let (mut settings, mut piped, mut readers) = (Vec::new(), Vec::new(), Vec::new());
    for FollowJail { name, journal, logs, first, filter, unwrap, findtime, saved } in jails {
        if let Some(journal) = journal {
            let place = saved.iter().find(|saved| saved.path == Path::new(Position::JOURNAL));
            readers.push((settings.len(), JournalReader::new(journal, findtime, place.cloned())));
        }
        piped.push(PipeJail { name: name.clone(), filter, unwrap, findtime });
        settings.push(Jail::new(name, logs, first, saved));
    }
    (settings, piped, readers)
}
