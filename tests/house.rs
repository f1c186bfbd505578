//! The house stays a house: imports point down, no stage imports another, and only the daemon knows threads and clocks.

use std::fs;
use std::path::{Path, PathBuf};

/// Modules from the ground floor up; what stands in one line may not import what stands below or beside it.
const FLOORS: &[&[&str]] = &[
    &["addr", "error", "expr", "line", "record", "script", "text", "ticket", "time", "word", "zone"],
    &["config"],
    &["source", "filter", "jail", "firewall", "store"],
    &["engine"],
    &["command"],
    &["compat"],
    &["daemon"],
    &["cli"],
];

/// What starts a thread or reads a clock.
const DAEMONS_OWN: &[&str] = &[
    "thread::spawn",
    "thread::Builder",
    "thread::scope",
    "Instant::now",
    "SystemTime",
    "Zoned::now",
    "Timestamp::now",
];

#[test]
fn imports_point_down() {
    let mut wrong = Vec::new();
    for File { name, room, path, text } in files() {
        // So many times `super` leads out of the room.
        let depth = path.len();
        for (number, line) in text.lines().enumerate() {
            let mut imported = after(line, "crate::");
            imported.extend(after(line, &"super::".repeat(depth)));
            for module in imported.iter().filter(|module| floor_of(module).is_some_and(|at| !may_import(&room, at))) {
                if *module != room {
                    wrong.push(format!("src/{name}:{}: imports `{module}`", number + 1));
                }
            }
            let grouped = line.contains("crate::{") || line.contains("sipjail::");
            if grouped && !line.trim_start().starts_with("//") {
                wrong.push(format!("src/{name}:{}: name the module as `crate::module`, one a line", number + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn only_the_daemon_knows_threads_and_clocks() {
    let mut wrong = Vec::new();
    for File { name, text, .. } in files().into_iter().filter(|file| file.room != "daemon") {
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for (number, line) in code.lines().enumerate() {
            wrong.extend(
                DAEMONS_OWN
                    .iter()
                    .filter(|own| line.contains(**own))
                    .map(|own| format!("src/{name}:{}: `{own}`", number + 1)),
            );
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_room_has_a_floor_and_an_opening_paragraph() {
    let front = fs::read_to_string(source().join("lib.rs")).expect("it can be read");
    let (page, modules) = front.split_once("\npub mod ").expect("it declares modules");
    for room in modules.split("pub mod ").filter_map(|rest| rest.split(';').next()) {
        let room = room.trim();
        assert!(floor_of(room).is_some(), "`{room}` has no floor: name it in this file");
        let named = [format!("[`{room}`]"), format!("[`mod@{room}`]")];
        assert!(named.iter().any(|n| page.contains(n)), "the front page in src/lib.rs does not name `{room}`");
    }
    for File { name, text, .. } in files() {
        assert!(text.starts_with("//! "), "src/{name} does not say what it is for");
    }
}

/// A room may import what lies below it; the leaves may know each other.
fn may_import(room: &str, floor: usize) -> bool {
    let own = floor_of(room).unwrap_or_else(|| panic!("`{room}` has no floor: name it in this file"));
    floor < own || own == 0 && floor == 0
}

fn floor_of(module: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&module))
}

/// The words that follow each `start` in a line.
fn after(line: &str, start: &str) -> Vec<String> {
    let word = |rest: &str| rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    line.split(start).skip(1).map(word).collect()
}

struct File {
    /// Below `src/`.
    name: String,
    /// The module of `lib.rs` that it belongs to.
    room: String,
    /// Its module path from there on, the room included.
    path: Vec<String>,
    text: String,
}

/// All but the two files that stand outside of every room.
fn files() -> Vec<File> {
    let file = |path: PathBuf| {
        let name = path.strip_prefix(source()).expect("it is inside").to_str().expect("text").to_owned();
        let module = name.trim_end_matches(".rs").trim_end_matches("/mod");
        let path_in = module.split('/').map(str::to_owned).collect::<Vec<_>>();
        File { room: path_in[0].clone(), path: path_in, text: fs::read_to_string(&path).expect("it can be read"), name }
    };
    let all: Vec<File> = paths(&source()).into_iter().map(file).collect();
    assert!(all.len() > 50, "{} files", all.len());
    all.into_iter().filter(|file| !["main", "lib"].contains(&file.room.as_str())).collect()
}

fn paths(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("it can be read").map(|e| e.expect("it can be read").path());
    let deep = entries.flat_map(|path| if path.is_dir() { paths(&path) } else { vec![path] });
    deep.filter(|path| path.extension().is_some_and(|e| e == "rs")).collect()
}

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}
