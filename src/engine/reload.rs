//! New settings for jails that run: some end, some begin, the others go on with what they have.

use std::sync::Arc;

use super::{Engine, Request, acting, records};
use crate::addr::Id;
use crate::config::JailSettings;
use crate::error::{Error, Kind};
use crate::firewall::{FirewallError, MANUAL};
use crate::jail::Jail;
use crate::store::Change;
use crate::time::Timestamp;

impl Engine {
    pub(super) fn take_on(
        &mut self,
        settings: Vec<JailSettings>,
        now: Timestamp,
        out: &mut Vec<Request>,
    ) -> Result<(), FirewallError> {
        let mut outcome = Ok(());
        self.answers.doubt();
        let order: Vec<String> = settings.iter().map(|s| s.name.clone()).collect();
        let gone = |name: &str| name != MANUAL && !order.iter().any(|o| o == name);
        // The others may be amid what the follower found, the position behind it still to come.
        self.flush_of(&gone, out);
        for name in self.jails.keys().filter(|name| gone(name)).cloned().collect::<Vec<_>>() {
            outcome = outcome.and(self.end(&name, out));
        }
        for settings in settings {
            outcome = outcome.and(self.start_or_follow(settings, true, now, out));
        }
        let place = |name: &Arc<str>| order.iter().position(|o| **o == **name).unwrap_or(usize::MAX);
        self.jails.sort_by(|a, _, b, _| place(a).cmp(&place(b)));
        self.refresh_names(now, out);
        outcome
    }

    /// A jail that runs takes on new settings.
    pub(super) fn follow(
        &mut self,
        settings: JailSettings,
        reload: bool,
        now: Timestamp,
        out: &mut Vec<Request>,
    ) -> Result<(), FirewallError> {
        let Some((_, name, jail)) = self.jails.get_full_mut(settings.name.as_str()) else { return Ok(()) };
        let name = name.clone();
        let was_in_kernel = jail.in_kernel();
        let before = jail.settings.actions.clone();
        let moved = jail.follow(settings);
        acting::follow(&name, jail, &before, reload, out);
        match (was_in_kernel, jail.in_kernel()) {
            (true, false) => self.guard.remove_jail(&name),
            (false, true) => {
                self.guard.add_jail(&name)?;
                self.guard.ban_all(&name, jail, now, out);
                Ok(())
            }
            _ => {
                // Bans that are over under the new settings end with the next tick.
                let ids: Vec<Id> = moved.into_iter().filter(|id| runs(jail, id, now)).collect();
                self.guard.ban(&name, jail, &ids, now, out);
                Ok(())
            }
        }
    }

    pub(super) fn take_away(&mut self, jail: &str, out: &mut Vec<Request>) -> Result<(), Error> {
        let name = self.find(jail)?.0.clone();
        self.flush_of(&|other| *other == *name, out);
        self.end(&name, out).map_err(|e| Error::new(Kind::Host, format!("the firewall does not let it go: {e}")))
    }

    /// A jail that nobody names any more: its bans leave the firewall, its history stays.
    fn end(&mut self, name: &Arc<str>, out: &mut Vec<Request>) -> Result<(), FirewallError> {
        let Some(jail) = self.jails.shift_remove(name) else { return Ok(()) };
        self.dropped.remove(name);
        acting::stop(name, &jail, out);
        out.extend(jail.bans.iter().map(|(id, _)| Request::Log(records::unbanned(name, id))));
        out.push(Request::Keep(Change::Jail { name: name.to_string(), enabled: false }));
        out.push(Request::Log(records::stopped(name)));
        if jail.in_kernel() { self.guard.remove_jail(name) } else { Ok(()) }
    }
}

fn runs(jail: &Jail, id: &Id, now: Timestamp) -> bool {
    jail.bans.get(id).is_some_and(|ban| jail.bans.until(ban).is_none_or(|end| end >= now))
}
