//! The dialect of Asterisk's files: sections with templates, `=` and `=>`, `;` and `;-- … --;`, `#include`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::doubt;
use crate::config::pbx::shelf::Shelf;
use crate::config::{Origin, Problem};

/// What a file and those that it includes say.
#[derive(Debug, Default)]
pub struct Read {
    /// In the order of the files.
    pub sections: Vec<Section>,
    /// What was passed over.
    pub problems: Vec<Problem>,
}

/// One section, with what it inherits in front.
#[derive(Clone, Debug, Default)]
pub struct Section {
    /// Its name.
    pub name: String,
    /// It exists only for others: `(!)`.
    pub template: bool,
    entries: Vec<Entry>,
}

/// One option.
#[derive(Clone, Debug)]
pub struct Entry {
    /// In lower case.
    pub name: String,
    /// Without blanks around it and with `\;` undone.
    pub value: String,
    /// Where it is written.
    pub origin: Origin,
}

impl Section {
    /// The value that counts where there is to be one.
    pub fn last(&self, option: &str) -> Option<&Entry> {
        self.entries.iter().rfind(|entry| entry.name == option)
    }

    /// Every value.
    pub fn all(&self, option: &str) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(move |entry| entry.name == option)
    }
}

/// Reads a file; one that does not exist says nothing.
pub fn read(path: &Path, shelf: &mut Shelf) -> Read {
    let folder = path.parent().unwrap_or(Path::new("/"));
    let mut reader =
        Reader { folder, shelf, read: Read::default(), entries: 0, current: None, full: false, open: Vec::new() };
    reader.file(path);
    reader.read
}

struct Reader<'a> {
    folder: &'a Path,
    shelf: &'a mut Shelf,
    read: Read,
    /// Options so far, inherited ones each time.
    entries: usize,
    /// The section that options go into.
    current: Option<usize>,
    full: bool,
    /// The file that is read, behind those that include it.
    open: Vec<PathBuf>,
}

impl Reader<'_> {
    /// Whether there is such a file.
    fn file(&mut self, path: &Path) -> bool {
        let file: Arc<Path> = path.into();
        let at = |line| Origin { path: file.clone(), line, ..Origin::default() };
        let text = match self.shelf.file(path) {
            Ok(Some(text)) => text,
            Ok(None) => return false,
            Err(why) => {
                self.read.problems.push(doubt(at(0), why));
                return true;
            }
        };
        self.open.push(path.to_owned());
        let mut comment = 0;
        for (number, line) in (1..).zip(text.lines()) {
            let line = plain(line, &mut comment);
            let line = line.trim();
            match line.as_bytes().first() {
                None => {}
                Some(b'[') => self.section(line, at(number)),
                Some(b'#') => self.directive(line, at(number)),
                Some(_) => self.entry(line, at(number)),
            }
        }
        self.open.pop();
        true
    }

    /// `[name]`, `[name](!)`, `[name](template,other)`, `[name](+)`.
    fn section(&mut self, line: &str, origin: Origin) {
        self.current = None;
        let Some((name, rest)) = line[1..].split_once(']') else { return };
        let words = rest.trim().strip_prefix('(').and_then(|rest| rest.split_once(')')).map_or("", |(words, _)| words);
        let mut section = Section { name: name.trim().to_owned(), ..Section::default() };
        for word in words.split(',').map(str::trim).filter(|word| !word.is_empty()) {
            match word {
                "!" => section.template = true,
                word if word.starts_with('+') => {
                    self.current = self.read.sections.iter().rposition(|known| known.name == section.name);
                    return;
                }
                parent => {
                    let parent = self.read.sections.iter().rfind(|known| known.name == parent);
                    let Some(inherited) = parent.map(|parent| &parent.entries) else { continue };
                    if self.entries + inherited.len() > MAX_ENTRIES {
                        self.overflow(origin.clone());
                        break;
                    }
                    self.entries += inherited.len();
                    section.entries.extend_from_slice(inherited);
                }
            }
        }
        if self.read.sections.len() >= MAX_ENTRIES {
            return self.overflow(origin);
        }
        self.current = Some(self.read.sections.len());
        self.read.sections.push(section);
    }

    fn entry(&mut self, line: &str, origin: Origin) {
        let Some((name, value)) = line.split_once('=') else { return };
        let Some(section) = self.current.and_then(|at| self.read.sections.get_mut(at)) else { return };
        if self.entries >= MAX_ENTRIES {
            return self.overflow(origin);
        }
        self.entries += 1;
        let name = name.trim_end_matches('+').trim().to_ascii_lowercase();
        let value = value.strip_prefix('>').unwrap_or(value).trim().to_owned();
        section.entries.push(Entry { name, value, origin });
    }

    fn directive(&mut self, line: &str, origin: Origin) {
        let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let name = rest.trim().trim_matches(['"', '<', '>', '\'']);
        match word {
            "#include" | "#tryinclude" => {
                let mut found = false;
                for path in self.expand(name) {
                    if self.open.contains(&path) || self.open.len() > MAX_DEPTH {
                        let message =
                            format!("`{name}` includes itself, or is included too deeply; it is not read here");
                        self.read.problems.push(doubt(origin.clone(), message));
                        found = true;
                    } else {
                        found |= self.file(&path);
                    }
                }
                if !found && word == "#include" {
                    self.read.problems.push(doubt(origin, format!("there is no file `{name}`")));
                }
            }
            "#exec" => {
                self.read.problems.push(doubt(origin, "`#exec` is not run: peers that it names are not protected"))
            }
            _ => {}
        }
    }

    /// The files of an `#include`; a pattern may stand in the last part of the path.
    fn expand(&mut self, name: &str) -> Vec<PathBuf> {
        let path = self.folder.join(name);
        if !name.contains(['*', '?']) {
            return vec![path];
        }
        let (Some(folder), Some(pattern)) = (path.parent(), path.file_name().and_then(|name| name.to_str())) else {
            return Vec::new();
        };
        let names = self.shelf.folder(folder);
        names
            .into_iter()
            .filter(|path| path.file_name().and_then(|n| n.to_str()).is_some_and(|n| fits(pattern, n)))
            .collect()
    }

    fn overflow(&mut self, origin: Origin) {
        if !std::mem::replace(&mut self.full, true) {
            self.read.problems.push(doubt(origin, "there are too many options; those from here on are not read"));
        }
    }
}

/// A line without its comments; `comment` is how many `;--` are open.
fn plain(line: &str, comment: &mut usize) -> String {
    let mut kept = String::new();
    let mut rest = line;
    while let Some(c) = rest.chars().next() {
        if *comment > 0 {
            if let Some(after) = rest.strip_prefix("--;") {
                *comment -= 1;
                rest = after;
                continue;
            }
        } else if let Some(after) = rest.strip_prefix("\\;") {
            kept.push(';');
            rest = after;
            continue;
        }
        if c == ';' {
            let opens = rest.starts_with(";--") && !rest.starts_with(";---");
            if !opens && *comment == 0 {
                break;
            }
            if opens {
                *comment += 1;
                rest = &rest[3..];
                continue;
            }
        }
        if *comment == 0 {
            kept.push(c);
        }
        rest = &rest[c.len_utf8()..];
    }
    kept
}

/// Whether a name fits a pattern of `*` and `?`.
fn fits(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.as_bytes(), name.as_bytes());
    let (mut p, mut n, mut star) = (0, 0, None);
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(b) if *b == b'?' || *b == name[n] => (p, n) = (p + 1, n + 1),
            _ => {
                let Some((at, from)) = star else { return false };
                (p, n, star) = (at + 1, from + 1, Some((at, from + 1)));
            }
        }
    }
    pattern[p..].iter().all(|b| *b == b'*')
}

/// As deep as Asterisk goes.
const MAX_DEPTH: usize = 10;

/// Options and sections that are read of one file and what it includes.
const MAX_ENTRIES: usize = 100_000;
