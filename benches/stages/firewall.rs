//! What a ban costs: one at a time, ten thousand in one call, reading them back, and the regular look.
//!
//! The kernel's sets are measured only in a network namespace made for it, so that nobody's real bans are touched:
//! `SIPJAIL_BENCH_NETNS=1 unshare -n cargo bench --bench firewall`, as root (`make bench` does it). The dry run is
//! measured always.

use std::env;
use std::hint::black_box;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group};
use sipjail::firewall::{DryRun, Entry, Firewall, Ipset};

fn bans(c: &mut Criterion) {
    measure(c, &mut DryRun::new());
    if env::var_os("SIPJAIL_BENCH_NETNS").is_none_or(|v| v != "1") {
        return println!("ipset: skipped, SIPJAIL_BENCH_NETNS=1 does not say that this is a namespace of its own");
    }
    measure(c, &mut Ipset::new());
}

fn measure(c: &mut Criterion, firewall: &mut dyn Firewall) {
    let jail = "bench";
    if let Err(e) = firewall.start(&[jail.into()]) {
        return println!("{}: skipped, {e}", firewall.name());
    }
    let entries: Vec<Entry> = (0..10_000)
        .map(|n| Entry::host(Ipv4Addr::from(u32::from(Ipv4Addr::new(198, 18, 0, 0)) + n).into(), Some(600)))
        .collect();
    let mut group = c.benchmark_group(firewall.name());

    group.bench_function("ban and unban one", |b| {
        b.iter(|| {
            firewall.ban(jail, black_box(&entries[..1])).expect("bans");
            firewall.unban(jail, entries[0].net).expect("unbans");
        });
    });
    group.bench_function("ban one again", |b| b.iter(|| firewall.ban(jail, black_box(&entries[..1])).expect("bans")));

    group.throughput(Throughput::Elements(entries.len() as u64));
    group.sample_size(20);
    group.bench_function("ban 10,000 in a new jail", |b| {
        b.iter_custom(|times| {
            let mut spent = Duration::ZERO;
            for _ in 0..times {
                firewall.remove_jail(jail).expect("goes");
                firewall.add_jail(jail).expect("comes");
                let start = Instant::now();
                firewall.ban(jail, black_box(&entries)).expect("bans");
                spent += start.elapsed();
            }
            spent
        });
    });
    firewall.ban(jail, &entries).expect("bans");
    group.bench_function("ban 10,000 again", |b| b.iter(|| firewall.ban(jail, black_box(&entries)).expect("bans")));
    group.bench_function("list 10,000", |b| b.iter(|| black_box(firewall.list(jail).expect("lists"))));
    group.finish();

    let mut group = c.benchmark_group(firewall.name());
    group.bench_function("check", |b| b.iter(|| firewall.check().expect("looks")));
    group.finish();
    firewall.stop().expect("stops");
}

criterion_group!(benches, bans);
