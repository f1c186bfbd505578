//! `fail2ban-server -xf start`, as a unit of systemd runs it; and two servers that meet.

use std::fs;
use std::io::Read;
use std::process::{Child, Command, Output, Stdio};

use crate::common::World;
use crate::program::{Known, Whose, command, may_ban, run, seen, stock, wait};

#[test]
fn a_server_in_the_foreground_says_and_leaves_what_the_stock_one_does() {
    if stock().is_none() || !may_ban() {
        return;
    }
    let mut known = Known::new(&[]);
    for signal in ["TERM", "INT"] {
        let of = |whose| {
            let world = world();
            let server = Server::start(&world, whose, &["-c", "conf", "-xf", "start"]);
            let pid = server.pid(&world);
            let second = seen(&run(&world, whose, "fail2ban-server", &["-c", "conf", "-xf", "start"], ""));
            assert_eq!(server.pid(&world), pid, "the second one left the file alone");
            server.signal("USR1");
            wait("the log was opened again", || log(&world).contains("rollover performed"));
            server.signal(signal);
            let said = server.ended();
            assert!(!world.path("run/pid").exists() && !world.path("run/sock").exists());
            format!("{said}\n{second}").replace(&world.dir.path().display().to_string(), "DIR")
        };
        known.compare(signal, &of(Whose::Ours), &of(Whose::Stock));
    }
    known.judge("faces, in the foreground");
}

#[test]
fn a_hangup_ends_nothing() {
    if !may_ban() {
        return;
    }
    let world = world();
    let server = Server::start(&world, Whose::Ours, &["-c", "conf", "--pname", "guard", "-xf", "start"]);
    assert_eq!(fs::read_to_string(format!("/proc/{}/comm", server.child.id())).expect("it runs"), "guard\n");
    server.signal("HUP");
    wait("the log was opened again", || log(&world).contains("rollover performed"));
    let ping = run(&world, Whose::Ours, "fail2ban-client", &["-c", "conf", "ping"], "");
    assert_eq!(String::from_utf8_lossy(&ping.stdout), "Server replied: pong\n");
    let stop = run(&world, Whose::Ours, "fail2ban-client", &["-c", "conf", "stop"], "");
    assert_eq!(String::from_utf8_lossy(&stop.stdout), "Shutdown successful\n");
    assert!(server.ended().ends_with("Some(0)"));
}

/// fail2ban's server would not start at all.
#[test]
fn a_jail_without_a_log_keeps_no_other_from_running() {
    if !may_ban() {
        return;
    }
    let world = world();
    world.write("conf/jail.local", "[late]\nenabled = true\nfilter = door\nlogpath = /nonexistent/log\naction =\n");
    let server = Server::start(&world, Whose::Ours, &["-c", "conf", "-xf", "start"]);
    server.signal("TERM");
    let said = server.ended();
    assert!(said.contains("Have not found any log file for late jail") && said.ends_with("Some(0)"), "{said}");
}

#[test]
fn a_second_server_leaves_the_first_ones_files_alone() {
    if !may_ban() {
        return;
    }
    let world = world();
    let first = Server::start(&world, Whose::Ours, &["-c", "conf", "-xf", "start"]);
    let pid = first.pid(&world);
    let own = |name: &str| world.path(name).display().to_string();
    let (sock, pidfile, other, log) = (own("run/sock"), own("run/pid"), own("run/other"), own("log"));
    for force in [&[][..], &["-x"]] {
        let words = ["--async", "-b", "-s", &sock, "-p", &pidfile, "--loglevel", "INFO", "--logtarget", &log];
        let words = [&words[..], &["--syslogsocket", "auto"], force].concat();
        let refused = run(&world, Whose::Ours, "fail2ban-server", &words, "");
        assert_eq!(refused.status.code(), Some(255));
        assert_eq!(first.pid(&world), pid);
    }
    let said = fs::read_to_string(&log).expect("it is there");
    for line in ["Fail2ban seems to be already running", "Could not start server: Server already running"] {
        assert_eq!(said.matches(line).count(), 2, "{line}: {said}");
    }
    // One with a socket of its own runs beside it, in another network; the pid file stays whose it is.
    let words = ["-c", "conf", "-s", &other, "-f", "start"];
    let second = Server::wait(&world, Whose::Ours, &words, "run/other");
    wait("it said so", || crate::foreground::log(&world).contains("it is left alone"));
    assert_eq!(first.pid(&world), pid);
    second.signal("TERM");
    assert!(second.ended().ends_with("Some(0)"));
    assert_eq!(first.pid(&world), pid);
}

#[test]
fn two_servers_on_one_kernel_are_one_too_many() {
    if !may_ban() {
        return;
    }
    let world = world();
    // Nobody minds two that have nothing to do with the kernel's sets.
    world.write("conf/jail.local", "[DEFAULT]\naction = ipset\n");
    let run = "./bin/fail2ban-server -c conf -xf start & first=$!\n\
               until ./bin/fail2ban-client -c conf -q ping >/dev/null 2>&1; do sleep 0.05; done\n\
               ./bin/fail2ban-server -c conf -s other -p otherpid -f start; echo $?\nkill $first; wait $first; echo $?";
    let _made = crate::program::ours(&world);
    let mut shell = Command::new("unshare");
    let out = shell.args(["-n", "sh", "-c", run]).current_dir(&world.dir).output().expect("it runs");
    let (stdout, stderr) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert_eq!(stdout, "Server ready\n255\n0\n", "{stderr}");
    assert!(stderr.contains("another daemon (pid ") && stderr.contains("bans with this kernel's sets"), "{stderr}");
    assert!(log(&world).contains("Could not start server: cannot ban: another daemon"), "{}", log(&world));
}

fn world() -> World {
    let world = World::new();
    let own = |name: &str| world.path(name).display().to_string();
    let main = "[DEFAULT]\nloglevel = INFO\nsyslogsocket = auto\nallowipv6 = auto\ndbfile = None\ndbpurgeage = 1d\n\
                dbmaxmatches = 10\n[Definition]\n";
    let paths = format!("socket = {}\npidfile = {}\nlogtarget = {}\n", own("run/sock"), own("run/pid"), own("log"));
    world.write("conf/fail2ban.conf", &format!("{main}{paths}"));
    fs::remove_file(world.path("conf/sipjail.conf")).expect("it was there");
    let jail = "[DEFAULT]\nbackend = polling\nignoreself = false\nusedns = no\naction =\nenabled = true\n[door]\n\
                filter = door\nlogpath = ";
    world.write("conf/jail.conf", &format!("{jail}{}\n", own("door.log")));
    world
}

fn log(world: &World) -> String {
    fs::read_to_string(world.path("log")).unwrap_or_default()
}

struct Server {
    child: Child,
}

impl Server {
    /// Starts one and waits until it serves clients, as its pid file says.
    fn start(world: &World, whose: Whose, words: &[&str]) -> Server {
        let server = Server::wait(world, whose, words, "run/pid");
        let own = server.child.id().to_string() + "\n";
        wait("it has a pid file", || fs::read_to_string(world.path("run/pid")).is_ok_and(|pid| pid == own));
        let ping = || run(world, Whose::Ours, "fail2ban-client", &["-c", "conf", "status", "door"], "");
        wait("it serves clients", || ping().status.success());
        server
    }

    fn wait(world: &World, whose: Whose, words: &[&str], file: &str) -> Server {
        let mut command = command(world, whose, "fail2ban-server");
        let child = command.args(words).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let server = Server { child: child.expect("it starts") };
        wait("its file is there", || world.path(file).exists());
        server
    }

    fn pid(&self, world: &World) -> String {
        fs::read_to_string(world.path("run/pid")).expect("it is there")
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status();
        assert!(sent.expect("kill runs").success());
    }

    /// What it printed, and how it ended.
    fn ended(mut self) -> String {
        wait("it has ended", || self.child.try_wait().expect("it can be asked").is_some());
        let mut said = Output { status: self.child.wait().expect("it has ended"), stdout: vec![], stderr: vec![] };
        let _read = self.child.stdout.take().expect("piped").read_to_end(&mut said.stdout);
        let _read = self.child.stderr.take().expect("piped").read_to_end(&mut said.stderr);
        seen(&said)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _status = self.child.wait();
    }
}
