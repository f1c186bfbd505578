//! What the daemon was started with: where its configuration is, what was typed over it, and as whom it appears.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;

use super::prepare::{self, Prepared};
use super::socket;
use crate::config::{self, Config, Main};
use crate::error::{Error, Kind};
use crate::record::Level;

/// What the daemon was started with.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Directory of the configuration.
    pub conf: PathBuf,
    /// What was typed, over what stands there.
    pub told: Told,
    /// Ban nobody.
    pub dry_run: bool,
    /// As whom it appears.
    pub guise: Guise,
    /// Read no configuration at all: jails come over the socket.
    pub bare: bool,
    /// A socket file that a dead server left behind is replaced; under our own name it always is.
    pub force: bool,
}

/// Settings of the daemon that were typed; they hold through a reload.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// Where to listen.
    pub socket: Option<PathBuf>,
    /// Where to write the pid.
    pub pidfile: Option<PathBuf>,
    /// What is written to the log.
    pub loglevel: Option<Level>,
    /// Where the log goes.
    pub logtarget: Option<String>,
    /// The socket for `SYSLOG`.
    pub syslogsocket: Option<String>,
}

/// As whom the daemon appears.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Guise {
    /// Itself.
    #[default]
    Sipjail,
    /// fail2ban's server: its paths, its socket's mode, and nothing on stdout but that it is ready.
    Fail2ban,
}

impl Options {
    /// Reads the configuration, if one is to be read, and compiles its filters.
    pub fn prepare(&self, zone: &TimeZone) -> Prepared {
        let config = match self.bare {
            true => Config { main: Main { dbfile: None, ..self.guise.defaults() }, ..Config::default() },
            false => config::load_with(&self.conf, self.guise.defaults()),
        };
        prepare::compile(config, zone)
    }

    /// fail2ban's server does not begin where a socket file lies, unless it is forced.
    pub fn may_listen(&self, path: &Path) -> Result<(), Error> {
        if self.guise == Guise::Sipjail || !path.exists() || self.force && !socket::answers(path) {
            return Ok(());
        }
        Err(Error::new(Kind::Daemon, RUNS_ALREADY))
    }
}

/// What fail2ban's server says of a socket that is there.
pub const RUNS_ALREADY: &str = "Server already running";

impl Told {
    /// The settings that result.
    pub fn over(&self, main: Main) -> Main {
        let told = self.clone();
        Main {
            socket: told.socket.unwrap_or(main.socket),
            pidfile: told.pidfile.unwrap_or(main.pidfile),
            loglevel: told.loglevel.unwrap_or(main.loglevel),
            logtarget: told.logtarget.unwrap_or(main.logtarget),
            syslogsocket: told.syslogsocket.unwrap_or(main.syslogsocket),
            ..main
        }
    }
}

impl Guise {
    /// What holds where no file says anything.
    pub fn defaults(self) -> Main {
        match self {
            Guise::Sipjail => Main::default(),
            Guise::Fail2ban => Main::fail2ban(),
        }
    }

    /// The mode of the socket's file; root alone may connect either way.
    pub fn socket_mode(self) -> u32 {
        match self {
            Guise::Sipjail => 0o600,
            Guise::Fail2ban => 0o700,
        }
    }

    /// Whether the log goes to stdout as well.
    pub fn echoes(self) -> bool {
        self == Guise::Sipjail
    }

    /// Says that clients are served from now on.
    pub fn ready(self) {
        if self == Guise::Fail2ban {
            // Nobody may be listening.
            let _closed = writeln!(io::stdout().lock(), "Server ready");
        }
    }
}
