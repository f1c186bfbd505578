//! Jails come and go: what the database and the kernel kept is taken back, new settings are taken on.
//!
//! The kernel's entries of jails that run are never lifted for a moment: those that the database knows get their right
//! end, the others are adopted as bans.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use indexmap::IndexMap;

use super::banning::{Chance, is_chosen, is_forced, new_key};
use super::guard::Guard;
use super::{Answers, Engine, Jails, Parking, Request, Setup, acting, records};
use crate::addr::Id;
use crate::config::{Action, JailSettings, Kind, Own, UseDns};
use crate::firewall::script::Deed;
use crate::firewall::{FirewallError, MANUAL};
use crate::jail::aged::Aged;
use crate::jail::history::Row;
use crate::jail::outage::Outage;
use crate::jail::trust::Trusted;
use crate::jail::{Ban, History, Jail, Key, Protected};
use crate::record::Level;
use crate::store::{Change, Saved};
use crate::ticket::{Counter, Lease, SavedBan, Ticket};
use crate::time::{Bantime, Span, Timestamp};

/// See [`Engine::start`].
pub fn start(setup: Setup, now: Timestamp, out: &mut Vec<Request>) -> Result<Engine, FirewallError> {
    let Setup { jails, firewall, saved, dbmaxmatches, dbpurgeage, own, protected, zone } = setup;
    let mut engine = Engine {
        jails: Jails::default(),
        guard: Guard::new(firewall),
        history: History::default(),
        answers: Answers::default(),
        parking: Parking::default(),
        dropped: HashMap::new(),
        drop_said: None,
        fresh: Vec::new(),
        unclaimed: HashMap::new(),
        trusted: Trusted::default(),
        outage: Outage::default(),
        positions: IndexMap::new(),
        own,
        protected: Protected::new(protected, |_| Vec::new()),
        spared: Aged::new(MAX_SPARED, SPARED_QUIET),
        zone,
        dbmaxmatches,
        dbpurgeage,
        chance: Chance::new(),
        key: (new_key(), false),
        hears: Level::Debug,
        keeps: true,
        flushed: now,
        checked: now,
        purged: now,
    };
    engine.take_back(saved, now);
    let mut jails: Vec<Jail> = jails.into_iter().map(Jail::new).collect();
    let configured = jails.iter().any(|jail| jail.settings.name == MANUAL);
    let manual = Jail::new(manual(&jails));
    let mut wanted = false;
    engine.history.each_of(MANUAL, |_, row| wanted |= matches!(revive(row, &manual.settings, now), Revival::Alive(_)));
    if wanted && !configured {
        jails.push(manual);
    }
    let names: Vec<String> =
        jails.iter().filter(|jail| jail.in_kernel()).map(|jail| jail.settings.name.clone()).collect();
    engine.guard.start(&names)?;
    if !wanted && !configured && engine.guard.holds_any(MANUAL) {
        let settings = self::manual(&jails);
        jails.push(Jail::new(settings));
    }
    for jail in jails {
        engine.begin(jail, now, out);
    }
    engine.refresh_names(now, out);
    Ok(engine)
}

impl Engine {
    pub(super) fn take_back(&mut self, saved: Remembered, now: Timestamp) {
        (self.history, self.unclaimed) = (saved.history, saved.counters);
        self.trusted = Trusted::default();
        saved.trust.into_iter().for_each(|(ip, lease)| self.trusted.restore(ip, lease, now));
        self.key = saved.key.map_or_else(|| (self.key.0.clone(), false), |key| (Key(key), true));
    }

    pub(super) fn start_manual(&mut self, now: Timestamp, out: &mut Vec<Request>) -> Result<(), FirewallError> {
        let settings = manual(self.jails.values());
        self.start_or_follow(settings, false, now, out)
    }

    pub(super) fn start_or_follow(
        &mut self,
        settings: JailSettings,
        reload: bool,
        now: Timestamp,
        out: &mut Vec<Request>,
    ) -> Result<(), FirewallError> {
        if let Some(jail) = self.jails.get(settings.name.as_str()) {
            let protects = settings.protect && !jail.settings.protect;
            let outcome = self.follow(settings, reload, now, out);
            if protects {
                self.lift_protected(now, out);
            }
            return outcome;
        }
        let jail = Jail::new(settings);
        if jail.in_kernel() {
            self.guard.add_jail(&jail.settings.name)?;
        }
        self.begin(jail, now, out);
        Ok(())
    }

    /// Lets a jail run: takes back what database and kernel kept of it.
    fn begin(&mut self, jail: Jail, now: Timestamp, out: &mut Vec<Request>) {
        let name: Arc<str> = jail.settings.name.as_str().into();
        out.push(Request::Keep(Change::Jail { name: name.to_string(), enabled: true }));
        out.push(Request::Log(records::started(&name)));
        acting::follow(&name, &jail, &[], false, out);
        self.jails.insert(name.clone(), jail);
        self.restore(&name, now, out);
        let (lift, adopt) = self.unknown(&name, now, out);
        let jail = &mut self.jails[&name];
        self.guard.ban_all(&name, jail, now, out);
        lift.iter().for_each(|id| self.guard.unban(&name, jail, id, now, out));
        self.adopt(&name, adopt, now, out);
        let jail = &mut self.jails[&name];
        let ids: Vec<Id> = jail.bans.iter().map(|(id, _)| id.clone()).collect();
        for (id, counter) in self.unclaimed.remove(&*name).unwrap_or_default() {
            jail.restore(id, counter, now);
        }
        let slow = jail.ignore.is_slow().then(|| ids.clone());
        if !ids.is_empty() {
            out.push(Request::Restored { jail: name.clone(), ids });
        }
        if let Some(ids) = slow {
            self.judge_restored(name, ids, now, now, out);
        }
    }

    /// Bans that the database knows are in the list again.
    fn restore(&mut self, name: &Arc<str>, now: Timestamp, out: &mut Vec<Request>) {
        let Engine { jails, history, own, protected, .. } = self;
        let jail = &mut jails[name];
        let mut spared = Vec::new();
        history.each_of(name, |id, row| {
            let Revival::Alive(bantime) = revive(row, &jail.settings, now) else { return };
            if let Some(rule) = jail.ignore.at_once(id, own) {
                return out.push(Request::Log(records::ignored(name, id, &rule)));
            }
            if jail.settings.protect && !row.forced && protected.touches(id) {
                return spared.push(id.clone());
            }
            let ban = Ban { since: row.time, bantime: Some(bantime).into(), bancount: row.bancount };
            jail.bans.add(id.clone(), ban.clone());
            acting::act(name, jail, out, || Deed::Ban(Box::new(acting::of_ban(id, &ban))));
        });
        spared.iter().for_each(|id| self.say_spared(name, id, now, out));
    }

    /// What the kernel holds and the list does not: whom the settings of today do not ban, and those that only the kernel
    /// knows.
    fn unknown(
        &mut self,
        name: &Arc<str>,
        now: Timestamp,
        out: &mut Vec<Request>,
    ) -> (Vec<Id>, Vec<(Id, Option<u32>)>) {
        let Engine { jails, history, guard, .. } = self;
        let jail = &jails[name];
        let (mut lift, mut adopt) = (Vec::new(), Vec::new());
        guard.each(name, jail, out, &mut |entry| {
            let id = Id::from(entry.net);
            if jail.bans.get(&id).is_some() {
                return;
            }
            match history.get(&id, name).map(|row| revive(row, &jail.settings, now)) {
                // Here whole seconds are counted, there too: the last of them tells of nothing.
                Some(Revival::Over) if entry.timeout.is_some_and(|secs| secs <= ROUNDED) => lift.push(id),
                // If the kernel holds it nevertheless, it knows of a newer ban than the database.
                None | Some(Revival::Over) => adopt.push((id, entry.timeout)),
                Some(Revival::Alive(_) | Revival::Cut) => lift.push(id),
            }
        });
        (lift, adopt)
    }

    /// Bans that only the kernel knows: made in the last moment before a crash, or the database was lost.
    fn adopt(&mut self, name: &Arc<str>, held: Vec<(Id, Option<u32>)>, now: Timestamp, out: &mut Vec<Request>) {
        for (id, timeout) in held {
            let jail = &mut self.jails[name];
            if let Some(rule) = jail.ignore.at_once(&id, &self.own) {
                out.push(Request::Log(records::ignored(name, &id, &rule)));
                self.guard.unban(name, jail, &id, now, out);
                continue;
            }
            if jail.settings.protect && self.protected.touches(&id) {
                self.guard.unban(name, jail, &id, now, out);
                self.say_spared(name, &id, now, out);
                continue;
            }
            let bantime = timeout.map_or(Bantime::Forever, |secs| Bantime::For(Span::from_secs(secs.into())));
            let before = self.history.get(&id, name).map_or(0, |row| row.bancount);
            let ticket = ticket(id, now, bantime, before.saturating_add(1));
            jail.bans.insert(&ticket);
            acting::ban(name, jail, &ticket, out);
            self.keep_ban(name, ticket, bantime, out);
        }
    }
}

/// Whoever is not banned because he is protected, that is said once in this time …
const SPARED_QUIET: Span = Span::from_secs(3600);

/// … of so many at least.
const MAX_SPARED: usize = 1000;

/// Seconds for which the kernel may hold a ban longer than the database says.
const ROUNDED: u32 = 2;

/// What a row of the database means for a jail that comes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Revival {
    /// The ban goes on, with this length.
    Alive(Bantime),
    /// It ended by itself.
    Over,
    /// It would go on, but the settings of today end it.
    Cut,
}

/// fail2ban's rules for restoring, but that a permanent ban and a length chosen by hand stay as they are.
pub(super) fn revive(row: &Row, settings: &JailSettings, now: Timestamp) -> Revival {
    let over = |bantime: Bantime| bantime.until(row.time).is_some_and(|end| end <= now);
    let stored = row.bantime.get();
    match stored {
        Some(Bantime::Forever) => return Revival::Alive(Bantime::Forever),
        Some(bantime) if over(bantime) => return Revival::Over,
        Some(bantime) if row.chosen => return Revival::Alive(bantime),
        _ => {}
    }
    let cap = match settings.increment.enabled {
        true => settings.increment.maxtime.map(Bantime::For),
        false => Some(settings.bantime),
    };
    let bantime = match (stored.unwrap_or(settings.bantime), cap) {
        (Bantime::For(length), Some(Bantime::For(cap))) => Bantime::For(length.min(cap)),
        (bantime, _) => bantime,
    };
    if over(bantime) { Revival::Cut } else { Revival::Alive(bantime) }
}

pub(super) fn ticket(id: Id, time: Timestamp, bantime: Bantime, bancount: u32) -> Ticket {
    let (matches, groups) = (Vec::new(), IndexMap::new());
    Ticket { id, time, bantime: Some(bantime), bancount, failures: 0, matches, groups, restored: true }
}

/// What an earlier run left behind, as far as the engine needs it: who was banned when, without the story of each ban, and
/// counters.
#[derive(Default)]
pub struct Remembered {
    history: History,
    counters: HashMap<String, Vec<(Id, Counter)>>,
    trust: Vec<(IpAddr, Lease)>,
    key: Option<[u8; 16]>,
}

impl Remembered {
    /// Adds a ban. One of the same identity and jail that was added before counts no more.
    pub fn ban(&mut self, ban: SavedBan) {
        let row = row(&ban.ticket, ban.bantime);
        self.history.put(ban.ticket.id, &ban.jail, row);
    }

    /// Adds a counter of a jail.
    pub fn counter(&mut self, jail: String, id: Id, counter: Counter) {
        self.counters.entry(jail).or_default().push((id, counter));
    }

    /// Adds an address that is on trust.
    pub fn lease(&mut self, ip: IpAddr, lease: Lease) {
        self.trust.push((ip, lease));
    }

    /// What made the hashes of accounts in them.
    pub fn key(&mut self, key: Option<[u8; 16]>) {
        self.key = key;
    }
}

impl From<Saved> for Remembered {
    fn from(saved: Saved) -> Remembered {
        let mut remembered = Remembered { key: saved.key, ..Remembered::default() };
        saved.bans.into_iter().for_each(|ban| remembered.ban(ban));
        saved.counters.into_iter().for_each(|(jail, id, counter)| remembered.counter(jail, id, counter));
        saved.trust.into_iter().for_each(|(ip, lease)| remembered.lease(ip, lease));
        remembered
    }
}

/// A saved ban as the history keeps it.
pub(super) fn row(ticket: &Ticket, bantime: Bantime) -> Row {
    // fail2ban's older schemas kept no length; such a row comes with none in its ticket and nothing beside it.
    let known = ticket.bantime.is_some() || !matches!(bantime, Bantime::For(span) if span <= Span(0));
    let (chosen, forced, bancount) = (is_chosen(ticket), is_forced(ticket), ticket.bancount);
    Row { time: ticket.time, bantime: known.then_some(bantime).into(), bancount, chosen, forced }
}

/// The jail `manual`: no log, no filter, ten minutes unless somebody says otherwise. Where other jails are told `dryrun`
/// and none bans in the kernel, this one does not either.
fn manual<'a>(others: impl IntoIterator<Item = &'a Jail>) -> JailSettings {
    let others: Vec<Option<Own>> = others.into_iter().map(|jail| jail.settings.own()).collect();
    let dry = others.contains(&Some(Own::DryRun)) && !others.contains(&Some(Own::Ipset));
    let (name, own) = if dry { ("dryrun", Own::DryRun) } else { ("ipset", Own::Ipset) };
    JailSettings {
        usedns: UseDns::No,
        maxretry: u32::MAX,
        maxmatches: 0,
        // Where no other jail protects anybody, nobody is on the list.
        protect: true,
        actions: vec![Action { name: name.into(), kind: Kind::Own { own, properties: IndexMap::new() } }],
        ..JailSettings::bare(MANUAL, "auto")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Increment;

    fn length(bantime: f64) -> Option<Bantime> {
        Some(Bantime::from_secs_f64(bantime))
    }

    fn row(time: i64, bantime: Option<Bantime>) -> Row {
        Row { time: Timestamp::from_secs(time), bantime: bantime.into(), bancount: 1, chosen: false, forced: false }
    }

    fn settings(bantime: f64, increment: bool, maxtime: Option<i64>) -> JailSettings {
        let maxtime = maxtime.map(Span::from_secs);
        JailSettings {
            bantime: Bantime::from_secs_f64(bantime),
            increment: Increment { enabled: increment, maxtime, ..Increment::default() },
            ..manual(&[])
        }
    }

    #[test]
    fn lengths_are_cut_as_fail2ban_cuts_them_but_permanent_stays_permanent() {
        let now = Timestamp::from_secs(1010);
        for (settings, expected) in [
            (settings(200.0, false, None), [200.0, -1.0, 200.0]),
            (settings(1000.0, false, None), [300.0, -1.0, 1000.0]),
            (settings(-1.0, false, None), [300.0, -1.0, -1.0]),
            (settings(200.0, true, None), [300.0, -1.0, 200.0]),
            (settings(200.0, true, Some(100)), [100.0, -1.0, 100.0]),
        ] {
            for (stored, expected) in [length(300.0), length(-1.0), None].into_iter().zip(expected) {
                let revival = revive(&row(1000, stored), &settings, now);
                assert_eq!(revival, Revival::Alive(Bantime::from_secs_f64(expected)), "{stored:?}");
            }
        }
    }

    #[test]
    fn what_is_over_and_what_the_settings_end_are_two_things() {
        let now = Timestamp::from_secs(1300);
        let short = settings(200.0, false, None);
        assert_eq!(revive(&row(1000, length(300.0)), &short, now), Revival::Over);
        assert_eq!(revive(&row(1000, length(301.0)), &short, now), Revival::Cut);
        assert_eq!(revive(&row(1000, None), &short, now), Revival::Cut);
        let chosen = Row { chosen: true, ..row(1000, length(5000.0)) };
        assert_eq!(revive(&chosen, &short, now), Revival::Alive(Bantime::from_secs_f64(5000.0)));
    }
}
