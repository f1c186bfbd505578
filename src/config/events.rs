//! `[ami NAME]` and `[esl NAME]` of `sipjail.conf`: where a PBX tells what happens, and who asks; `backend = ami` and
//! `backend = esl`, by which a jail wants to hear it.
//!
//! A secret leaves this module in a [`Secret`] only, which shows itself to nobody; and since a slip of the pen may stand
//! beside one, what is wrong in such a section points at its header, never at a line of it.

mod section;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use super::brackets::Bracketed;
use super::merge::Merged;
use super::number::truth;
use super::options::Place;
use super::tree::Tree;
use super::value::Value;
use super::{FilterSettings, Problem, Severity};
use crate::text::did_you_mean;
use section::Reader;

/// What a server speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// Asterisk's manager interface.
    Ami,
    /// FreeSWITCH's event socket.
    Esl,
}

/// A server that tells events; its secret is no part of what is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// What it speaks.
    pub protocol: Protocol,
    /// As the section calls it.
    pub name: String,
    /// An address, or a name.
    pub host: String,
    /// The port.
    pub port: u16,
    /// Who asks; empty for an event socket.
    pub username: String,
    /// By which we are believed.
    pub secret: Secret,
    /// Whether it is spoken to through TLS, and whom to believe then.
    pub tls: Option<Tls>,
}

/// How a server proves who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// A file with its certificate, or with those of who may have signed it.
    pub certificates: PathBuf,
}

/// A password. It is shown nowhere; whoever speaks to the server asks for [`Secret::reveal`].
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

/// What a jail hears.
#[derive(Clone, Debug)]
pub struct Events {
    /// From whom.
    pub server: Arc<Server>,
    /// What counts as a failure among the events, where the jail reads logs as well; otherwise its filter is that.
    pub filter: Option<FilterSettings>,
}

/// The servers that there are.
#[derive(Clone, Debug, Default)]
pub struct Servers {
    good: Vec<Arc<Server>>,
    /// Those that cannot be asked for an error.
    bad: Vec<(Protocol, String)>,
}

impl Protocol {
    /// Both.
    pub const ALL: [Protocol; 2] = [Protocol::Ami, Protocol::Esl];

    /// As a section and `backend` call it.
    pub fn word(self) -> &'static str {
        match self {
            Protocol::Ami => "ami",
            Protocol::Esl => "esl",
        }
    }

    /// By its word, in any case.
    pub fn parse(word: &str) -> Option<Protocol> {
        Protocol::ALL.into_iter().find(|protocol| word.eq_ignore_ascii_case(protocol.word()))
    }

    fn place(self) -> Place {
        match self {
            Protocol::Ami => Place::Ami,
            Protocol::Esl => Place::Esl,
        }
    }

    /// Under which name its sections hold a secret.
    fn secret(self) -> &'static str {
        match self {
            Protocol::Ami => "secret",
            Protocol::Esl => "password",
        }
    }
}

impl Server {
    /// As messages and `status` call it: `ami pbx`.
    pub fn label(&self) -> String {
        format!("{} {}", self.protocol.word(), self.name)
    }
}

impl Secret {
    /// Of this text, which must be one line.
    pub fn new(text: impl Into<String>) -> Secret {
        Secret(text.into())
    }

    /// The text, for the server alone.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

impl Servers {
    /// Reads the sections; problems have no jail.
    pub fn read(merged: &Merged) -> (Servers, Vec<Problem>) {
        let mut servers = Servers::default();
        let mut problems = Vec::new();
        for (title, section) in &merged.sections {
            let Some((protocol, name)) = named(title) else { continue };
            let mut reader = Reader::new(protocol, title, section, merged);
            let server = reader.server(name);
            match server.filter(|_| !reader.problems.iter().any(|p| p.severity == Severity::Error)) {
                Some(server) => servers.good.push(Arc::new(server)),
                None => servers.bad.push((protocol, name.to_owned())),
            }
            problems.append(&mut reader.problems);
        }
        (servers, problems)
    }

    /// Whether a section says where such a server is, rightly or not.
    pub fn any(&self, protocol: Protocol) -> bool {
        let bad = self.bad.iter().any(|(bad, _)| *bad == protocol);
        bad || self.good.iter().any(|server| server.protocol == protocol)
    }

    /// The server that `backend = ami[…]` means, and whether logs are wanted as well. What is said goes to `say`, with a
    /// hint.
    pub fn wanted(
        &self,
        protocol: Protocol,
        backend: &Value,
        read: &Bracketed<'_>,
        say: &mut dyn FnMut(Severity, String, Option<String>),
    ) -> Option<(Arc<Server>, bool)> {
        let (mut name, mut logs) = (None, false);
        for (parameter, range) in &read.parameters {
            let text = &backend.text()[range.clone()];
            match (*parameter, protocol) {
                ("name", _) => name = Some(text),
                ("logs", Protocol::Ami) => match truth(text) {
                    (yes, true) => logs = yes,
                    (_, false) => say(Severity::Warning, format!("`logs = {text}` is read as no"), None),
                },
                ("logs", Protocol::Esl) => {
                    let why = "an event socket hands on the log's records too, and those cannot be forged";
                    say(
                        Severity::Warning,
                        "`logs` has no effect on the backend `esl`".to_owned(),
                        Some(why.to_owned()),
                    );
                }
                (other, _) => {
                    let message = format!("the backend `{}` has no parameter `{other}`", protocol.word());
                    say(Severity::Warning, message, did_you_mean(other, ["name", "logs"]));
                }
            }
        }
        let word = protocol.word();
        let own: Vec<&Arc<Server>> = self.good.iter().filter(|server| server.protocol == protocol).collect();
        let found = match name {
            Some(name) => own.iter().find(|server| server.name == name).copied(),
            None => own.first().copied().filter(|_| own.len() == 1),
        };
        if found.is_none() {
            let meant = |(other, bad): &&(Protocol, String)| *other == protocol && name.is_none_or(|name| name == bad);
            let (message, hint) = match (self.bad.iter().find(meant), name, own.len()) {
                (Some((_, bad)), ..) => {
                    (format!("`[{word} {bad}]` cannot be used"), "mend what is said of it".to_owned())
                }
                (None, None, 2..) => {
                    let names: Vec<&str> = own.iter().map(|server| server.name.as_str()).collect();
                    (format!("there are several `[{word} …]`"), format!("write `{word}[name={}]`", names.join("|")))
                }
                (None, name, _) => {
                    let section = format!("[{word} {}]", name.unwrap_or("pbx"));
                    let hint = format!("write it into `sipjail.conf`, with `host`, `port` and `{}`", protocol.secret());
                    (format!("there is no `{section}`"), hint)
                }
            };
            say(Severity::Error, message, Some(hint));
        }
        found.map(|server| (server.clone(), logs))
    }
}

/// A problem in a file's words, or, where it stands in a section with a secret, in words that quote nothing.
pub fn discreet(problem: Problem, tree: &Tree) -> Problem {
    let file = tree.file(&problem.origin.path);
    let sections = file.iter().flat_map(|file| &file.ini.sections);
    let around = sections.filter(|(_, section)| section.origin.line <= problem.origin.line);
    match around.max_by_key(|(_, section)| section.origin.line) {
        Some((title, section)) if named(title).is_some() => {
            let message = "a line of this section cannot be understood; it is not shown, since it may hold the secret";
            Problem { hint: None, ..Problem::new(problem.severity, section.origin.clone(), message) }
        }
        _ => problem,
    }
}

/// `ami pbx` is a manager interface called `pbx`; `ami` alone is one called `ami`.
fn named(title: &str) -> Option<(Protocol, &str)> {
    let (word, name) = title.split_once(' ').unwrap_or((title, title));
    Protocol::parse(word).map(|protocol| (protocol, name.trim()))
}

#[cfg(test)]
mod tests;
