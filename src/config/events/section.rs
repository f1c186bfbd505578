//! One section of `sipjail.conf` that describes a server, and where its secret comes from.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::super::ini::Section;
use super::super::interpolate::Scope;
use super::super::merge::Merged;
use super::super::number::{int, truth};
use super::super::options::{OPTIONS, find};
use super::super::{Origin, Problem, Severity};
use super::{Protocol, Secret, Server, Tls};
use crate::text::did_you_mean;

/// One section, and what is found wrong in it.
pub(super) struct Reader<'a> {
    protocol: Protocol,
    title: &'a str,
    section: &'a Section,
    merged: &'a Merged,
    pub problems: Vec<Problem>,
}

impl<'a> Reader<'a> {
    /// Of the section of this title.
    pub fn new(protocol: Protocol, title: &'a str, section: &'a Section, merged: &'a Merged) -> Reader<'a> {
        Reader { protocol, title, section, merged, problems: Vec::new() }
    }

    /// The server that it describes; `None`, or an error among the problems: it cannot be used.
    pub fn server(&mut self, name: &str) -> Option<Server> {
        self.unknown();
        let place = self.protocol.place();
        let default = |option| find(place, option).map_or("", |row| row.default);
        let host = self.text("host")?.unwrap_or_else(|| default("host").to_owned());
        let tls = self.text("tls")?.is_some_and(|tls| truth(&tls).0);
        let port = if tls { SECURED } else { default("port") };
        let port = self.text("port")?.unwrap_or_else(|| port.to_owned());
        let Some(port) = int(&port).and_then(|port| u16::try_from(port).ok()).filter(|port| *port > 0) else {
            return self.fail("`port` has to be a number from 1 to 65535", None);
        };
        let certificates = self.text("tlsca")?.unwrap_or_else(|| default("tlsca").to_owned());
        if tls && let Err(error) = File::open(&certificates) {
            let hint = "give it a PEM file with Asterisk's certificate, or with that of who signed it";
            return self.fail(&format!("`tlsca = {certificates}`: {error}"), Some(hint));
        }
        let tls = tls.then(|| Tls { certificates: certificates.into() });
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
        Some(Server { protocol: self.protocol, name: name.to_owned(), host, port, username, secret, tls })
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
        for option in self.section.options.keys().filter(|option| !known().any(|name| name == *option)) {
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

/// Where a manager interface listens for TLS.
const SECURED: &str = "5039";

/// Whether a host is this one, by its words alone.
fn is_local(host: &str) -> bool {
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}
