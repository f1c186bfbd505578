//! What is wrong with a configuration, where, and what to do about it.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

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
}

/// How bad a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
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
        Problem { severity, origin, jail: None, message: message.into(), hint: None }
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
}
