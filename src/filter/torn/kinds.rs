//! The records of a filter that a sender can cut: `recordregex`, compiled.

use std::sync::{Mutex, OnceLock, PoisonError};

use crate::config::{Problem, RecordSettings, Severity, UseDns};
use crate::filter::failregex::{FailRegex, Groups};
use crate::filter::finder::{Finder, beside};
use crate::filter::prefilter::{Cut, Literals, gather, reduce};
use crate::filter::pyregex::Pattern;
use crate::filter::translate::Options;

/// The compiled options.
#[derive(Debug)]
pub struct Records {
    kinds: Vec<Kind>,
    /// Bytes between the first and the last line of one, at most.
    pub room: usize,
    /// What [`Records::literals`] found.
    literals: Mutex<Vec<(Cut, bool, Option<Literals>)>>,
    /// `None`: each line has to be looked at.
    marks: OnceLock<Option<Marks>>,
    /// Texts without which the filter believes no line anywhere.
    believed: OnceLock<Option<Finder>>,
}

/// Texts without which no line begins a record.
#[derive(Debug)]
struct Marks {
    finder: Finder,
    /// Of which kinds a line may be where each of them is found: those whose it is, or whose text stands at the same place.
    kinds: Vec<Kinds>,
}

/// The numbers of kinds, a bit each; above that many all are asked.
type Kinds = u64;

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
            literals: Mutex::default(),
            marks: OnceLock::new(),
            believed: OnceLock::new(),
        }))
    }

    /// What the first lines of records look like.
    pub fn begins(&self) -> impl Iterator<Item = &Pattern> {
        self.kinds.iter().map(|kind| kind.begin.pattern())
    }

    /// What every first line of a record holds, see [`gather`].
    pub fn literals(&self, cut: Cut, escaped: bool) -> Option<Literals> {
        let mut known = self.literals.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((.., literals)) = known.iter().find(|of| (of.0, of.1) == (cut, escaped)) {
            return literals.clone();
        }
        let literals = gather(self.begins(), cut, escaped);
        known.push((cut, escaped, literals.clone()));
        literals
    }

    /// Any of those: they stand in the text that is left, wherever a date was cut out and whether it was escaped.
    fn some_literals(&self) -> Option<Literals> {
        let known = self.literals.lock().unwrap_or_else(PoisonError::into_inner);
        let gathered = known.iter().find_map(|(.., literals)| literals.clone());
        drop(known);
        gathered.or_else(|| self.literals(Cut::Start, false))
    }

    /// The groups of the end of a record of this kind, if `text` ends one.
    pub fn end(&self, kind: usize, text: &str) -> Option<Groups> {
        groups(self.kinds.get(kind)?.end.as_ref()?, text)
    }

    /// Whether a line of a sender's may be one that the filter, which looks for these literals, would believe. A packet
    /// can have very many lines.
    pub fn may_be_believed(&self, line: &str, literals: impl FnOnce() -> Option<Literals>) -> bool {
        let known = self.believed.get_or_init(|| Finder::of(&reduce(literals()?, LITERALS)));
        known.as_ref().is_none_or(|known| known.find(line.as_bytes()).is_some())
    }

    /// Whether this line begins a record and does not end it: which kind, and the groups of its begin.
    pub fn tears(&self, text: &str) -> Option<(usize, Groups)> {
        let marks = self.marks.get_or_init(|| Marks::new(self.some_literals()?));
        let kinds = marks.as_ref().map_or(Kinds::MAX, |marks| marks.kinds(text.as_bytes()));
        let mut possible =
            self.kinds.iter().enumerate().filter(|(number, _)| kinds >> (*number as u32).min(63) & 1 == 1);
        let matches = |regex: &FailRegex| regex.pattern().is_match(text).unwrap_or(false);
        let whole = |kind: &Kind| kind.end.as_ref().is_some_and(matches);
        // Nearly all of them are whole: then it does not matter which it is.
        if possible.clone().all(|(_, kind)| whole(kind)) {
            return None;
        }
        let (number, kind) = possible.find(|(_, kind)| matches(&kind.begin))?;
        if whole(kind) { None } else { Some((number, groups(&kind.begin, text)?)) }
    }
}

impl Marks {
    /// From the literals of each kind.
    fn new(sets: Literals) -> Option<Marks> {
        let (mut texts, mut owners) = (Vec::new(), Vec::new());
        for (number, set) in sets.into_iter().enumerate() {
            texts.extend(reduce(vec![set], LITERALS));
            owners.resize(texts.len(), (number as u32).min(Kinds::BITS - 1));
        }
        let kinds = beside(&texts, owners.into_iter().map(|owner: u32| 1 << owner));
        Some(Marks { finder: Finder::of(&texts)?, kinds })
    }

    /// The kinds that a line may begin.
    fn kinds(&self, mut text: &[u8]) -> Kinds {
        let mut kinds = 0;
        while let Some((mark, found)) = self.finder.find(text) {
            kinds |= self.kinds[mark];
            text = &text[found.start + 1..];
        }
        kinds
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Spanned;

    #[test]
    fn no_kind_is_hidden_by_another_whose_mark_stands_in_the_same_place() {
        let regex = [
            "^x one two '<F-TEXT/>' by <ADDR>$",
            "^x one two 'three <F-TEXT/>' of <ADDR>$",
            "^x .*two 'three four <F-TEXT/>' at <ADDR>$",
            "^.*four five <F-BYTES>\\d+</F-BYTES>$",
        ];
        let settings = RecordSettings { regex: regex.map(Spanned::bare).to_vec(), room: None };
        let records = Records::new(&settings, UseDns::No).unwrap().unwrap();
        let kind = |text: &str| records.tears(text).map(|(kind, _)| kind);
        for (text, expected) in [
            ("x one two 'three four five 7\n", Some(0)),
            ("x one two 'three four five' by 192.0.2.1\n", None),
            // Whole as the third, and as the second, but the first is asked first.
            ("x one two 'three four five' at 192.0.2.1\n", Some(0)),
            ("x two 'three four ' at\n", Some(2)),
            ("x two 'three four ' at 192.0.2.1\n", None),
            ("x two 'three fourfour five 7\n", Some(3)),
            ("x one\n", None),
        ] {
            assert_eq!(kind(text), expected, "{text}");
        }
        let marks = records.marks.get().and_then(Option::as_ref).expect("each kind has some");
        assert_eq!(marks.kinds(b"x one two 'three four five 7"), 0b1111);
        assert_eq!(marks.kinds(b"x one tw"), 0);
    }
}
