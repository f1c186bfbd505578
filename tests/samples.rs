//! The sample logs that Debian's fail2ban package installs, line by line through our filters: each comment `failJSON` says
//! what the next line has to give. Skipped, and said so, where the package is not installed.

#![expect(clippy::unwrap_used, reason = "a test may fail so")]

#[macro_use]
#[path = "common/counted.rs"]
mod counted;
use std::collections::HashSet;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use indexmap::IndexMap;
use jiff::tz::TimeZone;
use serde_json::{Map, Value};

use sipjail::addr::Id;
use sipjail::config::{self, UseDns};
use sipjail::filter::date::{Detector, Zones};
use sipjail::filter::{Filter, Hit, Moment, Scan};
use sipjail::ticket::Who;
use sipjail::time::{Span, Timestamp};

/// 2005-08-14 10:00:00 UTC.
const NOW: Timestamp = Timestamp::from_secs(1_124_013_600);

#[test]
fn every_sample_line_gives_what_its_comment_says() {
    let Some(world) = World::find() else { return };
    let mut tally = Tally::default();
    for name in world.filters() {
        Run::new(&world, &name, &mut tally).file(&world.logs.join(&name));
    }
    let Tally { filters, lines, evaluations, deviations, differences, moved, no_addresses } = &tally;
    counted!("filters {}, lines {lines}, evaluations {evaluations}, deviations {}", filters.len(), deviations.len());
    counted!("matches with the date elsewhere: {moved}, matches that the prefilter would lose: {}", differences.len());
    assert!(deviations.is_empty(), "{}", deviations.join("\n"));
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    if world.is_debian_1_0_2 {
        assert_eq!((filters.len(), *lines, *evaluations), (89, 1044, 1381));
        // Ours: a leading zero makes it no address, and nobody is counted for it.
        let known = ["sshd:5", "sshd:5", "sshd-journal:9", "sshd-journal:9"];
        assert_eq!(*no_addresses, known, "differences that are known");
    }
}

/// What is installed.
struct World {
    config: PathBuf,
    logs: PathBuf,
    is_debian_1_0_2: bool,
}

impl World {
    fn find() -> Option<World> {
        let dir = |variable: &str, default: &str| PathBuf::from(std::env::var(variable).unwrap_or(default.into()));
        let config = dir("SIPJAIL_F2B_CONFIG", "/etc/fail2ban");
        let tests = dir("SIPJAIL_F2B_TESTS", "/usr/lib/python3/dist-packages/fail2ban/tests");
        let logs = tests.join("files/logs");
        if !config.join("filter.d").is_dir() || !logs.is_dir() {
            println!("skipped: no fail2ban under {} and {}", config.display(), tests.display());
            return None;
        }
        let version = std::fs::read_to_string(tests.join("../version.py")).unwrap_or_default();
        Some(World { config, logs, is_debian_1_0_2: version.contains("\"1.0.2\"") })
    }

    fn filters(&self) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(self.config.join("filter.d"))
            .unwrap()
            .filter_map(|entry| Some(entry.ok()?.file_name().to_str()?.strip_suffix(".conf")?.to_owned()))
            .filter(|name| !name.ends_with("common"))
            .collect();
        names.sort();
        names.retain(|name| {
            let there = self.logs.join(name).is_file();
            if !there {
                println!("filter `{name}` has no sample log");
            }
            there
        });
        names
    }
}

#[derive(Default)]
struct Tally {
    filters: HashSet<String>,
    lines: usize,
    evaluations: usize,
    deviations: Vec<String>,
    differences: Vec<String>,
    /// Matching lines whose date was put elsewhere.
    moved: usize,
    /// Lines where fail2ban counts text that is no address.
    no_addresses: Vec<String>,
}

/// One filter with one set of options.
struct Tried {
    filter: Filter,
    /// The same as the daemon runs it.
    daemon: Filter,
    scan: Scan,
    /// One that has learnt what is seldom in the line before.
    learnt: Scan,
    /// For lines that are wrapped in JSON.
    wrapped: Scan,
}

/// One filter over its sample logs.
struct Run<'a> {
    world: &'a World,
    name: &'a str,
    tally: &'a mut Tally,
    /// One filter for each set of options, kept for the whole run.
    filters: IndexMap<String, Tried>,
    defaults: Map<String, Value>,
    selected: Vec<Map<String, Value>>,
    /// A `test.condition` was false: lines are passed over until the next options.
    passed_over: bool,
}

impl<'a> Run<'a> {
    fn new(world: &'a World, name: &'a str, tally: &'a mut Tally) -> Run<'a> {
        let (filters, defaults) = (IndexMap::new(), Map::new());
        Run { world, name, tally, filters, defaults, selected: vec![Map::new()], passed_over: false }
    }

    fn file(&mut self, path: &Path) {
        self.tally.filters.insert(self.name.to_owned());
        let bytes = std::fs::read(path).unwrap();
        let mut more = Vec::new();
        let mut expected: Option<Map<String, Value>> = None;
        for (number, line) in bytes.split(|b| *b == b'\n').enumerate() {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let place = format!("{}:{}", path.file_name().unwrap().display(), number + 1);
            if expected.is_none() {
                if let Some((word, json)) = directive(line) {
                    match (word, json) {
                        ("failJSON", Value::Object(json)) => expected = Some(json),
                        ("fileOptions", Value::Object(json)) => self.defaults = json,
                        ("filterOptions", json) => self.select(json),
                        ("addFILE", Value::String(name)) => more.push(name),
                        (word, json) => panic!("{place}: {word} {json}"),
                    }
                    continue;
                }
                if line.is_empty() || line.starts_with(b"#") {
                    continue;
                }
            }
            let expected = expected.take().unwrap_or_default();
            if !self.passed_over {
                self.tally.lines += 1;
                self.line(line, &expected, &place);
            }
        }
        for name in more {
            self.file(&self.world.logs.join(name));
        }
    }

    fn select(&mut self, json: Value) {
        let sets = match json {
            Value::Array(sets) => sets,
            one => vec![one],
        };
        self.passed_over = false;
        self.selected.clear();
        for set in sets {
            let Value::Object(set) = set else { panic!("{set}") };
            let mut options = self.defaults.clone();
            options.extend(set);
            if let Some(condition) = options.get("test.condition").and_then(Value::as_str)
                && !holds(condition, self.name, &options)
            {
                continue;
            }
            self.selected.push(options);
        }
        self.passed_over = self.selected.is_empty();
    }

    fn line(&mut self, line: &[u8], expected: &Map<String, Value>, place: &str) {
        for options in self.selected.clone() {
            if let Some(constraint) = expected.get("constraint").and_then(Value::as_str)
                && !holds(constraint, self.name, &options)
            {
                continue;
            }
            self.tally.evaluations += 1;
            let mut text = line.to_vec();
            if let Some(prefix) = options.get("test.prefix-line").and_then(Value::as_str) {
                text.splice(..0, prefix.bytes());
            }
            let journal = options.get("logtype").and_then(Value::as_str) == Some("journal");
            let tried = match self.filter(&options) {
                Ok(tried) => tried,
                Err(error) => {
                    self.tally.deviations.push(format!("{place}: {error}"));
                    continue;
                }
            };
            let moment = Moment { now: NOW, findtime: Span::default(), live: false, time: None, before: &[] };
            let mut hits = Vec::new();
            tried.filter.hits(&text, journal.then_some(NOW), &moment, &mut hits);

            let (mut lost, mut moved) = (false, 0);
            if !hits.is_empty() {
                lost = tried.would_lose(&text);
                if !journal && !lost {
                    (lost, moved) = tried.would_lose_moved(&text);
                }
            }
            self.tally.moved += moved;
            if lost {
                self.tally.differences.push(format!("{} {place}", self.name));
            }
            for hit in hits.iter_mut().filter(|hit| hit.invalid.is_some()) {
                self.tally.no_addresses.push(place.to_owned());
                hit.who = hit.invalid.take().map(|text| Who::Id(Id::Raw(text.into())));
            }
            if let Err(problem) = judge(hits, expected) {
                let options = Value::Object(options).to_string();
                self.tally.deviations.push(format!("{} {place} {options}: {problem}", self.name));
            }
        }
    }

    fn filter(&mut self, options: &Map<String, Value>) -> Result<&mut Tried, String> {
        let key = Value::Object(options.clone()).to_string();
        if !self.filters.contains_key(&key) {
            let parameters: IndexMap<String, String> = options
                .iter()
                .filter(|(name, _)| !name.starts_with("test."))
                .map(|(name, value)| (name.clone(), value.as_str().map_or(value.to_string(), str::to_owned)))
                .collect();
            let name = options.get("test.filter-name").and_then(Value::as_str).unwrap_or(self.name);
            let settings = config::filter_with(&self.world.config, name, &parameters).map_err(|e| format!("{e:?}"))?;
            let zone = TimeZone::posix("CET-01CEST-02,M3.5.0,M10.5.0").unwrap();
            let make = || {
                let zones = Zones { local: zone.clone(), logtimezone: None };
                Filter::of(&settings, UseDns::Raw, "UTF-8", zones).map_err(|e| format!("{e:?}"))
            };
            let (filter, daemon) = (make()?.0.for_tools(true), make()?.0);
            let [scan, learnt, wrapped] = [false, false, true].map(|wrapped| Scan::new(&[&daemon], &[wrapped]));
            self.filters.insert(key.clone(), Tried { filter, daemon, scan, learnt, wrapped });
        }
        Ok(&mut self.filters[&key])
    }
}

impl Tried {
    /// Whether a line that matters is no candidate, as it is or wrapped.
    fn would_lose(&mut self, line: &[u8]) -> bool {
        let text = String::from_utf8_lossy(line);
        let json = serde_json::to_string(&text).unwrap();
        let json = json.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026").replace('/', "\\/");
        let (start, end) = text.split_at(text.floor_char_boundary(text.len() / 2));
        let coloured = format!("{start}\x1b[1;33m{end}");
        self.learnt.learn(line);
        !is_candidate(&mut self.scan, line)
            || !is_candidate(&mut self.learnt, line)
            || !is_candidate(&mut self.wrapped, json.as_bytes())
            || !is_candidate(&mut self.wrapped, coloured.as_bytes())
    }

    /// The same with the date in other places, also in the middle of the text that failregexes look for.
    fn would_lose_moved(&mut self, line: &[u8]) -> (bool, usize) {
        let text = String::from_utf8_lossy(line);
        let mut dates = Detector::new(&[], Zones { local: TimeZone::UTC, logtimezone: None }).unwrap();
        let Some(found) = dates.find(&text, NOW) else { return (false, 0) };
        let bare = format!("{}{}", &text[..found.cut.start], &text[found.cut.end..]);
        let mut matched = 0;
        for at in (0..bare.len()).step_by(7).map(|at| bare.floor_char_boundary(at)) {
            let moved = format!("{}2005-08-14 11:59:59{}", &bare[..at], &bare[at..]);
            let moment = Moment { now: NOW, findtime: Span::from_secs(600), live: true, time: None, before: &[] };
            let mut hits = Vec::new();
            self.daemon.hits(moved.as_bytes(), None, &moment, &mut hits);
            matched += usize::from(!hits.is_empty());
            if !hits.is_empty() && !is_candidate(&mut self.scan, moved.as_bytes()) {
                return (true, matched);
            }
        }
        (false, matched)
    }
}

fn is_candidate(scan: &mut Scan, line: &[u8]) -> bool {
    let mut found = false;
    scan.candidates(line, |_, _| found = true);
    found
}

/// `# failJSON: {…}` and its kind.
fn directive(line: &[u8]) -> Option<(&str, Value)> {
    let line = std::str::from_utf8(line).ok()?;
    let rest = line.trim_start_matches('#');
    let rest = if rest.len() < line.len() { rest.strip_prefix(' ').unwrap_or(rest) } else { return None };
    let (word, json) = rest.split_once(':')?;
    if !["failJSON", "fileOptions", "filterOptions", "addFILE"].contains(&word) {
        return None;
    }
    Some((word, serde_json::from_str(json.trim()).unwrap_or_else(|e| panic!("{line}: {e}"))))
}

/// The three expressions that stand in the samples.
fn holds(expression: &str, name: &str, options: &Map<String, Value>) -> bool {
    let mode = options.get("mode").and_then(Value::as_str);
    match expression.replace('"', "'").as_str() {
        "opts.get('mode') != 'aggressive'" => mode != Some("aggressive"),
        "opts.get('mode') == 'aggressive'" => mode == Some("aggressive"),
        text => match text.replace(' ', "").strip_prefix("name=='").and_then(|t| t.strip_suffix('\'')) {
            Some(wanted) => wanted == name,
            None => panic!("unknown expression {expression}"),
        },
    }
}

fn judge(hits: Vec<Hit>, expected: &Map<String, Value>) -> Result<(), String> {
    let wanted = expected.get("match").and_then(Value::as_bool).unwrap_or(false);
    let mut hits: Vec<Hit> = hits.into_iter().filter(|h| h.who.is_some() && !h.nofail).collect();
    let hit = match (hits.len(), wanted) {
        (0, false) => return Ok(()),
        (0, true) => return Err("missed".into()),
        (_, false) => return Err(format!("matched: {hits:?}")),
        (1, true) => hits.remove(0),
        (n, true) => return Err(format!("{n} matches: {hits:?}")),
    };
    let id = match hit.who.as_ref() {
        Some(Who::Id(id)) => id.to_string(),
        Some(Who::Name(name)) => name.clone(),
        None => String::new(),
    };
    for (key, value) in expected {
        let found = match key.as_str() {
            "match" | "desc" | "constraint" => continue,
            "time" => {
                check_time(value, hit.time)?;
                continue;
            }
            "users" => {
                let wanted: HashSet<&str> = value.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
                let found: HashSet<&str> = hit.users.iter().map(String::as_str).collect();
                if wanted != found {
                    return Err(format!("users are {found:?} and not {wanted:?}"));
                }
                continue;
            }
            "attempts" => Some(hit.matches.len().to_string()),
            "host" => Some(id.clone()),
            key => hit.groups.get(key).cloned(),
        };
        let wanted = match value {
            Value::Null => None,
            Value::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        };
        // The samples write some addresses as they stand in the log.
        let same = |a: &str, b: &str| a.parse::<IpAddr>().is_ok_and(|a| b.parse() == Ok(a));
        if found != wanted && !found.iter().zip(&wanted).any(|(a, b)| same(a, b)) {
            return Err(format!("`{key}` is {found:?} and not {wanted:?}"));
        }
    }
    Ok(())
}

fn check_time(wanted: &Value, found: Option<Timestamp>) -> Result<(), String> {
    let Some(text) = wanted.as_str() else { return Ok(()) };
    let zone = TimeZone::posix("CET-01CEST-02,M3.5.0,M10.5.0").unwrap();
    let civil = jiff::civil::DateTime::strptime("%Y-%m-%dT%H:%M:%S%.f", text).map_err(|e| format!("{text}: {e}"))?;
    let wanted = Timestamp(civil.to_zoned(zone.clone()).unwrap().timestamp().as_microsecond());
    if found != Some(wanted) {
        return Err(format!("time is {:?} and not {text}", found.map(|t| t.in_zone(&zone))));
    }
    Ok(())
}
