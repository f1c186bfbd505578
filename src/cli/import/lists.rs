//! What a file of addresses says, line by line: an `ipset save`, SIPCheck's `blacklist.dat`, a plain list, a list of
//! addresses to let in.

use clap::ValueEnum;

use crate::addr::Id;
use crate::config::IgnoreItem;
use crate::store::import::is_database;
use crate::time::{Bantime, Span, Timestamp};

/// What kind of file it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A database of fail2ban's, or of another sipjail
    Fail2ban,
    /// What `ipset save` printed, such as SIPban's sipban.dump
    Ipset,
    /// SIPCheck's blacklist.dat: an address and the time at which it was banned
    Sipcheck,
    /// Addresses and networks, one or several a line; or CSV with the address first
    List,
    /// Addresses that must never be banned, such as SIPCheck's whitelist.txt
    Allow,
}

impl Kind {
    /// By what the file holds; an allow list looks like any other and goes by its name.
    pub fn of(name: &str, bytes: &[u8]) -> Kind {
        if is_database(bytes) {
            return Kind::Fail2ban;
        }
        let text = String::from_utf8_lossy(bytes);
        let mut lines = lines(&text).map(|(_, line)| line).peekable();
        let name = name.to_ascii_lowercase();
        if ["whitelist", "allowlist", "allow."].iter().any(|word| name.contains(word)) {
            Kind::Allow
        } else if lines.peek().is_some_and(|line| line.starts_with("create ") || line.starts_with("add ")) {
            Kind::Ipset
        } else if lines.peek().is_some() && lines.all(|line| address_and_time(line).is_some()) {
            Kind::Sipcheck
        } else {
            Kind::List
        }
    }
}

/// What a file says.
#[derive(Debug, Default, PartialEq)]
pub struct Said {
    /// Who is to be banned.
    pub bans: Vec<Entry>,
    /// Who is never to be banned, as a word of `ignoreip`.
    pub allowed: Vec<String>,
    /// What was not understood: line, words, why.
    pub refused: Vec<(usize, String, String)>,
}

/// One address or network.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Its line, from 1.
    pub line: usize,
    /// Who.
    pub id: Id,
    /// Since when.
    pub since: Timestamp,
    /// How long, where the file says it.
    pub bantime: Option<Bantime>,
}

/// Reads a file of one of the kinds that are text. A list without times begins `now`; `bantime` is for entries that do
/// not say how long.
pub fn read(kind: Kind, bytes: &[u8], bantime: Option<Bantime>, now: Timestamp) -> Said {
    let text = String::from_utf8_lossy(bytes);
    let mut said = Said::default();
    match kind {
        Kind::Ipset => ipset(&text, bantime, now, &mut said),
        Kind::Sipcheck => sipcheck(&text, bantime.unwrap_or(SIPCHECKS), now, &mut said),
        Kind::Allow => allow(&text, &mut said),
        Kind::List | Kind::Fail2ban => list(&text, bantime, now, &mut said),
    }
    said
}

/// `create SET TYPE … timeout N`, `add SET MEMBER … timeout N`. The seconds that are left are counted from now.
fn ipset(text: &str, bantime: Option<Bantime>, now: Timestamp, said: &mut Said) {
    let mut defaults: Vec<(&str, Option<Bantime>)> = Vec::new();
    for (line, text) in lines(text) {
        let mut words = text.split_whitespace();
        let (verb, set, member) = (words.next(), words.next().unwrap_or_default(), words.next());
        // A comment is the only option with blanks in it, and it comes behind the timeout.
        let options: Vec<&str> = words.take_while(|word| *word != "comment").collect();
        let at = options.iter().position(|word| *word == "timeout");
        let timeout = at.and_then(|at| options.get(at + 1)).and_then(|secs| secs.parse().ok()).map(left);
        match (verb, member) {
            (Some("create"), Some(_)) => defaults.push((set, timeout)),
            (Some("add"), Some(member)) => {
                let default = defaults.iter().find(|(name, _)| *name == set).and_then(|(_, default)| *default);
                let bantime = timeout.or(default).or(bantime);
                if options.contains(&"nomatch") {
                    said.refuse(line, member, "an exception of its set (nomatch), to be put into ignoreip");
                } else {
                    said.ban(line, member, now, bantime);
                }
            }
            (Some("flush" | "destroy" | "swap" | "rename"), _) => {}
            _ => said.refuse(line, text, "neither `create` nor `add`"),
        }
    }
}

/// The kernel's 0 is for ever.
fn left(secs: i64) -> Bantime {
    if secs == 0 { Bantime::Forever } else { Bantime::For(Span::from_secs(secs)) }
}

/// `ADDRESS,SECONDS SINCE 1970`.
fn sipcheck(text: &str, bantime: Bantime, now: Timestamp, said: &mut Said) {
    for (line, text) in lines(text) {
        let Some((address, since)) = address_and_time(text) else {
            said.refuse(line, text, "not an address and a time");
            continue;
        };
        let since = since.min(now);
        if bantime.until(since).is_some_and(|end| end <= now) {
            said.refuse(line, address, "over already");
        } else {
            said.ban(line, address, since, Some(bantime));
        }
    }
}

fn address_and_time(line: &str) -> Option<(&str, Timestamp)> {
    let (address, since) = line.split_once(',')?;
    let since: f64 = since.trim().parse().ok()?;
    (TIMES.contains(&since)).then(|| (address.trim(), Timestamp::from_secs_f64(since)))
}

fn list(text: &str, bantime: Option<Bantime>, now: Timestamp, said: &mut Said) {
    for (nth, (line, text)) in lines(text).enumerate() {
        for word in addresses(text, nth == 0) {
            said.ban(line, word, now, bantime);
        }
    }
}

fn allow(text: &str, said: &mut Said) {
    for (nth, (line, text)) in lines(text).enumerate() {
        for word in addresses(text, nth == 0) {
            match IgnoreItem::parse(word) {
                Ok(IgnoreItem::Net(id)) => said.allowed.push(id.to_string()),
                // A name without a dot is rather a word that strayed in.
                Ok(IgnoreItem::Name(name)) if name.contains('.') => said.allowed.push(name),
                _ => said.refuse(line, word, "neither an address nor a host name"),
            }
        }
    }
}

/// The words of a line that should be addresses: all; of CSV the first field, unless all fields are addresses. What
/// stands over the columns is none.
fn addresses(line: &str, first: bool) -> Vec<&str> {
    let fields: Vec<&str> =
        line.split(',').map(|field| field.trim().trim_matches('"')).filter(|field| !field.is_empty()).collect();
    let is_address = |field: &&str| !matches!(Id::parse(field), Id::Raw(_));
    match fields.as_slice() {
        [] => Vec::new(),
        [_] => {
            line.split([' ', '\t', ',']).map(|word| word.trim_matches('"')).filter(|word| !word.is_empty()).collect()
        }
        all if all.iter().all(is_address) => fields,
        [heading, ..] if first && !heading.contains(|c: char| c.is_ascii_digit()) => Vec::new(),
        [address, ..] => address.split_whitespace().take(1).collect(),
    }
}

/// Numbered lines without their comments and what is blank.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let bare = |line: &'_ str| -> usize { line.find(['#', ';']).unwrap_or(line.len()) };
    let lines = text.lines().enumerate().map(move |(n, line)| (n + 1, line[..bare(line)].trim()));
    lines.map(|(n, line)| (n, line.trim_start_matches('\u{feff}'))).filter(|(_, line)| !line.is_empty())
}

impl Said {
    fn ban(&mut self, line: usize, word: &str, since: Timestamp, bantime: Option<Bantime>) {
        match Id::parse(word) {
            Id::Raw(_) => self.refuse(line, word, "not an address"),
            id => self.bans.push(Entry { line, id, since, bantime }),
        }
    }

    fn refuse(&mut self, line: usize, words: &str, why: &str) {
        self.refused.push((line, words.to_owned(), why.to_owned()));
    }
}

/// How long SIPCheck bans.
const SIPCHECKS: Bantime = Bantime::For(Span::from_secs(86_400));

/// Seconds since 1970 from 2001 to 5138: no count of failures is among them.
const TIMES: std::ops::Range<f64> = 1e9..1e11;

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_795_170_000);
    const HOUR: Option<Bantime> = Some(Bantime::For(Span::from_secs(3600)));

    type Refused = (usize, String, String);
    type Ban = (usize, String, Timestamp, Option<Bantime>);

    fn bans(kind: Kind, text: &str) -> (Vec<Ban>, Vec<Refused>) {
        let said = read(kind, text.as_bytes(), None, NOW);
        (said.bans.into_iter().map(|e| (e.line, e.id.to_string(), e.since, e.bantime)).collect(), said.refused)
    }

    fn refused(line: usize, words: &str, why: &str) -> Refused {
        (line, words.into(), why.into())
    }

    #[test]
    fn a_file_is_known_by_what_it_holds() {
        for (name, text, kind) in [
            ("x", "SQLite format 3\0…", Kind::Fail2ban),
            ("sipban.dump", "create sipban hash:net\n", Kind::Ipset),
            ("x", "# saved\n\nadd sipban 192.0.2.1 timeout 3\n", Kind::Ipset),
            ("blacklist.dat", "# ip,time\n192.0.2.1,1795170000\n192.0.2.2,1795170000.25\n", Kind::Sipcheck),
            ("counts.csv", "192.0.2.1,17\n192.0.2.2,1795170000\n", Kind::List),
            ("whitelist.txt", "192.0.2.1\n", Kind::Allow),
            ("blacklist.dat", "", Kind::List),
            ("x", "\u{feff}192.0.2.1\r\n", Kind::List),
        ] {
            assert_eq!(Kind::of(name, text.as_bytes()), kind, "{text}");
        }
    }

    #[test]
    fn an_entry_of_a_set_lasts_as_long_as_is_left_of_it() {
        let text = "create sipban hash:net family inet hashsize 1024 maxelem 65536 timeout 604800\n\
            add sipban 192.0.2.1 timeout 600 comment \"a timeout 5\"\nadd sipban 198.51.100.0/24\n\
            add sipban 192.0.2.2 timeout 0\nadd other 2001:db8::/32\nadd sipban 192.0.2.128/25 timeout 5 nomatch\n\
            add all sipban\nadd ports 192.0.2.3,udp:5060\nnonsense\nadd\n";
        let (found, wrong) = bans(Kind::Ipset, text);
        let secs = |secs| Some(Bantime::For(Span::from_secs(secs)));
        let expected = [
            (2, "192.0.2.1".into(), NOW, secs(600)),
            (3, "198.51.100.0/24".into(), NOW, secs(604_800)),
            (4, "192.0.2.2".into(), NOW, Some(Bantime::Forever)),
            (5, "2001:db8::/32".into(), NOW, None),
        ];
        assert_eq!(found, expected);
        assert_eq!(wrong.iter().map(|(line, ..)| *line).collect::<Vec<_>>(), [6, 7, 8, 9, 10]);
        assert_eq!(wrong[2], refused(8, "192.0.2.3,udp:5060", "not an address"));
    }

    #[test]
    fn sipchecks_bans_last_a_day_from_their_time() {
        let text =
            "192.0.2.1,1795166400\n# 192.0.2.9,1\n192.0.2.2,1795083600\nbob,1795166400\n2001:db8::1, 1795999999.5\n";
        let (found, wrong) = bans(Kind::Sipcheck, text);
        let day = Some(SIPCHECKS);
        let since = Timestamp::from_secs(1_795_166_400);
        assert_eq!(found, [(1, "192.0.2.1".into(), since, day), (5, "2001:db8::1".into(), NOW, day)]);
        assert_eq!(wrong, [refused(3, "192.0.2.2", "over already"), refused(4, "bob", "not an address")]);
        assert_eq!(read(Kind::Sipcheck, text.as_bytes(), HOUR, NOW).bans.len(), 1, "shorter bans are over");
    }

    #[test]
    fn a_list_has_one_or_more_a_line_or_the_address_first() {
        let text = "ip,count\n192.0.2.1 192.0.2.2\t2001:db8::/64 # seen ; twice\n; none\n192.0.2.3,192.0.2.4\n\
            192.0.2.5,7,CN,192.0.2.0 - 192.0.2.255\n\"192.0.2.6\",\"1\"\nroot,5\n  192.0.2.7,\n300.1.1.1\n";
        let (found, wrong) = bans(Kind::List, text);
        let found: Vec<_> = found.into_iter().map(|(line, id, ..)| format!("{line} {id}")).collect();
        let expected = [
            "2 192.0.2.1",
            "2 192.0.2.2",
            "2 2001:db8::/64",
            "4 192.0.2.3",
            "4 192.0.2.4",
            "5 192.0.2.5",
            "6 192.0.2.6",
            "8 192.0.2.7",
        ];
        assert_eq!(found, expected);
        assert_eq!(wrong, [refused(7, "root", "not an address"), refused(9, "300.1.1.1", "not an address")]);
    }

    #[test]
    fn an_allow_list_becomes_words_of_ignoreip() {
        let said = read(Kind::Allow, b"192.0.2.1\n198.51.100.0/24 pbx.example\n??\nfile:/etc/x\nbob\n", None, NOW);
        assert_eq!(said.allowed, ["192.0.2.1", "198.51.100.0/24", "pbx.example"]);
        assert_eq!((said.bans.len(), said.refused.len()), (0, 3));
    }

    #[test]
    fn no_bytes_are_too_strange() {
        for kind in [Kind::Ipset, Kind::Sipcheck, Kind::List, Kind::Allow] {
            for bytes in [&b"\xff\xfe\0,\n"[..], b"add\n,,,\n\"\"\n", b"create\nadd x timeout\n", b"1,1e999\n1,nan\n"] {
                let said = read(kind, bytes, HOUR, NOW);
                assert_eq!(said.bans, []);
            }
        }
    }
}
