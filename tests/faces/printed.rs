//! Replies of every form and their texts: a server that says what it is told, asked by both clients.

use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::sync::{Arc, Mutex};

use sipjail::compat::pickle::{Plain, encode};

use crate::common::World;
use crate::program::{Known, Whose, run, seen, split, stock};

#[test]
fn every_reply_is_printed_as_the_original_prints_it() {
    if stock().is_none() {
        return;
    }
    let world = World::new();
    let socket = world.path("sock").display().to_string();
    let reply = Arc::new(Mutex::new(Vec::new()));
    serve(UnixListener::bind(&socket).expect("bound"), Arc::clone(&reply));
    let told = ["-s", &socket, "-p", "pid", "--loglevel", "INFO", "--logtarget", "STDOUT", "--syslogsocket", "auto"];
    let mut known = Known::new(KNOWN);
    for (line, value) in replies() {
        *reply.lock().expect("nobody panics") = encode(&value);
        let words = [&told[..], &split(line)].concat();
        let of = |whose| seen(&run(&world, whose, "fail2ban-client", &words, ""));
        known.compare(line, &of(Whose::Ours), &of(Whose::Stock));
    }
    known.judge("faces, replies");
}

const KNOWN: &[(&str, &str)] = &[
    ("odd-text", "the server's words are shown, not where Python stumbles over them"),
    ("odd-end", "the same"),
    ("odd-refusal", "the same"),
    ("status --all", "the tree of newer versions, for their servers"),
    ("stats", "the table of newer versions, for their servers"),
];

/// Says the reply to whatever is asked, for as long as the test runs.
fn serve(listener: UnixListener, reply: Arc<Mutex<Vec<u8>>>) {
    const END: &[u8] = b"<F2B_END_COMMAND>";
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let (mut held, mut piece) = (Vec::new(), [0; 4096]);
            while let Ok(read @ 1..) = stream.read(&mut piece) {
                held.extend_from_slice(&piece[..read]);
                if held.ends_with(END) && !held.ends_with(b"<F2B_CLOSE_COMMAND><F2B_END_COMMAND>") {
                    held.clear();
                    let reply = reply.lock().expect("nobody panics").clone();
                    let _gone = stream.write_all(&[&reply, END].concat());
                }
            }
        }
    });
}

/// What is asked, and what is replied.
fn replies() -> Vec<(&'static str, Plain)> {
    let text = |text: &str| Plain::from(text);
    let texts = |all: &[&str]| Plain::List(all.iter().map(|one| Plain::from(*one)).collect());
    let pair = |a: Plain, b: Plain| Plain::Tuple(vec![a, b]);
    let list = Plain::List;
    let raised = |module: &'static str, class: &'static str, args: Vec<Plain>| {
        Plain::Tuple(vec![Plain::Int(1), Plain::Exception(module.into(), class.into(), args)])
    };
    let jail = |ips: &[&str]| {
        let filter = list(vec![
            pair(text("Currently failed"), Plain::Int(3)),
            pair(text("Total failed"), Plain::Int(30)),
            pair(text("File list"), texts(&["/var/log/a", "/var/log/b"])),
        ]);
        let actions = list(vec![
            pair(text("Currently banned"), Plain::Int(2)),
            pair(text("Total banned"), Plain::Int(20)),
            pair(text("Banned IP list"), texts(ips)),
        ]);
        list(vec![pair(text("Filter"), filter), pair(text("Actions"), actions)])
    };
    let overview = || vec![pair(text("Number of jail"), Plain::Int(1)), pair(text("Jail list"), text("a"))];
    let every = || list([overview(), vec![Plain::Dict(vec![(text("a"), jail(&[]))])]].concat());
    let numbers = pair(Plain::Int(0), Plain::Int(1));
    let stats = list(vec![text("polling"), numbers.clone(), numbers]);
    let good = vec![
        ("ping", text("pong")),
        ("ping 1", text("pong")),
        ("version", text("1.0.2")),
        ("echo a", texts(&["a", "b c"])),
        ("status", list(overview())),
        ("status", list(vec![])),
        ("status --all", every()),
        ("status a", jail(&["192.0.2.1", "2001:db8::1"])),
        ("status a", jail(&[])),
        ("status a short", jail(&[])),
        ("stats", Plain::Dict(vec![(text("a"), stats)])),
        ("banned", list(vec![Plain::Dict(vec![(text("a"), texts(&["192.0.2.1"]))])])),
        ("banned 192.0.2.1", list(vec![texts(&["a"]), list(vec![])])),
        ("unban --all", Plain::Int(3)),
        ("flushlogs", text("rolled over")),
        ("start a", Plain::None),
        ("stop a", Plain::None),
        ("stop", Plain::None),
        ("stop --all", Plain::None),
        ("add a", text("a")),
        ("server-status", text("Server ready")),
        ("config-error x", Plain::None),
        ("get loglevel", text("INFO")),
        ("set loglevel x", text("DEBUG")),
        ("get logtarget", text("/var/log/x")),
        ("set logtarget x", text("STDOUT")),
        ("get syslogsocket", text("auto")),
        ("get dbfile", text("/var/lib/x")),
        ("get dbfile", Plain::None),
        ("set dbfile None", Plain::None),
        ("get dbmaxmatches", Plain::Int(10)),
        ("get dbpurgeage", Plain::Int(86_400)),
        ("get dbpurgeage", Plain::Float(1.5)),
        ("get dbpurgeage", Plain::None),
        ("set dbpurgeage 1d", Plain::Int(0)),
        ("get thread", Plain::Dict(vec![(text("stacksize"), Plain::Int(0))])),
        ("get a logpath", texts(&[])),
        ("get a logpath", texts(&["/a"])),
        ("get a logpath", texts(&["/a", "/b"])),
        ("set a addlogpath /b", texts(&["/a", "/b"])),
        ("set a dellogpath /b", texts(&[])),
        ("get a logencoding", text("UTF-8")),
        ("set a logencoding utf-8", text("utf-8")),
        ("get a journalmatch", list(vec![])),
        ("get a journalmatch", list(vec![texts(&["A=1", "B=2"]), texts(&["C=3"])])),
        ("set a addjournalmatch A=1", list(vec![texts(&["A=1"])])),
        ("get a ignoreself", Plain::Bool(true)),
        ("get a ignoreip", texts(&[])),
        ("get a ignoreip", texts(&["10.0.0.0/8", "192.0.2.1"])),
        ("set a addignoreip x", texts(&["x"])),
        ("set a delignoreip x", texts(&[])),
        ("get a ignorecommand", text("")),
        ("get a ignorecache", list(vec![text("<ip>"), Plain::Int(10), Plain::Int(60)])),
        ("get a prefregex", text("^x$")),
        ("get a failregex", texts(&[])),
        ("get a failregex", texts(&["^a", "^b"])),
        ("set a addfailregex x", texts(&["^a"])),
        ("set a delfailregex 0", texts(&[])),
        ("get a ignoreregex", texts(&["^a"])),
        ("set a delignoreregex 0", texts(&["^a"])),
        ("get a findtime", Plain::Int(600)),
        ("get a bantime", Plain::Int(-1)),
        ("get a usedns", text("warn")),
        ("get a datepattern", Plain::None),
        ("get a datepattern", pair(Plain::None, text("Default Detectors"))),
        ("get a datepattern", pair(text("%Y"), text("Year"))),
        ("set a datepattern %Y", pair(text("%Y"), text("Year"))),
        ("get a banip", texts(&["192.0.2.1", "2001:db8::1"])),
        ("get a banip ,", texts(&["192.0.2.1", "2001:db8::1"])),
        ("get a banip --with-time", texts(&["x \ty", "z"])),
        ("get a banip", texts(&[])),
        ("get a banned", texts(&["192.0.2.1"])),
        ("get a banned 192.0.2.1", Plain::Int(1)),
        ("get a banned x y", list(vec![Plain::Int(1), Plain::Int(0)])),
        ("get a actions", texts(&[])),
        ("get a actions", texts(&["x", "y"])),
        ("get a actionproperties x", texts(&["p", "q"])),
        ("get a actionproperties x", texts(&[])),
        ("get a actionmethods x", texts(&["p", "q"])),
        ("get a action x p", text("v")),
        ("set a action x p v", Plain::None),
        ("set a addaction x", text("x")),
        ("set a delaction x", Plain::None),
        ("set a banip 192.0.2.1", Plain::Int(1)),
        ("set a idle on", Plain::Bool(true)),
        ("get a bantime.maxtime", Plain::None),
        ("get a bantime.rndtime", Plain::Float(1e16)),
        ("odd", text("é'\"\\")),
        ("odd", texts(&["é'\"\\", "\u{7f}\n"])),
        ("odd", Plain::Dict(vec![(text("a"), pair(Plain::Float(1e-7), Plain::None))])),
        ("odd", Plain::Tuple(vec![])),
        ("odd", Plain::Tuple(vec![text("a")])),
    ];
    let bad = vec![
        ("status b", raised("fail2ban.exceptions", "UnknownJailException", vec![text("b")])),
        ("add a", raised("fail2ban.exceptions", "DuplicateJailException", vec![text("a")])),
        ("get", raised("builtins", "IndexError", vec![text("list index out of range")])),
        ("foo", raised("builtins", "Exception", vec![text("Invalid command")])),
        ("foo", raised("builtins", "Exception", vec![])),
        ("foo", raised("builtins", "Exception", vec![text("a"), Plain::Int(2)])),
        ("get a action x p", raised("builtins", "KeyError", vec![text("Invalid Action name: x")])),
        ("get a x", raised("builtins", "AttributeError", vec![text("'A' object has no attribute 'x'")])),
        ("set a x y", raised("builtins", "ValueError", vec![text("it's \"bad\"\nvery")])),
        (
            "set a addlogpath x",
            raised("builtins", "FileNotFoundError", vec![Plain::Int(2), text("No such file or directory"), text("x")]),
        ),
        ("set a addlogpath x", raised("builtins", "PermissionError", vec![Plain::Int(13), text("Permission denied")])),
        ("stop", raised("builtins", "RuntimeError", vec![text("x")])),
        ("odd-text", text("ERROR: no")),
        ("odd-end", texts(&["SHUTDOWN"])),
        ("odd-refusal", pair(Plain::Int(1), text("no"))),
    ];
    good.into_iter().map(|(line, value)| (line, pair(Plain::Int(0), value))).chain(bad).collect()
}
