//! Files of `action.d` as fail2ban runs them: commands for the shell at the start, at each ban and unban, and at the end.
//!
//! ```text
//! Deed ──> Scripts (the actions of one jail, in order) ──> Act (when to start, check, repair) ──> Outside (runs a Script)
//! ```
//!
//! [`Scripts`] remembers what its actions hold, as a kernel's set does; what is to be held it is told as [`Deed`]s. Running
//! a script takes its time, so whoever calls this is a worker.
//!
//! `actionprolong` runs only by hand: fail2ban needs it because it bans before it knows how long, and here `<bantime>` is
//! final. A ban that comes from the database is told with the whole length that it had, not with what is left of it.

mod act;
mod fill;
mod order;
mod report;
#[cfg(test)]
mod scenes;
pub mod shell;
mod subject;

use std::time::Duration;

use crate::addr::Id;
use crate::config::Action;
use crate::record::Record;
use crate::script::Script;
use crate::ticket::{Past, Ticket};
use crate::time::{Bantime, Span, Timestamp};

pub use order::Scripts;

/// What the actions of a jail have to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Deed {
    /// These are the jail's actions from now on: those that are gone are stopped, new ones started and told of the bans
    /// that there are.
    Follow {
        /// What their files say; those that run no commands are passed over.
        actions: Vec<Action>,
        /// Bans that hold already, for a jail that had no such actions before.
        bans: Vec<Ticket>,
        /// `actionreload` of those that stay.
        reload: bool,
    },
    /// Somebody is banned.
    Ban(Box<Ticket>),
    /// Somebody who is banned failed again, well after the ban: if his ban is found missing, it is made again.
    Again {
        /// Who.
        id: Id,
        /// From the ban's beginning to its end, as it is now.
        bantime: Bantime,
        /// The present.
        now: Timestamp,
    },
    /// A ban is over.
    Unban(Id),
    /// All bans are over.
    Flush,
    /// The jail ends: all bans are lifted, and the actions stopped in reverse order.
    Stop,
    /// One action is told to do one thing, by hand.
    Perform {
        /// Its name within the jail.
        action: String,
        /// What.
        method: Method,
        /// For whom, where that matters: one who is not banned gets a ticket of the moment.
        ticket: Option<Box<Ticket>>,
    },
}

/// What an action can be told to do by hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "they are fail2ban's words")]
pub enum Method {
    Start,
    Stop,
    Flush,
    Reload,
    Ban,
    Reban,
    Prolong,
    Unban,
}

impl Method {
    /// fail2ban's word for it.
    pub fn by_name(name: &str) -> Option<Method> {
        Some(match name {
            "start" => Method::Start,
            "stop" => Method::Stop,
            "flush" => Method::Flush,
            "reload" => Method::Reload,
            "ban" => Method::Ban,
            "reban" => Method::Reban,
            "prolong" => Method::Prolong,
            "unban" => Method::Unban,
            _ => return None,
        })
    }

    /// Whether it is done to somebody.
    pub fn wants_id(self) -> bool {
        matches!(self, Method::Ban | Method::Reban | Method::Prolong | Method::Unban)
    }
}

/// Numbers of a jail, for `<jail.…>`, and its `bantime` for tickets without their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counters {
    /// Bans that hold.
    pub banned: usize,
    /// Bans since the jail started.
    pub banned_total: u64,
    /// Identities with failures that count.
    pub found: usize,
    /// Failures since the jail started.
    pub found_total: u64,
    /// The jail's `bantime`.
    pub bantime: Bantime,
}

impl Default for Counters {
    fn default() -> Counters {
        Counters { banned: 0, banned_total: 0, found: 0, found_total: 0, bantime: Bantime::For(Span::default()) }
    }
}

/// What actions need of the world.
pub trait Outside {
    /// Runs a script, for `limit` at most; the error says why it could not be run.
    fn run(&mut self, script: &Script, limit: Duration) -> Result<shell::Ended, String>;

    /// A line for the log.
    fn say(&mut self, record: Record);

    /// Somebody's bans in one jail or in all, those included that were told of before this question; `None`: nothing is
    /// known.
    fn past(&mut self, id: &Id, jail: Option<&str>) -> Option<Past>;

    /// The newest ban of somebody in a jail as the database has it.
    fn saved(&mut self, id: &Id, jail: &str) -> Option<Ticket>;

    /// The name of an address.
    fn host_name(&mut self, ip: std::net::IpAddr) -> Option<String>;

    /// The name of this host, `whole` with its domain.
    fn own_name(&mut self, whole: bool) -> String;

    /// Whether this host speaks IPv6.
    fn speaks_ipv6(&mut self) -> bool;
}

/// For which addresses a command is: fail2ban starts an action for each of them by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    /// All, in an action that makes no difference.
    Any,
    /// IPv4.
    V4,
    /// IPv6.
    V6,
    /// What is no address.
    Raw,
}

impl Family {
    /// That of an identity.
    pub fn of(id: &Id) -> Family {
        match id.as_net() {
            Some(net) if net.addr().is_ipv4() => Family::V4,
            Some(_) => Family::V6,
            None => Family::Raw,
        }
    }

    /// As `<family>` says it.
    pub fn word(self) -> Option<&'static str> {
        match self {
            Family::Any => None,
            Family::V4 => Some("inet4"),
            Family::V6 => Some("inet6"),
            Family::Raw => Some("None"),
        }
    }
}
