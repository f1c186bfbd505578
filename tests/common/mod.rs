//! A temporary world: a configuration directory, a log, and a daemon with the dry-run firewall that ends with the test.
#![allow(
    dead_code,
    clippy::disallowed_methods,
    reason = "each test file uses its part; tests run programs and read the clock"
)]

use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// How long something may take that normally takes milliseconds.
pub const PATIENCE: Duration = Duration::from_secs(60);

pub struct World {
    pub dir: TempDir,
    /// What every program of this world finds in its environment.
    pub env: Vec<(&'static str, String)>,
}

impl World {
    /// A world with one jail `door`, which reads `door.log`: three knocks are too many.
    pub fn new() -> World {
        let world = World { dir: tempfile::tempdir().expect("a scratch directory"), env: Vec::new() };
        let own = |name: &str| world.path(name).display().to_string();
        world.write(
            "conf/sipjail.conf",
            &format!(
                "[Definition]\nsocket = {}\npidfile = {}\ndbfile = {}\nlogtarget = {}\n",
                own("sock"),
                own("pid"),
                own("db"),
                own("our.log")
            ),
        );
        world.write("conf/filter.d/door.conf", "[Definition]\nfailregex = ^ door: knock by .* from <HOST>$\n");
        world.write(
            "conf/jail.conf",
            &format!(
                "[DEFAULT]\nbanaction = dryrun\naction = %(banaction)s\nignoreself = false\nusedns = no\n\
                 [door]\nenabled = true\nfilter = door\nlogpath = {}\nmaxretry = 3\nfindtime = 10m\nbantime = 1h\n",
                own("door.log")
            ),
        );
        world.write("door.log", "");
        world
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("it has one")).expect("made");
        fs::write(path, text).expect("written");
    }

    pub fn append(&self, name: &str, text: impl AsRef<[u8]>) {
        let mut file = OpenOptions::new().append(true).create(true).open(self.path(name)).expect("opened");
        file.write_all(text.as_ref()).expect("written");
    }

    /// A knock of `address`, dated now.
    pub fn knock(&self, address: &str) {
        self.append("door.log", format!("{} door: knock by somebody from {address}\n", now()));
    }

    /// Starts the daemon and waits until it is ready for clients.
    pub fn run(&self) -> Daemon {
        self.run_with(&[])
    }

    /// The same with more arguments.
    pub fn run_with(&self, words: &[&str]) -> Daemon {
        let daemon = self.begin(self.command(&[&["run"], words].concat()));
        self.ready(daemon)
    }

    /// The same in a network namespace of its own, with the kernel's sets.
    pub fn run_in_namespace(&self) -> Daemon {
        let inner = self.command(&["run"]);
        let mut command = Command::new("unshare");
        command.arg("-n").arg(inner.get_program()).args(inner.get_args()).env_remove("NOTIFY_SOCKET").env("TZ", "UTC");
        self.ready(self.begin(command))
    }

    fn ready(&self, mut daemon: Daemon) -> Daemon {
        daemon.wait_for("Starting sipjail");
        assert!(self.client(&["ping"]).status.success(), "it answers: {:?}", daemon.seen);
        daemon
    }

    /// Starts a daemon and waits for nothing.
    pub fn begin(&self, mut command: Command) -> Daemon {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        let (sender, lines) = channel();
        let mut readers = Vec::new();
        let streams: [Box<dyn std::io::Read + Send>; 2] =
            [Box::new(child.stdout.take().expect("piped")), Box::new(child.stderr.take().expect("piped"))];
        for stream in streams {
            let sender = sender.clone();
            readers.push(std::thread::Builder::new().spawn(move || {
                for line in BufReader::new(stream).lines().map_while(Result::ok) {
                    let _gone = sender.send(line);
                }
            }));
        }
        Daemon { child, lines, seen: Vec::new() }
    }

    pub fn client(&self, words: &[&str]) -> Output {
        self.command(words).output().expect("it runs")
    }

    /// A command's reply as data.
    pub fn json(&self, words: &[&str]) -> Value {
        let output = self.client(&[words, &["--format", "json"]].concat());
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).expect("JSON")
    }

    pub fn text(&self, words: &[&str]) -> String {
        let output = self.client(words);
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text")
    }

    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = sipjail();
        command.arg("-c").arg(self.path("conf")).args(words).env("TZ", "UTC").envs(self.env.iter().cloned());
        command
    }
}

pub fn sipjail() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sipjail"));
    command.env_remove("NOTIFY_SOCKET").env("TZ", "UTC");
    command
}

/// The present as a log writes it, in UTC.
pub fn now() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// Waits until `done`, and says `what` it waited for in vain.
pub fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < end, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Whether these programs are here and work, and we are root; says so where not.
pub fn has_kernel() -> bool {
    let works = rustix::process::geteuid().is_root()
        && Command::new("unshare")
            .args(["-n", "ipset", "list", "-n"])
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|s| s.success());
    if !works {
        println!("skipped: not root, or no ipset in a network namespace here");
    }
    works
}

pub fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

/// A running daemon; ended, if nobody did before, when it goes out of sight.
pub struct Daemon {
    pub child: Child,
    lines: Receiver<String>,
    pub seen: Vec<String>,
}

impl Daemon {
    /// Waits until a line of its output holds `text`, and gives that line.
    pub fn wait_for(&mut self, text: &str) -> String {
        let end = Instant::now() + PATIENCE;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => {
                    self.seen.push(line.clone());
                    if line.contains(text) {
                        return line;
                    }
                }
                Err(_) => panic!("`{text}` did not come; seen: {:#?}", self.seen),
            }
        }
    }

    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([name, &pid]).status().expect("kill runs").success());
    }

    /// Waits for its end and gives whether it ended well, and what it still said.
    pub fn ended(mut self) -> (bool, Vec<String>) {
        let status = self.child.wait().expect("it ends");
        self.seen.extend(self.lines.iter());
        (status.success(), std::mem::take(&mut self.seen))
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _status = self.child.wait();
    }
}
