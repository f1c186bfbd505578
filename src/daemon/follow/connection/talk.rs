//! What is said on a connection that stands: the session's protocol, and whether the other is still there.

use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};

use super::wire::Wire;
use super::{LONGEST, PATIENCE};
use crate::config::{Protocol, Server};
use crate::source::event::News;
use crate::source::{ami, esl};
use crate::time::{Span, Timestamp};

/// One connection, from when it stands.
pub(super) struct Talk {
    wire: Wire,
    session: Session,
    began: Timestamp,
    entered: bool,
    /// When it said something last.
    heard: Timestamp,
    /// When it was asked whether it is still there, and has not answered.
    asked: Option<Timestamp>,
    /// Events that came on it.
    events: u64,
}

/// What is spoken on it.
enum Session {
    Ami(ami::Session),
    Esl(esl::Session),
}

impl Talk {
    /// With this server, which speaks first. A secret is sent as it is only if nobody else can read it.
    pub fn new(server: &Server, wire: Wire, here: bool, now: Timestamp) -> Talk {
        let session = match server.protocol {
            Protocol::Ami => Session::Ami(ami::Session::new(&server.username, &server.secret, here)),
            Protocol::Esl => Session::Esl(esl::Session::new(&server.secret)),
        };
        Talk { wire, session, began: now, entered: false, heard: now, asked: None, events: 0 }
    }

    /// Reads what is there, how much that was and what it says; `None`: the other has hung up.
    pub fn read(&mut self, block: &mut [u8], now: Timestamp) -> std::io::Result<Option<(usize, News)>> {
        let n = self.wire.read(block)?;
        if n == 0 {
            return Ok(None);
        }
        let mut news = News::default();
        self.session.take(&block[..n], &mut news);
        (self.heard, self.asked) = (now, None);
        self.entered |= news.entered;
        self.events += news.events;
        Ok(Some((n, news)))
    }

    /// When something has to be asked or given up.
    pub fn due(&self) -> Timestamp {
        match self.asked {
            _ if !self.entered => self.began + PATIENCE,
            Some(asked) => asked + PATIENCE,
            None => self.heard + OFTEN,
        }
    }

    /// Asks whether the server is there if it said nothing for long; true: it was asked, and said nothing.
    pub fn is_silent(&mut self, now: Timestamp) -> bool {
        // A clock that was set back would put it off.
        self.heard = self.heard.min(now);
        if is_before(now, self.due()) {
            return false;
        }
        if !self.entered || self.asked.is_some() {
            return true;
        }
        self.asked = Some(now);
        match &mut self.session {
            Session::Ami(session) => session.ping(),
            Session::Esl(session) => session.ping(),
        }
        false
    }

    /// Whether it was just asked for the first time, and has told nothing. Asterisk tells at least of our own login.
    pub fn is_mute(&self, now: Timestamp) -> bool {
        self.asked == Some(now) && self.events == 0 && matches!(self.session, Session::Ami(_))
    }

    /// Whether it was a good connection for a while.
    pub fn lasted(&self, now: Timestamp) -> bool {
        self.entered && !(Span::default()..LONGEST).contains(&(now - self.began))
    }

    /// Whether there is something left to be sent.
    pub fn has_output(&self) -> bool {
        let more = match &self.session {
            Session::Ami(session) => session.has_output(),
            Session::Esl(session) => session.has_output(),
        };
        more && self.wire.is_open() || self.wire.has_output()
    }

    /// Sends what can be sent now.
    pub fn send(&mut self) -> std::io::Result<()> {
        let Talk { wire, session, .. } = self;
        let output = session.output();
        while !output.is_empty() {
            match wire.write(output) {
                Ok(n) => drop(output.drain(..n)),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        match wire.flush() {
            Err(error) if error.kind() != ErrorKind::WouldBlock => Err(error),
            _ => Ok(()),
        }
    }
}

impl AsFd for Talk {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.wire.as_fd()
    }
}

impl Session {
    fn take(&mut self, bytes: &[u8], news: &mut News) {
        match self {
            Session::Ami(session) => session.take(bytes, news),
            Session::Esl(session) => session.take(bytes, news),
        }
    }

    fn output(&mut self) -> &mut Vec<u8> {
        match self {
            Session::Ami(session) => session.output(),
            Session::Esl(session) => session.output(),
        }
    }
}

/// Whether `until` is still to come, and not farther away than any of our times.
pub(super) fn is_before(now: Timestamp, until: Timestamp) -> bool {
    now < until && until - now <= LONGEST
}

/// After so much silence the server is asked whether it is there.
const OFTEN: Span = Span::from_secs(60);
