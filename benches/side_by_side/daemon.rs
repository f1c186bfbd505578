//! fail2ban and sipjail as daemons of a world.
//!
//! Both are asked the same way, in fail2ban's protocol over the socket, so that no client program is in the way.

use std::fs;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use sipjail::compat::pickle::{self, Plain};

use crate::machine::Process;
use crate::programs;
use crate::world::World;

/// Which program guards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    Fail2ban,
    Sipjail,
}

impl Program {
    /// Its directory in a world.
    pub fn dir(self) -> &'static str {
        match self {
            Program::Fail2ban => "fail2ban",
            Program::Sipjail => "sipjail",
        }
    }

    /// Whether it can be run at all.
    pub fn installed(self) -> bool {
        self == Program::Sipjail
            || (programs::installed("fail2ban-server") && Path::new("/etc/fail2ban/filter.d").is_dir())
    }
}

/// A running daemon; it ends when it goes out of sight.
pub struct Daemon {
    program: Program,
    child: Child,
    pub process: Process,
    /// When the program was started.
    pub started: Instant,
    supervisor: Supervisor,
    socket: PathBuf,
}

/// What a service manager does for a daemon: it reads all that the daemon tells, as long as this is held.
struct Supervisor {
    ready: Receiver<Instant>,
    _held: Arc<()>,
}

impl Supervisor {
    fn new(path: &Path) -> Supervisor {
        let told = UnixDatagram::bind(path).unwrap();
        told.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
        let (sender, ready) = channel();
        let held = Arc::new(());
        let holder = Arc::downgrade(&held);
        let listen = move || {
            let mut message = [0; 256];
            while holder.strong_count() > 0 {
                if told.recv(&mut message).is_ok_and(|read| message[..read].starts_with(b"READY=1")) {
                    let _nobody_waits = sender.send(Instant::now());
                }
            }
        };
        std::thread::Builder::new().name("supervisor".into()).spawn(listen).unwrap();
        Supervisor { ready, _held: held }
    }
}

impl Daemon {
    /// Starts the program in a world.
    pub fn spawn(world: &World, program: Program) -> Daemon {
        let notify = world.path(&format!("{}.notify", program.dir()));
        let _old = fs::remove_file(&notify);
        let supervisor = Supervisor::new(&notify);
        let mut command = match program {
            Program::Sipjail => programs::sipjail(&world.conf(program)),
            Program::Fail2ban => {
                let mut command = Command::new("fail2ban-server");
                command.arg("-c").arg(world.conf(program)).args(["-f", "start"]).env("TZ", "UTC");
                command
            }
        };
        if program == Program::Sipjail {
            // As the unit starts it, watchdog and all.
            command.arg("run").env("NOTIFY_SOCKET", &notify).env("WATCHDOG_USEC", "60000000");
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let started = Instant::now();
        let child = command.spawn().unwrap_or_else(|e| panic!("{command:?}: {e}"));
        let process = Process(child.id());
        let socket = world.path(&format!("{}.sock", program.dir()));
        Daemon { program, child, process, started, supervisor, socket }
    }

    /// Whose it is.
    pub fn program(&self) -> Program {
        self.program
    }

    /// Waits until it says that it is ready, and gives how long that took from its start.
    pub fn ready(&mut self) -> Duration {
        match self.program {
            Program::Sipjail => self.supervisor.ready.recv_timeout(PATIENCE).expect("it becomes ready") - self.started,
            // It has no such word: ready is when it answers and has no jail left to start.
            Program::Fail2ban => {
                until(Duration::from_millis(5), || self.ask(&["status"]).is_some());
                self.started.elapsed()
            }
        }
    }

    /// A request in fail2ban's protocol, and what it answered.
    pub fn ask(&self, words: &[&str]) -> Option<Plain> {
        let mut stream = UnixStream::connect(&self.socket).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        let request = Plain::List(words.iter().map(|word| Plain::from(*word)).collect());
        stream.write_all(&[&pickle::encode(&request)[..], END].concat()).ok()?;
        let mut reply = Vec::new();
        let mut block = [0; 65_536];
        while !reply.ends_with(END) {
            match stream.read(&mut block).ok()? {
                0 => break,
                read => reply.extend_from_slice(&block[..read]),
            }
        }
        let _closed = stream.shutdown(Shutdown::Both);
        match pickle::decode(reply.strip_suffix(END)?).ok()? {
            Plain::Tuple(mut parts) if parts.len() == 2 && parts[0] == Plain::Int(0) => parts.pop(),
            _ => None,
        }
    }

    /// How many failures a jail has counted so far.
    pub fn failures(&self, jail: &str) -> u64 {
        let number = |status: &Plain| number(entry(entry(status, "Filter")?, "Total failed")?);
        self.ask(&["status", jail]).as_ref().and_then(number).unwrap_or_default()
    }

    /// Waits until a jail has counted so many failures; `false`: it did not in an unreasonable time.
    pub fn counts(&self, jail: &str, failures: usize, pause: Duration) -> bool {
        until(pause, || self.failures(jail) >= failures as u64)
    }

    /// Ends it as a service manager does, and waits.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        if let (Ok(None), Some(pid)) = (self.child.try_wait(), Pid::from_raw(self.child.id() as i32)) {
            let _gone = kill_process(pid, Signal::TERM);
            let start = Instant::now();
            while start.elapsed() < Duration::from_secs(30) && matches!(self.child.try_wait(), Ok(None)) {
                sleep(Duration::from_millis(2));
            }
            let _killed = self.child.kill();
        }
        let _status = self.child.wait();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.end();
    }
}

/// Waits until something holds, looking again after each pause; `false`: it did not in an unreasonable time.
pub fn until(pause: Duration, mut holds: impl FnMut() -> bool) -> bool {
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        if holds() {
            return true;
        }
        sleep(pause);
    }
    false
}

fn entry<'a>(pairs: &'a Plain, name: &str) -> Option<&'a Plain> {
    let (Plain::List(pairs) | Plain::Tuple(pairs)) = pairs else { return None };
    pairs.iter().find_map(|pair| match pair {
        Plain::Tuple(pair) if pair.len() == 2 && pair[0] == Plain::from(name) => Some(&pair[1]),
        _ => None,
    })
}

fn number(value: &Plain) -> Option<u64> {
    match value {
        Plain::Int(n) => u64::try_from(*n).ok(),
        _ => None,
    }
}

const END: &[u8] = b"<F2B_END_COMMAND>";
/// How long something may take before nobody waits any longer; fail2ban's slow rows take a while.
const PATIENCE: Duration = Duration::from_secs(120);
