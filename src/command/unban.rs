//! `unban ADDRESS… | --all [--jail JAIL]`: lifts bans and forgets their history.

use serde::{Deserialize, Serialize};

use super::{House, Reply};
use crate::error::Error;

/// Lift bans: of addresses, of everything inside a network, or all
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
pub struct Args {
    /// Addresses or networks
    #[arg(required_unless_present = "all", value_name = "ADDRESS")]
    pub addresses: Vec<String>,
    /// Every ban
    #[arg(long, conflicts_with = "addresses")]
    pub all: bool,
    /// Only in this jail
    #[arg(long, value_name = "JAIL")]
    pub jail: Option<String>,
}

/// What was lifted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnbanReply {
    /// How many bans.
    pub unbanned: usize,
    /// Addresses that were not banned.
    pub absent: Vec<String>,
}

impl Args {
    pub(super) fn words(&self) -> Vec<String> {
        let mut words = vec!["unban".to_owned()];
        words.extend(self.addresses.iter().cloned());
        if self.all {
            words.push("--all".to_owned());
        }
        if let Some(jail) = &self.jail {
            words.extend(["--jail".to_owned(), jail.clone()]);
        }
        words
    }

    pub(super) fn run(&self, house: &mut House<'_>) -> Result<UnbanReply, Error> {
        let jail = self.jail.as_deref();
        if self.all {
            let unbanned = house.engine.unban_all(jail, house.now, house.out)?;
            return Ok(UnbanReply { unbanned, absent: Vec::new() });
        }
        let ids = self.addresses.iter().map(|a| super::ban::address(a)).collect::<Result<Vec<_>, _>>()?;
        let mut reply = UnbanReply { unbanned: 0, absent: Vec::new() };
        for id in ids {
            match house.engine.unban(jail, &id, house.now, house.out)? {
                0 => reply.absent.push(id.to_string()),
                lifted => reply.unbanned += lifted,
            }
        }
        Ok(reply)
    }
}

impl Reply for UnbanReply {
    fn text(&self) -> String {
        let lifted = match self.unbanned {
            1 => "1 ban lifted".to_owned(),
            n => format!("{n} bans lifted"),
        };
        let absent = self.absent.iter().map(|a| format!("{a} was not banned"));
        std::iter::once(lifted).chain(absent).collect::<Vec<_>>().join("\n")
    }
}
