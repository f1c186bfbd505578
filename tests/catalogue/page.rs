//! The examples of `docs/filters.md` do what it says of them.

use jiff::tz::TimeZone;
use sipjail::addr::Id;
use sipjail::config::{FilterSettings, Spanned, UseDns};
use sipjail::filter::date::Zones;
use sipjail::filter::{Filter, Moment};
use sipjail::ticket::Who;
use sipjail::time::Span;

use super::table::NOW;

#[test]
fn every_example_is_found_or_not_as_it_says() {
    let page = include_str!("../../docs/filters.md");
    let (mut pattern, mut failregex, mut tried) = ("", "", 0);
    for line in page.lines() {
        let Some(example) = line.strip_prefix("    ") else {
            (pattern, failregex) = ("", "");
            continue;
        };
        if let Some(text) = example.strip_prefix("datepattern = ") {
            pattern = text;
        } else if let Some(text) = example.strip_prefix("failregex = ") {
            failregex = text;
        } else if let Some((host, line)) = example.strip_prefix("+ ").and_then(|text| text.split_once(": ")) {
            assert_eq!(found(pattern, failregex, line).as_deref(), Some(host), "{line}");
            tried += 1;
        } else if let Some(line) = example.strip_prefix("- ") {
            assert_eq!(found(pattern, failregex, line), None, "{line}");
            tried += 1;
        }
    }
    counted!("examples: {tried}");
    assert_eq!(tried, 13);
}

fn found(pattern: &str, failregex: &str, line: &str) -> Option<String> {
    let datepattern = (!pattern.is_empty()).then(|| Spanned::bare(pattern.replace("%%", "%"))).into_iter().collect();
    let failregex = vec![Spanned::bare(failregex)];
    let settings = FilterSettings { failregex, datepattern, maxlines: 1, ..FilterSettings::default() };
    let zones = Zones { local: TimeZone::UTC, logtimezone: None };
    let mut filter = Filter::of(&settings, UseDns::No, "UTF-8", zones).unwrap().0.for_tools(false);
    let moment = Moment { now: NOW, findtime: Span::default(), live: false, time: None, before: b"" };
    let mut hits = Vec::new();
    filter.hits(line.as_bytes(), None, &moment, &mut hits);
    hits.pop().map(|hit| match hit.who {
        Some(Who::Id(Id::Ip(address))) => address.to_string(),
        other => panic!("{line}: {other:?}"),
    })
}
