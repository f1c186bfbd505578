//! The thread that follows: it sleeps until a directory reports something, a journal or a PBX has something, somebody calls,
//! or something is due.

use std::cell::Cell;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread::JoinHandle;

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};

use crate::line::Position;
use crate::time::{Span, Timestamp};

use super::super::clock;
use super::super::inbox::Message;
use super::watch::{Heard, Watch};
use super::{FollowJail, Logs};

/// Says what time it is.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// The thread that follows, as others hold it.
pub struct Follower {
    orders: Sender<Order>,
    wake: Arc<OwnedFd>,
    thread: JoinHandle<()>,
}

enum Order {
    Reload(Vec<FollowJail>),
    Put(Box<FollowJail>),
    Remove(String),
    Remember(Vec<(String, Position)>),
    Look,
    Stop,
}

impl Follower {
    /// Starts following, from the positions that each jail had in an earlier run.
    ///
    /// Everything is handed in through `hand_in`; while that does not return nothing is read, and when it gives `false` nobody
    /// listens any more.
    pub fn start(
        jails: Vec<FollowJail>,
        saved: Vec<(String, Position)>,
        hand_in: impl FnMut(Message) -> bool + Send + 'static,
    ) -> io::Result<Follower> {
        Follower::with_clock(jails, saved, Arc::new(clock::now), hand_in)
    }

    /// The same with another clock.
    pub fn with_clock(
        mut jails: Vec<FollowJail>,
        saved: Vec<(String, Position)>,
        clock: Clock,
        hand_in: impl FnMut(Message) -> bool + Send + 'static,
    ) -> io::Result<Follower> {
        let mut others = Vec::new();
        for (name, position) in saved {
            match jails.iter_mut().find(|jail| *jail.name == *name) {
                Some(jail) => jail.saved.push(position),
                None => others.push((name, position)),
            }
        }
        let mut logs = Logs::new(jails);
        logs.remember(others);
        let (orders, receiver) = channel();
        let wake = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
        let call = wake.clone();
        let thread = std::thread::Builder::new()
            .name("follow".to_owned())
            .spawn(move || run(logs, &receiver, &call, &*clock, hand_in))?;
        Ok(Follower { orders, wake, thread })
    }

    /// Other jails from now on, see [`Logs::reload`].
    pub fn reload(&self, jails: Vec<FollowJail>) {
        self.order(Order::Reload(jails));
    }

    /// One jail more, or other settings for one, see [`Logs::put`].
    pub fn put(&self, jail: FollowJail) {
        self.order(Order::Put(Box::new(jail)));
    }

    /// One jail less, see [`Logs::remove`].
    pub fn remove(&self, name: &str) {
        self.order(Order::Remove(name.to_owned()));
    }

    /// Positions of jails that come later, see [`Logs::remember`].
    pub fn remember(&self, saved: Vec<(String, Position)>) {
        self.order(Order::Remember(saved));
    }

    /// Looks at everything, also where nothing was heard; to be called now and then.
    pub fn look(&self) {
        self.order(Order::Look);
    }

    /// Asks the thread to end. It may be waiting for room in the inbox, and sends last positions: take messages until
    /// [`Follower::is_finished`].
    pub fn stop(&self) {
        self.order(Order::Stop);
    }

    /// Whether the thread has ended.
    pub fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }

    fn order(&self, order: Order) {
        // Nobody takes orders from a thread that has ended, and a full counter wakes it as well.
        let _ = self.orders.send(order);
        let _ = rustix::io::write(&*self.wake, &1u64.to_ne_bytes());
    }
}

fn run(
    mut logs: Logs,
    orders: &Receiver<Order>,
    wake: &OwnedFd,
    clock: &(dyn Fn() -> Timestamp + Send + Sync),
    mut hand_in: impl FnMut(Message) -> bool,
) {
    let mut watch = Watch::new();
    let listens = Cell::new(true);
    let mut sink = |message| listens.set(listens.get() && hand_in(message));
    let mut looked_at = clock();
    let mut look = false;
    while listens.get() {
        let now = clock();
        look |= !watch.is_reliable() && !(Span::default()..SHORT).contains(&(now - looked_at));
        // All orders, since one call may have been for several of them.
        match orders.try_recv() {
            Ok(Order::Reload(jails)) => {
                logs.reload(jails, now, &mut sink);
                continue;
            }
            Ok(Order::Put(jail)) => {
                logs.put(*jail, now, &mut sink);
                continue;
            }
            Ok(Order::Remove(name)) => {
                logs.remove(&name, now, &mut sink);
                continue;
            }
            Ok(Order::Remember(saved)) => {
                logs.remember(saved);
                continue;
            }
            Ok(Order::Look) => {
                look = true;
                continue;
            }
            Ok(Order::Stop) | Err(TryRecvError::Disconnected) => break,
            Err(TryRecvError::Empty) => {}
        }
        if std::mem::take(&mut look) {
            looked_at = now;
            logs.touch_all();
        }
        // First the watch, then the reading: what happens after it is heard of, and what happened before it is seen.
        while logs.look(now, &mut sink) {
            if watch.set(&logs.directories()) {
                logs.touch_all();
            }
        }
        let more = logs.step(now, &mut sink);
        if !listens.get() {
            break;
        }
        let net = (!watch.is_reliable()).then_some(looked_at + SHORT);
        let until = if more { Some(now) } else { logs.due().into_iter().chain(net).min() };
        sleep(&logs, &watch, wake, until.map(|until| until - clock()));
        watch.listen(&mut |heard| match heard {
            Heard::Name(directory, name, change) => logs.heard(directory, name, change),
            Heard::Anything => logs.touch_all(),
        });
    }
    logs.finish(clock(), &mut sink);
}

/// Waits until something is heard, somebody calls, or the time is over, if there is one.
fn sleep(logs: &Logs, watch: &Watch, wake: &OwnedFd, time: Option<Span>) {
    let micros = time.map(|time| time.0.clamp(0, LONG.0));
    let time = micros.map(|micros| Timespec { tv_sec: micros / 1_000_000, tv_nsec: micros % 1_000_000 * 1000 });
    let mut fds = vec![PollFd::new(wake, PollFlags::IN)];
    fds.extend(watch.fd().map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)));
    fds.extend(logs.fds().map(|(fd, by)| PollFd::from_borrowed_fd(fd, by)));
    // Interrupted or not: whoever calls looks for himself.
    let _ = poll(&mut fds, time.as_ref());
    let _ = rustix::io::read(wake, &mut [0u8; 8]);
}

/// A clock that is set back must not put off what is due.
const LONG: Span = Span::from_secs(30);

/// A net under everything that might not be heard, where directories do not report, or not everything. Elsewhere whoever
/// holds the follower asks it to look.
const SHORT: Span = Span::from_secs(1);
