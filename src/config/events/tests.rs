//! What `sipjail.conf` says of event interfaces, and that no word about it holds a secret.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::*;
use crate::config::problem::Printer;
use crate::config::{Config, load};

const SECRET: &str = "s3cr3t-%-word";

/// A directory whose `sipjail.conf` is this, with a jail that wants `backend`.
fn read(sipjail: &str, backend: &str) -> (tempfile::TempDir, Config) {
    let dir = tempfile::tempdir().expect("a directory");
    let write = |name: &str, text: &str| {
        std::fs::write(dir.path().join(name), text).expect("a file");
        let private = Permissions::from_mode(0o600);
        std::fs::set_permissions(dir.path().join(name), private).expect("it is ours");
    };
    std::fs::create_dir(dir.path().join("filter.d")).expect("a folder");
    write("sipjail.conf", sipjail);
    write("filter.d/f.conf", "[Definition]\nfailregex = ^log <HOST>$\neventregex = ^AMI .* address=\"<HOST>\"$\n");
    let jail = "enabled = yes\nfilter = f\nlogpath = /nonexistent/log\naction = dryrun\n";
    write("jail.conf", &format!("[j]\n{jail}backend = {backend}\n"));
    let config = load(dir.path());
    (dir, config)
}

fn said(config: &Config) -> Vec<(Severity, String)> {
    config.problems.iter().map(|p| (p.severity, p.message.clone())).collect()
}

fn ami(more: &str) -> String {
    format!("[ami pbx]\nusername = u\n{more}")
}

#[test]
fn a_jail_hears_the_only_server_or_the_one_that_it_names() {
    let two = format!("{}\n[ami other]\nhost = 192.0.2.1\nport = 5039\nusername = v\nsecret = x\n", ami("secret = y"));
    let (_dir, config) = read(&two, "ami[name=other]");
    assert_eq!(said(&config), []);
    let events = config.jails[0].events.as_ref().expect("events");
    let Server { protocol, name, host, port, username, secret, tls } = &*events.server;
    assert_eq!(*tls, None);
    let found = (*protocol, name.as_str(), host.as_str(), *port, username.as_str(), secret.reveal());
    assert_eq!(found, (Protocol::Ami, "other", "192.0.2.1", 5039, "v", "x"));
    let (_dir, config) = read("[esl]\npassword = p\n", "esl");
    let server = &config.jails[0].events.as_ref().expect("events").server;
    assert_eq!((server.label().as_str(), server.host.as_str(), server.port), ("esl esl", "127.0.0.1", 8021));
    let several = "there are several `[ami …]`";
    assert_eq!(said(&read(&two, "ami").1), [(Severity::Error, several.to_owned())]);
}

#[test]
fn tls_has_a_port_of_its_own_and_believes_whom_a_file_names() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("pbx.pem");
    std::fs::write(&file, "").expect("a file");
    let text = ami(&format!("secret = y\ntls = yes\ntlsca = {}\n", file.display()));
    let (_dir, config) = read(&text, "ami");
    let server = &config.jails[0].events.as_ref().expect("events").server;
    assert_eq!((server.port, &server.tls), (5039, &Some(Tls { certificates: file })));
    let (_dir, config) = read(&format!("{text}port = 7000\n"), "ami");
    assert_eq!(config.jails[0].events.as_ref().expect("events").server.port, 7000);
}

#[test]
fn events_alone_are_judged_by_eventregex_and_logs_beside_them_by_failregex() {
    let (_dir, config) = read(&ami("secret = y"), "ami");
    let jail = &config.jails[0];
    assert_eq!(jail.filter.failregex[0].text, "^AMI .* address=\"<HOST>\"$");
    assert!(jail.logpath.is_empty() && jail.events.as_ref().is_some_and(|events| events.filter.is_none()));
    let (_dir, config) = read(&ami("secret = y"), "ami[logs=yes]");
    let jail = &config.jails[0];
    assert_eq!((jail.filter.failregex[0].text.as_str(), jail.logpath.len()), ("^log <HOST>$", 1));
    let events = jail.events.as_ref().and_then(|events| events.filter.as_ref()).expect("a filter of their own");
    assert_eq!(events.failregex[0].text, "^AMI .* address=\"<HOST>\"$");
    let text = "`logs` has no effect on the backend `esl`";
    assert_eq!(said(&read("[esl]\npassword = p\n", "esl[logs=yes]").1), [(Severity::Warning, text.to_owned())]);
}

#[test]
fn what_cannot_be_used_leaves_its_jails_out() {
    for (text, message) in [
        ("", "there is no `[ami pbx]`"),
        ("[ami pbx]\nsecret = x\n", "[ami pbx]: `username` is missing"),
        ("[ami pbx]\nusername = u\n", "[ami pbx]: neither `secret` nor `secretfile` nor `secretenv` is there"),
        (&ami("secret = x\nport = 70000\n"), "[ami pbx]: `port` has to be a number from 1 to 65535"),
        (
            &ami("secret = x\nsecretenv = y\n"),
            "[ami pbx]: only one of `secret`, `secretfile` and `secretenv` may be there",
        ),
        (&ami("secret = a\n b\n"), "[ami pbx]: the secret is empty, or more than one line"),
        (
            &ami("secretenv = SIPJAIL_NO_SUCH\n"),
            "[ami pbx]: `secretenv`: there is no text `SIPJAIL_NO_SUCH` in the environment",
        ),
        (
            &ami("secret = x\ntls = yes\ntlsca = /nonexistent\n"),
            "[ami pbx]: `tlsca = /nonexistent`: No such file or directory (os error 2)",
        ),
        (
            &ami("secretfile = /nonexistent\n"),
            "[ami pbx]: `secretfile = /nonexistent`: No such file or directory (os error 2)",
        ),
    ] {
        let (_dir, config) = read(text, "ami");
        let errors: Vec<_> = said(&config).into_iter().filter(|(severity, _)| *severity == Severity::Error).collect();
        assert_eq!(errors[0].1, message);
        assert!(config.jails.is_empty(), "{text}");
        assert_eq!(errors.len(), if text.is_empty() { 1 } else { 2 }, "{errors:?}");
    }
}

#[test]
fn a_secret_comes_from_a_file_for_one_alone_or_from_the_environment() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("secret");
    std::fs::write(&path, format!("{SECRET}\nmore\n")).expect("a file");
    let text = ami(&format!("secretfile = {}\n", path.display()));
    for (mode, used) in [(0o600, true), (0o400, true), (0o640, false), (0o604, false)] {
        std::fs::set_permissions(&path, Permissions::from_mode(mode)).expect("it is ours");
        let (_dir, config) = read(&text, "ami");
        let found =
            config.jails.first().and_then(|jail| jail.events.as_ref()).map(|e| e.server.secret.reveal().to_owned());
        assert_eq!(found, used.then(|| SECRET.to_owned()), "{mode:o}: {:?}", config.problems);
        assert!(used || config.problems[0].message.contains(&format!("(mode {mode:04o}): `chmod 600` it")));
    }
    let (_dir, config) = read(&ami("secretenv = PATH\n"), "ami");
    let server = &config.jails[0].events.as_ref().expect("events").server;
    assert_eq!(Some(server.secret.reveal()), std::env::var("PATH").ok().as_deref());
}

#[test]
fn no_word_about_it_holds_the_secret() {
    let wide = |dir: &Path| std::fs::set_permissions(dir.join("sipjail.conf"), Permissions::from_mode(0o644));
    for text in [
        ami(&format!("sercet = {SECRET}\n")),
        ami(&format!("secret {SECRET}\n")),
        ami(&format!("secret = {SECRET}\nport = x\n")),
        ami(&format!("secret = {SECRET}\nhost = %{SECRET}\n")),
        ami(&format!("secret = {SECRET}\n {SECRET}\n")),
        ami(&format!("secret = {SECRET}\n")),
        format!("[esl pbx]\nhost = 192.0.2.1\npassword = {SECRET}\n = {SECRET}\n"),
    ] {
        let (dir, _) = read(&text, "ami");
        wide(dir.path()).expect("it is ours");
        let config = load(dir.path());
        let mut printer = Printer::new(false);
        let shown: Vec<String> = config.problems.iter().map(|problem| printer.show(problem)).collect();
        assert!(!shown.is_empty(), "{text}");
        let all = format!("{shown:?} {:?} {:?} {:?}", config.problems, config.jails, config.written);
        assert!(!all.contains(SECRET), "{text}\n{all}");
    }
    let (_dir, config) = read(&ami(&format!("secret = {SECRET}\n")), "ami");
    assert_eq!(config.jails[0].events.as_ref().map(|events| events.server.secret.reveal()), Some(SECRET));
}
