//! Addresses and networks as sorted, disjoint ranges: a hundred thousand of them are looked through in 17 steps.

use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use crate::addr::Id;

/// A set of addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ranges {
    v4: Vec<(u128, u128)>,
    v6: Vec<(u128, u128)>,
}

impl Ranges {
    /// Whether a part of `id` lies in the set: for one address, whether it is a member.
    pub fn touches(&self, id: &Id) -> bool {
        let Some(net) = id.as_net() else { return false };
        let (first, last) = bounds(net);
        let ranges = if net.addr().is_ipv4() { &self.v4 } else { &self.v6 };
        let next = ranges.partition_point(|(_, end)| *end < first);
        ranges.get(next).is_some_and(|(start, _)| *start <= last)
    }
}

impl<'a> FromIterator<&'a Id> for Ranges {
    /// Raw identities are no addresses and are passed over.
    fn from_iter<I: IntoIterator<Item = &'a Id>>(ids: I) -> Ranges {
        let mut ranges = Ranges::default();
        for net in ids.into_iter().filter_map(Id::as_net) {
            let family = if net.addr().is_ipv4() { &mut ranges.v4 } else { &mut ranges.v6 };
            family.push(bounds(net));
        }
        merge(&mut ranges.v4);
        merge(&mut ranges.v6);
        ranges
    }
}

fn merge(ranges: &mut Vec<(u128, u128)>) {
    ranges.sort_unstable();
    ranges.dedup_by(|next, kept| {
        let joins = next.0 <= kept.1;
        if joins {
            kept.1 = kept.1.max(next.1);
        }
        joins
    });
    ranges.shrink_to_fit();
}

fn bounds(net: IpNet) -> (u128, u128) {
    match net {
        IpNet::V4(net) => (number4(net.network()), number4(net.broadcast())),
        IpNet::V6(net) => (number6(net.network()), number6(net.broadcast())),
    }
}

fn number4(ip: Ipv4Addr) -> u128 {
    u128::from(u32::from(ip))
}

fn number6(ip: Ipv6Addr) -> u128 {
    u128::from(ip)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_found_and_neighbours_are_not() {
        let ids = ["198.51.100.7", "192.0.2.0/24", "192.0.2.128/25", "2001:db8::/32", "bob"].map(Id::parse);
        let ranges = Ranges::from_iter(&ids);
        for (text, inside) in [
            ("192.0.2.0", true),
            ("192.0.2.255", true),
            ("192.0.3.0", false),
            ("198.51.100.7", true),
            ("198.51.100.6", false),
            ("198.51.100.0/24", true),
            ("2001:db8:ffff::1", true),
            ("2001:db9::", false),
            ("::c000:200", false),
            ("bob", false),
        ] {
            assert_eq!(ranges.touches(&Id::parse(text)), inside, "{text}");
        }
    }
}
