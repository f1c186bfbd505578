//! `set JAIL OPTION VALUE…`: a change of a running jail, until the next reload; bans and unbans in fail2ban's grammar.
//!
//! `set OPTION VALUE` changes the daemon itself, and is answered by its loop.

use serde_json::{Value, json};

use super::change::{self, OF_READING, change};
use super::get::{self, OF_THE_DAEMON, Setting};
use super::{Follow, House, action, jails};
use crate::addr::Id;
use crate::config::Severity;
use crate::engine::Request;
use crate::error::{Error, Kind};
use crate::record::{Level, Record};

/// Change the daemon, or a running jail until the next reload, in fail2ban's words: `set asterisk maxretry 3`
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
pub struct Args {
    /// An option of the daemon and its value; or a jail, what to change (`maxretry`, `bantime`, `addignoreip`,
    /// `addfailregex`, `addlogpath`, `idle`, `banip`, `unbanip` …) and the value, or several
    #[arg(required = true, value_name = "WORD", allow_negative_numbers = true)]
    pub words: Vec<String>,
    /// With `unbanip`: an address that is not banned is an error
    #[arg(long)]
    pub report_absent: bool,
}

/// What can be done to a jail beside [`change::OPTIONS`].
pub const DEEDS: [&str; 4] = ["attempt", "banip", "idle", "unbanip"];

impl Args {
    pub(super) fn words(&self) -> Vec<String> {
        let flag = self.report_absent.then(|| "--report-absent".to_owned());
        std::iter::once("set".to_owned()).chain(self.words.iter().cloned()).chain(flag).collect()
    }

    /// The option of the daemon that is to be changed, and its value.
    pub fn of_the_daemon(&self) -> Option<(&str, &str)> {
        match self.words.as_slice() {
            [option, value, ..] if OF_THE_DAEMON.contains(&option.as_str()) => Some((option, value)),
            _ => None,
        }
    }

    /// The reply is the new value, or how many were banned or unbanned.
    pub(super) fn run(&self, house: &mut House<'_>) -> Result<Setting, Error> {
        let words: Vec<&str> = self.words.iter().map(String::as_str).collect();
        let [jail, option, values @ ..] = words.as_slice() else {
            let error = Error::new(Kind::Usage, "`set` wants a jail, an option and its value");
            return Err(error.hint("for example `set asterisk maxretry 3`"));
        };
        house.engine.settings(jail)?;
        let value = match (*option, values) {
            ("banip", values) => ban(jail, values, house)?,
            ("unbanip", values) => unban(jail, values, self.report_absent, house)?,
            ("attempt", values) => json!(u8::from(jails::attempt(jail, values, house)?)),
            ("idle", ["on", ..]) => jails::rest(jail, house).map(|()| json!(true))?,
            ("idle", ["off", ..]) => jails::start(jail, house).map(|()| json!(false))?,
            ("idle", _) => return Err(Error::new(Kind::Usage, "Invalid idle option, must be 'on' or 'off'")),
            ("action", [name, method, rest @ ..]) if action::METHODS.contains(method) => {
                action::perform(jail, name, method, rest.first().copied(), house)?
            }
            (option, values) => live(jail, option, values, house)?,
        };
        Ok(Setting(value))
    }
}

/// Changes a jail that runs. An expression that cannot be used changes nothing.
fn live(jail: &str, option: &str, values: &[&str], house: &mut House<'_>) -> Result<Value, Error> {
    if !change::OPTIONS.contains(&option) {
        let known: Vec<String> = change::OPTIONS.iter().chain(&DEEDS).map(|word| (*word).to_owned()).collect();
        let error = Error::unknown("option to set", option, &known);
        return Err(match get::OF_A_JAIL.contains(&option) {
            true => error.hint(format!("write `{option} = …` into the jail's configuration and reload")),
            false => error,
        });
    }
    let mut settings = house.engine.settings(jail)?.clone();
    let mut said = Vec::new();
    change(&mut settings, option, values, &mut said)?;
    if OF_READING.contains(&option) {
        let filter = jails::compile(&settings, house)?;
        if !house.idle.contains(jail) {
            house.follow.push(Follow::Put(jail.to_owned(), Box::new(filter)));
        }
        let paths = settings.logpath.iter().flat_map(|path| (house.expand)(&path.pattern));
        let files = paths.map(|path| path.display().to_string());
        if option.ends_with("logpath") {
            house.files.insert(jail.to_owned(), files.collect());
        }
    }
    house.engine.add_jail(settings, house.now, house.out).map_err(jails::refused)?;
    house.out.extend(said.into_iter().map(|problem| {
        let level = if problem.severity == Severity::Error { Level::Error } else { Level::Warning };
        Request::Log(Record::new(level, "filter", format!("[{jail}] {}", problem.message)))
    }));
    match (option, values) {
        ("addaction", [name, ..]) => Ok(json!(name)),
        ("delaction", _) => Ok(Value::Null),
        ("action", [name, property, ..]) => {
            let action = action::one(&house.engine.settings(jail)?.actions, name)?;
            Ok(action::property(action, property).unwrap_or(Value::Null))
        }
        ("bantime.overalljails", ["", ..]) => Ok(Value::Null),
        ("bantime.overalljails", [text, ..]) => Ok(json!(text)),
        _ => {
            let option = option.strip_prefix("add").or(option.strip_prefix("del")).unwrap_or(option);
            get::of_a_jail(jail, option, &[], house)
        }
    }
}

/// How many were not banned before.
fn ban(jail: &str, addresses: &[&str], house: &mut House<'_>) -> Result<Value, Error> {
    let mut new = 0;
    for address in addresses {
        new += usize::from(house.engine.ban(jail, Id::parse(address), None, house.now, house.out)?);
    }
    Ok(json!(new))
}

/// How many were banned; with `report`, those who were not are an error.
fn unban(jail: &str, addresses: &[&str], report: bool, house: &mut House<'_>) -> Result<Value, Error> {
    if addresses.is_empty() {
        return Err(Error::new(Kind::Usage, "`unbanip` wants an address"));
    }
    let (mut lifted, mut absent) = (0, Vec::new());
    for address in addresses {
        match house.engine.unban(Some(jail), &Id::parse(address), house.now, house.out)? {
            0 => absent.push(format!("'{address}'")),
            n => lifted += n,
        }
    }
    match report && !absent.is_empty() {
        true => Err(Error::new(Kind::Usage, format!("not banned: [{}]", absent.join(", ")))),
        false => Ok(json!(lifted)),
    }
}
