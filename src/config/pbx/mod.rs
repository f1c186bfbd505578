//! The peers of a PBX, as its own files name them: trunks, registrars, proxies. Read so that they are never banned.
//!
//! Only what an operator wrote counts; what phones register lies in databases that nobody reads here. Each dialect has a
//! small reader of its own. Files are the host's, but some are written by web pages and by hand in a hurry: nothing in them
//! may take more than bounded time and memory, and what cannot be understood is passed over and said.

pub mod asterisk;
pub mod host;
pub mod shelf;
pub mod sofia;

use std::path::Path;

use super::{Origin, Problem, Severity};
use crate::addr::Id;
use crate::ticket::Who;
use shelf::Shelf;

/// Somebody whom this host or its PBX cannot do without.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// An address, a network, or a host name that has to be looked up.
    pub who: Who,
    /// In which role, and where that is written.
    pub why: String,
}

/// What the files say.
#[derive(Debug, Default)]
pub struct Peers {
    /// In the order of the files.
    pub list: Vec<Peer>,
    /// What was passed over.
    pub problems: Vec<Problem>,
    /// What was looked at, to see whether it changes.
    pub shelf: Shelf,
    room: Room,
}

/// How many more are taken in.
#[derive(Debug)]
struct Room {
    addresses: usize,
    /// Each is looked up every few minutes.
    names: usize,
    /// That they are too many.
    said: bool,
}

impl Default for Room {
    fn default() -> Room {
        Room { addresses: 20_000, names: 500, said: false }
    }
}

/// Reads the files of an Asterisk and of a FreeSWITCH; neither folder need exist.
pub fn read(asterisk: &Path, freeswitch: &Path) -> Peers {
    let mut peers = Peers::default();
    asterisk::read(asterisk, &mut peers);
    sofia::read(freeswitch, &mut peers);
    peers
}

impl Peers {
    /// Takes in what stands at a place, if it names a host.
    fn take(&mut self, text: &str, role: &str, origin: &Origin) {
        let Some(who) = host::who(text) else { return };
        if let Who::Id(Id::Net(net)) = who
            && net.prefix_len() < COARSEST
        {
            let problem = Problem::new(
                Severity::Warning,
                origin.clone(),
                format!("`{net}` is half a world: it is not protected"),
            );
            return self.problems.push(problem.hint(format!("name networks of /{COARSEST} and longer")));
        }
        let (room, what) = match who {
            Who::Name(_) => (&mut self.room.names, "host names"),
            Who::Id(_) => (&mut self.room.addresses, "addresses"),
        };
        if *room == 0 {
            if !std::mem::replace(&mut self.room.said, true) {
                let message = format!("the files name too many {what}: those from here on are not protected");
                self.problems.push(Problem::new(Severity::Warning, origin.clone(), message));
            }
            return;
        }
        *room -= 1;
        self.list.push(Peer { who, why: format!("{role} in {origin}") });
    }
}

/// A shorter prefix is taken for a slip of the pen.
const COARSEST: u8 = 8;

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::Peers;

    /// What a reader makes of a folder with these files: who with why, and what was passed over.
    pub fn read_all(read: fn(&Path, &mut Peers), files: &[(&str, &str)]) -> (Vec<String>, Vec<String>) {
        let dir = tempfile::tempdir().expect("a directory");
        for (name, text) in files {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().expect("it has one")).expect("made");
            fs::write(path, text).expect("written");
        }
        let mut peers = Peers::default();
        read(dir.path(), &mut peers);
        let root = format!("{}/", dir.path().display());
        let shown = peers.list.iter().map(|peer| format!("{} {}", peer.who, peer.why.replace(&root, "")));
        (shown.collect(), peers.problems.into_iter().map(|problem| problem.message).collect())
    }
}
