//! `[ami NAME]` and `[esl NAME]` of `sipjail.conf`: where a PBX tells what happens, and who asks; `backend = ami` and
//! `backend = esl`, by which a jail wants to hear it.
//!
//! A secret leaves this module in a [`Secret`] only, which shows itself to nobody; and since a slip of the pen may stand
//! beside one, what is wrong in such a section points at its header, never at a line of it.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

use super::brackets::Bracketed;
use super::ini::Section;
use super::interpolate::Scope;
use super::merge::Merged;
use super::number::{int, truth};
use super::options::{OPTIONS, Place};
use super::tree::Tree;
use super::value::Value;
use super::{FilterSettings, Origin, Problem, Severity};
use crate::text::did_you_mean;

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
            let mut reader = Reader { protocol, title, section, merged, problems: Vec::new() };
            let server = reader.server(name);
            match server.filter(|_| !reader.problems.iter().any(|p| p.severity == Severity::Error)) {
                Some(server) => servers.good.push(Arc::new(server)),
                None => servers.bad.push((protocol, name.to_owned())),
            }
            problems.append(&mut reader.problems);
        }
        (servers, problems)
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

/// One section.
struct Reader<'a> {
    protocol: Protocol,
    title: &'a str,
    section: &'a Section,
    merged: &'a Merged,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    fn server(&mut self, name: &str) -> Option<Server> {
        self.unknown();
        let place = self.protocol.place();
        let default = |option| super::options::find(place, option).map_or("", |row| row.default);
        let host = self.text("host")?.unwrap_or_else(|| default("host").to_owned());
        let port = self.text("port")?.unwrap_or_else(|| default("port").to_owned());
        let Some(port) = int(&port).and_then(|port| u16::try_from(port).ok()).filter(|port| *port > 0) else {
            return self.fail("`port` has to be a number from 1 to 65535", None);
        };
        if self.text("tls")?.is_some_and(|tls| truth(&tls).0) {
            let hint = "give it a loopback address, or let `stunnel` carry it: \
                        `client = yes`, `accept = 127.0.0.1:PORT`, `connect = HOST:5039`";
            return self.fail("sipjail speaks no TLS, so `tls = yes` cannot be had", Some(hint));
        }
        let username = match self.protocol {
            Protocol::Ami => self.text("username")?.unwrap_or_default(),
            Protocol::Esl => String::new(),
        };
        if self.protocol == Protocol::Ami && username.is_empty() {
            return self
                .fail("`username` is missing", Some("it is the name of a section in Asterisk's `manager.conf`"));
        }
        if [&host, &username].iter().any(|text| text.is_empty() && **text == host || text.chars().any(char::is_control))
        {
            return self.fail("`host` and `username` are each a word of their own", None);
        }
        let secret = self.secret()?;
        if !is_local(&host) && self.protocol == Protocol::Esl {
            let hint = "let `stunnel` or a tunnel carry it, and connect to a loopback address";
            self.say(Severity::Warning, "the password travels readable to another host", Some(hint));
        }
        Some(Server { protocol: self.protocol, name: name.to_owned(), host, port, username, secret })
    }

    /// The secret, from the one place that is said.
    fn secret(&mut self) -> Option<Secret> {
        let word = self.protocol.secret();
        let raw = self.merged.raw(self.title, word).cloned();
        let [file, variable] = [format!("{word}file"), format!("{word}env")];
        let secret = match (raw, self.text(&file)?, self.text(&variable)?) {
            (Some(value), None, None) => {
                if others_may_read(&value.origin().path) {
                    let hint = format!("`chmod 600` that file, or use `{file}`");
                    self.say(Severity::Warning, &format!("others than root may read this `{word}`"), Some(&hint));
                }
                value.text().to_owned()
            }
            (None, Some(path), None) => match first_line(Path::new(&path)) {
                Ok(line) => line,
                Err(why) => return self.fail(&format!("`{file} = {path}`: {why}"), None),
            },
            (None, None, Some(name)) => match std::env::var(&name) {
                Ok(text) => text,
                Err(_) => {
                    return self.fail(&format!("`{variable}`: there is no text `{name}` in the environment"), None);
                }
            },
            (None, None, None) => {
                let hint = format!("write `{file} = /etc/sipjail/{}.secret`", self.protocol.word());
                return self.fail(&format!("neither `{word}` nor `{file}` nor `{variable}` is there"), Some(&hint));
            }
            _ => return self.fail(&format!("only one of `{word}`, `{file}` and `{variable}` may be there"), None),
        };
        if secret.is_empty() || secret.chars().any(char::is_control) {
            return self.fail(&format!("the {word} is empty, or more than one line"), None);
        }
        Some(Secret(secret))
    }

    /// An option's text, `Some(None)` where nobody says it. A fault in it is a problem, and `None`.
    fn text(&mut self, option: &str) -> Option<Option<String>> {
        match Scope::new(self.merged, self.title).get(option) {
            Ok(value) => Some(value.map(|value| value.text().to_owned())),
            Err(_) => self.fail(&format!("`{option}` holds a `%` that is followed by neither `%` nor `(`"), None),
        }
    }

    fn unknown(&mut self) {
        let place = self.protocol.place();
        let known = || OPTIONS.iter().filter(|row| row.place == place).map(|row| row.name);
        for option in self.section.names.keys().filter(|option| !known().any(|name| name == *option)) {
            let hint = did_you_mean(option, known());
            self.say(Severity::Warning, &format!("unknown option `{option}`"), hint.as_deref());
        }
    }

    fn fail<T>(&mut self, message: &str, hint: Option<&str>) -> Option<T> {
        self.say(Severity::Error, message, hint);
        None
    }

    fn say(&mut self, severity: Severity, message: &str, hint: Option<&str>) {
        let origin: Origin = self.section.origin.clone();
        let problem = Problem::new(severity, origin, format!("[{}]: {message}", self.title));
        self.problems.push(Problem { hint: hint.map(str::to_owned), ..problem });
    }
}

/// The first line of a file that its owner alone may read; the error never holds any of it.
fn first_line(path: &Path) -> Result<String, String> {
    let mut file = File::open(path).map_err(|e| e.to_string())?;
    let about = file.metadata().map_err(|e| e.to_string())?;
    if !about.is_file() {
        return Err("it is no file".to_owned());
    }
    if about.mode() & 0o077 != 0 {
        return Err(format!("others than its owner may use it (mode {:04o}): `chmod 600` it", about.mode() & 0o7777));
    }
    let mut text = String::new();
    file.by_ref().take(4096).read_to_string(&mut text).map_err(|_| "it holds no text".to_owned())?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

fn others_may_read(path: &Path) -> bool {
    path.metadata().is_ok_and(|about| about.mode() & 0o044 != 0)
}

/// Whether a host is this one, by its words alone.
fn is_local(host: &str) -> bool {
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests;
