//! Jails from a stream of commands: what `fail2ban-client start` and `reload` send, to the settings that the files would
//! have given.
//!
//! fail2ban carries a stream out command by command and gives up at the first that fails, with jails half made and none
//! started. Here the whole stream is read first. A jail with a command that fails is left out, and the others stand.

use indexmap::IndexMap;

use super::pickle::Plain;
use super::settings::many;
use super::{Refusal, words};
use crate::command::change::change;
use crate::command::get::OF_THE_DAEMON;
use crate::command::jails;
use crate::config::{JailSettings, Problem};

/// What a stream says.
#[derive(Debug, Default)]
pub struct Built {
    /// Options of the daemon, in order.
    pub main: Vec<(String, String)>,
    /// Jails that are complete, in order.
    pub jails: Vec<JailSettings>,
    /// What should be known of them although they can be used.
    pub remarks: Vec<Problem>,
    /// What the client's reader could not use, in its words.
    pub complaints: Vec<String>,
    /// Jails that are left out, with the reason; the name is empty where no jail is concerned.
    pub refused: Vec<(String, Refusal)>,
}

/// Reads a stream.
pub fn built(stream: &[Plain]) -> Built {
    let mut built = Built::default();
    let mut jails: IndexMap<String, JailSettings> = IndexMap::new();
    let mut bad: Vec<String> = Vec::new();
    for command in stream {
        let spoken = words(command).unwrap_or_default();
        let spoken: Vec<&str> = spoken.iter().map(String::as_str).collect();
        let (jail, done) = match spoken[..] {
            ["set", option, value, ..] if OF_THE_DAEMON.contains(&option) => {
                built.main.push((option.to_owned(), value.to_owned()));
                continue;
            }
            ["config-error", text, ..] => {
                built.complaints.push(text.to_owned());
                continue;
            }
            ["start", jail, ..] => (jail, known(&mut jails, jail).map(drop)),
            ["add", jail, ref rest @ ..] => {
                let made = jails::new(jail, rest.first().copied().unwrap_or("auto"));
                (jail, made.map(|settings| drop(jails.insert(jail.to_owned(), settings))).map_err(Refusal::from))
            }
            ["set", jail, option, ref values @ ..] => (jail, set(&mut jails, jail, option, values, &mut built.remarks)),
            ["multi-set", jail, option, ..] => {
                let each = many(option, command).and_then(|all| {
                    all.iter().try_for_each(|values| {
                        let values: Vec<&str> = values.iter().map(String::as_str).collect();
                        set(&mut jails, jail, option, &values, &mut built.remarks)
                    })
                });
                (jail, each)
            }
            _ => ("", Err(Refusal::Invalid("Invalid command".to_owned()))),
        };
        if let Err(refusal) = done
            && !bad.iter().any(|known| known == jail)
        {
            bad.push(jail.to_owned());
            built.refused.push((jail.to_owned(), refusal));
        }
    }
    built.jails = jails.into_values().filter(|jail| !bad.contains(&jail.name)).collect();
    built
}

fn set(
    jails: &mut IndexMap<String, JailSettings>,
    jail: &str,
    option: &str,
    values: &[&str],
    remarks: &mut Vec<Problem>,
) -> Result<(), Refusal> {
    let settings = known(jails, jail)?;
    let mut said = Vec::new();
    change(settings, option, values, &mut said)?;
    remarks.extend(said.into_iter().map(|problem| problem.of_jail(jail)));
    Ok(())
}

fn known<'a>(jails: &'a mut IndexMap<String, JailSettings>, jail: &str) -> Result<&'a mut JailSettings, Refusal> {
    jails.get_mut(jail).ok_or_else(|| Refusal::UnknownJail(jail.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(words: &[&str]) -> Plain {
        Plain::List(words.iter().map(|word| (*word).into()).collect())
    }

    #[test]
    fn one_bad_jail_is_left_out_and_the_others_stand() {
        let list = |words: &[&str]| command(words);
        let mut many = vec!["multi-set".into(), "a".into(), "addfailregex".into()];
        many.push(list(&["^x <HOST>$", "^y <HOST>$"]));
        let stream = [
            list(&["set", "loglevel", "DEBUG"]),
            list(&["add", "a", "polling"]),
            Plain::List(many),
            list(&["set", "a", "maxretry", "7"]),
            list(&["add", "b", "auto"]),
            list(&["set", "b", "findtime", "soon"]),
            list(&["config-error", "c is wrong"]),
            list(&["start", "a"]),
            list(&["start", "b"]),
            list(&["start", "d"]),
        ];
        let built = built(&stream);
        assert_eq!(built.main, [("loglevel".to_owned(), "DEBUG".to_owned())]);
        let jails: Vec<_> =
            built.jails.iter().map(|jail| (jail.name.as_str(), jail.maxretry, jail.filter.failregex.len())).collect();
        assert_eq!(jails, [("a", 7, 2)]);
        assert_eq!(built.complaints, ["c is wrong"]);
        let refused: Vec<&str> = built.refused.iter().map(|(jail, _)| jail.as_str()).collect();
        assert_eq!(refused, ["b", "d"]);
        assert_eq!(built.refused[1].1, Refusal::UnknownJail("d".to_owned()));
    }

    #[test]
    fn an_action_is_ours_by_its_name_until_it_has_commands() {
        let text = |words: &[&str]| command(words);
        let multi = |action: &str, pair: [&str; 2]| {
            let words = ["multi-set", "a", "action", action].map(Plain::from);
            Plain::List([&words[..], &[Plain::List(vec![text(&pair)])]].concat())
        };
        let stream = [
            text(&["add", "a", "auto"]),
            text(&["set", "a", "addaction", "ipset-sip"]),
            multi("ipset-sip", ["port", "5060"]),
            text(&["set", "a", "addaction", "ipset"]),
            multi("ipset", ["actionban", "echo <ip>"]),
            text(&["start", "a"]),
        ];
        let built = built(&stream);
        let ours = built.jails[0].actions.iter().map(|action| matches!(action.kind, crate::config::Kind::Own { .. }));
        assert!(ours.eq([true, false]), "{:?}", built.jails[0].actions);
    }
}
