//! `stop [--keep]`: the daemon ends, and with it, unless kept, every ban.

use serde::{Deserialize, Serialize};

use super::Reply;

/// End the daemon and lift all bans
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
pub struct Args {
    /// Leave bans in place: the kernel ends its own in time, what actions of action.d did stays
    #[arg(long)]
    pub keep: bool,
}

/// What became of the bans.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StopReply {
    /// Bans still stand in the kernel.
    pub kept: bool,
}

impl Args {
    pub(super) fn words(&self) -> Vec<String> {
        let keep = self.keep.then(|| "--keep".to_owned());
        std::iter::once("stop".to_owned()).chain(keep).collect()
    }
}

impl Reply for StopReply {
    fn text(&self) -> String {
        if self.kept { "stopped; bans stay in the kernel" } else { "stopped; all bans lifted" }.to_owned()
    }
}
