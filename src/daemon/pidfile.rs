//! The file that holds the daemon's pid for others to find; nothing of ours depends on it.
//!
//! fail2ban's server takes the file of a running one away with it when it cannot start. Here a daemon's file is its own.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process;

use crate::error::{Error, Kind};

/// The file of this process; it goes with it.
#[derive(Debug)]
pub struct Pidfile(PathBuf);

impl Pidfile {
    /// Writes `PID` and a line feed at `path`, for root alone; one missing directory is made. The file of another daemon
    /// that runs is left alone, and that is an error.
    pub fn write(path: &Path) -> Result<Pidfile, Error> {
        if let Some(pid) = anothers(path) {
            let message = format!("the pid file {} belongs to the daemon {pid}; it is left alone", path.display());
            return Err(Error::new(Kind::Io, message));
        }
        let failed = |e| Error::new(Kind::Io, format!("cannot write the pid file {}: {e}", path.display()));
        if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty() && !parent.exists()) {
            fs::create_dir(parent).map_err(failed)?;
        }
        // What is replaced may have another mode, or be a link.
        let _none = fs::remove_file(path);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(failed)?;
        writeln!(file, "{}", process::id()).map_err(failed)?;
        Ok(Pidfile(path.to_owned()))
    }

    /// Whether there is one that nobody came back for: its daemon ended without cleaning up.
    pub fn is_left(path: &Path) -> bool {
        path.exists() && anothers(path).is_none()
    }
}

impl Drop for Pidfile {
    fn drop(&mut self) {
        if held(&self.0) == Some(process::id()) {
            let _gone = fs::remove_file(&self.0);
        }
    }
}

/// The pid of another daemon that runs and wrote the file.
fn anothers(path: &Path) -> Option<u32> {
    held(path).filter(|pid| *pid != process::id() && is_guard(*pid))
}

fn held(path: &Path) -> Option<u32> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// Whether a process is one of those that guard a host, ours or fail2ban's: a pid may have been given to another since.
fn is_guard(pid: u32) -> bool {
    let read = |what: &str| fs::read_to_string(format!("/proc/{pid}/{what}")).unwrap_or_default();
    // One that has ended, and nobody asked how, has a name still, but no words.
    ["sipjail", "fail2ban-server"].contains(&read("comm").trim_end()) && !read("cmdline").is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn it_is_made_with_its_directory_and_goes_with_its_process() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("run/pid");
        let file = Pidfile::write(&path).expect("it can be written");
        assert_eq!(fs::read_to_string(&path).expect("it is there"), format!("{}\n", process::id()));
        assert_eq!(fs::metadata(&path).expect("it is there").permissions().mode() & 0o777, 0o600);
        drop(file);
        assert!(!path.exists());
        assert!(Pidfile::write(&dir.path().join("a/b/pid")).is_err());
    }

    #[test]
    fn a_file_that_became_anothers_stays() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("pid");
        fs::write(&path, "1\n").expect("written");
        let file = Pidfile::write(&path).expect("process 1 is no guard");
        fs::write(&path, "1\n").expect("written");
        drop(file);
        assert!(path.exists());
    }
}
