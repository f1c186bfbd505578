//! The kernel's error numbers in words, with what to do about them.

use std::fmt;

/// A positive error number: the system's, or ipset's own from 4096 on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Errno(pub(super) i32);

impl Errno {
    pub(super) const EPERM: Errno = Errno(1);
    pub(super) const ENOENT: Errno = Errno(2);
    pub(super) const EINVAL: Errno = Errno(22);
    pub(super) const BUSY: Errno = Errno(4100);
    /// Of an entry: it is there already, or it is not there.
    pub(super) const ENTRY: Errno = Errno(4103);
    pub(super) const REFERENCED: Errno = Errno(4108);
    /// A hash has no room; of a `list:set`: the member does not exist.
    pub(super) const HASH_FULL: Errno = Errno(4352);
    /// A `list:set` does not have this member.
    pub(super) const NO_MEMBER: Errno = Errno(4357);
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = match self.0 {
            1 => "not permitted: CAP_NET_ADMIN is missing",
            2 => "no such set",
            12 | 105 => "the kernel has no memory left for it",
            17 => "a set of that name exists already",
            22 => "the kernel does not understand: is ipset there? `modprobe ip_set`",
            4097 => "the kernel's ipset speaks another protocol",
            4098 => "the kernel lacks this type of set: `modprobe -a ip_set_hash_net ip_set_list_set`",
            4099 => "the kernel holds as many sets as it can",
            4100 | 4108 => "something else still uses the set: see `iptables-save` and `ipset list`",
            4102 => "the sets are of different types",
            4103 => "it is there already, or was not there",
            4104 => "a set does not take a network of this length",
            4106 => "the set is for the other address family",
            4107 => "the set was made without timeouts",
            4352 => "the set is full",
            4353 => "a set does not take this address",
            4356 => "the list of sets is full",
            4357 => "the list does not have this set",
            system if system < 4096 => return std::io::Error::from_raw_os_error(system).fmt(f),
            other => return write!(f, "error {other} of ipset"),
        };
        f.write_str(words)
    }
}
