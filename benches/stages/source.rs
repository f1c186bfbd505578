//! Reading a log: blocks of bytes become runs of whole lines, in the pieces in which a follower and a busy writer meet.

use std::hint::black_box;
use std::io::Read;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group};

use sipjail::source::lines::Lines;

use crate::corpus;

fn reading(c: &mut Criterion) {
    let mut group = c.benchmark_group("source");
    group.sample_size(20).warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(2));
    let log = corpus::log(100_000, 50.0);
    let long = vec![b'x'; 16 << 20];
    for (name, log, most) in [
        ("whole blocks", &log, usize::MAX),
        ("a writer's pages of 4 KiB", &log, 4096),
        ("16 MiB without a newline", &long, usize::MAX),
    ] {
        group.throughput(Throughput::Bytes(log.len() as u64));
        group.bench_function(name, |b| b.iter(|| read(log, most)));
    }
    group.finish();
}

/// Reads at most `most` bytes at once.
fn read(log: &[u8], most: usize) -> usize {
    let (mut rest, mut lines, mut bytes) = (log, Lines::default(), 0);
    loop {
        let space = lines.space();
        let length = space.len().min(most);
        let read = rest.read(&mut space[..length]).expect("memory can be read");
        if read == 0 {
            return black_box(bytes);
        }
        lines.take(read, &mut |run| bytes += black_box(run).len());
    }
}

criterion_group!(benches, reading);
