//! What the tags of a ban stand for: the ticket, the jail's numbers, and what only the database or a name server knows.

use std::net::IpAddr;

use super::report::brief;
use super::{Counters, Family, Outside};
use crate::addr::Id;
use crate::script::{group, reversed};
use crate::ticket::Ticket;
use crate::time::{Bantime, Timestamp};
use crate::word::repr;

/// Whom a command speaks of.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// Whose jail.
    pub jail: &'a str,
    /// The ban.
    pub ticket: &'a Ticket,
    /// The jail's numbers.
    pub counters: Counters,
}

impl Subject<'_> {
    /// A tag's value; `None`: there is no such tag. The database and the name server are asked only here.
    pub fn value(&self, tag: &str, outside: &mut dyn Outside) -> Option<String> {
        let Ticket { id, groups, .. } = self.ticket;
        if let Some(name) = group(tag) {
            let found = groups.get(&name).cloned();
            return Some(found.or_else(|| self.address(&name)).unwrap_or_default());
        }
        let counters = self.counters;
        Some(match tag {
            "ip" => self.ip(),
            "fid" => id.to_string(),
            "family" => Family::of(id).word().unwrap_or_default().to_owned(),
            "ip-rev" => self.host().map(reversed).unwrap_or_default(),
            "ip-host" => self.host().and_then(|ip| outside.host_name(ip)).unwrap_or_else(|| "None".to_owned()),
            "failures" => self.ticket.failures.to_string(),
            "time" => time(self.ticket),
            "bantime" => self.bantime(),
            "bancount" => self.ticket.bancount.to_string(),
            "matches" => self.ticket.matches.join("\n"),
            "restored" => u8::from(self.ticket.restored).to_string(),
            "ipmatches" => self.past(None, outside).1.join("\n"),
            "ipjailmatches" => self.past(Some(self.jail), outside).1.join("\n"),
            "ipfailures" => self.past(None, outside).0.to_string(),
            "ipjailfailures" => self.past(Some(self.jail), outside).0.to_string(),
            "jail.name" => self.jail.to_owned(),
            "jail.banned" => counters.banned.to_string(),
            "jail.banned_total" => counters.banned_total.to_string(),
            "jail.found" => counters.found.to_string(),
            "jail.found_total" => counters.found_total.to_string(),
            "raw-ticket" => self.raw(),
            tag => return of_host(tag, outside),
        })
    }

    /// What fail2ban's complaints say of a ban.
    pub fn info(&self) -> String {
        let Ticket { id, failures, bancount, matches, restored, .. } = self.ticket;
        let family = match Family::of(id) {
            Family::Raw => "None".to_owned(),
            family => repr(family.word().unwrap_or_default()),
        };
        format!(
            "ActionInfo({{'ip': {}, 'family': {family}, 'fid': {}, 'failures': {failures}, 'time': {}, 'bantime': {}, \
             'bancount': {bancount}, 'matches': {}, 'restored': {}}})",
            repr(&self.ip()),
            repr(&id.to_string()),
            time(self.ticket),
            self.bantime(),
            repr(brief(&matches.join("\n"))),
            u8::from(*restored),
        )
    }

    /// The address of the ticket: that of its own, or the one captured beside an identity that is none.
    fn ip(&self) -> String {
        let Ticket { id, groups, .. } = self.ticket;
        groups.get("ip").map_or_else(|| id.to_string(), |ip| Id::parse(ip).to_string())
    }

    fn host(&self) -> Option<IpAddr> {
        let Ticket { id, groups, .. } = self.ticket;
        groups.get("ip").map_or_else(|| id.ip(), |ip| Id::parse(ip).ip())
    }

    /// `<F-IP4>` and its kin, which are the identity itself and kept nowhere else.
    fn address(&self, group: &str) -> Option<String> {
        let ip = self.host()?;
        let meant = match group {
            "ip4" => ip.is_ipv4(),
            "ip6" => ip.is_ipv6(),
            _ => false,
        };
        meant.then(|| ip.to_string())
    }

    fn bantime(&self) -> String {
        seconds(self.ticket.bantime.unwrap_or(self.counters.bantime))
    }

    /// Failures and lines of all that the database knows, else of this ticket.
    fn past(&self, jail: Option<&str>, outside: &mut dyn Outside) -> (u32, Vec<String>) {
        let Ticket { id, failures, matches, .. } = self.ticket;
        match outside.past(id, jail) {
            Some(past) => (past.failures, past.matches),
            None => (*failures, matches.clone()),
        }
    }

    fn raw(&self) -> String {
        let Ticket { id, bantime, bancount, failures, matches, .. } = self.ticket;
        let bantime = bantime.map_or_else(|| "None".to_owned(), |_| self.bantime());
        let matches: Vec<String> = matches.iter().map(|line| repr(line)).collect();
        format!(
            "BanTicket: ip={id} time={} bantime={bantime} bancount={bancount} #attempts={failures} matches=[{}]",
            time(self.ticket),
            matches.join(", ")
        )
    }
}

/// A tag of a command that speaks of nobody.
pub fn of_nobody(tag: &str, counters: Counters, outside: &mut dyn Outside) -> Option<String> {
    match tag {
        "failures" => Some("0".to_owned()),
        "bantime" => Some(seconds(counters.bantime)),
        "ip" | "fid" | "family" | "ip-rev" | "ip-host" | "time" | "bancount" | "matches" | "restored" | "ipmatches"
        | "ipjailmatches" | "ipfailures" | "ipjailfailures" | "raw-ticket" => Some(String::new()),
        tag if group(tag).is_some() => Some(String::new()),
        tag => of_host(tag, outside),
    }
}

fn of_host(tag: &str, outside: &mut dyn Outside) -> Option<String> {
    match tag {
        "fq-hostname" => Some(outside.own_name(true)),
        "sh-hostname" => Some(outside.own_name(false)),
        "br" => Some("\n".into()),
        "sp" => Some(" ".into()),
        _ => None,
    }
}

fn seconds(bantime: Bantime) -> String {
    (bantime.as_secs_f64() as i64).to_string()
}

/// As Python writes it: a whole number where the database gave it, else with a fraction.
fn time(ticket: &Ticket) -> String {
    let Timestamp(micros) = ticket.time;
    if ticket.restored && micros.rem_euclid(1_000_000) == 0 {
        return ticket.time.secs().to_string();
    }
    format!("{:?}", ticket.time.as_secs_f64())
}
