//! `distrust ADDRESS…`: ends the trust of addresses. The next login from there is trusted anew.

use serde::{Deserialize, Serialize};

use super::{House, Reply};
use crate::addr::Id;
use crate::error::{Error, Kind};

/// End the trust of addresses, or of all inside a network, until the next login from there
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
pub struct Args {
    /// Addresses or networks
    #[arg(required = true, value_name = "ADDRESS")]
    pub addresses: Vec<String>,
}

/// What was ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DistrustReply {
    /// How many addresses are on trust no more.
    pub distrusted: usize,
    /// What was on trust before neither.
    pub absent: Vec<String>,
}

impl Args {
    pub(super) fn words(&self) -> Vec<String> {
        std::iter::once("distrust".to_owned()).chain(self.addresses.iter().cloned()).collect()
    }

    pub(super) fn run(&self, house: &mut House<'_>) -> Result<DistrustReply, Error> {
        let ids: Vec<Id> = self.addresses.iter().map(|text| Id::parse(text)).collect();
        if let Some(raw) = ids.iter().find(|id| id.as_net().is_none()) {
            return Err(Error::new(Kind::Usage, format!("`{raw}` is neither an address nor a network")).hint(
                "write it as 192.0.2.1, 192.0.2.0/24 or 2001:db8::/32; `sipjail trusted` lists who is on trust",
            ));
        }
        let mut reply = DistrustReply { distrusted: 0, absent: Vec::new() };
        for id in ids {
            match house.engine.distrust(&id) {
                0 => reply.absent.push(id.to_string()),
                ended => reply.distrusted += ended,
            }
        }
        Ok(reply)
    }
}

impl Reply for DistrustReply {
    fn text(&self) -> String {
        let ended = match self.distrusted {
            1 => "1 address is on trust no more".to_owned(),
            n => format!("{n} addresses are on trust no more"),
        };
        let absent = self.absent.iter().map(|address| format!("{address} was not on trust"));
        std::iter::once(ended).chain(absent).collect::<Vec<_>>().join("\n")
    }
}
