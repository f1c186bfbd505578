//! The files of a PBX that were read, within bounds, and how they looked: whoever wants to know whether something changed
//! asks again.

use std::fs::{self, File, Metadata};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Files and folders that were looked at.
#[derive(Debug, Default)]
pub struct Shelf {
    seen: Vec<(PathBuf, Option<Look>)>,
    read: u64,
}

/// How a file or folder looked.
type Look = (u64, i64, i64, u64);

impl Shelf {
    /// A file's text, wrong bytes replaced. `Ok(None)`: there is no such file. An error says what is too much or unreadable.
    pub fn file(&mut self, path: &Path) -> Result<Option<String>, String> {
        let meta = fs::metadata(path).ok();
        self.seen.push((path.to_owned(), meta.as_ref().map(look)));
        let Some(meta) = meta else { return Ok(None) };
        if self.seen.len() > MAX_FILES {
            return Err(format!("there are more than {MAX_FILES} files; this one is not read"));
        }
        // A pipe would be waited for.
        if !meta.is_file() {
            return Err("it is no regular file and is not read".to_owned());
        }
        let room = MAX_BYTES - self.read;
        if meta.len() > room {
            return Err(format!("the files have more than {} MiB; this one is not read", MAX_BYTES >> 20));
        }
        let mut bytes = Vec::new();
        let file = File::open(path).and_then(|file| file.take(room).read_to_end(&mut bytes));
        self.read += file.map_err(|e| format!("it cannot be read: {e}"))? as u64;
        Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// The names in a folder, sorted; none where there is no such folder.
    pub fn folder(&mut self, path: &Path) -> Vec<PathBuf> {
        self.seen.push((path.to_owned(), fs::metadata(path).ok().as_ref().map(look)));
        let entries = fs::read_dir(path).into_iter().flatten().flatten();
        let mut names: Vec<PathBuf> = entries.map(|entry| entry.path()).take(MAX_FILES).collect();
        names.sort();
        names
    }

    /// Whether something is not as it was: a file that changed, came or went.
    pub fn changed(&self) -> bool {
        self.seen.iter().any(|(path, before)| fs::metadata(path).ok().as_ref().map(look) != *before)
    }
}

fn look(meta: &Metadata) -> Look {
    (meta.ino(), meta.mtime(), meta.mtime_nsec(), meta.len())
}

/// Files that are read.
const MAX_FILES: usize = 1000;

/// Bytes that are read, of all files together.
const MAX_BYTES: u64 = 16 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_went_or_changed_is_seen() {
        let dir = tempfile::tempdir().expect("a directory");
        let (there, missing) = (dir.path().join("there"), dir.path().join("missing"));
        fs::write(&there, "one").expect("written");
        let read = || {
            let mut shelf = Shelf::default();
            assert!(shelf.file(&there).is_ok() && shelf.file(&missing) == Ok(None) || missing.exists());
            shelf
        };
        let shelf = read();
        assert!(!shelf.changed());
        fs::write(&there, "other").expect("written");
        assert!(shelf.changed());
        let shelf = read();
        fs::write(&missing, "").expect("written");
        assert!(shelf.changed());
    }

    #[test]
    fn what_is_no_file_is_not_waited_for() {
        let mut shelf = Shelf::default();
        assert!(shelf.file(Path::new("/dev/zero")).is_err() && shelf.file(Path::new("/")).is_err());
    }
}
