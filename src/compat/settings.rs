//! `get`, `set`, and the words that make, begin and end jails: sipjail's own commands, with the refusals that fail2ban's
//! clients expect.

use serde_json::Value;

use super::pickle::Plain;
use super::{Refusal, quoted, words};
use crate::command::get::OF_A_JAIL;
use crate::command::{Command, House, action, change, get, jails, set};

/// `get OPTION` of the daemon, `get JAIL OPTION`.
pub fn get(words: &[&str], house: &mut House<'_>) -> Result<Plain, Refusal> {
    let (words, option) = match words {
        [option, ..] if get::OF_THE_DAEMON.contains(option) => (&words[..1], *option),
        [jail, option, rest @ ..] => {
            known_jail(jail, house)?;
            if option.starts_with("action") && *option != "actions" {
                let name = rest.first().ok_or(Refusal::TooShort)?;
                known_action(jail, name, house)?;
                known_property(jail, name, rest.get(1).copied().unwrap_or("timeout"), house)?;
                if *option == "action" && rest.len() < 2 {
                    return Err(Refusal::TooShort);
                }
            }
            if !OF_A_JAIL.contains(option) {
                let text = "Invalid command (no get action or not yet implemented)";
                return Err(Refusal::Invalid(text.to_owned()));
            }
            (words, *option)
        }
        _ => return Err(Refusal::TooShort),
    };
    let with_time = words.contains(&"--with-time");
    let args = get::Args { words: words.iter().map(|word| (*word).to_owned()).collect(), with_time };
    Ok(shaped(option, plain(Command::Get(args).run(house)?)))
}

/// `set JAIL OPTION VALUE…`
pub fn set(jail: &str, option: &str, values: &[&str], house: &mut House<'_>) -> Result<Plain, Refusal> {
    known_jail(jail, house)?;
    if !change::OPTIONS.contains(&option) && !set::DEEDS.contains(&option) {
        let text = format!("Invalid command {} (no set action or not yet implemented)", quoted(option));
        return Err(Refusal::Invalid(text));
    }
    let report_absent = option == "unbanip" && values.first() == Some(&"--report-absent");
    let values = if report_absent { &values[1..] } else { values };
    may_be_done(jail, option, values, house)?;
    let words = [jail, option].iter().chain(values).map(|word| (*word).to_owned()).collect();
    let value = Command::Set(set::Args { words, report_absent }).run(house)?;
    Ok(shaped(option, plain(value)))
}

/// `multi-set JAIL OPTION LIST`: what a stream says of one thing at once. `True`, as fail2ban says.
pub fn multi_set(jail: &str, option: &str, request: &Plain, house: &mut House<'_>) -> Result<Plain, Refusal> {
    known_jail(jail, house)?;
    let mut reply = Ok(Plain::None);
    for values in many(option, request)? {
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        reply = set(jail, option, &values, house);
        reply.clone()?;
    }
    reply.map(|_| Plain::Bool(true))
}

/// The values of each `set` that a `multi-set` stands for.
pub fn many(option: &str, request: &Plain) -> Result<Vec<Vec<String>>, Refusal> {
    let at = if option == "action" { 4 } else { 3 };
    let listed = super::listed(request, at).ok_or(Refusal::TooShort)?;
    if option != "action" {
        return Ok(vec![words(&Plain::List(listed))?]);
    }
    let action = words(request)?.swap_remove(3);
    let pairs = listed.iter().map(|pair| Ok([vec![action.clone()], words(pair)?].concat()));
    pairs.collect()
}

/// `add JAIL BACKEND`
pub fn add(jail: &str, backend: &str, house: &mut House<'_>) -> Result<Plain, Refusal> {
    if known_jail(jail, house).is_ok() {
        return Err(Refusal::DuplicateJail(jail.to_owned()));
    }
    jails::add(jail, backend, house)?;
    Ok(jail.into())
}

/// `start JAIL`
pub fn start(jail: &str, house: &mut House<'_>) -> Result<Plain, Refusal> {
    known_jail(jail, house)?;
    jails::start(jail, house)?;
    Ok(Plain::None)
}

/// `stop JAIL`
pub fn stop(jail: &str, house: &mut House<'_>) -> Result<Plain, Refusal> {
    known_jail(jail, house)?;
    jails::end(jail, house)?;
    Ok(Plain::None)
}

/// `stop --all`
pub fn stop_all(house: &mut House<'_>) -> Result<Plain, Refusal> {
    for jail in house.engine.jails() {
        jails::end(&jail, house)?;
    }
    Ok(Plain::None)
}

/// What fail2ban has an exception of its own for.
fn may_be_done(jail: &str, option: &str, values: &[&str], house: &House<'_>) -> Result<(), Refusal> {
    match (option, values) {
        ("banip" | "addignoreip" | "addjournalmatch" | "deljournalmatch", _) => {}
        (_, []) => return Err(Refusal::TooShort),
        ("action", [name]) => return known_action(jail, name, house).and(Err(Refusal::TooShort)),
        ("action", [name, property]) if !action::METHODS.contains(property) => {
            return known_action(jail, name, house).and(Err(Refusal::TooShort));
        }
        ("action" | "delaction", [name, rest @ ..]) => {
            known_action(jail, name, house)?;
            if rest.first() == Some(&"bantime") {
                return Err(Refusal::UnknownProperty("bantime".to_owned()));
            }
        }
        ("addlogpath", [path, ..]) if (house.expand)(path).is_empty() => {
            return Err(Refusal::NoFile((*path).to_owned()));
        }
        ("logencoding", [name, ..]) if !crate::filter::knows_encoding(name) => {
            return Err(Refusal::UnknownEncoding((*name).to_owned()));
        }
        ("idle", [word, ..]) if !["on", "off"].contains(word) => {
            return Err(Refusal::Invalid("Invalid idle option, must be 'on' or 'off'".to_owned()));
        }
        _ => {}
    }
    Ok(())
}

fn known_jail(jail: &str, house: &House<'_>) -> Result<(), Refusal> {
    house.engine.settings(jail).map(drop).map_err(|_| Refusal::UnknownJail(jail.to_owned()))
}

fn known_action(jail: &str, name: &str, house: &House<'_>) -> Result<(), Refusal> {
    let settings = house.engine.settings(jail)?;
    action::one(&settings.actions, name).map(drop).map_err(|_| Refusal::UnknownAction(name.to_owned()))
}

fn known_property(jail: &str, name: &str, property: &str, house: &House<'_>) -> Result<(), Refusal> {
    let found = action::one(&house.engine.settings(jail)?.actions, name)?;
    action::property(found, property).map(drop).ok_or_else(|| Refusal::UnknownProperty(property.to_owned()))
}

/// Two things stand in a tuple.
fn shaped(option: &str, value: Plain) -> Plain {
    match value {
        Plain::List(pair) if option == "datepattern" => Plain::Tuple(pair),
        value => value,
    }
}

/// What is the same in both languages.
pub fn plain(value: Value) -> Plain {
    match value {
        Value::Null => Plain::None,
        Value::Bool(truth) => Plain::Bool(truth),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => Plain::Int(whole),
            None => Plain::Float(number.as_f64().unwrap_or_default()),
        },
        Value::String(text) => Plain::Text(text),
        Value::Array(items) => Plain::List(items.into_iter().map(plain).collect()),
        Value::Object(pairs) => Plain::Dict(pairs.into_iter().map(|(key, value)| (key.into(), plain(value))).collect()),
    }
}
