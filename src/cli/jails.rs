//! `sipjail jails`: which jails would be on here, why, or why not, and what each would read.
//!
//! Only the configuration is read, and looked which logs exist: there need be no daemon, and nothing is changed. It takes
//! no more rights than it takes to see those files; where this user may not look, that is said.

mod report;

use jiff::tz::TimeZone;

use super::{Cli, output};
use crate::config::{self, Config, Enabled, JailSettings, Problem, Severity, written::Named};
use crate::daemon::clock;
use crate::daemon::prepare::{self, Prepared};
use crate::error::Error;
use crate::source::glob;
use crate::text::printable;
use crate::time::Bantime;
use crate::word::Word;

pub use report::{JailReport, Report, Settings, State};

/// Show which jails would be on here, why or why not, and which logs or events they would read
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
pub struct Args {}

/// Shows the jails. A mistake that concerns no jail goes to stderr.
pub fn run(_: &Args, cli: &Cli) -> Result<(), Error> {
    let config = config::load(&cli.conf);
    let errors = config.problems.iter().filter(|problem| problem.severity == Severity::Error);
    for problem in errors.filter(|problem| problem.jail.is_none()) {
        eprintln!("sipjail: {}", printable(&prepare::line(problem)));
    }
    let report = report(config, &clock::zone());
    output::show(cli.format, &report, report.text(output::colour()).trim_end_matches('\n'))
}

/// Every jail that the configuration names, in its order.
pub fn report(config: Config, zone: &TimeZone) -> Report {
    let readable: Vec<JailSettings> = config.jails.iter().chain(&config.refused).cloned().collect();
    let Config { jails, problems, written, .. } = prepare::compile(config, zone).config;
    let jail = |named: &Named| {
        let settings = readable.iter().find(|jail| jail.name == named.name);
        let usable = settings.filter(|jail| jails.iter().any(|good| good.name == jail.name));
        let wrong = |p: &&Problem| p.severity == Severity::Error && p.jail.as_ref() == Some(&named.name);
        let (state, why) = match (usable, problems.iter().find(wrong)) {
            (Some(jail), _) => state(jail, named),
            (None, Some(problem)) => (State::Refused, blame(problem)),
            (None, None) => (State::Off, said(named)),
        };
        let filter = written.jails.iter().find(|jail| jail.name == named.name).and_then(|jail| {
            let filter = jail.sheet.as_ref().ok()?.options.get("filter");
            filter.map(Word::plain)
        });
        JailReport { name: named.name.clone(), state, why, settings: settings.map(|jail| Settings::of(jail, filter)) }
    };
    Report { jails: written.named.iter().map(jail).collect() }
}

/// Whether a jail that can be used is on, and why.
fn state(jail: &JailSettings, named: &Named) -> (State, String) {
    let said = said(named);
    if let Some(events) = &jail.events {
        return (State::On, format!("`backend = {}`, and there is `[{}]`", jail.backend, events.server.label()));
    }
    if jail.journal.is_some() {
        return (State::On, format!("`backend = {}`", jail.backend));
    }
    let auto = jail.enabled == Enabled::Auto;
    if !Prepared::logs(jail).is_empty() {
        return (State::On, if auto { "there is its log".to_owned() } else { said });
    }
    let mut closed: Vec<String> = Vec::new();
    for directory in jail.logpath.iter().flat_map(|log| glob::closed(&log.pattern)) {
        let directory = directory.display().to_string();
        if !closed.contains(&directory) {
            closed.push(directory);
        }
    }
    match (auto, closed.is_empty()) {
        (_, false) => (State::Unseen, format!("this user may not look into {}", closed.join(", "))),
        (true, true) => (State::Waits, "none of its logs exists".to_owned()),
        (false, true) => (State::On, format!("{said}; none of its logs exists yet")),
    }
}

/// What is said of `enabled`, and where.
fn said(named: &Named) -> String {
    match &named.enabled {
        (Some(text), origin) => format!("`enabled = {text}` in {origin}"),
        (None, origin) => format!("nobody says `enabled` for the section in {origin}"),
    }
}

/// A mistake in one line, without the jail.
fn blame(problem: &Problem) -> String {
    prepare::line(&Problem { jail: None, ..problem.clone() })
}

impl Settings {
    fn of(jail: &JailSettings, filter: Option<String>) -> Settings {
        let logs = jail.journal.is_none();
        let missing = jail.logpath.iter().filter(|log| glob::expand(&log.pattern).is_empty());
        Settings {
            backend: jail.backend.clone(),
            filter: filter.unwrap_or_else(|| jail.filter.name.clone()),
            logs: if logs { Prepared::logs(jail) } else { Vec::new() },
            missing: missing.map(|log| log.pattern.clone()).collect(),
            journal: jail.journal.as_ref().map(ToString::to_string),
            events: jail.events.as_ref().map(|events| {
                let server = &events.server;
                format!("{} at {}:{}", server.label(), server.host, server.port)
            }),
            maxretry: jail.maxretry,
            countby: jail.countby.word(),
            spread: jail.spread.from,
            findtime: jail.findtime.secs(),
            bantime: match jail.bantime {
                Bantime::Forever => None,
                Bantime::For(span) => Some(span.secs()),
            },
        }
    }
}
