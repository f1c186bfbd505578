//! Questions that are open, and who waits for their answers.
//!
//! A failure whose ignore rules cannot be told yet waits behind the question; later failures of the same identity in
//! the same jail wait behind it, so that they are counted in their order. Nobody else waits. How many may wait is
//! bounded.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::Request;
use crate::addr::Id;
use crate::jail::Question;
use crate::ticket::{Failure, Who};
use crate::time::{Span, Timestamp};

/// Something that waits for an answer.
#[derive(Debug)]
pub struct Parked {
    /// In which jail.
    pub jail: Arc<str>,
    /// What waits.
    pub what: Waiting,
    /// When it came up.
    pub arrived: Timestamp,
}

#[derive(Debug)]
pub enum Waiting {
    /// A failure, to be counted or ignored.
    Failure(Failure),
    /// Bans that were restored and hold already, to be lifted if their identity is ignored.
    Restored(Vec<Id>),
}

/// All open questions.
#[derive(Debug, Default)]
pub struct Parking {
    open: HashMap<u64, Open>,
    tokens: HashMap<Question, u64>,
    /// Behind which question an identity's failures wait.
    waiting: HashMap<(Arc<str>, Who), u64>,
    parked: usize,
    /// Bytes of log text that wait.
    text: usize,
    next: u64,
}

/// In which jail something found no room, and behind which question.
type NoRoom = (Arc<str>, Question);

#[derive(Debug)]
struct Open {
    question: Question,
    asked: Timestamp,
    queue: VecDeque<Parked>,
}

impl Parking {
    /// Whether nobody waits, as is the rule.
    pub fn is_idle(&self) -> bool {
        self.waiting.is_empty()
    }

    /// If earlier failures of the same identity wait, this one waits behind them; else it is given back. An error says
    /// where there is no room.
    pub fn follow(&mut self, parked: Parked) -> Result<Option<Parked>, NoRoom> {
        if self.is_idle() {
            return Ok(Some(parked));
        }
        let Some(&token) = parked.key().and_then(|key| self.waiting.get(&key)) else { return Ok(Some(parked)) };
        self.enqueue(token, parked).map(|()| None)
    }

    /// Asks what was not asked yet and lets `parked` wait for the first answer.
    pub fn park(
        &mut self,
        parked: Parked,
        questions: Vec<Question>,
        now: Timestamp,
        out: &mut Vec<Request>,
    ) -> Result<(), NoRoom> {
        let tokens: Vec<u64> = questions.into_iter().map(|question| self.ask(question, now, out)).collect();
        let Some(&token) = tokens.first() else { return Ok(()) };
        let key = parked.key();
        self.enqueue(token, parked)?;
        if let Some(key) = key {
            self.waiting.insert(key, token);
        }
        Ok(())
    }

    /// Takes an answered question out with those who waited for it, in their order.
    pub fn close(&mut self, token: u64) -> Option<(Question, VecDeque<Parked>)> {
        let Open { question, queue, .. } = self.open.remove(&token)?;
        self.tokens.remove(&question);
        self.parked -= queue.len();
        self.text -= queue.iter().map(Parked::text).sum::<usize>();
        for key in queue.iter().filter_map(Parked::key) {
            self.waiting.remove(&key);
        }
        Some((question, queue))
    }

    /// Questions that nobody has answered for so long that nobody will.
    pub fn overdue(&self, now: Timestamp) -> Vec<(u64, Question)> {
        let overdue = self.open.iter().filter(|(_, open)| open.asked + PATIENCE <= now);
        overdue.map(|(token, open)| (*token, open.question.clone())).collect()
    }

    /// Asks what nobody has asked yet, and gives the question's number; who waits for nothing more need not park.
    pub fn ask(&mut self, question: Question, now: Timestamp, out: &mut Vec<Request>) -> u64 {
        if let Some(&token) = self.tokens.get(&question) {
            return token;
        }
        let token = self.next;
        self.next += 1;
        self.tokens.insert(question.clone(), token);
        self.open.insert(token, Open { question: question.clone(), asked: now, queue: VecDeque::new() });
        out.push(Request::Ask { token, question });
        token
    }

    fn enqueue(&mut self, token: u64, parked: Parked) -> Result<(), NoRoom> {
        let open = self.open.get_mut(&token).expect("nobody waits for a closed question");
        let text = parked.text();
        if open.queue.len() >= MAX_BEHIND_ONE || self.parked >= MAX_PARKED || self.text + text > MAX_TEXT {
            return Err((parked.jail, open.question.clone()));
        }
        open.queue.push_back(parked);
        self.parked += 1;
        self.text += text;
        Ok(())
    }
}

impl Parked {
    fn key(&self) -> Option<(Arc<str>, Who)> {
        match &self.what {
            Waiting::Failure(failure) => Some((self.jail.clone(), failure.who.clone())),
            Waiting::Restored(_) => None,
        }
    }

    fn text(&self) -> usize {
        match &self.what {
            Waiting::Failure(failure) => {
                let groups = failure.groups.iter().map(|(name, value)| name.len() + value.len());
                failure.matches.iter().map(String::len).chain(groups).sum()
            }
            Waiting::Restored(_) => 0,
        }
    }
}

const MAX_BEHIND_ONE: usize = 10_000;
const MAX_PARKED: usize = 20_000;
const MAX_TEXT: usize = 64 << 20;

/// Workers have time limits of their own that are far shorter.
const PATIENCE: Span = Span::from_secs(300);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ticket::{Named, Sign};

    fn failure(id: &str, secs: i64) -> Parked {
        let (who, time) = (Who::Id(Id::parse(id)), Timestamp::from_secs(secs));
        let failure =
            Failure { who, time, count: 1, matches: Vec::new(), groups: Named::default(), sign: Sign::Failed };
        Parked { jail: "j".into(), what: Waiting::Failure(failure), arrived: time }
    }

    fn name(name: &str) -> Question {
        Question::Resolve(name.into())
    }

    #[test]
    fn a_question_is_asked_once_and_its_answer_frees_everybody_in_order() {
        let (mut parking, mut out, now) = (Parking::default(), Vec::new(), Timestamp::default());
        assert!(parking.follow(failure("192.0.2.1", 1)).expect("there is room").is_some());
        parking.park(failure("192.0.2.1", 1), vec![name("a"), name("b")], now, &mut out).expect("there is room");
        parking.park(failure("192.0.2.2", 2), vec![name("a")], now, &mut out).expect("there is room");
        assert!(parking.follow(failure("192.0.2.1", 3)).expect("there is room").is_none());
        assert_eq!(out.len(), 2);
        let (question, queue) = parking.close(0).expect("it is open");
        assert_eq!((question, queue.len()), (name("a"), 3));
        assert!(parking.follow(failure("192.0.2.1", 4)).expect("there is room").is_some());
        assert!(parking.close(0).is_none());
        assert_eq!(parking.overdue(now + PATIENCE), [(1, name("b"))]);
    }

    #[test]
    fn only_so_many_may_wait() {
        let (mut parking, mut out, now) = (Parking::default(), Vec::new(), Timestamp::default());
        for i in 0..MAX_BEHIND_ONE {
            let waiting = failure(&format!("user{i}"), 1);
            parking.park(waiting, vec![name("a")], now, &mut out).expect("there is room");
        }
        assert_eq!(parking.park(failure("one more", 1), vec![name("a")], now, &mut out), Err(("j".into(), name("a"))));
        parking.park(failure("one more", 1), vec![name("b")], now, &mut out).expect("there is room");
        parking.close(0);
        parking.park(failure("another", 1), vec![name("a")], now, &mut out).expect("there is room");
    }
}
