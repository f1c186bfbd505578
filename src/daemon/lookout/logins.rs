//! Who is logged in by ssh: whoever works on this host must not be locked out of it.
//!
//! A connection to sshd's port tells nothing, since anybody can open one and leave it open: that would spare an attacker. So
//! those count whose login succeeded: utmp's entries, and the sessions of systemd-logind, which knows those without a
//! terminal too and is all there is where nobody writes utmp any more.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

use super::{bytes, peer, text};
use crate::addr::Id;
use crate::config::pbx::Peer;
use crate::text::printable;

/// Everybody, each address once.
pub fn all() -> Vec<Peer> {
    let mut found = utmp(&bytes(Path::new("/run/utmp")), |pid| Path::new(&format!("/proc/{pid}")).exists());
    let sessions = fs::read_dir("/run/systemd/sessions").into_iter().flatten().flatten().take(MAX_SESSIONS);
    let files = sessions.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()));
    found.extend(files.filter_map(|entry| session(&text(entry.path()))));
    found.sort();
    found.dedup_by(|next, kept| next.0 == kept.0);
    found.into_iter().map(|(ip, user)| peer(Id::from(ip), format!("{user} is logged in from there"))).collect()
}

/// The addresses and users of utmp's entries of logins whose process runs.
fn utmp(bytes: &[u8], runs: impl Fn(u32) -> bool) -> Vec<(IpAddr, String)> {
    let entry = |record: &[u8]| {
        let number = |at: usize| record.get(at..at + 4)?.try_into().ok().map(u32::from_ne_bytes);
        let kind = record.get(..2)?.try_into().ok().map(i16::from_ne_bytes)?;
        let address: [u8; 16] = record.get(ADDRESS..ADDRESS + 16)?.try_into().ok()?;
        let ip = match address[4..].iter().all(|byte| *byte == 0) {
            true => IpAddr::from(Ipv4Addr::from([address[0], address[1], address[2], address[3]])),
            false => IpAddr::from(Ipv6Addr::from(address)),
        };
        let user = record.get(USER..USER + 32)?.split(|byte| *byte == 0).next()?;
        let counts = kind == USER_PROCESS && !ip.is_unspecified() && runs(number(4)?);
        counts.then(|| (ip, printable(&String::from_utf8_lossy(user)).into_owned()))
    };
    bytes.chunks_exact(RECORD).filter_map(entry).collect()
}

/// A session of logind's, where it is one of sshd's that has not ended.
fn session(text: &str) -> Option<(IpAddr, String)> {
    let value = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    let runs = matches!(value("STATE"), Some("active" | "online"));
    let ssh = matches!(value("SERVICE"), Some("sshd" | "ssh"));
    let ip = value("REMOTE_HOST").filter(|_| runs && ssh)?.split('%').next()?.parse().ok()?;
    Some((ip, printable(value("USER").unwrap_or_default()).into_owned()))
}

/// glibc keeps the record of 32-bit times where such programs may run beside those of 64 bits.
const WIDE: bool = cfg!(all(
    target_pointer_width = "64",
    not(any(target_arch = "x86_64", target_arch = "powerpc64", target_arch = "s390x", target_arch = "mips64"))
));
const RECORD: usize = if WIDE { 400 } else { 384 };
const ADDRESS: usize = if WIDE { 360 } else { 348 };
const USER: usize = 44;
const USER_PROCESS: i16 = 7;

/// Sessions that are looked at.
const MAX_SESSIONS: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    fn record(kind: i16, pid: u32, user: &str, address: [u8; 16]) -> Vec<u8> {
        let mut record = vec![0; RECORD];
        record[..2].copy_from_slice(&kind.to_ne_bytes());
        record[4..8].copy_from_slice(&pid.to_ne_bytes());
        record[USER..USER + user.len()].copy_from_slice(user.as_bytes());
        record[ADDRESS..ADDRESS + 16].copy_from_slice(&address);
        record
    }

    #[test]
    fn logins_that_run_are_found_in_utmp() {
        let v4 = [192, 0, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let v6 = "2001:db8::1".parse::<Ipv6Addr>().expect("one").octets();
        let records = [
            record(USER_PROCESS, 1, "root", v4),
            record(USER_PROCESS, 1, "alice", v6),
            record(USER_PROCESS, 1, "console", [0; 16]),
            record(USER_PROCESS, 2, "gone", v4),
            record(8, 1, "dead", v4),
        ];
        let mut bytes = records.concat();
        bytes.extend([7; 100]);
        let expected = [(IpAddr::from([192, 0, 2, 1]), "root".to_owned()), (IpAddr::from(v6), "alice".to_owned())];
        assert_eq!(utmp(&bytes, |pid| pid == 1), expected);
    }

    #[test]
    fn sessions_of_sshd_are_found_at_logind() {
        let text = "UID=0\nUSER=root\nACTIVE=1\nSTATE=active\nREMOTE=1\nREMOTE_HOST=2001:db8::1\nSERVICE=sshd\n";
        assert_eq!(session(text), Some(("2001:db8::1".parse().expect("one"), "root".to_owned())));
        for (from, to) in
            [("STATE=active", "STATE=closing"), ("SERVICE=sshd", "SERVICE=cron"), ("2001:db8::1", "laptop")]
        {
            assert_eq!(session(&text.replace(from, to)), None, "{to}");
        }
    }
}
