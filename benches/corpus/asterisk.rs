//! What an Asterisk writes to `full` with `verbose`: a dialplan at work, phones that come and go, SecurityEvents.

use std::io::{self, Write};
use std::net::Ipv4Addr;

use super::Kind;
use super::random::Random;

/// One line, without its end. `date` is `[2026-11-19 10:00:00] `.
pub(super) fn line(kind: Kind, date: &str, random: &mut Random, out: &mut Vec<u8>) -> io::Result<()> {
    out.extend_from_slice(date.as_bytes());
    match kind {
        Kind::Attack(address) => attack(address, random, out),
        Kind::LookAlike => good_phone(random, out),
        Kind::Noise => noise(random, out),
    }
}

fn attack(address: Ipv4Addr, r: &mut Random, out: &mut Vec<u8>) -> io::Result<()> {
    let (lwp, port, account) = (2100 + r.below(40), 1024 + r.below(60_000), 100 + r.below(9_900));
    let (id, call) = (r.next(), r.next() as u32);
    match r.below(20) {
        0..6 => {
            let (method, why) = r.of(&[
                ("REGISTER", "Failed to authenticate"),
                ("REGISTER", "No matching endpoint found"),
                ("INVITE", "No matching endpoint found"),
                ("OPTIONS", "No matching endpoint found"),
            ]);
            write!(
                out,
                "NOTICE[{lwp}] res_pjsip/pjsip_distributor.c: Request '{method}' from '\"{account}\" <sip:{account}@192.0.2.1>' \
                 failed for '{address}:{port}' (callid: {id:x}) - {why}"
            )
        }
        6..9 => {
            let why = r.of(&["Wrong password", "No matching peer found", "Username/auth name mismatch"]);
            write!(
                out,
                "NOTICE[{lwp}] chan_sip.c: Registration from '\"{account}\" <sip:{account}@192.0.2.1:5060>' failed for \
                 '{address}:{port}' - {why}"
            )
        }
        9..12 => write!(
            out,
            "NOTICE[{lwp}][C-{call:08x}] chan_sip.c: Call from '' ({address}:{port}) to extension '00972{:09}' rejected \
             because extension not found in context 'from-sip-external'.",
            id % 1_000_000_000
        ),
        12 => write!(out, "NOTICE[{lwp}] manager.c: {address} failed to authenticate as 'admin'"),
        n => {
            let event = match n {
                13..16 => "InvalidAccountID",
                16..19 => "ChallengeResponseFailed",
                _ => "InvalidPassword",
            };
            let session = format!("{:x}-{id:x}@{address}", id >> 40);
            let event = Event { event, severity: "Error", account, session, address, port };
            event.write((lwp, id), out)?;
            match n {
                13..16 => Ok(()),
                16..19 => write!(
                    out,
                    ",Challenge=\"{}/{id:016x}{:016x}\",Response=\"{:016x}{:016x}\",ExpectedResponse=\"\"",
                    1_795_000_000 + r.below(90_000),
                    r.next(),
                    r.next(),
                    r.next()
                ),
                _ => write!(
                    out,
                    ",Challenge=\"{:08x}\",ReceivedChallenge=\"{:08x}\",ReceivedHash=\"{:016x}{:016x}\"",
                    call,
                    call,
                    r.next(),
                    r.next()
                ),
            }
        }
    }
}

/// The SecurityEvents of a phone that registers: to a filter they look like attacks as far as the event's name.
fn good_phone(r: &mut Random, out: &mut Vec<u8>) -> io::Result<()> {
    let (lwp, phone, id) = (2100 + r.below(40), r.below(200), r.next());
    let address = Ipv4Addr::new(192, 0, 2, 20 + phone as u8);
    let challenge = r.below(2) == 0;
    let event = if challenge { "ChallengeSent" } else { "SuccessfulAuth" };
    let session = format!("{id:016x}{:08x}", r.next() as u32);
    let event = Event { event, severity: "Informational", account: 1001 + phone, session, address, port: 5060 };
    event.write((lwp, id), out)?;
    match challenge {
        true => {
            write!(out, ",Challenge=\"{}/{id:016x}{:016x}\"", 1_795_000_000 + r.below(90_000), r.next())
        }
        false => write!(out, ",UsingPassword=\"1\""),
    }
}

/// What all SecurityEvents have in common.
struct Event {
    event: &'static str,
    severity: &'static str,
    account: u64,
    session: String,
    address: Ipv4Addr,
    port: u64,
}

impl Event {
    fn write(&self, (lwp, id): (u64, u64), out: &mut Vec<u8>) -> io::Result<()> {
        let Event { event, severity, account, session, address, port } = self;
        write!(
            out,
            "SECURITY[{lwp}] res_security_log.c: SecurityEvent=\"{event}\",EventTV=\"2026-11-19T10:{:02}:{:02}.{:03}+0000\",\
             Severity=\"{severity}\",Service=\"PJSIP\",EventVersion=\"1\",AccountID=\"{account}\",SessionID=\"{session}\",\
             LocalAddress=\"IPV4/UDP/192.0.2.1/5060\",RemoteAddress=\"IPV4/UDP/{address}/{port}\"",
            id % 60,
            (id >> 8) % 60,
            (id >> 16) % 1000
        )
    }
}

fn noise(r: &mut Random, out: &mut Vec<u8>) -> io::Result<()> {
    let (lwp, call, channel) = (2100 + r.below(9_000), r.below(100_000), r.next() as u32);
    let (peer, other, step) = (1001 + r.below(200), 1001 + r.below(200), 1 + r.below(60));
    match r.below(100) {
        0..48 => {
            let context =
                r.of(&["macro-dial-one", "macro-user-callerid", "sub-record-check", "from-internal", "ext-local"]);
            write!(out, "VERBOSE[{lwp}][C-{call:08x}] pbx.c: Executing [s@{context}:{step}] ")?;
            let channel = format_args!("PJSIP/{peer}-{channel:08x}").to_string();
            match r.below(7) {
                0 => {
                    write!(out, "Set(\"{channel}\", \"__DIAL_OPTIONS=HhTtrM(auto-blkvm)b(func-apply-sipheaders^s^1)\")")
                }
                1 => write!(out, "GotoIf(\"{channel}\", \"0?macro-dial-one,s,{step}:continue-with-the-call\")"),
                2 => write!(out, "ExecIf(\"{channel}\", \"0?Set(CALLERID(all)=José Example <{other}>)\")"),
                3 => write!(
                    out,
                    "GosubIf(\"{channel}\", \"$[\"${{DB(AMPUSER/{other}/cidnum)}}\" != \"\"]?sub-diversion,s,1\")"
                ),
                4 => write!(out, "NoOp(\"{channel}\", \"Deleting: BLKVM_OVERRIDE/{other}/{channel}: TRUE\")"),
                5 => write!(
                    out,
                    "Dial(\"{channel}\", \"PJSIP/{other}/sip:{other}@192.0.2.{}:5060,30,HhTtr\")",
                    20 + other % 200
                ),
                _ => write!(out, "Gosub(\"{channel}\", \"sub-record-check,s,1(exten,{other},dontcare)\")"),
            }?;
            write!(out, " in new stack")
        }
        48..56 => write!(
            out,
            "VERBOSE[{lwp}][C-{call:08x}] bridge_channel.c: Channel PJSIP/{peer}-{channel:08x} joined 'simple_bridge' \
             basic-bridge <{channel:08x}-5c1e-4f2a-9d0b-{call:012x}>"
        ),
        56..84 => write!(out, "VERBOSE[{lwp}][C-{call:08x}] app_dial.c: PJSIP/{peer}-{channel:08x} is ringing"),
        84..90 => write!(
            out,
            "VERBOSE[{lwp}] res_pjsip_registrar.c: Added contact 'sip:{peer}@192.0.2.{}:5060;transport=udp' to AOR '{peer}' \
             with expiration of 3600 seconds",
            20 + peer % 200
        ),
        90..95 => write!(
            out,
            "NOTICE[{lwp}] res_pjsip/pjsip_options.c: Contact {peer}/sip:{peer}@192.0.2.{}:5060 is now Reachable.  RTT: \
             {}.{:03} msec",
            20 + peer % 200,
            call % 90,
            channel % 1000
        ),
        95..98 => write!(
            out,
            "WARNING[{lwp}][C-{call:08x}] func_channel.c: Unknown or unavailable item requested: 'reversecharge' on \
             PJSIP/{peer}-{channel:08x}"
        ),
        _ => write!(
            out,
            "DEBUG[{lwp}][C-{call:08x}] res_rtp_asterisk.c: (0x7f2c{channel:08x}) RTP allocated port {} for PJSIP/{peer}",
            10_000 + channel % 10_000
        ),
    }
}
