//! The shell that runs a script: in a process group of its own, so that a time-out ends all of it.
//!
//! The script works in `/`, finds nothing on its standard input, and its output is read while it runs. What it started in
//! the background and left behind is not waited for.

use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};

use crate::script::Script;

/// What became of a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// How it ended.
    pub how: How,
    /// It was ended for taking too long.
    pub late: bool,
    /// Its standard output, the first [`OUTPUT_MAX`] bytes.
    pub stdout: Vec<u8>,
    /// Its standard error, as much.
    pub stderr: Vec<u8>,
}

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// By itself, with this code.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

impl Ended {
    /// Whether all went well.
    pub fn good(&self) -> bool {
        !self.late && self.how == How::Code(0)
    }
}

/// Runs a script for `limit` at most, and no longer than until `enough` can be read.
pub fn run(script: &Script, limit: Duration, enough: Option<&OwnedFd>) -> io::Result<Ended> {
    // The kernel's strings end there, and would not start it.
    let clean = |text: &String| text.replace('\0', "");
    #[expect(clippy::disallowed_methods, reason = "this is where scripts run")]
    let mut command = Command::new("/bin/sh");
    command.arg("-c").arg(clean(&script.text)).args(script.args.iter().map(clean)).current_dir("/").process_group(0);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut running = Running::new(command.spawn()?);
    if running.wait(limit, enough)? {
        let status = running.child.wait()?;
        running.out.drain();
        running.err.drain();
        return Ok(running.ended(status, false));
    }
    running.kill(Signal::TERM);
    // Those that mind a signal get the time to do so.
    let minded = running.wait(GRACE, None)?;
    running.kill(Signal::KILL);
    if !minded && !running.wait(LONG, None)? {
        return Err(io::Error::other("it cannot be ended"));
    }
    let status = running.child.wait()?;
    running.out.drain();
    running.err.drain();
    Ok(running.ended(status, true))
}

struct Running {
    child: Child,
    /// Readable once it has ended; a kernel without pidfds has none, and we look now and then.
    end: Option<OwnedFd>,
    out: Pipe,
    err: Pipe,
}

impl Running {
    fn new(mut child: Child) -> Running {
        let end = pid(&child).and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok());
        let out = Pipe::new(child.stdout.take().map(OwnedFd::from));
        let err = Pipe::new(child.stderr.take().map(OwnedFd::from));
        Running { child, end, out, err }
    }

    /// Reads its output until it ends; `false`: it takes too long.
    fn wait(&mut self, limit: Duration, enough: Option<&OwnedFd>) -> io::Result<bool> {
        let timer = timer(limit)?;
        let often = self.end.is_none().then_some(Timespec { tv_sec: 0, tv_nsec: 20_000_000 });
        loop {
            let mut fds = vec![PollFd::new(&timer, PollFlags::IN)];
            fds.extend(enough.map(|enough| PollFd::new(enough, PollFlags::IN)));
            let others = fds.len();
            fds.extend(self.end.as_ref().map(|end| PollFd::new(end, PollFlags::IN)));
            let pipes = fds.len();
            fds.extend(
                [&self.out, &self.err]
                    .into_iter()
                    .filter_map(|pipe| pipe.fd.as_ref())
                    .map(|fd| PollFd::from_borrowed_fd(fd.as_fd(), PollFlags::IN)),
            );
            match poll(&mut fds, often.as_ref()) {
                Ok(_) => {}
                Err(rustix::io::Errno::INTR) => continue,
                Err(e) => return Err(e.into()),
            }
            let ready: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
            drop(fds);
            if ready[pipes..].contains(&true) {
                self.out.drain();
                self.err.drain();
            }
            let ended = match self.end {
                Some(_) => ready[others],
                None => self.child.try_wait()?.is_some(),
            };
            if ended {
                return Ok(true);
            }
            if ready[..others].contains(&true) {
                return Ok(false);
            }
        }
    }

    fn kill(&self, signal: Signal) {
        if let Some(group) = pid(&self.child) {
            let _ended = kill_process_group(group, signal);
        }
    }

    fn ended(self, status: ExitStatus, late: bool) -> Ended {
        let how = match (status.code(), status.signal()) {
            (Some(code), _) => How::Code(code),
            (None, signal) => How::Signal(signal.unwrap_or_default()),
        };
        Ended { how, late, stdout: self.out.kept, stderr: self.err.kept }
    }
}

/// One stream of its output. All is read, so that it never waits for us; the first part is kept.
struct Pipe {
    fd: Option<std::fs::File>,
    kept: Vec<u8>,
}

impl Pipe {
    fn new(fd: Option<OwnedFd>) -> Pipe {
        let fd = fd.filter(|fd| {
            let flags = fcntl_getfl(fd).unwrap_or(OFlags::empty());
            fcntl_setfl(fd, flags | OFlags::NONBLOCK).is_ok()
        });
        Pipe { fd: fd.map(Into::into), kept: Vec::new() }
    }

    /// Takes what is there now.
    fn drain(&mut self) {
        let mut chunk = [0; 16_384];
        // Whoever writes without end must not keep us from looking at the time.
        for _ in 0..64 {
            let Some(file) = &mut self.fd else { return };
            match file.read(&mut chunk) {
                Ok(0) => self.fd = None,
                Ok(n) => {
                    let room = OUTPUT_MAX - self.kept.len();
                    self.kept.extend_from_slice(&chunk[..n.min(room)]);
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => self.fd = None,
            }
        }
    }
}

fn pid(child: &Child) -> Option<Pid> {
    Pid::from_raw(child.id().cast_signed())
}

/// Readable once the time is over.
fn timer(limit: Duration) -> io::Result<OwnedFd> {
    let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC)?;
    // Zero would mean: never.
    let limit = limit.max(Duration::from_nanos(1));
    let value =
        Timespec { tv_sec: limit.as_secs().try_into().unwrap_or(i64::MAX), tv_nsec: limit.subsec_nanos().into() };
    let interval = Timespec { tv_sec: 0, tv_nsec: 0 };
    timerfd_settime(&timer, TimerfdTimerFlags::empty(), &Itimerspec { it_interval: interval, it_value: value })?;
    Ok(timer)
}

/// Output that is kept of each stream.
pub const OUTPUT_MAX: usize = 65_536;

/// From SIGTERM to SIGKILL.
const GRACE: Duration = Duration::from_millis(200);

/// A process that is not gone this long after SIGKILL hangs in the kernel.
const LONG: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(20);

    fn script(text: &str, args: &[&str]) -> Script {
        Script { text: text.into(), args: args.iter().map(ToString::to_string).collect() }
    }

    fn run(text: &str, args: &[&str]) -> Ended {
        super::run(&script(text, args), PATIENCE, None).expect("it starts")
    }

    #[test]
    fn values_are_arguments_only_and_both_streams_are_kept() {
        let ended = run("test \"$0\" = 'x; exit 3' && echo \"$1\" && echo err >&2; pwd; cat", &["x; exit 3", "$(id)"]);
        assert_eq!((ended.how, ended.late), (How::Code(0), false));
        assert_eq!(String::from_utf8_lossy(&ended.stdout), "$(id)\n/\n");
        assert_eq!(ended.stderr, b"err\n");
        assert_eq!(run("exit 7", &[]).how, How::Code(7));
        assert_eq!(run("kill -9 $$", &[]).how, How::Signal(9));
        assert_eq!(run("exit $#", &["a\0b", "x"]).how, How::Code(1));
    }

    #[test]
    fn a_megabyte_of_output_is_no_reason_to_wait() {
        let ended = run("head -c 1000000 /dev/zero; head -c 1000000 /dev/zero >&2; echo end", &[]);
        assert_eq!(ended.how, How::Code(0));
        assert_eq!((ended.stdout.len(), ended.stderr.len()), (OUTPUT_MAX, OUTPUT_MAX));
    }

    #[test]
    fn a_time_out_ends_the_whole_group() {
        let text = "echo part; (trap '' TERM; sleep 600) & wait";
        let ended = super::run(&script(text, &[]), Duration::from_millis(300), None).expect("it starts");
        assert!(ended.late && !ended.good());
        assert_eq!((ended.how, ended.stdout.as_slice()), (How::Signal(15), b"part\n".as_slice()));
        let stubborn = super::run(&script("trap '' TERM; while :; do sleep 1; done", &[]), GRACE, None);
        assert_eq!(stubborn.expect("it starts").how, How::Signal(9));
    }

    #[test]
    fn what_is_left_in_the_background_is_not_waited_for() {
        let ended = run("sleep 600 & echo $!", &[]);
        assert!(ended.good());
        let pid = String::from_utf8_lossy(&ended.stdout).trim().parse().ok().and_then(Pid::from_raw);
        rustix::process::kill_process(pid.expect("it said so"), Signal::KILL).expect("it runs");
    }

    #[test]
    fn enough_is_enough() {
        let enough = rustix::event::eventfd(1, rustix::event::EventfdFlags::CLOEXEC).expect("a counter");
        assert!(super::run(&script("sleep 600", &[]), PATIENCE, Some(&enough)).expect("it starts").late);
    }
}
