//! `ban ADDRESS… [--jail JAIL] [--for TIME] [--force]`: bans by hand, at once.

use serde::{Deserialize, Serialize};

use super::{House, Reply};
use crate::addr::Id;
use crate::engine::Engine;
use crate::error::{Error, Kind};
use crate::time::{Bantime, Span};

/// Ban addresses or networks by hand
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
pub struct Args {
    /// Addresses or networks (`203.0.113.7`, `2001:db8::/64`)
    #[arg(required = true, value_name = "ADDRESS")]
    pub addresses: Vec<String>,
    /// The jail in which they are banned; `manual` is made when first used
    #[arg(long, value_name = "JAIL", default_value = "manual")]
    pub jail: String,
    /// How long: `2h`, `1d12h`, `-1` for ever; default is the jail's bantime
    #[arg(long = "for", value_name = "TIME", allow_hyphen_values = true)]
    pub time: Option<String>,
    /// Also who is protected (`sipjail protected`)
    #[arg(long)]
    pub force: bool,
}

/// What was banned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BanReply {
    /// One per address, in the order given.
    pub bans: Vec<Banned>,
}

/// One address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Banned {
    /// Who.
    pub address: String,
    /// In which jail.
    pub jail: String,
    /// Until when (RFC 3339); `null`: until somebody lifts it.
    pub until: Option<String>,
    /// Was banned before; the later end counts.
    pub already: bool,
}

impl Args {
    pub(super) fn words(&self) -> Vec<String> {
        let mut words = vec!["ban".to_owned()];
        words.extend(self.addresses.iter().cloned());
        words.extend(["--jail".to_owned(), self.jail.clone()]);
        if let Some(time) = &self.time {
            words.extend(["--for".to_owned(), time.clone()]);
        }
        if self.force {
            words.push("--force".to_owned());
        }
        words
    }

    pub(super) fn run(&self, house: &mut House<'_>) -> Result<BanReply, Error> {
        let bantime = self.time.as_deref().map(bantime).transpose()?;
        let ids = self.addresses.iter().map(|a| address(a)).collect::<Result<Vec<_>, _>>()?;
        let mut bans = Vec::new();
        for id in ids {
            let ban = if self.force { Engine::ban_anyway } else { Engine::ban };
            let new = ban(house.engine, &self.jail, id.clone(), bantime, house.now, house.out)?;
            let held = house.engine.banned(Some(&self.jail))?.into_iter().find(|b| b.id == id);
            bans.push(Banned {
                address: id.to_string(),
                jail: self.jail.clone(),
                until: held.and_then(|b| b.until).map(|t| t.rfc3339(house.zone)),
                already: !new,
            });
        }
        Ok(BanReply { bans })
    }
}

/// An address or network as typed; a name is an error.
pub(super) fn address(text: &str) -> Result<Id, Error> {
    match Id::parse(text) {
        Id::Raw(_) => Err(Error::new(Kind::Usage, format!("`{text}` is not an address"))
            .hint("give an IPv4 or IPv6 address, or a network such as 203.0.113.0/24")),
        id => Ok(id),
    }
}

/// A length of time as typed; one that is over before it begins is an error.
pub fn bantime(text: &str) -> Result<Bantime, Error> {
    let bad = |message: String| {
        Error::new(Kind::Usage, message).hint("write for example `600`, `10m`, `2h`, `1d12h`, or `-1` for ever")
    };
    match Bantime::parse(text).map_err(|e| bad(e.to_string()))? {
        Bantime::For(span) if span <= Span(0) => Err(bad(format!("a ban of `{text}` would be over before it begins"))),
        time => Ok(time),
    }
}

impl Reply for BanReply {
    fn text(&self) -> String {
        let line = |b: &Banned| {
            let until = b.until.as_deref().map_or("until it is lifted".to_owned(), |t| format!("until {t}"));
            let already = if b.already { "was banned already, " } else { "banned " };
            format!("{} {already}{until} in jail {}", b.address, b.jail)
        };
        self.bans.iter().map(line).collect::<Vec<_>>().join("\n")
    }
}
