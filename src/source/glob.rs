//! What `logpath` means on this host at this moment.
//!
//! fail2ban expands a pattern once, when the jail starts; here it is expanded again whenever something appears, so
//! logs that are made later are followed too.

use std::collections::HashSet;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use glob::{MatchOptions, Pattern, glob_with};
use rustix::fs::{Access, access};

use super::rotated::origin;

/// Whether the text holds `*`, `?` or `[`.
pub fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

/// The files that a pattern means now, sorted; a path without wildcards is one file if it exists.
///
/// `*` does not match hidden files and `**` is `*`, as fail2ban reads them. Directories and dangling links are passed
/// over. A pattern leaves out compressed logs, second names of the same file, and the rotated forms of a log that it
/// matches as well: those belong to that log's past.
pub fn expand(pattern: &str) -> Vec<PathBuf> {
    let literal = Path::new(pattern);
    let there = |path: &Path| path.metadata().is_ok_and(|m| !m.is_dir());
    if !is_pattern(pattern) {
        return Vec::from_iter(there(literal).then(|| literal.to_owned()));
    }
    let mut found = matches(pattern);
    if found.is_empty() && there(literal) {
        return vec![literal.to_owned()];
    }
    found.retain(|path| there(path) && !path.extension().is_some_and(|e| COMPRESSED.iter().any(|c| e == *c)));
    let all: HashSet<PathBuf> = found.iter().cloned().collect();
    found.retain(|path| origin(path).is_none_or(|log| !all.contains(&log)));
    let mut files = HashSet::new();
    found.retain(|path| path.metadata().is_ok_and(|m| files.insert((m.dev(), m.ino()))));
    found
}

/// Every path that a pattern means now, sorted: as [`expand`], but nothing that exists is passed over.
pub fn every(pattern: &str) -> Vec<PathBuf> {
    let literal = Path::new(pattern);
    let found = if is_pattern(pattern) { matches(pattern) } else { Vec::new() };
    if found.is_empty() { Vec::from_iter(literal.exists().then(|| literal.to_owned())) } else { found }
}

/// The directories in which a change may change what the pattern means: that of each file it could match, as far as
/// they exist, and those above from the first wildcard on.
pub fn directories(pattern: &str) -> Vec<PathBuf> {
    let parent = Path::new(pattern).parent().unwrap_or(Path::new(""));
    let mut level = vec![PathBuf::new()];
    let mut watched = Vec::new();
    for component in parent.components() {
        let wild = matches!(component, Component::Normal(c) if is_pattern(&c.to_string_lossy()));
        let next: Vec<PathBuf> = level
            .iter()
            .flat_map(|directory| {
                let path = directory.join(component);
                if wild { matches(&path.to_string_lossy()) } else { vec![path] }
            })
            .filter(|path| path.is_dir())
            .collect();
        if wild || next.is_empty() {
            watched.append(&mut level);
        }
        level = next;
        if level.is_empty() {
            break;
        }
    }
    watched.append(&mut level);
    for directory in &mut watched {
        if directory.as_os_str().is_empty() {
            directory.push(".");
        }
    }
    watched.sort();
    watched.dedup();
    watched
}

/// The directories in which a change may change what the pattern means, and in which this user cannot look for it.
pub fn closed(pattern: &str) -> Vec<PathBuf> {
    let wild = is_pattern(pattern);
    let wanted = if wild { Access::EXEC_OK | Access::READ_OK } else { Access::EXEC_OK };
    let mut closed = directories(pattern);
    closed.retain(|directory| access(directory, wanted).is_err());
    closed
}

/// Whether a file that appears under `name` in a directory of the pattern could be meant by it.
pub fn may_match(pattern: &str, name: &str) -> bool {
    let Some(last) = Path::new(pattern).file_name().map(|n| n.to_string_lossy()) else { return false };
    last == name || Pattern::new(&plain(&last)).is_ok_and(|p| p.matches_with(name, OPTIONS))
}

/// Whether the pattern means the path, there or not.
pub fn means(pattern: &str, path: &Path) -> bool {
    Path::new(pattern) == path || Pattern::new(&plain(pattern)).is_ok_and(|p| p.matches_path_with(path, OPTIONS))
}

/// Paths that exist, sorted; a text that is no pattern after all matches nothing.
fn matches(pattern: &str) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> =
        glob_with(&plain(pattern), OPTIONS).map(|paths| paths.flatten().collect()).unwrap_or_default();
    found.sort();
    found
}

fn plain(pattern: &str) -> String {
    let mut pattern = pattern.to_owned();
    while pattern.contains("**") {
        pattern = pattern.replace("**", "*");
    }
    pattern
}

const OPTIONS: MatchOptions =
    MatchOptions { case_sensitive: true, require_literal_separator: true, require_literal_leading_dot: true };

const COMPRESSED: [&str; 5] = ["gz", "bz2", "xz", "zst", "lz4"];

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn world(files: &[&str]) -> tempfile::TempDir {
        let world = tempfile::tempdir().expect("a directory");
        for file in files {
            let path = world.path().join(file);
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("it is made");
            std::fs::write(path, file).expect("it is written");
        }
        world
    }

    fn names(world: &tempfile::TempDir, pattern: &str) -> Vec<String> {
        let pattern = format!("{}/{pattern}", world.path().display());
        let strip = |p: PathBuf| p.strip_prefix(world.path()).expect("below").display().to_string();
        expand(&pattern).into_iter().map(strip).collect()
    }

    #[test]
    fn patterns_mean_what_they_mean_to_fail2ban() {
        let world = world(&["a.log", "b.log", ".hidden.log", "sub/c.log", "sub/deep/d.log", "x[1].log"]);
        std::fs::create_dir(world.path().join("dir.log")).expect("it is made");
        symlink("nowhere", world.path().join("dangling.log")).expect("it is linked");
        symlink("a.log", world.path().join("z.log")).expect("it is linked");
        assert_eq!(names(&world, "*.log"), ["a.log", "b.log", "x[1].log"]);
        assert_eq!(names(&world, "?.log"), ["a.log", "b.log"]);
        assert_eq!(names(&world, "[!a].log"), ["b.log", "z.log"]);
        assert_eq!(names(&world, "**/*.log"), ["sub/c.log"]);
        assert_eq!(names(&world, "a.log"), ["a.log"]);
        assert_eq!(names(&world, "z.log"), ["z.log"]);
        assert_eq!(names(&world, "none.log"), [""; 0]);
        assert_eq!(names(&world, "dangling.log"), [""; 0]);
        assert_eq!(names(&world, "x[1].log"), ["x[1].log"]);
        assert_eq!(names(&world, "a[.log"), [""; 0]);
    }

    #[test]
    fn the_past_of_a_log_is_not_a_log_of_its_own() {
        let world = world(&["full", "full.1", "full.2.gz", "full-20261120", "daily-20261120", "daily-20261121"]);
        assert_eq!(names(&world, "full*"), ["full"]);
        assert_eq!(names(&world, "daily*"), ["daily-20261120", "daily-20261121"]);
    }

    #[test]
    fn the_nearest_directory_that_exists_is_watched() {
        let world = world(&["log/a/full", "log/b/full"]);
        let watched = |pattern: &str| -> Vec<String> {
            let pattern = format!("{}/{pattern}", world.path().display());
            let strip = |p: PathBuf| p.strip_prefix(world.path()).expect("below").display().to_string();
            directories(&pattern).into_iter().map(strip).collect()
        };
        assert_eq!(watched("log/a/full"), ["log/a"]);
        assert_eq!(watched("log/later/much/full"), ["log"]);
        assert_eq!(watched("log/*/full"), ["log", "log/a", "log/b"]);
        assert_eq!(watched("log/x*/full"), ["log"]);
        assert_eq!(directories("full"), [Path::new(".")]);
    }

    #[test]
    fn a_name_may_be_meant() {
        assert!(may_match("/l/full*", "full.1"));
        assert!(may_match("/l/*/x[1", "x[1"));
        assert!(!may_match("/l/*.log", ".a.log"));
        assert!(!may_match("/l/full", "other"));
    }
}
