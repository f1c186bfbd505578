//! What the daemon takes from its host: firewall, log, database, addresses.

use std::net::IpAddr;
use std::path::Path;

use jiff::tz::TimeZone;

use super::clock;
use super::log::Log;
use super::options::{Guise, Options, RUNS_ALREADY};
use super::sole::Alone;
use super::workers::Reopen;
use crate::config::{JailSettings, Main, Own};
use crate::engine::Remembered;
use crate::error::{Error, Kind};
use crate::firewall::{self, Firewall, FirewallError};
use crate::line::Position;
use crate::record::{Level, Record};
use crate::store::{Saved, Store, StoreError, import};

/// What bans: `ipset`, or `dryrun` where nobody is to be banned, neither by us nor, with [`Options::dry_run`], by anybody.
pub fn firewall_name(options: &Options, jails: &[JailSettings]) -> &'static str {
    let own: Vec<Option<Own>> = jails.iter().map(JailSettings::own).collect();
    let dry = options.dry_run || own.contains(&Some(Own::DryRun)) && !own.contains(&Some(Own::Ipset));
    if dry { "dryrun" } else { "ipset" }
}

/// The firewall of that name. The kernel's is claimed at once where a jail needs it.
pub fn firewall(options: &Options, jails: &[JailSettings]) -> Result<Box<dyn Firewall + Send>, FirewallError> {
    let name = firewall_name(options, jails);
    let firewall = firewall::by_name(name).expect("both are built in");
    if name == "dryrun" {
        return Ok(firewall);
    }
    let mut alone = Alone::new(firewall);
    if jails.iter().any(|jail| jail.own() == Some(Own::Ipset)) {
        alone.claim()?;
    }
    Ok(Box::new(alone))
}

/// A firewall's refusal as an error with what to do.
pub fn refused(error: FirewallError) -> Error {
    let hint = match &error {
        FirewallError::Capability(_) => {
            "run as root, or give the service CAP_NET_ADMIN and CAP_NET_RAW; `--dry-run` bans nobody"
        }
        FirewallError::Taken(_) => "stop it first; `--dry-run` runs beside it",
        _ => "mend that, or see with `--dry-run` whom it would ban",
    };
    Error::new(Kind::Host, format!("cannot ban: {error}")).hint(hint)
}

/// The addresses of this host's interfaces.
pub fn addresses() -> Vec<IpAddr> {
    if_addrs::get_if_addrs().map_or_else(|_| Vec::new(), |all| all.into_iter().map(|i| i.ip()).collect())
}

/// The log that is configured; where it cannot be written, stdout alone.
pub fn log(main: &Main, guise: Guise, zone: &TimeZone, said: &mut Vec<Record>) -> Log {
    Log::open(&main.logtarget, &main.syslogsocket, main.loglevel, zone.clone(), guise.echoes()).unwrap_or_else(|e| {
        let text = format!("the log {} cannot be written: {e}; it goes to stdout only", main.logtarget);
        said.push(Record::new(Level::Error, "server", text));
        Log::stdout(main.loglevel, zone.clone())
    })
}

/// The database that `open` opens at the configured path; where it cannot be written now, none.
fn store(
    main: &Main,
    said: &mut Vec<Record>,
    open: impl FnOnce(&Path, &mut Vec<Record>) -> Result<Store, StoreError>,
) -> Option<Store> {
    let path = main.dbfile.as_ref()?;
    let opened = open(path, said).map(|mut store| {
        store.limit_matches(main.dbmaxmatches);
        store
    });
    opened
        .map_err(|e| {
            let text =
                format!("the database {} cannot be written: {e}; that is tried again every second", path.display());
            said.push(Record::new(Level::Error, "database", text));
        })
        .ok()
}

/// Leaves in the log why there is no daemon: in the background nobody sees anything else.
pub fn could_not_start(error: &Error, main: &Main, zone: &TimeZone) {
    let mut said = Vec::new();
    let mut log = log(main, Guise::Fail2ban, zone, &mut said);
    if error.message == RUNS_ALREADY {
        said.push(Record::new(Level::Error, "server", "Fail2ban seems to be already running"));
    }
    let hint = error.hint.as_ref().map_or(String::new(), |hint| format!(" ({hint})"));
    said.push(Record::new(Level::Error, "server", format!("Could not start server: {}{hint}", error.message)));
    said.iter().for_each(|record| log.write(record, clock::now()));
}

/// How the database is opened again; `None` where nothing is kept.
pub fn reopen(main: &Main) -> Option<Reopen> {
    let main = main.clone();
    let open = |path: &Path, said: &mut Vec<Record>| Store::reopen(path, clock::now(), said);
    main.dbfile.is_some().then(|| Box::new(move |said: &mut Vec<Record>| store(&main, said, open)) as Reopen)
}

/// What an earlier run kept.
pub struct Kept {
    /// The database; `None` where it cannot be written now, or nothing is to be kept.
    pub store: Option<Store>,
    /// Bans and counters.
    pub remembered: Remembered,
    /// Log positions by jail.
    pub positions: Vec<(String, Position)>,
}

/// Opens the database that is configured and takes in what it holds, also where it can only be read.
pub fn kept(main: &Main, said: &mut Vec<Record>) -> Kept {
    let mut remembered = Remembered::default();
    let store =
        store(main, said, |path, said| Store::open_with(path, clock::now(), said, &mut |ban| remembered.ban(ban)));
    let loaded = match (&store, &main.dbfile) {
        (Some(store), _) => store.load_rest(),
        (None, Some(path)) if path.exists() => import::import(path).map(|import| import.saved),
        (None, _) => Ok(Saved::default()),
    };
    let saved = loaded.unwrap_or_else(|e| {
        let text = format!("saved bans cannot be read: {e}; those in the kernel hold");
        said.push(Record::new(Level::Error, "database", text));
        Saved::default()
    });
    saved.bans.into_iter().for_each(|ban| remembered.ban(ban));
    remembered.key(saved.key);
    saved.counters.into_iter().for_each(|(jail, id, counter)| remembered.counter(jail, id, counter));
    saved.trust.into_iter().for_each(|(ip, lease)| remembered.lease(ip, lease));
    Kept { store, remembered, positions: saved.positions }
}
