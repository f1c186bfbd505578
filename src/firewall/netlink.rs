//! ipset's questions and commands: one method for each thing that the kernel can be asked.
//!
//! A call is one message and its answer, about a microsecond; only many entries take more.

use std::ops::RangeInclusive;

use ipnet::IpNet;

use super::Entry;
use super::errno::Errno;
use super::link::{Link, NetlinkError};
use super::message::{Attrs, Body, Command, LIST_HEADER, NLM_F_ACK, NLM_F_EXCL, Request, attr};
use super::set::Family;

/// The kernel's ipset.
pub(super) struct Netlink(Link);

/// What a set is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Set {
    pub(super) name: String,
    /// `hash:net`, `list:set` …
    pub(super) kind: String,
    pub(super) family: u8,
    pub(super) timeouts: bool,
    pub(super) hashsize: u32,
    pub(super) elements: u32,
    /// How many rules and other sets use it.
    pub(super) references: u32,
    /// The sets in a `list:set`; empty unless asked for.
    pub(super) members: Vec<String>,
}

/// Entries that a set did not take; the others are in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rejected {
    pub(super) first: Entry,
    pub(super) why: Errno,
    pub(super) count: usize,
}

impl Netlink {
    pub(super) fn new() -> Netlink {
        Netlink(Link::new())
    }

    /// The newest protocol that the kernel speaks. Refused (`EINVAL`) by a kernel without ipset.
    pub(super) fn protocol(&mut self) -> Result<u8, NetlinkError> {
        self.0.ask(Command::Protocol, |_| {}, |attrs| attrs.find(attr::PROTOCOL)?.byte())
    }

    /// The revisions of a type that the kernel has.
    pub(super) fn revisions(&mut self, kind: &str, family: u8) -> Result<RangeInclusive<u8>, NetlinkError> {
        self.0.ask(
            Command::Type,
            |r| {
                r.text(attr::TYPENAME, kind).byte(attr::FAMILY, family);
            },
            |attrs| {
                let newest = attrs.find(attr::REVISION)?.byte()?;
                let oldest = attrs.find(attr::REVISION_MIN).and_then(|r| r.byte()).unwrap_or(newest);
                Some(oldest.min(newest)..=newest)
            },
        )
    }

    /// Makes a set of networks whose entries can end by themselves.
    pub(super) fn create_hash(
        &mut self,
        name: &str,
        family: Family,
        hashsize: u32,
        maxelem: u32,
    ) -> Result<(), NetlinkError> {
        self.create(name, "hash:net", family.number(), |r| {
            r.number(attr::TIMEOUT, 0).number(attr::HASHSIZE, hashsize).number(attr::MAXELEM, maxelem);
        })
    }

    /// Makes a list of sets.
    pub(super) fn create_list(&mut self, name: &str, size: u32) -> Result<(), NetlinkError> {
        self.create(name, "list:set", 0, |r| {
            r.number(attr::SIZE, size);
        })
    }

    fn create(
        &mut self,
        name: &str,
        kind: &str,
        family: u8,
        sizes: impl FnOnce(&mut Request<'_>),
    ) -> Result<(), NetlinkError> {
        let revisions = self.revisions(kind, family)?;
        let revision = REVISION.clamp(*revisions.start(), *revisions.end());
        self.0.command(Command::Create, NLM_F_EXCL, |r| {
            r.text(attr::SETNAME, name)
                .text(attr::TYPENAME, kind)
                .byte(attr::REVISION, revision)
                .byte(attr::FAMILY, family)
                .nest(attr::DATA, sizes);
        })
    }

    /// Destroys a set that nothing uses.
    pub(super) fn destroy(&mut self, name: &str) -> Result<(), NetlinkError> {
        self.0.command(Command::Destroy, 0, |r| {
            r.text(attr::SETNAME, name);
        })
    }

    /// Empties a set.
    pub(super) fn flush(&mut self, name: &str) -> Result<(), NetlinkError> {
        self.0.command(Command::Flush, 0, |r| {
            r.text(attr::SETNAME, name);
        })
    }

    /// Exchanges what two sets of one type hold; who used the one goes on using its name.
    pub(super) fn swap(&mut self, one: &str, other: &str) -> Result<(), NetlinkError> {
        self.0.command(Command::Swap, 0, |r| {
            r.text(attr::SETNAME, one).text(attr::SETNAME2, other);
        })
    }

    /// Adds entries, or sets their timeout anew. A bad entry does not keep the others out.
    pub(super) fn add(&mut self, set: &str, entries: &[Entry]) -> Result<Option<Rejected>, NetlinkError> {
        let mut rejected: Option<Rejected> = None;
        let mut reject = |entry: &Entry, why, count| match &mut rejected {
            Some(rejected) => rejected.count += count,
            None => rejected = Some(Rejected { first: *entry, why, count }),
        };
        let mut rest = entries;
        while !rest.is_empty() {
            let batch = &rest[..rest.len().min(BATCH)];
            match self.add_batch(set, batch)? {
                None => rest = &rest[batch.len()..],
                Some((line, why)) => {
                    let full = why == Errno::HASH_FULL;
                    reject(&batch[line - 1], why, if full { rest.len() - (line - 1) } else { 1 });
                    rest = if full { &[] } else { &rest[line..] };
                }
            }
        }
        Ok(rejected)
    }

    /// One message; the kernel stops at the first entry that it does not take: gives its number, from 1.
    fn add_batch(&mut self, set: &str, batch: &[Entry]) -> Result<Option<(usize, Errno)>, NetlinkError> {
        let mut line = None;
        let sequence = self.0.send(Command::Add, NLM_F_ACK, |r| {
            r.text(attr::SETNAME, set);
            match batch {
                [entry] => {
                    r.nest(attr::DATA, |r| {
                        r.entry(entry);
                    });
                }
                _ => {
                    r.line(0).nest(attr::ADT, |r| {
                        for (n, entry) in (1..).zip(batch) {
                            r.nest(attr::DATA, |r| {
                                r.entry(entry).line(n);
                            });
                        }
                    });
                }
            }
        })?;
        let answer = self.0.receive(sequence, |body| match body {
            Body::Answer(code, attrs) => {
                line = attrs.find(attr::LINENO).and_then(|l| l.number());
                Some(code)
            }
            _ => None,
        })?;
        let why = Errno(answer);
        match (why, batch.len(), line) {
            (Errno(0), _, _) => Ok(None),
            (Errno(4103..), 1, _) => Ok(Some((1, why))),
            (_, n, Some(line)) if (1..=n).contains(&(line as usize)) => Ok(Some((line as usize, why))),
            _ => Err(NetlinkError::Refused(why)),
        }
    }

    /// Takes an entry away; `false` where it was not there.
    pub(super) fn del(&mut self, set: &str, net: IpNet) -> Result<bool, NetlinkError> {
        yes_or_no(self.0.command(Command::Del, 0, |r| {
            r.text(attr::SETNAME, set).nest(attr::DATA, |r| {
                r.net(net);
            });
        }))
    }

    /// Whether a packet from this address or network would match.
    pub(super) fn test(&mut self, set: &str, net: IpNet) -> Result<bool, NetlinkError> {
        yes_or_no(self.0.command(Command::Test, 0, |r| {
            r.text(attr::SETNAME, set).nest(attr::DATA, |r| {
                r.net(net);
            });
        }))
    }

    /// Puts a set into a list; it may be there already.
    pub(super) fn add_member(&mut self, list: &str, set: &str) -> Result<(), NetlinkError> {
        self.0
            .command(Command::Add, 0, |r| {
                r.text(attr::SETNAME, list).nest(attr::DATA, |r| {
                    r.text(attr::NAME, set);
                });
            })
            // A hash would say with the same number that it is full.
            .map_err(|e| if e.is(Errno::HASH_FULL) { NetlinkError::Refused(Errno::ENOENT) } else { e })
    }

    /// Takes a set out of a list; `false` where it was not there.
    pub(super) fn del_member(&mut self, list: &str, set: &str) -> Result<bool, NetlinkError> {
        yes_or_no(self.0.command(Command::Del, 0, |r| {
            r.text(attr::SETNAME, list).nest(attr::DATA, |r| {
                r.text(attr::NAME, set);
            });
        }))
    }

    /// The type and family of a set, without a look at what it holds; `None` where there is no such set.
    pub(super) fn header(&mut self, set: &str) -> Result<Option<Set>, NetlinkError> {
        let answer = self.0.ask(
            Command::Header,
            |r| {
                r.text(attr::SETNAME, set);
            },
            described,
        );
        some(answer)
    }

    /// What a set is; `None` where there is no such set.
    pub(super) fn describe(&mut self, set: &str) -> Result<Option<Set>, NetlinkError> {
        let mut found = None;
        let done = self.0.dump(Some(set), LIST_HEADER, |attrs| found = found.take().or_else(|| described(attrs)));
        Ok(some(done)?.and(found))
    }

    /// What every set of this namespace is.
    pub(super) fn sets(&mut self) -> Result<Vec<Set>, NetlinkError> {
        let mut found = Vec::new();
        self.0.dump(None, LIST_HEADER, |attrs| found.extend(described(attrs)))?;
        Ok(found)
    }

    /// What a list of sets is, with its members; `None` where there is no such set.
    pub(super) fn list(&mut self, list: &str) -> Result<Option<Set>, NetlinkError> {
        let mut found: Option<Set> = None;
        let done = self.0.dump(Some(list), 0, |attrs| {
            let set = match &mut found {
                Some(set) => set,
                None => match described(attrs) {
                    Some(set) => found.insert(set),
                    None => return,
                },
            };
            let names = contents(attrs).filter_map(|data| data.find(attr::NAME)?.text());
            set.members.extend(names.map(str::to_string));
        });
        Ok(some(done)?.and(found))
    }

    /// Calls `take` for everything that a set of networks holds.
    pub(super) fn entries(&mut self, set: &str, take: &mut dyn FnMut(Entry)) -> Result<(), NetlinkError> {
        self.0.dump(Some(set), 0, |attrs| contents(attrs).filter_map(Attrs::entry).for_each(&mut *take))
    }
}

fn described(attrs: Attrs<'_>) -> Option<Set> {
    let data = attrs.find(attr::DATA).map_or(Attrs(&[]), |d| d.inside());
    let number = |kind| data.find(kind).and_then(|a| a.number());
    Some(Set {
        name: attrs.find(attr::SETNAME)?.text()?.to_string(),
        kind: attrs.find(attr::TYPENAME)?.text()?.to_string(),
        family: attrs.find(attr::FAMILY)?.byte()?,
        timeouts: data.find(attr::TIMEOUT).is_some(),
        hashsize: number(attr::HASHSIZE).unwrap_or(0),
        elements: number(attr::ELEMENTS).unwrap_or(0),
        references: number(attr::REFERENCES).unwrap_or(0),
        members: Vec::new(),
    })
}

fn contents(attrs: Attrs<'_>) -> impl Iterator<Item = Attrs<'_>> {
    attrs.find(attr::ADT).into_iter().flat_map(|adt| adt.inside()).map(|data| data.inside())
}

fn yes_or_no(answer: Result<(), NetlinkError>) -> Result<bool, NetlinkError> {
    match answer {
        Ok(()) => Ok(true),
        Err(e) if e.is(Errno::ENTRY) || e.is(Errno::NO_MEMBER) => Ok(false),
        Err(e) => Err(e),
    }
}

fn some<T>(answer: Result<T, NetlinkError>) -> Result<Option<T>, NetlinkError> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(e) if e.is(Errno::ENOENT) => Ok(None),
        Err(e) => Err(e),
    }
}

/// Entries in one message.
const BATCH: usize = 512;

/// Of a set's type: with exceptions (`nomatch`) for those who add some by hand, and old enough for every `ipset` program
/// to show.
const REVISION: u8 = 2;
