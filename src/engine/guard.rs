//! The firewall as the engine uses it: what it refuses is owed and tried again, what it lost is put back.

use std::collections::HashSet;
use std::sync::Arc;

use indexmap::{IndexMap, IndexSet};
use ipnet::IpNet;

use super::{Jails, Request, records};
use crate::addr::Id;
use crate::firewall::{Entry, Firewall, FirewallError};
use crate::jail::Jail;
use crate::record::Level;
use crate::time::{Span, Timestamp};

/// The firewall and its debts.
pub struct Guard {
    firewall: Box<dyn Firewall + Send>,
    /// Its list and rules are there; a host whose jails all run scripts never needs them.
    started: bool,
    /// Where the firewall does not hold what the jail says, be it a ban or none.
    owed: IndexSet<(Arc<str>, IpNet)>,
    complained: Option<Timestamp>,
}

impl Guard {
    pub fn new(firewall: Box<dyn Firewall + Send>) -> Guard {
        Guard { firewall, started: false, owed: IndexSet::new(), complained: None }
    }

    pub fn name(&self) -> &'static str {
        self.firewall.name()
    }

    /// Where no jail needs the firewall it is not started, and what an earlier run left of it is taken away.
    pub fn start(&mut self, jails: &[String]) -> Result<(), FirewallError> {
        if jails.is_empty() {
            // Who may not do that has nothing in there either.
            let _nothing_left = self.firewall.stop();
            return Ok(());
        }
        self.firewall.start(jails)?;
        self.started = true;
        Ok(())
    }

    pub fn add_jail(&mut self, jail: &str) -> Result<(), FirewallError> {
        if self.started { self.firewall.add_jail(jail) } else { self.start(&[jail.to_owned()]) }
    }

    /// Whether an earlier run left bans of this jail.
    pub fn holds_any(&mut self, jail: &str) -> bool {
        self.started && self.firewall.count(jail).is_ok_and(|held| held > 0)
    }

    /// Calls `take` for everything that the firewall holds of a jail.
    pub fn each(&mut self, name: &str, jail: &Jail, out: &mut Vec<Request>, take: &mut dyn FnMut(Entry)) {
        if jail.in_kernel()
            && let Err(e) = self.firewall.each(name, take)
        {
            let text = format!("[{name}] what an earlier run left in the firewall cannot be read: {e}");
            out.push(Request::Log(records::actions(Level::Error, text)));
        }
    }

    pub fn remove_jail(&mut self, jail: &str) -> Result<(), FirewallError> {
        self.owed.retain(|(name, _)| **name != *jail);
        self.firewall.remove_jail(jail)
    }

    pub fn stop(&mut self) -> Result<(), FirewallError> {
        self.owed.clear();
        if std::mem::take(&mut self.started) { self.firewall.stop() } else { Ok(()) }
    }

    /// Puts bans that the jail lists into the firewall, or gives them their present end there.
    pub fn ban(&mut self, name: &Arc<str>, jail: &mut Jail, ids: &[Id], now: Timestamp, out: &mut Vec<Request>) {
        if ids.len() > MANY && jail.in_kernel() {
            self.firewall.expect(name, families(ids.iter()));
        }
        for some in ids.chunks(MANY) {
            let entries = entries(jail, some, now);
            self.add(name, &entries, now, out);
        }
    }

    /// The same for all that the jail lists.
    pub fn ban_all(&mut self, name: &Arc<str>, jail: &mut Jail, now: Timestamp, out: &mut Vec<Request>) {
        if !jail.in_kernel() {
            return;
        }
        self.firewall.expect(name, families(jail.bans.iter().map(|(id, _)| id)));
        let (mut entries, mut lapses) = (Vec::with_capacity(jail.bans.len().min(MANY)), Vec::new());
        for (id, ban) in jail.bans.iter() {
            let Some((entry, lapse)) = entry(id, jail.bans.until(ban), now) else { continue };
            entries.push(entry);
            lapses.extend(lapse.map(|when| (id.clone(), when)));
            if entries.len() == MANY {
                self.add(name, &entries, now, out);
                entries.clear();
            }
        }
        self.add(name, &entries, now, out);
        lapses.iter().for_each(|(id, when)| jail.bans.lapses(id, Some(*when)));
    }

    fn add(&mut self, name: &Arc<str>, entries: &[Entry], now: Timestamp, out: &mut Vec<Request>) {
        if entries.is_empty() {
            return;
        }
        match self.firewall.ban(name, entries) {
            // As a rule nothing is owed, and looking costs nothing then.
            Ok(()) if self.owed.is_empty() => {}
            Ok(()) => {
                for entry in entries {
                    self.owed.swap_remove(&(name.clone(), entry.net));
                }
            }
            Err(e) => {
                self.owed.extend(entries.iter().map(|entry| (name.clone(), entry.net)));
                let text = format!("[{name}] the ban holds in the list only: {e}; it is tried again every 30 s");
                self.complain(text, now, out);
            }
        }
    }

    /// Takes a ban that the jail does not list any more out of the firewall.
    pub fn unban(&mut self, name: &Arc<str>, jail: &Jail, id: &Id, now: Timestamp, out: &mut Vec<Request>) {
        let Some(net) = id.as_net().filter(|_| jail.in_kernel()) else { return };
        match self.firewall.unban(name, net) {
            Ok(()) => drop(self.owed.swap_remove(&(name.clone(), net))),
            Err(e) => {
                self.owed.insert((name.clone(), net));
                let text =
                    format!("[{name}] {id} is not banned any more but still dropped: {e}; tried again every 30 s");
                self.complain(text, now, out);
            }
        }
    }

    /// Takes all bans of a jail out of the firewall.
    pub fn flush(&mut self, name: &Arc<str>, jail: &Jail, nets: &[IpNet], now: Timestamp, out: &mut Vec<Request>) {
        if !jail.in_kernel() {
            return;
        }
        match self.firewall.flush(name) {
            Ok(()) => self.owed.retain(|(owed, _)| owed != name),
            Err(e) => {
                self.owed.extend(nets.iter().map(|net| (name.clone(), *net)));
                let text = format!("[{name}] the lifted bans are still dropped: {e}; tried again every 30 s");
                self.complain(text, now, out);
            }
        }
    }

    /// Looks whether everything stands, puts back what was lost and pays what is owed.
    pub fn mend(&mut self, jails: &mut Jails, now: Timestamp, out: &mut Vec<Request>) {
        match self.firewall.check() {
            Ok(repaired) => {
                out.extend(repaired.records.into_iter().map(Request::Log));
                for jail in &repaired.jails {
                    let Some((_, name, jail)) = jails.get_full_mut(jail.as_str()) else { continue };
                    let name = name.clone();
                    self.ban_all(&name, jail, now, out);
                }
            }
            Err(e) => {
                let text = format!("the firewall cannot be checked: {e}; bans may not hold until it can");
                out.push(Request::Log(records::actions(Level::Error, text)));
            }
        }
        self.pay(jails, now, out);
        for (name, jail) in jails {
            self.fill_gaps(name, jail, now, out);
        }
    }

    /// Puts back bans that somebody took out of a set that itself still stands.
    fn fill_gaps(&mut self, name: &Arc<str>, jail: &mut Jail, now: Timestamp, out: &mut Vec<Request>) {
        let nets = jail.bans.iter().filter(|_| jail.in_kernel()).filter_map(|(id, _)| id.as_net());
        let expected = nets.filter(|net| !self.owed.contains(&(name.clone(), *net))).count();
        // What cannot be read cannot be checked either, and that has been said.
        if expected == 0 || self.firewall.count(name).is_ok_and(|held| held >= expected) {
            return;
        }
        let Ok(held) = self.firewall.list(name) else { return };
        let held: HashSet<IpNet> = held.into_iter().map(|entry| entry.net).collect();
        let is_gone = |net: IpNet| !held.contains(&net.trunc()) && !self.owed.contains(&(name.clone(), net));
        let gone: Vec<Id> =
            jail.bans.iter().map(|(id, _)| id).filter(|id| id.as_net().is_some_and(is_gone)).cloned().collect();
        if !gone.is_empty() {
            let text = format!("[{name}] {} bans were missing in the firewall and are put back", gone.len());
            out.push(Request::Log(records::actions(Level::Warning, text)));
            self.ban(name, jail, &gone, now, out);
        }
    }

    /// Renews what the kernel would lift by itself before its time.
    pub fn renew(&mut self, jails: &mut Jails, now: Timestamp, out: &mut Vec<Request>) {
        for (name, jail) in jails {
            let ids = jail.bans.lapsing(now + RENEW_BEFORE);
            self.ban(name, jail, &ids, now, out);
        }
    }

    fn pay(&mut self, jails: &mut Jails, now: Timestamp, out: &mut Vec<Request>) {
        let mut by_jail: IndexMap<Arc<str>, Vec<IpNet>> = IndexMap::new();
        for (name, net) in self.owed.drain(..) {
            by_jail.entry(name).or_default().push(net);
        }
        let mut paid = 0;
        let mut last = None;
        for (name, nets) in by_jail {
            let Some(jail) = jails.get_mut(&name) else { continue };
            let count = nets.len();
            let (left, why) = self.pay_jail(&name, jail, nets, now);
            paid += count - left.len();
            last = why.or(last);
            self.owed.extend(left.into_iter().map(|net| (name.clone(), net)));
        }
        if paid > 0 {
            let text = format!("{paid} bans or unbans that the firewall had refused are in place now");
            out.push(Request::Log(records::actions(Level::Warning, text)));
        }
        if let Some(e) = last {
            let text = format!("{} bans or unbans are not in the firewall: {e}; tried again in 30 s", self.owed.len());
            out.push(Request::Log(records::actions(Level::Error, text)));
        }
    }

    /// Tries once more; gives what is still owed, those not tried this time first, and why.
    fn pay_jail(
        &mut self,
        name: &str,
        jail: &mut Jail,
        nets: Vec<IpNet>,
        now: Timestamp,
    ) -> (Vec<IpNet>, Option<FirewallError>) {
        let (bans, lifts): (Vec<IpNet>, Vec<IpNet>) =
            nets.into_iter().partition(|net| jail.bans.get(&Id::from(*net)).is_some());
        let ids: Vec<Id> = bans.iter().map(|net| Id::from(*net)).collect();
        let together = match entries(jail, &ids, now) {
            entries if entries.is_empty() => Ok(()),
            entries => self.firewall.ban(name, &entries),
        };
        let bans = if together.is_ok() { Vec::new() } else { bans };
        let mut why = together.err();
        // One by one: a single entry that the kernel will never take must not hold up the others.
        let mut tries: Vec<IpNet> = lifts.into_iter().chain(bans).collect();
        let mut left = tries.split_off(tries.len().min(MAX_SINGLE));
        for net in tries {
            let id = Id::from(net);
            let outcome = match jail.bans.get(&id) {
                Some(_) => self.firewall.ban(name, &entries(jail, &[id], now)),
                None => self.firewall.unban(name, net),
            };
            if let Err(e) = outcome {
                why = Some(e);
                left.push(net);
            }
        }
        let why = why.filter(|_| !left.is_empty());
        (left, why)
    }

    /// Under attack a broken firewall fails a thousand times a second; one line tells it.
    fn complain(&mut self, text: String, now: Timestamp, out: &mut Vec<Request>) {
        if self.complained.is_some_and(|last| last <= now && now < last + QUIET) {
            return;
        }
        self.complained = Some(now);
        out.push(Request::Log(records::actions(Level::Error, text)));
    }
}

/// What the firewall has to hold for these bans, and a note at each that it would lift too early.
fn entries(jail: &mut Jail, ids: &[Id], now: Timestamp) -> Vec<Entry> {
    if !jail.in_kernel() {
        return Vec::new();
    }
    let mut entries = Vec::with_capacity(ids.len());
    for id in ids {
        let Some(ban) = jail.bans.get(id) else { continue };
        let Some((entry, lapses)) = entry(id, jail.bans.until(ban), now) else { continue };
        jail.bans.lapses(id, lapses);
        entries.push(entry);
    }
    entries
}

/// How many of them are IPv4 and IPv6.
fn families<'a>(ids: impl Iterator<Item = &'a Id>) -> [usize; 2] {
    let mut counts = [0; 2];
    ids.filter_map(Id::as_net).for_each(|net| counts[usize::from(net.addr().is_ipv6())] += 1);
    counts
}

/// A ban as the firewall holds it, and when that would lift it too early.
fn entry(id: &Id, end: Option<Timestamp>, now: Timestamp) -> Option<(Entry, Option<Timestamp>)> {
    let net = id.as_net()?;
    let Some(end) = end else { return Some((Entry { net, timeout: None }, None)) };
    let secs = (end - now).0.max(1).saturating_add(999_999) / 1_000_000;
    let timeout = u32::try_from(secs).unwrap_or(u32::MAX).min(Entry::MAX_TIMEOUT);
    let capped = i64::from(timeout) < secs;
    let lapses = capped.then(|| now + Span::from_secs(timeout.into()));
    Some((Entry { net, timeout: Some(timeout) }, lapses))
}

/// Complaints about the firewall are at least this far apart.
const QUIET: Span = Span::from_secs(10);

/// Bans that are handed to the firewall in one call.
const MANY: usize = 8192;

/// Debts tried one by one in a round at most.
const MAX_SINGLE: usize = 1000;

/// How long before the kernel would lift a long ban it is renewed.
const RENEW_BEFORE: Span = Span::from_secs(86_400);
