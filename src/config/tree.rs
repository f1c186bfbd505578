//! The files: those of a directory and, behind them, the stock tree.
//!
//! A path below the directory that is not on disk is looked up in the stock tree; so each file of the directory shadows
//! one of ours, and what a file of ours includes may be one of the directory's. Each file is looked for, read
//! and parsed once, and the files of one filter or action are put together once.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io::Read;
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;

use super::include::Layers;
use super::ini::{self, Ini, Quick};
use super::{FileName, Origin, Problem, Severity, stock};

/// A configuration directory over the stock tree.
pub struct Tree {
    dir: PathBuf,
    files: RefCell<HashMap<PathBuf, Option<Rc<File>>, Quick>>,
    layers: RefCell<HashMap<PathBuf, Rc<Layers>, Quick>>,
    /// Of which files it is known whether they are there.
    found: RefCell<HashMap<PathBuf, bool, Quick>>,
}

/// One file.
#[derive(Debug, Default)]
pub struct File {
    /// What it says.
    pub ini: Ini,
    /// What is wrong with it.
    pub problems: Vec<Problem>,
    /// Nothing of it could be read.
    pub unreadable: bool,
}

impl Tree {
    /// The tree of a directory, which need not exist.
    pub fn new(dir: &Path) -> Tree {
        Tree { dir: dir.to_owned(), files: RefCell::default(), layers: RefCell::default(), found: RefCell::default() }
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Reads a file; `None`: there is none.
    pub fn file(&self, path: &Path) -> Option<Rc<File>> {
        if let Some(known) = self.files.borrow().get(path) {
            return known.clone();
        }
        let file = self.read(path).map(Rc::new);
        self.files.borrow_mut().insert(path.to_owned(), file.clone());
        file
    }

    /// What the files of a name say together, as `read` gives it the first time.
    pub fn remember(&self, stem: &Path, read: impl FnOnce() -> Layers) -> Rc<Layers> {
        if let Some(known) = self.layers.borrow().get(stem) {
            return known.clone();
        }
        let layers = Rc::new(read());
        self.layers.borrow_mut().insert(stem.to_owned(), layers.clone());
        layers
    }

    /// Whether there is such a file.
    pub fn exists(&self, path: &Path) -> bool {
        if let Some(known) = self.found.borrow().get(path) {
            return *known;
        }
        let no_folder = || path.symlink_metadata().is_ok_and(|m| !m.is_dir());
        let on_disk = path.metadata().is_ok_and(|m| m.is_file() || no_folder());
        let found = on_disk || self.stock(path).is_some();
        self.found.borrow_mut().insert(path.to_owned(), found);
        found
    }

    /// The files of a folder on disk with this extension, sorted by their bytes, hidden ones left out.
    pub fn list(&self, folder: &Path, extension: &str) -> Vec<PathBuf> {
        let Ok(entries) = folder.read_dir() else { return Vec::new() };
        let names = entries.flatten().map(|entry| entry.file_name());
        let wanted = |name: &std::ffi::OsString| {
            let name = name.as_encoded_bytes();
            name.ends_with(extension.as_bytes()) && name.first() != Some(&b'.')
        };
        let mut names: Vec<_> = names.filter(wanted).collect();
        names.sort();
        names.into_iter().map(|name| folder.join(name)).filter(|path| path.exists()).collect()
    }

    fn read(&self, path: &Path) -> Option<File> {
        let place = |path: FileName| Origin { path, ..Origin::default() };
        let wrong = |message: String| File {
            problems: vec![Problem::new(Severity::Error, place(path.into()), message)],
            unreadable: true,
            ..File::default()
        };
        let bytes = match bytes(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let (name, text) = self.stock(path)?;
                let (ini, problems) = ini::parse(&name, text);
                return Some(File { ini, problems, unreadable: false });
            }
            Err(error) => return Some(wrong(format!("the file cannot be read: {error}"))),
        };
        if bytes.len() as u64 > MAX_SIZE {
            return Some(wrong(format!("the file is larger than {} MiB", MAX_SIZE >> 20)));
        }
        let text = match String::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => {
                let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
                let line = before.iter().filter(|b| **b == b'\n').count() + 1;
                let origin = Origin { path: path.into(), line, ..Origin::default() };
                let problem = Problem::new(Severity::Error, origin, "the file is not valid UTF-8 and is left out");
                let problem = problem.hint("store it as UTF-8, for example with `iconv -f latin1 -t utf8`");
                return Some(File { problems: vec![problem], unreadable: true, ..File::default() });
            }
        };
        let (ini, problems) = ini::parse(&path.into(), &text);
        Some(File { ini, problems, unreadable: false })
    }

    fn stock(&self, path: &Path) -> Option<(FileName, &'static str)> {
        let below = path.strip_prefix(stock::ROOT).or_else(|_| path.strip_prefix(&self.dir)).ok()?;
        let mut parts: Vec<&str> = Vec::new();
        for part in below.components() {
            match part {
                Component::Normal(part) => parts.push(part.to_str()?),
                Component::ParentDir => drop(parts.pop()?),
                _ => {}
            }
        }
        let name = parts.join("/");
        let text = stock::text(&name)?;
        Some((Path::new(stock::ROOT).join(name).into(), text))
    }
}

/// The text behind a file name of a [`Problem`], for showing the line.
pub fn source(path: &Path) -> Option<String> {
    if let Ok(name) = path.strip_prefix(stock::ROOT) {
        return stock::text(name.to_str()?).map(str::to_owned);
    }
    let bytes = bytes(path).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// Larger files are refused.
const MAX_SIZE: u64 = 64 << 20;

/// What is no regular file, as `/dev/null` that masks one, is empty.
fn bytes(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let meta = path.metadata()?;
    if meta.is_dir() {
        return Err(std::io::ErrorKind::IsADirectory.into());
    }
    if meta.is_file() {
        std::fs::File::open(path)?.take(MAX_SIZE + 1).read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}
