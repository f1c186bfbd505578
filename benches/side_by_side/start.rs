//! Short lives: a start until it is ready, and a question to a running daemon by a program that ends with the answer.

use std::process::Command;
use std::time::Duration;

use crate::Effort;
use crate::programs::{cost, installed};
use crate::report::{MILLISECONDS, Report, Who};
use crate::sample::Sample;
use crate::world::{Bans, Jail, Program, World, client, sweep};

pub fn ready(effort: Effort, report: &mut Report) {
    report.work("start to ready, the stock jails");
    let world = world();
    let mut cpu = Vec::new();
    let ours: Vec<Duration> = (0..effort.of(5, 31))
        .map(|_| {
            let mut daemon = world.spawn(Program::Sipjail);
            let took = daemon.ready();
            cpu.push(daemon.process.cpu());
            daemon.stop();
            took
        })
        .collect();
    let ours = Sample::millis(&ours).unwrap();
    report.target("ready", MILLISECONDS, ours.median(), 30.0);
    report.figure(Who::Sipjail, "", MILLISECONDS, ours);
    report.figure(Who::Sipjail, "of that, its CPU", MILLISECONDS, Sample::millis(&cpu).unwrap());
    report.note("the first start makes sets and rules, the later ones find them");
    if !Program::Fail2ban.installed() {
        return report.note("fail2ban: skipped, not installed");
    }
    // `fail2ban-client start` comes back when the server is up.
    let conf = world.conf(Program::Fail2ban);
    let run = |word| cost(Command::new("fail2ban-client").arg("-c").arg(&conf).arg(word).env("TZ", "UTC"));
    let times = (0..effort.of(1, 7)).map(|_| {
        let took = run("start").wall;
        run("stop");
        took
    });
    report.figure(Who::Fail2ban, "", MILLISECONDS, Sample::millis(&times.collect::<Vec<_>>()).unwrap());
    sweep();
}

pub fn status(effort: Effort, report: &mut Report) {
    report.work("`status` as a process");
    let world = world();
    let daemon = world.start(Program::Sipjail);
    let times: Vec<Duration> = (0..effort.of(10, 101)).map(|_| cost(client(&world).arg("status")).wall).collect();
    let ours = Sample::millis(&times).unwrap();
    report.target("`sipjail status`", MILLISECONDS, ours.median(), 5.0);
    report.figure(Who::Sipjail, "", MILLISECONDS, ours);
    daemon.stop();
    if Program::Fail2ban.installed() && installed("fail2ban-client") {
        let daemon = world.start(Program::Fail2ban);
        let conf = world.conf(Program::Fail2ban);
        let mut command = Command::new("fail2ban-client");
        command.arg("-c").arg(&conf).arg("status");
        let times: Vec<Duration> = (0..effort.of(1, 11)).map(|_| cost(&mut command).wall).collect();
        report.figure(Who::Fail2ban, "", MILLISECONDS, Sample::millis(&times).unwrap());
        daemon.stop();
    }
    sweep();
}

/// Both stock PBX jails, and `recidive`.
fn world() -> World {
    let jail = |name| Jail { name, filter: name, log: name, options: "" };
    World::new(&["asterisk", "freeswitch", "recidive"].map(jail), Bans::Kernel)
}
