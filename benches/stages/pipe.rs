//! From bytes to failures: blocks of an Asterisk log through scan and filter, as the follower and `replay` do it.
//!
//! A server's log is mostly misses, so hits, near misses and misses are mixed as they are out there: 0.05 % attack lines on
//! a quiet day, 2 % on a usual one, 90 % under attack.

use std::hint::black_box;
use std::path::Path;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group};
use jiff::tz::TimeZone;

use sipjail::config;
use sipjail::daemon::pipe::{Pipe, PipeJail};
use sipjail::filter::Filter;
use sipjail::line::Batch;
use sipjail::time::{Span, Timestamp};

use crate::corpus;

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

fn blocks(c: &mut Criterion) {
    let mut group = c.benchmark_group("pipe");
    group.sample_size(20).warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(3));
    for (name, every) in [("0.05 % attacks", 2000.0), ("2 % attacks", 50.0), ("90 % attacks", 1.0 / 0.9)] {
        let log = corpus::log(100_000, every);
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
