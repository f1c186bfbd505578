//! One filter and some lines: the question to fail2ban, and our own answer to it in the same words.

use std::net::IpAddr;
use std::path::PathBuf;

use indexmap::IndexMap;
use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};
use sipjail::config::{self, FilterSettings, Spanned, UseDns};
use sipjail::filter::date::Zones;
use sipjail::filter::{Filter, Hit, Moment, Scan};
use sipjail::ticket::Who;
use sipjail::time::{Span, Timestamp};
use sipjail::zone;

/// A filter with fresh state, and what it is given to read.
#[derive(Clone, Debug)]
pub struct Case {
    pub tz: &'static str,
    pub logtimezone: Option<&'static str>,
    pub encoding: &'static str,
    pub usedns: UseDns,
    /// As a tool reads: every regex, every date as it is. Otherwise as the daemon reads.
    pub tool: bool,
    pub findtime: i64,
    pub from: From,
    pub lines: Vec<Line>,
}

/// Where the filter comes from.
#[derive(Clone, Debug)]
pub enum From {
    Rules(Rules),
    File(File),
}

/// What a filter file comes to.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    pub prefregex: Option<String>,
    pub failregex: Vec<String>,
    pub ignoreregex: Vec<String>,
    pub datepattern: Vec<String>,
    /// 0 is 1.
    pub maxlines: usize,
}

/// `DIR/filter.d/NAME.conf` with parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct File {
    pub dir: PathBuf,
    pub name: String,
    pub options: IndexMap<String, String>,
}

/// A line, when it is read, and how.
#[derive(Clone, Debug)]
pub struct Line {
    pub text: Vec<u8>,
    pub now: i64,
    /// fail2ban's "in operation".
    pub live: bool,
    /// By a journal's clock.
    pub written: Option<i64>,
}

/// 2026-03-01 12:00:00 UTC
pub const NOW: i64 = 1_772_366_400;

impl Line {
    /// A line that is read at once.
    pub fn new(text: impl Into<Vec<u8>>) -> Line {
        Line { text: text.into(), now: NOW, live: true, written: None }
    }
}

impl Case {
    /// What the daemon makes of `lines` in UTC.
    pub fn new(from: From, lines: Vec<Line>) -> Case {
        let (tz, encoding, usedns) = ("UTC", "UTF-8", UseDns::Warn);
        Case { tz, logtimezone: None, encoding, usedns, tool: false, findtime: 600, from, lines }
    }

    /// The question, which is also what to keep of a case that differs.
    pub fn request(&self) -> Value {
        let lines = self.lines.iter().map(|line| {
            let text: String = line.text.iter().map(|byte| char::from(*byte)).collect();
            json!({"text": text, "now": line.now, "live": line.live, "written": line.written})
        });
        let (rules, file) = match &self.from {
            From::Rules(rules) => (rules.to_json(), Value::Null),
            From::File(File { dir, name, options }) => {
                (Value::Null, json!({"dir": dir, "name": name, "options": options}))
            }
        };
        json!({
            "tz": self.tz, "tool": self.tool, "usedns": format!("{:?}", self.usedns).to_lowercase(),
            "findtime": self.findtime, "logtimezone": self.logtimezone, "encoding": self.encoding, "rules": rules, "file": file,
            "lines": lines.collect::<Vec<_>>(),
        })
    }

    /// Our answer: the rules and what came of each line, or an error.
    pub fn answer(&self) -> Value {
        let settings = match &self.from {
            From::Rules(rules) => Ok(rules.settings()),
            From::File(file) => config::filter_with(&file.dir, &file.name, &file.options),
        };
        let zones = Zones {
            local: TimeZone::get(self.tz).or_else(|_| TimeZone::posix(self.tz)).expect("a zone"),
            logtimezone: self.logtimezone.map(|text| zone::offset(text).expect("an offset")),
        };
        let made = settings.and_then(|settings| {
            let filter = Filter::of(&settings, self.usedns, self.encoding, zones)?.0;
            Ok((Rules::from(&settings), filter))
        });
        let (rules, filter) = match made {
            Ok(made) => made,
            Err(problems) => return json!({"error": problems[0].message}),
        };
        let mut scan = Scan::new(&[&filter], &[false]);
        let mut filter = if self.tool { filter.for_tools(true) } else { filter };
        let lines: Vec<Value> = self.lines.iter().map(|line| self.look(&mut filter, &mut scan, line)).collect();
        json!({"rules": rules.to_json(), "lines": lines})
    }

    fn look(&self, filter: &mut Filter, scan: &mut Scan, line: &Line) -> Value {
        let now = Timestamp::from_secs(line.now);
        let moment = Moment { now, findtime: Span::from_secs(self.findtime), live: line.live, time: None, before: &[] };
        let (before, limits) = (filter.ignore_hits().to_vec(), filter.backtrack_limits());
        let mut hits = Vec::new();
        filter.hits(&line.text, line.written.map(Timestamp::from_secs), &moment, &mut hits);
        let mut candidate = line.text.is_empty();
        scan.candidates(&line.text, |_, _| candidate = true);
        let lost = !hits.is_empty() && !candidate;
        let ignored = filter.ignore_hits().iter().zip(before).enumerate();
        let ignored: Vec<usize> = ignored.flat_map(|(i, (now, old))| vec![i; (now - old) as usize]).collect();
        let said = hits.into_iter().filter(|hit| self.is_said(hit)).map(hit_to_json);
        json!({
            "ignored": ignored, "hits": said.collect::<Vec<_>>(), "gave up": filter.backtrack_limits() - limits,
            "lost by the prefilter": lost,
        })
    }

    /// The daemon does not hear of what proves nothing, and nobody of a name that is not to be looked up.
    fn is_said(&self, hit: &Hit) -> bool {
        let proves = !hit.nofail && (hit.who.is_some() || hit.invalid.is_some());
        let unresolved = self.usedns == UseDns::No && hit.invalid.is_some() && hit.groups.contains_key("dns");
        (self.tool || proves) && !unresolved
    }
}

fn hit_to_json(hit: Hit) -> Value {
    let id = match &hit.who {
        Some(Who::Id(id)) => Some(id.to_string()),
        Some(Who::Name(name)) => Some(format!("name {name}")),
        None => None,
    };
    let mut users = hit.users.clone();
    users.sort();
    json!({
        "regex": hit.regex, "id": id, "time": hit.time.map(Timestamp::as_secs_f64), "nofail": hit.nofail,
        "groups": hit.groups, "ip": hit.ip,
        "users": users, "matches": hit.matches, "invalid": hit.invalid,
    })
}

impl Rules {
    fn settings(&self) -> FilterSettings {
        let bare = |texts: &[String]| texts.iter().map(Spanned::bare).collect();
        FilterSettings {
            prefregex: self.prefregex.as_deref().map(Spanned::bare),
            failregex: bare(&self.failregex),
            ignoreregex: bare(&self.ignoreregex),
            datepattern: bare(&self.datepattern),
            maxlines: self.maxlines.max(1),
            ..FilterSettings::default()
        }
    }

    fn from(settings: &FilterSettings) -> Rules {
        let texts = |all: &[Spanned]| all.iter().map(|one| one.text.clone()).collect();
        Rules {
            prefregex: settings.prefregex.as_ref().map(|one| one.text.clone()),
            failregex: texts(&settings.failregex),
            ignoreregex: texts(&settings.ignoreregex),
            datepattern: texts(&settings.datepattern),
            maxlines: settings.maxlines,
        }
    }

    fn to_json(&self) -> Value {
        json!({
            "prefregex": self.prefregex, "failregex": self.failregex, "ignoreregex": self.ignoreregex,
            "datepattern": self.datepattern, "maxlines": self.maxlines.max(1),
        })
    }
}

/// Whether two answers about one line are the same. Ours may say more: that a text is no address.
pub fn same(ours: &Value, theirs: &Value) -> bool {
    let (Some(mine), Some(other)) = (ours["hits"].as_array(), theirs["hits"].as_array()) else { return false };
    ours["lost by the prefilter"] != true
        && ours["ignored"] == theirs["ignored"]
        && mine.len() == other.len()
        && mine.iter().zip(other).all(|(a, b)| same_hit(a, b))
}

fn same_hit(ours: &Value, theirs: &Value) -> bool {
    let equal = |name: &str| ours[name] == theirs[name];
    let address = |text: &Value| text.as_str().and_then(|text| text.parse::<IpAddr>().ok());
    // An address may be written in two ways.
    let alike = |name: &str| equal(name) || address(&ours[name]).is_some_and(|a| address(&theirs[name]) == Some(a));
    let time = match (ours["time"].as_f64(), theirs["time"].as_f64()) {
        (Some(a), Some(b)) => (a - b).abs() < 2e-5,
        (a, b) => a == b,
    };
    let spoken = |groups: &Value| groups.as_object().cloned().unwrap_or_else(Map::new);
    time && alike("id")
        && alike("ip")
        && ["regex", "nofail", "users", "matches"].into_iter().all(equal)
        && spoken(&ours["groups"]) == spoken(&theirs["groups"])
}
