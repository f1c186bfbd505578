//! The records of a filter that a sender can cut: `recordregex`, compiled.

use std::sync::OnceLock;

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
    /// Texts without which no line begins a record, and of which kind each is; `None`: each line has to be looked at.
    literals: OnceLock<Option<(AhoCorasick, Vec<usize>)>>,
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
            literals: OnceLock::new(),
            believed: OnceLock::new(),
        }))
    }

    /// What the first lines of records look like.
    pub fn begin(&self) -> impl Iterator<Item = &FailRegex> {
        self.kinds.iter().map(|kind| &kind.begin)
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
        let literals = self.literals.get_or_init(|| self.literals());
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

    fn literals(&self) -> Option<(AhoCorasick, Vec<usize>)> {
        let (mut texts, mut kinds) = (Vec::new(), Vec::new());
        for (number, begin) in self.begin().enumerate() {
            let sets = gather([begin.relaxed()], Cut::Start, false)?;
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
