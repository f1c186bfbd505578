//! Jails that are made, begun and ended while the daemon runs: `add`, `start`, `stop`, `idle`, `attempt` of fail2ban's
//! protocol.

use super::{Follow, House, change};
use crate::addr::Id;
use crate::config::events::Servers;
use crate::config::settings::Values;
use crate::config::value::Value;
use crate::config::{JailSettings, Severity, ini};
use crate::error::{Error, Kind};
use crate::filter::Filter;
use crate::firewall::FirewallError;

/// A jail of which nothing is said yet, or how it reads a log: it counts and bans by hand, and follows nothing before it
/// is started. One that is there already is an error.
pub fn add(name: &str, backend: &str, house: &mut House<'_>) -> Result<(), Error> {
    if house.engine.settings(name).is_ok() {
        return Err(Error::new(Kind::Usage, format!("there is a jail `{name}` already")));
    }
    let settings = new(name, backend)?;
    house.engine.add_jail(settings, house.now, house.out).map_err(refused)?;
    house.idle.insert(name.to_owned());
    Ok(())
}

/// The same as settings alone.
pub fn new(name: &str, backend: &str) -> Result<JailSettings, Error> {
    let mut settings = JailSettings::bare(name, backend);
    let options = ini::Options::default();
    let mut values = Values::new(&options, name);
    settings.journal = values.backend(&Value::bare(backend), &[]);
    // Which server is meant stands in `sipjail.conf`, of which a client's stream knows nothing.
    values.events(&Value::bare(backend), &Servers::default());
    let wrong = values.problems.iter().find(|problem| problem.severity == Severity::Error);
    wrong.map_or(Ok(settings), |problem| Err(change::refused(problem)))
}

/// Follows its logs from now on, where it was when it was left.
pub fn start(name: &str, house: &mut House<'_>) -> Result<(), Error> {
    let settings = house.engine.settings(name)?;
    if !house.idle.contains(name) {
        return Ok(());
    }
    let filter = compile(settings, house)?;
    house.idle.swap_remove(name);
    house.follow.push(Follow::Put(name.to_owned(), Box::new(filter)));
    Ok(())
}

/// Follows nothing until it is started again; counters and bans stay.
pub fn rest(name: &str, house: &mut House<'_>) -> Result<(), Error> {
    house.engine.settings(name)?;
    if house.idle.insert(name.to_owned()) {
        house.follow.push(Follow::Remove(name.to_owned()));
    }
    Ok(())
}

/// The jail goes, and its bans leave the firewall; what is kept of them is there when it comes back.
pub fn end(name: &str, house: &mut House<'_>) -> Result<(), Error> {
    house.engine.remove_jail(name, house.out)?;
    house.idle.swap_remove(name);
    house.files.shift_remove(name);
    house.follow.push(Follow::Remove(name.to_owned()));
    Ok(())
}

/// A failure by hand, or several; `false`: the address is ignored.
pub fn attempt(name: &str, values: &[&str], house: &mut House<'_>) -> Result<bool, Error> {
    let [id, matches @ ..] = values else { return Err(Error::new(Kind::Usage, "`attempt` wants an address")) };
    let matches = matches.iter().map(|line| (*line).to_owned()).collect();
    house.engine.attempt(name, Id::parse(id), matches, house.now, house.out)
}

/// The filter of these settings; one that cannot be used is an error.
pub fn compile(settings: &JailSettings, house: &House<'_>) -> Result<Filter, Error> {
    Filter::new(settings, house.zone).map(|(filter, _)| filter).map_err(|problems| {
        let error = problems.iter().find(|problem| problem.severity == Severity::Error).or(problems.first());
        error.map_or_else(|| Error::new(Kind::Usage, "the filter cannot be used"), change::refused)
    })
}

/// What the firewall says no to.
pub fn refused(error: FirewallError) -> Error {
    Error::new(Kind::Host, format!("the firewall does not take it on: {error}"))
}
