//! What `mod_logfile` of a FreeSWITCH up to 1.10.6 writes: without the idle time that later ones put behind the date, since
//! Debian's fail2ban finds nothing in theirs.

use std::io::{self, Write};

use super::Kind;
use super::random::Random;

/// One line, without its end. `date` is `2026-11-19 10:00:00`, and `micros` are those of that second.
pub(super) fn line(kind: Kind, date: &str, micros: u64, r: &mut Random, out: &mut Vec<u8>) -> io::Result<()> {
    let account = 100 + r.below(9_900);
    let method = r.of(&["REGISTER", "REGISTER", "REGISTER", "INVITE"]);
    match kind {
        Kind::Attack(address) => write!(
            out,
            "{date}.{micros:06} [WARNING] sofia_reg.c:1787 SIP auth failure ({method}) on sofia profile 'internal' for \
             [{account}@192.0.2.1] from ip {address}"
        ),
        Kind::LookAlike => write!(
            out,
            "{date}.{micros:06} [WARNING] sofia_reg.c:1842 SIP auth challenge ({method}) on sofia profile 'internal' for \
             [{}@192.0.2.1] from ip 192.0.2.{}",
            1001 + account % 200,
            20 + account % 200
        ),
        Kind::Noise => noise(date, micros, r, out),
    }
}

fn noise(date: &str, micros: u64, r: &mut Random, out: &mut Vec<u8>) -> io::Result<()> {
    let (call, phone) = (r.next(), 1001 + r.below(200));
    if r.below(4) < 1 {
        let rest = call & 0xffff_ffff_ffff;
        write!(out, "{:08x}-5c20-45c7-aae0-{rest:012x} ", call >> 32)?;
    }
    write!(out, "{date}.{micros:06} ")?;
    match r.below(9) {
        0 => write!(
            out,
            "[DEBUG] switch_core_state_machine.c:581 (sofia/internal/{phone}@192.0.2.1) Running State Change CS_EXECUTE \
             (Cur {} Tot {})",
            call % 40,
            call % 4000
        ),
        1 => write!(
            out,
            "[DEBUG] switch_core_state_machine.c:647 (sofia/internal/{phone}@192.0.2.1) State EXECUTE going to sleep"
        ),
        2 => write!(
            out,
            "[DEBUG] switch_core_media.c:5526 Audio Codec Compare [PCMU:0:8000:20:64000:1]/[PCMA:8:8000:20:64000:1]"
        ),
        3 => write!(out, "[DEBUG] mod_sofia.c:380 sofia/internal/{phone}@192.0.2.1 SOFIA DESTROY"),
        4 => write!(
            out,
            "[INFO] mod_dialplan_xml.c:639 Processing {phone} <{phone}>->{} in context default",
            1001 + call % 200
        ),
        5 => write!(out, "[NOTICE] switch_channel.c:1118 New Channel sofia/internal/{phone}@192.0.2.1 [{call:016x}]"),
        6 => write!(out, "[DEBUG] switch_rtp.c:4566 Starting timer [soft] {} bytes per 20ms", 160 + call % 2 * 160),
        7 => write!(
            out,
            "[DEBUG] sofia.c:7493 Channel sofia/internal/{phone}@192.0.2.1 entering state [completing][200]"
        ),
        _ => write!(
            out,
            "[NOTICE] switch_core_session.c:1766 Close Channel sofia/internal/{phone}@192.0.2.1 [CS_DESTROY]"
        ),
    }
}
