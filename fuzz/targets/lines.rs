//! The whole way of a line through a filter. Parts end in a form feed: options, prefregex, failregexes, ignoreregexes,
//! datepatterns (one a line each), and a log.
//!
//! Beside panics it looks for lines that take more steps than they may, and for failures on lines that the scan over the
//! block would have passed over.

#![no_main]

use std::collections::HashSet;

use jiff::tz::TimeZone;
use libfuzzer_sys::fuzz_target;
use sipjail::config::{FilterSettings, RecordSettings, Spanned, UseDns};
use sipjail::filter::date::Zones;
use sipjail::filter::{Filter, Moment, Scan, Verdict};
use sipjail::time::{Span, Timestamp};

fuzz_target!(|input: &[u8]| {
    let mut parts = input.splitn(6, |byte| *byte == b'\x0c');
    let mut part = || parts.next().unwrap_or_default();
    let options = part();
    let option = |at: usize| options.get(at).copied().unwrap_or(0);
    let mut texts = || {
        let text = String::from_utf8_lossy(part()).into_owned();
        text.lines().filter(|line| !line.is_empty()).map(Spanned::bare).collect::<Vec<_>>()
    };
    let settings = FilterSettings {
        name: String::new(),
        prefregex: texts().into_iter().next(),
        failregex: texts(),
        ignoreregex: texts(),
        datepattern: texts(),
        maxlines: 1 + usize::from(option(0) % 4),
        journalmatch: Vec::new(),
        record: RecordSettings::default(),
        ..FilterSettings::default()
    };
    let usedns = [UseDns::Warn, UseDns::Yes, UseDns::No, UseDns::Raw][usize::from(option(1) % 4)];
    let encoding = ["auto", "utf-8", "ascii", "latin-1", "utf-16"][usize::from(option(2) % 5)];
    let zones = Zones { local: TimeZone::UTC, logtimezone: None };
    let Ok((mut filter, _)) = Filter::of(&settings, usedns, encoding, zones) else { return };
    if option(3) % 4 == 1 {
        filter = filter.for_tools(true);
    }
    let escaped = option(4) % 2 == 1;
    let log = part();
    let mut seen = HashSet::new();
    Scan::new(&[&filter], &[escaped]).candidates(log, |line, _| {
        seen.insert(line.start);
    });
    let (mut at, mut failures) = (0, Vec::new());
    // Behind the last line feed there is no line.
    let lines = log.strip_suffix(b"\n").unwrap_or(log);
    for line in lines.split(|byte| *byte == b'\n').filter(|_| !log.is_empty()) {
        let moment = Moment {
            now: NOW,
            findtime: Span::from_secs(600),
            live: option(5) % 2 == 1,
            time: None,
            before: &log[..at],
        };
        let verdict = match option(6) % 4 {
            1 => filter.line_at(line, NOW, &moment, &mut failures),
            _ => filter.line(line, &moment, &mut failures),
        };
        if matches!(verdict, Verdict::Matched(_)) {
            assert!(seen.contains(&at), "the scan passed over {:?}", String::from_utf8_lossy(line));
        }
        let (date, expressions) = filter.steps();
        assert!(date <= 1_000_000 && expressions <= 1_500_000, "{date} {expressions}");
        at += line.len() + 1;
    }
    let _records = filter.records();
});

/// 2026-11-20 10:00:00 UTC.
const NOW: Timestamp = Timestamp::from_secs(1_795_168_800);
