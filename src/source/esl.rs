//! FreeSWITCH's event socket, without its socket: bytes in, lines and replies out.
//!
//! What is asked for: the events of `mod_sofia` and `mod_verto` about registrations and logins, the ends of calls, and the
//! log's records up to INFO. The server writes values of an event so that none can look like another field, and of a
//! record it says itself which source file wrote it, how long it is, and of which call it is; what a caller chose stays
//! inside a value or a record. An event is believed only if the source file that raised it is the one that does, and none
//! of the fields that are used stands twice with two values; otherwise it is broken, and counted.

mod events;
mod record;

use std::net::IpAddr;

use memchr::memmem;

use super::event::{self, News, Rendered, decoded};
use crate::config::Secret;

/// One connection, from the server's greeting on. It cannot be shown: what is to be sent may hold the secret.
pub struct Session {
    secret: Secret,
    state: State,
    /// What is not a whole message yet.
    buffer: Vec<u8>,
    /// Bytes of a message that is too long and still to come.
    skipping: usize,
    out: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The server speaks first.
    Greeting,
    Login,
    In,
    Refused,
}

impl Session {
    /// Logs in by the event socket's password, which has no other way than to be sent.
    pub fn new(secret: &Secret) -> Session {
        Session { secret: secret.clone(), state: State::Greeting, buffer: Vec::new(), skipping: 0, out: Vec::new() }
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
        self.say("api uptime");
    }

    /// Takes what the server sent.
    pub fn take(&mut self, bytes: &[u8], news: &mut News) {
        let skipped = self.skipping.min(bytes.len());
        self.skipping -= skipped;
        self.buffer.extend_from_slice(&bytes[skipped..]);
        let buffer = std::mem::take(&mut self.buffer);
        let mut rest = &buffer[..];
        while self.state != State::Refused {
            rest = &rest[rest.iter().take_while(|byte| **byte == b'\n').count()..];
            let Some(end) = memmem::find(rest, b"\n\n") else { break };
            let head = Head::read(&rest[..end]);
            let body = end + 2;
            if head.length > LONGEST_BODY {
                (news.events, news.broken) = (news.events + 1, news.broken + 1);
                let here = rest.len().min(body.saturating_add(head.length));
                self.skipping = head.length - (here - body);
                rest = &rest[here..];
                continue;
            }
            let Some(whole) = rest.get(body..body + head.length) else { break };
            rest = &rest[body + head.length..];
            self.message(&head, whole, news);
        }
        if rest.len() > LONGEST_BODY + LONGEST_HEAD {
            self.refuse(news, "it sends what is no message of an event socket".to_owned());
        } else if self.state != State::Refused {
            self.buffer = rest.to_vec();
        }
    }

    fn message(&mut self, head: &Head<'_>, body: &[u8], news: &mut News) {
        match (self.state, head.kind) {
            (State::Greeting, b"auth/request") => {
                self.state = State::Login;
                let password = format!("auth {}", self.secret.reveal());
                self.say(&password);
            }
            (State::Greeting, b"text/rude-rejection") => {
                self.refuse(news, "its list of addresses does not let us in".to_owned());
            }
            (State::Greeting, _) => self.refuse(news, "it is no event socket: its greeting is another".to_owned()),
            (State::Login, b"command/reply") if head.reply.starts_with(b"+OK") => {
                self.state = State::In;
                news.entered = true;
                Rendered::new("ESL", event::CONNECTED).end(&mut news.lines);
                self.say(events::WANTED);
                self.say("log 6");
            }
            (State::Login, b"command/reply") => {
                self.refuse(news, "it does not take the password".to_owned());
            }
            (State::In, b"text/event-plain") => {
                news.events += 1;
                match events::line(body) {
                    Ok(line) => line.into_iter().for_each(|line| line.end(&mut news.lines)),
                    Err(events::Broken) => news.broken += 1,
                }
            }
            (State::In, b"log/data") => {
                news.events += 1;
                if let Some(line) = record::line(head.file, head.line, body) {
                    line.end(&mut news.lines);
                }
            }
            (State::In, b"command/reply") if head.reply.starts_with(b"-ERR") => {
                self.refuse(news, "it refuses to say what happens".to_owned());
            }
            (State::In | State::Login, b"text/disconnect-notice") => {
                self.refuse(news, "it ends the connection".to_owned());
            }
            _ => {}
        }
    }

    fn refuse(&mut self, news: &mut News, why: String) {
        self.state = State::Refused;
        news.refused = Some(why);
    }

    fn say(&mut self, command: &str) {
        self.out.extend(command.bytes());
        self.out.extend(b"\n\n");
    }
}

/// The head of a message, which the server alone writes.
#[derive(Debug, Default)]
struct Head<'a> {
    kind: &'a [u8],
    length: usize,
    reply: &'a [u8],
    /// Of a record: the source file that wrote it, and the line there.
    file: &'a [u8],
    line: &'a [u8],
}

impl Head<'_> {
    fn read(text: &[u8]) -> Head<'_> {
        let mut head = Head::default();
        for (name, value) in fields(text) {
            match name {
                b"Content-Type" => head.kind = value,
                b"Content-Length" => {
                    let length = std::str::from_utf8(value).ok().and_then(|digits| digits.trim().parse().ok());
                    head.length = length.unwrap_or(0);
                }
                b"Reply-Text" => head.reply = value,
                b"Log-File" => head.file = value,
                b"Log-Line" => head.line = value,
                _ => {}
            }
        }
        head
    }
}

/// `NAME: VALUE` of each line that is so.
fn fields(text: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    text.split(|byte| *byte == b'\n').filter_map(|line| {
        let colon = memchr::memchr(b':', line)?;
        Some((&line[..colon], line[colon + 1..].trim_ascii_start()))
    })
}

/// An address as the server writes it, with or without brackets; an IPv4 address in IPv6's dress is one.
fn address(value: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(value).ok()?;
    let text = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    text.split('%').next()?.parse().ok().map(|ip: IpAddr| ip.to_canonical())
}

/// The longest event or record; a call's last event has some ten thousand bytes.
const LONGEST_BODY: usize = 256 * 1024;
const LONGEST_HEAD: usize = 16 * 1024;

#[cfg(test)]
mod tests;
