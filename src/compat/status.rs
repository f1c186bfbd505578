//! `status` and `banned` in fail2ban's trees.

use super::pickle::Plain;
use super::{Refusal, number, pair, texts};
use crate::addr::Id;
use crate::command::House;
use crate::config::Journal;

/// `status`, `status --all [flavor]`, `status JAIL [flavor]`.
pub fn status(words: &[&str], house: &House<'_>) -> Result<Plain, Refusal> {
    match words {
        [] => Ok(Plain::List(all(house))),
        ["--all", "stats", ..] => statistics(house),
        ["--all", rest @ ..] => {
            let flavor = rest.first().copied().unwrap_or("basic");
            let mut jails = house.engine.jails();
            jails.sort();
            let each = jails.into_iter().map(|jail| Ok((jail.clone().into(), one(&jail, flavor, house)?)));
            let each = Plain::Dict(each.collect::<Result<_, Refusal>>()?);
            Ok(Plain::List([all(house), vec![each]].concat()))
        }
        [jail, rest @ ..] => one(jail, rest.first().copied().unwrap_or("basic"), house),
    }
}

fn all(house: &House<'_>) -> Vec<Plain> {
    let mut jails = house.engine.jails();
    jails.sort();
    vec![pair("Number of jail", number(jails.len())), pair("Jail list", jails.join(", ").into())]
}

/// `stats`: of each jail how its log is read, and its numbers.
pub fn statistics(house: &House<'_>) -> Result<Plain, Refusal> {
    let each = house.engine.jails().into_iter().map(|jail| Ok((jail.clone().into(), one(&jail, "stats", house)?)));
    Ok(Plain::Dict(each.collect::<Result<_, Refusal>>()?))
}

/// `short` leaves out who is banned, `stats` gives numbers only, `cymru` adds three lists; any other flavor is fail2ban's
/// `basic`.
///
/// The lists of `cymru` say `error`, as fail2ban's do without its library for DNS: nobody is told whom this host bans.
fn one(jail: &str, flavor: &str, house: &House<'_>) -> Result<Plain, Refusal> {
    let status = house.engine.status(jail).map_err(|_| Refusal::UnknownJail(jail.to_owned()))?;
    let read = match &house.engine.settings(jail)?.journal {
        Some(journal) => pair("Journal matches", texts(Journal::groups(journal))),
        None => pair("File list", texts(house.files.get(jail).cloned().unwrap_or_default())),
    };
    if flavor == "stats" {
        let backend = match &house.engine.settings(jail)?.journal {
            Some(_) => "systemd",
            None => "polling",
        };
        let both = |now: usize, total: u64| Plain::Tuple(vec![number(now), number(total)]);
        let failed = both(status.currently_failed, status.total_failed);
        return Ok(Plain::List(vec![backend.into(), failed, both(status.currently_banned, status.total_banned)]));
    }
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
    if flavor == "cymru" {
        let lists = ["Banned ASN list", "Banned Country list", "Banned RIR list"];
        actions.extend(lists.map(|list| pair(list, texts(["error"]))));
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
