//! A line of our own log, as a value: stages and engine return these, `daemon/log` writes them.

use std::fmt;

/// How much a record matters; the numbers are fail2ban's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Level {
    /// Details that only a bug hunt needs (10).
    Debug = 10,
    /// What is worth knowing but happens all the time (20).
    Info = 20,
    /// Bans and unbans (25).
    Notice = 25,
    /// Something is not as it should be; sipjail goes on (30).
    Warning = 30,
    /// Something did not work (40).
    Error = 40,
    /// sipjail cannot do its work (50).
    Critical = 50,
}

impl Level {
    /// Every level, least first.
    pub const ALL: [Level; 6] =
        [Level::Debug, Level::Info, Level::Notice, Level::Warning, Level::Error, Level::Critical];

    /// Reads a level's name, in any case.
    pub fn parse(name: &str) -> Option<Level> {
        Level::ALL.into_iter().find(|l| l.to_string().eq_ignore_ascii_case(name))
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Level::Debug => "DEBUG",
            Level::Info => "INFO",
            Level::Notice => "NOTICE",
            Level::Warning => "WARNING",
            Level::Error => "ERROR",
            Level::Critical => "CRITICAL",
        })
    }
}

/// One line of our log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// How much it matters.
    pub level: Level,
    /// The part that speaks, by fail2ban's name for it (`filter`, `actions`, `jail`, `server`, `database`…): what
    /// reads fail2ban's log reads ours. Empty: its client as a whole.
    pub part: &'static str,
    /// What happened. May hold text from a log: the writer makes it printable.
    pub text: String,
}

impl Record {
    /// A record of the given level and part.
    pub fn new(level: Level, part: &'static str, text: impl Into<String>) -> Record {
        Record { level, part, text: text.into() }
    }
}
