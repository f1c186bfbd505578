//! Sample logs of our own filters: before each line stands what has to be found in it, in fail2ban's `# failJSON:` notation.

use indexmap::IndexMap;
use jiff::tz::TimeZone;
use serde_json::Value;
use sipjail::addr::Id;
use sipjail::config::{self, UseDns};
use sipjail::filter::date::Zones;
use sipjail::filter::{Filter, Moment};
use sipjail::ticket::Who;
use sipjail::time::{Span, Timestamp};

use super::table::fixture;

#[test]
fn every_line_gives_what_its_comment_says() {
    for (name, lines) in [("freeswitch", 57), ("kamailio", 18), ("mod_fail2ban", 7), ("opensips", 12)] {
        let text = std::fs::read_to_string(fixture(&format!("samples/{name}"))).unwrap();
        let (mut filter, mut expected, mut tried) = (filter(name, &Value::Null), None, 0);
        for (number, line) in text.lines().enumerate() {
            let place = format!("{name}:{}", number + 1);
            if let Some(json) = line.strip_prefix("# failJSON: ") {
                expected = Some(serde_json::from_str::<Value>(json).unwrap());
            } else if let Some(json) = line.strip_prefix("# filterOptions: ") {
                filter = self::filter(name, &serde_json::from_str(json).unwrap());
            } else if let Some(expected) = expected.take() {
                assert_eq!(found(&mut filter, line), wanted(&expected), "{place}: {line}");
                tried += 1;
            } else {
                assert!(line.is_empty() || line.starts_with('#'), "{place}: nothing is said of this line");
            }
        }
        counted!("{name}: {tried} lines");
        assert_eq!(tried, lines, "{name}");
    }
}

fn filter(name: &str, options: &Value) -> Filter {
    let options = options.as_object().into_iter().flatten();
    let options: IndexMap<_, _> = options.map(|(name, value)| (name.clone(), value.as_str().unwrap().into())).collect();
    let settings = config::filter_with("/nonexistent".as_ref(), name, &options).unwrap();
    let zones = Zones { local: TimeZone::UTC, logtimezone: None };
    Filter::of(&settings, UseDns::No, "UTF-8", zones).unwrap().0.for_tools(false)
}

/// Who, and when, to the second.
fn found(filter: &mut Filter, line: &str) -> Vec<(String, Option<String>)> {
    // 2005-08-14: so that a date without a year is one of the year before.
    let now = Timestamp::from_secs(1_124_013_600);
    let moment = Moment { now, findtime: Span::default(), live: false, time: None, before: b"" };
    let mut hits = Vec::new();
    filter.hits(line.as_bytes(), None, &moment, &mut hits);
    let hits = hits.into_iter().map(|hit| {
        let Some(Who::Id(Id::Ip(address))) = hit.who else { panic!("{line}: {:?}", hit.who) };
        (address.to_string(), hit.time.map(date))
    });
    hits.collect()
}

fn wanted(expected: &Value) -> Vec<(String, Option<String>)> {
    let text = |key: &str| expected[key].as_str().map(str::to_owned);
    if expected["match"] == true { vec![(text("host").unwrap(), text("time"))] } else { Vec::new() }
}

fn date(time: Timestamp) -> String {
    jiff::Timestamp::from_microsecond(time.0).unwrap().strftime("%Y-%m-%dT%H:%M:%S").to_string()
}
