//! A ban begins, is prolonged, ends: in the list, in the firewall, in the log and in what is kept.

use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;

use super::{Engine, Request, acting, records};
use crate::addr::Id;
use crate::firewall::script::Deed;
use crate::jail::history::Row;
use crate::jail::{Key, bantime};
use crate::record::Level;
use crate::store::Change;
use crate::ticket::Ticket;
use crate::time::{Bantime, Span, Timestamp};

/// What became of a ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placed {
    /// A new ban.
    Banned,
    /// There was a ban; it may end later now.
    Already,
    /// It would be over already.
    Expired,
    /// It would hit somebody who is protected.
    Spared,
}

impl Engine {
    /// Bans, or prolongs a ban. The ticket's `bancount` is filled in here, its length too unless somebody chose one.
    pub(super) fn place(&mut self, name: &Arc<str>, ticket: Ticket, now: Timestamp, out: &mut Vec<Request>) -> Placed {
        let Some(jail) = self.jails.get(name) else { return Placed::Expired };
        if jail.settings.protect && self.protected.touches(&ticket.id) && !is_forced(&ticket) {
            self.say_spared(name, &ticket.id, now, out);
            return Placed::Spared;
        }
        if jail.bans.get(&ticket.id).is_some() {
            self.place_again(name, ticket, now, out)
        } else {
            self.place_new(name, ticket, now, out)
        }
    }

    /// Ends the bans whose time has come.
    pub(super) fn expire(&mut self, now: Timestamp, out: &mut Vec<Request>) {
        for (name, jail) in &mut self.jails {
            for id in jail.bans.expire(now, MAX_EXPIRED) {
                self.guard.unban(name, jail, &id, now, out);
                out.push(Request::Log(records::unbanned(name, &id)));
                acting::unban(name, jail, &id, out);
            }
        }
    }

    /// Hands the firewall what was noted by [`Engine::fresh`]. Each call from outside that may ban ends with this, before anybody
    /// sees to what else it wants done: many bans are few messages, and nothing is in their way.
    pub(super) fn strike(&mut self, now: Timestamp, out: &mut Vec<Request>) {
        for (name, ids) in std::mem::take(&mut self.fresh) {
            if let Some(jail) = self.jails.get_mut(&name) {
                self.guard.ban(&name, jail, &ids, now, out);
            }
        }
    }

    /// A ban of the list is to be in the firewall, or to have another end there.
    fn fresh(&mut self, name: &Arc<str>, id: &Id) {
        match self.fresh.iter_mut().find(|(jail, _)| jail == name) {
            Some((_, ids)) => ids.push(id.clone()),
            None => self.fresh.push((name.clone(), vec![id.clone()])),
        }
    }

    fn place_new(&mut self, name: &Arc<str>, mut ticket: Ticket, now: Timestamp, out: &mut Vec<Request>) -> Placed {
        let Some(jail) = self.jails.get_mut(name) else { return Placed::Expired };
        let Ticket { id, time, .. } = ticket.clone();
        let (base, increment) = (jail.settings.bantime, &jail.settings.increment);
        let row = self.history.get(&id, name);
        let here = row.map_or(0, |row| row.bancount);
        let last = row.map(|row| row.time);
        let before = if increment.overalljails { self.history.count_everywhere(&id) } else { here };
        let grown = match ticket.bantime {
            Some(_) => None,
            None => bantime::grown(base, increment, before, &mut || self.chance.next()).unwrap_or_else(|why| {
                let text = format!("[{name}] bantime.formula {why} for ban {}: bantime is used", before + 1);
                out.push(Request::Log(records::actions(Level::Warning, text)));
                None
            }),
        };
        ticket.bantime = ticket.bantime.or(grown);
        ticket.bancount = here.saturating_add(1);
        let length = ticket.bantime.unwrap_or(base);
        if length.until(time).is_some_and(|end| end < now) {
            out.push(Request::Log(records::expired(name, &id)));
            return Placed::Expired;
        }

        jail.bans.insert(&ticket);
        self.fresh(name, &id);
        let Some(jail) = self.jails.get(name) else { return Placed::Expired };
        out.push(Request::Log(records::banned(name, &id)));
        if id.as_net().is_none() && !jail.settings.has_scripts() {
            let text = format!("[{name}] {id} is no address: the ban stands in the list, no firewall can carry it out");
            out.push(Request::Log(records::actions(Level::Warning, text)));
        }
        if let Some(length) = grown {
            let last = last.unwrap_or(time);
            out.push(Request::Log(records::bad(name, &id, before, last, base, length, &self.zone)));
            if length != base {
                let record = records::increased(name, &id, before.saturating_add(1), length, time, &self.zone);
                out.push(Request::Log(record));
            }
        }
        acting::ban(name, jail, &ticket, out);
        self.keep_ban(name, ticket, length, out);
        Placed::Banned
    }

    fn place_again(&mut self, name: &Arc<str>, mut ticket: Ticket, now: Timestamp, out: &mut Vec<Request>) -> Placed {
        let Some(jail) = self.jails.get_mut(name) else { return Placed::Expired };
        let length = ticket.bantime.unwrap_or(jail.settings.bantime);
        let id = ticket.id.clone();
        if length.until(ticket.time).is_some_and(|end| end < now) {
            out.push(Request::Log(records::expired(name, &id)));
            return Placed::Expired;
        }
        let bancount = jail.bans.get(&id).map_or(1, |ban| ban.bancount);
        let Some(again) = jail.bans.again(&id, ticket.time, ticket.bantime) else { return Placed::Expired };
        if self.hears <= again.level() {
            out.push(Request::Log(records::already_banned(name, &id, again.level())));
        }
        // Who gets through that long after the ban may be missing in the kernel.
        if again.prolonged || again.after > Span::from_secs(3) {
            self.fresh(name, &id);
        }
        let Some(jail) = self.jails.get(name) else { return Placed::Expired };
        if again.after > Span::from_secs(3) {
            let bantime = acting::length(jail, &id);
            acting::act(name, jail, out, || Deed::Again { id: id.clone(), bantime, now });
        }
        if again.prolonged {
            ticket.bancount = bancount;
            self.keep_ban(name, ticket, length, out);
        }
        Placed::Already
    }

    /// Remembers a ban and gives it out to be kept.
    pub(super) fn keep_ban(&mut self, name: &Arc<str>, mut ticket: Ticket, bantime: Bantime, out: &mut Vec<Request>) {
        let (time, bancount) = (ticket.time, ticket.bancount);
        let (chosen, forced) = (is_chosen(&ticket), is_forced(&ticket));
        let row = Row { time, bantime: Some(bantime).into(), bancount, chosen, forced };
        self.history.put(ticket.id.clone(), name, row);
        let extra = ticket.matches.len().saturating_sub(self.dbmaxmatches);
        ticket.matches.drain(..extra);
        out.push(Request::Keep(Change::Ban { jail: name.to_string(), ticket, bantime }));
    }
}

/// Marks a ticket whose length somebody chose, so that no setting shortens it after a restart.
pub fn mark_chosen(ticket: &mut Ticket) {
    ticket.groups.insert(CHOSEN.0.into(), CHOSEN.1.into());
}

/// Whether somebody chose the length of this ban.
pub fn is_chosen(ticket: &Ticket) -> bool {
    ticket.failures == 0 && ticket.groups.get(CHOSEN.0).is_some_and(|by| by == CHOSEN.1)
}

/// Marks a ticket of somebody who is protected and whom somebody wants banned all the same.
pub fn mark_forced(ticket: &mut Ticket) {
    mark_chosen(ticket);
    ticket.groups.insert(FORCED.0.into(), FORCED.1.into());
}

/// Whether somebody wanted this ban whoever it hits.
pub fn is_forced(ticket: &Ticket) -> bool {
    is_chosen(ticket) && ticket.groups.get(FORCED.0).is_some_and(|force| force == FORCED.1)
}

/// Who lies inside `id`, among `ids`.
pub fn inside<'a>(id: &Id, ids: impl Iterator<Item = &'a Id>) -> Vec<Id> {
    ids.filter(|other| id.contains(other)).cloned().collect()
}

/// A key for hashes of accounts that nobody can guess.
pub fn new_key() -> Key {
    let random = || std::collections::hash_map::RandomState::new().build_hasher().finish();
    Key((u128::from(random()) << 64 | u128::from(random())).to_le_bytes())
}

/// Chance for `bantime.rndtime`: good enough to spread ends of bans, of no use for secrets.
pub struct Chance(u64);

impl Chance {
    /// Begins somewhere else in every process.
    pub fn new() -> Chance {
        Chance(std::collections::hash_map::RandomState::new().build_hasher().finish() | 1)
    }

    /// A number from 0 up to 1.
    fn next(&mut self) -> f64 {
        // xorshift64*, https://vigna.di.unimi.it/ftp/papers/xorshift.pdf
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// A group that stands in the database beside the captured ones.
const CHOSEN: (&str, &str) = ("by", "hand");

/// Likewise, never without the other.
const FORCED: (&str, &str) = ("force", "yes");

/// Bans that end in one call at most; the next call follows at once.
const MAX_EXPIRED: usize = 1000;
