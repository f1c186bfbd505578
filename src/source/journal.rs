//! systemd's journal, read through a child `journalctl` that follows it.
//!
//! A [`JournalReader`] never waits: it reads what the child has written, and says by [`JournalReader::fd`] and
//! [`JournalReader::due`] when there is more to do. A child that ends is started again behind the last entry, after pauses
//! that grow from one second to a minute. It is killed, and waited for, when the reader is dropped.
//!
//! The journal's own order decides where to go on; what is older than `findtime` is not asked for.

mod entry;
mod records;
mod whole;

use std::io::{self, ErrorKind, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};

use rustix::fs::{OFlags, fcntl_setfl};

use crate::config::Journal;
use crate::line::{Batch, Position};
use crate::record::{Level, Record};
use crate::time::{Span, Timestamp};

use super::Source;
use entry::Entry;
use records::Records;

pub use entry::FIELDS;
pub use whole::read_all;

/// The journal as one jail reads it.
pub struct JournalReader {
    asked: Journal,
    findtime: Span,
    last: Option<Last>,
    child: Option<Running>,
    /// When a child that ended is started again, and how long the pause was.
    again: Option<Timestamp>,
    pause: Span,
    /// What was said about it last, so that it is said once.
    trouble: Option<String>,
    odd_named: bool,
}

/// The entry behind which to go on.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Last {
    received: Timestamp,
    /// `None`: only the time is known.
    cursor: Option<String>,
}

/// A child; dropped, it is no more.
struct Running {
    child: Child,
    out: ChildStdout,
    err: ChildStderr,
    records: Records,
    /// The beginning of what it complained about.
    said: Vec<u8>,
    started: Timestamp,
    /// Entries that come now are new: fail2ban's "in operation".
    live: bool,
}

impl JournalReader {
    /// Of a jail that asks for this; `saved` is where an earlier run stopped. Nothing is started yet.
    pub fn new(asked: Journal, findtime: Span, saved: Option<Position>) -> JournalReader {
        let last = saved.and_then(|saved| {
            Some(Last { received: Timestamp(i64::try_from(saved.offset).ok()?), cursor: saved.first_line })
        });
        JournalReader {
            asked,
            findtime,
            last,
            child: None,
            again: None,
            pause: Span::default(),
            trouble: None,
            odd_named: false,
        }
    }

    /// Goes on where `before` was: with its child if that was asked the same.
    pub fn go_on(&mut self, before: JournalReader) {
        if self.asked == before.asked {
            *self = JournalReader { findtime: self.findtime, ..before };
        } else {
            // A cursor means nothing in another journal.
            let cursor = |last: &Last| last.cursor.clone().filter(|_| self.asked.options == before.asked.options);
            self.last = before.last.as_ref().map(|last| Last { received: last.received, cursor: cursor(last) });
        }
    }

    /// What becomes readable when there is something new.
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.child.as_ref().map(|running| running.out.as_fd())
    }

    /// When it should be read next even if nothing is heard: a child is to be started then.
    pub fn due(&self) -> Option<Timestamp> {
        self.again
    }

    fn start(&mut self, now: Timestamp, log: &mut Vec<Record>) {
        let since = self.since(now);
        match Running::start(&self.arguments(&since), now) {
            Ok(running) => {
                self.again = None;
                self.child = Some(running);
            }
            Err(error) => {
                let text = match error.kind() {
                    ErrorKind::NotFound => format!("`{PROGRAM}` is not there: install the package `systemd`"),
                    _ => format!("`{PROGRAM}` cannot be started: {error}"),
                };
                self.complain(text, now, log);
            }
        }
    }

    /// The option that says where to begin.
    fn since(&self, now: Timestamp) -> String {
        let oldest = now - self.findtime;
        let at = match &self.last {
            Some(Last { received, cursor: Some(cursor) }) if *received >= oldest => {
                return format!("--after-cursor={cursor}");
            }
            Some(Last { received, .. }) if *received >= oldest => *received + Span(1),
            _ => oldest,
        };
        let micros = at.0.max(0);
        format!("--since=@{}.{:06}", micros / 1_000_000, micros % 1_000_000)
    }

    fn arguments(&self, since: &str) -> Vec<String> {
        // Whole messages however long, else a sender could hide in one; in exchange only the fields that are used.
        let fixed = ["-o", "json", "-f", "--no-tail", "--all", "--quiet", "--no-pager"].map(str::to_owned);
        let fields = format!("--output-fields={FIELDS}");
        let options = self.asked.options.iter().cloned();
        let matches = self.asked.arguments();
        fixed
            .into_iter()
            .chain([fields])
            .chain(options)
            .chain([since.to_owned(), "--".to_owned()])
            .chain(matches)
            .collect()
    }

    /// Takes leave of a child that has ended, or that cannot be read.
    fn ended(&mut self, now: Timestamp, log: &mut Vec<Record>) {
        let Some(mut running) = self.child.take() else { return };
        running.listen();
        let said = String::from_utf8_lossy(&running.said).into_owned();
        let said = said.lines().map(str::trim).rfind(|line| !line.is_empty());
        if let Some(last) = self.last.as_mut().filter(|_| said.is_some_and(|said| said.contains("cursor"))) {
            last.cursor = None;
        }
        // Why it ended is in what it says; its status tells no more, and comes later than the end of its output.
        let said = said.map_or_else(|| "ended".to_owned(), |said| format!("says: {said}"));
        if !(Span::default()..LONGEST).contains(&(now - running.started)) {
            self.pause = Span::default();
        }
        self.complain(format!("`{PROGRAM}` {said}"), now, log);
    }

    fn complain(&mut self, text: String, now: Timestamp, log: &mut Vec<Record>) {
        self.pause = Span((self.pause.0 * 2).clamp(SHORTEST.0, LONGEST.0));
        self.again = Some(now + self.pause);
        if self.trouble.as_ref() != Some(&text) {
            let shown = format!("the journal{} cannot be read: {text}; it is tried again", self.which());
            log.push(Record::new(Level::Error, PART, shown));
            self.trouble = Some(text);
        }
    }

    /// Hands an entry on.
    fn take(&mut self, json: Option<&[u8]>, now: Timestamp, sink: &mut dyn FnMut(Batch<'_>), log: &mut Vec<Record>) {
        let Some(Entry { cursor, received, written, line }) = json.and_then(Entry::parse) else {
            if !std::mem::replace(&mut self.odd_named, true) {
                let text =
                    format!("an entry of the journal{} is too long or no JSON, and is passed over", self.which());
                log.push(Record::new(Level::Warning, PART, text));
            }
            return;
        };
        if self.trouble.take().is_some() {
            log.push(Record::new(Level::Info, PART, format!("the journal{} is read again", self.which())));
        }
        if let Some(running) = &mut self.child {
            running.live |= received >= running.started.min(now - Span::from_secs(1));
            sink(Batch { bytes: &line, live: running.live, time: Some(written) });
        }
        self.last = Some(Last { received, cursor });
    }

    fn which(&self) -> String {
        if self.asked.matches.is_empty() { String::new() } else { format!(" ({})", self.asked) }
    }
}

impl Source for JournalReader {
    fn read(&mut self, now: Timestamp, budget: usize, sink: &mut dyn FnMut(Batch<'_>), log: &mut Vec<Record>) -> bool {
        if self.child.is_none() {
            // A clock that was set back must not make a pause longer.
            if self.again.is_some_and(|again| again > now && again - now <= LONGEST) {
                return false;
            }
            self.start(now, log);
        }
        let mut block = vec![0; BLOCK];
        let mut left = budget;
        while left > 0 {
            let Some(running) = &mut self.child else { return false };
            running.listen();
            match running.out.read(&mut block) {
                Ok(0) => {
                    self.ended(now, log);
                    return false;
                }
                Ok(n) => {
                    left = left.saturating_sub(n);
                    let mut records = std::mem::take(&mut running.records);
                    records.take(&block[..n], &mut |json| self.take(json, now, sink, log));
                    if let Some(running) = &mut self.child {
                        running.records = records;
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
                Err(_) => {
                    self.ended(now, log);
                    return false;
                }
            }
        }
        true
    }

    /// The journal's place: its name for a path, the last entry's time in microseconds for an offset, its cursor for a
    /// first line.
    fn position(&self) -> Option<Position> {
        self.last.as_ref().map(|last| Position {
            path: PathBuf::from(Position::JOURNAL),
            file: None,
            offset: last.received.0.max(0).unsigned_abs(),
            first_line: last.cursor.clone(),
        })
    }
}

impl Running {
    fn start(arguments: &[String], now: Timestamp) -> io::Result<Running> {
        #[expect(clippy::disallowed_methods, reason = "the journal has no other stable interface than its program")]
        let mut command = Command::new(PROGRAM);
        command
            .args(arguments)
            .env("LC_ALL", "C")
            .env_remove("NOTIFY_SOCKET")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // What a terminal tells the daemon is not for it.
            .process_group(0);
        let mut child = command.spawn()?;
        let (out, err) = (child.stdout.take().expect("piped"), child.stderr.take().expect("piped"));
        let running =
            Running { child, out, err, records: Records::default(), said: Vec::new(), started: now, live: false };
        fcntl_setfl(&running.out, OFlags::NONBLOCK)?;
        fcntl_setfl(&running.err, OFlags::NONBLOCK)?;
        Ok(running)
    }

    /// Takes what it complains about, so that it does not wait for somebody who listens; the beginning is kept.
    fn listen(&mut self) {
        let mut block = [0; 4096];
        while let Ok(n @ 1..) = self.err.read(&mut block) {
            let room = SAID.saturating_sub(self.said.len()).min(n);
            self.said.extend_from_slice(&block[..room]);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself; either way it is over after this.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const PROGRAM: &str = "journalctl";

/// What fail2ban calls the part that reads logs.
const PART: &str = "filter";

/// Pauses before a child is started again.
const SHORTEST: Span = Span::from_secs(1);
const LONGEST: Span = Span::from_secs(60);

/// Read at once.
const BLOCK: usize = 32 * 1024;

/// Bytes of complaints that are kept.
const SAID: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_begins_behind_what_was_read_but_not_before_findtime() {
        let now = Timestamp::from_secs(10_000);
        let since = |saved: Option<(i64, Option<&str>)>| {
            let position = saved.map(|(secs, cursor)| Position {
                path: Position::JOURNAL.into(),
                file: None,
                offset: (secs * 1_000_000) as u64,
                first_line: cursor.map(str::to_owned),
            });
            JournalReader::new(Journal::default(), Span::from_secs(600), position).since(now)
        };
        assert_eq!(since(None), "--since=@9400.000000");
        assert_eq!(since(Some((9_000, Some("s=1")))), "--since=@9400.000000");
        assert_eq!(since(Some((9_900, Some("s=1")))), "--after-cursor=s=1");
        assert_eq!(since(Some((9_900, None))), "--since=@9900.000001");
    }
}
