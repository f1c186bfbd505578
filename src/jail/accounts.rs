//! Which accounts failed from where, and when: a phone that tries one stale secret all day is one account, a scanner is
//! many.
//!
//! An account is what a sender chose to call himself, so it decides nothing but whether his own failure is a repeated one,
//! and it is kept as a hash with a key that no sender knows. Memory is bounded: an address has [`ACCOUNTS`] at most, its
//! oldest is forgotten first; all of them together [`ALL`], and then the address is forgotten whose last new account lies
//! furthest back, which is counted. What is forgotten fails as if for the first time.

use std::collections::{HashMap, VecDeque};

use sha1::{Digest, Sha1};

use crate::addr::Id;
use crate::time::{Span, Timestamp};

/// What makes of an account's name an [`Account`]. A key that is kept gives the same after a restart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Key(pub [u8; 16]);

/// The name of an account, as 64 bits of its hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Account(pub u64);

impl Key {
    /// The account of this name.
    pub fn account(&self, name: &str) -> Account {
        let hash = Sha1::new_with_prefix(self.0).chain_update(name).finalize();
        let first = hash.first_chunk().expect("a SHA-1 has 20 bytes");
        Account(u64::from_le_bytes(*first))
    }
}

/// The accounts of a jail's addresses that failed.
#[derive(Debug)]
pub struct Accounts {
    /// Each address's accounts with the moment when each was new, the last new one at the end.
    seen: HashMap<Id, Vec<(Account, Timestamp)>>,
    /// Every time an account was new, in that order; an address stands here once for each, and the last one counts.
    order: VecDeque<(Timestamp, Id)>,
    /// Accounts of all addresses.
    held: usize,
    again: u64,
    forgotten: u64,
    max: usize,
}

impl Default for Accounts {
    fn default() -> Accounts {
        Accounts { seen: HashMap::new(), order: VecDeque::new(), held: 0, again: 0, forgotten: 0, max: ALL }
    }
}

impl Accounts {
    /// Whether a failure of `account` from `id` is the first one there, or the last that was so told lies `within` or more
    /// away from it. `now` is when it failed. The answer is remembered: asked twice, it is no the second time.
    ///
    /// That the answer is no is no refusal: an account that goes on failing is new once every `within`.
    pub fn is_new(&mut self, id: &Id, account: Account, within: Span, now: Timestamp) -> bool {
        self.end(now - within);
        if let Some(seen) = self.seen.get_mut(id)
            && let Some(at) = seen.iter().position(|(other, _)| *other == account)
        {
            // An older line of another log, or of before a clock was set back, is as near as a newer one.
            if Span((now - seen[at].1).0.saturating_abs()) < within {
                self.again += 1;
                return false;
            }
            seen.remove(at);
            self.held -= 1;
        }
        self.put(id, account, now);
        true
    }

    /// The accounts of `id`, each with the moment when it was new, the last one at the end; some may be long over.
    pub fn of(&self, id: &Id) -> &[(Account, Timestamp)] {
        self.seen.get(id).map_or(&[], Vec::as_slice)
    }

    /// Takes back what [`Accounts::of`] gave before a restart.
    pub fn restore(&mut self, id: &Id, accounts: impl IntoIterator<Item = (Account, Timestamp)>) {
        self.forget(id);
        for (account, since) in accounts {
            self.put(id, account, since);
        }
    }

    /// Forgets the accounts of somebody who begins anew: he was banned for them, or somebody forgave him.
    pub fn forget(&mut self, id: &Id) {
        self.held -= self.seen.remove(id).map_or(0, |seen| seen.len());
        if self.seen.is_empty() {
            self.order = VecDeque::new();
        }
    }

    /// The same for everybody inside `id`.
    pub fn forget_inside(&mut self, id: &Id) {
        let inside: Vec<Id> = self.seen.keys().filter(|other| id.contains(other)).cloned().collect();
        inside.iter().for_each(|id| self.forget(id));
    }

    /// Failures that were not new, so far.
    pub fn again(&self) -> u64 {
        self.again
    }

    /// Addresses whose accounts were given up because there were too many.
    pub fn forgotten(&self) -> u64 {
        self.forgotten
    }

    fn put(&mut self, id: &Id, account: Account, since: Timestamp) {
        let seen = self.seen.entry(id.clone()).or_default();
        if seen.len() >= ACCOUNTS {
            seen.remove(0);
            self.held -= 1;
        }
        seen.push((account, since));
        self.held += 1;
        self.order.push_back((since, id.clone()));
        while self.held > self.max || self.order.len() > 2 * self.max {
            self.forgotten += u64::from(self.end_oldest());
        }
    }

    /// Ends addresses whose last new account is not younger than this.
    fn end(&mut self, before: Timestamp) {
        while self.order.front().is_some_and(|(since, _)| *since <= before) {
            self.end_oldest();
        }
    }

    /// Takes the front of the order away, and its address with it if nothing of it was new since; whether that was so.
    fn end_oldest(&mut self) -> bool {
        let Some((since, id)) = self.order.pop_front() else { return false };
        let last = self.of(&id).last().is_some_and(|(_, last)| *last == since);
        if last {
            self.forget(&id);
        }
        last
    }
}

/// Accounts of one address that are remembered: who has more is no phone, and each further one is new.
pub const ACCOUNTS: usize = 256;

/// Accounts of all addresses of a jail: some 60 MB, if each is of another address.
pub const ALL: usize = 250_000;

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Span = Span::from_secs(3600);

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_secs(1_000_000 + secs)
    }

    fn id(n: u32) -> Id {
        Id::Ip(std::net::Ipv4Addr::from(0x0a00_0000 + n).into())
    }

    #[test]
    fn an_account_is_new_once_in_a_while_and_each_address_has_its_own() {
        let mut accounts = Accounts::default();
        let mut new =
            |address: u32, account: u64, secs: i64| accounts.is_new(&id(address), Account(account), HOUR, at(secs));
        assert_eq!(
            [0, 30, 3599, 3600, 3601, 7199, 7200].map(|secs| new(1, 100, secs)),
            [true, false, false, true, false, false, true]
        );
        assert!(new(1, 101, 7200) && new(2, 100, 7200));
        assert!(!new(1, 101, 7201) && !new(2, 100, 7201));
        assert_eq!(accounts.again(), 6);
    }

    #[test]
    fn an_older_line_is_as_near_as_a_newer_one() {
        let mut accounts = Accounts::default();
        assert!(accounts.is_new(&id(1), Account(1), HOUR, at(7200)));
        assert!(!accounts.is_new(&id(1), Account(1), HOUR, at(3601)));
        assert!(
            accounts.is_new(&id(1), Account(1), HOUR, at(3600)),
            "and no clock that was set back hides it for ever"
        );
    }

    #[test]
    fn who_begins_anew_has_no_accounts() {
        let mut accounts = Accounts::default();
        for n in 0..4 {
            accounts.is_new(&id(n), Account(1), HOUR, at(0));
        }
        accounts.forget(&id(0));
        accounts.forget_inside(&Id::parse("10.0.0.2/31"));
        assert_eq!([0, 1, 2, 3].map(|n| accounts.is_new(&id(n), Account(1), HOUR, at(1))), [true, false, true, true]);
    }

    #[test]
    fn they_are_the_same_after_a_restart() {
        let mut before = Accounts::default();
        for (account, secs) in [(1, 0), (2, 10), (3, 20)] {
            before.is_new(&id(1), Account(account), HOUR, at(secs));
        }
        let mut after = Accounts::default();
        after.restore(&id(1), before.of(&id(1)).to_vec());
        assert_eq!(after.of(&id(1)), before.of(&id(1)));
        assert!(!after.is_new(&id(1), Account(3), HOUR, at(3600)));
        assert!(after.is_new(&id(1), Account(1), HOUR, at(3600)));
    }

    #[test]
    fn what_is_over_takes_no_room() {
        let mut accounts = Accounts::default();
        for n in 0..20_000_u32 {
            accounts.is_new(&id(n), Account(1), HOUR, at(n.into()));
        }
        assert_eq!((accounts.seen.len(), accounts.held, accounts.order.len()), (3600, 3600, 3600));
        for _ in 0..20_000 {
            accounts.forget(&id(7));
            accounts.is_new(&id(7), Account(1), HOUR, at(20_000));
        }
        assert!(accounts.order.len() <= 2 * ALL);
        assert_eq!(accounts.forgotten(), 0);
    }

    #[test]
    fn of_too_many_the_oldest_are_forgotten() {
        let mut accounts = Accounts { max: 1000, ..Accounts::default() };
        for n in 0..1500_u32 {
            accounts.is_new(&id(n), Account(1), HOUR, at(n.into()));
            accounts.is_new(&id(5_000), Account(n.into()), HOUR, at(n.into()));
            assert!(accounts.held <= 1000 && accounts.order.len() <= 2000);
        }
        assert_eq!(accounts.of(&id(5_000)).len(), ACCOUNTS);
        assert_eq!(accounts.held, accounts.seen.values().map(Vec::len).sum::<usize>());
        assert!(accounts.forgotten() > 500);
        assert!(!accounts.is_new(&id(1499), Account(1), HOUR, at(1500)));
        assert!(accounts.is_new(&id(0), Account(1), HOUR, at(1500)));
    }

    #[test]
    fn an_account_is_another_under_another_key() {
        let [one, two] = [Key([1; 16]), Key([2; 16])];
        assert_eq!(one.account("100"), one.account("100"));
        assert_ne!(one.account("100"), one.account("101"));
        assert_ne!(one.account("100"), two.account("100"));
    }
}
