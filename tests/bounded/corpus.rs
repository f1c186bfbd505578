//! Expressions and lines made to cost as much as possible: for the tests, which count steps, and for the bench.

use jiff::tz::TimeZone;
use regex_syntax::hir::{Class, Hir, HirKind};
use sipjail::config::{FilterSettings, Spanned, UseDns};
use sipjail::filter::date::Zones;
use sipjail::filter::failregex::expand;
use sipjail::filter::pyregex::Pattern;
use sipjail::filter::translate::Options;
use sipjail::filter::{Filter, Moment};
use sipjail::time::{Span, Timestamp};

/// Expressions that somebody thought of, each with what a line is made of: a head, a part that is repeated, a tail.
pub const HOSTILE: &[(&str, [&str; 3])] = &[
    // Repeated repetitions.
    (r"^(a+)+$ <HOST>", ["", "a", "!"]),
    (r"^(?:(?!zz)a+)+$ <HOST>", ["", "a", "! 192.0.2.1"]),
    (r"^(?:(?!zz)\w+\s?)+(?<!b): <HOST>", ["", "a", "b: 192.0.2.1"]),
    (r"^(?=.*x)(?:\S+\s*)*y <HOST>$", ["", "x ", " 192.0.2.1"]),
    (r"^(?:(?:(?!q)x*)*)*y(?<!xy) <HOST>$", ["", "x", "y 192.0.2.1"]),
    (r"^((?:a|a?)+)+(?!$) <HOST>b", ["", "a", " 192.0.2.1"]),
    // Alternatives that overlap.
    (r"^(?:a|a|ab)*(?<!b)c <HOST>", ["", "ab", "c 192.0.2.1"]),
    (r"^(?:\w|\d|[a-f])+(?<=z): <HOST>", ["", "a1", ": 192.0.2.1"]),
    (r"^(?:.|\s|\w)*(?!x)\d{4} <HOST>$", ["", "7 ", "12 192.0.2.1"]),
    // Polynomials.
    (r"^.*.*.*.*(?<!x)=.*.*; <HOST>$", ["", "=", " 192.0.2.1"]),
    (r"\s+(?!b)$ <HOST>|\s+x(?<!y)$", ["a", " ", "b"]),
    (r"(?:\d+)(?!\d)(?:\d+)x(?<!y) from <ADDR>", ["", "1", " from 192.0.2.1"]),
    (r".*(?=.*(?=.*(?=.*z)y)x) <HOST>", ["", "xyz", " 192.0.2.1"]),
    // Back-references and conditionals, which nothing can be remembered for.
    (r"^(?:(\w+)\s?)*\1?(?<!a): <HOST>$", ["", "a", ": 192.0.2.1"]),
    (r"^(\w*)(\w*)(\w*)\3\2\1(?<!a): <HOST>$", ["", "a", ": 192.0.2.1"]),
    (r"(?P<q>['x]*)(?:\w*)*(?P=q)z(?<!z) <HOST>$", ["", "x'", "z 192.0.2.1"]),
    (r"^(?P<q>a)?(?:(?(q)a|b)*)*(?<!a): <HOST>$", ["", "a", ": 192.0.2.1"]),
    (r"^((a|b)*?(?(2)c|d)?)*?x(?<!x)|<ADDR>$", ["", "ab", "192.0.2."]),
    // Look-around that looks far, again and again.
    (r"^(?:(?=.*x$)a)*b <HOST>", ["", "a", "x"]),
    (r"(?:(?!.*<HOST>$)\S\s?)+: (?<=b: )", ["", "b", ": "]),
    (r"(?<!a{200})(?<=b{200}) <HOST>", ["", "ab", " 192.0.2.1"]),
    // The linear engine: many states, and states that explode when they are made deterministic.
    (r"^(?:\w{200}){8} <HOST>", ["", "a", " 192.0.2.1"]),
    (r"(?:\S{0,50}x){40} <HOST>", ["", "ax", " 192.0.2.1"]),
    (r"(?:a|b)*a(?:a|b){14} <HOST>", ["", "abbabaaabb", "c 192.0.2.1"]),
    (r"(?:[ab]*a[ab]{12}|[bc]*b[bc]{12}) <HOST>$", ["", "abcbbcaacbab", "c 192.0.2.1"]),
    (r"(?i)(?:[^\W\d_]|ſ|K)+(?P<user>\w+)+ <HOST>$", ["", "éſK", " 192.0.2.x!"]),
    (r"\bé\b.*\b<HOST>\b$", ["", "é ", "192.0.2.1 é"]),
    (r"^<F-USER>.+?</F-USER>(?P<x>\s\S+)+<HOST>$", ["", "a b", "192.0.2.1"]),
];

/// Lengths of lines, up to the longest that a source hands on.
pub const LENGTHS: [usize; 4] = [60, 500, 4000, 65_000];

/// A line of about `length` bytes.
pub fn line([head, part, tail]: [&str; 3], length: usize) -> String {
    format!("{head}{}{tail}", part.repeat(length / part.len()))
}

/// The settings of a filter with one failregex.
pub fn settings(failregex: &str) -> FilterSettings {
    FilterSettings { failregex: vec![Spanned::bare(failregex)], maxlines: 1, ..FilterSettings::default() }
}

/// A filter, compiled; `None` if an expression is refused.
pub fn filter(settings: &FilterSettings) -> Option<Filter> {
    let zones = Zones { local: TimeZone::UTC, logtimezone: None };
    Filter::of(settings, UseDns::Warn, "auto", zones).ok().map(|(filter, _)| filter)
}

/// A log that is being written, at 2026-11-20 10:00:00 UTC.
pub const LIVE: Moment<'_> = Moment {
    now: Timestamp::from_secs(1_795_168_800),
    findtime: Span::from_secs(600),
    live: true,
    time: None,
    before: b"",
};

/// Lines for each failregex of a filter that it nearly matches, or does: every endless repetition in turn as long as
/// `length` allows, and then the end torn off.
pub fn crafted(settings: &FilterSettings, length: usize) -> Vec<String> {
    let relaxed = |text: &str| {
        let pattern = Pattern::new(&expand(text, UseDns::Warn), Options::default()).ok()?;
        regex_syntax::parse(&pattern.relaxed()).ok()
    };
    let prefix = settings.prefregex.as_ref().and_then(|text| relaxed(&text.text));
    let mut lines = Vec::new();
    for failregex in &settings.failregex {
        let Some(tree) = relaxed(&failregex.text) else { continue };
        for endless in 0..=endless(&tree).min(MOST) {
            let mut content = Maker { endless, length, ..Maker::default() };
            content.make(&tree);
            let line = match &prefix {
                None => content.out,
                Some(prefix) => {
                    let mut around = Maker { endless: usize::MAX, content: Some(content.out), ..Maker::default() };
                    around.make(prefix);
                    around.out
                }
            };
            let line = line.replace('\n', " ");
            let torn = line.chars().rev().skip(3).collect::<String>().chars().rev().collect::<String>() + "\u{1}";
            lines.extend([line, torn]);
        }
    }
    lines
}

fn endless(hir: &Hir) -> usize {
    match hir.kind() {
        HirKind::Repetition(r) => usize::from(r.max.is_none()) + endless(&r.sub),
        HirKind::Capture(c) => endless(&c.sub),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => parts.iter().map(endless).sum(),
        HirKind::Empty | HirKind::Literal(_) | HirKind::Class(_) | HirKind::Look(_) => 0,
    }
}

/// Makes a text that a tree matches.
#[derive(Default)]
struct Maker {
    out: String,
    /// Which of the endless repetitions is the long one.
    endless: usize,
    length: usize,
    met: usize,
    /// What stands for the group `content`.
    content: Option<String>,
}

impl Maker {
    fn make(&mut self, hir: &Hir) {
        match hir.kind() {
            HirKind::Empty | HirKind::Look(_) => {}
            HirKind::Literal(literal) => self.out.push_str(&String::from_utf8_lossy(&literal.0)),
            HirKind::Class(Class::Unicode(class)) => {
                let good = ['a', '1', ' ', ':', '.'].into_iter();
                let member = |c: &char| class.ranges().iter().any(|r| (r.start()..=r.end()).contains(c));
                let other = class.ranges().first().map(|r| r.start());
                self.out.extend(good.clone().find(member).or(other));
            }
            HirKind::Class(Class::Bytes(class)) => {
                self.out.extend(class.ranges().first().map(|r| char::from(r.start())));
            }
            HirKind::Repetition(r) => {
                let long = r.max.is_none() && self.met == self.endless;
                self.met += usize::from(r.max.is_none());
                let (start, met) = (self.out.len(), self.met);
                for _ in 0..r.min.max(u32::from(r.max != Some(0))) {
                    self.met = met;
                    self.make(&r.sub);
                }
                let turn = (self.out.len() - start).max(1);
                let more = if long { self.length / turn } else { 0 };
                let after = self.met;
                for _ in 0..more {
                    self.met = met;
                    self.make(&r.sub);
                }
                self.met = after;
            }
            HirKind::Capture(c) => match (&c.name, self.content.take()) {
                (Some(name), Some(content)) if **name == *"content" => self.out.push_str(&content),
                (_, content) => {
                    self.content = content;
                    self.make(&c.sub);
                }
            },
            HirKind::Concat(parts) => parts.iter().for_each(|part| self.make(part)),
            HirKind::Alternation(parts) => {
                let met = self.met + parts.iter().map(endless).sum::<usize>();
                self.make(&parts[0]);
                self.met = met;
            }
        }
    }
}

/// Repetitions of one expression that are made long in turn.
const MOST: usize = 6;
