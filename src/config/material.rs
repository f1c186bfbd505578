//! What the tags of a filter or an action are filled in from: parameters, `[Init]`, and options that do nothing by
//! themselves.

use std::borrow::Cow;

use super::ini::{self, DEFAULT, Options};
use super::interpolate::{self, Fault, Scope};
use super::merge::Merged;
use super::tags::Lookup;
use super::value::Value;

/// Where a tag's value comes from when it is no option: another section, or an option that does nothing by itself.
pub struct Material<'a> {
    /// The file.
    pub merged: &'a Merged,
    /// What comes before `[Definition]`, names in lower case.
    pub vars: &'a Options,
}

impl Lookup for Material<'_> {
    fn tag(&self, tag: &str) -> Result<Option<Value>, Fault> {
        let word =
            |section: &str| !section.is_empty() && section.chars().all(|c| c.is_alphanumeric() || "_-".contains(c));
        let path = tag.split_once('/').filter(|(section, option)| word(section) && !option.contains(ini::is_space));
        if let Some((section, option)) = path {
            let option = option.to_lowercase();
            let places = match section.to_lowercase().as_str() {
                "known" => &["KNOWN/Definition", "Definition"][..],
                "default" => &[DEFAULT],
                _ => &[section],
            };
            for place in places.iter().filter(|place| self.merged.has(place)) {
                if let Some(raw) = self.merged.raw(place, &option) {
                    return Scope::new(self.merged, place).expand(&option, raw).map(Some);
                }
            }
        }
        if !self.merged.has("Definition") {
            return Ok(None);
        }
        Scope::new(self.merged, "Definition").with(self.vars).get(&interpolate::lower(tag))
    }
}

/// Makes parameters of what `[Init]` says and nobody else; `known/x` is what `[Init]` says in any case. What is `given`
/// by the jail holds under every condition too: `x?family=inet6` is then `x`, as since 1.1.1.
pub fn init(merged: &Merged, given: &Options, parameters: &mut Options) -> Result<(), Fault> {
    let Some(init) = merged.sections.get("Init") else { return Ok(()) };
    let scope = Scope::new(merged, "Init");
    for (name, raw) in &init.options {
        let value = scope.expand(name, raw)?;
        parameters.insert(format!("known/{name}"), value.clone());
        let always = name.split_once('?').and_then(|(name, _)| given.get(name)).cloned();
        parameters.entry(name.clone()).or_insert(always.unwrap_or(value));
    }
    Ok(())
}

/// Names in lower case, as `%(…)s` knows them.
pub fn lower(options: &Options) -> Cow<'_, Options> {
    let sound = options.keys().all(|name| matches!(interpolate::lower(name), Cow::Borrowed(_)));
    let copy = || options.iter().map(|(name, value)| (name.to_lowercase(), value.clone())).collect();
    if sound { Cow::Borrowed(options) } else { Cow::Owned(copy()) }
}
