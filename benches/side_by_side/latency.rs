//! From `write()` to the kernel's set: one attacker, and ten thousand at once.
//!
//! Ours is seen by asking the kernel over netlink without a pause, a microsecond a question; fail2ban's set by the program
//! `ipset`, which takes about two milliseconds: that is how precise its figures are. Whoever asks without a pause is told to
//! the scheduler as idle: it would keep a processor from the very daemon whose haste it measures.

use std::net::IpAddr;
use std::process::Command;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rusqlite::{Connection, OpenFlags};
use sipjail::firewall::{Firewall, Ipset};

use crate::Effort;
use crate::attack::now;
use crate::corpus::{address, attack_at};
use crate::machine::last_pid;
use crate::report::{COUNT, MILLISECONDS, Report, SECONDS, Who};
use crate::sample::Sample;
use crate::world::{Bans, Daemon, Jail, Program, World, count_in_their_set, in_their_set, sweep, until};

pub fn one(effort: Effort, report: &mut Report) {
    report.work("`write()` of the `maxretry`-th line → address in the kernel's set");
    for (program, who, times) in
        [(Program::Sipjail, Who::Sipjail, effort.of(20, 300)), (Program::Fail2ban, Who::Fail2ban, effort.of(2, 40))]
    {
        if !program.installed() {
            report.note(format!("{who:?}: skipped, not installed"));
            continue;
        }
        let world = world();
        let daemon = world.start(program);
        let mut eye = Eye::new(program);
        let took: Vec<Duration> = (0..times).map(|n| ban(&world, &daemon, &mut eye, n)).collect();
        let sample = Sample::millis(&took).unwrap();
        if who == Who::Sipjail {
            report.target("p50", MILLISECONDS, sample.quantile(0.5), 0.25);
            report.target("p99", MILLISECONDS, sample.quantile(0.99), 5.0);
        } else {
            report.note(format!("fail2ban's backend is `{}`", backend(&daemon)));
        }
        report.figure(who, "p50", MILLISECONDS, Sample::one(sample.quantile(0.5)));
        report.figure(who, "p99", MILLISECONDS, Sample::one(sample.quantile(0.99)));
        report.figure(who, "", MILLISECONDS, sample);
        daemon.stop();
        sweep();
    }
}

/// Four lines that are counted, a while of no fixed length, and the fifth.
fn ban(world: &World, daemon: &Daemon, eye: &mut Eye, n: u32) -> Duration {
    let address = address(n, 10_000);
    let line = |k| attack_at(address, now(), (n * 5 + k) as usize) + "\n";
    world.append(JAIL, (0..4).map(line).collect::<String>().as_bytes());
    assert!(daemon.counts(JAIL, n as usize * 5 + 4, Duration::from_millis(5)));
    sleep(Duration::from_micros(20_000 + u64::from(n) * 7_919 % 40_000));
    let last = line(4);
    eye.look_for(address.into());
    let start = Instant::now();
    world.append(JAIL, last.as_bytes());
    let seen = eye.seen().unwrap_or_else(|| panic!("{address} is not banned: {}", world.said(daemon.program())));
    let took = seen - start;
    // What the ban leaves to be written and said is not in the next one's way.
    assert!(daemon.counts(JAIL, n as usize * 5 + 5, Duration::from_millis(5)));
    took
}

pub fn burst(effort: Effort, report: &mut Report) {
    report.work("attackers, four lines each counted before, cross `maxretry` in one write; all in the set");
    each(effort, report, 4, 0.15, Some(0.5));
}

pub fn whole_burst(effort: Effort, report: &mut Report) {
    report.work("the same, all five lines of each in one write");
    each(effort, report, 0, 0.35, None);
}

fn each(effort: Effort, report: &mut Report, counted: usize, limit: f64, stored: Option<f64>) {
    let ours = effort.of(500, 10_000);
    let theirs = if effort == Effort::Slow { 10_000 } else { effort.of(5, 1_000) };
    for (program, who, many, rounds) in
        [(Program::Sipjail, Who::Sipjail, ours, effort.of(1, 5)), (Program::Fail2ban, Who::Fail2ban, theirs, 1)]
    {
        if !program.installed() {
            report.note(format!("{who:?}: skipped, not installed"));
            continue;
        }
        let bursts: Vec<Burst> = (0..rounds).map(|_| cross(program, counted, many)).collect();
        let sample = |of: fn(&Burst) -> f64| Sample::of(bursts.iter().map(of).collect()).unwrap();
        let (in_set, in_store, forks) = (sample(|b| b.in_set), sample(|b| b.in_store), sample(|b| b.forks));
        if who == Who::Sipjail {
            report.target(&format!("{many} in the set"), SECONDS, in_set.median(), limit);
            report.target("forks", COUNT, forks.high(), 0.0);
            if let Some(stored) = stored {
                report.target("in the database", SECONDS, in_store.median(), stored);
            }
        }
        // Held against each other for as many attackers.
        let per = ours as f64 / many as f64;
        report.figure(who, "in the set", SECONDS, in_set.map(|s| s * per));
        report.figure(who, "of that, its CPU", SECONDS, sample(|b| b.cpu).map(|s| s * per));
        report.figure(who, "in the database", SECONDS, in_store.map(|s| s * per));
        report.figure(who, "forks", COUNT, forks.map(|n| n * per));
        if many != ours {
            report.note(format!(
                "fail2ban's: {many} attackers, worked out for {ours}; its CPU is without that of its programs"
            ));
        }
    }
}

struct Burst {
    in_set: f64,
    /// What the daemon itself used of the processors until all were in the set.
    cpu: f64,
    in_store: f64,
    forks: f64,
}

fn cross(program: Program, counted: usize, many: usize) -> Burst {
    let world = world();
    let daemon = world.start(program);
    let mut eye = Eye::new(program);
    let lines = |from: usize, to: usize| -> String {
        let all = (from..to).flat_map(|k| (0..many).map(move |n| (k, n)));
        all.map(|(k, n)| attack_at(address(n as u32, 100_000), now(), k * many + n) + "\n").collect()
    };
    // So that what is built at first use is built.
    world.append(JAIL, (attack_at(address(99_999, 100_000), now(), 0) + "\n").as_bytes());
    assert!(daemon.counts(JAIL, 1, Duration::from_millis(5)));
    world.append(JAIL, lines(0, counted).as_bytes());
    let text = lines(counted, 5);
    assert!(daemon.counts(JAIL, 1 + counted * many, Duration::from_millis(20)));
    sleep(Duration::from_millis(500));
    // Looking at fail2ban's set takes programs, which are not counted.
    let (started, looked) = (last_pid(), eye.programs);
    let (start, used) = (Instant::now(), daemon.process.cpu());
    world.append(JAIL, text.as_bytes());
    // The kernel counts a set's entries one by one, and nobody adds any meanwhile: so the last one is looked for first.
    let last = address(many as u32 - 1, 100_000);
    assert!(
        until(eye.pause(), || eye.holds(last.into()) && eye.count() >= many),
        "{} of {many} are banned",
        eye.count()
    );
    let (in_set, cpu) = (start.elapsed(), daemon.process.cpu() - used);
    let database = Connection::open_with_flags(world.database(program), OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let rows = || database.query_row("SELECT count(*) FROM bans", [], |row| row.get::<_, i64>(0)).unwrap_or_default();
    assert!(until(Duration::from_millis(5), || rows() >= many as i64), "{} of {many} are stored", rows());
    let in_store = start.elapsed();
    let forks = (last_pid() - started) as f64 - (eye.programs - looked) as f64;
    daemon.stop();
    sweep();
    Burst { in_set: in_set.as_secs_f64(), cpu: cpu.as_secs_f64(), in_store: in_store.as_secs_f64(), forks }
}

/// Whoever looks into the kernel's set.
enum Sight {
    Netlink(Box<Ipset>, Stare),
    Program(IpAddr),
}

struct Eye {
    sight: Sight,
    /// How many programs it has started.
    programs: u64,
}

impl Eye {
    fn new(program: Program) -> Eye {
        let sight = match program {
            Program::Fail2ban => Sight::Program(IpAddr::from([0, 0, 0, 0])),
            Program::Sipjail => Sight::Netlink(Box::new(sight()), Stare::new()),
        };
        Eye { sight, programs: 0 }
    }

    /// Begins to look for an address.
    fn look_for(&mut self, address: IpAddr) {
        match &mut self.sight {
            Sight::Netlink(_, stare) => stare.wanted.send(address).unwrap(),
            Sight::Program(wanted) => *wanted = address,
        }
    }

    /// When the address was there; `None`: it was not in an unreasonable time.
    fn seen(&mut self) -> Option<Instant> {
        match &mut self.sight {
            Sight::Netlink(_, stare) => stare.seen.recv().unwrap(),
            Sight::Program(address) => {
                let (address, programs) = (*address, &mut self.programs);
                when(|| {
                    *programs += 1;
                    in_their_set(JAIL, address)
                })
            }
        }
    }

    /// Whether the address is there; where that would take a program, counting is as good.
    fn holds(&mut self, address: IpAddr) -> bool {
        match &mut self.sight {
            Sight::Netlink(ipset, _) => ipset.drops(JAIL, address.into()).unwrap(),
            Sight::Program(_) => true,
        }
    }

    fn count(&mut self) -> usize {
        match &mut self.sight {
            Sight::Netlink(ipset, _) => ipset.count(JAIL).unwrap(),
            Sight::Program(_) => {
                self.programs += 1;
                count_in_their_set(JAIL)
            }
        }
    }

    fn pause(&self) -> Duration {
        Duration::from_micros(if matches!(self.sight, Sight::Program(_)) { 50_000 } else { 500 })
    }
}

/// A thread that asks the kernel without a pause. To the scheduler it is as good as idle (`SCHED_IDLE`): else it would have
/// one of two processors for itself, and whoever is woken there would wait for the next tick, milliseconds away.
struct Stare {
    wanted: Sender<IpAddr>,
    seen: Receiver<Option<Instant>>,
}

impl Stare {
    fn new() -> Stare {
        let (wanted, addresses) = channel::<IpAddr>();
        let (found, seen) = channel();
        let (told, number) = channel();
        let stare = move || {
            told.send(rustix::thread::gettid()).unwrap();
            let mut ipset = sight();
            for address in addresses {
                found.send(when(|| ipset.drops(JAIL, address.into()).unwrap())).unwrap();
            }
        };
        std::thread::Builder::new().name("stare".into()).spawn(stare).unwrap();
        let number = number.recv().unwrap().as_raw_nonzero().to_string();
        let idle = Command::new("chrt").args(["--idle", "--pid", "0", &number]).status();
        assert!(idle.is_ok_and(|status| status.success()), "chrt");
        Stare { wanted, seen }
    }
}

fn sight() -> Ipset {
    let mut ipset = Ipset::new();
    ipset.add_jail(JAIL).unwrap();
    ipset
}

/// When something came true that is looked at without a pause.
fn when(mut holds: impl FnMut() -> bool) -> Option<Instant> {
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(60) {
        if holds() {
            return Some(Instant::now());
        }
    }
    None
}

fn world() -> World {
    World::new(&[Jail { name: JAIL, filter: "asterisk", log: JAIL, options: "" }], Bans::Kernel)
}

/// What fail2ban follows the log with.
fn backend(daemon: &Daemon) -> &'static str {
    // Its `status` does not say; the one that needs a module has a directory watch.
    let watches = std::fs::read_dir(format!("/proc/{}/fd", daemon.process.0)).into_iter().flatten().flatten();
    let inotify =
        watches.filter_map(|fd| std::fs::read_link(fd.path()).ok()).any(|to| to.ends_with("anon_inode:inotify"));
    if inotify { "pyinotify" } else { "polling" }
}

const JAIL: &str = "asterisk";
