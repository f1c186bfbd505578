//! Options in a jail's section that nobody knows: most often a slip of the pen, which fail2ban passes over.

use std::collections::HashSet;

use super::ini::{Quick, Section};
use super::interpolate::references;
use super::merge::Merged;
use super::options::{self, Effect};
use super::{Problem, Severity};
use crate::text::did_you_mean;

/// Every option name that `%(…)s` mentions anywhere in the jails: those are known to somebody.
pub struct Mentioned(HashSet<String, Quick>);

impl Mentioned {
    /// What the files mention.
    pub fn of(merged: &Merged) -> Mentioned {
        let sections = merged.sections.values().flat_map(|section| section.options.values());
        let memories = merged.known.values().flat_map(|options| options.values());
        let all = merged.defaults.values().chain(sections).chain(memories);
        let names = all.flat_map(|value| references(value.text()));
        Mentioned(names.map(|name| name.rsplit('/').next().unwrap_or_default().to_owned()).collect())
    }

    /// What is to be said of the options of a section: those that nobody knows, and those without effect.
    pub fn unknown(&self, jail: &str, section: &Section) -> Vec<Problem> {
        let mut problems = Vec::new();
        for (option, value) in &section.options {
            let Some(origin) = value.name().filter(|_| !option.starts_with("known/")) else { continue };
            let say = |severity, message| Problem::new(severity, origin.clone(), message).of_jail(jail);
            match options::in_jail().find(|known| known.name == option) {
                Some(known) if known.effect == Effect::None => {
                    problems.push(say(Severity::Note, format!("`{option}` is known, but without effect here")));
                }
                None if !self.0.contains(option) => {
                    let meant = did_you_mean(option, options::in_jail().map(|known| known.name));
                    let problem = say(Severity::Warning, format!("unknown option `{option}`"));
                    problems.push(Problem { hint: meant, ..problem });
                }
                _ => {}
            }
        }
        problems
    }
}
