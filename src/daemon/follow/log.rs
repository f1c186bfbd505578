//! One log file by its path, whoever reads it.

use std::path::{Path, PathBuf};

use crate::source::file::LogFile;

use super::super::pipe::Pipe;
use super::reader::Reader;

/// One path.
pub(super) struct Log {
    pub path: PathBuf,
    /// Under which names a directory may report it: its own, and where a link leads.
    pub names: Vec<PathBuf>,
    /// More than one while jails that came later catch up.
    pub readers: Vec<Reader<LogFile>>,
    /// Something was heard of it.
    pub touched: bool,
}

impl Log {
    /// Whether a jail, by its place in the pipe, reads it.
    pub fn is_read_by(&self, jail: usize) -> bool {
        self.readers.iter().any(|reader| reader.route.jails().contains(&jail))
    }

    /// Whether rotated files of this name are still open.
    pub fn is_draining(&self) -> bool {
        self.readers.iter().any(|reader| reader.source.is_draining())
    }

    /// Readers that have come to the same place become one.
    pub fn join(&mut self, pipe: &Pipe) {
        let mut at = 1;
        while at < self.readers.len() {
            if self.readers[0].has_met(&self.readers[at]) {
                let other = self.readers.remove(at);
                let jails = [self.readers[0].route.jails(), other.route.jails()].concat();
                self.readers[0].serve(pipe.route(&jails));
            } else {
                at += 1;
            }
        }
    }
}

/// The path with its directory's real name, and where it leads if it is a link.
pub(super) fn names(path: &Path) -> Vec<PathBuf> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let own = directory.canonicalize().ok().and_then(|directory| Some(directory.join(path.file_name()?)));
    let mut names: Vec<PathBuf> = own.into_iter().chain(path.canonicalize().ok()).collect();
    names.dedup();
    names
}
