//! One file that stands, or once stood, under a log's path: its descriptor, and how far it has been read.
//!
//! Every read also fetches the bytes just before it and compares them with what was there: a file that was truncated
//! and has grown past the old position is noticed in the same system call (fail2ban misses it within 30 s, and reads
//! on in the middle of a line).

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, IoSliceMut};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use sha1::{Digest, Sha1};

use crate::line::Batch;
use crate::time::Timestamp;

use super::lines::{Lines, MAX_LINE};

/// Device and inode.
pub(super) type FileId = (u64, u64);

/// One open file.
#[derive(Debug)]
pub(super) struct Generation {
    file: File,
    pub id: FileId,
    /// Bytes read; the unfinished line is among them.
    offset: u64,
    /// The bytes before `offset`.
    memory: Vec<u8>,
    pub lines: Lines,
    first_line: FirstLine,
    /// Its end has been reached.
    pub live: bool,
    /// The last read came to the end.
    pub at_end: bool,
    /// When something was last read from it, or it lost its path.
    pub touched: Timestamp,
}

#[derive(Debug)]
enum FirstLine {
    Unknown,
    Hash(String),
    /// Too long to be one.
    None,
}

/// How a read ended.
#[derive(Debug)]
pub(super) enum End {
    /// Nothing more is there.
    Reached,
    /// The budget is used up.
    Budget,
    /// The file is shorter than what was read, or other bytes stand where we read: it begins anew.
    Replaced,
    /// The file cannot be read.
    Failed(io::Error),
}

impl Generation {
    /// Opens a regular file without ever waiting for it.
    pub fn open(path: &Path, now: Timestamp) -> io::Result<Generation> {
        refuse_special(&std::fs::metadata(path)?)?;
        let file = OpenOptions::new().read(true).custom_flags(NONBLOCK).open(path)?;
        let metadata = file.metadata()?;
        refuse_special(&metadata)?;
        Ok(Generation {
            file,
            id: (metadata.dev(), metadata.ino()),
            offset: 0,
            memory: Vec::new(),
            lines: Lines::default(),
            first_line: FirstLine::Unknown,
            live: false,
            at_end: false,
            touched: now,
        })
    }

    /// Reads to the end or until `budget` is used up.
    pub fn read(&mut self, now: Timestamp, budget: &mut usize, sink: &mut dyn FnMut(Batch<'_>)) -> End {
        loop {
            if *budget == 0 {
                return End::Budget;
            }
            let known = self.memory.len();
            let mut again = [0; MEMORY];
            let from = self.offset - known as u64;
            let mut into = [IoSliceMut::new(&mut again[..known]), IoSliceMut::new(self.lines.space())];
            let n = match rustix::io::retry_on_intr(|| rustix::io::preadv(&self.file, &mut into, from)) {
                Ok(n) => n,
                Err(error) => return End::Failed(error.into()),
            };
            if n < known || again[..known] != self.memory {
                return End::Replaced;
            }
            let n = n - known;
            self.at_end = n == 0;
            if n == 0 {
                self.lines.rest();
                self.live = true;
                self.hash();
                return End::Reached;
            }
            self.touched = now;
            remember(&mut self.memory, &self.lines.space()[..n]);
            self.offset += n as u64;
            *budget = budget.saturating_sub(n);
            let live = self.live;
            self.lines.take(n, &mut |bytes| sink(Batch { bytes, live, time: None }));
        }
    }

    /// Begins anew: the file was truncated.
    pub fn restart(&mut self) {
        self.offset = 0;
        self.memory.clear();
        self.lines = Lines::default();
        self.first_line = FirstLine::Unknown;
        self.live = false;
        self.at_end = false;
    }

    /// Goes to `offset`, which must be the start of a line; false where it is not.
    pub fn go(&mut self, offset: u64) -> bool {
        let length = offset.min(MEMORY as u64);
        let mut memory = vec![0; length as usize];
        if self.file.read_exact_at(&mut memory, offset - length).is_err() {
            return false;
        }
        if memory.last().is_some_and(|b| *b != b'\n') {
            return false;
        }
        self.restart();
        self.offset = offset;
        self.memory = memory;
        true
    }

    /// Goes behind the last whole line.
    pub fn go_to_end(&mut self) {
        let mut end = self.size();
        let mut block = vec![0; MAX_LINE];
        while end > 0 {
            let start = end.saturating_sub(block.len() as u64);
            let part = &mut block[..(end - start) as usize];
            if self.file.read_exact_at(part, start).is_err() {
                return;
            }
            if let Some(newline) = memchr::memrchr(b'\n', part) {
                self.go(start + newline as u64 + 1);
                return;
            }
            end = start;
        }
    }

    /// The start of the first line that has not been handed on.
    pub fn position(&self) -> u64 {
        self.offset - self.lines.unfinished()
    }

    /// Whether anything has been read.
    pub fn has_content(&self) -> bool {
        self.offset > 0
    }

    /// Whether the same bytes stand before our position in `other`, which therefore is a copy.
    pub fn is_copied_in(&self, other: &Generation) -> bool {
        let mut there = vec![0; self.memory.len()];
        let from = self.offset - self.memory.len() as u64;
        !there.is_empty() && other.file.read_exact_at(&mut there, from).is_ok() && there == self.memory
    }

    /// SHA-1 of the first line, if that is complete and was looked for.
    pub fn first_line(&self) -> Option<&str> {
        match &self.first_line {
            FirstLine::Hash(hash) => Some(hash),
            FirstLine::Unknown | FirstLine::None => None,
        }
    }

    /// Looks for the first line, unless it is known.
    pub fn hash(&mut self) {
        if !matches!(self.first_line, FirstLine::Unknown) {
            return;
        }
        let mut start = vec![0; 4096];
        let mut have = 0;
        loop {
            match self.file.read_at(&mut start[have..], have as u64) {
                Ok(0) | Err(_) => return,
                Ok(n) => have += n,
            }
            if let Some(newline) = memchr::memchr(b'\n', &start[..have]) {
                let digest = Sha1::digest(&start[..=newline]);
                self.first_line = FirstLine::Hash(digest.iter().map(|b| format!("{b:02x}")).collect());
                return;
            }
            if have > MAX_LINE {
                self.first_line = FirstLine::None;
                return;
            }
            if have == start.len() {
                start.resize(have * 2, 0);
            }
        }
    }

    /// Bytes in the file now; 0 if it cannot be asked.
    pub fn size(&self) -> u64 {
        self.file.metadata().map_or(0, |m| m.len())
    }

    /// Whether no name leads to it any more.
    pub fn is_deleted(&self) -> bool {
        self.file.metadata().map_or(true, |m| m.nlink() == 0)
    }

    /// The open file, for looking around in it.
    pub fn file(&self) -> &File {
        &self.file
    }
}

fn refuse_special(metadata: &Metadata) -> io::Result<()> {
    if metadata.is_file() {
        return Ok(());
    }
    let what = if metadata.is_dir() { "is a directory" } else { "is not a regular file" };
    Err(io::Error::other(what))
}

/// Keeps the last [`MEMORY`] of all bytes read.
fn remember(memory: &mut Vec<u8>, new: &[u8]) {
    let new = &new[new.len().saturating_sub(MEMORY)..];
    let over = (memory.len() + new.len()).saturating_sub(MEMORY);
    memory.drain(..over);
    memory.extend_from_slice(new);
}

const MEMORY: usize = 64;

/// `O_NONBLOCK`: opening a FIFO that took a log's place must not hang.
const NONBLOCK: i32 = rustix::fs::OFlags::NONBLOCK.bits() as i32;
