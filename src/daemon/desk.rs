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
use crate::time::Timestamp;

/// The desk.
pub struct Desk {
    work: Mutex<Work>,
    /// Messages of the follower that wait in the inbox: what is newer must not overtake them.
    waiting: AtomicUsize,
}

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

    /// Takes in what the follower found.
    fn take(&mut self, found: Message) {
        let now = clock::now();
        match found {
            Message::Failures(failures) => {
                self.halfway = true;
                self.engine.handle(Event::Failures(failures), now, &mut self.out);
            }
            Message::Positions(positions) => {
                self.halfway = false;
                for (jail, position) in positions {
                    self.engine.handle(Event::Position { jail, position }, now, &mut self.out);
                }
            }
            _ => {}
        }
    }
}

impl Desk {
    /// A desk with this on it.
    pub fn new(engine: Engine) -> Arc<Desk> {
        let work = Work { engine, out: Vec::new(), halfway: false };
        Arc::new(Desk { work: Mutex::new(work), waiting: AtomicUsize::new(0) })
    }

    /// Sits down; waits until it is free.
    pub fn sit(&self) -> MutexGuard<'_, Work> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// For the loop: takes in what came from the follower through the inbox.
    pub fn taken(&self, found: Message) {
        self.sit().take(found);
        self.done();
    }

    /// For the loop: a message of the follower's was dealt with.
    pub fn done(&self) {
        self.waiting.fetch_sub(1, Ordering::Release);
    }

    /// For the follower: hands in what it has, here or through the inbox; `false`: nobody listens any more.
    pub fn hand_in(&self, message: Message, inbox: &Inbox) -> bool {
        let Some(message) = self.at_once(message, inbox) else { return true };
        if matches!(message, Message::Log(_)) {
            return inbox.send(message).is_ok();
        }
        self.waiting.fetch_add(1, Ordering::Relaxed);
        inbox.send(message).is_ok()
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
