//! Dates: the first line is a `datepattern` (or several, parted by tabs; none means the default templates), the others are
//! a log.
//!
//! Beside panics it looks for cuts outside of the line and for lines that cost more steps than they may.

#![no_main]

use jiff::tz::TimeZone;
use libfuzzer_sys::fuzz_target;
use sipjail::filter::date::{Detector, Zones};
use sipjail::time::Timestamp;

fuzz_target!(|text: &str| {
    let (patterns, log) = text.split_once('\n').unwrap_or(("", text));
    let patterns: Vec<&str> = patterns.split('\t').filter(|pattern| !pattern.is_empty()).collect();
    let zones = Zones { local: TimeZone::UTC, logtimezone: (log.len() % 2 == 1).then_some(5 * 3600) };
    let Ok(mut detector) = Detector::new(&patterns, zones) else { return };
    for line in log.lines() {
        let found = detector.find(line, NOW);
        assert!(detector.steps() <= 100_000 + 16 * line.len(), "{} steps", detector.steps());
        let Some(found) = found else { continue };
        assert!(line.get(found.cut.clone()).is_some(), "{:?} in {line:?}", found.cut);
        assert!(line.get(found.whole.clone()).is_some(), "{:?} in {line:?}", found.whole);
    }
    assert!(detector.templates().count() >= 1);
    let _lead = detector.lead();
});

/// 2026-11-20 10:00:00 UTC.
const NOW: Timestamp = Timestamp::from_secs(1_795_168_800);
