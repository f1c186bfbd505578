//! The store at a bad moment: thousands of bans in one batch, and a start with many of them.
//!
//! Two busy cores of a virtual machine, 2026-11: 10,000 bans 0.23 s (to stay below 0.35 s), one ban 0.13 ms, 100 counters
//! and a position 0.20 ms, opening and loading 50,000 bans 0.36 s.
#![expect(clippy::unwrap_used, reason = "a bench that cannot go on may stop")]

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use criterion::{BatchSize, Criterion, criterion_group};
use indexmap::IndexMap;
use sipjail::addr::Id;
use sipjail::line::Position;
use sipjail::store::{Change, Store};
use sipjail::ticket::{Counter, Texts, Ticket};
use sipjail::time::{Bantime, Span, Timestamp};
use tempfile::TempDir;

fn applying(c: &mut Criterion) {
    let mut group = c.benchmark_group("apply");
    group.sample_size(10);
    let bans = bans(10_000);
    group.bench_function("10,000 bans, one batch, new file", |b| {
        b.iter_batched_ref(fresh, |(_dir, store)| store.apply(&bans).unwrap(), BatchSize::PerIteration);
    });
    let (_dir, mut store) = filled(50_000);
    group.bench_function("1 ban beside 50,000", |b| b.iter(|| store.apply(&bans[..1]).unwrap()));
    let second: Vec<Change> = (0..100).map(counter).chain([position()]).collect();
    group.bench_function("100 counters and a position", |b| b.iter(|| store.apply(&second).unwrap()));
    group.finish();
}

fn opening(c: &mut Criterion) {
    let mut group = c.benchmark_group("open");
    group.sample_size(10);
    let (dir, store) = filled(50_000);
    group.bench_function("load 50,000 bans", |b| b.iter(|| store.load().unwrap()));
    drop(store);
    group.bench_function("open and load 50,000 bans", |b| b.iter(|| open(dir.path()).load().unwrap()));
    group.finish();
}

fn open(dir: &Path) -> Store {
    Store::open(&dir.join("db"), NOW, &mut Vec::new()).unwrap()
}

fn fresh() -> (TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    (dir, store)
}

fn filled(n: u32) -> (TempDir, Store) {
    let (dir, mut store) = fresh();
    store.apply(&bans(n)).unwrap();
    store.load().unwrap();
    (dir, store)
}

/// Bans of addresses in no order, each with five lines of an Asterisk log.
fn bans(n: u32) -> Vec<Change> {
    let line = "[2026-11-20 10:00:00] NOTICE[1234] chan_sip.c: Registration from '\"100\" <sip:100@192.0.2.10>' failed \
                for '198.51.100.7:5060' - Wrong password";
    let groups = [("ip4", "198.51.100.7"), ("user", "100"), ("fport", "5060")];
    let groups: IndexMap<String, String> = groups.map(|(k, v)| (k.to_owned(), v.to_owned())).into();
    (0..n)
        .map(|k| Change::Ban {
            jail: "asterisk".into(),
            ticket: Ticket {
                id: scattered(k),
                time: NOW,
                bantime: None,
                bancount: 1,
                failures: 5,
                matches: vec![line.into(); 5],
                groups: groups.clone(),
                restored: false,
            },
            bantime: Bantime::For(Span::from_secs(600)),
        })
        .collect()
}

fn counter(n: u32) -> Change {
    let (matches, accounts) = (Texts::new(["a line"].into_iter()), Vec::new());
    let counter = Counter { first: NOW, last: NOW, retry: n, failures: n, matches, accounts };
    Change::Failures { jail: "asterisk".into(), counters: vec![(scattered(n), Some(counter))] }
}

fn position() -> Change {
    let path = "/var/log/asterisk/full".into();
    let position = Position { path, file: Some((1, 2)), offset: 4096, first_line: Some("0".repeat(40)) };
    Change::Position { jail: "asterisk".into(), position }
}

fn scattered(n: u32) -> Id {
    Id::from(IpAddr::V4(Ipv4Addr::from(n.wrapping_mul(2_654_435_761))))
}

const NOW: Timestamp = Timestamp::from_secs(1_795_170_000);

criterion_group!(benches, applying, opening);
