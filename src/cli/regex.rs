//! `sipjail regex LOG FILTER [IGNOREREGEX]`: what a filter makes of a log, told as fail2ban-regex tells it.
//!
//! LOG is a file, the text of a line, or the journal; FILTER the name of a filter, its path, or a failregex. All
//! failregexes are tried on each line; dates count as they are. Nobody is banned. `session` does the work, `summary` and
//! `out` show it.

mod named;
pub mod out;
mod python;
pub mod report;
mod session;
mod setup;
pub mod summary;

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::IpAddr;
use std::path::Path;

use jiff::tz::TimeZone;

use super::output::Screen;
use crate::config::value::Value;
use crate::config::{Journal, Spanned, brackets};
use crate::error::{Error, Kind};
use crate::source::journal;
use crate::source::lines::Lines;
use crate::time::Timestamp;

use named::short;

pub use report::Report;
pub use session::Session;

/// Try a filter or a failregex on a log or on one line
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Args {
    /// A log file, a log line, or `systemd-journal` with parameters as `backend` takes them
    pub log: String,
    /// The name of a filter (`asterisk`, `sshd[mode=aggressive]`), the path of one, or a failregex
    pub filter: String,
    /// In the place of the filter's ignoreregexes
    pub ignoreregex: Option<String>,
    /// In the place of the filter's datepattern
    #[arg(short, long, value_name = "PATTERN", allow_hyphen_values = true)]
    pub datepattern: Option<String>,
    /// The time zone of lines whose date names none: `UTC`, `+0200`
    #[arg(long, visible_alias = "TZ", value_name = "ZONE", allow_hyphen_values = true)]
    pub timezone: Option<String>,
    /// The encoding of the log; UTF-8 by default
    #[arg(short, long, value_name = "NAME")]
    pub encoding: Option<String>,
    /// What is done with host names: `yes`, `no`, `warn` or `raw`; only `yes` and `warn` given here look them up
    #[arg(long, value_name = "HOW")]
    pub usedns: Option<String>,
    /// Like `--usedns raw`
    #[arg(short, long)]
    pub raw: bool,
    /// Lines looked at together, in the place of the filter's `maxlines`
    #[arg(short = 'L', long, value_name = "LINES", allow_hyphen_values = true)]
    pub maxlines: Option<i64>,
    /// In the place of the filter's journalmatch
    #[arg(short = 'm', long, value_name = "MATCHES")]
    pub journalmatch: Option<String>,
    /// Accepted without effect: there is no log here
    #[arg(short = 'l', long, value_name = "LEVEL")]
    pub log_level: Option<String>,
    /// Show all regexes, and each hit with its time
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// The same as a number
    #[arg(long, value_name = "LEVEL")]
    pub verbosity: Option<u8>,
    /// With `-v`: weight, pattern and regular expression of each date template
    #[arg(long, visible_alias = "VD")]
    pub verbose_date: bool,
    /// Beside each line a link to a page that draws the regex
    #[arg(short = 'D', long)]
    pub debuggex: bool,
    /// Of missed lines that nearly matched, show where the best failregex stopped
    #[arg(long)]
    pub explain: bool,
    /// Stop at the first failregex that matches a line, as the daemon does
    #[arg(long)]
    pub no_check_all: bool,
    /// Print only the failures: `id`, `ip`, `msg`, `row`, a group's name, or a text with tags like `<ip>`
    #[arg(short, long, value_name = "FORM", allow_hyphen_values = true)]
    pub out: Option<String>,
    /// With `--out`: print what is no failure
    #[arg(short, long, requires = "out")]
    pub invert: bool,
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
    /// Accepted without effect: there are no tracebacks
    #[arg(short = 't', long)]
    pub log_traceback: bool,
    /// Accepted without effect
    #[arg(long)]
    pub full_traceback: bool,
}

impl Args {
    /// Options that contradict each other, as (the one, the other).
    pub fn contradiction(&self) -> Option<(&'static str, &'static str)> {
        match self {
            Args { print_no_missed: true, print_all_missed: true, .. } => {
                Some(("--print-no-missed", "--print-all-missed"))
            }
            Args { print_no_ignored: true, print_all_ignored: true, .. } => {
                Some(("--print-no-ignored", "--print-all-ignored"))
            }
            _ => None,
        }
    }

    /// The form of `--out`; an empty one is none, as with other options here.
    pub fn form(&self) -> Option<&str> {
        given(&self.out)
    }

    fn verbose(&self) -> bool {
        self.verbose > 0 || self.verbosity.is_some_and(|level| level > 0)
    }
}

/// A text that is not empty.
fn given(option: &Option<String>) -> Option<&str> {
    option.as_deref().filter(|text| !text.is_empty())
}

/// What surrounds a run.
pub struct World<'a> {
    /// Directory of the configuration.
    pub conf: &'a Path,
    /// The present.
    pub now: Timestamp,
    /// The host's zone.
    pub zone: &'a TimeZone,
    /// Who looks at what is written to `stdout`.
    pub screen: Screen,
    /// Where the failures go with `--out`.
    pub stdout: &'a mut dyn Write,
    /// Finds a name's addresses.
    pub look_up: &'a mut dyn FnMut(&str) -> Vec<IpAddr>,
    /// Hears after each block how many bytes of how many are done.
    pub progress: &'a mut dyn FnMut(u64, u64),
}

/// A run that could not be done, with what fail2ban-regex would have said and done then.
#[derive(Clone, Debug)]
pub struct Refused {
    /// What had been said of what is used.
    pub header: Vec<String>,
    /// Why.
    pub error: Error,
    /// The same without the place where it stands.
    pub reason: String,
    /// Whether fail2ban-regex would show Python's traceback instead of an error.
    pub traced: bool,
}

impl Refused {
    /// What fail2ban-regex would say in a sentence.
    pub fn said(error: Error) -> Refused {
        Refused { header: Vec::new(), reason: error.message.clone(), error, traced: false }
    }

    /// What fail2ban-regex did not expect.
    pub fn traced(error: Error) -> Refused {
        Refused { traced: true, ..Refused::said(error) }
    }
}

/// Runs the filter over the log. There is no report with `--out`: then everything is written already.
pub fn run(args: &Args, world: &mut World<'_>) -> Result<Option<Report>, Refused> {
    if let Some((one, other)) = args.contradiction() {
        return Err(Refused::said(Error::new(Kind::Usage, format!("`{one}` and `{other}` contradict each other"))));
    }
    let mut session = Session::new(args, world)?;
    let path = Path::new(&args.log);
    let encoding = || format!("Use         encoding : {}", given(&args.encoding).unwrap_or("UTF-8"));
    let done = if path.is_file() {
        session.header(format!("Use         log file : {}", args.log));
        session.header(encoding());
        file(path, &mut session)
    } else if args.log.starts_with("systemd-journal") {
        let journal = match asked(args, &session) {
            Ok(journal) => journal,
            Err(error) => return Err(session.refused(error)),
        };
        let read = journal::read_all(&journal, &mut |time, line| session.line_at(line, time));
        if read.is_ok() {
            session.header("Use         systemd journal".to_owned());
            session.header(encoding());
        }
        if read.is_ok() && !journal.matches.is_empty() {
            session.header(format!("Use    journal match : {journal}"));
        }
        read.map_err(|e| Error::new(Kind::Host, format!("the journal cannot be read: {e}")))
    } else {
        text(&args.log, &mut session);
        Ok(())
    };
    match done.and_then(|()| session.written()) {
        Ok(()) => Ok(session.finish()),
        Err(error) => Err(session.refused(error)),
    }
}

/// A log given as a text of one or several lines.
fn text(text: &str, session: &mut Session<'_, '_>) {
    let lines: Vec<&str> = text.split('\n').collect();
    if lines.len() == 1 {
        session.header(format!("Use      single line : {}", short(text)));
    } else {
        session.header(format!("Use      multi line : {} line(s)", lines.len()));
        for (number, line) in lines.iter().take(5).enumerate() {
            session.header(format!("|  {}: {}", number + 1, short(line)));
        }
        if lines.len() > 5 {
            session.header("| ...".into());
        }
        session.header("`-".into());
    }
    lines.iter().for_each(|line| session.line(line.as_bytes()));
}

/// A log file. A last line without its newline is still being written; the daemon does not read it either.
fn file(path: &Path, session: &mut Session<'_, '_>) -> Result<(), Error> {
    let failed = |e: io::Error| Error::new(Kind::Io, format!("{}: {e}", path.display()));
    let mut file = File::open(path).map_err(failed)?;
    let total = file.metadata().map_err(failed)?.len();
    let (mut lines, mut done) = (Lines::default(), 0);
    loop {
        match file.read(lines.space()) {
            Ok(0) => return Ok(()),
            Ok(read) => {
                lines.take(read, &mut |block| session.block(block));
                done += read as u64;
                session.progress(done, total.max(done));
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(failed(e)),
        }
    }
}

/// What `systemd-journal[…]`, `-m` and the filter ask the journal for.
fn asked(args: &Args, session: &Session<'_, '_>) -> Result<Journal, Error> {
    let bad = |message: String| Error::new(Kind::Usage, message);
    let read = brackets::parse(&args.log).map_err(|(_, message)| bad(format!("`{}`: {message}", args.log)))?;
    let given: Vec<Spanned> = given(&args.journalmatch).map(Spanned::bare).into_iter().collect();
    let matches = if given.is_empty() { session.journalmatch() } else { &given };
    let (journal, problems) = Journal::read(&Value::bare(&args.log), &read, matches);
    let wrong = problems.into_iter().find(|problem| problem.severity == crate::config::Severity::Error);
    wrong.map_or(Ok(journal), |problem| Err(bad(problem.message)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-20 10:00:00 UTC.
    const NOW: Timestamp = Timestamp::from_secs(1_795_168_800);

    const FILTER: &str = "[Definition]\nprefregex = ^ \\[<F-MLFID>\\d+</F-MLFID>\\] <F-CONTENT>.+</F-CONTENT>$\n\
                          failregex = ^<F-NOFAIL>ip</F-NOFAIL> <HOST>$\n            ^fail <F-USER>\\S+</F-USER>$\n";

    /// The report on a log, and what was written to stdout.
    fn report(change: impl FnOnce(&mut Args), log: &str, filter: &str) -> (Result<Option<Report>, Refused>, String) {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("filter.d")).unwrap();
        std::fs::write(dir.path().join("filter.d/session.conf"), FILTER).unwrap();
        std::fs::write(dir.path().join("log"), log).unwrap();
        let mut args = Args { filter: filter.into(), ..Args::default() };
        args.log = dir.path().join("log").to_str().unwrap().into();
        change(&mut args);
        let (mut stdout, mut left) = (Vec::new(), 0);
        let report = run(
            &args,
            &mut World {
                conf: dir.path(),
                now: NOW,
                zone: &TimeZone::UTC,
                screen: Screen::default(),
                stdout: &mut stdout,
                look_up: &mut |name| match name {
                    "pbx.example" => vec!["192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap()],
                    _ => Vec::new(),
                },
                progress: &mut |done, total| left = total - done,
            },
        );
        assert_eq!(left, 0);
        let named = |text: String| text.replace(dir.path().to_str().unwrap(), "DIR");
        let report = report.map(|report| {
            report.map(|r| Report { header: r.header.iter().map(|line| named(line.clone())).collect(), ..r })
        });
        (report, named(String::from_utf8(stdout).unwrap()))
    }

    fn text(change: impl FnOnce(&mut Args), log: &str, filter: &str) -> String {
        match report(change, log, filter) {
            (Ok(Some(report)), _) => report.text(Screen::default()),
            (Ok(None), written) => written,
            (Err(refused), _) => format!("error: {}", refused.error),
        }
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
        |      {'mlfid': '1', 'content': 'ip 192.0.2.1'}
        |      {'mlfid': '1', 'content': 'fail bob'}
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
    fn what_could_not_match_is_passed_over_and_nothing_else_changes() {
        let lines =
            ["2026-11-20 10:00:01 [1] ip 192.0.2.1", "Nov 20 10:00:02 [1] fail bob", "[1] fail eve", "", "# ip"];
        let noise = ["2026-11-20 10:00:03 [2] nothing", "2026-11-20 10:00:04 other", "x\r", "1795168800 [3] ip"];
        let mut log = String::new();
        for i in 0..2000 {
            let line = if i % 97 == 0 { lines[i / 97 % lines.len()] } else { noise[i % noise.len()] };
            log += line;
            log.push('\n');
        }
        for (filter, ignore) in [("session", None), ("session", Some("nothing")), (r"ip <HOST>$", Some("0.2"))] {
            let data = |lines: bool| {
                let change = |args: &mut Args| {
                    (args.ignoreregex, args.verbose, args.print_all_missed) = (ignore.map(str::to_owned), 1, true);
                    // As a text every line is looked at.
                    if lines {
                        args.log.clone_from(&log.trim_end().to_owned());
                    }
                };
                serde_json::to_value(report(change, &log, filter).0.unwrap().unwrap()).unwrap()
            };
            assert_eq!(data(false), data(true), "{filter} {ignore:?}");
        }
    }

    #[test]
    fn failures_are_written_in_the_form_that_was_asked_for() {
        let log = "2026-11-20 10:00:01 [1] ip 192.0.2.1\n2026-11-20 10:00:02 [1] fail bo'b\nmissed\n";
        let form = |form: &str, invert: bool| {
            text(|args| (args.out, args.invert) = (Some(form.into()), invert), log, "session")
        };
        assert_eq!(form("id", false), "192.0.2.1\n");
        assert_eq!(form("user", false), "bo'b\n");
        assert_eq!(form("nothing", false), "None\n");
        let both = "2026-11-20 10:00:01 [1] ip 192.0.2.1\n2026-11-20 10:00:02 [1] fail bo'b\n";
        assert_eq!(form("msg", false), both);
        let row = "['192.0.2.1',\t1795168802.0,\t{'mlfid': '1', 'ip4': '192.0.2.1', 'ip6': None, 'dns': None, \
                   'users': {\"bo'b\"}, 'user': \"bo'b\"}],\n";
        assert_eq!(form("row", false), row);
        assert_eq!(form("<fid> <F-USER><br><time> <nothing>", false), "192.0.2.1 bo'b\n1795168802.0 <nothing>\n");
        assert_eq!(form("msg", true), "2026-11-20 10:00:01 [1] ip 192.0.2.1\nmissed\n");
        assert_eq!(form("ip", true), "\n\n");
    }

    #[test]
    fn names_are_looked_up_where_that_is_said() {
        let ids = |usedns: Option<&str>, line: &str| {
            let change = |args: &mut Args| {
                (args.usedns, args.out) = (usedns.map(str::to_owned), Some("id".into()));
                args.log = line.into();
            };
            text(change, "", "bad <HOST>")
        };
        assert_eq!(ids(None, "bad pbx.example"), "pbx.example\n");
        assert_eq!(ids(Some("warn"), "bad pbx.example"), "192.0.2.1\n2001:db8::1\n");
        assert_eq!(ids(Some("yes"), "bad nosuch.example"), "");
        assert_eq!(ids(Some("raw"), "bad pbx.example"), "pbx.example\n");
    }

    #[test]
    fn a_terminal_gets_colours_and_no_senders_bytes() {
        let log = "2026-11-20 10:00:01 bad 192.0.2.1\n2026-11-20 10:00:02 \x1b[2J\n";
        let report = report(|_| {}, log, "bad <HOST>").0.unwrap().unwrap();
        let plain = report.text(Screen { terminal: true, colour: false });
        assert!(plain.contains("|  2026-11-20 10:00:02 \\x1b[2J\n") && !plain.contains('\x1b'), "{plain}");
        let colour = report.text(Screen { terminal: true, colour: true });
        assert!(colour.contains("0 ignored, \x1b[32m1 matched\x1b[0m, \x1b[31m1 missed\x1b[0m\n"), "{colour}");
        assert!(report.text(Screen::default()).contains("|  2026-11-20 10:00:02 \x1b[2J\n"));
    }

    #[test]
    fn a_long_file_is_read_in_blocks_and_listed_in_part() {
        let log = "2026-11-20 10:00:01 fine\n".repeat(30_000) + "2026-11-20 10:00:01 bad 192.0.2.1\n";
        let text = text(|_| {}, &log, "^ bad <HOST>");
        assert!(text.contains("\nLines: 30001 lines, 0 ignored, 1 matched, 30000 missed\n"), "{text}");
        assert!(text.contains("Missed line(s): too many to print.  Use --print-all-missed to print all 30000 lines"));
    }
}
