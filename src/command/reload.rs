//! `reload`: the configuration is read again; bans and counters stay.

use serde::{Deserialize, Serialize};

use super::Reply;

/// Read the configuration again; bans and counters stay
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
pub struct Args {}

/// What the configuration says now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReloadReply {
    /// Jails that run or wait for their log.
    pub jails: Vec<String>,
    /// What is wrong with the configuration, a line each.
    pub problems: Vec<String>,
}

impl Reply for ReloadReply {
    fn text(&self) -> String {
        let jails = if self.jails.is_empty() { "none".to_owned() } else { self.jails.join(", ") };
        let problems = self.problems.iter().cloned();
        problems.chain([format!("reloaded; jails: {jails}")]).collect::<Vec<_>>().join("\n")
    }
}
