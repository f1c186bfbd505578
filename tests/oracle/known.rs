//! Where we mean to differ from fail2ban, each with its reason and an example.

use std::net::IpAddr;

use serde_json::Value;
use sipjail::config::UseDns;
use sipjail::filter::failregex::expand;

use crate::case::{self, Case, From, Line, Rules};

/// A difference that is a decision.
pub struct Known {
    pub name: &'static str,
    pub reason: &'static str,
    pub is: fn(&Difference<'_>) -> bool,
    /// With which versions.
    pub with: Versions,
    /// Whether both have the same state afterwards.
    pub goes_on: bool,
    pub example: fn() -> Case,
}

/// Which versions of fail2ban differ from us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Versions {
    All,
    /// 1.0; newer ones do as we do.
    Older,
    /// 1.1 and later.
    Newer,
}

/// Two answers that are not the same; without a line they are about the rules.
pub struct Difference<'a> {
    pub case: &'a Case,
    pub line: Option<&'a Line>,
    pub ours: &'a Value,
    pub theirs: &'a Value,
}

pub const KNOWN: &[Known] = &[
    Known {
        name: "no address",
        reason: "what looks like an address and is none cannot be banned",
        is: |d| {
            let mut ours = d.ours.clone();
            let hits = ours["hits"].as_array_mut();
            let mut any = false;
            for hit in hits.into_iter().flatten().filter(|hit| hit["invalid"].is_string()) {
                hit["id"] = hit["invalid"].clone();
                any = true;
            }
            any && case::same(&ours, d.theirs)
        },
        with: Versions::All,
        goes_on: true,
        example: || daemon(&["^ bad <HOST>$"], &["2026-03-01 11:59:59 bad 999.1.2.3"]),
    },
    Known {
        name: "unknown zone",
        reason: "a sender's text must not stall a jail: the line has no date",
        is: |d| d.theirs["raised"] == "KeyError",
        with: Versions::All,
        goes_on: false,
        example: || daemon(&["bad <HOST>$"], &["WARN Mar  1 10:00:00 bad 192.0.2.1"]),
    },
    Known {
        name: "empty line",
        reason: "an empty line with `{NONE}` must not stall a jail",
        is: |d| d.theirs["raised"] == "IndexError",
        with: Versions::All,
        goes_on: false,
        example: || rules(Rules { datepattern: vec!["{NONE}".into()], ..of(&["^bad <HOST>$"]) }, &[""]),
    },
    Known {
        name: "day without month",
        reason: "the same for a datepattern that cannot be a date",
        is: |d| d.theirs["raised"] == "TypeError",
        with: Versions::All,
        goes_on: false,
        example: || {
            let rules_of = Rules { datepattern: vec!["%d %H:%M:%S".into()], ..of(&["bad <HOST>$"]) };
            rules(rules_of, &["01 11:59:59 bad 192.0.2.1"])
        },
    },
    Known {
        name: "slash",
        reason: "an identity that is no address keeps what stands behind a `/`, and may hold a NUL; fail2ban cuts it off \
                 or loses the line",
        is: |d| {
            let mut ours = d.ours.clone();
            let theirs = d.theirs["hits"].as_array().into_iter().flatten();
            let mut any = false;
            for (hit, their) in ours["hits"].as_array_mut().into_iter().flatten().zip(theirs) {
                if hit["id"].as_str().is_some_and(|id| id.contains('/') && id.parse::<ipnet::IpNet>().is_err()) {
                    hit["id"] = their["id"].clone();
                    any = true;
                }
            }
            d.theirs["raised"] == "ValueError" || any && case::same(&ours, d.theirs)
        },
        with: Versions::Older,
        goes_on: false,
        example: || daemon(&["^ <F-ID/>$"], &["2026-03-01 11:59:59 sip/100"]),
    },
    Known {
        name: "time",
        reason: "an expression may take exponential time in fail2ban; ours is given up",
        is: |d| d.theirs["raised"] == "TooLong" || d.ours["gave up"].as_u64() > Some(0),
        with: Versions::All,
        goes_on: false,
        example: || {
            let line = format!("2026-03-01 11:59:59 {}b <192.0.2.1>", "a".repeat(60));
            daemon(&["^ (?:a+)+ <<HOST>>$"], &[&line])
        },
    },
    Known {
        name: "length",
        reason: "of a line 64 KiB are looked at",
        is: |d| d.line.is_some_and(|line| line.text.len() > 64 << 10),
        with: Versions::All,
        goes_on: false,
        example: || daemon(&["bad <HOST>$"], &[&format!("{} bad 192.0.2.1", "x".repeat(70_000))]),
    },
    Known {
        name: "empty group",
        reason: "a failregex's group that took no part leaves the prefregex's in place, as in newer versions",
        is: |d| match &d.case.from {
            From::Rules(Rules { prefregex: Some(prefix), failregex, .. }) => {
                d.line.is_some() && failregex.iter().any(|regex| share_a_group(prefix, regex))
            }
            _ => false,
        },
        with: Versions::Older,
        goes_on: false,
        example: || {
            let prefix = "^ user=<F-USER>\\w+</F-USER> <F-CONTENT>.+</F-CONTENT>$".to_owned();
            let regexes = of(&["^(?:as <F-USER>\\w+</F-USER>|bad) <HOST>$"]);
            rules(Rules { prefregex: Some(prefix), ..regexes }, &["2026-03-01 11:59:59 user=bob bad 192.0.2.1"])
        },
    },
    Known {
        name: "newer date",
        reason: "a form that newer versions of fail2ban take",
        is: |d| d.line.is_some_and(|line| has_newer_date(&line.text)),
        with: Versions::Older,
        goes_on: false,
        example: || daemon(&["^ bad <HOST>$"], &["20260301-11:59:59 bad 192.0.2.1"]),
    },
    Known {
        name: "i",
        reason: "without regard to case, Python takes Turkish `İ` and `ı` for `i`; Unicode's simple folding does not",
        is: |d| {
            let text = d.line.map_or_else(String::new, |line| String::from_utf8_lossy(&line.text).into_owned());
            (text.contains(['İ', 'ı']) || has(d.case, &["İ", "ı"])) && has(d.case, &["(?"])
        },
        with: Versions::All,
        goes_on: false,
        example: || daemon(&["(?i)^ mist <HOST>$"], &["2026-03-01 11:59:59 mıst 192.0.2.1"]),
    },
    Known {
        name: "mapped",
        reason: "an IPv4 address or network in IPv6's clothes is the IPv4 one, whatever group it stands in",
        is: |d| d.theirs["hits"].as_array().into_iter().flatten().any(|hit| is_mapped(hit["id"].as_str())),
        with: Versions::All,
        goes_on: true,
        example: || daemon(&["^ bad <SUBNET>$"], &["2026-03-01 11:59:59 bad ::ffff:c000:0200/120"]),
    },
    Known {
        name: "tuple",
        reason: "groups like `tuple_id` are not supported, and the jail that has one says so",
        is: |d| d.ours["error"].as_str().is_some_and(|error| error.contains("tuple_")),
        with: Versions::All,
        goes_on: false,
        example: || daemon(&["^ bad <F-TUPLE_ID>\\w+</F-TUPLE_ID> <HOST>$"], &[""]),
    },
    Known {
        name: "address in a name's place",
        reason: "with `usedns = no` an IPv6 address in a group for names counts, as in newer versions",
        is: |d| {
            let mut ours = d.ours.clone();
            let is_it = |hit: &Value| hit["groups"]["dns"].as_str().is_some_and(|name| name.contains(':'));
            ours["hits"].as_array_mut().into_iter().for_each(|hits| hits.retain(|hit| !is_it(hit)));
            d.case.usedns == UseDns::No && case::same(&ours, d.theirs)
        },
        with: Versions::Older,
        goes_on: true,
        example: || Case {
            usedns: UseDns::No,
            ..daemon(&[r"^ bad (?P<dns>\S+)$"], &["2026-03-01 11:59:59 bad 2001:db8::1"])
        },
    },
    Known {
        name: "newer IPv6",
        reason: "addresses are looked for with the expression of fail2ban 1.0",
        is: |d| {
            let hits = d.theirs["hits"].as_array().into_iter().flatten();
            let groups = hits.filter_map(|hit| hit["groups"]["ip6"].as_str());
            groups.into_iter().any(|text| text.starts_with(':') && !text.starts_with("::"))
        },
        with: Versions::Newer,
        goes_on: false,
        example: || daemon(&[r"^ \d?<IP6>"], &["2026-03-01 11:59:59 1:2"]),
    },
    Known {
        name: "undefined byte",
        reason: "a byte that a code page of Windows leaves out is a control character, as it is for browsers",
        is: |d| d.case.encoding.starts_with("cp"),
        with: Versions::All,
        goes_on: true,
        example: || Case {
            encoding: "cp1252",
            ..Case::new(
                From::Rules(of(&["^ <F-USER>.+</F-USER> <HOST>$"])),
                vec![Line::new(b"2026-03-01 11:59:59 \x81 192.0.2.1")],
            )
        },
    },
    Known {
        name: "named character",
        reason: "`\\N{…}` would need a table of all of Unicode's names; the jail that has one says so",
        is: |d| d.ours["error"].as_str().is_some_and(|error| error.contains(r"bad escape `\N`")),
        with: Versions::All,
        goes_on: false,
        example: || daemon(&[r"^ \N{BULLET} <HOST>$"], &[""]),
    },
];

/// Whether any expression of the case holds one of `texts`.
fn has(case: &Case, texts: &[&str]) -> bool {
    let rules = case.answer()["rules"].to_string().replace(r"\\", r"\");
    texts.iter().any(|text| rules.contains(text))
}

fn share_a_group(a: &str, b: &str) -> bool {
    let (a, b) = (expand(a, UseDns::Warn), expand(b, UseDns::Warn));
    let names = a.split("(?P<").skip(1).filter_map(|rest| rest.split_once('>'));
    names.into_iter().any(|(name, _)| b.contains(&format!("(?P<{name}>")))
}

fn of(failregex: &[&str]) -> Rules {
    Rules { failregex: failregex.iter().map(|text| (*text).to_owned()).collect(), ..Rules::default() }
}

fn rules(rules: Rules, lines: &[&str]) -> Case {
    Case::new(From::Rules(rules), lines.iter().map(|text| Line::new(*text)).collect())
}

fn daemon(failregex: &[&str], lines: &[&str]) -> Case {
    rules(of(failregex), lines)
}

/// `20260301-100000`, `20260301T10:00:00`, `20260301 10:00:00`.
fn has_newer_date(text: &[u8]) -> bool {
    text.windows(13).any(|w| {
        w[..8].iter().all(u8::is_ascii_digit)
            && (w[8] == b'-' || w[8..].contains(&b':'))
            && matches!(w[8], b'-' | b'T' | b't' | b' ' | b'0'..=b'2')
    })
}

fn is_mapped(id: Option<&str>) -> bool {
    let address = id.and_then(|id| id.split('/').next()).and_then(|text| text.parse().ok());
    matches!(address, Some(IpAddr::V6(ip)) if ip.to_ipv4_mapped().is_some())
}

impl Difference<'_> {
    /// All that is needed to see it again.
    pub fn in_words(&self) -> String {
        let Difference { case, line, ours, theirs } = self;
        let line = line.map_or_else(String::new, |line| format!(" {:?}", String::from_utf8_lossy(&line.text)));
        format!("{line}\n ours   {ours}\n theirs {theirs}\n case   {}", case.request())
    }
}
