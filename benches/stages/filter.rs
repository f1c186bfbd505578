//! The filter by itself: the scan that passes most of a log over, what one line costs that it does not pass over, and dates.

use std::hint::black_box;
use std::path::Path;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group};
use jiff::tz::TimeZone;

use sipjail::config;
use sipjail::filter::date::{Detector, Zones};
use sipjail::filter::{Filter, Moment, Scan};
use sipjail::time::{Span, Timestamp};

use crate::corpus;

fn scan(c: &mut Criterion) {
    let mut group = c.benchmark_group("scan");
    group.sample_size(20).warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(2));
    let all = ["asterisk", "freeswitch", "recidive"];
    for (name, jails) in [("one jail", &all[..1]), ("all stock jails", &all[..])] {
        let filters: Vec<Filter> = jails.iter().map(|name| filter(name)).collect();
        let filters: Vec<&Filter> = filters.iter().collect();
        for (share, every) in [("0.05 %", 2000.0), ("2 %", 50.0)] {
            let log = corpus::log(1400, every);
            group.throughput(Throughput::Bytes(log.len() as u64));
            let mut scan = Scan::new(&filters, &vec![true; filters.len()]);
            group.bench_function(format!("{name}, {share} attacks"), |b| {
                b.iter(|| {
                    let mut found = 0;
                    scan.candidates(black_box(&log), |line, _| found += line.len());
                    found
                });
            });
        }
    }
    group.finish();
}

fn lines(c: &mut Criterion) {
    let mut group = c.benchmark_group("line");
    group.sample_size(20).warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(2));
    for (name, line) in [
        ("hit", corpus::attack as fn(usize) -> String),
        ("near miss", corpus::near_miss),
        ("miss", corpus::miss),
        ("hit, not ASCII", |n| corpus::attack(n).replace("<sip:", "<sip:é")),
    ] {
        let lines: Vec<String> = (0..1000).map(line).collect();
        let mut filter = filter("asterisk");
        let mut out = Vec::new();
        let moment = Moment { now: NOW, findtime: Span(i64::MAX), live: false, time: None, before: b"" };
        group.throughput(Throughput::Elements(lines.len() as u64));
        group.bench_function(name, |b| {
            b.iter(|| {
                for line in &lines {
                    black_box(filter.line(line.as_bytes(), &moment, &mut out));
                }
                out.clear();
            });
        });
    }
    group.finish();
}

fn dates(c: &mut Criterion) {
    let mut group = c.benchmark_group("date");
    group.sample_size(20).warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(2));
    let ours: Vec<String> = (0..1000).map(|n| corpus::miss(n * 40)).collect();
    let same: Vec<String> = (0..1000).map(|_| corpus::miss(7)).collect();
    let none: Vec<String> = ours.iter().map(|line| line[22..].replace(':', " ")).collect();
    for (name, patterns, lines) in [
        ("the same second, default templates", &[][..], &same),
        ("another second, default templates", &[], &ours),
        ("another second, one pattern", &[r"^\[%Y-%m-%d %H:%M:%S\]"], &ours),
        ("none, default templates", &[], &none),
    ] {
        let zones = Zones { local: TimeZone::UTC, logtimezone: None };
        let mut detector = Detector::new(patterns, zones).expect("the patterns are good");
        group.throughput(Throughput::Elements(lines.len() as u64));
        group.bench_function(name, |b| {
            b.iter(|| lines.iter().filter(|line| detector.find(black_box(line), NOW).is_some()).count());
        });
    }
    group.finish();
}

fn filter(jail: &str) -> Filter {
    let jails = config::load(Path::new("/nonexistent")).jails;
    let settings = jails.iter().find(|j| j.name == jail).expect("a stock jail");
    Filter::new(settings, &TimeZone::UTC).expect("stock filters compile").0
}

/// 2026-11-20 10:00:00 UTC.
const NOW: Timestamp = Timestamp::from_secs(1_795_168_800);

criterion_group!(benches, scan, lines, dates);
