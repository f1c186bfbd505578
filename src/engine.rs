//! The one owner of jails, firewall and store's changes: no thread, no clock, no file.
//!
//! [`Event`]s go in with the present time, [`Request`]s come out: what to log, what to keep, whom to ask. Bans go into
//! the firewall at once, inside the call. [`Engine::due`] says when [`Engine::tick`] wants to be called next; between
//! events and that moment nothing has to run.

use std::net::IpAddr;
use std::sync::Arc;

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::addr::Id;
use crate::config::JailSettings;
use crate::error::Error;
use crate::firewall::{Firewall, FirewallError};
use crate::line::Position;
use crate::record::Record;
use crate::store::{Change, Saved};
use crate::ticket::Failure;
use crate::time::{Bantime, Span, Timestamp};

/// The guard's whole state.
pub struct Engine {}

/// What an engine starts with.
pub struct Setup {
    /// Jails that are on; those that say `auto` and have no log yet come later by [`Engine::add_jail`].
    pub jails: Vec<JailSettings>,
    /// What bans for jails whose action is `ipset` (and, until scripts run, for every other action).
    pub firewall: Box<dyn Firewall + Send>,
    /// What the database kept.
    pub saved: Saved,
    /// Matched lines kept per ban in the database.
    pub dbmaxmatches: usize,
    /// How long a finished ban is remembered.
    pub dbpurgeage: Span,
    /// This host's own addresses, for `ignoreself`.
    pub own: Vec<IpAddr>,
    /// For the times in log records.
    pub zone: TimeZone,
}

/// What happened, for [`Engine::handle`].
#[derive(Debug)]
pub enum Event {
    /// A filter found a failure.
    Failure {
        /// In which jail.
        jail: Arc<str>,
        /// What it found.
        failure: Failure,
    },
    /// Everything before this position has been handed in.
    Position {
        /// In which jail.
        jail: Arc<str>,
        /// Where.
        position: Position,
    },
    /// A worker answers an earlier [`Question`].
    Answer {
        /// The number of the question.
        token: u64,
        /// What it found out.
        answer: Answer,
    },
}

/// What the engine wants done by those who have threads, clocks and files.
#[derive(Debug)]
pub enum Request {
    /// A line for the log.
    Log(Record),
    /// Something to keep.
    Keep(Change),
    /// Something slow to find out; the answer comes back as [`Event::Answer`] with the same number.
    Ask {
        /// The number of the question.
        token: u64,
        /// What to find out.
        question: Question,
    },
}

/// Something slow.
#[derive(Clone, Debug, PartialEq, Eq)]
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
    Words(std::path::PathBuf),
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

/// Numbers of one jail, for `status`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JailStatus {
    /// Identities with failures that count.
    pub currently_failed: usize,
    /// Failures since the jail started.
    pub total_failed: u64,
    /// Bans that hold.
    pub currently_banned: usize,
    /// Bans since the jail started, restored ones included.
    pub total_banned: u64,
    /// Who is banned, in the order of the bans.
    pub banned: Vec<String>,
}

/// One ban, for `banned`.
#[derive(Clone, Debug, PartialEq)]
pub struct BanStatus {
    /// Who.
    pub id: Id,
    /// In which jail.
    pub jail: String,
    /// Since when.
    pub since: Timestamp,
    /// Until when; `None`: until somebody lifts it.
    pub until: Option<Timestamp>,
    /// How often before this time.
    pub before: u32,
}

impl Engine {
    /// Makes the firewall ready, restores what the database kept, adopts what only the kernel knows.
    pub fn start(setup: Setup, now: Timestamp, out: &mut Vec<Request>) -> Result<Engine, FirewallError> {
        let _ = (setup, now, out);
        Ok(Engine {})
    }

    /// Takes in an event. Unknown jails (removed meanwhile) are passed over.
    pub fn handle(&mut self, event: Event, now: Timestamp, out: &mut Vec<Request>) {
        let _ = (event, now, out);
    }

    /// When [`Engine::tick`] has something to do next.
    pub fn due(&self) -> Option<Timestamp> {
        None
    }

    /// Lifts what is over, renews long bans, writes counters, checks the firewall (every 30 s), purges (every hour).
    pub fn tick(&mut self, now: Timestamp, out: &mut Vec<Request>) {
        let _ = (now, out);
    }

    /// Names of the jails that run, in order.
    pub fn jails(&self) -> Vec<String> {
        Vec::new()
    }

    /// A jail's numbers; an unknown jail is an error with a hint.
    pub fn status(&self, jail: &str) -> Result<JailStatus, Error> {
        let _ = jail;
        Ok(JailStatus::default())
    }

    /// Every ban, of one jail or of all.
    pub fn banned(&self, jail: Option<&str>) -> Result<Vec<BanStatus>, Error> {
        let _ = jail;
        Ok(Vec::new())
    }

    /// Bans by hand, `bantime` or the jail's. `false`: was banned already (the new end counts if it is later). A raw
    /// identity is an error. The jail `manual` is made when first used.
    pub fn ban(
        &mut self,
        jail: &str,
        id: Id,
        bantime: Option<Bantime>,
        now: Timestamp,
        out: &mut Vec<Request>,
    ) -> Result<bool, Error> {
        let _ = (jail, id, bantime, now, out);
        Ok(true)
    }

    /// Lifts the bans of `id` (and, where it is a network, of everything in it) in one jail or all, forgets its history
    /// and its failures, and says how many bans were lifted.
    pub fn unban(
        &mut self,
        jail: Option<&str>,
        id: &Id,
        now: Timestamp,
        out: &mut Vec<Request>,
    ) -> Result<usize, Error> {
        let _ = (jail, id, now, out);
        Ok(0)
    }

    /// Lifts every ban of one jail or of all and forgets the history.
    pub fn unban_all(&mut self, jail: Option<&str>, now: Timestamp, out: &mut Vec<Request>) -> Result<usize, Error> {
        let _ = (jail, now, out);
        Ok(0)
    }

    /// A jail comes on (a log appeared, or a reload brought it): its saved bans are restored.
    pub fn add_jail(
        &mut self,
        settings: JailSettings,
        now: Timestamp,
        out: &mut Vec<Request>,
    ) -> Result<(), FirewallError> {
        let _ = (settings, now, out);
        Ok(())
    }

    /// New settings: jails not named any more are stopped (their bans leave the firewall, the history stays), new ones
    /// added, the others keep bans and counters and follow the new settings at once.
    pub fn reload(
        &mut self,
        jails: Vec<JailSettings>,
        now: Timestamp,
        out: &mut Vec<Request>,
    ) -> Result<(), FirewallError> {
        let _ = (jails, now, out);
        Ok(())
    }

    /// The end: counters and positions are given out to be kept. With `lift`, bans leave the firewall (their history
    /// stays); without, sets and rules stay and the kernel ends each ban at its time.
    pub fn stop(&mut self, lift: bool, now: Timestamp, out: &mut Vec<Request>) -> Result<(), FirewallError> {
        let _ = (lift, now, out);
        Ok(())
    }
}
