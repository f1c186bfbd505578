//! A program of fail2ban's, the stock one and ours, and what came of running it.

use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use crate::common::{PATIENCE, World};

/// Whose program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    Stock,
    Ours,
}

/// Where the stock programs are; says so where they are not.
pub fn stock() -> Option<&'static Path> {
    let there = Path::new("/usr/bin/fail2ban-client").exists();
    if !there {
        println!("skipped: fail2ban is not installed");
    }
    there.then_some(Path::new("/usr/bin"))
}

/// Whether a daemon may ban: only a root can, and in a network namespace of its own.
pub fn may_ban() -> bool {
    let root = rustix::process::geteuid().is_root();
    let may = root && Command::new("unshare").args(["-n", "true"]).status().is_ok_and(|status| status.success());
    if !may {
        println!("skipped: a network namespace of our own needs root");
    }
    may
}

/// A folder with our programs under fail2ban's names.
pub fn ours(world: &World) -> PathBuf {
    let folder = world.path("bin");
    if !folder.exists() {
        std::fs::create_dir(&folder).expect("made");
        for name in ["fail2ban-client", "fail2ban-server"] {
            symlink(env!("CARGO_BIN_EXE_sipjail"), folder.join(name)).expect("linked");
        }
    }
    folder
}

/// A program, in the world's directory and, as servers come of some, in a namespace of its own where that can be.
pub fn command(world: &World, whose: Whose, program: &str) -> Command {
    let folder = if whose == Whose::Stock { PathBuf::from("/usr/bin") } else { ours(world) };
    let mut command = match rustix::process::geteuid().is_root() {
        true => Command::new("unshare"),
        false => Command::new(folder.join(program)),
    };
    if rustix::process::geteuid().is_root() {
        command.arg("-n").arg(folder.join(program));
    }
    command.current_dir(&world.dir).env("TZ", "UTC").env("PYTHONIOENCODING", "utf-8").env_remove("NOTIFY_SOCKET");
    command
}

/// Runs a program with words, and lines to its standard input.
pub fn run(world: &World, whose: Whose, program: &str, words: &[&str], input: &str) -> Output {
    let mut command = command(world, whose, program);
    let child = command.args(words).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = child.expect("it starts");
    let _closed = child.stdin.take().expect("it is piped").write_all(input.as_bytes());
    child.wait_with_output().expect("it ends")
}

/// What it printed and its exit code, without what is the run's own: times, pids, the help's wording.
pub fn seen(output: &Output) -> String {
    let text = |bytes: &[u8]| TIMES.replace_all(&String::from_utf8_lossy(bytes), "TIME").into_owned();
    let mut stdout = text(&output.stdout);
    if stdout.starts_with("Usage: fail2ban-") {
        stdout = "USAGE\n".to_owned();
    }
    format!("{stdout}[{}] {:?}", text(&output.stderr), output.status.code())
}

static TIMES: LazyLock<regex::Regex> =
    LazyLock::new(|| regex::Regex::new(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:,\d{3})?|\[ *\d+\]:").expect("it is sound"));

/// Words between blanks, quotes around those that hold one.
pub fn split(line: &str) -> Vec<&str> {
    let pieces = line.split('"').enumerate();
    pieces.flat_map(|(at, piece)| if at % 2 == 1 { vec![piece] } else { piece.split_whitespace().collect() }).collect()
}

/// Waits until something is so.
pub fn wait(what: &str, mut so: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !so() {
        assert!(Instant::now() < end, "not so: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A table of what differs, and what of it was met.
pub struct Known {
    known: &'static [(&'static str, &'static str)],
    met: Vec<&'static str>,
    wrong: Vec<String>,
    compared: usize,
}

impl Known {
    /// Each line with the reason why it differs.
    pub fn new(known: &'static [(&'static str, &'static str)]) -> Known {
        Known { known, met: Vec::new(), wrong: Vec::new(), compared: 0 }
    }

    /// Takes in what came of a line.
    pub fn compare(&mut self, line: &str, ours: &str, theirs: &str) {
        self.compared += 1;
        if ours == theirs {
            return;
        }
        match self.known.iter().find(|(known, _)| *known == line) {
            Some((known, _)) => self.met.push(known),
            None => self.wrong.push(format!("{line}\n--- ours\n{ours}\n--- theirs\n{theirs}")),
        }
    }

    /// Fails if anything else differs, or something of the table no more.
    pub fn judge(self, what: &str) {
        assert!(self.wrong.is_empty(), "{}", self.wrong.join("\n\n"));
        for (known, reason) in self.known {
            assert!(self.met.contains(known), "`{known}` is no difference any more ({reason})");
        }
        counted!("{what}: {} invocations, {} known differences", self.compared, self.known.len());
    }
}
