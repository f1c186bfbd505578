//! The daemon's own settings, changed while it runs.

use std::path::Path;

use serde_json::Value;

use super::Guard;
use crate::command::get;
use crate::compat::Refusal;
use crate::config::{Main, daemon, number};
use crate::daemon::clock;
use crate::daemon::host::{self, Kept};
use crate::daemon::log::Log;
use crate::daemon::workers::Keeper;
use crate::engine::Request;
use crate::record::{Level, Record};
use crate::time::Span;

impl Guard {
    /// Changes one option, and gives its new value. What cannot be used changes nothing.
    pub(super) fn set_main(&mut self, option: &str, value: &str, out: &mut Vec<Request>) -> Result<Value, Refusal> {
        let kept = self.main.dbfile.is_some();
        match option {
            "loglevel" => {
                let level = daemon::level(value);
                let level = level.ok_or_else(|| Refusal::Value(format!("Invalid log level '{value}'")))?;
                self.main.loglevel = level;
                self.log.set_level(level);
            }
            "logtarget" => self.log_to(Main { logtarget: value.to_owned(), ..self.main.clone() }, out)?,
            "syslogsocket" => {
                let main = Main { syslogsocket: value.to_owned(), ..self.main.clone() };
                match main.logtarget.to_uppercase().starts_with("SYSLOG") {
                    true => self.log_to(main, out)?,
                    false => self.main = main,
                }
            }
            "allowipv6" => {
                self.main.allowipv6 = value.to_owned();
                self.askers.allow_ipv6(!["no", "0", "off", "false"].contains(&value.to_lowercase().as_str()));
            }
            "dbmaxmatches" if kept => {
                let number = number::int(value).and_then(|number| usize::try_from(number).ok());
                let wrong = || Refusal::Value(format!("invalid literal for int() with base 10: '{value}'"));
                self.main.dbmaxmatches = number.ok_or_else(wrong)?;
                self.keeper.limit_matches(self.main.dbmaxmatches);
                self.sit(out).engine.keep(self.main.dbmaxmatches, self.main.dbpurgeage);
            }
            "dbpurgeage" if kept => {
                self.main.dbpurgeage = Span::parse(value).map_err(|e| Refusal::Value(e.to_string()))?;
                self.sit(out).engine.keep(self.main.dbmaxmatches, self.main.dbpurgeage);
            }
            "dbfile" => self.keep_in(value, out)?,
            _ => {}
        }
        Ok(get::of_the_daemon(option, &self.main))
    }

    /// Writes the log to another place. A target of the same name stays as it is.
    fn log_to(&mut self, main: Main, out: &mut Vec<Request>) -> Result<(), Refusal> {
        let Main { logtarget, syslogsocket, loglevel, .. } = &main;
        let unchanged = (logtarget, syslogsocket) == (&self.main.logtarget, &self.main.syslogsocket);
        if !unchanged {
            let echo = self.options.guise.echoes();
            let log = Log::open(logtarget, syslogsocket, *loglevel, self.zone.clone(), echo);
            self.log = log.map_err(|_| Refusal::Invalid("Failed to change log target".to_owned()))?;
            let text = format!("Changed logging target to {logtarget} for sipjail v{}", env!("CARGO_PKG_VERSION"));
            out.push(Request::Log(Record::new(Level::Info, "server", text)));
        }
        self.main = main;
        Ok(())
    }

    /// Keeps everything in another database from now on, and takes back what that one has kept.
    fn keep_in(&mut self, value: &str, out: &mut Vec<Request>) -> Result<(), Refusal> {
        let path = (!value.is_empty() && !value.eq_ignore_ascii_case("none")).then(|| value.into());
        if path == self.main.dbfile {
            return Ok(());
        }
        if !self.sit(out).engine.jails().is_empty() {
            return Err(Refusal::Runtime("Cannot change database when there are jails present".to_owned()));
        }
        let main = Main { dbfile: path, ..self.main.clone() };
        let mut said = Vec::new();
        let Kept { store, remembered, positions } = host::kept(&main, &mut said);
        if let (Some(path), None) = (&main.dbfile, &store)
            && !path.parent().is_some_and(Path::is_dir)
        {
            let text = format!("the database {} cannot be used: its directory is missing", path.display());
            return Err(Refusal::Runtime(text));
        }
        out.extend(said.into_iter().map(Request::Log));
        let keeper = Keeper::start(store, host::reopen(&main), self.sender.clone());
        let keeper = keeper.map_err(|e| Refusal::Runtime(format!("cannot start the store's writer: {e}")))?;
        self.actors.ask(keeper.asked());
        std::mem::replace(&mut self.keeper, keeper).finish();
        self.follower.remember(positions);
        self.sit(out).engine.remember(remembered, clock::now());
        self.main = main;
        Ok(())
    }
}
