//! Who is never banned: the list and the addresses of its names, and what is said where a ban does not come about.
//!
//! The names of `ignoreip` are looked up here as well, before anybody needs them.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Engine, Request, acting, records};
use crate::addr::Id;
use crate::config::IgnoreItem;
use crate::config::pbx::Peer;
use crate::jail::{Protected, Question};
use crate::record::Level;
use crate::time::Timestamp;

impl Engine {
    /// Takes on a list.
    pub(super) fn take_protected(&mut self, list: Vec<Peer>, now: Timestamp, out: &mut Vec<Request>) {
        let protected = Protected::new(list, |name| self.answers.last(name).to_vec());
        if !protected.is_like(&self.protected) {
            self.protected = protected;
            self.lift_protected(now, out);
        }
    }

    /// A name may mean others than before.
    pub(super) fn rename_protected(&mut self, name: &str, now: Timestamp, out: &mut Vec<Request>) {
        if self.protected.names().any(|known| known == name) {
            self.take_protected(self.protected.list().to_vec(), now, out);
        }
    }

    /// Asks for the names that the configuration says, where that is due.
    pub(super) fn refresh_names(&mut self, now: Timestamp, out: &mut Vec<Request>) {
        let Engine { jails, answers, parking, protected, .. } = self;
        let mut names: BTreeSet<&str> = protected.names().collect();
        for item in jails.values().flat_map(|jail| &jail.settings.ignore.list) {
            if let IgnoreItem::Name(name) = item {
                names.insert(name);
            }
        }
        answers.keep(&names);
        for name in answers.due(now) {
            parking.ask(Question::Resolve(name), now, out);
        }
    }

    /// Says that a ban does not come about: once in a while for each.
    pub(super) fn say_spared(&mut self, name: &Arc<str>, id: &Id, now: Timestamp, out: &mut Vec<Request>) {
        if self.spared.get(id, now).is_some() {
            return;
        }
        let Some(peer) = self.protected.hit(id) else { return };
        let text = format!("[{name}] {id} is not banned: {}", because(id, peer));
        self.spared.put(id.clone(), (), now);
        out.push(Request::Log(records::actions(Level::Warning, text)));
    }

    /// Ends bans that hit who is protected now, unless somebody wanted them all the same.
    pub(super) fn lift_protected(&mut self, now: Timestamp, out: &mut Vec<Request>) {
        let mut lifted = Vec::new();
        for (name, jail) in self.jails.iter_mut().filter(|(_, jail)| jail.settings.protect) {
            let forced = |id: &Id| self.history.get(id, name).is_some_and(|row| row.forced);
            let hit = jail.bans.iter().map(|(id, _)| id).filter(|id| self.protected.touches(id) && !forced(id));
            for id in hit.cloned().collect::<Vec<_>>() {
                jail.bans.remove(&id);
                self.guard.unban(name, jail, &id, now, out);
                out.push(Request::Log(records::unbanned(name, &id)));
                acting::unban(name, jail, &id, out);
                lifted.push((name.clone(), id));
            }
        }
        lifted.iter().for_each(|(name, id)| self.say_spared(name, id, now, out));
    }
}

/// Why somebody is protected.
pub fn because(id: &Id, peer: &Peer) -> String {
    match id {
        Id::Net(_) => format!("it holds {}, which is protected as {}", peer.who, peer.why),
        Id::Ip(_) | Id::Raw(_) => format!("it is protected as {}", peer.why),
    }
}
