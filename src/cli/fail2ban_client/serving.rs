//! Starting a server: one in the background that is told its configuration, one in the foreground that reads it, and the
//! one that is told.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use super::asking;
use super::reading::{Reading, Unread};
use super::settings::from_root;
use super::{Client, Program};
use crate::compat::pickle::Plain;
use crate::daemon::options::RUNS_ALREADY;
use crate::daemon::{self, Guise, Options, Told, background, caller};
use crate::record::Level;

impl Client {
    /// `start`
    pub fn start(&mut self) -> bool {
        let socket = from_root(&self.settings.socket);
        if caller::answers(&socket) {
            self.notes.error(RUNS_ALREADY);
            return false;
        }
        if self.typed.foreground {
            return self.serve(&socket);
        }
        let Some(stream) = self.read(Reading::default()) else { return false };
        if !self.may_start(&socket) {
            return false;
        }
        let started = background::server(&self.server(), &self.server_words(&socket), &socket, self.typed.timeout);
        match started {
            Ok(true) => {}
            Ok(false) => {
                let path = &self.settings.socket;
                self.notes.error(format!(
                    "Could not start server. Maybe an old socket file is still present. Try to remove {path}. If you \
                     used fail2ban-client to start the server, adding the -x option will do it"
                ));
                return false;
            }
            Err(error) => {
                self.notes.error(format!("Could not start server: {} cannot be run: {error}", self.server().display()));
                return false;
            }
        }
        let stream = Plain::List(stream.commands.into_iter().map(Plain::from).collect());
        let configured = asking::tell(&socket, vec!["server-stream".into(), stream], &mut self.notes);
        asking::ask(&socket, &["server-status".to_owned()], &mut self.notes) && configured
    }

    /// The server in the foreground, which reads the configuration itself.
    fn serve(&mut self, socket: &Path) -> bool {
        let reading = Reading { lenient: true, ..Reading::default() };
        if let Err(Unread::Because(why)) = reading.read(&self.typed.conf, &mut self.notes) {
            self.notes.of(Level::Warning, "", format!("Failed during configuration: {why}"));
        }
        if !self.may_start(socket) {
            return false;
        }
        let told = self.settings.told();
        // What was not typed may change with a reload.
        let told = Told {
            loglevel: told.loglevel.filter(|_| self.typed.loglevel.is_some()),
            logtarget: told.logtarget.filter(|_| self.typed.logtarget.is_some()),
            syslogsocket: told.syslogsocket.filter(|_| self.typed.syslogsocket.is_some()),
            ..told
        };
        background::settle(OsStr::new(&self.typed.pname));
        self.run_daemon(&Options { told, conf: self.typed.conf.clone(), ..self.options() })
    }

    /// The server that is told its configuration; in the background unless it shall not.
    pub fn serve_bare(&mut self) -> bool {
        let options = Options { told: self.settings.told(), bare: true, ..self.options() };
        if self.typed.foreground {
            background::settle(OsStr::new(&self.typed.pname));
            return self.run_daemon(&options);
        }
        if background::is_part() {
            background::settle(OsStr::new(&self.typed.pname));
            return background::detach().is_ok() && self.run_daemon(&options);
        }
        let socket = from_root(&self.settings.socket);
        match background::start(&self.words, &socket, self.typed.timeout) {
            Ok(serves) => serves,
            Err(error) => {
                self.notes.error(format!("Could not start server: {error}"));
                false
            }
        }
    }

    fn options(&self) -> Options {
        Options { guise: Guise::Fail2ban, force: self.typed.force, ..Options::default() }
    }

    fn run_daemon(&mut self, options: &Options) -> bool {
        let Err(error) = daemon::run(options) else { return true };
        let hint = error.hint.map_or(String::new(), |hint| format!(" ({hint})"));
        self.notes.error(format!("{}{hint}", error.message));
        false
    }

    /// Not where a dead server left its socket, unless that may be replaced.
    fn may_start(&mut self, socket: &Path) -> bool {
        let free = self.typed.force || !socket.exists();
        if !free {
            self.notes.error("Fail2ban seems to be in unexpected state (not running but the socket exists)");
        }
        free
    }

    /// The server's program: beside this one, else wherever programs are looked for.
    fn server(&self) -> PathBuf {
        let own = self.words.first().map(Path::new).filter(|path| path.components().count() > 1);
        let beside = own.and_then(Path::parent).map(|folder| folder.join(SERVER));
        beside.filter(|path| path.exists()).unwrap_or_else(|| SERVER.into())
    }

    /// What it is called with, as fail2ban's client does.
    fn server_words(&self, socket: &Path) -> Vec<OsString> {
        let settings = &self.settings;
        let mut words: Vec<OsString> = ["--async", "-b", "-s"].map(OsString::from).into();
        words.extend([socket.into(), "-p".into(), from_root(&settings.pidfile).into()]);
        words.extend(self.typed.force.then(|| "-x".into()));
        words.extend((0..self.typed.verbose).map(|_| "-v".into()));
        if self.program == Program::Fail2banServer {
            words.extend(["--pname".into(), OsString::from(&self.typed.pname)]);
        }
        words.extend(["--loglevel".into(), settings.loglevel.clone().into()]);
        words.extend(["--logtarget".into(), settings.logtarget_from_root().into()]);
        words.extend(["--syslogsocket".into(), settings.syslogsocket.clone().into()]);
        words
    }
}

const SERVER: &str = "fail2ban-server";
