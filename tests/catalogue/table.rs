//! A catalogue's rows, and the stock jails that read lines as the daemon reads them: prefilter, wrappers, filter.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use jiff::tz::TimeZone;
use sipjail::addr::Id;
use sipjail::config::{self, Config};
use sipjail::daemon::pipe::{Pipe, PipeJail, Route};
use sipjail::filter::Filter;
use sipjail::line::Batch;
use sipjail::ticket::{Failure, Sign, Who};
use sipjail::time::{Span, Timestamp};

/// 2026-08-20 10:00:00 UTC, which most lines of the catalogues say.
pub const NOW: Timestamp = Timestamp::from_secs(1_787_220_000);

/// The jail that counts the accounts of what another one counts.
pub const SLOW: &str = "asterisk-slow";

/// What a guard should do about a line; see `tests/fixtures/README.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Verdict {
    Count,
    Weak,
    Rate,
    Trust,
    Context,
    NoAddress,
    Never,
}

/// One form of line.
#[derive(Clone, Debug)]
pub struct Row {
    pub id: String,
    pub verdict: Verdict,
    /// Who sent what the line tells of, where it says so.
    pub host: Option<IpAddr>,
    /// What it is, and in brackets which versions of the server write it.
    pub description: String,
    pub line: String,
}

/// The rows of `tests/fixtures/catalogue/NAME`, in order.
pub fn rows(name: &str) -> Vec<Row> {
    let text = std::fs::read_to_string(fixture(&format!("catalogue/{name}"))).unwrap();
    text.lines().filter(|line| !line.starts_with('#')).map(row).collect()
}

fn row(text: &str) -> Row {
    let [id, verdict, host, _class, description, line]: [&str; 6] =
        text.splitn(6, '\t').collect::<Vec<_>>().try_into().unwrap();
    let verdict = match verdict {
        "count" => Verdict::Count,
        "weak" => Verdict::Weak,
        "rate" => Verdict::Rate,
        "trust" => Verdict::Trust,
        "context" => Verdict::Context,
        "no-address" => Verdict::NoAddress,
        "never" => Verdict::Never,
        other => panic!("{id}: there is no verdict {other}"),
    };
    Row {
        id: id.to_owned(),
        verdict,
        host: host.parse().ok(),
        description: description.to_owned(),
        line: line.to_owned(),
    }
}

/// A file of the fixtures.
pub fn fixture(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// Somebody whom a jail counts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Found {
    pub jail: String,
    pub host: IpAddr,
    pub count: u32,
}

/// Stock jails that all read the same two logs, with what they remember of them.
pub struct Stock {
    pipe: Pipe,
    routes: [Route; 2],
    /// When the lines were written, where the source knows it.
    time: Option<Timestamp>,
    /// What was found beside failures.
    signs: Vec<(String, Sign, Who)>,
}

impl Stock {
    /// All of them, reading files, but for those that count what others do once more.
    pub fn all() -> Stock {
        Stock::new(|name| name != SLOW)
    }

    /// All of them, reading systemd's journal.
    pub fn of_journal() -> Stock {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("jail.local"), "[DEFAULT]\nbackend = systemd\n").unwrap();
        let config = config::load(dir.path());
        let errors: Vec<_> = config.problems.iter().filter(|p| p.severity != config::Severity::Warning).collect();
        assert!(errors.is_empty(), "{errors:?}");
        Stock { time: Some(NOW), ..Stock::of(&config, |name| name != SLOW) }
    }

    /// Those of which `wanted` is true, by their names.
    pub fn new(wanted: impl Fn(&str) -> bool) -> Stock {
        Stock::under(Path::new("/nonexistent"), wanted)
    }

    /// The same where the files of a directory lie over the stock jails.
    pub fn under(dir: &Path, wanted: impl Fn(&str) -> bool) -> Stock {
        let config = config::load(dir);
        assert!(config.problems.is_empty(), "{:?}", config.problems);
        Stock::of(&config, wanted)
    }

    fn of(config: &Config, wanted: impl Fn(&str) -> bool) -> Stock {
        let jails = config.jails.iter().filter(|jail| wanted(&jail.name)).map(|jail| PipeJail {
            name: jail.name.as_str().into(),
            filter: Filter::new(jail, &TimeZone::UTC).unwrap().0,
            unwrap: jail.unwrap,
            findtime: Span(i64::MAX),
        });
        let mut pipe = Pipe::new(jails.collect());
        let routes = [pipe.route_to_all(), pipe.route_to_all()];
        Stock { pipe, routes, time: None, signs: Vec::new() }
    }

    /// The accounts of those whom these lines make fail, where they have some.
    pub fn accounts(&mut self, lines: &[u8]) -> Vec<(IpAddr, Option<String>)> {
        let failures = self.failures(0, lines, Some(NOW)).into_iter();
        let found = failures.map(|(_, failure)| match failure.who {
            Who::Id(Id::Ip(host)) => {
                (host, failure.groups.get("user").or(failure.groups.get("number")).map(str::to_owned))
            }
            other => panic!("{other:?} is no address"),
        });
        found.collect()
    }

    /// Whom these lines, which are being written now, make fail.
    pub fn read(&mut self, lines: &[u8]) -> Vec<Found> {
        self.read_of(0, lines)
    }

    /// The same of the first or the second of two logs.
    pub fn read_of(&mut self, log: usize, lines: &[u8]) -> Vec<Found> {
        self.take(log, lines, Some(NOW))
    }

    /// The same of the first at another time; with none the lines have been there for long.
    pub fn read_at(&mut self, lines: &[u8], now: Option<Timestamp>) -> Vec<Found> {
        self.take(0, lines, now)
    }

    fn failures(&mut self, log: usize, lines: &[u8], now: Option<Timestamp>) -> Vec<(Arc<str>, Failure)> {
        let mut failures = Vec::new();
        let batch = Batch { bytes: lines, live: now.is_some(), time: self.time };
        self.pipe.batch(&mut self.routes[log], &batch, now.unwrap_or(NOW), &mut failures);
        let (failures, signs): (Vec<_>, Vec<_>) = failures.into_iter().partition(|(_, f)| f.sign == Sign::Failed);
        self.signs.extend(signs.into_iter().map(|(jail, f)| (jail.to_string(), f.sign, f.who)));
        failures
    }

    /// What else they were signs of, since the last call: in which jail, and whose.
    pub fn signs(&mut self) -> Vec<(String, Sign, Who)> {
        std::mem::take(&mut self.signs)
    }

    fn take(&mut self, log: usize, lines: &[u8], now: Option<Timestamp>) -> Vec<Found> {
        let found = self.failures(log, lines, now).into_iter().map(|(jail, failure)| {
            let Who::Id(Id::Ip(host)) = failure.who else { panic!("[{jail}] {failure:?} is no address") };
            Found { jail: jail.to_string(), host, count: failure.count }
        });
        found.collect()
    }

    /// What there is to say of the first log since the last call.
    pub fn said(&mut self) -> Vec<String> {
        self.pipe.records(&self.routes[0]).into_iter().map(|record| record.text).collect()
    }
}
