//! Where a log went: the names that rotation gives it (`NAME.1`, `NAME-20261120`, `STEM-20261120.log`).

use std::collections::HashSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::generation::FileId;

/// Which log `path` is a rotated form of, judged by its name: `full.1` of `full`, `full-20261120.log` of `full.log`.
pub fn origin(path: &Path) -> Option<PathBuf> {
    let name = path.file_name()?.as_bytes();
    let with_extension = path.extension().map(|e| e.as_bytes()).filter(|e| !e.iter().all(u8::is_ascii_digit));
    let extension = with_extension.map_or(&b""[..], |e| &name[name.len() - e.len() - 1..]);
    let stem = &name[..name.len() - extension.len()];
    let tail = stem.iter().rev().take_while(|b| b.is_ascii_digit() || matches!(b, b'.' | b'-')).count();
    let (base, mark) = stem.split_at(stem.len() - tail);
    if base.is_empty() || !matches!(mark.first(), Some(b'.' | b'-')) || !mark.iter().any(u8::is_ascii_digit) {
        return None;
    }
    Some(path.with_file_name(OsStr::from_bytes(&[base, extension].concat())))
}

/// Rotated forms of the log at `path` in its directory, the newest first, by their names. Compressed ones are left out.
pub(super) fn siblings(path: &Path) -> Vec<(PathBuf, FileId)> {
    // While names are being shifted a listing may hold a file twice or not at all: two listings must agree.
    let mut found = list(path);
    for _ in 0..PATIENCE {
        let again = list(path);
        let mut ids = HashSet::new();
        if again == found && found.iter().all(|(_, id)| ids.insert(*id)) {
            break;
        }
        found = again;
    }
    found
}

fn list(path: &Path) -> Vec<(PathBuf, FileId)> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    let mut found: Vec<_> = entries
        .flatten()
        .filter(|entry| origin(&entry.path()).is_some_and(|log| log.file_name() == path.file_name()))
        .filter_map(|entry| {
            let metadata = entry.metadata().ok().filter(|m| m.is_file())?;
            Some((entry.path(), (metadata.dev(), metadata.ino())))
        })
        .collect();
    found.sort_by_cached_key(|(sibling, _)| age(path, sibling));
    found
}

/// Rotated forms that are newer than the file `old`, the oldest first: what was written between it and the present
/// file. `None` if `old` is not among the rotated forms.
pub(super) fn newer_than(path: &Path, old: FileId) -> Option<Vec<(PathBuf, FileId)>> {
    let newer = |path: &Path| {
        let mut all = siblings(path);
        let at = all.iter().position(|(_, id)| *id == old)?;
        all.truncate(at);
        all.reverse();
        Some(all)
    };
    newer(path).or_else(|| newer(&path.canonicalize().ok()?))
}

/// Sorts the newest first: `.1` before `.2`, `-20261121` before `-20261120`.
fn age(path: &Path, sibling: &Path) -> (u64, std::cmp::Reverse<Vec<u8>>) {
    let name = sibling.file_name().unwrap_or_default().as_bytes();
    let base = path.file_stem().unwrap_or_default().as_bytes();
    let mark: Vec<u8> =
        name[base.len().min(name.len())..].iter().copied().filter(|b| b.is_ascii_digit() || *b == b'-').collect();
    let number = std::str::from_utf8(&mark).ok().filter(|m| m.len() < 6).and_then(|m| m.parse().ok());
    (number.unwrap_or(u64::MAX), std::cmp::Reverse(mark))
}

const PATIENCE: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rotated_name_leads_to_its_log() {
        for (name, log) in [
            ("/l/full.1", Some("/l/full")),
            ("/l/full.12", Some("/l/full")),
            ("/l/messages.log.1", Some("/l/messages.log")),
            ("/l/messages-20261120", Some("/l/messages")),
            ("/l/messages-2026-11-20", Some("/l/messages")),
            ("/l/messages-20261120.log", Some("/l/messages.log")),
            ("/l/messages.1.log", Some("/l/messages.log")),
            ("/l/messages", None),
            ("/l/messages.log", None),
            ("/l/full.1.gz", Some("/l/full.gz")),
            ("/l/log2", None),
            ("/l/.1", None),
            ("/l/20261120", None),
        ] {
            assert_eq!(origin(Path::new(name)), log.map(PathBuf::from), "{name}");
        }
    }

    #[test]
    fn the_newest_comes_first() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("full");
        for name in ["full", "full.10", "full.2", "full.1", "full.log", "full.3.gz", "other.1"] {
            std::fs::write(directory.path().join(name), name).expect("it is written");
        }
        let names = |found: Vec<(PathBuf, FileId)>| -> Vec<String> {
            found.iter().map(|(p, _)| p.file_name().expect("a name").to_string_lossy().into_owned()).collect()
        };
        let all = siblings(&path);
        let oldest = all[2].1;
        assert_eq!(names(all), ["full.1", "full.2", "full.10"]);
        assert_eq!(names(newer_than(&path, oldest).expect("it is there")), ["full.2", "full.1"]);
        assert!(newer_than(&path, (0, 0)).is_none());

        let dated = directory.path().join("m.log");
        for name in ["m-20261119.log", "m-20261121.log", "m-20261120.log"] {
            std::fs::write(directory.path().join(name), name).expect("it is written");
        }
        assert_eq!(names(siblings(&dated)), ["m-20261121.log", "m-20261120.log", "m-20261119.log"]);
    }
}
