//! fail2ban's protocol over the socket, asked as clients in Go ask: what type each reply has, and which exception.

mod common;

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use common::World;
use sipjail::compat::pickle::{Plain, decode_reply};

const END: &[u8] = b"<F2B_END_COMMAND>";

struct Client(UnixStream);

impl Client {
    fn new(world: &World) -> Client {
        let stream = UnixStream::connect(world.path("sock")).expect("it listens");
        stream.set_read_timeout(Some(common::PATIENCE)).expect("it can be set");
        Client(stream)
    }

    fn send(&mut self, requests: &[&[&str]]) {
        let all: Vec<u8> = requests.iter().flat_map(|words| request(words)).collect();
        self.0.write_all(&all).expect("it is taken");
    }

    fn reply(&mut self) -> (i64, Plain) {
        let mut bytes = Vec::new();
        while !bytes.ends_with(END) {
            let mut byte = [0];
            self.0.read_exact(&mut byte).expect("a reply");
            bytes.push(byte[0]);
        }
        match decode_reply(&bytes[..bytes.len() - END.len()]) {
            Ok(Plain::Tuple(pair)) => match &pair[..] {
                [Plain::Int(code), value] => (*code, value.clone()),
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        }
    }

    fn ask(&mut self, words: &[&str]) -> Plain {
        self.send(&[words]);
        let (code, value) = self.reply();
        assert_eq!(code, 0, "{words:?}: {value:?}");
        value
    }

    fn refused(&mut self, words: &[&str]) -> (String, Vec<Plain>) {
        self.send(&[words]);
        match self.reply() {
            (1, Plain::Exception(module, class, arguments)) => (format!("{module}.{class}"), arguments),
            other => panic!("{words:?}: {other:?}"),
        }
    }
}

/// `PROTO 2 MARK SHORT_BINSTRING… LIST STOP`
fn request(words: &[&str]) -> Vec<u8> {
    let mut bytes = vec![0x80, 2, b'('];
    for word in words {
        bytes.push(b'U');
        bytes.push(u8::try_from(word.len()).expect("it is short"));
        bytes.extend(word.as_bytes());
    }
    [&bytes[..], b"l.", END].concat()
}

fn text(text: &str) -> Plain {
    Plain::from(text)
}

#[test]
fn replies_are_of_the_types_that_clients_insist_on() {
    let world = World::new();
    let _daemon = world.run();
    let mut client = Client::new(&world);
    let pair = |name: &str, value| Plain::Tuple(vec![text(name), value]);
    let count = vec![pair("Number of jail", Plain::Int(1)), pair("Jail list", text("door"))];
    assert_eq!(client.ask(&["status"]), Plain::List(count.clone()));
    let numbers = Plain::Tuple(vec![Plain::Int(0), Plain::Int(0)]);
    let stats = Plain::List(vec![text("polling"), numbers.clone(), numbers]);
    let all = Plain::Dict(vec![(text("door"), stats.clone())]);
    assert_eq!(client.ask(&["stats"]), all);
    assert_eq!(client.ask(&["status", "--all", "stats"]), all);
    assert_eq!(client.ask(&["status", "door", "stats"]), stats);
    let Plain::List(parts) = client.ask(&["status", "--all"]) else { panic!("no list") };
    assert_eq!(parts[..2], count);
    assert!(matches!(&parts[2], Plain::Dict(jails) if jails.len() == 1), "{parts:?}");
    let Plain::List(parts) = client.ask(&["status", "door", "cymru"]) else { panic!("no list") };
    assert!(matches!(&parts[1], Plain::Tuple(actions) if format!("{actions:?}").contains("Banned RIR list")));
    for (words, expected) in [
        (&["set", "door", "maxretry", "7"][..], Plain::Int(7)),
        (&["set", "door", "findtime", "1h"], Plain::Int(3600)),
        (&["set", "door", "idle", "on"], Plain::Bool(true)),
        (&["set", "door", "idle", "off"], Plain::Bool(false)),
        (&["set", "door", "datepattern", "%Y-%m-%d"], Plain::Tuple(vec![text("%Y-%m-%d"), text("Year-Month-Day")])),
        (&["set", "door", "prefregex", ""], text("")),
        (&["set", "door", "attempt", "198.51.100.9", "a"], Plain::Int(1)),
        (&["set", "door", "addaction", "note"], text("note")),
        (&["set", "door", "action", "note", "timeout", "2m"], Plain::Int(120)),
        (&["set", "door", "delaction", "note"], Plain::None),
        (&["set", "door", "banip", "198.51.100.8"], Plain::Int(1)),
        (&["get", "door", "banned", "198.51.100.8"], Plain::Int(1)),
        (&["set", "dbpurgeage", "2d"], Plain::Int(172_800)),
        (&["add", "more", "polling"], text("more")),
        (&["start", "more"], Plain::None),
        (&["get", "more", "failregex"], Plain::List(vec![])),
        (&["stop", "more"], Plain::None),
        (&["get", "thread"], Plain::Dict(vec![(text("stacksize"), Plain::Int(0))])),
        (&["config-error", "x"], Plain::None),
        (&["sleep", "0"], Plain::None),
    ] {
        assert_eq!(client.ask(words), expected, "{words:?}");
    }
}

#[test]
fn what_is_refused_is_the_exception_that_clients_know() {
    let world = World::new();
    let _daemon = world.run();
    let mut client = Client::new(&world);
    client.ask(&["set", "door", "addaction", "note"]);
    for (words, class) in [
        (&["status", "nosuch"][..], "fail2ban.exceptions.UnknownJailException"),
        (&["start", "nosuch"], "fail2ban.exceptions.UnknownJailException"),
        (&["add", "door"], "fail2ban.exceptions.DuplicateJailException"),
        (&["add"], "builtins.IndexError"),
        (&["set", "door"], "builtins.IndexError"),
        (&["foo"], "builtins.Exception"),
        (&["help"], "builtins.Exception"),
        (&["add", "--all"], "builtins.Exception"),
        (&["set", "door", "nosuch", "1"], "builtins.Exception"),
        (&["set", "door", "addfailregex", "^(broken <HOST>"], "builtins.ValueError"),
        (&["set", "door", "maxlines", "0"], "builtins.ValueError"),
        (&["set", "door", "addaction", "note"], "builtins.ValueError"),
        (&["set", "door", "logencoding", "nope"], "builtins.LookupError"),
        (&["set", "door", "action", "other", "x", "1"], "builtins.KeyError"),
        (&["get", "door", "action", "note", "nope"], "builtins.AttributeError"),
        (&["set", "door", "action", "note", "bantime", "1"], "builtins.AttributeError"),
        (&["set", "dbfile", "/nonexistent/db"], "builtins.RuntimeError"),
        (&["sleep", "long"], "builtins.ValueError"),
    ] {
        assert_eq!(client.refused(words).0, class, "{words:?}");
    }
    let (class, arguments) = client.refused(&["set", "door", "addlogpath", "/nonexistent/log"]);
    assert_eq!(class, "builtins.FileNotFoundError");
    assert_eq!(arguments, [Plain::Int(2), text("No such file or directory"), text("/nonexistent/log")]);
    assert_eq!(client.ask(&["get", "door", "failregex"]), client.ask(&["get", "door", "failregex"]));
    let Plain::List(regexes) = client.ask(&["get", "door", "failregex"]) else { panic!("no list") };
    assert_eq!(regexes.len(), 1, "what was refused has changed nothing");
}

#[test]
fn requests_in_one_write_are_answered_in_their_order_also_behind_a_slow_one() {
    let world = World::new();
    let _daemon = world.run();
    let (mut slow, mut other) = (Client::new(&world), Client::new(&world));
    slow.send(&[&["sleep", "1.5"], &["ping"], &["version"]]);
    assert_eq!(other.ask(&["ping"]), text("pong"));
    assert_eq!(slow.reply(), (0, Plain::None));
    assert_eq!(slow.reply(), (0, text("pong")));
    assert_eq!(slow.reply(), (0, text("1.0.2")));
}
