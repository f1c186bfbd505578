//! Who is connected to the control socket, and who has to go when there are too many.

use std::io::{self, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// Who is connected, those who came first in front.
#[derive(Clone, Default)]
pub struct Clients(Arc<Mutex<Vec<Arc<Client>>>>);

/// A connection.
pub struct Client {
    /// To it and from it.
    pub stream: UnixStream,
    /// When it came, or was answered last.
    quiet_since: Mutex<Instant>,
    /// It has asked something and waits for the reply.
    asks: AtomicBool,
}

impl Clients {
    /// Takes one in; in place of one that asks nothing, if there are too many. Where none of them has been quiet for long,
    /// it waits for one that leaves. False: nobody did.
    pub fn enter(&self, client: &Arc<Client>) -> bool {
        let end = Instant::now() + CROWDED;
        loop {
            let mut all = self.all();
            if all.len() >= MAX_CLIENTS
                && let Some(silent) = all.iter().position(|client| client.is_silent())
            {
                let _gone = all.remove(silent).stream.shutdown(Shutdown::Both);
            }
            if all.len() < MAX_CLIENTS {
                all.push(Arc::clone(client));
                return true;
            }
            drop(all);
            if Instant::now() >= end {
                return false;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// It is gone.
    pub fn leave(&self, client: &Arc<Client>) {
        self.all().retain(|other| !Arc::ptr_eq(other, client));
    }

    /// Everyone.
    pub fn all(&self) -> MutexGuard<'_, Vec<Arc<Client>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Client {
    /// One that has just come.
    pub fn new(stream: UnixStream) -> Client {
        Client { stream, quiet_since: Mutex::new(Instant::now()), asks: AtomicBool::new(false) }
    }

    /// Neither asks nor has sent something that its thread has had no time to read.
    fn is_silent(&self) -> bool {
        let since = *self.quiet_since.lock().unwrap_or_else(PoisonError::into_inner);
        let mut fd = [PollFd::new(&self.stream, PollFlags::IN)];
        !self.asks() && since.elapsed() >= GRACE && matches!(poll(&mut fd, Some(&Timespec::default())), Ok(0))
    }

    /// Whether it waits for a reply.
    pub fn asks(&self) -> bool {
        self.asks.load(Ordering::Acquire)
    }

    /// Finds the reply to a request and sends it in one write: there are clients that cannot put two together.
    pub fn answer(&self, reply: impl FnOnce() -> Vec<u8>) -> io::Result<()> {
        self.asks.store(true, Ordering::Release);
        let sent = self.stream.set_write_timeout(Some(PATIENCE)).and_then(|()| (&self.stream).write_all(&reply()));
        *self.quiet_since.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        self.asks.store(false, Ordering::Release);
        sent
    }
}

/// How long a client may be silent in the middle of a request, or not take its reply.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Clients that are served at the same time.
pub const MAX_CLIENTS: usize = 64;

/// Nobody is sent away within this time after it came or was answered: it may be about to ask.
const GRACE: Duration = Duration::from_millis(500);

/// How long one who finds no place waits for one.
const CROWDED: Duration = Duration::from_secs(2);
