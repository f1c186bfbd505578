//! Asterisk's manager interface, without its socket: bytes in, lines and replies out.
//!
//! Only the events of the class `security` are asked for. Of their fields `AccountID` may hold whatever a caller chose,
//! line breaks included, in 36 bytes at most. So an event is believed only if `Privilege` is its second header, its fields
//! stand in the server's order and none stands twice; anything else is broken: counted, and handed on as an event `Broken`
//! of the true sender where the server's own pair of addresses, which is too long for a caller's bytes, is still there.
//! `SuccessfulAuth` is handed on only where a password was used. Challenges and hashes stay here.

mod layout;

use std::net::IpAddr;

use md5::{Digest, Md5};
use memchr::memmem;

use super::event::{self, News, Rendered};
use layout::{Layout, SHOWN};

/// One connection, from the server's greeting on. It cannot be shown: what is to be sent may hold the secret.
pub struct Session {
    username: String,
    secret: crate::config::Secret,
    /// Whether the secret itself may be sent where no challenge is offered.
    may_be_plain: bool,
    state: State,
    /// What is not a whole block yet.
    buffer: Vec<u8>,
    /// Behind a block that was too long, up to its end.
    skipping: bool,
    out: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The server speaks first.
    Greeting,
    Challenge,
    Login,
    In,
    Refused,
}

impl Session {
    /// Logs in as `username`; by the secret itself only if it `may_be_plain`.
    pub fn new(username: &str, secret: &crate::config::Secret, may_be_plain: bool) -> Session {
        Session {
            username: username.to_owned(),
            secret: secret.clone(),
            may_be_plain,
            state: State::Greeting,
            buffer: Vec::new(),
            skipping: false,
            out: Vec::new(),
        }
    }

    /// What is to be sent.
    pub fn output(&mut self) -> &mut Vec<u8> {
        &mut self.out
    }

    /// Whether there is any.
    pub fn has_output(&self) -> bool {
        !self.out.is_empty()
    }

    /// Asks whether the server is still there.
    pub fn ping(&mut self) {
        self.say(&["Action: Ping"]);
    }

    /// Takes what the server sent.
    pub fn take(&mut self, bytes: &[u8], news: &mut News) {
        self.buffer.extend_from_slice(bytes);
        let buffer = std::mem::take(&mut self.buffer);
        let mut rest = &buffer[..];
        if self.state == State::Greeting {
            let Some(end) = memchr::memchr(b'\n', rest) else {
                self.keep(rest, news);
                return;
            };
            let greeting = &rest[..end];
            rest = &rest[end + 1..];
            if greeting.starts_with(b"Asterisk Call Manager") {
                self.state = State::Challenge;
                self.say(&["Action: Challenge", "AuthType: MD5"]);
            } else {
                self.refuse(news, "it is no manager interface: its greeting is another".to_owned());
            }
        }
        while let Some(end) = memmem::find(rest, b"\r\n\r\n") {
            let block = &rest[..end];
            rest = &rest[end + 4..];
            if std::mem::take(&mut self.skipping) {
                continue;
            }
            self.block(block, news);
        }
        self.keep(rest, news);
    }

    /// Keeps what is no whole block, as long as it can become one that the server would write.
    fn keep(&mut self, rest: &[u8], news: &mut News) {
        if rest.len() > LONGEST_BLOCK {
            if !std::mem::replace(&mut self.skipping, true) {
                (news.events, news.broken) = (news.events + 1, news.broken + 1);
            }
            // The end of the block may have begun.
            self.buffer = rest[rest.len() - 3..].to_vec();
        } else {
            self.buffer = rest.to_vec();
        }
    }

    fn block(&mut self, block: &[u8], news: &mut News) {
        let headers = headers(block);
        match (self.state, headers.first()) {
            (State::Refused, _) | (_, None) => {}
            (State::In, Some(Some((b"Response", _)))) => {}
            (State::In, _) => self.event(block, &headers, news),
            (_, Some(Some((b"Response", response)))) => self.response(response, &headers, news),
            // Nothing comes before we are let in that could matter.
            _ => {}
        }
    }

    fn response(&mut self, response: &[u8], headers: &[Option<(&[u8], &[u8])>], news: &mut News) {
        let said = |name: &[u8]| headers.iter().flatten().find(|(header, _)| *header == name).map(|(_, value)| *value);
        let good = response == b"Success";
        match self.state {
            State::Challenge if good && said(b"Challenge").is_some() => {
                let mut hash = Md5::new();
                hash.update(said(b"Challenge").unwrap_or_default());
                hash.update(self.secret.reveal());
                let key: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
                self.login(&["AuthType: MD5", &format!("Key: {key}")]);
            }
            State::Challenge if self.may_be_plain => {
                let secret = format!("Secret: {}", self.secret.reveal());
                self.login(&[&secret]);
            }
            State::Challenge => {
                let why = "it offers no challenge, and the secret is not sent readably to another host";
                self.refuse(news, why.to_owned());
            }
            State::Login if good => {
                self.state = State::In;
                news.entered = true;
                Rendered::new("AMI", event::CONNECTED).end(&mut news.lines);
            }
            State::Login => {
                let why = String::from_utf8_lossy(said(b"Message").unwrap_or(b"no reason"));
                let why: String = why.chars().take(100).collect();
                self.refuse(news, format!("it does not let `{}` in: {why}", self.username));
            }
            State::Greeting | State::In | State::Refused => {}
        }
    }

    fn login(&mut self, how: &[&str]) {
        let username = format!("Username: {}", self.username);
        self.state = State::Login;
        self.say(&[&["Action: Login", &username], how, &["Events: security"]].concat());
    }

    fn event(&mut self, block: &[u8], headers: &[Option<(&[u8], &[u8])>], news: &mut News) {
        news.events += 1;
        let event = match headers.first() {
            Some(Some((b"Event", event))) => *event,
            _ => b"",
        };
        let mut sender = |line: Rendered| line.end(&mut news.lines);
        if let Some(layout) = Layout::of(event) {
            if let Some(fields) = layout.read(headers) {
                let from = fields.get("RemoteAddress").and_then(address);
                match from {
                    Some(_) if event == b"SuccessfulAuth" && fields.get("UsingPassword") != Some(b"1") => return,
                    Some((ip, port, transport)) if fields.get("LocalAddress").and_then(address).is_some() => {
                        let line = Rendered::new("AMI", layout.name).from(ip, port).field("transport", transport);
                        let shown = SHOWN.iter().filter_map(|name| Some((name, fields.get(name)?)));
                        sender(shown.fold(line, |line, (name, value)| line.field(name, value)));
                        return;
                    }
                    _ => {}
                }
            }
        } else if event != b"" && memmem::find(block, b"RemoteAddress: ").is_none() {
            // An event of another kind.
            return;
        }
        news.broken += 1;
        if let Some((ip, port, transport)) = true_sender(headers) {
            sender(Rendered::new("AMI", "Broken").from(ip, port).field("transport", transport));
        }
    }

    fn refuse(&mut self, news: &mut News, why: String) {
        self.state = State::Refused;
        news.refused = Some(why);
    }

    fn say(&mut self, lines: &[&str]) {
        for line in lines {
            self.out.extend(line.bytes());
            self.out.extend(b"\r\n");
        }
        self.out.extend(b"\r\n");
    }
}

/// `NAME: VALUE` of each line; `None` where a line is something else.
fn headers(block: &[u8]) -> Vec<Option<(&[u8], &[u8])>> {
    let mut lines = Vec::new();
    let mut rest = block;
    loop {
        let end = memmem::find(rest, b"\r\n").unwrap_or(rest.len());
        let line = &rest[..end];
        let whole = !line.iter().any(|byte| matches!(byte, b'\r' | b'\n'));
        let colon = memmem::find(line, b": ").filter(|_| whole);
        lines.push(colon.map(|at| (&line[..at], &line[at + 2..])));
        match rest.get(end + 2..) {
            Some(more) if lines.len() < MOST_HEADERS => rest = more,
            _ => return lines,
        }
    }
}

/// `IPV4/UDP/192.0.2.1/5060`.
fn address(value: &[u8]) -> Option<(IpAddr, Option<u16>, &[u8])> {
    let mut parts = value.split(|byte| *byte == b'/');
    let (family, transport, ip, port) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let ip: IpAddr = std::str::from_utf8(ip).ok()?.split('%').next()?.parse().ok()?;
    let port: u16 = std::str::from_utf8(port).ok()?.parse().ok()?;
    let fits = family == if ip.is_ipv4() { b"IPV4" } else { b"IPV6" };
    let known =
        [&b"UDP"[..], b"TCP", b"TLS", b"WS", b"WSS"].contains(&transport.strip_suffix(b"6").unwrap_or(transport));
    (fits && known && parts.next().is_none()).then_some((ip, Some(port), transport))
}

/// Of a broken event: the last two addresses that follow each other. A caller has not the bytes for such a pair.
fn true_sender<'a>(headers: &[Option<(&'a [u8], &'a [u8])>]) -> Option<(IpAddr, Option<u16>, &'a [u8])> {
    headers.windows(2).rev().find_map(|pair| match pair {
        [Some((b"LocalAddress", local)), Some((b"RemoteAddress", remote))] => address(local).and(address(remote)),
        _ => None,
    })
}

/// The longest block; a server's have a few hundred bytes.
const LONGEST_BLOCK: usize = 64 * 1024;

/// Lines of a block that are looked at.
const MOST_HEADERS: usize = 64;

#[cfg(test)]
mod tests;
