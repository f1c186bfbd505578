//! Looks out for those whom this host cannot do without: its own addresses, its gateway and name servers, who is logged in
//! by ssh, and the peers of its PBX. Nothing here waits for anybody: names stay names.
//!
//! Everything is looked at again with the daemon's tick. The PBX's files are read only where one of them changed.

mod logins;
mod network;

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::host;
use crate::addr::Id;
use crate::config::pbx::{self, Peer, Peers};
use crate::config::{Main, Problem};
use crate::ticket::Who;

/// What was seen.
#[derive(Default)]
pub struct Lookout {
    /// The files of the PBX, as they were read last, and from which folders.
    peers: Option<(Peers, [PathBuf; 2])>,
    seen: Vec<Peer>,
}

/// Something new.
pub struct Sight {
    /// Everybody.
    pub list: Vec<Peer>,
    /// What was passed over in files that were read just now.
    pub problems: Vec<Problem>,
}

impl Lookout {
    /// Looks around; `None`: all is as it was. Where nobody `wants` to know, nobody is there.
    pub fn look(&mut self, wanted: bool, main: &Main) -> Option<Sight> {
        let mut problems = Vec::new();
        let mut list = Vec::new();
        if wanted {
            let folders = [main.asteriskdir.clone(), main.freeswitchdir.clone()];
            if self.peers.as_ref().is_none_or(|(peers, from)| *from != folders || peers.shelf.changed()) {
                let mut peers = pbx::read(&folders[0], &folders[1]);
                problems = std::mem::take(&mut peers.problems);
                self.peers = Some((peers, folders));
            }
            list = surroundings();
            list.extend(self.peers.iter().flat_map(|(peers, _)| peers.list.iter().cloned()));
        } else {
            self.peers = None;
        }
        let news = list != self.seen || !problems.is_empty();
        self.seen.clone_from(&list);
        news.then_some(Sight { list, problems })
    }
}

/// What the host itself says.
fn surroundings() -> Vec<Peer> {
    let own = host::addresses().into_iter().map(Id::from).chain(["127.0.0.0/8", "::1"].map(Id::parse));
    let mut list: Vec<Peer> = own.map(|id| peer(id, "an address of this host")).collect();
    list.extend(network::gateways());
    list.extend(network::name_servers());
    list.extend(logins::all());
    list
}

fn peer(id: Id, why: impl Into<String>) -> Peer {
    Peer { who: Who::Id(id), why: why.into() }
}

/// A file of the host's, as far as it goes; nothing where it cannot be read.
fn bytes(path: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Ok(file) = File::open(path) {
        let _as_far_as_it_goes = file.take(LARGEST).read_to_end(&mut bytes);
    }
    bytes
}

fn text(path: impl AsRef<Path>) -> String {
    String::from_utf8_lossy(&bytes(path.as_ref())).into_owned()
}

/// A host with ten thousand routes has its default one among the first.
const LARGEST: u64 = 1 << 20;
