//! Follows every log of every jail and hands on the failures in them.
//!
//! [`Logs`] is the whole of it without a thread: which files the patterns mean now, one reader for each file however
//! many jails read it, what was heard of them, how far they were handled. A [`Follower`] gives it its one thread, which
//! sleeps until a directory reports something, and looks at everything when it is asked to, in case it was not told.
//!
//! What comes out are messages for the engine's loop: failures, a few at a time, and at the end of a reader's turn the
//! position behind them, so what is saved was handled and nothing that is saved is read again; a jail's files before
//! anything that was found in them, the first time also if there are none.

mod exchange;
mod jails;
mod log;
mod reader;
mod thread;
mod watch;

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsStr;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::config::{JailSettings, Journal, LogPath};
use crate::filter::Filter;
use crate::line::{Position, Unwrap};
use crate::source::file::{LogFile, Start};
use crate::source::glob;
use crate::source::journal::JournalReader;
use crate::time::{Span, Timestamp};

use super::inbox::Message;
use super::pipe::Pipe;
use exchange::{Left, apart};
use jails::Jail;
use log::{Log, names};
use reader::Reader;

pub use thread::{Clock, Follower};

/// A jail as far as following is concerned.
pub struct FollowJail {
    /// The jail's name.
    pub name: Arc<str>,
    /// What it reads of systemd's journal.
    pub journal: Option<Journal>,
    /// Paths and patterns, in order.
    pub logs: Vec<LogPath>,
    /// Only the first of them that means an existing file is followed. It is kept until its files have been gone for a
    /// minute, also when an earlier one appears meanwhile.
    pub first: bool,
    /// What counts as a failure.
    pub filter: Filter,
    /// What has to come off a line first.
    pub unwrap: Unwrap,
    /// Lines older than this are not looked for when a log is read for the first time.
    pub findtime: Span,
    /// How far its logs were handled in an earlier run.
    pub saved: Vec<Position>,
}

impl FollowJail {
    /// From a jail's settings; nothing saved.
    pub fn new(jail: &JailSettings, filter: Filter) -> FollowJail {
        FollowJail {
            name: jail.name.as_str().into(),
            journal: jail.journal.clone(),
            logs: jail.logpath.clone(),
            first: jail.logpath_first,
            filter,
            unwrap: jail.unwrap,
            findtime: jail.findtime,
            saved: Vec::new(),
        }
    }
}

/// All logs of all jails.
pub struct Logs {
    jails: Vec<Jail>,
    pipe: Pipe,
    logs: Vec<Log>,
    journals: Vec<Reader<JournalReader>>,
    /// How far jails that are not followed now had come.
    left: HashMap<String, Left>,
    /// Files may have come or gone.
    stale: bool,
}

/// What a directory reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// A file was written to.
    Content,
    /// A file came, went, or changed its rights.
    Files,
    /// A directory came or went.
    Directories,
}

impl Logs {
    /// Follows the logs of these jails; nothing is opened before the first [`Logs::step`].
    pub fn new(jails: Vec<FollowJail>) -> Logs {
        let (jails, piped, readers) = apart(jails);
        let pipe = Pipe::new(piped);
        let journals = readers.into_iter().map(|(at, reader)| Reader::of_journal(reader, pipe.route(&[at]))).collect();
        Logs { jails, pipe, logs: Vec::new(), journals, left: HashMap::new(), stale: true }
    }

    /// Everything that one wake-up does: looks which files there are if that may have changed, reads at most [`TURN`]
    /// bytes of each log that something was heard of. True: there is more to read.
    pub fn step(&mut self, now: Timestamp, sink: &mut dyn FnMut(Message)) -> bool {
        self.look(now, sink);
        let mut more = false;
        for log in &mut self.logs {
            let due = |reader: &Reader<LogFile>| reader.source.due().is_some_and(|due| due <= now);
            if log.touched || log.readers.iter().any(due) {
                log.touched = false;
                for reader in &mut log.readers {
                    log.touched |= reader.read(&mut self.pipe, now, sink);
                }
                more |= log.touched;
                log.join(&self.pipe);
            }
        }
        for journal in &mut self.journals {
            more |= journal.read(&mut self.pipe, now, sink);
        }
        self.send_positions(now, false, sink);
        more
    }

    /// What becomes readable when a journal has something new.
    pub fn fds(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.journals.iter().filter_map(|journal| journal.source.fd())
    }

    /// Looks which files the patterns mean now, if that may have changed; true if it looked.
    pub fn look(&mut self, now: Timestamp, sink: &mut dyn FnMut(Message)) -> bool {
        if !std::mem::take(&mut self.stale) {
            return false;
        }
        for at in 0..self.jails.len() {
            let meant = self.jails[at].files(now, &self.logs);
            self.leave(at, &meant);
            for (path, tail) in meant {
                if !self.logs.iter().any(|log| log.path == path && log.is_read_by(at)) {
                    let start = self.jails[at].start(&path, tail);
                    self.enter(at, path, start);
                }
            }
            self.jails[at].looked = true;
        }
        for log in &mut self.logs {
            log.readers.retain(|reader| !reader.route.jails().is_empty());
            log.names = names(&log.path);
        }
        self.logs.retain(|log| !log.readers.is_empty());
        for (at, jail) in self.jails.iter_mut().enumerate() {
            let mut files: Vec<PathBuf> =
                self.logs.iter().filter(|log| log.is_read_by(at)).map(|log| log.path.clone()).collect();
            files.sort_by_key(|path| jail.logs.iter().position(|log| glob::means(&log.pattern, path)));
            if jail.files.as_ref() != Some(&files) {
                jail.files = Some(files.clone());
                sink(Message::Files { jail: jail.name.clone(), files });
            }
        }
        true
    }

    /// Directories that should report what happens in them, with whether that includes writing to files.
    pub fn directories(&self) -> BTreeMap<PathBuf, bool> {
        let patterns = self.jails.iter().flat_map(|jail| &jail.logs);
        let above =
            patterns.flat_map(|log| glob::directories(&log.pattern)).filter_map(|path| path.canonicalize().ok());
        let mut all: BTreeMap<PathBuf, bool> = above.map(|path| (path, false)).collect();
        let names = self.logs.iter().flat_map(|log| &log.names);
        all.extend(names.filter_map(|name| Some((name.parent()?.to_owned(), true))));
        all
    }

    /// A directory reported something about `name` in it.
    pub fn heard(&mut self, directory: &Path, name: &OsStr, change: Change) {
        let path = directory.join(name);
        let mut known = false;
        for log in &mut self.logs {
            if log.names.contains(&path) {
                known = true;
                log.touched = true;
            } else if log.is_draining() && log.names.iter().any(|name| name.parent() == Some(directory)) {
                log.touched = true;
            }
        }
        self.stale |= match change {
            Change::Content => false,
            Change::Directories => true,
            Change::Files => {
                let name = name.to_string_lossy();
                known || self.jails.iter().flat_map(|jail| &jail.logs).any(|log| glob::may_match(&log.pattern, &name))
            }
        };
    }

    /// Anything may have happened: everything is looked at with the next step.
    pub fn touch_all(&mut self) {
        self.stale = true;
        for log in &mut self.logs {
            log.touched = true;
        }
    }

    /// When the next step is due even if nothing is heard.
    pub fn due(&self) -> Option<Timestamp> {
        let files = self.logs.iter().flat_map(|log| &log.readers).filter(|reader| reader.source.is_open());
        let files = files.flat_map(|reader| [reader.source.due(), reader.position_due()]);
        let journals = self.journals.iter().flat_map(|journal| [journal.source.due(), journal.position_due()]);
        files.chain(journals).flatten().min()
    }

    /// The end: hands on every position.
    pub fn finish(&mut self, now: Timestamp, sink: &mut dyn FnMut(Message)) {
        self.send_positions(now, true, sink);
    }

    /// A jail reads no longer what its patterns do not mean, or what is gone for good.
    fn leave(&mut self, jail: usize, meant: &[(PathBuf, bool)]) {
        let settings = &self.jails[jail];
        for log in self.logs.iter_mut().filter(|log| log.is_read_by(jail)) {
            let wanted = meant.iter().any(|(path, _)| *path == log.path);
            let only_away = settings.means(&log.path) && log.readers.iter().any(|reader| reader.source.is_open());
            if !wanted && !only_away {
                for reader in &mut log.readers {
                    let others: Vec<usize> = reader.route.jails().iter().copied().filter(|at| *at != jail).collect();
                    reader.route = self.pipe.route(&others);
                }
            }
        }
    }

    /// A jail reads one more log: with others that begin at the same place, or until it has caught up with them.
    fn enter(&mut self, jail: usize, path: PathBuf, start: Start) {
        let at = self.logs.iter().position(|log| log.path == path).unwrap_or_else(|| {
            self.logs.push(Log { path: path.clone(), names: Vec::new(), readers: Vec::new(), touched: false });
            self.logs.len() - 1
        });
        let log = &mut self.logs[at];
        log.touched = true;
        let file = LogFile::new(path, start);
        match log.readers.iter_mut().find(|reader| reader.source.begins_like(&file)) {
            Some(reader) => {
                let jails = [reader.route.jails(), &[jail]].concat();
                reader.route = self.pipe.route(&jails);
            }
            None => {
                let route = self.pipe.route(&[jail]);
                log.readers.push(Reader::of_file(file, route));
            }
        }
    }

    fn send_positions(&mut self, now: Timestamp, all: bool, sink: &mut dyn FnMut(Message)) {
        let mut positions = Vec::new();
        for reader in self.logs.iter_mut().flat_map(|log| &mut log.readers).filter(|r| r.source.is_open()) {
            positions.extend(reader.positions(&self.pipe, now, all));
        }
        for journal in &mut self.journals {
            positions.extend(journal.positions(&self.pipe, now, all));
        }
        if !positions.is_empty() {
            sink(Message::Positions(positions));
        }
    }
}

/// Bytes read from one log before others get their turn.
pub const TURN: usize = 256 * 1024;
