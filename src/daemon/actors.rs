//! Who runs the actions of jails: for each jail that has something to do a thread, which ends when it has been idle for a
//! while.
//!
//! So a slow or hanging action delays no other jail, and never the loop. The deeds of one jail are done in their order.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
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
    asked: Mutex<Option<Asked>>,
    /// Deeds that are not done yet.
    open: AtomicUsize,
    /// Can be read once nobody may go on: scripts end.
    enough: Option<OwnedFd>,
    over: AtomicBool,
    /// How long a thread waits for more.
    idle: Duration,
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
        let shared = Shared {
            inbox,
            asked: asked.into(),
            open: AtomicUsize::new(0),
            enough,
            over: AtomicBool::new(false),
            idle: IDLE,
        };
        Actors { desks: HashMap::new(), shared: Arc::new(shared), leftovers }
    }

    /// Asks another database from now on; what is being done goes on.
    pub fn ask(&self, asked: Option<Asked>) {
        *self.shared.asked.lock().unwrap_or_else(PoisonError::into_inner) = asked;
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
        // A name of the kernel's has no zero byte in it; that of a jail may.
        let name = format!("act {jail}").replace('\0', "");
        let started = Builder::new().name(name).spawn(move || its.work_off(&shared));
        // A host without room for a thread: the next deed tries again.
        work.has_thread = started.is_ok();
    }

    /// Waits until all is done, and hands on what is said meanwhile; what is not done after `patience` is ended. False:
    /// something was, and what it did may stay.
    pub fn finish(&self, patience: Duration, inbox: &Receiver<Message>, say: &mut dyn FnMut(Record)) -> bool {
        let end = Instant::now() + patience;
        let mut given_up = false;
        // Who does not even end when told so, or never had a thread, is not waited for.
        while self.shared.open.load(Ordering::SeqCst) > 0 && Instant::now() < end + GRACE {
            if let Ok(Message::Log(record)) = inbox.recv_timeout(Duration::from_millis(10)) {
                say(record);
            }
            if !given_up && Instant::now() > end {
                given_up = true;
                let text = format!(
                    "actions did not come to an end within {} s and are ended: what they did may stay in place",
                    patience.as_secs()
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
        !given_up
    }

    /// Ends every script that runs, and lets no other begin.
    fn give_up(&self) {
        self.shared.over.store(true, Ordering::SeqCst);
        if let Some(enough) = &self.shared.enough {
            let _counted = rustix::io::write(enough, &1_u64.to_ne_bytes());
        }
    }
}

impl Shared {
    fn asked(&self) -> Option<Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
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
                    let waited = self.more.wait_timeout_while(work, shared.idle, |work| work.deeds.is_empty());
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
        self.shared.asked()?.past(id, jail)
    }

    fn saved(&mut self, id: &Id, jail: &str) -> Option<Ticket> {
        self.shared.asked()?.saved(id, jail)
    }

    fn host_name(&mut self, ip: IpAddr) -> Option<String> {
        // Who has no name is given his address for one.
        dns_lookup::lookup_addr(&ip).ok().filter(|name| name.parse::<IpAddr>().is_err())
    }

    fn own_name(&mut self, whole: bool) -> String {
        let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
        match whole {
            true => WHOLE_NAME.get_or_init(|| with_domain(name)).clone(),
            false => name.split('.').next().unwrap_or_default().to_owned(),
        }
    }

    fn speaks_ipv6(&mut self) -> bool {
        let said = std::fs::read_to_string("/proc/sys/net/ipv6/conf/all/disable_ipv6");
        said.is_ok_and(|said| said.trim() == "0")
    }
}

/// What the host calls itself, as others call it where that says more.
fn with_domain(name: String) -> String {
    if name.contains('.') {
        return name;
    }
    let addresses = dns_lookup::lookup_host(&name).into_iter().flatten();
    let mut names = addresses.filter_map(|ip| dns_lookup::lookup_addr(&ip).ok());
    let more = names.find(|found| found.strip_prefix(&name).is_some_and(|rest| rest.starts_with('.')));
    more.unwrap_or(name)
}

/// It is looked up once, when it is first asked for.
static WHOLE_NAME: OnceLock<String> = OnceLock::new();

/// How long scripts may take to end after they were told to.
const GRACE: Duration = Duration::from_secs(10);

/// How long a thread waits for more, unless a test says otherwise.
const IDLE: Duration = Duration::from_secs(10);

/// So many deeds that wait are worth a word.
const MANY: usize = 1000;

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;

    use indexmap::IndexMap;

    use super::*;
    use crate::config::{Action, Kind};
    use crate::word::Word;

    fn follow(commands: &[(&str, &str)]) -> Deed {
        let commands = commands.iter().map(|(name, text)| ((*name).to_owned(), Word::text(*text))).collect();
        let action = Action { name: "a".into(), kind: Kind::Commands { commands, properties: IndexMap::new() } };
        Deed::Follow { actions: vec![action], bans: vec![], reload: false }
    }

    #[test]
    fn what_hangs_at_the_end_is_ended_and_nothing_begins_after_it() {
        let (sender, inbox) = sync_channel(8);
        let mut actors = Actors::new(sender, None, false);
        let dir = tempfile::tempdir().expect("a scratch directory");
        let flag = dir.path().join("begun");
        let begin = format!("touch {}; sleep 600", flag.display());
        let stop = format!("rm {}", flag.display());
        let counters = Counters::default();
        actors.act(&"sip".into(), follow(&[("actionstart", &begin), ("actionstop", &stop)]), counters);
        while !flag.exists() {
            std::thread::sleep(Duration::from_millis(5));
        }
        actors.act(&"sip".into(), Deed::Flush, counters);
        actors.act(&"sip".into(), Deed::Stop, counters);
        let mut said = Vec::new();
        let done = actors.finish(Duration::from_millis(100), &inbox, &mut |record| said.push(record.text));
        assert!(!done);
        assert_eq!(actors.shared.open.load(Ordering::SeqCst), 0);
        assert!(said.len() == 1 && said[0].starts_with("actions did not come to an end"), "{said:?}");
        assert!(flag.exists());
    }

    #[test]
    fn a_jail_of_any_name_acts() {
        let (sender, inbox) = sync_channel(8);
        let mut actors = Actors::new(sender, None, false);
        let dir = tempfile::tempdir().expect("a scratch directory");
        let flag = dir.path().join("begun");
        actors.act(
            &"a\0b\n".into(),
            follow(&[("actionstart", &format!("touch {}", flag.display()))]),
            Counters::default(),
        );
        assert!(actors.finish(Duration::from_secs(20), &inbox, &mut |record| panic!("{record:?}")));
        assert!(flag.exists());
    }

    #[test]
    fn a_jail_that_was_idle_goes_on_where_it_was() {
        let (sender, inbox) = sync_channel(8);
        let mut actors = Actors::new(sender, None, false);
        Arc::get_mut(&mut actors.shared).expect("nobody has it yet").idle = Duration::ZERO;
        let dir = tempfile::tempdir().expect("a scratch directory");
        let flag = dir.path().join("stopped");
        let counters = Counters::default();
        actors.act(&"sip".into(), follow(&[("actionstop", &format!("touch {}", flag.display()))]), counters);
        let desk = actors.desks["sip"].clone();
        while desk.lock().has_thread {
            std::thread::sleep(Duration::from_millis(5));
        }
        actors.act(&"sip".into(), Deed::Stop, counters);
        assert!(actors.finish(Duration::from_secs(20), &inbox, &mut |record| panic!("{record:?}")));
        assert!(flag.exists());
    }
}
