//! Damage: how it is found, where the file goes, and what can still be read of it.

use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use indexmap::IndexMap;
use indexmap::map::Entry;
use jiff::tz::TimeZone;
use rusqlite::{Connection, ErrorCode, OpenFlags, Row, ffi};

use super::{Saved, StoreError, read};
use crate::addr::Id;
use crate::ticket::SavedBan;
use crate::time::Timestamp;

/// Whether an error says that the file is damaged, or no database.
pub fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}

/// Looks the structure of the whole file over; damage is an error as if it had been met while reading.
///
/// A file larger than `limit` is not looked over.
pub fn check(conn: &Connection, path: &Path, limit: u64) -> Result<(), StoreError> {
    if fs::metadata(path).is_ok_and(|file| file.len() > limit) {
        return Ok(());
    }
    let found: String = conn.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if found == "ok" {
        return Ok(());
    }
    Err(rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_CORRUPT), Some(found)).into())
}

/// A whole copy of the database beside it, under a name with the time.
pub fn copy(conn: &Connection, path: &Path, now: Timestamp) -> Result<PathBuf, StoreError> {
    let copy = name_beside(path, now);
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(&copy)?;
    // SQLite writes into an empty file, and so the copy keeps the mode.
    let name = copy.as_os_str().as_bytes();
    conn.execute("VACUUM INTO CAST(?1 AS TEXT)", [name])?;
    Ok(copy)
}

/// Renames the file, and what SQLite keeps beside it, to a name with the time.
pub fn set_aside(path: &Path, now: Timestamp) -> io::Result<PathBuf> {
    let aside = name_beside(path, now);
    for side in SIDE_FILES {
        match fs::rename(with_suffix(path, side), with_suffix(&aside, side)) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
    }
    fs::rename(path, &aside)?;
    Ok(aside)
}

/// All that can still be read. A ban stands in two tables: what one has lost may be in the other.
pub fn salvage(aside: &Path) -> Saved {
    let mut saved = Saved::default();
    // Read-only, so that the file stays as it was found.
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let Ok(conn) = Connection::open_with_flags(aside, flags) else { return saved };
    let mut bans: IndexMap<(String, Id), SavedBan> = IndexMap::new();
    let (with_bantime, without) = ("bantime, bancount", "-2, 1");
    for (table, columns) in [("bips", with_bantime), ("bans", with_bantime), ("bans", without)] {
        let sql = format!(
            "SELECT jail, ip, timeofban, {columns}, data, rowid FROM {table} NOT INDEXED WHERE rowid >= ?1 ORDER BY rowid"
        );
        around_damage(&conn, &sql, |row| {
            let Some(ban) = read::ban(row) else { return };
            match bans.entry((ban.jail.clone(), ban.ticket.id.clone())) {
                Entry::Occupied(mut known) if known.get().ticket.time < ban.ticket.time => {
                    known.insert(ban);
                }
                Entry::Occupied(_) => {}
                Entry::Vacant(free) => {
                    free.insert(ban);
                }
            }
        });
    }
    saved.bans = bans.into_values().collect();
    let _ = read::counters(&conn, &mut saved.counters);
    saved.key = read::key(&conn).unwrap_or_default();
    let _ = read::positions(&conn, &mut saved.positions);
    let _ = read::trust(&conn, &mut saved.trust);
    saved
}

/// Calls `take` for each row of a query from `?1` on (column 6 is the rowid), and goes on behind what cannot be read.
fn around_damage(conn: &Connection, sql: &str, mut take: impl FnMut(&Row<'_>)) {
    let Ok(mut statement) = conn.prepare(sql) else { return };
    let mut from: i64 = 0;
    let mut misses = 0;
    while misses < MISSES {
        let start = from;
        let rest = read::each(&mut statement, [from], |row| {
            // A damaged tree may give rows in any order; going back could have no end.
            from = from.max(row.get::<_, i64>(6).unwrap_or(from).saturating_add(1));
            take(row);
        });
        if !rest.is_err_and(|e| is_damage(&e)) {
            return;
        }
        misses = if from > start { 1 } else { misses + 1 };
        // Row by row over a lost page, faster and faster over a lost branch.
        from = from.saturating_add(1 + misses * misses / 4096);
    }
}

/// `FILE.20261120-100000` (UTC), with `-2`, `-3` … where that is taken.
fn name_beside(path: &Path, now: Timestamp) -> PathBuf {
    let stamp = now.zoned(&TimeZone::UTC).strftime(".%Y%m%d-%H%M%S").to_string();
    let plain = with_suffix(path, &stamp);
    let numbered = (2..).map(|n| with_suffix(&plain, &format!("-{n}")));
    let mut names = std::iter::once(plain.clone()).chain(numbered);
    names.find(|name| name.symlink_metadata().is_err()).unwrap_or(plain)
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().as_bytes().to_vec();
    name.extend_from_slice(suffix.as_bytes());
    PathBuf::from(OsString::from_vec(name))
}

const SIDE_FILES: [&str; 3] = ["-wal", "-shm", "-journal"];
/// How often reading is tried without a row; the steps then span half a million rows.
const MISSES: i64 = 2_000;
/// The largest file that is looked over at each start, which must not wait for long.
pub const CHECKED: u64 = 16 << 20;
