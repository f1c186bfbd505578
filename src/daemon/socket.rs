//! The control socket, for two languages: a client whose first byte is `{` speaks ours, one JSON object a line in, one
//! out; others speak fail2ban's, pickles with a word at their end.
//!
//! Only root may connect (mode 0600, and 0700 where it stands in for fail2ban's). Each connection has a thread of its own,
//! so that no client can keep another waiting; where there are too many, the one that was silent longest is sent away for
//! the new one.

mod clients;

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread::Builder;
use std::time::Duration;

use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use rustix::fs::Mode;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, socket_with};

use self::clients::{Client, Clients, MAX_CLIENTS, PATIENCE};
use super::inbox::{Inbox, Message};
use crate::command::{Ask, Told};
use crate::compat;
use crate::compat::pickle::{self, Plain};
use crate::error::{Error, Kind};
use crate::record::{Level, Record};

/// The open socket; its file goes with it.
pub struct Socket {
    path: PathBuf,
    clients: Clients,
    /// Wakes the thread that accepts clients.
    wake: Arc<OwnedFd>,
}

impl Socket {
    /// Listens at `path`, a file of the given mode. Another daemon that answers there is an error naming its pid; a dead
    /// one's file is replaced.
    pub fn listen(path: &Path, mode: u32, inbox: Inbox) -> Result<Socket, Error> {
        if let Some(pid) = holder(path) {
            let message = format!("another daemon answers on {} (pid {pid})", path.display());
            return Err(
                Error::new(Kind::Daemon, message).hint("stop it first: `sipjail stop`, or choose another --socket")
            );
        }
        let failed = |e: io::Error| {
            let message = format!("cannot listen on {}: {e}", path.display());
            Error::new(Kind::Host, message).hint("run as root, or give a path that can be written with --socket")
        };
        // One missing directory is made; where more are missing, the path is a mistake.
        if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty() && !parent.exists()) {
            fs::create_dir(parent).map_err(failed)?;
        }
        if path.exists() {
            fs::remove_file(path).map_err(failed)?;
        }
        let listener = bind(path, mode).map_err(failed)?;
        let clients = Clients::default();
        let all = clients.clone();
        let own = path.to_owned();
        let wake = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).map_err(|e| failed(e.into()))?);
        let call = wake.clone();
        Builder::new()
            .name("socket".into())
            .spawn(move || accept(listener, &call, &own, mode, &inbox, &all))
            .map_err(failed)?;
        Ok(Socket { path: path.to_owned(), clients, wake })
    }

    /// Looks whether its file is still there, and has it made again if not; to be called now and then.
    pub fn look(&self) {
        if self.path.symlink_metadata().is_err() {
            // A full counter wakes the thread as well.
            let _ = rustix::io::write(&*self.wake, &1u64.to_ne_bytes());
        }
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
    // fail2ban's server would wait for the rest of a request of its own.
    stream.shutdown(Shutdown::Write).map_err(unreachable)?;
    let mut reply = String::new();
    BufReader::new(stream).read_line(&mut reply).map_err(unreachable)?;
    if reply.is_empty() {
        return Err(Error::new(Kind::Daemon, "the daemon ended before it answered"));
    }
    let told: Told = serde_json::from_str(&reply)
        .map_err(|e| Error::new(Kind::Daemon, format!("the daemon's answer is not understood: {e}")))?;
    told.into()
}

/// Whether somebody has the socket open.
pub fn answers(path: &Path) -> bool {
    holder(path).is_some()
}

/// The pid of a daemon that has the socket open, from the kernel: it need not have time for us.
pub fn holder(path: &Path) -> Option<i32> {
    let stream = UnixStream::connect(path).ok()?;
    let peer = rustix::net::sockopt::socket_peercred(&stream).ok()?;
    Some(peer.pid.as_raw_nonzero().get())
}

/// Longest request.
const MAX_REQUEST: u64 = 1 << 20;

/// Ends a request and a reply in fail2ban's protocol.
pub(super) const END_MARK: &[u8] = b"<F2B_END_COMMAND>";

/// A request that says good-bye.
pub(super) const CLOSE_MARK: &[u8] = b"<F2B_CLOSE_COMMAND>";

/// How long a client that was answered may take to read it when the daemon ends.
const LAST_REPLIES: Duration = Duration::from_millis(300);

/// A socket at `path` that only its owner may connect to, from its first moment on.
fn bind(path: &Path, mode: u32) -> io::Result<UnixListener> {
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    // The file takes over the mode of the socket. A umask would do as well, but for all threads.
    rustix::fs::fchmod(&socket, Mode::RUSR | Mode::WUSR)?;
    rustix::net::bind(&socket, &SocketAddrUnix::new(path)?)?;
    rustix::net::listen(&socket, 128)?;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
    Ok(socket.into())
}

/// Makes the socket again if somebody took its file away: nobody could reach the daemon any more.
fn mend(listener: &mut UnixListener, path: &Path, mode: u32, inbox: &Inbox) {
    if path.symlink_metadata().is_ok() {
        return;
    }
    let made = path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| bind(path, mode));
    let record = match made {
        Ok(new) => {
            *listener = new;
            Record::new(Level::Warning, "server", format!("the socket {} was gone and is made again", path.display()))
        }
        Err(e) => {
            let text = format!("the socket {} is gone and cannot be made again: {e}", path.display());
            Record::new(Level::Error, "server", text)
        }
    };
    let _full = inbox.try_send(Message::Log(record));
}

/// Waits until somebody knocks; false: the door itself wants to be looked after.
fn knocks(listener: &UnixListener, wake: &OwnedFd) -> bool {
    let mut doors = [PollFd::new(listener, PollFlags::IN), PollFd::new(wake, PollFlags::IN)];
    let waited = poll(&mut doors, None);
    let _ = rustix::io::read(wake, &mut [0u8; 8]);
    waited.is_ok() && !doors[0].revents().is_empty()
}

fn accept(mut listener: UnixListener, wake: &OwnedFd, path: &Path, mode: u32, inbox: &Inbox, clients: &Clients) {
    loop {
        if !knocks(&listener, wake) {
            mend(&mut listener, path, mode, inbox);
            continue;
        }
        let Ok((stream, _)) = listener.accept() else {
            // Out of descriptors: those who hold them need time to finish.
            std::thread::sleep(Duration::from_millis(100));
            continue;
        };
        let client = Arc::new(Client::new(stream));
        if !clients.enter(&client) {
            let full = format!("{MAX_CLIENTS} clients wait for a reply");
            let told = Told::from(Err(Error::new(Kind::Daemon, full).hint("try again in a moment")));
            let _gone = client.answer(|| json(&told));
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

fn serve(client: &Client, inbox: &Inbox) -> io::Result<()> {
    client.stream.set_read_timeout(Some(PATIENCE))?;
    let mut reader = BufReader::new(&client.stream);
    match reader.fill_buf()?.first() {
        None => Ok(()),
        // No request of fail2ban's begins with a word or a blank: that is a person who tries.
        Some(b) if *b == b'{' || b.is_ascii_alphanumeric() || b.is_ascii_whitespace() => lines(client, reader, inbox),
        Some(_) => pickles(client, reader, inbox),
    }
}

/// Our own protocol.
fn lines(client: &Client, mut reader: BufReader<&UnixStream>, inbox: &Inbox) -> io::Result<()> {
    loop {
        let mut line = Vec::new();
        let read = reader.by_ref().take(MAX_REQUEST).read_until(b'\n', &mut line)?;
        if read == 0 {
            return Ok(());
        }
        client.answer(|| json(&answer(&line, inbox)))?;
        if !line.ends_with(b"\n") || line.first() != Some(&b'{') {
            return Ok(());
        }
    }
}

/// fail2ban's: any number of requests, each up to its end mark, in order.
fn pickles(client: &Client, mut reader: BufReader<&UnixStream>, inbox: &Inbox) -> io::Result<()> {
    // The first `searched` bytes of what came hold no end mark.
    let (mut held, mut searched) = (Vec::new(), 0);
    loop {
        while let Some(found) = memchr::memmem::find(&held[searched..], END_MARK) {
            let end = searched + found;
            let request: Vec<u8> = held.drain(..end + END_MARK.len()).take(end).collect();
            searched = 0;
            if request == CLOSE_MARK {
                return Ok(());
            }
            client.answer(|| [&pickle::encode(&answer_pickle(&request, inbox))[..], END_MARK].concat())?;
        }
        searched = held.len().saturating_sub(END_MARK.len());
        let read = reader.fill_buf()?;
        if read.is_empty() {
            return Ok(());
        }
        held.extend_from_slice(read);
        let length = read.len();
        reader.consume(length);
        if held.len() > pickle::MAX_BYTES {
            let too_long = Plain::from(format!("ERROR: {}", pickle::Unreadable::TooBig));
            return client.answer(|| [&pickle::encode(&too_long)[..], END_MARK].concat());
        }
    }
}

fn json(told: &Told) -> Vec<u8> {
    let mut reply = serde_json::to_vec(told).expect("replies are plain data");
    reply.push(b'\n');
    reply
}

fn answer_pickle(request: &[u8], inbox: &Inbox) -> Plain {
    let request = match pickle::decode(request) {
        Ok(request) => request,
        Err(e) => return format!("ERROR: {e}").into(),
    };
    let (reply, answer) = sync_channel(1);
    if inbox.send(Message::Foreign { request, reply }).is_err() {
        return compat::ending();
    }
    answer.recv().unwrap_or_else(|_| compat::ending())
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
