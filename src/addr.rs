//! Whom a failure is counted against: an address, a network, or a name that only the filter understands.
//!
//! Text from a log or a command becomes an [`Id`] once, here, and is never parsed again.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use ipnet::IpNet;

/// The identity a jail counts and bans (fail2ban's `fid`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Id {
    /// One host.
    Ip(IpAddr),
    /// A network; never one that holds a single host.
    Net(IpNet),
    /// Anything else that a filter captured as `<F-ID>`; no firewall can ban it.
    Raw(Box<str>),
}

impl Id {
    /// Reads an address, `address/len`, `address/mask` or `[address]`; everything else is [`Id::Raw`].
    ///
    /// Host bits are cleared, `/32` and `/128` are dropped, `::ffff:a.b.c.d` becomes IPv4.
    pub fn parse(text: &str) -> Id {
        let bare = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(text);
        if let Some(ip) = ip(bare) {
            return Id::Ip(canonical(ip));
        }
        if let Some((addr, len)) = bare.split_once('/')
            && let Ok(ip) = addr.parse::<IpAddr>()
            && let Some(len) = prefix_len(ip, len)
        {
            return Id::net(ip, len);
        }
        Id::Raw(text.into())
    }

    /// The network of `ip` with `len` leading bits, or the host itself where `len` covers it whole.
    pub fn net(ip: IpAddr, len: u8) -> Id {
        let mapped = ip.is_ipv6() && canonical(ip).is_ipv4();
        let (ip, len) = if mapped { (canonical(ip), len.saturating_sub(96)) } else { (ip, len) };
        match IpNet::new(ip, len) {
            Ok(net) if net.prefix_len() < net.max_prefix_len() => Id::Net(net.trunc()),
            _ => Id::Ip(ip),
        }
    }

    /// As a network, for a firewall; `None` for a raw identity.
    pub fn as_net(&self) -> Option<IpNet> {
        match self {
            Id::Ip(ip) => Some(IpNet::from(*ip)),
            Id::Net(net) => Some(*net),
            Id::Raw(_) => None,
        }
    }

    /// The single address, where there is one.
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Id::Ip(ip) => Some(*ip),
            _ => None,
        }
    }

    /// Whether `other` lies inside this address or network.
    pub fn contains(&self, other: &Id) -> bool {
        match (self.as_net(), other.as_net()) {
            (Some(a), Some(b)) => a.contains(&b),
            _ => self == other,
        }
    }
}

/// How many leading bits of an address tell one owner from another: `subnet4`, `subnet6`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subnet {
    /// Of an IPv4 address; 32 is each address for itself.
    pub v4: u8,
    /// Of an IPv6 address; 128 is each address for itself.
    pub v6: u8,
}

impl Subnet {
    /// Each address for itself, as for fail2ban.
    pub const NONE: Subnet = Subnet { v4: 32, v6: 128 };

    /// The network by which an address is counted; `None`: by itself, and so is what is no single address, and what many
    /// share by its very kind.
    pub fn of(self, id: &Id) -> Option<Id> {
        match *id {
            Id::Ip(IpAddr::V4(_)) if self.v4 >= 32 => None,
            Id::Ip(IpAddr::V6(ip)) if self.v6 >= 128 || is_shared(ip) => None,
            Id::Ip(ip @ IpAddr::V4(_)) => Some(Id::net(ip, self.v4)),
            Id::Ip(ip @ IpAddr::V6(_)) => Some(Id::net(ip, self.v6)),
            Id::Net(_) | Id::Raw(_) => None,
        }
    }
}

impl Hash for Id {
    /// Few bytes, in one piece: every failure is looked up by this.
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            Id::Ip(IpAddr::V4(ip)) => state.write_u32((*ip).into()),
            Id::Ip(IpAddr::V6(ip)) => state.write_u128((*ip).into()),
            Id::Net(net) => net.hash(state),
            Id::Raw(text) => text.hash(state),
        }
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Id::Ip(ip) => ip.fmt(f),
            Id::Net(net) => net.fmt(f),
            Id::Raw(text) => f.write_str(text),
        }
    }
}

impl From<IpAddr> for Id {
    fn from(ip: IpAddr) -> Id {
        Id::Ip(canonical(ip))
    }
}

impl From<IpNet> for Id {
    fn from(net: IpNet) -> Id {
        Id::net(net.addr(), net.prefix_len())
    }
}

impl FromStr for Id {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Id, Self::Err> {
        Ok(Id::parse(text))
    }
}

/// An address as the standard library reads it. One of IPv4 comes with every failure, so it has a quick way.
pub fn ip(text: &str) -> Option<IpAddr> {
    let (mut bytes, mut part, mut digits, mut dots) = ([0; 4], 0u16, 0, 0);
    for byte in text.bytes() {
        match byte {
            b'0'..=b'9' if digits == 0 || part > 0 && digits < 3 => {
                part = part * 10 + u16::from(byte - b'0');
                digits += 1;
            }
            b'.' if digits > 0 && part < 256 && dots < 3 => {
                bytes[dots] = part as u8;
                (part, digits, dots) = (0, 0, dots + 1);
            }
            _ => return text.parse().ok(),
        }
    }
    bytes[3] = u8::try_from(part).ok()?;
    (dots == 3 && digits > 0).then(|| IpAddr::from(bytes))
}

/// Whether the networks around an address are nobody's own: all of IPv4 behind a translator (RFC 6052, RFC 8215), all who use
/// one server of Teredo's, all on the link.
fn is_shared(ip: Ipv6Addr) -> bool {
    matches!(ip.segments(), [0x64, 0xff9b, ..] | [0x2001, 0, ..]) || ip.is_unicast_link_local()
}

/// `::ffff:a.b.c.d` is the IPv4 address that it wraps.
fn canonical(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(ip, IpAddr::V4),
        IpAddr::V4(_) => ip,
    }
}

fn prefix_len(ip: IpAddr, text: &str) -> Option<u8> {
    let max = if ip.is_ipv4() { 32 } else { 128 };
    if let Ok(len) = text.parse::<u8>() {
        return (len <= max).then_some(len);
    }
    let bits = match text.parse::<IpAddr>().ok()? {
        IpAddr::V4(mask) if ip.is_ipv4() => u128::from(u32::from(mask)) << 96,
        IpAddr::V6(mask) if ip.is_ipv6() => u128::from(mask),
        _ => return None,
    };
    let len = bits.leading_ones();
    (len == 128 || bits << len == 0).then_some(len as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_print_as_fail2ban_prints_them() {
        for (text, shown) in [
            ("192.0.2.1", "192.0.2.1"),
            ("::ffff:1.2.3.4", "1.2.3.4"),
            ("::ffff:0102:0304", "1.2.3.4"),
            ("2001:DB8::0001", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("198.51.100.5/24", "198.51.100.0/24"),
            ("198.51.100.5/255.255.255.0", "198.51.100.0/24"),
            ("198.51.100.5/32", "198.51.100.5"),
            ("01.2.3.4", "01.2.3.4"),
            ("1.2.3", "1.2.3"),
            ("fe80::1%eth0", "fe80::1%eth0"),
            ("bob", "bob"),
            ("10.0.0.1/255.0.255.0", "10.0.0.1/255.0.255.0"),
        ] {
            assert_eq!(Id::parse(text).to_string(), shown, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn addresses_are_read_as_the_standard_library_reads_them(
            text in r"[0-9]{0,4}(\.[0-9]{0,4}){0,4}|(0|1|25[4-6])(\.(0|00|9|255|256|1000)){3}|[0-9a-f:.]{0,12}|::ffff:1(\.[0-9]{1,3}){3}|1\.2\.3\.4.?",
        ) {
            proptest::prop_assert_eq!(ip(&text), text.parse().ok(), "{}", text);
        }
    }

    #[test]
    fn one_owner_is_one_network() {
        let of = |v4, v6, id: &str| Subnet { v4, v6 }.of(&Id::parse(id)).map(|net| net.to_string());
        assert_eq!(of(32, 64, "2001:db8:1:2:3::4").as_deref(), Some("2001:db8:1:2::/64"));
        assert_eq!(of(24, 128, "192.0.2.7").as_deref(), Some("192.0.2.0/24"));
        let shared = ["64:ff9b::192.0.2.7", "64:ff9b:1::c000:207", "2001:0:c000:207::1", "fe80::1"];
        for id in ["192.0.2.7", "2001:db8::/48", "bob"].into_iter().chain(shared) {
            assert_eq!(of(32, 64, id), None, "{id}");
        }
        assert_eq!(Subnet::NONE.of(&Id::parse("2001:db8::1")), None);
    }

    #[test]
    fn a_network_contains_its_hosts() {
        assert!(Id::parse("192.0.2.0/24").contains(&Id::parse("192.0.2.77")));
        assert!(!Id::parse("192.0.2.0/24").contains(&Id::parse("192.0.3.1")));
        assert!(Id::parse("bob").contains(&Id::parse("bob")));
    }
}
