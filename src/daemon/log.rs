//! Our own log, in fail2ban's format: a file, the standard streams, syslog or the journal.
//!
//! Whatever a record says is made printable first: a line of the log is one line, and no byte of it can command a terminal.

use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;

use jiff::tz::TimeZone;

use crate::record::{Level, Record};
use crate::text;
use crate::time::Timestamp;

/// An open log; records below its level are dropped.
pub struct Log {
    target: Target,
    level: Level,
    zone: TimeZone,
    /// Under `run` the records go to stdout as well, unless that is the target anyway.
    echo: bool,
    /// What waits to be written.
    lines: String,
    /// A second and how it is written: most lines come many to one.
    second: (i64, String),
}

enum Target {
    Stdout,
    Stderr,
    /// Stdout without the time, for a supervisor that adds its own.
    Sysout,
    File(PathBuf, File),
    Syslog(UnixDatagram, u8),
    Journal(UnixDatagram),
}

impl Log {
    /// Opens the target that `logtarget` names; options in brackets (`SYSLOG[facility=local5]`) are understood.
    pub fn open(target: &str, syslogsocket: &str, level: Level, zone: TimeZone, echo: bool) -> io::Result<Log> {
        let target = Target::open(target, syslogsocket)?;
        let echo = echo && !matches!(target, Target::Stdout | Target::Sysout | Target::Stderr);
        Ok(Log::to(target, level, zone, echo))
    }

    /// Writes to stdout only; what a daemon has before its log is open.
    pub fn stdout(level: Level, zone: TimeZone) -> Log {
        Log::to(Target::Stdout, level, zone, false)
    }

    /// Writes to stderr only: the notes of a client.
    pub fn stderr(level: Level, zone: TimeZone) -> Log {
        Log::to(Target::Stderr, level, zone, false)
    }

    fn to(target: Target, level: Level, zone: TimeZone, echo: bool) -> Log {
        Log { target, level, zone, echo, lines: String::new(), second: (i64::MIN, String::new()) }
    }

    /// Records below `level` are dropped from now on.
    pub fn set_level(&mut self, level: Level) {
        self.level = level;
    }

    /// Whether it goes into a file of its own.
    pub fn is_file(&self) -> bool {
        matches!(self.target, Target::File(..))
    }

    /// Writes one record. A log that cannot be written to (a full disk) loses it and harms nobody.
    pub fn write(&mut self, record: &Record, now: Timestamp) {
        self.put(record, now);
        self.flush();
    }

    /// The same, but what goes into a file or a stream may stay here until [`Log::flush`]: many records are one write.
    pub fn put(&mut self, record: &Record, now: Timestamp) {
        if record.level < self.level {
            return;
        }
        self.line(record, now);
        let _lost = match &self.target {
            Target::Syslog(socket, facility) => socket.send(&syslog(record, *facility)).map(drop),
            Target::Journal(socket) => socket.send(&journal(record)).map(drop),
            Target::Stdout | Target::Stderr | Target::Sysout | Target::File(..) => Ok(()),
        };
        if self.lines.len() >= FULL {
            self.flush();
        }
    }

    /// Writes what waits to be written.
    pub fn flush(&mut self) {
        if self.lines.is_empty() {
            return;
        }
        let lines = self.lines.as_bytes();
        let _lost = match &mut self.target {
            Target::Stdout => io::stdout().lock().write_all(lines),
            Target::Stderr => io::stderr().lock().write_all(lines),
            Target::Sysout => {
                let short = self.lines.split_inclusive('\n').map(|line| line.get(STAMP..).unwrap_or(line));
                io::stdout().lock().write_all(short.collect::<String>().as_bytes())
            }
            Target::File(_, file) => file.write_all(lines),
            Target::Syslog(..) | Target::Journal(_) => Ok(()),
        };
        if self.echo {
            let _closed = io::stdout().lock().write_all(lines);
        }
        self.lines.clear();
        self.lines.shrink_to(FULL);
    }

    /// Opens the file again under its name, after logrotate moved it; other targets stay as they are.
    pub fn reopen(&mut self) -> io::Result<()> {
        if let Target::File(path, file) = &mut self.target {
            *file = append(path)?;
        }
        Ok(())
    }

    /// Adds a line to those that wait.
    fn line(&mut self, record: &Record, now: Timestamp) {
        if self.second.0 != now.secs() {
            self.second = (now.secs(), now.in_zone(&self.zone));
        }
        let Log { second: (_, time), lines, .. } = self;
        let millis = now.0.div_euclid(1000).rem_euclid(1000);
        let (part, pid, level) = (record.part, std::process::id(), record.level);
        let (dot, width) = if part.is_empty() { ("", 24 - "fail2ban".len()) } else { (".", 24 - "fail2ban.".len()) };
        let text = text::printable(&record.text);
        let _never_fails = writeln!(lines, "{time},{millis:03} fail2ban{dot}{part:width$}[{pid}]: {level:7} {text}");
    }
}

impl Target {
    fn open(target: &str, syslogsocket: &str) -> io::Result<Target> {
        let (name, options) = target.split_once('[').unwrap_or((target, ""));
        match name.trim().to_ascii_uppercase().as_str() {
            "STDOUT" => Ok(Target::Stdout),
            "STDERR" => Ok(Target::Stderr),
            "SYSOUT" => Ok(Target::Sysout),
            "SYSLOG" => {
                let path = if syslogsocket == "auto" { "/dev/log" } else { syslogsocket };
                Ok(Target::Syslog(connect(path)?, facility(options)))
            }
            "SYSTEMD-JOURNAL" => Ok(Target::Journal(connect("/run/systemd/journal/socket")?)),
            _ => Ok(Target::File(target.into(), append(&target.into())?)),
        }
    }
}

fn append(path: &PathBuf) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o600).open(path)
}

fn connect(path: &str) -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    socket.connect(path)?;
    // A logger that does not read must never hold up a ban.
    socket.set_nonblocking(true)?;
    Ok(socket)
}

fn facility(options: &str) -> u8 {
    const NAMES: [(&str, u8); 12] = [
        ("user", 1),
        ("daemon", 3),
        ("auth", 4),
        ("authpriv", 10),
        ("local0", 16),
        ("local1", 17),
        ("local2", 18),
        ("local3", 19),
        ("local4", 20),
        ("local5", 21),
        ("local6", 22),
        ("local7", 23),
    ];
    let word = options.split([',', ']']).find_map(|o| o.trim().strip_prefix("facility="));
    let found = word.and_then(|w| NAMES.iter().find(|(n, _)| n.eq_ignore_ascii_case(w.trim_matches('"'))));
    found.map_or(3, |(_, number)| *number)
}

fn severity(level: Level) -> u8 {
    match level {
        Level::Critical => 2,
        Level::Error => 3,
        Level::Warning => 4,
        Level::Notice => 5,
        Level::Info => 6,
        Level::Debug => 7,
    }
}

fn syslog(record: &Record, facility: u8) -> Vec<u8> {
    let priority = facility * 8 + severity(record.level);
    let (part, pid, level) = (record.part, std::process::id(), record.level);
    format!("<{priority}>fail2ban.{part}[{pid}]: {level} {}\0", text::printable(&record.text)).into_bytes()
}

fn journal(record: &Record) -> Vec<u8> {
    let priority = severity(record.level);
    let (part, message) = (record.part, text::printable(&record.text));
    format!("PRIORITY={priority}\nSYSLOG_IDENTIFIER=fail2ban\nLOGGER=fail2ban.{part}\nMESSAGE={message}\n").into_bytes()
}

/// As much as is written at once.
const FULL: usize = 64 * 1024;

/// The time in front of a line, with the blank behind it.
const STAMP: usize = 24;

#[cfg(test)]
mod tests {
    use super::*;

    fn line(record: &Record, at: Timestamp) -> String {
        let mut log = Log::stdout(Level::Info, TimeZone::UTC);
        log.line(record, at);
        log.lines
    }

    #[test]
    fn a_line_reads_as_fail2bans_do() {
        let at = Timestamp(1_795_170_257_141_000);
        let line = line(&Record::new(Level::Info, "filter", "[sipt] Found 203.0.113.5"), at);
        let pid = std::process::id();
        assert_eq!(
            line,
            format!("2026-11-20 10:24:17,141 fail2ban.filter         [{pid}]: INFO    [sipt] Found 203.0.113.5\n")
        );
        let ban = self::line(&Record::new(Level::Notice, "actions", "[sipt] Ban 203.0.113.5"), at);
        assert!(ban.ends_with(&format!("fail2ban.actions        [{pid}]: NOTICE  [sipt] Ban 203.0.113.5\n")), "{ban}");
    }

    #[test]
    fn a_record_is_one_line_whatever_it_says() {
        let line = line(&Record::new(Level::Info, "filter", "a\nb\x1b[2J"), Timestamp(0));
        assert_eq!(line.matches('\n').count(), 1);
        assert!(!line.contains('\x1b'));
    }

    #[test]
    fn syslog_takes_the_facility_from_the_brackets() {
        assert_eq!(facility("facility=local5]"), 21);
        assert_eq!(facility(""), 3);
        assert!(syslog(&Record::new(Level::Notice, "actions", "x"), 3).starts_with(b"<29>fail2ban.actions["));
    }
}
