//! Rows into values: everything that a database holds, as [`Saved`].
//!
//! A row that makes no sense (fail2ban's columns take any type) is passed over; an error of SQLite's stops the reading,
//! and what was read up to there stays in `saved`.

use std::ffi::OsString;
use std::net::IpAddr;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use indexmap::IndexMap;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Params, Row, Statement};

use super::{Saved, data};
use crate::addr::Id;
use crate::line::Position;
use crate::ticket::{Counter, Lease, Past, SavedBan, Ticket};
use crate::time::{Bantime, Timestamp};

/// Adds everything to `saved`.
pub fn all(conn: &Connection, saved: &mut Saved) -> rusqlite::Result<()> {
    each(&mut conn.prepare(BIPS)?, [], |row| saved.bans.extend(ban(row)))?;
    rest(conn, saved)
}

/// Adds everything but the bans.
pub fn rest(conn: &Connection, saved: &mut Saved) -> rusqlite::Result<()> {
    counters(conn, &mut saved.counters)?;
    saved.key = key(conn)?;
    positions(conn, &mut saved.positions)?;
    trust(conn, &mut saved.trust)
}

/// Calls `take` for each newest ban, without its story: no matches, no failures, no groups but the one that says who chose
/// its length. There may be a million of them.
pub fn bare_bans(conn: &Connection, take: &mut dyn FnMut(SavedBan)) -> rusqlite::Result<()> {
    let chosen = memchr::memmem::Finder::new(b"\"by\"");
    each(&mut conn.prepare(BIPS)?, [], |row| {
        let story = bytes(row, 5).filter(|data| chosen.find(data).is_some());
        if let Some(mut ban) = told(row, story) {
            ban.ticket.matches.clear();
            take(ban);
        }
    })
}

/// The rows of `bans` of one identity together.
pub fn past(conn: &Connection, id: &Id, jail: Option<&str>, max_matches: usize) -> rusqlite::Result<Option<Past>> {
    let sql = "SELECT data FROM bans WHERE ip = ?1 AND (?2 IS NULL OR jail = ?2) ORDER BY timeofban, rowid";
    let mut past: Option<Past> = None;
    each(&mut conn.prepare(sql)?, (id.to_string(), jail), |row| {
        let data::Data { matches, failures, .. } = bytes(row, 0).map(data::read).unwrap_or_default();
        let past = past.get_or_insert_default();
        past.failures = past.failures.saturating_add(failures);
        past.matches.extend(matches);
        let extra = past.matches.len().saturating_sub(max_matches);
        past.matches.drain(..extra);
    })?;
    Ok(past)
}

/// The row of `bips` of one identity in one jail.
pub fn newest(conn: &Connection, id: &Id, jail: &str) -> rusqlite::Result<Option<Ticket>> {
    let sql = "SELECT jail, ip, timeofban, bantime, bancount, data FROM bips WHERE ip = ?1 AND jail = ?2";
    let mut found = None;
    each(&mut conn.prepare(sql)?, (id.to_string(), jail), |row| found = ban(row).map(|ban| ban.ticket))?;
    Ok(found)
}

/// Calls `take` for each row.
pub fn each(statement: &mut Statement<'_>, given: impl Params, mut take: impl FnMut(&Row<'_>)) -> rusqlite::Result<()> {
    let mut rows = statement.query(given)?;
    while let Some(row) = rows.next()? {
        take(row);
    }
    Ok(())
}

/// A row of `jail, ip, timeofban, bantime, bancount, data`.
pub fn ban(row: &Row<'_>) -> Option<SavedBan> {
    told(row, bytes(row, 5))
}

/// The same with another `data`.
fn told(row: &Row<'_>, story: Option<&[u8]>) -> Option<SavedBan> {
    let (jail, ip) = (text(row, 0)?, String::from_utf8_lossy(bytes(row, 1)?));
    let (time, bantime) = (number(row, 2)?, number(row, 3)?);
    let bancount = number(row, 4).map_or(1, |n| n as u32);
    let data::Data { matches, failures, groups } = story.map(data::read).unwrap_or_default();
    let known = (bantime != UNKNOWN as f64).then(|| Bantime::from_secs_f64(bantime));
    let ticket = Ticket {
        id: Id::parse(&ip),
        time: Timestamp::from_secs_f64(time),
        bantime: known,
        bancount,
        failures,
        matches,
        groups,
        restored: true,
    };
    Some(SavedBan { jail, ticket, bantime: known.unwrap_or(Bantime::from_secs_f64(0.0)) })
}

/// Our counters.
pub fn counters(conn: &Connection, found: &mut Vec<(String, Id, Counter)>) -> rusqlite::Result<()> {
    let sql = |accounts| {
        format!(
            "SELECT jail, ip, first, last, retry, failures, matches, {accounts} FROM sipjail_counters ORDER BY rowid"
        )
    };
    // A damaged file is read as it is, and an older one has no such column.
    let mut counters = conn.prepare(&sql("accounts")).or_else(|_| conn.prepare(&sql("NULL")))?;
    each(&mut counters, [], |row| found.extend(counter(row)))
}

/// What made the hashes of accounts.
pub fn key(conn: &Connection) -> rusqlite::Result<Option<[u8; 16]>> {
    let mut key = None;
    let sql = "SELECT value FROM sipjail_meta WHERE name = 'key'";
    each(&mut conn.prepare(sql)?, [], |row| key = bytes(row, 0).and_then(|bytes| bytes.try_into().ok()))?;
    Ok(key)
}

/// Our addresses on trust.
pub fn trust(conn: &Connection, found: &mut Vec<(IpAddr, Lease)>) -> rusqlite::Result<()> {
    let sql = "SELECT ip, since, last, accounts FROM sipjail_trust ORDER BY rowid";
    each(&mut conn.prepare(sql)?, [], |row| found.extend(lease(row)))
}

/// Positions from fail2ban's table and ours.
///
/// Ours is written together with fail2ban's row. Where they differ, fail2ban has gone on in the meantime and its row
/// counts.
pub fn positions(conn: &Connection, found: &mut Vec<(String, Position)>) -> rusqlite::Result<()> {
    let mut by_fail2ban = IndexMap::new();
    let logs = "SELECT jail, path, firstlinemd5, lastfilepos FROM logs ORDER BY rowid";
    let logs_read = conn.prepare(logs).and_then(|mut s| each(&mut s, [], |row| by_fail2ban.extend(log(row))));
    let mut ours = IndexMap::new();
    let sql = "SELECT jail, path, dev, ino, \"offset\", first_line FROM sipjail_positions ORDER BY rowid";
    let ours_read = conn.prepare(sql).and_then(|mut s| each(&mut s, [], |row| ours.extend(position(row))));
    for (key, theirs) in by_fail2ban {
        let same = ours.swap_remove(&key).filter(|p| {
            p.offset == theirs.offset && (p.first_line == theirs.first_line || key.1.as_os_str() == Position::JOURNAL)
        });
        found.push((key.0, same.unwrap_or(theirs)));
    }
    found.extend(ours.into_iter().map(|((jail, _), position)| (jail, position)));
    logs_read.and(ours_read)
}

fn counter(row: &Row<'_>) -> Option<(String, Id, Counter)> {
    let counter = Counter {
        first: Timestamp(integer(row, 2)?),
        last: Timestamp(integer(row, 3)?),
        retry: number(row, 4)? as u32,
        failures: number(row, 5)? as u32,
        matches: bytes(row, 6).map(data::read_lines).unwrap_or_default(),
        accounts: bytes(row, 7).map(data::read_accounts).unwrap_or_default(),
    };
    Some((text(row, 0)?, Id::parse(&text(row, 1)?), counter))
}

fn lease(row: &Row<'_>) -> Option<(IpAddr, Lease)> {
    let accounts = bytes(row, 3).map(data::read_accounts).unwrap_or_default();
    let lease = Lease { since: Timestamp(integer(row, 1)?), last: Timestamp(integer(row, 2)?), accounts };
    Some((text(row, 0)?.parse().ok()?, lease))
}

/// A row of `logs`. The journal's position is a time in seconds.
fn log(row: &Row<'_>) -> Option<((String, PathBuf), Position)> {
    let (jail, path) = (text(row, 0)?, path(row, 1)?);
    if path.as_os_str() == Position::JOURNAL {
        let micros = number(row, 3).filter(|time| *time >= 0.0)? * 1e6;
        let position = Position { path: path.clone(), file: None, offset: micros.round() as u64, first_line: None };
        return Some(((jail, path), position));
    }
    let offset = u64::try_from(integer(row, 3)?).ok()?;
    let first_line = text(row, 2).filter(|hash| !hash.is_empty());
    // Without the hash nobody can say whether this is still the file that the offset belongs to.
    let offset = if first_line.is_some() { offset } else { 0 };
    Some(((jail, path.clone()), Position { path, file: None, offset, first_line }))
}

fn position(row: &Row<'_>) -> Option<((String, PathBuf), Position)> {
    let (jail, path) = (text(row, 0)?, path(row, 1)?);
    let file = integer(row, 2).zip(integer(row, 3)).map(|(dev, ino)| (dev as u64, ino as u64));
    let position = Position { path: path.clone(), file, offset: integer(row, 4)? as u64, first_line: text(row, 5) };
    Some(((jail, path), position))
}

fn bytes<'a>(row: &'a Row<'_>, column: usize) -> Option<&'a [u8]> {
    match row.get_ref(column).ok()? {
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => Some(bytes),
        _ => None,
    }
}

fn text(row: &Row<'_>, column: usize) -> Option<String> {
    bytes(row, column).map(|b| String::from_utf8_lossy(b).into_owned())
}

fn path(row: &Row<'_>, column: usize) -> Option<PathBuf> {
    bytes(row, column).map(|b| PathBuf::from(OsString::from_vec(b.to_vec())))
}

fn integer(row: &Row<'_>, column: usize) -> Option<i64> {
    match row.get_ref(column).ok()? {
        ValueRef::Integer(n) => Some(n),
        _ => None,
    }
}

fn number(row: &Row<'_>, column: usize) -> Option<f64> {
    match row.get_ref(column).ok()? {
        ValueRef::Integer(n) => Some(n as f64),
        ValueRef::Real(n) => Some(n),
        _ => None,
    }
}

const BIPS: &str = "SELECT jail, ip, timeofban, bantime, bancount, data FROM bips ORDER BY rowid";

/// The `bantime` of a ban whose length an old schema did not keep.
pub const UNKNOWN: i64 = -2;
