//! Trees of files for a test.

use std::path::Path;

use tempfile::TempDir;

/// The files of a tree by name.
pub type Files<'a> = &'a [(&'a str, &'a str)];

/// A tree of these files, with a `fail2ban.conf` that says nothing unless they bring one.
pub fn tree(files: Files<'_>) -> TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    write(dir.path(), "fail2ban.conf", "[Definition]\n");
    files.iter().for_each(|(name, text)| write(dir.path(), name, text));
    dir
}

/// A copy of a tree.
pub fn copy(from: &Path) -> TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    copy_into(from, dir.path());
    dir
}

/// Writes one file.
pub fn write(dir: &Path, name: &str, text: impl AsRef<[u8]>) {
    let path = dir.join(name);
    std::fs::create_dir_all(path.parent().expect("it has one")).expect("a folder");
    std::fs::write(path, text).expect("a file");
}

fn copy_into(from: &Path, to: &Path) {
    for entry in from.read_dir().expect("it can be read").flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            std::fs::create_dir(&target).expect("a folder");
            copy_into(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).expect("a file");
        }
    }
}
