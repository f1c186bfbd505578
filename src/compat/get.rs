//! `get …`: what the daemon and its jails are set to.

use super::pickle::Plain;
use super::{Refusal, number, seconds, texts};
use crate::addr::Id;
use crate::command::House;
use crate::config::{IgnoreItem, JailSettings, Spanned, UseDns};
use crate::engine::BanStatus;
use crate::filter::date::{Detector, Zones};
use crate::filter::failregex;
use crate::time::Timestamp;

/// What is asked of the daemon itself.
pub const OF_THE_SERVER: [&str; 6] = ["loglevel", "logtarget", "syslogsocket", "dbfile", "dbmaxmatches", "dbpurgeage"];

/// `get OPTION` of the daemon, `get JAIL OPTION`.
pub fn get(words: &[&str], house: &House<'_>) -> Result<Plain, Refusal> {
    match words {
        [option] | [option, ..] if OF_THE_SERVER.contains(option) => Ok(of_the_server(option, house)),
        [jail, option, rest @ ..] => of_a_jail(jail, option, rest, house),
        _ => Err(Refusal::TooShort),
    }
}

fn of_the_server(option: &str, house: &House<'_>) -> Plain {
    let main = house.main;
    let without_database = main.dbfile.is_none();
    match option {
        "loglevel" => main.loglevel.to_string().into(),
        "logtarget" => main.logtarget.split('[').next().unwrap_or_default().trim_end().into(),
        "syslogsocket" => main.syslogsocket.as_str().into(),
        _ if without_database => Plain::None,
        "dbfile" => main.dbfile.as_ref().map_or(Plain::None, |path| path.display().to_string().into()),
        "dbmaxmatches" => number(main.dbmaxmatches),
        _ => seconds(main.dbpurgeage.as_secs_f64()),
    }
}

fn of_a_jail(jail: &str, option: &str, rest: &[&str], house: &House<'_>) -> Result<Plain, Refusal> {
    let settings = house.engine.settings(jail).map_err(|_| Refusal::UnknownJail(jail.to_owned()))?;
    let JailSettings { filter, ignore, increment, .. } = settings;
    let grow = |value: Plain| if increment.enabled { value } else { Plain::None };
    Ok(match option {
        "banned" => is_banned(jail, rest, house)?,
        "banip" => banip(jail, rest.first() == Some(&"--with-time"), house)?,
        "logpath" => texts(house.files.get(jail).cloned().unwrap_or_default()),
        "logencoding" if settings.logencoding.eq_ignore_ascii_case("auto") => "UTF-8".into(),
        "logencoding" => settings.logencoding.as_str().into(),
        "logtimezone" => settings.logtimezone.map_or(Plain::None, |offset| zone(offset).into()),
        "journalmatch" => match &settings.journal {
            Some(_) => Plain::List(filter.journalmatch.iter().map(|m| texts(m.text.split_whitespace())).collect()),
            None => Plain::List(Vec::new()),
        },
        "ignoreself" => Plain::Bool(ignore.myself),
        "ignoreip" => texts(ignore.list.iter().map(IgnoreItem::to_string)),
        "ignorecommand" => ignore.command.clone().map_or(Plain::Bool(false), Plain::Text),
        "ignorecache" => ignore.cache.as_ref().map_or(Plain::None, |cache| {
            let time = seconds(cache.max_time.as_secs_f64());
            Plain::List(vec![cache.key.as_str().into(), number(cache.max_count), time])
        }),
        "usedns" => usedns(settings.usedns).into(),
        "prefregex" => {
            filter.prefregex.as_ref().map_or("".into(), |r| failregex::expand(&r.text, settings.usedns).into())
        }
        "failregex" => regexes(&filter.failregex, settings.usedns),
        "ignoreregex" => regexes(&filter.ignoreregex, settings.usedns),
        "maxlines" => number(filter.maxlines),
        "datepattern" => datepattern(settings, house),
        "maxretry" => number(settings.maxretry),
        "maxmatches" => number(settings.maxmatches),
        "findtime" => seconds(settings.findtime.as_secs_f64()),
        "bantime" => seconds(settings.bantime.as_secs_f64()),
        "bantime.increment" => grow(Plain::Bool(increment.enabled)),
        "bantime.factor" => grow(increment.factor.to_string().into()),
        "bantime.maxtime" => increment.maxtime.map_or(Plain::None, |span| seconds(span.as_secs_f64())),
        "bantime.rndtime" => increment.rndtime.map_or(Plain::None, |span| seconds(span.as_secs_f64())),
        "bantime.overalljails" => grow(Plain::Bool(increment.overalljails)),
        "actions" => texts(settings.actions.iter().map(|action| action.name.clone())),
        "action" | "actionproperties" | "actionmethods" => {
            return Err(Refusal::UnknownAction(rest.first().copied().unwrap_or_default().to_owned()));
        }
        _ => return Err(Refusal::Invalid("Invalid command (no get action or not yet implemented)".to_owned())),
    })
}

/// All who are banned; or of each address 1 where it is, else 0, as one number for one address.
fn is_banned(jail: &str, addresses: &[&str], house: &House<'_>) -> Result<Plain, Refusal> {
    let held = house.engine.status(jail)?.banned;
    let is = |address: &&str| number(u8::from(held.contains(&Id::parse(address).to_string())));
    Ok(match addresses {
        [] => texts(held),
        [address] => is(address),
        addresses => Plain::List(addresses.iter().map(is).collect()),
    })
}

/// Who is banned, those whose ban ends first in front.
fn banip(jail: &str, with_time: bool, house: &House<'_>) -> Result<Plain, Refusal> {
    let mut bans = house.engine.banned(Some(jail))?;
    bans.sort_by_key(|ban| ban.until.unwrap_or(Timestamp(i64::MAX)));
    let line = |ban: &BanStatus| {
        let BanStatus { id, since, until, .. } = ban;
        let length = until.map_or(-1, |end| (end - *since).secs());
        let end = until.map_or("9999-12-31 23:59:59".to_owned(), |end| end.in_zone(house.zone));
        format!("{id} \t{} + {length} = {end}", since.in_zone(house.zone))
    };
    Ok(texts(bans.iter().map(|ban| if with_time { line(ban) } else { ban.id.to_string() })))
}

fn regexes(list: &[Spanned], usedns: UseDns) -> Plain {
    texts(list.iter().map(|regex| failregex::expand(&regex.text, usedns)))
}

/// The pattern and the name of its template; several have no name of their own.
fn datepattern(settings: &JailSettings, house: &House<'_>) -> Plain {
    if settings.journal.is_some() {
        return Plain::None;
    }
    let patterns: Vec<&str> = settings.filter.datepattern.iter().map(|pattern| &*pattern.text).collect();
    let zones = Zones { local: house.zone.clone(), logtimezone: settings.logtimezone };
    let names: Vec<String> =
        Detector::new(&patterns, zones).map_or(Vec::new(), |dates| dates.templates().map(|t| t.name).collect());
    let (pattern, name) = match (&patterns[..], &names[..]) {
        ([pattern], [name]) => (Plain::from(*pattern), name.as_str()),
        _ => (Plain::None, "Default Detectors"),
    };
    Plain::Tuple(vec![pattern, name.into()])
}

fn usedns(usedns: UseDns) -> &'static str {
    match usedns {
        UseDns::Yes => "yes",
        UseDns::Warn => "warn",
        UseDns::No => "no",
        UseDns::Raw => "raw",
    }
}

/// As `logtimezone` is written.
fn zone(offset: i32) -> String {
    let (sign, minutes) = (if offset < 0 { '-' } else { '+' }, offset.unsigned_abs() / 60);
    format!("UTC{sign}{:02}{:02}", minutes / 60, minutes % 60)
}
