//! Configuration: files in, values and problems out.
//!
//! [`load`] reads fail2ban's dialect in its layers (`.conf`, `.d/`, `.local`) from a directory and from the stock tree
//! that is compiled in, and gives every jail as plain values. One bad jail never stops the good ones: it is left out and
//! stands among the [`Problem`]s. Nothing here compiles a regex, opens a log or asks the kernel.

pub mod action;
mod bare;
pub mod brackets;
pub mod counting;
pub mod daemon;
pub mod events;
pub mod filter;
pub mod ignore;
pub mod include;
pub mod ini;
pub mod interpolate;
pub mod jail;
pub mod journal;
pub mod material;
pub mod merge;
pub mod number;
pub mod options;
pub mod pbx;
pub mod problem;
pub mod settings;
pub mod stock;
pub mod tags;
pub mod tree;
pub mod unknown;
pub mod value;
pub mod written;

use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use tree::Tree;

use crate::addr::{Id, Subnet};
use crate::line::{Neighbours, Unwrap};
use crate::time::{Bantime, Span};

pub use action::{Action, Kind, Own};
pub use counting::{CountBy, Spread};
pub use events::{Events, Protocol, Secret, Server, Servers};
pub use filter::{filter, filter_with};
pub use journal::Journal;
pub use problem::{Origin, Original, Problem, Severity};
pub use written::{Named, Written};

/// Everything that the files say.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// The daemon's own settings.
    pub main: Main,
    /// Who tells events.
    pub servers: Servers,
    /// Every jail that is on or may come on, in the order of the files; bad ones are left out.
    pub jails: Vec<JailSettings>,
    /// Jails that are left out for an error but could be read: their filters may hold more of them.
    pub refused: Vec<JailSettings>,
    /// What is wrong or has no effect, in the order in which it was met.
    pub problems: Vec<Problem>,
    /// The same in plain words, bad jails included: what fail2ban's reader would hand to its server.
    pub written: Written,
}

/// Settings of the daemon itself: `fail2ban.conf`, then `sipjail.conf`.
#[derive(Clone, Debug)]
pub struct Main {
    /// Where the daemon listens.
    pub socket: PathBuf,
    /// Where it writes its pid.
    pub pidfile: PathBuf,
    /// The database; `None` keeps nothing across restarts.
    pub dbfile: Option<PathBuf>,
    /// Matched lines kept per ban in the database.
    pub dbmaxmatches: usize,
    /// How long a finished ban is remembered.
    pub dbpurgeage: Span,
    /// What is written to the log.
    pub loglevel: crate::record::Level,
    /// Where the log goes, as written: a path, `STDOUT`, `STDERR`, `SYSOUT`, `SYSLOG`, `SYSTEMD-JOURNAL`.
    pub logtarget: String,
    /// The socket for `SYSLOG`; `auto` is `/dev/log`.
    pub syslogsocket: String,
    /// Whether a name may mean IPv6 addresses: `auto` (which is yes), `yes`, `no`.
    pub allowipv6: String,
    /// Where Asterisk's files lie.
    pub asteriskdir: PathBuf,
    /// Where FreeSWITCH's files lie.
    pub freeswitchdir: PathBuf,
}

impl Default for Main {
    fn default() -> Main {
        Main {
            socket: "/run/sipjail/sipjail.sock".into(),
            pidfile: "/run/sipjail/sipjail.pid".into(),
            dbfile: Some("/var/lib/sipjail/sipjail.sqlite3".into()),
            dbmaxmatches: 10,
            dbpurgeage: Span::from_secs(86_400),
            loglevel: crate::record::Level::Info,
            logtarget: "/var/log/sipjail.log".into(),
            syslogsocket: "auto".into(),
            allowipv6: "auto".into(),
            asteriskdir: "/etc/asterisk".into(),
            freeswitchdir: "/etc/freeswitch".into(),
        }
    }
}

impl Main {
    /// What fail2ban uses where its files say nothing.
    pub fn fail2ban() -> Main {
        Main {
            socket: "/var/run/fail2ban/fail2ban.sock".into(),
            pidfile: "/var/run/fail2ban/fail2ban.pid".into(),
            dbfile: Some("/var/lib/fail2ban/fail2ban.sqlite3".into()),
            logtarget: "/var/log/fail2ban.log".into(),
            ..Main::default()
        }
    }
}

/// One jail as the files describe it, with defaults filled in.
#[derive(Clone, Debug)]
pub struct JailSettings {
    /// The section's name.
    pub name: String,
    /// Where the section begins; for problems that concern the jail as a whole.
    pub origin: Origin,
    /// Whether it is on.
    pub enabled: Enabled,
    /// How its log is read, as written.
    pub backend: String,
    /// What counts as a failure.
    pub filter: FilterSettings,
    /// What is read of systemd's journal in place of logs: `backend = systemd`.
    pub journal: Option<Journal>,
    /// What is heard of a PBX in place of logs, or beside them: `backend = ami`, `esl`.
    pub events: Option<Events>,
    /// Which logs, in the order written; none where the journal is read.
    pub logpath: Vec<LogPath>,
    /// Read only the first of them that exists.
    pub logpath_first: bool,
    /// `logencoding`, as written; `auto` is UTF-8, whatever the locale.
    pub logencoding: String,
    /// Offset from UTC in seconds for lines whose date names no zone; `None` is local time.
    pub logtimezone: Option<i32>,
    /// What has to come off a line first.
    pub unwrap: Unwrap,
    /// Whether the lines before a line have a say in whether it is believed.
    pub neighbours: Neighbours,
    /// What is done with host names in a log.
    pub usedns: UseDns,
    /// Which addresses count together.
    pub subnet: Subnet,
    /// Failures that cause a ban.
    pub maxretry: u32,
    /// Matched lines kept per address.
    pub maxmatches: usize,
    /// The time within which they must happen (an estimate, as fail2ban makes it).
    pub findtime: Span,
    /// How long a ban lasts.
    pub bantime: Bantime,
    /// Longer bans for those who come back.
    pub increment: Increment,
    /// Who is never counted.
    pub ignore: Ignore,
    /// Those whom the host cannot do without are not banned: `protect`.
    pub protect: bool,
    /// One event that several lines tell of counts once.
    pub dedupe: bool,
    /// Leniency for those who have logged in: `trusttime`.
    pub trust: Option<Trust>,
    /// What counts as a failure.
    pub countby: CountBy,
    /// How long a failing account is the same failure for `countby`.
    pub samefailtime: Span,
    /// When a number that is dialled from many addresses bans them all.
    pub spread: Spread,
    /// What bans, in order.
    pub actions: Vec<Action>,
}

impl JailSettings {
    /// What sipjail itself does with bans: the first of our own actions. `None`: nothing, the list apart; its scripts
    /// alone carry the bans out, or nobody does.
    ///
    /// A Python program cannot be run: where nothing else bans, the kernel's sets do in its place.
    pub fn own(&self) -> Option<Own> {
        action::own(&self.actions)
    }

    /// Whether it has actions that run commands.
    pub fn has_scripts(&self) -> bool {
        self.scripts().next().is_some()
    }

    /// Actions that run commands.
    pub fn scripts(&self) -> impl Iterator<Item = &Action> {
        self.actions.iter().filter(|action| matches!(action.kind, Kind::Commands { .. }))
    }
}

/// Whether a jail is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Enabled {
    /// On.
    Yes,
    /// On as soon as one of its logs exists; `enabled = auto`, ours.
    Auto,
}

/// One line of `logpath`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogPath {
    /// A path or a glob.
    pub pattern: String,
    /// Begin at the end of the file.
    pub tail: bool,
    /// Read it beside the first that exists: `logpath_also`.
    pub also: bool,
}

/// `usedns`: what is done with a host name where an address should stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum UseDns {
    /// Looked up.
    Yes,
    /// Looked up, and said so in the log.
    #[default]
    Warn,
    /// Not matched at all.
    No,
    /// The name itself is the identity.
    Raw,
}

impl UseDns {
    /// Every way with the word that the option takes.
    pub const WORDS: &[(&str, UseDns)] =
        &[("yes", UseDns::Yes), ("warn", UseDns::Warn), ("no", UseDns::No), ("raw", UseDns::Raw)];
}

/// What a jail's filter looks for, with all tags of the configuration (not `<HOST>` and its kind) filled in.
#[derive(Clone, Debug, Default)]
pub struct FilterSettings {
    /// The filter's name, `asterisk` in `asterisk[mode=x]`; empty for none.
    pub name: String,
    /// Tried first; its `<F-CONTENT>` is what the others see.
    pub prefregex: Option<Spanned>,
    /// In order; the first match decides.
    pub failregex: Vec<Spanned>,
    /// A match of one of these is no failure.
    pub ignoreregex: Vec<Spanned>,
    /// The same as `failregex` for the events of a PBX; empty: `failregex` is for those too.
    pub eventregex: Vec<Spanned>,
    /// One per line; empty: the default templates.
    pub datepattern: Vec<Spanned>,
    /// Lines looked at together; `0` where nobody says, which means one.
    pub maxlines: usize,
    /// What to ask the journal for, one match expression per line.
    pub journalmatch: Vec<Spanned>,
    /// Records that a sender can cut in two.
    pub record: RecordSettings,
    /// What is no failure and worth knowing all the same.
    pub signs: SignSettings,
}

/// What a filter finds beside failures, for jails with a `trusttime`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SignSettings {
    /// Logins with a password: `trustregex`.
    pub trust: Vec<Spanned>,
    /// The same for the events of a PBX beside an `eventregex`.
    pub event_trust: Vec<Spanned>,
    /// The PBX was started or reloaded: `restartregex`.
    pub restart: Vec<Spanned>,
    /// The same for the events of a PBX.
    pub event_restart: Vec<Spanned>,
}

/// Records that are put together again before they are judged: `recordregex` and `recordroom`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecordSettings {
    /// What one looks like.
    pub regex: Vec<Spanned>,
    /// Bytes between its first and its last line, at most; `None` where nobody says.
    pub room: Option<usize>,
}

impl FilterSettings {
    /// The same for the events of a PBX, which come without wrapper and date.
    pub fn of_events(&self) -> FilterSettings {
        if self.eventregex.is_empty() {
            return self.clone();
        }
        let SignSettings { event_trust, event_restart, .. } = self.signs.clone();
        let signs = SignSettings { trust: event_trust, restart: event_restart, ..SignSettings::default() };
        FilterSettings { prefregex: None, failregex: self.eventregex.clone(), signs, maxlines: 1, ..self.clone() }
    }
}

/// A text and where it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spanned {
    /// The text, ready for use.
    pub text: String,
    /// Where it was written, as near as interpolation lets us say.
    pub origin: Origin,
}

impl Spanned {
    /// A text that stands in no file: from the command line, or from a test.
    pub fn bare(text: impl Into<String>) -> Spanned {
        Spanned { text: text.into(), origin: Origin::default() }
    }
}

/// `bantime.increment` and its family.
#[derive(Clone, Debug, PartialEq)]
pub struct Increment {
    /// Whether bans grow.
    pub enabled: bool,
    /// `banFactor`.
    pub factor: f64,
    /// Used when there are no multipliers; checked to be computable.
    pub formula: crate::expr::Expr,
    /// One per earlier ban, the last one for all later.
    pub multipliers: Vec<f64>,
    /// Upper limit, before the random part.
    pub maxtime: Option<Span>,
    /// A random part up to this is added from the second ban on.
    pub rndtime: Option<Span>,
    /// Bans in every jail count.
    pub overalljails: bool,
}

impl Increment {
    /// fail2ban's `bantime.formula` where none is written.
    pub const DEFAULT_FORMULA: &str = "ban.Time * (1<<(ban.Count if ban.Count<20 else 20)) * banFactor";
}

/// [`Increment::DEFAULT_FORMULA`], for every jail.
static FORMULA: LazyLock<crate::expr::Expr> =
    LazyLock::new(|| crate::expr::Expr::parse(Increment::DEFAULT_FORMULA).expect("it is well formed"));

impl Default for Increment {
    fn default() -> Increment {
        Increment {
            enabled: false,
            factor: 1.0,
            formula: FORMULA.clone(),
            multipliers: Vec::new(),
            maxtime: None,
            rndtime: None,
            overalljails: false,
        }
    }
}

/// Who is never counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ignore {
    /// `ignoreself`: this host's own addresses.
    pub myself: bool,
    /// `ignoreip`, in order.
    pub list: Vec<IgnoreItem>,
    /// `ignorecommand`: exit code 0 means ignore.
    pub command: Option<String>,
    /// `ignorecache`.
    pub cache: Option<IgnoreCache>,
}

/// One word of `ignoreip`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum IgnoreItem {
    /// An address or a network.
    Net(Id),
    /// A host name, looked up when needed.
    Name(String),
    /// `file:PATH`: addresses, networks and names, one or more a line, `#` and `;` begin comments.
    File(PathBuf),
}

/// `ignorecache`: how long the outcome of a slow ignore test is remembered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IgnoreCache {
    /// Tags that make up the key, for example `<ip>`.
    pub key: String,
    /// Entries at most.
    pub max_count: usize,
    /// How long one lives.
    pub max_time: Span,
}

/// How lenient a jail is with addresses from which somebody has logged in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trust {
    /// `trusttime`: so long after the last login.
    pub time: Span,
    /// `trustmaxretry`: failures that cause a ban, if `maxretry` is not more.
    pub maxretry: u32,
    /// `outage`: so many accounts that are known to log in may fail at once behind a restart of the PBX; 0: any number.
    pub outage: u32,
}

/// Reads the configuration in `dir` over the stock tree; `dir` need not exist.
pub fn load(dir: &Path) -> Config {
    load_with(dir, Main::default())
}

/// The daemon's own settings alone: enough to find it.
pub fn main(dir: &Path) -> Main {
    daemon::main(&Tree::new(dir), Main::default()).main
}

/// The same with other settings of the daemon where no file says them, for example [`Main::fail2ban`].
pub fn load_with(dir: &Path, defaults: Main) -> Config {
    let tree = Tree::new(dir);
    let daemon::Daemon { main, servers, words, mut problems, .. } = daemon::main(&tree, defaults);
    let mut layers = include::read(&tree, &jail_files(&tree));
    let jail::Jails { good: jails, refused, problems: found, written } = jail::jails(&tree, &mut layers, &servers);
    let named = |problem: &Problem| problem.jail.as_ref().is_some_and(|jail| layers.merged.sections.contains_key(jail));
    problems.extend(layers.problems.iter().cloned().map(|p| if named(&p) { p } else { Problem { jail: None, ..p } }));
    problems.extend(found);
    if main.dbfile.is_none() {
        for jail in jails.iter().filter(|jail| jail.increment.enabled) {
            let message = "`bantime.increment` needs a database, and `dbfile` is `None`";
            problems.push(Problem::new(Severity::Warning, jail.origin.clone(), message).of_jail(&jail.name));
        }
    }
    let named = layers.merged.sections.keys().filter(|name| ![ini::DEFAULT, "INCLUDES"].contains(&name.as_str()));
    let said =
        |name: &str| layers.merged.raw(name, "enabled").map(|value| (Some(value.text().to_owned()), value.origin()));
    let named = named.map(|name| Named {
        name: name.clone(),
        enabled: said(name).unwrap_or_else(|| (None, layers.merged.sections[name].origin.clone())),
        silent: Named::OPTIONS.into_iter().filter(|option| layers.merged.raw(name, option).is_none()).collect(),
    });
    let named = named.collect();
    let written = Written { main: words, jails: written, named };
    Config { main, servers, jails, refused, problems, written }
}

/// A directory with a `jail.conf` decides alone; otherwise its other jail files lie over the stock jails.
fn jail_files(tree: &Tree) -> Vec<PathBuf> {
    let stem = tree.dir().join("jail");
    let own = include::layers(tree, &stem);
    if own.contains(&tree.dir().join("jail.conf")) {
        return own;
    }
    let stock = stock::list("jail.d").map(|name| Path::new(stock::ROOT).join(name));
    stock.chain(own).collect()
}

/// The name of a file: a path on disk, or one in the stock tree.
pub type FileName = Arc<Path>;
