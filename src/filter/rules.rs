//! A jail's expressions: what [`FilterSettings`] says, checked. Filters that are alike share them.

use std::sync::{Arc, OnceLock};

use super::failregex::{FailRegex, expand};
use super::heads::Heads;
use super::prefilter::{self, Cut, Literals};
use super::pyregex::Pattern;
use super::shelf::Shelf;
use super::torn::Records;
use super::translate::Options;
use crate::config::{FilterSettings, Problem, Severity, Spanned, UseDns};
use crate::ticket::Sign;

/// The expressions of a filter.
#[derive(Debug)]
pub struct Rules {
    /// Tried first.
    pub prefix: Option<Arc<FailRegex>>,
    /// In order; behind the failregexes those that are a sign of something else.
    pub fail: Vec<Arc<FailRegex>>,
    /// What a match of each is a sign of.
    signs: Vec<Sign>,
    /// How many of them are failregexes.
    failures: usize,
    /// In order.
    pub ignore: Vec<Pattern>,
    /// How host names count.
    pub usedns: UseDns,
    /// Records that a sender can cut in two.
    pub records: Option<Arc<Records>>,
    /// What [`Rules::literals`] found, plain and escaped.
    literals: [OnceLock<Option<Literals>>; 2],
    heads: OnceLock<Heads>,
}

impl Rules {
    /// Reads all expressions; every bad one is an error.
    pub fn new(settings: &FilterSettings, usedns: UseDns, shelf: &mut Shelf) -> Result<Rules, Vec<Problem>> {
        let window = settings.maxlines > 1;
        let plain = Options { multiline: false, window };
        let mut problems = Vec::new();
        let mut bad = |text: &crate::config::Spanned, message: String| {
            problems.push(Problem::new(Severity::Error, text.origin.clone(), message));
        };

        let prefix = settings.prefregex.as_ref().and_then(|text| {
            shelf.regex(&text.text, usedns, plain).map_err(|e| bad(text, format!("prefregex: {e}"))).ok()
        });
        let known_by_prefix = prefix.as_ref().is_some_and(|prefix| prefix.identifies());
        let (mut fail, mut signs) = (Vec::new(), Vec::new());
        for (text, sign) in texts(settings) {
            match shelf.regex(&text.text, usedns, Options { multiline: window, window }) {
                Ok(regex) if known_by_prefix || regex.identifies() || sign == Sign::Restarted => {
                    fail.push(regex);
                    signs.push(sign);
                }
                Ok(regex) => bad(text, format!("no failure-id group in `{}`", regex.expanded())),
                Err(e) => bad(text, e),
            }
        }
        let mut ignore = Vec::new();
        for text in &settings.ignoreregex {
            match Pattern::new(&expand(&text.text, usedns), plain) {
                _ if text.text.trim().is_empty() => bad(text, "cannot add an empty regex".into()),
                Ok(pattern) => ignore.push(pattern),
                Err(e) => bad(text, format!("unable to compile regular expression `{}`: {e}", text.text)),
            }
        }
        let records = shelf.records(&settings.record, usedns).map_err(|mut found| problems.append(&mut found));
        let records = records.unwrap_or_default().filter(|_| !window);
        match problems.is_empty() {
            true => Ok(Rules {
                prefix,
                fail,
                failures: settings.failregex.len(),
                signs,
                ignore,
                usedns,
                records,
                literals: Default::default(),
                heads: OnceLock::new(),
            }),
            false => Err(problems),
        }
    }

    /// A warning for each expression that a hostile line can make so costly that it is given up.
    pub fn costly(&self, settings: &FilterSettings) -> Vec<Problem> {
        let prefix = settings.prefregex.iter().zip(&self.prefix).map(|(text, regex)| (text, regex.pattern()));
        let fail = texts(settings).zip(&self.fail).map(|((text, _), regex)| (text, regex.pattern()));
        let ignore = settings.ignoreregex.iter().zip(&self.ignore);
        let costly = prefix.chain(fail).chain(ignore).filter(|(_, pattern)| pattern.may_explode());
        let warning = |(text, _): (&crate::config::Spanned, &Pattern)| {
            let message = "a hostile line can make this expression so costly that it is given up on that line";
            let hint = "it repeats a repetition beside a look-around or back-reference: write it without one of them";
            Problem::new(Severity::Warning, text.origin.clone(), message).hint(hint)
        };
        costly.map(warning).collect()
    }

    /// Whether ignoreregexes are tried on the whole line before anything else: when there are clearly fewer of them
    /// than failregexes.
    pub fn ignores_early(&self) -> bool {
        !self.ignore.is_empty() && self.ignore.len() + 2 < self.failures
    }

    /// Those of which a match is a failure.
    pub fn failregexes(&self) -> &[Arc<FailRegex>] {
        &self.fail[..self.failures]
    }

    /// What a match of this one is a sign of.
    pub fn sign(&self, number: usize) -> Sign {
        self.signs.get(number).copied().unwrap_or_default()
    }

    /// How this one is spoken of: its option, and its place there from 0.
    pub fn named(&self, number: usize) -> (&'static str, usize) {
        let sign = self.sign(number);
        let option = match sign {
            Sign::Failed => "failregex",
            Sign::LoggedIn => "trustregex",
            Sign::Restarted => "restartregex",
        };
        (option, self.signs[..number].iter().filter(|other| **other == sign).count())
    }

    /// Which failregexes may match a text at all.
    pub fn heads(&self) -> &Heads {
        self.heads.get_or_init(|| Heads::of(self.fail.iter().map(|regex| regex.pattern())))
    }

    /// What every line that matters holds, where dates are cut out there; see [`prefilter::gather`]. Gathered when it is
    /// first asked for; `cut` must be the same each time.
    pub fn literals(&self, escaped: bool, cut: impl FnOnce() -> Cut) -> Option<&Literals> {
        let gathered = self.literals[usize::from(escaped)].get_or_init(|| {
            let cut = cut();
            let records = self.records.as_ref();
            let gather = |all: &[Arc<FailRegex>]| {
                let beside = records.into_iter().flat_map(|records| records.begins());
                prefilter::gather_beside(all.iter().map(|regex| regex.pattern()), beside, cut, escaped)
            };
            // The prefregex stands for all failregexes, but not for what begins a record.
            let mut all = gather(&self.fail).or_else(|| gather(std::slice::from_ref(self.prefix.as_ref()?)))?;
            if let Some(records) = records {
                all.extend(records.literals(cut, escaped)?);
            }
            Some(all)
        });
        gathered.as_ref()
    }

    /// Whether what becomes of a line depends on that line's text and date alone, as no failregex names a session and
    /// no record has several lines.
    pub fn are_memoryless(&self) -> bool {
        let names = self.prefix.iter().chain(&self.fail).flat_map(|regex| regex.pattern().names());
        self.records.is_none() && !names.into_iter().any(|name| name == "mlfid" || name.starts_with("alt_mlfid"))
    }
}

/// All that is looked for, in the order in which it is tried.
fn texts(settings: &FilterSettings) -> impl Iterator<Item = (&Spanned, Sign)> {
    fn of(texts: &[Spanned], sign: Sign) -> impl Iterator<Item = (&Spanned, Sign)> {
        texts.iter().map(move |text| (text, sign))
    }
    let signs = &settings.signs;
    let others = of(&signs.trust, Sign::LoggedIn).chain(of(&signs.restart, Sign::Restarted));
    of(&settings.failregex, Sign::Failed).chain(others)
}
