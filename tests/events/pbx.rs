//! A PBX's event interface, played by the test: it listens on loopback, asks who is there as the real one does, and sends
//! what the test wants.
#![allow(dead_code, reason = "each user plays its part")]

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use md5::{Digest, Md5};

/// Listens; [`Pbx::meet`] takes whoever comes.
pub struct Pbx {
    listener: TcpListener,
    address: SocketAddr,
}

/// Somebody who came.
pub struct Guest {
    stream: Box<dyn Stream>,
    said: String,
}

/// What is spoken over.
pub trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

pub const USER: &str = "watcher";
pub const SECRET: &str = "gEtOuT-4711";
const CHALLENGE: &str = "131142785";

/// How long somebody may take to come, or to say something.
const PATIENCE: Duration = Duration::from_secs(60);

impl Pbx {
    pub fn new() -> Pbx {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
        listener.set_nonblocking(true).expect("it is a socket");
        let address = listener.local_addr().expect("bound");
        Pbx { listener, address }
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Whoever comes next.
    pub fn meet(&self) -> Guest {
        Guest::over(self.accept())
    }

    /// The connection of whoever comes next.
    pub fn accept(&self) -> TcpStream {
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            if let Some(stream) = self.accept_now() {
                return stream;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("nobody came to port {}", self.port());
    }

    /// Whoever is there already.
    pub fn meet_now(&self) -> Option<Guest> {
        self.accept_now().map(Guest::over)
    }

    fn accept_now(&self) -> Option<TcpStream> {
        match self.listener.accept() {
            Ok((stream, _)) => {
                stream.set_nonblocking(false).expect("it is a socket");
                stream.set_nodelay(true).expect("it is a socket");
                stream.set_read_timeout(Some(PATIENCE)).expect("it is a socket");
                Some(stream)
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => None,
            Err(error) => panic!("{error}"),
        }
    }

    /// Asterisk, up to where its guest is in.
    pub fn asterisk(&self) -> Guest {
        self.meet().let_in_by_asterisk()
    }

    /// FreeSWITCH, up to where its guest has said what he wants.
    pub fn freeswitch(&self) -> Guest {
        let mut guest = self.meet();
        guest.send("Content-Type: auth/request\n\n");
        assert_eq!(guest.hear("\n\n"), format!("auth {SECRET}"));
        guest.send("Content-Type: command/reply\nReply-Text: +OK accepted\n\n");
        assert!(guest.hear("\n\n").starts_with("event plain CHANNEL_HANGUP_COMPLETE CUSTOM sofia::register_failure"));
        assert_eq!(guest.hear("\n\n"), "log 6");
        guest.send("Content-Type: command/reply\nReply-Text: +OK event listener enabled plain\n\n");
        guest.send("Content-Type: command/reply\nReply-Text: +OK log level 6 [6]\n\n");
        guest
    }
}

impl Guest {
    pub fn over(stream: impl Stream + 'static) -> Guest {
        Guest { stream: Box::new(stream), said: String::new() }
    }

    /// Asterisk, up to where its guest is in.
    pub fn let_in_by_asterisk(mut self) -> Guest {
        self.greet_as_asterisk();
        assert_eq!(self.hear("\r\n\r\n"), "Action: Challenge\r\nAuthType: MD5");
        self.send(format!("Response: Success\r\nChallenge: {CHALLENGE}\r\n\r\n"));
        let key: String =
            Md5::digest(format!("{CHALLENGE}{SECRET}")).iter().map(|byte| format!("{byte:02x}")).collect();
        let login = format!("Action: Login\r\nUsername: {USER}\r\nAuthType: MD5\r\nKey: {key}\r\nEvents: security");
        assert_eq!(self.hear("\r\n\r\n"), login);
        self.send("Response: Success\r\nMessage: Authentication accepted\r\n\r\n");
        self
    }

    pub fn greet_as_asterisk(&mut self) {
        self.send("Asterisk Call Manager/11.0.0\r\n");
    }

    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).expect("somebody reads");
    }

    /// What the guest says up to `end`.
    pub fn hear(&mut self, end: &str) -> String {
        loop {
            if let Some(at) = self.said.find(end) {
                let said = self.said[..at].to_owned();
                self.said.drain(..at + end.len());
                return said;
            }
            let mut block = [0; 4096];
            let n = self.stream.read(&mut block).expect("it says something in time");
            assert!(n > 0, "it hung up after `{}`", self.said);
            self.said += std::str::from_utf8(&block[..n]).expect("text");
        }
    }

    /// Waits until the guest has gone.
    pub fn has_gone(&mut self) -> bool {
        let mut block = [0; 4096];
        loop {
            match self.stream.read(&mut block) {
                Ok(0) => return true,
                Ok(_) => {}
                Err(error) => return error.kind() == ErrorKind::ConnectionReset,
            }
        }
    }
}

/// A security event of somebody who says he is `account`.
pub fn invalid(address: &str, account: &str) -> String {
    let family = if address.contains(':') { "IPV6" } else { "IPV4" };
    format!(
        "Event: InvalidAccountID\r\nPrivilege: security,all\r\nEventTV: 2026-11-20T10:22:11.451+0000\r\nSeverity: Error\r\n\
         Service: PJSIP\r\nEventVersion: 1\r\nAccountID: {account}\r\nSessionID: 1-2@x\r\n\
         LocalAddress: {family}/UDP/{address}/5060\r\nRemoteAddress: {family}/UDP/{address}/5062\r\n\r\n"
    )
}

/// A failed registration.
pub fn failure(address: &str, user: &str) -> Vec<u8> {
    let user: String = user.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let body = format!(
        "Event-Subclass: sofia%3A%3Aregister_failure\nEvent-Name: CUSTOM\nEvent-Calling-File: sofia_reg.c\n\
         to-user: {user}\nnetwork-ip: {}\nuser-agent: friendly-scanner\nnetwork-port: 5061\n\n",
        address.replace(':', "%3A")
    );
    format!("Content-Length: {}\nContent-Type: text/event-plain\n\n{body}", body.len()).into_bytes()
}

/// A record of the log.
pub fn record(file: &str, text: &str) -> Vec<u8> {
    let body = format!("2026-11-20 11:22:56.384455 99.47% [WARNING] {file}:7 {text}\n");
    let head = "Log-Level: 4\nText-Channel: 0\nLog-Func: x\nLog-Line: 7\nUser-Data: \n";
    format!("Content-Type: log/data\nContent-Length: {}\nLog-File: {file}\n{head}\n{body}", body.len()).into_bytes()
}
