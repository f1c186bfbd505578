//! What our sets are called and how large they are.
//!
//! A jail has one set per address family, `sipjail4-JAIL` and `sipjail6-JAIL`; all of them are members of the list
//! `sipjail`, which is what the rules match.

use ipnet::IpNet;
use sha1::{Digest, Sha1};

/// The `list:set` that holds all sets of all jails.
pub(super) const LIST: &str = "sipjail";

/// A set that is being filled with another size before it takes the place of its predecessor. No jail's set can have
/// this name.
pub(super) const SPARE: &str = "sipjail-resize";

/// What a set takes at most. More entries than this are no ban list any more; it keeps what a flood of forged addresses
/// can take of the kernel's memory below some 100 MB a set.
///
/// Each part of a set takes only its share of this, and one that is full is looked through for what has ended with every
/// further entry: so there is room for twice a million.
pub(super) const MAXELEM: u32 = 2_097_152;

/// Buckets of a new set, 32 KB: ten thousand entries fit in before the kernel rebuilds it, for which it waits for all
/// processors.
pub(super) const HASHSIZE: u32 = 4096;

/// The room in a list of sets when it is made.
pub(super) const LIST_SIZE: u32 = 64;

/// An address family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Family {
    V4,
    V6,
}

impl Family {
    pub(super) const BOTH: [Family; 2] = [Family::V4, Family::V6];

    /// The family of a network.
    pub(super) fn of(net: IpNet) -> Family {
        match net {
            IpNet::V4(_) => Family::V4,
            IpNet::V6(_) => Family::V6,
        }
    }

    /// The kernel's number for it.
    pub(super) fn number(self) -> u8 {
        match self {
            Family::V4 => 2,
            Family::V6 => 10,
        }
    }

    /// Its name for people.
    pub(super) fn label(self) -> &'static str {
        match self {
            Family::V4 => "IPv4",
            Family::V6 => "IPv6",
        }
    }

    /// What the names of this family's sets begin with.
    pub(super) fn prefix(self) -> &'static str {
        match self {
            Family::V4 => "sipjail4-",
            Family::V6 => "sipjail6-",
        }
    }
}

/// The name of a jail's set.
///
/// A name that is too long, or holds what a tool could stumble over, becomes its first 13 characters, `-` and 8 hex
/// digits of its SHA-1.
pub(super) fn set_name(family: Family, jail: &str) -> String {
    let prefix = family.prefix();
    if !jail.is_empty() && jail.len() <= NAME_MAX - prefix.len() && jail.chars().all(plain) {
        return format!("{prefix}{jail}");
    }
    let start: String = jail.chars().take(13).map(|c| if plain(c) { c } else { '_' }).collect();
    let digest = Sha1::digest(jail.as_bytes());
    format!("{prefix}{start}-{:02x}{:02x}{:02x}{:02x}", digest[0], digest[1], digest[2], digest[3])
}

/// Whether a set's name is one that [`set_name`] gives.
pub(super) fn is_ours(name: &str) -> bool {
    Family::BOTH.iter().any(|f| name.starts_with(f.prefix()))
}

/// The buckets for so many entries: two a bucket, so that the kernel need not rebuild the set while it is filled (it
/// waits for all processors each time).
pub(super) fn hashsize_for(entries: usize) -> u32 {
    let entries = u32::try_from(entries).unwrap_or(MAXELEM).min(MAXELEM);
    (entries / 2).next_power_of_two().max(HASHSIZE)
}

/// The longest name of a set, without the closing zero byte.
const NAME_MAX: usize = 31;

fn plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || "._-+@=".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_and_stay_readable() {
        for (jail, name) in [
            ("asterisk", "sipjail4-asterisk"),
            ("sip.office-2_x", "sipjail4-sip.office-2_x"),
            ("abcdefghijklmnopqrstuv", "sipjail4-abcdefghijklmnopqrstuv"),
            ("abcdefghijklmnopqrstuvw", "sipjail4-abcdefghijklm-f41a73ec"),
            ("a b", "sipjail4-a_b-7dbde935"),
            ("büro", "sipjail4-b_ro-81bd9249"),
            ("", "sipjail4--da39a3ee"),
        ] {
            assert_eq!(set_name(Family::V4, jail), name);
            assert!(name.len() <= NAME_MAX);
            assert!(is_ours(name));
        }
        assert_eq!(set_name(Family::V6, "asterisk"), "sipjail6-asterisk");
        assert!(!is_ours(LIST) && !is_ours(SPARE));
    }

    #[test]
    fn two_entries_share_a_bucket() {
        for (entries, buckets) in [(0, 4096), (8192, 4096), (20_000, 16_384), (usize::MAX, 1_048_576)] {
            assert_eq!(hashsize_for(entries), buckets);
        }
    }
}
