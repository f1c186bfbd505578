//! The original as the judge: the same filter and the same lines through fail2ban's own classes and through ours, and
//! everything compared that comes of a line. What belongs here: our fixtures, fail2ban's installed sample logs, and cases
//! made by chance. `SIPJAIL_ORACLE_SEED` chooses other cases, `SIPJAIL_ORACLE_CASES` so many times as many. Skipped where
//! fail2ban is not installed.

#![expect(clippy::unwrap_used, reason = "a test may fail so")]

#[macro_use]
#[path = "common/counted.rs"]
mod counted;
#[path = "oracle/case.rs"]
mod case;
#[path = "oracle/generate.rs"]
mod generate;
#[path = "oracle/judge.rs"]
mod judge;
#[path = "oracle/known.rs"]
mod known;
#[path = "oracle/traps.rs"]
mod traps;

use std::path::{Path, PathBuf};

use indexmap::{IndexMap, IndexSet};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::Value;
use sipjail::config::UseDns;

use case::{Case, File, From, Line};
use judge::Judge;
use known::{Difference, KNOWN, Known, Versions};

const SCRIPT: &str = include_str!("oracle/lines.py");
const FAIL2BAN: &str = "/etc/fail2ban";
const SAMPLES: &str = "/usr/lib/python3/dist-packages/fail2ban/tests/files/logs";
/// 2026-11-20 10:30:00 UTC: the fixtures' day.
const FIXTURES: i64 = 1_795_170_600;
/// 2005-08-14 10:00:00 UTC: when the sample logs are read.
const SAMPLED: i64 = 1_124_013_600;

#[test]
fn every_known_difference_is_still_there() {
    let Some(mut judge) = Judge::start(SCRIPT) else { return };
    let is_old = judge.version.starts_with("1.0");
    for Known { name, reason, with, example, .. } in KNOWN {
        if *with == if is_old { Versions::Newer } else { Versions::Older } {
            continue;
        }
        let mut report = Report::default();
        report.judge(&mut judge, &[example()]);
        assert!(report.unknown.is_empty(), "{}", report.unknown.join("\n"));
        assert!(report.known.contains_key(name), "gone: {name} ({reason})");
    }
    counted!("oracle: {} known differences, each with its example", KNOWN.len());
}

#[test]
fn every_trap_of_the_filter_language_is_the_same_to_us() {
    let Some(mut judge) = Judge::start(SCRIPT) else { return };
    let mut report = Report::default();
    report.judge(&mut judge, &traps::all());
    report.end("traps");
}

#[test]
fn our_fixtures_mean_the_same_to_fail2ban() {
    let Some(mut judge) = Judge::start(SCRIPT) else { return };
    let ours = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut report = Report::default();
    for path in files(&ours.join("tests/fixtures")) {
        let text = std::fs::read(&path).unwrap();
        let is_table = path.extension().is_some_and(|e| e == "tsv");
        let lines = text.split(|b| *b == b'\n').filter(|line| !line.is_empty() && !line.starts_with(b"#"));
        let lines: Vec<&[u8]> =
            lines.map(|line| if is_table { line.rsplit(|b| *b == b'\t').next().unwrap() } else { line }).collect();
        let names = ["asterisk", "freeswitch", "recidive", "kamailio", "opensips", "mod_fail2ban"];
        let Some(name) = names.into_iter().find(|n| path.to_string_lossy().contains(n)) else { continue };
        let modes: (&[&str], &[&str]) = match name {
            "freeswitch" => (&["normal", "unknown", "flood"], &["normal", "ddos", "extra"]),
            "kamailio" | "opensips" => (&["normal", "pike"], &[]),
            "mod_fail2ban" => (&["normal", "abandoned"], &[]),
            _ => (&[""], &[""]),
        };
        for (dir, modes) in [(ours, modes.0), (Path::new(FAIL2BAN), modes.1)] {
            let cases: Vec<Case> = modes
                .iter()
                .flat_map(|mode| {
                    let options = [("mode", *mode)].into_iter().filter(|(_, mode)| !mode.is_empty());
                    // Records of several lines are ours alone.
                    let options = options.chain([("recordregex", "")].into_iter().filter(|_| dir == ours));
                    let options = options.map(|(a, b)| (a.to_owned(), b.to_owned())).collect();
                    readings(File { dir: dir.to_owned(), name: name.to_owned(), options }, &lines, FIXTURES)
                })
                .collect();
            report.judge(&mut judge, &cases);
        }
    }
    report.end("fixtures");
    assert!(report.hits > 1000, "{} hits", report.hits);
}

#[test]
fn the_installed_samples_mean_the_same_to_fail2ban() {
    let Some(mut judge) = Judge::start(SCRIPT) else { return };
    if !Path::new(SAMPLES).is_dir() {
        println!("skipped: fail2ban's sample logs are not installed");
        return;
    }
    let mut report = Report::default();
    for path in files(&Path::new(FAIL2BAN).join("filter.d")) {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if name.ends_with("common") {
            continue;
        }
        let samples = Samples::of(&name);
        let cases: Vec<Case> = samples
            .options
            .iter()
            .flat_map(|options| {
                let plain = options.iter().filter(|(name, _)| !name.starts_with("test."));
                let plain: IndexMap<String, String> = plain.map(|(a, b)| (a.clone(), b.clone())).collect();
                let name = options.get("test.filter-name").unwrap_or(&name).clone();
                let prefix = options.get("test.prefix-line").map_or("", String::as_str).as_bytes();
                let lines: Vec<Vec<u8>> = samples.lines.iter().map(|line| [prefix, line].concat()).collect();
                let lines: Vec<&[u8]> = lines.iter().map(Vec::as_slice).collect();
                let mut cases = readings(File { dir: FAIL2BAN.into(), name, options: plain }, &lines, SAMPLED);
                if options.get("logtype").is_some_and(|t| t == "journal") {
                    cases.iter_mut().flat_map(|c| &mut c.lines).for_each(|line| line.written = Some(SAMPLED));
                }
                cases
            })
            .collect();
        report.judge(&mut judge, &cases);
    }
    report.end("samples");
    assert!(report.hits > 2000, "{} hits", report.hits);
}

#[test]
fn lines_made_of_pieces_of_real_ones_mean_the_same() {
    generated("lines", generate::lines(&corpus()), 250);
}

#[test]
fn dates_of_every_form_are_the_same_moment() {
    generated("dates", generate::dates(), 800);
}

#[test]
fn regexes_made_of_every_construct_mean_the_same() {
    generated("regexes", generate::regexes(), 1500);
}

#[test]
fn sessions_and_windows_mean_the_same() {
    generated("sessions", generate::sessions(), 1400);
    generated("windows", generate::windows(), 1200);
}

/// A log read as a tool reads it, by the daemon for the first time, and by the daemon as it is written.
fn readings(file: File, lines: &[&[u8]], now: i64) -> Vec<Case> {
    let lines: Vec<Line> = lines.iter().map(|text| Line { now, ..Line::new(*text) }).collect();
    let tz = "CET-01CEST-02,M3.5.0,M10.5.0";
    let case = Case { tz, usedns: UseDns::Raw, tool: true, ..Case::new(From::File(file), lines) };
    let mut reading = Case { usedns: UseDns::Warn, tool: false, findtime: 10 * 365 * 86_400, ..case.clone() };
    let live = Case { usedns: UseDns::No, ..reading.clone() };
    reading.lines.iter_mut().for_each(|line| line.live = false);
    vec![case, reading, live]
}

/// fail2ban's sample logs for one filter: their lines, and the sets of options they are for.
#[derive(Default)]
struct Samples {
    lines: Vec<Vec<u8>>,
    options: IndexSet<Vec<(String, String)>>,
}

/// What all samples of a filter come to.
struct AllSamples {
    lines: Vec<Vec<u8>>,
    options: Vec<IndexMap<String, String>>,
}

impl Samples {
    fn of(name: &str) -> AllSamples {
        let mut samples = Samples::default();
        samples.read(name);
        if samples.options.is_empty() {
            samples.options.insert(Vec::new());
        }
        let options = samples.options.into_iter().map(|set| set.into_iter().collect()).collect();
        AllSamples { lines: samples.lines, options }
    }

    fn read(&mut self, name: &str) {
        let Ok(text) = std::fs::read(Path::new(SAMPLES).join(name)) else { return };
        for line in text.split(|b| *b == b'\n').filter(|line| !line.is_empty()) {
            if !line.starts_with(b"#") {
                self.lines.push(line.to_vec());
                continue;
            }
            let comment = String::from_utf8_lossy(line);
            let Some((word, json)) = comment.trim_start_matches(['#', ' ']).split_once(':') else { continue };
            match (word, serde_json::from_str(json.trim())) {
                ("addFILE", Ok(Value::String(name))) => self.read(&name),
                ("filterOptions", Ok(Value::Array(sets))) => sets.into_iter().for_each(|set| self.add(set)),
                ("filterOptions", Ok(set)) => self.add(set),
                _ => {}
            }
        }
    }

    fn add(&mut self, set: Value) {
        let Value::Object(set) = set else { return };
        let text = |value: Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        self.options.insert(set.into_iter().map(|(name, value)| (name, text(value))).collect());
    }
}

/// Real lines, ours and the installed ones.
fn corpus() -> Vec<String> {
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let mut lines = Vec::new();
    for path in files(&ours).into_iter().chain(files(Path::new(SAMPLES))) {
        let text = std::fs::read(path).unwrap();
        let text = String::from_utf8_lossy(&text);
        lines.extend(text.lines().filter(|l| l.len() > 20 && !l.starts_with('#')).step_by(7).map(str::to_owned));
    }
    lines
}

/// All files below a folder, in order; none where there is no such folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.into_iter().flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// Runs cases made by chance, the same in every run, and shrinks those that differ.
fn generated(name: &str, strategy: impl Strategy<Value = Case>, count: usize) {
    let Some(mut judge) = Judge::start(SCRIPT) else { return };
    let number = |variable| std::env::var(variable).ok().and_then(|text| text.parse::<usize>().ok()).unwrap_or(1);
    let mut seed = [0x5e; 32];
    seed[..8].copy_from_slice(&number("SIPJAIL_ORACLE_SEED").to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let mut report = Report::default();
    let mut left = count * number("SIPJAIL_ORACLE_CASES");
    while left > 0 && report.unknown.len() < MOST {
        let some = left.min(200);
        left -= some;
        let mut trees: Vec<_> = (0..some).map(|_| strategy.new_tree(&mut runner).unwrap()).collect();
        let cases: Vec<Case> = trees.iter().map(ValueTree::current).collect();
        for (at, found) in report.compare(&mut judge, &cases) {
            if report.unknown.len() < MOST {
                let smallest = shrunk(&mut judge, &mut trees[at]).unwrap_or(found);
                report.unknown.push(smallest);
            }
        }
    }
    report.end(name);
}

/// The smallest case that still differs, in words.
fn shrunk(judge: &mut Judge, tree: &mut impl ValueTree<Value = Case>) -> Option<String> {
    let mut smallest = None;
    let mut steps = 0;
    let mut more = tree.simplify();
    while more && steps < 300 {
        steps += 1;
        match Report::default().compare(judge, &[tree.current()]).pop() {
            Some((_, found)) => {
                smallest = Some(found);
                more = tree.simplify();
            }
            None => more = tree.complicate(),
        }
    }
    smallest
}

/// Cases that differ which are told in full.
const MOST: usize = 8;

/// What came of comparing.
#[derive(Default)]
struct Report {
    cases: usize,
    /// By both.
    refused: usize,
    lines: usize,
    hits: usize,
    known: IndexMap<&'static str, usize>,
    unknown: Vec<String>,
}

impl Report {
    /// Compares, and keeps what differs.
    fn judge(&mut self, judge: &mut Judge, cases: &[Case]) {
        let found = self.compare(judge, cases);
        self.unknown.extend(found.into_iter().map(|(_, found)| found));
    }

    /// Compares; what differs and is not known comes back with the number of its case.
    fn compare(&mut self, judge: &mut Judge, cases: &[Case]) -> Vec<(usize, String)> {
        let requests: Vec<Value> = cases.iter().map(Case::request).collect();
        let (ours, theirs) = std::thread::scope(|scope| {
            let theirs = scope.spawn(|| judge.ask(&requests));
            let ours: Vec<Value> = cases.iter().map(Case::answer).collect();
            (ours, theirs.join().unwrap())
        });
        let answers = cases.iter().zip(ours.iter().zip(&theirs)).enumerate();
        answers.filter_map(|(at, (case, (ours, theirs)))| Some((at, self.case(case, ours, theirs)?))).collect()
    }

    fn case(&mut self, case: &Case, ours: &Value, theirs: &Value) -> Option<String> {
        self.cases += 1;
        if ours["error"].is_string() && theirs["error"].is_string() {
            self.refused += 1;
            return None;
        }
        if ours["rules"] != theirs["rules"] && matches!(case.from, From::File(_))
            || ours["error"].is_string()
            || theirs["error"].is_string()
        {
            let rules = Difference { case, line: None, ours, theirs };
            return self.is_known(&rules).is_none().then(|| rules.in_words());
        }
        for (number, line) in case.lines.iter().enumerate() {
            let (mine, other) = (&ours["lines"][number], &theirs["lines"][number]);
            self.lines += 1;
            self.hits += other["hits"].as_array().map_or(0, Vec::len);
            if case::same(mine, other) {
                continue;
            }
            let found = Difference { case, line: Some(line), ours: mine, theirs: other };
            match self.is_known(&found) {
                Some(known) if known.goes_on => {}
                Some(_) => return None,
                None => return Some(format!("line {number}: {}", found.in_words())),
            }
        }
        None
    }

    fn is_known(&mut self, found: &Difference<'_>) -> Option<&'static Known> {
        let known = KNOWN.iter().find(|known| (known.is)(found))?;
        *self.known.entry(known.name).or_default() += 1;
        Some(known)
    }

    fn end(&self, name: &str) {
        let Report { cases, refused, lines, hits, known, unknown } = self;
        counted!("oracle: {name}: {cases} cases compared, {} known differences", known.values().sum::<usize>());
        counted!("oracle: {name}: {lines} lines, {hits} hits, {refused} refused by both, known: {known:?}");
        assert!(unknown.is_empty(), "{} differ:\n{}", unknown.len(), unknown.join("\n"));
    }
}
