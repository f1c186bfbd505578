//! Who runs the actions of jails: for each jail that has something to do a thread, which ends when it has been idle for a
//! while.
//!
//! So a slow or hanging action delays no other jail, and never the loop. The deeds of one jail are done in their order.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::Builder;
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, eventfd};

use super::inbox::{Inbox, Message};
use super::workers::Asked;
use crate::addr::Id;
use crate::firewall::script::{Counters, Deed, Outside, Scripts, shell};
use crate::record::{Level, Record};
use crate::script::Script;
use crate::ticket::{Past, Ticket};

/// The actions of all jails.
pub struct Actors {
    desks: HashMap<Arc<str>, Arc<Desk>>,
    shared: Arc<Shared>,
    leftovers: bool,
}

/// What all threads share.
struct Shared {
    inbox: Inbox,
    /// The database; `None` where nothing is kept.
    asked: Option<Asked>,
    /// Deeds that are not done yet.
    open: AtomicUsize,
    /// Can be read once nobody may go on: scripts end.
    enough: Option<OwnedFd>,
    over: AtomicBool,
}

/// Where the deeds of one jail lie.
struct Desk {
    jail: Arc<str>,
    work: Mutex<Work>,
    more: Condvar,
}

struct Work {
    deeds: VecDeque<(Deed, Counters)>,
    /// With the thread while it works.
    scripts: Option<Scripts>,
    has_thread: bool,
    complained: bool,
}

impl Actors {
    /// Nobody works yet. `leftovers`: the run before came to no good end, and its rules may stand.
    pub fn new(inbox: Inbox, asked: Option<Asked>, leftovers: bool) -> Actors {
        let enough = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).ok();
        let shared = Shared { inbox, asked, open: AtomicUsize::new(0), enough, over: AtomicBool::new(false) };
        Actors { desks: HashMap::new(), shared: Arc::new(shared), leftovers }
    }

    /// Has a deed done after those before it. The end of a jail takes back what has not been begun: all that was done ends
    /// with it.
    pub fn act(&mut self, jail: &Arc<str>, deed: Deed, counters: Counters) {
        let leftovers = self.leftovers;
        let desk = self.desks.entry(jail.clone()).or_insert_with(|| Arc::new(Desk::new(jail, leftovers)));
        let mut work = desk.lock();
        if deed == Deed::Stop {
            self.shared.open.fetch_sub(work.deeds.len(), Ordering::SeqCst);
            work.deeds.clear();
        }
        work.deeds.push_back((deed, counters));
        self.shared.open.fetch_add(1, Ordering::SeqCst);
        if work.deeds.len() >= MANY && !work.complained {
            work.complained = true;
            let text = format!("[{jail}] {MANY} deeds wait for the jail's actions, which are too slow for it");
            let _full = self.shared.inbox.try_send(Message::Log(Record::new(Level::Warning, "actions", text)));
        }
        if work.has_thread {
            desk.more.notify_one();
            return;
        }
        let (its, shared) = (Arc::clone(desk), Arc::clone(&self.shared));
        let started = Builder::new().name(format!("act {jail}")).spawn(move || its.work_off(&shared));
        // A host without room for a thread: the next deed tries again.
        work.has_thread = started.is_ok();
    }

    /// Waits until all is done, and hands on what is said meanwhile; what hangs is ended.
    pub fn finish(&self, inbox: &Receiver<Message>, say: &mut dyn FnMut(Record)) {
        let mut limit = Some(Instant::now() + LIMIT);
        while self.shared.open.load(Ordering::SeqCst) > 0 {
            if let Ok(Message::Log(record)) = inbox.recv_timeout(Duration::from_millis(10)) {
                say(record);
            }
            if limit.is_some_and(|limit| Instant::now() > limit) {
                limit = None;
                let text = format!(
                    "actions did not come to an end within {} s and are ended: what they did may stay in place",
                    LIMIT.as_secs()
                );
                say(Record::new(Level::Error, "actions", text));
                self.give_up();
            }
        }
        inbox.try_iter().for_each(|message| {
            if let Message::Log(record) = message {
                say(record);
            }
        });
    }

    /// Ends every script that runs, and lets no other begin.
    fn give_up(&self) {
        self.shared.over.store(true, Ordering::SeqCst);
        if let Some(enough) = &self.shared.enough {
            let _counted = rustix::io::write(enough, &1_u64.to_ne_bytes());
        }
    }
}

impl Desk {
    fn new(jail: &Arc<str>, leftovers: bool) -> Desk {
        let scripts = Some(Scripts::new(jail, leftovers));
        let work = Work { deeds: VecDeque::new(), scripts, has_thread: false, complained: false };
        Desk { jail: jail.clone(), work: Mutex::new(work), more: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, Work> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does what is to be done until nothing is for a while.
    fn work_off(&self, shared: &Arc<Shared>) {
        let mut work = self.lock();
        let mut scripts = work.scripts.take().unwrap_or_else(|| Scripts::new(&self.jail, false));
        loop {
            match work.deeds.pop_front() {
                Some((deed, counters)) => {
                    drop(work);
                    scripts.carry_out(deed, counters, &mut Hands { shared });
                    shared.open.fetch_sub(1, Ordering::SeqCst);
                    work = self.lock();
                }
                None => {
                    work.complained = false;
                    let waited = self.more.wait_timeout_while(work, IDLE, |work| work.deeds.is_empty());
                    work = waited.unwrap_or_else(PoisonError::into_inner).0;
                    if work.deeds.is_empty() {
                        work.scripts = Some(scripts);
                        work.has_thread = false;
                        return;
                    }
                }
            }
        }
    }
}

/// The world, for a jail's actions.
struct Hands<'a> {
    shared: &'a Arc<Shared>,
}

impl Outside for Hands<'_> {
    fn run(&mut self, script: &Script, limit: Duration) -> Result<shell::Ended, String> {
        if self.shared.over.load(Ordering::SeqCst) {
            return Err("the daemon ends".into());
        }
        shell::run(script, limit, self.shared.enough.as_ref()).map_err(|e| e.to_string())
    }

    fn say(&mut self, record: Record) {
        // What is left undone then is said once, by those who gave it up.
        if self.shared.over.load(Ordering::SeqCst) {
            return;
        }
        let _gone = self.shared.inbox.send(Message::Log(record));
    }

    fn past(&mut self, id: &Id, jail: Option<&str>) -> Option<Past> {
        self.shared.asked.as_ref()?.past(id, jail)
    }

    fn saved(&mut self, id: &Id, jail: &str) -> Option<Ticket> {
        self.shared.asked.as_ref()?.saved(id, jail)
    }

    fn host_name(&mut self, ip: IpAddr) -> Option<String> {
        // Who has no name is given his address for one.
        dns_lookup::lookup_addr(&ip).ok().filter(|name| name.parse::<IpAddr>().is_err())
    }

    fn own_name(&mut self) -> String {
        rustix::system::uname().nodename().to_string_lossy().into_owned()
    }

    fn speaks_ipv6(&mut self) -> bool {
        let said = std::fs::read_to_string("/proc/sys/net/ipv6/conf/all/disable_ipv6");
        said.is_ok_and(|said| said.trim() == "0")
    }
}

/// How long a thread waits for more.
const IDLE: Duration = Duration::from_secs(10);

/// How long actions may take to stop at the end: less than the 90 s after which systemd ends everything.
const LIMIT: Duration = Duration::from_secs(60);

/// So many deeds that wait are worth a word.
const MANY: usize = 1000;
