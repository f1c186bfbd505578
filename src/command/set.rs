//! `set JAIL OPTION VALUE…`: a change of a running jail, until the next reload; bans and unbans in fail2ban's grammar.

use serde_json::{Value, json};

use super::House;
use super::get::{self, Setting};
use crate::addr::Id;
use crate::config::{IgnoreItem, JailSettings, number};
use crate::error::{Error, Kind};
use crate::time::{Bantime, Span};

/// Change a running jail until the next reload, in fail2ban's words: `set asterisk maxretry 3`
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
pub struct Args {
    /// The jail
    pub jail: String,
    /// `maxretry`, `findtime`, `bantime`, `maxmatches`, `ignoreself`, `addignoreip`, `delignoreip`, `banip` or `unbanip`
    pub option: String,
    /// The value, or several
    #[arg(value_name = "VALUE", allow_negative_numbers = true)]
    pub values: Vec<String>,
    /// With `unbanip`: an address that is not banned is an error
    #[arg(long)]
    pub report_absent: bool,
}

/// What can be changed.
pub const OPTIONS: [&str; 9] =
    ["addignoreip", "banip", "bantime", "delignoreip", "findtime", "ignoreself", "maxmatches", "maxretry", "unbanip"];

impl Args {
    pub(super) fn words(&self) -> Vec<String> {
        let words = ["set", &self.jail, &self.option].map(str::to_owned);
        let flag = self.report_absent.then(|| "--report-absent".to_owned());
        words.into_iter().chain(self.values.iter().cloned()).chain(flag).collect()
    }

    /// The reply is the new value, or how many were banned or unbanned.
    pub(super) fn run(&self, house: &mut House<'_>) -> Result<Setting, Error> {
        let mut settings = house.engine.settings(&self.jail)?.clone();
        let values: Vec<&str> = self.values.iter().map(String::as_str).collect();
        let option = self.option.as_str();
        match option {
            "banip" => return ban(&self.jail, &values, house).map(Setting),
            "unbanip" => return unban(&self.jail, &values, self.report_absent, house).map(Setting),
            "addignoreip" => {
                for word in values {
                    settings.ignore.list.push(IgnoreItem::parse(word).map_err(|e| Error::new(Kind::Usage, e))?);
                }
            }
            option => {
                let missing = || Error::new(Kind::Usage, format!("`{option}` wants a value"));
                change(&mut settings, option, values.first().ok_or_else(missing)?)?;
            }
        }
        let refused = |e| Error::new(Kind::Host, format!("the firewall does not take it on: {e}"));
        house.engine.add_jail(settings, house.now, house.out).map_err(refused)?;
        let option = option.strip_prefix("add").or(option.strip_prefix("del")).unwrap_or(option);
        get::of_a_jail(&self.jail, option, &[], house).map(Setting)
    }
}

fn change(settings: &mut JailSettings, option: &str, value: &str) -> Result<(), Error> {
    let bad = |message: String| Error::new(Kind::Usage, message);
    match option {
        "maxretry" => settings.maxretry = whole(option, value)?,
        "maxmatches" => settings.maxmatches = whole(option, value)?,
        "findtime" => settings.findtime = Span::parse(value).map_err(|e| bad(e.to_string()))?,
        "bantime" => settings.bantime = Bantime::parse(value).map_err(|e| bad(e.to_string()))?,
        "ignoreself" => settings.ignore.myself = number::truth(value).0,
        "delignoreip" => {
            let item = IgnoreItem::parse(value).map_err(bad)?;
            let at = settings.ignore.list.iter().position(|known| *known == item);
            let absent = || bad(format!("`{value}` is not in `ignoreip`"));
            settings.ignore.list.remove(at.ok_or_else(absent)?);
        }
        option => {
            let error = Error::unknown("option to set", option, &OPTIONS.map(str::to_owned));
            return Err(match get::OF_A_JAIL.contains(&option) {
                true => error.hint(format!("write `{option} = …` into the jail's configuration and reload")),
                false => error,
            });
        }
    }
    Ok(())
}

fn whole<T: TryFrom<i64>>(option: &str, text: &str) -> Result<T, Error> {
    let bad = || Error::new(Kind::Usage, format!("`{option}` has to be a whole number, not `{text}`"));
    number::int(text).and_then(|n| T::try_from(n).ok()).ok_or_else(bad)
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
