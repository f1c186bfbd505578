//! The daemon in the background: this program once more, with nothing left of the terminal from which it was started.
//!
//! A process cannot be split in two safely once it may have threads, so it is started anew: the same words under the same
//! name. What tells the second one its part is a variable with the pid of the first, which nobody else has as a parent.

use std::env;
use std::ffi::{CString, OsStr, OsString};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{self, Child, Command, Stdio};
use std::time::Duration;

use rustix::fs::Mode;
use rustix::process::{getppid, setsid, umask};

use super::{caller, socket};

/// Starts this program once more with the same `words`, its name first, and waits until that serves clients at `socket`.
/// False: it has ended, or not come so far within `limit`; its log says why.
pub fn start(words: &[OsString], socket: &Path, limit: Duration) -> io::Result<bool> {
    let (name, words) = words.split_first().ok_or(io::ErrorKind::InvalidInput)?;
    let mut again = command(&env::current_exe()?);
    again.arg0(name).args(words).env(PART, process::id().to_string());
    let mut child = again.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let pid = i32::try_from(child.id()).ok();
    Ok(until_serving(&mut child, limit, || socket::holder(socket) == pid && caller::answers(socket)))
}

/// Starts another program with `words`, and waits until somebody serves clients at `socket`. False: the program failed, or
/// nobody does within `limit`.
pub fn server(program: &Path, words: &[OsString], socket: &Path, limit: Duration) -> io::Result<bool> {
    let mut child = command(program).args(words).stdin(Stdio::null()).spawn()?;
    let serves = until_serving(&mut child, limit, || caller::answers(socket));
    let _reaped = child.try_wait();
    Ok(serves)
}

/// Whether this process is the one in the background that [`start`] began.
pub fn is_part() -> bool {
    let parent = getppid().map(|pid| pid.as_raw_nonzero().to_string());
    parent.is_some() && env::var(PART).ok() == parent
}

/// Leaves the terminal and the directory behind.
pub fn detach() -> io::Result<()> {
    setsid()?;
    env::set_current_dir("/")
}

/// What holds for a server in the foreground as well: files for root alone, and its name.
pub fn settle(name: &OsStr) {
    umask(Mode::from_raw_mode(0o077));
    let name = CString::new(name.as_encoded_bytes()).unwrap_or_default();
    let _shown = rustix::thread::set_name(&name);
}

fn until_serving(child: &mut Child, limit: Duration, mut serves: impl FnMut() -> bool) -> bool {
    let look = || match child.try_wait() {
        _ if serves() => Some(true),
        Ok(Some(status)) if !status.success() => Some(false),
        Ok(_) | Err(_) => None,
    };
    caller::wait_for(limit, look).unwrap_or(false)
}

#[expect(clippy::disallowed_methods, reason = "the background is a process of its own")]
fn command(program: &Path) -> Command {
    Command::new(program)
}

/// Names, to the process in the background, the one that began it.
const PART: &str = "SIPJAIL_BACKGROUND_OF";
