//! Values into rows: changes, in one transaction.
//!
//! fail2ban's rows are written as fail2ban writes them: whole seconds in `timeofban`, -1 for a permanent ban, the last
//! matches in `data`.

use std::collections::HashSet;
use std::net::IpAddr;
use std::os::unix::ffi::OsStrExt;

use rusqlite::types::{ToSql, Value};
use rusqlite::{Connection, Transaction, TransactionBehavior, params};

use super::{Change, Saved, data, read};
use crate::addr::Id;
use crate::line::Position;
use crate::ticket::{Counter, Lease, SavedBan, Ticket};
use crate::time::{Bantime, Span, Timestamp};

/// Applies `changes` in their order, all or none.
pub fn apply(conn: &mut Connection, changes: &[Change], max_matches: usize) -> rusqlite::Result<()> {
    let mut batch = Batch::begin(conn, max_matches)?;
    for change in changes {
        batch.write(change)?;
    }
    batch.tx.commit()
}

/// Writes what was saved from another database into an empty one.
pub fn restore(conn: &mut Connection, saved: &Saved) -> rusqlite::Result<()> {
    let mut batch = Batch::begin(conn, usize::MAX)?;
    for ban in &saved.bans {
        batch.ban(&ban.jail, &ban.ticket, saved_seconds(ban))?;
    }
    for (jail, id, counter) in &saved.counters {
        batch.counters(jail, std::iter::once((id, Some(counter))))?;
    }
    if let Some(key) = &saved.key {
        batch.key(key)?;
    }
    for (jail, position) in &saved.positions {
        batch.position(jail, position)?;
    }
    batch.trust(saved.trust.iter().map(|(ip, lease)| (ip, Some(lease))))?;
    batch.tx.commit()
}

/// A transaction being filled; dropped, it leaves nothing.
struct Batch<'a> {
    tx: Transaction<'a>,
    /// Jails known to have a row, which the rows of the other tables refer to.
    jails: HashSet<String>,
    max_matches: usize,
}

impl<'a> Batch<'a> {
    fn begin(conn: &'a mut Connection, max_matches: usize) -> rusqlite::Result<Batch<'a>> {
        let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        Ok(Batch { tx, jails: HashSet::new(), max_matches })
    }

    fn write(&mut self, change: &Change) -> rusqlite::Result<()> {
        match change {
            Change::Jail { name, enabled } => self.jail(name, *enabled),
            Change::Ban { jail, ticket, bantime } => self.ban(jail, ticket, seconds(*bantime)),
            Change::Taken(ban) => self.taken(ban),
            Change::Unban { jail, id } => self.unban(jail, id),
            Change::Failures { jail, counters } => {
                self.counters(jail, counters.iter().map(|(id, counter)| (id, counter.as_ref())))
            }
            Change::Key(key) => self.key(key),
            Change::Position { jail, position } => self.position(jail, position),
            Change::Trust(leases) => self.trust(leases.iter().map(|(ip, lease)| (ip, lease.as_ref()))),
            Change::Purge { age, now } => self.purge(*now - *age),
        }
    }

    fn jail(&mut self, name: &str, enabled: bool) -> rusqlite::Result<()> {
        // Not `INSERT OR REPLACE`: that would delete the row first, and with it the jail's `logs`.
        self.run(
            "INSERT INTO jails(name, enabled) VALUES (?1, ?2)
             ON CONFLICT(name) DO UPDATE SET enabled = excluded.enabled",
            params![name, enabled],
        )
    }

    fn ban(&mut self, jail: &str, ticket: &Ticket, bantime: Value) -> rusqlite::Result<()> {
        self.need_jail(jail)?;
        let ip = ticket.id.to_string();
        let time = whole_seconds(ticket.time);
        let data = data::write(ticket, self.max_matches);
        let row = params![jail, ip, time, bantime, ticket.bancount, data];
        self.run(
            "INSERT INTO bans(jail, ip, timeofban, bantime, bancount, data) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            row,
        )?;
        self.run(
            "INSERT OR REPLACE INTO bips(jail, ip, timeofban, bantime, bancount, data) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            row,
        )
    }

    fn taken(&mut self, ban: &SavedBan) -> rusqlite::Result<()> {
        let SavedBan { jail, ticket, .. } = ban;
        self.need_jail(jail)?;
        let data = data::write(ticket, self.max_matches);
        let (ip, time) = (ticket.id.to_string(), whole_seconds(ticket.time));
        let row = params![jail, ip, time, saved_seconds(ban), ticket.bancount, data];
        // By the index on `ip` alone: in a list all have the same jail and time.
        self.run(
            "INSERT INTO bans(jail, ip, timeofban, bantime, bancount, data) SELECT ?1, ?2, ?3, ?4, ?5, ?6
             WHERE NOT EXISTS (SELECT 1 FROM bans WHERE ip = ?2 AND +jail = ?1 AND +timeofban = ?3)",
            row,
        )?;
        self.run(
            "INSERT INTO bips(jail, ip, timeofban, bantime, bancount, data) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT(ip, jail) DO UPDATE SET bancount = max(bancount, excluded.bancount),
                 bantime = iif(excluded.timeofban > timeofban, excluded.bantime, bantime),
                 data = iif(excluded.timeofban > timeofban, excluded.data, data),
                 timeofban = max(timeofban, excluded.timeofban)",
            row,
        )
    }

    fn unban(&mut self, jail: &str, id: &Id) -> rusqlite::Result<()> {
        let ip = id.to_string();
        self.run("DELETE FROM bips WHERE ip = ?2 AND jail = ?1", params![jail, ip])?;
        self.run("DELETE FROM bans WHERE jail = ?1 AND ip = ?2", params![jail, ip])?;
        self.forget_counter(jail, id)
    }

    fn counters<'b>(
        &mut self,
        jail: &str,
        counters: impl Iterator<Item = (&'b Id, Option<&'b Counter>)>,
    ) -> rusqlite::Result<()> {
        // In a flood there are tens of thousands: to look the statement up for each would cost a tenth of all.
        let mut put = self.tx.prepare_cached(
            "INSERT INTO sipjail_counters(jail, ip, first, last, retry, failures, matches, accounts)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
             ON CONFLICT(jail, ip) DO UPDATE SET first = excluded.first, last = excluded.last, retry = excluded.retry,
                 failures = excluded.failures, matches = excluded.matches, accounts = excluded.accounts",
        )?;
        for (id, counter) in counters {
            let Some(Counter { first, last, retry, failures, matches, accounts }) = counter else {
                self.forget_counter(jail, id)?;
                continue;
            };
            let (matches, accounts) = (data::write_lines(matches), data::write_accounts(accounts));
            put.execute(params![jail, id.to_string(), first.0, last.0, retry, failures, matches, accounts])?;
        }
        Ok(())
    }

    fn forget_counter(&self, jail: &str, id: &Id) -> rusqlite::Result<()> {
        self.run("DELETE FROM sipjail_counters WHERE jail = ?1 AND ip = ?2", params![jail, id.to_string()])
    }

    fn key(&self, key: &[u8; 16]) -> rusqlite::Result<()> {
        self.run("INSERT OR REPLACE INTO sipjail_meta(name, value) VALUES ('key', ?1)", params![key])
    }

    /// Our row, and fail2ban's in step with it; fail2ban has none for a log without a complete line, and of the journal
    /// the time alone.
    fn position(&mut self, jail: &str, position: &Position) -> rusqlite::Result<()> {
        self.need_jail(jail)?;
        let Position { path, file, offset, first_line } = position;
        let bytes = path.as_os_str().as_bytes();
        let key = path.to_str().map_or_else(|| Value::Blob(bytes.to_vec()), |text| Value::Text(text.to_owned()));
        let (dev, ino) = file.map(|(dev, ino)| (dev as i64, ino as i64)).unzip();
        let offset = i64::try_from(*offset).unwrap_or(i64::MAX);
        self.run(
            "INSERT INTO sipjail_positions(jail, path, dev, ino, \"offset\", first_line)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT(jail, path) DO UPDATE SET dev = excluded.dev, ino = excluded.ino,
                 \"offset\" = excluded.\"offset\", first_line = excluded.first_line",
            params![jail, key, dev, ino, offset, first_line],
        )?;
        match (path.to_str(), first_line) {
            (Some(Position::JOURNAL), _) => self.run(
                "INSERT INTO logs(jail, path, firstlinemd5, lastfilepos) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT(jail, path) DO UPDATE SET firstlinemd5 = excluded.firstlinemd5,
                     lastfilepos = excluded.lastfilepos",
                params![jail, Position::JOURNAL, iso(offset), offset as f64 / 1e6],
            ),
            (Some(path), Some(hash)) => self.run(
                "INSERT INTO logs(jail, path, firstlinemd5, lastfilepos) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT(jail, path) DO UPDATE SET firstlinemd5 = excluded.firstlinemd5,
                     lastfilepos = excluded.lastfilepos",
                params![jail, path, hash, offset],
            ),
            (Some(path), None) => self.run("DELETE FROM logs WHERE jail = ?1 AND path = ?2", params![jail, path]),
            (None, _) => Ok(()),
        }
    }

    fn trust<'b>(&self, leases: impl Iterator<Item = (&'b IpAddr, Option<&'b Lease>)>) -> rusqlite::Result<()> {
        for (ip, lease) in leases {
            let ip = ip.to_string();
            let Some(Lease { since, last, accounts }) = lease else {
                self.run("DELETE FROM sipjail_trust WHERE ip = ?1", params![ip])?;
                continue;
            };
            let accounts = data::write_accounts(accounts);
            self.run(
                "INSERT OR REPLACE INTO sipjail_trust(ip, since, last, accounts) VALUES (?1, ?2, ?3, ?4)",
                params![ip, since.0, last.0, accounts],
            )?;
        }
        Ok(())
    }

    fn purge(&mut self, before: Timestamp) -> rusqlite::Result<()> {
        let secs = before.secs();
        self.run("DELETE FROM bans WHERE timeofban < ?1", params![secs])?;
        self.run(
            "DELETE FROM bips WHERE timeofban < ?1 AND bantime <> -1 AND timeofban + 3 * bantime < ?1",
            params![secs],
        )?;
        self.run(
            "DELETE FROM jails WHERE enabled = 0
                 AND NOT EXISTS (SELECT 1 FROM bans WHERE bans.jail = jails.name)
                 AND name NOT IN (SELECT jail FROM bips)",
            params![],
        )?;
        // Those of a jail that is on are forgotten one by one, each after the jail's `findtime`.
        self.run(
            "DELETE FROM sipjail_counters WHERE last < ?1 AND jail NOT IN (SELECT name FROM jails WHERE enabled <> 0)",
            params![before.0],
        )?;
        self.run("DELETE FROM sipjail_positions WHERE jail NOT IN (SELECT name FROM jails)", params![])?;
        self.jails.clear();
        Ok(())
    }

    /// The rows of fail2ban's tables refer to a jail; the engine may speak of one before it says that it exists.
    fn need_jail(&mut self, name: &str) -> rusqlite::Result<()> {
        if !self.jails.contains(name) {
            self.run("INSERT OR IGNORE INTO jails(name, enabled) VALUES (?1, 1)", params![name])?;
            self.jails.insert(name.to_owned());
        }
        Ok(())
    }

    fn run(&self, sql: &str, row: &[&dyn ToSql]) -> rusqlite::Result<()> {
        self.tx.prepare_cached(sql)?.execute(row).map(drop)
    }
}

/// The time that fail2ban writes beside the journal's position, which nobody reads back.
fn iso(micros: i64) -> String {
    jiff::Timestamp::from_microsecond(micros)
        .map_or(String::new(), |time| time.strftime("%Y-%m-%dT%H:%M:%S.%6f").to_string())
}

/// The `timeofban` column.
fn whole_seconds(time: Timestamp) -> i64 {
    (time + Span(500_000)).secs()
}

/// The `bantime` column of a ban whose length may be unknown.
fn saved_seconds(ban: &SavedBan) -> Value {
    if ban.ticket.bantime.is_some() { seconds(ban.bantime) } else { Value::Integer(read::UNKNOWN) }
}

/// The `bantime` column: -1 for ever, whole seconds, or seconds with a fraction. A ban that was over before it began
/// must not look like a permanent one, so nothing else is negative.
fn seconds(bantime: Bantime) -> Value {
    match bantime {
        Bantime::Forever => Value::Integer(-1),
        Bantime::For(span) if span.0 % 1_000_000 != 0 => Value::Real(span.as_secs_f64().max(0.0)),
        Bantime::For(span) => Value::Integer(span.secs().max(0)),
    }
}
