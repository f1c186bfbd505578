//! One daemon for one kernel: two with different sockets would take each other's sets away.
//!
//! The claim is a socket with a name in the kernel's own (abstract) namespace. That belongs to a network namespace, as
//! the sets and rules do, and it ends with the process however that ends.

use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};

use rustix::net::sockopt::socket_peercred;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};

use crate::error::{Error, Kind};
use crate::record::{Level, Record};

/// The claim; it holds as long as this lives.
pub struct Sole {
    _listener: Option<UnixListener>,
}

impl Sole {
    /// Claims this network namespace. Another daemon's claim is an error that names its pid; a user who has no say here
    /// and took the name hinders nobody, but is told of in `said`.
    pub fn claim(said: &mut Vec<Record>) -> Result<Sole, Error> {
        Sole::claim_name(NAME, said)
    }

    /// The pid of the daemon that holds the claim.
    pub fn held_by() -> Option<i32> {
        holder(NAME).map(|(pid, _)| pid)
    }

    fn claim_name(name: &[u8], said: &mut Vec<Record>) -> Result<Sole, Error> {
        let why = match SocketAddr::from_abstract_name(name).and_then(|name| UnixListener::bind_addr(&name)) {
            Ok(listener) => return Ok(Sole { _listener: Some(listener) }),
            Err(e) if e.kind() == io::ErrorKind::AddrInUse => match holder(name) {
                Some((pid, uid)) if uid != 0 && uid != rustix::process::geteuid().as_raw() => {
                    format!("the process {pid} of user {uid} took our name")
                }
                holder => {
                    let pid = holder.map_or(String::new(), |(pid, _)| format!(" (pid {pid})"));
                    let message = format!("another daemon{pid} bans with this kernel's sets already");
                    return Err(Error::new(Kind::Daemon, message).hint("stop it first; `--dry-run` runs beside it"));
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
        let first = Sole::claim_name(name.as_bytes(), &mut said).expect("nobody else has it");
        let second = Sole::claim_name(name.as_bytes(), &mut said).err().expect("it is taken");
        assert!(second.message.contains(&format!("(pid {})", std::process::id())), "{second}");
        drop(first);
        assert!(Sole::claim_name(name.as_bytes(), &mut said).is_ok());
        assert_eq!(said, []);
    }
}
