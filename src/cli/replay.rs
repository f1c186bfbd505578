//! `sipjail replay LOG…`: whom would these logs have banned, when, and by which lines?
//!
//! Every jail of the configuration (those that say `auto` count as on) reads every log; the time is taken from the lines.
//! Nothing is banned, nobody is asked, no daemon is needed.

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hashbrown::DefaultHashBuilder;
use indexmap::IndexMap;
use jiff::tz::TimeZone;
use serde::Serialize;

use super::{Cli, output};
use crate::addr::Id;
use crate::config::{self, JailSettings};
use crate::daemon::pipe::{Pipe, PipeJail};
use crate::daemon::prepare::{self, Prepared};
use crate::daemon::{ahead, clock};
use crate::engine::{Engine, Event, Remembered, Request, Setup};
use crate::error::{Error, Kind};
use crate::firewall::DryRun;
use crate::line::Batch;
use crate::record::Level;
use crate::store::Change;
use crate::text;
use crate::ticket::{Failure, Sign, Ticket, Who};
use crate::time::{Bantime, Span, Timestamp};

/// Show whom these logs would have banned, when, and by which lines
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
pub struct Args {
    /// Logs, merged by time
    #[arg(required = true, value_name = "LOG")]
    pub logs: Vec<PathBuf>,
    /// Only this jail; may be given several times
    #[arg(long, value_name = "JAIL")]
    pub jail: Vec<String>,
}

/// What the logs would have caused.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Bans in the order of their beginning.
    pub bans: Vec<Ban>,
    /// Each jail's failures by address, most first.
    pub jails: Vec<Jail>,
}

/// A ban that would have been.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Ban {
    /// Who.
    pub address: String,
    /// In which jail.
    pub jail: String,
    /// When (RFC 3339).
    pub at: String,
    /// Until when; `null`: for ever.
    pub until: Option<String>,
    /// Failures that led to it.
    pub failures: u32,
    /// The last lines of them.
    pub lines: Vec<String>,
    #[serde(skip)]
    end: Option<Timestamp>,
}

/// One jail's part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Jail {
    /// Its name.
    pub jail: String,
    /// Failures found.
    pub failures: u64,
    /// Failures by address, most first.
    pub addresses: IndexMap<String, u64>,
}

/// Reads the logs and shows the report.
pub fn run(args: &Args, cli: &Cli) -> Result<(), Error> {
    let zone = clock::zone();
    let now = clock::now();
    let mut config = config::load(&cli.conf);
    let mut known: Vec<String> = config.jails.iter().map(|jail| jail.name.clone()).collect();
    let wanted = |jail: &str| args.jail.is_empty() || args.jail.iter().any(|wanted| wanted == jail);
    // Nobody waits for the filters of the others.
    config.jails.retain(|jail| wanted(&jail.name));
    config.refused.retain(|jail| wanted(&jail.name));
    let Prepared { config, filters } = prepare::compile(config, &zone);
    known.retain(|name| !wanted(name) || config.jails.iter().any(|jail| jail.name == *name));
    for problem in &config.problems {
        if problem.severity == crate::config::Severity::Error {
            eprintln!("sipjail: {}", text::printable(&prepare::line(problem)));
        }
    }
    if let Some(unknown) = args.jail.iter().find(|j| !known.contains(j)) {
        return Err(Error::unknown("jail", unknown, &known));
    }
    let jails = config.jails;
    let pipe = Pipe::new(jails.iter().zip(filters).map(|(jail, filter)| every_line(jail, filter)).collect());
    let report = replay(&args.logs, jails, pipe, &zone, now)?;
    output::show(cli.format, &report, &report.text())
}

/// A jail whose filter drops no line for its age.
fn every_line(jail: &JailSettings, filter: crate::filter::Filter) -> PipeJail {
    PipeJail { name: jail.name.as_str().into(), filter, unwrap: jail.unwrap, findtime: Span(i64::MAX) }
}

fn replay(
    logs: &[PathBuf],
    jails: Vec<JailSettings>,
    mut pipe: Pipe,
    zone: &TimeZone,
    now: Timestamp,
) -> Result<Report, Error> {
    let files = logs.iter().map(|path| open(path)).collect::<Result<Vec<_>, _>>()?;
    let bar = output::progress(files.iter().map(|(_, size)| size).sum());
    let mut route = pipe.route_to_all();
    let mut judge = Judge::new(jails, zone)?;
    let mut failures = Vec::new();
    let one = files.len() == 1;
    for ((file, _), path) in files.into_iter().zip(logs) {
        let mut done = 0;
        let read = ahead::read(file, &mut route, |block| {
            let batch = Batch { bytes: block.bytes, live: false, time: None };
            pipe.judge(block.candidates, &batch, now, &mut failures);
            bar.inc(block.read - done);
            done = block.read;
            if one {
                failures.drain(..).for_each(|(jail, failure)| judge.take(jail, failure));
            }
        });
        read.map_err(|e| Error::new(Kind::Io, format!("cannot read {}: {e}", path.display())))?;
        pipe.at_end();
    }
    failures.sort_by_key(|(_, failure)| failure.time);
    failures.into_iter().for_each(|(jail, failure)| judge.take(jail, failure));
    bar.finish_and_clear();
    Ok(judge.report())
}

fn open(path: &Path) -> Result<(File, u64), Error> {
    let unreadable = |e: std::io::Error| Error::new(Kind::Io, format!("cannot read {}: {e}", path.display()));
    let file = File::open(path).map_err(unreadable)?;
    let meta = file.metadata().map_err(unreadable)?;
    if meta.is_dir() {
        return Err(Error::new(Kind::Io, format!("{} is a directory", path.display())).hint("name the log in it"));
    }
    Ok((file, meta.len()))
}

/// The engine with nobody behind it: what it would keep becomes the report.
struct Judge<'a> {
    engine: Engine,
    /// When the engine has something to do by itself. Only a ban changes that, and of each it says something.
    due: Option<Timestamp>,
    now: Timestamp,
    zone: &'a TimeZone,
    out: Vec<Request>,
    bans: Vec<Ban>,
    /// The place of each identity's last ban in a jail.
    last: HashMap<(String, Id), usize>,
    /// Each jail's failures, in all and by who it was.
    failures: IndexMap<String, (u64, IndexMap<Who, u64>), DefaultHashBuilder>,
}

impl Judge<'_> {
    fn new(jails: Vec<JailSettings>, zone: &TimeZone) -> Result<Judge<'_>, Error> {
        let failures = jails.iter().map(|jail| (jail.name.clone(), Default::default())).collect();
        let setup = Setup {
            jails,
            firewall: Box::new(DryRun::default()),
            saved: Remembered::default(),
            dbmaxmatches: usize::MAX,
            dbpurgeage: Span(i64::MAX),
            own: Vec::new(),
            protected: Vec::new(),
            zone: zone.clone(),
        };
        let mut out = Vec::new();
        let mut engine =
            Engine::start(setup, Timestamp::default(), &mut out).map_err(|e| Error::new(Kind::Host, e.to_string()))?;
        engine.hear_from(Level::Critical);
        engine.keep_no_counters();
        let (now, bans, last) = (Timestamp::default(), Vec::new(), HashMap::new());
        Ok(Judge { engine, due: None, now, zone, out, bans, last, failures })
    }

    fn take(&mut self, jail: Arc<str>, failure: Failure) {
        self.now = self.now.max(failure.time);
        if self.due.is_none_or(|due| due <= self.now) {
            self.engine.tick(self.now, &mut self.out);
            self.due = self.engine.due();
        }
        let found = [(jail, failure)];
        let again = self.engine.uncounted(&found[0].0);
        self.engine.hear(&found, self.now, &mut self.out);
        let [(jail, failure)] = found;
        if failure.sign == Sign::Failed && self.engine.uncounted(&jail) == again {
            self.count(&jail, failure.who, failure.count);
        }
        if self.out.is_empty() {
            return;
        }
        while !self.out.is_empty() {
            for request in std::mem::take(&mut self.out) {
                match request {
                    Request::Keep(Change::Ban { jail, ticket, bantime }) => self.ban(jail, ticket, bantime),
                    // Nobody is asked in a replay: names stay names, commands do not run.
                    Request::Ask { token, question } => {
                        let answer = Event::Answer { token, answer: question.unanswered("not looked up in a replay") };
                        self.engine.handle(answer, self.now, &mut self.out);
                    }
                    Request::Keep(_) | Request::Log(_) | Request::Restored { .. } | Request::Act { .. } => {}
                }
            }
        }
        self.due = self.engine.due();
    }

    fn count(&mut self, jail: &str, who: Who, count: u32) {
        let Some((all, by_who)) = self.failures.get_mut(jail) else { return };
        *all += u64::from(count);
        *by_who.entry(who).or_default() += u64::from(count);
    }

    fn report(self) -> Report {
        let jails = self.failures.into_iter().map(|(jail, (failures, by_who))| {
            let mut addresses = IndexMap::with_capacity(by_who.len());
            for (who, count) in by_who {
                *addresses.entry(who.to_string()).or_default() += count;
            }
            Jail { jail, failures, addresses }
        });
        Report { jails: jails.collect(), bans: self.bans }
    }

    fn ban(&mut self, jail: String, ticket: Ticket, bantime: Bantime) {
        let end = bantime.until(ticket.time);
        let until = end.map(|t| t.rfc3339(self.zone));
        let address = ticket.id.to_string();
        let next = self.bans.len();
        let last = self.last.entry((jail.clone(), ticket.id.clone())).or_insert(next);
        match self.bans.get_mut(*last) {
            Some(ban) if ban.end.is_none_or(|end| end >= ticket.time) => {
                (ban.end, ban.until) = (end, until);
                return;
            }
            _ => *last = next,
        }
        let at = ticket.time.rfc3339(self.zone);
        self.bans.push(Ban { address, jail, at, until, failures: ticket.failures, lines: ticket.matches, end });
    }
}

impl Report {
    /// For a terminal: each ban with its lines, then the failures that led to none.
    pub fn text(&self) -> String {
        let mut out = String::new();
        for ban in &self.bans {
            let until = ban.until.as_deref().unwrap_or("lifted by hand");
            out += &format!(
                "{}  [{}] Ban {} until {until} after {} failures\n",
                ban.at, ban.jail, ban.address, ban.failures
            );
            for line in &ban.lines {
                out += &format!("    {}\n", text::printable(line));
            }
        }
        for jail in &self.jails {
            let bans = self.bans.iter().filter(|b| b.jail == jail.jail).count();
            out += &format!(
                "{}: {} failures, {} addresses, {bans} bans\n",
                jail.jail,
                jail.failures,
                jail.addresses.len()
            );
            let mut addresses: Vec<_> = jail.addresses.iter().collect();
            addresses.sort_by(|a, b| b.1.cmp(a.1));
            for (address, failures) in addresses.into_iter().take(SHOWN) {
                out += &format!("  {failures:>8}  {}\n", text::printable(address));
            }
        }
        out.pop();
        out
    }
}

/// Addresses listed per jail; the data holds them all.
const SHOWN: usize = 20;
