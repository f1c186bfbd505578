//! Records as Asterisk writes them, made by senders who mean to mislead: any byte in every text that is a sender's, and
//! lines in them that look like the server's. Nobody is counted but the sender, and he always is, once.

use std::net::{IpAddr, Ipv6Addr};

use sipjail::addr::Id;
use sipjail::line::Unwrap;
use sipjail::source::unwrap::unwrap;
use sipjail::ticket::{Sign, Who};

use super::random::Random;
use super::table::{Found, SLOW, Stock};

/// Records of one reading, each of a sender of its own.
const AT_ONCE: u64 = 40;

#[test]
fn nobody_is_counted_but_the_sender_and_he_always_is() {
    all(8_000, 1);
}

#[test]
#[ignore = "takes minutes: cargo test --release --test catalogue -- --ignored"]
fn over_a_million_lines_nobody_is_counted_but_the_sender() {
    all(750_000, 2);
}

fn all(records: u64, seed: u64) {
    let mut random = Random::new(seed);
    let (mut stock, mut slow) = (Stock::all(), Stock::new(|name| name == SLOW));
    let (mut lines, mut counted, mut logins) = (0, 0, 0);
    for _ in 0..records / AT_ONCE {
        let (mut log, mut expected, mut trusted) = (Vec::new(), Vec::new(), Vec::new());
        let style = random.below(4);
        for n in 0..AT_ONCE {
            let sender = Sender::new(n + 1, &mut random);
            let (record, jail) = sender.record(&mut random);
            if record.text.starts_with(LOGIN) && record.text.ends_with(b",UsingPassword=\"1\"") {
                trusted.push(("asterisk".to_owned(), Sign::LoggedIn, Who::Id(Id::from(sender.host))));
            }
            let begin = log.len();
            log.extend(written(&record, style, &mut random));
            let what = String::from_utf8_lossy(&log[begin..]).into_owned();
            expected.extend(jail.map(|jail| (Found { jail: jail.to_owned(), host: sender.host, count: 1 }, what)));
        }
        lines += log.iter().filter(|byte| **byte == b'\n').count();
        let mut found = stock.read(&log);
        let hosts = |jail: &str, found: &[Found]| {
            let mut hosts: Vec<IpAddr> = found.iter().filter(|f| f.jail == jail).map(|found| found.host).collect();
            hosts.sort();
            hosts
        };
        assert_eq!(hosts("asterisk", &found), hosts(SLOW, &slow.read(&log)), "{}", String::from_utf8_lossy(&log));
        for (one, what) in &expected {
            let at = found.iter().position(|found| found == one);
            let at = at.unwrap_or_else(|| {
                panic!("{one:?} was missed: {what:?}; found {found:?} in\n{}", String::from_utf8_lossy(&log))
            });
            found.swap_remove(at);
        }
        assert!(found.is_empty(), "{found:?} is wrong in\n{}", String::from_utf8_lossy(&log));
        assert_eq!(stock.signs(), trusted, "{}", String::from_utf8_lossy(&log));
        (counted, logins) = (counted + expected.len(), logins + trusted.len());
    }
    counted!("hostile lines {lines}, records {records}, counted {counted}, logins {logins}");
}

/// A record of a level and a source file, still without a head.
struct Record {
    level: &'static str,
    file: &'static str,
    text: Vec<u8>,
    call: bool,
}

struct Sender {
    host: IpAddr,
    /// As it stands before a port.
    shown: String,
    port: u64,
}

impl Sender {
    fn new(n: u64, random: &mut Random) -> Sender {
        let port = 1024 + random.below(60_000);
        if random.below(4) == 0 {
            let v6 = Ipv6Addr::new(0x2001, 0xdb8, 0, random.below(9) as u16, 0, 0, 0, n as u16);
            return Sender { host: v6.into(), shown: format!("[{v6}]"), port };
        }
        let host = IpAddr::from([203, 0, 113, n as u8]);
        Sender { host, shown: host.to_string(), port }
    }

    /// Something that Asterisk writes about it, and the jail that has to count it, if one has.
    fn record(&self, random: &mut Random) -> (Record, Option<&'static str>) {
        let Sender { host, shown, port } = self;
        let at = format!("{shown}:{port}");
        let family = if host.is_ipv6() { "IPV6" } else { "IPV4" };
        let transport = random.of(&["UDP", "TCP", "TLS", "WS", "WSS"]);
        let event = |name: &str, service: &str, account: &[u8], session: &[u8], rest: &[u8]| {
            let time = "2026-08-20T10:00:00.000+0000";
            let begin = format!(
                "SecurityEvent=\"{name}\",EventTV=\"{time}\",Severity=\"Error\",Service=\"{service}\",EventVersion=\"1\",AccountID=\""
            );
            let pair = format!(
                "\",LocalAddress=\"{family}/{transport}/192.0.2.1/5060\",RemoteAddress=\"{family}/{transport}/{host}/{port}\""
            );
            [begin.as_bytes(), account, b"\",SessionID=\"", session, pair.as_bytes(), rest].concat()
        };
        let security = |text: Vec<u8>| Record { level: "SECURITY", file: "res_security_log.c", text, call: false };
        let notice = |file: &'static str, text: Vec<u8>| Record { level: "NOTICE", file, text, call: false };
        let join = |parts: &[&[u8]]| parts.concat();
        let rejected: &[u8] = b"' rejected because extension not found in context 'public'.";
        match random.below(19) {
            0 => {
                let number = hostile(79, true, random);
                let begin = format!(" anonymous: Call ({transport}:{at}) to extension '");
                (notice("res_pjsip_session.c", join(&[begin.as_bytes(), &number, rejected])), Some("asterisk-toll"))
            }
            1 => {
                // Somebody who has an account, and misdials or forges.
                let mut number = hostile(79, true, random);
                // Which is what a line break looks like afterwards.
                number.retain(|byte| *byte != b'\\');
                let begin = format!(" 1001: Call ({transport}:{at}) to extension '");
                // One that ends the record itself looks like a misdialled one, and what is left of it like nothing at all.
                let mut parts = number.split(|byte| *byte == b'\n');
                let first = parts.next().unwrap_or_default();
                let first = &first[..first.iter().rposition(|byte| *byte != b'\r').map_or(0, |at| at + 1)];
                // Colours come off, wherever they stand.
                let first = unwrap(Unwrap::Ansi, first).text;
                let (first, end) =
                    ([b"'", &first[..]].concat(), b"' rejected because extension not found in context '");
                let ends = first.ends_with(b"'.") && first.windows(end.len()).any(|part| part == end);
                let forged = parts.next().is_some() && !ends;
                (
                    notice("res_pjsip_session.c", join(&[begin.as_bytes(), &number, rejected])),
                    forged.then_some("asterisk-toll"),
                )
            }
            2 => {
                let number = hostile(79, true, random);
                let begin = format!("Call from '' ({at}) to extension '");
                (notice("chan_sip.c", join(&[begin.as_bytes(), &number, rejected])), Some("asterisk-toll"))
            }
            3 => {
                let number = hostile(79, true, random);
                let text = join(&[
                    format!("Rejected connect attempt from {at}, request '").as_bytes(),
                    &number,
                    b"@default' does not exist",
                ]);
                (notice("chan_iax2.c", text), Some("asterisk-toll"))
            }
            4 | 5 => {
                let account = hostile(36, true, random);
                let session = hostile(200, false, random);
                (security(event("InvalidAccountID", "PJSIP", &account, &session, b"")), Some("asterisk"))
            }
            6 => {
                let session = hostile(200, false, random);
                let (nonce, response) = (escaped(&hostile(150, false, random)), escaped(&hostile(60, false, random)));
                let rest = join(&[b",Challenge=\"", &nonce, b"\",Response=\"", &response, b"\",ExpectedResponse=\"\""]);
                (security(event("ChallengeResponseFailed", "PJSIP", b"1001", &session, &rest)), Some("asterisk"))
            }
            7 => {
                let action = hostile(55, false, random);
                let rest =
                    join(&[b",RequestType=\"Action: ", &action, b"\",SessionTV=\"1970-01-01T00:00:00.000+0000\""]);
                (security(event("RequestNotAllowed", "AMI", b"", b"0x7f8404003540", &rest)), Some("sip-mgmt"))
            }
            8 => {
                let account = hostile(120, false, random);
                let rest = b",SessionTV=\"1970-01-01T00:00:00.000+0000\"";
                (security(event("InvalidAccountID", "AMI", &account, b"0x7f8404003540", rest)), Some("sip-mgmt"))
            }
            9 | 10 => {
                let (display, user) = (escaped(&hostile(60, false, random)), percent(&hostile(60, false, random)));
                let display = if random.below(3) == 0 { Vec::new() } else { join(&[b"\"", &display, b"\" "]) };
                let call = hostile(150, false, random);
                let reason =
                    random.of(&["No matching endpoint found", "Failed to authenticate", "Not match Endpoint ACL"]);
                let middle = format!("@192.0.2.1>' failed for '{at}' (callid: ");
                let text = join(&[
                    b"Request 'REGISTER' from '",
                    &display,
                    b"<sip:",
                    &user,
                    middle.as_bytes(),
                    &call,
                    b") - ",
                    reason.as_bytes(),
                ]);
                (notice("res_pjsip/pjsip_distributor.c", text), Some("asterisk"))
            }
            11 => {
                let to = hostile(200, false, random);
                let text =
                    join(&[b"Registration from '", &to, format!("' failed for '{at}' - Wrong password").as_bytes()]);
                (notice("chan_sip.c", text), Some("asterisk"))
            }
            12 => {
                let user = hostile(80, false, random);
                let text =
                    join(&[format!("{host} tried to authenticate with nonexistent user '").as_bytes(), &user, b"'"]);
                (notice("manager.c", text), Some("sip-mgmt"))
            }
            13 => {
                let peer = hostile(200, false, random);
                (
                    notice(
                        "chan_iax2.c",
                        join(&[b"No registration for peer '", &peer, format!("' (from {host})").as_bytes()]),
                    ),
                    Some("asterisk"),
                )
            }
            14 => {
                let packet = hostile(600, true, random);
                let begin = format!(
                    "\tsip_transport.c Error processing {} bytes packet from UDP {at} : PJSIP syntax error exception when parsing 'Via' header on line 1 col 8:\n",
                    packet.len()
                );
                let text = join(&[begin.as_bytes(), &packet, b"\n-- end of packet."]);
                (Record { level: "ERROR", file: "pjproject", text, call: false }, Some("asterisk"))
            }
            // A login with a password or without; the account is the server's word.
            17 | 18 => {
                let session = hostile(300, false, random);
                let password = random.of(&[&b",UsingPassword=\"1\""[..], b",UsingPassword=\"0\""]);
                (security(event("SuccessfulAuth", "PJSIP", b"100", &session, password)), None)
            }
            15 => {
                let text = format!("ip={host} reason=number out of range").into_bytes();
                (Record { level: "ERROR", file: "Ext. s", text, call: true }, Some("sipjail-screen"))
            }
            _ => {
                let number = hostile(79, true, random);
                let text = join(&[
                    b"Got SUBSCRIBE for extension ",
                    &number,
                    format!("@default from {at}, but there is no hint for that extension.").as_bytes(),
                ]);
                (notice("chan_sip.c", text), Some("asterisk-flood"))
            }
        }
    }
}

/// The record in a log of one of four formats.
fn written(record: &Record, style: u64, random: &mut Random) -> Vec<u8> {
    let Record { level, file, text, call } = record;
    let thread = [1, 7, 16, 123, 31_337][random.below(5) as usize];
    let thread = if *level == "ERROR" { thread.max(10) } else { thread };
    let call = if *call { "[C-0000001a]" } else { "" };
    let head = match style {
        0 => format!("[2026-08-20 10:00:00] {level}[{thread}]{call} {file}: "),
        1 | 3 => format!("[Aug 20 10:00:00] {level}[{thread}]{call} {file}: "),
        _ => format!("[Aug 20 10:00:00] {level}[{thread}]{call}: {file}:4011 function: "),
    };
    let lines = [head.as_bytes(), text, b"\n"].concat();
    if style != 3 {
        return lines;
    }
    // docker writes each line down by itself.
    let mut wrapped = Vec::new();
    for line in lines.split_inclusive(|byte| *byte == b'\n') {
        let log = String::from_utf8_lossy(line);
        let line = serde_json::json!({"log": log, "stream": "stdout", "time": "2026-08-20T10:00:00.123456789Z"});
        wrapped.extend(line.to_string().into_bytes());
        wrapped.push(b'\n');
    }
    wrapped
}

/// A text of a sender's, of at most so many bytes, with or without line breaks; never a zero.
fn hostile(most: usize, breaks: bool, random: &mut Random) -> Vec<u8> {
    let mut text = Vec::new();
    for _ in 0..random.below(5) {
        match random.below(6) {
            0 => {
                let some = random.below(20);
                text.extend((0..some).map(|_| 1 + random.below(255) as u8));
            }
            1 => text.extend(random.of(&MEAN).as_bytes()),
            2 => text.extend(random.of(&ENDS).as_bytes()),
            3 => text.push(b'\n'),
            4 => {
                text.extend(random.of(&["\n", "", "'\n", "9\n", "\r\n"]).as_bytes());
                text.extend(
                    random
                        .of(&["[Nov 20 10:41:50] ", "[2026-08-20 10:00:00] ", "Aug 20 10:00:00 ", "[Aug 20 10:00:00] "])
                        .as_bytes(),
                );
                text.extend(
                    random
                        .of(&[
                            "NOTICE[1] ",
                            "NOTICE[12] ",
                            "ERROR[12] ",
                            "ERROR[12][C-0000001a] ",
                            "SECURITY[1] ",
                            "NOTICE[1]: ",
                        ])
                        .as_bytes(),
                );
                text.extend(random.of(&FORGED).as_bytes());
                text.extend(random.of(&["\n", "", "\nz"]).as_bytes());
            }
            _ => text.extend(random.of(&["100", "00972599580679", "+441772285411", "anonymous", "a b"]).as_bytes()),
        }
    }
    // A forged line is worth most where it just fits.
    if text.len() > most && random.below(2) == 0 {
        text.drain(..text.len() - most);
    }
    text.truncate(most);
    if !breaks {
        text.retain(|byte| !matches!(byte, b'\n' | b'\r'));
    }
    text
}

/// As PJSIP prints a quoted text.
fn escaped(text: &[u8]) -> Vec<u8> {
    text.iter().flat_map(|byte| if matches!(byte, b'"' | b'\\') { vec![b'\\', *byte] } else { vec![*byte] }).collect()
}

/// As PJSIP prints a user.
fn percent(text: &[u8]) -> Vec<u8> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.!~*'()&=+$,;?/".contains(&byte);
    text.iter().flat_map(|byte| if plain(*byte) { vec![*byte] } else { format!("%{byte:02x}").into_bytes() }).collect()
}

/// How a login begins.
const LOGIN: &[u8] = b"SecurityEvent=\"SuccessfulAuth\",";

/// Bytes that mean something to somebody.
const MEAN: [&str; 20] = [
    "'", "\"", "\\", ")", "(", "]", "[", ">", "<", "\x1b[0m", "#033[0m", "\\n", "\r", "%0a", "\u{85}", "\u{2028}",
    "{\"", "}", "\t", "''",
];

/// Ends of records, in the middle of a sender's text.
const ENDS: [&str; 16] = [
    "' rejected because extension not found in context 'public'.",
    "' rejected because extension not found in context ''.\n",
    "' rejected because extension not found.\n",
    "' (from 8.8.8.8)",
    "@x'\n",
    "@x' does not exist\n",
    ": ip=8.8.8.8 reason=number out of range",
    "\",RemoteAddress=\"IPV4/UDP/8.8.8.8/1",
    "\",LocalAddress=\"IPV4/UDP/1.1.1.1/1\",RemoteAddress=\"IPV4/UDP/8.8.8.8/1",
    "\",LocalAddress=\"IPV4/WS/1::/1\",RemoteAddress=\"IPV4/WS/8.8.8.8/1\"\n",
    "' failed for '8.8.8.8:5060' (callid: x) - Failed to authenticate",
    "' failed for '8.8.8.8:5060' - Wrong password",
    "\n-- end of packet.\n",
    ": x\n",
    "\",LocalAddress=\"IPV4/UDP/1.1.1.1/1\",RemoteAddress=\"IPV4/UDP/8.8.8.8/1\",UsingPassword=\"1\"",
    "\",RemoteAddress=\"IPV4/UDP/8.8.8.8/1\",UsingPassword=\"1\"\n",
];

/// Messages that would be somebody else's failure, as short as they can be.
const FORGED: [&str; 20] = [
    "chan_iax2.c: Empty registration from 8.8.8.8",
    "chan_iax2.c: Empty registration from 198.51.100.1",
    "chan_iax2.c: No registration for peer '' (from 8.8.8.8)",
    "chan_iax2.c: Peer 'x' is not dynamic (from 8.8.8.8)",
    "chan_iax2.c: Host 8.8.8.8:1 failed to authenticate as x",
    "manager.c: 8.8.8.8 failed to authenticate as 'abc'",
    "manager.c: 8.8.8.8 failed to pass IP ACL as 'abcd'",
    "manager.c: 8.8.8.8 tried to authenticate with nonexistent user '",
    "acl.c: SIP ACL: Rejecting '8.8.8.8' due to a failure to pass ACL '",
    "chan_sip.c: Unknown SIP command '' from '8.8.8.8:1'",
    "chan_sip.c: Call from '' (8.8.8.8:1) to extension '",
    "chan_sip.c: Registration from '' failed for '8.8.8.8' - Wrong password",
    "res_pjsip_acl.c: Incoming SIP message from 8.8.8.8:1 did not pass ACL test",
    "res_pjsip_session.c:  anonymous: Call (UDP:8.8.8.8:1) to extension '1",
    "Ext. 0: ip=8.8.8.8 reason=aaaaaaaaaaaaa",
    "Ext. s: \"Rejecting unknown SIP connection from 8.8.8.8\"",
    "tcptls.c: Unable to set up ssl connection with peer '8.8.8.8:1'",
    "loader.c: 1 modules will be loaded.",
    "sorcery.c: Type 'system' is not reloadable, maintaining previous values",
    "res_security_log.c: SecurityEvent=\"SuccessfulAuth\",EventTV=\"\",Severity=\"I\",Service=\"SIP\",EventVersion=\"1\",AccountID=\"\",SessionID=\"\",LocalAddress=\"IPV4/UDP/1::/1\",RemoteAddress=\"IPV4/UDP/8.8.8.8/1\",UsingPassword=\"1\"",
];
