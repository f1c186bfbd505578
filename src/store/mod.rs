//! What survives a restart: bans, their history, failure counters, log positions.
//!
//! [`Store`] is fail2ban's SQLite database (schema version 4) with tables of our own beside it. It is loaded once, before
//! the engine runs, and then only written: the engine gives [`Change`]s, the store's worker applies them in batches, each
//! batch one transaction. Positions and the counters that belong to them travel in the same batch.
//!
//! `schema` makes and upgrades the tables, `read` and `write` turn rows into values and back, `data` is the JSON in
//! a ban's `data` column, `rescue` deals with a file that is damaged, `import` reads a database that is not ours.

mod data;
pub mod import;
mod read;
mod rescue;
mod schema;
mod write;

use std::cell::RefCell;
use std::fs::{self, DirBuilder, OpenOptions, Permissions};
use std::io;
use std::net::IpAddr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use crate::addr::Id;
use crate::line::Position;
use crate::record::{Level, Record};
use crate::ticket::{Counter, Lease, Past, SavedBan, Ticket};
use crate::time::{Bantime, Span, Timestamp};

/// An open database.
///
/// It belongs to one thread at a time (`Send`, not `Sync`). Another program may use the file meanwhile; whoever finds
/// it locked waits up to five seconds.
pub struct Store {
    conn: Connection,
    /// What `open` read beside the bans, to see that the file can be read; the first [`Store::load_rest`] gives it away, the
    /// first `apply` drops it.
    rest: RefCell<Option<Saved>>,
    max_matches: usize,
}

/// Something to be kept.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// The jail exists and is on (or no longer).
    Jail {
        /// Its name.
        name: String,
        /// Whether it is on.
        enabled: bool,
    },
    /// A new ban: a row in `bans`, the newest state in `bips`.
    Ban {
        /// In which jail.
        jail: String,
        /// The ban, with its bantime decided.
        ticket: Ticket,
        /// How long it lasts.
        bantime: Bantime,
    },
    /// A ban made elsewhere, as it stands, over or not. The newest of an identity and jail counts, and the higher count;
    /// one that is known already is no second row in the history.
    Taken(SavedBan),
    /// Somebody lifted the ban: history and count of this identity in this jail are forgotten.
    Unban {
        /// In which jail.
        jail: String,
        /// Who.
        id: Id,
    },
    /// Failures so far of identities, in our own table; `None` forgets them.
    Failures {
        /// In which jail.
        jail: Arc<str>,
        /// Who, and the state of the counter.
        counters: Vec<(Id, Option<Counter>)>,
    },
    /// What makes hashes of the accounts in counters, so that they are the same after a restart.
    Key([u8; 16]),
    /// A log has been handled up to here, for this jail.
    Position {
        /// In which jail.
        jail: String,
        /// Where.
        position: Position,
    },
    /// Logins from addresses that are on trust, in our own table; `None` forgets them.
    Trust(Vec<(IpAddr, Option<Lease>)>),
    /// Forget what is older than `age`, and jails that are off and have no ban left. Permanent bans stay; the count of
    /// a ban stays for three times its duration. The counters of a jail that is on end when its `findtime` says so, which may
    /// be longer. Jails in use must have been named by [`Change::Jail`] before.
    Purge {
        /// `dbpurgeage`.
        age: Span,
        /// The present.
        now: Timestamp,
    },
}

impl Change {
    /// How many rows it is about.
    pub fn rows(&self) -> usize {
        match self {
            Change::Failures { counters, .. } => counters.len(),
            Change::Trust(leases) => leases.len(),
            _ => 1,
        }
    }
}

/// All that a database holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Saved {
    /// Newest ban of each identity and jail, over or not (the count matters for `bantime.increment`), in the order in
    /// which they were written. `ticket.restored` is set and `ticket.bantime` is the row's.
    ///
    /// A ban of unknown length (-2: the database was once upgraded from one that did not keep it) has
    /// `ticket.bantime` `None`, as a ticket that follows the jail's `bantime`, and `bantime` zero.
    pub bans: Vec<SavedBan>,
    /// Failure counters by jail.
    pub counters: Vec<(String, Id, Counter)>,
    /// What made the hashes of their accounts.
    pub key: Option<[u8; 16]>,
    /// Log positions by jail; where fail2ban was the last to write one, `file` is `None`.
    pub positions: Vec<(String, Position)>,
    /// Logins from addresses that are on trust.
    pub trust: Vec<(IpAddr, Lease)>,
}

/// A database that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// What SQLite said.
    #[error("{0}")]
    Sqlite(#[from] rusqlite::Error),
    /// The file, or its directory, cannot be made or moved.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// Written by a later fail2ban: its schema version.
    #[error("the database has schema version {0}, newer than the 4 that is understood")]
    TooNew(i64),
    /// A database of another program.
    #[error("an SQLite database, but none of fail2ban's")]
    Foreign,
    /// Written by a later sipjail: the version of its own tables.
    #[error("the database has sipjail's tables in version {0}, newer than the 1 that is understood")]
    OursTooNew(i64),
}

impl StoreError {
    /// Whether the file itself is damaged: opening it anew sets it aside and saves what can be read.
    pub fn is_damage(&self) -> bool {
        matches!(self, StoreError::Sqlite(e) if rescue::is_damage(e))
    }
}

impl Store {
    /// Opens or makes the database, its directory too (0700; the file 0600). `:memory:` is one that nobody keeps.
    ///
    /// An older schema is upgraded after a copy was made, one that is too new is an error and left alone. A damaged
    /// file is set aside under another name, said so in `log`, and a new one begun with all that could be read of
    /// it. All jails are marked as off, as fail2ban does it, until [`Change::Jail`] says otherwise.
    pub fn open(path: &Path, now: Timestamp, log: &mut Vec<Record>) -> Result<Store, StoreError> {
        Store::open_with(path, now, log, &mut |_| {})
    }

    /// The same, and calls `take` for the newest ban of each identity and jail while it looks whether all can be read: as in
    /// [`Saved::bans`], but without the story (matches, failures, groups). Where the file turns out to be damaged midway, bans
    /// come again.
    pub fn open_with(
        path: &Path,
        now: Timestamp,
        log: &mut Vec<Record>,
        take: &mut dyn FnMut(SavedBan),
    ) -> Result<Store, StoreError> {
        Store::make(path, now, log, rescue::CHECKED, take)
    }

    /// Opens it anew after it failed: the whole file is looked over, however large it is.
    pub fn reopen(path: &Path, now: Timestamp, log: &mut Vec<Record>) -> Result<Store, StoreError> {
        Store::make(path, now, log, u64::MAX, &mut |_| {})
    }

    /// Everything that is kept.
    pub fn load(&self) -> Result<Saved, StoreError> {
        let mut saved = Saved::default();
        read::all(&self.conn, &mut saved)?;
        Ok(saved)
    }

    /// Everything but the bans.
    pub fn load_rest(&self) -> Result<Saved, StoreError> {
        if let Some(saved) = self.rest.take() {
            return Ok(saved);
        }
        let mut saved = Saved::default();
        read::rest(&self.conn, &mut saved)?;
        Ok(saved)
    }

    /// Applies changes in their order, all or none. After an error (disk full, locked) the same changes may be given
    /// again.
    pub fn apply(&mut self, changes: &[Change]) -> Result<(), StoreError> {
        if changes.is_empty() {
            return Ok(());
        }
        self.rest.take();
        Ok(write::apply(&mut self.conn, changes, self.max_matches)?)
    }

    /// Somebody's bans in one jail or in all, as far as they are remembered; of the matched lines as many as are kept with
    /// one ban, the newest of them. `None`: there were none.
    pub fn past(&self, id: &Id, jail: Option<&str>) -> Result<Option<Past>, StoreError> {
        Ok(read::past(&self.conn, id, jail, self.max_matches)?)
    }

    /// Somebody's newest ban in a jail.
    pub fn newest(&self, id: &Id, jail: &str) -> Result<Option<Ticket>, StoreError> {
        Ok(read::newest(&self.conn, id, jail)?)
    }

    /// Sets how many matches are kept with a ban, the last ones: `dbmaxmatches`, 10 unless told; 0 keeps none.
    pub fn limit_matches(&mut self, at_most: usize) {
        self.max_matches = at_most;
    }

    fn make(
        path: &Path,
        now: Timestamp,
        log: &mut Vec<Record>,
        check: u64,
        take: &mut dyn FnMut(SavedBan),
    ) -> Result<Store, StoreError> {
        if path == Path::new(IN_MEMORY) {
            return Store::begin(Connection::open_in_memory()?, path, now, log, check, take);
        }
        make_file(path)?;
        match connect(path).and_then(|conn| Store::begin(conn, path, now, log, check, take)) {
            Err(e) if e.is_damage() => Store::begin_again(path, &e, now, log, take),
            other => other,
        }
    }

    fn begin(
        mut conn: Connection,
        path: &Path,
        now: Timestamp,
        log: &mut Vec<Record>,
        check: u64,
        take: &mut dyn FnMut(SavedBan),
    ) -> Result<Store, StoreError> {
        conn.busy_timeout(BUSY_TIMEOUT)?;
        conn.set_prepared_statement_cache_capacity(32);
        conn.pragma_update(None, "foreign_keys", true)?;
        let version = schema::version(&conn)?;
        rescue::check(&conn, path, check)?;
        let mode: String = conn.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
        if mode != "wal" && path != Path::new(IN_MEMORY) {
            let text = format!("`{}`: no write-ahead log here, journal mode is `{mode}`", path.display());
            log.push(Record::new(Level::Warning, "database", text));
        }
        conn.pragma_update(None, "synchronous", "NORMAL")?;
        conn.pragma_update(None, "journal_size_limit", WAL_LIMIT)?;
        if let Some(old) = version.filter(|v| *v < schema::VERSION) {
            let copy = rescue::copy(&conn, path, now)?;
            let text = format!(
                "`{}`: upgrading from schema version {old} to {}, the old file is kept as `{}`",
                path.display(),
                schema::VERSION,
                copy.display()
            );
            log.push(Record::new(Level::Warning, "database", text));
        }
        schema::prepare(&mut conn, version)?;
        read::bare_bans(&conn, take)?;
        let mut rest = Saved::default();
        read::rest(&conn, &mut rest)?;
        Ok(Store { conn, rest: RefCell::new(Some(rest)), max_matches: MAX_MATCHES })
    }

    /// A new file in place of a damaged one, with what could be read of the old.
    fn begin_again(
        path: &Path,
        why: &StoreError,
        now: Timestamp,
        log: &mut Vec<Record>,
        take: &mut dyn FnMut(SavedBan),
    ) -> Result<Store, StoreError> {
        let aside = rescue::set_aside(path, now)?;
        let mut saved = rescue::salvage(&aside);
        let text = format!(
            "`{}` is damaged ({why}): set aside as `{}`, a new database begun; read from the old one: bans {}, \
             failure counters {}, log positions {}",
            path.display(),
            aside.display(),
            saved.bans.len(),
            saved.counters.len(),
            saved.positions.len()
        );
        log.push(Record::new(Level::Error, "database", text));
        make_file(path)?;
        let mut store = Store::begin(connect(path)?, path, now, log, rescue::CHECKED, &mut |_| {})?;
        write::restore(&mut store.conn, &saved)?;
        saved.bans.drain(..).for_each(take);
        store.rest = RefCell::new(Some(saved));
        Ok(store)
    }
}

/// Makes the directory and an empty file that only its owner may read, where there is none; SQLite gives its side
/// files the same mode.
fn make_file(path: &Path) -> io::Result<()> {
    if let Some(dir) = path.parent().filter(|d| !d.as_os_str().is_empty()) {
        DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    }
    OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
    // Of a file that belongs to somebody else the mode is theirs to choose.
    let _ = fs::set_permissions(path, Permissions::from_mode(0o600));
    Ok(())
}

fn connect(path: &Path) -> Result<Connection, StoreError> {
    // Not the default flags: with them a name that begins with `file:` would be read as a URI.
    Ok(Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?)
}

const IN_MEMORY: &str = ":memory:";
const MAX_MATCHES: usize = 10;
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// A write-ahead log that once grew beyond this is cut back to it.
const WAL_LIMIT: i64 = 8 << 20;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ticket::Texts;

    const NOW: Timestamp = Timestamp::from_secs(1_795_170_000);

    fn scratch() -> (tempfile::TempDir, Store) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("db"), NOW, &mut Vec::new()).unwrap();
        (dir, store)
    }

    fn counter(n: u32) -> Counter {
        Counter {
            first: NOW,
            last: NOW,
            retry: n,
            failures: n,
            matches: Texts::new(["x".repeat(500)].iter().map(|x| &**x)),
            accounts: Vec::new(),
        }
    }

    fn failures(n: u32) -> Change {
        let id = Id::Ip(std::net::Ipv4Addr::from(0xc633_6400 + n % 256).into());
        Change::Failures { jail: format!("sip{}", n / 256).into(), counters: vec![(id, Some(counter(n)))] }
    }

    fn kept(store: &Store) -> Vec<u32> {
        store.load().unwrap().counters.iter().map(|(_, _, counter)| counter.retry).collect()
    }

    #[test]
    fn a_full_database_takes_nothing_and_later_takes_it_again() {
        let (_dir, mut store) = scratch();
        store.apply(&[failures(0)]).unwrap();
        let pages: i64 = store.conn.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
        store.conn.pragma_update(None, "max_page_count", pages + 2).unwrap();
        let batch: Vec<Change> = (1..100).map(failures).collect();
        let error = store.apply(&batch).unwrap_err();
        assert!(!error.is_damage(), "{error}");
        assert_eq!(kept(&store), [0]);
        store.conn.pragma_update(None, "max_page_count", 1_000_000).unwrap();
        store.apply(&batch).unwrap();
        assert_eq!(kept(&store), (0..100).collect::<Vec<_>>());
    }

    #[test]
    fn a_locked_database_takes_nothing_and_later_takes_it_again() {
        let (dir, mut store) = scratch();
        store.conn.busy_timeout(Duration::ZERO).unwrap();
        let other = Connection::open(dir.path().join("db")).unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        let batch: Vec<Change> = (0..3).map(failures).collect();
        assert!(store.apply(&batch).is_err());
        assert_eq!(kept(&store), Vec::<u32>::new(), "reading goes on while another writes");
        other.execute_batch("COMMIT").unwrap();
        store.apply(&batch).unwrap();
        assert_eq!(kept(&store), [0, 1, 2]);
    }

    #[test]
    fn a_read_only_database_takes_nothing_and_later_takes_it_again() {
        let (_dir, mut store) = scratch();
        store.conn.pragma_update(None, "query_only", true).unwrap();
        assert!(store.apply(&[failures(1)]).is_err());
        store.conn.pragma_update(None, "query_only", false).unwrap();
        store.apply(&[failures(1)]).unwrap();
        assert_eq!(kept(&store), [1]);
    }

    #[test]
    fn an_error_in_the_middle_of_a_batch_undoes_its_beginning() {
        let (_dir, mut store) = scratch();
        store.conn.execute_batch(
            "CREATE TRIGGER refuse BEFORE INSERT ON sipjail_counters WHEN new.retry = 5 BEGIN SELECT RAISE(FAIL, 'no'); END",
        ).unwrap();
        assert!(store.apply(&(0..10).map(failures).collect::<Vec<_>>()).is_err());
        assert_eq!(kept(&store), Vec::<u32>::new());
        store.apply(&[failures(6)]).unwrap();
        assert_eq!(kept(&store), [6]);
    }

    #[test]
    fn pragmas_are_as_promised() {
        let (_dir, store) = scratch();
        let number = |name| store.conn.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).unwrap();
        let mode: String = store.conn.pragma_query_value(None, "journal_mode", |row| row.get(0)).unwrap();
        assert_eq!((mode.as_str(), number("synchronous"), number("foreign_keys")), ("wal", 1, 1));
        assert_eq!(number("busy_timeout"), 5000);
    }

    #[test]
    fn a_store_can_go_to_a_worker() {
        fn sendable<T: Send>() {}
        sendable::<Store>();
    }
}
