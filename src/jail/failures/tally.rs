//! One counter, as small as it can be: who has failed, since when, how often, and the lines that told it.

use std::collections::VecDeque;

use indexmap::IndexMap;

use crate::addr::Id;
use crate::ticket::{Counter, Texts};
use crate::time::{Span, Timestamp};

/// What is known of one identity's failures; most of a jail's memory under attack.
#[derive(Debug)]
pub struct Tally {
    /// Whose it is.
    pub id: Id,
    /// Start of the window that is counted.
    pub first: Timestamp,
    /// The newest failure.
    pub last: Timestamp,
    /// Its place in the order: its last failure, or an earlier one.
    pub queued: Timestamp,
    /// Failures, as estimated over the window.
    pub retry: u32,
    /// Failures in all.
    pub failures: u32,
    /// Names and values in turn: a map would cost more than all the rest.
    pub groups: Texts,
    /// The last matched lines.
    pub matches: Option<Box<Matches>>,
    /// The database may have it.
    pub kept: bool,
}

/// Behind a pointer, since most counters have none: a deque itself has 32 bytes.
#[derive(Debug, Default)]
pub struct Matches {
    lines: VecDeque<Box<str>>,
    text: usize,
}

/// What led to a ban.
#[derive(Debug)]
pub struct Sentence(Tally);

impl Tally {
    /// Nothing is counted yet.
    pub fn new(id: Id, time: Timestamp) -> Tally {
        let (retry, failures, groups) = (0, 0, Texts::default());
        Tally { id, first: time, last: time, queued: time, retry, failures, groups, matches: None, kept: false }
    }

    /// Moves the window to a newer failure.
    pub fn slide(&mut self, time: Timestamp, findtime: Span) {
        if self.first < time - findtime {
            let rate = f64::from(self.retry) / (time - self.first).as_secs_f64();
            self.retry = (rate * findtime.as_secs_f64()).round_ties_even() as u32;
            self.first = time - findtime;
        }
        self.last = time;
    }

    /// Adds matches and keeps the newest.
    pub fn remember(&mut self, new: impl Iterator<Item = Box<str>>, max: usize) {
        if max > 0 {
            for line in new {
                let kept = self.matches.get_or_insert_default();
                kept.text += line.len();
                kept.lines.push_back(line);
            }
        }
        while let Some(kept) = &mut self.matches
            && kept.lines.len() > max
            && let Some(oldest) = kept.lines.pop_front()
        {
            kept.text -= oldest.len();
        }
    }

    /// Bytes of text in it.
    pub fn text(&self) -> usize {
        self.matches.as_ref().map_or(0, |matches| matches.text) + self.groups.bytes()
    }

    fn lines(&self) -> impl Iterator<Item = &str> + Clone {
        self.matches.iter().flat_map(|matches| matches.lines.iter().map(|line| &**line))
    }

    /// As it is kept.
    pub fn counter(&self) -> Counter {
        let Tally { first, last, retry, failures, .. } = *self;
        Counter { first, last, retry, failures, matches: Texts::new(self.lines()), accounts: Vec::new() }
    }
}

impl Sentence {
    /// The newest failure.
    pub fn last(&self) -> Timestamp {
        self.0.last
    }

    /// Failures in all.
    pub fn failures(&self) -> u32 {
        self.0.failures
    }

    /// Groups captured at the first failure, and the last matched lines.
    pub fn story(self) -> (IndexMap<String, String>, Vec<String>) {
        let mut texts = self.0.groups.iter().map(str::to_owned);
        let groups = std::iter::from_fn(|| Some((texts.next()?, texts.next()?))).collect();
        let lines = self.0.matches.map(|matches| matches.lines).unwrap_or_default();
        (groups, lines.into_iter().map(String::from).collect())
    }
}

impl From<Tally> for Sentence {
    fn from(tally: Tally) -> Sentence {
        Sentence(tally)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_is_small() {
        assert!(size_of::<Option<Tally>>() <= 88, "{}", size_of::<Option<Tally>>());
    }
}
