//! Who was banned before: the newest ban of each identity in each jail, over or not, as the database has it.
//!
//! `bantime.increment` asks it how often, a jail that comes on asks it whose ban still runs.

use std::collections::HashMap;
use std::sync::Arc;

use crate::addr::Id;
use crate::time::{Bantime, Span, Timestamp};

/// Newest bans by identity.
#[derive(Debug, Default)]
pub struct History {
    rows: HashMap<Id, Vec<Row>>,
}

/// The newest ban of one identity in one jail.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// In which jail.
    pub jail: Arc<str>,
    /// Since when.
    pub time: Timestamp,
    /// How long; `None`: an old database did not keep it.
    pub bantime: Option<Bantime>,
    /// How often, that time included.
    pub bancount: u32,
    /// Somebody chose its length; no setting of the jail shortens it.
    pub chosen: bool,
}

impl History {
    /// Notes a ban in place of the identity's earlier one in that jail.
    pub fn put(&mut self, id: Id, row: Row) {
        // Most have been banned in one jail only.
        let rows = self.rows.entry(id).or_insert_with(|| Vec::with_capacity(1));
        match rows.iter_mut().find(|r| r.jail == row.jail) {
            Some(old) => *old = row,
            None => rows.push(row),
        }
    }

    /// Notes a ban that was made elsewhere: the newer of the two counts, and the higher count.
    pub fn merge(&mut self, id: Id, row: Row) {
        let old = self.get(&id, &row.jail);
        let bancount = old.map_or(0, |old| old.bancount).max(row.bancount);
        let newest = old.filter(|old| old.time >= row.time).cloned().unwrap_or(row);
        self.put(id, Row { bancount, ..newest });
    }

    /// The newest ban of `id` in `jail`.
    pub fn get(&self, id: &Id, jail: &str) -> Option<&Row> {
        self.rows.get(id)?.iter().find(|r| &*r.jail == jail)
    }

    /// How often `id` was banned in all jails together.
    pub fn count_everywhere(&self, id: &Id) -> u32 {
        self.rows.get(id).into_iter().flatten().fold(0, |sum, row| sum.saturating_add(row.bancount))
    }

    /// The newest bans of a jail, in the order in which they began.
    pub fn of_jail(&self, jail: &str) -> Vec<(Id, Row)> {
        let rows = self.rows.iter().flat_map(|(id, rows)| rows.iter().map(move |row| (id, row)));
        let mut rows: Vec<(Id, Row)> =
            rows.filter(|(_, row)| &*row.jail == jail).map(|(id, row)| (id.clone(), row.clone())).collect();
        rows.sort_by(|(a, x), (b, y)| (x.time, a).cmp(&(y.time, b)));
        rows
    }

    /// Who lies inside `id` and was banned before, with the jail, in one jail or in all.
    pub fn inside(&self, id: &Id, jail: Option<&str>) -> Vec<(Arc<str>, Id)> {
        let asked = |row: &&Row| jail.is_none_or(|jail| *row.jail == *jail);
        let jails = |id: &Id, rows: &[Row]| -> Vec<(Arc<str>, Id)> {
            rows.iter().filter(asked).map(|row| (row.jail.clone(), id.clone())).collect()
        };
        match id {
            Id::Net(_) => {
                let inside = self.rows.iter().filter(|(other, _)| id.contains(other));
                inside.flat_map(|(id, rows)| jails(id, rows)).collect()
            }
            Id::Ip(_) | Id::Raw(_) => self.rows.get(id).map(|rows| jails(id, rows)).unwrap_or_default(),
        }
    }

    /// Forgets everything of one jail or of all and gives what it was.
    pub fn clear(&mut self, jail: Option<&str>) -> Vec<(Arc<str>, Id)> {
        let mut gone = Vec::new();
        self.rows.retain(|id, rows| {
            rows.retain(|row| {
                let keep = jail.is_some_and(|jail| *row.jail != *jail);
                if !keep {
                    gone.push((row.jail.clone(), id.clone()));
                }
                keep
            });
            !rows.is_empty()
        });
        gone
    }

    /// Forgets what is known of `id` in `jail`.
    pub fn forget(&mut self, id: &Id, jail: &str) {
        if let Some(rows) = self.rows.get_mut(id) {
            rows.retain(|r| &*r.jail != jail);
            if rows.is_empty() {
                self.rows.remove(id);
            }
        }
    }

    /// Forgets bans that are older than `age`, and long ones once three times their length has passed since; permanent
    /// ones stay.
    pub fn purge(&mut self, age: Span, now: Timestamp) {
        let limit = now - age;
        self.rows.retain(|_, rows| {
            rows.retain(|row| match row.bantime {
                Some(Bantime::Forever) => true,
                None => row.time >= limit,
                Some(Bantime::For(span)) => row.time >= limit || row.time + Span(span.0.saturating_mul(3)) >= limit,
            });
            !rows.is_empty()
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(jail: &str, time: i64, bantime: f64, bancount: u32) -> Row {
        let (time, bantime) = (Timestamp::from_secs(time), Some(Bantime::from_secs_f64(bantime)));
        Row { jail: jail.into(), time, bantime, bancount, chosen: false }
    }

    #[test]
    fn purging_keeps_what_fail2ban_keeps() {
        let day = 86_400;
        let mut history = History::default();
        for (id, bantime) in [("192.0.2.1", 600.0), ("192.0.2.2", 43_200.0), ("192.0.2.3", -1.0)] {
            history.put(Id::parse(id), row("j", 0, bantime, 1));
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
        for (merged, time, bancount) in
            [(row("a", 5, 60.0, 2), 5, 2), (row("a", 3, 99.0, 7), 5, 7), (row("a", 9, 1.0, 1), 9, 7)]
        {
            history.merge(id.clone(), merged);
            let kept = history.get(&id, "a").expect("it is known");
            assert_eq!((kept.time, kept.bancount), (Timestamp::from_secs(time), bancount));
        }
    }

    #[test]
    fn counts_of_all_jails_are_added_and_forgotten_one_by_one() {
        let mut history = History::default();
        let id = Id::parse("192.0.2.1");
        history.put(id.clone(), row("a", 0, 600.0, 1));
        history.put(id.clone(), row("b", 1, 600.0, 4));
        history.put(id.clone(), row("a", 2, 600.0, 2));
        assert_eq!(history.count_everywhere(&id), 6);
        assert_eq!(history.inside(&Id::parse("192.0.2.0/24"), Some("b")), [("b".into(), id.clone())]);
        history.forget(&id, "b");
        assert_eq!((history.count_everywhere(&id), history.of_jail("a").len(), history.of_jail("b").len()), (2, 1, 0));
    }
}
