//! Bans that another program made are taken in: those that hold bite at once, those that are over are remembered.

use std::sync::Arc;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use super::by_hand::refused;
use super::protecting::because;
use super::restore::{Revival, revive, row, ticket};
use super::{Engine, Request, acting, records};
use crate::addr::Id;
use crate::error::Error;
use crate::firewall::MANUAL;
use crate::jail::history::Row;
use crate::jail::ignore::is_own;
use crate::store::Change;
use crate::ticket::SavedBan;
use crate::time::{Bantime, Timestamp};

/// What became of a ban that another program made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Taken {
    /// It holds.
    Banned,
    /// It will hold once its jail is on.
    Waiting,
    /// It is over, by its own length or by the jail's settings; how often it was counts.
    Remembered,
    /// This address was banned there already, since then or later; of the ends the later one counts.
    Known,
    /// It is nobody's to ban; why.
    Refused(String),
}

impl Engine {
    pub(super) fn take_all(
        &mut self,
        bans: Vec<SavedBan>,
        rehearse: bool,
        now: Timestamp,
        out: &mut Vec<Request>,
    ) -> Result<Vec<Taken>, Error> {
        let mut names: IndexMap<String, Arc<str>> = IndexMap::new();
        let mut new: IndexMap<Arc<str>, Vec<Id>> = IndexMap::new();
        let mut outcomes = Vec::with_capacity(bans.len());
        for ban in bans {
            let name = names.entry(ban.jail.clone()).or_insert_with_key(|name| name.as_str().into()).clone();
            let row = row(&ban.ticket, ban.bantime);
            let mut outcome = self.weigh(&ban.ticket.id, &name, &row, now);
            let wakes = *name == *MANUAL && outcome == Taken::Waiting;
            if wakes && rehearse {
                outcome = Taken::Banned;
            } else if wakes {
                self.start_manual(now, out).map_err(refused)?;
                outcome = self.weigh(&ban.ticket.id, &name, &row, now);
            }
            if !rehearse && !matches!(outcome, Taken::Refused(_)) {
                if self.place_taken(&ban.ticket.id, &name, &row, now, out) {
                    new.entry(name.clone()).or_default().push(ban.ticket.id.clone());
                }
                self.history.merge(ban.ticket.id.clone(), &name, row);
                out.push(Request::Keep(Change::Taken(ban)));
            }
            outcomes.push(outcome);
        }
        for (name, ids) in new {
            let jail = &mut self.jails[&name];
            self.guard.ban(&name, jail, &ids, now, out);
            self.judge_restored(name, ids, now, now, out);
        }
        Ok(outcomes)
    }

    /// What would become of a ban.
    fn weigh(&self, id: &Id, name: &str, row: &Row, now: Timestamp) -> Taken {
        let Some(net) = id.as_net() else { return Taken::Refused("not an address".into()) };
        if net.prefix_len() == 0 {
            return Taken::Refused("it would ban everybody".into());
        }
        if is_own(id, &self.own) {
            return Taken::Refused("it is, or holds, an address of this host".into());
        }
        let known = self.history.get(id, name).is_some_and(|old| old.time >= row.time);
        let Some(jail) = self.jails.get(name) else {
            let over = row.bantime.get().is_some_and(|bantime| ended(bantime, row, now));
            return if known {
                Taken::Known
            } else if over {
                Taken::Remembered
            } else {
                Taken::Waiting
            };
        };
        if let Some(rule) = jail.ignore.at_once(id, &self.own) {
            return Taken::Refused(format!("ignored by {rule}"));
        }
        if let Some(peer) = self.protected.hit(id).filter(|_| jail.settings.protect && !row.forced) {
            return Taken::Refused(because(id, peer));
        }
        match revive(row, &jail.settings, now) {
            _ if known || jail.bans.get(id).is_some() => Taken::Known,
            Revival::Alive(_) => Taken::Banned,
            Revival::Over | Revival::Cut => Taken::Remembered,
        }
    }

    /// Notes the ban in its jail if it holds there. True: the firewall has to hear of it.
    fn place_taken(&mut self, id: &Id, name: &Arc<str>, row: &Row, now: Timestamp, out: &mut Vec<Request>) -> bool {
        let old = self.history.get(id, name);
        let known = old.is_some_and(|old| old.time >= row.time);
        let bancount = old.map_or(0, |old| old.bancount).max(row.bancount);
        let Some(jail) = self.jails.get_mut(name).filter(|_| !known) else { return false };
        let Revival::Alive(bantime) = revive(row, &jail.settings, now) else { return false };
        if let Some(again) = jail.bans.again(id, row.time, Some(bantime)) {
            return again.prolonged;
        }
        let ticket = ticket(id.clone(), row.time, bantime, bancount);
        jail.bans.insert(&ticket);
        out.push(Request::Log(records::restored(name, id)));
        acting::ban(name, jail, &ticket, out);
        true
    }
}

fn ended(bantime: Bantime, row: &Row, now: Timestamp) -> bool {
    bantime.until(row.time).is_some_and(|end| end <= now)
}
