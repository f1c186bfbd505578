//! `status` and `banned` in fail2ban's trees.

use super::pickle::Plain;
use super::{Refusal, number, pair, texts};
use crate::addr::Id;
use crate::command::House;
use crate::config::Journal;

/// `status`, `status JAIL [flavor]`.
pub fn status(words: &[&str], house: &House<'_>) -> Result<Plain, Refusal> {
    match words {
        [] => Ok(all(house)),
        [jail, rest @ ..] => one(jail, rest.first().copied().unwrap_or("basic"), house),
    }
}

fn all(house: &House<'_>) -> Plain {
    let mut jails = house.engine.jails();
    jails.sort();
    Plain::List(vec![pair("Number of jail", number(jails.len())), pair("Jail list", jails.join(", ").into())])
}

/// `short` leaves out who is banned; any other flavor is fail2ban's `basic`.
fn one(jail: &str, flavor: &str, house: &House<'_>) -> Result<Plain, Refusal> {
    let status = house.engine.status(jail).map_err(|_| Refusal::UnknownJail(jail.to_owned()))?;
    let read = match &house.engine.settings(jail)?.journal {
        Some(journal) => pair("Journal matches", texts(Journal::groups(journal))),
        None => pair("File list", texts(house.files.get(jail).cloned().unwrap_or_default())),
    };
    let filter = vec![
        pair("Currently failed", number(status.currently_failed)),
        pair("Total failed", number(status.total_failed)),
        read,
    ];
    let mut actions = vec![
        pair("Currently banned", number(status.currently_banned)),
        pair("Total banned", number(status.total_banned)),
    ];
    if flavor != "short" {
        actions.push(pair("Banned IP list", texts(status.banned)));
    }
    Ok(Plain::List(vec![pair("Filter", Plain::List(filter)), pair("Actions", Plain::List(actions))]))
}

/// `banned`: each jail with whom it bans; `banned IP…`: of each the jails that ban it.
pub fn banned(addresses: &[&str], house: &House<'_>) -> Result<Plain, Refusal> {
    let mut jails = Vec::new();
    for jail in house.engine.jails() {
        let held = house.engine.status(&jail)?.banned;
        jails.push((jail, held));
    }
    if addresses.is_empty() {
        let jail = |(jail, held): (String, Vec<String>)| Plain::Dict(vec![(jail.into(), texts(held))]);
        return Ok(Plain::List(jails.into_iter().map(jail).collect()));
    }
    let of = |address: &&str| {
        let id = Id::parse(address).to_string();
        texts(jails.iter().filter(|(_, held)| held.contains(&id)).map(|(jail, _)| jail.clone()))
    };
    Ok(Plain::List(addresses.iter().map(of).collect()))
}
