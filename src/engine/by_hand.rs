//! Bans and unbans that a person asks for.

use std::sync::Arc;

use indexmap::{IndexMap, IndexSet};
use ipnet::IpNet;

use super::banning::{Placed, inside, mark_chosen, mark_forced};
use super::protecting::because;
use super::{Engine, Request, acting, records};
use crate::addr::Id;
use crate::error::{Error, Kind};
use crate::firewall::{FirewallError, MANUAL};
use crate::jail::ignore::{Rule, is_own};
use crate::record::Level;
use crate::store::Change;
use crate::ticket::{Failure, Named, Sign, Ticket, Who};
use crate::time::{Bantime, Timestamp};

impl Engine {
    pub(super) fn ban_by_hand(
        &mut self,
        jail: &str,
        id: Id,
        bantime: Option<Bantime>,
        force: bool,
        now: Timestamp,
        out: &mut Vec<Request>,
    ) -> Result<bool, Error> {
        self.may_be_banned(&id)?;
        if jail == MANUAL && !self.jails.contains_key(MANUAL) {
            self.start_manual(now, out).map_err(refused)?;
        }
        let name = self.find(jail)?.0.clone();
        let jail = &self.jails[&name];
        let peer = self.protected.hit(&id).filter(|_| jail.settings.protect);
        let shown = id.to_string();
        if let (Some(peer), false) = (peer, force) {
            return Err(spared(&shown, &because(&id, peer)));
        }
        let forced = peer.is_some();
        if jail.ignore.at_once(&id, &[]) == Some(Rule::Ip) {
            let text = format!("[{name}] {id} is banned by hand although ignoreip holds it");
            out.push(Request::Log(records::actions(Level::Warning, text)));
        }
        let (matches, groups) = (Vec::new(), IndexMap::new());
        let mut ticket = Ticket { id, time: now, bantime, bancount: 1, failures: 0, matches, groups, restored: false };
        if bantime.is_some() {
            mark_chosen(&mut ticket);
        }
        if forced {
            mark_forced(&mut ticket);
        }
        match self.place(&name, ticket, now, out) {
            Placed::Banned => Ok(true),
            Placed::Already => Ok(false),
            Placed::Expired => Err(Error::new(Kind::Usage, "such a ban is over before it begins")
                .hint("give a time above zero, or -1 for ever")),
            Placed::Spared => Err(spared(&shown, "it is protected")),
        }
    }

    pub(super) fn attempt_by_hand(
        &mut self,
        jail: &str,
        id: Id,
        matches: Vec<String>,
        now: Timestamp,
        out: &mut Vec<Request>,
    ) -> Result<bool, Error> {
        let (name, jail) = self.find(jail)?;
        let (name, at) = (name.clone(), self.jails.get_index_of(name));
        if let Some(rule) = jail.ignore.at_once(&id, &self.own) {
            out.push(Request::Log(records::ignored(&name, &id, &rule)));
            return Ok(false);
        }
        out.push(Request::Log(records::attempt(&name, &id, now, &self.zone)));
        let count = u32::try_from(matches.len()).unwrap_or(u32::MAX).max(1);
        let id = jail.liable(id, &self.own, &self.answers, &self.protected, now);
        let who = Who::Id(id.clone());
        let failure = Failure { who, time: now, count, matches, groups: Named::default(), sign: Sign::Failed };
        if let Some(at) = at {
            self.tally((at, &name), &id, &failure, count, now, out);
        }
        Ok(true)
    }

    pub(super) fn unban_by_hand(
        &mut self,
        jail: Option<&str>,
        id: &Id,
        now: Timestamp,
        out: &mut Vec<Request>,
    ) -> Result<usize, Error> {
        let names = self.names(jail)?;
        let mut known: IndexSet<(Arc<str>, Id)> = names.iter().map(|name| (name.clone(), id.clone())).collect();
        if let Id::Net(_) = id {
            for name in &names {
                let banned = inside(id, self.jails[name].bans.iter().map(|(id, _)| id));
                known.extend(banned.into_iter().map(|id| (name.clone(), id)));
            }
        }
        known.extend(self.history.inside(id, jail));
        for name in &names {
            known.extend(self.networks_of(name, id).into_iter().map(|net| (name.clone(), net)));
        }
        let mut lifted = 0;
        for (name, id) in known {
            if let Some(jail) = self.jails.get_mut(&name)
                && jail.bans.remove(&id).is_some()
            {
                self.guard.unban(&name, jail, &id, now, out);
                out.push(Request::Log(records::unbanned(&name, &id)));
                acting::unban(&name, jail, &id, out);
                lifted += 1;
            }
            self.history.forget(&id, &name);
            out.push(Request::Keep(Change::Unban { jail: name.to_string(), id }));
        }
        for name in &names {
            self.jails[name].forgive(id);
        }
        if lifted == 0 {
            out.push(Request::Log(records::not_banned(id)));
        }
        Ok(lifted)
    }

    pub(super) fn unban_everybody(
        &mut self,
        jail: Option<&str>,
        now: Timestamp,
        out: &mut Vec<Request>,
    ) -> Result<usize, Error> {
        let names = self.names(jail)?;
        let mut gone: IndexSet<(Arc<str>, Id)> = self.history.clear(jail).into_iter().collect();
        let mut lifted = 0;
        for name in names {
            let jail = &mut self.jails[&name];
            let ids: Vec<Id> = jail.bans.iter().map(|(id, _)| id.clone()).collect();
            if ids.is_empty() {
                acting::flush(&name, jail, out);
                continue;
            }
            let nets: Vec<IpNet> = ids.iter().filter_map(Id::as_net).collect();
            if jail.settings.own().is_some() {
                out.push(Request::Log(records::flushed(&name, self.guard.name())));
            }
            acting::flush(&name, jail, out);
            for id in &ids {
                jail.bans.remove(id);
            }
            self.guard.flush(&name, jail, &nets, now, out);
            lifted += ids.len();
            for id in ids {
                out.push(Request::Log(records::unbanned(&name, &id)));
                gone.insert((name.clone(), id));
            }
        }
        let forgotten = gone.into_iter().map(|(jail, id)| Change::Unban { jail: jail.to_string(), id });
        out.extend(forgotten.map(Request::Keep));
        Ok(lifted)
    }

    /// The networks around an address that a jail knows, where it bans by network: who wants the address let in means
    /// those. In a jail that never makes one, a network is what somebody banned by that name.
    fn networks_of(&self, name: &Arc<str>, id: &Id) -> Vec<Id> {
        let jail = &self.jails[name];
        let (Some(_), Id::Ip(ip)) = (jail.settings.subnet.of(id), id) else { return Vec::new() };
        let widths = 1..IpNet::from(*ip).max_prefix_len();
        let known = |net: &Id| jail.bans.get(net).is_some() || self.history.get(net, name).is_some();
        widths.map(|bits| Id::net(*ip, bits)).filter(known).collect()
    }

    /// Whether somebody may mean to ban this; locking oneself out nobody means.
    fn may_be_banned(&self, id: &Id) -> Result<(), Error> {
        let Some(net) = id.as_net() else {
            return Err(Error::new(Kind::Usage, format!("`{id}` is neither an address nor a network"))
                .hint("write it as 192.0.2.1, 192.0.2.0/24 or 2001:db8::/32; a host name is not looked up"));
        };
        if net.prefix_len() == 0 {
            return Err(Error::new(Kind::Usage, format!("`{id}` would ban everybody")).hint("name a smaller network"));
        }
        if is_own(id, &self.own) {
            let error = Error::new(Kind::Usage, format!("`{id}` is, or holds, an address of this host"));
            return Err(error.hint("name a smaller network, or the other addresses of it"));
        }
        Ok(())
    }
}

fn spared(id: &str, why: &str) -> Error {
    let error = Error::new(Kind::Usage, format!("`{id}` is not banned: {why}"));
    error.hint("`sipjail ban --force` bans it all the same")
}

pub(super) fn refused(e: FirewallError) -> Error {
    Error::new(Kind::Host, format!("the firewall cannot take in the jail `{MANUAL}`: {e}"))
        .hint("`sipjail status` says whether other jails work")
}
