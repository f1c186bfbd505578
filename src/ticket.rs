//! What passes between the stages: a [`Failure`] that a filter found, and the [`Ticket`] that a jail makes of failures.

mod named;
mod texts;

use std::fmt;

use indexmap::IndexMap;

use crate::addr::Id;
use crate::time::{Bantime, Timestamp};

pub use named::Named;
pub use texts::Texts;

/// One failure that a filter found in a log, or another [`Sign`] there.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// Whom it is counted against.
    pub who: Who,
    /// When it happened, by the log; never later than the moment it was read.
    pub time: Timestamp,
    /// How many tries the line stands for; 1 unless it says "after N tries".
    pub count: u32,
    /// The lines that matched, as they stood in the log (lossily decoded, without their newline).
    pub matches: Vec<String>,
    /// Captured groups by lower-case name without those of [`Who`]: `user`, `fport`, …
    pub groups: Named,
    /// What it is a sign of; only a failure is counted.
    pub sign: Sign,
}

/// What a line of a log is a sign of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sign {
    /// Somebody failed: `failregex`.
    #[default]
    Failed,
    /// Somebody logged in with a password: `trustregex`.
    LoggedIn,
    /// The PBX was started or reloaded: `restartregex`. It is nobody's; [`Failure::who`] is empty.
    Restarted,
}

/// Whom a failure is counted against, as far as the filter can tell.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Who {
    /// An identity.
    Id(Id),
    /// A host name that has to be looked up first (`usedns = yes` or `warn`); one failure per address of it.
    Name(String),
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Who::Id(id) => id.fmt(f),
            Who::Name(name) => f.write_str(name),
        }
    }
}

/// A ban: who, in which jail's name, since when and how long.
#[derive(Clone, Debug, PartialEq)]
pub struct Ticket {
    /// Who is banned.
    pub id: Id,
    /// The last failure's time, or the moment of a ban by hand: the ban counts from here.
    pub time: Timestamp,
    /// How long; `None` follows the jail's `bantime`, also when that changes later.
    pub bantime: Option<Bantime>,
    /// How often this identity has been banned in this jail, this time included.
    pub bancount: u32,
    /// Failures that led to the ban; 0 for a ban by hand.
    pub failures: u32,
    /// The last matched lines, `maxmatches` at most.
    pub matches: Vec<String>,
    /// Groups captured at the first failure.
    pub groups: IndexMap<String, String>,
    /// Came back from the database or the kernel instead of being decided now.
    pub restored: bool,
}

/// How often an identity has failed so far: fail2ban's failure record.
#[derive(Clone, Debug, PartialEq)]
pub struct Counter {
    /// Start of the window that is counted.
    pub first: Timestamp,
    /// The newest failure.
    pub last: Timestamp,
    /// Failures, as estimated over the window.
    pub retry: u32,
    /// Failures in all.
    pub failures: u32,
    /// The last matched lines.
    pub matches: Texts,
    /// The accounts among them and when each was new, as hashes; none where the jail counts lines.
    pub accounts: Vec<(u64, Timestamp)>,
}

/// What is known of the logins from an address that is on trust.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The first one since it is.
    pub since: Timestamp,
    /// The newest one.
    pub last: Timestamp,
    /// Which accounts, as hashes, and when each was first met.
    pub accounts: Vec<(u64, Timestamp)>,
}

/// One row of `bips`: the newest ban of an identity in a jail.
#[derive(Clone, Debug, PartialEq)]
pub struct SavedBan {
    /// In which jail.
    pub jail: String,
    /// Who, since when, how often.
    pub ticket: Ticket,
    /// How long.
    pub bantime: Bantime,
}

/// What the database knows of somebody's bans.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Past {
    /// Failures of all of them.
    pub failures: u32,
    /// Their matched lines, oldest first.
    pub matches: Vec<String>,
}
