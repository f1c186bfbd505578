//! Whole logs, from the page cache, on one core: all failures found and counted.
//!
//! fail2ban reads a shorter log of the same kind, from which its start is subtracted; what is compared is the cost of a line.
//! Each program uses its own filter; that both find every attack and nothing else is checked.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use jiff::tz::TimeZone;
use serde_json::Value;
use sipjail::config;
use sipjail::filter::Filter;
use sipjail::filter::prefilter::{Cut, gather, reduce};
use sipjail::filter::pyregex::Pattern;
use sipjail::filter::translate::Options;

use crate::Effort;
use crate::corpus::{Corpus, Pbx};
use crate::logs::{self, Log};
use crate::programs::{self, Cost, cost, in_turn, installed, on_one_core, output};
use crate::report::{CPU_PER_MILLION, GB_PER_CPU_SECOND, MILLISECONDS, Report, SECONDS, TIMES, Who};
use crate::sample::Sample;

pub fn mixed(effort: Effort, report: &mut Report) {
    let log = Log::new("asterisk-mixed", &Corpus::mixed(Pbx::Asterisk, effort.of(20_000, 1_000_000)));
    report.work(format!("scan an Asterisk log, 2 % attack lines, {}", size(&log)));
    let found = all(effort, report, &log, "asterisk", Pbx::Asterisk, Corpus::mixed);
    report.target("`replay`", GB_PER_CPU_SECOND, found.replay, 1.5);
    report.target("`regex`", GB_PER_CPU_SECOND, found.regex, 1.2);
    if let Some(rg) = found.rg {
        report.target("`replay` to `rg`", MORE_TIMES, found.replay / rg, 2.0);
    }
    if let Some(theirs) = found.fail2ban {
        report.target("CPU to fail2ban's", MORE_TIMES, theirs / found.per_million, 100.0);
    }
}

pub fn quiet(effort: Effort, report: &mut Report) {
    let log = Log::new("asterisk-quiet", &Corpus::quiet(Pbx::Asterisk, effort.of(20_000, 1_000_000)));
    report.work(format!("the same, 0.05 % attack lines, {}", size(&log)));
    let found = all(effort, report, &log, "asterisk", Pbx::Asterisk, Corpus::quiet);
    report.target("`replay`", GB_PER_CPU_SECOND, found.replay, 3.0);
    report.target("`regex`", GB_PER_CPU_SECOND, found.regex, 2.5);
}

pub fn freeswitch(effort: Effort, report: &mut Report) {
    let log = Log::new("freeswitch-mixed", &Corpus::mixed(Pbx::FreeSwitch, effort.of(20_000, 1_000_000)));
    report.work(format!("a FreeSWITCH log, 2 % attack lines, {}", size(&log)));
    let found = all(effort, report, &log, "freeswitch", Pbx::FreeSwitch, Corpus::mixed);
    report.target("`replay`", GB_PER_CPU_SECOND, found.replay, 1.2);
}

pub fn all_stock(effort: Effort, report: &mut Report) {
    let log = Log::new("asterisk-mixed", &Corpus::mixed(Pbx::Asterisk, effort.of(20_000, 1_000_000)));
    report.work(format!("all stock jails on one Asterisk log, 2 % attack lines, {}", size(&log)));
    let mut replay = [on_one_core(&replay(&log.path, None))];
    let costs = in_turn(effort.of(2, 7), &mut replay);
    let speed = speeds(&costs[0], log.tally.bytes);
    report.target("`replay`", GB_PER_CPU_SECOND, speed.median(), 1.0);
    report.figure(Who::Sipjail, "replay", GB_PER_CPU_SECOND, speed);
}

pub fn five_million(effort: Effort, report: &mut Report) {
    let log = Log::new("asterisk-long", &Corpus::mixed(Pbx::Asterisk, effort.of(50_000, 5_000_000)));
    report.work(format!("`replay` of a log, {}, on all cores; clock time", size(&log)));
    let command = replay(&log.path, Some("asterisk"));
    let (mut wall, mut alone) = (Vec::new(), Vec::new());
    let mut both = [command, on_one_core(&replay(&log.path, Some("asterisk")))];
    for (n, costs) in in_turn(effort.of(1, 5), &mut both).into_iter().enumerate() {
        let times = if n == 0 { &mut wall } else { &mut alone };
        times.extend(costs.iter().map(|cost| cost.wall.as_secs_f64()));
    }
    let (Some(wall), Some(alone)) = (Sample::of(wall), Sample::of(alone)) else { return };
    report.target("all cores", SECONDS, wall.median(), 1.0);
    report.figure(Who::Sipjail, "all cores", SECONDS, wall);
    report.figure(Who::Sipjail, "one core", SECONDS, alone);
    let said =
        |command: &Command| output(Command::new(command.get_program()).args(command.get_args()).env("TZ", "UTC"));
    let same = said(&both[0]) == said(&both[1]);
    report.note(if same { "the same to the byte on one core" } else { "**another result on one core**" });
    if installed("fail2ban-regex") {
        let million = fail2ban(effort, report, "asterisk", Pbx::Asterisk, Corpus::mixed).median();
        report.figure(Who::Fail2ban, "all cores", SECONDS, Sample::one(million * log.tally.lines as f64 / 1e6));
        report.note("fail2ban's: worked out from a shorter log");
    }
}

/// What was found of one log, in medians.
struct Found {
    replay: f64,
    regex: f64,
    /// CPU seconds per million lines of `replay`.
    per_million: f64,
    rg: Option<f64>,
    fail2ban: Option<f64>,
}

/// Everybody on one log.
fn all(effort: Effort, report: &mut Report, log: &Log, jail: &str, pbx: Pbx, kind: fn(Pbx, usize) -> Corpus) -> Found {
    let mut regex = programs::sipjail(&configuration(Logins::Passed));
    regex.arg("regex").arg(&log.path).arg(jail);
    let empty = Log::new("empty", &kind(pbx, 0));
    let mut trusting = programs::sipjail(&configuration(Logins::Trusted));
    trusting.arg("replay").arg(&log.path).args(["--jail", jail]);
    let start = replay(&empty.path, Some(jail));
    let mut commands = vec![replay(&log.path, Some(jail)), regex, Command::new("cat"), start, trusting];
    commands[2].arg(&log.path);
    if installed("rg") {
        commands
            .extend([rg(&log.path, &literals(jail, None)), rg(&log.path, b"no line of this log holds this text\n")]);
        let theirs = literals(jail, Some("/etc/fail2ban"));
        commands.extend((!theirs.is_empty()).then(|| rg(&log.path, &theirs)));
    } else {
        report.note("rg: skipped, not installed (`ripgrep`)");
    }
    check(report, log, jail);
    let mut commands: Vec<Command> = commands.iter().map(on_one_core).collect();
    let costs = in_turn(effort.of(2, 7), &mut commands);
    let speed = |n: usize| costs.get(n).map(|costs| speeds(costs, log.tally.bytes));
    let mut figure = |who, what, n| {
        let speed = speed(n)?;
        let median = speed.median();
        report.figure(who, what, GB_PER_CPU_SECOND, speed);
        Some(median)
    };
    let replay = figure(Who::Sipjail, "replay", 0).unwrap_or_default();
    let regex = figure(Who::Sipjail, "regex", 1).unwrap_or_default();
    if pbx == Pbx::Asterisk {
        figure(Who::Sipjail, "`replay`, logins too", 4);
    }
    figure(Who::Other, "`cat`", 2);
    let rg = figure(Who::Other, "`rg -c`, the same literals", 5);
    figure(Who::Other, "`rg -c`, an absent one", 6);
    figure(Who::Other, "`rg -c`, those of fail2ban's filter", 7);
    let millions = log.tally.lines as f64 / 1e6;
    let per_million = Sample::of(costs[0].iter().map(|cost| cost.cpu.as_secs_f64() / millions).collect()).unwrap();
    let fail2ban = installed("fail2ban-regex").then(|| fail2ban(effort, report, jail, pbx, kind));
    let found =
        Found { replay, regex, per_million: per_million.median(), rg, fail2ban: fail2ban.as_ref().map(Sample::median) };
    report.figure(Who::Sipjail, "", CPU_PER_MILLION, per_million);
    let start = costs[3].iter().map(|cost| cost.cpu).collect::<Vec<_>>();
    report.figure(Who::Sipjail, "of all that, start", MILLISECONDS, Sample::millis(&start).unwrap());
    match fail2ban {
        Some(theirs) => report.figure(Who::Fail2ban, "", CPU_PER_MILLION, theirs),
        None => report.note("fail2ban: skipped, not installed"),
    }
    found
}

/// That ours finds every attack of the log, and nothing else.
fn check(report: &mut Report, log: &Log, jail: &str) {
    let text = output(replay(&log.path, Some(jail)).args(["--format", "json"]));
    let value: Value = serde_json::from_str(&text).unwrap_or_default();
    let found = value["jails"][0]["failures"].as_u64().unwrap_or_default();
    said_and_found(report, "sipjail", found, log.tally.attacks);
}

fn said_and_found(report: &mut Report, who: &str, found: u64, attacks: usize) {
    if found != attacks as u64 {
        report.note(format!("**{who} finds {found} of {attacks} attacks**"));
    }
}

/// fail2ban's CPU seconds per million lines, from a short log.
fn fail2ban(effort: Effort, report: &mut Report, jail: &str, pbx: Pbx, kind: fn(Pbx, usize) -> Corpus) -> Sample {
    let dir = tempfile::tempdir().unwrap();
    let (path, empty) = (dir.path().join("short"), dir.path().join("empty"));
    let lines = effort.of(2_000, 100_000);
    let tally = logs::write(&path, &kind(pbx, lines));
    fs::write(&empty, "").unwrap();
    // Its mode `extra` counts challenges, which every good phone leaves.
    let filter = if pbx == Pbx::FreeSwitch { format!("{jail}[mode=normal]") } else { jail.to_owned() };
    let command = |path: &Path| {
        let mut command = Command::new("fail2ban-regex");
        command.args(["--print-no-missed", "--no-check-all"]).arg(path).arg(&filter).env("TZ", "UTC");
        command
    };
    let said = output(&mut command(&path));
    let matched = said.lines().rev().find_map(|line| line.split(", ").find_map(|part| part.strip_suffix(" matched")));
    let matched = matched.and_then(|n| n.rsplit(' ').next()?.parse().ok()).unwrap_or_default();
    said_and_found(report, "fail2ban", matched, tally.attacks);
    report.note(format!("fail2ban reads {lines} lines of the same kind, its start subtracted"));
    let costs: Vec<f64> = (0..effort.of(1, 3))
        .map(|_| {
            let (whole, start) = (cost(&mut command(&path)), cost(&mut command(&empty)));
            whole.cpu.saturating_sub(start.cpu).as_secs_f64() / lines as f64 * 1e6
        })
        .collect();
    Sample::of(costs).unwrap()
}

fn replay(log: &Path, jail: Option<&str>) -> Command {
    // One jail alone does what fail2ban does; all of them do what they do on a host.
    let conf = if jail.is_some() { configuration(Logins::Passed) } else { logs::place().join("no-conf") };
    let mut command = programs::sipjail(&conf);
    command.arg("replay").arg(log);
    if let Some(jail) = jail {
        command.args(["--jail", jail]);
    }
    command
}

/// What becomes of a login with a password: every twelfth line of an Asterisk log.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Logins {
    /// It is no failure, and that is all.
    Passed,
    /// It puts an address on trust, as the stock jails say.
    Trusted,
}

/// The stock jails, but that of Asterisk looks for all that fail2ban's looks for, and counts each line.
fn configuration(logins: Logins) -> PathBuf {
    let (name, option) = if logins == Logins::Passed { ("conf", "trusttime =\n") } else { ("conf-trust", "") };
    let dir = logs::place().join(name);
    fs::create_dir_all(&dir).unwrap();
    fs::write(dir.join("jail.local"), format!("[asterisk]\nfilter = asterisk\ndedupe = false\n{option}")).unwrap();
    dir
}

/// `rg` in the mode in which it is fastest on one core, with these literals, one a line.
fn rg(log: &Path, literals: &[u8]) -> Command {
    let file = list_of(literals);
    let mut command = Command::new("rg");
    command.args(["-j1", "--no-mmap", "-c", "-F", "-f"]).arg(file).arg(log);
    command
}

fn list_of(literals: &[u8]) -> PathBuf {
    let name = format!("literals-{}", literals.len());
    let path = logs::place().join(name);
    fs::write(&path, literals).unwrap();
    path
}

/// The literals that the scan looks for on behalf of a stock jail, or of that with the filter of another directory; nothing
/// if there is none.
fn literals(jail: &str, dir: Option<&str>) -> Vec<u8> {
    let jails = config::load(&configuration(Logins::Passed)).jails;
    let mut settings = jails.into_iter().find(|settings| settings.name == jail).expect("a stock jail");
    if let Some(dir) = dir {
        let Ok(filter) = config::filter(dir.as_ref(), jail) else { return Vec::new() };
        settings.filter = filter;
    }
    let Ok((filter, _)) = Filter::new(&settings, &TimeZone::UTC) else { return Vec::new() };
    let patterns = filter.expanded().filter_map(|text| Pattern::new(text, Options::default()).ok());
    let sets = gather(&patterns.collect::<Vec<_>>(), Cut::Start, false).unwrap_or_default();
    let mut text = reduce(sets, 64).join(&b'\n');
    text.push(b'\n');
    text
}

fn speeds(costs: &[Cost], bytes: usize) -> Sample {
    Sample::of(costs.iter().map(|cost| bytes as f64 / 1e9 / cost.cpu.as_secs_f64()).collect()).unwrap()
}

fn size(log: &Log) -> String {
    format!("{} lines, {} MB", log.tally.lines, log.tally.bytes / 1_000_000)
}

const MORE_TIMES: crate::report::Unit = crate::report::Unit(TIMES.0, crate::report::Better::More);
