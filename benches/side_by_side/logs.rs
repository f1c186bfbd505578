//! The logs on disk. They are made anew for each row, which takes seconds and leaves them in the page cache, and they stay, for
//! whoever wants to look at one or to try another program on it.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::corpus::{Corpus, Tally};

/// A log, and what is in it.
#[derive(Clone, Debug)]
pub struct Log {
    pub path: PathBuf,
    pub tally: Tally,
}

impl Log {
    /// Makes the log of this name.
    pub fn new(name: &str, corpus: &Corpus) -> Log {
        let dir = place().join("logs");
        fs::create_dir_all(&dir).unwrap();
        let path = dir.join(format!("{name}-{}.log", corpus.lines));
        let tally = write(&path, corpus);
        Log { path, tally }
    }
}

/// Writes a log that is not to be kept.
pub fn write(path: &Path, corpus: &Corpus) -> Tally {
    let mut out = BufWriter::with_capacity(1 << 20, File::create(path).unwrap());
    let tally = corpus.write(&mut out).unwrap();
    out.flush().unwrap();
    tally
}

/// Where logs and results lie.
pub fn place() -> PathBuf {
    // `target/tmp`, which cargo names, lies where `target` is, whatever directory that is.
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("side_by_side");
    fs::create_dir_all(&place).unwrap();
    place
}
