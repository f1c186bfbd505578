//! The one owner of jails, firewall and store's changes: no thread, no clock, no file.
//!
//! [`Event`]s go in with the present time, [`Request`]s come out: what to log, what to keep, whom to ask. Bans go into
//! the firewall at once, inside the call. [`Engine::due`] says when [`Engine::tick`] wants to be called next; between
//! events and that moment nothing has to run.

mod acting;
mod asking;
mod banning;
mod by_hand;
mod counting;
mod guard;
mod keeping;
mod parking;
mod protecting;
mod records;
mod reload;
mod restore;
mod stopping;
mod taking;
mod trusting;

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use hashbrown::DefaultHashBuilder;
use indexmap::IndexMap;
use jiff::tz::TimeZone;

use crate::addr::Id;
use crate::config::JailSettings;
use crate::config::pbx::Peer;
use crate::error::Error;
use crate::firewall::script::{Counters, Deed, Method};
use crate::firewall::{Firewall, FirewallError, MANUAL};
use crate::jail::aged::Aged;
use crate::jail::answers::Answers;
use crate::jail::outage::Outage;
use crate::jail::trust::Trusted;
use crate::jail::{History, Jail, Key, Protected};
use crate::line::Position;
use crate::record::{Level, Record};
use crate::store::Change;
use crate::ticket::{Counter, Failure, SavedBan};
use crate::time::{Bantime, Span, Timestamp};

use banning::Chance;
use guard::Guard;
use parking::{Parked, Parking, Waiting};

pub use crate::jail::{Answer, Question};
pub use asking::{BanStatus, JailStatus};
pub use banning::mark_chosen;
pub use restore::Remembered;
pub use stopping::Leave;
pub use taking::Taken;
pub use trusting::TrustStatus;

/// The guard's whole state.
pub struct Engine {
    jails: Jails,
    guard: Guard,
    history: History,
    answers: Answers,
    parking: Parking,
    /// Failures that found no room to wait, by jail.
    dropped: HashMap<Arc<str>, u64>,
    drop_said: Option<Timestamp>,
    /// Saved counters of jails that are not on yet.
    unclaimed: HashMap<String, Vec<(Id, Counter)>>,
    /// Bans that the firewall does not have yet, by jail; none between two calls.
    fresh: Vec<(Arc<str>, Vec<Id>)>,
    /// Addresses from which somebody logged in, whichever jail's log told of it.
    trusted: Trusted,
    /// Whether the PBX itself may be the cause of failures.
    outage: Outage,
    /// Positions that are not kept yet.
    positions: IndexMap<(Arc<str>, PathBuf), Position>,
    own: Vec<IpAddr>,
    protected: Protected,
    /// Whose ban did not come about for that, said lately.
    spared: Aged<Id, ()>,
    zone: TimeZone,
    dbmaxmatches: usize,
    dbpurgeage: Span,
    chance: Chance,
    /// What makes hashes of accounts, and whether it is kept already.
    key: (Key, bool),
    /// What matters less is not put into words.
    hears: Level,
    /// Off where nobody keeps counters.
    keeps: bool,
    flushed: Timestamp,
    checked: Timestamp,
    purged: Timestamp,
}

/// Jails by name, in their order. Each failure looks its jail up, and nobody but the configuration names one.
type Jails = IndexMap<Arc<str>, Jail, DefaultHashBuilder>;

/// What an engine starts with.
pub struct Setup {
    /// Jails that are on; those that say `auto` and have no log yet come later by [`Engine::add_jail`].
    pub jails: Vec<JailSettings>,
    /// What bans for every jail whose bans go into [`Own::Ipset`](crate::config::Own::Ipset).
    pub firewall: Box<dyn Firewall + Send>,
    /// What the database kept.
    pub saved: Remembered,
    /// Matched lines kept per ban in the database.
    pub dbmaxmatches: usize,
    /// How long a finished ban is remembered.
    pub dbpurgeage: Span,
    /// This host's own addresses, for `ignoreself`.
    pub own: Vec<IpAddr>,
    /// Whom jails with `protect` never ban.
    pub protected: Vec<Peer>,
    /// For the times in log records.
    pub zone: TimeZone,
}

/// What happened beside failures, for [`Engine::handle`].
#[derive(Debug)]
pub enum Event {
    /// Everything before this position has been handed in.
    Position {
        /// In which jail.
        jail: Arc<str>,
        /// Where.
        position: Position,
    },
    /// A worker answers an earlier [`Question`].
    Answer {
        /// The number of the question.
        token: u64,
        /// What it found out.
        answer: Answer,
    },
}

/// What the engine wants done by those who have threads, clocks and files.
#[derive(Debug)]
pub enum Request {
    /// A line for the log.
    Log(Record),
    /// Lines for the log that say who is banned again in a jail that begins: see [`Request::restored`].
    Restored {
        /// Which jail.
        jail: Arc<str>,
        /// Who, in the order of the bans.
        ids: Vec<Id>,
    },
    /// Something to keep.
    Keep(Change),
    /// Something slow to find out; the answer comes back as [`Event::Answer`] with the same number.
    Ask {
        /// The number of the question.
        token: u64,
        /// What to find out.
        question: Question,
    },
    /// Something for the jail's actions that run commands; those of one jail in this order, after what was to be kept
    /// before.
    Act {
        /// Whose actions.
        jail: Arc<str>,
        /// What.
        deed: Deed,
        /// The jail's numbers right now.
        counters: Counters,
    },
}

impl Request {
    /// What the log says of somebody who is banned again. There may be a million of them, so each is put into words only when
    /// it is written.
    pub fn restored(jail: &str, id: &Id) -> Record {
        records::restored(jail, id)
    }
}

impl Engine {
    /// Makes the firewall ready, restores what the database kept, adopts what only the kernel knows.
    ///
    /// A permanent ban stays permanent and a length chosen by hand stays as chosen; fail2ban cuts both to the jail's
    /// `bantime` where bans do not grow.
    pub fn start(setup: Setup, now: Timestamp, out: &mut Vec<Request>) -> Result<Engine, FirewallError> {
        restore::start(setup, now, out)
    }

    /// Takes in an event. Unknown jails (removed meanwhile) are passed over.
    pub fn handle(&mut self, event: Event, now: Timestamp, out: &mut Vec<Request>) {
        self.follow_clock(now);
        match event {
            Event::Position { jail, position } => {
                if self.jails.contains_key(&jail) {
                    self.positions.insert((jail, position.path.clone()), position);
                }
            }
            Event::Answer { token, answer } => self.answered(token, &answer, now, out),
        }
        self.strike(now, out);
    }

    /// Takes in failures and other signs of any number of jails, in their order; what has to be kept of them is copied.
    pub fn hear(&mut self, failures: &[(Arc<str>, Failure)], now: Timestamp, out: &mut Vec<Request>) {
        self.follow_clock(now);
        self.hear_all(failures, now, out);
        self.strike(now, out);
    }

    /// When [`Engine::tick`] has something to do next.
    pub fn due(&self) -> Option<Timestamp> {
        let ends = self.jails.values().filter_map(|jail| jail.bans.due());
        let regular = [self.checked + CHECK_EVERY, self.purged + PURGE_EVERY];
        ends.chain(self.flush_due()).chain(regular).min()
    }

    /// Lifts what is over, renews long bans, writes counters, checks the firewall (every 30 s), purges (every hour).
    pub fn tick(&mut self, now: Timestamp, out: &mut Vec<Request>) {
        self.follow_clock(now);
        self.expire(now, out);
        if now >= self.checked + CHECK_EVERY {
            self.checked = now;
            self.guard.mend(&mut self.jails, now, out);
            self.jails.values_mut().for_each(|jail| jail.failures.clean(now));
            self.give_up_waiting(now, out);
            self.refresh_names(now, out);
            self.strike(now, out);
        }
        if now >= self.purged + PURGE_EVERY {
            self.purged = now;
            self.guard.renew(&mut self.jails, now, out);
            self.history.purge(self.dbpurgeage, now);
            self.purge_trust(now);
            out.push(Request::Keep(Change::Purge { age: self.dbpurgeage, now }));
        }
        if self.flush_due().is_some_and(|due| now >= due) {
            self.flush(now, out);
        }
    }

    /// Records that matter less than `level` need not be made: in a flood each failure would have one. All are, until this
    /// is called.
    pub fn hear_from(&mut self, level: Level) {
        self.hears = level;
    }

    /// Nobody keeps counters for another start: none are given out from now on.
    pub fn keep_no_counters(&mut self) {
        self.keeps = false;
    }

    /// Bans by hand, `bantime` or the jail's. `false`: was banned already (the new end counts if it is later). A raw
    /// identity is an error. The jail `manual` is made when first used.
    ///
    /// As in fail2ban, `ignoreip` does not stop it (a warning is logged); an address of this host, and a network that
    /// holds one, is an error, and so is who is protected in that jail.
    pub fn ban(
        &mut self,
        jail: &str,
        id: Id,
        bantime: Option<Bantime>,
        now: Timestamp,
        out: &mut Vec<Request>,
    ) -> Result<bool, Error> {
        let banned = self.ban_by_hand(jail, id, bantime, false, now, out);
        self.strike(now, out);
        banned
    }

    /// The same, also of who is protected; that ban holds until it is over or lifted.
    pub fn ban_anyway(
        &mut self,
        jail: &str,
        id: Id,
        bantime: Option<Bantime>,
        now: Timestamp,
        out: &mut Vec<Request>,
    ) -> Result<bool, Error> {
        let banned = self.ban_by_hand(jail, id, bantime, true, now, out);
        self.strike(now, out);
        banned
    }

    /// Others are protected than before. Bans that hit one of them end; names are looked up.
    pub fn protect(&mut self, list: Vec<Peer>, now: Timestamp, out: &mut Vec<Request>) {
        self.take_protected(list, now, out);
        self.refresh_names(now, out);
    }

    /// Whether a jail protects anybody, the one for bans by hand apart: that one does where others do.
    pub fn protects(&self) -> bool {
        self.jails.iter().any(|(name, jail)| jail.settings.protect && **name != *MANUAL)
    }

    /// Who is protected, with the addresses of names.
    pub fn protected(&self) -> &Protected {
        &self.protected
    }

    /// Takes in bans that another program made, each into its jail, and says what became of each. One that holds bites
    /// at once, without a new offence being counted; one of a jail that is not on waits for it; one that is over is
    /// remembered. What is known already changes nothing. With `rehearse`, all of this is only said.
    pub fn take_in(
        &mut self,
        bans: Vec<SavedBan>,
        rehearse: bool,
        now: Timestamp,
        out: &mut Vec<Request>,
    ) -> Result<Vec<Taken>, Error> {
        self.take_all(bans, rehearse, now, out)
    }

    /// Lifts the bans of `id` (and, where it is a network, of everything in it) in one jail or all, forgets its history
    /// and its failures, and says how many bans were lifted.
    pub fn unban(
        &mut self,
        jail: Option<&str>,
        id: &Id,
        now: Timestamp,
        out: &mut Vec<Request>,
    ) -> Result<usize, Error> {
        self.unban_by_hand(jail, id, now, out)
    }

    /// Lifts every ban of one jail or of all and forgets the history.
    pub fn unban_all(&mut self, jail: Option<&str>, now: Timestamp, out: &mut Vec<Request>) -> Result<usize, Error> {
        self.unban_everybody(jail, now, out)
    }

    /// A jail comes on (a log appeared, or a reload brought it): its saved bans are restored. One that runs already
    /// takes on the settings.
    pub fn add_jail(
        &mut self,
        settings: JailSettings,
        now: Timestamp,
        out: &mut Vec<Request>,
    ) -> Result<(), FirewallError> {
        self.start_or_follow(settings, false, now, out)
    }

    /// The same for a jail whose configuration was read again: its actions are reloaded.
    pub fn reload_jail(
        &mut self,
        settings: JailSettings,
        now: Timestamp,
        out: &mut Vec<Request>,
    ) -> Result<(), FirewallError> {
        self.start_or_follow(settings, true, now, out)
    }

    /// New settings: jails not named any more are stopped (their bans leave the firewall, the history stays), new ones
    /// added, the others keep bans and counters and follow the new settings at once. `manual` stays if it runs.
    ///
    /// What the firewall refuses does not stop the rest; the first refusal is given back.
    pub fn reload(
        &mut self,
        jails: Vec<JailSettings>,
        now: Timestamp,
        out: &mut Vec<Request>,
    ) -> Result<(), FirewallError> {
        self.take_on(jails, now, out)
    }

    /// A jail is taken away: its bans leave the firewall, its history stays. An unknown jail is an error.
    pub fn remove_jail(&mut self, jail: &str, out: &mut Vec<Request>) -> Result<(), Error> {
        self.take_away(jail, out)
    }

    /// What another database kept, in place of what was known; no jail may run.
    pub fn remember(&mut self, saved: Remembered, now: Timestamp) {
        self.take_back(saved, now);
    }

    /// How much is kept from now on, see [`Setup`].
    pub fn keep(&mut self, dbmaxmatches: usize, dbpurgeage: Span) {
        (self.dbmaxmatches, self.dbpurgeage) = (dbmaxmatches, dbpurgeage);
    }

    /// Counts failures by hand, one for each matched line and at least one, and bans where that is one too many.
    /// `false`: the address is ignored, and nothing is counted.
    pub fn attempt(
        &mut self,
        jail: &str,
        id: Id,
        matches: Vec<String>,
        now: Timestamp,
        out: &mut Vec<Request>,
    ) -> Result<bool, Error> {
        let counted = self.attempt_by_hand(jail, id, matches, now, out);
        self.strike(now, out);
        counted
    }

    /// Tells one action of a jail to do one thing, by hand; `id` for whom, where the method wants to know that. An action
    /// that runs no commands is an error. That it was done, or was not, is said in the log.
    pub fn act(
        &mut self,
        jail: &str,
        action: &str,
        method: Method,
        id: Option<Id>,
        now: Timestamp,
        out: &mut Vec<Request>,
    ) -> Result<(), Error> {
        self.perform(jail, action, method, id, now, out)
    }

    /// The end: counters and positions are given out to be kept, and bans are left or lifted; their history stays.
    pub fn stop(&mut self, leave: Leave, now: Timestamp, out: &mut Vec<Request>) -> Result<(), FirewallError> {
        self.end_all(leave, now, out)
    }

    /// A clock that was set back must not put off what is done regularly.
    fn follow_clock(&mut self, now: Timestamp) {
        for last in [&mut self.flushed, &mut self.checked, &mut self.purged] {
            *last = (*last).min(now);
        }
    }
}

/// The firewall is looked after this often.
const CHECK_EVERY: Span = Span::from_secs(30);

const PURGE_EVERY: Span = Span::from_secs(3600);
