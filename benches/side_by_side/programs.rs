//! Programs that run to their end: what they print, and what they cost.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;

/// What a program took.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    /// User and system time, of the programs that it waited for too.
    pub cpu: Duration,
    pub wall: Duration,
}

/// Runs it to its end, with its output thrown away. Only one may run at a time.
pub fn cost(command: &mut Command) -> Cost {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let (before, start) = (used(), Instant::now());
    // `rg` and `grep` say by their exit code whether they found something.
    let _found = command.status().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    Cost { wall: start.elapsed(), cpu: used() - before }
}

/// What it prints.
pub fn output(command: &mut Command) -> String {
    let out = command.stdin(Stdio::null()).output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    String::from_utf8_lossy(&out.stdout).into_owned()
}

/// Runs each of them `rounds` times, in turn; the first round, which warms caches up, is not counted.
pub fn in_turn(rounds: usize, commands: &mut [Command]) -> Vec<Vec<Cost>> {
    let mut costs = vec![Vec::new(); commands.len()];
    for round in 0..=rounds {
        for (command, costs) in commands.iter_mut().zip(&mut costs) {
            let cost = cost(command);
            if round > 0 {
                costs.push(cost);
            }
        }
    }
    costs
}

/// Whether there is a program of this name.
pub fn installed(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| dir.join(name).is_file())
}

/// Ours, with this directory as its configuration.
pub fn sipjail(conf: &Path) -> Command {
    let mut command = Command::new(SIPJAIL);
    command.arg("-c").arg(conf).env("TZ", "UTC").env_remove("NOTIFY_SOCKET");
    command
}

/// A program on one core.
pub fn on_one_core(command: &Command) -> Command {
    let mut pinned = Command::new("taskset");
    pinned.args(["-c", "1"]).arg(command.get_program()).args(command.get_args()).env("TZ", "UTC");
    pinned
}

/// The program as it is built for benches.
pub const SIPJAIL: &str = env!("CARGO_BIN_EXE_sipjail");

fn used() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).expect("the kernel knows");
    let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Duration::from_micros(micros as u64)
}
