//! Asterisk, 1.4 to 23.

use std::net::IpAddr;

use sipjail::addr::Id;
use sipjail::ticket::{Sign, Who};

use super::prefixes::{Message, Prefix};
use super::table::{Found, SLOW, Stock, Verdict, fixture, rows};

/// Jails for what counts one by one, and the one for what only counts in floods.
const COUNTING: [&str; 4] = ["asterisk", "asterisk-toll", "sip-mgmt", "sipjail-screen"];
const FLOOD: &str = "asterisk-flood";

#[test]
fn every_line_goes_where_its_verdict_says() {
    let mut stock = Stock::all();
    let mut tally = Tally::default();
    for row in rows("asterisk.tsv") {
        let found = stock.read(format!("{}\n{REST}", row.line).as_bytes());
        tally.judge(&row.id, row.verdict, row.host, found);
    }
    tally.show("as they are");
    let trusted = |jail: &str| (jail.to_owned(), Sign::LoggedIn, Who::Id(Id::parse("203.0.113.47")));
    assert_eq!(stock.signs(), [trusted("asterisk")]);
    assert_eq!(tally.caught[&Verdict::Count], (71, 71));
}

#[test]
fn with_any_prefix_over_any_transport_and_from_any_address_the_same() {
    let (mut stock, mut journal) = (Stock::all(), Stock::of_journal());
    let mut tally = Tally::default();
    for row in rows("asterisk.tsv") {
        let Some(message) = Message::parse(&row.line) else { continue };
        for message in message.variants(row.host) {
            for prefix in Prefix::all() {
                let line = prefix.line(&message);
                let stock = if prefix == Prefix::Journal { &mut journal } else { &mut stock };
                let found = stock.read(&[&line, REST.as_bytes()].concat());
                let what = format!("{} {prefix:?}: {}", row.id, String::from_utf8_lossy(&line));
                tally.judge(&what, row.verdict, message.host, found);
            }
        }
    }
    tally.show("in all forms");
    let signs = [stock.signs(), journal.signs()].concat();
    assert!(signs.len() > 50 && signs.iter().all(|(_, sign, _)| *sign == Sign::LoggedIn), "{signs:?}");
    counted!("logins in all forms: {}", signs.len());
}

/// What follows a line: in the place of a packet that one says it dumps.
pub const REST: &str =
    "x\r\n-- end of packet. ----------------------------------------------------------------------------\n";

/// How many lines of each verdict were treated as it says, of how many.
#[derive(Default)]
struct Tally {
    caught: std::collections::BTreeMap<Verdict, (usize, usize)>,
    wrong: Vec<String>,
}

impl Tally {
    fn judge(&mut self, what: &str, verdict: Verdict, host: Option<IpAddr>, found: Vec<Found>) {
        let one = |jails: &[&str]| match &found[..] {
            [one] => Some(one.host) == host && jails.contains(&one.jail.as_str()),
            _ => false,
        };
        let right = match verdict {
            // So short that it fits into a number that was dialled: it counts where only a flood does.
            Verdict::Count if what.starts_with("I09") => one(&[FLOOD]),
            Verdict::Count => one(&COUNTING),
            Verdict::Weak | Verdict::Rate => one(&[FLOOD]),
            Verdict::Trust | Verdict::Context | Verdict::NoAddress | Verdict::Never => found.is_empty(),
        };
        let (caught, all) = self.caught.entry(verdict).or_default();
        *caught += usize::from(right);
        *all += 1;
        if !right {
            self.wrong.push(format!("{what}: {verdict:?} {host:?}, but {found:?}"));
        }
    }

    fn show(&self, what: &str) {
        counted!("Asterisk's lines {what}: {:?}", self.caught);
        assert!(
            self.wrong.is_empty(),
            "{} of them: {}",
            self.wrong.len(),
            self.wrong[..self.wrong.len().min(20)].join("\n")
        );
    }
}

#[test]
fn the_slow_jail_sees_what_the_fast_one_does_and_whose_account_it_was() {
    let (mut fast, mut slow) = (Stock::new(|name| name == "asterisk"), Stock::new(|name| name == SLOW));
    let mut named = std::collections::BTreeMap::<String, Vec<String>>::new();
    for row in rows("asterisk.tsv") {
        let lines = format!("{}\n{REST}", row.line);
        let hosts: Vec<IpAddr> = fast.read(lines.as_bytes()).into_iter().map(|found| found.host).collect();
        let found = slow.accounts(lines.as_bytes());
        assert_eq!(found.iter().map(|(host, _)| *host).collect::<Vec<_>>(), hosts, "{}", row.id);
        found
            .into_iter()
            .for_each(|(_, user)| named.entry(user.unwrap_or("-".into())).or_default().push(row.id.clone()));
    }
    let named: Vec<String> = named.into_iter().map(|(user, ids)| format!("{user}: {}", ids.join(" "))).collect();
    assert_eq!(named, NAMED);
}

/// Which account the lines of the catalogue tell of; what names none is a packet or an address that was refused.
const NAMED: [&str; 6] = [
    ": P21",
    "-: P10 P22 P23 P26 P27 P28 P29 C14 C15 I11 I15 D01",
    "1'0: P09",
    "100: P01 P02 P03 P05 P07 P08 S01 S02 S04 S14 S18 S19 S20 C01 C02 C03 C06 C07 C08 I02 I03 I04 I05 I06 J01 J02 J03 J04",
    "admin: I01",
    "anonymous: S08",
];

#[test]
fn a_dialled_number_is_told_where_no_more_than_a_number_is_in_it() {
    let mut toll = Stock::new(|name| name == "asterisk-toll");
    let mut named = std::collections::BTreeMap::<String, Vec<String>>::new();
    for row in rows("asterisk.tsv") {
        for (_, number) in toll.accounts(format!("{}\n", row.line).as_bytes()) {
            named.entry(number.unwrap_or("-".into())).or_default().push(row.id.clone());
        }
    }
    let named: Vec<String> = named.into_iter().map(|(user, ids)| format!("{user}: {}", ids.join(" "))).collect();
    assert_eq!(named, NUMBERS);
}

/// In P18 and C10 there is more in it: `9'00`.
const NUMBERS: [&str; 4] =
    ["00972599580679: I07 I08", "9: P18 C10", "900: I13", "900972599580679: P11 P12 P13 P14 P15 P16 P17 P19 P20 C09"];

#[test]
fn tries_that_a_line_stands_for_are_counted() {
    let row = rows("asterisk.tsv").into_iter().find(|row| row.id == "P02").unwrap();
    assert_eq!(Stock::all().read(format!("{}\n", row.line).as_bytes())[0].count, 5);
}

/// Who attacked in the logs that were made to mislead, by the folder and the log's first word.
const HOSTILE: [(&str, &str, &[u8]); 4] = [
    ("hostile-asterisk-16", "logs", &[2, 3, 4, 5, 6, 7, 8, 66, 22, 23, 24, 25, 31, 32, 33, 34, 35]),
    ("hostile-asterisk-22", "logs", &[2, 3, 4, 5, 6, 7, 8, 66, 31, 32, 33, 34, 35]),
    ("hostile-asterisk-16", "logs3", &[70, 71, 72, 73, 74, 75, 76, 77]),
    ("hostile-asterisk-22", "logs3", &[70, 71, 72, 73, 74, 75, 76, 77]),
];

#[test]
fn in_hostile_logs_everybody_stands_for_himself() {
    for plausible in [false, true] {
        for (folder, name, attackers) in HOSTILE {
            let mut stock = Stock::all();
            let mut found = Vec::new();
            for log in ["messages", "security"] {
                let log = std::fs::read_to_string(fixture(&format!("{folder}/{name}-{log}.log"))).unwrap();
                found.extend(stock.read(if plausible { believable(&log) } else { log }.as_bytes()));
            }
            let mut hosts: Vec<IpAddr> = found.iter().filter(|found| found.jail != FLOOD).map(|f| f.host).collect();
            hosts.sort();
            hosts.dedup();
            let good = |(_, sign, who): &(String, Sign, Who)| match sign {
                Sign::LoggedIn => *who == Who::Id(Id::parse("127.0.0.9")),
                _ => true,
            };
            assert!(stock.signs().iter().all(good), "none of the attackers logged in");
            let mut expected: Vec<IpAddr> = attackers.iter().map(|n| IpAddr::from([127, 0, 0, *n])).collect();
            expected.sort();
            assert_eq!(hosts, expected, "{folder}/{name}");
            // A challenge is what every phone gets first.
            let flood = found.iter().filter(|found| found.jail == FLOOD).map(|found| found.host.to_string());
            assert!(flood.into_iter().all(|host| host.starts_with("127.0.0.")), "{found:?}");
            let said = stock.said();
            let told = |attacker: &str, victim: &str| {
                let forged = said.iter().filter(|text| text.contains(&format!("forged: {attacker} sent ")));
                forged.filter(|text| text.contains(victim)).count()
            };
            match name {
                "logs" => {
                    assert!(told("127.0.0.6", if plausible { "198.51.100.201" } else { "nobody" }) > 0, "{said:?}")
                }
                _ => assert!(told("127.0.0.71", "nobody") > 0 && told("127.0.0.74", "nobody") > 0, "{said:?}"),
            }
            if (folder, name) == ("hostile-asterisk-16", "logs") {
                assert!(told("127.0.0.25", if plausible { "198.51.100.203" } else { "nobody" }) > 0, "{said:?}");
            }
        }
    }
}

/// The same log with forged lines as believable as they can be.
fn believable(log: &str) -> String {
    let log = log
        .replace(" 30:", " 10:")
        .replace("NOTICE[1] x: ", "NOTICE[12] chan_iax2.c: ")
        .replace("NOTICE[1] a: ", "NOTICE[12] manager.c: ");
    log.replace("398.51.", "198.51.").replace("(from 198.51.' rejected", "(from 198.51.100.201)\nz' rejected")
}

#[test]
fn a_record_in_pieces_is_one_wherever_a_reading_ends_and_of_its_own_log_alone() {
    let account = "[2026-08-20 10:00:00] SECURITY[94] res_security_log.c: SecurityEvent=\"InvalidAccountID\",EventTV=\"2026-08-20T10:00:00.000+0000\",Severity=\"Error\",Service=\"PJSIP\",EventVersion=\"1\",AccountID=\"a\n\nb\",SessionID=\"c\",LocalAddress=\"IPV4/UDP/192.0.2.1/5060\",RemoteAddress=\"IPV4/UDP/203.0.113.1/5060\"\n";
    let number = "[2026-08-20 10:00:00] NOTICE[51] res_pjsip_session.c:  anonymous: Call (UDP:203.0.113.2:5060) to extension '9\nx\n[Aug 20 10:00:00] NOTICE[1] chan_iax2.c: Empty registration from 198.51.100.1\n\n' rejected because extension not found in context 'public'.\n";
    let genuine = "[2026-08-20 10:00:00] NOTICE[51] chan_iax2.c: Empty registration from 203.0.113.222\n";
    let log = [genuine, account, "nothing\n", number, genuine].concat();
    let whole = Stock::all().read(log.as_bytes());
    let hosts: Vec<String> = whole.iter().map(|found| found.host.to_string()).collect();
    assert_eq!(hosts, ["203.0.113.222", "203.0.113.1", "203.0.113.2", "203.0.113.222"]);
    for (at, _) in log.match_indices('\n') {
        let mut stock = Stock::all();
        let mut found = stock.read(&log.as_bytes()[..=at]);
        let other = stock.read_of(1, genuine.as_bytes());
        assert_eq!((other.len(), &other[0]), (1, &whole[0]), "another log");
        found.extend(stock.read(&log.as_bytes()[at + 1..]));
        assert_eq!(found, whole, "cut at {at}");
    }
}
