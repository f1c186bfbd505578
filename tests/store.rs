//! The database as a whole, through its public face: what is written comes back, whatever happens in between, and
//! fail2ban (where it is installed) reads what we write and the other way round.
#![expect(clippy::disallowed_methods, reason = "the judge and the victims are programs of their own")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use indexmap::IndexMap;
use rusqlite::Connection;
use serde_json::{Value, json};
use sha1::{Digest, Sha1};
use sipjail::addr::Id;
use sipjail::line::Position;
use sipjail::record::{Level, Record};
use sipjail::store::{Change, Saved, Store, StoreError};
use sipjail::ticket::{Counter, Lease, SavedBan, Texts, Ticket};
use sipjail::time::{Bantime, Span, Timestamp};
use tempfile::TempDir;

// ------------------------------------------------------------------ what is written comes back

#[test]
fn opening_tells_every_ban_without_its_story_but_who_chose_its_length() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("db");
    let mut store = Store::open(&path, NOW, &mut Vec::new()).unwrap();
    let bans = ["192.0.2.1", "192.0.2.2", "2001:db8::/32"].map(|id| {
        let groups = [("user", "alice"), ("by", "hand")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        let groups = groups.into_iter().skip(usize::from(id.ends_with('1'))).take(1).collect();
        let matches = vec!["line".to_owned()];
        let (bantime, id) = (Bantime::For(Span::from_secs(600)), Id::parse(id));
        let ticket =
            Ticket { id, time: NOW, bantime: None, bancount: 2, failures: 3, matches, groups, restored: false };
        Change::Ban { jail: "sip".into(), ticket, bantime }
    });
    store.apply(&bans).unwrap();
    drop(store);
    let mut told = Vec::new();
    let store = Store::open_with(&path, NOW, &mut Vec::new(), &mut |ban| told.push(ban)).unwrap();
    let whole = store.load().unwrap().bans;
    assert_eq!(told.len(), 3);
    for (bare, whole) in told.iter().zip(&whole) {
        assert_eq!((&bare.jail, bare.bantime), (&whole.jail, whole.bantime));
        assert!(bare.ticket.matches.is_empty() && whole.ticket.matches == ["line"]);
        assert_eq!((&bare.ticket.id, bare.ticket.time, bare.ticket.bancount), (&whole.ticket.id, NOW, 2));
        assert_eq!(bare.ticket.groups.get("by"), whole.ticket.groups.get("by"));
    }
    assert_eq!(told.iter().filter(|ban| ban.ticket.groups.contains_key("by")).count(), 1);
    let rest = store.load_rest().unwrap();
    assert!(rest.bans.is_empty());
}

#[test]
fn what_was_applied_is_there_after_a_restart() {
    let world = World::new();
    let hostile = "\u{1b}[31m \0 \u{202e}\u{fffd} \"}],\u{7f}'; DROP TABLE bips; -- \u{1f980}";
    let mut first = ticket("192.0.2.1", 100);
    first.matches = vec!["one".into(), hostile.into()];
    first.groups = IndexMap::from([("user".to_owned(), hostile.to_owned()), ("fport".to_owned(), "5060".to_owned())]);
    let matches = Texts::new([hostile, ""].into_iter());
    let accounts = vec![(u64::MAX, NOW), (7, Timestamp(NOW.0 - 1))];
    let counter = Counter { first: NOW, last: Timestamp(NOW.0 + 1), retry: 2, failures: u32::MAX, matches, accounts };
    let odd = Position { file: None, first_line: None, ..position(&world.path("odd\u{fffd}'"), 0) };
    let far = Position { file: Some((u64::MAX, 7)), ..position(&world.path("full"), u64::MAX >> 1) };
    let changes = [
        Change::Jail { name: "sip".into(), enabled: true },
        ban("sip", first.clone(), Bantime::For(Span::from_secs(600))),
        ban("sip", ticket("192.0.2.2", 101), Bantime::Forever),
        ban("other", ticket("192.0.2.1", 102), Bantime::For(Span(12_500_000))),
        ban("sip", ticket("198.51.100.0/24", 103), Bantime::For(Span::from_secs(-1))),
        ban("sip", ticket("a 'raw' name", 104), Bantime::For(Span::from_secs(1))),
        Change::Failures { jail: "sip".into(), counters: vec![(Id::parse("2001:db8::5"), Some(counter.clone()))] },
        Change::Key([7; 16]),
        Change::Trust(vec![(address("192.0.2.5"), Some(lease())), (address("2001:db8::5"), Some(lease()))]),
        Change::Trust(vec![(address("192.0.2.5"), None)]),
        Change::Position { jail: "sip".into(), position: odd.clone() },
        Change::Position { jail: "sip".into(), position: far.clone() },
    ];
    world.open().apply(&changes).unwrap();
    let saved = world.open().load().unwrap();
    let expected = [
        saved_ban("sip", first, Bantime::For(Span::from_secs(600))),
        saved_ban("sip", ticket("192.0.2.2", 101), Bantime::Forever),
        saved_ban("other", ticket("192.0.2.1", 102), Bantime::For(Span(12_500_000))),
        saved_ban("sip", ticket("198.51.100.0/24", 103), Bantime::For(Span(0))),
        saved_ban("sip", ticket("a 'raw' name", 104), Bantime::For(Span::from_secs(1))),
    ];
    assert_eq!(saved.bans, expected);
    assert_eq!(saved.counters, [("sip".to_owned(), Id::parse("2001:db8::5"), counter)]);
    assert_eq!(saved.key, Some([7; 16]));
    assert_eq!(saved.trust, [(address("2001:db8::5"), lease())]);
    assert_eq!(sorted(saved.positions), sorted(vec![("sip".to_owned(), odd), ("sip".to_owned(), far)]));
}

#[test]
fn the_newest_ban_counts_and_history_keeps_all() {
    let world = World::new();
    let mut store = world.open();
    for n in 1..=3 {
        let ticket =
            Ticket { bancount: n, time: Timestamp(NOW.0 + i64::from(n) * 1_500_000), ..ticket("192.0.2.1", 0) };
        store.apply(&[ban("sip", ticket, Bantime::For(Span::from_secs(60)))]).unwrap();
    }
    let saved = store.load().unwrap();
    assert_eq!(saved.bans.len(), 1);
    assert_eq!(saved.bans[0].ticket.bancount, 3);
    assert_eq!(saved.bans[0].ticket.time, Timestamp::from_secs(NOW.secs() + 5), "4.5 s, rounded");
    assert_eq!(world.count("bans"), 3);
}

#[test]
fn only_the_last_matches_are_kept() {
    let world = World::new();
    let mut store = world.open();
    let long = Ticket { matches: (0..25).map(|n| n.to_string()).collect(), ..ticket("192.0.2.1", 0) };
    for (limit, first) in [(None, "15"), (Some(2), "23")] {
        if let Some(limit) = limit {
            store.limit_matches(limit);
        }
        store.apply(&[ban("sip", long.clone(), Bantime::Forever)]).unwrap();
        assert_eq!(store.load().unwrap().bans[0].ticket.matches[0], first);
    }
    store.limit_matches(0);
    store.apply(&[ban("sip", long, Bantime::Forever)]).unwrap();
    assert!(store.load().unwrap().bans[0].ticket.matches.is_empty());
}

#[test]
fn an_unban_forgets_history_and_count_in_its_jail_alone() {
    let world = World::new();
    let mut store = world.open();
    let (id, other) = (Id::parse("192.0.2.1"), Id::parse("192.0.2.2"));
    let mut changes = Vec::new();
    for jail in ["sip", "iax"] {
        for id in [&id, &other] {
            changes.push(ban(jail, ticket(&id.to_string(), 0), Bantime::Forever));
            changes.push(failures(jail, id, 1));
        }
    }
    changes.push(Change::Unban { jail: "sip".into(), id: id.clone() });
    changes.push(Change::Failures { jail: "iax".into(), counters: vec![(other.clone(), None)] });
    store.apply(&changes).unwrap();
    let saved = store.load().unwrap();
    let bans: BTreeSet<_> = saved.bans.iter().map(|b| (b.jail.as_str(), b.ticket.id.clone())).collect();
    assert_eq!(bans, BTreeSet::from([("sip", other.clone()), ("iax", id.clone()), ("iax", other.clone())]));
    let counters: BTreeSet<_> = saved.counters.iter().map(|c| (c.0.as_str(), c.1.clone())).collect();
    assert_eq!(counters, BTreeSet::from([("sip", other), ("iax", id)]));
    assert_eq!((world.count("bans"), world.count("bips")), (3, 3));
}

#[test]
fn a_purge_forgets_what_fail2ban_would_forget() {
    let world = World::new();
    let mut store = world.open();
    let day = 86_400;
    let aged = |ip: &str, age: i64| Ticket { time: Timestamp::from_secs(NOW.secs() - age), ..ticket(ip, 0) };
    let hours = |n: i64| Bantime::For(Span::from_secs(n * 3600));
    let old = Counter { last: Timestamp::from_secs(NOW.secs() - 2 * day), ..counter(1) };
    let gone = old.clone();
    store
        .apply(&[
            Change::Jail { name: "sip".into(), enabled: true },
            Change::Jail { name: "off".into(), enabled: false },
            Change::Jail { name: "empty".into(), enabled: false },
            ban("sip", aged("192.0.2.1", day + 7200), Bantime::For(Span::from_secs(600))),
            ban("sip", aged("192.0.2.2", day + 7200), hours(12)),
            ban("sip", aged("192.0.2.3", 9 * day), Bantime::Forever),
            ban("off", aged("192.0.2.4", day - 10), hours(1)),
            Change::Failures { jail: "sip".into(), counters: vec![(Id::parse("192.0.2.8"), Some(old))] },
            failures("sip", &Id::parse("192.0.2.9"), 1),
            Change::Failures { jail: "off".into(), counters: vec![(Id::parse("192.0.2.7"), Some(gone))] },
            Change::Position { jail: "empty".into(), position: position(&world.path("gone"), 5) },
            Change::Position { jail: "sip".into(), position: position(&world.path("full"), 5) },
            Change::Purge { age: Span::from_secs(day), now: NOW },
        ])
        .unwrap();
    let saved = store.load().unwrap();
    let left: BTreeSet<_> = saved.bans.iter().map(|b| b.ticket.id.to_string()).collect();
    assert_eq!(left, BTreeSet::from(["192.0.2.2", "192.0.2.3", "192.0.2.4"].map(str::to_owned)));
    assert_eq!(world.count("bans"), 1);
    assert_eq!(world.rows("SELECT name, enabled FROM jails ORDER BY name"), json!([["off", 0], ["sip", 1]]));
    let counters: Vec<_> = saved.counters.iter().map(|(jail, id, _)| format!("{jail} {id}")).collect();
    assert_eq!(counters, ["sip 192.0.2.8", "sip 192.0.2.9"], "that of a jail that is on ends after its `findtime`");
    assert_eq!(saved.positions, [("sip".to_owned(), position(&world.path("full"), 5))]);
    store.apply(&[ban("empty", ticket("192.0.2.5", 0), hours(1))]).unwrap();
}

#[test]
fn directory_and_files_are_their_owners_alone() {
    let dir = tempfile::tempdir().unwrap();
    let db = dir.path().join("a/b/db");
    let mut store = Store::open(&db, NOW, &mut Vec::new()).unwrap();
    store.apply(&[failures("sip", &Id::parse("192.0.2.1"), 1)]).unwrap();
    let mode = |name: &str| fs::metadata(dir.path().join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("a"), mode("a/b")), (0o700, 0o700));
    assert_eq!((mode("a/b/db"), mode("a/b/db-wal"), mode("a/b/db-shm")), (0o600, 0o600, 0o600));
}

#[test]
fn jails_are_off_until_they_are_named_again() {
    let world = World::new();
    let on = Change::Jail { name: "sip".into(), enabled: true };
    world.open().apply(std::slice::from_ref(&on)).unwrap();
    assert_eq!(world.rows("SELECT enabled FROM jails"), json!([[1]]));
    let mut store = world.open();
    assert_eq!(world.rows("SELECT enabled FROM jails"), json!([[0]]));
    store.apply(&[on]).unwrap();
    assert_eq!(world.rows("SELECT enabled FROM jails"), json!([[1]]));
}

#[test]
fn a_database_in_memory_needs_no_file() {
    let mut log = Vec::new();
    let mut store = Store::open(Path::new(":memory:"), NOW, &mut log).unwrap();
    store.apply(&[failures("sip", &Id::parse("192.0.2.1"), 1)]).unwrap();
    assert_eq!(store.load().unwrap().counters.len(), 1);
    assert_eq!(log, []);
    assert!(!Path::new(":memory:").exists());
}

// ------------------------------------------------------------------ other versions, damage

#[test]
fn a_later_schema_is_refused_and_left_alone() {
    let world = World::new();
    world.sql("CREATE TABLE fail2banDb(version INTEGER); INSERT INTO fail2banDb VALUES (5)");
    let before = fs::read(world.db()).unwrap();
    assert!(matches!(Store::open(&world.db(), NOW, &mut Vec::new()), Err(StoreError::TooNew(5))));
    assert_eq!(fs::read(world.db()).unwrap(), before);
    assert_eq!(world.files(), ["db"]);
}

#[test]
fn version_3_gets_its_bips() {
    let world = World::new();
    world.open();
    world.sql(
        "DROP TABLE bips; UPDATE fail2banDb SET version = 3; INSERT INTO jails(name) VALUES ('sip');
         INSERT INTO bans VALUES ('sip', '192.0.2.1', 2000, 600, 2, '{\"failures\": 2}'),
                                 ('sip', '192.0.2.1', 1000, 300, 1, '{\"failures\": 1}'),
                                 ('sip', NULL, 1000, 300, 1, NULL)",
    );
    let mut log = Vec::new();
    let saved = Store::open(&world.db(), NOW, &mut log).unwrap().load().unwrap();
    assert_eq!(saved.bans.len(), 1);
    assert_eq!((saved.bans[0].ticket.bancount, saved.bans[0].ticket.failures), (2, 2));
    assert_eq!(log.len(), 1);
    assert!(log[0].text.contains(&format!("db.{STAMP}")), "{}", log[0].text);
    let copy = world.path(&format!("db.{STAMP}"));
    assert_eq!(fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o600);
    let version: i64 =
        Connection::open(copy).unwrap().query_row("SELECT version FROM fail2banDb", [], |row| row.get(0)).unwrap();
    assert_eq!(version, 3);
}

#[test]
fn versions_1_and_2_become_what_fail2ban_makes_of_them() {
    let Some(_) = fail2ban() else { return };
    for name in ["database_v1.db", "database_v2.db"] {
        let old = Path::new("/usr/lib/python3/dist-packages/fail2ban/tests/files").join(name);
        if !old.exists() {
            println!("skipped: `{}` is not installed", old.display());
            continue;
        }
        let (ours, theirs) = (World::new(), World::new());
        fs::copy(&old, ours.db()).unwrap();
        fs::copy(&old, theirs.db()).unwrap();
        let saved = ours.open().load().unwrap();
        fail2ban_says(&theirs, "dump", &json!({}));
        for sql in [
            "SELECT version FROM fail2banDb",
            "SELECT name FROM jails ORDER BY name",
            "SELECT jail, path, firstlinemd5, lastfilepos FROM logs ORDER BY jail, path",
            "SELECT jail, ip, timeofban, bantime, bancount, CAST(data AS TEXT) FROM bans ORDER BY 1, 2, 3, 6",
            "SELECT jail, ip, timeofban, bantime, bancount, CAST(data AS TEXT) FROM bips ORDER BY 1, 2, 3, 6",
        ] {
            assert_eq!(ours.rows(sql), theirs.rows(sql), "{name}: {sql}");
        }
        assert!(!saved.bans.is_empty());
        assert!(saved.bans.iter().all(|b| b.ticket.bantime.is_none() && b.bantime == Bantime::For(Span(0))));
    }
}

#[test]
fn what_is_no_database_is_set_aside() {
    let world = World::new();
    for name in [format!("db.{STAMP}"), format!("db.{STAMP}-2")] {
        fs::write(world.db(), "this is no database at all, only text that somebody put there".repeat(99)).unwrap();
        let mut log = Vec::new();
        let mut store = Store::open(&world.db(), NOW, &mut log).unwrap();
        assert_eq!(store.load().unwrap(), Saved::default());
        store.apply(&[failures("sip", &Id::parse("192.0.2.1"), 1)]).unwrap();
        assert_eq!(log.len(), 1);
        assert_eq!((log[0].level, log[0].part), (Level::Error, "database"));
        assert!(log[0].text.contains(&format!("`{}`", world.db().display())), "{}", log[0].text);
        assert!(log[0].text.contains(&format!("`{}`", world.path(&name).display())), "{}", log[0].text);
        assert!(fs::read_to_string(world.path(&name)).unwrap().starts_with("this is no database"));
        drop(store);
    }
}

#[test]
fn a_ban_that_can_be_read_outlives_the_damage_around_it() {
    let world = World::new();
    let ids: Vec<Id> = (0..3000).map(|n| Id::Ip(IpAddr::V4(Ipv4Addr::from(0xc000_0000 + n)))).collect();
    let changes: Vec<Change> = ids
        .iter()
        .map(|id| ban("sip", Ticket { matches: vec!["m".repeat(200)], ..ticket(&id.to_string(), 7) }, Bantime::Forever))
        .chain([failures("sip", &ids[0], 3)])
        .chain([Change::Position { jail: "sip".into(), position: position(&world.path("full"), 77) }])
        .collect();
    world.open().apply(&changes).unwrap();
    let page = 4096;
    let size = fs::metadata(world.db()).unwrap().len();
    let mut file = File::options().write(true).open(world.db()).unwrap();
    for n in 0..4 {
        file.seek(SeekFrom::Start((size / 2 / page + n * 20) * page)).unwrap();
        file.write_all(&[0xa5; 4096]).unwrap();
    }
    drop(file);

    let mut log = Vec::new();
    let mut store = Store::open(&world.db(), NOW, &mut log).unwrap();
    assert_eq!(log.iter().map(|r| r.level).collect::<Vec<_>>(), [Level::Error]);
    let saved = store.load().unwrap();
    // A ban stands in two tables; both its pages would have to be hit.
    assert!(saved.bans.len() > 2900, "{} of 3000: {}", saved.bans.len(), log[0].text);
    assert!(saved.bans.iter().all(|b| b.bantime == Bantime::Forever && b.ticket.matches.len() == 1));
    assert_eq!(saved.positions.len(), 1);
    store.apply(&changes).unwrap();
    drop(store);
    let again = Store::open(&world.db(), NOW, &mut log).unwrap().load().unwrap();
    assert_eq!((again.bans.len(), log.len()), (3000, 1), "the new file is sound");
}

#[test]
fn no_damage_makes_opening_fail() {
    let world = World::new();
    let changes: Vec<Change> = (0..200)
        .map(|n| ban("sip", ticket(&format!("192.0.2.{n}"), n), Bantime::For(Span::from_secs(600))))
        .chain([Change::Position { jail: "sip".into(), position: position(&world.path("full"), 77) }])
        .collect();
    world.open().apply(&changes).unwrap();
    let sound = fs::read(world.db()).unwrap();
    let mut random = Random(1);
    for round in 0..60 {
        let mut bytes = sound.clone();
        match round % 3 {
            0 => bytes.truncate(random.below(bytes.len())),
            1 => {
                let from = random.below(bytes.len() - 600);
                bytes[from..from + 600].fill(0xff);
            }
            _ => {
                for _ in 0..200 {
                    let at = random.below(bytes.len());
                    bytes[at] ^= 1 << random.below(8);
                }
            }
        }
        fs::write(world.db(), bytes).unwrap();
        let mut log = Vec::new();
        match Store::open(&world.db(), NOW, &mut log) {
            Ok(store) => {
                store.load().unwrap();
            }
            // A flipped bit can also make another version or another column name, and no damage to be seen.
            Err(e) => assert!(!e.is_damage(), "round {round}: {e}"),
        }
        for file in world.files() {
            fs::remove_file(world.path(&file)).unwrap();
        }
    }
}

// ------------------------------------------------------------------ killed, full

#[test]
fn a_kill_in_the_middle_leaves_whole_batches() {
    if let Some(db) = std::env::var_os(CHILD_WRITES) {
        return write_until_killed(Path::new(&db));
    }
    let world = World::new();
    let mut random = Random(7);
    for _ in 0..15 {
        let mut child = again("a_kill_in_the_middle_leaves_whole_batches", CHILD_WRITES, &world.db())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let wanted = random.below(12);
        let mut told: i64 = -1;
        for _ in 0..=wanted {
            told = lines.find_map(|line| line.strip_prefix("applied ")?.parse().ok()).unwrap();
        }
        for _ in 0..random.below(3000) {
            std::hint::spin_loop();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let told = lines.filter_map(|line| line.strip_prefix("applied ")?.parse().ok()).last().unwrap_or(told);

        let mut log = Vec::new();
        let saved = Store::open(&world.db(), NOW, &mut log).unwrap().load().unwrap();
        assert_eq!(log, []);
        let last = saved.positions[0].1.offset as i64;
        assert!(last == told || last == told + 1, "told {told}, found {last}");
        assert_eq!(saved.counters[0].2.retry, last as u32);
        let bans: BTreeSet<Id> = saved.bans.into_iter().map(|b| b.ticket.id).collect();
        let expected: BTreeSet<Id> = (0..=last as u32).flat_map(batch_ids).collect();
        assert_eq!(bans, expected);
    }
}

fn write_until_killed(db: &Path) {
    let mut store = Store::open(db, NOW, &mut Vec::new()).unwrap();
    let next = store.load().unwrap().positions.first().map_or(0, |(_, p)| p.offset as u32 + 1);
    // An end of its own, should nobody kill it.
    for n in next..next + 2000 {
        let mut changes = vec![failures("sip", &Id::parse("203.0.113.1"), n)];
        changes.extend(batch_ids(n).map(|id| ban("sip", ticket(&id.to_string(), 0), Bantime::Forever)));
        changes.push(Change::Position { jail: "sip".into(), position: position(Path::new("/log"), n.into()) });
        store.apply(&changes).unwrap();
        println!("\napplied {n}");
    }
}

fn batch_ids(n: u32) -> impl Iterator<Item = Id> {
    (0..30).map(move |k| Id::Ip(IpAddr::V4(Ipv4Addr::from(0x0a00_0000 + n * 30 + k))))
}

#[test]
fn a_full_disk_takes_nothing_and_later_takes_it_again() {
    if let Some(dir) = std::env::var_os(CHILD_FILLS) {
        return fill_the_disk(Path::new(&dir));
    }
    let dir = tempfile::tempdir().unwrap();
    // In a mount namespace of its own, so that the mount ends with the program.
    let mount = format!("mount -t tmpfs -o size=2m none '{}'", dir.path().display());
    if !Command::new("unshare").args(["--mount", "sh", "-c", &mount]).output().is_ok_and(|out| out.status.success()) {
        println!("skipped: no right to mount a small file system");
        return;
    }
    let child = again("a_full_disk_takes_nothing_and_later_takes_it_again", CHILD_FILLS, dir.path());
    let mut program = Command::new("unshare");
    program.args(["--mount", "sh", "-c", &format!("{mount} && exec \"$0\" \"$@\"")]);
    program.arg(child.get_program()).args(child.get_args()).env(CHILD_FILLS, dir.path());
    let out = program.output().unwrap();
    let text = String::from_utf8_lossy(&out.stdout);
    assert!(out.status.success(), "{text}{}", String::from_utf8_lossy(&out.stderr));
    assert!(text.contains("was full"), "{text}");
}

fn fill_the_disk(dir: &Path) {
    let db = dir.join("db");
    let mut store = Store::open(&db, NOW, &mut Vec::new()).unwrap();
    let batch = |n: u32| -> Vec<Change> {
        batch_ids(n).map(|id| ban("sip", ticket(&id.to_string(), 0), Bantime::Forever)).collect()
    };
    store.apply(&batch(0)).unwrap();
    let filler = dir.join("filler");
    let mut file = File::create(&filler).unwrap();
    while file.write_all(&[0; 512]).is_ok() {}
    let mut written = 1;
    let error = loop {
        match store.apply(&batch(written)) {
            Ok(()) => written += 1,
            Err(e) => break e,
        }
        assert!(written < 1000);
    };
    println!("was full: {error}");
    assert!(!error.is_damage());
    for _ in 0..3 {
        assert!(store.apply(&batch(written)).is_err());
        assert_eq!(store.load().unwrap().bans.len(), 30 * written as usize);
    }
    drop(file);
    fs::remove_file(&filler).unwrap();
    store.apply(&batch(written)).unwrap();
    drop(store);
    let mut log = Vec::new();
    let saved = Store::open(&db, NOW, &mut log).unwrap().load().unwrap();
    assert_eq!((saved.bans.len(), log), (30 * (written as usize + 1), vec![]));
}

// ------------------------------------------------------------------ fail2ban as the judge

#[test]
fn our_tables_are_fail2bans_to_the_last_index() {
    let Some(_) = fail2ban() else { return };
    let (ours, theirs) = (World::new(), World::new());
    ours.open();
    fail2ban_says(&theirs, "dump", &json!({}));
    for table in ["fail2banDb", "jails", "logs", "bans", "bips"] {
        for sql in [
            format!("SELECT * FROM pragma_table_info('{table}') ORDER BY cid"),
            format!(
                "SELECT l.name, l.[unique], l.origin, group_concat(i.name) FROM pragma_index_list('{table}') l,
                 pragma_index_info(l.name) i GROUP BY l.name ORDER BY l.name"
            ),
            format!("SELECT * FROM pragma_foreign_key_list('{table}')"),
        ] {
            assert_eq!(ours.rows(&sql), theirs.rows(&sql), "{sql}");
        }
    }
}

#[test]
fn fail2ban_reads_what_we_wrote() {
    let Some(_) = fail2ban() else { return };
    let world = World::new();
    let log = world.path("full");
    fs::write(&log, "first line\nsecond line\nthird").unwrap();
    let mut store = world.open();
    let told = Ticket { groups: IndexMap::from([("user".to_owned(), "älice".to_owned())]), ..ticket("192.0.2.1", 0) };
    store
        .apply(&[
            Change::Jail { name: "sip".into(), enabled: true },
            ban("sip", told, Bantime::For(Span::from_secs(600))),
            ban("sip", Ticket { bancount: 4, ..ticket("2001:db8::7", 1) }, Bantime::Forever),
            ban("sip", ticket("198.51.100.0/24", 2), Bantime::For(Span(12_500_000))),
            failures("sip", &Id::parse("192.0.2.9"), 2),
            Change::Trust(vec![(address("192.0.2.5"), Some(lease()))]),
            Change::Position { jail: "sip".into(), position: position(&log, 11) },
        ])
        .unwrap();
    let ask = json!({ "jail": "sip", "log": log });
    let expected = json!({
        "jails": ["sip"],
        "bans": [
            ["192.0.2.1", NOW.secs(), 600, 1, 5, ["line é \u{1b}"], "älice"],
            ["198.51.100.0/24", NOW.secs() + 2, 12.5, 1, 5, ["line é \u{1b}"], null],
            ["2001:db8::7", NOW.secs() + 1, -1, 4, 5, ["line é \u{1b}"], null],
        ],
        "merged": ["192.0.2.1", "198.51.100.0/24", "2001:db8::7"],
        "resume": 11,
    });
    // Left behind by a program that was killed: with a write-ahead log beside the file.
    let left = World::new();
    for side in ["", "-wal", "-shm"] {
        fs::copy(world.path(&format!("db{side}")), left.path(&format!("db{side}"))).unwrap();
    }
    assert!(fs::metadata(left.path("db-wal")).unwrap().len() > 0);
    assert_eq!(fail2ban_says(&left, "dump", &ask), expected);
    // Beside us, while we have it open.
    assert_eq!(fail2ban_says(&world, "dump", &ask), expected);
    store.apply(&[failures("sip", &Id::parse("192.0.2.9"), 3)]).unwrap();
    // And after an end in good order.
    drop(store);
    assert_eq!(fail2ban_says(&world, "dump", &ask), expected);
    // fail2ban's purge and its unban are not held up by our tables.
    fail2ban_says(&world, "purge", &json!({ "jail": "sip", "ip": "192.0.2.1" }));
    assert_eq!(world.rows("SELECT ip FROM bips ORDER BY ip"), json!([["198.51.100.0/24"], ["2001:db8::7"]]));
    let saved = world.open().load().unwrap();
    assert_eq!((saved.bans.len(), saved.counters.len(), saved.trust.len()), (2, 1, 1));
    assert_eq!(saved.positions, [("sip".to_owned(), position(&log, 11))]);
}

#[test]
fn we_read_what_fail2ban_wrote() {
    let Some(_) = fail2ban() else { return };
    let world = World::new();
    let log = world.path("full");
    fs::write(&log, "first line\nsecond line\nthird").unwrap();
    let hash = fail2ban_says(&world, "write", &json!({ "log": log, "offset": 23 }));
    let saved = world.open().load().unwrap();
    let mut told = ticket("192.0.2.1", 0);
    told.matches = vec!["1795170000.5 SIP fail é\u{1b}".into(), "plain".into()];
    told.failures = 3;
    told.groups = [("ip4", "192.0.2.1"), ("user", "älice"), ("tuple", r#"["a",1]"#)]
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
        .into();
    let forever = Ticket { matches: vec![], failures: 0, bancount: 6, ..ticket("2001:db8::7", 1) };
    let part = Ticket { matches: vec![], failures: 0, ..ticket("someone", 2) };
    let expected = [
        saved_ban("sip", told, Bantime::For(Span::from_secs(600))),
        saved_ban("sip", forever, Bantime::Forever),
        saved_ban("sip", part, Bantime::For(Span(12_250_000))),
    ];
    assert_eq!(saved.bans, expected);
    let resumed = Position { file: None, ..position(&log, 23) };
    assert_eq!(hash, json!(resumed.first_line));
    assert_eq!(saved.positions, [("sip".to_owned(), resumed)]);
}

#[test]
fn the_journals_place_is_kept_and_fail2ban_sees_its_time() {
    let world = World::new();
    let place = Position {
        path: Position::JOURNAL.into(),
        file: None,
        offset: 1_795_170_000_123_457,
        first_line: Some("s=1;i=2".into()),
    };
    let mut store = world.open();
    store.apply(&[Change::Position { jail: "sip".into(), position: place.clone() }]).unwrap();
    drop(store);
    let logs = "SELECT path, firstlinemd5, lastfilepos FROM logs";
    assert_eq!(world.rows(logs), json!([["systemd-journal", "2026-11-20T10:20:00.123457", 1_795_170_000.123_457]]));
    assert_eq!(world.open().load().unwrap().positions, [("sip".to_owned(), place.clone())]);
    // fail2ban has gone on: only its time is known.
    let conn = rusqlite::Connection::open(world.path("db")).unwrap();
    conn.execute("UPDATE logs SET firstlinemd5 = 'x', lastfilepos = 1795170600.25", []).unwrap();
    drop(conn);
    let gone_on = Position { offset: 1_795_170_600_250_000, first_line: None, ..place };
    assert_eq!(world.open().load().unwrap().positions, [("sip".to_owned(), gone_on)]);
}

#[test]
fn whoever_went_on_last_in_a_log_is_believed() {
    let Some(_) = fail2ban() else { return };
    let world = World::new();
    let log = world.path("full");
    fs::write(&log, "first line\nsecond line\nthird").unwrap();
    let here = |offset| Change::Position { jail: "sip".into(), position: position(&log, offset) };
    world.open().apply(&[here(11)]).unwrap();
    fail2ban_says(&world, "write", &json!({ "log": log, "offset": 23 }));
    let mut store = world.open();
    assert_eq!(store.load().unwrap().positions, [("sip".to_owned(), Position { file: None, ..position(&log, 23) })]);
    store.apply(&[here(24)]).unwrap();
    assert_eq!(store.load().unwrap().positions, [("sip".to_owned(), position(&log, 24))]);
    let empty = Position { first_line: None, ..position(&log, 0) };
    store.apply(&[Change::Position { jail: "sip".into(), position: empty.clone() }]).unwrap();
    assert_eq!(store.load().unwrap().positions, [("sip".to_owned(), empty)]);
    drop(store);
    let says = fail2ban_says(&world, "dump", &json!({ "jail": "sip", "log": log }));
    assert_eq!(says["resume"], json!(null), "fail2ban knows nothing of this log");
}

// ------------------------------------------------------------------ the world

const NOW: Timestamp = Timestamp::from_secs(1_795_170_000);
/// `NOW` in the name of a file that was set aside.
const STAMP: &str = "20261120-102000";
const CHILD_WRITES: &str = "SIPJAIL_TEST_WRITES";
const CHILD_FILLS: &str = "SIPJAIL_TEST_FILLS";

/// A directory with a database.
struct World(TempDir);

impl World {
    fn new() -> World {
        World(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn db(&self) -> PathBuf {
        self.path("db")
    }

    /// Opens the database, which must be done without a complaint.
    fn open(&self) -> Store {
        let mut log: Vec<Record> = Vec::new();
        let store = Store::open(&self.db(), NOW, &mut log).unwrap();
        log.retain(|record| !record.text.contains("upgrading"));
        assert_eq!(log, []);
        store
    }

    fn files(&self) -> Vec<String> {
        fs::read_dir(self.0.path()).unwrap().map(|f| f.unwrap().file_name().into_string().unwrap()).collect()
    }

    fn sql(&self, sql: &str) {
        Connection::open(self.db()).unwrap().execute_batch(sql).unwrap();
    }

    fn rows(&self, sql: &str) -> Value {
        let conn = Connection::open(self.db()).unwrap();
        let mut statement = conn.prepare(sql).unwrap();
        let columns = statement.column_count();
        let rows = statement.query_map([], |row| {
            (0..columns)
                .map(|n| {
                    Ok(match row.get(n)? {
                        rusqlite::types::Value::Null => Value::Null,
                        rusqlite::types::Value::Integer(n) => json!(n),
                        rusqlite::types::Value::Real(n) => json!(n),
                        rusqlite::types::Value::Text(text) => json!(text),
                        rusqlite::types::Value::Blob(bytes) => json!(bytes),
                    })
                })
                .collect()
        });
        rows.unwrap().map(Result::unwrap).collect::<Vec<Value>>().into()
    }

    fn count(&self, table: &str) -> i64 {
        self.rows(&format!("SELECT count(*) FROM {table}"))[0][0].as_i64().unwrap()
    }
}

fn ticket(id: &str, after: i64) -> Ticket {
    Ticket {
        id: Id::parse(id),
        time: Timestamp::from_secs(NOW.secs() + after),
        bantime: None,
        bancount: 1,
        failures: 5,
        matches: vec!["line é \u{1b}".into()],
        groups: IndexMap::new(),
        restored: false,
    }
}

fn ban(jail: &str, ticket: Ticket, bantime: Bantime) -> Change {
    Change::Ban { jail: jail.to_owned(), ticket, bantime }
}

fn saved_ban(jail: &str, ticket: Ticket, bantime: Bantime) -> SavedBan {
    SavedBan { jail: jail.to_owned(), ticket: Ticket { bantime: Some(bantime), restored: true, ..ticket }, bantime }
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn lease() -> Lease {
    Lease { since: Timestamp(NOW.0 - 5), last: NOW, accounts: vec![(u64::MAX, NOW), (0, Timestamp(7))] }
}

fn counter(n: u32) -> Counter {
    Counter { first: NOW, last: NOW, retry: n, failures: n, matches: Texts::default(), accounts: Vec::new() }
}

fn failures(jail: &str, id: &Id, n: u32) -> Change {
    Change::Failures { jail: jail.into(), counters: vec![(id.clone(), Some(counter(n)))] }
}

/// A place in a log whose first line is `first line`.
fn position(path: &Path, offset: u64) -> Position {
    let file = fs::metadata(path).map_or((1, 2), |m| (m.dev(), m.ino()));
    let hash: String = Sha1::digest("first line\n").iter().map(|byte| format!("{byte:02x}")).collect();
    Position { path: path.to_owned(), file: Some(file), offset, first_line: Some(hash) }
}

fn sorted(mut positions: Vec<(String, Position)>) -> Vec<(String, Position)> {
    positions.sort_by(|a, b| a.1.path.cmp(&b.1.path));
    positions
}

/// This test once more, as a program that finds `value` in the environment variable `name`.
fn again(test: &str, name: &str, value: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture", "--test-threads=1"]).env(name, value);
    command
}

/// fail2ban's modules, or a word that they are not there.
fn fail2ban() -> Option<()> {
    let import = ["-c", "import fail2ban.server.database"];
    if Command::new(PYTHON).args(import).output().is_ok_and(|out| out.status.success()) {
        return Some(());
    }
    println!("skipped: fail2ban is not installed");
    None
}

/// What fail2ban does with the database when asked to `what`.
fn fail2ban_says(world: &World, what: &str, ask: &Value) -> Value {
    let mut child = Command::new(PYTHON)
        .args(["-c", JUDGE, what])
        .arg(world.db())
        .arg(ask.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut text = String::new();
    child.stdout.take().unwrap().read_to_string(&mut text).unwrap();
    let out = child.wait_with_output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    serde_json::from_str(&text).unwrap()
}

const PYTHON: &str = "/usr/bin/python3";

/// Uses fail2ban's own classes; prints JSON.
const JUDGE: &str = r#"
import json, sys
from fail2ban.server.database import Fail2BanDb
from fail2ban.server.filter import FileContainer
from fail2ban.server.mytime import MyTime
from fail2ban.server.ticket import FailTicket
# The same present as the test's: a purge would otherwise depend on the day of the run.
MyTime.setTime(1795170000)
what, path, ask = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
db = Fail2BanDb(path)
class Jail:
    name = ask.get("jail", "sip")
    class actions:
        getBanTime = staticmethod(lambda: 600)
jail = Jail()
if what == "dump":
    found = {"jails": sorted(db.getJailNames())}
    if "jail" in ask:
        rows = [[str(t.getID()), t.getTime(), t.getBanTime(), t.getBanCount(), t.getAttempt(), t.getMatches(),
                 t.getData().get("user")]
                for t in db.getCurrentBans(jail=jail, forbantime=-1, fromtime=0, correctBanTime=False)]
        found["bans"] = sorted(rows)
        found["merged"] = sorted(str(t.getID()) for t in db.getBansMerged(jail=jail))
    if "log" in ask:
        found["resume"] = db.addLog(jail, FileContainer(ask["log"], "utf-8"))
    print(json.dumps(found))
elif what == "write":
    db.addJail(jail)
    now = 1795170000
    first = FailTicket("192.0.2.1", now, [["", "1795170000.5", " SIP fail \u00e9\x1b"], "plain"],
                       {"failures": 3, "ip4": "192.0.2.1", "user": "\u00e4lice", "tuple": ["a", 1]})
    first.setBanTime(600)
    forever = FailTicket("2001:db8::7", now + 1)
    forever.setBanTime(-1)
    forever.setBanCount(6)
    part = FailTicket("someone", now + 2)
    part.setBanTime(12.25)
    for n, ticket in enumerate([first, forever, part]):
        if n != 1:
            ticket.setBanCount(1)
        db.addBan(jail, ticket)
    log = FileContainer(ask["log"], "utf-8")
    db.addLog(jail, log)
    log.setPos(ask["offset"])
    db.updateLog(jail, log)
    print(json.dumps(log.getHash()))
elif what == "purge":
    db.delBan(jail, ask["ip"])
    db.purge()
    print("{}")
db.close()
"#;

/// The same sequence every time, so that a failure can be seen again.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end
    }
}
