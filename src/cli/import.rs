//! `sipjail import FILE…`: bans of other programs, and of other hosts, are taken over.
//!
//! All files are read before anything is taken. A daemon that runs takes the bans in at once; without one they are
//! judged by the same engine and written to the database, from which the next start restores them.

mod lists;
mod report;

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use indexmap::{IndexMap, IndexSet};
use serde::Serialize;

use super::{Cli, output};
use crate::addr::Id;
use crate::command::Command;
use crate::command::ban::bantime;
use crate::command::take::{self, Row, TakeReply};
use crate::config::{self, Config};
use crate::daemon::{clock, host, socket, sole};
use crate::engine::{Engine, Request, Setup, Taken, mark_chosen};
use crate::error::{Error, Kind as Trouble};
use crate::firewall::{DryRun, MANUAL};
use crate::line::Position;
use crate::store::import::{self, Import};
use crate::store::{Change, Saved, Store};
use crate::ticket::{SavedBan, Ticket};
use crate::time::{Bantime, Span, Timestamp};

use lists::Kind;
use report::{Refused, Report};

/// Take over bans: fail2ban's database, an `ipset save`, SIPCheck's lists, any list of addresses
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
pub struct Args {
    /// Files; what each is shows by what it holds, an allow list by `whitelist` or `allow` in its name
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// What the files are: `fail2ban`, `ipset`, `sipcheck`, `list`, or `allow`, which prints a line for ignoreip
    #[arg(long = "as", value_enum, value_name = "KIND", hide_possible_values = true)]
    pub kind: Option<Kind>,
    /// The jail for all of them; default is each ban's own jail in a database, else `manual`
    #[arg(long, value_name = "JAIL")]
    pub jail: Option<String>,
    /// How long those last of which no file says it: `2h`, `-1` for ever; default is the jail's bantime
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub bantime: Option<String>,
    /// Change nothing, only say what would be taken
    #[arg(long)]
    pub dry_run: bool,
}

/// A ban and where it stands.
struct Found {
    place: String,
    ban: SavedBan,
}

/// What is to be taken over.
#[derive(Default)]
struct Harvest {
    bans: Vec<Found>,
    positions: Vec<(String, Position)>,
}

/// Takes the files over and shows what came of it; 1 if anything was refused.
pub fn run(args: &Args, cli: &Cli) -> Result<u8, Error> {
    let now = clock::now();
    let bantime = args.bantime.as_deref().map(bantime).transpose()?;
    let config = config::load(&cli.conf);
    if let Some(jail) = &args.jail {
        let mut known: Vec<String> = config.jails.iter().map(|jail| jail.name.clone()).collect();
        known.push(MANUAL.into());
        if !known.contains(jail) {
            return Err(Error::unknown("jail", jail, &known));
        }
    }
    let socket = cli.socket.clone().unwrap_or_else(|| config.main.socket.clone());
    let daemon = socket::answers(&socket);
    let mut report = Report { dry_run: args.dry_run, daemon, ..Report::default() };
    let mut harvest = Harvest::default();
    for path in &args.files {
        args.read(path, &config, bantime, now, &mut harvest, &mut report)?;
    }
    let bans: Vec<SavedBan> = harvest.bans.iter().map(|found| found.ban.clone()).collect();
    let outcomes = if daemon {
        report.positions_left = harvest.positions.len();
        through_daemon(&socket, &bans, args.dry_run)?
    } else {
        let (outcomes, positions) = into_database(config, bans, &harvest.positions, args.dry_run, now)?;
        report.positions = positions;
        report.positions_left = harvest.positions.len() - positions;
        outcomes
    };
    for (found, outcome) in harvest.bans.into_iter().zip(outcomes) {
        report.count(found, outcome);
    }
    output::show(cli.format, &report, &report.text())?;
    Ok(u8::from(!report.refused.is_empty()))
}

impl Args {
    fn read(
        &self,
        path: &Path,
        config: &Config,
        bantime: Option<Bantime>,
        now: Timestamp,
        harvest: &mut Harvest,
        report: &mut Report,
    ) -> Result<(), Error> {
        let bytes = contents(path)?;
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let kind = self.kind.unwrap_or_else(|| Kind::of(&name, &bytes));
        let file = path.display().to_string();
        if kind == Kind::Fail2ban {
            return self.database(path, config, harvest, report);
        }
        let said = lists::read(kind, &bytes, bantime, now);
        let entries = said.bans.len() + said.allowed.len();
        report.files.push(report::File { file: file.clone(), kind, entries, damage: None });
        report.allow.extend(said.allowed);
        report.refused.extend(said.refused.into_iter().map(|(line, entry, reason)| Refused {
            place: format!("{file}:{line}"),
            entry,
            reason,
        }));
        let jail = self.jail.as_deref().unwrap_or(MANUAL);
        harvest.bans.extend(said.bans.into_iter().map(|entry| {
            let place = format!("{file}:{}", entry.line);
            Found { place, ban: listed(jail, entry.id, entry.since, entry.bantime) }
        }));
        Ok(())
    }

    fn database(&self, path: &Path, config: &Config, harvest: &mut Harvest, report: &mut Report) -> Result<(), Error> {
        let file = path.display().to_string();
        if config.main.dbfile.as_ref().is_some_and(|own| same_file(own, path)) {
            let error = Error::new(Trouble::Usage, format!("{file} is this configuration's own database"));
            return Err(error.hint("there is nothing to import: `sipjail run` goes on with what it holds"));
        }
        let Import { saved, senseless, damage } = import::import(path)
            .map_err(|e| Error::new(Trouble::Io, format!("cannot read {file} as a database of fail2ban's: {e}")))?;
        let kind = Kind::Fail2ban;
        report.files.push(report::File { file: file.clone(), kind, entries: saved.bans.len(), damage });
        if senseless > 0 {
            let (entry, reason) = (format!("rows: {senseless}"), "without an address, a time or a length".into());
            report.refused.push(Refused { place: format!("{file}: bips"), entry, reason });
        }
        let renamed = |jail: String| self.jail.clone().unwrap_or(jail);
        harvest.bans.extend(saved.bans.into_iter().map(|ban| {
            let place = format!("{file}: jail {}", ban.jail);
            Found { place, ban: SavedBan { jail: renamed(ban.jail), ..ban } }
        }));
        harvest.positions.extend(saved.positions.into_iter().map(|(jail, position)| (renamed(jail), position)));
        Ok(())
    }
}

impl Report {
    fn count(&mut self, found: Found, outcome: Taken) {
        let Found { place, ban } = found;
        if let Taken::Refused(reason) = outcome {
            self.refused.push(Refused { place, entry: ban.ticket.id.to_string(), reason });
            return;
        }
        let counts = self.jails.entry(ban.jail).or_default();
        *match outcome {
            Taken::Banned => &mut counts.banned,
            Taken::Waiting => &mut counts.waiting,
            Taken::Remembered => &mut counts.remembered,
            Taken::Known | Taken::Refused(_) => &mut counts.known,
        } += 1;
    }
}

/// A ban as a list has it. A length that a file or the operator names is as good as chosen by hand.
fn listed(jail: &str, id: Id, time: Timestamp, bantime: Option<Bantime>) -> SavedBan {
    let (matches, groups) = (Vec::new(), IndexMap::new());
    let mut ticket = Ticket { id, time, bantime, bancount: 1, failures: 0, matches, groups, restored: true };
    if bantime.is_some() {
        mark_chosen(&mut ticket);
    }
    SavedBan { jail: jail.to_owned(), ticket, bantime: bantime.unwrap_or(Bantime::For(Span(0))) }
}

/// What a file holds; of a database its first bytes.
fn contents(path: &Path) -> Result<Vec<u8>, Error> {
    let unreadable = |e: std::io::Error| Error::new(Trouble::Io, format!("cannot read {}: {e}", path.display()));
    let mut bytes = Vec::new();
    let mut file = File::open(path).map_err(unreadable)?;
    (&mut file).take(16).read_to_end(&mut bytes).map_err(unreadable)?;
    if !import::is_database(&bytes) {
        file.take(LARGEST).read_to_end(&mut bytes).map_err(unreadable)?;
    }
    if bytes.len() as u64 >= LARGEST {
        return Err(Error::new(Trouble::Usage, format!("{} is larger than {LARGEST} bytes", path.display())));
    }
    Ok(bytes)
}

fn same_file(a: &Path, b: &Path) -> bool {
    a.canonicalize().is_ok_and(|a| b.canonicalize().is_ok_and(|b| a == b))
}

/// In requests that the daemon takes, each a whole number of bans.
fn through_daemon(socket: &Path, bans: &[SavedBan], rehearse: bool) -> Result<Vec<Taken>, Error> {
    let mut outcomes = Vec::with_capacity(bans.len());
    let mut batch: Vec<String> = Vec::new();
    let mut length = 0;
    for ban in bans {
        let mut row = json(&Row::from(ban));
        if json(&row).len() > take::LARGEST {
            row = json(&Row::from(ban).without_matches());
        }
        let more = json(&row).len();
        if length + more > take::LARGEST {
            outcomes.extend(send(socket, &batch, rehearse)?);
            batch.clear();
            length = 0;
        }
        length += more;
        batch.push(row);
    }
    outcomes.extend(send(socket, &batch, rehearse)?);
    Ok(outcomes)
}

fn send(socket: &Path, rows: &[String], rehearse: bool) -> Result<Vec<Taken>, Error> {
    let command = take::Args { bans: format!("[{}]", rows.join(",")), dry_run: rehearse };
    let reply = socket::ask(socket, Command::Take(command).words())?;
    let not_understood = |e| Error::new(Trouble::Daemon, format!("the daemon's answer is not understood: {e}"));
    let reply: TakeReply = serde_json::from_value(reply).map_err(not_understood)?;
    Ok(reply.outcomes)
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("plain data always becomes JSON")
}

/// Judged by an engine of our own; what it wants kept is written in one transaction. Positions that the database knows
/// stay; how many were taken is the second value.
fn into_database(
    config: Config,
    bans: Vec<SavedBan>,
    positions: &[(String, Position)],
    rehearse: bool,
    now: Timestamp,
) -> Result<(Vec<Taken>, usize), Error> {
    if let Some(pid) = sole::held_by() {
        let error = Error::new(Trouble::Daemon, format!("a daemon (pid {pid}) runs, but not on this socket"));
        return Err(error.hint("name its socket with --socket, or its configuration with --conf"));
    }
    let Some(path) = config.main.dbfile.clone() else {
        let error = Error::new(Trouble::Config, "no database is configured (`dbfile = None`) and no daemon runs");
        return Err(error.hint("start the daemon first; it takes the bans in at once"));
    };
    let unusable = |e| Error::new(Trouble::Io, format!("the database {} cannot be used: {e}", path.display()));
    let mut store = None;
    let saved = if !rehearse {
        let mut said = Vec::new();
        let opened = store.insert(Store::open(&path, now, &mut said).map_err(unusable)?);
        opened.limit_matches(config.main.dbmaxmatches);
        said.iter().for_each(|record| eprintln!("sipjail: {}", crate::text::printable(&record.text)));
        opened.load().map_err(unusable)?
    } else if path.exists() {
        import::import(&path).map_err(unusable)?.saved
    } else {
        Saved::default()
    };
    let known: IndexSet<(&str, &Path)> = saved.positions.iter().map(|(jail, p)| (jail.as_str(), &*p.path)).collect();
    let mut new: IndexMap<(&str, &Path), Change> = IndexMap::new();
    for (jail, position) in positions.iter().filter(|(jail, p)| !known.contains(&(jail.as_str(), &*p.path))) {
        let change = Change::Position { jail: jail.clone(), position: position.clone() };
        new.entry((jail, &position.path)).or_insert(change);
    }
    let new: Vec<Change> = new.into_values().collect();
    let taken = new.len();

    let setup = Setup {
        jails: config.jails,
        firewall: Box::new(DryRun::new()),
        saved: saved.into(),
        dbmaxmatches: config.main.dbmaxmatches,
        dbpurgeage: config.main.dbpurgeage,
        own: host::addresses(),
        protected: Vec::new(),
        zone: clock::zone(),
    };
    // What the start of an engine wants done is for the daemon's own start.
    let mut engine = Engine::start(setup, now, &mut Vec::new()).map_err(host::refused)?;
    let mut out = Vec::new();
    let outcomes = engine.take_in(bans, false, now, &mut out)?;
    if let Some(store) = &mut store {
        let kept = out.into_iter().filter_map(|request| match request {
            Request::Keep(change) => Some(change),
            Request::Log(_) | Request::Restored { .. } | Request::Ask { .. } | Request::Act { .. } => None,
        });
        let changes: Vec<Change> = kept.chain(new).collect();
        store.apply(&changes).map_err(unusable)?;
    }
    Ok((outcomes, taken))
}

/// The largest file of addresses that is read.
const LARGEST: u64 = 256 << 20;
