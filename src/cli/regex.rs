//! `sipjail regex LOG FILTER [IGNOREREGEX]`: what a filter makes of a log, told as fail2ban-regex tells it.
//!
//! LOG is a file or the text of a line, FILTER the name of a filter, its path, or a failregex. All failregexes are tried
//! on each line; dates count as they are. Nobody is banned and no name is looked up.

mod named;
pub mod report;

use std::fs::File;
use std::io::Read;
use std::path::Path;

use jiff::tz::TimeZone;

use crate::config::{Spanned, UseDns};
use crate::error::{Error, Kind};
use crate::filter::date::Zones;
use crate::filter::{Filter, Hit, Moment, Verdict};
use crate::time::{Span, Timestamp};
use crate::zone;

use named::{first, read_filter, short};
use report::{Counted, HitLine, Lines};

pub use report::Report;

/// Try a filter or a failregex on a log or on one line
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Args {
    /// A log file, or a log line
    pub log: String,
    /// The name of a filter (`asterisk`, `sshd[mode=aggressive]`), the path of one, or a failregex
    pub filter: String,
    /// In the place of the filter's ignoreregexes
    pub ignoreregex: Option<String>,
    /// In the place of the filter's datepattern
    #[arg(short, long, value_name = "PATTERN")]
    pub datepattern: Option<String>,
    /// The time zone of lines whose date names none: `UTC`, `+0200`
    #[arg(long, visible_alias = "TZ", value_name = "ZONE")]
    pub timezone: Option<String>,
    /// The encoding of the log; UTF-8 by default
    #[arg(short, long, value_name = "NAME")]
    pub encoding: Option<String>,
    /// What is done with host names: `yes`, `no`, `warn` or `raw`; none is looked up here
    #[arg(long, value_name = "HOW")]
    pub usedns: Option<String>,
    /// Like `--usedns raw`
    #[arg(short, long)]
    pub raw: bool,
    /// Lines looked at together, in the place of the filter's `maxlines`
    #[arg(short = 'L', long, value_name = "LINES")]
    pub maxlines: Option<usize>,
    /// Show all regexes, and each hit with its time
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// Stop at the first failregex that matches a line, as the daemon does
    #[arg(long)]
    pub no_check_all: bool,
    /// Print no missed line
    #[arg(long)]
    pub print_no_missed: bool,
    /// Print no ignored line
    #[arg(long)]
    pub print_no_ignored: bool,
    /// Print the matched lines
    #[arg(long)]
    pub print_all_matched: bool,
    /// Print the missed lines, no matter how many
    #[arg(long)]
    pub print_all_missed: bool,
    /// Print the ignored lines, no matter how many
    #[arg(long)]
    pub print_all_ignored: bool,
}

/// Runs the filter over the log. `progress` hears after each block how many bytes of how many are done.
pub fn run(
    args: &Args,
    conf: &Path,
    now: Timestamp,
    zone: &TimeZone,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Report, Error> {
    let mut session = Session::new(args, conf, now, zone)?;
    let path = Path::new(&args.log);
    if path.is_file() {
        session.report.header.push(format!("Use         log file : {}", args.log));
        let encoding = args.encoding.as_deref().unwrap_or("UTF-8");
        session.report.header.push(format!("Use         encoding : {encoding}"));
        session.file(path, progress)?;
    } else if args.log.starts_with("systemd-journal") {
        let error = Error::new(Kind::Usage, "the journal cannot be examined here");
        return Err(error.hint("write it to a file first: journalctl -o short-iso > FILE"));
    } else {
        session.text(&args.log);
    }
    Ok(session.finish())
}

/// A filter at work on a log, and what it has found so far.
pub struct Session {
    filter: Filter,
    report: Report,
    now: Timestamp,
    zone: TimeZone,
    /// Whether several lines may match together.
    window: bool,
}

impl Session {
    /// Reads the filter and prepares an empty report.
    pub fn new(args: &Args, conf: &Path, now: Timestamp, zone: &TimeZone) -> Result<Session, Error> {
        let mut header = Vec::new();
        let mut settings = read_filter(args, conf, &mut header)?;
        let mut front = Vec::new();
        if let Some(pattern) = &args.datepattern {
            settings.datepattern = pattern.lines().filter(|l| !l.is_empty()).map(Spanned::bare).collect();
        }
        if let Some(lines) = args.maxlines.filter(|n| *n > 0) {
            settings.maxlines = lines;
            front.push(format!("Use         maxlines : {lines}"));
        } else if settings.maxlines > 1 {
            header.push(format!("Use         maxlines : {}", settings.maxlines));
        }
        if let Some(text) = &args.ignoreregex {
            settings.ignoreregex = vec![Spanned::bare(text)];
            header.push(format!("Use ignoreregex line : {}", short(text)));
        }
        let usedns = match args.usedns.as_deref().map(str::to_lowercase).as_deref() {
            _ if args.raw => UseDns::Raw,
            None | Some("warn") => UseDns::Warn,
            Some("yes") => UseDns::Yes,
            Some("no") => UseDns::No,
            Some("raw") => UseDns::Raw,
            Some(_) => {
                let typed = args.usedns.as_deref().unwrap_or_default();
                let error = Error::new(Kind::Usage, format!("`{typed}` is no way to use names"));
                return Err(error.hint("one of `yes`, `no`, `warn`, `raw`"));
            }
        };
        let logtimezone = match &args.timezone {
            None => None,
            Some(text) => Some(
                zone::offset(text)
                    .ok_or_else(|| Error::new(Kind::Usage, format!("unknown or unsupported time zone: `{text}`")))?,
            ),
        };
        let zones = Zones { local: zone.clone(), logtimezone };
        let encoding = args.encoding.as_deref().unwrap_or("auto");
        let (filter, _) = Filter::of(&settings, usedns, encoding, zones).map_err(|problems| first(&problems))?;
        let filter = filter.for_tools(!args.no_check_all);
        if !settings.datepattern.is_empty() {
            let names: Vec<String> = filter.templates().take(3).map(|t| t.name).collect();
            let name = if names.len() < 3 { names[0].as_str() } else { "Default Detectors" };
            let patterns: Vec<&str> = settings.datepattern.iter().map(|p| &*p.text).collect();
            let line = format!("Use      datepattern : {} : {name}", patterns.join("\n"));
            if args.datepattern.is_some() { front.push(line) } else { header.push(line) }
        }
        front.append(&mut header);
        let listed = args.maxlines.filter(|n| *n > 0).unwrap_or(LISTED);
        let lines = |all: bool, none: bool| Lines::new(if all { usize::MAX } else { listed }, !none);
        let report = Report {
            header: front,
            failregex: settings.failregex.iter().map(|r| Counted::new(&r.text)).collect(),
            ignoreregex: settings.ignoreregex.iter().map(|r| Counted::new(&r.text)).collect(),
            matched: lines(args.print_all_matched, !args.print_all_matched),
            ignored: lines(args.print_all_ignored, args.print_no_ignored),
            missed: lines(args.print_all_missed, args.print_no_missed),
            verbose: args.verbose > 0,
            ..Report::default()
        };
        Ok(Session { window: settings.maxlines > 1, filter, report, now, zone: zone.clone() })
    }

    /// Looks at one line, without its newline. Empty lines and those that begin with `#` do not count.
    pub fn line(&mut self, line: &[u8]) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() || line[0] == b'#' {
            return;
        }
        let moment = Moment { now: self.now, findtime: Span::default(), live: false, time: None, before: &[] };
        let mut hits = Vec::new();
        let verdict = self.filter.hits(line, None, &moment, &mut hits);
        let text = String::from_utf8_lossy(line);
        let report = &mut self.report;
        report.total += 1;
        for (before, hit) in hits.iter().enumerate() {
            let shown = report.verbose.then(|| HitLine {
                id: name(hit),
                time: hit.time.unwrap_or(self.now).zoned(&self.zone).strftime("%a %b %d %H:%M:%S %Y").to_string(),
                multiple: before > 1,
            });
            report.failregex[hit.regex].hit(shown);
        }
        match verdict {
            _ if hits.iter().any(|hit| hit.nofail) => report.ignored.add(&text),
            Verdict::Matched(_) => {
                if self.window {
                    // Lines that had been missed turn out to belong to this match.
                    let earlier = hits.iter().flat_map(|h| &h.matches).filter(|m| **m != text);
                    for line in earlier {
                        if report.missed.remove(line) {
                            report.matched.add(line);
                        }
                    }
                }
                report.matched.add(&text);
            }
            Verdict::Ignored(_) => report.ignored.add(&text),
            Verdict::Missed | Verdict::Dropped => report.missed.add(&text),
        }
    }

    /// The report so far.
    pub fn finish(mut self) -> Report {
        self.report.prefregex = self.filter.prefregex().map(|(text, hits)| Counted { hits, ..Counted::new(text) });
        for (counted, hits) in self.report.ignoreregex.iter_mut().zip(self.filter.ignore_hits()) {
            counted.hits = *hits;
        }
        self.report.dates =
            self.filter.templates().map(|t| Counted { hits: t.hits, ..Counted::new(&t.name) }).collect();
        self.report.gave_up = self.filter.backtrack_limits();
        self.report
    }

    fn text(&mut self, text: &str) {
        let lines: Vec<&str> = text.split('\n').collect();
        if lines.len() == 1 {
            self.report.header.push(format!("Use      single line : {}", short(text)));
        } else {
            self.report.header.push(format!("Use      multi line : {} line(s)", lines.len()));
            for (number, line) in lines.iter().take(5).enumerate() {
                self.report.header.push(format!("|  {}: {}", number + 1, short(line)));
            }
            if lines.len() > 5 {
                self.report.header.push("| ...".into());
            }
            self.report.header.push("`-".into());
        }
        lines.iter().for_each(|line| self.line(line.as_bytes()));
    }

    fn file(&mut self, path: &Path, progress: &mut dyn FnMut(u64, u64)) -> Result<(), Error> {
        let failed = |e: std::io::Error| Error::new(Kind::Io, format!("{}: {e}", path.display()));
        let mut file = File::open(path).map_err(failed)?;
        let total = file.metadata().map_err(failed)?.len();
        let (mut block, mut held, mut done) = (vec![0; BLOCK], 0, 0);
        loop {
            let read = match file.read(&mut block[held..]) {
                Ok(read) => read,
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(failed(e)),
            };
            held += read;
            done += read as u64;
            // A last line without its newline is still being written; the daemon does not read it either.
            let end = match memchr::memrchr(b'\n', &block[..held]) {
                Some(at) => at + 1,
                None if held == block.len() => held,
                None => 0,
            };
            let lines = block[..end].strip_suffix(b"\n").unwrap_or(&block[..end]);
            if end > 0 {
                lines.split(|b| *b == b'\n').for_each(|line| self.line(line));
            }
            block.copy_within(end..held, 0);
            held -= end;
            progress(done, total.max(done));
            if read == 0 {
                return Ok(());
            }
        }
    }
}

fn name(hit: &Hit) -> String {
    match &hit.who {
        Some(who) => who.to_string(),
        None => hit.invalid.clone().unwrap_or("None".into()),
    }
}

/// Lines listed unless all are asked for.
const LISTED: usize = 20;
/// Bytes read at once, and the longest line; a longer one counts as several.
const BLOCK: usize = 256 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-20 10:00:00 UTC.
    const NOW: Timestamp = Timestamp::from_secs(1_795_168_800);

    fn text(change: impl FnOnce(&mut Args), log: &str, filter: &str) -> String {
        let dir = tempfile::tempdir().unwrap();
        let filters = dir.path().join("filter.d");
        std::fs::create_dir(&filters).unwrap();
        let session = "[Definition]\nprefregex = ^ \\[<F-MLFID>\\d+</F-MLFID>\\] <F-CONTENT>.+</F-CONTENT>$\n\
                       failregex = ^<F-NOFAIL>ip</F-NOFAIL> <HOST>$\n            ^fail <F-USER>\\S+</F-USER>$\n";
        std::fs::write(filters.join("session.conf"), session).unwrap();
        std::fs::write(dir.path().join("log"), log).unwrap();
        let mut args = Args { filter: filter.into(), ..Args::default() };
        args.log = dir.path().join("log").to_str().unwrap().into();
        change(&mut args);
        let (mut calls, mut progress) = (0, 0);
        let report = run(&args, dir.path(), NOW, &TimeZone::UTC, &mut |done, total| {
            calls += 1;
            progress = total - done;
        });
        let report = report.map_or_else(|e| format!("error: {e}"), |r| r.text());
        assert_eq!(progress, 0, "{calls}");
        report.replace(dir.path().to_str().unwrap(), "DIR")
    }

    #[test]
    fn the_summary_reads_like_that_of_fail2ban_regex() {
        let log = "2026-11-20 10:00:01 bad 192.0.2.1\n# no\n\nbad\n2026-11-20 10:00:02 bad 192.0.2.2 \x1b[1m\nlast bad";
        insta::assert_snapshot!(text(|a| a.ignoreregex = Some("2\\.1".into()), log, "^ bad <HOST>"), @r#"
        Running tests
        =============

        Use   failregex line : ^ bad <HOST>
        Use ignoreregex line : 2\.1
        Use         log file : DIR/log
        Use         encoding : UTF-8


        Results
        =======

        Failregex: 1 total
        |-  #) [# of hits] regular expression
        |   1) [1] ^ bad <HOST>
        `-

        Ignoreregex: 1 total
        |-  #) [# of hits] regular expression
        |   1) [1] 2\.1
        `-

        Date template hits:
        |- [# of hits] date format
        |  [2] {^LN-BEG}ExYear(?P<_sep>[-/.])Month(?P=_sep)Day(?:T|  ?)24hour:Minute:Second(?:[.,]Microseconds)?(?:\s*Zone offset)?
        `-

        Lines: 3 lines, 1 ignored, 1 matched, 1 missed

        |- Ignored line(s):
        |  2026-11-20 10:00:01 bad 192.0.2.1
        `-
        |- Missed line(s):
        |  bad
        `-
        "#);
    }

    #[test]
    fn hits_are_shown_with_their_time_and_helping_lines_are_ignored() {
        let log = "2026-11-20 10:00:01 [1] ip 192.0.2.1\n2026-11-20 10:00:02 [1] fail bob\n";
        insta::assert_snapshot!(text(|a| (a.verbose, a.datepattern) = (1, Some("^%Y-%m-%d %H:%M:%S".into())), log, "session"), @r#"
        Running tests
        =============

        Use      datepattern : ^%Y-%m-%d %H:%M:%S : ^Year-Month-Day 24hour:Minute:Second
        Use   failregex filter file : session, basedir: DIR
        Use         log file : DIR/log
        Use         encoding : UTF-8


        Results
        =======

        Prefregex: 2 total
        |  ^ \[(?P<mlfid>\d+)\] (?P<content>.+)$
        `-

        Failregex: 2 total
        |-  #) [# of hits] regular expression
        |   1) [1] ^<F-NOFAIL>ip</F-NOFAIL> <HOST>$
        |      192.0.2.1  Fri Nov 20 10:00:01 2026
        |   2) [1] ^fail <F-USER>\S+</F-USER>$
        |      192.0.2.1  Fri Nov 20 10:00:02 2026
        `-

        Ignoreregex: 0 total

        Date template hits:
        |- [# of hits] date format
        |  [2] ^Year-Month-Day 24hour:Minute:Second
        `-

        Lines: 2 lines, 1 ignored, 1 matched, 0 missed

        |- Ignored line(s):
        |  2026-11-20 10:00:01 [1] ip 192.0.2.1
        `-
        "#);
    }

    #[test]
    fn the_log_may_be_a_line_and_the_filter_may_be_unknown() {
        let line = |args: &mut Args| args.log = "bad 192.0.2.1".into();
        assert!(text(line, "", "bad <HOST>").contains("Use      single line : bad 192.0.2.1\n"));
        assert_eq!(text(line, "", "nosuch"), "error: no failure-id group in `nosuch`");
        assert!(text(line, "", "a(<HOST>").starts_with("error: unable to compile regular expression `a("));
        assert!(text(|a| a.timezone = Some("Mars".into()), "", "x <HOST>").contains("time zone"));
    }

    #[test]
    fn a_long_file_is_read_in_blocks_and_listed_in_part() {
        let log = "2026-11-20 10:00:01 fine\n".repeat(30_000) + "2026-11-20 10:00:01 bad 192.0.2.1\n";
        let text = text(|_| {}, &log, "^ bad <HOST>");
        assert!(text.contains("\nLines: 30001 lines, 0 ignored, 1 matched, 30000 missed\n"), "{text}");
        assert!(text.contains("Missed line(s): too many to print.  Use --print-all-missed to print all 30000 lines"));
    }
}
