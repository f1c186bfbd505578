//! Lines that a FreeSWITCH 1.10.7 or later writes for those who mean to mislead whoever reads its log: any bytes in every
//! field that a sender chooses, whole forged lines among them, through what `mod_logfile` makes of line breaks. Everybody is
//! found under his own address, and nobody else.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};

use sipjail::time::{Span, Timestamp};

use super::random::Random;
use super::table::{NOW, Stock};

#[test]
fn whatever_senders_write_they_alone_are_found() {
    let mut stock = Stock::new(|name| name.starts_with("freeswitch"));
    let (mut server, mut lines, mut found) = (Server::new(), 0, BTreeMap::<_, u32>::new());
    while lines < LINES {
        let block = server.moment();
        lines += block.iter().filter(|b| **b == b'\n').count();
        for failure in stock.read_at(&block, Some(server.now)) {
            *found.entry((failure.jail, failure.host)).or_default() += failure.count;
        }
    }
    let (mut written, mut seen) = (0, 0);
    for (who, times) in &server.written {
        let count = found.remove(who).unwrap_or(0);
        assert!(count <= *times && count > 0, "{who:?} is found {count} times, in {times} lines");
        written += times;
        seen += count;
    }
    counted!("hostile lines of FreeSWITCH: {lines}, forged {}, failures {written}, found {seen}", server.forged);
    assert!(found.is_empty(), "{found:?} never sent anything");
    assert!(f64::from(seen) > 0.9 * f64::from(written), "{seen} of {written}");
    assert!(stock.said().iter().any(|said| said.contains("may have forged")));
}

/// A build without optimisation has fewer, since it takes longer over them.
const LINES: usize = if cfg!(debug_assertions) { 250_000 } else { 1_000_000 };

/// What the server knows, and how often whom it should be found for.
struct Server {
    random: Random,
    now: Timestamp,
    /// In hundredths of a percent.
    idle: u64,
    written: BTreeMap<(String, IpAddr), u32>,
    forged: usize,
}

impl Server {
    fn new() -> Server {
        Server { random: Random::new(7), now: NOW, idle: 9_810, written: BTreeMap::new(), forged: 0 }
    }

    /// What is written within one tick of the clock.
    fn moment(&mut self) -> Vec<u8> {
        self.now = self.now + Span(20_000 + self.random.below(60) as i64 + 20_000 * (self.random.below(8) as i64));
        if self.random.below(10) == 0 {
            self.idle = 7_000 + self.random.below(3_000);
        }
        let mut log = Vec::new();
        for _ in 0..1 + self.random.below(4) {
            match self.random.below(5) {
                0 => self.call(&mut log),
                1 => self.turned_away(&mut log),
                _ => self.login(&mut log),
            }
        }
        log
    }

    fn head(&self) -> String {
        format!("{} {}.{:02}% ", date(self.now), self.idle / 100, self.idle % 100)
    }

    /// One of forty, who never have their lines forged.
    fn sender(&mut self) -> IpAddr {
        IpAddr::from(Ipv4Addr::new(203, 0, 113, 1 + self.random.below(40) as u8))
    }

    fn count(&mut self, jail: &str, sender: IpAddr) {
        *self.written.entry((jail.to_owned(), sender)).or_default() += 1;
    }

    fn login(&mut self, log: &mut Vec<u8>) {
        let (head, sender, method) = (self.head(), self.sender(), self.random.of(&["REGISTER", "INVITE"]));
        let unbroken = |text: Vec<u8>| text.into_iter().filter(|b| !b"\r\n\0".contains(b)).collect::<Vec<u8>>();
        let target = unbroken(self.text(300));
        for (what, number, jail) in [("challenge", 1842, "freeswitch-flood"), ("failure", 1787, "freeswitch")] {
            if what == "failure" && self.random.below(2) == 0 {
                let user = unbroken(self.text(300));
                let before = format!("{head}[WARNING] sofia_reg.c:3210 Can't find user [");
                log.extend([before.as_bytes(), &user, format!("] from {sender}\n").as_bytes()].concat());
                self.count("freeswitch-unknown", sender);
            }
            let before = format!(
                "{head}[WARNING] sofia_reg.c:{number} SIP auth {what} ({method}) on sofia profile 'internal' for ["
            );
            log.extend([before.as_bytes(), &target, format!("] from ip {sender}\n").as_bytes()].concat());
            self.count(jail, sender);
        }
    }

    fn turned_away(&mut self, log: &mut Vec<u8>) {
        let (head, sender, port) = (self.head(), self.sender(), 1024 + self.random.below(60_000));
        let (text, jail) = match self.random.below(5) {
            0 => (format!("[WARNING] sofia_reg.c:2406 IP {sender} Rejected by register acl \"lan\""), "freeswitch"),
            1 => (format!("[WARNING] sofia.c:10667 IP {sender} Rejected by acl \"domains\""), "freeswitch"),
            2 => (format!("[ERR] sofia_reg.c:2335 NO CONTACT! ip: {sender}, port: {port}"), "freeswitch"),
            3 => (
                format!("[WARNING] sofia_reg.c:3305 IP {sender} Rejected by user acl 10.0.0.0/8"),
                "freeswitch-unknown",
            ),
            _ => (format!("[WARNING] mod_event_socket.c:2674 IP {sender} Rejected by acl \"esl\""), "freeswitch-mgmt"),
        };
        log.extend(format!("{head}{text}\n").bytes());
        self.count(jail, sender);
    }

    /// A call of somebody who chooses its channel's name, his own name and the number.
    fn call(&mut self, log: &mut Vec<u8>) {
        let (head, sender, one) = (self.head(), self.sender(), self.random.next());
        let uuid = format!("{:08x}-3c0e-4f2c-9a43-{:012x} ", one as u32, one >> 16);
        let (name, display, number) = (self.text(4_000), self.text(300), self.text(300));
        let name = [b"sofia/external/", &name[..], b"@192.0.2.1"].concat();
        let mut say = |parts: &[&[u8]]| break_up(&uuid, &parts.concat(), log);
        say(&[
            head.as_bytes(),
            b"[NOTICE] switch_channel.c:1142 New Channel ",
            &name,
            b" [",
            uuid.trim_end().as_bytes(),
            b"]",
        ]);
        say(&[
            head.as_bytes(),
            b"[DEBUG] switch_core_state_machine.c:581 (",
            &name,
            b") Running State Change CS_NEW (Cur 1 Tot 43)",
        ]);
        let invite = format!(" receiving invite from {sender}:5060 version: 1.10.12-release 64bit call-id: 4a7b");
        say(&[head.as_bytes(), b"[INFO] sofia.c:10460 ", &name, invite.as_bytes()]);
        say(&[
            head.as_bytes(),
            b"[INFO] mod_dialplan_xml.c:639 Processing ",
            &display,
            b" <100>->",
            &number,
            b" in context public",
        ]);
        say(&[b"EXECUTE [depth=0] ", &name, b" set(outside_call=true)"]);
    }

    /// Bytes of a sender's choice, so many at most.
    fn text(&mut self, room: usize) -> Vec<u8> {
        let mut text = Vec::new();
        for _ in 0..self.random.below(12) {
            match self.random.below(14) {
                0..4 => {
                    self.forged += 1;
                    let line = self.forged_line();
                    text.extend(line.bytes());
                }
                4 => text.extend(b"\n".repeat(1 + self.random.below(130) as usize)),
                5 => text.push(b'\n'),
                6 => text.extend(b"\\n"),
                7 => text.extend(b"\r\n "),
                8 => text.extend(b"\\s\\'"),
                9 => text.extend(b"] from ip 198.51.100.1] from 198.51.100.2 [' for ["),
                10 => text.extend(b"7f0c8c2e-3c0e-4f2c-9a43-5b8b1a9b1c11 "),
                11 => text.extend(b"\x1b[35m{\"log\":\"Aug 20 10:00:00 pbx freeswitch[9]: pbx freeswitch[9]: "),
                _ => text.extend((0..self.random.below(30)).map(|_| self.random.next() as u8)),
            }
        }
        text.truncate(room);
        text
    }

    /// A line like the server's about somebody who never sent anything, between two line breaks. Its sender knows the time
    /// well; the idle time he guesses wrong.
    fn forged_line(&mut self) -> String {
        let near = self.random.of(&[50, 5_000, 500_000, 5_000_000]);
        let time = self.now + Span(self.random.below(2 * near) as i64 - near as i64);
        let mut idle = self.random.below(10_000);
        if idle == self.idle {
            idle += 1;
        }
        let head = format!("{} {}.{:02}% ", date(time), idle / 100, idle % 100);
        let victim = Ipv4Addr::new(198, 51, 100, self.random.next() as u8);
        let quote = self.random.of(&["'", "\\'"]);
        let text = match self.random.below(7) {
            0 => format!(
                "[WARNING] sofia_reg.c:1787 SIP auth failure (REGISTER) on sofia profile {quote}internal{quote} for [1001@192.0.2.1] from ip {victim}"
            ),
            1 => format!(
                "[WARNING] sofia_reg.c:1842 SIP auth challenge (INVITE) on sofia profile {quote}internal{quote} for [1001@192.0.2.1] from ip {victim}"
            ),
            2 => format!("[WARNING] sofia_reg.c:3210 Can{quote}t find user [9999@192.0.2.1] from {victim}"),
            3 => format!("[ERR] sofia_reg.c:2335 NO CONTACT! ip: {victim}, port: 5060"),
            4 => format!("[WARNING] sofia_reg.c:2406 IP {victim} Rejected by register acl \"lan\""),
            5 => format!("[WARNING] mod_event_socket.c:2682 IP {victim} Rejected by acl \"loopback.auto\""),
            _ => format!(
                "[INFO] sofia.c:10460 sofia/external/x receiving invite from {victim}:5060 version: 1.10.12 call-id: 1"
            ),
        };
        let (begin, end) = (self.random.of(&["\n", "\\n", "", " "]), self.random.of(&["\n", "\\n", ""]));
        let mut line = begin.to_owned();
        write!(line, "{head}{text}{end}").unwrap();
        line
    }
}

fn date(time: Timestamp) -> String {
    jiff::Timestamp::from_microsecond(time.0).unwrap().strftime("%Y-%m-%d %H:%M:%S.%6f").to_string()
}

/// A message of a call as `mod_logfile` writes it: at most 100 pieces with the UUID in front, in each of which `\n`, `\s` and
/// `\'` mean what they do in its configuration.
fn break_up(uuid: &str, message: &[u8], log: &mut Vec<u8>) {
    for piece in message.splitn(100, |b| *b == b'\n') {
        log.extend(uuid.bytes());
        let mut bytes = piece.iter().copied().peekable();
        while let Some(byte) = bytes.next() {
            let meant = (byte == b'\\').then(|| bytes.peek()).flatten().and_then(|next| match next {
                b'n' => Some(b'\n'),
                b's' => Some(b' '),
                b'\'' => Some(b'\''),
                _ => None,
            });
            log.push(meant.unwrap_or(byte));
            if meant.is_some() {
                bytes.next();
            }
        }
        log.push(b'\n');
    }
}
