//! Who was banned before: the newest ban of each identity in each jail, over or not, as the database has it.
//!
//! `bantime.increment` asks it how often, a jail that comes on asks it whose ban still runs.

use std::sync::Arc;

use indexmap::IndexSet;

use super::bantime::Length;
use super::roll::Roll;
use crate::addr::Id;
use crate::time::{Bantime, Span, Timestamp};

/// Newest bans by identity and jail.
#[derive(Debug, Default)]
pub struct History {
    /// Names of jails, which the keys hold by their place.
    jails: IndexSet<Arc<str>>,
    rows: Roll<(Id, u16), Row>,
}

/// The newest ban of one identity in one jail.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Since when.
    pub time: Timestamp,
    /// How long; none: an old database did not keep it.
    pub bantime: Length,
    /// How often, that time included.
    pub bancount: u32,
    /// Somebody chose its length; no setting of the jail shortens it.
    pub chosen: bool,
    /// Somebody wanted it although it hits who is protected.
    pub forced: bool,
}

impl History {
    /// Notes a ban in place of the identity's earlier one in that jail.
    pub fn put(&mut self, id: Id, jail: &str, row: Row) {
        let place = self.jails.get_index_of(jail).unwrap_or_else(|| self.jails.insert_full(jail.into()).0);
        let place = u16::try_from(place).expect("nobody has so many jails");
        self.rows.put((id, place), row);
    }

    /// Notes a ban that was made elsewhere: the newer of the two counts, and the higher count.
    pub fn merge(&mut self, id: Id, jail: &str, row: Row) {
        let old = self.get(&id, jail);
        let bancount = old.map_or(0, |old| old.bancount).max(row.bancount);
        let newest = old.filter(|old| old.time >= row.time).cloned().unwrap_or(row);
        self.put(id, jail, Row { bancount, ..newest });
    }

    /// The newest ban of `id` in `jail`.
    pub fn get(&self, id: &Id, jail: &str) -> Option<&Row> {
        self.rows.get(&(id.clone(), self.place(jail)?))
    }

    /// How often `id` was banned in all jails together.
    pub fn count_everywhere(&self, id: &Id) -> u32 {
        self.of(id).fold(0, |sum, (_, row)| sum.saturating_add(row.bancount))
    }

    /// Calls `take` for the newest bans of a jail, in the order in which they began.
    pub fn each_of(&self, jail: &str, mut take: impl FnMut(&Id, &Row)) {
        let Some(place) = self.place(jail) else { return };
        let rows = self.rows.slots().filter(|(_, (_, jail), _)| *jail == place);
        let mut order: Vec<u32> = rows.map(|(slot, ..)| slot).collect();
        order.sort_by_key(|slot| self.rows.at(*slot).map(|(_, row)| row.time));
        for slot in order {
            if let Some(((id, _), row)) = self.rows.at(slot) {
                take(id, row);
            }
        }
    }

    /// Who lies inside `id` and was banned before, with the jail, in one jail or in all.
    pub fn inside(&self, id: &Id, jail: Option<&str>) -> Vec<(Arc<str>, Id)> {
        let asked = |name: &Arc<str>| jail.is_none_or(|jail| **name == *jail);
        match id {
            Id::Net(_) => {
                let inside = self.rows.iter().filter(|((other, _), _)| id.contains(other));
                let named = inside.map(|((other, place), _)| (self.jails[usize::from(*place)].clone(), other.clone()));
                named.filter(|(name, _)| asked(name)).collect()
            }
            Id::Ip(_) | Id::Raw(_) => {
                self.of(id).filter(|(name, _)| asked(name)).map(|(name, _)| (name.clone(), id.clone())).collect()
            }
        }
    }

    /// Forgets everything of one jail or of all and gives what it was.
    pub fn clear(&mut self, jail: Option<&str>) -> Vec<(Arc<str>, Id)> {
        let (mut gone, jails) = (Vec::new(), &self.jails);
        self.rows.retain(|(id, place), _| {
            let name = &jails[usize::from(*place)];
            let keep = jail.is_some_and(|jail| **name != *jail);
            if !keep {
                gone.push((name.clone(), id.clone()));
            }
            keep
        });
        gone
    }

    /// Forgets what is known of `id` in `jail`.
    pub fn forget(&mut self, id: &Id, jail: &str) {
        if let Some(place) = self.place(jail)
            && self.rows.remove(&(id.clone(), place)).is_some()
        {
            self.rows.tidy();
        }
    }

    /// Forgets bans that are older than `age`, and long ones once three times their length has passed since; permanent
    /// ones stay.
    pub fn purge(&mut self, age: Span, now: Timestamp) {
        let limit = now - age;
        self.rows.retain(|_, row| match row.bantime.get() {
            Some(Bantime::Forever) => true,
            None => row.time >= limit,
            Some(Bantime::For(span)) => row.time >= limit || row.time + Span(span.0.saturating_mul(3)) >= limit,
        });
    }

    /// Of one identity.
    fn of(&self, id: &Id) -> impl Iterator<Item = (&Arc<str>, &Row)> {
        (0..).zip(&self.jails).filter_map(|(place, name)| Some((name, self.rows.get(&(id.clone(), place))?)))
    }

    fn place(&self, jail: &str) -> Option<u16> {
        u16::try_from(self.jails.get_index_of(jail)?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(time: i64, bantime: f64, bancount: u32) -> Row {
        let (time, bantime) = (Timestamp::from_secs(time), Some(Bantime::from_secs_f64(bantime)).into());
        Row { time, bantime, bancount, chosen: false, forced: false }
    }

    #[test]
    fn purging_keeps_what_fail2ban_keeps() {
        let day = 86_400;
        let mut history = History::default();
        for (id, bantime) in [("192.0.2.1", 600.0), ("192.0.2.2", 43_200.0), ("192.0.2.3", -1.0)] {
            history.put(Id::parse(id), "j", row(0, bantime, 1));
        }
        history.purge(Span::from_secs(day), Timestamp::from_secs(day + 2000));
        assert_eq!(history.get(&Id::parse("192.0.2.1"), "j"), None);
        assert!(history.get(&Id::parse("192.0.2.2"), "j").is_some());
        history.purge(Span::from_secs(day), Timestamp::from_secs(100 * day));
        assert_eq!(history.get(&Id::parse("192.0.2.2"), "j"), None);
        assert!(history.get(&Id::parse("192.0.2.3"), "j").is_some());
    }

    #[test]
    fn a_ban_made_elsewhere_takes_nothing_away() {
        let mut history = History::default();
        let id = Id::parse("192.0.2.1");
        for (merged, time, bancount) in [(row(5, 60.0, 2), 5, 2), (row(3, 99.0, 7), 5, 7), (row(9, 1.0, 1), 9, 7)] {
            history.merge(id.clone(), "a", merged);
            let kept = history.get(&id, "a").expect("it is known");
            assert_eq!((kept.time, kept.bancount), (Timestamp::from_secs(time), bancount));
        }
    }

    #[test]
    fn counts_of_all_jails_are_added_and_forgotten_one_by_one() {
        let mut history = History::default();
        let id = Id::parse("192.0.2.1");
        history.put(id.clone(), "a", row(0, 600.0, 1));
        history.put(id.clone(), "b", row(1, 600.0, 4));
        history.put(id.clone(), "a", row(2, 600.0, 2));
        assert_eq!(history.count_everywhere(&id), 6);
        assert_eq!(history.inside(&Id::parse("192.0.2.0/24"), Some("b")), [("b".into(), id.clone())]);
        history.forget(&id, "b");
        let of_jail = |jail| {
            let mut times = Vec::new();
            history.each_of(jail, |_, row| times.push(row.time.secs()));
            times
        };
        assert_eq!((history.count_everywhere(&id), of_jail("a"), of_jail("b")), (2, vec![2], vec![]));
    }
}
