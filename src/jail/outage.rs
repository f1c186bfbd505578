//! After an outage: the PBX came back, cannot reach what it asks about passwords, and refuses every phone that it knows.
//!
//! So when many accounts that are known to log in from their addresses fail at once, soon after the PBX was started or
//! reloaded, failures of such accounts do not count for a while, and nothing of it is held against them afterwards: why they
//! failed is known, and it was not they.
//!
//! Nobody can use this to spare himself. It spares accounts that have logged in, from where they did: a stranger has none, and
//! who has one may fail with it once in a `trusttime` and no more anyway, on trust as he is. All else that comes from the same
//! address is counted as always. So even a forged line about a restart, if there were one, would be of no use.

use std::collections::VecDeque;

use super::accounts::Account;
use crate::addr::Id;
use crate::time::{Span, Timestamp};

/// Whether there is one.
#[derive(Debug, Default)]
pub struct Outage {
    /// When the PBX was last started or reloaded.
    restarted: Option<Timestamp>,
    /// Known accounts that failed a moment ago, each once.
    failed: VecDeque<(Timestamp, Id, Account)>,
    /// Known accounts are not counted up to here.
    until: Option<Timestamp>,
}

/// What a known account's failure is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Its own.
    Counts,
    /// The PBX's.
    Held,
    /// The PBX's, and the first one that makes that known; so many failed.
    Begins(usize),
}

impl Outage {
    /// The PBX was started or reloaded; whether that is news, and not what another jail has told of the same log.
    pub fn restarted(&mut self, time: Timestamp) -> bool {
        let new = self.restarted < Some(time);
        self.restarted = self.restarted.max(Some(time));
        new
    }

    /// A known account failed. More than `limit` of them at once are an outage; 0: none ever is.
    pub fn judge(&mut self, id: &Id, account: Account, limit: u32, time: Timestamp) -> Verdict {
        let lately = |then: Timestamp, span: Span| then <= time && time - then < span;
        if limit == 0 || !self.restarted.is_some_and(|then| lately(then, COMING_BACK)) {
            return Verdict::Counts;
        }
        if self.until.is_some_and(|until| time < until && until - time <= HOLD) {
            return Verdict::Held;
        }
        self.failed.retain(|(then, ..)| lately(*then, AT_ONCE));
        if !self.failed.iter().any(|(_, other, known)| (other, *known) == (id, account)) {
            self.failed.push_back((time, id.clone(), account));
        }
        if self.failed.len() <= (limit as usize).min(MOST) {
            return Verdict::Counts;
        }
        self.until = Some(time + HOLD);
        Verdict::Begins(std::mem::take(&mut self.failed).len())
    }
}

/// The time in which phones come back after a restart.
const COMING_BACK: Span = Span::from_secs(300);
/// The time in which so many must fail.
pub const AT_ONCE: Span = Span::from_secs(10);
/// How long they are not counted then.
pub const HOLD: Span = Span::from_secs(60);
/// Accounts that are remembered; as many are an outage whatever the option says.
const MOST: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_secs(1_000_000 + secs)
    }

    /// What becomes of the failures of accounts `0..count` at a moment.
    fn fail(outage: &mut Outage, count: u64, secs: i64) -> Vec<Verdict> {
        let id = Id::parse("192.0.2.1");
        (0..count).map(|account| outage.judge(&id, Account(account), 3, at(secs))).collect()
    }

    use Verdict::{Begins, Counts, Held};

    #[test]
    fn many_known_accounts_at_once_behind_a_restart_are_an_outage() {
        let mut outage = Outage::default();
        assert_eq!(fail(&mut outage, 6, 0), [Counts; 6], "nobody restarted anything");
        outage.restarted(at(100));
        assert_eq!(fail(&mut outage, 6, 110), [Counts, Counts, Counts, Begins(4), Held, Held]);
        assert_eq!(fail(&mut outage, 2, 169), [Held; 2]);
        assert_eq!(fail(&mut outage, 4, 170), [Counts, Counts, Counts, Begins(4)], "it goes on");
        assert_eq!(fail(&mut outage, 6, 400), [Counts; 6], "that is long ago");
    }

    #[test]
    fn one_account_again_and_again_is_no_outage_nor_are_many_one_by_one() {
        let mut outage = Outage::default();
        outage.restarted(at(0));
        for secs in 0..9 {
            assert_eq!(fail(&mut outage, 3, secs), [Counts; 3]);
        }
        let mut outage = Outage::default();
        outage.restarted(at(0));
        let id = Id::parse("192.0.2.1");
        for n in 0..20 {
            assert_eq!(outage.judge(&id, Account(n), 3, at(4 * n as i64)), Counts);
        }
    }

    #[test]
    fn zero_switches_it_off() {
        let mut outage = Outage::default();
        outage.restarted(at(0));
        let id = Id::parse("192.0.2.1");
        assert!((0..5000).all(|n| outage.judge(&id, Account(n), 0, at(1)) == Counts));
        assert_eq!((0..2000).filter(|n| outage.judge(&id, Account(*n), u32::MAX, at(1)) != Counts).count(), 1000);
        assert!(outage.failed.len() <= MOST);
    }
}
