//! The tables of `docs/forms.md`: which forms of abuse sipjail finds, and fail2ban, server by server and version by version.
//!
//! sipjail's column is what its stock jails do with the catalogue. fail2ban's is what the installed one does: Debian's, or
//! with `PYTHONPATH` and `SIPJAIL_F2B_CONFIG` another; the page keeps the columns of those that are not here.
//! `UPDATE=1 cargo test --test catalogue forms` writes it anew.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::path::Path;
use std::process::Command;

use indexmap::IndexMap;
use regex::Regex;

use super::asterisk::REST;
use super::freeswitch;
use super::table::{Found, Row, Stock, Verdict, rows};

/// The fail2bans that have a column.
const JUDGES: [&str; 2] = ["1.0.2", "1.1.1"];

#[test]
fn the_page_says_what_is_found() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/forms.md");
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    let forms = forms();
    let mut judged = JUDGES.map(|version| (version, column(&kept, version)));
    match fail2ban(&forms) {
        Some((version, found)) => match judged.iter_mut().find(|(known, _)| *known == version) {
            Some((_, column)) => {
                counted!("fail2ban {version}: {} forms of {}", found.len(), forms.len());
                *column = found;
            }
            None => counted!("skipped: the page has no column for fail2ban {version}"),
        },
        None => counted!("skipped: no fail2ban here; its columns are taken from the page"),
    }
    let page = page(&forms, &judged);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == page, "docs/forms.md is stale: run `UPDATE=1 cargo test --test catalogue forms`\n{page}");
}

/// One form and what sipjail makes of it.
struct Form {
    row: Row,
    server: &'static str,
    versions: String,
    /// What it is, in a few words.
    what: String,
    found: Vec<Found>,
}

impl Form {
    fn counts(&self) -> bool {
        self.row.verdict == Verdict::Count
    }

    /// Whether sipjail finds whom it should.
    fn is_found(&self) -> bool {
        matches!(&self.found[..], [found] if Some(found.host) == self.row.host)
    }
}

/// Ids of the forms for which somebody is found: who should be, or, where nobody should be, anybody.
type Column = Vec<String>;

fn forms() -> Vec<Form> {
    let (mut asterisk, mut switch) = (Stock::all(), freeswitch::all());
    let all = rows("asterisk.tsv").into_iter().map(|row| {
        let found = asterisk.read(format!("{}\n{REST}", row.line).as_bytes());
        (row, found)
    });
    let mut all: Vec<_> = all.collect();
    all.extend(rows("freeswitch.tsv").into_iter().map(|row| {
        let found = switch.read(format!("{}\n", row.line).as_bytes());
        (row, found)
    }));
    let form = |(row, found): (Row, Vec<Found>)| {
        let (what, said) = described(&row.description);
        Form { server: server(&row), versions: versions(&row, said), what: what.replace('<', "\\<"), found, row }
    };
    all.into_iter().map(form).collect()
}

/// A description without what says the versions, and what stands in the brackets at its end. A quoted bracket is none.
fn described(text: &str) -> (&str, &str) {
    let mut depth = 0;
    for (at, c) in text.char_indices().rev() {
        let quoted = text[..at].ends_with(['\'', '`']);
        depth += i32::from(c == ')' && !quoted) - i32::from(c == '(' && !quoted);
        if depth == 0 {
            let what = text[..at].trim();
            return (what.strip_suffix(" (16+)").unwrap_or(what), &text[at..]);
        }
    }
    (text, "")
}

fn server(row: &Row) -> &'static str {
    match (&row.id[..1], row.id.as_str()) {
        ("P", _) => "Asterisk: PJSIP",
        ("S", _) => "Asterisk: SecurityEvents",
        ("C", _) => "Asterisk: chan_sip",
        ("I", _) => "Asterisk: IAX2",
        ("A" | "W", _) => "Asterisk: manager interface, web server",
        ("D", _) => "Asterisk: what a dialplan says",
        ("J", _) => "Asterisk: lines in colour, docker's JSON, other dates",
        (_, "F21" | "F22" | "F23") => "FreeSWITCH: mod_fail2ban",
        _ => "FreeSWITCH",
    }
}

/// Which versions of the server write it: as the catalogue says in digits, else since there is such a thing.
fn versions(row: &Row, said: &str) -> String {
    let service = |name: &str| row.line.contains(&format!("Service=\"{name}\""));
    let since = |first: &str| format!("{first} and later");
    match (&row.id[..1], row.id.as_str()) {
        // pjproject 2.9, and what came after it.
        (_, "P26") => return "13 to 16".to_owned(),
        (_, "P27") => return since("16"),
        ("S", id) if id != "S20" => {
            return match () {
                () if service("PJSIP") => since("12"),
                () if service("SIP") => "10 to 20".to_owned(),
                () => since("10"),
            };
        }
        ("C", "C06" | "C07") => return "1.4 to 20".to_owned(),
        ("C", "C08") => return "1.8 to 20".to_owned(),
        ("D" | "J", _) | (_, "F21" | "F22" | "F23") => return "any".to_owned(),
        (_, "F19") => return since("1.4"),
        ("F", "F01" | "F02" | "F03" | "F04" | "F26" | "F27" | "F29" | "F31") => return since("1.0"),
        _ => {}
    }
    let digits = Regex::new(r"^\((\d[\d.]*)(?:-(\d[\d.]*))?").unwrap();
    match digits.captures(said).map(|found| (found[1].to_owned(), found.get(2))) {
        Some((first, Some(last))) => format!("{first} to {}", last.as_str()),
        Some((first, None)) => since(&first),
        None if row.id.starts_with('F') => since("1.2"),
        None => since("1.4"),
    }
}

/// A fail2ban's column as the page has it.
fn column(page: &str, version: &str) -> Column {
    let mut found = Column::new();
    let mut at = None;
    for line in page.lines().filter(|line| line.starts_with('|')) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        if cells[0] == "id" {
            at = cells.iter().position(|cell| *cell == format!("fail2ban {version}"));
        } else if at.is_some_and(|at| cells.get(at) == Some(&YES)) {
            found.push(cells[0].to_owned());
        }
    }
    found
}

/// The version of the installed fail2ban, and what it finds with the filters `asterisk` and `freeswitch`.
#[expect(clippy::disallowed_methods, reason = "a test runs programs")]
fn fail2ban(forms: &[Form]) -> Option<(String, Column)> {
    let run = |words: &[&str]| {
        let output = Command::new("fail2ban-regex").args(words).env("TZ", "UTC").output().ok()?;
        String::from_utf8(output.stdout).ok()
    };
    let version = run(&["--version"])?.trim().strip_prefix("fail2ban-regex ")?.to_owned();
    let config = std::env::var("SIPJAIL_F2B_CONFIG").unwrap_or("/etc/fail2ban".to_owned());
    let dir = tempfile::tempdir().unwrap();
    let mut column = Column::new();
    for (filter, letter) in [("asterisk", false), ("freeswitch", true)] {
        let mine = || forms.iter().filter(|form| form.row.id.starts_with('F') == letter);
        let log = dir.path().join(filter);
        std::fs::write(&log, mine().map(|form| form.row.line.clone() + "\n").collect::<String>()).unwrap();
        let said = run(&["-c", &config, "-o", "row", log.to_str().unwrap(), filter])?;
        // `['192.0.2.1', 1787220000.0, {…}],`
        let found = said.lines().filter_map(|line| line.strip_prefix("['")?.split_once('\'')?.0.parse::<IpAddr>().ok());
        let found: Vec<IpAddr> = found.collect();
        let theirs: Vec<IpAddr> = mine().filter(|form| form.counts()).filter_map(|form| form.row.host).collect();
        let is_found = |form: &&Form| match form.row.host.filter(|_| form.counts()) {
            Some(host) => found.contains(&host),
            None => addresses(&form.row.line).any(|address| found.contains(&address) && !theirs.contains(&address)),
        };
        column.extend(mine().filter(is_found).map(|form| form.row.id.clone()));
    }
    Some((version, column))
}

fn addresses(line: &str) -> impl Iterator<Item = IpAddr> {
    line.split(|c: char| !c.is_ascii_hexdigit() && c != '.' && c != ':').flat_map(|word| {
        // `192.0.2.1:5060`
        let bare = word.rsplit_once(':').map_or(word, |(address, _)| address);
        [word, bare].into_iter().filter_map(|text| text.parse().ok())
    })
}

const YES: &str = "yes";

fn page(forms: &[Form], judged: &[(&str, Column)]) -> String {
    let mut page = INTRODUCTION.to_owned();
    let heads: String = judged.iter().map(|(version, _)| format!(" fail2ban {version} |")).collect();
    let rule = "| --- ".repeat(judged.len());
    writeln!(page, "| server | versions | forms | sipjail |{heads}\n| --- | --- | --- | --- {rule}|").unwrap();
    let mut families: IndexMap<(&str, &str), Vec<&Form>> = IndexMap::new();
    for form in forms.iter().filter(|form| form.counts()) {
        families.entry((form.server, &form.versions)).or_default().push(form);
    }
    families.sort_by(|a, _, b, _| (order(forms, a.0), first(a.1)).cmp(&(order(forms, b.0), first(b.1))));
    families.insert(("**all**", ""), forms.iter().filter(|form| form.counts()).collect());
    for ((server, versions), members) in &families {
        let by = |column: &Column| members.iter().filter(|form| column.contains(&form.row.id)).count();
        let theirs: String = judged.iter().map(|(_, column)| format!(" {} |", by(column))).collect();
        let ours = members.iter().filter(|form| form.is_found()).count();
        writeln!(page, "| {server} | {versions} | {} | {ours} |{theirs}", members.len()).unwrap();
    }
    let marks = |form: &Form| -> String {
        let mark = |column: &Column| if column.contains(&form.row.id) { YES } else { "–" };
        judged.iter().map(|(_, column)| format!(" {} |", mark(column))).collect()
    };
    writeln!(page, "{EACH}\n| id | form | versions | sipjail |{heads}\n| --- | --- | --- | --- {rule}|").unwrap();
    for form in forms.iter().filter(|form| form.counts()) {
        let ours = if form.is_found() { YES } else { "–" };
        let Form { row: Row { id, .. }, what, versions, .. } = form;
        writeln!(page, "| {id} | {what} | {versions} | {ours} |{}", marks(form)).unwrap();
    }
    writeln!(page, "{NOT}\n| id | form | why not | sipjail |{heads}\n| --- | --- | --- | --- {rule}|").unwrap();
    for form in forms.iter().filter(|form| !form.counts()) {
        let ours = match &form.found[..] {
            [] => "–",
            [found] if found.jail.ends_with("-flood") || found.jail.ends_with("-abandoned") => "many only",
            found => panic!("{}: {found:?}", form.row.id),
        };
        let Form { row: Row { id, .. }, what, .. } = form;
        writeln!(page, "| {id} | {what} | {} | {ours} |{}", why(form.row.verdict), marks(form)).unwrap();
    }
    page
}

/// Servers stand in the catalogue's order.
fn order(forms: &[Form], server: &str) -> Option<usize> {
    forms.iter().position(|form| form.server == server)
}

/// The first version of a range, as numbers.
fn first(versions: &str) -> Vec<u32> {
    versions.split(' ').next().unwrap_or_default().split('.').filter_map(|part| part.parse().ok()).collect()
}

fn why(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Weak => "proves little by itself",
        Verdict::Rate => "good phones cause some, or one forged packet does",
        Verdict::Trust => "a good login",
        Verdict::Context => "means something beside other lines only",
        Verdict::NoAddress => "names nobody; the event interface does",
        Verdict::Never | Verdict::Count => "a good user's, or of a sender's choice",
    }
}

const INTRODUCTION: &str = "\
# Which forms of abuse are found

Every form in which Asterisk (1.4 to 23) and FreeSWITCH (1.0 to 1.11) are known to write down abuse stands in
`tests/fixtures/catalogue/`, one line each, with who sent it and what a guard should do about it. Here is what is done:
sipjail with its stock jails, fail2ban with the filters `asterisk` and `freeswitch` that come with it, as its jails use them.
A form is found if exactly its sender is. `tests/catalogue/forms.rs` writes these tables from what it measures, and fails
when they are no longer true; fail2ban 1.0.2 is Debian 12's, 1.1.1 the newest release when this was measured (2026-11).
FreeSWITCH's lines are those of 1.10.7 and later, each with the idle time, which fail2ban 1.0.2 does not know; of the same
lines without it, as earlier versions write them, it finds the six that 1.1.1 finds.

crowdsec is not in the tables, since it was not run over these lines. Its published parser for Asterisk
(`crowdsecurity/asterisk-logs`, read in 2026-11) asks for three SecurityEvents, InvalidAccountID, ChallengeResponseFailed and
InvalidPassword, over UDP or TCP.

What stands in no log at all (a wrong password for the event socket, scans that are answered) is what `backend = ami` and
`backend = esl` are for.

## By server and version

";
const EACH: &str = "
## Each form that should count
";
const NOT: &str = "
## What should not count

These a filter finds easily, and whoever counts them bans phones that do nothing wrong, or whom an attacker names.
";
