//! `ping`: is the daemon there?

use serde::{Deserialize, Serialize};

use super::Reply;

/// Ask whether the daemon answers
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
pub struct Args {}

/// It is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pong {
    /// Always `pong`.
    pub reply: String,
    /// The daemon's process.
    pub pid: u32,
    /// The daemon's version.
    pub version: String,
}

impl Args {
    pub(super) fn run(&self) -> Pong {
        let version = env!("CARGO_PKG_VERSION").to_owned();
        Pong { reply: "pong".to_owned(), pid: std::process::id(), version }
    }
}

impl Reply for Pong {
    fn text(&self) -> String {
        format!("Server replied: {}", self.reply)
    }
}
