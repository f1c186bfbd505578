//! A log that is written while a daemon follows it: lines a second under attack, memory for the addresses, many jails.

use std::time::Duration;

use crate::Effort;
use crate::corpus::{self, Corpus, Pbx};
use crate::logs;
use crate::report::{BYTES, CPU_PER_MILLION, LINES_PER_SECOND, MIB, Report, SECONDS, TIMES, Who};
use crate::sample::Sample;
use crate::world::{Bans, Daemon, Jail, Program, World};

/// Nobody is banned, everybody is counted: the most work that a line can make.
pub fn lines(effort: Effort, report: &mut Report) {
    report.work("a log under attack, 90 % attack lines from 50,000 addresses, through the daemon's jail, none banned");
    let mut costs: [(Vec<f64>, Vec<f64>); 2] = Default::default();
    for _ in 0..effort.of(1, 3) {
        for (program, (speeds, cpu)) in [Program::Sipjail, Program::Fail2ban].into_iter().zip(&mut costs) {
            if let Some(attack) = attack(program, lines_for(effort, program), "maxmatches = 5") {
                speeds.push(attack.lines as f64 / attack.took.as_secs_f64());
                cpu.push(attack.cpu.as_secs_f64() / attack.lines as f64 * 1e6);
            }
        }
    }
    for (who, (speeds, cpu)) in [Who::Sipjail, Who::Fail2ban].into_iter().zip(costs) {
        let (Some(speeds), Some(cpu)) = (Sample::of(speeds), Sample::of(cpu)) else {
            report.note(format!("{who:?}: skipped, not installed"));
            continue;
        };
        if who == Who::Sipjail {
            report.target("lines", LINES_PER_SECOND, speeds.median(), 350_000.0);
            report.target("CPU", CPU_PER_MILLION, cpu.median(), 3.0);
        }
        report.figure(who, "", LINES_PER_SECOND, speeds);
        report.figure(who, "", CPU_PER_MILLION, cpu);
    }
    report.note(format!("fail2ban reads {} lines", lines_for(effort, Program::Fail2ban)));
}

pub fn memory(effort: Effort, report: &mut Report) {
    report.work("memory for 50,000 addresses under attack, `maxmatches = 0`");
    // Each address twice; fail2ban's, once.
    for (program, who, lines) in
        [(Program::Sipjail, Who::Sipjail, 112_000), (Program::Fail2ban, Who::Fail2ban, effort.of(3_000, 56_000))]
    {
        // What is on its way between the threads at the end is part of it, and differs from run to run.
        let runs = if who == Who::Sipjail { effort.of(1, 7) } else { 1 };
        let attacks: Vec<_> = (0..runs).filter_map(|_| attack(program, lines, "maxmatches = 0")).collect();
        let each = attacks.iter().map(|attack| attack.grown / attack.addresses as f64).collect();
        let all = attacks.iter().map(|attack| attack.grown / f64::from(1 << 20)).collect();
        let (Some(each), Some(all)) = (Sample::of(each), Sample::of(all)) else { continue };
        if who == Who::Sipjail {
            report.target("an address", BYTES, each.median(), 200.0);
        }
        report.figure(who, "an address", BYTES, each);
        report.figure(who, "all", MIB, all);
    }
}

/// What an attack took of a daemon.
struct Attack {
    lines: usize,
    addresses: usize,
    took: Duration,
    cpu: Duration,
    /// Memory in use after it, less what was in use before.
    grown: f64,
}

fn attack(program: Program, lines: usize, options: &str) -> Option<Attack> {
    if !program.installed() {
        return None;
    }
    let options = format!("maxretry = 1000000\n{options}");
    let world =
        World::new(&[Jail { name: "asterisk", filter: "asterisk", log: "full", options: &options }], Bans::Nowhere);
    let made = world.path("made");
    let corpus =
        Corpus { start: now() - 60, per_second: lines.div_ceil(50), ..Corpus::under_attack(Pbx::Asterisk, lines) };
    let tally = logs::write(&made, &corpus);
    let daemon = world.start(program);
    warm(&world, &daemon, "full", "asterisk");
    let (before, used) = (daemon.process.rss(), daemon.process.cpu());
    let start = world.append_file("full", &made);
    let pause = Duration::from_millis(if program == Program::Sipjail { 1 } else { 100 });
    assert!(
        daemon.counts("asterisk", tally.attacks + WARM, pause),
        "{program:?} counts {:?} of {tally:?}",
        daemon.failures("asterisk")
    );
    let took = start.elapsed();
    let cpu = daemon.process.cpu() - used;
    let addresses = tally.attacks.min(corpus.addresses as usize);
    Some(Attack { lines, addresses, took, cpu, grown: daemon.process.rss() - before })
}

fn lines_for(effort: Effort, program: Program) -> usize {
    match program {
        Program::Sipjail => effort.of(20_000, 1_000_000),
        Program::Fail2ban => effort.of(2_000, 60_000),
    }
}

/// Four jails a log, of which one finds something.
pub fn different_jails(effort: Effort, report: &mut Report) {
    report.work("20 jails over 5 logs, mixed, to 5 jails over the same: each log is read by the jails of Asterisk, FreeSWITCH (`normal` and `extra`) and `recidive`");
    jails(effort, report, &["freeswitch", "freeswitch[mode=extra]", "recidive"]);
}

/// Four jails a log, all of which find everything.
pub fn like_jails(effort: Effort, report: &mut Report) {
    report.work("the same, with four jails of the same filter on each log: every candidate is looked at four times");
    jails(effort, report, &["asterisk", "asterisk", "asterisk"]);
}

fn jails(effort: Effort, report: &mut Report, others: &[&str]) {
    let lines: usize = effort.of(4_000, 300_000);
    let corpus = Corpus { start: now() - 60, per_second: lines.div_ceil(50), ..Corpus::mixed(Pbx::Asterisk, lines) };
    let names: Vec<String> = (0..LOGS).map(|log| format!("log{log}")).collect();
    let more: Vec<String> = (0..LOGS * others.len()).map(|n| format!("more{n}")).collect();
    let options = "maxretry = 1000000";
    let mut few: Vec<Jail> = names.iter().map(|name| Jail { name, filter: "asterisk", log: name, options }).collect();
    let mut many = few.clone();
    many.extend(more.iter().enumerate().map(|(n, name)| {
        let (filter, log) = (others[n % others.len()], names[n / others.len()].as_str());
        Jail { name, filter, log, options }
    }));
    let mut costs = [Vec::new(), Vec::new()];
    for _ in 0..effort.of(1, 5) {
        for (jails, costs) in [&mut few, &mut many].into_iter().zip(&mut costs) {
            let world = World::new(jails, Bans::Nowhere);
            let made = world.path("made");
            let tally = logs::write(&made, &corpus);
            let daemon = world.start(Program::Sipjail);
            let finders: Vec<&Jail> = jails.iter().filter(|jail| jail.filter == "asterisk").collect();
            for name in &names {
                world.append(name, warming().as_bytes());
            }
            let all = |count| finders.iter().all(|jail| daemon.counts(jail.name, count, Duration::from_millis(2)));
            assert!(all(WARM));
            let before = daemon.process.cpu();
            for name in &names {
                world.append_file(name, &made);
            }
            assert!(all(WARM + tally.attacks));
            costs.push((daemon.process.cpu() - before).as_secs_f64());
        }
    }
    let [Some(few), Some(many)] = costs.map(Sample::of) else { return };
    let times = many.median() / few.median();
    report.target("20 to 5", TIMES, times, 1.5);
    report.figure(Who::Sipjail, "5 jails, CPU", SECONDS, few);
    report.figure(Who::Sipjail, "20 jails, CPU", SECONDS, many);
    report.figure(Who::Sipjail, "20 to 5", TIMES, Sample::one(times));
}

/// One failure, so that what is built at first use is built.
fn warm(world: &World, daemon: &Daemon, log: &str, jail: &str) {
    world.append(log, warming().as_bytes());
    assert!(daemon.counts(jail, WARM, Duration::from_millis(2)), "{jail}: {:?}", daemon.ask(&["status", jail]));
}

/// Some lines of every kind.
fn warming() -> String {
    (0..WARM).map(|n| corpus::attack_at(corpus::address(n as u32, 100), now(), n) + "\n").collect()
}

/// The present, in seconds since 1970.
pub fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}

const WARM: usize = 50;
const LOGS: usize = 5;
