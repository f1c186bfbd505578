//! Where the server is and what it is told: options first, then the configuration, then fail2ban's defaults.

use std::path::{Path, PathBuf, absolute};

use super::note::Notes;
use super::reading::{no_directory, no_files};
use super::typed::Typed;
use crate::config::tree::Tree;
use crate::config::{Main, Original, daemon};
use crate::daemon::{Told, prepare};
use crate::record::Level;

/// What was found, as text.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where the server listens.
    pub socket: String,
    /// Where it leaves its pid.
    pub pidfile: String,
    /// What it logs.
    pub loglevel: String,
    /// Where it logs.
    pub logtarget: String,
    /// The socket of the system's logger.
    pub syslogsocket: String,
}

impl Settings {
    /// Reads what was not typed; where all of it was, the configuration is not looked at. An error is why that cannot be.
    pub fn read(typed: &Typed, notes: &mut Notes) -> Result<Settings, String> {
        let told = typed.clone();
        let settings = match (told.socket, told.pidfile, told.loglevel, told.logtarget, told.syslogsocket) {
            (Some(socket), Some(pidfile), Some(loglevel), Some(logtarget), Some(syslogsocket)) => {
                Settings { socket, pidfile, loglevel, logtarget, syslogsocket }
            }
            (socket, pidfile, loglevel, logtarget, syslogsocket) => {
                let written = Settings::written(&typed.conf, notes)?;
                Settings {
                    socket: socket.unwrap_or(written.socket),
                    pidfile: pidfile.unwrap_or(written.pidfile),
                    loglevel: loglevel.unwrap_or(written.loglevel),
                    logtarget: logtarget.unwrap_or(written.logtarget),
                    syslogsocket: syslogsocket.unwrap_or(written.syslogsocket),
                }
            }
        };
        match daemon::level(&settings.loglevel) {
            Some(_) => Ok(settings),
            None => Err(format!("Invalid log level '{}'", settings.loglevel)),
        }
    }

    fn written(dir: &Path, notes: &mut Notes) -> Result<Settings, String> {
        if !dir.is_dir() {
            return Err(no_directory(dir));
        }
        let daemon = daemon::main(&Tree::new(dir), Main::fail2ban());
        if !daemon.found {
            notes.of(Level::Error, "configreader", no_files("fail2ban", dir));
        }
        silent(&daemon, &SETTINGS, notes);
        let daemon::Daemon { main, words, problems, .. } = daemon;
        let stops = |problem: &&crate::config::Problem| {
            problem.fail2ban == Original::Stops && !problem.message.contains("log level")
        };
        if let Some(problem) = problems.iter().find(stops) {
            return Err(prepare::line(problem));
        }
        let level = words.get("loglevel").map_or_else(|| main.loglevel.to_string(), crate::word::Word::plain);
        Ok(Settings {
            socket: main.socket.display().to_string(),
            pidfile: main.pidfile.display().to_string(),
            loglevel: level,
            logtarget: main.logtarget,
            syslogsocket: main.syslogsocket,
        })
    }

    /// The same for a daemon that will leave this directory.
    pub fn told(&self) -> Told {
        Told {
            socket: Some(from_root(&self.socket)),
            pidfile: Some(from_root(&self.pidfile)),
            loglevel: daemon::level(&self.loglevel),
            logtarget: Some(self.logtarget_from_root()),
            syslogsocket: Some(self.syslogsocket.clone()),
        }
    }

    /// The log's target, whatever the current directory is.
    pub fn logtarget_from_root(&self) -> String {
        let name = self.logtarget.split('[').next().unwrap_or_default().trim().to_ascii_uppercase();
        let word = ["STDOUT", "STDERR", "SYSOUT", "SYSLOG", "SYSTEMD-JOURNAL", "INHERITED"].contains(&&*name);
        if word { self.logtarget.clone() } else { from_root(&self.logtarget).display().to_string() }
    }
}

/// A path, whatever the current directory is.
pub fn from_root(path: &str) -> PathBuf {
    absolute(path).unwrap_or_else(|_| path.into())
}

/// Options with what fail2ban's reader takes where none is written.
pub type Defaults = [(&'static str, Option<&'static str>)];

/// Says which of the options no file says.
pub fn silent(daemon: &daemon::Daemon, options: &Defaults, notes: &mut Notes) {
    for (option, default) in options {
        match (&daemon.silent, default) {
            (None, _) => notes.of(Level::Error, "configreader", "No section: 'Definition'"),
            (Some(silent), Some(default)) if silent.contains(option) => {
                let text = format!("'{option}' not defined in 'Definition'. Using default one: '{default}'");
                notes.of(Level::Warning, "configreader", text);
            }
            _ => {}
        }
    }
}

const SETTINGS: [(&str, Option<&str>); 5] = [
    ("socket", Some("/var/run/fail2ban/fail2ban.sock")),
    ("pidfile", Some("/var/run/fail2ban/fail2ban.pid")),
    ("loglevel", Some("INFO")),
    ("logtarget", Some("/var/log/fail2ban.log")),
    ("syslogsocket", Some("auto")),
];

/// What a server is told.
pub const OF_THE_SERVER: [(&str, Option<&str>); 7] = [
    ("loglevel", Some("INFO")),
    ("logtarget", Some("STDERR")),
    ("syslogsocket", Some("auto")),
    ("allowipv6", Some("auto")),
    ("dbfile", Some("/var/lib/fail2ban/fail2ban.sqlite3")),
    ("dbmaxmatches", None),
    ("dbpurgeage", Some("1d")),
];
