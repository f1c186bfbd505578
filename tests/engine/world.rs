//! A temporary world: an engine with a clock of its own, a kernel and a database.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};

use indexmap::IndexMap;
use ipnet::IpNet;
use jiff::tz::TimeZone;
use sipjail::addr::Id;
use sipjail::config::pbx::Peer;
use sipjail::config::{Action, JailSettings, Kind, Own};
use sipjail::engine::{Answer, Engine, Event, Leave, Question, Request, Setup, Taken};
use sipjail::firewall::script::Deed;
use sipjail::firewall::{Entry, Firewall, FirewallError, Repaired};
use sipjail::line::Position;
use sipjail::record::{Level, Record};
use sipjail::store::{Change, Saved};
use sipjail::ticket::{Counter, Failure, Lease, SavedBan, Sign, Ticket, Who};
use sipjail::time::{Bantime, Span, Timestamp};

/// 2026-11-20 10:00:00 UTC.
pub const START: i64 = 1_795_168_800;

/// An engine and all that surrounds it.
pub struct World {
    pub engine: Engine,
    pub kernel: Kernel,
    pub database: Database,
    /// Everything that was asked for, in order; records and changes are also taken in.
    pub log: Vec<Record>,
    pub asked: Vec<(u64, Question)>,
    pub deeds: Vec<(String, Deed)>,
    /// Changes in the order given out.
    pub changes: Vec<Change>,
    pub now: Timestamp,
    /// Who is protected from the next start on.
    pub protected: Vec<(&'static str, &'static str)>,
}

impl World {
    pub fn new(jails: Vec<JailSettings>) -> World {
        World::on(jails, Kernel::default(), Database::default(), START)
    }

    /// A start on what another world left behind, at `secs`.
    pub fn on(jails: Vec<JailSettings>, kernel: Kernel, database: Database, secs: i64) -> World {
        let saved = database.load();
        World { database, ..World::with(jails, kernel, saved, secs) }
    }

    /// A start on what a real database gave.
    pub fn with(jails: Vec<JailSettings>, kernel: Kernel, saved: Saved, secs: i64) -> World {
        World::guarding(jails, kernel, saved, secs, Vec::new())
    }

    fn guarding(
        jails: Vec<JailSettings>,
        kernel: Kernel,
        saved: Saved,
        secs: i64,
        protected: Vec<(&'static str, &'static str)>,
    ) -> World {
        let now = Timestamp::from_secs(secs);
        let setup = Setup {
            jails,
            firewall: Box::new(kernel.clone()),
            saved: saved.into(),
            dbmaxmatches: 10,
            dbpurgeage: Span::from_secs(86_400),
            own: vec!["203.0.113.200".parse().expect("an address")],
            protected: protected.iter().map(|(who, why)| peer(who, why)).collect(),
            zone: TimeZone::UTC,
        };
        let mut out = Vec::new();
        let engine = Engine::start(setup, now, &mut out).expect("the firewall is willing");
        let (log, asked, deeds, changes) = Default::default();
        let database = Database::default();
        let mut world = World { engine, kernel, database, log, asked, deeds, changes, now, protected };
        world.take(out);
        world
    }

    /// Kills this engine and starts another on the same kernel and database, `secs` later.
    pub fn restart(self, jails: Vec<JailSettings>, secs: i64) -> World {
        let then = self.now.secs() + secs;
        self.kernel.pass(secs);
        let saved = self.database.load();
        World { database: self.database, ..World::guarding(jails, self.kernel, saved, then, self.protected) }
    }

    /// Time passes; the engine is woken whenever it wants to be.
    pub fn pass(&mut self, secs: i64) {
        let end = self.now + Span::from_secs(secs);
        while let Some(due) = self.engine.due().filter(|due| *due <= end) {
            self.kernel.pass_micros((due - self.now).0.max(0));
            self.now = self.now.max(due);
            self.tick();
        }
        self.kernel.pass_micros((end - self.now).0);
        self.now = end;
    }

    pub fn tick(&mut self) {
        let mut out = Vec::new();
        self.engine.tick(self.now, &mut out);
        self.take(out);
    }

    /// One failure of `id` in `jail`, now.
    pub fn fail(&mut self, jail: &str, id: &str) {
        let time = self.now;
        self.failure(jail, Failure { time, ..failure(Who::Id(Id::parse(id))) });
    }

    pub fn failure(&mut self, jail: &str, failure: Failure) {
        let mut out = Vec::new();
        self.engine.hear(&[(jail.into(), failure)], self.now, &mut out);
        self.take(out);
    }

    pub fn position(&mut self, jail: &str, offset: u64) {
        let position = Position { path: PathBuf::from("/log"), file: None, offset, first_line: None };
        self.handle(Event::Position { jail: jail.into(), position });
    }

    pub fn answer(&mut self, question: &Question, answer: Answer) {
        let at = self.asked.iter().position(|(_, q)| q == question).expect("it was asked");
        let (token, _) = self.asked.remove(at);
        self.handle(Event::Answer { token, answer });
    }

    pub fn handle(&mut self, event: Event) {
        let mut out = Vec::new();
        self.engine.handle(event, self.now, &mut out);
        self.take(out);
    }

    pub fn ban(&mut self, jail: &str, id: &str, secs: Option<f64>) -> Result<bool, String> {
        let mut out = Vec::new();
        let bantime = secs.map(Bantime::from_secs_f64);
        let banned = self.engine.ban(jail, Id::parse(id), bantime, self.now, &mut out);
        self.take(out);
        banned.map_err(|e| e.message)
    }

    pub fn ban_anyway(&mut self, jail: &str, id: &str) -> Result<bool, String> {
        let mut out = Vec::new();
        let banned = self.engine.ban_anyway(jail, Id::parse(id), None, self.now, &mut out);
        self.take(out);
        banned.map_err(|e| e.message)
    }

    pub fn take_in(&mut self, bans: Vec<SavedBan>, rehearse: bool) -> Vec<Taken> {
        let mut out = Vec::new();
        let outcomes = self.engine.take_in(bans, rehearse, self.now, &mut out).expect("the firewall is willing");
        self.take(out);
        outcomes
    }

    pub fn attempt(&mut self, jail: &str, id: &str, matches: &[&str]) -> Result<bool, String> {
        let mut out = Vec::new();
        let matches = matches.iter().map(|line| (*line).to_owned()).collect();
        let counted = self.engine.attempt(jail, Id::parse(id), matches, self.now, &mut out);
        self.take(out);
        counted.map_err(|e| e.message)
    }

    /// Whom jails with `protect` must not ban from now on.
    pub fn protect(&mut self, list: &[(&str, &str)]) {
        let mut out = Vec::new();
        self.engine.protect(list.iter().map(|(who, why)| peer(who, why)).collect(), self.now, &mut out);
        self.take(out);
    }

    pub fn remove(&mut self, jail: &str) {
        let mut out = Vec::new();
        self.engine.remove_jail(jail, &mut out).expect("the jail exists");
        self.take(out);
    }

    pub fn unban(&mut self, jail: Option<&str>, id: &str) -> usize {
        let mut out = Vec::new();
        let lifted = self.engine.unban(jail, &Id::parse(id), self.now, &mut out).expect("the jail exists");
        self.take(out);
        lifted
    }

    pub fn unban_all(&mut self, jail: Option<&str>) -> usize {
        let mut out = Vec::new();
        let lifted = self.engine.unban_all(jail, self.now, &mut out).expect("the jail exists");
        self.take(out);
        lifted
    }

    pub fn reload(&mut self, jails: Vec<JailSettings>) {
        let mut out = Vec::new();
        self.engine.reload(jails, self.now, &mut out).expect("the firewall is willing");
        self.take(out);
    }

    pub fn add_jail(&mut self, jail: JailSettings) {
        let mut out = Vec::new();
        self.engine.add_jail(jail, self.now, &mut out).expect("the firewall is willing");
        self.take(out);
    }

    pub fn stop(&mut self, lift: bool) {
        self.leave(if lift { Leave::Nothing } else { Leave::Kernel });
    }

    pub fn leave(&mut self, leave: Leave) {
        let mut out = Vec::new();
        self.engine.stop(leave, self.now, &mut out).expect("the firewall is willing");
        self.take(out);
    }

    /// Who is banned in `jail`, as `status` shows it.
    pub fn banned(&self, jail: &str) -> Vec<String> {
        self.engine.status(jail).expect("the jail exists").banned
    }

    /// Texts logged since the last call.
    pub fn said(&mut self) -> Vec<String> {
        self.log.drain(..).map(|record| record.text).collect()
    }

    /// Whether a text with this level was logged since the last [`World::said`].
    pub fn heard(&self, level: Level, text: &str) -> bool {
        self.log.iter().any(|record| record.level == level && record.text.contains(text))
    }

    fn take(&mut self, out: Vec<Request>) {
        for request in out {
            match request {
                Request::Log(record) => self.log.push(record),
                Request::Restored { jail, ids } => {
                    self.log.extend(ids.iter().map(|id| Request::restored(&jail, id)));
                }
                Request::Ask { token, question } => self.asked.push((token, question)),
                Request::Act { jail, deed, .. } => self.deeds.push((jail.to_string(), deed)),
                Request::Keep(change) => {
                    self.database.apply(&change);
                    self.changes.push(change);
                }
            }
        }
    }
}

/// Somebody to be protected.
pub fn peer(who: &str, why: &str) -> Peer {
    let who = match Id::parse(who) {
        Id::Raw(name) => Who::Name(name.into()),
        id => Who::Id(id),
    };
    Peer { who, why: why.into() }
}

/// A failure with nothing in it, at the epoch.
pub fn failure(who: Who) -> Failure {
    Failure {
        who,
        time: Timestamp::default(),
        count: 1,
        matches: Vec::new(),
        groups: Default::default(),
        sign: Sign::Failed,
    }
}

/// A jail with `maxretry` 3, `findtime` and `bantime` ten minutes.
pub fn jail(name: &str) -> JailSettings {
    JailSettings { maxmatches: 3, actions: vec![action("ipset")], ..JailSettings::bare(name, "auto") }
}

pub fn action(name: &str) -> Action {
    let properties = IndexMap::new();
    let kind = match Own::by_name(name) {
        Some(own) => Kind::Own { own, properties },
        None => Kind::Commands { commands: IndexMap::new(), properties },
    };
    Action { name: name.into(), kind }
}

/// What the database holds after these changes.
#[derive(Clone, Default)]
pub struct Database {
    pub bans: IndexMap<(String, Id), SavedBan>,
    pub counters: IndexMap<(String, Id), Counter>,
    pub positions: IndexMap<(String, PathBuf), Position>,
    pub trust: IndexMap<IpAddr, Lease>,
    pub key: Option<[u8; 16]>,
}

impl Database {
    fn apply(&mut self, change: &Change) {
        match change.clone() {
            Change::Ban { jail, ticket, bantime } => {
                let time = Timestamp::from_secs((ticket.time + Span(500_000)).secs());
                let ticket = Ticket { time, bantime: Some(bantime), restored: true, ..ticket };
                self.bans.insert((jail.clone(), ticket.id.clone()), SavedBan { jail, ticket, bantime });
            }
            Change::Taken(ban) => {
                let key = (ban.jail.clone(), ban.ticket.id.clone());
                let old = self.bans.get(&key).cloned();
                let count = old.as_ref().map_or(0, |old| old.ticket.bancount).max(ban.ticket.bancount);
                let mut newest = old.filter(|old| old.ticket.time >= ban.ticket.time).unwrap_or(ban);
                newest.ticket.bancount = count;
                self.bans.insert(key, newest);
            }
            Change::Unban { jail, id } => drop(self.bans.swap_remove(&(jail, id))),
            Change::Failures { jail, counters } => counters.into_iter().for_each(|(id, counter)| match counter {
                Some(counter) => drop(self.counters.insert((jail.to_string(), id), counter)),
                None => drop(self.counters.swap_remove(&(jail.to_string(), id))),
            }),
            Change::Position { jail, position } => {
                self.positions.insert((jail, position.path.clone()), position);
            }
            Change::Trust(leases) => leases.into_iter().for_each(|(ip, lease)| match lease {
                Some(lease) => drop(self.trust.insert(ip, lease)),
                None => drop(self.trust.swap_remove(&ip)),
            }),
            Change::Key(key) => self.key = Some(key),
            Change::Jail { .. } | Change::Purge { .. } => {}
        }
    }

    fn load(&self) -> Saved {
        let counters = self.counters.iter().map(|((jail, id), counter)| (jail.clone(), id.clone(), counter.clone()));
        let positions = self.positions.iter().map(|((jail, _), position)| (jail.clone(), position.clone()));
        Saved {
            bans: self.bans.values().cloned().collect(),
            counters: counters.collect(),
            positions: positions.collect(),
            trust: self.trust.iter().map(|(ip, lease)| (*ip, lease.clone())).collect(),
            key: self.key,
        }
    }
}

/// A kernel that outlives the engine.
#[derive(Clone, Default)]
pub struct Kernel(Arc<Mutex<State>>);

#[derive(Default)]
pub struct State {
    /// Microseconds since this kernel began.
    now: i64,
    /// By jail: who, and until when.
    pub sets: IndexMap<String, IndexMap<IpNet, Option<i64>>>,
    /// Calls that changed something, in order.
    pub calls: usize,
    /// Every change is refused with this.
    pub broken: Option<FirewallError>,
    /// This entry is refused, and what comes after it in the same call.
    pub poison: Option<IpNet>,
}

impl Kernel {
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("nobody panicked in here")
    }

    /// Calls so far that meant to change something.
    pub fn calls(&self) -> usize {
        self.state().calls
    }

    /// Sets that exist.
    pub fn sets(&self) -> usize {
        self.state().sets.len()
    }

    /// Seconds left (rounded up) of an entry; `Some(None)`: for ever.
    pub fn timeout(&self, jail: &str, id: &str) -> Option<Option<i64>> {
        let net = Id::parse(id).as_net().expect("an address");
        let state = self.state();
        let end = *state.sets.get(jail)?.get(&net)?;
        if end.is_some_and(|end| end <= state.now) {
            return None;
        }
        Some(end.map(|end| (end - state.now + 999_999) / 1_000_000))
    }

    pub fn holds(&self, jail: &str) -> usize {
        self.state().entries(jail).len()
    }

    pub fn put(&self, jail: &str, id: &str, secs: Option<i64>) {
        let net = Id::parse(id).as_net().expect("an address");
        let mut state = self.state();
        let end = secs.map(|secs| state.now + secs * 1_000_000);
        state.sets.entry(jail.into()).or_default().insert(net, end);
    }

    pub fn pass(&self, secs: i64) {
        self.pass_micros(secs * 1_000_000);
    }

    fn pass_micros(&self, micros: i64) {
        self.state().now += micros;
    }
}

impl State {
    fn entries(&self, jail: &str) -> Vec<Entry> {
        let secs = |end: i64| u32::try_from((end - self.now + 999_999) / 1_000_000).expect("it is small");
        let set = self.sets.get(jail).into_iter().flatten();
        let runs = set.filter(|(_, end)| end.is_none_or(|end| end > self.now));
        runs.map(|(net, end)| Entry { net: *net, timeout: end.map(secs) }).collect()
    }

    fn change(&mut self, jail: &str) -> Result<&mut IndexMap<IpNet, Option<i64>>, FirewallError> {
        self.calls += 1;
        match &self.broken {
            Some(e) => Err(e.clone()),
            None => self.sets.get_mut(jail).ok_or_else(|| FirewallError::UnknownJail(jail.into())),
        }
    }
}

impl Firewall for Kernel {
    fn name(&self) -> &'static str {
        "ipset"
    }

    fn start(&mut self, jails: &[String]) -> Result<(), FirewallError> {
        let mut state = self.state();
        state.sets.retain(|jail, _| jail == "manual" || jails.contains(jail));
        for jail in jails {
            state.sets.entry(jail.clone()).or_default();
        }
        Ok(())
    }

    fn add_jail(&mut self, jail: &str) -> Result<(), FirewallError> {
        self.state().sets.entry(jail.into()).or_default();
        Ok(())
    }

    fn remove_jail(&mut self, jail: &str) -> Result<(), FirewallError> {
        self.state().sets.shift_remove(jail).map(drop).ok_or_else(|| FirewallError::UnknownJail(jail.into()))
    }

    fn ban(&mut self, jail: &str, entries: &[Entry]) -> Result<(), FirewallError> {
        assert!(!entries.is_empty(), "a call for nothing");
        let mut state = self.state();
        let (poison, now) = (state.poison, state.now);
        let set = state.change(jail)?;
        for Entry { net, timeout } in entries {
            assert!(timeout.is_none_or(|t| (1..=Entry::MAX_TIMEOUT).contains(&t)), "{net}: {timeout:?}");
            if poison == Some(*net) {
                return Err(FirewallError::Kernel(format!("cannot ban `{net}`"), "the set is full".into()));
            }
            set.insert(*net, timeout.map(|secs| now + i64::from(secs) * 1_000_000));
        }
        Ok(())
    }

    fn unban(&mut self, jail: &str, net: IpNet) -> Result<(), FirewallError> {
        self.state().change(jail)?.swap_remove(&net);
        Ok(())
    }

    fn flush(&mut self, jail: &str) -> Result<(), FirewallError> {
        self.state().change(jail)?.clear();
        Ok(())
    }

    fn each(&mut self, jail: &str, take: &mut dyn FnMut(Entry)) -> Result<(), FirewallError> {
        self.state().entries(jail).into_iter().for_each(take);
        Ok(())
    }

    /// A set that somebody took away is missing in the table and made anew.
    fn check(&mut self) -> Result<Repaired, FirewallError> {
        let mut state = self.state();
        if let Some(e) = &state.broken {
            return Err(e.clone());
        }
        let lost: Vec<String> =
            state.sets.iter().filter(|(_, set)| set.contains_key(&gone())).map(|(j, _)| j.clone()).collect();
        for jail in &lost {
            state.sets[jail].clear();
        }
        let records =
            lost.iter().map(|jail| Record::new(Level::Warning, "actions", format!("the set of {jail} was gone")));
        Ok(Repaired { records: records.collect(), jails: lost })
    }

    fn stop(&mut self) -> Result<(), FirewallError> {
        self.state().sets.clear();
        Ok(())
    }
}

/// An entry that marks a set as taken away.
pub fn gone() -> IpNet {
    IpNet::from(IpAddr::from([255, 255, 255, 255]))
}
