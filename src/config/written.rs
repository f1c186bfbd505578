//! What the files say in plain words, in fail2ban's order: values interpolated and tags filled in, but not judged.
//!
//! This is what fail2ban's reader hands to its server. A jail stands here although something may be wrong with it that
//! only the server would find; what is judged stands in [`JailSettings`](super::JailSettings).

use indexmap::IndexMap;

use super::Origin;
use super::action::Action;
use super::ini::Options;
use super::number;
use super::options::{self, Kind};
use super::value::Value;
use crate::word::Word;

/// All of it.
#[derive(Clone, Debug, Default)]
pub struct Written {
    /// The daemon's own settings by name; `thread` is one of them where it was written.
    pub main: IndexMap<&'static str, Word>,
    /// Every jail that is on, in the order of the files; one that fail2ban's reader gives up over is not here.
    pub jails: Vec<WrittenJail>,
    /// Every jail that is written at all, on or not.
    pub named: Vec<Named>,
}

/// A jail's section.
#[derive(Clone, Debug)]
pub struct Named {
    /// The jail's name.
    pub name: String,
    /// What is said of `enabled`, before anything is filled in, and where; where nobody says it, the section's place alone.
    pub enabled: (Option<String>, Origin),
    /// Those of [`Named::OPTIONS`] that no file says for it.
    pub silent: Vec<&'static str>,
}

impl Named {
    /// What fail2ban's reader misses in a jail.
    pub const OPTIONS: [&str; 4] = ["enabled", "backend", "filter", "action"];
}

/// A jail that is on.
#[derive(Clone, Debug)]
pub struct WrittenJail {
    /// Its name.
    pub name: String,
    /// What is said of it; else why fail2ban would leave it out, in its own words.
    pub sheet: Result<Sheet, String>,
}

/// What is said of a jail.
#[derive(Clone, Debug, Default)]
pub struct Sheet {
    /// `backend`, with its parameters.
    pub backend: String,
    /// What its filter says, in order; an option that the jail sets only where it is a parameter too.
    pub filter: Vec<(String, Word)>,
    /// What the jail says itself.
    pub options: IndexMap<String, Word>,
    /// What bans.
    pub actions: Vec<Action>,
}

/// An option's value as the kind of value that it is; `None`: it is no whole number and should be one.
pub fn word(option: &str, value: &Value) -> Word {
    match options::kind(option) {
        Some(Kind::Bool) => Word::Bool(number::truth(value.text()).0),
        Some(Kind::Number) => number::int(value.text()).map_or(Word::None, Word::Int),
        _ => Word::text(value.text()),
    }
}

/// A jail's options as a filter or an action sees them: what is no text is written as Python writes it, and what is not
/// written has its default.
pub fn spoken(jail: &Options) -> Options {
    let mut spoken: Options = [("enabled", "True"), ("backend", "auto"), ("filter", ""), ("action", "")]
        .map(|(option, text)| (option.to_owned(), Value::bare(text)))
        .into_iter()
        .collect();
    for (option, value) in jail.iter().filter(|(option, _)| *option != "enabled") {
        let value = match word(option, value) {
            Word::None | Word::Text(_) => value.clone(),
            word => Value::new(word.plain(), value.origin()),
        };
        spoken.insert(option.clone(), value);
    }
    spoken
}
