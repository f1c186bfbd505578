//! The house stays a house: imports point down, and no stage imports another.

use std::fs;
use std::path::{Path, PathBuf};

/// Modules from the ground floor up; what stands in one line may not import what stands below or beside it.
const FLOORS: &[&[&str]] = &[
    &["addr", "error", "expr", "line", "record", "text", "ticket", "time", "zone"],
    &["config"],
    &["source", "filter", "jail", "firewall", "store"],
    &["engine"],
    &["command"],
    &["daemon"],
    &["cli"],
];

#[test]
fn imports_point_down() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut wrong = Vec::new();
    for file in files(&source) {
        let name = file.strip_prefix(&source).expect("it is inside").display().to_string();
        let room = name.split(['/', '.']).next().expect("it has a name").to_owned();
        if room == "main" || room == "lib" {
            continue;
        }
        let floor = floor_of(&room);
        for (number, line) in fs::read_to_string(&file).expect("it can be read").lines().enumerate() {
            for imported in line.split("crate::").skip(1) {
                let module: String = imported.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                let known = FLOORS.iter().flat_map(|f| f.iter()).any(|m| *m == module);
                // The leaves may know each other.
                let level = |module: &str| if floor_of(module) == 0 { -1 } else { floor_of(module) as i32 };
                if known && module != room && level(&module) >= floor as i32 {
                    wrong.push(format!("src/{name}:{}: imports `{module}`", number + 1));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

fn floor_of(module: &str) -> usize {
    FLOORS.iter().position(|f| f.contains(&module)).unwrap_or_else(|| panic!("`{module}` has no floor: name it here"))
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("it can be read").map(|e| e.expect("it can be read").path());
    let deep = entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] });
    deep.filter(|path| path.extension().is_some_and(|e| e == "rs")).collect()
}
