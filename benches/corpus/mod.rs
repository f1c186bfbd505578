//! Logs for the benches: what an Asterisk writes, from a number, the same every time.

#![allow(dead_code, reason = "each bench takes what it needs")]

use std::fmt::Write;

/// A log of `lines` lines; one in `every` is an attack, one in six a SecurityEvent of a good phone.
pub fn log(lines: usize, every: f64) -> Vec<u8> {
    let mut out = String::new();
    let mut attacks = 0.0;
    for n in 0..lines {
        if (n as f64) >= attacks * every {
            attacks += 1.0;
            out += &attack(n);
        } else if n % 6 == 0 {
            out += &near_miss(n);
        } else {
            out += &miss(n);
        }
        out.push('\n');
    }
    out.into_bytes()
}

/// A line that the stock filter matches.
pub fn attack(n: usize) -> String {
    let address = format!("203.0.{}.{}", n / 250 % 250, n % 250 + 1);
    let mut out = date(n);
    match n % 4 {
        0 => write!(out, "NOTICE[2101] res_pjsip/pjsip_distributor.c: Request 'REGISTER' from '\"{n}\" <sip:{n}@192.0.2.1>' failed for '{address}:5060' (callid: 8a{n}) - Failed to authenticate"),
        1 => write!(out, "NOTICE[2101] res_pjsip/pjsip_distributor.c: Request 'INVITE' from '<sip:{n}@192.0.2.1>' failed for '{address}:5071' (callid: 9b{n}) - No matching endpoint found"),
        2 => write!(out, "NOTICE[2102][C-{n:08x}] chan_sip.c: Registration from '<sip:{n}@192.0.2.1>' failed for '{address}:5062' - Wrong password"),
        _ => write!(out, "SECURITY[2099] res_security_log.c: SecurityEvent=\"InvalidPassword\",EventTV=\"2026-11-19T10:00:00.123+0000\",Severity=\"Error\",Service=\"PJSIP\",EventVersion=\"2\",AccountID=\"{n}\",SessionID=\"{n:x}\",LocalAddress=\"IPV4/UDP/192.0.2.1/5060\",RemoteAddress=\"IPV4/UDP/{address}/5060\",Challenge=\"{n:x}\",ReceivedChallenge=\"{n:x}\",ReceivedHash=\"{n:032x}\""),
    }
    .expect("a string takes it");
    out
}

/// A line that looks like an attack and is none.
pub fn near_miss(n: usize) -> String {
    let event = if n.is_multiple_of(2) { "SuccessfulAuth" } else { "ChallengeSent" };
    let date = date(n);
    format!(
        "{date}SECURITY[2099] res_security_log.c: SecurityEvent=\"{event}\",EventTV=\"2026-11-19T10:00:00.123+0000\",\
         Severity=\"Informational\",Service=\"PJSIP\",EventVersion=\"1\",AccountID=\"1001\",SessionID=\"{n:x}\",\
         LocalAddress=\"IPV4/UDP/192.0.2.1/5060\",RemoteAddress=\"IPV4/UDP/192.0.2.77/5060\",UsingPassword=\"1\""
    )
}

/// What most of a log is.
pub fn miss(n: usize) -> String {
    let mut out = date(n);
    match n % 4 {
        0 => write!(out, "VERBOSE[2103][C-{n:08x}] pbx.c: Executing [{n}@from-internal:3] Dial(\"PJSIP/1001-{n:08x}\", \"PJSIP/1002,30,tT\") in new stack"),
        1 => write!(out, "VERBOSE[2103][C-{n:08x}] pbx.c: Executing [s@macro-dial-one:{n}] GotoIf(\"PJSIP/1002-{n:08x}\", \"0?macro-dial-one,s,{n}:next\") in new stack"),
        2 => write!(out, "NOTICE[2104] res_pjsip/pjsip_options.c: Contact 1001/sip:1001@192.0.2.77:5060 is now Reachable.  RTT: 31.2 msec"),
        _ => write!(out, "VERBOSE[2105] res_pjsip_registrar.c: Added contact 'sip:1001@192.0.2.77:5060;transport=udp' to AOR '1001' with expiration of 3600 seconds"),
    }
    .expect("a string takes it");
    out
}

/// Forty lines a second.
fn date(n: usize) -> String {
    let second = n / 40;
    format!("[2026-11-19 {:02}:{:02}:{:02}] ", second / 3600 % 24, second / 60 % 60, second % 60)
}
