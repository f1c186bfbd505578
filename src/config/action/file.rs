//! A file of `action.d` as a jail uses it: its commands with all tags of the configuration filled in, and the properties
//! that the tags of a ban will be filled in from.
//!
//! Nothing is run here. `<ip>`, `<matches>` and whatever else is known only at a ban stays as it is.

use std::collections::HashSet;

use indexmap::IndexMap;

use crate::config::filter::Reference;
use crate::config::include::{self, Layers};
use crate::config::ini::Options;
use crate::config::interpolate::{Fault, Scope};
use crate::config::material::{Material, init, lower};
use crate::config::number::truth;
use crate::config::tags;
use crate::config::tree::Tree;
use crate::config::value::Value;
use crate::config::{Origin, Problem, Severity};
use crate::word::Word;

/// What bans, or tells somebody of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Action {
    /// What it is called within its jail: `actname`.
    pub name: String,
    /// What it does.
    pub kind: Kind,
}

/// What an action does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// What sipjail does itself.
    Own {
        /// What.
        own: Own,
        /// What it was given: without effect, but it can be asked for.
        properties: IndexMap<String, String>,
    },
    /// It runs commands.
    Commands {
        /// Those of [`COMMANDS`] that are written, in order.
        commands: IndexMap<String, Word>,
        /// What tags stand for: parameters, then what `[Init]` adds to them; tags in them are not filled in.
        /// `blocktype?family=inet6` is what `<blocktype>` means for an IPv6 address.
        properties: IndexMap<String, String>,
    },
    /// It is a Python program, which sipjail cannot run.
    Python {
        /// The program's file.
        path: String,
        /// What it is given.
        parameters: IndexMap<String, String>,
    },
}

impl Action {
    /// The text of one of its commands; `None`: it runs none, or not this one.
    pub fn command(&self, name: &str) -> Option<&str> {
        match &self.kind {
            Kind::Commands { commands, .. } => match commands.get(name) {
                Some(Word::Text(text)) if !text.trim().is_empty() => Some(text),
                _ => None,
            },
            Kind::Own { .. } | Kind::Python { .. } => None,
        }
    }

    /// Whether it keeps somebody out, and does not just tell of it: what it does it undoes, and again after a restart.
    pub fn bans(&self) -> bool {
        match &self.kind {
            Kind::Own { .. } => true,
            Kind::Commands { commands, .. } => {
                let told_once = commands.get("norestored") == Some(&Word::Bool(true));
                !told_once && self.command("actionban").is_some() && self.command("actionunban").is_some()
            }
            Kind::Python { .. } => false,
        }
    }
}

/// What bans without any file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Own {
    /// Bans go into the kernel's sets.
    Ipset,
    /// Bans are only listed and logged.
    DryRun,
}

impl Own {
    /// As `action` names it.
    pub fn by_name(name: &str) -> Option<Own> {
        match name {
            "ipset" => Some(Own::Ipset),
            "dryrun" => Some(Own::DryRun),
            _ => None,
        }
    }
}

/// What an action can be told to do, in fail2ban's order; three of them are yes or no.
pub const COMMANDS: [&str; 13] = [
    "actionstart",
    "actionstart_on_demand",
    "actionstop",
    "actionflush",
    "actionreload",
    "actioncheck",
    "actionrepair",
    "actionrepair_on_unban",
    "actionban",
    "actionprolong",
    "actionreban",
    "actionunban",
    "norestored",
];

const SWITCHES: [&str; 3] = ["actionstart_on_demand", "actionrepair_on_unban", "norestored"];

/// Tags that stand for something else in each ban, or that no command may take from the configuration.
const LATE: [&str; 5] = ["matches", "ipmatches", "ipjailmatches", "timeout", "bantime"];

/// Why an action could not be read.
#[derive(Debug)]
pub enum Refused {
    /// There is no such file, or none that can be read.
    Missing,
    /// What is wrong with the files.
    Files(Vec<Problem>),
    /// What is wrong with its text.
    Text(Fault),
    /// It was read, and it is a program that sipjail cannot run.
    Python,
}

/// What fail2ban calls an action within its jail: two of one name cannot be there.
pub fn identity(file: &str, parameters: &Options, jail: &str) -> String {
    let given = |name: &str| parameters.get(name).map(Value::text);
    if let Some(name) = given("actname") {
        return name.to_owned();
    }
    match given("name").filter(|name| *name != jail) {
        Some(name) => match name.strip_prefix(jail) {
            Some(suffix) => format!("{file}{suffix}"),
            None => format!("{file}-{name}"),
        },
        None => file.to_owned(),
    }
}

/// Reads an action for a jail. `options` are the jail's own, as [`spoken`](crate::config::written::spoken) gives them.
pub fn read(tree: &Tree, wanted: &Reference, jail: &str, options: &Options) -> Result<Action, Refused> {
    if wanted.name.ends_with(".py") {
        return Ok(python(tree, wanted));
    }
    let stem = tree.dir().join("action.d").join(&wanted.name);
    let layers = include::named(tree, &stem);
    let Layers { merged, problems, found } = &*layers;
    let bad = problems.iter().filter(|problem| problem.severity == Severity::Error);
    let bad: Vec<Problem> = bad.map(|problem| Problem { jail: None, ..problem.clone() }).collect();
    if !bad.is_empty() {
        return Err(Refused::Files(bad));
    }
    if !found {
        return Err(Refused::Missing);
    }
    let name = identity(&wanted.name, &wanted.parameters, jail);
    let mut parameters = named(wanted, &name, jail);
    let mut given = options.clone();
    given.extend(parameters.clone());
    let vars = lower(&given);
    let mut commands = IndexMap::new();
    let mut combined = Options::default();
    for option in COMMANDS.into_iter().filter(|option| !given.contains_key(*option)) {
        if !merged.has("Definition") {
            commands.insert(option.to_owned(), Word::None);
        } else if let Some(value) = Scope::new(merged, "Definition").with(&vars).get(option).map_err(Refused::Text)? {
            combined.insert(option.to_owned(), value);
        }
    }
    init(merged, &given, &mut parameters).map_err(Refused::Text)?;
    combined.extend(parameters.clone());
    let conditional = combined.keys().filter_map(|name| name.split_once('?')).map(|(name, _)| name.to_owned());
    let conditional: Vec<String> = conditional.collect();
    let ignore: HashSet<&str> = LATE.into_iter().chain(conditional.iter().map(String::as_str)).collect();
    let material = Material { merged, vars: &vars };
    tags::fill(&mut combined, &ignore, &material, &mut tags::Found::default()).map_err(Refused::Text)?;
    for (option, value) in combined.iter().filter(|(option, _)| COMMANDS.contains(&option.as_str())) {
        let word = match SWITCHES.contains(&option.as_str()) {
            true => Word::Bool(truth(value.text()).0),
            false => Word::text(value.text()),
        };
        commands.insert(option.clone(), word);
    }
    Ok(Action { name, kind: Kind::Commands { commands, properties: properties(&parameters) } })
}

/// An action of ours, which has no file.
pub fn built_in(own: Own, wanted: &Reference, jail: &str) -> Action {
    let name = identity(&wanted.name, &wanted.parameters, jail);
    let properties = properties(&named(wanted, &name, jail));
    Action { name, kind: Kind::Own { own, properties } }
}

fn python(tree: &Tree, wanted: &Reference) -> Action {
    let stem = wanted.name.strip_suffix(".py").unwrap_or(&wanted.name);
    let name = wanted.parameters.get("actname").map_or(stem, Value::text).to_owned();
    let given = wanted.parameters.iter().filter(|(option, _)| *option != "actname");
    let parameters = given.map(|(option, value)| (option.clone(), value.text().to_owned())).collect();
    let path = tree.dir().join("action.d").join(&wanted.name).display().to_string();
    Action { name, kind: Kind::Python { path, parameters } }
}

/// The parameters, with `name` and `actname` behind them where they are not given.
fn named(wanted: &Reference, name: &str, jail: &str) -> Options {
    let mut parameters = wanted.parameters.clone();
    for (option, text) in [("name", jail), ("actname", name)] {
        parameters.entry(option.to_owned()).or_insert_with(|| Value::new(text, Origin::default()));
    }
    parameters
}

fn properties(parameters: &Options) -> IndexMap<String, String> {
    let wanted = |name: &str| !COMMANDS.contains(&name) && !name.starts_with("known/");
    let found = parameters.iter().filter(|(name, _)| wanted(name));
    found.map(|(name, value)| (name.clone(), value.text().to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn read(text: &str, line: &str) -> (IndexMap<String, Word>, IndexMap<String, String>) {
        let dir = tempfile::tempdir().expect("a directory");
        std::fs::create_dir(dir.path().join("action.d")).expect("a folder");
        std::fs::write(dir.path().join("action.d/a.conf"), text).expect("a file");
        let wanted = Reference::parse(&Value::bare(line)).expect("it is sound");
        let options = Options::from_iter([("bantime".to_owned(), Value::bare("7"))]);
        match super::read(&Tree::new(dir.path()), &wanted, "sip", &options).expect("it is sound").kind {
            Kind::Commands { commands, properties } => (commands, properties),
            Kind::Own { .. } | Kind::Python { .. } => panic!("it has commands"),
        }
    }

    #[test]
    fn tags_of_the_configuration_are_filled_in_and_those_of_a_ban_stay() {
        let (commands, properties) = read(
            "[Definition]\nactionban = <cmd> <block> <name> <ip> <bantime> <matches> %(bantime)s <h>\nnorestored = Yes\nh = H\n\
             [Init]\ncmd = run-<name>\nblock = 4\n[Init?family=inet6]\nblock = 6\n",
            "a[x=1, name=sip-tcp]",
        );
        assert_eq!(commands["actionban"], Word::text("run-sip-tcp <block> sip-tcp <ip> <bantime> <matches> 7 H"));
        assert_eq!(commands["norestored"], Word::Bool(true));
        let expected = [
            ("x", "1"),
            ("name", "sip-tcp"),
            ("actname", "a-tcp"),
            ("cmd", "run-<name>"),
            ("block", "4"),
            ("block?family=inet6", "6"),
        ];
        assert!(properties.iter().map(|(name, text)| (name.as_str(), text.as_str())).eq(expected), "{properties:?}");
    }

    #[test]
    fn an_action_that_is_not_there_is_missing() {
        let wanted = Reference::parse(&Value::bare("none")).expect("it is sound");
        let tree = Tree::new(Path::new("/nonexistent"));
        let refused = super::read(&tree, &wanted, "sip", &Options::default());
        assert!(matches!(refused, Err(Refused::Missing)), "{refused:?}");
    }
}
