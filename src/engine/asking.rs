//! What can be asked of an engine about its jails. Nothing changes by it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Engine;
use crate::addr::Id;
use crate::config::JailSettings;
use crate::error::Error;
use crate::jail::Jail;
use crate::time::Timestamp;

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
    /// Counters that were given up because there were too many.
    #[serde(default)]
    pub forgotten: u64,
    /// Failures that were not counted because too many waited for an answer to a slow question.
    #[serde(default)]
    pub dropped: u64,
    /// Failures from addresses on trust that did not count.
    #[serde(default)]
    pub spared: u64,
    /// Failures that were not counted because their account had failed a while ago: `countby`.
    #[serde(default)]
    pub repeated: u64,
    /// Failures that were not counted because they named no account: `countby = user`.
    #[serde(default)]
    pub nameless: u64,
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
    /// Names of the jails that run, in order.
    pub fn jails(&self) -> Vec<String> {
        self.jails.keys().map(ToString::to_string).collect()
    }

    /// The settings that a jail runs with; an unknown jail is an error with a hint. [`Engine::add_jail`] changes them.
    pub fn settings(&self, jail: &str) -> Result<&JailSettings, Error> {
        Ok(&self.find(jail)?.1.settings)
    }

    /// Failures of a jail that did not count: another line had told of the same event (`dedupe`), or they named an account that
    /// had just failed, or none (`countby`).
    pub fn uncounted(&self, jail: &str) -> u64 {
        self.jails.get(jail).map_or(0, Jail::uncounted)
    }

    /// A jail's numbers; an unknown jail is an error with a hint.
    pub fn status(&self, jail: &str) -> Result<JailStatus, Error> {
        let (name, jail) = self.find(jail)?;
        Ok(JailStatus {
            currently_failed: jail.failures.len(),
            total_failed: jail.failures.total(),
            currently_banned: jail.bans.len(),
            total_banned: jail.bans.total(),
            banned: jail.bans.iter().map(|(id, _)| id.to_string()).collect(),
            forgotten: jail.failures.forgotten(),
            dropped: self.dropped.get(name).copied().unwrap_or(0),
            spared: jail.spared,
            repeated: jail.accounts.again(),
            nameless: jail.nameless,
        })
    }

    /// Every ban, of one jail or of all.
    pub fn banned(&self, jail: Option<&str>) -> Result<Vec<BanStatus>, Error> {
        let jails: Vec<(&Arc<str>, &Jail)> = match jail {
            Some(jail) => vec![self.find(jail)?],
            None => self.jails.iter().collect(),
        };
        let bans = jails.into_iter().flat_map(|(name, jail)| {
            jail.bans.iter().map(move |(id, ban)| BanStatus {
                id: id.clone(),
                jail: name.to_string(),
                since: ban.since,
                until: jail.bans.until(ban),
                before: ban.bancount.saturating_sub(1),
            })
        });
        Ok(bans.collect())
    }

    /// The name of one jail, or of all.
    pub(super) fn names(&self, jail: Option<&str>) -> Result<Vec<Arc<str>>, Error> {
        match jail {
            Some(jail) => Ok(vec![self.find(jail)?.0.clone()]),
            None => Ok(self.jails.keys().cloned().collect()),
        }
    }

    pub(super) fn find(&self, jail: &str) -> Result<(&Arc<str>, &Jail), Error> {
        self.jails.get_key_value(jail).ok_or_else(|| {
            let error = Error::unknown("jail", jail, &self.jails());
            if self.jails.is_empty() { error.hint("no jail is on; `sipjail check` says why") } else { error }
        })
    }
}
