//! What a hostile line costs a jail at most. Each figure is to stay under 5 ms; `tests/bounded.rs` counts the same in steps.

use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group};

use sipjail::config;
use sipjail::filter::Filter;

#[path = "../../tests/bounded/corpus.rs"]
mod corpus;

use corpus::{HOSTILE, LENGTHS, LIVE, crafted, filter, line, settings};

/// The expressions, and the stock filters, each on the line that takes it longest.
fn worst(c: &mut Criterion) {
    let mut group = c.benchmark_group("bounded");
    group.sample_size(10).warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
    for length in LENGTHS {
        let mut all: Vec<Case> = HOSTILE
            .iter()
            .filter_map(|(expression, parts)| {
                Case::new((*expression).to_owned(), filter(&settings(expression))?, vec![line(*parts, length)])
            })
            .collect();
        for dir in [env!("CARGO_MANIFEST_DIR"), "/etc/fail2ban"] {
            let files = std::fs::read_dir(Path::new(dir).join("filter.d")).into_iter().flatten().flatten();
            let names = files.filter_map(|f| Some(f.file_name().to_str()?.strip_suffix(".conf")?.to_owned()));
            for name in names {
                let Ok(settings) = config::filter(Path::new(dir), &name) else { continue };
                let Some(filter) = filter(&settings) else { continue };
                all.extend(Case::new(name, filter, crafted(&settings, length)));
            }
        }
        all.sort_by_key(|case| std::cmp::Reverse(case.took));
        let worst = all.first().map_or(Duration::ZERO, |case| case.took);
        println!("{length} bytes: {} filters, at most {} of 5000 µs", all.len(), worst.as_micros());
        for case in all.iter_mut().take(SHOWN) {
            let name = format!("{length} bytes, {}", case.name.chars().take(40).collect::<String>());
            let mut out = Vec::new();
            group.bench_function(name, |b| {
                b.iter(|| {
                    out.clear();
                    black_box(case.filter.hits(case.line.as_bytes(), None, &LIVE, &mut out))
                });
            });
            let (date, expressions) = case.filter.steps();
            println!(
                "    {} of 5000 µs, steps: {date} for the date, {expressions} for expressions",
                case.took.as_micros()
            );
        }
    }
    group.finish();
}

/// A filter and the line that it takes longest for.
struct Case {
    name: String,
    filter: Filter,
    line: String,
    took: Duration,
}

impl Case {
    fn new(name: String, mut filter: Filter, lines: Vec<String>) -> Option<Case> {
        // The shortest of several: the first builds what is built at first use, and the machine has other work.
        let mut took = |line: &String| {
            let turn = |_| {
                let start = Instant::now();
                filter.hits(line.as_bytes(), None, &LIVE, &mut Vec::new());
                start.elapsed()
            };
            (0..4).map(turn).min().unwrap_or_default()
        };
        let (took, line) = lines.into_iter().map(|line| (took(&line), line)).max()?;
        Some(Case { name, filter, line, took })
    }
}

/// How many of each length are measured to the end.
const SHOWN: usize = 8;

criterion_group!(benches, worst);
