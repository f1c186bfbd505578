//! A jail counts failures and decides who is banned and until when.
//!
//! Nothing but compute: `now` and chance are arguments, whom to ask about a name or a program it says, and the answer
//! comes back as another call. What it decides the engine carries out.

pub mod accounts;
pub mod aged;
pub mod answers;
pub mod bans;
pub mod bantime;
pub mod dedupe;
pub mod failures;
pub mod history;
pub mod ignore;
pub mod lately;
pub mod outage;
pub mod protected;
pub mod question;
pub mod ranges;
pub mod roll;
pub mod spread;
pub mod tags;
pub mod trust;

use std::net::IpAddr;

use crate::addr::Id;
use crate::config::{CountBy, JailSettings, Own};
use crate::ticket::{Counter, Failure};
use crate::time::Timestamp;

pub use accounts::{Account, Accounts, Key};
pub use answers::Answers;
pub use bans::{Ban, Bans};
pub use dedupe::Dedupe;
pub use failures::Failures;
pub use history::History;
pub use ignore::Ignore;
pub use protected::Protected;
pub use question::{Answer, Question};
pub use spread::Numbers;

/// One jail: its settings, who has failed and who is banned.
pub struct Jail {
    /// As the files describe it; changed by [`Jail::follow`] only.
    pub settings: JailSettings,
    /// Who has failed how often.
    pub failures: Failures,
    /// Who is banned.
    pub bans: Bans,
    /// Who is never counted.
    pub ignore: Ignore,
    /// What more lines may tell of.
    pub dedupe: Dedupe,
    /// Which accounts failed from addresses on trust.
    pub repeated: Accounts,
    /// Failures that did not count because of trust.
    pub spared: u64,
    /// Which accounts failed from where; where lines count, none is kept.
    pub accounts: Accounts,
    /// Which numbers were dialled from where; none where that is all one.
    pub numbers: Numbers,
    /// Failures that did not count since they named no account.
    pub nameless: u64,
}

impl Jail {
    /// An empty jail.
    pub fn new(settings: JailSettings) -> Jail {
        Jail {
            failures: Failures::new(settings.findtime, settings.maxmatches),
            bans: Bans::new(settings.bantime),
            ignore: Ignore::new(&settings.ignore),
            dedupe: Dedupe::default(),
            repeated: Accounts::default(),
            spared: 0,
            accounts: Accounts::default(),
            numbers: Numbers::default(),
            nameless: 0,
            settings,
        }
    }

    /// Takes on new settings; counters and bans stay. Gives those whose end of ban moved with `bantime`.
    pub fn follow(&mut self, settings: JailSettings) -> Vec<Id> {
        self.failures.limit(settings.findtime, settings.maxmatches);
        self.ignore = Ignore::new(&settings.ignore);
        if settings.countby == CountBy::Line {
            self.accounts = Accounts::default();
        }
        self.settings = settings;
        self.bans.set_bantime(self.settings.bantime)
    }

    /// Whether a failure is no other line's event, as far as the jail wants to know: `dedupe`.
    pub fn is_new(&mut self, failure: &Failure, now: Timestamp) -> bool {
        !self.settings.dedupe || self.dedupe.is_new(failure, self.settings.findtime, now)
    }

    /// Whom a failure of `id` is counted against: the network that `subnet4` or `subnet6` makes of it, unless that holds
    /// somebody who must not be hit along with it.
    pub fn liable(&self, id: Id, own: &[IpAddr], known: &Answers, protected: &Protected, now: Timestamp) -> Id {
        let spared = |net: &Id| {
            self.settings.protect && protected.touches(net)
                || self.ignore.spares(&self.settings.name, net, own, known, now)
        };
        self.settings.subnet.of(&id).filter(|net| !spared(net)).unwrap_or(id)
    }

    /// As how many tries of `id` a failure counts by `countby`; `None` for one that does not: it names an account that has
    /// just failed, or none.
    pub fn counted(&mut self, id: &Id, failure: &Failure, key: &Key) -> Option<u32> {
        if self.settings.countby == CountBy::Line {
            return Some(failure.count);
        }
        match failure.groups.get("user").filter(|user| !user.is_empty()) {
            Some(user) => {
                let new = self.accounts.is_new(id, key.account(user), self.settings.samefailtime, failure.time);
                // "After 5 tries" of one account is one account.
                new.then_some(1)
            }
            None if self.settings.countby == CountBy::UserOrLine => Some(failure.count),
            None => {
                self.nameless += 1;
                None
            }
        }
    }

    /// Failures that did not count, so far.
    pub fn uncounted(&self) -> u64 {
        self.dedupe.again() + self.accounts.again() + self.nameless + self.spared
    }

    /// Takes back a counter that was kept, with its accounts.
    pub fn restore(&mut self, id: Id, mut counter: Counter, now: Timestamp) {
        let accounts = std::mem::take(&mut counter.accounts);
        if self.settings.countby != CountBy::Line && !accounts.is_empty() {
            self.accounts.restore(&id, accounts.into_iter().map(|(account, since)| (Account(account), since)));
        }
        self.failures.restore(id, counter, now);
    }

    /// Every counter that changed since the last call, with its accounts: see [`Failures::changes`].
    pub fn changes(&mut self) -> Vec<(Id, Option<Counter>)> {
        let mut changes = self.failures.changes();
        if self.settings.countby != CountBy::Line {
            for (id, counter) in &mut changes {
                let accounts = self.accounts.of(id).iter().map(|(account, since)| (account.0, *since));
                counter.iter_mut().for_each(|counter| counter.accounts = accounts.clone().collect());
            }
        }
        changes
    }

    /// Forgets the failures of `id`: of the network that it counts as, and where it is a network itself of everything in it.
    pub fn forgive(&mut self, id: &Id) {
        match id {
            Id::Net(_) => {
                self.failures.forget_inside(id);
                self.accounts.forget_inside(id);
            }
            Id::Ip(_) | Id::Raw(_) => {
                for id in [Some(id.clone()), self.settings.subnet.of(id)].into_iter().flatten() {
                    self.failures.forget(&id);
                    self.accounts.forget(&id);
                }
            }
        }
    }

    /// Whether bans go into the kernel's sets; otherwise they are listed and logged, and its scripts carry them out.
    pub fn in_kernel(&self) -> bool {
        self.settings.own() == Some(Own::Ipset)
    }
}
