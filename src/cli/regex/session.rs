//! A filter at work on a log: each line's fate goes into the report, or each failure to whoever reads `--out`.
//!
//! Lines that no failregex can match are found a block at a time and only dated and counted; the outcome is the same.

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;

use super::out::Out;
use super::report::{Counted, Detail, HitLine, Lines, Nearly, Report};
use super::setup::Setup;
use super::{Args, Refused, World, python};
use crate::config::Spanned;
use crate::error::{Error, Kind};
use crate::filter::near::Tracks;
use crate::filter::{Filter, Hit, Moment, Scan, Verdict};
use crate::ticket::Who;
use crate::time::{Span, Timestamp};

/// A filter at work on a log, and what it has found so far.
pub struct Session<'a, 'w> {
    filter: Filter,
    /// Finds the lines that a failregex may match; away while a block is looked at.
    scan: Option<Scan>,
    report: Report,
    prefregex: Option<Counted>,
    journalmatch: Vec<Spanned>,
    /// In the place of a report.
    out: Option<Out>,
    /// For the near misses, where they are asked for.
    tracks: Option<Tracks>,
    /// Whether `out` gets what is no failure.
    invert: bool,
    /// What `out` could not be written for.
    broken: Option<io::Error>,
    /// Whether several lines may match together.
    window: bool,
    verbose_date: bool,
    /// Addresses of names, where they are looked up.
    names: Option<HashMap<String, Vec<IpAddr>>>,
    world: &'a mut World<'w>,
}

impl<'a, 'w> Session<'a, 'w> {
    /// Reads the filter and prepares an empty report.
    pub fn new(args: &Args, world: &'a mut World<'w>) -> Result<Session<'a, 'w>, Refused> {
        let Setup { filter, settings, header, links, looks_up } = Setup::read(args, world.conf, world.zone)?;
        let listed = args.maxlines.and_then(|n| usize::try_from(n).ok()).filter(|n| *n > 0).unwrap_or(LISTED);
        let lines = |all: bool, shown: bool| Lines::new(if all { usize::MAX } else { listed }, shown);
        let report = Report {
            header,
            failregex: settings.failregex.iter().map(|r| Counted::new(&r.text)).collect(),
            ignoreregex: settings.ignoreregex.iter().map(|r| Counted::new(&r.text)).collect(),
            matched: lines(args.print_all_matched, args.print_all_matched),
            ignored: lines(args.print_all_ignored, !args.print_no_ignored),
            missed: lines(args.print_all_missed, !args.print_no_missed),
            verbose: args.verbose(),
            links: args.debuggex.then_some(links),
            nearly: args
                .explain
                .then(|| Nearly { most: if args.print_all_missed { usize::MAX } else { listed }, ..Nearly::default() }),
            ..Report::default()
        };
        Ok(Session {
            scan: Some(Scan::new(&[&filter], &[false])),
            prefregex: filter.prefregex().map(|(text, _)| Counted::new(text)),
            report,
            journalmatch: settings.journalmatch,
            tracks: args.explain.then(|| filter.tracks()),
            out: args.form().map(|form| Out::new(form, world.screen.terminal)),
            invert: args.invert,
            broken: None,
            window: settings.maxlines > 1,
            verbose_date: args.verbose_date,
            filter,
            names: looks_up.then(HashMap::new),
            world,
        })
    }

    /// Adds a line to what is said of what is used.
    pub fn header(&mut self, line: String) {
        self.report.header.push(line);
    }

    /// Tells how far a log has been read, in bytes.
    pub fn progress(&mut self, done: u64, total: u64) {
        (self.world.progress)(done, total);
    }

    /// What the filter asks the journal for.
    pub fn journalmatch(&self) -> &[Spanned] {
        &self.journalmatch
    }

    /// Looks at whole lines, each with its newline.
    pub fn block(&mut self, block: &[u8]) {
        let Some(mut scan) = self.scan.take() else { return block.split(|b| *b == b'\n').for_each(|l| self.line(l)) };
        let mut at = 0;
        scan.candidates(block, |line, _| {
            self.passed_over(&block[at..line.start]);
            at = line.end + 1;
            self.line(&block[line]);
        });
        self.passed_over(block.get(at..).unwrap_or_default());
        self.scan = Some(scan);
    }

    /// Looks at one line, without its newline. Empty lines and those that begin with `#` do not count.
    pub fn line(&mut self, line: &[u8]) {
        if counts(line) {
            self.look(line, None);
        }
    }

    /// The same for an entry of the journal, which says its time itself.
    pub fn line_at(&mut self, line: &[u8], time: Timestamp) {
        self.look(line, Some(time));
    }

    /// The report so far; `None` where the failures were written instead.
    pub fn finish(mut self) -> Option<Report> {
        self.report.prefregex = self.filter.prefregex().zip(self.prefregex).map(|((_, hits), p)| Counted { hits, ..p });
        for (counted, hits) in self.report.ignoreregex.iter_mut().zip(self.filter.ignore_hits()) {
            counted.hits = *hits;
        }
        let detailed = self.verbose_date;
        let date = |t: crate::filter::date::TemplateInfo| {
            let detail = Detail { weight: t.weight, base_weight: t.base_weight, pattern: t.pattern, regex: t.regex };
            Counted { hits: t.hits, detail: detailed.then_some(detail), ..Counted::new(&t.name) }
        };
        self.report.dates = self.filter.templates().map(date).collect();
        self.report.gave_up = self.filter.backtrack_limits();
        self.out.is_none().then_some(self.report)
    }

    /// Whether everything could be written; a reader that has gone is no error.
    pub fn written(&mut self) -> Result<(), Error> {
        let broken = self.world.stdout.flush().err().or(self.broken.take());
        match broken {
            Some(e) if e.kind() != io::ErrorKind::BrokenPipe => {
                Err(Error::new(Kind::Io, format!("cannot write the result: {e}")))
            }
            _ => Ok(()),
        }
    }

    /// An error that came after the filter was read.
    pub fn refused(self, error: Error) -> Refused {
        Refused { header: self.report.header, ..Refused::said(error) }
    }

    /// Lines that no failregex can match, each with its newline.
    fn passed_over(&mut self, lines: &[u8]) {
        let moment = moment(self.world.now);
        let only_counted = self.out.is_none() && self.tracks.is_none() && !self.report.verbose;
        let mut at = 0;
        while at < lines.len() {
            let torn = self.filter.is_torn();
            if !torn && only_counted && !self.report.missed.keeps() && counts(&lines[at..]) {
                let (bytes, count) = self.filter.passed_over_alike(&lines[at..], &moment);
                self.report.total += count;
                self.report.missed.count += count;
                at += bytes;
            }
            let Some(end) = memchr::memchr(b'\n', &lines[at..]) else { break };
            let line = &lines[at..at + end];
            at += end + 1;
            if torn {
                self.line(line);
            } else if counts(line) {
                let verdict = self.filter.passed_over(line, &moment);
                if only_counted && verdict == Verdict::Missed && !self.report.missed.keeps() {
                    self.report.total += 1;
                    self.report.missed.count += 1;
                } else {
                    self.settle(line, verdict, &[]);
                }
            }
        }
    }

    fn look(&mut self, line: &[u8], written: Option<Timestamp>) {
        let mut hits = Vec::new();
        let mut verdict = self.filter.hits(line, written, &moment(self.world.now), &mut hits);
        let mut found = Vec::with_capacity(hits.len());
        for hit in hits {
            let ids = self.ids(&hit);
            if !ids.is_empty() {
                found.push((hit, ids));
            }
        }
        if found.is_empty() && matches!(verdict, Verdict::Matched(_)) {
            verdict = Verdict::Missed;
        }
        self.settle(line, verdict, &found);
    }

    /// Writes down what became of a line.
    fn settle(&mut self, line: &[u8], verdict: Verdict, found: &[(Hit, Vec<String>)]) {
        let fate = match verdict {
            _ if found.iter().any(|(hit, _)| hit.nofail) => Fate::Ignored,
            Verdict::Matched(_) => Fate::Matched,
            Verdict::Ignored(_) => Fate::Ignored,
            Verdict::Missed | Verdict::Dropped => Fate::Missed,
        };
        if self.out.is_some() {
            return self.write(line, fate, found);
        }
        if let (Some(groups), Some(prefregex)) = (self.filter.prefix_groups(), &mut self.prefregex) {
            let value = |name| (name, python::optional(groups.get(name).map(String::as_str)));
            prefregex.groups(|| python::dict(self.filter.prefix_names().map(value)));
        }
        let report = &mut self.report;
        report.total += 1;
        for (before, (hit, ids)) in found.iter().enumerate() {
            let time = hit.time.unwrap_or(self.world.now).zoned(self.world.zone);
            let shown = |id: &String| HitLine {
                id: id.clone(),
                time: time.strftime("%a %b %d %H:%M:%S %Y").to_string(),
                multiple: before > 1,
            };
            report.failregex[hit.regex].hit(ids.iter().map(shown).take(if report.verbose { ids.len() } else { 0 }));
        }
        let text = |lines: &Lines| if lines.keeps() { self.filter.text(line) } else { "".into() };
        match fate {
            Fate::Matched => {
                if self.window {
                    // Lines that had been missed turn out to belong to this match.
                    let this = self.filter.text(line);
                    let earlier = found.iter().flat_map(|(hit, _)| &hit.matches).filter(|m| **m != this);
                    for line in earlier {
                        if report.missed.remove(line) {
                            report.matched.add(line);
                        }
                    }
                }
                report.matched.add(&text(&report.matched));
            }
            Fate::Ignored => report.ignored.add(&text(&report.ignored)),
            Fate::Missed => {
                report.missed.add(&text(&report.missed));
                let near = self.tracks.as_ref().and_then(|tracks| self.filter.near(tracks, line));
                if let (Some(near), Some(nearly)) = (near, &mut report.nearly) {
                    nearly.add(near);
                }
            }
        }
    }

    fn write(&mut self, line: &[u8], fate: Fate, found: &[(Hit, Vec<String>)]) {
        let Some(out) = &mut self.out else { return };
        if self.broken.is_some() {
            return;
        }
        let stdout = &mut *self.world.stdout;
        let written = match (self.invert, fate) {
            (true, Fate::Matched) => Ok(()),
            (true, _) => out.other(&self.filter.text(line), stdout),
            (false, _) => found.iter().try_for_each(|(hit, ids)| {
                let names = self.filter.prefix_names().chain(self.filter.names(hit.regex));
                out.hit(hit, ids, names, self.world.now, stdout)
            }),
        };
        self.broken = written.err();
    }

    /// Whom a hit means; nobody where a name has no address, or names do not count.
    fn ids(&mut self, hit: &Hit) -> Vec<String> {
        match (&hit.who, &hit.invalid, &mut self.names) {
            (Some(Who::Name(name)), _, Some(known)) => {
                let addresses = known.entry(name.clone()).or_insert_with(|| (self.world.look_up)(name));
                addresses.iter().map(IpAddr::to_string).collect()
            }
            (Some(who), ..) => vec![who.to_string()],
            (None, Some(text), _) if ["ip4", "ip6"].iter().any(|name| hit.groups.get(*name) == Some(text)) => {
                vec![text.clone()]
            }
            (None, Some(_), _) => Vec::new(),
            (None, None, _) => vec!["None".to_owned()],
        }
    }
}

/// What became of a line.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Matched,
    Ignored,
    Missed,
}

/// Dates count as they are.
fn moment(now: Timestamp) -> Moment<'static> {
    Moment { now, findtime: Span::default(), live: false, time: None, before: &[] }
}

fn counts(line: &[u8]) -> bool {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    line.first().is_some_and(|first| *first != b'#')
}

/// Lines listed unless all are asked for.
const LISTED: usize = 20;
