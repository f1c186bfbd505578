//! What a person reads: help, problems, errors. Each is a snapshot: whoever changes a sentence sees it here.

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;

use common::sipjail;

fn said(words: &[&str], conf: &str) -> (String, Option<i32>) {
    let output = sipjail().args(words).args(["-c", conf]).env("COLUMNS", "100").output().expect("it runs");
    let text = [output.stdout, output.stderr].concat();
    (String::from_utf8(text).expect("text"), output.status.code())
}

#[test]
fn help_lists_every_command() {
    insta::assert_snapshot!(said(&["--help"], "/nonexistent").0);
}

#[test]
fn a_bad_configuration_is_shown_with_line_and_caret() {
    let dir = tempfile::tempdir().expect("a scratch directory");
    let jail = "[door]\nenabled = true\nfilter = door\nlogpath = /nonexistent/door.log\nmaxrety = 3\nbantime = soon\n";
    std::fs::create_dir_all(dir.path().join("filter.d")).expect("made");
    std::fs::write(dir.path().join("filter.d/door.conf"), "[Definition]\nfailregex = ^knock (from <HOST>$\n")
        .expect("written");
    std::fs::write(dir.path().join("jail.conf"), jail).expect("written");
    let conf = dir.path().to_str().expect("text");
    let (text, code) = said(&["check"], conf);
    assert_eq!(code, Some(1));
    insta::assert_snapshot!(text.replace(conf, "CONF"));
}

#[test]
fn an_empty_configuration_is_the_stock_one() {
    let dir = tempfile::tempdir().expect("a scratch directory");
    let (text, code) = said(&["check"], dir.path().to_str().expect("text"));
    assert_eq!(code, Some(0), "{text}");
    insta::assert_snapshot!(text);
}

#[test]
fn a_misspelt_command_meets_the_one_that_was_meant() {
    let (text, code) = said(&["stauts"], "/nonexistent");
    assert_eq!(code, Some(2));
    assert!(text.contains("'status'"), "{text}");
}

#[test]
fn check_recommends_what_cannot_be_forged_and_that_is_no_error() {
    let dir = tempfile::tempdir().expect("a scratch directory");
    let log = dir.path().join("freeswitch.log").display().to_string();
    fs::write(dir.path().join("jail.local"), format!("[freeswitch]\nlogpath = {log}\n")).expect("written");
    let here = dir.path().to_str().expect("text");
    let (before, _) = said(&["check"], here);
    assert!(!before.contains("backend = esl"), "{before}");
    fs::write(&log, "").expect("written");
    let (text, code) = said(&["check"], here);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("`freeswitch` reads a log in which a caller can write lines of his choice"), "{text}");
    assert!(text.contains("`backend = esl`") && text.contains("1 note"), "{text}");
}

/// A directory whose jails are these, `HERE` being the directory, with a log in it.
fn conf(jails: &str) -> (tempfile::TempDir, String) {
    let dir = tempfile::tempdir().expect("a scratch directory");
    let here = dir.path().to_str().expect("text").to_owned();
    fs::write(dir.path().join("jail.conf"), jails.replace("HERE", &here)).expect("written");
    fs::write(dir.path().join("door.log"), "").expect("written");
    (dir, here)
}

const JAILS: &str = "[DEFAULT]
filter = asterisk
action = ipset
logpath = HERE/none.log
[off]
enabled = false
[silent]
maxretry = 1
[waiting]
enabled = auto
logpath = HERE/none.log
          HERE/later*.log
[reading]
enabled = auto
filter = asterisk[mode=accounts]
logpath = HERE/none.log
          HERE/door.log
bantime = -1
findtime = 1d
[eager]
enabled = true
[journal]
enabled = auto
backend = systemd
[deaf]
enabled = true
backend = ami
[broken]
enabled = true
failregex = (
[mistyped]
enabled = true
maxretry = many
[b\x1b[31m\u{202e}d]
enabled = true
logpath = HERE/\x1b[31m.log
";

#[test]
fn jails_says_which_would_be_on_and_why() {
    let (dir, here) = conf(JAILS);
    let (text, code) = said(&["jails"], &here);
    assert_eq!(code, Some(0), "{text}");
    insta::assert_snapshot!(text.replace(&here, "CONF"));
    let hear = "[ami pbx]\nhost = 127.0.0.1\nport = 5038\nusername = x\nsecret = gEtOuT\n";
    fs::write(dir.path().join("sipjail.conf"), hear).expect("written");
    fs::set_permissions(dir.path().join("sipjail.conf"), fs::Permissions::from_mode(0o600)).expect("it is ours");
    let (text, _) = said(&["jails", "--format", "json"], &here);
    let data: serde_json::Value = serde_json::from_str(&text).expect("one document");
    let jails = data["jails"].as_array().expect("a list");
    let jail = |name: &str| jails.iter().find(|jail| jail["name"] == name).expect("it is there");
    assert_eq!(jails[0]["name"], "off", "in the order of the file");
    assert_eq!(
        (&jail("deaf")["state"], &jail("deaf")["why"]),
        (&"on".into(), &"`backend = ami`, and there is `[ami pbx]`".into())
    );
    assert_eq!(jail("deaf")["events"], "ami pbx at 127.0.0.1:5038");
    assert_eq!(jail("reading")["logs"], serde_json::json!([format!("{here}/door.log")]));
    assert_eq!(jail("reading")["bantime"], serde_json::Value::Null);
    assert!(!text.contains("gEtOuT"));
    let (yaml, _) = said(&["--format", "yaml", "jails"], &here);
    assert!(yaml.contains("state: refused"), "{yaml}");
}

#[test]
fn jails_says_where_it_may_not_look() {
    let (dir, here) = conf("[door]\nenabled = auto\nfilter =\naction = ipset\nlogpath = HERE/closed/door.log\n");
    let closed = dir.path().join("closed");
    fs::create_dir(&closed).expect("made");
    fs::write(closed.join("door.log"), "").expect("written");
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).expect("it is ours");
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o000)).expect("it is ours");
    let mut command = sipjail();
    command.args(["jails", "-c", &here]);
    if rustix::process::geteuid().is_root() {
        command.uid(65534).gid(65534);
    }
    let output = match command.output() {
        Ok(output) => output,
        // The build lies where nobody but root may go.
        Err(error) => return eprintln!("skipped: {error}"),
    };
    let text = String::from_utf8(output.stdout).expect("text");
    assert!(text.starts_with("unseen   door  this user may not look into "), "{text}");
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).expect("it is ours");
    assert!(said(&["jails"], &here).0.starts_with("on       door  there is its log\n"));
}
