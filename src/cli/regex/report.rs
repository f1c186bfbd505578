//! What `sipjail regex` found: as data, and as the text that fail2ban-regex prints.

use std::fmt::Write;

use serde::Serialize;

use crate::text::printable;

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
    /// How often a regex was given up because it would have taken unbounded time.
    pub gave_up: u64,
    /// How long it took, where somebody has measured it.
    pub seconds: Option<f64>,
    /// Whether regexes without hits are shown, and each hit.
    #[serde(skip)]
    pub verbose: bool,
}

/// A regex or a date template and its hits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counted {
    /// Its text.
    pub text: String,
    /// How often it matched.
    pub hits: u64,
    /// Each hit, where that was asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub found: Vec<HitLine>,
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

/// Lines that met the same fate.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Lines {
    /// How many.
    pub count: u64,
    /// The first of them, as many as are shown.
    pub lines: Vec<String>,
    #[serde(skip)]
    most: usize,
    #[serde(skip)]
    shown: bool,
    #[serde(skip)]
    bytes: usize,
}

impl Counted {
    /// Without hits.
    pub fn new(text: &str) -> Counted {
        Counted { text: text.to_owned(), ..Counted::default() }
    }

    /// Counts a hit.
    pub fn hit(&mut self, shown: Option<HitLine>) {
        self.hits += 1;
        if self.found.len() < HITS {
            self.found.extend(shown);
        }
    }
}

impl Lines {
    /// No lines; fewer than `most` of them are `shown` one by one.
    pub fn new(most: usize, shown: bool) -> Lines {
        Lines { most, shown, ..Lines::default() }
    }

    /// Counts a line and keeps it if it may be shown.
    pub fn add(&mut self, line: &str) {
        self.count += 1;
        if self.shown && self.lines.len() < self.most && self.bytes < BYTES {
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

impl Report {
    /// The text that fail2ban-regex prints, made safe for a terminal.
    pub fn text(&self) -> String {
        let mut out = String::from("\nRunning tests\n=============\n\n");
        for line in self.header.iter().flat_map(|l| l.split('\n')) {
            out.push_str(&printable(line));
            out.push('\n');
        }
        out.push_str("\n\nResults\n=======\n");
        if let Some(prefix) = &self.prefregex {
            let _ = write!(out, "\nPrefregex: {} total\n|  {}\n`-\n", prefix.hits, prefix.text);
        }
        self.regexes(&mut out, "Failregex", &self.failregex);
        self.regexes(&mut out, "Ignoreregex", &self.ignoreregex);
        out.push_str("\nDate template hits:\n");
        let shown: Vec<_> = self.dates.iter().filter(|d| d.hits > 0 || self.verbose).collect();
        if !shown.is_empty() {
            out.push_str("|- [# of hits] date format\n");
            for date in shown {
                let _ = writeln!(out, "|  [{}] {}", date.hits, date.text);
            }
            out.push_str("`-\n");
        }
        let (ignored, matched, missed) = (self.ignored.count, self.matched.count, self.missed.count);
        let _ = write!(out, "\nLines: {} lines, {ignored} ignored, {matched} matched, {missed} missed\n", self.total);
        if let Some(seconds) = self.seconds {
            let _ = writeln!(out, "[processed in {seconds:.2} sec]");
        }
        if self.gave_up > 0 {
            let _ = writeln!(out, "[{} searches given up: they would have taken too long]", self.gave_up);
        }
        out.push('\n');
        for (name, lines) in [("Matched", &self.matched), ("Ignored", &self.ignored), ("Missed", &self.missed)] {
            list(&mut out, name, lines);
        }
        out
    }

    fn regexes(&self, out: &mut String, title: &str, regexes: &[Counted]) {
        let total: u64 = regexes.iter().map(|r| r.hits).sum();
        let _ = write!(out, "\n{title}: {total} total\n");
        let shown: Vec<_> = regexes.iter().enumerate().filter(|(_, r)| r.hits > 0 || self.verbose).collect();
        if shown.is_empty() {
            return;
        }
        out.push_str("|-  #) [# of hits] regular expression\n");
        for (number, regex) in shown {
            let _ = writeln!(out, "|  {:2}) [{}] {}", number + 1, regex.hits, regex.text);
            for hit in &regex.found {
                let multiple = if hit.multiple { " (multiple regex matched)" } else { "" };
                let _ = writeln!(out, "|      {}  {}{multiple}", printable(&hit.id), hit.time);
            }
        }
        out.push_str("`-\n");
    }
}

fn list(out: &mut String, name: &str, lines: &Lines) {
    if !lines.shown || lines.count == 0 {
        return;
    }
    if lines.count >= lines.most as u64 {
        let count = lines.count;
        let flag = name.to_lowercase();
        let _ = writeln!(out, "{name} line(s): too many to print.  Use --print-all-{flag} to print all {count} lines");
        return;
    }
    let _ = writeln!(out, "|- {name} line(s):");
    for line in &lines.lines {
        let _ = writeln!(out, "|  {}", printable(line.trim_end()));
    }
    let left = lines.count.saturating_sub(lines.lines.len() as u64);
    if left > 0 {
        let _ = writeln!(out, "|  … and {left} more");
    }
    out.push_str("`-\n");
}

/// Bytes of lines that one list keeps.
const BYTES: usize = 64 << 20;
/// Hits that are kept per regex.
const HITS: usize = 1_000_000;
