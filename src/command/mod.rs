//! What a client may ask of the daemon. One file per command: its arguments, what it does to the engine, its reply as
//! data and as text.
//!
//! A command is typed at a terminal or comes over the socket as a list of words; both are parsed by the same declaration.
//! The reply is data first: a program gets the fields, a terminal gets [`Command::text`]. No command opens a file or starts
//! a thread; `reload` and `stop` change the running daemon and are answered by its loop.

pub mod action;
pub mod ban;
pub mod banned;
pub mod change;
pub mod distrust;
pub mod get;
pub mod jails;
pub mod ping;
pub mod protected;
pub mod reload;
pub mod set;
pub mod status;
pub mod stop;
pub mod take;
pub mod trusted;
pub mod unban;

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use indexmap::{IndexMap, IndexSet};
use jiff::tz::TimeZone;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::config::Main;
use crate::engine::{Engine, Request};
use crate::error::{Error, Kind};
use crate::filter::Filter;
use crate::time::Timestamp;

/// Everything that can be asked of a running daemon.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
#[expect(missing_docs, reason = "each command's own doc comment is its help text")]
pub enum Command {
    Status(status::Args),
    Ban(ban::Args),
    Unban(unban::Args),
    Banned(banned::Args),
    Trusted(trusted::Args),
    Distrust(distrust::Args),
    Protected(protected::Args),
    Reload(reload::Args),
    Ping(ping::Args),
    Stop(stop::Args),
    Get(get::Args),
    Set(set::Args),
    #[command(hide = true)]
    Take(take::Args),
}

/// What a command may look at and change.
pub struct House<'a> {
    /// The owner of jails, bans and firewall.
    pub engine: &'a mut Engine,
    /// The logs that each jail reads right now.
    pub files: &'a mut IndexMap<String, Vec<String>>,
    /// Lines that each jail's filter gave up, since the jail came up.
    pub gave_up: &'a IndexMap<String, u64>,
    /// What is heard of each PBX that tells events.
    pub heard: &'a IndexMap<String, status::Heard>,
    /// Jails that wait for one of these logs to appear.
    pub waiting: &'a IndexMap<String, Vec<String>>,
    /// Jails that follow no log: not started yet, or told to be idle.
    pub idle: &'a mut IndexSet<String>,
    /// The daemon's own settings.
    pub main: &'a Main,
    /// What bans.
    pub firewall: &'a str,
    /// The present.
    pub now: Timestamp,
    /// For the times in replies.
    pub zone: &'a TimeZone,
    /// What the engine wants done because of the command.
    pub out: &'a mut Vec<Request>,
    /// What is to be followed otherwise because of the command.
    pub follow: &'a mut Vec<Follow>,
    /// The files that a path or a pattern means now.
    pub expand: &'a dyn Fn(&str) -> Vec<PathBuf>,
}

/// Something for whoever follows the logs.
pub enum Follow {
    /// A jail is followed, with its settings of now and this filter.
    Put(String, Box<Filter>),
    /// A jail is followed no more.
    Remove(String),
}

/// A reply: data that can be shown.
pub trait Reply: Serialize + DeserializeOwned {
    /// For a terminal; ends without a newline.
    fn text(&self) -> String;
}

impl Command {
    /// Reads a command from words, as they come over the socket.
    pub fn from_words(words: &[String]) -> Result<Command, Error> {
        if words.is_empty() {
            let hint = format!("there are: {}", Command::names().join(", "));
            return Err(Error::new(Kind::Usage, "no command was given").hint(hint));
        }
        Words::try_parse_from(words).map(|w| w.command).map_err(|e| {
            let known = Command::names();
            let guess = words.first().and_then(|w| crate::text::did_you_mean(w, known.iter().map(String::as_str)));
            let first = e.to_string().lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned();
            let error = Error::new(Kind::Usage, first);
            match guess {
                Some(guess) if !known.contains(&words[0]) => error.hint(guess),
                _ => error,
            }
        })
    }

    /// The same command as words, to be sent.
    pub fn words(&self) -> Vec<String> {
        match self {
            Command::Status(args) => args.words(),
            Command::Ban(args) => args.words(),
            Command::Unban(args) => args.words(),
            Command::Banned(args) => args.words(),
            Command::Trusted(args) => args.words(),
            Command::Distrust(args) => args.words(),
            Command::Reload(_) => vec!["reload".into()],
            Command::Ping(_) => vec!["ping".into()],
            Command::Protected(_) => vec!["protected".into()],
            Command::Stop(args) => args.words(),
            Command::Get(args) => args.words(),
            Command::Set(args) => args.words(),
            Command::Take(args) => args.words(),
        }
    }

    /// Carries the command out. What changes the daemon itself its loop does: `reload`, `stop`, `set` of its own options.
    pub fn run(&self, house: &mut House<'_>) -> Result<Value, Error> {
        match self {
            Command::Status(args) => args.run(house).map(data),
            Command::Ban(args) => args.run(house).map(data),
            Command::Unban(args) => args.run(house).map(data),
            Command::Banned(args) => args.run(house).map(data),
            Command::Trusted(args) => args.run(house).map(data),
            Command::Distrust(args) => args.run(house).map(data),
            Command::Ping(args) => Ok(data(args.run())),
            Command::Protected(args) => Ok(data(args.run(house))),
            Command::Get(args) => args.run(house).map(data),
            Command::Take(args) => args.run(house).map(data),
            Command::Set(args) if args.of_the_daemon().is_none() => args.run(house).map(data),
            Command::Reload(_) | Command::Stop(_) | Command::Set(_) => {
                Err(Error::new(Kind::Daemon, "only the daemon itself can do this"))
            }
        }
    }

    /// A reply's text for a terminal.
    pub fn text(&self, reply: &Value) -> Result<String, Error> {
        match self {
            Command::Status(_) => shown::<status::StatusReply>(reply),
            Command::Ban(_) => shown::<ban::BanReply>(reply),
            Command::Unban(_) => shown::<unban::UnbanReply>(reply),
            Command::Banned(_) => shown::<banned::BannedReply>(reply),
            Command::Trusted(_) => shown::<trusted::TrustedReply>(reply),
            Command::Distrust(_) => shown::<distrust::DistrustReply>(reply),
            Command::Reload(_) => shown::<reload::ReloadReply>(reply),
            Command::Ping(_) => shown::<ping::Pong>(reply),
            Command::Protected(_) => shown::<protected::ProtectedReply>(reply),
            Command::Stop(_) => shown::<stop::StopReply>(reply),
            Command::Get(_) | Command::Set(_) => shown::<get::Setting>(reply),
            Command::Take(_) => shown::<take::TakeReply>(reply),
        }
    }

    /// The names of all commands that a person may type.
    pub fn names() -> Vec<String> {
        use clap::CommandFactory;
        Words::command().get_subcommands().filter(|c| !c.is_hide_set()).map(|c| c.get_name().to_owned()).collect()
    }
}

/// One request on the socket: `{"command":["status","asterisk"]}`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Ask {
    /// The words.
    pub command: Vec<String>,
}

/// One reply on the socket.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Told {
    /// `{"ok":…}`
    Ok(Value),
    /// `{"error":{"message":…,"hint":…}}`
    Error {
        /// What is wrong.
        message: String,
        /// What to do.
        hint: Option<String>,
        /// Whether what was typed cannot be meant (exit code 2).
        #[serde(default)]
        usage: bool,
    },
}

impl From<Result<Value, Error>> for Told {
    fn from(result: Result<Value, Error>) -> Told {
        match result {
            Ok(value) => Told::Ok(value),
            Err(e) => Told::Error { usage: e.kind == Kind::Usage, message: e.message, hint: e.hint },
        }
    }
}

impl From<Told> for Result<Value, Error> {
    fn from(told: Told) -> Result<Value, Error> {
        match told {
            Told::Ok(value) => Ok(value),
            Told::Error { message, hint, usage } => {
                Err(Error { kind: if usage { Kind::Usage } else { Kind::Daemon }, message, hint })
            }
        }
    }
}

#[derive(Parser)]
#[command(no_binary_name = true, disable_help_flag = true)]
struct Words {
    #[command(subcommand)]
    command: Command,
}

/// A table for a terminal, each column as wide as it has to be.
fn columns<const N: usize>(head: [&str; N], rows: impl Iterator<Item = [String; N]>) -> String {
    let rows: Vec<[String; N]> = std::iter::once(head.map(str::to_owned)).chain(rows).collect();
    let widths: [usize; N] = std::array::from_fn(|i| rows.iter().map(|r| r[i].len()).max().unwrap_or(0));
    let line = |row: &[String; N]| {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn data(reply: impl Reply) -> Value {
    serde_json::to_value(reply).expect("replies are plain data")
}

fn shown<R: Reply>(reply: &Value) -> Result<String, Error> {
    let unreadable = |e| Error::new(Kind::Daemon, format!("the daemon's answer is not understood: {e}"));
    R::deserialize(reply).map(|r| r.text()).map_err(unreadable)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn a_command_survives_the_way_over_the_socket() {
        for line in [
            "status",
            "status asterisk",
            "ban 203.0.113.7 --jail asterisk --for 2h",
            "ban 203.0.113.7 --for -1",
            "ban 203.0.113.7 --force",
            "protected",
            "unban 203.0.113.7",
            "unban --all",
            "banned --jail asterisk",
            "trusted",
            "trusted asterisk",
            "distrust 192.0.2.1 2001:db8::/64",
            "reload",
            "ping",
            "stop",
            "stop --keep",
            "get asterisk banip --with-time",
            "set asterisk bantime -1",
            "set asterisk unbanip --report-absent 203.0.113.7",
            "take [] --dry-run",
        ] {
            let command = Command::from_words(&words(line)).expect(line);
            assert_eq!(Command::from_words(&command.words()), Ok(command), "{line}");
        }
    }

    #[test]
    fn an_unknown_command_meets_the_one_that_was_meant() {
        let error = Command::from_words(&words("stauts")).expect_err("it is unknown");
        assert_eq!(error.hint.as_deref(), Some("did you mean `status`?"));
        assert_eq!(Command::from_words(&[]).expect_err("it is none").message, "no command was given");
    }
}
