//! What goes to stderr beside the answer, in the form of fail2ban's log.

use crate::daemon::clock;
use crate::daemon::log::Log;
use crate::record::{Level, Record};

/// Writes notes, from a level on.
pub struct Notes(Log);

impl Notes {
    /// `verbose` is one up for each `-v` and one down for each `-q`.
    pub fn new(verbose: i32) -> Notes {
        let level = match verbose {
            ..0 => Level::Error,
            0 => Level::Warning,
            1 => Level::Info,
            2.. => Level::Debug,
        };
        Notes(Log::stderr(level, clock::zone()))
    }

    /// Something did not work.
    pub fn error(&mut self, text: impl Into<String>) {
        self.of(Level::Error, "", text);
    }

    /// A note of a part of the program.
    pub fn of(&mut self, level: Level, part: &'static str, text: impl Into<String>) {
        self.0.write(&Record::new(level, part, text), clock::now());
    }
}
