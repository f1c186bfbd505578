//! A conversation with the kernel's ipset over a netlink socket: requests out, answers in.
//!
//! The kernel answers within the call that sends; should it ever keep silent, waiting ends.

use std::io;
use std::os::fd::AsFd;

use netlink_sys::protocols::NETLINK_NETFILTER;
use netlink_sys::{Socket, SocketAddr};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::FirewallError;
use super::errno::Errno;
use super::message::{Attrs, Body, Command, Messages, NLM_F_ACK, NLM_F_DUMP, Request, attr};

/// The conversation. The socket is opened by the first request, in the network namespace of the thread that asks, and
/// anew after it failed.
pub(super) struct Link {
    socket: Option<Socket>,
    sequence: u32,
    patience: Timespec,
    out: Vec<u8>,
    inbox: Vec<u8>,
}

impl Link {
    pub(super) fn new() -> Link {
        let patience = Timespec { tv_sec: 5, tv_nsec: 0 };
        Link { socket: None, sequence: 0, patience, out: Vec::new(), inbox: Vec::with_capacity(INBOX) }
    }

    /// Does something and waits until it is done.
    pub(super) fn command(
        &mut self,
        command: Command,
        flags: u16,
        fill: impl FnOnce(&mut Request<'_>),
    ) -> Result<(), NetlinkError> {
        let sequence = self.send(command, flags | NLM_F_ACK, fill)?;
        let code = self.receive(sequence, |body| match body {
            Body::Answer(code, _) => Some(code),
            _ => None,
        })?;
        if code == 0 { Ok(()) } else { Err(NetlinkError::Refused(Errno(code))) }
    }

    /// Asks for one message and reads it.
    pub(super) fn ask<T>(
        &mut self,
        command: Command,
        fill: impl FnOnce(&mut Request<'_>),
        read: impl Fn(Attrs<'_>) -> Option<T>,
    ) -> Result<T, NetlinkError> {
        let sequence = self.send(command, 0, fill)?;
        self.receive(sequence, |body| match body {
            Body::Data(attrs) => Some(read(attrs).ok_or(NetlinkError::Garbled)),
            Body::Answer(0, _) | Body::Done(0) => Some(Err(NetlinkError::Garbled)),
            Body::Answer(code, _) | Body::Done(code) => Some(Err(NetlinkError::Refused(Errno(code)))),
            Body::Other => None,
        })?
    }

    /// Asks for a list and reads it message by message.
    pub(super) fn dump(
        &mut self,
        set: Option<&str>,
        flags: u32,
        mut read: impl FnMut(Attrs<'_>),
    ) -> Result<(), NetlinkError> {
        let sequence = self.send(Command::List, NLM_F_DUMP, |r| {
            if let Some(set) = set {
                r.text(attr::SETNAME, set);
            }
            if flags != 0 {
                r.number(attr::FLAGS, flags);
            }
        })?;
        let code = self.receive(sequence, |body| match body {
            Body::Data(attrs) => {
                read(attrs);
                None
            }
            Body::Answer(code, _) | Body::Done(code) => Some(code),
            Body::Other => None,
        })?;
        if code == 0 { Ok(()) } else { Err(NetlinkError::Refused(Errno(code))) }
    }

    /// Sends a request; gives its number, by which its answer is known.
    pub(super) fn send(
        &mut self,
        command: Command,
        flags: u16,
        fill: impl FnOnce(&mut Request<'_>),
    ) -> Result<u32, NetlinkError> {
        self.sequence = self.sequence.wrapping_add(1);
        let mut request = Request::new(&mut self.out, command, flags, self.sequence);
        fill(&mut request);
        request.finish();
        if self.socket.is_none() {
            self.socket = Some(open()?);
        }
        let socket = self.socket.as_ref().expect("opened above");
        loop {
            match socket.send(&self.out, 0) {
                Ok(_) => return Ok(self.sequence),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(self.broken(e)),
            }
        }
    }

    /// Reads messages until `read` says that it has what it waits for. Late answers to an earlier question are passed
    /// over.
    pub(super) fn receive<T>(
        &mut self,
        sequence: u32,
        mut read: impl FnMut(Body<'_>) -> Option<T>,
    ) -> Result<T, NetlinkError> {
        loop {
            let Some(socket) = &self.socket else { return Err(NetlinkError::Silent) };
            self.inbox.clear();
            match socket.recv(&mut self.inbox, MSG_DONTWAIT | MSG_TRUNC) {
                Ok(length) if length > self.inbox.len() => {
                    self.socket = None;
                    return Err(NetlinkError::Garbled);
                }
                Ok(_) => {}
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                    match poll(&mut [PollFd::new(&socket.as_fd(), PollFlags::IN)], Some(&self.patience)) {
                        Ok(0) => {
                            self.socket = None;
                            return Err(NetlinkError::Silent);
                        }
                        Ok(_) | Err(rustix::io::Errno::INTR) => continue,
                        Err(e) => return Err(self.broken(e.into())),
                    }
                }
                Err(e) => return Err(self.broken(e)),
            }
            for message in Messages(&self.inbox) {
                if message.sequence == sequence
                    && let Some(read) = read(message.body)
                {
                    return Ok(read);
                }
            }
        }
    }

    fn broken(&mut self, error: io::Error) -> NetlinkError {
        self.socket = None;
        NetlinkError::Io(error.to_string())
    }
}

/// Why the kernel was asked in vain.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NetlinkError {
    /// It refused.
    #[error("{0}")]
    Refused(Errno),
    /// There is no such conversation, or it broke.
    #[error("{0}")]
    Io(String),
    #[error("the kernel does not answer")]
    Silent,
    #[error("the kernel's answer cannot be read")]
    Garbled,
}

impl NetlinkError {
    /// Whether the kernel refused for this reason.
    pub(super) fn is(&self, why: Errno) -> bool {
        *self == NetlinkError::Refused(why)
    }

    /// The same for those outside, saying what was tried.
    pub(super) fn when(self, tried: impl Into<String>) -> FirewallError {
        if self.is(Errno::EPERM) {
            return FirewallError::Capability("CAP_NET_ADMIN");
        }
        FirewallError::Kernel(tried.into(), self.to_string())
    }
}

fn open() -> Result<Socket, NetlinkError> {
    let open = || {
        let mut socket = Socket::new(NETLINK_NETFILTER)?;
        socket.bind_auto()?;
        // A connected socket takes messages from the kernel alone.
        socket.connect(&SocketAddr::new(0, 0))?;
        Ok(socket)
    };
    open()
        .map_err(|e: io::Error| NetlinkError::Io(format!("no netlink socket to netfilter ({e}): `modprobe nfnetlink`")))
}

/// Larger than what the kernel puts into one receive (32 KiB), and than a refused batch with its echo.
const INBOX: usize = 64 * 1024;

const MSG_DONTWAIT: i32 = 0x40;
const MSG_TRUNC: i32 = 0x20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_that_says_nothing_is_not_waited_for_for_ever() {
        let mut link = Link::new();
        link.patience = Timespec { tv_sec: 0, tv_nsec: 1_000_000 };
        link.socket = Some(open().unwrap());
        assert_eq!(link.receive(1, |_| Some(())), Err(NetlinkError::Silent));
        assert!(link.socket.is_none(), "the next request begins anew");
    }
}
