//! The tables: fail2ban's schema version 4 and our own beside it, made where they lack, upgraded where they are old.
//!
//! Ours begin with `sipjail_` and refer to nothing of fail2ban's, so that fail2ban can delete a jail without asking us.

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior};

use super::StoreError;

/// The schema version that is written (fail2ban 0.11 and later).
pub const VERSION: i64 = 4;

/// The schema version of the database; `None`: it has none of fail2ban's tables yet. Later ones are an error.
pub fn version(conn: &Connection) -> Result<Option<i64>, StoreError> {
    if has_table(conn, "sipjail_meta")? {
        let ours: Option<i64> =
            conn.query_row("SELECT value FROM sipjail_meta WHERE name = 'version'", [], |row| row.get(0)).optional()?;
        if let Some(newer) = ours.filter(|v| *v > OUR_VERSION) {
            return Err(StoreError::OursTooNew(newer));
        }
    }
    if !has_table(conn, "fail2banDb")? {
        return Ok(None);
    }
    let version = conn.query_row("SELECT version FROM fail2banDb LIMIT 1", [], |row| row.get(0)).optional()?;
    match version {
        Some(newer) if newer > VERSION => Err(StoreError::TooNew(newer)),
        version => Ok(version),
    }
}

/// Makes what lacks, upgrades what is older than [`VERSION`], and marks all jails as off; all or nothing.
pub fn prepare(conn: &mut Connection, version: Option<i64>) -> Result<(), StoreError> {
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    if let Some(old) = version.filter(|v| *v < VERSION) {
        upgrade(&tx, old)?;
    }
    for sql in [VERSION_TABLE, JAILS, OURS] {
        tx.execute_batch(sql)?;
    }
    for (table, columns, indices) in TABLES {
        tx.execute_batch(&format!("CREATE TABLE IF NOT EXISTS {table}({columns}); {indices}"))?;
    }
    if !has_accounts(&tx)? {
        tx.execute_batch("ALTER TABLE sipjail_counters ADD COLUMN accounts BLOB")?;
    }
    tx.execute("DELETE FROM fail2banDb WHERE version <> ?1", [VERSION])?;
    tx.execute("INSERT INTO fail2banDb(version) SELECT ?1 WHERE NOT EXISTS (SELECT 1 FROM fail2banDb)", [VERSION])?;
    tx.execute("INSERT OR REPLACE INTO sipjail_meta(name, value) VALUES ('version', ?1)", [OUR_VERSION])?;
    tx.execute("UPDATE jails SET enabled = 0 WHERE enabled <> 0", [])?;
    Ok(tx.commit()?)
}

/// From version 1 `logs` changes, from 2 `bans` gets two columns, from 3 `bips` is new.
fn upgrade(tx: &Transaction<'_>, old: i64) -> rusqlite::Result<()> {
    tx.execute_batch(JAILS)?;
    // Old files were not always written under foreign keys; the new tables want each jail to be there.
    tx.execute_batch(
        "INSERT OR IGNORE INTO jails(name, enabled)
             SELECT jail, 0 FROM logs WHERE jail IS NOT NULL UNION SELECT jail, 0 FROM bans WHERE jail IS NOT NULL",
    )?;
    if old < 2 {
        rebuild(tx, &TABLES[0], "jail, path, firstlinemd5, lastfilepos", "WHERE jail IS NOT NULL ORDER BY rowid")?;
    }
    if old < 3 {
        rebuild(tx, &TABLES[1], "jail, ip, timeofban, -2, 1, data", "WHERE jail IS NOT NULL ORDER BY rowid")?;
    }
    let (bips, columns, _) = TABLES[2];
    tx.execute_batch(&format!(
        "CREATE TABLE IF NOT EXISTS {bips}({columns});
         INSERT OR REPLACE INTO bips(ip, jail, timeofban, bantime, bancount, data)
             SELECT ip, jail, timeofban, bantime, bancount, data FROM bans WHERE ip IS NOT NULL
             ORDER BY timeofban, rowid"
    ))
}

/// Puts a table of the present form in the place of an old one; `columns` are read from the old, in the new one's order.
fn rebuild(tx: &Transaction<'_>, new: &(&str, &str, &str), columns: &str, which: &str) -> rusqlite::Result<()> {
    let (table, new_columns, _) = new;
    tx.execute_batch(&format!(
        "CREATE TABLE sipjail_rebuilt({new_columns});
         INSERT OR REPLACE INTO sipjail_rebuilt SELECT {columns} FROM {table} {which};
         DROP TABLE {table};
         ALTER TABLE sipjail_rebuilt RENAME TO {table}"
    ))
}

fn has_table(conn: &Connection, name: &str) -> rusqlite::Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?1)";
    conn.query_row(sql, [name], |row| row.get(0))
}

/// Whether counters hold accounts; earlier versions had none, and pass the column over.
fn has_accounts(conn: &Connection) -> rusqlite::Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM pragma_table_info('sipjail_counters') WHERE name = 'accounts')";
    conn.query_row(sql, [], |row| row.get(0))
}

/// The version of our own tables.
const OUR_VERSION: i64 = 1;

const VERSION_TABLE: &str = "CREATE TABLE IF NOT EXISTS fail2banDb(version INTEGER)";

const JAILS: &str = "
CREATE TABLE IF NOT EXISTS jails(name TEXT NOT NULL UNIQUE, enabled INTEGER NOT NULL DEFAULT 1);
CREATE INDEX IF NOT EXISTS jails_name ON jails(name);";

/// Name, columns and indices of the tables that belong to jails.
const TABLES: [(&str, &str, &str); 3] = [
    (
        "logs",
        "jail TEXT NOT NULL REFERENCES jails(name) ON DELETE CASCADE,
         path TEXT,
         firstlinemd5 TEXT,
         lastfilepos INTEGER DEFAULT 0,
         UNIQUE(jail, path),
         UNIQUE(jail, path, firstlinemd5)",
        "CREATE INDEX IF NOT EXISTS logs_path ON logs(path);
         CREATE INDEX IF NOT EXISTS logs_jail_path ON logs(jail, path);",
    ),
    (
        "bans",
        "jail TEXT NOT NULL REFERENCES jails(name),
         ip TEXT,
         timeofban INTEGER NOT NULL,
         bantime INTEGER NOT NULL,
         bancount INTEGER NOT NULL DEFAULT 1,
         data JSON",
        "CREATE INDEX IF NOT EXISTS bans_jail_timeofban_ip ON bans(jail, timeofban);
         CREATE INDEX IF NOT EXISTS bans_jail_ip ON bans(jail, ip);
         CREATE INDEX IF NOT EXISTS bans_ip ON bans(ip);",
    ),
    (
        "bips",
        "ip TEXT NOT NULL,
         jail TEXT NOT NULL REFERENCES jails(name),
         timeofban INTEGER NOT NULL,
         bantime INTEGER NOT NULL,
         bancount INTEGER NOT NULL DEFAULT 1,
         data JSON,
         PRIMARY KEY(ip, jail)",
        "CREATE INDEX IF NOT EXISTS bips_timeofban ON bips(timeofban);
         CREATE INDEX IF NOT EXISTS bips_ip ON bips(ip);",
    ),
];

/// Times are microseconds; `matches` and `accounts` are what `data` makes of lists; `path` is a BLOB where it is not UTF-8.
const OURS: &str = "
CREATE TABLE IF NOT EXISTS sipjail_meta(name TEXT NOT NULL PRIMARY KEY, value);
CREATE TABLE IF NOT EXISTS sipjail_counters(
    jail TEXT NOT NULL, ip TEXT NOT NULL,
    first INTEGER NOT NULL, last INTEGER NOT NULL, retry INTEGER NOT NULL, failures INTEGER NOT NULL, matches JSON,
    accounts BLOB,
    PRIMARY KEY(jail, ip));
CREATE TABLE IF NOT EXISTS sipjail_positions(
    jail TEXT NOT NULL, path NOT NULL,
    dev INTEGER, ino INTEGER, \"offset\" INTEGER NOT NULL, first_line TEXT,
    PRIMARY KEY(jail, path));
CREATE TABLE IF NOT EXISTS sipjail_trust(
    ip TEXT NOT NULL PRIMARY KEY, since INTEGER NOT NULL, last INTEGER NOT NULL, accounts BLOB);";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_without_its_version_row_gets_one_and_only_one() {
        let mut conn = Connection::open_in_memory().unwrap();
        conn.execute_batch(VERSION_TABLE).unwrap();
        assert_eq!(version(&conn).unwrap(), None);
        for _ in 0..2 {
            prepare(&mut conn, None).unwrap();
            let versions: Vec<i64> = conn
                .prepare("SELECT version FROM fail2banDb")
                .unwrap()
                .query_map([], |row| row.get(0))
                .unwrap()
                .map(Result::unwrap)
                .collect();
            assert_eq!(versions, [VERSION]);
        }
    }

    #[test]
    fn counters_without_accounts_get_a_column_for_them() {
        let mut conn = Connection::open_in_memory().unwrap();
        prepare(&mut conn, None).unwrap();
        conn.execute_batch("ALTER TABLE sipjail_counters DROP COLUMN accounts").unwrap();
        conn.execute("INSERT INTO sipjail_counters VALUES ('sip', '192.0.2.1', 1, 2, 3, 4, NULL)", []).unwrap();
        let retry = |conn: &Connection| {
            let mut found = Vec::new();
            super::super::read::counters(conn, &mut found).unwrap();
            found.iter().map(|(_, _, counter)| (counter.retry, counter.accounts.len())).collect::<Vec<_>>()
        };
        assert_eq!(retry(&conn), [(3, 0)], "it can be read before");
        for _ in 0..2 {
            prepare(&mut conn, Some(VERSION)).unwrap();
        }
        assert!(has_accounts(&conn).unwrap());
        assert_eq!(retry(&conn), [(3, 0)]);
    }

    #[test]
    fn what_a_later_program_wrote_is_left_alone() {
        let mut conn = Connection::open_in_memory().unwrap();
        prepare(&mut conn, None).unwrap();
        conn.execute("UPDATE sipjail_meta SET value = 2", []).unwrap();
        assert!(matches!(version(&conn), Err(StoreError::OursTooNew(2))));
        conn.execute("DROP TABLE sipjail_meta", []).unwrap();
        conn.execute("UPDATE fail2banDb SET version = 5", []).unwrap();
        assert!(matches!(version(&conn), Err(StoreError::TooNew(5))));
    }
}
