//! Where bans bite: a [`Firewall`] takes entries with a timeout and holds them without our help.
//!
//! [`Ipset`] puts them into the kernel's sets, [`DryRun`] only remembers them. Both keep the same contract
//! (`tests/firewall.rs`). What runs programs of the operator's choice is [`script`].

mod dry_run;
mod errno;
mod ipset;
mod link;
mod mend;
mod message;
mod netlink;
mod rule;
pub mod script;
mod set;

use std::net::IpAddr;

use ipnet::IpNet;

use crate::record::Record;

pub use dry_run::{Deed, DryRun};
pub use ipset::Ipset;

/// The firewall that a `banaction` of this name means: `ipset` or `dryrun`.
pub fn by_name(name: &str) -> Option<Box<dyn Firewall + Send>> {
    match name {
        "ipset" => Some(Box::new(Ipset::new())),
        "dryrun" => Some(Box::new(DryRun::new())),
        _ => None,
    }
}

/// The jail of bans by hand. It appears once it is used, so [`Firewall::start`] finds it by itself where an earlier run
/// left it.
pub const MANUAL: &str = "manual";

/// Something that can drop an address's packets.
///
/// Every call answers at once (a netlink message, or nothing at all); what runs programs does so in a worker.
pub trait Firewall {
    /// `ipset` or `dryrun`.
    fn name(&self) -> &'static str;

    /// Makes what is needed for these jails (sets, the list, one rule per family). Safe to call on what an earlier run left
    /// behind: bans of these jails and of [`MANUAL`] stay, jails not named any more go. What the host lacks is an error
    /// before anything is changed.
    fn start(&mut self, jails: &[String]) -> Result<(), FirewallError>;

    /// Makes room for one more jail, or for one that is there already, whose bans stay.
    fn add_jail(&mut self, jail: &str) -> Result<(), FirewallError>;

    /// Takes a jail's sets away with all that is in them.
    fn remove_jail(&mut self, jail: &str) -> Result<(), FirewallError>;

    /// So many bans of IPv4 and of IPv6 are to come: where nobody is banned yet, room is made for them.
    fn expect(&mut self, _jail: &str, _bans: [usize; 2]) {}

    /// Bans, or sets a new timeout where it is banned already. Many go in few messages. A timeout above
    /// [`Entry::MAX_TIMEOUT`] is cut down to it, one of `0` lasts a second. One entry that cannot be banned (a network
    /// of everybody, `/0`) is an error, and the others are banned all the same.
    fn ban(&mut self, jail: &str, entries: &[Entry]) -> Result<(), FirewallError>;

    /// Lifts a ban; one that is not there is no error.
    fn unban(&mut self, jail: &str, net: IpNet) -> Result<(), FirewallError>;

    /// Lifts every ban of a jail.
    fn flush(&mut self, jail: &str) -> Result<(), FirewallError>;

    /// Calls `take` for each that is banned right now; they may be a million.
    fn each(&mut self, jail: &str, take: &mut dyn FnMut(Entry)) -> Result<(), FirewallError>;

    /// What is banned right now.
    fn list(&mut self, jail: &str) -> Result<Vec<Entry>, FirewallError> {
        let mut entries = Vec::new();
        self.each(jail, &mut |entry| entries.push(entry))?;
        Ok(entries)
    }

    /// How many are banned right now, which may cost less than listing them.
    fn count(&mut self, jail: &str) -> Result<usize, FirewallError> {
        self.list(jail).map(|entries| entries.len())
    }

    /// Looks whether sets and rule are still in place and puts back what somebody took. Jails whose sets had to be made
    /// anew are empty now: the caller bans again whom it knows. Also says what was noted since the last call.
    fn check(&mut self) -> Result<Repaired, FirewallError>;

    /// Takes rules and sets away: nothing is banned any more.
    fn stop(&mut self) -> Result<(), FirewallError>;
}

/// One banned address or network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Entry {
    /// Who.
    pub net: IpNet,
    /// Seconds until the kernel lifts it by itself; `None`: never.
    pub timeout: Option<u32>,
}

impl Entry {
    /// The longest timeout that the kernel keeps; a longer one must be renewed by us.
    pub const MAX_TIMEOUT: u32 = 2_147_483;

    /// A host.
    pub fn host(ip: IpAddr, timeout: Option<u32>) -> Entry {
        Entry { net: ip.into(), timeout }
    }
}

/// What [`Firewall::check`] had to put back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Repaired {
    /// Jails whose sets were missing or cut off, and may be empty now.
    pub jails: Vec<String>,
    /// What happened, for the log.
    pub records: Vec<Record>,
}

/// The entries as a firewall keeps them (host bits cleared, timeouts within bounds), without those that nobody can mean,
/// and the error for those.
fn bannable(entries: &[Entry]) -> (Vec<Entry>, Option<FirewallError>) {
    let everybody = entries.iter().find(|e| e.net.prefix_len() == 0).map(|entry| {
        let why = "that is everybody; the largest networks that can be banned are the two halves, `/1`";
        FirewallError::Kernel(format!("cannot ban `{}`", entry.net), why.into())
    });
    let bannable = entries.iter().filter(|e| e.net.prefix_len() != 0).map(|entry| Entry {
        net: entry.net.trunc(),
        timeout: entry.timeout.map(|seconds| seconds.clamp(1, Entry::MAX_TIMEOUT)),
    });
    (bannable.collect(), everybody)
}

/// What a firewall refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FirewallError {
    /// The process may not do this; names the capability.
    #[error("{0} is missing")]
    Capability(&'static str),
    /// A program is missing or failed: its name and what it said.
    #[error("{0}: {1}")]
    Program(String, String),
    /// The kernel lacks support, or refused: what was tried and its answer.
    #[error("{0}: {1}")]
    Kernel(String, String),
    /// Another daemon uses it; its pid, as ` (pid N)`, where it is known.
    #[error("another daemon{0} bans with this kernel's sets already")]
    Taken(String),
    /// The jail has no set here.
    #[error("jail `{0}` is not known to the firewall")]
    UnknownJail(String),
}
