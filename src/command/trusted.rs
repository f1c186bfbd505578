//! `trusted [JAIL]`: every address on trust, with its first and last login and the end of its trust.

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::{House, Reply, columns};
use crate::engine::TrustStatus;
use crate::error::Error;
use crate::time::Timestamp;

/// List every address on trust, since somebody logged in from there with a password
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
pub struct Args {
    /// As this jail's `trusttime` says; without it, the longest one
    pub jail: Option<String>,
}

/// Every address on trust, in their order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TrustedReply(pub Vec<Row>);

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// From where somebody logged in.
    pub address: String,
    /// First, without a pause that ended the trust (RFC 3339).
    pub since: String,
    /// Last (RFC 3339).
    pub last: String,
    /// When the trust ends unless somebody logs in again (RFC 3339).
    pub until: String,
    /// Accounts that are known to log in there.
    pub accounts: usize,
    /// The time that is left, in words.
    pub left: String,
}

impl Args {
    pub(super) fn words(&self) -> Vec<String> {
        std::iter::once("trusted".to_owned()).chain(self.jail.clone()).collect()
    }

    pub(super) fn run(&self, house: &House<'_>) -> Result<TrustedReply, Error> {
        let trusted = house.engine.trusted(self.jail.as_deref(), house.now)?;
        Ok(TrustedReply(trusted.into_iter().map(|t| Row::new(&t, house.now, house.zone)).collect()))
    }
}

impl Row {
    fn new(status: &TrustStatus, now: Timestamp, zone: &TimeZone) -> Row {
        let TrustStatus { address, since, last, until, accounts } = status;
        Row {
            address: address.to_string(),
            since: since.rfc3339(zone),
            last: last.rfc3339(zone),
            until: until.rfc3339(zone),
            accounts: *accounts,
            left: (*until - now).to_string(),
        }
    }
}

impl Reply for TrustedReply {
    fn text(&self) -> String {
        if self.0.is_empty() {
            return "nobody is on trust".to_owned();
        }
        let short = |time: &str| time.get(..19).unwrap_or(time).replace('T', " ");
        let rows = self.0.iter().map(|r| {
            [
                r.address.clone(),
                short(&r.since),
                short(&r.last),
                short(&r.until),
                r.left.clone(),
                r.accounts.to_string(),
            ]
        });
        columns(["ADDRESS", "SINCE", "LAST LOGIN", "UNTIL", "LEFT", "ACCOUNTS"], rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trust_is_shown_with_its_end_in_words() {
        let at = |secs: i64| Timestamp::from_secs(1_795_168_800 + secs);
        let address = "192.0.2.1".parse().expect("an address");
        let status = TrustStatus { address, since: at(-7200), last: at(0), until: at(21_600), accounts: 3 };
        let reply = TrustedReply(vec![Row::new(&status, at(60), &TimeZone::UTC)]);
        assert_eq!(
            reply.text(),
            "ADDRESS    SINCE                LAST LOGIN           UNTIL                LEFT    ACCOUNTS\n\
             192.0.2.1  2026-11-20 08:00:00  2026-11-20 10:00:00  2026-11-20 16:00:00  5h 59m  3"
        );
        assert_eq!(TrustedReply(Vec::new()).text(), "nobody is on trust");
    }
}
