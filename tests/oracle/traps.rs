//! Where the filter language does not do what one expects: each case is one such place, and fail2ban says what is right.

use sipjail::config::UseDns;

use crate::case::{Case, From, Line, NOW, Rules};

/// All of them.
pub fn all() -> Vec<Case> {
    let mut cases = ignoring();
    cases.extend(timing());
    cases.extend(matching());
    cases.extend(naming());
    cases.extend(dating());
    cases.extend(decoding());
    cases.extend(forgetting());
    cases
}

/// An ignoreregex sees the line where it has clearly fewer of its kind than there are failregexes, else the content.
fn ignoring() -> Vec<Case> {
    let line = "2026-03-01 11:59:59 host bad 192.0.2.1";
    let of = |failregexes: usize, ignoreregexes: usize, ignoreregex: &str| {
        let rules = Rules {
            prefregex: Some(r"^\s*host <F-CONTENT>.+</F-CONTENT>$".into()),
            failregex: vec!["^bad <HOST>$".into(); failregexes],
            ignoreregex: vec![ignoreregex.into(); ignoreregexes],
            ..Rules::default()
        };
        Case::new(From::Rules(rules), vec![Line::new(line)])
    };
    let counts = (1..6).flat_map(|fail| (1..4).map(move |ignore| (fail, ignore)));
    counts.flat_map(|(fail, ignore)| [of(fail, ignore, r"^\s*host"), of(fail, ignore, "^bad")]).flat_map(both).collect()
}

/// Old, new, and no dates, in a log that is being written and in one that is read for the first time.
fn timing() -> Vec<Case> {
    let texts = [
        "no date bad 192.0.2.1",
        "2026-03-01 11:59:50 hello",
        "bad 192.0.2.1",
        "2026-02-30 11:59:50 bad 192.0.2.1",
        "2020-01-01 00:00:00 bad 192.0.2.1",
        "bad 192.0.2.1",
        "2026-03-01 12:30:00 bad 192.0.2.1",
        "bad 192.0.2.1",
        "2026-03-01 11:50:00 bad 192.0.2.1",
        "2026-03-01 11:49:59 bad 192.0.2.1",
        "2026-03-01 11:59:61 bad 192.0.2.1",
        "2026-03-01 12:00:30 bad 192.0.2.1",
    ];
    let mut cases = Vec::new();
    for (live, findtime, datepattern) in [
        (true, 600, ""),
        (false, 600, ""),
        (false, 5, ""),
        (true, 600, "{NONE}"),
        (false, 600, "^%Y-%m-%d %H:%M:%S\n{NONE}"),
    ] {
        for later in [0, 20, 70] {
            let lines = texts.iter().zip(0..).map(|(text, n)| Line { now: NOW + n * later, live, ..Line::new(*text) });
            let datepattern = datepattern.split('\n').filter(|p| !p.is_empty()).map(str::to_owned).collect();
            let rules = Rules { failregex: vec!["bad <HOST>$".into()], datepattern, ..Rules::default() };
            cases.push(Case { findtime, ..Case::new(From::Rules(rules), lines.collect()) });
        }
    }
    cases.into_iter().flat_map(both).collect()
}

fn matching() -> Vec<Case> {
    [
        // A newline stands behind what `$` matches.
        (r"bad <ADDR>\s$", "bad 192.0.2.1"),
        (r"bad <ADDR>[^x]$", "bad 192.0.2.1"),
        (r"bad <HOST>\Z", "bad 192.0.2.1"),
        (r"bad <HOST>\n\Z", "bad 192.0.2.1"),
        // Helping alone helps nobody.
        (r"^\s*<F-NOFAIL>ok</F-NOFAIL> <HOST>$", "ok 192.0.2.1"),
        (r"^\s*<F-MLFGAINED>ok</F-MLFGAINED> <HOST>$", "ok 192.0.2.1"),
        // A conditional asks for the group.
        ("(?P<x>a)?(?(x)b|c) <HOST>", "ab 192.0.2.1"),
        ("^ (?P<x>a)?(?(x)b|c) <HOST>", "ac 192.0.2.1"),
        // `\<` is no boundary, and braces may be themselves.
        (r"\<bad\> <HOST>", "<bad> 192.0.2.1"),
        (r"b{a}d{,2} <HOST>", "b{a}dd 192.0.2.1"),
        (r"[^[]* [&&] [a--c] <HOST>", "x & - 192.0.2.1"),
        ("((?i)BAD) <HOST>", "bad 192.0.2.1"),
        (r"\((?i)BAD\) <HOST>", "(bad) 192.0.2.1"),
        ("bad(?i) <HOST>", "bad 192.0.2.1"),
        ("<HOST> and <HOST>", "192.0.2.1 and 192.0.2.2"),
        ("<IP4> <IP6>", "192.0.2.1 2001:db8::1"),
        ("(?P<host>.*)", "192.0.2.1"),
        ("<F-user>x <HOST>", "<F-user>x 192.0.2.1"),
        ("<F-MY-TAG>x</F-MY-TAG> <HOST>", "x 192.0.2.1"),
        ("", "192.0.2.1"),
        ("bad", "bad"),
        // What matches and names nobody leaves the line to the others, or not.
        ("(?:from <ADDR>|bad)\n<HOST>", "bad 192.0.2.1"),
        ("(?:from <ADDR>|bad)\n<HOST>", "from 192.0.2.1"),
    ]
    .into_iter()
    .map(|(regexes, text)| one(regexes, text))
    .flat_map(both)
    .collect()
}

/// From groups to an identity.
fn naming() -> Vec<Case> {
    let cases = [
        ("u=<F-USER>\\S*</F-USER> a=<F-ALT_USER1>\\S*</F-ALT_USER1> <HOST>", "u= a=bob 192.0.2.1"),
        ("u=<F-USER>\\S*</F-USER> a=<F-ALT_USER_1>\\S*</F-ALT_USER_1> <HOST>", "u= a=bob 192.0.2.1"),
        (r"user <F-ID>\S+</F-ID> from <HOST>", "user bob from h.example"),
        (r"user <F-ID>\S+</F-ID> from <HOST>", "user bob from 192.0.2.1"),
        (r"user <F-ID>\S+</F-ID> from <HOST>", "user 192.0.2.1 from 192.0.2.1"),
        (r"user <F-ID>\S+</F-ID> from <HOST>", "user ::ffff:c000:0207 from ::ffff:c000:0207"),
        (r"user <F-ID>\S+</F-ID>", "user ::ffff:c000:0207"),
        (r"user <F-ID>\S+</F-ID>", "user [2001:DB8::1]"),
        (r"user <F-ID>\S+</F-ID>", "user 192.0.2.77/24"),
        ("from <HOST>", "from ::ffff:c000:0207"),
        ("from <HOST>", "from ::ffff:192.0.2.7"),
        ("from <HOST>", "from [2001:DB8:0:0:0:0:0:1]"),
        ("from <HOST>", "from ::192.0.2.7"),
        ("from <HOST>", "from 999.1.2.3"),
        ("from <HOST>", "from 01.2.3.4"),
        ("from <HOST>", "from 192.0.2.7.5"),
        (r"from <HOST>:\d+$", "from 2001:db8::1:5060"),
        (r"from <HOST>:\d+$", "from [::1]:5060"),
        ("from <DNS>", "from 192.0.2.7"),
        ("from <SUBNET>", "from 192.0.2.77/24"),
        ("from <SUBNET>", "from 192.0.2.77/33"),
        ("from <ADDR>/<CIDR>", "from 2001:db8::77/64"),
        ("from (?P<ip6>[^ ]+)", "from 192.0.2.7"),
    ];
    let names = [UseDns::Warn, UseDns::Yes, UseDns::No, UseDns::Raw];
    let with = |(regexes, text)| names.map(|usedns| Case { usedns, ..one(regexes, text) });
    cases.into_iter().flat_map(with).flat_map(both).collect()
}

fn dating() -> Vec<Case> {
    [
        ("EPOCH\n{DEFAULT}", "2026-03-01 11:59:59 bad 192.0.2.1"),
        ("EPOCH\n{DEFAULT}", "1772366399 bad 192.0.2.1"),
        ("{DEFAULT}", "2026-03-01 11:59:59 bad 192.0.2.1"),
        ("", "Feb 29 10:00:00 bad 192.0.2.1"),
        ("", "2026-03-01 10:00:61 bad 192.0.2.1"),
        ("", "user 2020-01-01 00:00:00 at Mar  1 10:00:00 2026 bad 192.0.2.1"),
        ("", "host Mar  1 11:59:59 bad 192.0.2.1"),
        ("", "CET Mar  1 12:59:59 bad 192.0.2.1"),
        ("%Y-%m-%d", "a2026-03-01b bad 192.0.2.1"),
        ("**%Y-%m-%d**", "a2026-03-01b bad 192.0.2.1"),
        ("%", "x"),
        ("%q", "x"),
        ("%Y\n%Y", "x"),
    ]
    .into_iter()
    .map(|(patterns, text)| {
        let datepattern = patterns.split('\n').filter(|p| !p.is_empty()).map(str::to_owned).collect();
        let rules = Rules { failregex: vec!["bad <HOST>$".into()], datepattern, ..Rules::default() };
        Case::new(From::Rules(rules), vec![Line::new(text)])
    })
    .flat_map(both)
    .collect()
}

/// More sessions than are remembered, and for longer.
fn forgetting() -> Vec<Case> {
    let of = |step: i64| {
        let first = (0..130).map(|n| (n, "from 192.0.2.1"));
        let second = (0..130).rev().map(|n| (n * 7 % 160, "fail"));
        let lines = first.chain(second).zip(0..).map(|((session, text), number)| {
            let now = NOW + number * step;
            Line { now, ..Line::new(format!("{now} s{session} {text}")) }
        });
        let rules = Rules {
            prefregex: Some(r"^ <F-MLFID>s\d+</F-MLFID> <F-CONTENT>.+</F-CONTENT>$".into()),
            failregex: vec!["^<F-NOFAIL>from</F-NOFAIL> <HOST>$".into(), "^fail$".into()],
            datepattern: vec!["^EPOCH".into()],
            ..Rules::default()
        };
        Case::new(From::Rules(rules), lines.collect())
    };
    [0, 1, 3, 5].map(of).into_iter().flat_map(both).collect()
}

/// Bytes to text: what cannot be decoded is replaced, and nothing but `\n` ends a line.
fn decoding() -> Vec<Case> {
    let bytes: [&[u8]; 12] = [
        b"a",
        b"\xe9",
        b"\xc3\xa9",
        b"\x85 \x93",
        b"\xff\xfe",
        b"\xe2\x82",
        b"\xed\xa0\x80",
        b"\xf4\x90\x80\x80",
        b"\0",
        b"\xa4\xa0\xff\x81",
        b"\r x \r\r",
        "\u{2028}\u{feff}\u{85}".as_bytes(),
    ];
    let names =
        ["UTF-8", "utf8", "ascii", "latin-1", "iso8859-1", "iso8859-15", "cp1251", "koi8-r", "cp1252", "nonsense"];
    let of = |(encoding, text): (&'static str, &[u8])| {
        let rules = Rules { failregex: vec![r"bad <F-USER>.*</F-USER>\s<HOST>".into()], ..Rules::default() };
        let line = [b"2026-03-01 11:59:59 bad ", text, b" 192.0.2.1\r\r"].concat();
        Case { encoding, ..Case::new(From::Rules(rules), vec![Line::new(line)]) }
    };
    names.into_iter().flat_map(|name| bytes.map(|text| of((name, text)))).collect()
}

/// One line, dated, for failregexes that stand in lines.
fn one(regexes: &str, text: &str) -> Case {
    let failregex = regexes.split('\n').map(str::to_owned).collect();
    let rules = Rules { failregex, ..Rules::default() };
    Case::new(From::Rules(rules), vec![Line::new(format!("2026-03-01 11:59:59 {text}"))])
}

/// As the daemon reads and as a tool reads.
fn both(case: Case) -> [Case; 2] {
    [Case { tool: true, ..case.clone() }, case]
}
