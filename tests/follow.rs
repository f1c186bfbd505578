//! Following logs through rotation, truncation and restarts: random histories played to the real [`LogFile`] and to a
//! model, the cases in which other followers lose lines, and the thread that follows many logs.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;

use proptest::prelude::*;
use sipjail::config::{FilterSettings, Ignore, JailSettings, LogPath, Spanned, UseDns};
use sipjail::daemon::follow::{Change, FollowJail, Follower, Logs};
use sipjail::daemon::inbox::Message;
use sipjail::filter::Filter;
use sipjail::line::{Position, Unwrap};
use sipjail::record::Record;
use sipjail::source::Source;
use sipjail::source::file::{LogFile, Start};
use sipjail::source::lines::{BLOCK, MAX_LINE};
use sipjail::ticket::Who;
use sipjail::time::{Span, Timestamp};

const NOW: Timestamp = Timestamp::from_secs(1_795_000_000);

/// A log in a directory of its own, its reader, and what was read.
struct World {
    directory: tempfile::TempDir,
    path: PathBuf,
    reader: LogFile,
    now: Timestamp,
    lines: Vec<Vec<u8>>,
    live: Vec<bool>,
    log: Vec<Record>,
}

impl World {
    fn new() -> World {
        World::starting(Start::Head)
    }

    fn starting(start: Start) -> World {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("full");
        let reader = LogFile::new(&path, start);
        World { directory, path, reader, now: NOW, lines: Vec::new(), live: Vec::new(), log: Vec::new() }
    }

    fn read(&mut self) {
        let mut more = true;
        while more {
            let (lines, live) = (&mut self.lines, &mut self.live);
            let mut sink = |batch: sipjail::line::Batch<'_>| {
                assert_eq!(batch.bytes.last(), Some(&b'\n'));
                for line in batch.bytes.split_inclusive(|b| *b == b'\n') {
                    lines.push(line.to_vec());
                    live.push(batch.live);
                }
            };
            more = self.reader.read(self.now, 1000, &mut sink, &mut self.log);
        }
    }

    fn finish(&mut self) {
        let lines = &mut self.lines;
        self.reader.finish(&mut |batch| lines.push(batch.bytes.to_vec()));
    }

    fn restart(&mut self) {
        let start = self.reader.position().map_or(Start::Head, Start::Saved);
        self.reader = LogFile::new(&self.path, start);
    }

    fn append(&self, text: impl AsRef<[u8]>) {
        append(&self.path, text);
    }

    fn name(&self, number: usize) -> PathBuf {
        self.directory.path().join(format!("full.{number}"))
    }

    /// Makes room for a new `full.1`.
    fn shift(&self) {
        let last = (1..).find(|n| !self.name(*n).exists()).expect("there is an end");
        for n in (1..last).rev() {
            fs::rename(self.name(n), self.name(n + 1)).expect("it is renamed");
        }
    }

    fn rotate(&self) {
        self.shift();
        fs::rename(&self.path, self.name(1)).expect("it is renamed");
    }

    fn copytruncate(&self) {
        self.shift();
        fs::copy(&self.path, self.name(1)).expect("it is copied");
        OpenOptions::new().write(true).open(&self.path).expect("it opens").set_len(0).expect("it is truncated");
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.lines.concat()).into_owned()
    }

    fn said(&self, words: &str) -> usize {
        self.log.iter().filter(|record| record.text.contains(words)).count()
    }
}

fn append(path: &std::path::Path, text: impl AsRef<[u8]>) {
    let mut file = OpenOptions::new().append(true).create(true).open(path).expect("it opens");
    file.write_all(text.as_ref()).expect("it is written");
}

// ---- against a model ----

#[derive(Clone, Debug)]
enum Step {
    /// Whole lines and at last perhaps the beginning of one.
    Append {
        lines: u8,
        rest: bool,
    },
    /// The writer has not noticed the rotation yet.
    AppendToRotated {
        lines: u8,
        rest: bool,
    },
    Rotate {
        create: bool,
    },
    CopyTruncate,
    /// Truncated without a copy and written anew at once.
    Truncate {
        lines: u8,
    },
    Remove {
        lines: u8,
    },
    Read,
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0u8..20, any::<bool>()).prop_map(|(lines, rest)| Step::Append { lines, rest }),
        2 => (0u8..5, any::<bool>()).prop_map(|(lines, rest)| Step::AppendToRotated { lines, rest }),
        3 => any::<bool>().prop_map(|create| Step::Rotate { create }),
        2 => Just(Step::CopyTruncate),
        1 => (0u8..60).prop_map(|lines| Step::Truncate { lines }),
        1 => (0u8..10).prop_map(|lines| Step::Remove { lines }),
        5 => Just(Step::Read),
    ]
}

/// What should be read, by generation: the bytes that a name ever held between two rotations.
#[derive(Default)]
struct Model {
    generations: Vec<Vec<u8>>,
    written: usize,
}

impl Model {
    /// New text for a generation; remembers it.
    fn text(&mut self, generation: usize, lines: u8, rest: bool) -> Vec<u8> {
        let mut text = Vec::new();
        for n in 0..lines + u8::from(rest) {
            self.written += 1;
            let pad = self.written * 7 % 50;
            text.extend(format!("|{generation} {} {}", self.written, "x".repeat(pad)).bytes());
            text.extend([0xff, b'\r', 0, 0xe2]);
            if n < lines {
                text.push(b'\n');
            }
        }
        self.generations[generation].extend(&text);
        text
    }

    fn lines(&self) -> BTreeMap<usize, Vec<Vec<u8>>> {
        let mut all = BTreeMap::new();
        for (number, text) in self.generations.iter().enumerate().filter(|g| !g.1.is_empty()) {
            let mut lines: Vec<Vec<u8>> = text.split_inclusive(|b| *b == b'\n').map(<[u8]>::to_vec).collect();
            if let Some(last) = lines.last_mut().filter(|last| last.last() != Some(&b'\n')) {
                last.push(b'\n');
            }
            all.insert(number, lines);
        }
        all
    }
}

/// Read lines by the generation that the first mark in them names.
fn by_generation(lines: &[Vec<u8>]) -> BTreeMap<usize, Vec<Vec<u8>>> {
    let mut all: BTreeMap<usize, Vec<Vec<u8>>> = BTreeMap::new();
    for line in lines {
        let text = String::from_utf8_lossy(line);
        let number = text.strip_prefix('|').and_then(|t| t.split(' ').next()).and_then(|n| n.parse().ok());
        all.entry(number.expect("a line begins with its generation")).or_default().push(line.clone());
    }
    all
}

fn shown(generations: BTreeMap<usize, Vec<Vec<u8>>>) -> Vec<String> {
    generations.into_values().flatten().map(|line| line.escape_ascii().to_string().replace('x', "")).collect()
}

fn play(steps: &[Step]) {
    let mut world = World::new();
    let mut model = Model { generations: vec![Vec::new()], written: 0 };
    world.append(model.text(0, 1, false));
    world.read();
    let mut rotated = None;
    for step in steps {
        let now = model.generations.len() - 1;
        match *step {
            Step::Append { lines, rest } => world.append(model.text(now, lines, rest)),
            Step::AppendToRotated { lines, rest } => {
                if let Some(generation) = rotated {
                    append(&world.name(1), model.text(generation, lines, rest));
                }
            }
            Step::Rotate { create } => {
                if world.path.exists() {
                    world.rotate();
                    rotated = Some(now);
                    model.generations.push(Vec::new());
                    if create {
                        world.append("");
                    }
                }
            }
            Step::CopyTruncate => {
                if let Ok(metadata) = world.path.metadata()
                    && metadata.len() > 0
                {
                    // Bytes that were written and truncated between two looks at an empty file leave no trace.
                    let known = world.reader.position().expect("it was read");
                    if known.file == Some((metadata.dev(), metadata.ino())) && known.offset == 0 {
                        world.read();
                    }
                    world.copytruncate();
                    rotated = None;
                    model.generations.push(Vec::new());
                }
            }
            Step::Truncate { lines } => {
                if world.path.exists() {
                    world.read();
                    File::create(&world.path).expect("it is truncated");
                    let whole = model.generations[now].iter().rposition(|b| *b == b'\n').map_or(0, |n| n + 1);
                    model.generations[now].truncate(whole);
                    model.generations.push(Vec::new());
                    world.append(model.text(now + 1, lines, false));
                    world.read();
                }
            }
            Step::Remove { lines } => {
                if world.path.exists() {
                    world.read();
                    fs::remove_file(&world.path).expect("it is removed");
                    model.generations.push(Vec::new());
                    world.append(model.text(now + 1, lines, false));
                    world.read();
                }
            }
            Step::Read => world.read(),
        }
    }
    world.read();
    world.finish();
    assert_eq!(shown(by_generation(&world.lines)), shown(model.lines()));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_line_is_read_once_and_in_order(steps in proptest::collection::vec(any_step(), 0..40)) {
        play(&steps);
    }

    #[test]
    fn a_restart_loses_and_repeats_nothing(steps in proptest::collection::vec(0u8..10, 0..40)) {
        let mut world = World::new();
        let mut model = Model { generations: vec![Vec::new()], written: 0 };
        world.append(model.text(0, 1, false));
        world.read();
        for step in steps {
            let now = model.generations.len() - 1;
            match step {
                0..=3 => world.append(model.text(now, step * 3 + 1, false)),
                4..=5 if world.path.metadata().is_ok_and(|m| m.len() > 0) => {
                    world.rotate();
                    model.generations.push(Vec::new());
                    if step == 5 {
                        world.append("");
                    }
                }
                6..=7 => world.read(),
                8 => world.restart(),
                _ => {
                    world.read();
                    world.restart();
                }
            }
        }
        world.read();
        prop_assert_eq!(shown(by_generation(&world.lines)), shown(model.lines()));
    }

    #[test]
    fn a_link_that_points_elsewhere_is_followed(steps in proptest::collection::vec(0u8..8, 0..30)) {
        let mut world = World::new();
        let mut model = Model { generations: vec![Vec::new()], written: 0 };
        let target = |n: usize| format!("target{n}x");
        let at = |world: &World, n: usize| world.directory.path().join(target(n));
        append(&at(&world, 0), model.text(0, 1, false));
        symlink(target(0), &world.path).expect("it is linked");
        world.read();
        for step in steps {
            let now = model.generations.len() - 1;
            match step {
                0..=2 => append(&at(&world, now), model.text(now, step * 3, step == 1)),
                3 if now > 0 => append(&at(&world, now - 1), model.text(now - 1, 2, false)),
                4..=5 => {
                    model.generations.push(Vec::new());
                    append(&at(&world, now + 1), model.text(now + 1, step - 4, false));
                    fs::remove_file(&world.path).expect("it is removed");
                    symlink(target(now + 1), &world.path).expect("it is linked");
                    world.read();
                }
                _ => world.read(),
            }
        }
        world.read();
        world.finish();
        prop_assert_eq!(shown(by_generation(&world.lines)), shown(model.lines()));
    }
}

// ---- cases in which other followers lose lines ----

#[test]
fn twenty_rotations_lose_nothing() {
    for pause in [0, 1, 7] {
        let mut world = World::new();
        let mut expected = String::new();
        world.append("");
        world.read();
        for rotation in 0..=20 {
            for n in 0..190 {
                let line = format!("rotation {rotation} line {n}\n");
                world.append(&line);
                expected += &line;
                if pause > 0 && n % (pause * 13) == 0 {
                    world.read();
                }
            }
            if rotation < 20 {
                world.rotate();
                for n in 0..3 {
                    let line = format!("rotation {rotation} late line {n}\n");
                    append(&world.name(1), &line);
                    expected += &line;
                }
                world.append("");
            }
        }
        world.read();
        assert_eq!(world.lines.len(), 21 * 190 + 60);
        assert_eq!(world.text(), expected, "{pause}");
    }
}

#[test]
fn a_file_that_has_grown_past_the_old_place_is_new() {
    let mut world = World::new();
    world.append("a1\na2\n");
    world.read();
    fs::write(&world.path, "c1xxxxxxxxxxxxx\nc2\n").expect("it is written");
    world.read();
    assert_eq!(world.text(), "a1\na2\nc1xxxxxxxxxxxxx\nc2\n");
    fs::write(&world.path, "d1xxxxxxxxxxxxx\nd2\n").expect("the same size again");
    world.read();
    assert!(world.text().ends_with("d1xxxxxxxxxxxxx\nd2\n"));
    assert_eq!(world.said("Log rotation detected"), 2);
}

#[test]
fn what_was_written_before_copytruncate_is_in_the_copy() {
    let mut world = World::new();
    world.append("a1\na2\nhal");
    world.read();
    world.append("f\na4\n");
    world.copytruncate();
    world.append("b1\n");
    world.read();
    assert_eq!(world.text(), "a1\na2\nhalf\na4\nb1\n");
}

#[test]
fn a_log_that_is_made_later_is_live_if_it_was_seen_empty() {
    let mut world = World::new();
    world.path = world.directory.path().join("later/full");
    world.reader = LogFile::new(&world.path, Start::Head);
    world.read();
    world.read();
    assert_eq!(world.said("does not exist"), 1);
    fs::create_dir(world.directory.path().join("later")).expect("it is made");
    world.append("");
    world.read();
    world.append("a\n");
    world.read();
    assert_eq!((world.text().as_str(), &world.live[..]), ("a\n", &[true][..]));
}

#[test]
fn what_is_there_at_first_sight_is_not_live() {
    let mut world = World::new();
    world.append("a\n");
    world.read();
    world.append("b\n");
    world.read();
    fs::remove_file(&world.path).expect("it is removed");
    world.append("a\nb\n");
    world.read();
    world.append("c\n");
    world.read();
    assert_eq!(world.live, [false, true, false, false, true]);
}

#[test]
fn a_file_that_was_empty_and_is_replaced_is_read_once() {
    let mut world = World::new();
    world.append("");
    world.read();
    let other = world.directory.path().join("new");
    append(&other, "l1\nl2\n");
    fs::rename(&other, &world.path).expect("it is renamed");
    world.read();
    world.append("l3\n");
    world.read();
    assert_eq!(world.text(), "l1\nl2\nl3\n");
}

#[test]
fn two_writes_are_one_line() {
    let mut world = World::new();
    world.append("Failed password for inv");
    world.read();
    assert!(world.lines.is_empty());
    world.append("alid user x from 192.0.2.1\n");
    world.read();
    assert_eq!(world.text(), "Failed password for invalid user x from 192.0.2.1\n");
}

#[test]
fn bytes_that_are_no_text_pass() {
    let mut world = World::new();
    world.append(b"a\xff\xfe\0\r\n\xe2\x80\n");
    world.read();
    assert_eq!(world.lines, [&b"a\xff\xfe\0\r\n"[..], b"\xe2\x80\n"]);
}

#[test]
fn a_flood_without_newlines_needs_little_memory_and_ends_with_one() {
    let mut world = World::new();
    world.append("before\n");
    let block = vec![b'x'; 1024 * 1024];
    for _ in 0..20 {
        world.append(&block);
    }
    world.read();
    assert!(world.reader.memory() <= 2 * (BLOCK + MAX_LINE), "{}", world.reader.memory());
    world.append("\nafter\n");
    world.read();
    let lengths: Vec<usize> = world.lines.iter().map(Vec::len).collect();
    assert_eq!(lengths, [7, MAX_LINE + 1, 6]);
    assert_eq!(world.said("longer than"), 1);
    assert_eq!(world.reader.position().map(|p| p.offset), Some(20 * 1024 * 1024 + 7 + 7));
}

#[test]
fn a_rotation_while_we_were_away_loses_nothing() {
    let mut world = World::new();
    world.append("a1\na2\n");
    world.read();
    world.append("a3\n");
    world.rotate();
    world.append("b1\n");
    world.rotate();
    world.append("c1\n");
    world.restart();
    world.read();
    assert_eq!(world.text(), "a1\na2\na3\nb1\nc1\n");
    assert_eq!(world.live, [false; 5]);
}

#[test]
fn copytruncate_while_we_were_away_loses_nothing() {
    let mut world = World::new();
    world.append("a1\na2\n");
    world.read();
    world.append("a3\n");
    world.copytruncate();
    world.append("b1\n");
    world.restart();
    world.read();
    assert_eq!(world.text(), "a1\na2\na3\nb1\n");
}

#[test]
fn a_saved_place_holds_for_the_same_log_only() {
    let mut world = World::new();
    world.append("a1\na2\n");
    world.read();
    let saved = world.reader.position().expect("it was read");
    assert_eq!(saved.first_line.as_deref(), Some("e6d9715dfa5fe5c5f5d9ceaff57a256115e2e91c"));
    world.append("a3\n");

    let elsewhere = Position { file: Some((1, 1)), ..saved.clone() };
    let unknown = Position { file: None, ..saved.clone() };
    let middle = Position { offset: 4, ..saved.clone() };
    let beyond = Position { offset: 400, ..saved.clone() };
    let other = Position { first_line: Some("0".repeat(40)), ..saved.clone() };
    for (position, text) in [
        (saved, "a3\n"),
        (elsewhere, "a3\n"),
        (unknown, "a3\n"),
        (middle, "a1\na2\na3\n"),
        (beyond, "a1\na2\na3\n"),
        (other, "a1\na2\na3\n"),
    ] {
        world.lines.clear();
        world.reader = LogFile::new(&world.path, Start::Saved(position.clone()));
        world.read();
        assert_eq!(world.text(), text, "{position:?}");
    }
}

#[test]
fn the_position_lies_behind_the_last_whole_line() {
    let mut world = World::new();
    world.append("a1\na2\nhalf");
    assert_eq!(world.reader.position(), None);
    world.read();
    assert_eq!(world.reader.position().map(|p| p.offset), Some(6));
    world.restart();
    world.append(" done\n");
    world.read();
    assert_eq!(world.text(), "a1\na2\nhalf done\n");
}

#[test]
fn tail_begins_behind_the_last_whole_line() {
    let mut world = World::starting(Start::Tail);
    world.append("old\nhal");
    world.read();
    world.append("f\nnew\n");
    world.read();
    assert_eq!((world.text().as_str(), &world.live[..]), ("half\nnew\n", &[true, true][..]));
}

#[test]
fn a_log_begins_where_it_may_matter() {
    let mut world = World::new();
    let lines: String = (0..2000).map(|n| format!("{:08} {}\n", n, "x".repeat(100))).collect();
    world.append(&lines);
    let mut date = |line: &[u8]| std::str::from_utf8(&line[..8]).ok()?.parse().ok().map(Timestamp::from_secs);
    world.reader.begin(world.now, Timestamp::from_secs(1940), &mut date, &mut world.log);
    world.read();
    assert!(world.lines.len() >= 60 && world.lines.len() < 400, "{}", world.lines.len());
    assert!(world.text().ends_with(&lines[1940 * 110..]));
}

#[test]
fn a_rotated_file_is_closed_when_nobody_writes_to_it_any_more() {
    let mut world = World::new();
    world.append("a1\nhalf");
    world.read();
    world.rotate();
    world.append("");
    world.now = world.now + Span::from_secs(3600);
    world.read();
    assert!(world.reader.is_draining());
    world.append("b1\n");
    world.read();
    assert_eq!(world.reader.due(), Some(world.now + Span::from_secs(10)));
    world.now = world.now + Span::from_secs(9);
    append(&world.name(1), " done\nlast");
    world.read();
    world.now = world.now + Span::from_secs(9);
    world.read();
    assert!(world.reader.is_draining());
    world.now = world.now + Span::from_secs(1);
    world.read();
    assert!(!world.reader.is_draining());
    assert_eq!(world.reader.due(), None);
    assert_eq!(world.text(), "a1\nb1\nhalf done\nlast\n");
}

#[test]
fn a_removed_log_is_let_go_in_the_end() {
    let mut world = World::new();
    world.append("a1\nhalf");
    world.read();
    fs::remove_file(&world.path).expect("it is removed");
    world.read();
    world.now = world.now + Span::from_secs(60);
    world.read();
    assert!(!world.reader.is_open());
    world.append("b1\n");
    world.read();
    assert_eq!(world.text(), "a1\nhalf\nb1\n");
}

#[test]
fn what_is_no_file_is_named_once_and_followed_when_it_is_one() {
    for make in [fs::create_dir::<PathBuf>, |path| {
        rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, 0o600.into(), 0).map_err(Into::into)
    }] {
        let mut world = World::new();
        make(world.path.clone()).expect("it is made");
        world.read();
        world.read();
        assert_eq!(world.log.len(), 1, "{:?}", world.log);
        fs::remove_dir(&world.path).or_else(|_| fs::remove_file(&world.path)).expect("it is removed");
        world.append("a\n");
        world.read();
        assert_eq!(world.text(), "a\n");
    }
}

// ---- all logs of all jails ----

const FAILED: &str = r"^\s*(?:\[\]\s*)?(?:NOTICE\[\d+\] x\.c: )?failed from <HOST>$";

fn jail(name: &str, logs: &[&std::path::Path]) -> JailSettings {
    let path = |path: &&std::path::Path| LogPath { pattern: path.display().to_string(), tail: false, also: false };
    JailSettings {
        filter: FilterSettings { failregex: vec![Spanned::bare(FAILED)], maxlines: 1, ..FilterSettings::default() },
        logpath: logs.iter().map(path).collect(),
        unwrap: Unwrap::Auto,
        usedns: UseDns::No,
        maxretry: 5,
        ignore: Ignore::default(),
        ..JailSettings::bare(name, "auto")
    }
}

fn followed(jails: &[JailSettings]) -> Vec<FollowJail> {
    let zone = jiff::tz::TimeZone::UTC;
    jails.iter().map(|jail| FollowJail::new(jail, Filter::new(jail, &zone).expect("it compiles").0)).collect()
}

/// A dated line of a failure.
fn failed(time: Timestamp, address: &str) -> String {
    format!("[{}] NOTICE[1] x.c: failed from {address}\n", time.in_zone(&jiff::tz::TimeZone::UTC))
}

/// What one step says, in short: `+JAIL ADDRESS`, `@JAIL OFFSET`, `=JAIL NAMES`.
fn say(messages: &mut Vec<String>, message: Message) {
    let name = |path: &PathBuf| path.file_name().expect("a name").to_string_lossy().into_owned();
    match message {
        Message::Failures(all) => messages.extend(all.iter().map(|(jail, failure)| match &failure.who {
            Who::Id(id) => format!("+{jail} {id}"),
            Who::Name(name) => format!("+{jail} {name}"),
        })),
        Message::Positions(all) => messages.extend(all.iter().map(|(jail, p)| format!("@{jail} {}", p.offset))),
        Message::Files { jail, files } => {
            messages.push(format!("={jail} {}", files.iter().map(name).collect::<Vec<_>>().join(" ")));
        }
        Message::Log(record) => messages.push(format!("#{}", record.text)),
        _ => panic!("a follower says nothing else"),
    }
}

fn step(logs: &mut Logs, now: Timestamp) -> Vec<String> {
    let mut said = Vec::new();
    logs.touch_all();
    while logs.step(now, &mut |message| say(&mut said, message)) {}
    said
}

fn seconds(n: i64) -> Timestamp {
    NOW + Span::from_secs(n)
}

#[test]
fn failures_come_before_the_position_behind_them() {
    let world = World::new();
    world.append(failed(NOW, "192.0.2.1") + "other\n" + &failed(NOW - Span::from_secs(3600), "192.0.2.9"));
    let mut logs = Logs::new(followed(&[jail("a", &[&world.path]), jail("b", &[&world.path])]));
    let size = world.path.metadata().expect("it is there").len();
    let expected = ["=a full".to_owned(), "=b full".to_owned(), "+a 192.0.2.1".to_owned(), "+b 192.0.2.1".to_owned()];
    let positions = [format!("@a {size}"), format!("@b {size}")];
    let said: Vec<String> = step(&mut logs, NOW).into_iter().filter(|text| !text.starts_with('#')).collect();
    assert_eq!(said, [&expected[..], &positions[..]].concat());
    assert!(step(&mut logs, seconds(1)).is_empty());

    world.append("no date: x\n");
    assert_eq!(step(&mut logs, seconds(2)), [format!("@a {}", size + 11), format!("@b {}", size + 11)]);
    world.append("more\n");
    assert!(step(&mut logs, seconds(2)).is_empty(), "positions come once a second at most");
    assert_eq!(logs.due(), Some(seconds(3)));
    assert_eq!(step(&mut logs, seconds(3)).len(), 2);
    assert_eq!(logs.due(), None);
}

#[test]
fn wrapped_lines_are_unwrapped() {
    let world = World::new();
    world.append("");
    let mut logs = Logs::new(followed(&[jail("a", &[&world.path])]));
    step(&mut logs, NOW);
    let log = failed(NOW, "192.0.2.1").replace('\n', "\\n");
    world.append(format!("{{\"log\":\"{log}\",\"stream\":\"stdout\",\"time\":\"2026-11-18T11:06:40Z\"}}\n"));
    world.append(failed(NOW, "192.0.2.2").replace("NOTICE", "\x1b[1;33mNO\x1b[0mTICE"));
    world.append(format!("Nov 18 11:06:40 pbx asterisk[9]: {}", &failed(NOW, "192.0.2.3")[22..]));
    let found: Vec<_> = step(&mut logs, NOW).into_iter().filter(|text| text.starts_with('+')).collect();
    assert_eq!(found, ["+a 192.0.2.1", "+a 192.0.2.2", "+a 192.0.2.3"]);
}

#[test]
fn logs_that_appear_later_are_followed_by_their_pattern() {
    let world = World::new();
    let pattern = world.directory.path().join("*/full*");
    let mut logs = Logs::new(followed(&[jail("a", &[&pattern])]));
    assert_eq!(step(&mut logs, NOW), ["=a "]);
    assert_eq!(logs.directories().into_iter().collect::<Vec<_>>(), [(canonical(&world), false)]);
    fs::create_dir(world.directory.path().join("x")).expect("it is made");
    append(&world.directory.path().join("x/full.log"), "");
    assert_eq!(step(&mut logs, NOW), ["=a full.log", "@a 0"]);
    assert_eq!(logs.directories().len(), 2);
    append(&world.directory.path().join("x/full.log"), failed(NOW, "192.0.2.1"));
    assert_eq!(step(&mut logs, NOW)[0], "+a 192.0.2.1");
    append(&world.directory.path().join("x/full2"), "");
    assert_eq!(step(&mut logs, seconds(2))[0], "=a full.log full2");

    fs::remove_dir_all(world.directory.path().join("x")).expect("it is removed");
    step(&mut logs, seconds(3));
    step(&mut logs, seconds(70));
    assert_eq!(step(&mut logs, seconds(71)), ["=a "]);
}

fn canonical(world: &World) -> PathBuf {
    world.directory.path().canonicalize().expect("it is there")
}

#[test]
fn only_the_first_log_that_exists_is_read_and_a_rotation_changes_nothing() {
    let world = World::new();
    let other = world.directory.path().join("messages");
    append(&other, "");
    let mut settings = jail("a", &[&world.path, &other]);
    settings.logpath_first = true;
    let mut logs = Logs::new(followed(&[settings]));
    assert_eq!(step(&mut logs, NOW)[0], "=a messages");
    world.append("");
    assert!(step(&mut logs, seconds(2)).is_empty(), "a better one does not take over");
    fs::rename(&other, world.directory.path().join("messages.1")).expect("it is renamed");
    assert!(step(&mut logs, seconds(3)).is_empty(), "it may come back at once");
    append(&other, failed(NOW, "192.0.2.1"));
    assert!(step(&mut logs, seconds(4)).contains(&"+a 192.0.2.1".to_owned()));
    fs::remove_file(&other).expect("it is removed");
    assert!(step(&mut logs, seconds(5)).is_empty());
    assert_eq!(step(&mut logs, seconds(66))[0], "=a full");
}

#[test]
fn a_reload_goes_on_where_it_was_and_new_jails_catch_up() {
    let world = World::new();
    world.append(failed(NOW, "192.0.2.1"));
    let other = world.directory.path().join("other");
    append(&other, "");
    let mut logs = Logs::new(followed(&[jail("a", &[&world.path]), jail("c", &[&other])]));
    step(&mut logs, NOW);
    let mut said = Vec::new();
    logs.reload(followed(&[jail("b", &[&world.path]), jail("a", &[&world.path])]), NOW, &mut |m| say(&mut said, m));
    said.extend(step(&mut logs, NOW));
    assert_eq!(said[..3], ["=b full", "=a full", "+b 192.0.2.1"]);
    world.append(failed(NOW, "192.0.2.2"));
    said = step(&mut logs, NOW);
    said.sort();
    assert_eq!(said[..2], ["+a 192.0.2.2", "+b 192.0.2.2"]);
    assert!(said[2..].iter().all(|text| text.starts_with('@')), "{said:?}");
    append(&other, failed(NOW, "192.0.2.3"));
    assert!(step(&mut logs, seconds(2)).iter().all(|text| text.starts_with('@')));
}

#[test]
fn a_jail_that_goes_and_comes_back_reads_on_and_the_others_notice_nothing() {
    let world = World::new();
    world.append(failed(NOW, "192.0.2.1"));
    let one = |name: &str| followed(&[jail(name, &[&world.path])]).remove(0);
    let mut logs = Logs::new(vec![one("a"), one("b")]);
    let found = |said: Vec<String>| said.into_iter().filter(|text| text.starts_with('+')).collect::<Vec<_>>();
    step(&mut logs, NOW);
    let mut said = Vec::new();
    logs.remove("a", NOW, &mut |m| say(&mut said, m));
    world.append(failed(NOW, "192.0.2.2"));
    assert_eq!(found(step(&mut logs, NOW)), ["+b 192.0.2.2"]);
    logs.put(one("a"), NOW, &mut |m| say(&mut said, m));
    assert_eq!(found(step(&mut logs, NOW)), ["+a 192.0.2.2"], "what came meanwhile, and nothing twice");
    logs.put(one("b"), NOW, &mut |m| say(&mut said, m));
    world.append(failed(NOW, "192.0.2.3"));
    let mut both = found(step(&mut logs, NOW));
    both.sort();
    assert_eq!(both, ["+a 192.0.2.3", "+b 192.0.2.3"]);
    logs.remember(vec![("c".to_owned(), Position { offset: 0, ..position(&world) })]);
    logs.remember(vec![("d".to_owned(), position(&world))]);
    logs.put(one("d"), NOW, &mut |m| say(&mut said, m));
    assert_eq!(found(step(&mut logs, NOW)), [""; 0], "it was there in an earlier run");
    logs.put(one("c"), NOW, &mut |m| say(&mut said, m));
    assert_eq!(found(step(&mut logs, NOW)).len(), 3);
}

/// The end of the log.
fn position(world: &World) -> Position {
    let mut file = LogFile::new(&world.path, Start::Head);
    while file.read(NOW, 1000, &mut |_| {}, &mut Vec::new()) {}
    file.position().expect("it is open")
}

#[test]
fn failures_are_followed_by_the_position_behind_them() {
    let world = World::new();
    world.append("");
    let mut logs = Logs::new(followed(&[jail("a", &[&world.path])]));
    step(&mut logs, NOW);
    for n in 1..=3 {
        let line = failed(NOW, "192.0.2.1");
        world.append(line.repeat(100));
        let said = step(&mut logs, NOW);
        assert_eq!(said.len(), 101, "{said:?}");
        assert_eq!(said[100], format!("@a {}", n * 100 * line.len()));
    }
}

#[test]
fn a_directory_in_a_log_s_place_is_named_once() {
    let mut world = World::new();
    world.append("a\n");
    world.read();
    for round in 1..=2 {
        fs::remove_file(&world.path).expect("it is removed");
        fs::create_dir(&world.path).expect("it is made");
        (0..5).for_each(|_| world.read());
        assert_eq!(world.said("is a directory"), round);
        fs::remove_dir(&world.path).expect("it is removed");
        world.append("b\n");
        world.read();
    }
    assert_eq!(world.text(), "a\nb\nb\n");
}

#[test]
fn every_jail_begins_where_it_was() {
    let world = World::new();
    world.append(failed(NOW, "192.0.2.1"));
    let mut logs = Logs::new(followed(&[jail("a", &[&world.path])]));
    let mut saved = Vec::new();
    logs.step(NOW, &mut |message| {
        if let Message::Positions(positions) = message {
            saved.extend(positions.into_iter().map(|(_, position)| position));
        }
    });
    world.append(failed(NOW, "192.0.2.2"));
    let mut jails = followed(&[jail("a", &[&world.path]), jail("b", &[&world.path])]);
    jails[0].saved = saved;
    let mut logs = Logs::new(jails);
    let mut found: Vec<_> = step(&mut logs, NOW).into_iter().filter(|text| text.starts_with('+')).collect();
    found.sort();
    assert_eq!(found, ["+a 192.0.2.2", "+b 192.0.2.1", "+b 192.0.2.2"]);
}

#[test]
fn a_log_that_says_tail_begins_at_its_end_whatever_was_saved() {
    let world = World::new();
    world.append(failed(NOW, "192.0.2.1"));
    let mut tail = jail("a", &[&world.path]);
    tail.logpath[0].tail = true;
    let mut jails = followed(&[tail]);
    jails[0].saved = vec![Position { path: world.path.clone(), file: None, offset: 0, first_line: None }];
    let mut logs = Logs::new(jails);
    let found = |logs: &mut Logs| step(logs, NOW).into_iter().filter(|text| text.starts_with('+')).collect::<Vec<_>>();
    assert_eq!(found(&mut logs), [""; 0]);
    // In operation from the start: what is old counts as just written.
    world.append(failed(NOW - Span::from_secs(3600), "192.0.2.2"));
    assert_eq!(found(&mut logs), ["+a 192.0.2.2"]);
}

#[test]
fn what_is_heard_is_read_and_nothing_else() {
    let world = World::new();
    let other = world.directory.path().join("other");
    world.append("");
    append(&other, "");
    let mut logs = Logs::new(followed(&[jail("a", &[&world.path]), jail("b", &[&other])]));
    step(&mut logs, NOW);
    world.append("x\n");
    append(&other, "x\n");
    let mut said = Vec::new();
    logs.heard(&canonical(&world), "other".as_ref(), Change::Content);
    logs.heard(&canonical(&world), "unknown".as_ref(), Change::Files);
    logs.step(seconds(2), &mut |message| say(&mut said, message));
    assert_eq!(said, ["@b 2"]);
}

/// A follower with its thread, and what it sends.
struct Running {
    follower: Follower,
    inbox: Receiver<Message>,
    said: Vec<String>,
}

impl Running {
    fn start(jails: &[JailSettings]) -> Running {
        let (sender, inbox) = sync_channel(4);
        let follower = Follower::with_clock(followed(jails), Vec::new(), Arc::new(|| NOW), move |message| {
            sender.send(message).is_ok()
        })
        .expect("it starts");
        Running { follower, inbox, said: Vec::new() }
    }

    /// Waits until something is said, and forgets everything up to it.
    fn until(&mut self, text: &str) {
        loop {
            if let Some(at) = self.said.iter().position(|said| said == text) {
                self.said.drain(..=at);
                return;
            }
            match self.inbox.recv_timeout(Duration::from_secs(20)) {
                Ok(message) => say(&mut self.said, message),
                Err(_) => panic!("`{text}` is missing: {:?}", self.said),
            }
        }
    }
}

#[test]
fn the_thread_hears_of_everything_that_happens_to_a_log() {
    let world = World::new();
    let path = world.directory.path().join("later/asterisk/full");
    let mut running = Running::start(&[jail("a", &[&path])]);
    running.until("=a ");
    fs::create_dir(world.directory.path().join("later")).expect("it is made");
    fs::create_dir(world.directory.path().join("later/asterisk")).expect("it is made");
    append(&path, failed(NOW, "192.0.2.1"));
    running.until("=a full");
    running.until("+a 192.0.2.1");
    append(&path, failed(NOW, "192.0.2.2"));
    running.until("+a 192.0.2.2");
    let rotated = path.with_file_name("full.1");
    fs::rename(&path, &rotated).expect("it is renamed");
    append(&rotated, failed(NOW, "192.0.2.3"));
    append(&path, failed(NOW, "192.0.2.4"));
    running.until("+a 192.0.2.3");
    running.until("+a 192.0.2.4");
    append(&rotated, failed(NOW, "192.0.2.5"));
    running.until("+a 192.0.2.5");
    File::create(&path).expect("it is truncated");
    append(&path, failed(NOW, "192.0.2.6"));
    running.until("+a 192.0.2.6");
    let real = world.directory.path().join("real");
    append(&real, failed(NOW, "192.0.2.7"));
    let link = path.with_file_name("link");
    symlink(&real, &link).expect("it is linked");
    fs::rename(&link, &path).expect("it is renamed");
    running.until("+a 192.0.2.7");
    append(&real, failed(NOW, "192.0.2.8"));
    running.until("+a 192.0.2.8");

    running.follower.reload(followed(&[jail("b", &[&real])]));
    running.until("=b real");
    append(&real, failed(NOW, "192.0.2.9"));
    running.until("+b 192.0.2.9");
    running.follower.stop();
    running.until(&format!("@b {}", real.metadata().expect("it is there").len()));
    while running.inbox.recv().is_ok() {}
}

#[test]
fn a_full_inbox_makes_the_thread_wait_and_loses_nothing() {
    let world = World::new();
    world.append("");
    let mut running = Running::start(&[jail("a", &[&world.path])]);
    running.until("=a full");
    for n in 0..2000 {
        world.append(failed(NOW, &format!("192.0.2.{}", n % 250)));
    }
    for n in 0..2000 {
        running.until(&format!("+a 192.0.2.{}", n % 250));
    }
    running.follower.stop();
    while running.inbox.recv().is_ok() {}
}

#[test]
fn twenty_rotations_without_a_pause_lose_nothing_while_the_thread_reads() {
    let world = World::new();
    world.append("");
    let mut running = Running::start(&[jail("a", &[&world.path])]);
    running.until("@a 0");
    let mut written = 0;
    let mut line = || {
        written += 1;
        failed(NOW, &format!("2001:db8::{written:x}"))
    };
    for rotation in 0..=20 {
        for _ in 0..if rotation < 20 { 190 } else { 210 } {
            world.append(line());
        }
        if rotation < 20 {
            world.rotate();
            append(&world.name(1), line());
            append(&world.name(1), line());
        }
    }
    assert_eq!(written, 4050);
    let mut missing: std::collections::HashSet<String> = (1..=written).map(|n| format!("+a 2001:db8::{n:x}")).collect();
    while !missing.is_empty() {
        match running.inbox.recv_timeout(Duration::from_secs(20)) {
            Ok(message) => say(&mut running.said, message),
            Err(_) => panic!("{} lines are missing", missing.len()),
        }
        for said in running.said.drain(..).filter(|said| said.starts_with('+')) {
            assert!(missing.remove(&said), "{said} was read twice");
        }
    }
    running.follower.stop();
    while running.inbox.recv().is_ok() {}
}

#[test]
fn a_thread_to_which_nobody_listens_ends() {
    let world = World::new();
    world.append(failed(NOW, "192.0.2.1"));
    let Running { follower, inbox, .. } = Running::start(&[jail("a", &[&world.path])]);
    drop(inbox);
    world.append(failed(NOW, "192.0.2.2"));
    while !follower.is_finished() {
        std::thread::yield_now();
    }
}

#[test]
fn an_order_that_comes_together_with_others_is_not_left_lying() {
    let world = World::new();
    world.append("");
    for orders in 1..40 {
        let mut running = Running::start(&[jail("a", &[&world.path])]);
        running.until("=a full");
        (0..orders % 4).for_each(|_| running.follower.look());
        running.follower.stop();
        loop {
            match running.inbox.recv_timeout(Duration::from_secs(20)) {
                Ok(_) => {}
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("it was told to stop"),
            }
        }
    }
}
