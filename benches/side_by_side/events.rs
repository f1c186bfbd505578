//! From an event of a PBX to the kernel's set. The PBX is played by the bench, on loopback.

use std::net::IpAddr;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::Effort;
use crate::corpus::address;
use crate::latency::{Eye, JAIL};
use crate::pbx::{Guest, Pbx, SECRET, USER, failure, invalid};
use crate::report::{MILLISECONDS, Report, Who};
use crate::sample::Sample;
use crate::world::{Bans, Daemon, Jail, Program, World, sweep};

pub fn latency(effort: Effort, report: &mut Report) {
    report.work("`send()` of the `maxretry`-th event → address in the kernel's set");
    assert!(Command::new("ip").args(["link", "set", "lo", "up"]).status().is_ok_and(|status| status.success()));
    let times = effort.of(20, 300);
    let protocols: [(&str, &str, Event); 2] = [
        ("ami", "asterisk", |address| invalid(&address.to_string(), "100").into_bytes()),
        ("esl", "freeswitch", |address| failure(&address.to_string(), "100")),
    ];
    for (protocol, filter, event) in protocols {
        let pbx = Pbx::new();
        let options = format!("backend = {protocol}");
        let world = World::new(&[Jail { name: JAIL, filter, log: JAIL, options: &options }], Bans::Kernel);
        let server = match protocol {
            "ami" => format!("[ami]\nport = {}\nusername = {USER}\nsecret = {SECRET}\n", pbx.port()),
            _ => format!("[esl]\nport = {}\npassword = {SECRET}\n", pbx.port()),
        };
        std::fs::write(world.conf(Program::Sipjail).join("sipjail.conf"), server).unwrap();
        let daemon = world.start(Program::Sipjail);
        let mut guest = if protocol == "ami" { pbx.asterisk() } else { pbx.freeswitch() };
        let mut eye = Eye::new(Program::Sipjail);
        let took: Vec<Duration> = (0..times).map(|n| ban(&mut guest, event, &daemon, &mut eye, n)).collect();
        let sample = Sample::millis(&took).unwrap();
        report.target(&format!("{protocol}: p50"), MILLISECONDS, sample.quantile(0.5), 1.0);
        report.figure(Who::Sipjail, format!("{protocol}: p50"), MILLISECONDS, Sample::one(sample.quantile(0.5)));
        report.figure(Who::Sipjail, format!("{protocol}: p99"), MILLISECONDS, Sample::one(sample.quantile(0.99)));
        report.figure(Who::Sipjail, protocol, MILLISECONDS, sample);
        daemon.stop();
        sweep();
    }
}

/// What the PBX sends of an attacker.
type Event = fn(IpAddr) -> Vec<u8>;

/// Four events that are counted, a while of no fixed length, and the fifth.
fn ban(guest: &mut Guest, event: Event, daemon: &Daemon, eye: &mut Eye, n: u32) -> Duration {
    let address = IpAddr::from(address(n, 10_000));
    guest.send(event(address).repeat(4));
    assert!(daemon.counts(JAIL, n as usize * 5 + 4, Duration::from_millis(5)));
    sleep(Duration::from_micros(20_000 + u64::from(n) * 7_919 % 40_000));
    let last = event(address);
    eye.look_for(address);
    let start = Instant::now();
    guest.send(&last);
    let seen = eye.seen().unwrap_or_else(|| panic!("{address} is not banned"));
    let took = seen - start;
    assert!(daemon.counts(JAIL, n as usize * 5 + 5, Duration::from_millis(5)));
    took
}
