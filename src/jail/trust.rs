//! Who is on trust: addresses from which somebody has logged in with a password, since when, and which accounts did.
//!
//! It is one list for all jails of a daemon. What a log tells of a login is a fact about an address and not about a jail, and
//! most jails read logs that tell of none. How long a login counts each jail says itself: `trusttime`.
//!
//! A network is on trust as long as an address inside is: whoever is counted and banned as a network is trusted as one. What
//! is no address never is. Memory is bounded: of more than [`MAX_ADDRESSES`], or of more than a few in one owner's network,
//! those are forgotten whose last login lies furthest back.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::ops::RangeInclusive;

use super::accounts::{Account, Accounts};
use crate::addr::{Id, Subnet};
use crate::ticket::Lease;
use crate::time::{Span, Timestamp};

/// The addresses on trust.
#[derive(Debug)]
pub struct Trusted {
    /// In their order, so that those inside a network stand together.
    leases: BTreeMap<IpAddr, Held>,
    /// Which accounts logged in from where.
    accounts: Accounts,
    /// Whose leases are not as they were last kept.
    changed: BTreeSet<IpAddr>,
    forgotten: u64,
    max_addresses: usize,
}

#[derive(Debug)]
struct Held {
    since: Timestamp,
    last: Timestamp,
    /// The last login as far as it is kept.
    kept: Option<Timestamp>,
    /// It is among the changes already.
    noted: bool,
}

impl Default for Trusted {
    fn default() -> Trusted {
        Trusted {
            leases: BTreeMap::new(),
            accounts: Accounts::default(),
            changed: BTreeSet::new(),
            forgotten: 0,
            max_addresses: MAX_ADDRESSES,
        }
    }
}

impl Trusted {
    /// Somebody logged in, as this account if it is known, at `time`; whether that puts the address on trust, `within` being
    /// how long a login counts.
    pub fn login(&mut self, id: &Id, account: Option<Account>, within: Span, time: Timestamp) -> bool {
        let Some(ip) = id.ip() else { return false };
        let known = self.leases.get_mut(&ip);
        let (new, comes) = (known.as_ref().is_none_or(|held| held.last <= time - within), known.is_none());
        let held = match known {
            Some(held) => held,
            None => self.leases.entry(ip).or_insert(Held { since: time, last: time, kept: None, noted: false }),
        };
        held.last = held.last.max(time);
        if new {
            held.since = time;
        }
        // A phone registers each minute: what is kept need not be that exact.
        let mut changed = new || held.kept.is_none_or(|kept| held.last - kept >= EXACT);
        if let Some(account) = account {
            changed |= self.accounts.is_new(id, account, within, time);
        }
        if changed && !std::mem::replace(&mut held.noted, true) {
            self.changed.insert(ip);
        }
        if comes {
            self.forget_neighbour(ip);
            self.forget_oldest();
        }
        new
    }

    /// Whether somebody has logged in from there, less than `within` before `time`.
    pub fn holds(&self, id: &Id, within: Span, time: Timestamp) -> bool {
        let holds = |held: &Held| held.last > time - within;
        match id {
            Id::Ip(ip) => self.leases.get(ip).is_some_and(holds),
            Id::Net(_) | Id::Raw(_) => self.inside(id).any(|(_, held)| holds(held)),
        }
    }

    /// Whether it was this account that logged in from there. Of a network a few addresses are looked at.
    pub fn knows(&self, id: &Id, account: Account) -> bool {
        let mut inside = self.inside(id).take(LOOKED_AT);
        inside.any(|(ip, _)| self.accounts.of(&Id::Ip(*ip)).iter().any(|(known, _)| *known == account))
    }

    /// Ends the trust of an address, or of all inside a network; how many that were.
    pub fn end(&mut self, id: &Id) -> usize {
        let inside: Vec<IpAddr> = self.inside(id).map(|(ip, _)| *ip).collect();
        inside.iter().for_each(|ip| self.remove(*ip));
        inside.len()
    }

    /// Every address on trust with its first and last login, in their order.
    pub fn list(&self, within: Span, now: Timestamp) -> impl Iterator<Item = (IpAddr, Lease)> + '_ {
        self.held(within, now).map(|(ip, held)| (*ip, self.lease(*ip, held)))
    }

    /// How many there are.
    pub fn count(&self, within: Span, now: Timestamp) -> usize {
        self.held(within, now).count()
    }

    /// Forgets whom nobody trusts any more.
    pub fn purge(&mut self, within: Span, now: Timestamp) {
        let over = self.leases.iter().filter(|(_, held)| held.last <= now - within);
        let over: Vec<IpAddr> = over.map(|(ip, _)| *ip).collect();
        over.into_iter().for_each(|ip| self.remove(ip));
    }

    /// Takes back what was kept; a login cannot have been later than now.
    pub fn restore(&mut self, ip: IpAddr, lease: Lease, now: Timestamp) {
        let Lease { since, last, accounts } = lease;
        let last = last.min(now);
        self.leases.insert(ip, Held { since: since.min(last), last, kept: Some(last), noted: false });
        self.accounts.restore(&Id::Ip(ip), accounts.into_iter().map(|(account, met)| (Account(account), met)));
        self.forget_oldest();
    }

    /// How many changes [`Trusted::changes`] has to give.
    pub fn changed(&self) -> usize {
        self.changed.len()
    }

    /// Whose lease changed since the last call; `None`: it has ended.
    pub fn changes(&mut self) -> Vec<(IpAddr, Option<Lease>)> {
        let changed = std::mem::take(&mut self.changed);
        let changes = changed.into_iter().map(|ip| {
            if let Some(held) = self.leases.get_mut(&ip) {
                (held.kept, held.noted) = (Some(held.last), false);
            }
            (ip, self.leases.get(&ip).map(|held| self.lease(ip, held)))
        });
        changes.collect()
    }

    /// From now on every lease counts as changed whose last login is not the one that was kept.
    pub fn be_exact(&mut self) {
        let stale = self.leases.iter().filter(|(_, held)| held.kept != Some(held.last));
        self.changed.extend(stale.map(|(ip, _)| *ip));
    }

    /// Addresses that were given up because there were too many.
    pub fn forgotten(&self) -> u64 {
        self.forgotten
    }

    fn lease(&self, ip: IpAddr, held: &Held) -> Lease {
        let accounts = self.accounts.of(&Id::Ip(ip)).iter().map(|(account, met)| (account.0, *met)).collect();
        Lease { since: held.since, last: held.last, accounts }
    }

    fn held(&self, within: Span, now: Timestamp) -> impl Iterator<Item = (&IpAddr, &Held)> {
        self.leases.iter().filter(move |(_, held)| held.last > now - within)
    }

    fn inside(&self, id: &Id) -> impl Iterator<Item = (&IpAddr, &Held)> {
        range(id).map(|range| self.leases.range(range)).into_iter().flatten()
    }

    fn remove(&mut self, ip: IpAddr) {
        self.leases.remove(&ip);
        self.accounts.forget(&Id::Ip(ip));
        self.changed.insert(ip);
    }

    /// Makes room in the network of one owner: with one account he could push everybody else off the list.
    fn forget_neighbour(&mut self, ip: IpAddr) {
        let Some(net) = OWNER.of(&Id::Ip(ip)) else { return };
        let inside = || self.inside(&net).filter(|(other, _)| **other != ip);
        if inside().count() < NEIGHBOURS {
            return;
        }
        if let Some(oldest) = inside().min_by_key(|(_, held)| held.last).map(|(ip, _)| *ip) {
            self.remove(oldest);
            self.forgotten += 1;
        }
    }

    /// Makes room, for some more at once: to find the oldest all are looked through.
    fn forget_oldest(&mut self) {
        if self.leases.len() <= self.max_addresses {
            return;
        }
        let mut all: Vec<(Timestamp, IpAddr)> = self.leases.iter().map(|(ip, held)| (held.last, *ip)).collect();
        all.sort_unstable();
        let over = self.leases.len() - self.max_addresses + self.max_addresses / 16;
        for (_, ip) in all.into_iter().take(over) {
            self.remove(ip);
            self.forgotten += 1;
        }
    }
}

fn range(id: &Id) -> Option<RangeInclusive<IpAddr>> {
    id.as_net().map(|net| net.network()..=net.broadcast())
}

/// Addresses that are remembered: more than any PBX has customers.
pub const MAX_ADDRESSES: usize = 100_000;

/// So far behind the last login may be what is kept of it.
const EXACT: Span = Span::from_secs(600);

/// What belongs to one, of IPv6.
const OWNER: Subnet = Subnet { v4: 32, v6: 64 };

/// Addresses that one owner may have on trust.
const NEIGHBOURS: usize = 1024;

/// Addresses of a network whose accounts are looked at.
const LOOKED_AT: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Span = Span::from_secs(3600);

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_secs(1_000_000 + secs)
    }

    fn id(text: &str) -> Id {
        Id::parse(text)
    }

    #[test]
    fn trust_ends_a_while_after_the_last_login() {
        let mut trusted = Trusted::default();
        let office = id("192.0.2.1");
        assert!(!trusted.holds(&office, HOUR, at(0)));
        assert!(trusted.login(&office, Some(Account(100)), HOUR, at(0)));
        assert!(!trusted.login(&office, Some(Account(100)), HOUR, at(3000)), "it is on trust already");
        assert!(trusted.holds(&office, HOUR, at(6599)) && !trusted.holds(&office, HOUR, at(6600)));
        assert!(!trusted.holds(&id("192.0.2.2"), HOUR, at(1)) && !trusted.holds(&id("bob"), HOUR, at(1)));
        assert!(trusted.login(&office, None, HOUR, at(6600)));
        let list: Vec<_> = trusted.list(HOUR, at(6600)).collect();
        assert_eq!((list.len(), list[0].1.since, list[0].1.last), (1, at(6600), at(6600)));
    }

    #[test]
    fn an_older_line_of_another_log_takes_nothing_back() {
        let mut trusted = Trusted::default();
        trusted.login(&id("192.0.2.1"), None, HOUR, at(5000));
        trusted.login(&id("192.0.2.1"), None, HOUR, at(4000));
        assert!(trusted.holds(&id("192.0.2.1"), HOUR, at(8599)));
    }

    #[test]
    fn one_owner_pushes_nobody_else_off_the_list() {
        let mut trusted = Trusted { max_addresses: 2000, ..Trusted::default() };
        trusted.login(&id("2001:db8:1:3::1"), None, HOUR, at(0));
        for host in 0..4000 {
            trusted.login(&id(&format!("2001:db8:1:2::{host:x}")), Some(Account(100)), HOUR, at(1 + host));
        }
        assert!(trusted.holds(&id("2001:db8:1:3::1"), HOUR, at(1)));
        assert_eq!((trusted.leases.len(), trusted.forgotten()), (NEIGHBOURS + 1, 4000 - NEIGHBOURS as u64));
        assert!(
            trusted.holds(&id("2001:db8:1:2::f9f"), HOUR, at(1)) && !trusted.holds(&id("2001:db8:1:2::0"), HOUR, at(1))
        );
    }

    #[test]
    fn a_network_is_trusted_for_an_address_inside() {
        let mut trusted = Trusted::default();
        trusted.login(&id("2001:db8:1:2::7"), Some(Account(100)), HOUR, at(0));
        assert!(trusted.holds(&id("2001:db8:1:2::/64"), HOUR, at(1)));
        assert!(!trusted.holds(&id("2001:db8:1:3::/64"), HOUR, at(1)) && !trusted.holds(&id("0.0.0.0/1"), HOUR, at(1)));
        assert!(trusted.knows(&id("2001:db8:1:2::/64"), Account(100)));
        assert!(!trusted.knows(&id("2001:db8:1:2::/64"), Account(101)));
        assert_eq!(trusted.end(&id("2001:db8:1:2::/64")), 1);
        assert!(!trusted.holds(&id("2001:db8:1:2::7"), HOUR, at(1)));
        assert!(!trusted.knows(&id("2001:db8:1:2::7"), Account(100)));
    }

    #[test]
    fn logins_each_minute_are_kept_now_and_then() {
        let mut trusted = Trusted::default();
        let mut kept = Vec::new();
        for minute in 0..21 {
            trusted.login(&id("192.0.2.1"), Some(Account(100)), HOUR, at(60 * minute));
            kept.extend(trusted.changes().into_iter().filter_map(|(_, lease)| Some(lease?.last)));
        }
        assert_eq!(kept, [at(0), at(600), at(1200)]);
        trusted.login(&id("192.0.2.1"), Some(Account(101)), HOUR, at(1210));
        assert_eq!(trusted.changed(), 1, "an account more is worth it");
        trusted.changes();
        trusted.login(&id("192.0.2.1"), Some(Account(101)), HOUR, at(1220));
        assert_eq!(trusted.changed(), 0);
        trusted.be_exact();
        assert_eq!(trusted.changes()[0].1.as_ref().map(|lease| lease.last), Some(at(1220)));
    }

    #[test]
    fn they_are_the_same_after_a_restart_and_no_login_is_later_than_now() {
        let mut before = Trusted::default();
        before.login(&id("192.0.2.1"), Some(Account(100)), HOUR, at(0));
        before.login(&id("192.0.2.1"), Some(Account(101)), HOUR, at(100));
        let kept = before.changes();
        let mut after = Trusted::default();
        kept.clone().into_iter().for_each(|(ip, lease)| after.restore(ip, lease.expect("it holds"), at(200)));
        assert_eq!(after.changed(), 0);
        assert!(after.holds(&id("192.0.2.1"), HOUR, at(3699)) && after.knows(&id("192.0.2.1"), Account(101)));
        let mut earlier = Trusted::default();
        kept.into_iter().for_each(|(ip, lease)| earlier.restore(ip, lease.expect("it holds"), at(-500)));
        assert!(!earlier.holds(&id("192.0.2.1"), HOUR, at(3100)));
    }

    #[test]
    fn what_is_over_is_forgotten_and_that_is_a_change() {
        let mut trusted = Trusted::default();
        trusted.login(&id("192.0.2.1"), None, HOUR, at(0));
        trusted.login(&id("192.0.2.2"), None, HOUR, at(10));
        trusted.changes();
        trusted.purge(HOUR, at(3600));
        assert_eq!(trusted.changes(), [("192.0.2.1".parse().expect("an address"), None)]);
    }

    #[test]
    fn of_too_many_the_oldest_are_forgotten() {
        let mut trusted = Trusted { max_addresses: 160, ..Trusted::default() };
        for n in 0..1000_u32 {
            let ip = Id::Ip(std::net::Ipv4Addr::from(0x0a00_0000 + n).into());
            trusted.login(&ip, Some(Account(100)), HOUR, at(n.into()));
            assert!(trusted.leases.len() <= 160 && trusted.holds(&ip, HOUR, at(n.into())));
        }
        assert!(trusted.forgotten() >= 840);
        assert!(!trusted.holds(&id("10.0.0.0"), HOUR, at(1000)));
    }
}
