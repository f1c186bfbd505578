//! `make install-compat`: the names, the unit, and its refusal where fail2ban is.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output};

use crate::common::World;

#[test]
fn the_programs_are_installed_under_fail2bans_names() {
    let world = World::new();
    let Some(done) = make(&world, "install-compat", &["DESTDIR=root", "PREFIX=/usr"], "") else { return };
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    for name in ["fail2ban-client", "fail2ban-server", "fail2ban-regex"] {
        let link = world.path(&format!("root/usr/bin/{name}"));
        assert_eq!(fs::read_link(&link).expect("a link"), Path::new("sipjail"));
        let version = Command::new(&link).arg("-V").output().expect("it runs");
        assert_eq!(String::from_utf8_lossy(&version.stdout), "1.0.2\n", "{name}");
    }
    for page in ["fail2ban-client.1", "fail2ban-server.1"] {
        assert!(world.path(&format!("root/usr/share/man/man1/{page}")).exists(), "{page}");
    }
    let unit = fs::read_to_string(world.path("root/usr/lib/systemd/system/fail2ban.service")).expect("it is there");
    for line in [
        "Conflicts=sipjail.service",
        "ExecStart=/usr/bin/fail2ban-server -xf start",
        "ExecReload=/usr/bin/fail2ban-client reload",
        "RuntimeDirectory=fail2ban",
        "RuntimeDirectoryPreserve=yes",
        "StateDirectory=fail2ban",
    ] {
        assert!(unit.lines().any(|found| found == line), "{line}: {unit}");
    }
    assert!(!unit.contains('@') || unit.contains("@system-service"), "{unit}");
    assert!(!unit.contains("bindir") && !unit.contains("sipjail run") && !unit.contains("`sipjail"), "{unit}");
    // What it installed itself is no obstacle.
    let again = make(&world, "install-compat", &["DESTDIR=root", "PREFIX=/usr"], "").expect("it ran before");
    assert!(again.status.success(), "{}", String::from_utf8_lossy(&again.stderr));

    let done = make(&world, "uninstall-compat", &["DESTDIR=root", "PREFIX=/usr"], "").expect("it ran before");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let gone = ["bin/fail2ban-client", "share/man/man1/fail2ban-client.1", "lib/systemd/system/fail2ban.service"];
    for name in gone {
        assert!(!world.path(&format!("root/usr/{name}")).exists(), "{name}");
    }
    for name in ["bin/sipjail", "share/man/man8/sipjail.8", "lib/systemd/system/sipjail.service"] {
        assert!(world.path(&format!("root/usr/{name}")).exists(), "{name}");
    }
}

#[test]
fn nothing_is_installed_over_fail2ban() {
    let world = World::new();
    world.write("fake/fail2ban-client", "#!/bin/sh\n");
    world.write("root/usr/bin/fail2ban-server", "#!/bin/sh\n");
    let prefix = world.path("prefix").display().to_string();
    for (words, found) in [
        (vec![format!("PREFIX={prefix}")], "fake/fail2ban-client"),
        (vec!["DESTDIR=root".to_owned(), "PREFIX=/usr".to_owned()], "root/usr/bin/fail2ban-server"),
    ] {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let Some(refused) = make(&world, "install-compat", &words, "fake") else { return };
        let said = String::from_utf8_lossy(&refused.stderr);
        assert_eq!(refused.status.code(), Some(2), "{said}");
        for part in ["fail2ban is installed", &world.path(found).display().to_string(), "hint: remove it first"] {
            assert!(said.contains(part), "{part}: {said}");
        }
    }
    assert!(!world.path("prefix").exists());
    assert!(!world.path("root/usr/bin/sipjail").exists());
}

/// Runs it from the sources, with the program that is being tested; `first` is looked through before all other programs.
fn make(world: &World, target: &str, words: &[&str], first: &str) -> Option<Output> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR"));
    let program = world.path("sipjail");
    if !program.exists() {
        symlink(env!("CARGO_BIN_EXE_sipjail"), &program).expect("linked");
    }
    let path = std::env::var("PATH").expect("there is one");
    let mut make = Command::new("make");
    make.arg("-s").arg("-C").arg(source).arg(target).arg(format!("BINARY={}", program.display()));
    for word in words {
        make.arg(word.replace("DESTDIR=", &format!("DESTDIR={}/", world.dir.path().display())));
    }
    if !first.is_empty() {
        make.env("PATH", format!("{}:{path}", world.path(first).display()));
    }
    match make.output() {
        Ok(output) => Some(output),
        Err(error) => {
            println!("skipped: make cannot be run: {error}");
            None
        }
    }
}
