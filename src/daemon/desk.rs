//! Where the engine works: whoever has something for it comes here, one at a time.
//!
//! As a rule that is the loop alone. The follower comes itself with the few failures of a moment, where nobody is here and
//! nothing of its own waits in the inbox: between the line and the ban is no second thread that would have to be woken
//! first. What the engine wants done is left here for the loop, in the order in which it came about.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

use super::clock;
use super::inbox::{Inbox, Message};
use crate::engine::{Engine, Event, Request};
use crate::ticket::Failure;
use crate::time::Timestamp;

/// The desk.
pub struct Desk {
    work: Mutex<Work>,
    /// Messages of the follower that wait in the inbox: what is newer must not overtake them.
    waiting: AtomicUsize,
    /// Failures that were dealt with. Whoever made them takes them apart: in a flood two threads that give each other's memory
    /// back are in each other's way all the time.
    spent: Mutex<Vec<Found>>,
}

/// What a filter found, each in a jail.
type Found = Vec<(Arc<str>, Failure)>;

/// What lies on it.
pub struct Work {
    /// The one owner of jails, firewall and store's changes.
    pub engine: Engine,
    /// What it wants done, not handed on yet.
    pub out: Vec<Request>,
    /// Failures were taken in, the position behind them was not: written down now, they would count again after a crash.
    halfway: bool,
}

impl Work {
    /// When the engine has something to do by itself.
    pub fn due(&self) -> Option<Timestamp> {
        self.engine.due().filter(|_| !self.halfway)
    }

    /// Takes in what the follower found; gives the failures back.
    fn take(&mut self, found: Message) -> Option<Found> {
        let now = clock::now();
        match found {
            Message::Failures(failures) => {
                self.halfway = true;
                self.engine.hear(&failures, now, &mut self.out);
                return Some(failures);
            }
            Message::Positions(positions) => {
                self.halfway = false;
                for (jail, position) in positions {
                    self.engine.handle(Event::Position { jail, position }, now, &mut self.out);
                }
            }
            _ => {}
        }
        None
    }
}

impl Desk {
    /// A desk with this on it.
    pub fn new(engine: Engine) -> Arc<Desk> {
        let work = Work { engine, out: Vec::new(), halfway: false };
        Arc::new(Desk { work: Mutex::new(work), waiting: AtomicUsize::new(0), spent: Mutex::default() })
    }

    /// Sits down; waits until it is free.
    pub fn sit(&self) -> MutexGuard<'_, Work> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// For the loop: takes in what came from the follower through the inbox. In a flood the loop hardly ever looks up just
    /// behind a position, so what is due is done here.
    pub fn taken(&self, found: Message) {
        let mut work = self.sit();
        let spent = work.take(found);
        let now = clock::now();
        if work.due().is_some_and(|due| due <= now) {
            let Work { engine, out, .. } = &mut *work;
            engine.tick(now, out);
        }
        drop(work);
        self.spent().extend(spent);
        self.done();
    }

    /// Takes apart what was dealt with: the follower does it when it comes by, the loop when nothing comes.
    pub fn tidy(&self) {
        let spent = std::mem::take(&mut *self.spent());
        // Not while the other one would have to wait for it.
        drop(spent);
    }

    /// Whether nothing is left to be taken apart.
    pub fn is_tidy(&self) -> bool {
        self.spent().is_empty()
    }

    /// For the loop: a message of the follower's was dealt with.
    pub fn done(&self) {
        self.waiting.fetch_sub(1, Ordering::Release);
    }

    /// For the follower: hands in what it has, here or through the inbox; `false`: nobody listens any more.
    pub fn hand_in(&self, message: Message, inbox: &Inbox) -> bool {
        self.tidy();
        let Some(message) = self.at_once(message, inbox) else { return true };
        if matches!(message, Message::Log(_)) {
            return inbox.send(message).is_ok();
        }
        self.waiting.fetch_add(1, Ordering::Relaxed);
        inbox.send(message).is_ok()
    }

    fn spent(&self) -> MutexGuard<'_, Vec<Found>> {
        self.spent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives back what has to go through the inbox: much at a time, so that one thread finds failures while another counts
    /// them, and what the loop alone can do.
    fn at_once(&self, message: Message, inbox: &Inbox) -> Option<Message> {
        let few = match &message {
            Message::Failures(failures) => failures.len() <= FEW,
            Message::Positions(_) => true,
            _ => false,
        };
        if !few || self.waiting.load(Ordering::Acquire) > 0 {
            return Some(message);
        }
        let mut work = match self.work.try_lock() {
            Ok(work) => work,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return Some(message),
        };
        if work.out.len() > MUCH {
            return Some(message);
        }
        let last = matches!(message, Message::Positions(_));
        work.take(message);
        drop(work);
        if last {
            // A loop with a full inbox is awake.
            let _full = inbox.try_send(Message::Look);
        }
        None
    }
}

/// Failures that are worth no hand-over.
const FEW: usize = 16;

/// So much left for the loop tells that it is held up, as by a log that nobody takes: then the follower has to wait for it.
const MUCH: usize = 4096;

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, sync_channel};

    use jiff::tz::TimeZone;

    use super::*;
    use crate::addr::Id;
    use crate::config::JailSettings;
    use crate::engine::{Remembered, Setup};
    use crate::firewall::DryRun;
    use crate::line::Position;
    use crate::store::Change;
    use crate::ticket::{Sign, Who};
    use crate::time::Span;

    fn desk() -> (Arc<Desk>, Inbox, Receiver<Message>) {
        let settings = JailSettings { maxretry: 1_000_000, ..JailSettings::bare("sip", "auto") };
        let setup = Setup {
            jails: vec![settings],
            firewall: Box::new(DryRun::new()),
            saved: Remembered::default(),
            dbmaxmatches: 0,
            dbpurgeage: Span::from_secs(86_400),
            own: Vec::new(),
            protected: Vec::new(),
            zone: TimeZone::UTC,
        };
        let engine = Engine::start(setup, clock::now() - Span::from_secs(15), &mut Vec::new())
            .expect("a dry run refuses nothing");
        let (inbox, receiver) = sync_channel(8);
        (Desk::new(engine), inbox, receiver)
    }

    fn failures(count: usize) -> Message {
        let failure = Failure {
            who: Who::Id(Id::parse("192.0.2.1")),
            time: clock::now(),
            count: 1,
            matches: Vec::new(),
            groups: Default::default(),
            sign: Sign::Failed,
        };
        Message::Failures(vec![("sip".into(), failure); count])
    }

    fn position() -> Message {
        let position = Position { path: "log".into(), file: None, offset: 7, first_line: None };
        Message::Positions(vec![("sip".into(), position)])
    }

    fn counted(desk: &Desk) -> u64 {
        desk.sit().engine.status("sip").expect("the jail is on").total_failed
    }

    #[test]
    fn a_few_failures_are_counted_at_once_and_the_loop_looks_when_the_position_is_there() {
        let (desk, inbox, receiver) = desk();
        assert!(desk.hand_in(failures(2), &inbox));
        assert_eq!(counted(&desk), 2);
        assert!(desk.sit().due().is_none() && receiver.try_recv().is_err(), "the position is missing");
        assert!(desk.hand_in(position(), &inbox));
        assert!(desk.sit().due().is_some() && matches!(receiver.try_recv(), Ok(Message::Look)));
        drop(receiver);
        assert!(desk.hand_in(failures(1), &inbox) && !desk.hand_in(failures(FEW + 1), &inbox), "nobody listens");
    }

    #[test]
    fn many_failures_and_what_follows_them_go_through_the_inbox() {
        let (desk, inbox, receiver) = desk();
        for message in [failures(FEW + 1), failures(1), position()] {
            assert!(desk.hand_in(message, &inbox));
        }
        assert_eq!(counted(&desk), 0, "nothing overtakes");
        receiver.try_iter().for_each(|found| desk.taken(found));
        assert_eq!(counted(&desk), FEW as u64 + 2);
        assert_eq!(desk.spent().iter().map(Vec::len).collect::<Vec<_>>(), [FEW + 1, 1]);
        assert!(desk.hand_in(failures(1), &inbox));
        assert_eq!((counted(&desk), desk.spent().len()), (FEW as u64 + 3, 0));
    }

    #[test]
    fn what_was_dealt_with_goes_when_nothing_comes() {
        let (desk, _inbox, _receiver) = desk();
        desk.taken(failures(1));
        desk.tidy();
        assert_eq!((counted(&desk), desk.spent().len()), (1, 0));
    }

    #[test]
    fn in_a_flood_what_is_due_is_done_behind_a_position() {
        let (desk, _inbox, _receiver) = desk();
        [failures(1), position(), failures(1)].into_iter().for_each(|found| desk.taken(found));
        let work = desk.sit();
        assert!(work.due().is_none(), "more failures came");
        assert!(work.out.iter().any(|request| matches!(request, Request::Keep(Change::Position { .. }))));
    }

    #[test]
    fn a_loop_that_is_held_up_holds_up_the_follower() {
        let (desk, inbox, receiver) = desk();
        let mut handed = 0;
        while !receiver.try_iter().any(|message| matches!(message, Message::Failures(_))) {
            handed += 1;
            assert!(handed <= MUCH && desk.hand_in(failures(FEW), &inbox) && desk.hand_in(position(), &inbox));
        }
        assert!(desk.sit().out.len() < 2 * MUCH);
    }

    #[test]
    fn who_finds_the_desk_taken_leaves_a_message() {
        let (desk, inbox, receiver) = desk();
        let work = desk.sit();
        assert!(desk.hand_in(failures(1), &inbox));
        drop(work);
        assert!(matches!(receiver.try_recv(), Ok(Message::Failures(_))));
    }
}
