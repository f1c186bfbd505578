//! Takes off what stands around a PBX's own line: colours, a syslog prefix, docker's or Asterisk's JSON.
//!
//! What comes out reads like a line of a plain log file, its date first, so that one filter fits all. Only what wraps
//! a *whole* line is taken off: JSON in the middle of a line is a sender's text and stays. A newline that was escaped
//! inside becomes the two characters `\n`, never a line break. At most [`DEPTH`] wrappers are taken off.

use std::borrow::Cow;

use serde::Deserialize;

use crate::line::Unwrap;
use crate::time::Timestamp;

/// A line without its wrappers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unwrapped<'a> {
    /// The PBX's own line, with a date in front where there is one.
    pub text: Cow<'a, [u8]>,
    /// When it was written, where the wrapper says so.
    pub time: Option<Timestamp>,
}

/// Takes the wrappers of the given kind off a line (without its newline). A line that is not so wrapped stays as it is.
pub fn unwrap(kind: Unwrap, line: &[u8]) -> Unwrapped<'_> {
    let mut text = Cow::Borrowed(line);
    let mut time = None;
    let depth = if kind == Unwrap::Auto { DEPTH } else { 1 };
    for _ in 0..depth {
        match layer(kind, &text) {
            Some(Layer { text: inner, time: written, last }) => {
                text = Cow::Owned(inner);
                time = time.or(written);
                if last {
                    break;
                }
            }
            None => break,
        }
    }
    Unwrapped { text, time }
}

/// A line without terminal colours, as bytes and as rsyslog's `#033[…m`; `None` where it has none.
fn without_colours(line: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let mut kept = 0;
    let mut at = 0;
    while let Some(found) = memchr::memchr2(b'\x1b', b'#', &line[at..]) {
        at += found;
        match colour(&line[at..]) {
            Some(length) => {
                out.extend_from_slice(&line[kept..at]);
                at += length;
                kept = at;
            }
            None => at += 1,
        }
    }
    if kept == 0 {
        return None;
    }
    out.extend_from_slice(&line[kept..]);
    Some(out)
}

struct Layer {
    text: Vec<u8>,
    time: Option<Timestamp>,
    /// What is left is the PBX's own text for sure.
    last: bool,
}

fn layer(kind: Unwrap, line: &[u8]) -> Option<Layer> {
    match kind {
        Unwrap::None => None,
        Unwrap::Ansi => without_colours(line).map(|text| Layer { text, time: None, last: false }),
        Unwrap::Syslog => syslog(line, |_| true),
        Unwrap::Docker => docker(line),
        Unwrap::AsteriskJson => asterisk_json(line),
        Unwrap::Auto if line.first() == Some(&b'{') => docker(line).or_else(|| asterisk_json(line)),
        Unwrap::Auto => layer(Unwrap::Ansi, line).or_else(|| syslog(line, is_own_line)),
    }
}

/// The length of a colour sequence at the start of `bytes`.
fn colour(bytes: &[u8]) -> Option<usize> {
    let plain = bytes.starts_with(b"\x1b[");
    let start = if plain { 2 } else { bytes.starts_with(b"#033[").then_some(5)? };
    let parameters =
        bytes[start..].iter().take(32).take_while(|b| b.is_ascii_digit() || matches!(b, b';' | b':' | b'?'));
    let end = start + parameters.count();
    match bytes.get(end)? {
        b'm' | b'K' => Some(end + 1),
        b'A'..=b'H' | b'J' | b'h' | b'l' if plain => Some(end + 1),
        _ => None,
    }
}

#[derive(Deserialize)]
struct DockerLine<'a> {
    #[serde(borrow)]
    log: Cow<'a, str>,
    #[serde(borrow)]
    stream: Cow<'a, str>,
    #[serde(borrow)]
    time: Cow<'a, str>,
}

fn docker(line: &[u8]) -> Option<Layer> {
    let text = json_text(line)?;
    let DockerLine { log, stream, time } = serde_json::from_str(&text).ok()?;
    if !matches!(&*stream, "stdout" | "stderr") {
        return None;
    }
    let time = time.parse::<jiff::Timestamp>().ok()?;
    let log = log.strip_suffix('\n').unwrap_or(&log);
    let log = log.strip_suffix('\r').unwrap_or(log);
    Some(Layer { text: one_line(log).into_bytes(), time: Some(Timestamp(time.as_microsecond())), last: false })
}

#[derive(Deserialize)]
struct AsteriskLine<'a> {
    #[serde(borrow)]
    timestamp: Cow<'a, str>,
    #[serde(borrow)]
    identifiers: Identifiers<'a>,
    #[serde(borrow)]
    logmsg: LogMessage<'a>,
}

#[derive(Deserialize)]
struct Identifiers<'a> {
    lwp: u64,
    #[serde(borrow, default)]
    callid: Cow<'a, str>,
}

#[derive(Deserialize)]
struct LogMessage<'a> {
    #[serde(borrow)]
    location: Location<'a>,
    #[serde(borrow)]
    level: Cow<'a, str>,
    #[serde(borrow)]
    message: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Location<'a> {
    #[serde(borrow)]
    filename: Cow<'a, str>,
}

fn asterisk_json(line: &[u8]) -> Option<Layer> {
    let text = json_text(line)?;
    let AsteriskLine { timestamp, identifiers: Identifiers { lwp, callid }, logmsg } =
        serde_json::from_str(&text).ok()?;
    let LogMessage { location: Location { filename }, level, message } = logmsg;
    let callid = if callid.is_empty() { String::new() } else { format!("[{callid}]") };
    let head = one_line(&format!("[{timestamp}] {level}[{lwp}]{callid} {filename}: "));
    Some(Layer { text: (head + &one_line(&message)).into_bytes(), time: None, last: true })
}

/// The line as text, if it looks like one JSON object from its first to its last byte.
fn json_text(line: &[u8]) -> Option<Cow<'_, str>> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    (line.starts_with(b"{\"") && line.ends_with(b"}")).then(|| String::from_utf8_lossy(line))
}

/// Line breaks become the two characters that escape them.
fn one_line(text: &str) -> String {
    text.replace('\n', "\\n").replace('\r', "\\r")
}

/// Takes off host and tag. The date in front stays, unless the PBX's own line brings one.
fn syslog(line: &[u8], wanted: fn(&[u8]) -> bool) -> Option<Layer> {
    let date = date_length(line)?;
    let rest = line[date..].strip_prefix(b" ")?;
    let host = rest.iter().take(256).position(|b| *b == b' ').filter(|n| *n > 0)?;
    let tagged = &rest[host + 1..];
    let tag = tagged.iter().take(64).position(|b| matches!(b, b'[' | b':' | b' ')).filter(|n| *n > 0)?;
    let after_tag = match tagged[tag..].strip_prefix(b"[") {
        Some(pid) => {
            let end = pid.iter().take(12).position(|b| !b.is_ascii_digit()).filter(|n| *n > 0)?;
            pid[end..].strip_prefix(b"]")?
        }
        None => &tagged[tag..],
    };
    let own = after_tag.strip_prefix(b":")?.trim_ascii_start();
    if !wanted(own) {
        return None;
    }
    let text =
        if is_dated(own) || own.starts_with(b"{\"") { own.to_vec() } else { [&line[..date], b" ", own].concat() };
    Some(Layer { text, time: None, last: false })
}

/// Whether a line begins as Asterisk or FreeSWITCH begin theirs: a date, `NOTICE[123]`, `[WARNING] sofia_reg.c:1`.
fn is_own_line(line: &[u8]) -> bool {
    let upper = |bytes: &[u8]| bytes.iter().take(16).take_while(|b| b.is_ascii_uppercase()).count();
    let levelled = |line: &[u8]| {
        let level = upper(line);
        level >= 3 && line[level..].starts_with(b"[") && line.get(level + 1).is_some_and(u8::is_ascii_digit)
    };
    let bracketed = |line: &[u8]| {
        let level = upper(line);
        level >= 3 && line[level..].starts_with(b"] ")
    };
    is_dated(line) || levelled(line) || line.strip_prefix(b"[").is_some_and(bracketed) || asterisk_json(line).is_some()
}

fn is_dated(line: &[u8]) -> bool {
    date_length(line.strip_prefix(b"[").unwrap_or(line)).is_some()
}

/// The length of `Aug  2 10:00:00`, `2026-08-20 10:00:00` or an RFC 3339 date, with its fraction and zone.
fn date_length(line: &[u8]) -> Option<usize> {
    let shapes: &[&[u8]] = &[b"Mmm dd 00:00:00", b"0000-00-00T00:00:00"];
    let shape = shapes.iter().find(|shape| {
        line.len() >= shape.len()
            && shape.iter().zip(line).all(|(s, b)| match s {
                b'M' => b.is_ascii_uppercase(),
                b'm' => b.is_ascii_lowercase(),
                b'd' => b.is_ascii_digit() || *b == b' ',
                b'0' => b.is_ascii_digit(),
                b'T' => matches!(b, b'T' | b' '),
                other => b == other,
            })
    })?;
    if shape[0] == b'M' && !MONTHS.contains(&&line[..3]) {
        return None;
    }
    let tail = |b: &&u8| b.is_ascii_digit() || matches!(b, b'.' | b',' | b'+' | b'-' | b':' | b'Z');
    let zone = if shape[0] == b'M' { 0 } else { line[shape.len()..].iter().take(20).take_while(tail).count() };
    Some(shape.len() + zone)
}

/// Wrappers around one line that are taken off, at most.
pub const DEPTH: usize = 4;

const MONTHS: [&[u8]; 12] =
    [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(kind: Unwrap, line: &str) -> String {
        String::from_utf8_lossy(&unwrap(kind, line.as_bytes()).text).into_owned()
    }

    fn auto(line: &str) -> String {
        text(Unwrap::Auto, line)
    }

    const PLAIN: &str = "[2026-08-20 10:00:00] NOTICE[123] chan_sip.c: Registration from 'x' failed for '192.0.2.1'";

    #[test]
    fn a_plain_line_stays_and_costs_nothing() {
        for kind in Unwrap::WORDS {
            assert!(matches!(unwrap(kind.1, PLAIN.as_bytes()).text, Cow::Borrowed(_)), "{kind:?}");
        }
        for line in ["", "{", "{}", "[]", "\x1b", "Aug 20 10:00:00", "Aug 20 10:00:00 pbx", "Aug 20 10:00:00 pbx a: b"]
        {
            assert_eq!(auto(line), line);
        }
    }

    #[test]
    fn colours_come_off() {
        let line =
            "[2026-08-20 10:00:00] \x1b[1;33mNOTICE\x1b[0m[123]: \x1b[1;37mx.c\x1b[0m:\x1b[1;37m72\x1b[0m f: m#1";
        let plain = "[2026-08-20 10:00:00] NOTICE[123]: x.c:72 f: m#1";
        assert_eq!(auto(line), plain);
        assert_eq!(text(Unwrap::Ansi, line), plain);
        assert_eq!(auto(&line.replace('\x1b', "#033")), plain);
        assert_eq!(text(Unwrap::Ansi, "a\x1bb \x1b[1;2 \x1b[999"), "a\x1bb \x1b[1;2 \x1b[999");
    }

    #[test]
    fn a_syslog_prefix_leaves_its_date() {
        let own = "NOTICE[123]: res_pjsip_session.c:4011 in new_invite:  anonymous: Call (UDP:203.0.113.16:5060)";
        for date in ["Aug 20 10:00:00", "Aug  2 10:00:00", "2026-08-20T10:00:00.123456+02:00", "2026-08-20T10:00:00Z"] {
            for tag in ["asterisk[99]: ", "asterisk: "] {
                let line = format!("{date} pbx {tag}{own}");
                assert_eq!(auto(&line), format!("{date} {own}"));
                assert_eq!(text(Unwrap::Syslog, &line), format!("{date} {own}"));
            }
        }
        assert_eq!(auto(&format!("Aug 20 10:00:00 pbx asterisk[99]: {PLAIN}")), PLAIN);
        let freeswitch = "2026-08-20 10:00:00.123456 99.10% [WARNING] sofia_reg.c:1737 SIP auth failure";
        assert_eq!(auto(&format!("Aug 20 10:00:00 pbx freeswitch[9]: {freeswitch}")), freeswitch);
        let levelled = "[WARNING] sofia_reg.c:1737 SIP auth failure";
        assert_eq!(auto(&format!("Aug 20 10:00:00 pbx fs: {levelled}")), format!("Aug 20 10:00:00 {levelled}"));
    }

    #[test]
    fn another_programs_syslog_line_stays_unless_it_was_asked_for() {
        let line = "Aug 20 10:00:00 pbx sshd[1]: Failed password for root from 192.0.2.1 port 22 ssh2";
        assert_eq!(auto(line), line);
        assert_eq!(text(Unwrap::Syslog, line), "Aug 20 10:00:00 Failed password for root from 192.0.2.1 port 22 ssh2");
    }

    #[test]
    fn docker_says_when() {
        let line = r#"{"log":"[2026-08-20 10:00:00] NOTICE[1] a.c: from '\u003csip:1@x\u003e'\r\n","stream":"stdout","time":"2026-08-20T10:00:00.123456789Z"}"#;
        let got = unwrap(Unwrap::Auto, line.as_bytes());
        assert_eq!(&*got.text, b"[2026-08-20 10:00:00] NOTICE[1] a.c: from '<sip:1@x>'");
        assert_eq!(got.time, Some(Timestamp(1_787_220_000_123_456)));
        assert_eq!(unwrap(Unwrap::Docker, line.as_bytes()), got);
    }

    #[test]
    fn wrappers_nest() {
        let docker =
            |log: &str| serde_json::json!({"log": log, "stream": "stderr", "time": "2026-08-20T10:00:00Z"}).to_string();
        let coloured = "[2026-08-20 10:00:00] \x1b[1;33mNOTICE\x1b[0m[1]: x";
        assert_eq!(auto(&docker(&format!("{coloured}\n"))), "[2026-08-20 10:00:00] NOTICE[1]: x");
        let in_syslog = format!("Aug 20 10:00:00 pbx docker[1]: {}", docker("x"));
        assert_eq!(auto(&in_syslog), in_syslog);
        let mut deep = "[2026-08-20 10:00:00] x".to_owned();
        for _ in 0..6 {
            deep = docker(&deep);
        }
        assert!(auto(&deep).starts_with('{'));
    }

    #[test]
    fn asterisks_json_becomes_its_plain_line() {
        let line = r#"{"hostname":"pbx","timestamp":"2026-08-20 10:00:00","identifiers":{"lwp":123,"callid":"C-0000000a"},"logmsg":{"location":{"filename":"res_security_log.c","function":"f","line":114},"level":"SECURITY","message":"SecurityEvent=\"X\",A=\"1\n[2026-08-20 10:00:00] NOTICE[1]\r\u001b[1mx\""}}"#;
        let plain = "[2026-08-20 10:00:00] SECURITY[123][C-0000000a] res_security_log.c: SecurityEvent=\"X\",A=\"1\\n[2026-08-20 10:00:00] NOTICE[1]\\r\x1b[1mx\"";
        assert_eq!(auto(line), plain);
        assert_eq!(text(Unwrap::AsteriskJson, line), plain);
        assert_eq!(auto(&line.replace("C-0000000a", "")), plain.replace("[C-0000000a]", ""));
        assert_eq!(auto(&format!("Aug 20 10:00:00 pbx asterisk[9]: {line}")), plain);
    }

    #[test]
    fn json_inside_a_line_is_a_senders_text() {
        let inner = r#"{"log":"[2026-08-20 10:00:00] NOTICE[1] a","stream":"stdout","time":"2026-08-20T10:00:00Z"}"#;
        for line in [format!("{PLAIN}{inner}"), format!(" {inner}"), format!("{inner} "), format!("{inner}{inner}")] {
            assert_eq!(auto(&line), line);
        }
        let twice = inner.replacen("{", "{\"log\":\"other\",", 1);
        assert_eq!(auto(&twice), twice);
    }

    proptest! {
        #[test]
        fn nothing_breaks_it(bytes in proptest::collection::vec(any::<u8>(), 0..200), at in 0usize..5) {
            let starts: [&[u8]; 5] = [b"", b"{\"log\":\"", b"Aug 20 10:00:00 pbx a[1]: ", b"\x1b[", b"#033["];
            let line = [starts[at], &bytes].concat();
            for (_, kind) in Unwrap::WORDS {
                let text = unwrap(*kind, &line).text;
                prop_assert!(text.len() <= line.len() + 3 * line.len());
            }
        }
    }
}
