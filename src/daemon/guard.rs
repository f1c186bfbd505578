//! The loop that owns the engine. It sleeps until a message comes or something is due, and hands on what the engine
//! wants done: to the log, to the store, to those who find things out.

mod clients;
mod itself;
mod taking;

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, MutexGuard};
use std::time::{Duration, Instant};

use indexmap::{IndexMap, IndexSet};
use jiff::tz::TimeZone;
use sd_notify::NotifyState;

use super::actors::Actors;
use super::desk::{Desk, Work};
use super::follow::{FollowJail, Follower};
use super::host::{self, Kept};
use super::inbox::{self, Inbox, Message, Signal};
use super::log::Log;
use super::lookout::{Lookout, Sight};
use super::options::{Guise, Options};
use super::pidfile::Pidfile;
use super::prepare::{self, Prepared};
use super::socket::Socket;
use super::workers::{Askers, Keeper};
use super::{clock, signals};
use crate::command::status::Heard;
use crate::compat::pickle::Plain;
use crate::config::{JailSettings, Main};
use crate::engine::{Engine, Event, Leave, Request, Setup};
use crate::error::{Error, Kind};
use crate::filter::Filter;
use crate::record::{Level, Record};
use crate::time::Timestamp;
use clients::Waiter;

/// Guards this host until somebody stops it.
pub fn run(options: &Options) -> Result<(), Error> {
    let zone = clock::zone();
    // What is made is for us alone; files that are for others say so. Actions find the same.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    let prepared = options.prepare(&zone);
    let main = options.told.over(prepared.config.main.clone());
    let served = serve(options, main.clone(), prepared, zone.clone());
    if let (Err(error), Guise::Fail2ban) = (&served, options.guise) {
        host::could_not_start(error, &main, &zone);
    }
    served
}

fn serve(options: &Options, main: Main, prepared: Prepared, zone: TimeZone) -> Result<(), Error> {
    let (sender, inbox) = sync_channel(inbox::CAPACITY);
    options.may_listen(&main.socket)?;
    let socket = Socket::listen(&main.socket, options.guise.socket_mode(), sender.clone())?;
    let mut guard = Guard::start(options, main, prepared, zone, sender, inbox)?;
    let ended = guard.guard(&socket);
    let result = guard.end(ended);
    socket.close();
    result
}

/// Why the loop ended.
enum End {
    /// SIGTERM: bans stay in the kernel.
    Signal,
    /// `stop`, with whether bans are kept and the one who waits for the answer.
    Stop { keep: bool, reply: Waiter },
    /// A thread that must not end has ended.
    Broken(&'static str),
}

struct Guard {
    options: Options,
    main: Main,
    zone: TimeZone,
    inbox: Receiver<Message>,
    desk: Arc<Desk>,
    firewall: &'static str,
    follower: Follower,
    keeper: Keeper,
    askers: Askers,
    actors: Actors,
    log: Log,
    lookout: Lookout,
    files: IndexMap<String, Vec<String>>,
    /// Lines that each jail's filter gave up.
    gave_up: IndexMap<String, u64>,
    /// What is heard of each PBX.
    heard: IndexMap<String, Heard>,
    /// Jails that come on when one of their logs appears.
    waiting: IndexMap<String, JailSettings>,
    /// Jails that follow no log: not started yet, or told to be idle.
    idle: IndexSet<String>,
    /// Who gets a reply later.
    sleepers: Vec<(Timestamp, SyncSender<Plain>)>,
    /// For whoever is started later.
    sender: Inbox,
    pidfile: Option<Pidfile>,
}

/// How often the service manager hears from us and everything is looked at that might change unheard; the engine checks
/// the firewall as often. Nothing else wakes an idle daemon.
const TICK: Duration = Duration::from_secs(30);

/// The same while failures that were dealt with wait to be taken apart.
const SOON: Duration = Duration::from_millis(100);

/// Messages taken in before what they caused is handed on: enough to share a disk write, too few to be felt.
const AT_ONCE: usize = 16;

impl Guard {
    fn start(
        options: &Options,
        main: Main,
        prepared: Prepared,
        zone: TimeZone,
        sender: Inbox,
        inbox: Receiver<Message>,
    ) -> Result<Guard, Error> {
        let now = clock::now();
        let firewall = host::firewall(options, &prepared.config.jails).map_err(host::refused)?;
        let mut early = Vec::new();
        let mut log = host::log(&main, options.guise, &zone, &mut early);
        let Kept { store, remembered, positions } = host::kept(&main, &mut early);
        let Prepared { config, filters } = prepared;
        let (waiting, on): (Vec<_>, Vec<_>) = config.jails.iter().cloned().partition(Prepared::waits);
        if options.guise == Guise::Sipjail {
            prepare::announce(options, &config.jails, firewall.name());
        }
        early.push(Record::new(Level::Info, "server", format!("Starting sipjail v{}", env!("CARGO_PKG_VERSION"))));
        early.extend(config.problems.iter().map(prepare::record));
        if config.jails.is_empty() && !options.bare {
            let text =
                format!("no jail is on in {}: nobody is banned; `sipjail check` says why", options.conf.display());
            early.push(Record::new(Level::Warning, "config", text));
        }
        let mut lookout = Lookout::default();
        let sight = lookout.look(config.jails.iter().any(|jail| jail.protect), &main);
        early.extend(sight.iter().flat_map(|sight| &sight.problems).map(prepare::record));
        early.iter().for_each(|r| log.write(r, now));

        let firewall_name = firewall.name();
        let mut out = Vec::new();
        let setup = Setup {
            jails: on,
            firewall,
            saved: remembered,
            dbmaxmatches: main.dbmaxmatches,
            dbpurgeage: main.dbpurgeage,
            own: host::addresses(),
            protected: sight.map_or(Vec::new(), |sight| sight.list),
            zone: zone.clone(),
        };
        let engine = Engine::start(setup, now, &mut out).map_err(host::refused)?;
        let thread = |what: &str, e: std::io::Error| Error::new(Kind::Host, format!("cannot start {what}: {e}"));
        let keeper =
            Keeper::start(store, host::reopen(&main), sender.clone()).map_err(|e| thread("the store's writer", e))?;
        signals::catch(sender.clone()).map_err(|e| thread("the signal handler", e))?;
        let follow = follow_jails(&config.jails, filters);
        let desk = Desk::new(engine);
        let (to, inbox_of) = (desk.clone(), sender.clone());
        let follower = Follower::start(follow, positions, move |message| to.hand_in(message, &inbox_of))
            .map_err(|e| thread("the follower", e))?;
        let unclean = Pidfile::is_left(&main.pidfile);
        let mut guard = Guard {
            options: options.clone(),
            zone,
            actors: Actors::new(sender.clone(), keeper.asked(), unclean),
            askers: Askers::new(sender.clone()),
            inbox,
            desk,
            firewall: firewall_name,
            follower,
            keeper,
            log,
            lookout,
            files: IndexMap::new(),
            gave_up: IndexMap::new(),
            heard: IndexMap::new(),
            waiting: waiting.into_iter().map(|j| (j.name.clone(), j)).collect(),
            main,
            idle: IndexSet::new(),
            sleepers: Vec::new(),
            sender: sender.clone(),
            pidfile: None,
        };
        guard.askers.allow_ipv6(guard.main.allowipv6 != "no");
        match Pidfile::write(&guard.main.pidfile) {
            Ok(pidfile) => guard.pidfile = Some(pidfile),
            Err(why) => out.push(Request::Log(Record::new(Level::Warning, "server", why.message))),
        }
        guard.hand_on(out);
        let _unsupervised = sd_notify::notify(&[NotifyState::Ready]);
        options.guise.ready();
        Ok(guard)
    }

    /// Takes messages in and keeps what is due, until the end.
    fn guard(&mut self, socket: &Socket) -> End {
        let every = sd_notify::watchdog_enabled().map_or(TICK, |limit| TICK.min(limit / 2));
        let mut ticked = Instant::now();
        loop {
            let mut out = Vec::new();
            let mut end = None;
            self.desk.sit().engine.hear_from(self.main.loglevel);
            match self.inbox.recv_timeout(self.pause().min(every.saturating_sub(ticked.elapsed()))) {
                Ok(message) => {
                    end = self.take(message, &mut out);
                    for _ in 1..AT_ONCE {
                        if end.is_some() {
                            break;
                        }
                        let Ok(message) = self.inbox.try_recv() else { break };
                        end = self.take(message, &mut out);
                    }
                }
                Err(RecvTimeoutError::Timeout) => self.desk.tidy(),
                Err(RecvTimeoutError::Disconnected) => end = Some(End::Broken("the inbox")),
            }
            let now = clock::now();
            self.wake(now);
            let mut work = self.sit(&mut out);
            if work.due().is_some_and(|due| due <= now) {
                work.engine.tick(now, &mut out);
            }
            drop(work);
            self.hand_on(out);
            if end.is_none() && self.follower.is_finished() {
                end = Some(End::Broken("the thread that follows the logs"));
            }
            if let Some(end) = end {
                return end;
            }
            // What woke us a little earlier saves a wake-up of its own.
            if ticked.elapsed() >= every - every / 8 {
                ticked = Instant::now();
                let _unsupervised = sd_notify::notify(&[NotifyState::Watchdog]);
                self.follower.look();
                socket.look();
                let mut out = Vec::new();
                self.look_out(&mut out);
                self.hand_on(out);
            }
        }
    }

    /// Sits down at the desk and takes along what waits there.
    fn sit(&self, out: &mut Vec<Request>) -> MutexGuard<'_, Work> {
        let mut work = self.desk.sit();
        out.append(&mut work.out);
        work
    }

    /// How long nothing needs to happen; at most until the next tick.
    fn pause(&self) -> Duration {
        let wakes = self.sleepers.iter().map(|(due, _)| *due);
        let due = self.desk.sit().due().into_iter().chain(wakes).min();
        let pause = due.map_or(TICK, |due| Duration::from_micros(u64::try_from((due - clock::now()).0).unwrap_or(0)));
        if self.desk.is_tidy() { pause } else { pause.min(SOON) }
    }

    fn take(&mut self, message: Message, out: &mut Vec<Request>) -> Option<End> {
        let now = clock::now();
        match message {
            found @ (Message::Failures(_) | Message::Positions(_)) => self.desk.taken(found),
            Message::Files { jail, files } => {
                self.files_changed(&jail, &files, out);
                self.desk.done();
            }
            Message::GaveUp { jail, more } => {
                *self.gave_up.entry(jail.to_string()).or_default() += more;
                self.desk.done();
            }
            Message::Heard { server, heard } => {
                self.heard.insert(server, heard);
                self.desk.done();
            }
            Message::Look => {}
            Message::Log(record) => out.push(Request::Log(record)),
            Message::Answer { token, answer } => self.sit(out).engine.handle(Event::Answer { token, answer }, now, out),
            Message::Signal(Signal::End) => return Some(End::Signal),
            Message::Signal(Signal::ReopenLog) => self.reopen_log(out),
            Message::Client { words, reply } => return self.client(&words, reply, out),
            Message::Foreign { request, reply } => return self.foreign(&request, reply, out),
        }
        None
    }

    fn files_changed(&mut self, jail: &Arc<str>, files: &[PathBuf], out: &mut Vec<Request>) {
        let names = files.iter().map(|f| f.display().to_string()).collect();
        self.files.insert(jail.to_string(), names);
        if files.is_empty() {
            return;
        }
        if let Some(settings) = self.waiting.shift_remove(&**jail)
            && let Err(error) = self.sit(out).engine.add_jail(settings, clock::now(), out)
        {
            let text = format!("jail '{jail}' cannot ban: {error}");
            out.push(Request::Log(Record::new(Level::Error, "jail", text)));
        }
    }

    /// Looks whom nobody may ban now.
    fn look_out(&mut self, out: &mut Vec<Request>) {
        let wanted = self.waiting.values().any(|jail| jail.protect) || self.sit(out).engine.protects();
        let Some(Sight { list, problems }) = self.lookout.look(wanted, &self.main) else { return };
        out.extend(problems.iter().map(|problem| Request::Log(prepare::record(problem))));
        self.sit(out).engine.protect(list, clock::now(), out);
    }

    fn reopen_log(&mut self, out: &mut Vec<Request>) {
        let record = match self.log.reopen() {
            Ok(()) => Record::new(Level::Info, "server", format!("rollover performed on {}", self.main.logtarget)),
            Err(e) => Record::new(Level::Error, "server", format!("cannot reopen {}: {e}", self.main.logtarget)),
        };
        out.push(Request::Log(record));
    }

    /// Hands on what the engine wants done. What is to be kept goes to the store as one batch, and what is to be said into the
    /// log in one write.
    fn hand_on(&mut self, mut out: Vec<Request>) {
        drop(self.sit(&mut out));
        let now = clock::now();
        let mut changes = Vec::new();
        let mut deeds = Vec::new();
        for request in out {
            match request {
                Request::Log(record) => self.log.put(&record, now),
                Request::Restored { jail, ids } => {
                    ids.iter().for_each(|id| self.log.put(&Request::restored(&jail, id), now));
                }
                Request::Keep(change) => changes.push(change),
                Request::Ask { token, question } => self.askers.ask(token, question),
                Request::Act { jail, deed, counters } => deeds.push((jail, deed, counters)),
            }
        }
        self.keeper.keep(changes);
        self.log.flush();
        // What they ask the store about is there now.
        for (jail, deed, counters) in deeds.into_iter().filter(|_| !self.options.dry_run) {
            self.actors.act(&jail, deed, counters);
        }
    }

    /// Lets everyone finish: the follower, what it still sent, the engine, the store.
    fn end(mut self, end: End) -> Result<(), Error> {
        let _unsupervised = sd_notify::notify(&[NotifyState::Stopping]);
        let mut out = vec![Request::Log(Record::new(Level::Info, "server", "Shutdown in progress..."))];
        self.follower.stop();
        while !self.follower.is_finished() {
            if let Ok(message) = self.inbox.recv_timeout(Duration::from_millis(10)) {
                self.take(message, &mut out);
            }
        }
        while let Ok(message) = self.inbox.try_recv() {
            self.take(message, &mut out);
        }
        let leave = match end {
            End::Stop { keep: false, .. } => Leave::Nothing,
            End::Stop { keep: true, .. } => Leave::All,
            End::Signal | End::Broken(_) => Leave::Kernel,
        };
        let stopped = self.sit(&mut out).engine.stop(leave, clock::now(), &mut out).map_err(host::refused);
        self.hand_on(out);
        let Guard { actors, inbox, log, .. } = &mut self;
        let done = actors.finish(ACTORS_PATIENCE, inbox, &mut |record| log.write(&record, clock::now()));
        self.hand_on(vec![Request::Log(Record::new(Level::Info, "server", "Exiting sipjail"))]);
        self.keeper.finish();
        // Left behind, it tells the next start that rules of actions may stand.
        let pidfile = self.pidfile.take();
        if leave == Leave::All || !done {
            std::mem::forget(pidfile);
        }
        match end {
            End::Signal => stopped,
            End::Stop { keep, reply } => {
                reply.tell(keep, stopped.clone());
                stopped
            }
            End::Broken(what) => {
                let message = format!("{what} ended unexpectedly; bans stay in the kernel");
                Err(Error::new(Kind::Daemon, message).hint("start the daemon again, and report what the log says"))
            }
        }
    }
}

/// How long actions may take to stop at the end: less than the 90 s after which systemd ends everything.
const ACTORS_PATIENCE: Duration = Duration::from_secs(60);

/// What the follower needs of each jail.
fn follow_jails(jails: &[JailSettings], filters: Vec<Filter>) -> Vec<FollowJail> {
    jails.iter().zip(filters).map(|(jail, filter)| FollowJail::new(jail, filter)).collect()
}
