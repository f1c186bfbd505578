//! What `sipjail regex` found, as data; `summary` makes a text of it.

use serde::Serialize;

use crate::filter::near::Near;

/// What a filter made of a log.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// What was used: one line each, as printed.
    #[serde(skip)]
    pub header: Vec<String>,
    /// The prefregex with its tags expanded.
    pub prefregex: Option<Counted>,
    /// The failregexes as written.
    pub failregex: Vec<Counted>,
    /// The ignoreregexes as written.
    pub ignoreregex: Vec<Counted>,
    /// Date templates in the order in which they are tried.
    pub dates: Vec<Counted>,
    /// Lines looked at.
    pub total: u64,
    /// Lines that an ignoreregex took, or that only help others.
    pub ignored: Lines,
    /// Lines that are failures.
    pub matched: Lines,
    /// All others.
    pub missed: Lines,
    /// Missed lines that nearly matched, where that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nearly: Option<Nearly>,
    /// Lines that were given up because they would have taken unbounded time.
    pub gave_up: u64,
    /// How long it took, where somebody has measured it.
    pub seconds: Option<f64>,
    /// Whether regexes without hits are shown, and each hit.
    #[serde(skip)]
    pub verbose: bool,
    /// What `--debuggex` links to.
    #[serde(skip)]
    pub links: Option<Links>,
}

/// A regex with its tags expanded beside the text as it was written.
#[derive(Clone, Debug, Default)]
pub struct Links {
    /// The failregexes.
    pub failregex: Vec<(String, String)>,
    /// The ignoreregexes.
    pub ignoreregex: Vec<(String, String)>,
}

/// A regex or a date template and its hits.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Counted {
    /// Its text.
    pub text: String,
    /// How often it matched.
    pub hits: u64,
    /// Each hit, where that was asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub found: Vec<HitLine>,
    /// What the prefregex took out of the first lines, where that was asked for; one more than are shown.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// More about a date template, where that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<Detail>,
}

/// What a date template became.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Detail {
    /// The more hits and the nearer to the line's start, the more.
    pub weight: f64,
    /// What one hit counts.
    pub base_weight: f64,
    /// As it was written.
    pub pattern: String,
    /// The regular expression, in Python's notation.
    pub regex: String,
}

/// One hit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HitLine {
    /// Whom it means, `None` for nobody.
    pub id: String,
    /// When, in local time.
    pub time: String,
    /// Whether at least two earlier regexes had matched the line.
    pub multiple: bool,
}

/// Missed lines that a regex nearly matched.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Nearly {
    /// How many.
    pub count: u64,
    /// The first of them.
    pub misses: Vec<NearMiss>,
    /// So many are kept.
    #[serde(skip)]
    pub most: usize,
}

/// Where the best regex stopped on a line.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NearMiss {
    /// Which failregex, from 1; `null`: the prefregex, before which no failregex is tried.
    pub failregex: Option<usize>,
    /// The line, and how far it got there.
    #[serde(flatten)]
    pub near: Near,
}

impl Nearly {
    /// Counts a near miss and keeps it if it may be shown.
    pub fn add(&mut self, near: Near) {
        self.count += 1;
        if self.misses.len() < self.most {
            self.misses.push(NearMiss { failregex: near.regex.map(|number| number + 1), near });
        }
    }
}

/// Lines that met the same fate.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Lines {
    /// How many.
    pub count: u64,
    /// The first of them, as many as are shown.
    pub lines: Vec<String>,
    /// Fewer than so many are listed one by one.
    #[serde(skip)]
    pub most: usize,
    /// Whether they are shown at all.
    #[serde(skip)]
    pub shown: bool,
    #[serde(skip)]
    bytes: usize,
}

impl Counted {
    /// Without hits.
    pub fn new(text: &str) -> Counted {
        Counted { text: text.to_owned(), ..Counted::default() }
    }

    /// Counts a hit.
    pub fn hit(&mut self, shown: impl Iterator<Item = HitLine>) {
        self.hits += 1;
        if self.found.len() < HITS {
            self.found.extend(shown);
        }
    }

    /// Keeps what a prefregex took out of a line, while there are few.
    pub fn groups(&mut self, groups: impl FnOnce() -> String) {
        if self.groups.len() <= GROUPS {
            self.groups.push(groups());
        }
    }
}

impl Lines {
    /// No lines; fewer than `most` of them are `shown` one by one.
    pub fn new(most: usize, shown: bool) -> Lines {
        Lines { most, shown, ..Lines::default() }
    }

    /// Whether one more line would be kept.
    pub fn keeps(&self) -> bool {
        self.shown && self.lines.len() < self.most && self.bytes < BYTES
    }

    /// Counts a line and keeps it if it may be shown.
    pub fn add(&mut self, line: &str) {
        self.count += 1;
        if self.keeps() {
            self.bytes += line.len();
            self.lines.push(line.to_owned());
        }
    }

    /// Takes a line back; whether it was there is unknown once lines are only counted, then it is assumed.
    pub fn remove(&mut self, line: &str) -> bool {
        match self.lines.iter().position(|l| l == line) {
            Some(at) => {
                self.lines.remove(at);
            }
            None if self.count <= self.lines.len() as u64 => return false,
            None => {}
        }
        self.count -= 1;
        true
    }
}

/// Bytes of lines that one list keeps.
const BYTES: usize = 64 << 20;
/// Hits that are kept per regex.
const HITS: usize = 1_000_000;
/// Lines of which the prefregex's groups are shown.
pub const GROUPS: usize = 20;
