//! The records of a filter that a sender can cut: `recordregex`, compiled.

use std::sync::{Mutex, OnceLock, PoisonError};

use aho_corasick::AhoCorasick;

use crate::config::{Problem, RecordSettings, Severity, UseDns};
use crate::filter::failregex::{FailRegex, Groups};
use crate::filter::prefilter::{Cut, Literals, gather, reduce};
use crate::filter::translate::Options;

/// The compiled options.
#[derive(Debug)]
pub struct Records {
    kinds: Vec<Kind>,
    /// Bytes between the first and the last line of one, at most.
    pub room: usize,
    /// What their first lines look like, see [`FailRegex::outline`].
    outlines: OnceLock<Vec<String>>,
    /// What [`Records::literals`] found.
    literals: Mutex<Vec<(Cut, bool, Option<Literals>)>>,
    /// Texts without which no line begins a record, and of which kind each is; `None`: each line has to be looked at.
    begins: OnceLock<Option<(AhoCorasick, Vec<usize>)>>,
    /// Texts without which the filter believes no line anywhere.
    believed: OnceLock<Option<AhoCorasick>>,
}

/// One `recordregex`.
#[derive(Debug)]
struct Kind {
    /// Up to the first `<F-TEXT/>`.
    begin: FailRegex,
    /// Behind the last one; `None`: it says how many bytes follow.
    end: Option<FailRegex>,
}

impl Records {
    /// Compiles the options; `None`: there are no such records.
    pub fn new(settings: &RecordSettings, usedns: UseDns) -> Result<Option<Records>, Vec<Problem>> {
        if settings.regex.is_empty() {
            return Ok(None);
        }
        let mut problems = Vec::new();
        let mut kinds = Vec::new();
        for text in &settings.regex {
            match Kind::new(&text.text, usedns) {
                Ok(kind) => kinds.push(kind),
                Err(e) => {
                    problems.push(Problem::new(Severity::Error, text.origin.clone(), format!("recordregex: {e}")))
                }
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Some(Records {
            kinds,
            room: settings.room.unwrap_or(ROOM),
            outlines: OnceLock::new(),
            literals: Mutex::default(),
            begins: OnceLock::new(),
            believed: OnceLock::new(),
        }))
    }

    /// The outlines of what the first lines of records look like.
    pub fn outlines(&self) -> &[String] {
        self.outlines.get_or_init(|| self.kinds.iter().map(|kind| kind.begin.outline()).collect())
    }

    /// What every first line of a record holds, see [`gather`].
    pub fn literals(&self, cut: Cut, escaped: bool) -> Option<Literals> {
        let mut known = self.literals.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((.., literals)) = known.iter().find(|of| (of.0, of.1) == (cut, escaped)) {
            return literals.clone();
        }
        let literals = gather(self.outlines(), cut, escaped);
        known.push((cut, escaped, literals.clone()));
        literals
    }

    /// The groups of the end of a record of this kind, if `text` ends one.
    pub fn end(&self, kind: usize, text: &str) -> Option<Groups> {
        groups(self.kinds.get(kind)?.end.as_ref()?, text)
    }

    /// Whether a line of a sender's may be one that the filter, which looks for these literals, would believe. A packet
    /// can have very many lines.
    pub fn may_be_believed(&self, line: &str, literals: impl FnOnce() -> Option<Literals>) -> bool {
        holds_one(&self.believed, line, literals)
    }

    /// Whether this line begins a record and does not end it: which kind, and the groups of its begin.
    pub fn tears(&self, text: &str) -> Option<(usize, Groups)> {
        let literals = self.begins.get_or_init(|| self.begins());
        let mut possible: Vec<usize> = match literals {
            Some((literals, _)) if !literals.is_match(text) => return None,
            Some((literals, kinds)) => {
                literals.find_overlapping_iter(text).map(|found| kinds[found.pattern()]).collect()
            }
            None => (0..self.kinds.len()).collect(),
        };
        possible.sort_unstable();
        possible.dedup();
        let matches = |regex: &FailRegex| regex.pattern().is_match(text).unwrap_or(false);
        let number = possible.into_iter().find(|number| matches(&self.kinds[*number].begin))?;
        let kind = &self.kinds[number];
        if kind.end.as_ref().is_some_and(matches) {
            return None;
        }
        Some((number, groups(&kind.begin, text)?))
    }

    fn begins(&self) -> Option<(AhoCorasick, Vec<usize>)> {
        let (mut texts, mut kinds) = (Vec::new(), Vec::new());
        for (number, begin) in self.outlines().iter().enumerate() {
            let sets = gather([begin], Cut::Start, false)?;
            texts.extend(reduce(sets, LITERALS));
            kinds.resize(texts.len(), number);
        }
        Some((AhoCorasick::new(texts).ok()?, kinds))
    }
}

impl Kind {
    fn new(text: &str, usedns: UseDns) -> Result<Kind, String> {
        let options = Options { multiline: false, window: false };
        let compile = |text: &str| FailRegex::new(text, usedns, options);
        match (text.find(TEXT), text.rfind(TEXT)) {
            (Some(first), Some(last)) => {
                let (begin, end) = (compile(&text[..first])?, compile(&text[last + TEXT.len()..])?);
                Ok(Kind { begin, end: Some(end) })
            }
            _ => {
                let begin = compile(text)?;
                let counts = begin.pattern().has("bytes");
                if counts {
                    Ok(Kind { begin, end: None })
                } else {
                    Err(format!("neither `{TEXT}` nor `<F-BYTES>` is in `{text}`"))
                }
            }
        }
    }
}

/// Whether a text holds one of these, where it has to.
fn holds_one(known: &OnceLock<Option<AhoCorasick>>, text: &str, literals: impl FnOnce() -> Option<Literals>) -> bool {
    let known = known.get_or_init(|| AhoCorasick::new(reduce(literals()?, LITERALS)).ok());
    known.as_ref().is_none_or(|known| known.is_match(text))
}

/// The groups of an expression, if it matches.
pub fn groups(regex: &FailRegex, text: &str) -> Option<Groups> {
    Some(regex.groups(&regex.search(text).ok()??, text))
}

/// A sender's text.
const TEXT: &str = "<F-TEXT/>";
/// Literals at most, of one kind's first lines or of what is believed.
const LITERALS: usize = 64;
/// Where `recordroom` is not written.
const ROOM: usize = 512;
