//! `set JAIL …`: changes of a running jail, until the next reload.

use super::pickle::Plain;
use super::{Refusal, get, number};
use crate::addr::Id;
use crate::command::House;
use crate::config::{IgnoreItem, JailSettings};
use crate::time::{Bantime, Span};

/// Changes an option and gives its new value, bans or unbans.
pub fn set(jail: &str, option: &str, values: &[&str], house: &mut House<'_>) -> Result<Plain, Refusal> {
    let mut settings = house.engine.settings(jail).map_err(|_| Refusal::UnknownJail(jail.to_owned()))?.clone();
    match option {
        "banip" => return ban(jail, values, house),
        "unbanip" => return unban(jail, values, house),
        "addignoreip" => {
            for word in values {
                settings.ignore.list.push(IgnoreItem::parse(word).map_err(Refusal::Value)?);
            }
        }
        _ => change(&mut settings, option, values.first().ok_or(Refusal::TooShort)?)?,
    }
    house.engine.add_jail(settings, house.now, house.out).map_err(|e| Refusal::Invalid(e.to_string()))?;
    get::get(&[jail, option.strip_prefix("add").or(option.strip_prefix("del")).unwrap_or(option)], house)
}

fn change(settings: &mut JailSettings, option: &str, value: &str) -> Result<(), Refusal> {
    match option {
        "maxretry" => settings.maxretry = whole(value)?,
        "maxmatches" => settings.maxmatches = whole(value)?,
        "findtime" => settings.findtime = Span::parse(value).map_err(|e| Refusal::Value(e.to_string()))?,
        "bantime" => settings.bantime = Bantime::parse(value).map_err(|e| Refusal::Value(e.to_string()))?,
        "ignoreself" => {
            settings.ignore.myself = ["1", "on", "true", "yes"].contains(&value.to_lowercase().as_str());
        }
        "delignoreip" => {
            let item = IgnoreItem::parse(value).map_err(Refusal::Value)?;
            let at = settings.ignore.list.iter().position(|known| *known == item);
            let absent = || Refusal::Value("list.remove(x): x not in list".to_owned());
            settings.ignore.list.remove(at.ok_or_else(absent)?);
        }
        option if ELSEWHERE.contains(&option) => {
            let text = format!("`{option}` is changed in the configuration: write it there and reload");
            return Err(Refusal::Invalid(text));
        }
        option => {
            let text = format!("Invalid command '{option}' (no set action or not yet implemented)");
            return Err(Refusal::Invalid(text));
        }
    }
    Ok(())
}

/// What a running jail cannot take on this way.
const ELSEWHERE: [&str; 26] = [
    "idle",
    "addlogpath",
    "dellogpath",
    "logencoding",
    "logtimezone",
    "addjournalmatch",
    "deljournalmatch",
    "prefregex",
    "addfailregex",
    "delfailregex",
    "addignoreregex",
    "delignoreregex",
    "maxlines",
    "usedns",
    "datepattern",
    "ignorecommand",
    "ignorecache",
    "addaction",
    "delaction",
    "action",
    "bantime.increment",
    "bantime.factor",
    "bantime.formula",
    "bantime.multipliers",
    "bantime.maxtime",
    "bantime.rndtime",
];

fn whole<T: TryFrom<i64>>(text: &str) -> Result<T, Refusal> {
    let bad = || Refusal::Value(format!("invalid literal for int() with base 10: '{text}'"));
    crate::config::number::int(text).and_then(|n| T::try_from(n).ok()).ok_or_else(bad)
}

/// How many were not banned before.
fn ban(jail: &str, addresses: &[&str], house: &mut House<'_>) -> Result<Plain, Refusal> {
    let mut new = 0;
    for address in addresses {
        new += usize::from(house.engine.ban(jail, Id::parse(address), None, house.now, house.out)?);
    }
    Ok(number(new))
}

/// How many were banned; `--report-absent` makes those who were not an error.
fn unban(jail: &str, words: &[&str], house: &mut House<'_>) -> Result<Plain, Refusal> {
    let report = words.first() == Some(&"--report-absent");
    let addresses = if report { &words[1..] } else { words };
    if addresses.is_empty() {
        return Err(Refusal::TooShort);
    }
    let (mut lifted, mut absent) = (0, Vec::new());
    for address in addresses {
        match house.engine.unban(Some(jail), &Id::parse(address), house.now, house.out)? {
            0 => absent.push(format!("'{address}'")),
            n => lifted += n,
        }
    }
    if report && !absent.is_empty() {
        return Err(Refusal::Value(format!("not banned: [{}]", absent.join(", "))));
    }
    Ok(number(lifted))
}
