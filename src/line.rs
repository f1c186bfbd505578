//! What a source hands on: whole lines, still as bytes, with what the source alone knows about them.

use std::path::PathBuf;

use crate::time::Timestamp;

/// A run of whole lines from one log, in the order in which they were written.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    /// Zero or more lines, each ending in `\n` (0x0a).
    pub bytes: &'a [u8],
    /// Whether the log had been read to its end before: fail2ban's "in operation". Lines without a plausible date
    /// then count as written just now; before that they are dropped.
    pub live: bool,
    /// When these lines were written, where the source knows it better than the text (journal, AMI, ESL).
    pub time: Option<Timestamp>,
}

/// How far a log has been read and handled; enough to go on after a restart.
///
/// Of systemd's journal `path` is [`Position::JOURNAL`], `offset` the last entry's time in microseconds and `first_line`
/// its cursor, where that is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// The path under which the log is configured (after the glob was expanded).
    pub path: PathBuf,
    /// Device and inode of the file, so that a rotated one is found again under its new name.
    pub file: Option<(u64, u64)>,
    /// Bytes read and handled, always the start of a line.
    pub offset: u64,
    /// SHA-1 (hex) of the first line with its newline, once that line is complete: fail2ban's `firstlinemd5`.
    pub first_line: Option<String>,
}

impl Position {
    /// The path that stands for systemd's journal.
    pub const JOURNAL: &str = "systemd-journal";
}

/// A wrapper around the lines of a log that has to come off before a filter sees them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Unwrap {
    /// The line is what the PBX wrote.
    #[default]
    None,
    /// Each line is looked at: any of the following, in any order of nesting.
    Auto,
    /// Terminal colours: `ESC[1;33m`, also as `#033[1;33m`.
    Ansi,
    /// A syslog or journal prefix: `Nov 20 10:00:00 pbx asterisk[99]: `.
    Syslog,
    /// docker's json-file driver: `{"log":"…\n","stream":"stdout","time":"…"}`.
    Docker,
    /// Asterisk's own `[json]` log format.
    AsteriskJson,
}

impl Unwrap {
    /// Every kind with the word that the option `unwrap` takes.
    pub const WORDS: &[(&str, Unwrap)] = &[
        ("none", Unwrap::None),
        ("auto", Unwrap::Auto),
        ("ansi", Unwrap::Ansi),
        ("syslog", Unwrap::Syslog),
        ("docker", Unwrap::Docker),
        ("asterisk-json", Unwrap::AsteriskJson),
    ];
}

/// Whether the lines around a line have a say in whether it is believed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Neighbours {
    /// Each line stands for itself.
    #[default]
    None,
    /// Behind a record of a call, nothing is believed that does not go on from it; what FreeSWITCH's `mod_logfile` needs.
    FreeSwitch,
}

impl Neighbours {
    /// Every kind with the word that the option `neighbours` takes.
    pub const WORDS: &[(&str, Neighbours)] = &[("none", Neighbours::None), ("freeswitch", Neighbours::FreeSwitch)];
}
