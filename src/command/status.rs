//! `status [JAIL]`: the jails, or one jail's numbers in the tree that fail2ban-client prints.

use serde::{Deserialize, Serialize};

use super::{House, Reply};
use crate::config::Journal;
use crate::error::Error;
use crate::text::printable;
use crate::time::{Span, Timestamp};

/// Show all jails, or one jail's failures and bans
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
pub struct Args {
    /// The jail; without it all are listed
    pub jail: Option<String>,
}

/// Every jail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AllReply {
    /// Jails that run, in order.
    pub jails: Vec<String>,
    /// Jails that come on when one of their logs appears.
    pub waiting: Vec<Waiting>,
    /// What bans: `ipset` or `dryrun`.
    pub firewall: String,
    /// Version of the daemon.
    pub version: String,
}

/// A jail that waits for its log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// Its name.
    pub jail: String,
    /// The paths that it looks for.
    pub logpath: Vec<String>,
}

/// One jail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JailReply {
    /// Its name.
    pub jail: String,
    /// What was found.
    pub filter: FilterPart,
    /// What was done.
    pub actions: ActionsPart,
}

/// The filter's half of a jail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilterPart {
    /// Addresses with failures that count.
    pub currently_failed: usize,
    /// Failures since the jail started.
    pub total_failed: u64,
    /// Logs that are read.
    pub files: Vec<String>,
    /// Lines that were given up because they would have taken unbounded time: failures that may have been missed.
    #[serde(default)]
    pub gave_up: u64,
    /// Addresses whose failures were forgotten because there were too many of them, the oldest first.
    #[serde(default)]
    pub forgotten: u64,
    /// Failures that were not counted because too many waited for an answer to a slow question.
    #[serde(default)]
    pub dropped: u64,
    /// Addresses on trust, since somebody logged in from there.
    #[serde(default)]
    pub trusted: usize,
    /// Failures of such addresses that did not count.
    #[serde(default)]
    pub spared: u64,
    /// Failures that were not counted because their account had failed a while ago: `countby`.
    #[serde(default)]
    pub repeated: u64,
    /// Failures that were not counted because they named no account: `countby = user`.
    #[serde(default)]
    pub nameless: u64,
    /// What is asked of systemd's journal, where that is read in place of logs: any of these.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub journalmatch: Option<Vec<String>>,
    /// The PBX whose events are heard.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events: Option<EventsPart>,
}

/// A PBX's events, those of all jails that hear it together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventsPart {
    /// Its section in `sipjail.conf`: `ami pbx`.
    pub server: String,
    /// Since when it is connected; nothing: it is not.
    pub connected_since: Option<String>,
    /// For how many seconds.
    pub connected_for: Option<i64>,
    /// Why it is not connected.
    pub trouble: Option<String>,
    /// Events that came, since the daemon or the connection's settings began.
    pub events: u64,
    /// Among them those that somebody has tried to forge.
    pub broken: u64,
}

/// What is heard of a PBX.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// Since when it is connected.
    pub since: Option<Timestamp>,
    /// Why it is not.
    pub trouble: Option<String>,
    /// Events that came.
    pub events: u64,
    /// Among them those that nobody but a forger can have made so.
    pub broken: u64,
}

/// The actions' half of a jail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActionsPart {
    /// Bans that hold.
    pub currently_banned: usize,
    /// Bans since the jail started, restored ones included.
    pub total_banned: u64,
    /// Who is banned, in the order of the bans.
    pub banned: Vec<String>,
}

/// Either reply, as it goes over the socket.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
pub enum StatusReply {
    /// Of one jail.
    Jail(JailReply),
    /// Of all.
    All(AllReply),
}

impl Args {
    pub(super) fn words(&self) -> Vec<String> {
        std::iter::once("status".to_owned()).chain(self.jail.clone()).collect()
    }

    pub(super) fn run(&self, house: &House<'_>) -> Result<StatusReply, Error> {
        let Some(jail) = &self.jail else { return Ok(StatusReply::All(all(house))) };
        if let Some(logpath) = house.waiting.get(jail) {
            let hint = format!("it comes on when one of these appears: {}", logpath.join(", "));
            return Err(Error::new(crate::error::Kind::Usage, format!("jail `{jail}` waits for its log")).hint(hint));
        }
        let status = house.engine.status(jail)?;
        Ok(StatusReply::Jail(JailReply {
            jail: jail.clone(),
            filter: FilterPart {
                currently_failed: status.currently_failed,
                total_failed: status.total_failed,
                files: house.files.get(jail).cloned().unwrap_or_default(),
                gave_up: house.gave_up.get(jail).copied().unwrap_or(0),
                forgotten: status.forgotten,
                dropped: status.dropped,
                trusted: house.engine.trusted_count(jail, house.now)?,
                spared: status.spared,
                repeated: status.repeated,
                nameless: status.nameless,
                journalmatch: house.engine.settings(jail)?.journal.as_ref().map(Journal::groups),
                events: house
                    .engine
                    .settings(jail)?
                    .events
                    .as_ref()
                    .map(|events| events_of(&events.server.label(), house)),
            },
            actions: ActionsPart {
                currently_banned: status.currently_banned,
                total_banned: status.total_banned,
                banned: status.banned,
            },
        }))
    }
}

fn events_of(server: &str, house: &House<'_>) -> EventsPart {
    let Heard { since, trouble, events, broken } = house.heard.get(server).cloned().unwrap_or_default();
    EventsPart {
        server: server.to_owned(),
        connected_since: since.map(|since| since.rfc3339(house.zone)),
        connected_for: since.map(|since| (house.now - since).secs().max(0)),
        trouble,
        events,
        broken,
    }
}

fn all(house: &House<'_>) -> AllReply {
    let waiting = house.waiting.iter();
    AllReply {
        jails: house.engine.jails(),
        waiting: waiting.map(|(jail, paths)| Waiting { jail: jail.clone(), logpath: paths.clone() }).collect(),
        firewall: house.firewall.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    }
}

impl Reply for StatusReply {
    fn text(&self) -> String {
        match self {
            StatusReply::Jail(reply) => reply.text(),
            StatusReply::All(reply) => reply.text(),
        }
    }
}

impl AllReply {
    fn text(&self) -> String {
        let mut lines = vec!["Status".to_owned(), format!("|- Number of jail:\t{}", self.jails.len())];
        let last = if self.waiting.is_empty() { "`-" } else { "|-" };
        lines.push(format!("{last} Jail list:\t{}", self.jails.join(", ")));
        if !self.waiting.is_empty() {
            let names: Vec<_> = self.waiting.iter().map(|w| w.jail.as_str()).collect();
            lines.push(format!("`- Waiting for a log:\t{}", names.join(", ")));
        }
        lines.join("\n")
    }
}

impl EventsPart {
    fn text(&self) -> String {
        let state = match (self.connected_for, &self.trouble) {
            (Some(secs), _) => format!("connected for {}", Span::from_secs(secs)),
            (None, Some(why)) => format!("not connected: {}", printable(why)),
            (None, None) => "not connected yet".to_owned(),
        };
        let broken = if self.broken > 0 { format!(", {} broken", self.broken) } else { String::new() };
        format!("{}, {state}, {} came{broken}", self.server, self.events)
    }
}

impl JailReply {
    fn text(&self) -> String {
        let JailReply { jail, filter, actions } = self;
        let source = match &filter.journalmatch {
            Some(matches) => format!("Journal matches:\t{}", matches.join(" + ")),
            None => format!("File list:\t{}", filter.files.join(" ")),
        };
        let mut lines = vec![
            format!("Status for the jail: {jail}"),
            "|- Filter".to_owned(),
            format!("|  |- Currently failed:\t{}", filter.currently_failed),
            format!("|  |- Total failed:\t{}", filter.total_failed),
            format!("|  `- {source}"),
            "`- Actions".to_owned(),
            format!("   |- Currently banned:\t{}", actions.currently_banned),
            format!("   |- Total banned:\t{}", actions.total_banned),
            format!("   `- Banned IP list:\t{}", actions.banned.join(" ")),
        ];
        if let Some(events) = &filter.events {
            lines.insert(4, format!("|  |- Events:\t{}", events.text()));
        }
        // Amid the branch, so that whoever reads fail2ban's tree by names, by branches or from its end goes on doing so.
        let FilterPart { gave_up, forgotten, dropped, trusted, spared, repeated, nameless, .. } = filter;
        let rare = [
            ("Addresses on trust", &(*trusted as u64)),
            ("On trust, not counted", spared),
            ("Repeated, not counted", repeated),
            ("Without account, not counted", nameless),
            ("Lines given up", gave_up),
            ("Addresses forgotten", forgotten),
            ("Failures dropped", dropped),
        ];
        let rare = rare.into_iter().filter(|(_, count)| **count > 0);
        lines.splice(4..4, rare.map(|(what, count)| format!("|  |- {what}:\t{count}")));
        lines.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tree_is_the_one_that_fail2ban_client_prints() {
        let reply = JailReply {
            jail: "sipt".into(),
            filter: FilterPart {
                currently_failed: 0,
                total_failed: 0,
                files: vec!["/var/log/sip.log".into()],
                gave_up: 0,
                forgotten: 0,
                dropped: 0,
                trusted: 0,
                spared: 0,
                repeated: 0,
                nameless: 0,
                journalmatch: None,
                events: None,
            },
            actions: ActionsPart { currently_banned: 1, total_banned: 1, banned: vec!["192.0.2.1".into()] },
        };
        let tree = "Status for the jail: sipt\n|- Filter\n|  |- Currently failed:\t0\n|  |- Total failed:\t0\n|  `- File list:\t\
                    /var/log/sip.log\n`- Actions\n   |- Currently banned:\t1\n   |- Total banned:\t1\n   `- Banned IP list:\t192.0.2.1";
        assert_eq!(reply.text(), tree);
        let mut reply = reply;
        (reply.filter.gave_up, reply.filter.forgotten) = (3, 5);
        let rare = "Total failed:\t0\n|  |- Lines given up:\t3\n|  |- Addresses forgotten:\t5";
        assert_eq!(reply.text(), tree.replace("Total failed:\t0", rare));
        (reply.filter.gave_up, reply.filter.forgotten) = (0, 0);
        (reply.filter.trusted, reply.filter.spared) = (2, 7);
        let trust = "Total failed:\t0\n|  |- Addresses on trust:\t2\n|  |- On trust, not counted:\t7";
        assert_eq!(reply.text(), tree.replace("Total failed:\t0", trust));
        (reply.filter.trusted, reply.filter.spared) = (0, 0);
        let events = EventsPart {
            server: "ami pbx".into(),
            connected_since: Some("2026-11-20T10:00:00+00:00".into()),
            connected_for: Some(90),
            trouble: None,
            events: 5,
            broken: 0,
        };
        reply.filter.events = Some(events);
        let heard = "Total failed:\t0\n|  |- Events:\tami pbx, connected for 1m 30s, 5 came";
        assert_eq!(reply.text(), tree.replace("Total failed:\t0", heard));
        reply.filter.events = None;
        reply.filter.journalmatch = Some(vec!["A=1 B=2".into(), "C=3".into()]);
        assert_eq!(reply.text(), tree.replace("File list:\t/var/log/sip.log", "Journal matches:\tA=1 B=2 + C=3"));
    }
}
