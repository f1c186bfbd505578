//! The summary of `sipjail regex` as fail2ban-regex prints it, and what a terminal adds: colour, and a sender's text
//! made harmless.

use std::borrow::Cow;
use std::fmt::Write;

use super::report::{Counted, Detail, GROUPS, Lines, NearMiss, Nearly, Report};
use crate::cli::near::caret;
use crate::cli::output::Screen;
use crate::text::printable;

/// What stands above everything: the same before a report and before an error.
pub fn front(header: &[String], screen: Screen) -> String {
    let mut out = String::from("\nRunning tests\n=============\n\n");
    for line in header.iter().flat_map(|l| l.split('\n')) {
        out.push_str(&safe(line, screen));
        out.push('\n');
    }
    out
}

impl Report {
    /// The text that fail2ban-regex prints, byte for byte where the screen is none; safe for a terminal where it is one.
    pub fn text(&self, screen: Screen) -> String {
        let mut out = front(&self.header, screen);
        out.push_str("\n\nResults\n=======\n");
        if let Some(prefix) = &self.prefregex {
            let _ = write!(out, "\nPrefregex: {} total\n|  {}\n", prefix.hits, prefix.text);
            for groups in prefix.groups.iter().take(GROUPS) {
                let _ = writeln!(out, "|      {}", safe(groups, screen));
            }
            if prefix.groups.len() > GROUPS {
                out.push_str("|      ...\n");
            }
            out.push_str("`-\n");
        }
        regexes(&mut out, "Failregex", &self.failregex, self.verbose, screen);
        regexes(&mut out, "Ignoreregex", &self.ignoreregex, self.verbose, screen);
        out.push_str("\nDate template hits:\n");
        let shown: Vec<_> = self.dates.iter().filter(|d| d.hits > 0 || self.verbose).collect();
        if !shown.is_empty() {
            out.push_str("|- [# of hits] date format\n");
            for date in shown {
                let _ = writeln!(out, "|  [{}] {}", date.hits, date.text);
                if let Some(Detail { weight, base_weight, pattern, regex }) = &date.detail {
                    let _ = writeln!(out, "|      # weight: {weight:.3} ({base_weight:.3}), pattern: {pattern}");
                    let _ = writeln!(out, "|      # regex:   {regex}");
                }
            }
            out.push_str("`-\n");
        }
        let count = |fate: Fate, lines: &Lines| {
            let words = format!("{} {}", lines.count, fate.name().to_lowercase());
            if lines.count > 0 { fate.paint(&words, screen) } else { words }
        };
        let (ignored, matched) = (count(Fate::Ignored, &self.ignored), count(Fate::Matched, &self.matched));
        let missed = count(Fate::Missed, &self.missed);
        let _ = write!(out, "\nLines: {} lines, {ignored}, {matched}, {missed}\n", self.total);
        if let Some(seconds) = self.seconds {
            let _ = writeln!(out, "[processed in {seconds:.2} sec]");
        }
        if self.gave_up > 0 {
            let _ = writeln!(out, "[{} lines given up: they would have taken too long]", self.gave_up);
        }
        out.push('\n');
        let (fail, ignore) = match &self.links {
            Some(links) => (&links.failregex[..], &links.ignoreregex[..]),
            None => Default::default(),
        };
        list(&mut out, Fate::Matched, &self.matched, fail, screen);
        list(&mut out, Fate::Ignored, &self.ignored, ignore, screen);
        list(&mut out, Fate::Missed, &self.missed, fail, screen);
        if let Some(nearly) = &self.nearly {
            near_misses(&mut out, nearly, screen);
        }
        out
    }
}

/// What became of a line.
#[derive(Clone, Copy)]
enum Fate {
    Matched,
    Ignored,
    Missed,
}

impl Fate {
    fn name(self) -> &'static str {
        match self {
            Fate::Matched => "Matched",
            Fate::Ignored => "Ignored",
            Fate::Missed => "Missed",
        }
    }

    fn paint(self, text: &str, screen: Screen) -> String {
        let colour = match self {
            Fate::Matched => 32,
            Fate::Ignored => 33,
            Fate::Missed => 31,
        };
        if screen.colour { format!("\x1b[{colour}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

fn regexes(out: &mut String, title: &str, regexes: &[Counted], verbose: bool, screen: Screen) {
    let total: u64 = regexes.iter().map(|r| r.hits).sum();
    let _ = write!(out, "\n{title}: {total} total\n");
    let shown: Vec<_> = regexes.iter().enumerate().filter(|(_, r)| r.hits > 0 || verbose).collect();
    if shown.is_empty() {
        return;
    }
    out.push_str("|-  #) [# of hits] regular expression\n");
    for (number, regex) in shown {
        let _ = writeln!(out, "|  {:2}) [{}] {}", number + 1, regex.hits, regex.text);
        for hit in &regex.found {
            let multiple = if hit.multiple { " (multiple regex matched)" } else { "" };
            let _ = writeln!(out, "|      {}  {}{multiple}", safe(&hit.id, screen), hit.time);
        }
    }
    out.push_str("`-\n");
}

/// Lists lines; with `links` once for each regex, with a page that shows what it does to the line.
fn list(out: &mut String, fate: Fate, lines: &Lines, links: &[(String, String)], screen: Screen) {
    if !lines.shown || lines.count == 0 {
        return;
    }
    let name = fate.name();
    let title = fate.paint(&format!("{name} line(s):"), screen);
    if lines.count >= lines.most as u64 {
        let count = lines.count;
        let flag = name.to_lowercase();
        let _ = writeln!(out, "{title} too many to print.  Use --print-all-{flag} to print all {count} lines");
        return;
    }
    let _ = writeln!(out, "|- {title}");
    for line in &lines.lines {
        if links.is_empty() {
            let _ = writeln!(out, "|  {}", safe(line.trim_end(), screen));
        }
        for (written, expanded) in links {
            let shown = safe(line, screen);
            let _ = writeln!(out, "|  {shown} | {written} |  {}", debuggex(expanded, line));
        }
    }
    let left = lines.count.saturating_sub(lines.lines.len() as u64);
    if left > 0 {
        let _ = writeln!(out, "|  … and {left} more");
    }
    out.push_str("`-\n");
}

/// Shows where the best regex stopped, line by line. Ours: fail2ban-regex has no such list.
fn near_misses(out: &mut String, nearly: &Nearly, screen: Screen) {
    if nearly.count == 0 {
        out.push_str("No missed line nearly matched.\n");
        return;
    }
    out.push_str("|- Nearly matched line(s):\n");
    for NearMiss { failregex, near } in &nearly.misses {
        let name = failregex.map_or("prefregex".to_owned(), |number| format!("failregex {number}"));
        let _ = writeln!(out, "{}", caret(near, &name, "|  ", screen.colour));
    }
    let left = nearly.count.saturating_sub(nearly.misses.len() as u64);
    if left > 0 {
        let _ = writeln!(out, "|  … and {left} more; --print-all-missed shows them");
    }
    out.push_str("`-\n");
}

/// The page that draws a regex and tries it on a line.
fn debuggex(regex: &str, line: &str) -> String {
    format!("https://www.debuggex.com/?re={}&str={}&flavor=python", quoted(regex), quoted(line))
}

/// As a form sends it.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    for byte in text.bytes() {
        match byte {
            b' ' => out.push('+'),
            b if b.is_ascii_alphanumeric() || b"_.-~".contains(&b) => out.push(char::from(b)),
            b => out.push_str(&format!("%{b:02X}")),
        }
    }
    out
}

fn safe(text: &str, screen: Screen) -> Cow<'_, str> {
    if screen.terminal { printable(text) } else { Cow::Borrowed(text) }
}
