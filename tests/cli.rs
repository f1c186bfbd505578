//! What a person reads: help, problems, errors. Each is a snapshot: whoever changes a sentence sees it here.

mod common;

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
