//! Reading the configuration for a server: the command stream, and on stderr what fail2ban's reader would say of it.

use std::path::Path;

use super::{note::Notes, settings};
use crate::cli::check;
use crate::compat::stream;
use crate::config::include;
use crate::config::tree::Tree;
use crate::config::written::{Sheet, WrittenJail};
use crate::config::{self, Config, Enabled, Main, Named, Original, Written, daemon};
use crate::daemon::prepare;
use crate::record::Level;
use crate::source::glob;
use crate::word::Word;

/// How it is read.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reading<'a> {
    /// This jail alone.
    pub jail: Option<&'a str>,
    /// A jail without a log is no reason to stop.
    pub lenient: bool,
    /// The configuration is on trial: a jail is not left out, it is wrong.
    pub strict: bool,
}

/// What a server would be told.
#[derive(Clone, Debug)]
pub struct Stream {
    /// The commands.
    pub commands: Vec<Word>,
    /// No jail is left out.
    pub whole: bool,
}

/// Why there is no stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unread {
    /// The configuration as a whole is refused.
    Because(String),
    /// A jail is broken; the notes say why.
    BadJail,
}

impl Reading<'_> {
    /// The commands for a server.
    pub fn read(self, dir: &Path, notes: &mut Notes) -> Result<Stream, Unread> {
        if !dir.is_dir() {
            return Err(Unread::Because(no_directory(dir)));
        }
        let config = config::load_with(dir, Main::fail2ban());
        let stops = config.problems.iter().find(|problem| problem.fail2ban == Original::Stops);
        if let Some(problem) = stops {
            return Err(Unread::Because(prepare::line(problem)));
        }
        if include::layers(&Tree::new(dir), &dir.join("jail")).is_empty() {
            notes.of(Level::Error, "configreader", no_files("jail", dir));
        }
        settings::silent(&daemon::main(&Tree::new(dir), Main::fail2ban()), &settings::OF_THE_SERVER, notes);
        if let Some(jail) = self.jail.filter(|jail| !config.written.named.iter().any(|named| named.name == *jail)) {
            return Err(Unread::Because(format!("No section: {}", Word::text(jail))));
        }
        // A jail that waits for its first log cannot be put into commands: it is none yet.
        let waits = |jail: &WrittenJail| {
            let auto = config.jails.iter().any(|known| known.name == jail.name && known.enabled == Enabled::Auto);
            auto && jail.sheet.as_ref().is_ok_and(without_log)
        };
        let (mut jails, mut bad) = (Vec::new(), 0);
        for named in config.written.named.iter().filter(|named| self.jail.is_none_or(|name| name == named.name)) {
            defaults(named, &["enabled", "backend", "filter"], notes);
            let on = config.written.jails.iter().find(|jail| jail.name == named.name);
            let Some(jail) = on.filter(|jail| !waits(jail)) else { continue };
            bad += usize::from(!self.looks_good(jail, named, &config, dir, notes));
            jails.push(jail.clone());
        }
        if bad > 0 && self.jail.is_some() {
            return Err(Unread::BadJail);
        }
        for WrittenJail { name, sheet } in &jails {
            if sheet.as_ref().is_ok_and(without_log) {
                let text = format!("Have not found any log file for {name} jail");
                if !self.lenient {
                    return Err(Unread::Because(text));
                }
                notes.of(Level::Warning, "jailreader", text);
            }
        }
        let written = Written { jails, ..config.written };
        Ok(Stream { commands: check::dump(&written), whole: bad == 0 })
    }

    /// Says what is wrong with a jail. False: it would be left out.
    fn looks_good(self, jail: &WrittenJail, named: &Named, config: &Config, dir: &Path, notes: &mut Notes) -> bool {
        let name = &jail.name;
        let known = config.jails.iter().chain(&config.refused).find(|settings| settings.name == *name);
        if known.is_some_and(|settings| settings.filter.name.is_empty()) {
            notes.of(Level::Warning, "jailreader", format!("No filter set for jail {name}"));
        }
        let unread = |sort: &str| {
            let why = jail.sheet.as_ref().err()?.strip_prefix("Unable to read ")?.strip_prefix(sort)?;
            why.strip_prefix(" '")?.strip_suffix('\'')
        };
        let filter = unread("the filter").map(|file| format!("filter.d/{file}"));
        if filter.is_none() {
            defaults(named, &["backend", "filter", "action"], notes);
        }
        match &jail.sheet {
            Ok(sheet) => {
                if sheet.actions.is_empty() {
                    notes.of(Level::Warning, "jailreader", format!("No actions were defined for {name}"));
                }
                true
            }
            Err(why) => {
                if let Some(file) = filter.or_else(|| unread("action").map(|file| format!("action.d/{file}"))) {
                    notes.of(Level::Error, "configreader", no_files(&file, dir));
                }
                notes.of(Level::Error, "jailreader", why);
                let skipped = if self.strict { "" } else { " Skipping..." };
                notes.of(Level::Error, "jailsreader", format!("Errors in jail '{name}'.{skipped}"));
                false
            }
        }
    }
}

/// Says what a jail does not.
fn defaults(named: &Named, options: &[&str], notes: &mut Notes) {
    for option in options.iter().filter(|option| named.silent.contains(option)) {
        let default = match *option {
            "enabled" => "False",
            "backend" => "'auto'",
            _ => "''",
        };
        let text = format!("'{option}' not defined in '{}'. Using default one: {default}", named.name);
        notes.of(Level::Warning, "configreader", text);
    }
}

/// What fail2ban says of a directory that is not there; the blank at the end is its own.
pub fn no_directory(dir: &Path) -> String {
    format!("Base configuration directory {} does not exist ", dir.display())
}

/// What fail2ban says where none of a configuration's files is there.
pub fn no_files(what: &str, dir: &Path) -> String {
    format!("Found no accessible config files for '{what}' under {}", dir.display())
}

/// Whether a jail reads files and there is none.
fn without_log(sheet: &Sheet) -> bool {
    if sheet.backend.starts_with("systemd") {
        return false;
    }
    let Some(patterns) = sheet.options.get("logpath") else { return false };
    stream::patterns(&patterns.plain()).all(|(pattern, _)| glob::every(pattern).is_empty())
}
