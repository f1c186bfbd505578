//! From bytes to failures: blocks of an Asterisk log through scan and filter, as the follower and `replay` do it.
//!
//! A server's log is mostly misses, so hits, near misses and misses are mixed as they are out there: 0.05 % attack lines on
//! a quiet day, 2 % on a usual one, 90 % under attack.

use std::fmt::Write;
use std::hint::black_box;
use std::path::Path;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use jiff::tz::TimeZone;

use sipjail::config;
use sipjail::daemon::pipe::{Pipe, PipeJail};
use sipjail::filter::Filter;
use sipjail::line::Batch;
use sipjail::time::{Span, Timestamp};

const NOW: Timestamp = Timestamp::from_secs(1_795_168_800);

fn pipe(jails: &[&str]) -> Pipe {
    let all = config::load(Path::new("/nonexistent")).jails;
    let wanted = all.iter().filter(|j| jails.contains(&j.name.as_str()));
    let jail = |j: &config::JailSettings| PipeJail {
        name: j.name.as_str().into(),
        filter: Filter::new(j, &TimeZone::UTC).expect("stock filters compile").0,
        unwrap: j.unwrap,
        findtime: Span(i64::MAX),
    };
    Pipe::new(wanted.map(jail).collect())
}

/// A log of `lines` lines, one in `every` an attack.
fn log(lines: usize, every: f64) -> Vec<u8> {
    let mut out = String::new();
    let mut attacks = 0.0;
    for n in 0..lines {
        let (h, m, s) = (n / 3600 % 24, n / 60 % 60, n % 60);
        write!(out, "[2026-11-19 {h:02}:{m:02}:{s:02}] ").expect("a string takes it");
        let address = format!("203.0.{}.{}", n / 250 % 250, n % 250 + 1);
        if (n as f64) >= attacks * every {
            attacks += 1.0;
            match n % 3 {
                0 => writeln!(out, "NOTICE[2101] res_pjsip/pjsip_distributor.c: Request 'REGISTER' from '\"{n}\" <sip:{n}@192.0.2.1>' failed for '{address}:5060' (callid: 8a{n}) - Failed to authenticate"),
                1 => writeln!(out, "NOTICE[2101] res_pjsip/pjsip_distributor.c: Request 'INVITE' from '<sip:{n}@192.0.2.1>' failed for '{address}:5071' (callid: 9b{n}) - No matching endpoint found"),
                _ => writeln!(out, "NOTICE[2102][C-{n:08x}] chan_sip.c: Registration from '<sip:{n}@192.0.2.1>' failed for '{address}:5062' - Wrong password"),
            }
        } else {
            match n % 4 {
                0 => writeln!(out, "VERBOSE[2103][C-{n:08x}] pbx.c: Executing [{n}@from-internal:3] Dial(\"PJSIP/1001-{n:08x}\", \"PJSIP/1002,30,tT\") in new stack"),
                1 => writeln!(out, "VERBOSE[2103][C-{n:08x}] app_dial.c: PJSIP/1002-{n:08x} is ringing"),
                2 => writeln!(out, "NOTICE[2104] res_pjsip/pjsip_options.c: Contact 1001/sip:1001@192.0.2.77:5060 is now Reachable.  RTT: 31.2 msec"),
                _ => writeln!(out, "VERBOSE[2105] res_pjsip_registrar.c: Added contact 'sip:1001@192.0.2.77:5060' to AOR '1001' with expiration of 3600 seconds"),
            }
        }
        .expect("a string takes it");
    }
    out.into_bytes()
}

fn blocks(c: &mut Criterion) {
    let mut group = c.benchmark_group("pipe");
    group.sample_size(20);
    for (name, every) in [("0.05 % attacks", 2000.0), ("2 % attacks", 50.0), ("90 % attacks", 1.0 / 0.9)] {
        let log = log(100_000, every);
        group.throughput(Throughput::Bytes(log.len() as u64));
        let mut pipe = pipe(&["asterisk"]);
        let mut route = pipe.route_to_all();
        let mut failures = Vec::new();
        group.bench_function(name, |b| {
            b.iter(|| {
                for block in whole_lines(&log) {
                    pipe.batch(&mut route, &Batch { bytes: block, live: false, time: None }, NOW, &mut failures);
                }
                black_box(&failures);
                failures.clear();
            });
        });
    }
    group.finish();
}

/// The log in blocks of about 256 KiB, each ending with a line.
fn whole_lines(log: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = log;
    std::iter::from_fn(move || {
        let end = rest[..rest.len().min(256 << 10)].iter().rposition(|b| *b == b'\n')? + 1;
        let (block, tail) = rest.split_at(end);
        rest = tail;
        Some(block)
    })
}

criterion_group!(benches, blocks);
criterion_main!(benches);
