//! What is wrong with a configuration, where, and what to do about it.

use std::collections::HashMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use ariadne::{CharSet, Color, IndexType, Label, Report, ReportKind, Source};
use serde::{Serialize, Serializer};

use super::{ini, tree};
use crate::text::printable;

/// One thing that is wrong, or has no effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// How bad.
    pub severity: Severity,
    /// Where; a default origin stands in no file.
    pub origin: Origin,
    /// The jail that is concerned, where it is one.
    pub jail: Option<String>,
    /// What is wrong, naming the thing: lower case, no full stop.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
    /// What fail2ban does about the same thing.
    pub fail2ban: Original,
}

/// What fail2ban does where we report a problem, from the mildest on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub enum Original {
    /// It goes on as if nothing were wrong, at most with a line in its log.
    #[default]
    #[serde(rename = "ignores")]
    Ignores,
    /// It leaves the jail out and starts; its `-t` fails.
    #[serde(rename = "skips the jail")]
    SkipsJail,
    /// It takes the files (`-t` is content), but its server gives up at the start.
    #[serde(rename = "stops at start")]
    StopsServer,
    /// It refuses the configuration as a whole.
    #[serde(rename = "stops")]
    Stops,
}

impl Original {
    /// Whether not even the good jails would run.
    pub fn stops(self) -> bool {
        self >= Original::StopsServer
    }

    /// In a few words; nothing where there is nothing to say.
    pub fn words(self) -> Option<&'static str> {
        match self {
            Original::Ignores => None,
            Original::SkipsJail => Some("fail2ban would leave the jail out"),
            Original::StopsServer => Some("fail2ban's server would not start"),
            Original::Stops => Some("fail2ban would refuse everything"),
        }
    }
}

/// How bad a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Understood, but without effect here.
    Note,
    /// Probably not what was meant; sipjail goes on with it.
    Warning,
    /// The jail (or the file) is left out.
    Error,
}

/// A place in a configuration file.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin {
    /// The file, as it was opened; empty: no file.
    pub path: Arc<Path>,
    /// From 1; 0: the file as a whole.
    pub line: usize,
    /// From 1, in characters; 0: the whole line.
    pub column: usize,
    /// Characters meant; at least 1 where there is a column.
    pub width: usize,
}

impl Default for Origin {
    fn default() -> Origin {
        Origin { path: Arc::from(Path::new("")), line: 0, column: 0, width: 0 }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.path.display(), self.line, self.column) {
            (path, 0, _) => write!(f, "{path}"),
            (path, line, 0) => write!(f, "{path}:{line}"),
            (path, line, column) => write!(f, "{path}:{line}:{column}"),
        }
    }
}

impl Problem {
    /// A problem at a place.
    pub fn new(severity: Severity, origin: Origin, message: impl Into<String>) -> Problem {
        let (message, fail2ban) = (message.into(), Original::Ignores);
        Problem { severity, origin, jail: None, message, hint: None, fail2ban }
    }

    /// The same, for a jail.
    pub fn of_jail(mut self, jail: &str) -> Problem {
        self.jail = Some(jail.to_owned());
        self
    }

    /// The same with what to do.
    pub fn hint(mut self, hint: impl Into<String>) -> Problem {
        self.hint = Some(hint.into());
        self
    }

    /// The same with what fail2ban does.
    pub fn fail2ban(self, fail2ban: Original) -> Problem {
        Problem { fail2ban, ..self }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Severity::Note => "note",
            Severity::Warning => "warning",
            Severity::Error => "error",
        })
    }
}

/// For a log: place, severity and message in one line, without the line of the file.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = self.origin.to_string();
        if !place.is_empty() {
            write!(f, "{}: ", printable(&place))?;
        }
        f.write_str(&self.sentence())
    }
}

/// As data: `severity`, `path`, `line`, `column`, `jail`, `message`, `hint`, `fail2ban`; what is not
/// there is null.
impl Serialize for Problem {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Data<'a> {
            severity: Severity,
            path: Option<String>,
            line: Option<usize>,
            column: Option<usize>,
            jail: Option<&'a str>,
            message: &'a str,
            hint: Option<&'a str>,
            fail2ban: Original,
        }
        let Origin { path, line, column, .. } = &self.origin;
        Data {
            severity: self.severity,
            path: (!path.as_os_str().is_empty()).then(|| path.display().to_string()),
            line: Some(*line).filter(|n| *n > 0),
            column: Some(*column).filter(|n| *n > 0),
            jail: self.jail.as_deref(),
            message: &self.message,
            hint: self.hint.as_deref(),
            fail2ban: self.fail2ban,
        }
        .serialize(serializer)
    }
}

/// Shows problems with the line that is meant; each file is read once.
#[derive(Default)]
pub struct Printer {
    color: bool,
    files: HashMap<Arc<Path>, Vec<String>>,
}

impl Printer {
    /// With or without colour.
    pub fn new(color: bool) -> Printer {
        Printer { color, ..Printer::default() }
    }

    /// A problem as text, ending in a line feed.
    pub fn show(&mut self, problem: &Problem) -> String {
        self.snippet(problem).unwrap_or_else(|| plain(problem))
    }

    /// With the line and a caret, where the line can be shown.
    fn snippet(&mut self, problem: &Problem) -> Option<String> {
        let Origin { path, line, column, width } = &problem.origin;
        let lines = self.files.entry(path.clone()).or_insert_with(|| {
            let text = tree::source(path).unwrap_or_default();
            ini::universal_lines(&text).map(shown).collect()
        });
        let text = lines.get(line.checked_sub(1)?)?;
        let length = text.chars().count();
        let start = column.saturating_sub(1);
        if start >= length || *line > MAX_LINE {
            return None;
        }
        let id = printable(&path.display().to_string()).into_owned();
        let end = if *column == 0 { length } else { (start + (*width).max(1)).min(length) };
        // Empty lines stand in for those before: ariadne's own offset does not reach the numbers in its margin.
        let before = line - 1;
        let source = Source::from("\n".repeat(before) + text);
        let span = (id.clone(), before + start..before + end);
        let config = ariadne::Config::default()
            .with_color(self.color)
            .with_index_type(IndexType::Char)
            .with_char_set(CharSet::Unicode);
        let (color, code) = match problem.severity {
            Severity::Error => (Color::Red, 31),
            Severity::Warning => (Color::Yellow, 33),
            Severity::Note => (Color::Blue, 34),
        };
        let what = problem.hint.as_deref().map_or("here".into(), printable);
        let mut out = Vec::new();
        Report::build(ReportKind::Error, span.clone())
            .with_config(config)
            .with_label(Label::new(span).with_color(color).with_message(what))
            .finish()
            .write((id, source), &mut out)
            .ok()?;
        // ariadne colours a heading of our own words even when told not to, so its heading gives way to ours.
        let out = String::from_utf8(out).ok()?;
        let body = &out[out.find('\n')? + 1..];
        let severity = problem.severity.to_string();
        let severity = if self.color { format!("\x1b[{code}m{severity}:\x1b[0m") } else { severity + ":" };
        Some(format!("{severity} {}{}\n{body}", problem.sentence(), aside(problem)))
    }
}

impl Problem {
    /// Which jail, and what.
    fn sentence(&self) -> String {
        let jail = self.jail.as_ref().map(|jail| format!("jail `{}`: ", printable(jail))).unwrap_or_default();
        format!("{jail}{}", printable(&self.message))
    }
}

/// Without the line: of a file as a whole, or of no file.
fn plain(problem: &Problem) -> String {
    let hint = problem.hint.as_ref().map(|hint| format!("  help: {}\n", printable(hint))).unwrap_or_default();
    format!("{}: {problem}{}\n{hint}", problem.severity, aside(problem))
}

/// What fail2ban does, in brackets.
fn aside(problem: &Problem) -> String {
    problem.fail2ban.words().map(|words| format!(" ({words})")).unwrap_or_default()
}

/// A line of a file for showing: not too long, and every character as wide as in the file.
fn shown(line: &str) -> String {
    let safe = |c: char| match c {
        '\t' => ' ',
        c if printable(c.encode_utf8(&mut [0; 4])).len() != c.len_utf8() => '\u{fffd}',
        c => c,
    };
    line.chars().take(MAX_SHOWN).map(safe).collect()
}

/// Problems further down in a file are shown without their line.
const MAX_LINE: usize = 100_000;

/// Characters of a line that are shown.
const MAX_SHOWN: usize = 240;

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(path: &Path, line: usize, column: usize) -> Problem {
        let origin = Origin { path: path.into(), line, column, width: 7 };
        Problem::new(Severity::Error, origin, "unknown option `maxrety`")
            .of_jail("sip")
            .hint("did you mean `maxretry`?")
    }

    #[test]
    fn a_problem_shows_its_line_with_a_caret() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("jail.local");
        std::fs::write(&path, "[sip]\r\n\tmaxrety = 3\x1b[31m\n").expect("a file");
        let text = Printer::new(false).show(&problem(&path, 2, 2)).replace(&path.display().to_string(), "jail.local");
        let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
        assert_eq!(lines[0], "error: jail `sip`: unknown option `maxrety`");
        assert!(lines[1].contains("jail.local:2:2"), "{text}");
        assert_eq!(lines[3..5], [" 2 │  maxrety = 3\u{fffd}[31m", "   │  ───┬───"], "{text}");
        assert!(text.contains("did you mean `maxretry`?"), "{text}");
        assert!(!text.contains('\x1b'));
        assert!(Printer::new(true).show(&problem(&path, 2, 2)).contains("\x1b["));
    }

    #[test]
    fn a_problem_without_a_line_is_one_sentence() {
        let said = "error: nowhere.conf:9:1: jail `sip`: unknown option `maxrety`\n  help: did you mean `maxretry`?\n";
        assert_eq!(Printer::new(false).show(&problem(Path::new("nowhere.conf"), 9, 1)), said);
        let bare = Problem::new(Severity::Note, Origin::default(), "x\x1b");
        assert_eq!(Printer::new(false).show(&bare), "note: x\\x1b\n");
        let skipped = bare.fail2ban(Original::SkipsJail);
        assert_eq!(Printer::new(false).show(&skipped), "note: x\\x1b (fail2ban would leave the jail out)\n");
    }

    #[test]
    fn a_problem_is_data() {
        let data = serde_json::to_value(problem(Path::new("a.conf"), 2, 0)).expect("it is plain");
        let expected = serde_json::json!({
            "severity": "error", "path": "a.conf", "line": 2, "column": null, "jail": "sip",
            "message": "unknown option `maxrety`", "hint": "did you mean `maxretry`?", "fail2ban": "ignores"
        });
        assert_eq!(data, expected);
    }
}
