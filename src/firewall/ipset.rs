//! Bans in the kernel's ipsets: two sets a jail, all in one list, one rule per address family that matches the list.
//!
//! Entries carry their own timeout, so a ban ends even if we are gone; and they stay when we are gone, so a restart has
//! no gap. Whether the rules still stand is read from the list's reference counter: each rule holds one reference, so
//! looking costs a message and no program.

use std::time::Duration;

use indexmap::{IndexMap, IndexSet};
use ipnet::IpNet;

use super::errno::Errno;
use super::link::NetlinkError;
use super::mend::{foreign, usable, warning};
use super::netlink::{Netlink, Rejected, Set};
use super::rule::{Rule, family_is_there};
use super::set::{Family, LIST, MAXELEM, SPARE, hashsize_for, is_ours, set_name};
use super::{Entry, Firewall, FirewallError, MANUAL, Repaired, bannable};
use crate::addr::Id;
use crate::record::Record;

/// Bans in the kernel. Asks nothing of the host before [`Firewall::start`] or [`Firewall::stop`].
pub struct Ipset {
    pub(super) link: Netlink,
    /// Between `start` and `stop`: what is missing is to be put back.
    started: bool,
    /// The sets of each jail, in the order of [`Family::BOTH`].
    pub(super) jails: IndexMap<String, [String; 2]>,
    /// References to the list as they were when the rules stood.
    pub(super) references: u32,
    /// Families whose rule stands, as far as we know.
    pub(super) standing: Vec<Family>,
    /// IPv6 could not be guarded, and that has been said.
    pub(super) complained: bool,
    /// Jails whose sets were made anew outside [`Firewall::check`], which tells.
    pub(super) lost: IndexSet<String>,
    pub(super) notes: Vec<Record>,
}

impl Ipset {
    /// A firewall that has not started.
    pub fn new() -> Ipset {
        Ipset {
            link: Netlink::new(),
            started: false,
            jails: IndexMap::new(),
            references: 0,
            standing: Vec::new(),
            complained: false,
            lost: IndexSet::new(),
            notes: Vec::new(),
        }
    }

    /// Whether the kernel drops what comes from here on behalf of this jail: it is banned itself, or (a host) a network
    /// around it is.
    pub fn drops(&mut self, jail: &str, net: IpNet) -> Result<bool, FirewallError> {
        let sets = self.jails.get(jail).ok_or_else(|| FirewallError::UnknownJail(jail.into()))?;
        let name = &sets[Family::of(net) as usize];
        self.link.test(name, net).map_err(|e| e.when(format!("cannot look `{}` up in `{name}`", Id::from(net))))
    }

    /// Takes a set out of the list and away, with all that is in it. One that is not there is no error.
    fn remove_set(&mut self, name: &str) -> Result<(), FirewallError> {
        let tried = || format!("cannot take the set `{name}` away");
        // Whichever of the two is missing already, the other is to go.
        let _ = self.link.del_member(LIST, name);
        match self.link.flush(name) {
            Err(e) if e.is(Errno::ENOENT) => return Ok(()),
            flushed => flushed.map_err(|e| e.when(tried()))?,
        }
        self.destroy(name, SET_TRIES).map_err(|e| e.when(tried()))
    }

    /// Destroys a set, trying again while something holds it for a moment longer: a rule that was just deleted (the kernel
    /// lets go of rules behind the program's back), or somebody who lists it.
    fn destroy(&mut self, name: &str, tries: u32) -> Result<(), NetlinkError> {
        for _ in 1..tries {
            match self.link.destroy(name) {
                Err(e) if e.is(Errno::BUSY) || e.is(Errno::REFERENCED) => std::thread::sleep(DESTROY_PAUSE),
                Err(e) if e.is(Errno::ENOENT) => return Ok(()),
                destroyed => return destroyed,
            }
        }
        self.link.destroy(name)
    }

    /// Adds entries of one family.
    fn fill(&mut self, jail: &str, family: Family, entries: &[Entry]) -> Result<(), FirewallError> {
        let sets = self.jails.get(jail).ok_or_else(|| FirewallError::UnknownJail(jail.into()))?;
        let name = &sets[family as usize];
        let mut added = self.link.add(name, entries);
        if matches!(&added, Err(e) if e.is(Errno::ENOENT)) {
            let sets = sets.clone();
            let (_, members) = self.mend_list()?;
            self.mend_jail(&sets, &members)?;
            self.lost.insert(jail.into());
            added = self.link.add(&sets[family as usize], entries);
        }
        let tried = |entry: &Entry, count| match count {
            1 => format!("cannot ban `{}` in jail `{jail}`", Id::from(entry.net)),
            _ => format!("cannot ban `{}` and {} more in jail `{jail}`", Id::from(entry.net), count - 1),
        };
        match added {
            Ok(None) => Ok(()),
            Ok(Some(Rejected { first, why, count })) => {
                Err(FirewallError::Kernel(tried(&first, count), why.to_string()))
            }
            Err(e) => Err(e.when(tried(&entries[0], entries.len()))),
        }
    }
}

impl Default for Ipset {
    fn default() -> Ipset {
        Ipset::new()
    }
}

impl Firewall for Ipset {
    fn name(&self) -> &'static str {
        "ipset"
    }

    fn start(&mut self, jails: &[String]) -> Result<(), FirewallError> {
        self.require()?;
        let there = self.link.sets().map_err(|e| e.when("cannot read the sets"))?;
        let there: IndexMap<&str, &Set> = there.iter().map(|set| (set.name.as_str(), set)).collect();
        let manual = sets_of(MANUAL).iter().any(|name| there.contains_key(name.as_str())).then_some(MANUAL);
        let jails: IndexMap<String, [String; 2]> =
            jails.iter().map(String::as_str).chain(manual).map(|jail| (jail.into(), sets_of(jail))).collect();
        if let Some(list) = there.get(LIST) {
            usable(list, "list:set", 0)?;
        }
        for (family, name) in jails.values().flat_map(|sets| Family::BOTH.into_iter().zip(sets)) {
            if let Some(set) = there.get(name.as_str()) {
                usable(set, "hash:net", family.number())?;
                if !set.timeouts {
                    return Err(foreign(name, "without timeouts"));
                }
            }
        }

        self.jails = jails;
        self.started = true;
        self.lost.clear();
        if there.contains_key(SPARE) {
            // An earlier run was ended between two steps.
            let _ = self.link.destroy(SPARE);
        }
        let (_, members) = self.mend_list()?;
        for sets in self.jails.values().cloned().collect::<Vec<_>>() {
            self.mend_jail(&sets, &members)?;
        }
        let named: IndexSet<&String> = self.jails.values().flatten().collect();
        let gone: Vec<&String> = members.iter().filter(|name| is_ours(name) && !named.contains(name)).collect();
        for name in gone {
            if let Err(e) = self.remove_set(name) {
                self.notes.push(warning(e.to_string()));
            }
        }
        self.mend_rules().map(drop)
    }

    fn add_jail(&mut self, jail: &str) -> Result<(), FirewallError> {
        let sets = sets_of(jail);
        let (_, members) = self.mend_list()?;
        self.mend_jail(&sets, &members)?;
        self.jails.insert(jail.into(), sets);
        Ok(())
    }

    fn remove_jail(&mut self, jail: &str) -> Result<(), FirewallError> {
        let sets = self.jails.shift_remove(jail).ok_or_else(|| FirewallError::UnknownJail(jail.into()))?;
        self.lost.shift_remove(jail);
        let removed = sets.map(|name| self.remove_set(&name));
        removed.into_iter().collect()
    }

    fn expect(&mut self, jail: &str, bans: [usize; 2]) {
        let Some(sets) = self.jails.get(jail) else { return };
        for ((family, name), many) in Family::BOTH.into_iter().zip(sets).zip(bans).filter(|(_, many)| *many >= MANY) {
            presize(&mut self.link, name, family, many);
        }
    }

    fn ban(&mut self, jail: &str, entries: &[Entry]) -> Result<(), FirewallError> {
        let (entries, mut refused) = bannable(entries);
        let (v4, v6): (Vec<Entry>, Vec<Entry>) = entries.into_iter().partition(|e| Family::of(e.net) == Family::V4);
        if !self.jails.contains_key(jail) {
            return Err(FirewallError::UnknownJail(jail.into()));
        }
        for (family, entries) in [(Family::V4, v4), (Family::V6, v6)] {
            if !entries.is_empty()
                && let Err(e) = self.fill(jail, family, &entries)
            {
                refused.get_or_insert(e);
            }
        }
        refused.map_or(Ok(()), Err)
    }

    fn unban(&mut self, jail: &str, net: IpNet) -> Result<(), FirewallError> {
        let sets = self.jails.get(jail).ok_or_else(|| FirewallError::UnknownJail(jail.into()))?;
        if net.prefix_len() == 0 {
            return Ok(());
        }
        match self.link.del(&sets[Family::of(net) as usize], net) {
            Err(e) if !e.is(Errno::ENOENT) => Err(e.when(format!("cannot unban `{}` in jail `{jail}`", Id::from(net)))),
            _ => Ok(()),
        }
    }

    fn flush(&mut self, jail: &str) -> Result<(), FirewallError> {
        let sets = self.jails.get(jail).ok_or_else(|| FirewallError::UnknownJail(jail.into()))?;
        for name in sets {
            match self.link.flush(name) {
                Err(e) if !e.is(Errno::ENOENT) => return Err(e.when(format!("cannot empty the set `{name}`"))),
                _ => {}
            }
        }
        Ok(())
    }

    fn each(&mut self, jail: &str, take: &mut dyn FnMut(Entry)) -> Result<(), FirewallError> {
        let sets = self.jails.get(jail).ok_or_else(|| FirewallError::UnknownJail(jail.into()))?;
        for name in sets {
            match self.link.entries(name, take) {
                Err(e) if !e.is(Errno::ENOENT) => return Err(e.when(format!("cannot read the set `{name}`"))),
                _ => {}
            }
        }
        Ok(())
    }

    fn count(&mut self, jail: &str) -> Result<usize, FirewallError> {
        let sets = self.jails.get(jail).ok_or_else(|| FirewallError::UnknownJail(jail.into()))?;
        let mut count = 0;
        for name in sets {
            let set = self.link.describe(name).map_err(|e| e.when(format!("cannot read the set `{name}`")))?;
            count += set.map_or(0, |set| set.elements as usize);
        }
        Ok(count)
    }

    fn check(&mut self) -> Result<Repaired, FirewallError> {
        let mut found = Repaired { jails: self.lost.drain(..).collect(), records: std::mem::take(&mut self.notes) };
        let looked = if self.started { self.look(&mut found) } else { Ok(()) };
        found.records.append(&mut self.notes);
        match looked {
            Ok(()) => Ok(found),
            Err(e) => {
                self.lost.extend(found.jails);
                self.notes = found.records;
                Err(e)
            }
        }
    }

    fn stop(&mut self) -> Result<(), FirewallError> {
        let known: Vec<String> = self.jails.drain(..).flat_map(|(_, sets)| sets).collect();
        self.started = false;
        self.lost.clear();
        self.standing.clear();
        let mut failed = None;
        let list = self.link.list(LIST).map_err(|e| e.when(format!("cannot read the list `{LIST}`")))?;
        let mut sets: IndexSet<String> = known.into_iter().collect();
        if let Some(list) = &list {
            usable(list, "list:set", 0)?;
            sets.extend(list.members.iter().filter(|name| is_ours(name)).cloned());
            // Without the list's members nothing is dropped any more, even if a rule cannot be taken away.
            self.link.flush(LIST).map_err(|e| e.when(format!("cannot empty the list `{LIST}`")))?;
            for family in Family::BOTH.into_iter().filter(|&f| family_is_there(f)) {
                if let Err(e) = Rule::new(family).and_then(|rule| rule.remove()) {
                    failed.get_or_insert(e);
                }
            }
        }
        for name in sets {
            if let Err(e) = self.remove_set(&name) {
                failed.get_or_insert(e);
            }
        }
        if list.is_some()
            && let Err(e) = self.destroy(LIST, LIST_TRIES)
        {
            failed.get_or_insert(e.when(format!("cannot take the list `{LIST}` away")));
        }
        failed.map_or(Ok(()), Err)
    }
}

fn sets_of(jail: &str) -> [String; 2] {
    Family::BOTH.map(|family| set_name(family, jail))
}

/// Gives an empty set the buckets that so many entries need: a set that grows while it is filled makes us wait.
fn presize(link: &mut Netlink, name: &str, family: Family, entries: usize) {
    let hashsize = hashsize_for(entries);
    match link.describe(name) {
        Ok(Some(set)) if set.elements == 0 && set.hashsize < hashsize => {}
        _ => return,
    }
    // Where this fails the set stays as it is, which is slower and no worse.
    let _ = link.create_hash(SPARE, family, hashsize, MAXELEM).and_then(|()| link.swap(SPARE, name));
    let _ = link.destroy(SPARE);
}

/// Fewer fit into any set before it has to grow.
const MANY: usize = 10_000;

const SET_TRIES: u32 = 10;
const LIST_TRIES: u32 = 100;
const DESTROY_PAUSE: Duration = Duration::from_millis(10);
