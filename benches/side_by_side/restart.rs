//! A start with many bans in the database: how long until the kernel has all of them, and that a restart is never without.

use std::net::{IpAddr, Ipv4Addr};
use std::thread::sleep;
use std::time::{Duration, Instant};

use indexmap::IndexMap;
use sipjail::addr::Id;
use sipjail::firewall::{Firewall, Ipset};
use sipjail::store::{Change, Store};
use sipjail::ticket::Ticket;
use sipjail::time::{Bantime, Span, Timestamp};

use crate::Effort;
use crate::attack::now;
use crate::corpus::attack_at;
use crate::machine::last_pid;
use crate::report::{COUNT, MIB, Report, SECONDS, Who};
use crate::sample::Sample;
use crate::world::{Bans, Jail, Program, World, count_in_their_set, sweep, until};

pub fn fifty_thousand(effort: Effort, report: &mut Report) {
    report.work("restart with 50,000 bans, five lines each: start → all in the set, which was emptied by hand");
    let many = effort.of(2_000, 50_000);
    ours(report, many, 5, effort.of(1, 5), 0.3, None);
    if effort == Effort::Slow && Program::Fail2ban.installed() {
        theirs(report, many);
    } else {
        report.note("fail2ban: skipped, it takes minutes (`--slow`)");
    }
}

pub fn million(effort: Effort, report: &mut Report) {
    report.work("restart with 1,000,000 bans, one line each");
    ours(report, effort.of(5_000, 1_000_000), 1, effort.of(1, 3), 2.5, Some(200.0));
}

fn ours(report: &mut Report, many: u32, lines: usize, rounds: usize, limit: f64, memory: Option<f64>) {
    let world = world();
    fill(&world, Program::Sipjail, many, lines);
    let mut eye = Ipset::new();
    // The kernel counts a set's entries one by one, and nobody adds any meanwhile: so a few of them are looked for first.
    let pause = Duration::from_micros(500);
    let few: Vec<IpAddr> = (0..64).map(|n| address(many / 64 * n).into()).chain([address(many - 1).into()]).collect();
    let (mut times, mut cpu, mut peaks, mut least) = (Vec::new(), Vec::new(), Vec::new(), many as usize);
    for _ in 0..rounds {
        eye.add_jail(JAIL).unwrap();
        eye.flush(JAIL).unwrap();
        let daemon = world.spawn(Program::Sipjail);
        let all = until(pause, || {
            few.iter().all(|address| eye.drops(JAIL, (*address).into()).is_ok_and(|there| there))
                && eye.count(JAIL).unwrap_or_default() >= many as usize
        });
        assert!(all, "{} of {many} are back: {}", eye.count(JAIL).unwrap_or_default(), world.said(Program::Sipjail));
        times.push(daemon.started.elapsed());
        cpu.push(daemon.process.cpu().as_secs_f64());
        peaks.push(daemon.process.peak() / f64::from(1 << 20));
        // A normal restart: they stay, from its end until it is up again and beyond.
        let mut look = || least = least.min(eye.count(JAIL).unwrap_or_default());
        daemon.stop();
        look();
        let daemon = world.spawn(Program::Sipjail);
        let start = Instant::now();
        let enough = times.last().map_or(Duration::ZERO, |took| *took * 2);
        while start.elapsed() < enough {
            look();
            sleep(pause + Duration::from_micros(u64::from(many / 25)));
        }
        daemon.stop();
    }
    let times = Sample::of(times.iter().map(Duration::as_secs_f64).collect()).unwrap();
    let peaks = Sample::of(peaks).unwrap();
    report.target("all in the set", SECONDS, times.median(), limit);
    report.figure(Who::Sipjail, "all in the set", SECONDS, times);
    report.figure(Who::Sipjail, "of that, its CPU", SECONDS, Sample::of(cpu).unwrap());
    if let Some(memory) = memory {
        report.target("memory", MIB, peaks.median(), memory);
    }
    report.figure(Who::Sipjail, "most memory", MIB, peaks);
    let missing = f64::from(many) - least as f64;
    report.target("missing during a normal restart", COUNT, missing, 0.0);
    report.figure(Who::Sipjail, "missing during a normal restart", COUNT, Sample::one(missing));
    sweep();
}

fn theirs(report: &mut Report, many: u32) {
    let world = world();
    // Made by itself, so that the schema is its own.
    world.start(Program::Fail2ban).stop();
    sweep();
    fill(&world, Program::Fail2ban, many, 5);
    let before = last_pid();
    let daemon = world.spawn(Program::Fail2ban);
    let mut looks = 0;
    let all = until(Duration::from_millis(200), || {
        looks += 1;
        count_in_their_set(JAIL) >= many as usize
    });
    if all {
        report.figure(Who::Fail2ban, "all in the set", SECONDS, Sample::one(daemon.started.elapsed().as_secs_f64()));
        report.figure(Who::Fail2ban, "forks", COUNT, Sample::one((last_pid() - before - looks) as f64));
    } else {
        report.note(format!("fail2ban: {} of {many} after a long time", count_in_their_set(JAIL)));
    }
    daemon.stop();
    sweep();
}

/// Bans that were just made, of addresses in no order.
fn fill(world: &World, program: Program, many: u32, lines: usize) {
    let (time, second) = (Timestamp::from_secs(now() - 60), now() - 60);
    let mut store = Store::open(&world.database(program), time, &mut Vec::new()).unwrap();
    store.apply(&[Change::Jail { name: JAIL.into(), enabled: true }]).unwrap();
    let ban = |n: u32| {
        let line = |k| attack_at(address(n), second, n as usize * 5 + k);
        Change::Ban {
            jail: JAIL.into(),
            ticket: Ticket {
                id: Id::from(IpAddr::V4(address(n))),
                time,
                bantime: None,
                bancount: 1,
                failures: 5,
                matches: (0..lines).map(line).collect(),
                groups: IndexMap::new(),
                restored: false,
            },
            bantime: Bantime::For(Span::from_secs(86_400)),
        }
    };
    for start in (0..many).step_by(10_000) {
        let some: Vec<Change> = (start..many.min(start + 10_000)).map(ban).collect();
        store.apply(&some).unwrap();
    }
}

/// 10.0.0.0/8, scattered: an odd factor visits every one of 2²⁴.
fn address(n: u32) -> Ipv4Addr {
    Ipv4Addr::from(0x0a00_0000 + (n.wrapping_mul(2_654_435_761) & 0x00ff_ffff))
}

fn world() -> World {
    World::new(&[Jail { name: JAIL, filter: "asterisk", log: JAIL, options: "" }], Bans::Kernel)
}

const JAIL: &str = "asterisk";
