//! From configuration to jails that can run: regexes compiled, what cannot be used left out and reported.

use std::path::Path;

use jiff::tz::TimeZone;

use crate::config::{self, Config, Enabled, JailSettings, Problem, Severity};
use crate::filter::Filter;
use crate::record::{Level, Record};
use crate::source::glob;

/// A configuration with every usable jail ready to run.
pub struct Prepared {
    /// What the files say; jails whose filter does not compile are gone, and why stands among its problems.
    pub config: Config,
    /// The filters of [`Config::jails`], in the same order.
    pub filters: Vec<Filter>,
}

/// Reads the configuration in `dir` and compiles its filters.
pub fn prepare(dir: &Path, zone: &TimeZone) -> Prepared {
    let mut config = config::load(dir);
    let mut filters = Vec::new();
    let mut usable = Vec::new();
    for jail in std::mem::take(&mut config.jails) {
        match Filter::new(&jail, zone) {
            Ok((filter, notes)) => {
                config.problems.extend(notes.into_iter().map(|p| p.of_jail(&jail.name)));
                filters.push(filter);
                usable.push(jail);
            }
            Err(problems) => config.problems.extend(problems.into_iter().map(|p| p.of_jail(&jail.name))),
        }
    }
    config.jails = usable;
    for jail in &config.refused {
        let found = Filter::new(jail, zone).map_or_else(|errors| errors, |(_, notes)| notes);
        config.problems.extend(found.into_iter().map(|p| p.of_jail(&jail.name)));
    }
    Prepared { config, filters }
}

impl Prepared {
    /// Jails that wait: on only when one of their logs exists, and none does. The journal is always there.
    pub fn waits(jail: &JailSettings) -> bool {
        jail.enabled == Enabled::Auto && jail.journal.is_none() && Prepared::logs(jail).is_empty()
    }

    /// The logs of a jail that exist now, in the order of its patterns; only the first one where it reads no more.
    pub fn logs(jail: &JailSettings) -> Vec<String> {
        let found = jail.logpath.iter().flat_map(|p| glob::expand(&p.pattern));
        let limit = if jail.logpath_first { 1 } else { usize::MAX };
        found.map(|p| p.display().to_string()).take(limit).collect()
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
