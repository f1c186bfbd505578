//! One daemon for one kernel: two with different sockets would take each other's sets away.
//!
//! The claim is a socket with a name in the kernel's own (abstract) namespace. That belongs to a network namespace, as
//! the sets and rules do, and it ends with the process however that ends. It is made when the firewall is first used: a
//! daemon whose jails all run scripts of their own stands in nobody's way.

use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};

use ipnet::IpNet;
use rustix::net::sockopt::socket_peercred;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};

use crate::firewall::{Entry, Firewall, FirewallError, Repaired};
use crate::record::{Level, Record};

/// A firewall that nobody else uses while this lives.
pub struct Alone {
    firewall: Box<dyn Firewall + Send>,
    claim: Option<Sole>,
    said: Vec<Record>,
}

impl Alone {
    /// Nothing is claimed yet.
    pub fn new(firewall: Box<dyn Firewall + Send>) -> Alone {
        Alone { firewall, claim: None, said: Vec::new() }
    }

    /// Claims it now; it is claimed by its start otherwise.
    pub fn claim(&mut self) -> Result<(), FirewallError> {
        if self.claim.is_none() {
            self.claim = Some(Sole::claim(NAME, &mut self.said)?);
        }
        Ok(())
    }
}

impl Firewall for Alone {
    fn name(&self) -> &'static str {
        self.firewall.name()
    }

    fn start(&mut self, jails: &[String]) -> Result<(), FirewallError> {
        self.claim()?;
        self.firewall.start(jails)
    }

    fn add_jail(&mut self, jail: &str) -> Result<(), FirewallError> {
        self.firewall.add_jail(jail)
    }

    fn remove_jail(&mut self, jail: &str) -> Result<(), FirewallError> {
        self.firewall.remove_jail(jail)
    }

    fn expect(&mut self, jail: &str, bans: [usize; 2]) {
        self.firewall.expect(jail, bans);
    }

    fn ban(&mut self, jail: &str, entries: &[Entry]) -> Result<(), FirewallError> {
        self.firewall.ban(jail, entries)
    }

    fn unban(&mut self, jail: &str, net: IpNet) -> Result<(), FirewallError> {
        self.firewall.unban(jail, net)
    }

    fn flush(&mut self, jail: &str) -> Result<(), FirewallError> {
        self.firewall.flush(jail)
    }

    fn each(&mut self, jail: &str, take: &mut dyn FnMut(Entry)) -> Result<(), FirewallError> {
        self.firewall.each(jail, take)
    }

    fn count(&mut self, jail: &str) -> Result<usize, FirewallError> {
        self.firewall.count(jail)
    }

    fn check(&mut self) -> Result<Repaired, FirewallError> {
        let found = self.firewall.check()?;
        let records = self.said.drain(..).chain(found.records).collect();
        Ok(Repaired { records, ..found })
    }

    /// What another daemon holds is not taken away.
    fn stop(&mut self) -> Result<(), FirewallError> {
        self.claim()?;
        let stopped = self.firewall.stop();
        self.claim = None;
        stopped
    }
}

/// The pid of the daemon that bans here.
pub fn held_by() -> Option<i32> {
    holder(NAME).map(|(pid, _)| pid)
}

/// The claim; it holds as long as this lives.
struct Sole {
    _listener: Option<UnixListener>,
}

impl Sole {
    /// Claims this network namespace. Another daemon's claim is an error that names its pid; a user who has no say here
    /// and took the name hinders nobody, but is told of in `said`.
    fn claim(name: &[u8], said: &mut Vec<Record>) -> Result<Sole, FirewallError> {
        let why = match SocketAddr::from_abstract_name(name).and_then(|name| UnixListener::bind_addr(&name)) {
            Ok(listener) => return Ok(Sole { _listener: Some(listener) }),
            Err(e) if e.kind() == io::ErrorKind::AddrInUse => match holder(name) {
                Some((pid, uid)) if uid != 0 && uid != rustix::process::geteuid().as_raw() => {
                    format!("the process {pid} of user {uid} took our name")
                }
                holder => {
                    let pid = holder.map_or(String::new(), |(pid, _)| format!(" (pid {pid})"));
                    return Err(FirewallError::Taken(pid));
                }
            },
            Err(e) => e.to_string(),
        };
        let text = format!("cannot make sure that no other daemon bans here: {why}");
        said.push(Record::new(Level::Warning, "server", text));
        Ok(Sole { _listener: None })
    }
}

/// Pid and user of the one who holds the name. He may be too busy to be asked; that is no reason to wait.
fn holder(name: &[u8]) -> Option<(i32, u32)> {
    let socket =
        socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC, None);
    let socket = socket.ok()?;
    connect(&socket, &SocketAddrUnix::new_abstract_name(name).ok()?).ok()?;
    let peer = socket_peercred(&socket).ok()?;
    Some((peer.pid.as_raw_nonzero().get(), peer.uid.as_raw()))
}

const NAME: &[u8] = b"sipjail";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_claim_names_the_first_ones_pid_until_that_ends() {
        let name = format!("sipjail-test-{}", std::process::id());
        let mut said = Vec::new();
        let first = Sole::claim(name.as_bytes(), &mut said).expect("nobody else has it");
        let second = Sole::claim(name.as_bytes(), &mut said).err().expect("it is taken");
        assert!(second.to_string().contains(&format!("(pid {})", std::process::id())), "{second}");
        drop(first);
        assert!(Sole::claim(name.as_bytes(), &mut said).is_ok());
        assert_eq!(said, []);
    }
}
