//! Servers that come of `start`, beside the stock ones: processes, files, and what is left when they end.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::PathBuf;
use std::process::Command;

use crate::common::World;
use crate::program::{Known, Whose, may_ban, run, seen, split, stock, wait};

#[test]
fn a_server_in_the_background_lives_as_the_stock_one_does() {
    if stock().is_none() || !may_ban() {
        return;
    }
    let mut known = Known::new(&[]);
    let [mut ours, mut theirs] = [Whose::Ours, Whose::Stock].map(Tree::new);
    for line in LIFE.lines().map(str::trim).filter(|line| !line.is_empty()) {
        known.compare(line, &ours.step(line), &theirs.step(line));
    }
    known.judge("faces, in the background");
}

/// Words of a client, or of a server where they say so; and what else happens, between asterisks.
const LIFE: &str = "
    *files*
    start
    *files*
    *process*
    status
    start
    -x start
    server start
    server -f start
    *files*
    reload
    restart
    *files*
    *HUP*
    ping
    *USR1*
    ping
    stop
    *files*
    ping
    stop
    restart
    *TERM*
    *files*
    -s SOCK -p DIR/run/pid start
    *files*
    *KILL*
    *files*
    ping
    start
    server start
    server -f start
    *files*
    -x start
    ping
    *files*
    *INT*
    *files*
    server start
    status
    server stop
    *files*
    --timeout 1 -s /nonexistent/dir/sock start
";

/// One side's tree.
struct Tree {
    world: World,
    whose: Whose,
}

impl Tree {
    fn new(whose: Whose) -> Tree {
        let world = World::new();
        let own = |name: &str| world.path(name).display().to_string();
        world.write(
            "conf/fail2ban.conf",
            &format!(
                "[DEFAULT]\nloglevel = INFO\nlogtarget = {}\nsyslogsocket = auto\nallowipv6 = auto\nsocket = {}\n\
                 pidfile = {}\ndbfile = None\ndbpurgeage = 1d\ndbmaxmatches = 10\n[Definition]\n",
                own("log"),
                own("run/sock"),
                own("run/pid")
            ),
        );
        fs::remove_file(world.path("conf/sipjail.conf")).expect("it was there");
        let jail = "[DEFAULT]\nbackend = polling\nignoreself = false\nusedns = no\naction =\nenabled = true\n[door]\n\
                    filter = door\nlogpath = ";
        world.write("conf/jail.conf", &format!("{jail}{}\n", own("door.log")));
        Tree { world, whose }
    }

    fn step(&mut self, line: &str) -> String {
        match line.strip_prefix('*').and_then(|word| word.strip_suffix('*')) {
            Some("files") => self.files(),
            Some("process") => self.process(),
            Some(signal) => self.signal(signal),
            None => {
                let dir = self.world.dir.path().display().to_string();
                let line = line.replace("SOCK", &format!("{dir}/run/sock")).replace("DIR", &dir);
                let words = split(&line);
                let (program, words) = match words.split_first() {
                    Some((&"server", words)) => ("fail2ban-server", words),
                    _ => ("fail2ban-client", &words[..]),
                };
                let words = [&["-c", "conf"], words].concat();
                seen(&run(&self.world, self.whose, program, &words, "")).replace(&dir, "DIR")
            }
        }
    }

    fn pid(&self) -> Option<String> {
        fs::read_to_string(self.world.path("run/pid")).ok().map(|text| text.trim_end_matches('\n').to_owned())
    }

    /// The files that a server leaves, with their modes.
    fn files(&self) -> String {
        let folder = self.world.path("run");
        let Ok(entries) = fs::read_dir(&folder) else { return "nothing".to_owned() };
        let mut lines: Vec<String> = entries
            .flatten()
            .map(|entry| {
                let about = entry.metadata().expect("it is there");
                let kind = if about.file_type().is_socket() { "socket" } else { "file" };
                format!("{} {kind} {:o} {}", entry.file_name().display(), about.mode() & 0o777, about.uid())
            })
            .collect();
        lines.sort();
        lines.join("\n")
    }

    /// What there is to see of the process, and who it is by its file.
    fn process(&self) -> String {
        let pid = self.pid().expect("it runs");
        let proc = PathBuf::from("/proc").join(&pid);
        let read = |name: &str| fs::read_to_string(proc.join(name)).expect("it runs");
        let link = |name: &str| fs::read_link(proc.join(name)).expect("it runs").display().to_string();
        let words: Vec<String> = read("cmdline").split_terminator('\0').map(str::to_owned).collect();
        let from = words.iter().position(|word| word == "--async").unwrap_or(0);
        let dir = self.world.dir.path().display().to_string();
        // fail2ban's server splits itself in two; ours starts anew, as the client would start it.
        let words = if from == 0 { String::new() } else { words[from..].join(" ").replace(&dir, "DIR") };
        let words = words.replace(" --pname fail2ban-server", "");
        let status = read("status");
        let umask = status.lines().find(|line| line.starts_with("Umask")).unwrap_or_default();
        let parent = status.lines().find(|line| line.starts_with("PPid")).unwrap_or_default();
        let stat = read("stat");
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        // No terminal, and no part of the session that it was started from.
        let alone = fields[3] != own_session() && fields[4] == "0";
        let ends = ["fd/0", "fd/1", "fd/2"].map(link).join(" ");
        format!("{} {} {ends} {umask} {parent} alone: {alone}\n{words}", read("comm").trim(), link("cwd"))
    }

    /// Sends a signal and waits for what it does.
    fn signal(&mut self, name: &str) -> String {
        let pid = self.pid().expect("it runs");
        let log = || fs::read_to_string(self.world.path("log")).unwrap_or_default();
        let before = log().matches("rollover").count();
        let sent = Command::new("kill").args([&format!("-{name}"), &pid]).status().expect("kill runs");
        assert!(sent.success());
        match name {
            // Both ignore it; ours opens its log again, which nobody minds.
            "HUP" => {}
            "USR1" => wait("the log was opened again", || log().matches("rollover").count() > before),
            _ => wait("it has ended", || !lives(&pid)),
        }
        "done".to_owned()
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        if let Some(pid) = self.pid().filter(|pid| lives(pid)) {
            let _ended = Command::new("kill").args(["-KILL", &pid]).status();
        }
    }
}

/// Whether a process runs, or still holds what it had open; one that has ended may have a number still.
fn lives(pid: &str) -> bool {
    let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { return false };
    let ended = stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with(['Z', 'X']));
    let threads = fs::read_dir(format!("/proc/{pid}/task")).map_or(0, Iterator::count);
    !ended || threads > 1
}

fn own_session() -> String {
    let stat = fs::read_to_string("/proc/self/stat").expect("it is there");
    stat.rsplit(')').next().unwrap_or_default().split_whitespace().nth(3).unwrap_or_default().to_owned()
}
