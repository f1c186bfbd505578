//! What happens to all jails, the same on either side, and what is seen of it: the calls of each jail's actions, the rules
//! in the kernel, the packets that arrive.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::UdpSocket;

use crate::recorder::Call;
use crate::side::{Side, Who};
use crate::space::{Space, arrives};
use crate::{own, recorder, table};

/// A jail: the actions under test, then `mark`, whose notes say how far the jail has come.
pub struct Jail {
    pub name: String,
    /// Its number, which is in its addresses.
    pub number: usize,
    pub action: String,
    /// The same as its table has it.
    pub written: String,
    /// Further options of the jail.
    pub more: &'static str,
    /// See [`table::Stock`].
    pub drops_udp: bool,
}

pub fn jails() -> Vec<Jail> {
    let stock = table::STOCK.iter().map(|s| (s.action, s.drops_udp));
    let own = table::OWN.iter().map(|action| (*action, false));
    let all = stock.chain(own).enumerate().map(|(at, (action, drops_udp))| {
        let number = at + 1;
        let name = format!("jail{number:03}");
        Jail { action: action.replace("JAIL", &name), written: action.to_owned(), name, number, more: "", drops_udp }
    });
    let all: Vec<Jail> = all.collect();
    assert!(all.len() < 125, "the addresses are not enough");
    all
}

impl Jail {
    /// Its first, second … IPv4 address.
    pub fn v4(&self, nth: usize) -> String {
        let number = self.number;
        match nth {
            1 => format!("192.0.2.{number}"),
            2 => format!("198.51.100.{number}"),
            3 => format!("203.0.113.{number}"),
            _ => format!("198.51.100.{}", 125 + number),
        }
    }

    pub fn v6(&self, nth: usize) -> String {
        format!("2001:db8::{nth}:{number}", number = self.number)
    }

    /// Whether one of its addresses stands in a text.
    fn is_in(&self, text: &str) -> bool {
        let whole = |word: &str| {
            text.match_indices(word).any(|(at, _)| {
                let bounds = |c: Option<char>| c.is_none_or(|c| !c.is_ascii_hexdigit());
                bounds(text[..at].chars().next_back()) && bounds(text[at + word.len()..].chars().next())
            })
        };
        (1..=4).any(|nth| whole(&self.v4(nth))) || (1..=2).any(|nth| whole(&self.v6(nth)))
    }
}

/// Whom a text is about: it has a jail's name, else one of its addresses.
pub fn owner(jails: &[Jail], text: &str) -> String {
    let named = jails.iter().find(|jail| text.contains(&jail.name));
    let found = named.or_else(|| jails.iter().find(|jail| jail.is_in(text)));
    found.map_or("nobody", |jail| &jail.name).to_owned()
}

/// What one side did.
pub struct Played {
    /// For each jail the scripts of its actions, each its calls as text.
    pub calls: BTreeMap<String, Vec<String>>,
    /// For each look at the kernel the rules of each jail, in order.
    pub rules: Vec<(&'static str, BTreeMap<String, Vec<String>>)>,
    /// For each look, of each jail whose action drops UDP, whether packets of its IPv4 and IPv6 address arrive.
    pub packets: Vec<(&'static str, BTreeMap<String, [bool; 2]>)>,
    /// The server's log.
    pub log: String,
    /// A command that stood in the log was run.
    pub pwned: bool,
}

/// Plays everything on one side.
pub fn play(side: &mut Side, jails: &[Jail]) -> Played {
    let last = &jails.last().expect("there are some").name;
    write_tree(side, jails);
    let wire = Wire::new(side, jails);
    let mut rules = Vec::new();
    let mut packets = Vec::new();
    let mut look = |side: &Side, when| {
        rules.push((when, rules_of(side, jails)));
        packets.push((when, wire.look(jails)));
    };
    let all = |side: &Side, what: &str, whom: &dyn Fn(&Jail) -> String, times: usize| {
        let notes: Vec<String> =
            jails.iter().map(|j| format!("{} {what} {}", j.name, whom(j)).trim_end().to_owned()).collect();
        side.noted(&notes, times);
    };
    let nobody: &dyn Fn(&Jail) -> String = &|_| String::new();
    // One jail after the other, since they share the kernel: what one finds there depends on who was before.
    let ban = |side: &Side, whom: &dyn Fn(&Jail) -> String, times| {
        for jail in jails {
            side.ask(&["set", &jail.name, "banip", &whom(jail)]);
            side.noted(&[format!("{} ban {}", jail.name, whom(jail))], times);
        }
    };

    side.start(last);
    all(side, "start", nobody, 1);
    look(side, "started");
    ban(side, &|j| j.v4(1), 1);
    ban(side, &|j| j.v6(1), 1);
    ban(side, &|j| j.v4(2), 1);
    look(side, "banned");
    // Matched lines say what their sender likes.
    let lines = jails.iter().flat_map(|jail| {
        let now = crate::common::now();
        (0..3).map(move |_| format!("{now} door {} of {HOSTILE} from {}\n", jail.name, jail.v4(3)))
    });
    side.append("door.log", &lines.collect::<String>());
    all(side, "ban", &|j| j.v4(3), 1);
    for jail in jails {
        side.ask(&["set", &jail.name, "unbanip", &jail.v4(1)]);
    }
    all(side, "unban", &|j| j.v4(1), 1);
    look(side, "one is free again");
    side.client(&["reload"]);
    all(side, "reload", nobody, 1);
    look(side, "reloaded");
    // An administrator who knows nothing of bans.
    for program in ["iptables", "ip6tables"] {
        // The kernel may hold on to a chain for a moment after its last rule is gone.
        side.until("all chains are gone", || {
            let done =
                |word: &str| side.space.command(program).arg(word).output().is_ok_and(|did| did.status.success());
            done("-F") && done("-X")
        });
    }
    side.space.run("nft", &["flush", "ruleset"]);
    side.space.run("ipset", &["destroy"]);
    look(side, "all was torn down");
    ban(side, &|j| j.v4(4), 1);
    look(side, "mended");
    ban(side, &|j| j.v6(2), 1);
    // Banned already, for a while: whether that ban still holds is looked into. Of the many alike some are enough.
    for jail in jails.iter().filter(|jail| !jail.drops_udp || jail.number % 4 == 0) {
        side.ask(&["set", &jail.name, "banip", &jail.v4(2)]);
    }
    side.ask(&["unban", "--all"]);
    all(side, "flush", &|_| "inet6".into(), 1);
    look(side, "flushed");
    ban(side, &|j| j.v4(1), 2);
    ban(side, &|j| j.v6(1), 2);
    look(side, "banned once more");
    side.stop();
    all(side, "stop", nobody, 1);
    look(side, "stopped");
    side.start(last);
    all(side, "ban", &|j| j.v6(1), 3);
    all(side, "ban", &|j| j.v4(1), 3);
    look(side, "restored");

    // Where scripts run, and where their files are.
    let mut folders = jails.iter().map(|jail| side.path(&jail.name)).chain(["/".into(), side.dir.clone()]);
    let pwned = folders.any(|folder| folder.join("pwned").exists());
    Played {
        calls: calls_of(side, jails),
        rules,
        packets,
        pwned,
        log: side.log().replace(&side.dir.display().to_string(), "DIR"),
    }
}

pub fn write_tree(side: &Side, jails: &[Jail]) {
    side.write("conf/action.d/mark.conf", &MARK.replace("END", recorder::END));
    for (name, text) in own::FILES {
        side.write(&format!("conf/action.d/{name}.conf"), text);
    }
    let mut tree = DEFAULT.to_owned();
    for Jail { name, action, more, .. } in jails {
        side.write(&format!("{name}/key"), "");
        let _infallible =
            write!(tree, "[{name}]\nfilter = door[jail={name}]\n{more}action = {action}\n         mark\n");
    }
    side.write("conf/jail.conf", &tree);
}

const DEFAULT: &str = "[DEFAULT]
backend = polling
ignoreself = false
usedns = no
logpath = DIR/door.log
enabled = true
maxretry = 3
findtime = 10m
bantime = 1h
";

/// What a sender would like to be run.
pub const HOSTILE: &str = "a b'; touch pwned; $(touch pwned) `touch pwned` \"*\" \\ | <ip> & > pwned %s";

/// Says how far a jail has come; it stands last, so the other actions are through. It does what `note` does, without
/// another program.
const MARK: &str = r#"[Definition]
say = printf '%%s\0' '' '' '' note <name>
actionstart = %(say)s start END >>DIR/calls
actionreload = %(say)s reload END >>DIR/calls
actionban = %(say)s ban <ip> END >>DIR/calls
actionflush = %(say)s flush '<family>' END >>DIR/calls
actionunban = %(say)s unban <ip> END >>DIR/calls
actionstop = %(say)s stop END >>DIR/calls
"#;

/// Each script's calls to the jail that they are about. The end of the table that all nftables actions share is no jail's
/// own: whoever stops last does it.
pub fn calls_of(side: &Side, jails: &[Jail]) -> BTreeMap<String, Vec<String>> {
    let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for script in side.scripts() {
        let own = script.calls.iter().filter(|call| call.words != ["nft", "delete", "table", "inet", "f2b-table"]);
        let shown: Vec<String> = own.map(|call| shown(side, call)).collect();
        let shown = shown.join("\n");
        let whole = script.text.clone() + " " + &shown;
        all.entry(owner(jails, &whole)).or_default().push(shown);
    }
    all
}

/// A call as one text in which no two calls look alike.
fn shown(side: &Side, call: &Call) -> String {
    let words: Vec<String> = call.words.iter().map(|word| format!("{:?}", side.masked(word))).collect();
    let input = if call.input.is_empty() { String::new() } else { format!(" <<\n{}", side.masked(&call.input)) };
    words.join(" ") + &input
}

/// The kernel's rules, those of each jail in their order, and what is nobody's.
fn rules_of(side: &Side, jails: &[Jail]) -> BTreeMap<String, Vec<String>> {
    let mut lines: Vec<String> = Vec::new();
    for program in ["iptables", "ip6tables"] {
        // Shown by the program that the actions call, without the tables that they do not touch.
        let text = side.space.run(&format!("{program}-save"), &[]);
        let text = text.lines().filter(|line| !line.starts_with('#'));
        lines.extend(text.map(|line| format!("{program}: {line}")));
    }
    let sets = side.space.run("ipset", &["save"]);
    // Members come in the order of a hash.
    let mut sets: Vec<String> = sets.lines().map(|line| format!("ipset: {line}")).collect();
    sets.sort();
    lines.extend(sets.iter().map(|line| SEED.replace_all(line, "").into_owned()));
    let nft = side.space.ask("nft", &["-s", "list", "table", "inet", "f2b-table"]);
    let mut set = "";
    for line in nft.lines().map(str::trim) {
        set = line.strip_prefix("set ").unwrap_or(set).trim_end_matches(" {");
        set = if line == "}" { "" } else { set };
        lines.push(format!("nft: {set} {line}"));
    }
    lines.extend(side.space.ask("ip", &["route"]).lines().map(|line| format!("ip: {line}")));
    lines.extend(side.space.ask("ip", &["-6", "route"]).lines().map(|line| format!("ip: {line}")));
    let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in lines {
        all.entry(owner(jails, &line)).or_default().push(side.masked(&line));
    }
    all
}

static SEED: std::sync::LazyLock<regex::Regex> =
    std::sync::LazyLock::new(|| regex::Regex::new(" (bucketsize \\d+|initval 0x[0-9a-f]+)").expect("it is sound"));

/// The cable over which the banned send, and all that hold its ends.
struct Wire {
    _peer: Space,
    /// What each jail's addresses send from.
    senders: BTreeMap<String, [UdpSocket; 2]>,
    controls: [UdpSocket; 2],
    here: [UdpSocket; 2],
}

impl Wire {
    fn new(side: &Side, jails: &[Jail]) -> Wire {
        let peer = Space::new().expect("there was one before");
        let all = jails.iter().filter(|j| j.drops_udp).flat_map(|j| [j.v4(1) + "/24", j.v6(1) + "/64"]);
        let theirs: Vec<String> = all.chain(["192.0.2.253/24".into(), "2001:db8::ffff/64".into()]).collect();
        side.space.join(&["192.0.2.254/24".into(), "2001:db8::fffe/64".into()], &peer, &theirs);
        let at_peer = |address: &str| match address.contains(':') {
            true => peer.socket(&format!("[{address}]:5060")),
            false => peer.socket(&format!("{address}:5060")),
        };
        let senders = jails.iter().filter(|j| j.drops_udp);
        Wire {
            senders: senders.map(|j| (j.name.clone(), [at_peer(&j.v4(1)), at_peer(&j.v6(1))])).collect(),
            controls: [at_peer("192.0.2.253"), at_peer("2001:db8::ffff")],
            here: [side.space.socket("192.0.2.254:5060"), side.space.socket("[2001:db8::fffe]:5060")],
            _peer: peer,
        }
    }

    fn look(&self, jails: &[Jail]) -> BTreeMap<String, [bool; 2]> {
        let of = |name: &String| {
            let from = &self.senders[name];
            [0, 1].map(|family| arrives(&from[family], &self.controls[family], &self.here[family]))
        };
        jails.iter().filter(|j| j.drops_udp).map(|j| (j.name.clone(), of(&j.name))).collect()
    }
}

/// Both sides, each played to its end.
pub struct Both {
    pub jails: Vec<Jail>,
    pub ours: Played,
    pub theirs: Played,
}

impl Both {
    /// Plays both sides at the same time; None where that cannot be.
    pub fn play(jails: Vec<Jail>, play: impl Fn(&mut Side, &[Jail]) -> Played + Sync) -> Option<Both> {
        let world = tempfile::tempdir().expect("a scratch directory");
        // With the original on both sides, what differs is chance.
        let itself = std::env::var_os("SIPJAIL_JUDGE_ITSELF").is_some();
        let mut ours = Side::new(if itself { Who::Theirs } else { Who::Ours }, &world.path().join("ours"))?;
        let mut theirs = Side::new(Who::Theirs, &world.path().join("theirs"))?;
        let (ours, theirs) = std::thread::scope(|scope| {
            let ours = scope.spawn(|| play(&mut ours, &jails));
            let theirs = play(&mut theirs, &jails);
            (ours.join(), theirs)
        });
        let ours = ours.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        Some(Both { jails, ours, theirs })
    }
}
