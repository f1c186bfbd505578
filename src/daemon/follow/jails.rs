//! Which files a jail means at the moment, and where it begins in them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::config::LogPath;
use crate::line::Position;
use crate::source::file::Start;
use crate::source::{glob, rotated};
use crate::time::{Span, Timestamp};

use super::log::Log;

/// A jail's patterns and what they meant when they were last looked at.
pub(super) struct Jail {
    pub name: Arc<str>,
    pub logs: Vec<LogPath>,
    first: bool,
    /// With `first`: the pattern that was chosen, and since when it means nothing.
    chosen: Option<usize>,
    missing: Option<Timestamp>,
    /// Positions that have not been used yet.
    saved: Vec<Position>,
    /// What was handed on as the jail's files.
    pub files: Option<Vec<PathBuf>>,
    /// The patterns have been looked at: what appears from now on is new.
    pub looked: bool,
}

impl Jail {
    pub fn new(name: Arc<str>, logs: Vec<LogPath>, first: bool, saved: Vec<Position>) -> Jail {
        Jail { name, logs, first, chosen: None, missing: None, saved, files: None, looked: false }
    }

    /// Goes on where the jail of this name was before a reload.
    pub fn go_on(&mut self, before: &Jail) {
        if self.logs == before.logs && self.first == before.first {
            self.chosen = before.chosen;
            self.missing = before.missing;
            self.looked = before.looked;
        }
    }

    /// Existing files, each with whether to begin at its end; the first pattern that means one decides.
    pub fn files(&mut self, now: Timestamp, followed: &[Log]) -> Vec<(PathBuf, bool)> {
        let mut files: Vec<(PathBuf, bool)> = Vec::new();
        for at in self.patterns(now) {
            let LogPath { pattern, tail, .. } = &self.logs[at];
            for path in glob::expand(pattern) {
                let past = glob::is_pattern(pattern)
                    && rotated::origin(&path).is_some_and(|log| followed.iter().any(|f| f.path == log));
                let known = files.iter().any(|(file, _)| *file == path || same_file(file, &path));
                if !past && !known {
                    files.push((path, *tail));
                }
            }
        }
        files
    }

    /// Whether the path is one that the jail follows when it exists.
    pub fn means(&self, path: &Path) -> bool {
        let chosen = |at: &usize| !self.first || self.chosen == Some(*at) || self.logs[*at].also;
        (0..self.logs.len()).filter(chosen).any(|at| glob::means(&self.logs[at].pattern, path))
    }

    /// Where to begin in a file that the jail did not read before.
    pub fn start(&mut self, path: &Path, tail: bool) -> Start {
        let saved = self.saved.iter().position(|saved| saved.path == path).map(|at| self.saved.swap_remove(at));
        match saved {
            _ if tail && !self.looked => Start::Tail,
            Some(saved) => Start::Saved(saved),
            None => Start::Head,
        }
    }

    /// The patterns that count now.
    fn patterns(&mut self, now: Timestamp) -> Vec<usize> {
        if !self.first {
            return (0..self.logs.len()).collect();
        }
        let also = (0..self.logs.len()).filter(|at| self.logs[*at].also).collect::<Vec<_>>();
        self.choose(now);
        self.chosen.into_iter().chain(also).collect()
    }

    /// Chooses one of several.
    fn choose(&mut self, now: Timestamp) {
        let exists = |at: usize| !self.logs[at].also && !glob::expand(&self.logs[at].pattern).is_empty();
        if let Some(chosen) = self.chosen {
            if exists(chosen) {
                self.missing = None;
                return;
            }
            // A rotation leaves a log without its name for a moment.
            let since = *self.missing.get_or_insert(now);
            if (Span::default()..AWAY).contains(&(now - since)) {
                return;
            }
        }
        self.missing = None;
        if let Some(found) = (0..self.logs.len()).find(|at| exists(*at)) {
            self.chosen = Some(found);
        }
    }
}

fn same_file(one: &Path, other: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let id = |path: &Path| path.metadata().map(|m| (m.dev(), m.ino())).ok();
    id(one).is_some_and(|one| id(other) == Some(one))
}

const AWAY: Span = Span::from_secs(60);
