//! Who is banned until when: fail2ban's ban manager.
//!
//! Bans stand in the order in which they were made; their ends stand in a heap, so that the next one is found at once. A
//! ban without a length of its own follows the jail's `bantime`, also when that changes later.
//!
//! A million bans are to fit into a small host, so a ban here is a few numbers; its story (matched lines, groups) is in the
//! database alone.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use super::bantime::Length;
use super::roll::Roll;
use crate::addr::Id;
use crate::record::Level;
use crate::ticket::Ticket;
use crate::time::{Bantime, Span, Timestamp};

/// The bans of one jail.
#[derive(Debug)]
pub struct Bans {
    bans: Roll<Id, Ban>,
    /// Ends with the slots of the bans. A ban that was lifted or prolonged meanwhile leaves its old end here, but never on
    /// top.
    ends: BinaryHeap<Reverse<(Timestamp, u32)>>,
    /// Whom the kernel lifts by itself before the end, and when.
    early: HashMap<Id, Timestamp>,
    bantime: Bantime,
    total: u64,
}

/// One ban.
#[derive(Clone, Debug, PartialEq)]
pub struct Ban {
    /// The failure that caused it, or the moment of a ban by hand.
    pub since: Timestamp,
    /// How long; none: it follows the jail.
    pub bantime: Length,
    /// How often this identity has been banned, this time included.
    pub bancount: u32,
}

/// What became of a second ban of somebody who is banned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Again {
    /// From the failure that caused the ban to the newest one.
    pub after: Span,
    /// Whether it ends later now.
    pub prolonged: bool,
}

impl Again {
    /// How loud `already banned` is said: the later it comes, the less the ban seems to bite.
    pub fn level(self) -> Level {
        match self.after {
            after if after < Span::from_secs(3) => Level::Debug,
            after if after < Span::from_secs(60) => Level::Notice,
            _ => Level::Warning,
        }
    }
}

impl Bans {
    /// Nobody is banned yet; `bantime` is the jail's.
    pub fn new(bantime: Bantime) -> Bans {
        let (bans, ends, early) = Default::default();
        Bans { bans, ends, early, bantime, total: 0 }
    }

    /// Changes the jail's `bantime` and gives those whose end moved with it.
    pub fn set_bantime(&mut self, bantime: Bantime) -> Vec<Id> {
        if bantime == self.bantime {
            return Vec::new();
        }
        self.bantime = bantime;
        self.gather_ends();
        self.iter().filter(|(_, ban)| ban.bantime.get().is_none()).map(|(id, _)| id.clone()).collect()
    }

    /// The ban of `id`.
    pub fn get(&self, id: &Id) -> Option<&Ban> {
        self.bans.get(id)
    }

    /// When a ban ends; `None`: never.
    pub fn until(&self, ban: &Ban) -> Option<Timestamp> {
        ban.bantime.get().unwrap_or(self.bantime).until(ban.since)
    }

    /// Notes a new ban; who is banned already must not be handed in.
    pub fn insert(&mut self, ticket: &Ticket) {
        let Ticket { id, time, bantime, bancount, .. } = ticket;
        self.add(id.clone(), Ban { since: *time, bantime: (*bantime).into(), bancount: *bancount });
    }

    /// The same without a ticket.
    pub fn add(&mut self, id: Id, ban: Ban) {
        let end = self.until(&ban);
        let slot = self.bans.put(id, ban);
        self.ends.extend(end.map(|end| Reverse((end, slot))));
        self.total += 1;
    }

    /// Somebody who is banned failed again at `time`: the ban ends later if the new end is later (by a second at least;
    /// less is not worth a write). `None`: is not banned.
    pub fn again(&mut self, id: &Id, time: Timestamp, bantime: Option<Bantime>) -> Option<Again> {
        let slot = self.bans.find(id)?;
        let ban = self.bans.get(id)?;
        let (since, after) = (ban.since, time - ban.since);
        let wanted = bantime.unwrap_or(self.bantime);
        let prolonged = self.prolongs(ban, time, bantime);
        if prolonged {
            let longer = match wanted.until(time) {
                None => Bantime::Forever,
                Some(end) => Bantime::For(end - since),
            };
            self.bans.get_mut(id)?.bantime = Some(longer).into();
            self.ends.extend(longer.until(since).map(|end| Reverse((end, slot))));
            self.settle();
        }
        Some(Again { after, prolonged })
    }

    /// Whether a failure at `time` makes a ban end later.
    pub fn prolongs(&self, ban: &Ban, time: Timestamp, bantime: Option<Bantime>) -> bool {
        match (self.until(ban), bantime.unwrap_or(self.bantime).until(time)) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some(old), Some(new)) => new >= old + Span::from_secs(1),
        }
    }

    /// Ends a ban.
    pub fn remove(&mut self, id: &Id) -> Option<Ban> {
        let ban = self.bans.remove(id)?;
        self.early.remove(id);
        self.settle();
        Some(ban)
    }

    /// Takes out those whose end has passed, `max` at most, first ended first.
    pub fn expire(&mut self, now: Timestamp, max: usize) -> Vec<Id> {
        let mut over = Vec::new();
        while over.len() < max
            && let Some(Reverse((end, slot))) = self.ends.peek()
            && now > *end
            && let Some((id, _)) = self.bans.at(*slot)
        {
            let id = id.clone();
            self.remove(&id);
            over.push(id);
        }
        over
    }

    /// The moment at which [`Bans::expire`] has something to take out.
    pub fn due(&self) -> Option<Timestamp> {
        self.ends.peek().map(|Reverse((end, _))| *end + Span(1))
    }

    /// Says when the kernel lifts a ban by itself too early; `None`: it does not.
    pub fn lapses(&mut self, id: &Id, when: Option<Timestamp>) {
        match when {
            Some(when) => drop(self.early.insert(id.clone(), when)),
            None if self.early.is_empty() => {}
            None => drop(self.early.remove(id)),
        }
    }

    /// Whom the kernel lifts too early, and before this moment.
    pub fn lapsing(&self, before: Timestamp) -> Vec<Id> {
        self.early.iter().filter(|(_, when)| **when < before).map(|(id, _)| id.clone()).collect()
    }

    /// Every ban, in the order in which they were made.
    pub fn iter(&self) -> impl Iterator<Item = (&Id, &Ban)> {
        self.bans.iter()
    }

    /// Bans that hold.
    pub fn len(&self) -> usize {
        self.bans.len()
    }

    /// Whether nobody is banned.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bans since the jail started.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// What is on top is the next end.
    fn settle(&mut self) {
        if self.bans.tidy() || self.ends.len() > 2 * self.len() + OLD_ENDS {
            return self.gather_ends();
        }
        while let Some(Reverse((end, slot))) = self.ends.peek()
            && self.bans.at(*slot).and_then(|(_, ban)| self.until(ban)) != Some(*end)
        {
            self.ends.pop();
        }
    }

    fn gather_ends(&mut self) {
        let ends = self.bans.slots().filter_map(|(slot, _, ban)| Some(Reverse((self.until(ban)?, slot))));
        self.ends = ends.collect::<Vec<_>>().into();
    }
}

/// Ends that no longer count and are never worth the work.
const OLD_ENDS: usize = 64;

#[cfg(test)]
mod tests {
    use indexmap::IndexMap;

    use super::*;

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_secs(secs)
    }

    fn secs(secs: i64) -> Bantime {
        Bantime::For(Span::from_secs(secs))
    }

    fn ticket(id: &str, time: i64, bantime: Option<Bantime>) -> Ticket {
        let (matches, groups) = (Vec::new(), IndexMap::new());
        Ticket {
            id: Id::parse(id),
            time: at(time),
            bantime,
            bancount: 1,
            failures: 5,
            matches,
            groups,
            restored: false,
        }
    }

    #[test]
    fn a_ban_counts_from_its_failure_and_ends_strictly_after_its_time() {
        let mut bans = Bans::new(secs(600));
        bans.insert(&ticket("192.0.2.1", 1000, None));
        assert_eq!(bans.expire(at(1600), 10), []);
        assert_eq!(bans.due(), Some(Timestamp(1_600_000_001)));
        assert_eq!(bans.expire(Timestamp(1_600_000_001), 10), [Id::parse("192.0.2.1")]);
        assert_eq!((bans.len(), bans.total(), bans.due()), (0, 1, None));
    }

    #[test]
    fn a_ban_without_a_length_of_its_own_follows_the_jail() {
        let mut bans = Bans::new(secs(3));
        bans.insert(&ticket("192.0.2.1", 1000, None));
        bans.insert(&ticket("192.0.2.2", 1000, Some(secs(7))));
        bans.insert(&ticket("192.0.2.3", 1000, None));
        assert_eq!(bans.set_bantime(secs(300)), [Id::parse("192.0.2.1"), Id::parse("192.0.2.3")]);
        assert_eq!(bans.expire(at(1100), 10), [Id::parse("192.0.2.2")]);
        bans.set_bantime(Bantime::Forever);
        assert_eq!(bans.due(), None);
        bans.set_bantime(secs(60));
        assert_eq!(bans.expire(at(1100), 10).len(), 2);
        assert!(bans.ends.is_empty());
    }

    #[test]
    fn failures_during_a_ban_prolong_it() {
        let mut bans = Bans::new(secs(12));
        bans.insert(&ticket("192.0.2.1", 17, None));
        let again = bans.again(&Id::parse("192.0.2.1"), at(24), None).expect("is banned");
        assert_eq!((again.prolonged, again.after, again.level()), (true, Span::from_secs(7), Level::Notice));
        let ban = bans.get(&Id::parse("192.0.2.1")).expect("is banned");
        assert_eq!((ban.bantime.get(), bans.until(ban)), (Some(secs(19)), Some(at(36))));
        assert_eq!(bans.expire(at(36), 10), []);
        assert_eq!(bans.expire(at(37), 10).len(), 1);
        assert_eq!(bans.again(&Id::parse("192.0.2.1"), at(37), None), None);
    }

    #[test]
    fn a_longer_ban_is_not_cut_short_and_a_permanent_one_stays() {
        let mut bans = Bans::new(secs(10));
        bans.insert(&ticket("192.0.2.1", 0, Some(secs(1000))));
        bans.insert(&ticket("192.0.2.2", 0, Some(Bantime::Forever)));
        assert!(!bans.again(&Id::parse("192.0.2.1"), at(100), None).expect("is banned").prolonged);
        assert!(!bans.again(&Id::parse("192.0.2.2"), at(100), None).expect("is banned").prolonged);
        let again = bans.again(&Id::parse("192.0.2.1"), at(100), Some(Bantime::Forever)).expect("is banned");
        assert_eq!((again.prolonged, again.level()), (true, Level::Warning));
        assert_eq!(bans.due(), None);
    }

    #[test]
    fn ends_that_were_put_off_count_no_more_and_do_not_pile_up() {
        let mut bans = Bans::new(secs(100));
        let ids: Vec<Id> = (0..50).map(|n| Id::parse(&format!("192.0.2.{n}"))).collect();
        ids.iter().for_each(|id| bans.insert(&ticket(&id.to_string(), 0, None)));
        for time in 1..=50 {
            for id in &ids[1..] {
                bans.again(id, at(time * 2), None);
            }
            assert!(bans.ends.len() <= 2 * 50 + OLD_ENDS, "{}", bans.ends.len());
        }
        assert_eq!(bans.due(), Some(at(100) + Span(1)));
        assert_eq!(bans.expire(at(150), 10), [ids[0].clone()]);
        assert_eq!(bans.due(), Some(at(200) + Span(1)));
        bans.lapses(&ids[1], Some(at(20)));
        assert_eq!((bans.lapsing(at(20)), bans.lapsing(at(21))), (vec![], vec![ids[1].clone()]));
        ids.iter().for_each(|id| drop(bans.remove(id)));
        assert_eq!((bans.due(), bans.lapsing(at(999)).len()), (None, 0));
    }

    #[test]
    fn bans_stand_in_the_order_in_which_they_were_made() {
        let mut bans = Bans::new(secs(10));
        for id in ["192.0.2.9", "192.0.2.1", "192.0.2.5"] {
            bans.insert(&ticket(id, 0, None));
        }
        bans.remove(&Id::parse("192.0.2.1"));
        bans.insert(&ticket("192.0.2.1", 0, None));
        let order: Vec<String> = bans.iter().map(|(id, _)| id.to_string()).collect();
        assert_eq!(order, ["192.0.2.9", "192.0.2.5", "192.0.2.1"]);
    }
}
