//! FreeSWITCH, 1.2 to 1.11: its log, the file of mod_fail2ban, and what senders make of them.

use std::collections::BTreeMap;
use std::net::IpAddr;

use sipjail::time::Timestamp;

use super::table::{Found, NOW, Row, Stock, Verdict, fixture, rows};

/// In which stock jail a line counts; `None`: in none of them.
fn jail(id: &str) -> Option<&'static str> {
    match id {
        "F01" | "F02" | "F06" | "F09" | "F11" | "F12" | "F19" | "F26" | "F27" | "F30" | "F31" => Some("freeswitch"),
        "F05" | "F07" | "F08" | "F28" => Some("freeswitch-unknown"),
        "F03" | "F04" | "F10" => Some("freeswitch-flood"),
        "F20" => Some("freeswitch-mgmt"),
        "F22" => Some("mod_fail2ban"),
        "F23" => Some("mod_fail2ban-abandoned"),
        "F29" => Some("freeswitch-toll"),
        _ => None,
    }
}

/// Every stock jail, also the one that is off.
pub fn all() -> Stock {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("jail.local"), "[freeswitch-toll]\nenabled = true\n").unwrap();
    Stock::under(dir.path(), |_| true)
}

#[test]
fn every_line_counts_in_the_jail_that_it_is_for_and_nowhere_else() {
    let mut stock = all();
    let mut verdicts = BTreeMap::new();
    for Row { id, verdict, host, line, .. } in rows("freeswitch.tsv") {
        let found = stock.read(format!("{line}\n").as_bytes());
        let wanted: Vec<Found> = jail(&id).map(|jail| one(jail, host)).into_iter().collect();
        assert_eq!(found, wanted, "{id}: {line}");
        let fits = match verdict {
            Verdict::Count => wanted.len() == 1,
            Verdict::Rate => wanted.iter().all(|found| found.jail.ends_with("-flood")),
            Verdict::Weak => wanted.iter().all(|found| found.jail.ends_with("-abandoned")),
            Verdict::Trust | Verdict::Context | Verdict::NoAddress | Verdict::Never => wanted.is_empty(),
        };
        assert!(fits, "{id}: {verdict:?} and {wanted:?}");
        *verdicts.entry(verdict).or_insert(0) += 1;
    }
    counted!("lines by verdict: {verdicts:?}");
    assert_eq!(verdicts[&Verdict::Count], 18);
}

#[test]
fn every_prefix_leads_to_the_same() {
    let mut lines = 0;
    for Row { id, host, line, .. } in rows("freeswitch.tsv") {
        let Some((date, rest)) = line.split_once(" 98.10% ").filter(|(date, _)| date.len() == 26) else { continue };
        let wanted: Vec<Found> = jail(&id).map(|jail| one(jail, host)).into_iter().collect();
        let before_1_10_7 = format!("{date} {rest}");
        for own in [&line, &before_1_10_7] {
            for text in wrapped(own) {
                lines += 1;
                assert_eq!(all_once(&text), wanted, "{id}: {text}");
            }
        }
        // A line of a call tells of a failed login only: the others have no quotes that a sender could not write there.
        let in_a_call = format!("7f0c8c2e-3c0e-4f2c-9a43-5b8b1a9b1c11 {line}");
        let wanted = if line.contains("SIP auth failure (") { wanted } else { Vec::new() };
        for text in wrapped(&in_a_call) {
            lines += 1;
            assert_eq!(all_once(&text), wanted, "{id}: {text}");
        }
    }
    counted!("lines with a prefix: {lines}");
}

/// A line as the console, syslog, the journal and docker write it, and with more than one of these around it.
fn wrapped(own: &str) -> Vec<String> {
    let docker =
        |text: &str| serde_json::json!({"log": text, "stream": "stdout", "time": "2026-08-20T10:00:00Z"}).to_string();
    let coloured = format!("\x1b[35m{own}\x1b[0m");
    vec![
        own.to_owned(),
        format!("Aug 20 10:00:00 pbx freeswitch[9]: {own}"),
        format!("2026-08-20T10:00:00.123456+00:00 pbx.example freeswitch[9]: {own}"),
        format!("pbx freeswitch[9]: {own}"),
        format!("freeswitch[9]: {own}"),
        coloured.clone(),
        format!("#033[35m{own}#033[0m"),
        docker(&format!("{own}\n")),
        docker(&format!("{coloured}\r\n")),
    ]
}

fn all_once(line: &str) -> Vec<Found> {
    thread_local!(static STOCK: std::cell::RefCell<Stock> = all().into());
    STOCK.with_borrow_mut(|stock| stock.read(format!("{line}\n").as_bytes()))
}

#[test]
fn a_call_abroad_is_joined_with_its_caller_where_that_was_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let jail = "[freeswitch-toll]\nenabled = true\nfilter = freeswitch-toll[mode=calls]\nspread = 3\n";
    std::fs::write(dir.path().join("jail.local"), jail).unwrap();
    let mut stock = Stock::under(dir.path(), |name| name == "freeswitch-toll");
    let context: Vec<Row> = rows("freeswitch.tsv").into_iter().filter(|r| r.verdict == Verdict::Context).collect();
    let log: String = context.iter().map(|row| format!("{}\n", row.line)).collect();
    assert_eq!(stock.read(log.as_bytes()), [one("freeswitch-toll", "203.0.113.24".parse().ok())]);
    let number = ("203.0.113.24".parse().unwrap(), Some("00972599580679".to_owned()));
    assert_eq!(stock.accounts(log.as_bytes()), [number]);
    let log = std::fs::read(fixture("freeswitch-1.10.12/freeswitch.log")).unwrap();
    // Seven of ten numbers: another account, and two that mean nothing, are no fraud.
    let callers = counts(stock.read_at(&log, None));
    assert_eq!(callers, counted_so(&[("freeswitch-toll", "10.77.0.13", 7)]));
}

fn one(jail: &str, host: Option<IpAddr>) -> Found {
    Found { jail: jail.to_owned(), host: host.unwrap(), count: 1 }
}

/// How often each address counts in each jail.
fn counts(found: Vec<Found>) -> BTreeMap<(String, IpAddr), u32> {
    let mut counts = BTreeMap::new();
    found.into_iter().for_each(|found| *counts.entry((found.jail, found.host)).or_default() += found.count);
    counts
}

fn counted_so(list: &[(&str, &str, u32)]) -> BTreeMap<(String, IpAddr), u32> {
    list.iter().map(|(jail, host, count)| (((*jail).to_owned(), host.parse().unwrap()), *count)).collect()
}

#[test]
fn a_server_under_attack_tells_of_its_attackers() {
    let log = std::fs::read(fixture("freeswitch-1.10.12/freeswitch.log")).unwrap();
    // By the table of who made which line: failures, lists, a REGISTER without a user.
    let wanted = counted_so(&[
        ("freeswitch", "10.77.0.11", 22 + 3 + 1 + 1),
        ("freeswitch", "10.77.0.12", 3),
        ("freeswitch", "10.77.0.13", 7 + 2 + 1 + 1),
        ("freeswitch", "::1", 2),
        ("freeswitch-flood", "10.77.0.11", 46 + 24),
        ("freeswitch-flood", "10.77.0.12", 15 + 2),
        ("freeswitch-flood", "10.77.0.13", 11 + 4),
        ("freeswitch-flood", "::1", 3),
        ("freeswitch-mgmt", "10.77.0.11", 1),
        ("freeswitch-unknown", "10.77.0.11", 11),
        ("freeswitch-unknown", "10.77.0.13", 1 + 1),
        ("freeswitch-unknown", "::1", 1),
    ]);
    assert_eq!(counts(all().read_at(&log, None)), wanted);
    assert_eq!(counts(as_written(&log, &log)), wanted);
}

/// Requests that were made to forge lines about 10.77.0.99, which never sent anything.
#[test]
fn forged_lines_are_not_believed_and_their_senders_are_found() {
    let log = std::fs::read(fixture("freeswitch-1.10.12/injection.log")).unwrap();
    let wanted = counted_so(&[
        ("freeswitch", "10.77.0.13", 19),
        ("freeswitch-flood", "10.77.0.13", 24),
        ("freeswitch-unknown", "10.77.0.13", 3),
    ]);
    assert_eq!(counts(all().read_at(&log, None)), wanted);
    assert_eq!(counts(as_written(&log, &log)), wanted);
    // A sender knows the time to the millisecond, and guesses the rest.
    for (ahead, idle) in [(0, "99.00"), (1_000, "99.00"), (20_000, "92.00"), (-20_000, "92.13"), (10_000_000, "99.99")]
    {
        let plausible = with_times(&log, ahead, idle);
        let live = counts(as_written(&plausible, &log));
        assert_eq!(live, wanted, "{ahead} µs ahead, {idle}%");
        if ahead < 50_000 {
            assert_eq!(counts(all().read_at(&plausible, None)), wanted, "{ahead} µs ahead, {idle}%");
        }
    }
}

#[test]
fn a_jail_may_believe_every_line() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("jail.local"), "[freeswitch]\nneighbours = none\n").unwrap();
    let log = std::fs::read(fixture("freeswitch-1.10.12/injection.log")).unwrap();
    let found = counts(Stock::under(dir.path(), |name| name == "freeswitch").read_at(&log, None));
    assert_eq!(found, counted_so(&[("freeswitch", "10.77.0.13", 19), ("freeswitch", "10.77.0.99", 4)]));
}

/// What jails find in a log that they read while it is written: all records of one moment at once. When that was stands in
/// `times`, a log of as many lines.
fn as_written(log: &[u8], times: &[u8]) -> Vec<Found> {
    let (mut stock, mut found, mut now, mut block) = (all(), Vec::new(), NOW, Vec::new());
    for (line, time) in log.split_inclusive(|b| *b == b'\n').zip(times.split_inclusive(|b| *b == b'\n')) {
        if let Some(time) = genuine_time(time).filter(|time| *time > now) {
            found.extend(stock.read_at(&block, Some(now)));
            now = time;
            block.clear();
        }
        block.extend_from_slice(line);
    }
    found.extend(stock.read_at(&block, Some(now)));
    found
}

/// When the server wrote a line; not where a sender says it.
fn genuine_time(line: &[u8]) -> Option<Timestamp> {
    let text = std::str::from_utf8(line).ok()?;
    let at = text.find("2026-11-20 11:2").filter(|at| [0, 37].contains(at))?;
    let time = text.get(at..at + 26)?.parse::<jiff::civil::DateTime>().ok()?;
    Some(Timestamp(time.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_microsecond()))
}

/// The log with forged lines whose times are this much ahead of the record that they were broken out of.
fn with_times(log: &[u8], ahead: i64, idle: &str) -> Vec<u8> {
    let (mut out, mut time) = (Vec::new(), NOW);
    for line in log.split_inclusive(|b| *b == b'\n') {
        time = genuine_time(line).unwrap_or(time);
        let text = String::from_utf8_lossy(line);
        match text.find("2026-11-20 00:00:") {
            Some(at) => {
                let time = jiff::Timestamp::from_microsecond(time.0 + ahead).unwrap();
                let time = time.strftime("%Y-%m-%d %H:%M:%S.%6f").to_string();
                let rest = text[at + 26..].replacen("99.00%", &format!("{idle}%"), 1);
                out.extend(format!("{}{time}{rest}", &text[..at]).bytes());
            }
            None => out.extend(line),
        }
    }
    out
}
