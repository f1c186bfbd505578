//! Actions that run commands, as the engine sees them: it says what is to be done and in which order; somebody else runs
//! the programs, as long as they take.

use std::sync::Arc;

use indexmap::IndexMap;

use super::{Engine, Request, records};
use crate::addr::Id;
use crate::config::Action;
use crate::error::{Error, Kind};
use crate::firewall::script::{Counters, Deed, Method};
use crate::jail::{Ban, Jail};
use crate::ticket::Ticket;
use crate::time::{Bantime, Timestamp};

/// Adds a deed for a jail that has actions of this kind.
pub fn act(name: &Arc<str>, jail: &Jail, out: &mut Vec<Request>, deed: impl FnOnce() -> Deed) {
    if jail.settings.has_scripts() {
        out.push(request(name, jail, deed()));
    }
}

/// A ban, new or restored.
pub fn ban(name: &Arc<str>, jail: &Jail, ticket: &Ticket, out: &mut Vec<Request>) {
    act(name, jail, out, || Deed::Ban(Box::new(ticket.clone())));
}

/// The end of a ban.
pub fn unban(name: &Arc<str>, jail: &Jail, id: &Id, out: &mut Vec<Request>) {
    act(name, jail, out, || Deed::Unban(id.clone()));
}

/// The end of all bans; what is flushed at once is logged before the bans that end with it.
pub fn flush(name: &Arc<str>, jail: &Jail, out: &mut Vec<Request>) {
    say_flushes(name, jail, out);
    act(name, jail, out, || Deed::Flush);
}

/// The end of the jail.
pub fn stop(name: &Arc<str>, jail: &Jail, out: &mut Vec<Request>) {
    say_flushes(name, jail, out);
    act(name, jail, out, || Deed::Stop);
}

/// The jail's actions may be others than `before`.
pub fn follow(name: &Arc<str>, jail: &Jail, before: &[Action], reload: bool, out: &mut Vec<Request>) {
    let ran = |actions: &[Action]| -> Vec<Action> {
        actions.iter().filter(|action| matches!(action.kind, crate::config::Kind::Commands { .. })).cloned().collect()
    };
    let (before, actions) = (ran(before), ran(&jail.settings.actions));
    if before == actions && (!reload || actions.is_empty()) {
        return;
    }
    let bans = match before.is_empty() {
        true => jail.bans.iter().map(|(id, ban)| of_ban(id, ban)).collect(),
        false => Vec::new(),
    };
    out.push(request(name, jail, Deed::Follow { actions, bans, reload }));
}

impl Engine {
    pub(super) fn perform(
        &mut self,
        jail: &str,
        action: &str,
        method: Method,
        id: Option<Id>,
        now: Timestamp,
        out: &mut Vec<Request>,
    ) -> Result<(), Error> {
        let (name, jail) = self.find(jail)?;
        let known: Vec<String> = jail.settings.scripts().map(|action| action.name.clone()).collect();
        if !known.iter().any(|name| name == action) {
            return Err(Error::unknown("action that runs commands", action, &known));
        }
        if method.wants_id() && id.is_none() {
            return Err(Error::new(Kind::Usage, "this wants an address"));
        }
        let ticket = id.map(|id| {
            let made = |id: Id| Ticket { bantime: None, restored: false, time: now, ..of_nothing(id) };
            Box::new(jail.bans.get(&id).map_or_else(|| made(id.clone()), |ban| of_ban(&id, ban)))
        });
        out.push(request(name, jail, Deed::Perform { action: action.to_owned(), method, ticket }));
        Ok(())
    }
}

/// A ban whose story the list does not know.
pub fn of_ban(id: &Id, ban: &Ban) -> Ticket {
    Ticket { time: ban.since, bantime: ban.bantime.get(), bancount: ban.bancount, ..of_nothing(id.clone()) }
}

fn of_nothing(id: Id) -> Ticket {
    Ticket {
        id,
        time: Timestamp::default(),
        bantime: None,
        bancount: 1,
        failures: 0,
        matches: Vec::new(),
        groups: IndexMap::new(),
        restored: true,
    }
}

/// How long a ban lasts from its beginning on.
pub fn length(jail: &Jail, id: &Id) -> Bantime {
    jail.bans.get(id).and_then(|ban| ban.bantime.get()).unwrap_or(jail.settings.bantime)
}

fn request(name: &Arc<str>, jail: &Jail, deed: Deed) -> Request {
    let counters = Counters {
        banned: jail.bans.len(),
        banned_total: jail.bans.total(),
        found: jail.failures.len(),
        found_total: jail.failures.total(),
        bantime: jail.settings.bantime,
    };
    Request::Act { jail: name.clone(), deed, counters }
}

fn say_flushes(name: &str, jail: &Jail, out: &mut Vec<Request>) {
    let flushing = jail.settings.scripts().filter(|action| action.command("actionflush").is_some());
    out.extend(flushing.map(|action| Request::Log(records::flushed(name, &action.name))));
}
