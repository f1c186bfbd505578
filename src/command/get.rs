//! `get OPTION`, `get JAIL OPTION`: what the daemon or a jail is set to, in fail2ban's grammar.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{House, Reply, action};
use crate::addr::Id;
use crate::config::{IgnoreItem, Increment, JailSettings, Main, Spanned, UseDns};
use crate::engine::BanStatus;
use crate::error::{Error, Kind};
use crate::filter::date::{Detector, Zones};
use crate::filter::failregex;
use crate::time::Timestamp;

/// Show what the daemon or a jail is set to: `get loglevel`, `get asterisk maxretry`
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
pub struct Args {
    /// An option of the daemon; or a jail, one of its options, and what that wants to know
    #[arg(required = true, value_name = "WORD")]
    pub words: Vec<String>,
    /// With `banip`: since when, how long and until when
    #[arg(long)]
    pub with_time: bool,
}

/// A value: a text, a number, a list of them, or none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Setting(pub Value);

/// Options of the daemon itself.
pub const OF_THE_DAEMON: [&str; 8] =
    ["loglevel", "logtarget", "syslogsocket", "allowipv6", "dbfile", "dbmaxmatches", "dbpurgeage", "thread"];

/// Options of a jail.
pub const OF_A_JAIL: [&str; 33] = [
    "action",
    "actionmethods",
    "actionproperties",
    "actions",
    "banip",
    "banned",
    "bantime",
    "bantime.factor",
    "bantime.formula",
    "bantime.increment",
    "bantime.maxtime",
    "bantime.multipliers",
    "bantime.overalljails",
    "bantime.rndtime",
    "datepattern",
    "failregex",
    "filter",
    "findtime",
    "ignorecache",
    "ignorecommand",
    "ignoreip",
    "ignoreregex",
    "ignoreself",
    "journalmatch",
    "logencoding",
    "logpath",
    "logtimezone",
    "maxlines",
    "maxmatches",
    "maxretry",
    "prefregex",
    "unwrap",
    "usedns",
];

impl Args {
    pub(super) fn words(&self) -> Vec<String> {
        let flag = self.with_time.then(|| "--with-time".to_owned());
        std::iter::once("get".to_owned()).chain(self.words.iter().cloned()).chain(flag).collect()
    }

    pub(super) fn run(&self, house: &House<'_>) -> Result<Setting, Error> {
        let words: Vec<&str> = self.words.iter().map(String::as_str).collect();
        let value = match words[..] {
            [option] if OF_THE_DAEMON.contains(&option) => of_the_daemon(option, house.main),
            [jail, "banip", ..] => banip(jail, self.with_time, house)?,
            [jail, option, ref rest @ ..] => of_a_jail(jail, option, rest, house)?,
            _ => {
                let error = Error::new(Kind::Usage, "`get` wants an option of the daemon, or a jail and its option");
                return Err(error.hint(format!("options of the daemon are {}", OF_THE_DAEMON.join(", "))));
            }
        };
        Ok(Setting(value))
    }
}

/// The value of one of [`OF_THE_DAEMON`].
pub fn of_the_daemon(option: &str, main: &Main) -> Value {
    match option {
        "loglevel" => json!(main.loglevel.to_string()),
        "logtarget" => json!(main.logtarget.split('[').next().unwrap_or_default().trim_end()),
        "syslogsocket" => json!(main.syslogsocket),
        "allowipv6" => json!(main.allowipv6),
        "thread" => json!({"stacksize": 0}),
        _ if main.dbfile.is_none() => Value::Null,
        "dbfile" => json!(main.dbfile),
        "dbmaxmatches" => json!(main.dbmaxmatches),
        _ => seconds(main.dbpurgeage.as_secs_f64()),
    }
}

pub(super) fn of_a_jail(jail: &str, option: &str, rest: &[&str], house: &House<'_>) -> Result<Value, Error> {
    let settings = house.engine.settings(jail)?;
    let JailSettings { filter, ignore, increment, .. } = settings;
    let grows = |value: Value| if increment.enabled { value } else { Value::Null };
    Ok(match option {
        "banned" => is_banned(jail, rest, house)?,
        "banip" => banip(jail, false, house)?,
        "actions" => settings.actions.iter().map(|action| action.name.as_str()).collect(),
        "action" | "actionmethods" | "actionproperties" => of_an_action(settings, option, rest)?,
        "filter" => json!(filter.name),
        "logpath" => json!(house.files.get(jail).map_or(&[][..], Vec::as_slice)),
        "logencoding" if settings.logencoding.eq_ignore_ascii_case("auto") => json!("UTF-8"),
        "logencoding" => json!(settings.logencoding),
        "logtimezone" => settings.logtimezone.map(zone).into(),
        "unwrap" => word(crate::line::Unwrap::WORDS, &settings.unwrap),
        "journalmatch" if settings.journal.is_none() => json!([]),
        "journalmatch" => filter.journalmatch.iter().map(|m| m.text.split_whitespace().collect::<Value>()).collect(),
        "ignoreself" => json!(ignore.myself),
        "ignoreip" => ignore.list.iter().map(IgnoreItem::to_string).collect(),
        "ignorecommand" => ignore.command.as_ref().map_or(json!(false), |command| json!(command)),
        "ignorecache" => ignore
            .cache
            .as_ref()
            .map_or(Value::Null, |cache| json!([cache.key, cache.max_count, seconds(cache.max_time.as_secs_f64())])),
        "usedns" => word(UseDns::WORDS, &settings.usedns),
        "prefregex" => {
            let expanded = |r: &Spanned| failregex::expand(&r.text, settings.usedns);
            json!(filter.prefregex.as_ref().map(expanded).unwrap_or_default())
        }
        "failregex" => regexes(&filter.failregex, settings.usedns),
        "ignoreregex" => regexes(&filter.ignoreregex, settings.usedns),
        "maxlines" => json!(filter.maxlines.max(1)),
        "datepattern" => datepattern(settings, house),
        "maxretry" => json!(settings.maxretry),
        "maxmatches" => json!(settings.maxmatches),
        "findtime" => seconds(settings.findtime.as_secs_f64()),
        "bantime" => seconds(settings.bantime.as_secs_f64()),
        "bantime.increment" => grows(json!(increment.enabled)),
        "bantime.factor" if increment.factor != 1.0 => json!(increment.factor.to_string()),
        "bantime.factor" => grows(json!(increment.factor.to_string())),
        "bantime.formula" if increment.formula == Increment::default().formula => Value::Null,
        "bantime.formula" => json!(increment.formula.to_string()),
        "bantime.multipliers" if increment.multipliers.is_empty() => Value::Null,
        "bantime.multipliers" => {
            json!(increment.multipliers.iter().map(f64::to_string).collect::<Vec<_>>().join(" "))
        }
        "bantime.maxtime" => increment.maxtime.map_or(Value::Null, |span| seconds(span.as_secs_f64())),
        "bantime.rndtime" => increment.rndtime.map_or(Value::Null, |span| seconds(span.as_secs_f64())),
        "bantime.overalljails" => grows(json!(increment.overalljails)),
        option => return Err(Error::unknown("option", option, &OF_A_JAIL.map(str::to_owned))),
    })
}

/// What an action is: `action NAME PROPERTY`, `actionproperties NAME`, `actionmethods NAME`.
fn of_an_action(settings: &JailSettings, option: &str, rest: &[&str]) -> Result<Value, Error> {
    let [name, rest @ ..] = rest else {
        return Err(Error::new(Kind::Usage, format!("`{option}` wants the name of an action")));
    };
    let found = action::one(&settings.actions, name)?;
    match (option, rest) {
        ("actionproperties", _) => Ok(json!(action::properties(found))),
        ("actionmethods", _) => Ok(json!(action::METHODS)),
        (_, [property, ..]) => {
            let known = action::properties(found);
            action::property(found, property).ok_or_else(|| Error::unknown("property", property, &known))
        }
        _ => Err(Error::new(Kind::Usage, "`action` wants a name and a property")),
    }
}

/// All who are banned; or of each address 1 where it is, else 0, as one number for one address.
fn is_banned(jail: &str, addresses: &[&str], house: &House<'_>) -> Result<Value, Error> {
    let held = house.engine.status(jail)?.banned;
    let is = |address: &&str| json!(u8::from(held.contains(&Id::parse(address).to_string())));
    Ok(match addresses {
        [] => json!(held),
        [address] => is(address),
        addresses => addresses.iter().map(is).collect(),
    })
}

/// Who is banned, those whose ban ends first in front.
fn banip(jail: &str, with_time: bool, house: &House<'_>) -> Result<Value, Error> {
    let mut bans = house.engine.banned(Some(jail))?;
    bans.sort_by_key(|ban| ban.until.unwrap_or(Timestamp(i64::MAX)));
    let line = |ban: &BanStatus| {
        let BanStatus { id, since, until, .. } = ban;
        let length = until.map_or(-1, |end| (end - *since).secs());
        let end = until.map_or("9999-12-31 23:59:59".to_owned(), |end| end.in_zone(house.zone));
        format!("{id} \t{} + {length} = {end}", since.in_zone(house.zone))
    };
    Ok(bans.iter().map(|ban| if with_time { line(ban) } else { ban.id.to_string() }).collect())
}

fn regexes(list: &[Spanned], usedns: UseDns) -> Value {
    list.iter().map(|regex| failregex::expand(&regex.text, usedns)).collect()
}

/// The pattern and the name of its template; several have no name of their own.
fn datepattern(settings: &JailSettings, house: &House<'_>) -> Value {
    if settings.journal.is_some() {
        return Value::Null;
    }
    let patterns: Vec<&str> = settings.filter.datepattern.iter().map(|pattern| &*pattern.text).collect();
    let zones = Zones { local: house.zone.clone(), logtimezone: settings.logtimezone };
    let names: Vec<String> =
        Detector::new(&patterns, zones).map_or(Vec::new(), |dates| dates.templates().map(|t| t.name).collect());
    match (&patterns[..], &names[..]) {
        // One that has a name is known by it alone.
        ([pattern], [name]) if pattern == name => json!([null, name]),
        ([pattern], [name]) => json!([pattern, name]),
        _ => json!([null, "Default Detectors"]),
    }
}

fn word<T: PartialEq>(words: &[(&str, T)], value: &T) -> Value {
    words.iter().find(|(_, known)| known == value).map(|(word, _)| *word).into()
}

/// As `logtimezone` is written.
fn zone(offset: i32) -> String {
    if offset == 0 {
        return "UTC".to_owned();
    }
    let (sign, minutes) = (if offset < 0 { '-' } else { '+' }, offset.unsigned_abs() / 60);
    format!("UTC{sign}{:02}{:02}", minutes / 60, minutes % 60)
}

/// Seconds, whole where they are.
fn seconds(seconds: f64) -> Value {
    if seconds.fract() == 0.0 { json!(seconds as i64) } else { json!(seconds) }
}

impl Reply for Setting {
    fn text(&self) -> String {
        let plain = |value: &Value| match value {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            value => value.to_string(),
        };
        let text = match &self.0 {
            Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join("\n"),
            value => plain(value),
        };
        text.split('\n').map(crate::text::printable).collect::<Vec<_>>().join("\n")
    }
}
