//! A scratch directory with the same jails for fail2ban and for sipjail.

use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use tempfile::TempDir;

pub use crate::daemon::{Daemon, Program, until};
use crate::programs::{self, SIPJAIL};

/// A scratch directory.
pub struct World(TempDir);

/// One jail; its log is `LOG.log` in the world.
#[derive(Clone, Debug)]
pub struct Jail<'a> {
    pub name: &'a str,
    pub filter: &'a str,
    pub log: &'a str,
    /// Further lines of its section.
    pub options: &'a str,
}

/// What is done with an attacker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bans {
    /// The kernel's sets; fail2ban through `iptables-ipset-proto6`, on one port and UDP alone.
    Kernel,
    /// Nothing.
    Nowhere,
}

impl World {
    /// With these jails, and their logs empty. `loglevel = NOTICE`.
    pub fn new(jails: &[Jail<'_>], bans: Bans) -> World {
        let world = World(tempfile::tempdir().unwrap());
        for program in [Program::Fail2ban, Program::Sipjail] {
            let own = |name: &str| world.path(&format!("{}.{name}", program.dir())).display().to_string();
            let dir = world.path(program.dir());
            fs::create_dir_all(&dir).unwrap();
            let main = format!(
                "[DEFAULT]\nloglevel = NOTICE\nlogtarget = {}\nsyslogsocket = auto\nsocket = {}\npidfile = {}\ndbfile = {}\n\
                 dbpurgeage = 1d\ndbmaxmatches = 10\n[Definition]\n[Thread]\n",
                own("log"),
                own("sock"),
                own("pid"),
                world.database(program).display()
            );
            fs::write(dir.join("fail2ban.conf"), main).unwrap();
            let action = match (program, bans) {
                (Program::Fail2ban, Bans::Nowhere) => "",
                (Program::Fail2ban, Bans::Kernel) => {
                    "iptables-ipset-proto6[name=%(__name__)s, port=\"5060\", protocol=udp]"
                }
                (Program::Sipjail, Bans::Nowhere) => "dryrun",
                (Program::Sipjail, Bans::Kernel) => "ipset",
            };
            let mut text = format!(
                "[DEFAULT]\nenabled = true\nusedns = no\nignoreself = false\nmaxretry = 5\nfindtime = 1h\nbantime = 1d\n\
                 unwrap = auto\naction = {action}\n"
            );
            for Jail { name, filter, log, options } in jails {
                let log = world.log(log);
                let _ = writeln!(text, "[{name}]\nfilter = {filter}\nlogpath = {}\n{options}", log.display());
                fs::write(log, "").unwrap();
            }
            fs::write(dir.join("jail.conf"), text).unwrap();
        }
        for part in ["filter.d", "action.d"] {
            let _none = std::os::unix::fs::symlink(
                Path::new("/etc/fail2ban").join(part),
                world.path(Program::Fail2ban.dir()).join(part),
            );
        }
        world
    }

    pub fn log(&self, name: &str) -> PathBuf {
        self.path(&format!("{name}.log"))
    }

    pub fn database(&self, program: Program) -> PathBuf {
        self.path(&format!("{}.db", program.dir()))
    }

    /// The configuration directory.
    pub fn conf(&self, program: Program) -> PathBuf {
        self.path(program.dir())
    }

    /// What the program wrote into its own log.
    pub fn said(&self, program: Program) -> String {
        fs::read_to_string(self.path(&format!("{}.log", program.dir()))).unwrap_or_default()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Appends to a log in one write.
    pub fn append(&self, log: &str, text: &[u8]) {
        OpenOptions::new().append(true).open(self.log(log)).unwrap().write_all(text).unwrap();
    }

    /// Appends a file to a log, and gives the moment at which that began.
    pub fn append_file(&self, log: &str, from: &Path) -> Instant {
        let (mut from, start) = (File::open(from).unwrap(), Instant::now());
        let mut to = OpenOptions::new().append(true).open(self.log(log)).unwrap();
        let mut block = vec![0; 1 << 20];
        while let Ok(read @ 1..) = from.read(&mut block) {
            to.write_all(&block[..read]).unwrap();
        }
        start
    }

    /// Starts the program and waits until it is ready.
    pub fn start(&self, program: Program) -> Daemon {
        let mut daemon = self.spawn(program);
        daemon.ready();
        daemon
    }

    /// Starts the program.
    pub fn spawn(&self, program: Program) -> Daemon {
        Daemon::spawn(self, program)
    }
}

/// Whether fail2ban's set for a jail holds an address.
pub fn in_their_set(jail: &str, address: IpAddr) -> bool {
    let mut command = Command::new("ipset");
    command
        .args(["-q", "test", &format!("f2b-{jail}"), &address.to_string()])
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// How many addresses fail2ban's set for a jail holds.
pub fn count_in_their_set(jail: &str) -> usize {
    let said = programs::output(Command::new("ipset").args(["-t", "list", &format!("f2b-{jail}")]));
    said.lines().find_map(|line| line.strip_prefix("Number of entries: ")?.parse().ok()).unwrap_or_default()
}

/// Takes away what a run has left in the kernel.
pub fn sweep() {
    let _rules = Command::new("iptables").args(["-w", "-F"]).status();
    let _rules = Command::new("iptables").args(["-w", "-t", "raw", "-F"]).status();
    let _rules = Command::new("ip6tables").args(["-w", "-t", "raw", "-F"]).status();
    let ipset = |word: &str| {
        Command::new("ipset").arg(word).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
    };
    // Empty lists hold no set. A rule lets go of its own behind the program's back.
    ipset("flush");
    let swept = (0..100).any(|_| {
        ipset("destroy") || {
            sleep(Duration::from_millis(20));
            false
        }
    });
    assert!(swept, "sets are left: {}", programs::output(Command::new("ipset").args(["-t", "list"])));
}

/// `sipjail` as a client of a world's daemon.
pub fn client(world: &World) -> Command {
    let mut command = Command::new(SIPJAIL);
    command.arg("-c").arg(world.conf(Program::Sipjail));
    command
}
