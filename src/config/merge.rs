//! Files laid over each other: later options win, and the value that was overwritten is remembered once.

use std::collections::HashMap;

use indexmap::IndexMap;

use super::ini::{DEFAULT, Ini, Options, Quick, Section};

/// What several files say together; nothing is interpolated yet.
#[derive(Clone, Debug, Default)]
pub struct Merged {
    /// Options of `[DEFAULT]`.
    pub defaults: Options,
    /// All other sections, in the order in which they first came.
    pub sections: IndexMap<String, Section, Quick>,
    /// For each section that came more than once the values that were overwritten: what `%(known/x)s` means.
    pub known: HashMap<String, Options, Quick>,
}

impl Merged {
    /// Lays a file over what is there.
    pub fn add(&mut self, ini: &Ini) {
        for (name, section) in &ini.sections {
            self.add_section(name, section);
        }
    }

    /// Lays one section over what is there; `[Init?family=inet6]` adds to `[Init]`, with `?family=inet6` behind each name.
    pub fn add_section(&mut self, name: &str, section: &Section) {
        if name == DEFAULT {
            self.defaults.extend(section.options.iter().map(|(option, value)| (option.clone(), value.clone())));
            return;
        }
        let (name, condition) = split_condition(name);
        if condition.is_empty() && !self.sections.contains_key(name) {
            self.sections.insert(name.to_owned(), section.clone());
            return;
        }
        let known = self.sections.contains_key(name);
        let into = self
            .sections
            .entry(name.to_owned())
            .or_insert_with(|| Section { origin: section.origin.clone(), ..Section::default() });
        let mut memory = known.then(|| self.known.entry(name.to_owned()).or_default());
        for (option, value) in &section.options {
            let full = [option, condition].concat();
            let before = into.options.insert(full.clone(), value.clone());
            if let (Some(before), Some(memory)) = (before, &mut memory) {
                memory.insert(full, before);
            }
        }
    }

    /// The option of a section, or of `[DEFAULT]`.
    pub fn raw(&self, section: &str, option: &str) -> Option<&super::value::Value> {
        self.own(section, option).or_else(|| self.defaults.get(option))
    }

    /// The option of a section itself; `KNOWN/x` are the values of `x` that were overwritten.
    pub fn own(&self, section: &str, option: &str) -> Option<&super::value::Value> {
        self.options(section)?.get(option)
    }

    /// All options of a section itself, likewise.
    pub fn options(&self, section: &str) -> Option<&Options> {
        match section.strip_prefix(KNOWN) {
            Some(section) => self.known.get(section),
            None => Some(&self.sections.get(section)?.options),
        }
    }

    /// Whether there is such a section, `[DEFAULT]` and `KNOWN/x` being two.
    pub fn has(&self, section: &str) -> bool {
        match section.strip_prefix(KNOWN) {
            Some(section) => self.known.contains_key(section),
            None => section == DEFAULT || self.sections.contains_key(section),
        }
    }
}

/// What stands before the name of a section's memory.
pub const KNOWN: &str = "KNOWN/";

/// `Init?family=inet6` → `Init`, `?family=inet6`.
fn split_condition(name: &str) -> (&str, &str) {
    match name.find('?') {
        Some(at) if at > 0 && at + 1 < name.len() && name[..at].chars().all(|c| c.is_alphanumeric() || c == '_') => {
            name.split_at(at)
        }
        _ => (name, ""),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::ini::parse;

    fn merged(files: &[&str]) -> Merged {
        let mut merged = Merged::default();
        for text in files {
            let (ini, problems) = parse(&Path::new("x").into(), text);
            assert_eq!(problems, []);
            merged.add(&ini);
        }
        merged
    }

    #[test]
    fn one_overwritten_value_is_remembered() {
        let m = merged(&["[DEFAULT]\nx=0\n[a]\nx=1\ny=1", "[a]\nx=2", "[a]\nx=3\n[DEFAULT]\nx=9\n[b]\nz=1"]);
        assert_eq!(m.raw("a", "x").map(|v| v.text()), Some("3"));
        assert_eq!(m.known["a"]["x"].text(), "2");
        assert!(!m.known["a"].contains_key("y"));
        assert_eq!(m.raw("b", "x").map(|v| v.text()), Some("9"));
        assert!(!m.known.contains_key(DEFAULT));
    }

    #[test]
    fn a_section_with_a_condition_is_folded() {
        let m = merged(&["[Init?family=inet6]\nblocktype=6\n[Init]\nblocktype=4"]);
        assert_eq!(m.sections.keys().collect::<Vec<_>>(), ["Init"]);
        assert_eq!(m.raw("Init", "blocktype?family=inet6").map(|v| v.text()), Some("6"));
        assert_eq!(m.raw("Init", "blocktype").map(|v| v.text()), Some("4"));
    }
}
