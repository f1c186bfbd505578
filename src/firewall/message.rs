//! ipset's netlink messages as bytes: requests are built, answers are taken apart. Nothing here touches a socket.
//!
//! A message is a `nlmsghdr` of 16 bytes, an `nfgenmsg` of 4, and attributes (length, kind, value, padding to 4). What
//! comes in is never trusted to be whole: an attribute or message that says more than there is ends the reading.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use super::Entry;

/// A request under construction, in a buffer that is used again and again.
pub(super) struct Request<'a> {
    bytes: &'a mut Vec<u8>,
}

impl<'a> Request<'a> {
    /// Begins a request to ipset in the emptied buffer.
    pub(super) fn new(bytes: &'a mut Vec<u8>, command: Command, flags: u16, sequence: u32) -> Request<'a> {
        bytes.clear();
        bytes.extend(0u32.to_ne_bytes());
        bytes.extend((SUBSYSTEM << 8 | command as u16).to_ne_bytes());
        bytes.extend((flags | NLM_F_REQUEST).to_ne_bytes());
        bytes.extend(sequence.to_ne_bytes());
        bytes.extend(0u32.to_ne_bytes());
        bytes.extend([AF_INET, 0, 0, 0]);
        let mut request = Request { bytes };
        request.byte(attr::PROTOCOL, PROTOCOL);
        request
    }

    /// An attribute of one byte.
    pub(super) fn byte(&mut self, kind: u16, value: u8) -> &mut Self {
        self.raw(kind, &[value])
    }

    /// A number in network order.
    pub(super) fn number(&mut self, kind: u16, value: u32) -> &mut Self {
        self.raw(kind | NET_BYTEORDER, &value.to_be_bytes())
    }

    /// A line number: the kernel reads and writes it in the host's order.
    pub(super) fn line(&mut self, value: u32) -> &mut Self {
        self.raw(attr::LINENO, &value.to_ne_bytes())
    }

    /// A text, closed by a zero byte.
    pub(super) fn text(&mut self, kind: u16, value: &str) -> &mut Self {
        let start = self.open(kind);
        self.bytes.extend(value.as_bytes());
        self.bytes.push(0);
        self.close(start)
    }

    /// A network, with its length; a host is a network of full length.
    pub(super) fn net(&mut self, net: IpNet) -> &mut Self {
        self.nest(attr::IP, |r| {
            match net.network() {
                IpAddr::V4(ip) => r.raw(attr::IPADDR_IPV4 | NET_BYTEORDER, &ip.octets()),
                IpAddr::V6(ip) => r.raw(attr::IPADDR_IPV6 | NET_BYTEORDER, &ip.octets()),
            };
        });
        self.byte(attr::CIDR, net.prefix_len())
    }

    /// A network and how long it stays: `None` is for ever, which the kernel calls `0`.
    pub(super) fn entry(&mut self, entry: &Entry) -> &mut Self {
        self.net(entry.net).number(attr::TIMEOUT, entry.timeout.unwrap_or(0))
    }

    /// Attributes inside an attribute.
    pub(super) fn nest(&mut self, kind: u16, fill: impl FnOnce(&mut Self)) -> &mut Self {
        let start = self.open(kind | NESTED);
        fill(self);
        self.close(start)
    }

    /// Closes the message.
    pub(super) fn finish(self) {
        let length = self.bytes.len() as u32;
        self.bytes[..4].copy_from_slice(&length.to_ne_bytes());
    }

    fn raw(&mut self, kind: u16, value: &[u8]) -> &mut Self {
        let start = self.open(kind);
        self.bytes.extend(value);
        self.close(start)
    }

    fn open(&mut self, kind: u16) -> usize {
        let start = self.bytes.len();
        self.bytes.extend([0; 2]);
        self.bytes.extend(kind.to_ne_bytes());
        start
    }

    fn close(&mut self, start: usize) -> &mut Self {
        let length = u16::try_from(self.bytes.len() - start).expect("a batch is kept far below 64 KiB");
        self.bytes[start..start + 2].copy_from_slice(&length.to_ne_bytes());
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
        self
    }
}

/// The messages in what one receive gave.
pub(super) struct Messages<'a>(pub(super) &'a [u8]);

/// One message from the kernel.
#[derive(Debug)]
pub(super) struct Message<'a> {
    /// The number of the request that it answers.
    pub(super) sequence: u32,
    /// What it says.
    pub(super) body: Body<'a>,
}

/// What a message says.
#[derive(Debug)]
pub(super) enum Body<'a> {
    /// Data of ipset's.
    Data(Attrs<'a>),
    /// A refusal (a positive error number), or `0` for done; with the attributes of the request, as far as echoed.
    Answer(i32, Attrs<'a>),
    /// A list is complete, or was broken off with an error number.
    Done(i32),
    /// Anything else.
    Other,
}

impl<'a> Iterator for Messages<'a> {
    type Item = Message<'a>;

    fn next(&mut self) -> Option<Message<'a>> {
        let length = u32_at(self.0, 0)? as usize;
        if length < HEADER || length > self.0.len() {
            self.0 = &[];
            return None;
        }
        let (message, rest) = (&self.0[..length], self.0.get(length.next_multiple_of(4)..).unwrap_or(&[]));
        self.0 = rest;
        let kind = u16_at(message, 4)?;
        let payload = &message[HEADER..];
        let body = match kind {
            NLMSG_ERROR => {
                let code = u32_at(payload, 0)? as i32;
                Body::Answer(code.saturating_neg(), Attrs(payload.get(4 + HEADER + GENERIC..).unwrap_or(&[])))
            }
            NLMSG_DONE => Body::Done(u32_at(payload, 0).map_or(0, |code| (code as i32).saturating_neg())),
            _ if kind >> 8 == SUBSYSTEM => Body::Data(Attrs(payload.get(GENERIC..).unwrap_or(&[]))),
            _ => Body::Other,
        };
        Some(Message { sequence: u32_at(message, 8)?, body })
    }
}

/// Attributes, one after the other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attrs<'a>(pub(super) &'a [u8]);

/// One attribute: its kind without flags, and its value.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attr<'a> {
    pub(super) kind: u16,
    value: &'a [u8],
    network_order: bool,
}

impl<'a> Attrs<'a> {
    /// The first attribute of this kind.
    pub(super) fn find(mut self, kind: u16) -> Option<Attr<'a>> {
        Iterator::find(&mut self, |a| a.kind == kind)
    }

    /// The network that these attributes describe; one without a length is a host.
    pub(super) fn net(self) -> Option<IpNet> {
        let ip = self.find(attr::IP)?.inside();
        let ip: IpAddr = if let Some(v4) = ip.find(attr::IPADDR_IPV4) {
            Ipv4Addr::from(<[u8; 4]>::try_from(v4.value).ok()?).into()
        } else {
            Ipv6Addr::from(<[u8; 16]>::try_from(ip.find(attr::IPADDR_IPV6)?.value).ok()?).into()
        };
        match self.find(attr::CIDR).and_then(|c| c.byte()) {
            Some(length) => IpNet::new(ip, length).ok(),
            None => Some(ip.into()),
        }
    }

    /// The banned network that these attributes describe. An exception (`nomatch`) bans nobody and is none.
    pub(super) fn entry(self) -> Option<Entry> {
        let flags = self.find(attr::CADT_FLAGS).and_then(|f| f.number()).unwrap_or(0);
        if flags & FLAG_NOMATCH != 0 {
            return None;
        }
        let timeout = self.find(attr::TIMEOUT).and_then(|t| t.number()).filter(|&t| t != 0);
        Some(Entry { net: self.net()?, timeout })
    }
}

impl<'a> Iterator for Attrs<'a> {
    type Item = Attr<'a>;

    fn next(&mut self) -> Option<Attr<'a>> {
        let (length, kind) = (u16_at(self.0, 0)? as usize, u16_at(self.0, 2)?);
        if length < 4 || length > self.0.len() {
            self.0 = &[];
            return None;
        }
        let value = &self.0[4..length];
        self.0 = self.0.get(length.next_multiple_of(4)..).unwrap_or(&[]);
        Some(Attr { kind: kind & !(NESTED | NET_BYTEORDER), value, network_order: kind & NET_BYTEORDER != 0 })
    }
}

impl<'a> Attr<'a> {
    /// The attributes inside.
    pub(super) fn inside(self) -> Attrs<'a> {
        Attrs(self.value)
    }

    /// A number of four bytes.
    pub(super) fn number(self) -> Option<u32> {
        let bytes = self.value.try_into().ok()?;
        Some(if self.network_order { u32::from_be_bytes(bytes) } else { u32::from_ne_bytes(bytes) })
    }

    /// A number of one byte.
    pub(super) fn byte(self) -> Option<u8> {
        self.value.first().copied().filter(|_| self.value.len() == 1)
    }

    /// A text, up to the zero byte.
    pub(super) fn text(self) -> Option<&'a str> {
        str::from_utf8(self.value.split(|&b| b == 0).next()?).ok()
    }
}

/// What ipset can be asked; the numbers are the kernel's.
#[derive(Clone, Copy, Debug)]
pub(super) enum Command {
    Protocol = 1,
    Create = 2,
    Destroy = 3,
    Flush = 4,
    Swap = 6,
    List = 7,
    Add = 9,
    Del = 10,
    Test = 11,
    Header = 12,
    Type = 13,
}

/// Kinds of attributes: of a message, of what lies in `DATA`, and of addresses.
pub(super) mod attr {
    pub(crate) const PROTOCOL: u16 = 1;
    pub(crate) const SETNAME: u16 = 2;
    pub(crate) const TYPENAME: u16 = 3;
    /// The other set of a swap.
    pub(crate) const SETNAME2: u16 = 3;
    pub(crate) const REVISION: u16 = 4;
    pub(crate) const FAMILY: u16 = 5;
    pub(crate) const FLAGS: u16 = 6;
    pub(crate) const DATA: u16 = 7;
    pub(crate) const ADT: u16 = 8;
    pub(crate) const LINENO: u16 = 9;
    pub(crate) const REVISION_MIN: u16 = 10;

    pub(crate) const IP: u16 = 1;
    pub(crate) const CIDR: u16 = 3;
    pub(crate) const TIMEOUT: u16 = 6;
    pub(crate) const CADT_FLAGS: u16 = 8;
    pub(crate) const HASHSIZE: u16 = 18;
    pub(crate) const MAXELEM: u16 = 19;
    pub(crate) const SIZE: u16 = 23;
    pub(crate) const ELEMENTS: u16 = 24;
    pub(crate) const REFERENCES: u16 = 25;
    /// A member of a `list:set`.
    pub(crate) const NAME: u16 = 18;

    pub(crate) const IPADDR_IPV4: u16 = 1;
    pub(crate) const IPADDR_IPV6: u16 = 2;
}

pub(super) const NLM_F_ACK: u16 = 0x4;
pub(super) const NLM_F_EXCL: u16 = 0x200;
pub(super) const NLM_F_DUMP: u16 = 0x300;
/// `FLAGS` of a list: only what a set is, not what it holds.
pub(super) const LIST_HEADER: u32 = 1 << 2;

const NLM_F_REQUEST: u16 = 0x1;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const SUBSYSTEM: u16 = 6;
/// Every kernel with ipset since 2010 speaks version 6; 7 adds nothing that we use.
const PROTOCOL: u8 = 6;
const AF_INET: u8 = 2;
const NESTED: u16 = 0x8000;
const NET_BYTEORDER: u16 = 0x4000;
const HEADER: usize = 16;
const GENERIC: usize = 4;
const FLAG_NOMATCH: u32 = 1 << 2;

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

#[cfg(test)]
#[cfg(target_endian = "little")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.chunks(4).map(|c| c.iter().map(|b| format!("{b:02x}")).collect::<String>()).collect::<Vec<_>>().join(" ")
    }

    fn bytes(hex: &str) -> Vec<u8> {
        let digits: String = hex.split_whitespace().collect();
        (0..digits.len()).step_by(2).map(|i| u8::from_str_radix(&digits[i..i + 2], 16).unwrap()).collect()
    }

    fn built(command: Command, flags: u16, fill: impl FnOnce(&mut Request<'_>)) -> String {
        let mut buffer = vec![0xff; 7];
        let mut request = Request::new(&mut buffer, command, flags, 3);
        fill(&mut request);
        request.finish();
        hex(&buffer)
    }

    #[test]
    fn an_add_lies_in_memory_as_the_kernel_reads_it() {
        let entry = Entry { net: "192.0.2.77/24".parse().unwrap(), timeout: Some(600) };
        let message = built(Command::Add, NLM_F_ACK, |r| {
            r.text(attr::SETNAME, "s").nest(attr::DATA, |r| {
                r.entry(&entry);
            });
        });
        assert_eq!(
            message,
            "44000000 09060500 03000000 00000000 02000000 05000100 06000000 06000200 73000000 \
             20000780 0c000180 08000140 c0000200 05000300 18000000 08000640 00000258"
        );
    }

    #[test]
    fn an_ipv6_host_has_its_full_length_and_no_end_is_zero() {
        let entry = Entry::host("2001:db8::1".parse().unwrap(), None);
        let message = built(Command::Add, 0, |r| {
            r.entry(&entry);
        });
        assert_eq!(
            message,
            "44000000 09060100 03000000 00000000 02000000 05000100 06000000 \
             18000180 14000240 20010db8 00000000 00000000 00000001 05000300 80000000 08000640 00000000"
        );
    }

    #[test]
    fn a_create_names_type_family_and_sizes() {
        let message = built(Command::Create, NLM_F_ACK | NLM_F_EXCL, |r| {
            r.text(attr::SETNAME, "abc")
                .text(attr::TYPENAME, "hash:net")
                .byte(attr::REVISION, 0)
                .byte(attr::FAMILY, 2)
                .nest(attr::DATA, |r| {
                    r.number(attr::TIMEOUT, 0).number(attr::HASHSIZE, 1024).number(attr::MAXELEM, 65536);
                });
        });
        assert_eq!(
            message,
            "60000000 02060502 03000000 00000000 02000000 05000100 06000000 08000200 61626300 \
             0d000300 68617368 3a6e6574 00000000 05000400 00000000 05000500 02000000 \
             1c000780 08000640 00000000 08001240 00000400 08001340 00010000"
        );
    }

    const RECORDED_LIST: &str = "
        8c000000 07060200 03000000 00000000 02000000 05000100 06000000 06000200 73000000
        68000880
        20000780 0c000180 08000140 c0000200 05000300 18000000 08000640 00000258
        20000780 0c000180 08000140 c6336401 05000300 20000000 08000640 00000000
        24000780 0c000180 08000140 c6336402 05000300 20000000 08000840 00000004 04000000
        14000000 03000200 03000000 00000000 00000000";

    fn entries(buffer: &[u8]) -> Vec<Entry> {
        let mut found = Vec::new();
        for message in Messages(buffer) {
            if let Body::Data(attrs) = message.body {
                found.extend(
                    attrs.find(attr::ADT).into_iter().flat_map(|a| a.inside()).filter_map(|d| d.inside().entry()),
                );
            }
        }
        found
    }

    #[test]
    fn a_list_gives_entries_and_skips_exceptions() {
        let recorded = bytes(RECORDED_LIST);
        assert_eq!(
            entries(&recorded),
            [
                Entry { net: "192.0.2.0/24".parse().unwrap(), timeout: Some(600) },
                Entry { net: "198.51.100.1/32".parse().unwrap(), timeout: None },
            ]
        );
        let last = Messages(&recorded).last().unwrap();
        assert!(matches!(last, Message { sequence: 3, body: Body::Done(0) }), "{last:?}");
    }

    #[test]
    fn a_refused_batch_names_its_line() {
        let recorded = bytes(
            "38000000 02000000 05000000 00000000 f9efffff
             24000000 09060500 05000000 00000000 02000000 05000100 06000000 08000900 04000000",
        );
        let message = Messages(&recorded).next().unwrap();
        let Body::Answer(4103, attrs) = message.body else { panic!("{message:?}") };
        assert_eq!(attrs.find(attr::LINENO).and_then(|l| l.number()), Some(4));
    }

    #[test]
    fn a_list_cut_short_anywhere_still_reads() {
        let recorded = bytes(RECORDED_LIST);
        for length in 0..recorded.len() {
            assert!(entries(&recorded[..length]).len() <= 2);
        }
    }

    proptest! {
        #[test]
        fn hostile_bytes_end_the_reading(at in 0usize..160, with: [u8; 4], noise: Vec<u8>) {
            let mut recorded = bytes(RECORDED_LIST);
            for (i, b) in with.into_iter().enumerate() {
                if let Some(slot) = recorded.get_mut(at + i) {
                    *slot = b;
                }
            }
            for buffer in [&recorded, &noise] {
                entries(buffer);
                for message in Messages(buffer) {
                    if let Body::Answer(_, attrs) | Body::Data(attrs) = message.body {
                        for attr in attrs {
                            let _ = (attr.number(), attr.byte(), attr.text(), attr.inside().entry());
                        }
                    }
                }
            }
        }
    }
}
