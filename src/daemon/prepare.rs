//! From configuration to jails that can run: regexes read, what cannot be used left out and reported; and what there
//! is to say of them at the start.

use std::io::{self, Write};
use std::path::Path;

use indexmap::IndexSet;
use jiff::tz::TimeZone;

use super::options::Options;
use crate::config::{self, Config, Enabled, Events, JailSettings, Original, Own, Problem, Severity};
use crate::error::{Error, Kind};
use crate::filter::{Filter, Forge};
use crate::firewall::MANUAL;
use crate::line::Unwrap;
use crate::record::{Level, Record};
use crate::source::glob;

/// A configuration with every usable jail ready to run.
pub struct Prepared {
    /// What the files say; jails whose filter does not compile are gone, and why stands among its problems.
    pub config: Config,
    /// The filters of [`Config::jails`], in the same order.
    pub filters: Vec<Filter>,
}

/// Reads the configuration in `dir` and makes its filters.
pub fn prepare(dir: &Path, zone: &TimeZone) -> Prepared {
    compile(config::load(dir), zone)
}

/// Makes the filters of a configuration.
pub fn compile(mut config: Config, zone: &TimeZone) -> Prepared {
    let mut filters = Vec::new();
    let mut usable = Vec::new();
    let mut forge = Forge::new(zone);
    for jail in std::mem::take(&mut config.jails) {
        match forge.filter(&jail) {
            Ok((filter, mut notes)) => {
                if jail.events.as_ref().is_some_and(|events| events.filter.is_some()) {
                    match Filter::of_events(&jail) {
                        Ok((_, more)) => notes.extend(more),
                        Err(problems) => {
                            config.problems.extend(problems.into_iter().map(|p| refused(p, &jail.name)));
                            continue;
                        }
                    }
                }
                config.problems.extend(notes.into_iter().map(|p| p.of_jail(&jail.name)));
                filters.push(filter);
                usable.push(jail);
            }
            Err(problems) => config.problems.extend(problems.into_iter().map(|p| refused(p, &jail.name))),
        }
    }
    config.jails = usable;
    for jail in &config.refused {
        match forge.filter(jail) {
            Ok((_, notes)) => config.problems.extend(notes.into_iter().map(|p| p.of_jail(&jail.name))),
            Err(problems) => config.problems.extend(problems.into_iter().map(|p| refused(p, &jail.name))),
        }
    }
    Prepared { config, filters }
}

/// What does not compile here does not compile in fail2ban's server either.
fn refused(problem: Problem, jail: &str) -> Problem {
    let original = if problem.severity == Severity::Error { Original::StopsServer } else { Original::Ignores };
    problem.of_jail(jail).fail2ban(original)
}

impl Prepared {
    /// Adds to the problems what only a closer look at the filters tells. See [`Filter::remark`].
    pub fn remark(&mut self) {
        for (jail, filter) in self.config.jails.iter().zip(&self.filters) {
            let note = |why| Problem::new(Severity::Note, jail.origin.clone(), why).of_jail(&jail.name);
            self.config.problems.extend(filter.remark(jail.unwrap != Unwrap::None).map(note));
        }
    }

    /// Jails that wait: on only when one of their logs exists, and none does. The journal and a PBX's events are always there.
    pub fn waits(jail: &JailSettings) -> bool {
        jail.enabled == Enabled::Auto
            && jail.journal.is_none()
            && jail.events.is_none()
            && Prepared::logs(jail).is_empty()
    }

    /// The logs of a jail that exist now, in the order of its patterns; only the first one where it reads no more.
    pub fn logs(jail: &JailSettings) -> Vec<String> {
        let existing = |also: bool| {
            let meant = jail.logpath.iter().filter(move |path| path.also == also);
            meant.flat_map(|path| glob::expand(&path.pattern)).map(|path| path.display().to_string())
        };
        let limit = if jail.logpath_first { 1 } else { usize::MAX };
        existing(false).take(limit).chain(existing(true)).collect()
    }
}

/// A problem as a line of the log.
pub fn record(problem: &Problem) -> Record {
    let level = match problem.severity {
        Severity::Note => Level::Info,
        Severity::Warning => Level::Warning,
        Severity::Error => Level::Error,
    };
    Record::new(level, "config", line(problem))
}

/// A problem on one line: place, message, hint.
pub fn line(problem: &Problem) -> String {
    let place = problem.origin.to_string();
    let place = if place.is_empty() { String::new() } else { format!("{place}: ") };
    let jail = problem.jail.as_ref().map_or(String::new(), |j| format!("[{j}] "));
    let hint = problem.hint.as_ref().map_or(String::new(), |h| format!(" ({h})"));
    format!("{place}{jail}{}{hint}", problem.message)
}

/// Says in a few lines what is guarded, what is waited for, and what bans.
pub fn announce(options: &Options, jails: &[JailSettings], firewall: &str) {
    let conf = options.conf.as_path();
    let width = jails.iter().map(|j| j.name.len()).max().unwrap_or(0);
    let whence = if conf.is_dir() { conf.display().to_string() } else { format!("no {}: stock jails", conf.display()) };
    let mut said = vec![format!("sipjail {} ({whence})", env!("CARGO_PKG_VERSION"))];
    let mut pbx = false;
    for jail in jails {
        let logs = Prepared::logs(jail);
        let patterns: Vec<_> = jail.logpath.iter().map(|p| p.pattern.as_str()).collect();
        let journal = jail.journal.as_ref().map(ToString::to_string);
        let what = match (logs.is_empty(), jail.enabled) {
            _ if let Some(asked) = journal.filter(|asked| !asked.is_empty()) => format!("reads the journal: {asked}"),
            _ if jail.journal.is_some() => "reads the whole journal".to_owned(),
            (none, _) if let Some(Events { server, .. }) = &jail.events => {
                let logs = if none { String::new() } else { format!(", and reads {}", logs.join(", ")) };
                format!("hears the events of {} at {}:{}{logs}", server.label(), server.host, server.port)
            }
            (false, _) => format!("reads {}", logs.join(", ")),
            (true, crate::config::Enabled::Auto) => format!("waits for {}", patterns.join(", ")),
            (true, crate::config::Enabled::Yes) => format!("is on; not there yet: {}", patterns.join(", ")),
        };
        pbx |= (!logs.is_empty() || jail.journal.is_some() || jail.events.is_some()) && jail.filter.name != "recidive";
        said.push(format!("  {:width$}  {what}", jail.name));
    }
    said.push(format!("  bans go into {}", where_to(options, jails, firewall)));
    if !pbx {
        let meanwhile = "sipjail watches for one to appear; meanwhile try `make demo` or `sipjail replay FILE`";
        said.push(format!("no PBX log exists yet: {meanwhile}"));
    }
    // Nobody may be listening.
    let _closed = writeln!(io::stdout().lock(), "{}", said.join("\n"));
}

/// Where bans go, the scripts that carry them out by name.
fn where_to(options: &Options, jails: &[JailSettings], firewall: &str) -> String {
    let dry = "the log only (dry run)".to_owned();
    if options.dry_run {
        return dry;
    }
    let in_kernel = jails.is_empty() || jails.iter().any(|jail| jail.own() == Some(Own::Ipset));
    let mut ways: Vec<String> = in_kernel.then(|| "the kernel's ipsets".to_owned()).into_iter().collect();
    let scripts = jails.iter().flat_map(JailSettings::scripts).map(|action| action.name.clone());
    ways.extend(scripts.collect::<IndexSet<String>>());
    match ways.is_empty() {
        true if firewall == "dryrun" => dry,
        true => "the list only".to_owned(),
        false => ways.join(", "),
    }
}

/// Why this configuration should not be taken on: a mistake in it would end a jail that runs, and lift its bans.
pub fn would_end(running: &[String], config: &Config) -> Option<Error> {
    let gone = |jail: &&String| ***jail != *MANUAL && !config.jails.iter().any(|j| j.name == **jail);
    running.iter().filter(gone).find_map(|jail| {
        let about = |p: &&Problem| p.severity == Severity::Error && p.jail.as_ref().is_none_or(|j| j == jail);
        let why = line(config.problems.iter().find(about)?);
        let message = format!("nothing is changed, since the jail `{jail}` would end: {why}");
        Some(
            Error::new(Kind::Config, message)
                .hint("mend what `sipjail check` shows; the running jails go on as they were"),
        )
    })
}
