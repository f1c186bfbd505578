//! What stops a request: one type with a kind and hints. The kind decides the exit code, the hint says what to do next.

use std::fmt;

use crate::text::did_you_mean;

/// Why a request could not be done, for the person who made it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Error {
    /// What sort of trouble.
    pub kind: Kind,
    /// What is wrong, naming the thing: lower case, no full stop.
    pub message: String,
    /// What to do next.
    pub hint: Option<String>,
}

/// What sort of trouble an [`Error`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// What was typed cannot be meant: an unknown jail, a bad address. Exit code 2.
    Usage,
    /// The configuration is bad. Exit code 1.
    Config,
    /// The host lacks something: a right, a program, a kernel module. Exit code 1.
    Host,
    /// No daemon answers, or another one is there. Exit code 1.
    Daemon,
    /// A file or the database cannot be read or written. Exit code 1.
    Io,
}

impl Error {
    /// An error without a hint.
    pub fn new(kind: Kind, message: impl Into<String>) -> Error {
        Error { kind, message: message.into(), hint: None }
    }

    /// Something of which there are only the `known` ones was named wrongly.
    pub fn unknown(what: &str, name: &str, known: &[String]) -> Error {
        let known = || known.iter().map(String::as_str);
        let hint = did_you_mean(name, known())
            .unwrap_or_else(|| format!("there are: {}", known().collect::<Vec<_>>().join(", ")));
        Error::new(Kind::Usage, format!("there is no {what} `{name}`")).hint(hint)
    }

    /// The same with what to do next.
    pub fn hint(mut self, hint: impl Into<String>) -> Error {
        self.hint = Some(hint.into());
        self
    }

    /// What the process exits with.
    pub fn exit_code(&self) -> u8 {
        match self.kind {
            Kind::Usage => 2,
            Kind::Config | Kind::Host | Kind::Daemon | Kind::Io => 1,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}
