//! Cases made by chance: lines out of pieces of real ones, dates around the edges of the calendar, regexes out of all that
//! the filter language has, sessions, windows.

use jiff::civil::{DateTime, date};
use jiff::tz::TimeZone;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use sipjail::config::UseDns;

use crate::case::{Case, File, From, Line, NOW, Rules};

/// Filters over lines that are made of pieces of `corpus`, most of them of failures that the filter knows.
pub fn lines(corpus: &[String]) -> impl Strategy<Value = Case> + use<> {
    let corpus = corpus.to_vec();
    let real = (any::<Index>(), any::<Index>(), any::<Index>()).prop_map(move |(line, from, to)| {
        let line = line.get(&corpus).as_bytes();
        let (from, to) = (from.index(line.len() + 1), to.index(line.len() + 1));
        line[from.min(to)..from.max(to)].to_vec()
    });
    let failure = prop_oneof![5 => any::<Index>().prop_map(Some), 1 => Just(None)];
    let long = (select(BYTES), 1_000..3_000_usize).prop_map(|(piece, times)| piece.repeat(times));
    let piece = prop_oneof![
        8 => real.clone(),
        4 => select(ADDRESSES).prop_map(|text| text.as_bytes().to_vec()),
        8 => select(BYTES).prop_map(<[u8]>::to_vec),
        1 => long,
    ];
    let cuts = prop::collection::vec((any::<Index>(), 0..6_usize, piece), 0..3);
    let lines = prop::collection::vec((failure, real, cuts, any::<bool>()), 4..12);
    (select(FILTERS), lines, any::<bool>(), usedns()).prop_map(|((ours, name, failures), lines, tool, usedns)| {
        let dir = if ours { env!("CARGO_MANIFEST_DIR") } else { crate::FAIL2BAN };
        let from = From::File(File { dir: dir.into(), name: name.into(), options: Default::default() });
        let lines = lines.into_iter().map(|(failure, real, cuts, live)| {
            let mut text = failure.map_or(real, |failure| failure.get(failures).as_bytes().to_vec());
            for (at, gone, piece) in cuts {
                let at = at.index(text.len() + 1);
                text.splice(at..(at + gone).min(text.len()), piece);
            }
            text.retain(|byte| *byte != b'\n');
            Line { live, now: crate::FIXTURES, ..Line::new(text) }
        });
        Case { tool, usedns, findtime: 10 * 365 * 86_400, ..Case::new(from, lines.collect()) }
    })
}

/// A datepattern and lines with dates in its form.
pub fn dates() -> impl Strategy<Value = Case> {
    let line = (civil(), select(AROUND), 0..8_u8, -100..100_i64);
    let lines = prop::collection::vec(line, 1..6);
    let zones = select(ZONES);
    let logtimezone = select(&[None, None, None, Some("CET+01:00"), Some("UTC-0330"), Some("Z")][..]);
    (select(FORMS), zones, logtimezone, lines, any::<bool>(), any::<bool>()).prop_map(
        |((pattern, form), tz, logtimezone, lines, tool, live)| {
            let zone = TimeZone::get(tz).expect("a zone");
            let mut now = NOW;
            let lines: Vec<Line> = lines
                .into_iter()
                .filter_map(|(at, (before, after), kind, off)| {
                    let when = zone.to_ambiguous_timestamp(at);
                    // Twice in the year: which of the two depends on what was read before.
                    if when.is_ambiguous() && !is_gap(&zone, at) {
                        return None;
                    }
                    now = when.compatible().expect("a time").as_second() + off;
                    let text = match kind {
                        0 => format!("{before}no date{after}"),
                        _ => format!("{before}{}{after}", written(form, at)),
                    };
                    Some(Line { live, now, ..Line::new(text) })
                })
                .collect();
            let failregex = vec![r"bad <HOST>".to_owned(), r"^(?P<fid>\S*)".to_owned()];
            let datepattern = pattern.split('\n').filter(|p| !p.is_empty()).map(str::to_owned).collect();
            let rules = Rules { failregex, datepattern, ..Rules::default() };
            let logtimezone = if tz == "UTC" { logtimezone } else { None };
            Case { tz, logtimezone, tool, usedns: UseDns::No, ..Case::new(From::Rules(rules), lines) }
        },
    )
}

fn is_gap(zone: &TimeZone, at: DateTime) -> bool {
    let there = zone.to_ambiguous_timestamp(at).compatible().expect("a time");
    zone.to_datetime(there) != at
}

/// A moment, often near an edge.
fn civil() -> impl Strategy<Value = DateTime> {
    let edges = [
        date(2026, 1, 1).at(0, 0, 0, 0),
        date(2025, 12, 31).at(23, 59, 59, 0),
        date(2024, 2, 29).at(12, 0, 0, 0),
        date(2026, 2, 28).at(23, 30, 0, 0),
        date(2026, 3, 1).at(0, 30, 0, 0),
        date(2026, 3, 29).at(2, 30, 0, 0),
        date(2026, 3, 29).at(1, 59, 59, 0),
        date(2026, 3, 8).at(2, 15, 0, 0),
        date(2026, 10, 25).at(4, 0, 0, 0),
        date(2026, 11, 1).at(3, 0, 0, 0),
        date(2026, 7, 4).at(12, 0, 0, 0),
        date(2026, 9, 9).at(9, 9, 9, 0),
    ];
    (select(edges.to_vec()), -7200..7200_i64).prop_map(|(at, off)| at + jiff::SignedDuration::from_secs(off))
}

/// A moment as a log writes it; `form` is one of jiff's formats or a kind of its own.
fn written(form: &str, at: DateTime) -> String {
    let seconds = TimeZone::UTC.to_timestamp(at).expect("a time").as_second();
    match form {
        "epoch" => seconds.to_string(),
        "epoch.sub" => format!("{seconds}.123456"),
        "millis" => format!("{seconds}123"),
        "tai" => format!("@40000000{seconds:08x}0dd1f0f4"),
        "audit" => format!("audit({seconds}.123:45)"),
        "none" => String::new(),
        form => at.strftime(form).to_string(),
    }
}

/// Failregexes out of everything that the language has, and lines that they might match.
pub fn regexes() -> impl Strategy<Value = Case> {
    let plain = || prop::collection::vec(prop_oneof![60 => select(PIECES), 1 => select(ODD)], 0..3);
    let who = prop_oneof![12 => select(WHO).prop_map(|who| vec![who]), 1 => Just(Vec::new())];
    let failing = (select(HEADS), plain(), who, plain(), select(TAILS))
        .prop_map(|(head, before, who, after, tail)| Made { head, pieces: [before, who, after].concat(), tail });
    let ignoring = (select(HEADS), plain(), select(TAILS)).prop_map(|(head, pieces, tail)| Made { head, pieces, tail });
    let failregex =
        prop_oneof![3 => prop::collection::vec(failing.clone(), 1..3), 1 => prop::collection::vec(failing, 3..6)];
    let ignoreregex = prop_oneof![2 => Just(Vec::new()), 1 => prop::collection::vec(ignoring, 1..3)];
    let prefix = prop_oneof![3 => Just(None), 2 => select(PREFIXES).prop_map(Some)];
    let texts = prop::collection::vec((any::<Index>(), any::<[u8; 6]>(), select(DATED), select(CLOCKS)), 1..5);
    let maxlines = prop_oneof![6 => Just(1_usize), 1 => 2..4_usize];
    // The default patterns take long to make.
    let datepattern = prop_oneof![7 => Just(Some("^%Y-%m-%d %H:%M:%S")), 1 => Just(None)];
    (failregex, ignoreregex, prefix, texts, maxlines, datepattern, usedns(), any::<bool>()).prop_map(
        |(failregex, ignoreregex, prefix, texts, maxlines, datepattern, usedns, tool)| {
            let all: Vec<&Made> = failregex.iter().chain(&ignoreregex).collect();
            let line = |(which, dice, dated, (off, live)): (Index, [u8; 6], &str, (i64, bool))| {
                let text = which.get(&all).text(&dice);
                let text = match prefix {
                    Some((_, before)) => format!("{dated}{before}{text}"),
                    None => format!("{dated}{text}"),
                };
                Line { now: NOW + off, live, ..Line::new(text) }
            };
            let lines = texts.into_iter().map(line).collect();
            let rules = Rules {
                prefregex: prefix.map(|(regex, _)| regex.to_owned()),
                failregex: failregex.iter().map(Made::regex).collect(),
                ignoreregex: ignoreregex.iter().map(Made::regex).collect(),
                maxlines,
                datepattern: datepattern.map(str::to_owned).into_iter().collect(),
            };
            Case { usedns, tool, ..Case::new(From::Rules(rules), lines) }
        },
    )
}

/// A regex and what it might match.
#[derive(Clone, Debug)]
struct Made {
    head: &'static str,
    pieces: Vec<(&'static str, &'static [&'static str])>,
    tail: &'static str,
}

impl Made {
    fn regex(&self) -> String {
        let pieces: Vec<&str> = self.pieces.iter().map(|(regex, _)| *regex).collect();
        format!("{}{}{}", self.head, pieces.join(" "), self.tail)
    }

    /// Its pieces' texts, chosen by `dice`.
    fn text(&self, dice: &[u8; 6]) -> String {
        let chosen = |((_, texts), die): (&(_, &[&'static str]), &u8)| texts[usize::from(*die) % texts.len()];
        self.pieces.iter().zip(dice).map(chosen).collect::<Vec<_>>().join(" ")
    }
}

/// Several lines that tell one failure together.
pub fn sessions() -> impl Strategy<Value = Case> {
    let regexes = prop::sample::subsequence(SESSION_REGEXES, 2..SESSION_REGEXES.len());
    let line = (select(&["s1", "s1", "s1", "s2", ""][..]), select(SESSION_LINES), 0..90_i64);
    let lines = prop::collection::vec(line, 2..12);
    (regexes, lines, any::<bool>(), usedns(), any::<bool>()).prop_map(|(regexes, lines, tool, usedns, glued)| {
        let mut now = NOW;
        let line = |(session, text, later): (&str, &str, i64)| {
            now += later;
            Line { now, ..Line::new(format!("{} {session} {text}", now - later / 2)) }
        };
        let lines = lines.into_iter().map(line).collect();
        // The session's name may stand in the prefregex or in each failregex.
        let failregex = regexes.iter().map(|regex| match glued {
            true => format!(r"^ <F-MLFID>\w*</F-MLFID> {}", &regex[1..]),
            false => (*regex).to_owned(),
        });
        let prefix = r"^ <F-MLFID>\w*</F-MLFID> <F-CONTENT>.*</F-CONTENT>$".to_owned();
        let prefregex = (!glued).then_some(prefix);
        let datepattern = vec!["^EPOCH".to_owned()];
        let rules = Rules { prefregex, failregex: failregex.collect(), datepattern, ..Rules::default() };
        Case { tool, usedns, ..Case::new(From::Rules(rules), lines) }
    })
}

/// Several lines that one failregex sees together.
pub fn windows() -> impl Strategy<Value = Case> {
    let regexes = prop::sample::subsequence(WINDOW_REGEXES, 1..4);
    let ignore = prop::sample::subsequence(&[r"^ A \d ignore", r"\n x$", "^ C", r"B 1 .*\Z", "never"][..], 0..3);
    let prefix = prop_oneof![5 => Just(None), 1 => Just(Some(r"(?s) <F-CONTENT>[ABC].*</F-CONTENT>\n$".to_owned())),
        1 => Just(Some(r"^ [ABC]".to_owned())), 1 => Just(Some(r" <F-CONTENT>[ABC].*</F-CONTENT>$".to_owned()))];
    let lines = prop::collection::vec((select(WINDOW_LINES), any::<bool>()), 2..10);
    (regexes, ignore, prefix, lines, 1..6_usize, any::<bool>()).prop_map(
        |(regexes, ignore, prefregex, lines, maxlines, tool)| {
            let line = |(text, dated): (&str, bool)| match dated {
                true => Line::new(format!("2026-03-01 11:59:5{} {text}", text.len() % 10)),
                false => Line::new(format!(" {text}")),
            };
            let owned = |texts: Vec<&str>| texts.into_iter().map(str::to_owned).collect();
            let (failregex, ignoreregex) = (owned(regexes), owned(ignore));
            let datepattern = vec!["^%Y-%m-%d %H:%M:%S".to_owned()];
            let rules = Rules { prefregex, failregex, ignoreregex, datepattern, maxlines };
            Case { tool, ..Case::new(From::Rules(rules), lines.into_iter().map(line).collect()) }
        },
    )
}

fn usedns() -> impl Strategy<Value = UseDns> {
    select(&[UseDns::Warn, UseDns::Yes, UseDns::No, UseDns::Raw][..])
}

/// Whether it is one of ours, its name, and failures that it knows.
const FILTERS: &[(bool, &str, &[&str])] = &[
    (true, "asterisk", ASTERISK),
    (true, "freeswitch", FREESWITCH),
    (false, "asterisk", ASTERISK),
    (false, "freeswitch", FREESWITCH),
    (false, "sshd", SSHD),
    (false, "postfix", OTHERS),
    (false, "dovecot", OTHERS),
    (false, "apache-auth", OTHERS),
    (false, "recidive", OTHERS),
];

const ASTERISK: &[&str] = &[
    "[2026-11-20 10:29:59] NOTICE[123] chan_sip.c: Registration from '<sip:100@192.0.2.1>' failed for '203.0.113.1:5060' - Wrong password",
    "[2026-11-20 10:29:58] NOTICE[123] res_pjsip/pjsip_distributor.c: Request 'REGISTER' from '\"a\" <sip:100@192.0.2.1>' failed for '203.0.113.2:5060' (callid: 4a7b) - No matching endpoint found",
    "[2026-11-20 10:29:58] SECURITY[999] res_security_log.c: SecurityEvent=\"InvalidPassword\",EventTV=\"2026-11-20T10:29:58.000+0000\",Severity=\"Error\",Service=\"SIP\",EventVersion=\"2\",AccountID=\"100\",SessionID=\"0x1\",LocalAddress=\"IPV4/UDP/192.0.2.1/5060\",RemoteAddress=\"IPV4/UDP/203.0.113.3/5060\",Challenge=\"1\",ReceivedChallenge=\"1\",ReceivedHash=\"0\"",
];

const FREESWITCH: &[&str] = &[
    "2026-11-20 10:29:59.123456 [WARNING] sofia_reg.c:1751 SIP auth failure (REGISTER) on sofia profile 'internal' for [100@192.0.2.1] from ip 203.0.113.4",
    "2026-11-20 10:29:59.123456 97.33% [WARNING] sofia_reg.c:3201 Can't find user [100@192.0.2.1] from 203.0.113.5",
];

const SSHD: &[&str] = &[
    "Nov 20 10:29:59 host sshd[123]: Failed password for invalid user bob from 203.0.113.6 port 22 ssh2",
    "Nov 20 10:29:59 host sshd[123]: Connection closed by authenticating user root 203.0.113.7 port 22 [preauth]",
];

const OTHERS: &[&str] = &[
    "Nov 20 10:29:59 host postfix/smtpd[1]: NOQUEUE: reject: RCPT from unknown[203.0.113.8]: 550 5.1.1 <x@example.com>: Recipient address rejected",
    "Nov 20 10:29:59 host dovecot: imap-login: Disconnected: (auth failed, 1 attempts in 2 secs): user=<bob>, method=PLAIN, rip=203.0.113.9, lip=192.0.2.1",
    "[Fri Nov 20 10:29:59.123456 2026] [auth_basic:error] [pid 1] [client 203.0.113.10:50] AH01618: user bob not found: /",
    "2026-11-20 10:29:59,123 fail2ban.actions        [5571]: NOTICE  [sshd] Ban 203.0.113.11",
];

const ADDRESSES: &[&str] = &[
    "192.0.2.7",
    "198.51.100.255",
    "2001:db8::7",
    "2001:DB8:0:0:0:0:0:1",
    "[2001:db8::8]",
    "[192.0.2.8]",
    "192.0.2.9:5060",
    "[2001:db8::9]:5060",
    "::ffff:192.0.2.10",
    "::ffff:c000:0207",
    "::FFFF:192.0.2.10",
    "::192.0.2.10",
    "::1",
    "fe80::1%eth0",
    "host.example",
    "_x.host-1.example.",
    "bücher.example",
    "999.1.2.3",
    "01.2.3.4",
    "192.0.2",
    "192.0.2.7.5",
    "1:2",
    "2001:db8::1::2",
    "192.0.2.0/24",
    "0x7f.1",
];

const BYTES: &[&[u8]] = &[
    b"'",
    b"\"",
    b"\\",
    b"<",
    b">",
    b"[",
    b"]",
    b" ",
    b"  ",
    b"\t",
    b"\r",
    b"\0",
    b"\x1b[1m",
    b"\x0b",
    b"\x0c",
    b"\x1c",
    b"\x7f",
    b"\xc2\x85",
    b"\xe2\x80\xa8",
    b"\xc2\xa0",
    b"\xff",
    b"\xc3",
    b"\xe2\x80",
    b"\xed\xa0\x80",
    b"\xf0\x9f\x98\x80",
    b"\xcc\x81",
    b"\xd9\xa3",
    b"\xc2\xb2",
    b"\xef\xbb\xbf",
    b"\xe2\x84\xaa",
    b"\xc5\xbf",
    b"from ",
    b"' failed for '",
    b"2026-11-20 10:00:00 ",
    b"Nov 20 10:00:00 ",
    b"1795170000 ",
    b"a",
    b"0",
    b": ",
];

const ZONES: &[&str] = &["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Sydney"];

/// Patterns, and their form in jiff's format or as [`written`] knows it.
const FORMS: &[(&str, &str)] = &[
    ("", "%Y-%m-%d %H:%M:%S"),
    ("", "%Y/%m/%d %H:%M:%S"),
    ("", "%Y.%-m.%-d %H:%M:%S"),
    ("", "%Y-%m-%dT%H:%M:%S.123456+02:00"),
    ("", "%Y-%m-%dT%H:%M:%SZ"),
    ("", "%Y-%m-%d %H:%M:%S,123 -0330"),
    ("", "%b %e %H:%M:%S"),
    ("", "%a %b %e %H:%M:%S.123 %Y"),
    ("", "%b %d %Y %H:%M:%S"),
    ("", "%d/%m/%Y %H:%M:%S"),
    ("", "%d-%m-%y %H:%M:%S"),
    ("", "%d/%b/%Y:%H:%M:%S +0100"),
    ("", "%d/%b/%Y:%H:%M:%S"),
    ("", "%m/%d/%Y:%H:%M:%S"),
    ("", "%m-%d-%Y %H:%M:%S.123"),
    ("", "epoch"),
    ("", "epoch.sub"),
    ("", "audit"),
    ("", "%H:%M:%S"),
    ("", "<%m/%d/%y@%H:%M:%S>"),
    ("", "%y%m%d %H:%M:%S"),
    ("", "%b %d, %Y %I:%M:%S %p"),
    ("", "%b-%d-%y %H:%M:%S"),
    ("", "%Y%m%dT%H%M%S"),
    ("", "CET %b %e %H:%M:%S"),
    ("", "+02:00 %b %e %H:%M:%S.011 %Y"),
    ("", "pbx %b %e %H:%M:%S"),
    ("", "FOO %b %e %H:%M:%S"),
    ("", "tai"),
    ("", "none"),
    ("{NONE}", "none"),
    ("{^LN-BEG}", "%Y-%m-%d %H:%M:%S"),
    ("{^LN-BEG}", "%b %e %H:%M:%S"),
    ("{^LN-BEG}%Y-%m-%d %H:%M:%S\n{NONE}", "%Y-%m-%d %H:%M:%S"),
    ("{^LN-BEG}%b %d %H:%M:%S", "%b %d %H:%M:%S"),
    ("^{DATE}", "%Y-%m-%d %H:%M:%S"),
    (r"^x ({DATE})", "%b %e %H:%M:%S"),
    ("x {DATE}", "%d/%b/%Y:%H:%M:%S +0100"),
    ("EPOCH", "epoch"),
    ("^EPOCH", "epoch.sub"),
    ("{^LN-BEG}EPOCH", "epoch"),
    ("LEPOCH", "millis"),
    ("{^LN-BEG}LEPOCH", "epoch"),
    ("TAI64N", "tai"),
    ("^TAI64N", "tai"),
    ("x{EPOCH}", "epoch"),
    ("%Y-%m-%d", "%Y-%m-%d"),
    ("%m-%d %H:%M", "%m-%d %H:%M"),
    ("%d %H:%M:%S", "%d %H:%M:%S"),
    ("%Y %j", "%Y %j"),
    ("%j %H:%M", "%j %H:%M"),
    ("%Y %U %w %H:%M:%S", "%Y %U %w %H:%M:%S"),
    ("%Y %W %w", "%Y %W %w"),
    ("%I:%M:%S %p", "%I:%M:%S %p"),
    ("%A, %B %d %Y", "%A, %B %d %Y"),
    ("%Y-%m-%d %H:%M:%S %Z", "%Y-%m-%d %H:%M:%S CET"),
    ("%Y-%m-%d %H:%M:%S %Z", "%Y-%m-%d %H:%M:%S XYZ"),
    ("%Y-%m-%d %H:%M:%S %ExZ", "%Y-%m-%d %H:%M:%S EST"),
    ("%Y-%m-%d %H:%M:%S %Exz", "%Y-%m-%d %H:%M:%S CET+0100"),
    ("%Y-%m-%d %H:%M:%S %z", "%Y-%m-%d %H:%M:%S +1400"),
    ("%Y-%m-%d %H:%M:%S%z", "%Y-%m-%d %H:%M:%SGMT"),
    ("%y%m%d %H%M", "%y%m%d %H%M"),
    (r"^\[%Y-%m-%d %H:%M:%S\]", "[%Y-%m-%d %H:%M:%S]"),
    (r"^\[(%Y-%m-%d %H:%M:%S)\]", "[%Y-%m-%d %H:%M:%S]"),
    ("{UNB}%Y-%m-%d", "x%Y-%m-%dx"),
    ("**%H:%M**", "1%H:%M1"),
    ("%Y-%m-%d %H:%M:%S\nEPOCH\n%b %d %H:%M:%S", "%b %d %H:%M:%S"),
    ("%c", "%a %b %d %H:%M:%S %Y"),
    ("%x %X", "%m/%d/%y %H:%M:%S"),
];

const AROUND: &[(&str, &str)] = &[
    ("", " bad 192.0.2.1"),
    ("", " bad 192.0.2.1"),
    ("[", "] bad 192.0.2.1"),
    ("x ", " bad 192.0.2.1"),
    ("[[[", " bad 192.0.2.1"),
    ("<34>1 ", " bad 192.0.2.1"),
    ("", "bad 192.0.2.1"),
    ("x", " 2026-03-01 10:00:00 bad 192.0.2.1"),
    ("bad 192.0.2.1 at ", ""),
    ("é ", ""),
    ("", ""),
];

const DATED: &[&str] =
    &["2026-03-01 11:59:59 ", "2026-03-01 11:59:30 ", "2026-03-01 11:40:00 ", "2026-02-30 11:59:59 ", "", ""];

/// Seconds of the present against the usual, and whether the log is being written.
const CLOCKS: &[(i64, bool)] = &[(0, true), (0, true), (30, true), (0, false), (90, false), (700, false), (-300, true)];

const PREFIXES: &[(&str, &str)] = &[
    (r"^\s*host <F-CONTENT>.+</F-CONTENT>$", "host "),
    (r"^\s*host <F-CONTENT>.*?</F-CONTENT>", "host "),
    (r"^\s*host", "host "),
    (r"^\s*(?P<fid>id\d) <F-CONTENT>.+</F-CONTENT>", "id7 "),
    (r"<ADDR> <F-CONTENT>.+</F-CONTENT>$", "192.0.2.99 "),
    (r"^\s*host(?:<F-CONTENT>.+</F-CONTENT>)?$", "host "),
    (r"^\s*<F-NOFAIL>ok</F-NOFAIL> <F-CONTENT>.+</F-CONTENT>\s$", "ok "),
    (r"^\s*<F-MLFID>\w\d</F-MLFID> ", "m1 "),
];

const HEADS: &[&str] =
    &["", "", r"^\s*", "^", r"\s*", "(?i)", "(?s)^", "(?x)^ \\s* ", "(?m)^", "^(?:a|ab)?", ".*", r"\A", "\\b"];

const TAILS: &[&str] =
    &["", "$", "$", r"\s*$", r"\Z", r"\s$", "[^x]$", r"\n", r"(?:\s|$)", r"\b", "(?!x)", ".", r"\n\Z", "$$", "()$"];

/// Pieces of regexes that say who it was, and texts that they match or nearly match.
const WHO: &[(&str, &[&str])] = &[
    ("<HOST>", ADDRESSES),
    ("<HOST>", ADDRESSES),
    ("<HOST>", ADDRESSES),
    ("<ADDR>", ADDRESSES),
    ("<F-ADDR/>", ADDRESSES),
    ("<IP4>", ADDRESSES),
    ("<F-IP6/>", ADDRESSES),
    ("<DNS>", ADDRESSES),
    (
        "<SUBNET>",
        &["192.0.2.7/24", "2001:db8::7/64", "192.0.2.7/33", "192.0.2.7/0", "[2001:db8::7]", "[2001:db8::7/64]"],
    ),
    ("<ADDR>/<CIDR>", &["192.0.2.7/24", "2001:db8::7/64", "192.0.2.7/32", "192.0.2.7/99999"]),
    (
        "<F-ID/>",
        &["bob", "[bob]", "192.0.2.7", "192.0.2.7/16", "[::1]", "bob/24", "::ffff:192.0.2.7", "192.0.2.7/255.255.0.0"],
    ),
    (r"<F-ID>\w+</F-ID>", &["bob", "eve", "7"]),
    (r"<F-ID>\S*</F-ID>", &["bob", "", "192.0.2.7"]),
    (r"(?P<ip4>\S+)", &["192.0.2.7", "x", "1.2.3"]),
    (r"(?P<dns>\S+)", &["192.0.2.7", "x.example", "2001:db8::7"]),
    ("(?:<ADDR>|x)", &["192.0.2.7", "x"]),
    ("(?:<HOST>|-)", &["-", "h.example"]),
    (r"<F-MLFID>\w\d</F-MLFID>", &["m1", "m2"]),
];

/// Other pieces.
const PIECES: &[(&str, &[&str])] = &[
    ("<F-PORT/>", &["5060", "http"]),
    (r"<F-PORT>\d+</F-PORT>", &["5060"]),
    (r"<F-USER>\S+</F-USER>", &["bob", "bücher", "\"x"]),
    (r"<F-USER>\S+|.*?</F-USER>", &["bob", "a b"]),
    (r"<F-USER>\S*</F-USER>,<F-ALT_USER>\w*</F-ALT_USER>", &[",bob", "eve,bob", ","]),
    (r"<F-USER>\S*</F-USER>,<F-ALT_USER_1>\w*</F-ALT_USER_1>,<F-ALT_USER_2>\w*</F-ALT_USER_2>", &[",bob,eve", ",,eve"]),
    (r"<F-ALT_USER1>\w*</F-ALT_USER1>", &["bob"]),
    (r"<F-ALT_ID>\w+</F-ALT_ID>", &["bob"]),
    (r"<F-ALT_IP4>[\d.]+</F-ALT_IP4>", &["192.0.2.9"]),
    (r"<F-TRIES>\d+</F-TRIES>", &["5"]),
    ("<F-NOFAIL>ok</F-NOFAIL>", &["ok"]),
    ("(?:<F-NOFAIL>ok</F-NOFAIL>|no)", &["ok", "no"]),
    ("<F-MLFFORGET>bye</F-MLFFORGET>", &["bye"]),
    ("<F-MLFGAINED>in</F-MLFGAINED>", &["in"]),
    ("<F-user>", &["<F-user>"]),
    ("<HOST/>", &["<HOST/>"]),
    ("</F-NONE>", &["</F-NONE>"]),
    ("<F-É>x", &["<F-É>x"]),
    ("(?i:abc)", &["aBc", "abc"]),
    ("((?i)abc)", &["aBc", "abc"]),
    ("(?:(?i)abc|K)", &["aBc", "k", "\u{212a}"]),
    ("(?:(?is)a.c)", &["AxC"]),
    ("(?=x)x", &["x", "y"]),
    (r"(?!y)\w+", &["x", "y"]),
    ("(?<=x)y|z", &["y", "z"]),
    ("(?<!x)y", &["y"]),
    (r#"(?P<q>['"])?v(?(q)(?P=q))"#, &["'v'", "v", "'v", "\"v'"]),
    ("(?P<w>a|b)x(?P=w)", &["axa", "axb", "bxb"]),
    ("(?P<o>x)?(?(o)b|c)", &["xb", "c", "xc", "b"]),
    (r"[^\]]+", &["abc", "a]"]),
    ("[^[]*", &["abc", "a["]),
    (r"[\w.-]+", &["a-b.c", "é", "e\u{301}", "²", "٣"]),
    (r"[]a]+", &["]a"]),
    (r"[a&&b--c~~d||e]+", &["a&b-c~d|e"]),
    (r"[\d\s]+", &["1 2", "٣"]),
    (r"[^\W\d_]+", &["abc", "é1"]),
    (r"\w+", &["bob", "é", "e\u{301}", "²", "ⅷ", "a_b", "中"]),
    (r"\W", &["-", "\u{301}", "²"]),
    (r"\d{1,3}", &["12", "1234", "٣"]),
    (r"\S+", &["a\u{a0}b", "a\u{1c}b", "a\u{85}b", "a\u{200b}b", "a\u{2028}b"]),
    (r"a\sb", &["a b", "a\u{a0}b", "a\u{1c}b", "a\u{1f}b", "a\u{85}b", "a\tb", "a\u{180e}b"]),
    ("a.b", &["axb", "a\rb", "a\u{85}b", "a\u{2028}b", "a\0b"]),
    ("a{,2}", &["aa", "aaa", ""]),
    ("a{2}", &["aa", "a"]),
    ("a{1,}?", &["aaa"]),
    ("{}x{", &["{}x{"]),
    ("{a}", &["{a}"]),
    ("x{1", &["x{1"]),
    ("x{,}", &["xx", "x{,}"]),
    ("x{ 1}", &["x{ 1}"]),
    ("a++", &["aa"]),
    ("(?>a+)b?", &["aab"]),
    ("(?:a|b)*?c", &["ababc"]),
    ("(?:a|ab|abc)", &["abc", "ab"]),
    ("a|b", &["a", "b"]),
    (r"\bword\b", &["word", "words", "word\u{301}"]),
    (r"\Bx", &["x"]),
    (r"\x41\u0042\103\t?", &["ABC"]),
    (r"\<x\>", &["<x>"]),
    (r"\-\/\'\ \#\&\~\%\@", &["-/' #&~%@"]),
    (r"\0", &["\0"]),
    ("x(?#comment)y", &["xy"]),
    ("x #y", &["x #y", "x"]),
    ("(?a:é|\\w)", &["é", "e"]),
    ("(?u:é)", &["é"]),
    ("(?-i:x)", &["x", "X"]),
    ("(?s-i:a.b)", &["a b"]),
    ("É", &["É", "é"]),
    ("ß", &["ß", "ẞ", "SS"]),
    ("K", &["K", "k", "\u{212a}"]),
    ("s", &["s", "S", "ſ"]),
    ("İ", &["İ", "i", "I"]),
    ("from", &["from", "FROM"]),
    ("<SKIPLINES>", &[""]),
    ("bad", &["bad", "good"]),
    ("user=.*", &["user=x", "user=from 192.0.2.1"]),
    (".*?", &["x", ""]),
];

/// Pieces that Python refuses, or almost.
const ODD: &[(&str, &[&str])] = &[
    (r"(?P<host>\S+)", &["192.0.2.7"]),
    ("<F-MY-TAG>x", &["x"]),
    ("x(?i)y", &["xY"]),
    (r"\((?i)", &["("]),
    ("(?(nope)a|b)", &["a"]),
    ("(?P=nope)", &["a"]),
    (r"[z-a]", &["m"]),
    (r"[a-\d]", &["a"]),
    ("a**", &["a"]),
    ("a{3,1}", &["a"]),
    ("^*", &[""]),
    ("$+", &[""]),
    (r"\b+x", &["x"]),
    ("(?:)*x", &["x"]),
    (r"\N{BULLET}", &["•"]),
    (r"\e", &["e"]),
    (r"\z", &["z"]),
    (r"\Qx", &["Qx"]),
    (r"\p{L}", &["p{L}"]),
    (r"\é", &["é"]),
    (r"\8", &["8"]),
    ("(?<n>x)", &["x"]),
    ("(?P<é>x)", &["x"]),
    ("(?P<1>x)", &["x"]),
    ("(?i-i:x)", &["x"]),
    ("(?L:x)", &["x"]),
    ("(?:", &["x"]),
    ("x)", &["x"]),
    ("[x", &["x"]),
];

const SESSION_REGEXES: &[&str] = &[
    "^<F-NOFAIL>from</F-NOFAIL> <HOST>$",
    r"^fail user=<F-USER>\w*</F-USER>$",
    "^fail <ADDR>$",
    "^fail$",
    r"^<F-NOFAIL>try</F-NOFAIL> user=<F-USER>\w*</F-USER>",
    r"^<F-MLFGAINED>in</F-MLFGAINED> user=<F-USER>\w*</F-USER>$",
    r"^<F-MLFGAINED><F-NOFAIL>in</F-NOFAIL></F-MLFGAINED> <ADDR>$",
    "^<F-MLFFORGET>bye</F-MLFFORGET>(?: <ADDR>)?$",
    "^<F-NOFAIL><F-MLFFORGET>quit</F-MLFFORGET></F-NOFAIL>(?: <ADDR>)?$",
    "^(?:<F-NOFAIL>maybe</F-NOFAIL>|sure) <HOST>$",
    "^<F-NOFAIL></F-NOFAIL>empty <HOST>$",
    r"^id <F-ID>\S+</F-ID>(?: <ADDR>)?$",
    r"^alt <F-ALT_USER>\w+</F-ALT_USER> <F-PORT/>$",
];

const SESSION_LINES: &[&str] = &[
    "from 192.0.2.1",
    "from h.example",
    "from 999.1.2.3",
    "fail user=bob",
    "fail user=eve",
    "fail user=",
    "fail 192.0.2.2",
    "fail",
    "try user=bob",
    "try user=eve",
    "in user=bob",
    "in user=eve",
    "in 192.0.2.3",
    "bye",
    "bye 192.0.2.4",
    "quit",
    "quit 192.0.2.5",
    "maybe 192.0.2.6",
    "sure 192.0.2.6",
    "empty 192.0.2.7",
    "id bob",
    "id bob 192.0.2.8",
    "alt eve 5060",
    "nothing",
];

const WINDOW_REGEXES: &[&str] = &[
    r"^ A (?P<k>\d) .*<SKIPLINES> B (?P=k) <HOST>$",
    r"^ A \d <F-USER>\w+</F-USER><SKIPLINES>.*B \d <HOST>",
    "^ C <HOST>$",
    r"C <HOST>\n",
    r"A \d.*\n.*<HOST>",
    r"A \d<SKIPLINES> x<SKIPLINES> B \d <ADDR>$",
    r"(?s)A (?P<k>\d).*B (?P=k) <HOST>",
    r"B \d <HOST>\Z",
    r"^B \d <ADDR>$",
    r"^ A (?P<fid>)",
    r"\n (?P<fid>x)",
    r"(?P<fid>x)$",
    r"^[A-C] (?:\d )?<HOST>$",
];

const WINDOW_LINES: &[&str] = &[
    "A 1 bob",
    "A 2 eve",
    "A 1 ignore",
    "x",
    "x\u{c}y",
    "x\u{2028}y",
    "",
    "B 1 192.0.2.1",
    "B 2 192.0.2.2",
    "B 1 h.example",
    "C 192.0.2.3",
    "C é 192.0.2.3",
];
