//! `sipjail check`: everything that is wrong with a configuration, or has no effect, and the jails that come of it.

mod advice;

use serde::Serialize;

use crate::compat::stream;
use crate::config::problem::Printer;
use crate::config::{Config, Enabled, JailSettings, Original, Problem, Severity, Written};
use crate::source::glob;
use crate::text::printable;
use crate::word::Word;

pub use advice::{LOGGER, advice};

/// Say what is wrong with the configuration: path, line, column, and what to do
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
pub struct Args {
    /// Print what fail2ban would be told instead: its `-d`, one command a line
    #[arg(long)]
    pub dump: bool,
}

/// What a configuration amounts to.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The jails that are on or may come on.
    pub jails: Vec<JailReport>,
    /// How many errors there are.
    pub errors: usize,
    /// How many warnings.
    pub warnings: usize,
    /// How many notes.
    pub notes: usize,
    /// What fail2ban would do with the same files.
    pub fail2ban: Original,
    /// What is wrong, in the order in which it was met.
    pub problems: Vec<Problem>,
}

/// One jail that is on or may come on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct JailReport {
    /// Its name.
    pub name: String,
    /// `yes`, or `auto`: once one of its logs exists.
    pub enabled: &'static str,
    /// Its filter.
    pub filter: String,
    /// Its failregexes.
    pub failregexes: usize,
    /// Its logs, as written.
    pub logpath: Vec<String>,
}

/// Sums a configuration up, after its filters were compiled.
pub fn check(config: Config) -> Report {
    let mut problems = config.problems;
    problems.extend(config.jails.iter().filter_map(without_log));
    let count = |severity| problems.iter().filter(|problem| problem.severity == severity).count();
    let jails = config.jails.iter().map(|jail| JailReport {
        name: jail.name.clone(),
        enabled: match jail.enabled {
            Enabled::Yes => "yes",
            Enabled::Auto => "auto",
        },
        filter: jail.filter.name.clone(),
        failregexes: jail.filter.failregex.len(),
        logpath: jail.logpath.iter().map(|log| log.pattern.clone()).collect(),
    });
    Report {
        jails: jails.collect(),
        errors: count(Severity::Error),
        warnings: count(Severity::Warning),
        notes: count(Severity::Note),
        fail2ban: problems.iter().map(|problem| problem.fail2ban).max().unwrap_or_default(),
        problems,
    }
}

/// A jail that is on and has no log yet.
fn without_log(jail: &JailSettings) -> Option<Problem> {
    let none = || jail.logpath.iter().all(|log| glob::every(&log.pattern).is_empty());
    if jail.enabled != Enabled::Yes || jail.journal.is_some() || jail.logpath.is_empty() || !none() {
        return None;
    }
    let message = "none of its logs exists yet; the jail waits for one";
    let problem = Problem::new(Severity::Note, jail.origin.clone(), message).of_jail(&jail.name);
    let journal = "it has a `journalmatch`; `backend = systemd` would read the journal";
    let hint = (!jail.filter.journalmatch.is_empty()).then(|| journal.to_owned());
    Some(Problem { hint, ..problem.fail2ban(Original::Stops) })
}

/// What fail2ban would be told, each command a list.
pub fn dump(written: &Written) -> Vec<Word> {
    stream::stream(written, &glob::every).into_iter().map(Word::List).collect()
}

impl Report {
    /// Whether anything is left out.
    pub fn failed(&self) -> bool {
        self.errors > 0
    }

    /// For a terminal: each problem with its line, then one line for all.
    pub fn text(&self, color: bool) -> String {
        let mut printer = Printer::new(color);
        let mut out: String = self.problems.iter().map(|problem| printer.show(problem) + "\n").collect();
        let names: Vec<String> = self.jails.iter().map(JailReport::label).collect();
        let jails = match names.as_slice() {
            [] => "no jail".to_owned(),
            [name] => format!("1 jail: {name}"),
            names => format!("{} jails: {}", names.len(), names.join(", ")),
        };
        let counts = [(self.errors, "error"), (self.warnings, "warning"), (self.notes, "note")];
        let counts = counts.iter().filter(|(n, _)| *n > 0);
        let counts: Vec<String> =
            counts.map(|(n, word)| format!("{n} {word}{}", if *n == 1 { "" } else { "s" })).collect();
        out.push_str(&jails);
        out.push_str(" · ");
        out.push_str(&if counts.is_empty() { "nothing wrong".to_owned() } else { counts.join(", ") });
        out.push('\n');
        out.push_str(match self.fail2ban {
            Original::Ignores => "",
            Original::SkipsJail => "fail2ban would leave jails out\n",
            Original::StopsServer | Original::Stops => "fail2ban would not start with this\n",
        });
        out
    }
}

impl JailReport {
    fn label(&self) -> String {
        let name = printable(&self.name);
        if self.enabled == "auto" { format!("{name} (auto)") } else { name.into_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    use crate::config::{self, Origin};

    #[test]
    fn a_report_names_problems_and_jails() {
        let dir = tempfile::tempdir().expect("a directory");
        let text = "[sip]\nenabled = true\nfilter =\nlogpath = /nonexistent\naction = ipset\nmaxrety = 3\n\
                    [bad]\nenabled = true\nfilter = nosuch\n";
        std::fs::write(dir.path().join("jail.conf"), text).expect("a file");
        let mut config = config::load(dir.path());
        let extra = Problem::new(Severity::Error, Origin::default(), "`(` does not close").of_jail("sip");
        config.problems.push(extra);
        let report = check(config);
        assert_eq!((report.errors, report.warnings, report.notes), (2, 2, 1), "{report:?}");
        assert!(report.failed());
        let text = report.text(false);
        assert!(text.contains("did you mean `maxretry`?"), "{text}");
        assert!(
            text.ends_with("1 jail: sip · 2 errors, 2 warnings, 1 note\nfail2ban would not start with this\n"),
            "{text}"
        );
        let data = serde_json::to_value(&report).expect("it is plain");
        assert_eq!(data["jails"][0]["name"], "sip");
        assert_eq!(data["problems"][1]["severity"], "warning");
        assert_eq!((&data["fail2ban"], &data["problems"][2]["fail2ban"]), (&"stops".into(), &"skips the jail".into()));
    }

    #[test]
    fn the_stock_tree_has_nothing_wrong() {
        let report = check(config::load(Path::new("/nonexistent")));
        assert_eq!(report.problems, []);
        assert!(report.text(false).ends_with(" · nothing wrong\n"));
    }
}
