//! One of the two: a tree, a namespace, stand-in programs, and the server that runs in there: fail2ban's or ours.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::time::Instant;

use regex::Regex;

use crate::common::{PATIENCE, sipjail};
use crate::recorder::{self, Script};
use crate::space::{Space, breathe};

/// Where the package puts its actions.
pub const STOCK: &str = "/etc/fail2ban/action.d";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    Ours,
    Theirs,
}

pub struct Side {
    pub who: Who,
    pub dir: PathBuf,
    pub space: Space,
    server: Option<Child>,
}

impl Side {
    /// A side in the folder `at`, without jails yet. None, and why is said, where it cannot be.
    pub fn new(who: Who, at: &Path) -> Option<Side> {
        if !Path::new("/usr/bin/fail2ban-server").exists() || !Path::new(STOCK).exists() {
            println!("skipped: fail2ban is not installed");
            return None;
        }
        if !rustix::process::geteuid().is_root() {
            println!("skipped: not root");
            return None;
        }
        let Some(space) = Space::new() else {
            println!("skipped: no network namespace can be made here");
            return None;
        };
        for program in ["iptables", "ip6tables", "ipset", "nft"] {
            if space.command(program).arg("--version").output().is_ok_and(|o| !o.status.success()) {
                println!("skipped: there is no {program}");
                return None;
            }
        }
        let side = Side { who, dir: at.to_owned(), space, server: None };
        for entry in fs::read_dir(STOCK).expect("it can be read") {
            let path = entry.expect("it can be read").path();
            if path.extension().is_some_and(|e| e == "conf") {
                let name = path.file_name().expect("a file").to_string_lossy();
                side.write(&format!("conf/action.d/{name}"), &fs::read_to_string(&path).expect("text"));
            }
        }
        let own = |name: &str| side.path(name).display().to_string();
        side.write(
            "conf/fail2ban.conf",
            &format!(
                "[DEFAULT]\nloglevel = INFO\nlogtarget = {}\nsyslogsocket = auto\nallowipv6 = true\nsocket = {}\n\
                 pidfile = {}\ndbfile = {}\ndbpurgeage = 1d\ndbmaxmatches = 10\n[Definition]\n",
                own("log"),
                own("sock"),
                own("pid"),
                own("db")
            ),
        );
        side.write(
            "conf/filter.d/door.conf",
            "[Definition]\nfailregex = ^ door <jail> of <F-USER>.*</F-USER> from <HOST>$\n",
        );
        side.write("door.log", "");
        recorder::install(&side.dir);
        Some(side)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Writes a file; `DIR` in it is this side's folder.
    pub fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("it has one")).expect("made");
        fs::write(path, text.replace("DIR", &self.dir.display().to_string())).expect("written");
    }

    pub fn append(&self, name: &str, text: &str) {
        let mut file = OpenOptions::new().append(true).open(self.path(name)).expect("opened");
        file.write_all(text.as_bytes()).expect("written");
    }

    /// Starts the server and waits until it knows `jail`.
    pub fn start(&mut self, jail: &str) {
        let mut command = match self.who {
            Who::Ours => self.space.command(sipjail().get_program().to_str().expect("text")),
            Who::Theirs => self.space.command("fail2ban-server"),
        };
        match self.who {
            Who::Ours => command.args(["run", "-c"]).arg(self.path("conf")),
            Who::Theirs => command.args(["-x", "-f", "-c"]).arg(self.path("conf")).arg("start"),
        };
        let output = File::options().append(true).create(true).open(self.path("output")).expect("opened");
        command
            .current_dir("/")
            .env_clear()
            .env("PATH", format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", self.path("bin").display()))
            .env("TZ", "UTC")
            .env("LC_ALL", "C.UTF-8")
            .stdin(Stdio::null())
            .stdout(output.try_clone().expect("it can be shared"))
            .stderr(output);
        self.server = Some(command.spawn().expect("it starts"));
        self.until("an answer", || self.try_ask(&["status", jail]).is_some_and(|reply| !says_no(&reply)));
    }

    /// Sends a command as fail2ban's clients do, and waits for the reply. A refusal is a failure.
    pub fn ask(&self, words: &[&str]) {
        let reply = self.try_ask(words).unwrap_or_else(|| panic!("{:?}: no reply to {words:?}", self.who));
        assert!(!says_no(&reply), "{:?}: {words:?}: {}", self.who, String::from_utf8_lossy(&reply));
    }

    fn try_ask(&self, words: &[&str]) -> Option<Vec<u8>> {
        const END: &[u8] = b"<F2B_END_COMMAND>";
        let mut socket = UnixStream::connect(self.path("sock")).ok()?;
        // A list of texts in the pickle format's oldest version.
        let words: String = words.iter().map(|word| format!("V{word}\na")).collect();
        socket.write_all(format!("(l{words}.").as_bytes()).ok()?;
        socket.write_all(END).ok()?;
        let mut reply = Vec::new();
        let mut buffer = [0; 4096];
        while !reply.ends_with(END) {
            match socket.read(&mut buffer).ok()? {
                0 => return None,
                length => reply.extend_from_slice(&buffer[..length]),
            }
        }
        Some(reply)
    }

    /// fail2ban's own client, which reads the tree and sends it.
    pub fn client(&self, words: &[&str]) {
        let mut client = Command::new("fail2ban-client");
        let output = client.arg("-c").arg(self.path("conf")).args(words).env("TZ", "UTC").output().expect("it runs");
        let said = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{:?}: {words:?}: {said}", self.who);
    }

    /// Ends the server by its own command, and waits for its end.
    pub fn stop(&mut self) {
        let _reply = self.try_ask(&["stop"]);
        let mut server = self.server.take().expect("it runs");
        self.until("its end", || server.try_wait().expect("it can be asked").is_some());
    }

    /// Waits until each of these words was noted by `note`, so many times in all.
    pub fn noted(&self, notes: &[String], times: usize) {
        let wanted = notes.iter().map(|note| format!("\0note\0{}\0", note.replace(' ', "\0")));
        let mut wanted: Vec<(Vec<u8>, usize)> = wanted.map(|note| (note.into_bytes(), times)).collect();
        let mut calls = File::open(self.path("calls")).expect("it is there");
        let mut read = Vec::new();
        let end = Instant::now() + 2 * PATIENCE;
        while !wanted.is_empty() {
            let length = calls.read_to_end(&mut read).expect("it can be read");
            if length > 0 {
                wanted.retain(|(note, times)| memchr::memmem::find_iter(&read, note).count() < *times);
            } else if Instant::now() > end {
                let missing = wanted.iter().map(|(note, _)| String::from_utf8_lossy(note).replace('\0', " "));
                self.gives_up(&format!("{times} times {:?}", missing.collect::<Vec<_>>()));
            }
            breathe();
        }
    }

    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.path("log")).unwrap_or_default()).into_owned()
    }

    pub fn until(&self, what: &str, mut so: impl FnMut() -> bool) {
        // Twice: fail2ban waits for seconds by itself, and both servers run at once.
        let end = Instant::now() + 2 * PATIENCE;
        while !so() {
            if Instant::now() > end {
                self.gives_up(what);
            }
            breathe();
        }
    }

    fn gives_up(&self, what: &str) -> ! {
        let output = fs::read_to_string(self.path("output")).unwrap_or_default();
        let tail = |text: &str| text.lines().rev().take(20).map(str::to_owned).collect::<Vec<_>>();
        panic!("{:?}: {what} did not come: {:#?} {:#?}", self.who, tail(&output), tail(&self.log()));
    }

    pub fn scripts(&self) -> Vec<Script> {
        recorder::scripts(&self.dir)
    }

    /// A text without what is the run's own: folders, times.
    pub fn masked(&self, text: &str) -> String {
        timeless(&text.replace(&self.dir.display().to_string(), "DIR"))
    }
}

impl Drop for Side {
    fn drop(&mut self) {
        if let Some(server) = &mut self.server {
            let _ended = server.kill();
            let _status = server.wait();
        }
    }
}

/// Whether a reply is an exception, by its class; nothing that is asked here replies with such a word.
fn says_no(reply: &[u8]) -> bool {
    let reply = String::from_utf8_lossy(reply);
    reply.contains("Error") || reply.contains("Exception")
}

/// A text without times, counters, and what is left of a ban.
pub fn timeless(text: &str) -> String {
    OWN.iter().fold(text.to_owned(), |text, (found, shown)| found.replace_all(&text, *shown).into_owned())
}

static OWN: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
    let own = [
        (r"\b36(0[1-9]|[1-9]\d)\b", "PROLONGED"),
        (r"\b\d{4}-\d\d-\d\d[ +]\d\d:\d\d:\d\d(,\d+)?", "TIME"),
        (r"1[789]\d{8}(\.\d+)?\b", "SECONDS"),
        (r"\b\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d [+-]\d{4}", "DATE"),
        (r"\b\w{3} +\w{3} +\d+ +\d\d:\d\d:\d\d( [AP]M)? \w+ \d{4}", "DATE"),
        (r"\[\d+:\d+\]", "[COUNT]"),
        (r"timeout [1-9]\d*", "timeout LEFT"),
        (r#"\b(handle"?) "?\d+"#, "$1 N"),
    ];
    own.into_iter().map(|(found, shown)| (Regex::new(found).expect("it is sound"), shown)).collect()
});
