//! The thread that follows: it sleeps until a directory reports something, somebody calls, or something is due.

use std::cell::Cell;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread::JoinHandle;

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};

use crate::time::{Span, Timestamp};

use super::watch::{Heard, Watch};
use super::{FollowEvent, FollowJail, Follower};

/// Says what time it is.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// The thread that follows, as others hold it.
pub struct Handle {
    control: Sender<Control>,
    wake: Arc<OwnedFd>,
    thread: JoinHandle<()>,
}

enum Control {
    Reload(Vec<FollowJail>),
    Rescan,
    Stop,
}

/// Starts following in a thread of its own.
///
/// `send` gets every event; it may wait (then nothing is read meanwhile), and says whether anybody still listens:
/// `move |event| inbox.send(event).is_ok()`. The last event is [`FollowEvent::Stopped`].
pub fn start(
    jails: Vec<FollowJail>,
    clock: Clock,
    send: impl FnMut(FollowEvent) -> bool + Send + 'static,
) -> io::Result<Handle> {
    let (control, orders) = channel();
    let wake = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
    let call = wake.clone();
    let thread = std::thread::Builder::new()
        .name("follow".to_owned())
        .spawn(move || run(Follower::new(jails), &orders, &call, &*clock, send))?;
    Ok(Handle { control, wake, thread })
}

impl Handle {
    /// Other jails from now on, see [`Follower::reload`].
    pub fn reload(&self, jails: Vec<FollowJail>) {
        self.order(Control::Reload(jails));
    }

    /// Looks at everything now.
    pub fn rescan(&self) {
        self.order(Control::Rescan);
    }

    /// Asks the thread to end. It may still have events to send: take them up to [`FollowEvent::Stopped`], then
    /// [`Handle::join`].
    pub fn stop(&self) {
        self.order(Control::Stop);
    }

    /// Whether the thread has ended, for whatever reason.
    pub fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }

    /// Waits for the thread.
    pub fn join(self) {
        // A panic over there has been reported by its hook; here is nothing left to do about it.
        let _ = self.thread.join();
    }

    fn order(&self, order: Control) {
        // Nobody takes orders from a thread that has ended, and a full counter wakes it as well.
        let _ = self.control.send(order);
        let _ = rustix::io::write(&*self.wake, &1u64.to_ne_bytes());
    }
}

fn run(
    mut follower: Follower,
    orders: &Receiver<Control>,
    wake: &OwnedFd,
    clock: &(dyn Fn() -> Timestamp + Send + Sync),
    mut send: impl FnMut(FollowEvent) -> bool,
) {
    let mut watch = Watch::new();
    let listens = Cell::new(true);
    let mut sink = |event| listens.set(listens.get() && send(event));
    let mut looked_at = clock();
    while listens.get() {
        let now = clock();
        match orders.try_recv() {
            Ok(Control::Reload(jails)) => {
                follower.reload(jails, now, &mut sink);
                continue;
            }
            Ok(Control::Rescan) => {
                follower.touch_all();
                continue;
            }
            Ok(Control::Stop) | Err(TryRecvError::Disconnected) => break,
            Err(TryRecvError::Empty) => {}
        }
        let rest = if watch.is_reliable() { LONG } else { SHORT };
        if !(Span::default()..rest).contains(&(now - looked_at)) {
            looked_at = now;
            follower.touch_all();
        }
        // First the watch, then the reading: what is written after it is heard of.
        if follower.look(now, &mut sink) {
            watch.set(&follower.directories());
        }
        let more = follower.step(now, &mut sink);
        let until = follower.due().unwrap_or(now + LONG).min(looked_at + rest);
        sleep(&watch, wake, if more { Span::default() } else { until - clock() });
        watch.listen(&mut |heard| match heard {
            Heard::Name(directory, name, change) => follower.heard(directory, name, change),
            Heard::Anything => follower.touch_all(),
        });
    }
    follower.finish(clock(), &mut sink);
    sink(FollowEvent::Stopped);
}

/// Waits until something is heard, somebody calls, or the time is over.
fn sleep(watch: &Watch, wake: &OwnedFd, time: Span) {
    let micros = time.0.clamp(0, LONG.0);
    let time = Timespec { tv_sec: micros / 1_000_000, tv_nsec: micros % 1_000_000 * 1000 };
    let mut fds = vec![PollFd::new(wake, PollFlags::IN)];
    fds.extend(watch.fd().map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)));
    // Interrupted or not: whoever calls looks for himself.
    let _ = poll(&mut fds, Some(&time));
    let _ = rustix::io::read(wake, &mut [0u8; 8]);
}

/// A net under everything that might not be heard.
const LONG: Span = Span::from_secs(30);

/// The same where directories do not report, or not everything.
const SHORT: Span = Span::from_secs(1);
