//! What has to be found out elsewhere because it is slow: names, programs, files.

use std::net::IpAddr;
use std::path::PathBuf;

/// Something slow.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Question {
    /// The addresses of a host name.
    Resolve(String),
    /// The exit code of a program, run as `/bin/sh -c SCRIPT ARGS…`; values from a log stand in the arguments only.
    Run {
        /// Trusted text from the configuration.
        script: String,
        /// Positional arguments from `$0` on.
        args: Vec<String>,
    },
    /// The words in a file of `ignoreip = file:PATH`.
    Words(PathBuf),
}

impl Question {
    /// The answer of somebody who could not find it out.
    pub fn unanswered(&self, why: &str) -> Answer {
        match self {
            Question::Resolve(_) => Answer::Addresses(Err(why.to_owned())),
            Question::Run { .. } => Answer::Exit(Err(why.to_owned())),
            Question::Words(_) => Answer::Words(Err(why.to_owned())),
        }
    }
}

/// An answer to a [`Question`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Addresses, or why there are none.
    Addresses(Result<Vec<IpAddr>, String>),
    /// An exit code, or why there is none.
    Exit(Result<i32, String>),
    /// The words, or why there are none.
    Words(Result<Vec<String>, String>),
}
