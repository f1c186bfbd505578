//! The actions of a jail that runs: added, removed, given other properties, asked what they are, and told to do something.

use indexmap::IndexMap;
use serde_json::{Value, json};

use super::House;
use crate::addr::Id;
use crate::config::action::file::COMMANDS;
use crate::config::{self, Action, Own, number};
use crate::error::{Error, Kind};
use crate::firewall::script::Method;
use crate::time::Span;
use crate::word::Word;

/// What an action can be told to do, in fail2ban's words; the last ones concern its Python object alone.
pub const METHODS: [&str; 15] = [
    "ban",
    "clearAllParams",
    "consistencyCheck",
    "escapeTag",
    "executeCmd",
    "flush",
    "invalidateBanEpoch",
    "prolong",
    "reban",
    "reload",
    "replaceDynamicTags",
    "replaceTag",
    "start",
    "stop",
    "unban",
];

/// What fail2ban gives an action of which nothing is said.
const TIMEOUT: Span = Span::from_secs(60);

/// `addaction NAME [FILE JSON]`, `delaction NAME`, `action NAME PROPERTY VALUE`.
pub fn change(actions: &mut Vec<Action>, option: &str, values: &[&str]) -> Result<(), Error> {
    let [name, rest @ ..] = values else { return Err(bad(format!("`{option}` wants the name of an action"))) };
    match (option, rest) {
        ("addaction", _) if actions.iter().any(|action| action.name == *name) => {
            return Err(bad(format!("Action {name} already exists")));
        }
        ("addaction", rest) => actions.push(new(name, rest)?),
        ("delaction", _) => {
            let _gone = one(actions, name)?;
            actions.retain(|action| action.name != *name);
        }
        (_, [property, value, ..]) => {
            one(actions, name)?;
            let action = actions.iter_mut().find(|action| action.name == *name).expect("it was just found");
            set(action, property, value)?;
        }
        _ => return Err(bad("`action` wants a name, a property and its value".to_owned())),
    }
    Ok(())
}

/// An action by its name; an unknown one is an error.
pub fn one<'a>(actions: &'a [Action], name: &str) -> Result<&'a Action, Error> {
    let known = || actions.iter().map(|action| action.name.clone()).collect::<Vec<_>>();
    actions.iter().find(|action| action.name == *name).ok_or_else(|| Error::unknown("action", name, &known()))
}

/// One property; `None`: it has no such.
pub fn property(action: &Action, name: &str) -> Option<Value> {
    let (commands, properties) = parts(action);
    let command = commands.and_then(|commands| commands.get(name));
    match (name, command) {
        (_, Some(word)) => serde_json::to_value(word).ok(),
        ("timeout", None) => {
            let written = properties.get("timeout").and_then(|text| Span::parse(text).ok());
            Some(json!(written.unwrap_or(TIMEOUT).as_secs_f64() as i64))
        }
        ("banEpoch", None) => Some(json!(1)),
        (name, None) => match properties.get(name) {
            Some(text) => Some(json!(text)),
            None if DEFAULTS.contains(&name) => Some(json!("")),
            None => None,
        },
    }
}

/// The names of its properties, sorted.
pub fn properties(action: &Action) -> Vec<String> {
    let (commands, properties) = parts(action);
    let written = commands.into_iter().flat_map(IndexMap::keys).chain(properties.keys()).cloned();
    let always = ["ESCAPE_CRE", "ESCAPE_VN_CRE", "banEpoch", "timeout"].into_iter().chain(DEFAULTS);
    let mut all: Vec<String> = always.map(str::to_owned).chain(written).collect();
    all.sort();
    all.dedup();
    all
}

/// Tells an action to do something, with what it wants to know as JSON. The reply is fail2ban's: `start` and `stop` say `true`.
pub fn perform(
    jail: &str,
    name: &str,
    method: &str,
    about: Option<&str>,
    house: &mut House<'_>,
) -> Result<Value, Error> {
    one(&house.engine.settings(jail)?.actions, name)?;
    let about: Value = match about {
        Some(text) => serde_json::from_str(text).map_err(|e| bad(format!("`{text}` is no JSON: {e}")))?,
        None => Value::Null,
    };
    let told = Method::by_name(method).ok_or_else(|| {
        bad(format!("`{method}` cannot be asked of an action here"))
            .hint("`ban`, `unban`, `start`, `stop` and `flush` can")
    })?;
    let id = ["/aInfo/ip", "/ip", "/aInfo/fid"].into_iter().find_map(|place| about.pointer(place)?.as_str());
    house.engine.act(jail, name, told, id.map(Id::parse), house.now, house.out)?;
    Ok(if matches!(told, Method::Start | Method::Stop) { json!(true) } else { Value::Null })
}

/// One of which only the name is known: ours if it is called so, until it is given commands.
fn new(name: &str, rest: &[&str]) -> Result<Action, Error> {
    let properties = IndexMap::new();
    let kind = match rest {
        [path, parameters @ ..] => {
            let text = parameters.first().copied().unwrap_or("{}");
            let parameters = serde_json::from_str(text).map_err(|e| bad(format!("`{text}` is no JSON: {e}")))?;
            config::Kind::Python { path: (*path).to_owned(), parameters }
        }
        [] => match name.split('-').next().and_then(Own::by_name) {
            Some(own) => config::Kind::Own { own, properties },
            None => config::Kind::Commands { commands: IndexMap::new(), properties },
        },
    };
    Ok(Action { name: name.to_owned(), kind })
}

fn set(action: &mut Action, property: &str, value: &str) -> Result<(), Error> {
    if property == "timeout" {
        Span::parse(value).map_err(|e| bad(e.to_string()))?;
    }
    if !COMMANDS.contains(&property) {
        let (config::Kind::Own { properties, .. }
        | config::Kind::Commands { properties, .. }
        | config::Kind::Python { parameters: properties, .. }) = &mut action.kind;
        properties.insert(property.to_owned(), value.to_owned());
        return Ok(());
    }
    if let config::Kind::Own { properties, .. } = &mut action.kind {
        action.kind = config::Kind::Commands { commands: IndexMap::new(), properties: std::mem::take(properties) };
    }
    if let config::Kind::Commands { commands, .. } = &mut action.kind {
        let word = if SWITCHES.contains(&property) { Word::Bool(number::truth(value).0) } else { Word::text(value) };
        commands.insert(property.to_owned(), word);
    }
    Ok(())
}

fn parts(action: &Action) -> (Option<&IndexMap<String, Word>>, &IndexMap<String, String>) {
    match &action.kind {
        config::Kind::Own { properties, .. } => (None, properties),
        config::Kind::Commands { commands, properties } => (Some(commands), properties),
        config::Kind::Python { parameters, .. } => (None, parameters),
    }
}

/// Options that an action has in any case.
const DEFAULTS: [&str; 9] = [
    "actionban",
    "actioncheck",
    "actionflush",
    "actionreban",
    "actionreload",
    "actionrepair",
    "actionstart",
    "actionstop",
    "actionunban",
];

/// Those that are yes or no.
const SWITCHES: [&str; 3] = ["actionrepair_on_unban", "actionstart_on_demand", "norestored"];

fn bad(message: String) -> Error {
    Error::new(Kind::Usage, message)
}
