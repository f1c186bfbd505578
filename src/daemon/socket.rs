//! The control socket: one JSON object a line in, one out.
//!
//! A first byte `{` is our own protocol; fail2ban's clients begin with another and are told so. Only root may connect
//! (mode 0600). Each connection has a thread of its own, so that no client can keep another waiting; where there are too
//! many, the one that was silent longest is sent away for the new one.

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::Builder;
use std::time::Duration;

use super::inbox::{Inbox, Message};
use crate::command::{Ask, Told};
use crate::error::{Error, Kind};

/// The open socket; its file goes with it.
pub struct Socket {
    path: PathBuf,
    clients: Clients,
}

/// Who is connected, those who came first in front.
#[derive(Clone, Default)]
struct Clients(Arc<Mutex<Vec<Arc<Client>>>>);

struct Client {
    stream: UnixStream,
    /// It has asked something and waits for the reply.
    asks: AtomicBool,
}

impl Socket {
    /// Listens at `path`. Another daemon that answers there is an error naming its pid; a dead one's file is replaced.
    pub fn listen(path: &Path, inbox: Inbox) -> Result<Socket, Error> {
        if let Some(pid) = somebody_answers(path) {
            let message = format!("another daemon answers on {} (pid {pid})", path.display());
            return Err(
                Error::new(Kind::Daemon, message).hint("stop it first: `sipjail stop`, or choose another --socket")
            );
        }
        let failed = |e: io::Error| {
            let message = format!("cannot listen on {}: {e}", path.display());
            Error::new(Kind::Host, message).hint("run as root, or give a path that can be written with --socket")
        };
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(failed)?;
        }
        if path.exists() {
            fs::remove_file(path).map_err(failed)?;
        }
        let old = rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o177));
        let listener = UnixListener::bind(path);
        rustix::process::umask(old);
        let listener = listener.map_err(failed)?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(failed)?;
        let clients = Clients::default();
        let all = clients.clone();
        Builder::new().name("socket".into()).spawn(move || accept(&listener, &inbox, &all)).map_err(failed)?;
        Ok(Socket { path: path.to_owned(), clients })
    }

    /// Closes the door after a moment in which those inside get their last reply.
    pub fn close(self) {
        for _ in 0..LAST_REPLIES.as_millis() {
            if self.clients.all().iter().all(|client| !client.asks()) {
                return;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let _gone = fs::remove_file(&self.path);
    }
}

/// Sends one command to the daemon at `path` and waits for its reply.
pub fn ask(path: &Path, words: Vec<String>) -> Result<serde_json::Value, Error> {
    let unreachable = |e: io::Error| {
        let (what, hint) = match e.kind() {
            io::ErrorKind::PermissionDenied => ("permission denied".to_owned(), "run as root"),
            io::ErrorKind::NotFound => {
                ("it does not exist".to_owned(), "is the daemon running? start it: `sipjail run`")
            }
            io::ErrorKind::ConnectionRefused => {
                ("nobody answers".to_owned(), "the daemon ended without cleaning up; start it: `sipjail run`")
            }
            _ => (e.to_string(), "is the daemon running?"),
        };
        Error::new(Kind::Daemon, format!("cannot reach the daemon at {}: {what}", path.display())).hint(hint)
    };
    let mut stream = UnixStream::connect(path).map_err(unreachable)?;
    let request = serde_json::to_string(&Ask { command: words }).expect("words are plain data");
    stream.write_all(format!("{request}\n").as_bytes()).map_err(unreachable)?;
    let mut reply = String::new();
    BufReader::new(stream).read_line(&mut reply).map_err(unreachable)?;
    if reply.is_empty() {
        return Err(Error::new(Kind::Daemon, "the daemon ended before it answered"));
    }
    let told: Told = serde_json::from_str(&reply)
        .map_err(|e| Error::new(Kind::Daemon, format!("the daemon's answer is not understood: {e}")))?;
    told.into()
}

/// The pid of a daemon that has the socket open, from the kernel: it need not have time for us.
fn somebody_answers(path: &Path) -> Option<i32> {
    let stream = UnixStream::connect(path).ok()?;
    let peer = rustix::net::sockopt::socket_peercred(&stream).ok()?;
    Some(peer.pid.as_raw_nonzero().get())
}

/// Clients that are served at the same time.
const MAX_CLIENTS: usize = 64;

/// Longest request.
const MAX_REQUEST: u64 = 1 << 20;

/// How long a client that was answered may take to read it when the daemon ends.
const LAST_REPLIES: Duration = Duration::from_millis(300);

/// How long a client may be silent in the middle of a request, or not take its reply.
const PATIENCE: Duration = Duration::from_secs(30);

fn accept(listener: &UnixListener, inbox: &Inbox, clients: &Clients) {
    for stream in listener.incoming() {
        let Ok(stream) = stream else {
            // Out of descriptors: those who hold them need time to finish.
            std::thread::sleep(Duration::from_millis(100));
            continue;
        };
        let client = Arc::new(Client { stream, asks: AtomicBool::new(false) });
        if !clients.enter(&client) {
            let full = format!("{MAX_CLIENTS} clients wait for a reply");
            let told = Told::from(Err(Error::new(Kind::Daemon, full).hint("try again in a moment")));
            let _gone = client.tell(&told);
            continue;
        }
        let (inbox, all, guest) = (inbox.clone(), clients.clone(), Arc::clone(&client));
        let serve = move || {
            let _disconnected = serve(&guest, &inbox);
            all.leave(&guest);
        };
        if Builder::new().name("client".into()).spawn(serve).is_err() {
            clients.leave(&client);
        }
    }
}

impl Clients {
    /// Takes one in; in place of one that asks nothing, if there are too many. False: all of them ask something.
    fn enter(&self, client: &Arc<Client>) -> bool {
        let mut all = self.all();
        if all.len() >= MAX_CLIENTS {
            let Some(silent) = all.iter().position(|client| !client.asks()) else { return false };
            let _gone = all.remove(silent).stream.shutdown(Shutdown::Both);
        }
        all.push(Arc::clone(client));
        true
    }

    fn leave(&self, client: &Arc<Client>) {
        self.all().retain(|other| !Arc::ptr_eq(other, client));
    }

    fn all(&self) -> MutexGuard<'_, Vec<Arc<Client>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Client {
    fn asks(&self) -> bool {
        self.asks.load(Ordering::Acquire)
    }

    fn tell(&self, told: &Told) -> io::Result<()> {
        let mut reply = serde_json::to_vec(told)?;
        reply.push(b'\n');
        self.stream.set_write_timeout(Some(PATIENCE))?;
        (&self.stream).write_all(&reply)
    }
}

fn serve(client: &Client, inbox: &Inbox) -> io::Result<()> {
    client.stream.set_read_timeout(Some(PATIENCE))?;
    let mut reader = BufReader::new(&client.stream);
    loop {
        let mut line = Vec::new();
        let read = reader.by_ref().take(MAX_REQUEST).read_until(b'\n', &mut line)?;
        if read == 0 {
            return Ok(());
        }
        client.asks.store(true, Ordering::Release);
        let whole = line.ends_with(b"\n");
        let told = client.tell(&answer(&line, inbox));
        client.asks.store(false, Ordering::Release);
        told?;
        if !whole || line.first() != Some(&b'{') {
            return Ok(());
        }
    }
}

fn answer(line: &[u8], inbox: &Inbox) -> Told {
    let refused = |message: String, hint: &str| Told::from(Err(Error::new(Kind::Usage, message).hint(hint)));
    let example = r#"send one line such as {"command":["status"]}"#;
    if line.first() != Some(&b'{') {
        return refused("this is not a JSON object".to_owned(), example);
    }
    let ask: Ask = match serde_json::from_slice(line) {
        Ok(ask) => ask,
        Err(e) => return refused(format!("the request is not understood: {e}"), example),
    };
    let (reply, answer) = sync_channel(1);
    let gone = || Told::from(Err(Error::new(Kind::Daemon, "the daemon is ending")));
    if inbox.send(Message::Client { words: ask.command, reply }).is_err() {
        return gone();
    }
    answer.recv().unwrap_or_else(|_| gone())
}
