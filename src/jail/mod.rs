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
pub mod outage;
pub mod question;
pub mod ranges;
pub mod roll;
pub mod tags;
pub mod trust;

use crate::addr::Id;
use crate::config::{JailSettings, Own};
use crate::ticket::Failure;
use crate::time::Timestamp;

pub use accounts::Accounts;
pub use bans::{Ban, Bans};
pub use dedupe::Dedupe;
pub use failures::Failures;
pub use history::History;
pub use ignore::Ignore;
pub use question::{Answer, Question};

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
            settings,
        }
    }

    /// Takes on new settings; counters and bans stay. Gives those whose end of ban moved with `bantime`.
    pub fn follow(&mut self, settings: JailSettings) -> Vec<Id> {
        self.failures.limit(settings.findtime, settings.maxmatches);
        self.ignore = Ignore::new(&settings.ignore);
        self.settings = settings;
        self.bans.set_bantime(self.settings.bantime)
    }

    /// Whether a failure is no other line's event, as far as the jail wants to know: `dedupe`.
    pub fn is_new(&mut self, failure: &Failure, now: Timestamp) -> bool {
        !self.settings.dedupe || self.dedupe.is_new(failure, self.settings.findtime, now)
    }

    /// Whether bans go into the kernel's sets; otherwise they are listed and logged, and its scripts carry them out.
    pub fn in_kernel(&self) -> bool {
        self.settings.own() == Some(Own::Ipset)
    }
}
