//! What a filter made of one line, with every step on the way told: for whoever wants to know why.
//!
//! The line goes the way of all lines ([`Filter::hits`]), so its state and its fate are real; what is told beside them is
//! looked up again afterwards, where looking changes nothing.

use std::ops::Range;

use super::date::DateValue;
use super::failregex::{FailRegex, Groups};
use super::near::{Near, Tracks};
use super::{Filter, Hit, Moment, Verdict};
use crate::time::Timestamp;

/// A line's way through a filter.
#[derive(Clone, Debug, PartialEq)]
pub struct Trace {
    /// The line, decoded.
    pub text: String,
    /// The date in it.
    pub date: Option<Dated>,
    /// Whether the prefregex matched; `None`: there is none.
    pub prefix: Option<bool>,
    /// What the prefregex left for the failregexes.
    pub content: Option<String>,
    /// What became of it.
    pub verdict: Verdict,
    /// The failregex that matched, from 0, also where an ignoreregex took the match away.
    pub failregex: Option<usize>,
    /// The ignoreregex that did, from 0.
    pub ignoreregex: Option<usize>,
    /// Groups by name: of all lines of a session, or of this one where it was ignored.
    pub groups: Groups,
    /// What it proves, or would prove with other lines.
    pub hit: Option<Hit>,
    /// Whether its date (1), its expressions (1) or both (2) were given up, because they would have taken too long.
    pub gave_up: u64,
    /// Where the best expression stopped, if none matched.
    pub near: Option<Near>,
}

/// The date of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dated {
    /// The template that found it, by its name.
    pub template: String,
    /// Where its text stands, of which the failregexes see nothing.
    pub cut: Range<usize>,
    /// What it means.
    pub value: DateValue,
}

impl Filter {
    /// Looks at one line as [`Filter::hits`] does and tells how it went. Meant for a filter made [`Filter::for_tools`],
    /// where a line is never dropped for its age.
    pub fn trace(&mut self, tracks: &Tracks, line: &[u8], written: Option<Timestamp>, moment: &Moment<'_>) -> Trace {
        let (prefixed, gave_up) = (self.prefix_hits, self.backtrack_limits());
        let mut hits = Vec::new();
        let verdict = self.hits(line, written, moment, &mut hits);
        let hit = hits.into_iter().next();
        let text = self.decoder.decode(line).into_owned();
        let cut = self.clock.cut.clone();
        let head = text.get(..cut.start).unwrap_or(&text);
        let mut haystack = format!("{head}{}\n", text.get(cut.end..).unwrap_or_default());
        let mut groups = Groups::new();
        let (mut prefixed, mut content) = (self.prefix_hits > prefixed, None);
        if let Some(prefix) = &self.rules.prefix
            && let Some(found) = prefix.search(&haystack).ok().flatten()
        {
            prefixed = true;
            groups = prefix.groups(&found, &haystack);
            content = groups.shift_remove("content").filter(|text| !text.is_empty());
            haystack = content.as_ref().map_or(haystack, |text| format!("{text}\n"));
        }
        let ignoreregex = match (&hit, verdict) {
            (None, Verdict::Ignored(number)) => Some(number),
            _ => None,
        };
        let failregex = match &hit {
            Some(hit) => {
                groups = hit.groups.clone();
                Some(hit.regex)
            }
            // In a window the lines of the match are gone from it.
            None if ignoreregex.is_some() && self.window.is_none() => {
                let search = |regex: &FailRegex| Some(regex.groups(&regex.search(&haystack).ok()??, &haystack));
                let mut all = self.rules.fail.iter().enumerate();
                all.find_map(|(number, regex)| {
                    groups.extend(search(regex)?);
                    Some(number)
                })
            }
            None => None,
        };
        let missed = failregex.is_none() && ignoreregex.is_none();
        if missed {
            groups.clear();
        }
        let date = self.clock.found.as_ref().map(|found| {
            let mut templates = self.templates();
            let template = templates.find(|template| template.id == found.template).map(|template| template.name);
            Dated { template: template.unwrap_or_default(), cut: found.cut.clone(), value: found.time }
        });
        Trace {
            text,
            date,
            prefix: self.rules.prefix.is_some().then_some(prefixed),
            content,
            verdict,
            failregex,
            ignoreregex,
            groups,
            near: if missed { self.near(tracks, line) } else { None },
            hit,
            gave_up: self.backtrack_limits() - gave_up,
        }
    }

    /// The date that a line begins with, and where that ends.
    pub fn leading_date(&mut self, line: &[u8], now: Timestamp) -> Option<(Timestamp, usize)> {
        let found = self.clock.detector.find(std::str::from_utf8(line).ok()?, now)?;
        match found.time {
            DateValue::At(time) if found.cut.start == 0 => Some((time, found.cut.end)),
            _ => None,
        }
    }
}
