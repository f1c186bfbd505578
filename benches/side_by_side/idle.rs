//! Twenty jails and nothing to do.

use std::thread::sleep;
use std::time::Duration;

use crate::Effort;
use crate::attack::now;
use crate::corpus::{address, attack_at};
use crate::report::{COUNT, MIB, Report, Who};
use crate::sample::Sample;
use crate::world::{Bans, Daemon, Jail, Program, World, sweep};

pub fn measure(effort: Effort, report: &mut Report) {
    report.work("idle, 20 jails over 5 logs");
    let options = "maxretry = 100";
    let names: Vec<String> = (0..20).map(|n| format!("jail{n}")).collect();
    let logs: Vec<String> = (0..5).map(|n| format!("log{n}")).collect();
    let filters = ["asterisk", "freeswitch", "recidive", "asterisk"];
    let jails: Vec<Jail> = names
        .iter()
        .enumerate()
        .map(|(n, name)| Jail { name, filter: filters[n % 4], log: &logs[n / 4], options })
        .collect();
    let world = World::new(&jails, Bans::Kernel);
    let programs = [(Program::Sipjail, Who::Sipjail), (Program::Fail2ban, Who::Fail2ban)];
    let daemons: Vec<(Who, Daemon)> = programs
        .into_iter()
        .filter(|(program, _)| program.installed())
        .map(|(program, who)| (who, world.start(program)))
        .collect();
    // What a start leaves to be done, fail2ban's jails too, is done by then.
    sleep(Duration::from_secs(effort.of(1, 15)));
    let before: Vec<(f64, f64)> =
        daemons.iter().map(|(_, daemon)| (daemon.process.rss(), daemon.process.sleeps())).collect();
    let minute = Duration::from_secs(effort.of(2, 60));
    sleep(minute);
    let after: Vec<f64> = daemons.iter().map(|(_, daemon)| daemon.process.sleeps()).collect();
    for log in &logs {
        let lines: String = (0..50).map(|n| attack_at(address(n as u32, 50), now(), n) + "\n").collect();
        world.append(log, lines.as_bytes());
    }
    for (((who, daemon), (rss, sleeps)), later) in daemons.iter().zip(before).zip(after) {
        let wakes = (later - sleeps) * 60.0 / minute.as_secs_f64();
        let threads = daemon.process.threads() as f64;
        assert!((0..5).all(|n| daemon.counts(&format!("jail{}", n * 4), 50, Duration::from_millis(20))));
        let figures = [
            ("memory", MIB, rss / f64::from(1 << 20), 8.0),
            ("after a line of each kind", MIB, daemon.process.rss() / f64::from(1 << 20), 24.0),
            ("threads", COUNT, threads, 6.0),
            ("wake-ups a minute", COUNT, wakes, 4.0),
        ];
        for (what, unit, got, limit) in figures {
            if *who == Who::Sipjail {
                report.target(what, unit, got, limit);
            }
            report.figure(*who, what, unit, Sample::one(got));
        }
    }
    drop(daemons);
    sweep();
}
