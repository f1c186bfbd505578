//! The actions of one jail: in which order they do what, and whom they hold.

use indexmap::IndexMap;

use super::act::{Act, Bench, Done};
use super::subject::Subject;
use super::{Counters, Deed, Method, Outside};
use crate::addr::Id;
use crate::config::Action;
use crate::record::{Level, Record};
use crate::ticket::Ticket;
use crate::time::{Bantime, Span, Timestamp};

/// The actions of one jail that run commands.
pub struct Scripts {
    jail: String,
    acts: Vec<Act>,
    /// Whom they were told to ban, in order.
    held: IndexMap<Id, Held>,
    /// Repairs so far.
    epoch: u64,
    looked: Option<Timestamp>,
    /// An earlier run may have left bans behind.
    leftovers: bool,
    counters: Counters,
}

struct Held {
    ticket: Ticket,
    /// Repairs before it was banned last.
    epoch: u64,
}

impl Scripts {
    /// No actions yet. `leftovers`: the run before came to no good end.
    pub fn new(jail: &str, leftovers: bool) -> Scripts {
        Scripts {
            jail: jail.into(),
            acts: Vec::new(),
            held: IndexMap::new(),
            epoch: 0,
            looked: None,
            leftovers,
            counters: Counters::default(),
        }
    }

    /// Does one thing, which may take long, with the jail's numbers as they were when it was asked for. What fails is
    /// logged and stops nothing else.
    pub fn carry_out(&mut self, deed: Deed, counters: Counters, outside: &mut dyn Outside) {
        self.counters = counters;
        if matches!(deed, Deed::Flush | Deed::Stop) {
            // Of those who go together none is counted.
            self.counters.banned = 0;
        }
        match deed {
            Deed::Follow { actions, bans, reload } => self.follow(&actions, bans, reload, outside),
            Deed::Ban(ticket) => self.ban(*ticket, outside),
            Deed::Again { id, bantime, now } => self.again(&id, bantime, now, outside),
            Deed::Unban(id) => {
                if let Some(held) = self.held.shift_remove(&id) {
                    self.each("unban", &held.ticket, outside, |act, subject, bench| act.unban(subject, bench));
                }
            }
            Deed::Flush => {
                self.lift(&|_| true, outside);
                self.held.clear();
            }
            Deed::Stop => {
                self.lift(&|_| true, outside);
                self.held.clear();
                self.stop(&|_| true, outside);
                self.acts.clear();
            }
            Deed::Perform { action, method, ticket } => self.perform(&action, method, ticket, outside),
        }
    }

    /// Whether it has nothing to remember.
    pub fn is_empty(&self) -> bool {
        self.acts.is_empty()
    }

    fn follow(&mut self, actions: &[Action], bans: Vec<Ticket>, reload: bool, outside: &mut dyn Outside) {
        let had_none = self.acts.is_empty();
        let stays = |act: &Act| actions.contains(&act.action);
        // All that is gone ends before anything new begins: they may be about the same rules.
        self.lift(&|act| !stays(act), outside);
        self.stop(&|act| !stays(act), outside);
        let mut old = std::mem::take(&mut self.acts);
        let mut new = Vec::new();
        for action in actions {
            match old.iter().position(|act| act.action == *action) {
                Some(at) => self.acts.push(old.swap_remove(at)),
                None => {
                    new.extend(Act::new(action).map(|act| act.name.clone()));
                    self.acts.extend(Act::new(action));
                }
            }
        }
        if reload {
            self.all("reload", &|act| !new.contains(&act.name), outside, Act::reload);
        }
        if std::mem::take(&mut self.leftovers) {
            let mut bench = Bench { jail: &self.jail, outside, epoch: &mut self.epoch, counters: self.counters };
            self.acts.iter().for_each(|act| act.sweep(&mut bench));
        }
        self.all("start", &|act| new.contains(&act.name), outside, Act::begin);
        if had_none {
            bans.into_iter().for_each(|ticket| drop(self.hold(ticket, outside)));
        }
        if self.acts.is_empty() {
            // Nobody tells how these go on.
            self.held.clear();
        }
        if new.is_empty() {
            return;
        }
        // For a new action these are old bans: nobody wants a mail for each of them.
        let tickets: Vec<Ticket> =
            self.held.values().map(|held| Ticket { restored: true, ..held.ticket.clone() }).collect();
        for ticket in tickets {
            self.each("ban", &ticket, outside, |act, subject, bench| match new.contains(&act.name) {
                true => ban(act, "actionban", subject, bench),
                false => Ok(()),
            });
        }
    }

    fn ban(&mut self, ticket: Ticket, outside: &mut dyn Outside) {
        if self.held.contains_key(&ticket.id) {
            return;
        }
        let ticket = self.hold(ticket, outside);
        self.each("ban", &ticket, outside, |act, subject, bench| ban(act, "actionban", subject, bench));
        let epoch = self.epoch;
        if let Some(held) = self.held.get_mut(&ticket.id) {
            held.epoch = epoch;
        }
    }

    /// Remembers a ban; an old one with all that the database knows of it.
    fn hold(&mut self, mut ticket: Ticket, outside: &mut dyn Outside) -> Ticket {
        if ticket.restored
            && self.acts.iter().any(Act::tells_stories)
            && let Some(saved) = outside.saved(&ticket.id, &self.jail)
        {
            let Ticket { failures, matches, groups, .. } = saved;
            ticket = Ticket { failures, matches, groups, ..ticket };
        }
        self.held.insert(ticket.id.clone(), Held { ticket: ticket.clone(), epoch: self.epoch });
        ticket
    }

    /// Somebody gets through: looks after the actions, and bans again where something had to be repaired.
    fn again(&mut self, id: &Id, bantime: Bantime, now: Timestamp, outside: &mut dyn Outside) {
        let Some(held) = self.held.get_mut(id) else { return };
        held.ticket.bantime = Some(bantime);
        let before = held.epoch;
        if before == self.epoch && self.looked.is_none_or(|last| last > now || now - last > LOOK_EVERY) {
            self.looked = Some(now);
            let mut bench = Bench { jail: &self.jail, outside, epoch: &mut self.epoch, counters: self.counters };
            self.acts.iter_mut().for_each(|act| act.look(&mut bench));
        }
        if before == self.epoch {
            return;
        }
        let ticket = self.held[id].ticket.clone();
        let repaired: Vec<String> =
            self.acts.iter().filter(|act| act.epoch > before).map(|act| act.name.clone()).collect();
        let which = match repaired.as_slice() {
            [one] => format!(", action '{one}'"),
            _ => String::new(),
        };
        outside.say(actions(Level::Notice, format!("[{}] Reban {id}{which}", self.jail)));
        self.each("reban", &ticket, outside, |act, subject, bench| match repaired.contains(&act.name) {
            true => ban(act, if act.has("actionreban") { "actionreban" } else { "actionban" }, subject, bench),
            false => Ok(()),
        });
        let epoch = self.epoch;
        self.held[id].epoch = epoch;
    }

    /// Lifts all bans of some actions: at once where they know how, else one by one.
    fn lift(&mut self, of: &dyn Fn(&Act) -> bool, outside: &mut dyn Outside) {
        let mut bench = Bench { jail: &self.jail, outside, epoch: &mut self.epoch, counters: self.counters };
        for act in self.acts.iter_mut().filter(|act| act.has("actionflush") && of(act)) {
            if let Err(why) = act.flush(&mut bench) {
                let text = format!("Failed to flush bans in jail '{}' action '{}': {why}", self.jail, act.name);
                bench.outside.say(actions(Level::Error, text));
                bench.outside.say(actions(Level::Info, "No flush occurred, do consistency check".into()));
                act.look(&mut bench);
            }
        }
        if !self.acts.iter().any(|act| !act.has("actionflush") && of(act)) {
            return;
        }
        let tickets: Vec<Ticket> = self.held.values().map(|held| held.ticket.clone()).collect();
        for ticket in tickets {
            self.each("unban", &ticket, outside, |act, subject, bench| match !act.has("actionflush") && of(act) {
                true => act.unban(subject, bench),
                false => Ok(()),
            });
        }
    }

    /// Stops some actions, the last one first.
    fn stop(&mut self, of: &dyn Fn(&Act) -> bool, outside: &mut dyn Outside) {
        self.acts.reverse();
        self.all("stop", of, outside, Act::stop);
        self.acts.reverse();
    }

    fn perform(&mut self, name: &str, method: Method, ticket: Option<Box<Ticket>>, outside: &mut dyn Outside) {
        let only = |act: &Act| act.name == name;
        match method {
            Method::Start => return self.all("start", &only, outside, Act::start),
            Method::Stop => return self.all("stop", &only, outside, Act::stop),
            Method::Reload => return self.all("reload", &only, outside, Act::reload),
            Method::Flush => return self.lift(&only, outside),
            Method::Ban | Method::Reban | Method::Prolong | Method::Unban => {}
        }
        let Some(ticket) = ticket else { return };
        let ticket = self.held.get(&ticket.id).map_or(*ticket, |held| held.ticket.clone());
        let (word, command) = match method {
            Method::Unban => ("unban", "actionunban"),
            Method::Reban => ("reban", "actionreban"),
            Method::Prolong => ("prolong", "actionprolong"),
            _ => ("ban", "actionban"),
        };
        self.each(word, &ticket, outside, |act, subject, bench| match (only(act), method) {
            (false, _) => Ok(()),
            (true, Method::Unban) => act.unban(subject, bench),
            (true, Method::Prolong) => act.prolong(subject, bench),
            (true, Method::Reban) if !act.has("actionreban") => act.ban("actionban", subject, bench),
            (true, _) => act.ban(command, subject, bench),
        });
    }

    /// Something for a ticket, with every action in order.
    fn each(
        &mut self,
        what: &str,
        ticket: &Ticket,
        outside: &mut dyn Outside,
        mut deed: impl FnMut(&mut Act, &Subject<'_>, &mut Bench<'_>) -> Done,
    ) {
        let subject = Subject { jail: &self.jail, ticket, counters: self.counters };
        let mut bench = Bench { jail: &self.jail, outside, epoch: &mut self.epoch, counters: self.counters };
        for act in &mut self.acts {
            if let Err(why) = deed(act, &subject, &mut bench) {
                let (jail, name, info) = (&self.jail, &act.name, subject.info());
                let text = format!("Failed to execute {what} jail '{jail}' action '{name}' info '{info}': {why}");
                bench.outside.say(actions(Level::Error, text));
            }
        }
    }

    /// Something that concerns nobody, with some of the actions.
    fn all(
        &mut self,
        what: &str,
        of: &dyn Fn(&Act) -> bool,
        outside: &mut dyn Outside,
        deed: fn(&mut Act, &mut Bench<'_>) -> Done,
    ) {
        let mut bench = Bench { jail: &self.jail, outside, epoch: &mut self.epoch, counters: self.counters };
        for act in self.acts.iter_mut().filter(|act| of(act)) {
            if let Err(why) = deed(act, &mut bench) {
                let text = format!("Failed to {what} jail '{}' action '{}': {why}", self.jail, act.name);
                bench.outside.say(actions(Level::Error, text));
            }
        }
    }
}

/// A ban that comes from the database is none of the business of some actions.
fn ban(act: &mut Act, command: &str, subject: &Subject<'_>, bench: &mut Bench<'_>) -> Done {
    if act.norestored && subject.ticket.restored {
        return Ok(());
    }
    act.ban(command, subject, bench)
}

fn actions(level: Level, text: String) -> Record {
    Record::new(level, "actions", text)
}

/// The actions are looked after no more often.
const LOOK_EVERY: Span = Span::from_secs(3);
