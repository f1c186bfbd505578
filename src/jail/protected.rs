//! Who is never banned, whatever he does: this host, its gateway and name servers, who is logged in, the peers of the PBX.
//!
//! Unlike `ignoreip`, his failures are counted and shown; only the ban does not come about, and that is said.

use std::net::IpAddr;

use crate::addr::Id;
use crate::config::pbx::Peer;
use crate::jail::ranges::Ranges;
use crate::ticket::Who;

/// All of them, with the addresses that names have now.
#[derive(Debug, Default)]
pub struct Protected {
    list: Vec<Peer>,
    /// Addresses of the list, each with its place there.
    known: Vec<(Id, usize)>,
    ranges: Ranges,
}

impl Protected {
    /// The list, `addresses` saying what a name means now.
    pub fn new(list: Vec<Peer>, addresses: impl Fn(&str) -> Vec<IpAddr>) -> Protected {
        let mut known = Vec::new();
        for (at, one) in list.iter().enumerate() {
            match &one.who {
                Who::Id(id) => known.push((id.clone(), at)),
                Who::Name(name) => known.extend(addresses(name).into_iter().map(|ip| (Id::from(ip), at))),
            }
        }
        let ranges = known.iter().map(|(id, _)| id).collect();
        Protected { list, known, ranges }
    }

    /// Whether a ban of `id` would hit one of them.
    pub fn touches(&self, id: &Id) -> bool {
        self.ranges.touches(id)
    }

    /// The first whom a ban of `id` would hit.
    pub fn hit(&self, id: &Id) -> Option<&Peer> {
        if !self.touches(id) {
            return None;
        }
        let hit = |known: &Id| known.contains(id) || id.contains(known);
        self.known.iter().find(|(known, _)| hit(known)).map(|(_, at)| &self.list[*at])
    }

    /// Each, with its addresses: none where a name is not resolved yet.
    pub fn iter(&self) -> impl Iterator<Item = (&Peer, Vec<&Id>)> {
        let of = |at: usize| {
            let from = self.known.partition_point(|(_, place)| *place < at);
            self.known[from..].iter().take_while(move |(_, place)| *place == at).map(|(id, _)| id).collect()
        };
        self.list.iter().enumerate().map(move |(at, one)| (one, of(at)))
    }

    /// The list.
    pub fn list(&self) -> &[Peer] {
        &self.list
    }

    /// Names that have to be looked up.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.list.iter().filter_map(|one| match &one.who {
            Who::Name(name) => Some(name.as_str()),
            Who::Id(_) => None,
        })
    }

    /// Whether the addresses are the same.
    pub fn is_like(&self, other: &Protected) -> bool {
        self.list == other.list && self.known == other.known
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(who: &str, why: &str) -> Peer {
        let who = match Id::parse(who) {
            Id::Raw(name) => Who::Name(name.into()),
            id => Who::Id(id),
        };
        Peer { who, why: why.into() }
    }

    #[test]
    fn a_ban_that_would_hit_one_of_them_is_told_whom() {
        let list =
            vec![one("192.0.2.1", "a"), one("sip.example", "b"), one("2001:db8::/48", "c"), one("none.example", "d")];
        let address: IpAddr = "198.51.100.1".parse().expect("one");
        let protected = Protected::new(list, |name| if name == "sip.example" { vec![address] } else { vec![] });
        for (id, why) in [
            ("192.0.2.1", Some("a")),
            ("192.0.2.0/24", Some("a")),
            ("192.0.2.2", None),
            ("198.51.100.1", Some("b")),
            ("2001:db8::5", Some("c")),
            ("2001:db8::/32", Some("c")),
            ("2001:db8:1::1", None),
            ("bob", None),
        ] {
            assert_eq!(protected.hit(&Id::parse(id)).map(|one| one.why.as_str()), why, "{id}");
        }
        let shown: Vec<usize> = protected.iter().map(|(_, ids)| ids.len()).collect();
        assert_eq!((shown, protected.names().count()), (vec![1, 1, 1, 0], 2));
    }
}
