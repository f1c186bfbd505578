//! A client of fail2ban's protocol: one request, one reply, to our daemon or to fail2ban's own server.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};

use super::socket::{CLOSE_MARK, END_MARK};
use crate::compat::pickle::{self, Plain};

/// Sends a request to the server at `path` and gives its reply. `limit` bounds each wait, for a place in the queue as for
/// the answer; without it a server may take its time.
pub fn call(path: &Path, request: &Plain, limit: Option<Duration>) -> io::Result<Plain> {
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    set_socket_timeout(&socket, Timeout::Send, limit)?;
    set_socket_timeout(&socket, Timeout::Recv, limit)?;
    connect(&socket, &SocketAddrUnix::new(path)?)?;
    let mut stream = UnixStream::from(socket);
    stream.write_all(&[&pickle::encode(request)[..], END_MARK].concat())?;
    let reply = until_end(&mut stream)?;
    let _gone = stream.write_all(&[CLOSE_MARK, END_MARK].concat());
    pickle::decode_reply(&reply).map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))
}

/// Whether a server answers a ping at `path`, in a tenth of a second.
pub fn answers(path: &Path) -> bool {
    let ping = Plain::List(vec!["ping".into(), Plain::Float(PING.as_secs_f64())]);
    matches!(call(path, &ping, Some(PING)), Ok(Plain::Tuple(pair)) if pair.first() == Some(&Plain::Int(0)))
}

/// Looks, in growing steps and no longer than `limit`, until there is something to see.
pub fn wait_for<T>(limit: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let (start, mut pause) = (Instant::now(), Duration::from_millis(12));
    loop {
        if let Some(seen) = look() {
            return Some(seen);
        }
        if start.elapsed() >= limit {
            return None;
        }
        sleep(pause.min(limit.saturating_sub(start.elapsed())));
        pause = (pause * 2).min(Duration::from_millis(200));
    }
}

/// How long a server may take to show that it is there.
const PING: Duration = Duration::from_millis(100);

fn until_end(stream: &mut UnixStream) -> io::Result<Vec<u8>> {
    let (mut reply, mut piece) = (Vec::new(), vec![0; 1 << 16]);
    loop {
        let searched = reply.len().saturating_sub(END_MARK.len());
        match stream.read(&mut piece) {
            Ok(0) => return Err(rustix::io::Errno::CONNRESET.into()),
            Ok(read) => reply.extend_from_slice(&piece[..read]),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(e),
        }
        if let Some(found) = memchr::memmem::find(&reply[searched..], END_MARK) {
            reply.truncate(searched + found);
            return Ok(reply);
        }
    }
}
