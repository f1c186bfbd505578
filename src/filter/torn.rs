//! Records that a sender's line break cuts in two: `recordregex` and `recordroom`, which are ours.
//!
//! Where a server writes a sender's text as it came, a line break in it begins a line of its own, and that may look like
//! any other. So from a line that begins like a record with `<F-TEXT/>` and does not end like it, nothing is believed by
//! itself until a line that does: then all of them are judged as one line, with `\n` (two characters) for each break, as
//! they would stand in a log format that escapes it. Its true sender is counted once; what the lines between would have
//! proved is only told.
//!
//! A record that says how many bytes of a sender follow (`<F-BYTES>`) is judged by its first line; what follows it, so
//! far, is not.

use std::collections::VecDeque;

use aho_corasick::AhoCorasick;

use super::date::DateValue;
use super::failregex::{FailRegex, Groups, Identity, identify};
use super::hit::Hit;
use super::prefilter::{Cut, Prefilter, reduce};
use super::translate::Options;
use super::{Filter, Moment, Verdict};
use crate::config::{Problem, RecordSettings, Severity, UseDns};
use crate::text::printable;
use crate::ticket::Who;
use crate::time::{Span, Timestamp};

/// The compiled options.
#[derive(Debug)]
pub struct Records {
    kinds: Vec<Kind>,
    room: usize,
    /// Without one of these no line begins a record; `None`: each has to be looked at.
    literals: Option<AhoCorasick>,
}

/// One `recordregex`.
#[derive(Debug)]
struct Kind {
    /// Up to the first `<F-TEXT/>`.
    begin: FailRegex,
    /// Behind the last one; `None`: it says how many bytes follow.
    end: Option<FailRegex>,
}

/// A record that has begun and not ended.
#[derive(Debug)]
pub struct Torn {
    so_far: SoFar,
    /// Whose it is, where its begin says so.
    sender: Option<Who>,
    /// Whom its lines blame, not all if there are many.
    blamed: Vec<Who>,
}

#[derive(Debug)]
enum SoFar {
    /// It waits for the end of this kind; so many bytes have come since its first line.
    Open(Box<Whole>, usize, usize),
    /// So many bytes of a sender are still to come.
    Bytes(usize),
}

/// What is judged when the end has come, or is not to come any more.
#[derive(Debug)]
struct Whole {
    /// As it is shown.
    shown: String,
    /// What the expressions see.
    text: String,
    /// The same of its first line alone.
    first: (usize, usize),
    time: Option<Timestamp>,
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
        let literals = Prefilter::new(kinds.iter().map(|kind| kind.begin.relaxed()), None, Cut::Start).plain;
        let literals = literals.and_then(|sets| AhoCorasick::new(reduce(sets, LITERALS)).ok());
        Ok(Some(Records { kinds, room: settings.room.unwrap_or(ROOM), literals }))
    }

    /// What the first lines of records look like.
    pub fn begin(&self) -> impl Iterator<Item = &FailRegex> {
        self.kinds.iter().map(|kind| &kind.begin)
    }

    /// Whether this line begins a record and does not end it: which kind, and the groups of its begin.
    fn tears(&self, text: &str) -> Option<(usize, Groups)> {
        if self.literals.as_ref().is_some_and(|literals| !literals.is_match(text)) {
            return None;
        }
        let (number, begin) =
            self.kinds.iter().enumerate().find_map(|(n, kind)| Some((n, groups(&kind.begin, text)?)))?;
        let ends = self.kinds[number].end.as_ref().is_some_and(|end| groups(end, text).is_some());
        (!ends).then_some((number, begin))
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
fn groups(regex: &FailRegex, text: &str) -> Option<Groups> {
    Some(regex.groups(&regex.search(text).ok()??, text))
}

fn named(groups: &Groups, usedns: UseDns) -> Option<Who> {
    match identify(groups, usedns) {
        Identity::Known(who) => Some(who),
        Identity::Nobody | Identity::Invalid(_) => None,
    }
}

impl Filter {
    /// Whether a record has begun and not ended: then the next line of its log has to be looked at, whatever it holds.
    pub fn is_torn(&self) -> bool {
        self.torn.is_some()
    }

    /// The record that waits for its end, to be given back with the next lines of its log by [`Filter::go_on`].
    pub fn take_torn(&mut self) -> Option<Torn> {
        self.torn.take()
    }

    /// Goes on with a log at whose last line this was taken.
    pub fn go_on(&mut self, torn: Option<Torn>) {
        self.torn = torn;
    }

    /// Takes the next line of a torn record; `None`: it is none of it, or there is no such record.
    pub(super) fn next_piece(&mut self, line: &[u8], moment: &Moment<'_>, out: &mut Vec<Hit>) -> Option<Verdict> {
        let Torn { so_far, sender, mut blamed } = self.torn.take()?;
        let text = self.decoder.decode(line).into_owned();
        match so_far {
            SoFar::Bytes(left) => {
                self.blame(&text, moment, &mut blamed);
                match left.saturating_sub(line.len() + 1) {
                    0 => self.warn(sender.as_ref(), &blamed, false, moment.now),
                    left => self.torn = Some(Torn { so_far: SoFar::Bytes(left), sender, blamed }),
                }
                Some(Verdict::Missed)
            }
            SoFar::Open(mut whole, kind, passed) => {
                let records = self.rules.records.as_ref()?;
                let end = records.kinds[kind].end.as_ref().and_then(|end| groups(end, &format!("{text}\n")));
                let passed = passed + line.len() + 1;
                if end.is_none() && passed > records.room {
                    // It never ended. What it began with may prove something all the same.
                    whole.shown.truncate(whole.first.0);
                    whole.text.truncate(whole.first.1);
                    self.whole(*whole, moment, out);
                    return None;
                }
                self.blame(&text, moment, &mut blamed);
                whole.add(&text);
                let Some(end) = end else {
                    self.torn = Some(Torn { so_far: SoFar::Open(whole, kind, passed), sender, blamed });
                    return Some(Verdict::Missed);
                };
                let before = out.len();
                let verdict = self.whole(*whole, moment, out);
                let sender = named(&end, self.rules.usedns).or(sender);
                self.warn(sender.as_ref(), &blamed, out.len() > before, moment.now);
                Some(verdict)
            }
        }
    }

    /// Whether a line has to wait for others before it is judged; `text` is what the expressions see of it.
    pub(super) fn holds(&mut self, shown: &str, text: &str, time: Option<Timestamp>) -> bool {
        let Some((kind, groups)) = self.rules.records.as_ref().and_then(|records| records.tears(text)) else {
            return false;
        };
        let so_far = match groups.get("bytes").map(|bytes| bytes.parse()) {
            Some(Ok(bytes)) if bytes > 0 => SoFar::Bytes(bytes),
            Some(_) => return false,
            None => {
                let (shown, text) = (shown.to_owned(), text.trim_end_matches('\n').to_owned());
                let first = (shown.len(), text.len());
                SoFar::Open(Box::new(Whole { shown, text, first, time }), kind, 0)
            }
        };
        let waits = matches!(so_far, SoFar::Open(..));
        self.torn = Some(Torn { so_far, sender: named(&groups, self.rules.usedns), blamed: Vec::new() });
        waits
    }

    fn whole(&mut self, whole: Whole, moment: &Moment<'_>, out: &mut Vec<Hit>) -> Verdict {
        let Whole { shown, mut text, time, .. } = whole;
        text.push('\n');
        self.search(&shown, text, time, moment, Some(out))
    }

    /// Whom a line would blame that is not believed.
    fn blame(&mut self, line: &str, moment: &Moment<'_>, blamed: &mut Vec<Who>) {
        if blamed.len() >= BLAMED {
            return;
        }
        let cut = match self.clock.detector.find(line, moment.now) {
            Some(found) if matches!(found.time, DateValue::At(_) | DateValue::Empty) => found.cut,
            _ => 0..0,
        };
        let head = line.get(..cut.start).unwrap_or(line);
        let mut text = format!("{head}{}\n", line.get(cut.end..).unwrap_or_default());
        if let Some(prefix) = &self.rules.prefix {
            let Some(found) = prefix.search(&text).ok().flatten() else { return };
            if let Some(content) = prefix.content(&found) {
                text = format!("{}\n", &text[content]);
            }
        }
        let found = self.rules.fail.iter().find_map(|regex| groups(regex, &text));
        let who = found.and_then(|groups| named(&groups, self.rules.usedns));
        blamed.extend(who.filter(|who| !blamed.contains(who)));
    }

    /// Says who forged lines, where that harms somebody whom this filter would believe, or is a failure here.
    fn warn(&mut self, sender: Option<&Who>, blamed: &[Who], failed: bool, now: Timestamp) {
        let sender = sender.map_or_else(|| "somebody".to_owned(), Who::to_string);
        if blamed.is_empty() && !failed || !self.forgers.may_be_named(&sender, now) {
            return;
        }
        let named: Vec<String> = blamed.iter().map(Who::to_string).collect();
        let blamed = match &named[..] {
            [] => "they blame nobody".to_owned(),
            named => format!("they blame {}, who is not counted", printable(&named.join(", "))),
        };
        let text = format!("forged: {} sent what makes lines of its own in the log; {blamed}", printable(&sender));
        self.notes.warn(text);
    }
}

impl Whole {
    fn add(&mut self, line: &str) {
        for text in [&mut self.shown, &mut self.text] {
            text.push_str("\\n");
            text.push_str(line);
        }
    }
}

/// Who was named lately, so that a flood of forgeries fills no log.
#[derive(Debug, Default)]
pub struct Forgers {
    named: VecDeque<(String, Timestamp)>,
}

impl Forgers {
    fn may_be_named(&mut self, sender: &str, now: Timestamp) -> bool {
        self.named.retain(|(_, at)| *at <= now && now - *at < AGAIN);
        if self.named.iter().any(|(name, _)| name == sender) {
            return false;
        }
        if self.named.len() >= FORGERS {
            self.named.pop_front();
        }
        self.named.push_back((sender.to_owned(), now));
        true
    }
}

/// A sender's text.
const TEXT: &str = "<F-TEXT/>";
/// Literals of the first lines at most.
const LITERALS: usize = 64;
/// Where `recordroom` is not written.
const ROOM: usize = 512;
/// Whom a record's lines blame, as far as it is told.
const BLAMED: usize = 4;
/// A sender is named again after this.
const AGAIN: Span = Span::from_secs(3600);
/// Senders who are known to have been named.
const FORGERS: usize = 64;
