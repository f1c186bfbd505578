//! `-o FORM`: no summary, but each failure in a form that a script can read.
//!
//! `id` (`fid`), `ip`, `msg` and `row` are forms of their own; a text with a `<` is a template with an action's tags; any
//! other word is the name of a group. The forms are those of fail2ban-regex.

use std::io::{self, Write};

use indexmap::IndexMap;

use super::python;
use crate::addr::Id;
use crate::filter::Hit;
use crate::jail::tags::Subject;
use crate::script;
use crate::text::printable;
use crate::ticket::Who;
use crate::time::Timestamp;

/// Writes failures in one form.
pub struct Out {
    form: Form,
    /// Whether a person looks at it: then what a sender wrote is made harmless.
    terminal: bool,
    /// Of each session (`mlfid`) the names that a row has, in Python's order: as they came.
    sessions: IndexMap<String, Vec<String>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Form {
    Id,
    Ip,
    Lines,
    Row,
    Group(String),
    Template(String),
}

impl Out {
    /// For the form that was asked for.
    pub fn new(form: &str, terminal: bool) -> Out {
        let form = match form {
            "id" | "fid" => Form::Id,
            "ip" => Form::Ip,
            "msg" => Form::Lines,
            "row" => Form::Row,
            template if template.contains('<') => Form::Template(template.to_owned()),
            group => Form::Group(group.to_owned()),
        };
        Out { form, terminal, sessions: IndexMap::new() }
    }

    /// Writes one hit against each of `ids`; `names` are the groups of its prefregex and its failregex in their order.
    pub fn hit<'a>(
        &mut self,
        hit: &Hit,
        ids: &[String],
        names: impl Iterator<Item = &'a str>,
        now: Timestamp,
        to: &mut dyn Write,
    ) -> io::Result<()> {
        let names = if self.form == Form::Row { self.names(hit, names) } else { Vec::new() };
        if hit.nofail || hit.who.is_none() && hit.invalid.is_none() {
            return Ok(());
        }
        for id in ids {
            match &self.form {
                Form::Id => self.write(id, to)?,
                Form::Ip => self.write(&hit.ip.clone().unwrap_or_else(|| id.clone()), to)?,
                Form::Lines => hit.matches.iter().try_for_each(|line| self.write(line, to))?,
                Form::Row => self.write(&row(hit, id, &names), to)?,
                Form::Group(name) => self.write(&group(hit, name), to)?,
                Form::Template(template) if template.contains("<msg>") => {
                    hit.matches.iter().try_for_each(|line| self.write(&filled(template, hit, id, line, now), to))?
                }
                Form::Template(template) => self.write(&filled(template, hit, id, "", now), to)?,
            }
        }
        Ok(())
    }

    /// What is printed for a line that is no failure, where those are asked for: itself as `msg`, else nothing.
    pub fn other(&self, line: &str, to: &mut dyn Write) -> io::Result<()> {
        self.write(if self.form == Form::Lines { line } else { "" }, to)
    }

    fn write(&self, text: &str, to: &mut dyn Write) -> io::Result<()> {
        // A row's texts are escaped as Python does it; only its tabs are left.
        if !self.terminal || self.form == Form::Row {
            return writeln!(to, "{text}");
        }
        text.split('\n').try_for_each(|line| writeln!(to, "{}", printable(line)))
    }

    /// The names of a row: those of the line's regexes, or what the session's lines brought one after the other.
    fn names<'a>(&mut self, hit: &Hit, names: impl Iterator<Item = &'a str>) -> Vec<String> {
        let given = |name: &&str| hit.groups.get(*name).is_some_and(|text| !text.is_empty());
        let machinery = |name: &&str| match *name {
            "content" | "mlfforget" => false,
            "nofail" | "mlfgained" => !given(name),
            _ => true,
        };
        let all: Vec<&str> = names.collect();
        let users = (!hit.users.is_empty()).then_some("users");
        let forget = all.contains(&"mlfforget");
        let stays = hit.groups.keys().map(String::as_str).filter(|name| !all.contains(name));
        let fresh = || all.iter().copied().filter(machinery).chain(stays.clone()).map(str::to_owned);
        let Some(session) = hit.groups.get("mlfid").filter(|id| !id.is_empty()) else { return fresh().collect() };
        let names = match self.sessions.get_mut(session) {
            Some(names) => {
                names.retain(|name| name != "nofail" && name != "mlfgained");
                let more = all.iter().copied().filter(given).filter(machinery);
                for name in users.into_iter().chain(more).map(str::to_owned) {
                    if !names.contains(&name) {
                        names.push(name);
                    }
                }
                names.clone()
            }
            None => {
                let names: Vec<_> = fresh().chain(users.map(str::to_owned)).collect();
                if self.sessions.len() >= SESSIONS {
                    self.sessions.shift_remove_index(0);
                }
                self.sessions.insert(session.clone(), names.clone());
                names
            }
        };
        if forget {
            self.sessions.shift_remove(session);
        }
        names
    }
}

/// `['192.0.2.1',⇥1795168801.0,⇥{'ip4': '192.0.2.1', …}],`
fn row(hit: &Hit, id: &str, names: &[String]) -> String {
    let time = hit.time.map_or_else(|| "None".to_owned(), |time| shown(hit, time));
    let value = |name: &str| match name {
        "users" => python::set(&hit.users),
        name => python::optional(hit.groups.get(name).map(String::as_str)),
    };
    let address = hit.ip.as_deref().map(|ip| ("ip", python::text(ip)));
    let dict = python::dict(names.iter().map(|name| (name.as_str(), value(name))).chain(address));
    format!("[{},\t{time},\t{dict}],", python::text(id))
}

/// A `float`, or an `int` where the date says its zone.
fn shown(hit: &Hit, time: Timestamp) -> String {
    if hit.zoned { (time.0 / 1_000_000).to_string() } else { python::float(time.as_secs_f64()) }
}

fn group(hit: &Hit, name: &str) -> String {
    match name {
        "users" if hit.groups.contains_key("mlfid") => python::set(&hit.users),
        "matches" => {
            let lines: Vec<_> = hit.matches.iter().map(|line| python::text(line)).collect();
            format!("[{}]", lines.join(", "))
        }
        name => {
            hit.groups.get(name).cloned().or_else(|| hit.ip.clone().filter(|_| name == "ip")).unwrap_or("None".into())
        }
    }
}

/// The template with its tags replaced. There is no jail here: its tags stay, and nothing was counted.
fn filled(template: &str, hit: &Hit, id: &str, line: &str, now: Timestamp) -> String {
    let who = match &hit.who {
        Some(Who::Id(id)) => id.clone(),
        _ => Id::parse(id),
    };
    let known = Hit { who: Some(Who::Id(who.clone())), time: Some(hit.time.unwrap_or(now)), ..hit.clone() };
    let Some(failure) = known.failure() else { return String::new() };
    let subject = Subject { jail: "", id: &who, failure: &failure };
    script::replace(template, |tag| {
        if let Some(group) = script::group(tag) {
            return Some(hit.groups.get(&group).cloned().unwrap_or_default().into());
        }
        match tag {
            "msg" => Some(line.to_owned().into()),
            "failures" | "bancount" => Some("0".into()),
            "time" => Some(shown(hit, failure.time).into()),
            "jail.name" => None,
            tag => subject.text(tag),
        }
    })
}

/// Sessions that are remembered, as many as the filter remembers.
const SESSIONS: usize = 100;
