//! Dates: what fail2ban's own detector finds in a line, and when that is, ours must find too. Skipped where fail2ban is not
//! installed.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

#[macro_use]
#[path = "common/counted.rs"]
mod counted;
#[path = "oracle/judge.rs"]
mod judge;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use sipjail::filter::date::{DateValue, Detector, Zones};
use sipjail::time::Timestamp;
use sipjail::zone;

use judge::Judge;

/// 2026-03-01 12:00:00 UTC
const NOW: i64 = 1_772_366_400;

const ZONES: [&str; 4] = ["UTC", "Europe/Berlin", "America/New_York", "CET-01CEST-02,M3.5.0,M10.5.0"];

/// One detector and the lines that it sees.
struct Case {
    tz: &'static str,
    logtimezone: Option<&'static str>,
    now: i64,
    patterns: Vec<String>,
    lines: Vec<String>,
}

#[test]
fn the_default_templates_find_what_fail2ban_finds() {
    let mut cases = Vec::new();
    let mut dice = Dice(0x5eed_0001);
    for round in 0..48 {
        let now = [NOW, 1_767_225_600 - 1800, 1_774_750_000, 1_834_660_000 - 86_400 * 400][round % 4];
        let logtimezone = if round % 7 == 3 { Some("CET+01:00") } else { None };
        let lines = log(&mut dice, 70);
        cases.push(Case { tz: ZONES[round / 4 % 4], logtimezone, now, patterns: Vec::new(), lines });
    }
    compare(&cases);
}

#[test]
fn the_templates_for_the_start_of_a_line_find_what_fail2ban_finds() {
    let mut cases = Vec::new();
    let mut dice = Dice(0x5eed_0002);
    for round in 0..24 {
        let patterns = vec![["{^LN-BEG}", "{DATE}", "^{DATE}"][round % 3].to_owned()];
        cases.push(Case { tz: ZONES[round % 4], logtimezone: None, now: NOW, patterns, lines: log(&mut dice, 60) });
    }
    compare(&cases);
}

#[test]
fn written_patterns_find_what_fail2ban_finds() {
    let mut cases = Vec::new();
    let mut dice = Dice(0x5eed_0003);
    for (at, patterns) in PATTERNS.iter().enumerate() {
        let mut lines = log(&mut dice, 25);
        lines.extend(SPECIAL.iter().map(|line| (*line).to_owned()));
        for _ in 0..25 {
            let line = dice.pick(SPECIAL);
            lines.push(mutated(&mut dice, line));
        }
        lines.retain(|line| !line.is_empty());
        let patterns = patterns.iter().map(|pattern| (*pattern).to_owned()).collect();
        cases.push(Case { tz: ZONES[at % 4], logtimezone: None, now: NOW, patterns, lines });
    }
    compare(&cases);
}

/// The logs that come with fail2ban's own tests, in the zone and at the time at which those run.
#[test]
fn real_logs_are_dated_as_by_fail2ban() {
    let Ok(files) = std::fs::read_dir("/usr/lib/python3/dist-packages/fail2ban/tests/files/logs") else {
        println!("skipped: fail2ban's test logs are not installed");
        return;
    };
    let mut logs: Vec<_> = files.flatten().map(|file| file.path()).filter(|path| path.is_file()).collect();
    logs.sort();
    let mut cases = Vec::new();
    for path in logs {
        let text = String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned();
        let lines: Vec<String> =
            text.lines().filter(|l| !l.is_empty() && !l.starts_with('#')).map(str::to_owned).collect();
        for patterns in [vec![], vec!["{^LN-BEG}".to_owned()]] {
            cases.push(Case { tz: ZONES[3], logtimezone: None, now: 1_124_013_600, patterns, lines: lines.clone() });
        }
    }
    compare(&cases);
}

#[test]
fn patterns_that_fail2ban_refuses_are_refused() {
    for patterns in
        [&["%q"][..], &["10%"], &["%Y%"], &["%Ey"], &["%Exf"], &["%Y %Y"], &["(%Y"], &["%Y", "%Y"], &["{DATE} {DATE}"]]
    {
        let Some(answer) = ask(&[Case {
            tz: "UTC",
            logtimezone: None,
            now: NOW,
            patterns: patterns.iter().map(|pattern| (*pattern).to_owned()).collect(),
            lines: vec!["x 2026".into()],
        }]) else {
            return;
        };
        assert!(answer[0]["error"].is_string(), "{patterns:?}");
        assert!(Detector::new(patterns, zones("UTC", None)).is_err(), "{patterns:?}");
    }
}

/// Each with its reason; the test fails too when such a difference has gone.
#[test]
fn known_differences_are_still_there() {
    for (pattern, line, reason) in [
        ("", "20260301-10:00:00 x", "a form that newer versions of fail2ban take"),
        ("", "20260301T10:00:00 x", "a form that newer versions of fail2ban take"),
        ("x ({EPOCH}) y", "x 1772359200 y", "newer versions cut the group alone"),
        ("{^LN-BEG}{EPOCH}", "[1772359200 y", "fail2ban looks for the token itself"),
    ] {
        let patterns: Vec<String> = [pattern].iter().filter(|p| !p.is_empty()).map(|p| (*p).to_owned()).collect();
        let case = Case { tz: "UTC", logtimezone: None, now: NOW, patterns, lines: vec![line.into()] };
        let Some(answer) = ask(&[case]) else { return };
        let mut detector = Detector::new(&[pattern][usize::from(pattern.is_empty())..], zones("UTC", None)).unwrap();
        let ours = detector.find(line, Timestamp::from_secs(NOW)).unwrap();
        let theirs = answer[0]["lines"][0]
            .as_array()
            .map(|found| found[0].as_u64().unwrap() as usize..found[1].as_u64().unwrap() as usize);
        assert_ne!(Some(ours.cut), theirs, "{line}: {reason}");
        assert_eq!(ours.time, DateValue::At(Timestamp::from_secs(1_772_359_200)), "{line}");
    }
}

fn compare(cases: &[Case]) {
    let Some(answers) = ask(cases) else { return };
    let (mut lines, mut dated) = (0, 0);
    for (case, answer) in cases.iter().zip(answers) {
        let patterns: Vec<&str> = case.patterns.iter().map(String::as_str).collect();
        assert!(answer["error"].is_null(), "fail2ban refuses {patterns:?}: {}", answer["error"]);
        let mut detector = Detector::new(&patterns, zones(case.tz, case.logtimezone)).unwrap();
        let mut same = true;
        for (number, (line, theirs)) in case.lines.iter().zip(answer["lines"].as_array().unwrap()).enumerate() {
            let ours = detector.find(line, Timestamp::from_secs(case.now));
            if ours.as_ref().is_some_and(|found| is_newer_form(&line[found.cut.clone()])) && theirs.is_null() {
                same = false;
                break;
            }
            let context =
                format!("{:?} {patterns:?}, line {number}: {line:?}\n theirs {theirs}\n ours {ours:?}", case.tz);
            lines += 1;
            let Some(found) = ours else {
                assert!(theirs.is_null(), "{context}");
                continue;
            };
            dated += 1;
            let chars = |at: usize| line[..at].chars().count() as u64;
            assert_eq!(theirs[0].as_u64(), Some(chars(found.cut.start)), "{context}");
            assert_eq!(theirs[1].as_u64(), Some(chars(found.cut.end)), "{context}");
            match found.time {
                DateValue::Empty => assert!(found.cut.is_empty(), "{context}"),
                DateValue::Unparsable => assert!(theirs[2].is_null(), "{context}"),
                DateValue::At(at) => {
                    let expected = theirs[2].as_f64().unwrap_or_else(|| panic!("{context}"));
                    let off = (at.as_secs_f64() - expected).abs();
                    let fine = off < 2e-5 || expected.abs() > 9e12 || off == 3600.0 && in_fold(at, case.tz);
                    assert!(fine, "{context}");
                }
            }
        }
        if same {
            let order: Vec<Value> = detector.templates().map(|t| json!([debians_name(&t.name), t.hits])).collect();
            assert_eq!(Value::Array(order), answer["templates"], "{patterns:?} in {:?}", case.tz);
        }
    }
    assert!(dated * 8 > lines, "enough lines should have a date: {dated} of {lines}");
    counted!("dates: {lines} lines, {dated} with a date");
}

/// What fail2ban says, or nothing if it is not there.
fn ask(cases: &[Case]) -> Option<Vec<Value>> {
    let mut judge = Judge::start(include_str!("oracle/dates.py"))?;
    println!("judged by fail2ban {}", judge.version);
    let request = |case: &Case| {
        json!({
            "tz": case.tz, "now": case.now, "patterns": case.patterns,
            "logtimezone": case.logtimezone, "lines": case.lines,
        })
    };
    Some(judge.ask(&cases.iter().map(request).collect::<Vec<_>>()))
}

fn zones(tz: &str, logtimezone: Option<&str>) -> Zones {
    let local = TimeZone::get(tz).or_else(|_| TimeZone::posix(tz)).unwrap();
    Zones { local, logtimezone: logtimezone.map(|text| zone::offset(text).unwrap()) }
}

fn in_fold(at: Timestamp, tz: &str) -> bool {
    let zone = zones(tz, None).local;
    let civil: DateTime = at.zoned(&zone).datetime();
    zone.to_ambiguous_timestamp(civil).is_ambiguous()
}

/// `20260301-100000` and `20260301T10:00:00`.
fn is_newer_form(cut: &str) -> bool {
    cut.len() >= 8 && cut.chars().take(8).all(char::is_numeric) && cut.contains(['-', ':'])
}

fn debians_name(name: &str) -> String {
    let newer = "ExYearExMonthExDay(?:-|T|  ?)Ex24hour:?ExMinute:?ExSecond";
    name.replace(newer, "ExYearExMonthExDay(?:T|  ?)Ex24hourExMinuteExSecond")
}

/// Lines as they stand in logs, most in the form of the one before; some of them broken.
fn log(dice: &mut Dice, count: usize) -> Vec<String> {
    let mut form = dice.below(FORMS);
    let mut around = (dice.pick(BEFORE), dice.pick(AFTER));
    let mut lines: Vec<String> = Vec::new();
    while lines.len() < count {
        if dice.below(6) == 0 {
            form = dice.below(FORMS);
        }
        if dice.below(4) == 0 {
            around = (dice.pick(BEFORE), dice.pick(AFTER));
        }
        let text = dated(dice, form);
        let line = format!("{}{text}{}", around.0, around.1);
        match dice.below(10) {
            0 => lines.push(mutated(dice, &line)),
            1 if !lines.is_empty() => lines.push(lines[lines.len() - 1].clone()),
            2 => {
                let other = dice.below(FORMS);
                lines.push(format!("{line} {}", dated(dice, other)));
            }
            _ => lines.push(line),
        }
    }
    lines
}

/// How many there are below.
const FORMS: usize = 26;

fn dated(dice: &mut Dice, form: usize) -> String {
    let year = *dice.choice(&[2026, 2026, 2026, 2025, 2024, 2000, 2029, 1999]);
    let (month, day) = *dice.choice(&[
        (3, 1),
        (3, 1),
        (3, 2),
        (2, 28),
        (2, 29),
        (12, 31),
        (1, 1),
        (3, 29),
        (3, 8),
        (7, 15),
        (2, 30),
        (11, 20),
    ]);
    let hour = *dice.choice(&[10, 10, 0, 12, 23, 2, 3, 7]);
    let (minute, second) = *dice.choice(&[(0, 0), (0, 0), (59, 59), (30, 0), (5, 7), (0, 60), (1, 2)]);
    let mon = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"][month - 1];
    let clock = format!("{hour:02}:{minute:02}:{second:02}");
    let (yy, sep) = (year % 100, *dice.choice(&["-", "/", "."]));
    let zone = *dice.choice(&["", "", "", " +0100", "+02:00", " Z", "-0330", " UTC"]);
    let sub = *dice.choice(&["", "", "", ".123", ",456789"]);
    let epoch = 1_772_359_200 + dice.below(100_000);
    match form {
        0 => format!("{year}{sep}{month:02}{sep}{day:02} {clock}{sub}{zone}"),
        1 => format!("{year}{sep}{month}{sep}{day}T{clock}{sub}{zone}"),
        2 => format!("{mon} {day:>2} {clock}"),
        3 => format!("Sun {mon} {day:>2} {clock}{sub} {year}"),
        4 => format!("{mon} {day} {year} {clock}"),
        5 => format!("{day:02}/{month:02}/{year} {clock}"),
        6 => format!("{day:02}-{month:02}-{yy:02} {clock}"),
        7 => format!("{day:02}/{mon}/{year}:{clock}{zone}"),
        8 => format!("{day}-{mon}-{year} {clock}{sub}"),
        9 => format!("{month:02}/{day:02}/{year}:{clock}"),
        10 => format!("{month:02}-{day:02}-{year} {clock}{sub}"),
        11 => format!("{epoch}"),
        12 => format!("{epoch}{sub}"),
        13 => clock,
        14 => format!("<{month:02}/{day:02}/{yy:02}@{clock}>"),
        15 => format!("{yy:02}{month:02}{day:02} {clock}"),
        16 => format!(
            "{mon} {day:02}, {year} {}:{minute:02}:{second:02} {}",
            (hour + 11) % 12 + 1,
            dice.choice(&["AM", "pm"])
        ),
        17 => format!("{mon}-{day:02}-{yy:02} {clock}"),
        18 => format!("{year}{month:02}{day:02}T{hour:02}{minute:02}{second:02}{sub}{zone}"),
        19 => format!("{} {mon} {day:>2} {clock}", dice.choice(&["PDT", "CET", "WARN", "host", "Z", "utc", "EST"])),
        20 => format!("+01:00 {mon} {day:>2} {clock}.011 {year}"),
        21 => format!("@40000000{epoch:08x}0dd1f0f4"),
        22 => format!("{epoch}123"),
        23 => format!("audit({epoch}.123:45)"),
        24 => format!("{year}-{month:02}-{day:02}"),
        _ => "no date here".to_owned(),
    }
}

fn mutated(dice: &mut Dice, line: &str) -> String {
    let mut chars: Vec<char> = line.chars().collect();
    for _ in 0..=dice.below(2) {
        let at = dice.below(chars.len() + 1);
        let new = *dice.choice(&[
            '0', '1', '2', '9', ' ', '-', '/', ':', '.', '[', ']', 'a', 'Z', 'é', '٣', '²', 'ſ', '\t', '_', '\u{301}',
        ]);
        match dice.below(4) {
            0 if at < chars.len() => drop(chars.remove(at)),
            1 => chars.insert(at, new),
            2 if at < chars.len() => chars.truncate(at.max(1)),
            _ if at < chars.len() => chars[at] = new,
            _ => {}
        }
    }
    chars.into_iter().filter(|c| *c != '\n').collect()
}

const BEFORE: &[&str] = &[
    "",
    "",
    "",
    "",
    "[",
    "(",
    "<34>1 ",
    " ",
    "  ",
    "   ",
    "[[",
    "host ",
    "x",
    "é ",
    "ééé: ",
    "user 2020-01-01 00:00:00 at ",
    "12345 ",
    "- - [",
    "a_",
    "x: ",
    "Mar ",
    "1",
    "::1 ",
    "pid=7 t=",
];

const AFTER: &[&str] = &[
    " host x",
    " host x",
    " host x",
    "",
    "] NOTICE",
    "]",
    ")",
    "x",
    ".5",
    " +0200",
    "é",
    ":",
    "1",
    " Z",
    ",123 x",
    " PM",
    " 2026",
    "_",
    "² ",
    " 10.0.0.1 failed",
    "\u{301}x",
];

const SPECIAL: &[&str] = &[
    "2026-03-01 10:00:00 x",
    "[2026-03-01 10:00:00] NOTICE",
    "x 2026-03-01 10:00:00 y",
    "x2026-03-01x",
    "2026-03-01",
    " 2026-03-01 ",
    "[2026-03-01",
    "2026 x",
    "x2026",
    "10:00:00",
    "Mar  1 10:00:00 pbx",
    "x 1772359200 y",
    "1772359200.123 z",
    "[1772359200.5555] x",
    "1772359200123",
    "17723592001234567",
    "@4000000069a40f200dd1f0f4 x",
    "sunday, march 1 2026",
    "Sun Mar  1 10:00:00 2026",
    "03/01/26 10:00:00",
    "2026 060",
    "2026 366",
    "2026 10 0",
    "2026 00 6",
    "12:30:00 am",
    "1:5:07 pM",
    "2026-03-01 10:00:00 CET+0100",
    "2026-03-01 10:00:00 FOO",
    "2026-03-01 10:00:00 A",
    "2026-03-01 10:00:00 -01:30",
    "260301 1000",
    "03-01 10:00:00",
    "2026-03-01 100000",
    "<co ts=\"2026-03-01 10:00:00\" x",
    "a -- b -- - 01/Mar/2026:10:00:00 z",
    "=== x === 2026-03-01 10:00:00",
    "10 03 pm",
    "3 1 200",
    "2026-03-01T10:00:00.123+0100 x",
    "t=2026-03-01T10:00:00+0100",
    "L 01/03/2026 - 10:00:00",
    "x TAI64N",
    "x Epoch",
    "x 10:00:00%",
    "9999-12-31 23:59:59",
    "0000-01-01 00:00:00",
    "0001-01-01 00:00:00",
    "1800-01-01 00:00:00",
    "٢٠٢٦-03-01 10:00:00",
];

const PATTERNS: &[&[&str]] = &[
    &["%Y-%m-%d %H:%M:%S"],
    &["^%Y-%m-%d %H:%M:%S"],
    &["{^LN-BEG}%Y-%m-%d %H:%M:%S"],
    &["{UNB}%Y-%m-%d"],
    &["**%Y-%m-%d**"],
    &["**%Y-%m-%d"],
    &["%Y-%m-%d**"],
    &["{UNB}^%Y-%m-%d"],
    &["{^LN-BEG}^%Y"],
    &["{^LN-BEG} %Y"],
    &["^ %Y"],
    &[" %Y-%m-%d "],
    &[r"^\[%Y-%m-%d %H:%M:%S\]"],
    &[r"^\[(%Y-%m-%d %H:%M:%S)\]"],
    &[r"\[(%Y-%m-%d %H:%M:%S)\]"],
    &["%ExY-%Exm-%Exd %ExH:%ExM:%ExS"],
    &["%Y-%m-%d[T ]%H:%M:%S(?:[.,]%f)?(?:\\s*%z)?"],
    &["%Y-%m-%d %H:%M:%S %Exz"],
    &["%Y-%m-%d %H:%M:%S %Z"],
    &["%Y-%m-%d %H:%M:%S %ExZ"],
    &["EPOCH"],
    &["^EPOCH"],
    &["{^LN-BEG}EPOCH"],
    &["LEPOCH"],
    &["^LEPOCH"],
    &["{^LN-BEG}LEPOCH"],
    &["TAI64N"],
    &["^TAI64N"],
    &["{^LN-BEG}TAI64N"],
    &["epoch"],
    &["x {EPOCH} y"],
    &["x{EPOCH}"],
    &["^{EPOCH}"],
    &["{LEPOCH} z"],
    &["{NONE}"],
    &["%Y", "{NONE}"],
    &["{NONE}", "%Y"],
    &["EPOCH", "{DEFAULT}"],
    &["{DEFAULT}"],
    &["EPOCH", "{^LN-BEG}"],
    &["{^LN-BEG}", "{DATE}"],
    &["^x {DATE}"],
    &["^x ({DATE})"],
    &["x{date}"],
    &["{UNB}{DATE}"],
    &["{DATE}$"],
    &["**{DATE}**"],
    &["{^LN-BEG}x{DATE}"],
    &["{^LN-BEG}{DATE}"],
    &[r"^<\d+>\d+\s+{DATE}"],
    &[r"^[^\[]*\[({DATE})"],
    &[r"^[^\[]*(\[{DATE}\s*\])"],
    &["^<co ts=\"{DATE}\"\\s+"],
    &[r"^[^-]+ -- [^-]+ -- - ({DATE})"],
    &[r"^(?:=[^=]+={3,} )?(%ExY(?P<_sep>[-/.])%m(?P=_sep)%d[T ]%H:%M:%S(?:[.,]%f)?(?:\s*%z)?)"],
    &["%d/%b[^/]*/%Y:%H:%M:%S %z"],
    &[r"^(?:%Y-)?%m-%d[ T]%H:%M:%S(?:\.%f)?"],
    &["^t=%Y-%m-%dT%H:%M:%S%z"],
    &["^L %d/%m/%Y - %H:%M:%S"],
    &["{^LN-BEG}%b-%d-%Exy %H:%M:%S"],
    &["%H:%M:%S"],
    &["%I:%M:%S %p"],
    &["%I:%M:%S"],
    &["%I %H %p"],
    &["%H %I %p"],
    &["^%k:%M:%S"],
    &["^%l:%M:%S %p"],
    &["^%Exk:%M"],
    &["^%Exl:%M"],
    &["%Y %j"],
    &["%j"],
    &["%Y %U %w"],
    &["%Y %W %w"],
    &["%U %w"],
    &["%A, %B %d %Y"],
    &["%c"],
    &["%x %X"],
    &["%x"],
    &["%y%m%d %H%M"],
    &["%Y-%m %H:%M"],
    &["%m-%d %H:%M:%S"],
    &["%d"],
    &["%m"],
    &["%Y"],
    &["%y"],
    &["%H:%M:%S%%"],
    &["%m %d %j"],
    &["%G %V %u"],
    &["%Y-%m-%d %H%M%S"],
    &["%Y-%m-%d %H:%M:%S$"],
    &["%Y$"],
    &["(%Y$)"],
    &["(^%Y)"],
    &["(?:^%Y)"],
    &["((?:^%Y))"],
    &["(?:^|x)%Y"],
    &["^|%Y"],
    &["^%Y|^%y"],
    &["a|b%Y|%H:%M"],
    &["(?i)x%Y"],
    &["x(?i)%Y"],
    &["(?P<q>x)%Y"],
    &["%Y(-)%m-%d"],
    &[r"%Y\b"],
    &[r"%Y\s"],
    &["(?s)%Y.%m.%d"],
    &["%Y(?#year)-%m-%d"],
    &["[[]%Y"],
    &[r"(?<=x )%Y-%m-%d"],
    &[r"%Y-%m-%d(?! 10)"],
    &[r"(?P<b1>\[)?%Y-%m-%d(?(b1) [^\]]*\])"],
    &[r".*%Y"],
    &[r".*?(%H:%M)"],
    &[r"^\S+ %Y-%m-%d"],
    &[r"^(?P<Y>\d{4})-(?P<m>\d+)-(?P<d>\d+)"],
    &[r"%Y-%m-%d %H:%M:%S(?P<z>[+-]\d+)"],
    &["%Y-%m-%d %H:%M:%S", "%Y-%m-%d", "EPOCH", "%b %d %H:%M:%S"],
    &["%H:%M:%S", "{^LN-BEG}%Y-%m-%d %H:%M:%S", "%Y"],
];

/// A small generator of numbers that are the same on every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % limit
    }

    fn choice<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }

    fn pick(&mut self, all: &[&'static str]) -> &'static str {
        all[self.below(all.len())]
    }
}
