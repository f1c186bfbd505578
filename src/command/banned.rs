//! `banned [--jail JAIL]`: every ban with its beginning, its end and how often before.

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::{House, Reply, columns};
use crate::engine::BanStatus;
use crate::error::Error;
use crate::time::Timestamp;

/// List every ban: address, jail, since, until, how often before
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
pub struct Args {
    /// Only of this jail
    #[arg(long, value_name = "JAIL")]
    pub jail: Option<String>,
}

/// Every ban, in the order of jails and bans.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BannedReply(pub Vec<Row>);

/// One ban.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// Who.
    pub address: String,
    /// In which jail.
    pub jail: String,
    /// Since when (RFC 3339).
    pub since: String,
    /// Until when (RFC 3339); `null`: until somebody lifts it.
    pub until: Option<String>,
    /// Bans of this address in this jail before this one.
    pub count: u32,
    /// The time that is left, in words.
    pub left: String,
}

impl Args {
    pub(super) fn words(&self) -> Vec<String> {
        let jail = self.jail.iter().flat_map(|j| ["--jail".to_owned(), j.clone()]);
        std::iter::once("banned".to_owned()).chain(jail).collect()
    }

    pub(super) fn run(&self, house: &House<'_>) -> Result<BannedReply, Error> {
        let bans = house.engine.banned(self.jail.as_deref())?;
        Ok(BannedReply(bans.into_iter().map(|b| Row::new(b, house.now, house.zone)).collect()))
    }
}

impl Row {
    fn new(ban: BanStatus, now: Timestamp, zone: &TimeZone) -> Row {
        Row {
            address: ban.id.to_string(),
            jail: ban.jail,
            since: ban.since.rfc3339(zone),
            until: ban.until.map(|t| t.rfc3339(zone)),
            count: ban.before,
            left: ban.until.map_or("for ever".to_owned(), |t| (t - now).to_string()),
        }
    }
}

impl Reply for BannedReply {
    fn text(&self) -> String {
        if self.0.is_empty() {
            return "nobody is banned".to_owned();
        }
        let short = |time: &str| time.get(..19).unwrap_or(time).replace('T', " ");
        let rows = self.0.iter().map(|r| {
            let until = r.until.as_deref().map_or("-".to_owned(), short);
            [r.address.clone(), r.jail.clone(), short(&r.since), until, r.left.clone(), r.count.to_string()]
        });
        columns(["ADDRESS", "JAIL", "SINCE", "UNTIL", "LEFT", "BEFORE"], rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::addr::Id;

    #[test]
    fn a_ban_is_shown_with_its_end_in_words() {
        let now = Timestamp::from_secs(1_795_168_800);
        let ban = |until| BanStatus { id: Id::parse("192.0.2.1"), jail: "a".into(), since: now, until, before: 2 };
        let rows = [ban(Some(Timestamp::from_secs(1_795_168_800 + 8100))), ban(None)];
        let reply = BannedReply(rows.map(|b| Row::new(b, now, &TimeZone::UTC)).into());
        assert_eq!(
            reply.text(),
            "ADDRESS    JAIL  SINCE                UNTIL                LEFT      BEFORE\n\
             192.0.2.1  a     2026-11-20 10:00:00  2026-11-20 12:15:00  2h 15m    2\n\
             192.0.2.1  a     2026-11-20 10:00:00  -                    for ever  2"
        );
    }
}
