//! fail2ban's control protocol: what its clients say, in their bytes and their words, to what sipjail does, and back.
//!
//! A request is a list of words in a [`pickle`]. [`hear`] does what they ask and gives the value that fail2ban's server
//! would give, in its shape: clients, exporters and web tools read these. What only the daemon's loop can do comes back
//! as a [`Said`] of its own.

pub mod pickle;
pub mod stream;

pub mod built;
mod settings;
mod status;

pub use settings::plain;

use std::fmt;

use crate::addr::Id;
use crate::command::House;
use crate::command::get::OF_THE_DAEMON;
use crate::error::{Error, Kind};
use crate::time::Span;

use pickle::Plain;

/// What became of a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Said {
    /// It is done; the reply.
    Reply(Plain),
    /// End, and lift all bans.
    Stop,
    /// Take on what a stream of commands says of jails, in place of what runs.
    Reload {
        /// Of this jail alone.
        jail: Option<String>,
        /// Lift every ban before that: `--unban`.
        unban: bool,
        /// Stop the jails before that, so that they begin anew: `--restart`.
        restart: bool,
        /// The commands; `None`: none came, and the configuration is read again.
        stream: Option<Vec<Plain>>,
    },
    /// Carry out what a stream of commands says, beside what runs.
    Stream(Vec<Plain>),
    /// Open the log file again.
    FlushLogs,
    /// Change an option of the daemon itself.
    Main {
        /// Which.
        option: String,
        /// To what.
        value: String,
    },
    /// Write into the log what was wrong with a configuration.
    Complain(String),
    /// Reply after a while.
    Sleep(Span),
}

/// Why a request is not done: an exception in the eyes of the client.
#[derive(Clone, Debug, PartialEq)]
pub enum Refusal {
    /// There is no such jail.
    UnknownJail(String),
    /// There is such a jail already.
    DuplicateJail(String),
    /// Words are missing.
    TooShort,
    /// What is asked for does not exist, or not here.
    Invalid(String),
    /// A value cannot be used.
    Value(String),
    /// There is no such action.
    UnknownAction(String),
    /// An action has no such property.
    UnknownProperty(String),
    /// There is no such file.
    NoFile(String),
    /// There is no such encoding.
    UnknownEncoding(String),
    /// It cannot be done now.
    Runtime(String),
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
        ["stats" | "statistic" | "statistics", ..] => status::statistics(house)?,
        ["set", option, value, ..] if OF_THE_DAEMON.contains(&option) => {
            return Ok(Said::Main { option: option.to_owned(), value: value.to_owned() });
        }
        ["get", ref rest @ ..] => settings::get(rest, house)?,
        ["set", jail, option, ref values @ ..] => settings::set(jail, option, values, house)?,
        ["multi-set", jail, option, ..] => settings::multi_set(jail, option, request, house)?,
        ["add", "--all", ..] => return Err(Refusal::Invalid("Reserved name '--all'".to_owned())),
        ["add", jail, ref rest @ ..] => settings::add(jail, rest.first().copied().unwrap_or("auto"), house)?,
        ["start", jail, ..] => settings::start(jail, house)?,
        ["stop", "--all", ..] => settings::stop_all(house)?,
        ["stop", jail, ..] => settings::stop(jail, house)?,
        ["stop"] => return Ok(Said::Stop),
        ["flushlogs", ..] => return Ok(Said::FlushLogs),
        ["config-error", text, ..] => return Ok(Said::Complain(text.to_owned())),
        ["sleep", time, ..] => return sleep(time),
        ["server-stream", ..] => return Ok(Said::Stream(listed(request, 1).unwrap_or_default())),
        ["reload", jail, ..] => return reload(jail, request, &words, house),
        ["reload"] => return Ok(Said::Reload { jail: None, unban: false, restart: false, stream: None }),
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
            Refusal::DuplicateJail(jail) => ("fail2ban.exceptions", "DuplicateJailException", jail),
            Refusal::UnknownProperty(name) => {
                let text = format!("'CommandAction' object has no attribute {}", quoted(&name));
                ("builtins", "AttributeError", text)
            }
            Refusal::UnknownEncoding(name) => ("builtins", "LookupError", format!("unknown encoding: {name}")),
            Refusal::Runtime(text) => ("builtins", "RuntimeError", text),
            Refusal::NoFile(path) => {
                let args = vec![Plain::Int(2), "No such file or directory".into(), path.into()];
                return Plain::Exception("builtins".into(), "FileNotFoundError".into(), args);
            }
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

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Error {
        Error::new(Kind::Usage, refusal.to_string())
    }
}

impl fmt::Display for Refusal {
    /// For a person.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::UnknownJail(jail) => write!(f, "there is no jail `{jail}`"),
            Refusal::DuplicateJail(jail) => write!(f, "there is a jail `{jail}` already"),
            Refusal::TooShort => f.write_str("a word is missing"),
            Refusal::UnknownAction(name) => write!(f, "there is no action `{name}`"),
            Refusal::UnknownProperty(name) => write!(f, "an action has no `{name}`"),
            Refusal::NoFile(path) => write!(f, "there is no file `{path}`"),
            Refusal::UnknownEncoding(name) => write!(f, "unknown encoding `{name}`"),
            Refusal::Invalid(text) | Refusal::Value(text) | Refusal::Runtime(text) => f.write_str(text),
        }
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
        ["get" | "set" | "multi-set", ..] => 3,
        ["add" | "start" | "sleep" | "config-error" | "server-stream", ..] => 2,
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

/// `reload JAIL|--all [OPTIONS] STREAM`; typed by hand there is no stream, and options are words.
fn reload(jail: &str, request: &Plain, words: &[&str], house: &House<'_>) -> Result<Said, Refusal> {
    let options: Vec<Plain> = listed(request, 2).unwrap_or_default();
    let has = |option: &str| options.contains(&option.into()) || words.contains(&option);
    let jail = Some(jail).filter(|jail| !jail.is_empty() && !jail.starts_with("--")).map(str::to_owned);
    if let Some(jail) = &jail
        && !has("--if-exists")
        && house.engine.settings(jail).is_err()
        && !house.waiting.contains_key(jail)
    {
        return Err(Refusal::UnknownJail(jail.clone()));
    }
    Ok(Said::Reload { jail, unban: has("--unban"), restart: has("--restart"), stream: listed(request, 3) })
}

fn sleep(time: &str) -> Result<Said, Refusal> {
    let wrong = || Refusal::Value(format!("could not convert string to float: {}", quoted(time)));
    let seconds: f64 = time.trim().parse().map_err(|_| wrong())?;
    match seconds >= 0.0 {
        true => Ok(Said::Sleep(Span::from_secs_f64(seconds))),
        false => Err(Refusal::Value("sleep length must be non-negative".to_owned())),
    }
}

/// A word of a request that is a list.
fn listed(request: &Plain, at: usize) -> Option<Vec<Plain>> {
    let (Plain::List(items) | Plain::Tuple(items)) = request else { return None };
    match items.get(at) {
        Some(Plain::List(inner) | Plain::Tuple(inner)) => Some(inner.clone()),
        _ => None,
    }
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
