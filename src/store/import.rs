//! Somebody else's database, read without a write to it: what `import` takes over.
//!
//! It is copied into memory first, and upgraded there if its schema is an older one; so its owner may go on using it.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, ErrorCode, OpenFlags, ffi};

use super::{BUSY_TIMEOUT, Saved, StoreError, read, rescue, schema};

/// What another's database gave.
#[derive(Debug, Default)]
pub struct Import {
    /// All that could be read.
    pub saved: Saved,
    /// Bans that make no sense: without an address, a time or a length.
    pub senseless: usize,
    /// What is wrong with the file, if it is damaged; then `saved` is what could still be read.
    pub damage: Option<String>,
}

/// Whether these are the first bytes of a database.
pub fn is_database(bytes: &[u8]) -> bool {
    bytes.starts_with(b"SQLite format 3\0")
}

/// Reads a database that fail2ban (or another sipjail) wrote. One that was written to for five seconds on end, has a
/// later schema, or is none of fail2ban's is an error.
pub fn import(path: &Path) -> Result<Import, StoreError> {
    match whole(path) {
        Err(e) if e.is_damage() => {
            Ok(Import { saved: rescue::salvage(path), senseless: 0, damage: Some(e.to_string()) })
        }
        other => other,
    }
}

fn whole(path: &Path) -> Result<Import, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut conn = match Connection::open_with_flags(path, flags).and_then(in_memory) {
        // A write-ahead log needs a file beside it, which a read-only disk does not take; nobody else can write there.
        Err(e) if e.sqlite_error_code() == Some(ErrorCode::CannotOpen) && path.exists() => {
            Connection::open_with_flags(unchanging(path), flags | OpenFlags::SQLITE_OPEN_URI).and_then(in_memory)?
        }
        copied => copied?,
    };
    let Some(version) = schema::version(&conn)? else { return Err(StoreError::Foreign) };
    schema::prepare(&mut conn, Some(version))?;
    let mut saved = Saved::default();
    read::all(&conn, &mut saved)?;
    let rows: u32 = conn.query_row("SELECT count(*) FROM bips", [], |row| row.get(0))?;
    Ok(Import { senseless: (rows as usize).saturating_sub(saved.bans.len()), saved, damage: None })
}

/// A copy, made in one step so that it is one moment's state.
fn in_memory(theirs: Connection) -> rusqlite::Result<Connection> {
    theirs.busy_timeout(BUSY_TIMEOUT)?;
    let mut copy = Connection::open_in_memory()?;
    let result = Backup::new(&theirs, &mut copy)?.step(-1)?;
    let busy = || rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_BUSY), None);
    if result == StepResult::Done { Ok(copy) } else { Err(busy()) }
}

/// The name of a file that SQLite is to take for one that nobody changes.
fn unchanging(path: &Path) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/._-".contains(byte);
    let bytes = path.as_os_str().as_bytes().iter();
    let name: String = bytes.map(|b| if plain(b) { char::from(*b).to_string() } else { format!("%{b:02x}") }).collect();
    format!("file:{name}?immutable=1")
}
