//! From failures to bans: what a jail does with a failure of a new address, of one that it knows, and of one too many.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use criterion::{BatchSize, Criterion, Throughput, criterion_group};
use jiff::tz::TimeZone;

use sipjail::addr::Id;
use sipjail::config;
use sipjail::engine::{Engine, Setup};
use sipjail::firewall::DryRun;
use sipjail::ticket::{Failure, Sign, Who};
use sipjail::time::{Span, Timestamp};

fn failures(c: &mut Criterion) {
    let mut group = c.benchmark_group("failures");
    group.sample_size(10).warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(3));
    group.throughput(Throughput::Elements(u64::from(MANY)));
    for (name, maxretry, addresses) in [
        ("of distinct addresses", 5, MANY),
        ("of one address", u32::MAX, 1),
        ("each a ban (dry run)", 1, MANY),
        ("of banned addresses", 1, 100),
    ] {
        let setup = || (engine(maxretry), (0..MANY).map(|n| failure(n % addresses)).collect::<VecDeque<_>>());
        let run = |(engine, failures): &mut (Engine, VecDeque<Failure>)| {
            let jail: Arc<str> = "asterisk".into();
            let mut out = Vec::new();
            for failure in failures.drain(..) {
                engine.hear(&[(jail.clone(), failure)], NOW, &mut out);
                out.clear();
            }
        };
        group.bench_function(name, |b| b.iter_batched_ref(setup, run, BatchSize::PerIteration));
    }
    group.finish();
}

fn engine(maxretry: u32) -> Engine {
    let stock = config::load(Path::new("/nonexistent")).jails;
    let jails = stock.into_iter().filter(|jail| jail.name == "asterisk");
    let setup = Setup {
        jails: jails.map(|jail| config::JailSettings { maxretry, ..jail }).collect(),
        firewall: Box::new(DryRun::default()),
        saved: Default::default(),
        dbmaxmatches: 10,
        dbpurgeage: Span::from_secs(86_400),
        own: Vec::new(),
        protected: Vec::new(),
        zone: TimeZone::UTC,
    };
    Engine::start(setup, NOW, &mut Vec::new()).expect("nothing can refuse")
}

fn failure(n: u32) -> Failure {
    let address = Ipv4Addr::from(0xc612_0000 + n);
    let groups = [("fport", "5060"), ("ip", "198.18.0.1")];
    Failure {
        who: Who::Id(Id::from(IpAddr::V4(address))),
        time: NOW,
        count: 1,
        matches: vec![format!(
            "[2026-11-20 10:00:00] NOTICE[1234] chan_sip.c: Registration from '<sip:100@192.0.2.10>' failed for \
             '{address}:5060' - Wrong password"
        )],
        groups: groups.into(),
        sign: Sign::Failed,
    }
}

const MANY: u32 = 10_000;
/// 2026-11-20 10:00:00 UTC.
const NOW: Timestamp = Timestamp::from_secs(1_795_168_800);

criterion_group!(benches, failures);
