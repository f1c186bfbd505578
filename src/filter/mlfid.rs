//! Failures that several lines tell together: `<F-MLFID>`, `<F-NOFAIL>`, `<F-MLFFORGET>`, `<F-MLFGAINED>`.
//!
//! Lines with the same `mlfid` (a session, a connection) share one set of groups: one line knows the address, another
//! the user, a third that it failed. At most [`CAPACITY`] sessions are remembered, each for [`LIFETIME`] from its first
//! line, and of each a bounded number of lines.

use indexmap::IndexMap;

use super::failregex::Groups;
use crate::time::{Span, Timestamp};

/// The sessions of one filter.
#[derive(Clone, Debug, Default)]
pub struct Sessions(IndexMap<String, Session>);

/// What is known about a failure after a line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Joined {
    /// Groups of all its lines.
    pub groups: Groups,
    /// The lines that belong to it and were not reported yet.
    pub matches: Vec<String>,
    /// Distinct users seen.
    pub users: Vec<String>,
    /// Whether it is no failure (yet): the lines so far only help. Where nobody is known either, a later line may say.
    pub nofail: bool,
}

#[derive(Clone, Debug)]
struct Session {
    created: Timestamp,
    joined: Joined,
    /// Lines that only helped, for when it becomes a failure.
    helping: Vec<String>,
    /// It failed, but nobody knows who.
    pending: bool,
}

impl Sessions {
    /// Takes a match with the groups `found` on `line` in; `None` stands for a match without `mlfid`, which is a
    /// failure by itself.
    ///
    /// In tools (`tool`) a line that only helps and names nobody waits for a name too, as in fail2ban.
    pub fn join(&mut self, mut found: Groups, line: Vec<String>, now: Timestamp, tool: bool) -> Joined {
        let Some(id) = found.get("mlfid").cloned() else {
            let nofail = tool && given(&found, "nofail");
            return Joined { groups: found, matches: line, users: Vec::new(), nofail };
        };
        let mut gained = given(&found, "mlfgained");
        let mut nofail = gained || given(&found, "nofail");
        if gained && !given(&found, "nofail") {
            let text = found["mlfgained"].clone();
            found.insert("nofail".into(), text);
        }
        let forget = found.shift_remove("mlfforget").is_some_and(|v| !v.is_empty());

        if self.0.get(&id).is_some_and(|session| session.is_over(now)) {
            self.0.shift_remove(&id);
        }
        let user = found.get("user").filter(|u| !u.is_empty()).cloned();
        let (mut session, new) = match self.0.get_mut(&id) {
            Some(known) => {
                let mut session = std::mem::replace(known, Session::new(now));
                session.overlay(found, gained);
                (session, false)
            }
            None => (Session { joined: Joined { groups: found, ..Joined::default() }, ..Session::new(now) }, true),
        };
        let users = &mut session.joined.users;
        if let Some(user) = user
            && !(new && forget)
            && !users.contains(&user)
            && users.len() < USERS
        {
            users.push(user);
        }
        if std::mem::take(&mut session.pending) || users.len() > 1 {
            session.joined.groups.shift_remove("nofail");
            session.joined.groups.shift_remove("mlfgained");
            (nofail, gained) = (false, false);
        }
        if !nofail {
            let mut matches = std::mem::take(&mut session.helping);
            matches.append(&mut session.joined.matches);
            if !gained {
                matches.extend(line);
            }
            session.joined.matches = matches;
        } else if !forget {
            session.helping.extend(line);
        }
        keep_newest(&mut session.helping);
        keep_newest(&mut session.joined.matches);

        let anybody = ["fid", "ip4", "ip6", "dns"].iter().any(|name| session.joined.groups.contains_key(*name));
        session.pending = (tool || !nofail) && !anybody;
        let joined = Joined { nofail, ..session.joined.clone() };
        if forget {
            self.0.shift_remove(&id);
        } else {
            self.keep(id, session, now);
        }
        joined
    }

    /// Makes room as fail2ban does: with what is over goes the oldest that is not.
    fn keep(&mut self, id: String, session: Session, now: Timestamp) {
        if !self.0.contains_key(&id) && self.0.len() >= CAPACITY {
            while self.0.shift_remove_index(0).is_some_and(|(_, oldest)| oldest.is_over(now)) {}
        }
        self.0.insert(id, session);
    }
}

impl Session {
    fn new(created: Timestamp) -> Session {
        Session { created, joined: Joined::default(), helping: Vec::new(), pending: false }
    }

    fn is_over(&self, now: Timestamp) -> bool {
        now - self.created >= LIFETIME
    }

    /// Lays a later line's groups over what is known.
    fn overlay(&mut self, found: Groups, gained: bool) {
        let groups = &mut self.joined.groups;
        let helped = groups.shift_remove("nofail").is_some_and(|v| !v.is_empty());
        let had_gained = groups.shift_remove("mlfgained").is_some_and(|v| !v.is_empty());
        if gained {
            self.pending = false;
        }
        if !helped && !had_gained && !self.pending {
            self.joined.matches.clear();
        }
        groups.extend(found);
    }
}

fn given(groups: &Groups, name: &str) -> bool {
    groups.get(name).is_some_and(|text| !text.is_empty())
}

fn keep_newest(lines: &mut Vec<String>) {
    lines.drain(..lines.len().saturating_sub(LINES));
}

/// Sessions at most; the oldest goes first.
const CAPACITY: usize = 100;
/// How long a session is remembered from its first line.
const LIFETIME: Span = Span::from_secs(300);
/// Lines kept per session.
const LINES: usize = 50;
/// Users kept per session.
const USERS: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    /// Each step is `key=value …`; the answer is the number of matches of a failure, or 0.
    fn play(steps: &[&str]) -> Vec<usize> {
        let mut sessions = Sessions::default();
        let mut out = Vec::new();
        for step in steps {
            let mut groups = Groups::from([("mlfid".to_owned(), "1".to_owned())]);
            groups.extend(step.split(' ').filter_map(|w| w.split_once('=')).map(|(k, v)| (k.into(), v.into())));
            let joined = sessions.join(groups, vec![(*step).to_owned()], Timestamp::default(), false);
            let failed = !joined.nofail && joined.groups.contains_key("ip4");
            out.push(if failed { joined.matches.len() } else { 0 });
        }
        out
    }

    const HELP: &str = "nofail=x ip4=192.0.2.1";

    #[test]
    fn lines_of_a_session_complete_each_other() {
        assert_eq!(play(&[HELP, "user=bob"]), [0, 2]);
        assert_eq!(play(&[HELP, "user=bob", "user=bob"]), [0, 2, 1]);
        assert_eq!(play(&["user=bob", "user=bob", HELP]), [0, 0, 3]);
    }

    #[test]
    fn a_session_that_is_forgotten_knows_nothing() {
        assert_eq!(play(&[HELP, "mlfforget=x"]), [0, 2]);
        assert_eq!(play(&[HELP, "mlfforget=x", "user=bob"]), [0, 2, 0]);
        assert!(play(&["user=bob", "nofail=x mlfforget=x ip4=192.0.2.1"])[1] > 0);
        assert_eq!(play(&["nofail=x mlfforget=x ip4=192.0.2.1"]), [0]);
    }

    #[test]
    fn a_second_user_is_a_failure_and_so_is_every_later_one() {
        let found = play(&[HELP, "nofail=x user=bob", "nofail=x user=eve", "nofail=x user=eve"]);
        assert_eq!(found.iter().map(|n| usize::from(*n > 0)).collect::<Vec<_>>(), [0, 0, 1, 1]);
    }

    #[test]
    fn a_login_forgives_the_tries_before_it() {
        assert_eq!(play(&["user=bob", "mlfgained=x user=bob", HELP]), [0, 0, 0]);
        assert!(play(&["user=bob", "mlfgained=x user=eve", HELP])[2] > 0);
    }

    #[test]
    fn a_session_without_a_name_is_one_and_ends_after_five_minutes() {
        let mut sessions = Sessions::default();
        let mut users = |at: i64, user: &str| {
            let groups = [("mlfid", ""), ("user", user), ("nofail", "x")].map(|(k, v)| (k.to_owned(), v.to_owned()));
            sessions.join(Groups::from(groups), Vec::new(), Timestamp::from_secs(at), false).users.len()
        };
        assert_eq!([users(0, "bob"), users(299, "eve"), users(300, "eve")], [1, 2, 1]);
    }

    #[test]
    fn memory_is_bounded() {
        let mut sessions = Sessions::default();
        for i in 0..1000 {
            let groups = Groups::from([("mlfid".into(), i.to_string()), ("nofail".into(), "x".into())]);
            sessions.join(groups, vec!["l".into()], Timestamp::default(), false);
        }
        assert_eq!(sessions.0.len(), CAPACITY);
        assert!(sessions.0.contains_key("999"));
        for _ in 0..1000 {
            let groups = Groups::from([("mlfid".into(), "999".into()), ("nofail".into(), "x".into())]);
            sessions.join(groups, vec!["l".into()], Timestamp::default(), false);
        }
        assert_eq!(sessions.0["999"].helping.len(), LINES);
        let groups = Groups::from([("mlfid".into(), "x".into())]);
        sessions.join(groups, vec![], Timestamp::from_secs(300), false);
        assert_eq!(sessions.0.len(), 1, "those that are over go when room is needed");
    }
}
