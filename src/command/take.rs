//! `take BANS`: the part of `import` that the daemon does. Nobody types it.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use super::{House, Reply};
use crate::addr::Id;
use crate::engine::Taken;
use crate::error::{Error, Kind};
use crate::ticket::{SavedBan, Ticket};
use crate::time::{Bantime, Span, Timestamp};

/// Take in bans that another program made
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
pub struct Args {
    /// The bans, a JSON list
    #[arg(value_name = "BANS")]
    pub bans: String,
    /// Only say what would become of them
    #[arg(long)]
    pub dry_run: bool,
}

/// The longest list, as it is written into a request: the socket takes twice that.
pub const LARGEST: usize = 1 << 19;

/// What became of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TakeReply {
    /// One for each ban, in the order given.
    pub outcomes: Vec<Taken>,
}

/// A ban on its way to the daemon.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    jail: String,
    address: String,
    /// Microseconds since 1970.
    since: i64,
    /// Microseconds; -1 is for ever, none is the jail's.
    bantime: Option<i64>,
    count: u32,
    failures: u32,
    matches: Vec<String>,
    groups: IndexMap<String, String>,
}

impl From<&SavedBan> for Row {
    fn from(ban: &SavedBan) -> Row {
        let SavedBan { jail, ticket, bantime } = ban;
        Row {
            jail: jail.clone(),
            address: ticket.id.to_string(),
            since: ticket.time.0,
            bantime: ticket.bantime.map(|_| match bantime {
                Bantime::Forever => -1,
                Bantime::For(span) => span.0.max(0),
            }),
            count: ticket.bancount,
            failures: ticket.failures,
            matches: ticket.matches.clone(),
            groups: ticket.groups.clone(),
        }
    }
}

impl From<Row> for SavedBan {
    fn from(row: Row) -> SavedBan {
        let bantime =
            row.bantime.map(|micros| if micros == -1 { Bantime::Forever } else { Bantime::For(Span(micros)) });
        let ticket = Ticket {
            id: Id::parse(&row.address),
            time: Timestamp(row.since),
            bantime,
            bancount: row.count,
            failures: row.failures,
            matches: row.matches,
            groups: row.groups,
            restored: true,
        };
        SavedBan { jail: row.jail, ticket, bantime: bantime.unwrap_or(Bantime::For(Span(0))) }
    }
}

impl Row {
    /// The same without the lines that led to the ban.
    pub fn without_matches(self) -> Row {
        Row { matches: Vec::new(), ..self }
    }
}

impl Args {
    pub(super) fn words(&self) -> Vec<String> {
        let mut words = vec!["take".to_owned(), self.bans.clone()];
        words.extend(self.dry_run.then(|| "--dry-run".to_owned()));
        words
    }

    pub(super) fn run(&self, house: &mut House<'_>) -> Result<TakeReply, Error> {
        let rows: Vec<Row> = serde_json::from_str(&self.bans)
            .map_err(|e| Error::new(Kind::Usage, format!("this is no list of bans: {e}")))?;
        let bans = rows.into_iter().map(SavedBan::from).collect();
        Ok(TakeReply { outcomes: house.engine.take_in(bans, self.dry_run, house.now, house.out)? })
    }
}

impl Reply for TakeReply {
    fn text(&self) -> String {
        let taken = self.outcomes.iter().filter(|outcome| !matches!(outcome, Taken::Refused(_))).count();
        format!("{taken} of {} taken", self.outcomes.len())
    }
}
