//! What was measured: rows of figures, the targets they are held to, and the table made of them.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::sample::Sample;
use crate::{Effort, machine};

/// All rows so far.
pub struct Report {
    pub effort: Effort,
    rows: Vec<Row>,
    machine: Vec<String>,
}

struct Row {
    name: String,
    work: String,
    figures: Vec<Figure>,
    targets: Vec<Target>,
    notes: Vec<String>,
}

/// One measurement of one program.
struct Figure {
    who: Who,
    /// What was measured, if that is not the row's only thing: `replay`, `p99`.
    what: String,
    sample: Sample,
    unit: Unit,
}

/// Whose figure it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    Fail2ban,
    Other,
    Sipjail,
}

/// A unit, and whether much of it is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unit(pub &'static str, pub Better);

/// Which way is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Better {
    More,
    Less,
}

pub const GB_PER_CPU_SECOND: Unit = Unit("GB/s", Better::More);
pub const CPU_PER_MILLION: Unit = Unit("CPU s/M lines", Better::Less);
pub const LINES_PER_SECOND: Unit = Unit("lines/s", Better::More);
pub const BYTES: Unit = Unit("bytes", Better::Less);
pub const MIB: Unit = Unit("MiB", Better::Less);
pub const MILLISECONDS: Unit = Unit("ms", Better::Less);
pub const SECONDS: Unit = Unit("s", Better::Less);
pub const COUNT: Unit = Unit("", Better::Less);
pub const TIMES: Unit = Unit("×", Better::Less);
pub const INSTRUCTIONS: Unit = Unit("instructions/line", Better::Less);

/// What is to be reached.
struct Target {
    text: String,
    got: f64,
    reached: bool,
}

impl Report {
    pub fn new(effort: Effort) -> Report {
        Report { effort, rows: Vec::new(), machine: vec![machine::describe()] }
    }

    /// What follows belongs to this row.
    pub fn begin(&mut self, name: &str) {
        self.rows.push(Row {
            name: name.into(),
            work: name.into(),
            figures: Vec::new(),
            targets: Vec::new(),
            notes: Vec::new(),
        });
    }

    /// What the row's work is, in words.
    pub fn work(&mut self, words: impl Into<String>) {
        self.row().work = words.into();
    }

    pub fn figure(&mut self, who: Who, what: impl Into<String>, unit: Unit, sample: Sample) {
        let figure = Figure { who, what: what.into(), sample, unit };
        eprintln!("  {who:?} {}", figure.text());
        self.row().figures.push(figure);
    }

    /// `got` is to be at most `limit`, or at least if more is better.
    pub fn target(&mut self, what: &str, unit: Unit, got: f64, limit: f64) {
        let (sign, reached) = match unit.1 {
            Better::Less => ("≤", got <= limit),
            Better::More => ("≥", got >= limit),
        };
        let text = format!("{what} {sign} {} {}", number(limit), unit.0).trim().to_owned();
        self.row().targets.push(Target { text, got, reached });
    }

    /// Something to be known beside the figures.
    pub fn note(&mut self, words: impl Into<String>) {
        let words = words.into();
        eprintln!("  ({words})");
        self.row().notes.push(words);
    }

    /// Says why there are no figures.
    pub fn skip(&mut self, why: &str) {
        self.note(format!("skipped: {why}"));
    }

    pub fn finish(&mut self) {
        self.machine.push(machine::describe());
    }

    fn row(&mut self) -> &mut Row {
        self.rows.last_mut().unwrap()
    }

    /// The table.
    pub fn markdown(&self) -> String {
        let mut out = String::new();
        for (when, text) in ["before", "after"].iter().zip(&self.machine) {
            let _ = writeln!(out, "{when}: {text}  ");
        }
        if self.effort == Effort::Quick {
            out += "**--quick: small logs and few rounds; these figures prove nothing.**\n";
        }
        out += "\nMedian (lowest–highest). GB/s and CPU seconds are of processor time, user and system.\n\n";
        out += "| work | fail2ban | others | sipjail | to reach |\n| --- | --- | --- | --- | --- |\n";
        for row in &self.rows {
            let cell = |who| {
                let of = row.figures.iter().filter(|figure| figure.who == who);
                of.map(|figure| figure.text() + &row.ratio(figure)).collect::<Vec<_>>().join("<br>")
            };
            let target = |t: &Target| match t.reached {
                true => format!("{}: ✔", t.text),
                false => format!("**{}: not reached, {}**", t.text, number(t.got)),
            };
            let targets: Vec<String> = row.targets.iter().map(target).collect();
            let work: Vec<&str> = [row.work.as_str()].into_iter().chain(row.notes.iter().map(String::as_str)).collect();
            let _ = writeln!(
                out,
                "| {} | {} | {} | {} | {} |",
                work.join("<br>"),
                cell(Who::Fail2ban),
                cell(Who::Other),
                cell(Who::Sipjail),
                targets.join("<br>")
            );
        }
        out
    }

    /// The same as data.
    pub fn json(&self) -> Value {
        let figure = |f: &Figure| {
            json!({
                "who": format!("{:?}", f.who).to_lowercase(), "what": f.what, "unit": f.unit.0,
                "better": if f.unit.1 == Better::More { "more" } else { "less" },
                "median": f.sample.median(), "low": f.sample.low(), "high": f.sample.high(), "count": f.sample.count(),
            })
        };
        let target = |t: &Target| json!({"what": t.text, "got": t.got, "reached": t.reached});
        let row = |row: &Row| {
            json!({
                "row": row.name, "work": row.work, "notes": row.notes,
                "figures": row.figures.iter().map(figure).collect::<Vec<_>>(),
                "targets": row.targets.iter().map(target).collect::<Vec<_>>(),
            })
        };
        json!({
            "quick": self.effort == Effort::Quick,
            "machine": self.machine,
            "rows": self.rows.iter().map(row).collect::<Vec<_>>(),
        })
    }
}

impl Row {
    /// How many times better the first of our figures in the same unit is than another program's.
    fn ratio(&self, other: &Figure) -> String {
        let ours =
            self.figures.iter().find(|f| f.who == Who::Sipjail && f.unit == other.unit && same(&f.what, &other.what));
        let Some(ours) = ours.filter(|_| other.who != Who::Sipjail) else { return String::new() };
        let (ours, theirs) = (ours.sample.median(), other.sample.median());
        let times = if other.unit.1 == Better::More { ours / theirs } else { theirs / ours };
        if times.is_finite() { format!(" → ×{}", number(times)) } else { String::new() }
    }
}

/// Whether two figures of a row are of the same thing: other programs have only one way to scan, so that is held against our
/// first one.
fn same(ours: &str, theirs: &str) -> bool {
    ours == theirs || ours == "replay"
}

impl Figure {
    fn text(&self) -> String {
        let Figure { what, sample, unit, .. } = self;
        let spread = match sample.count() {
            1 => String::new(),
            _ if sample.low() == sample.high() => String::new(),
            _ => format!(" ({}–{})", number(sample.low()), number(sample.high())),
        };
        format!("{what} {} {}{spread}", number(sample.median()), unit.0).trim().to_owned()
    }
}

/// Three digits that count.
fn number(value: f64) -> String {
    match value.abs() {
        v if v >= 100.0 || v == 0.0 => {
            let digits = format!("{:.0}", value.abs());
            let groups: Vec<&str> = digits.as_bytes().rchunks(3).rev().filter_map(|g| str::from_utf8(g).ok()).collect();
            groups.join(",")
        }
        v if v.fract() == 0.0 => format!("{value}"),
        v if v >= 10.0 => format!("{value:.1}"),
        v if v >= 0.1 => format!("{value:.2}"),
        _ => format!("{value:.4}"),
    }
}
