//! A log file that is followed through everything that happens to log files.
//!
//! A [`LogFile`] trusts its own descriptors alone: it reads what it has open to the end, and only then asks which file
//! stands under the path. Rotated (renamed, removed and made anew, a link that points elsewhere), truncated, written anew,
//! missing, unreadable: each is dealt with when it is read next, and named once.
//!
//! A rotated file stays open until the writer has moved on, so what it still writes there is not lost; its last line
//! is handed on then even without a newline. Files that came and went between two reads are found under the names that
//! rotation gives.
//!
//! Two differences from fail2ban. A file that was seen empty is live at once: its first lines are new for sure
//! (fail2ban drops undated ones). And what a file holds when it is first looked at is not live, also after a rotation:
//! whoever edits a log and saves it does not make all failures in it happen again.

use std::io::{Error, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::line::{Batch, Position};
use crate::record::{Level, Record};
use crate::time::{Span, Timestamp};

use super::Source;
use super::generation::{End, FileId, Generation};
use super::lines::MAX_LINE;
use super::rotated;
use super::seek::{Dater, first_since};

/// One followed log.
#[derive(Debug)]
pub struct LogFile {
    path: PathBuf,
    /// The oldest first; the last one is what stands, or last stood, under the path.
    generations: Vec<Generation>,
    start: Start,
    /// What was said about it last, so that it is said once.
    trouble: Option<String>,
    cut_named: bool,
}

/// Where to begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    /// At the first line, or by [`LogFile::begin`]'s search.
    Head,
    /// Behind the last line, live at once: `logpath`'s `tail`. A file that appears later is read from its first line.
    Tail,
    /// Where an earlier run stopped, if the file (also under a rotated name, also as a copy) can be found; else as
    /// [`Start::Head`].
    Saved(Position),
}

impl LogFile {
    /// A log at `path`, which need not exist. Nothing is opened yet.
    pub fn new(path: impl Into<PathBuf>, start: Start) -> LogFile {
        LogFile { path: path.into(), generations: Vec::new(), start, trouble: None, cut_named: false }
    }

    /// The path under which it is configured.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it was opened.
    pub fn is_open(&self) -> bool {
        !self.generations.is_empty()
    }

    /// Whether neither was opened and both would begin at the same place.
    pub fn begins_like(&self, other: &LogFile) -> bool {
        !self.is_open() && !other.is_open() && (&self.path, &self.start) == (&other.path, &other.start)
    }

    /// Opens it where it was not open, and on first sight goes to the first line that may be younger than `since`.
    pub fn begin(&mut self, now: Timestamp, since: Timestamp, date: &mut Dater<'_>, log: &mut Vec<Record>) {
        if self.open(now, log) {
            let file = &mut self.generations[0];
            let offset = first_since(file.file(), file.size(), since, date);
            file.go(offset);
        }
    }

    /// Whether everything that was there at the last read has been handed on as live.
    pub fn is_live(&self) -> bool {
        self.generations.last().is_some_and(|file| file.live && file.at_end)
    }

    /// Whether rotated files are still open, which may be written to under names that nobody watches.
    pub fn is_draining(&self) -> bool {
        self.generations.len() > 1
    }

    /// When it should be read next even if nothing is heard of it: a rotated file is to be given up then.
    pub fn due(&self) -> Option<Timestamp> {
        (0..self.generations.len()).filter_map(|at| self.given_up_at(at)).min()
    }

    /// Bytes held for unfinished lines and reading.
    pub fn memory(&self) -> usize {
        self.generations.iter().map(|file| file.lines.capacity()).sum()
    }

    /// Hands on last lines without a newline: nobody will write here any more.
    pub fn finish(&mut self, sink: &mut dyn FnMut(Batch<'_>)) {
        for file in &mut self.generations {
            let live = file.live;
            file.lines.finish(&mut |bytes| sink(Batch { bytes, live, time: None }));
        }
    }

    /// Opens it and finds the place to begin; true if it has just been opened and nothing is known of it.
    fn open(&mut self, now: Timestamp, log: &mut Vec<Record>) -> bool {
        if self.is_open() {
            return false;
        }
        let mut file = match Generation::open(&self.path, now) {
            Ok(file) => file,
            Err(error) => {
                if error.kind() == ErrorKind::NotFound {
                    match &self.start {
                        Start::Head => {}
                        Start::Tail => self.start = Start::Head,
                        Start::Saved(saved) => self.generations = self.missed(saved, None, now),
                    }
                }
                self.complain(&error, log);
                return false;
            }
        };
        let known = match std::mem::replace(&mut self.start, Start::Head) {
            Start::Head => false,
            Start::Tail => {
                file.go_to_end();
                file.live = true;
                true
            }
            Start::Saved(saved) => {
                let resumed = resumes(&mut file, &saved);
                if !resumed {
                    self.generations = self.missed(&saved, Some(file.id), now);
                }
                resumed || self.is_open()
            }
        };
        self.generations.push(file);
        !known
    }

    /// What was written since `saved` to files that were rotated away meanwhile, the oldest first.
    fn missed(&self, saved: &Position, new: Option<FileId>, now: Timestamp) -> Vec<Generation> {
        let by_id = |id: FileId| saved.file == Some(id);
        let siblings = rotated::siblings(&self.path);
        let candidates = siblings.iter().filter(|s| by_id(s.1)).chain(siblings.iter().filter(|s| !by_id(s.1)));
        for (path, id) in candidates {
            let Ok(mut file) = Generation::open(path, now) else { continue };
            if Some(*id) != new && resumes(&mut file, saved) {
                return std::iter::once(file).chain(self.written_after(*id, new, now)).collect();
            }
        }
        Vec::new()
    }

    /// Files that were rotated away after `old` and are not open, the oldest first.
    fn written_after(&self, old: FileId, new: Option<FileId>, now: Timestamp) -> Vec<Generation> {
        let mut opened = Vec::new();
        // Names that are being shifted may lead elsewhere by the time they are opened, or hide a file for a moment.
        for _ in 0..PATIENCE {
            opened.clear();
            let Some(mut newer) = rotated::newer_than(&self.path, old) else { continue };
            newer.retain(|(_, id)| Some(*id) != new && self.generations.iter().all(|open| open.id != *id));
            opened.extend(newer.iter().filter_map(|(path, _)| Generation::open(path, now).ok()));
            if opened.iter().map(|file| file.id).eq(newer.iter().map(|(_, id)| *id)) {
                break;
            }
        }
        opened
    }

    /// Reads every open file to its end, the oldest first; false: the budget is used up.
    fn drain(
        &mut self,
        now: Timestamp,
        budget: &mut usize,
        sink: &mut dyn FnMut(Batch<'_>),
        log: &mut Vec<Record>,
    ) -> bool {
        let mut at = 0;
        while at < self.generations.len() {
            match self.generations[at].read(now, budget, sink) {
                End::Reached => at += 1,
                End::Budget => return false,
                End::Replaced if at + 1 < self.generations.len() => {
                    self.generations.remove(at);
                }
                End::Replaced => {
                    log.push(rotation(&self.path, "was truncated"));
                    let copy = self.copied_from(at, now);
                    self.generations[at].restart();
                    self.generations.splice(at..at, copy);
                }
                End::Failed(error) => {
                    self.complain(&error, log);
                    let file = self.generations.remove(at);
                    if at == self.generations.len() {
                        self.start = Start::Saved(self.position_in(&file));
                        self.generations.clear();
                    }
                }
            }
        }
        true
    }

    /// The copy that `copytruncate` made of a truncated file, at the line where we were, and later copies: what was
    /// written between our last read and the copying is only there.
    fn copied_from(&self, at: usize, now: Timestamp) -> Vec<Generation> {
        let old = &self.generations[at];
        for (path, id) in rotated::siblings(&self.path) {
            let Ok(mut copy) = Generation::open(&path, now) else { continue };
            let known = self.generations.iter().any(|open| open.id == id);
            if !known && old.is_copied_in(&copy) && copy.go(old.position()) {
                copy.live = old.live;
                return std::iter::once(copy).chain(self.written_after(id, Some(old.id), now)).collect();
            }
        }
        Vec::new()
    }

    /// Looks which file stands under the path; true if it is another one, which was taken in.
    fn look_again(&mut self, now: Timestamp, log: &mut Vec<Record>) -> bool {
        let Some(present) = self.generations.last().map(|file| file.id) else { return false };
        let metadata = match std::fs::metadata(&self.path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let between = self.written_after(present, None, now);
                self.generations.extend(between);
                return self.generations.last().is_some_and(|file| file.id != present);
            }
            Err(error) => {
                self.complain(&error, log);
                return false;
            }
        };
        if (metadata.dev(), metadata.ino()) == present {
            self.trouble = None;
            return false;
        }
        let file = match Generation::open(&self.path, now) {
            Ok(file) => file,
            Err(error) => {
                if error.kind() != ErrorKind::NotFound {
                    self.complain(&error, log);
                }
                return false;
            }
        };
        self.trouble = None;
        log.push(rotation(&self.path, "is another file now"));
        let between = self.written_after(present, Some(file.id), now);
        self.generations.extend(between);
        for left in &mut self.generations {
            left.touched = left.touched.max(now);
        }
        let back = self.generations.iter().position(|g| g.id == file.id).map(|at| self.generations.remove(at));
        self.generations.push(back.unwrap_or(file));
        true
    }

    /// Closes rotated files that nobody writes to any more, and a removed one that has no successor.
    fn give_up(&mut self, now: Timestamp, sink: &mut dyn FnMut(Batch<'_>)) {
        let mut at = 0;
        while at < self.generations.len() {
            let crowd = self.generations.len() > MOST_OPEN && at + 1 < self.generations.len();
            if self.generations[at].touched > now {
                self.generations[at].touched = now;
            }
            if crowd || self.given_up_at(at).is_some_and(|then| then <= now) {
                let mut file = self.generations.remove(at);
                let live = file.live;
                file.lines.finish(&mut |bytes| sink(Batch { bytes, live, time: None }));
            } else {
                at += 1;
            }
        }
    }

    fn given_up_at(&self, at: usize) -> Option<Timestamp> {
        let file = &self.generations[at];
        let last = at + 1 == self.generations.len();
        let moved_on = !last && self.generations.last().is_some_and(Generation::has_content);
        if moved_on {
            Some(file.touched + LATE)
        } else if file.is_deleted() {
            Some(file.touched + DELETED)
        } else {
            None
        }
    }

    fn position_in(&self, file: &Generation) -> Position {
        Position {
            path: self.path.clone(),
            file: Some(file.id),
            offset: file.position(),
            first_line: file.first_line().map(str::to_owned),
        }
    }

    /// Names what is wrong, unless that was the last thing said.
    fn complain(&mut self, error: &Error, log: &mut Vec<Record>) {
        let (level, what) = match error.kind() {
            ErrorKind::NotFound => (Level::Info, "does not exist; it is followed as soon as it does".to_owned()),
            _ => (Level::Error, format!("{error}; it is tried again")),
        };
        let text = format!("log `{}`: {what}", self.path.display());
        if self.trouble.as_ref() != Some(&text) {
            log.push(Record::new(level, PART, text.clone()));
            self.trouble = Some(text);
        }
    }
}

impl Source for LogFile {
    fn read(&mut self, now: Timestamp, budget: usize, sink: &mut dyn FnMut(Batch<'_>), log: &mut Vec<Record>) -> bool {
        self.open(now, log);
        let mut left = budget;
        loop {
            if !self.drain(now, &mut left, sink, log) {
                return true;
            }
            if !self.look_again(now, log) {
                break;
            }
        }
        self.give_up(now, sink);
        if !self.cut_named && self.generations.iter().any(|file| file.lines.cut() > 0) {
            self.cut_named = true;
            let text = format!("log `{}`: a line is longer than {MAX_LINE} bytes and was cut", self.path.display());
            log.push(Record::new(Level::Warning, PART, text));
        }
        false
    }

    fn position(&self) -> Option<Position> {
        let file = self.generations.iter().find(|file| !file.at_end).or(self.generations.last());
        match (file, &self.start) {
            (Some(file), _) => Some(self.position_in(file)),
            (None, Start::Saved(saved)) => Some(saved.clone()),
            (None, _) => None,
        }
    }
}

/// Goes to a saved position; false if this is not the file it speaks of, or if it was written anew.
fn resumes(file: &mut Generation, saved: &Position) -> bool {
    if saved.offset > file.size() {
        return false;
    }
    file.hash();
    let same_file = saved.file == Some(file.id);
    let same_start = match &saved.first_line {
        Some(hash) => file.first_line() == Some(hash),
        None => same_file,
    };
    let found = same_start && file.go(saved.offset);
    if found {
        file.hash();
    }
    found
}

fn rotation(path: &Path, how: &str) -> Record {
    Record::new(Level::Info, PART, format!("Log rotation detected for {}: it {how}", path.display()))
}

/// What fail2ban calls the part that reads logs.
const PART: &str = "filter";

/// How long a rotated file stays open after the last that was read from it, once its successor is written to.
const LATE: Span = Span::from_secs(10);

/// The same for a file that has no name any more, whose disk space we hold.
const DELETED: Span = Span::from_secs(60);

const MOST_OPEN: usize = 8;

const PATIENCE: usize = 5;
