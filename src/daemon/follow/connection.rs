//! A connection to a PBX's event interface, as a source of lines.
//!
//! A [`Connection`] never waits: it does what can be done now, and says by [`Connection::fd`] and [`Connection::due`] when
//! there is more to do. A name is looked up by a thread of its own before each connection, so a host that moves is found
//! again. One that is lost, refused, or says nothing to a question that is asked each minute, is begun anew after pauses
//! that grow from one second to a minute. The protocols themselves are `source`'s.

mod talk;
mod wire;

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::thread::Builder;

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, socket_with, sockopt};

use crate::command::status::Heard;
use crate::config::Server;
use crate::line::{Batch, Position};
use crate::record::{Level, Record};
use crate::source::Source;
use crate::source::event::News;
use crate::time::{Span, Timestamp};
use talk::{Talk, is_before};
use wire::Wire;

/// A server, whether or not it is connected now.
pub(super) struct Connection {
    server: Arc<Server>,
    stage: Stage,
    /// When it is tried again, and how long the pause was.
    again: Option<Timestamp>,
    pause: Span,
    heard: Heard,
    /// Broken events that nothing was said of yet, and when something was said last.
    unsaid: u64,
    said: Timestamp,
    /// It was said that nothing is told at all.
    wondered: bool,
}

enum Stage {
    Away,
    /// A thread asks for the host's addresses, and calls when it knows.
    LookingUp {
        answer: Receiver<Result<Vec<SocketAddr>, String>>,
        call: Arc<OwnedFd>,
        until: Timestamp,
    },
    /// To the first address; more may be left.
    Connecting {
        socket: OwnedFd,
        rest: Vec<SocketAddr>,
        until: Timestamp,
    },
    Talking(Box<Talk>),
}

impl Connection {
    /// Nothing happens before it is read.
    pub fn new(server: Arc<Server>) -> Connection {
        let (pause, unsaid, said) = (Span::default(), 0, Timestamp(i64::MIN / 2));
        let heard = Heard::default();
        Connection { server, stage: Stage::Away, again: None, pause, heard, unsaid, said, wondered: false }
    }

    /// To whom.
    pub fn server(&self) -> &Arc<Server> {
        &self.server
    }

    /// What `status` says of it.
    pub fn heard(&self) -> &Heard {
        &self.heard
    }

    /// What tells that there is something to do, and by what.
    pub fn fd(&self) -> Option<(BorrowedFd<'_>, PollFlags)> {
        match &self.stage {
            Stage::Away => None,
            Stage::LookingUp { call, .. } => Some((call.as_fd(), PollFlags::IN)),
            Stage::Connecting { socket, .. } => Some((socket.as_fd(), PollFlags::OUT)),
            Stage::Talking(talk) => {
                let more = if talk.has_output() { PollFlags::OUT } else { PollFlags::empty() };
                Some((talk.as_fd(), PollFlags::IN | more))
            }
        }
    }

    /// When it should be read next even if nothing is heard.
    pub fn due(&self) -> Option<Timestamp> {
        let stage = match &self.stage {
            Stage::Away => self.again,
            Stage::LookingUp { until, .. } | Stage::Connecting { until, .. } => Some(*until),
            Stage::Talking(talk) => Some(talk.due()),
        };
        let saying = (self.unsaid > 0).then(|| self.said + RARELY);
        stage.into_iter().chain(saying).min()
    }

    /// The next step of what is not connected yet; false: nothing can be done now.
    fn step(&mut self, now: Timestamp, log: &mut Vec<Record>) -> bool {
        match std::mem::replace(&mut self.stage, Stage::Away) {
            Stage::Away => {
                // A clock that was set back must not make a pause longer.
                if self.again.is_some_and(|again| again > now && again - now <= LONGEST) {
                    return false;
                }
                self.begin(now, log)
            }
            Stage::LookingUp { answer, call, until } => match answer.try_recv() {
                Ok(Ok(found)) => self.connect(found, now, log),
                Ok(Err(why)) => self.complain(format!("`{}` is not found: {why}", self.server.host), now, log),
                Err(TryRecvError::Empty) if is_before(now, until) => {
                    self.stage = Stage::LookingUp { answer, call, until };
                    false
                }
                Err(_) => self.complain(format!("nobody says where `{}` is", self.server.host), now, log),
            },
            Stage::Connecting { socket, rest, until } => {
                let decided = poll(&mut [PollFd::new(&socket, PollFlags::OUT)], Some(&Timespec::default())) != Ok(0);
                match sockopt::socket_error(&socket) {
                    Ok(Ok(())) if !decided && is_before(now, until) => {
                        self.stage = Stage::Connecting { socket, rest, until };
                        false
                    }
                    Ok(Ok(())) if decided => self.talk(TcpStream::from(socket), now, log),
                    _ if !rest.is_empty() => self.connect(rest, now, log),
                    Ok(Err(error)) | Err(error) => self.refused(error, now, log),
                    Ok(Ok(())) => self.complain("nobody answers".to_owned(), now, log),
                }
            }
            talking @ Stage::Talking(_) => {
                self.stage = talking;
                true
            }
        }
    }

    fn begin(&mut self, now: Timestamp, log: &mut Vec<Record>) -> bool {
        let Server { host, port, .. } = &*self.server;
        if let Ok(ip) = host.parse() {
            return self.connect(vec![SocketAddr::new(ip, *port)], now, log);
        }
        let started = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).map_err(Into::into).and_then(|call| {
            let call = Arc::new(call);
            let (sender, answer) = channel();
            let (host, port, caller) = (host.clone(), *port, call.clone());
            Builder::new().name("look-up".to_owned()).spawn(move || {
                let found = (host.as_str(), port).to_socket_addrs().map(Iterator::collect).map_err(|e| e.to_string());
                // Nobody waits for it any more, or is called.
                let _gone = sender.send(found);
                let _full = rustix::io::write(&*caller, &1u64.to_ne_bytes());
            })?;
            Ok::<_, std::io::Error>((answer, call))
        });
        match started {
            Ok((answer, call)) => {
                self.stage = Stage::LookingUp { answer, call, until: now + PATIENCE };
                false
            }
            Err(error) => self.complain(error.to_string(), now, log),
        }
    }

    fn connect(&mut self, mut to: Vec<SocketAddr>, now: Timestamp, log: &mut Vec<Record>) -> bool {
        while !to.is_empty() {
            let address = to.remove(0);
            let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
            let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
            let socket = match socket_with(family, SocketType::STREAM, flags, None) {
                Ok(socket) => socket,
                Err(error) if to.is_empty() => return self.refused(error, now, log),
                Err(_) => continue,
            };
            match connect(&socket, &address) {
                Ok(()) | Err(Errno::INPROGRESS) => {
                    self.stage = Stage::Connecting { socket, rest: to, until: now + PATIENCE };
                    return true;
                }
                Err(error) if to.is_empty() => return self.refused(error, now, log),
                Err(_) => {}
            }
        }
        self.complain(format!("`{}` has no address", self.server.host), now, log)
    }

    fn talk(&mut self, stream: TcpStream, now: Timestamp, log: &mut Vec<Record>) -> bool {
        let ends = (stream.local_addr(), stream.peer_addr());
        let (Ok(own), Ok(other)) = ends else { return self.refused(Errno::NOTCONN, now, log) };
        if own == other {
            // Where nobody listens a host may meet itself.
            return self.refused(Errno::CONNREFUSED, now, log);
        }
        // A question and its answer are small; waiting for more only delays them.
        let _slower = stream.set_nodelay(true);
        let secret = other.ip().is_loopback() || self.server.tls.is_some();
        let wire = match Wire::new(stream, &self.server) {
            Ok(wire) => wire,
            Err(why) => return self.complain(why, now, log),
        };
        let talk = Talk::new(&self.server, wire, secret, now);
        self.stage = Stage::Talking(Box::new(talk));
        true
    }

    fn refused(&mut self, error: Errno, now: Timestamp, log: &mut Vec<Record>) -> bool {
        self.complain(std::io::Error::from(error).to_string(), now, log)
    }

    /// Gives it up for a while; always false.
    fn complain(&mut self, why: String, now: Timestamp, log: &mut Vec<Record>) -> bool {
        if let Stage::Talking(talk) = std::mem::replace(&mut self.stage, Stage::Away)
            && talk.lasted(now)
        {
            self.pause = Span::default();
        }
        self.pause = Span((self.pause.0 * 2).clamp(SHORTEST.0, LONGEST.0));
        self.again = Some(now + self.pause);
        self.heard.since = None;
        if self.heard.trouble.as_ref() != Some(&why) {
            let text = format!("the events of {} cannot be heard: {why}; it is tried again", self.which());
            log.push(Record::new(Level::Error, PART, text));
            self.heard.trouble = Some(why);
        }
        false
    }

    /// Takes what a session found out.
    fn take(&mut self, news: News, now: Timestamp, sink: &mut dyn FnMut(Batch<'_>), log: &mut Vec<Record>) -> bool {
        if news.entered {
            self.heard.since = Some(now);
            self.heard.trouble = None;
            log.push(Record::new(Level::Info, PART, format!("the events of {} are heard", self.which())));
        }
        self.heard.events += news.events;
        self.heard.broken += news.broken;
        self.unsaid += news.broken;
        self.warn(now, log);
        if !news.lines.is_empty() {
            sink(Batch { bytes: &news.lines, live: true, time: Some(now) });
        }
        match news.refused {
            Some(why) => self.complain(why, now, log),
            None => true,
        }
    }

    /// Says how many events were broken, but not for each of them.
    fn warn(&mut self, now: Timestamp, log: &mut Vec<Record>) {
        let lately = (Span::default()..RARELY).contains(&(now - self.said));
        if self.unsaid > 0 && !lately {
            let text = format!(
                "{} broken events of {}: somebody tries to forge events; they are not believed",
                self.unsaid,
                self.which()
            );
            log.push(Record::new(Level::Warning, PART, text));
            (self.unsaid, self.said) = (0, now);
        }
    }

    fn which(&self) -> String {
        format!("`[{}]`", self.server.label())
    }
}

impl Source for Connection {
    fn read(&mut self, now: Timestamp, budget: usize, sink: &mut dyn FnMut(Batch<'_>), log: &mut Vec<Record>) -> bool {
        self.warn(now, log);
        loop {
            if matches!(self.stage, Stage::Talking(_)) {
                break;
            }
            if !self.step(now, log) {
                return false;
            }
        }
        let mut block = vec![0; BLOCK];
        let mut left = budget;
        while left > 0 {
            let Stage::Talking(talk) = &mut self.stage else { return false };
            match talk.read(&mut block, now) {
                Ok(None) => return self.complain("the connection was closed".to_owned(), now, log),
                Ok(Some((n, news))) => {
                    left = left.saturating_sub(n);
                    if !self.take(news, now, sink, log) {
                        return false;
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return self.complain(error.to_string(), now, log),
            }
        }
        let Stage::Talking(talk) = &mut self.stage else { return false };
        let silent = talk.is_silent(now);
        if talk.is_mute(now) && !std::mem::replace(&mut self.wondered, true) {
            let Server { username, .. } = &*self.server;
            let why = format!("does `[{username}]` in `manager.conf` say `read = security`?");
            let text = format!("`[{}]` tells no events: {why}", self.server.label());
            log.push(Record::new(Level::Warning, PART, text));
        }
        let sent = talk.send();
        match (sent, silent) {
            (Err(error), _) => self.complain(error.to_string(), now, log),
            (Ok(()), true) => self.complain("it says nothing any more".to_owned(), now, log),
            (Ok(()), false) => left == 0,
        }
    }

    /// What was missed while nobody listened is nowhere to be read.
    fn position(&self) -> Option<Position> {
        None
    }
}

/// What fail2ban calls the part that reads logs.
const PART: &str = "filter";

/// Pauses before another attempt.
const SHORTEST: Span = Span::from_secs(1);
const LONGEST: Span = Span::from_secs(60);

/// How long an address, a connection, a login or an answer may take.
const PATIENCE: Span = Span::from_secs(20);

/// Broken events are spoken of so often at most.
const RARELY: Span = Span::from_secs(60);

/// Read at once.
const BLOCK: usize = 32 * 1024;
