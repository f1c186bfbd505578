//! A firewall that only remembers: for trying a configuration, and for tests.
//!
//! No time passes in it: an entry stays with the timeout that it was given until it is unbanned.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};

use indexmap::IndexMap;
use ipnet::IpNet;

use super::{Entry, Firewall, FirewallError, MANUAL, Repaired, bannable};

/// Remembers what it was told. A clone looks at the same memory, as a second `Ipset` looks at the same kernel.
#[derive(Clone, Debug, Default)]
pub struct DryRun {
    memory: Arc<Mutex<Memory>>,
}

/// Something that a [`DryRun`] was told to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deed {
    /// `start` with these jails.
    Start(Vec<String>),
    /// `add_jail`.
    AddJail(String),
    /// `remove_jail`.
    RemoveJail(String),
    /// `ban`, one for each entry.
    Ban(String, Entry),
    /// `unban`, whether or not there was a ban.
    Unban(String, IpNet),
    /// `flush`.
    Flush(String),
    /// `stop`.
    Stop,
}

#[derive(Debug, Default)]
struct Memory {
    jails: IndexMap<String, IndexMap<IpNet, Option<u32>>>,
    deeds: VecDeque<Deed>,
}

impl DryRun {
    /// How many deeds are remembered; older ones are forgotten.
    pub const DEEDS_MAX: usize = 65_536;

    /// An empty one.
    pub fn new() -> DryRun {
        DryRun::default()
    }

    /// What was done so far, oldest first.
    pub fn deeds(&self) -> Vec<Deed> {
        self.memory().deeds.iter().cloned().collect()
    }

    /// What was done since this was last asked.
    pub fn take_deeds(&self) -> Vec<Deed> {
        self.memory().deeds.drain(..).collect()
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().expect("nobody panics while holding it")
    }
}

impl Memory {
    fn note(&mut self, deed: Deed) {
        if self.deeds.len() == DryRun::DEEDS_MAX {
            self.deeds.pop_front();
        }
        self.deeds.push_back(deed);
    }

    fn jail(&mut self, jail: &str) -> Result<&mut IndexMap<IpNet, Option<u32>>, FirewallError> {
        self.jails.get_mut(jail).ok_or_else(|| FirewallError::UnknownJail(jail.into()))
    }
}

impl Firewall for DryRun {
    fn name(&self) -> &'static str {
        "dryrun"
    }

    fn start(&mut self, jails: &[String]) -> Result<(), FirewallError> {
        let mut memory = self.memory();
        memory.note(Deed::Start(jails.to_vec()));
        memory.jails.retain(|name, _| name == MANUAL || jails.contains(name));
        for jail in jails {
            memory.jails.entry(jail.clone()).or_default();
        }
        Ok(())
    }

    fn add_jail(&mut self, jail: &str) -> Result<(), FirewallError> {
        let mut memory = self.memory();
        memory.note(Deed::AddJail(jail.into()));
        memory.jails.entry(jail.into()).or_default();
        Ok(())
    }

    fn remove_jail(&mut self, jail: &str) -> Result<(), FirewallError> {
        let mut memory = self.memory();
        memory.jail(jail)?;
        memory.note(Deed::RemoveJail(jail.into()));
        memory.jails.shift_remove(jail);
        Ok(())
    }

    fn ban(&mut self, jail: &str, entries: &[Entry]) -> Result<(), FirewallError> {
        let mut memory = self.memory();
        memory.jail(jail)?;
        let (entries, refused) = bannable(entries);
        for entry in entries {
            memory.jail(jail)?.insert(entry.net, entry.timeout);
            memory.note(Deed::Ban(jail.into(), entry));
        }
        refused.map_or(Ok(()), Err)
    }

    fn unban(&mut self, jail: &str, net: IpNet) -> Result<(), FirewallError> {
        let mut memory = self.memory();
        memory.jail(jail)?.swap_remove(&net.trunc());
        memory.note(Deed::Unban(jail.into(), net.trunc()));
        Ok(())
    }

    fn flush(&mut self, jail: &str) -> Result<(), FirewallError> {
        let mut memory = self.memory();
        memory.jail(jail)?.clear();
        memory.note(Deed::Flush(jail.into()));
        Ok(())
    }

    fn each(&mut self, jail: &str, take: &mut dyn FnMut(Entry)) -> Result<(), FirewallError> {
        self.memory().jail(jail)?.iter().for_each(|(&net, &timeout)| take(Entry { net, timeout }));
        Ok(())
    }

    fn check(&mut self) -> Result<Repaired, FirewallError> {
        Ok(Repaired::default())
    }

    fn stop(&mut self) -> Result<(), FirewallError> {
        let mut memory = self.memory();
        memory.jails.clear();
        memory.note(Deed::Stop);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deeds_are_told_in_order_and_a_clone_sees_them() {
        let looker = DryRun::new();
        let mut firewall: Box<dyn Firewall + Send> = Box::new(looker.clone());
        let entry = Entry::host("192.0.2.1".parse().unwrap(), Some(600));
        firewall.start(&["sip".into()]).unwrap();
        firewall.ban("sip", &[entry]).unwrap();
        firewall.unban("sip", entry.net).unwrap();
        assert_eq!(
            looker.take_deeds(),
            [Deed::Start(vec!["sip".into()]), Deed::Ban("sip".into(), entry), Deed::Unban("sip".into(), entry.net)]
        );
        assert_eq!(looker.deeds(), []);
    }
}
