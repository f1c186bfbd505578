//! fail2ban's control protocol: what its clients say, in their bytes and their words, to what sipjail does, and back.
//!
//! A request is a list of words in a [`pickle`]. [`hear`] does what they ask and gives the value that fail2ban's server
//! would give, in its shape: clients, exporters and web tools read these. What only the daemon's loop can do comes back
//! as a [`Said`] of its own.

pub mod pickle;
pub mod stream;

mod settings;
mod status;

use crate::addr::Id;
use crate::command::House;
use crate::command::get::OF_THE_DAEMON;
use crate::error::{Error, Kind};
use crate::record::Level;

use pickle::Plain;

/// What became of a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Said {
    /// It is done; the reply.
    Reply(Plain),
    /// End, and lift all bans.
    Stop,
    /// Read the configuration again; before that lift every ban, where that is asked for.
    Reload {
        /// `--unban`
        unban: bool,
    },
    /// Open the log file again.
    FlushLogs,
    /// Write what matters so much and more into the log.
    LogLevel(Level),
}

/// Why a request is not done: an exception in the eyes of the client.
#[derive(Clone, Debug, PartialEq)]
pub enum Refusal {
    /// There is no such jail.
    UnknownJail(String),
    /// Words are missing.
    TooShort,
    /// What is asked for does not exist, or not here.
    Invalid(String),
    /// A value cannot be used.
    Value(String),
    /// There is no such action.
    UnknownAction(String),
}

/// Does what a request says.
pub fn hear(request: &Plain, house: &mut House<'_>) -> Result<Said, Refusal> {
    let words = words(request)?;
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    if words.len() < needed(&words) {
        return Err(Refusal::TooShort);
    }
    let reply = match words[..] {
        ["ping", ..] => "pong".into(),
        ["version", ..] => SPOKEN.into(),
        ["echo", ref rest @ ..] => texts(rest.iter().copied()),
        ["server-status", ..] => "Server ready".into(),
        ["status", ref rest @ ..] => status::status(rest, house)?,
        ["banned", ref addresses @ ..] => status::banned(addresses, house)?,
        ["unban", ref addresses @ ..] => unban(addresses, house)?,
        ["set", "loglevel", level, ..] => return log_level(level),
        ["get", ref rest @ ..] => settings::get(rest, house)?,
        ["set", jail, option, ref values @ ..] => settings::set(jail, option, values, house)?,
        ["flushlogs", ..] => return Ok(Said::FlushLogs),
        ["stop"] => return Ok(Said::Stop),
        ["reload", ref rest @ ..] => return Ok(Said::Reload { unban: asks_unban(request, rest) }),
        _ => return Err(Refusal::Invalid("Invalid command".to_owned())),
    };
    Ok(Said::Reply(reply))
}

/// The pair that goes back: `(0, value)` or `(1, exception)`.
pub fn reply(result: Result<Plain, Refusal>) -> Plain {
    match result {
        Ok(value) => Plain::Tuple(vec![Plain::Int(0), value]),
        Err(refusal) => Plain::Tuple(vec![Plain::Int(1), refusal.into()]),
    }
}

/// What is said to somebody who comes while the daemon ends.
pub fn ending() -> Plain {
    texts(["SHUTDOWN"])
}

/// The version of fail2ban whose protocol this is.
const SPOKEN: &str = "1.0.2";

impl From<Refusal> for Plain {
    fn from(refusal: Refusal) -> Plain {
        let (module, class, text) = match refusal {
            Refusal::UnknownJail(jail) => ("fail2ban.exceptions", "UnknownJailException", jail),
            Refusal::TooShort => ("builtins", "IndexError", "list index out of range".to_owned()),
            Refusal::Invalid(text) => ("builtins", "Exception", text),
            Refusal::Value(text) => ("builtins", "ValueError", text),
            Refusal::UnknownAction(name) => ("builtins", "KeyError", format!("Invalid Action name: {name}")),
        };
        Plain::Exception(module.into(), class.into(), vec![text.into()])
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Refusal {
        let hint = error.hint.map_or(String::new(), |hint| format!(" ({hint})"));
        let text = format!("{}{hint}", error.message);
        if error.kind == Kind::Usage { Refusal::Value(text) } else { Refusal::Invalid(text) }
    }
}

/// The words of a request; what stands for no word (a command stream) is an empty one.
fn words(request: &Plain) -> Result<Vec<String>, Refusal> {
    let (Plain::List(items) | Plain::Tuple(items)) = request else {
        return Err(Refusal::Invalid("Invalid command".to_owned()));
    };
    let word = |item: &Plain| match item {
        Plain::Text(text) => text.clone(),
        Plain::Int(number) => number.to_string(),
        Plain::Float(number) => number.to_string(),
        Plain::Bool(truth) => if *truth { "True" } else { "False" }.to_owned(),
        _ => String::new(),
    };
    Ok(items.iter().map(word).collect())
}

/// How many words a request has at the least.
fn needed(words: &[&str]) -> usize {
    match words {
        ["get", option, ..] if OF_THE_DAEMON.contains(option) => 2,
        ["get" | "set", ..] => 3,
        _ => 1,
    }
}

fn unban(addresses: &[&str], house: &mut House<'_>) -> Result<Plain, Refusal> {
    let lifted = match addresses {
        [] => return Err(Refusal::Invalid("Invalid command".to_owned())),
        ["--all"] => house.engine.unban_all(None, house.now, house.out)?,
        addresses => {
            let mut lifted = 0;
            for address in addresses {
                lifted += house.engine.unban(None, &Id::parse(address), house.now, house.out)?;
            }
            lifted
        }
    };
    Ok(number(lifted))
}

fn log_level(name: &str) -> Result<Said, Refusal> {
    let level = Level::parse(name).ok_or_else(|| Refusal::Value(format!("Invalid log level {}", quoted(name))))?;
    Ok(Said::LogLevel(level))
}

/// `reload JAIL [options] stream`: the stream repeats what stands in the files, which are read again anyway.
fn asks_unban(request: &Plain, words: &[&str]) -> bool {
    let listed = match request {
        Plain::List(items) | Plain::Tuple(items) => items.get(2),
        _ => None,
    };
    let in_list = match listed {
        Some(Plain::List(options) | Plain::Tuple(options)) => options.contains(&"--unban".into()),
        _ => false,
    };
    in_list || words.contains(&"--unban")
}

fn texts<T: Into<String>>(items: impl IntoIterator<Item = T>) -> Plain {
    Plain::List(items.into_iter().map(|item| Plain::Text(item.into())).collect())
}

fn number(number: impl TryInto<i64>) -> Plain {
    Plain::Int(number.try_into().unwrap_or(i64::MAX))
}

fn pair(name: &str, value: Plain) -> Plain {
    Plain::Tuple(vec![name.into(), value])
}

fn quoted(text: &str) -> String {
    format!("'{text}'")
}
