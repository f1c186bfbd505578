//! The rule of each address family that drops what comes from a banned address, put in place by `iptables` and
//! `ip6tables`.
//!
//! It stands first in `raw`/`PREROUTING`: before connection tracking, so that established flows are cut as well, and for
//! every protocol and port. Running a program takes some milliseconds; that happens at start, at the end, and when the
//! number of rules that use the list says that one is gone.

use std::env;
use std::ffi::OsStr;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::FirewallError;
use super::set::{Family, LIST};

/// The rule of one family.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    program: PathBuf,
    patience: Timespec,
}

impl Rule {
    /// Finds the family's program: in `PATH`, then where distributions put it.
    pub(super) fn new(family: Family) -> Result<Rule, FirewallError> {
        let name = program_name(family);
        let path = env::var_os("PATH").unwrap_or_default();
        let folders = env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into(), "/usr/local/sbin".into()]);
        folders
            .filter(|folder| folder.is_absolute())
            .map(|folder| folder.join(name))
            .find(|program| is_executable(program))
            .map(|program| Rule { program, patience: PATIENCE })
            .ok_or_else(|| FirewallError::Program(name.into(), "not found: install the package `iptables`".into()))
    }

    /// Puts the rule in its place if it stands nowhere; `true` if it had to. The list of sets must exist.
    pub(super) fn ensure(&self) -> Result<bool, FirewallError> {
        if self.stands()? {
            return Ok(false);
        }
        self.run(&["-I", CHAIN, "1"])?.map_err(|said| self.failed(said))?;
        Ok(true)
    }

    /// Takes the rule away, and its copies. The list of sets must exist.
    pub(super) fn remove(&self) -> Result<(), FirewallError> {
        for _ in 0..COPIES {
            if !self.stands()? {
                return Ok(());
            }
            self.run(&["-D", CHAIN])?.map_err(|said| self.failed(said))?;
        }
        Err(self.failed(format!("there are more than {COPIES} copies of the rule")))
    }

    fn stands(&self) -> Result<bool, FirewallError> {
        Ok(self.run(&["-C", CHAIN])?.is_ok())
    }

    /// Runs the program; the inner error is what it said when it failed.
    fn run(&self, what: &[&str]) -> Result<Result<(), String>, FirewallError> {
        #[expect(clippy::disallowed_methods, reason = "the rule is the one thing here that needs a program")]
        let mut command = Command::new(&self.program);
        command
            // An old xtables lock is waited for, though not for ever.
            .args(["-w", "5", "-t", "raw"])
            .args(what)
            .args(["-m", "set", "--match-set", LIST, "src", "-j", "DROP"])
            .env("LC_ALL", "C")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|e| self.failed(e.to_string()))?;
        if !ends_in_time(&child, &self.patience) {
            // It may just have ended by itself; either way it is over after this.
            let _ = child.kill();
            let _ = child.wait();
            return Err(self.failed("does not come to an end".into()));
        }
        let status = child.wait().map_err(|e| self.failed(e.to_string()))?;
        if status.success() {
            return Ok(Ok(()));
        }
        let mut said = Vec::new();
        if let Some(stderr) = child.stderr.take() {
            let _ = stderr.take(SAID_MAX).read_to_end(&mut said);
        }
        let said = String::from_utf8_lossy(&said);
        let first = said.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
        Ok(Err(if first.is_empty() { status.to_string() } else { first.trim().to_string() }))
    }

    fn failed(&self, said: String) -> FirewallError {
        let name = self.program.file_name().unwrap_or(OsStr::new("iptables"));
        FirewallError::Program(name.to_string_lossy().into_owned(), said)
    }
}

/// Whether this network namespace has the family at all; a host can be started without IPv6.
pub(super) fn family_is_there(family: Family) -> bool {
    match family {
        Family::V4 => true,
        Family::V6 => Path::new("/proc/net/if_inet6").exists(),
    }
}

fn program_name(family: Family) -> &'static str {
    match family {
        Family::V4 => "iptables",
        Family::V6 => "ip6tables",
    }
}

fn is_executable(path: &Path) -> bool {
    path.metadata().is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
}

/// Waits for the end of a child; a kernel without pidfds lets us only wait as long as it takes.
fn ends_in_time(child: &Child, patience: &Timespec) -> bool {
    let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) else { return true };
    let Ok(pidfd) = pidfd_open(pid, PidfdFlags::empty()) else { return true };
    loop {
        match poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], Some(patience)) {
            Err(rustix::io::Errno::INTR) => {}
            ended => return ended != Ok(0),
        }
    }
}

const CHAIN: &str = "PREROUTING";
const COPIES: usize = 64;
const SAID_MAX: u64 = 4096;
const PATIENCE: Timespec = Timespec { tv_sec: 10, tv_nsec: 0 };

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;

    use tempfile::TempDir;

    use super::*;

    /// A program that notes its arguments and then runs the given script.
    fn fake(script: &str) -> (TempDir, Rule) {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("iptables");
        let calls = folder.path().join("calls");
        let text = format!("#!/bin/sh\necho \"$@\" >> {}\n{script}\n", calls.display());
        // Written by another process: while this one had it open for writing, a child of a neighbouring test could
        // inherit that, and the system would not run it ("text file busy").
        #[expect(clippy::disallowed_methods, reason = "a program that this process wrote itself may be busy")]
        let mut install = Command::new("install");
        let mut writer = install.args(["-m", "755", "/dev/stdin"]).arg(&program).stdin(Stdio::piped()).spawn().unwrap();
        writer.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        assert!(writer.wait().unwrap().success());
        let patience = Timespec { tv_sec: 5, tv_nsec: 0 };
        (folder, Rule { program, patience })
    }

    fn calls(folder: &TempDir) -> Vec<String> {
        let text = fs::read_to_string(folder.path().join("calls")).unwrap();
        text.lines().map(|l| l.split(" -m set").next().unwrap().to_string()).collect()
    }

    #[test]
    fn a_rule_that_stands_is_left_alone() {
        let (folder, rule) = fake("exit 0");
        assert_eq!(rule.ensure(), Ok(false));
        assert_eq!(calls(&folder), ["-w 5 -t raw -C PREROUTING"]);
        let all = fs::read_to_string(folder.path().join("calls")).unwrap();
        assert!(all.trim().ends_with("-m set --match-set sipjail src -j DROP"));
    }

    #[test]
    fn a_missing_rule_goes_to_the_first_place() {
        let (folder, rule) = fake("case \"$*\" in *-C*) exit 1;; esac");
        assert_eq!(rule.ensure(), Ok(true));
        assert_eq!(calls(&folder)[1], "-w 5 -t raw -I PREROUTING 1");
    }

    #[test]
    fn every_copy_is_removed_and_no_more_than_every_copy() {
        let (folder, rule) = fake("[ $(wc -l < ${0%/*}/calls) -lt 5 ]");
        assert_eq!(rule.remove(), Ok(()));
        assert_eq!(calls(&folder).iter().filter(|c| c.contains("-D")).count(), 2);
        let (_folder, rule) = fake("exit 0");
        assert!(rule.remove().is_err());
    }

    #[test]
    fn what_the_program_said_is_the_error() {
        let (_folder, rule) = fake("echo >&2; echo 'no raw table' >&2; echo more >&2; exit 3");
        assert_eq!(rule.ensure(), Err(FirewallError::Program("iptables".into(), "no raw table".into())));
    }

    #[test]
    fn a_program_that_hangs_is_ended() {
        let (_folder, mut rule) = fake("exec sleep 60");
        rule.patience = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };
        assert_eq!(rule.ensure(), Err(FirewallError::Program("iptables".into(), "does not come to an end".into())));
    }
}
