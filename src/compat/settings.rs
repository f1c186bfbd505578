//! `get` and `set`: sipjail's own commands, with the refusals that fail2ban's clients expect.

use serde_json::Value;

use super::pickle::Plain;
use super::{Refusal, quoted};
use crate::command::get::OF_A_JAIL;
use crate::command::{Command, House, get, set};

/// `get OPTION` of the daemon, `get JAIL OPTION`.
pub fn get(words: &[&str], house: &mut House<'_>) -> Result<Plain, Refusal> {
    let (words, option) = match words {
        [option, ..] if get::OF_THE_DAEMON.contains(option) => (&words[..1], *option),
        [jail, option, rest @ ..] => {
            known_jail(jail, house)?;
            match *option {
                "action" | "actionproperties" | "actionmethods" => {
                    return Err(Refusal::UnknownAction(rest.first().copied().unwrap_or_default().to_owned()));
                }
                option if !OF_A_JAIL.contains(&option) => {
                    let text = "Invalid command (no get action or not yet implemented)";
                    return Err(Refusal::Invalid(text.to_owned()));
                }
                option => (words, option),
            }
        }
        _ => return Err(Refusal::TooShort),
    };
    let with_time = words.contains(&"--with-time");
    let args = get::Args { words: words.iter().map(|word| (*word).to_owned()).collect(), with_time };
    let value = plain(Command::Get(args).run(house)?);
    Ok(match value {
        Plain::List(pair) if option == "datepattern" => Plain::Tuple(pair),
        value => value,
    })
}

/// `set JAIL OPTION VALUE…`
pub fn set(jail: &str, option: &str, values: &[&str], house: &mut House<'_>) -> Result<Plain, Refusal> {
    known_jail(jail, house)?;
    if !set::OPTIONS.contains(&option) && !CHANGEABLE.contains(&option) && !OF_A_JAIL.contains(&option) {
        let text = format!("Invalid command {} (no set action or not yet implemented)", quoted(option));
        return Err(Refusal::Invalid(text));
    }
    let report_absent = option == "unbanip" && values.first() == Some(&"--report-absent");
    let values = if report_absent { &values[1..] } else { values };
    if values.is_empty() && !["banip", "addignoreip"].contains(&option) {
        return Err(Refusal::TooShort);
    }
    let values = values.iter().map(|value| (*value).to_owned()).collect();
    let args = set::Args { jail: jail.to_owned(), option: option.to_owned(), values, report_absent };
    Ok(plain(Command::Set(args).run(house)?))
}

fn known_jail(jail: &str, house: &House<'_>) -> Result<(), Refusal> {
    house.engine.settings(jail).map(drop).map_err(|_| Refusal::UnknownJail(jail.to_owned()))
}

fn plain(value: Value) -> Plain {
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

/// What fail2ban would change in a running jail beyond what is an option of its own.
const CHANGEABLE: [&str; 12] = [
    "idle",
    "addlogpath",
    "dellogpath",
    "addjournalmatch",
    "deljournalmatch",
    "addfailregex",
    "delfailregex",
    "addignoreregex",
    "delignoreregex",
    "addaction",
    "delaction",
    "action",
];
