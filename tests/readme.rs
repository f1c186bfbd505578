//! What the README tells a newcomer to type works, to the letter.

mod common;

use std::fs;

use common::{World, sipjail};

/// The fenced or indented block that follows a line holding `after`.
fn block(readme: &str, after: &str) -> String {
    let (_, rest) = readme.split_once(after).unwrap_or_else(|| panic!("the README no longer says `{after}`"));
    let lines = rest.lines().skip(1).skip_while(|l| l.is_empty());
    let code: Vec<_> = lines.take_while(|l| l.starts_with("    ") || l.is_empty()).map(str::trim_start).collect();
    code.join("\n")
}

#[test]
fn the_first_jail_of_your_own_finds_what_it_says() {
    let readme = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).expect("it is there");
    let dir = tempfile::tempdir().expect("a scratch directory");
    for name in ["filter.d/door.conf", "jail.d/door.conf"] {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().expect("it has one")).expect("made");
        fs::write(path, block(&readme, &format!("`/etc/sipjail/{name}`"))).expect("written");
    }
    let command = block(&readme, "Try it before you trust it");
    let line = command.split('\'').nth(1).expect("a quoted line");
    let output = sipjail().arg("-c").arg(dir.path()).args(["regex", line, "door"]).output().expect("it runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("1 lines, 0 ignored, 1 matched, 0 missed"), "{text}");
    let check = sipjail().arg("-c").arg(dir.path()).arg("check").output().expect("it runs");
    assert!(check.status.success(), "{}", String::from_utf8_lossy(&check.stdout));
    assert!(String::from_utf8_lossy(&check.stdout).contains("door"));
}

#[test]
fn the_commands_of_the_readme_exist() {
    let readme = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).expect("it is there");
    let commands = block(&readme, "In a second shell:");
    let world = World::new();
    let _daemon = world.run();
    for line in commands.lines().filter(|l| l.starts_with("sipjail ")) {
        let words: Vec<_> = line.split('#').next().unwrap_or_default().split_whitespace().skip(1).collect();
        let words: Vec<_> = words.iter().map(|w| if *w == "asterisk" { "door" } else { w }).collect();
        let log = world.path("door.log");
        let log = log.to_str().expect("text");
        let words: Vec<_> = words.iter().map(|w| if w.starts_with("LOG") { log } else { w }).collect();
        let words: Vec<_> = words.iter().map(|w| if *w == "FILTER" { "door" } else { w }).collect();
        let list = world.path("list").display().to_string();
        fs::write(&list, "203.0.113.9\n").expect("written");
        let words: Vec<_> = words.iter().map(|w| if w.starts_with("FILE") { &*list } else { w }).collect();
        let output = world.client(&words);
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn the_table_of_files_names_files_that_exist() {
    let readme = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).expect("it is there");
    let (_, section) = readme.split_once("## Where things are").expect("it has the table");
    let (section, _) = section.split_once("\n## ").expect("another section follows");
    for name in section.split('`').skip(1).step_by(2) {
        assert!(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(name).exists(), "{name}");
    }
}
