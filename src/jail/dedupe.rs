//! `dedupe`: one event that a server writes down several times counts once.
//!
//! A server says the same thing in several of its logs, and in several words: PJSIP writes two NOTICEs for one unknown
//! user, and two SecurityEvents into another file. Lines of one event carry the same Call-ID (`<F-CALLID>`) within ten
//! seconds; where one carries none, a NOTICE belongs to the oldest SecurityEvent (`<F-EVENT>`) of its address within two
//! seconds that no NOTICE has told of, and the other way round.
//!
//! A Call-ID is a sender's choice. Who uses the same for all his tries gains nothing: a line belongs to an event only if
//! that was not told in the same words (`<F-EVENT>`, `<F-REASON>`) before. What is told twice in the same words happened
//! twice.

use std::collections::{HashMap, VecDeque};

use crate::ticket::{Failure, Who};
use crate::time::{Span, Timestamp};

/// The events of a jail that more lines may tell of.
#[derive(Debug, Default)]
pub struct Dedupe {
    /// Each address's newest events, oldest first.
    events: HashMap<Who, VecDeque<Event>>,
    /// Events of all addresses.
    held: usize,
    /// So many events are looked through for what is over.
    swept: usize,
    again: u64,
}

#[derive(Debug)]
struct Event {
    time: Timestamp,
    call: Option<Box<str>>,
    /// In which words NOTICEs told of it.
    notices: Vec<Box<str>>,
    /// In which SecurityEvents did.
    security: Vec<Box<str>>,
}

impl Dedupe {
    /// Whether a failure is a new event, and not one that another line has told of. Events are remembered for `findtime`,
    /// since one log may be read long before the other.
    pub fn is_new(&mut self, failure: &Failure, findtime: Span, now: Timestamp) -> bool {
        self.sweep(now - findtime - WITH_CALL_ID);
        let line = Line::of(failure);
        let events = self.events.entry(failure.who.clone()).or_default();
        if let Some(event) = line.belongs_to(events) {
            let told = if line.security { &mut event.security } else { &mut event.notices };
            told.push(line.words.into());
            event.call = event.call.take().or(line.call.map(Into::into));
            self.again += 1;
            return false;
        }
        let (mut notices, mut security) = (Vec::new(), Vec::new());
        if line.security { &mut security } else { &mut notices }.push(line.words.into());
        events.push_back(Event { time: line.time, call: line.call.map(Into::into), notices, security });
        self.held += 1;
        if events.len() > EVENTS {
            events.pop_front();
            self.held -= 1;
        }
        true
    }

    /// Failures so far that were no new events.
    pub fn again(&self) -> u64 {
        self.again
    }

    /// Forgets what is over, when there is much.
    fn sweep(&mut self, before: Timestamp) {
        if self.held < self.swept.clamp(ALL / 100, ALL) {
            return;
        }
        self.events.retain(|_, events| events.back().is_some_and(|event| event.time >= before));
        self.held = self.events.values().map(VecDeque::len).sum();
        // Where hardly anything was over, the next look would come too soon.
        if self.held >= ALL / 4 * 3 {
            self.events.clear();
            self.held = 0;
        }
        self.swept = self.held * 2;
    }
}

/// What a failure's line says about the event.
struct Line<'a> {
    time: Timestamp,
    call: Option<&'a str>,
    security: bool,
    words: &'a str,
}

impl<'a> Line<'a> {
    fn of(failure: &'a Failure) -> Line<'a> {
        let group = |name: &str| failure.groups.get(name);
        let group = |name: &str| group(name).map(|text| &text[..text.floor_char_boundary(TEXT)]);
        let words = group("event").or(group("reason")).unwrap_or_default();
        let call = group("callid");
        Line { time: failure.time, call, security: group("event").is_some(), words }
    }

    /// The event that it tells of, if that is known.
    fn belongs_to<'e>(&self, events: &'e mut VecDeque<Event>) -> Option<&'e mut Event> {
        let same =
            |event: &Event| self.call.is_some() && event.call.as_deref() == self.call && self.near(event, WITH_CALL_ID);
        let at = events.iter().position(|event| same(event) && self.is_new_to(event));
        let at = at.or_else(|| events.iter().position(|event| self.pairs(event)));
        at.and_then(|at| events.get_mut(at))
    }

    /// Whether it may tell of an event although a Call-ID is not known of both.
    fn pairs(&self, event: &Event) -> bool {
        let unknown = self.call.is_none() || event.call.is_none();
        unknown
            && self.near(event, WITHOUT)
            && self.is_new_to(event)
            && match (self.call.is_some(), self.security) {
                _ if self.call.is_none() && event.call.is_none() => true,
                // Another kind of line must have told of it, and none of this one's.
                (_, true) => event.security.is_empty(),
                (false, false) => event.notices.is_empty(),
                // A NOTICE beside another one of the same packet, which has words of its own.
                (true, false) => event.security.is_empty() && event.notices.iter().all(|words| !words.is_empty()),
            }
    }

    fn near(&self, event: &Event, within: Span) -> bool {
        Span((event.time - self.time).0.saturating_abs()) <= within
    }

    fn is_new_to(&self, event: &Event) -> bool {
        let told = if self.security { &event.security } else { &event.notices };
        told.len() < WORDS && told.iter().all(|words| **words != *self.words)
    }
}

/// How long the lines of one Call-ID tell of one event.
const WITH_CALL_ID: Span = Span::from_secs(10);
/// The same of lines that carry none.
const WITHOUT: Span = Span::from_secs(2);
/// Bytes of a Call-ID, and of the words, that are looked at.
const TEXT: usize = 200;
/// In so many words one event may be told of: a filter of somebody's may take them from what a sender writes.
const WORDS: usize = 16;
/// Events of one address that are remembered: who has more is long banned.
const EVENTS: usize = 64;
/// Events of all addresses that are remembered: some 100 MB with the longest Call-IDs.
const ALL: usize = 200_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::addr::Id;
    use crate::ticket::{Named, Sign};

    const FINDTIME: Span = Span::from_secs(600);

    /// Seconds, Call-ID, words; a SecurityEvent begins with a capital letter.
    type Told<'a> = (i64, &'a str, &'a str);

    /// Events among lines of one address.
    fn events(lines: &[Told<'_>]) -> usize {
        let mut dedupe = Dedupe::default();
        lines.iter().filter(|told| dedupe.is_new(&line("192.0.2.1", told), FINDTIME, secs(told.0))).count()
    }

    fn line(host: &str, (at, call, words): &Told<'_>) -> Failure {
        let name = if words.starts_with(|c: char| c.is_ascii_uppercase()) { "event" } else { "reason" };
        let groups = [("callid", *call), (name, *words)].into_iter().filter(|(_, text)| !text.is_empty());
        let groups = Named::new(groups);
        Failure {
            who: Who::Id(Id::parse(host)),
            time: secs(*at),
            count: 1,
            matches: Vec::new(),
            groups,
            sign: Sign::Failed,
        }
    }

    fn secs(at: i64) -> Timestamp {
        Timestamp::from_secs(1_000 + at)
    }

    #[test]
    fn what_one_call_is_told_of_in_many_words_is_one_event() {
        let unknown = [
            (0, "a", "no endpoint"),
            (0, "a", "not authenticated"),
            (1, "a", "InvalidAccountID"),
            (9, "a", "ChallengeResponseFailed"),
        ];
        assert_eq!(events(&unknown), 1);
        assert_eq!(events(&[unknown[0], (0, "b", "InvalidAccountID")]), 2);
        assert_eq!(events(&[unknown[0], (11, "a", "InvalidAccountID")]), 2);
    }

    #[test]
    fn a_call_id_for_all_tries_hides_none() {
        let notices = (0..5).map(|n| (n, "a", "not authenticated"));
        let tries: Vec<_> = notices.chain((0..5).map(|n| (n, "a", "ChallengeResponseFailed"))).collect();
        assert_eq!(events(&tries), 5);
    }

    #[test]
    fn without_a_call_id_each_notice_belongs_to_the_oldest_event_that_has_none() {
        assert_eq!(events(&[(0, "", ""), (0, "", "SecurityEvent")]), 1);
        assert_eq!(events(&[(0, "", "SecurityEvent"), (2, "", "")]), 1);
        assert_eq!(events(&[(0, "", ""), (3, "", "SecurityEvent")]), 2);
        // One log is read before the other.
        let notices = (0..4).map(|n| (n, "", ""));
        let lines: Vec<_> = notices.chain((0..4).map(|n| (n, "", "SecurityEvent"))).collect();
        assert_eq!(events(&lines), 4);
        assert_eq!(events(&[(0, "", "SecurityEvent"), (1, "", "SecurityEvent"), (1, "", "")]), 2);
        // A login to the manager interface as a user that there is not: two NOTICEs and one SecurityEvent.
        assert_eq!(events(&[(0, "", "nonexistent"), (0, "", ""), (0, "", "SecurityEvent")]), 1);
    }

    #[test]
    fn a_notice_without_a_call_id_finds_the_security_event_that_has_one() {
        assert_eq!(events(&[(0, "a", "FailedACL"), (1, "", "")]), 1);
        assert_eq!(events(&[(0, "", ""), (1, "a", "FailedACL")]), 1);
        // That one has its NOTICE already.
        assert_eq!(events(&[(0, "a", "not authenticated"), (0, "a", "ChallengeResponseFailed"), (1, "", "")]), 2);
        // The list of addresses, then the endpoint that it belongs to, then the SecurityEvent.
        assert_eq!(events(&[(0, "", "acl"), (0, "a", "not match"), (0, "a", "FailedACL")]), 1);
        assert_eq!(events(&[(0, "", ""), (0, "a", "not match")]), 2);
    }

    #[test]
    fn everybody_has_events_of_his_own() {
        let mut dedupe = Dedupe::default();
        for host in ["192.0.2.1", "192.0.2.2", "2001:db8::1"] {
            assert!(dedupe.is_new(&line(host, &(0, "a", "")), FINDTIME, secs(0)));
            assert!(!dedupe.is_new(&line(host, &(1, "a", "X")), FINDTIME, secs(1)));
        }
    }

    #[test]
    fn what_is_over_is_forgotten_and_there_are_limits() {
        let mut dedupe = Dedupe::default();
        for n in 0..1_000 {
            dedupe.is_new(&line("192.0.2.1", &(0, &n.to_string(), "")), FINDTIME, secs(0));
        }
        assert_eq!(dedupe.events[&Who::Id(Id::parse("192.0.2.1"))].len(), EVENTS);
        for n in 0..20_000 {
            dedupe.is_new(&line(&format!("10.0.{}.{}", n / 256, n % 256), &(n, "", "")), FINDTIME, secs(n));
        }
        assert!(dedupe.events.len() < 5_000);
        for n in 0..ALL + 10 {
            dedupe.is_new(
                &line(&format!("10.{}.{}.{}", n >> 16, n >> 8 & 255, n & 255), &(0, "", "")),
                FINDTIME,
                secs(0),
            );
        }
        assert!(dedupe.events.len() <= ALL);
    }

    #[test]
    fn nobody_takes_much_memory_with_many_events_or_long_words() {
        let mut dedupe = Dedupe::default();
        for n in 0..ALL + 10 {
            let host = format!("10.0.{}.{}", n >> 8 & 15, n & 255);
            dedupe.is_new(&line(&host, &(0, &n.to_string(), "")), FINDTIME, secs(0));
        }
        assert!(dedupe.events.values().map(VecDeque::len).sum::<usize>() <= ALL);
        let words: Vec<String> = (0..100).map(|n| format!("{n} {}", "x".repeat(10_000))).collect();
        let tries: Vec<_> = words.iter().map(|words| (0, "a", &**words)).collect();
        assert_eq!(events(&tries), 100_usize.div_ceil(WORDS));
        let mut dedupe = Dedupe::default();
        for words in &words {
            dedupe.is_new(&line("192.0.2.1", &(0, "a", words)), FINDTIME, secs(0));
        }
        let told = dedupe.events.values().flatten().flat_map(|event| &event.notices);
        assert!(told.map(|words| words.len()).sum::<usize>() <= 100 * TEXT);
    }
}
