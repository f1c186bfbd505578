//! What is slow leaves the engine's loop: look-ups, foreign programs, the database.
//!
//! The [`Keeper`] writes the engine's changes in batches, each call's changes together or not at all. The [`Askers`] find
//! out what the engine wants to know; their answers come back through the inbox.

use std::io::{self, Read};
use std::net::{IpAddr, ToSocketAddrs};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use super::inbox::{Inbox, Message};
use crate::addr::Id;
use crate::engine::{Answer, Question};
use crate::firewall::script::shell::{self, How};
use crate::record::{Level, Record};
use crate::script::Script;
use crate::store::{Change, Store};
use crate::ticket::{Past, Ticket};

/// The store's writer.
pub struct Keeper {
    changes: Option<Sender<Task>>,
    thread: Option<JoinHandle<()>>,
}

impl Keeper {
    /// Starts the writer. `reopen` makes a store where there is none yet, or the open one turns out to be damaged; without
    /// it nobody wants anything kept.
    pub fn start(store: Option<Store>, reopen: Option<Reopen>, inbox: Inbox) -> io::Result<Keeper> {
        let Some(reopen) = reopen else { return Ok(Keeper { changes: None, thread: None }) };
        let (changes, queue) = channel::<Task>();
        let thread = Builder::new().name("store".into()).spawn(move || keep(store, reopen, &queue, &inbox))?;
        Ok(Keeper { changes: Some(changes), thread: Some(thread) })
    }

    /// Hands over changes that belong together.
    pub fn keep(&self, changes: Vec<Change>) {
        if let (Some(sender), false) = (&self.changes, changes.is_empty()) {
            let _gone = sender.send(Task::Keep(changes));
        }
    }

    /// Keeps so many matched lines of each ban from now on.
    pub fn limit_matches(&self, at_most: usize) {
        if let Some(sender) = &self.changes {
            let _gone = sender.send(Task::Limit(at_most));
        }
    }

    /// Somebody who may ask what is kept; `None` where nothing is.
    pub fn asked(&self) -> Option<Asked> {
        self.changes.clone().map(Asked)
    }

    /// Waits until everything is written.
    pub fn finish(mut self) {
        if let Some(changes) = self.changes.take() {
            let _gone = changes.send(Task::End);
        }
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
    }
}

/// Something for the store's thread.
enum Task {
    Keep(Vec<Change>),
    /// What is kept of somebody's bans, in one jail or in all.
    Past(Id, Option<String>, SyncSender<Option<Past>>),
    /// Somebody's newest ban in a jail.
    Saved(Id, String, SyncSender<Option<Ticket>>),
    /// So many matched lines are kept.
    Limit(usize),
    /// Nothing more will come, although some may still ask.
    End,
}

/// Asks the store's thread. Its answer knows of everything that was to be kept before the question.
#[derive(Clone)]
pub struct Asked(Sender<Task>);

impl Asked {
    /// See [`Store::past`].
    pub fn past(&self, id: &Id, jail: Option<&str>) -> Option<Past> {
        self.ask(|reply| Task::Past(id.clone(), jail.map(str::to_owned), reply))
    }

    /// See [`Store::newest`].
    pub fn saved(&self, id: &Id, jail: &str) -> Option<Ticket> {
        self.ask(|reply| Task::Saved(id.clone(), jail.to_owned(), reply))
    }

    /// A disk that refuses everything must not hold up a ban for ever.
    fn ask<T>(&self, task: impl FnOnce(SyncSender<Option<T>>) -> Task) -> Option<T> {
        let (reply, answer) = sync_channel(1);
        self.0.send(task(reply)).ok()?;
        answer.recv_timeout(ASK_LIMIT).ok().flatten()
    }
}

/// How long an answer of the database is waited for.
const ASK_LIMIT: Duration = Duration::from_secs(5);

/// Opens the database again; what it has to say goes into the list.
pub type Reopen = Box<dyn FnMut(&mut Vec<Record>) -> Option<Store> + Send>;

/// Rows that may wait for a disk that refuses them, before the oldest are given up.
const MAX_WAITING: usize = 200_000;

/// Pause before refused changes are tried again.
const RETRY: Duration = Duration::from_secs(1);

fn keep(mut store: Option<Store>, mut reopen: Reopen, queue: &Receiver<Task>, inbox: &Inbox) {
    let mut waiting: Vec<Change> = Vec::new();
    let mut asked: Vec<Task> = Vec::new();
    // Who begins without a store was told why.
    let mut refused = store.is_none().then(String::new);
    let mut lost = 0;
    loop {
        let ended = collect(queue, &mut waiting, &mut asked, refused.is_some());
        match write(&mut store, &mut reopen, &waiting, inbox) {
            Ok(()) => {
                waiting.clear();
                if refused.take().is_some() {
                    let what =
                        if lost == 0 { "nothing was lost".to_owned() } else { format!("{lost} changes are lost") };
                    say(inbox, Level::Notice, format!("the database takes writes again; {what}"));
                    lost = 0;
                }
            }
            Err(None) => refused = refused.or(Some(String::new())),
            Err(Some(error)) => {
                if refused.as_ref() != Some(&error) {
                    let kept = "bans hold in the kernel, writing is tried again every second";
                    say(inbox, Level::Error, format!("the database cannot be written: {error}; {kept}"));
                    refused = Some(error);
                }
            }
        }
        if refused.is_some() {
            lost += give_up(&mut waiting);
        }
        asked.drain(..).for_each(|task| answer(store.as_mut(), task));
        if ended {
            return;
        }
    }
}

/// Gives up what has waited longest where too much waits, counters before anything else: each ban is said once, a counter
/// again with its next failure. How many rows that were.
fn give_up(waiting: &mut Vec<Change>) -> usize {
    let over = waiting.iter().map(Change::rows).sum::<usize>().saturating_sub(MAX_WAITING);
    let mut lost = 0;
    for counters_alone in [true, false] {
        waiting.retain(|change| {
            let goes = lost < over && (!counters_alone || matches!(change, Change::Failures { .. }));
            lost += if goes { change.rows() } else { 0 };
            !goes
        });
    }
    lost
}

/// Writes; opens the store first where there is none. The error has no text where there still is none.
fn write(
    store: &mut Option<Store>,
    reopen: &mut Reopen,
    changes: &[Change],
    inbox: &Inbox,
) -> Result<(), Option<String>> {
    if store.is_none() {
        let mut said = Vec::new();
        *store = reopen(&mut said);
        // What was in the way has been said; it is worth a second word only when it is gone.
        said.into_iter().filter(|_| store.is_some()).for_each(|r| say(inbox, r.level, r.text));
    }
    let Some(open) = store else { return Err(None) };
    open.apply(changes).map_err(|error| {
        if error.is_damage() {
            let mut said = Vec::new();
            *store = reopen(&mut said).or(store.take());
            said.into_iter().for_each(|r| say(inbox, r.level, r.text));
        }
        Some(error.to_string())
    })
}

/// Who asks and is gone meanwhile has no answer; what cannot be read is not known.
fn answer(store: Option<&mut Store>, task: Task) {
    let Some(store) = store else { return };
    let _gone = match task {
        Task::Past(id, jail, reply) => reply.send(store.past(&id, jail.as_deref()).ok().flatten()).is_ok(),
        Task::Saved(id, jail, reply) => reply.send(store.newest(&id, &jail).ok().flatten()).is_ok(),
        Task::Limit(at_most) => {
            store.limit_matches(at_most);
            true
        }
        Task::Keep(_) | Task::End => true,
    };
}

/// Adds what is to be written and who asks, as soon as there is something; after a refusal all that comes before the next
/// try is due. True: nothing more will come.
fn collect(queue: &Receiver<Task>, waiting: &mut Vec<Change>, asked: &mut Vec<Task>, refused: bool) -> bool {
    let mut take = |task| match task {
        Task::Keep(batch) => {
            waiting.extend(batch);
            false
        }
        Task::End => true,
        task => {
            asked.push(task);
            false
        }
    };
    if !refused {
        let Ok(first) = queue.recv() else { return true };
        return take(first) || queue.try_iter().any(take);
    }
    let again = Instant::now() + RETRY;
    while let Some(rest) = again.checked_duration_since(Instant::now()) {
        match queue.recv_timeout(rest) {
            Ok(task) => {
                if take(task) {
                    return true;
                }
            }
            Err(error) => return error == RecvTimeoutError::Disconnected,
        }
    }
    false
}

fn say(inbox: &Inbox, level: Level, text: String) {
    // The loop may be waiting for this thread to end: never wait for it here.
    let _full = inbox.try_send(Message::Log(Record::new(level, "database", text)));
}

/// Threads that find things out: none until the first question, and no more than have been busy at once.
pub struct Askers {
    queue: Arc<Queue>,
    questions: Sender<(u64, Question)>,
    threads: usize,
    inbox: Inbox,
}

/// What the threads share.
struct Queue {
    questions: Mutex<Receiver<(u64, Question)>>,
    /// Questions without an answer.
    open: AtomicUsize,
    /// Whether a name may mean IPv6 addresses: `allowipv6`; looked at with each answer.
    ipv6: AtomicBool,
}

/// Questions that are worked on at the same time.
const ASKERS: usize = 4;

impl Askers {
    /// None run yet.
    pub fn new(inbox: Inbox) -> Askers {
        let (questions, receiver) = channel();
        let queue = Queue { questions: Mutex::new(receiver), open: AtomicUsize::new(0), ipv6: AtomicBool::new(true) };
        Askers { queue: Arc::new(queue), questions, threads: 0, inbox }
    }

    /// Leaves IPv6 addresses out of what names mean, or lets them in again.
    pub fn allow_ipv6(&self, allowed: bool) {
        self.queue.ipv6.store(allowed, Ordering::Relaxed);
    }

    /// Asks; the answer comes through the inbox.
    pub fn ask(&mut self, token: u64, question: Question) {
        let open = self.queue.open.fetch_add(1, Ordering::Relaxed) + 1;
        let _gone = self.questions.send((token, question));
        if open > self.threads && self.threads < ASKERS {
            let (queue, inbox) = (Arc::clone(&self.queue), self.inbox.clone());
            // A host without room for one more thread still bans; the question waits for another.
            let started = Builder::new().name("ask".into()).spawn(move || queue.work(&inbox));
            self.threads += usize::from(started.is_ok());
        }
    }
}

impl Queue {
    fn work(&self, inbox: &Inbox) {
        loop {
            let next = self.questions.lock().map(|questions| questions.recv());
            let Ok(Ok((token, question))) = next else { return };
            let answer = find_out(&question, self.ipv6.load(Ordering::Relaxed));
            self.open.fetch_sub(1, Ordering::Relaxed);
            if inbox.send(Message::Answer { token, answer }).is_err() {
                return;
            }
        }
    }
}

fn find_out(question: &Question, ipv6: bool) -> Answer {
    match question {
        Question::Resolve(name) => Answer::Addresses(resolve(name, ipv6)),
        Question::Run { script, args } => Answer::Exit(run(script, args)),
        Question::Words(path) => Answer::Words(words(path)),
    }
}

/// The addresses of a host name, those of IPv6 only where it is used; it may take long.
pub fn resolve(name: &str, ipv6: bool) -> Result<Vec<IpAddr>, String> {
    let found = (name, 0).to_socket_addrs().map_err(|e| e.to_string())?;
    let mut addresses: Vec<IpAddr> = found.map(|a| a.ip()).collect();
    addresses.sort();
    addresses.dedup();
    addresses.retain(|address| ipv6 || address.is_ipv4());
    Ok(addresses)
}

/// The largest file of addresses that is read.
const MAX_WORDS_FILE: u64 = 64 << 20;

/// The words of a file of `ignoreip = file:PATH`, without its comments.
pub fn words(path: &Path) -> Result<Vec<String>, String> {
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(|e| format!("{}: {e}", path.display()))?;
    file.take(MAX_WORDS_FILE).read_to_end(&mut bytes).map_err(|e| format!("{}: {e}", path.display()))?;
    let text = String::from_utf8_lossy(&bytes);
    let line = |line: &str| -> Vec<String> {
        let comment = line
            .char_indices()
            .find(|&(i, c)| "#;".contains(c) && (i == 0 || line[..i].ends_with(char::is_whitespace)));
        let kept = comment.map_or(line, |(i, _)| &line[..i]);
        kept.split([' ', '\t', ',', '\r']).filter(|w| !w.is_empty()).map(str::to_owned).collect()
    };
    Ok(text.lines().flat_map(line).collect())
}

/// How long a program may take.
const RUN_LIMIT: Duration = Duration::from_secs(60);

/// Runs a script and gives its exit code.
fn run(script: &str, args: &[String]) -> Result<i32, String> {
    let script = Script { text: script.to_owned(), args: args.to_vec() };
    let ended = shell::run(&script, RUN_LIMIT, None).map_err(|e| e.to_string())?;
    match ended.how {
        _ if ended.late => Err(format!("took longer than {} s and was ended", RUN_LIMIT.as_secs())),
        How::Code(code) => Ok(code),
        How::Signal(signal) => Err(format!("was ended by signal {signal}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ticket::{Counter, Texts};
    use crate::time::Timestamp;

    fn counters(ids: u32) -> Change {
        let (first, last) = Default::default();
        let counter = Counter { first, last, retry: 2, failures: 2, matches: Texts::default(), accounts: Vec::new() };
        let counters = (0..ids).map(|n| (Id::from(IpAddr::from(n.to_be_bytes())), (n == 0).then(|| counter.clone())));
        Change::Failures { jail: "sip".into(), counters: counters.collect() }
    }

    #[test]
    fn much_at_once_is_kept_where_the_disk_takes_it() {
        let dir = tempfile::tempdir().expect("a scratch directory");
        let path = dir.path().join("db");
        let open = || Store::open(&path, Timestamp::default(), &mut Vec::new()).expect("it opens");
        let (inbox, _said) = sync_channel(8);
        let keeper = Keeper::start(Some(open()), Some(Box::new(|_| None)), inbox).expect("a thread");
        keeper.keep(vec![counters(MAX_WAITING as u32 + 1)]);
        keeper.finish();
        assert_eq!(open().load().expect("it can be read").counters.len(), 1);
    }

    #[test]
    fn counters_are_given_up_before_anything_else() {
        let jail = |n: u32| Change::Jail { name: n.to_string(), enabled: true };
        let mut waiting = vec![jail(1), counters(MAX_WAITING as u32), jail(2), counters(3)];
        assert_eq!(give_up(&mut waiting), MAX_WAITING);
        assert_eq!(waiting, [jail(1), jail(2), counters(3)]);
        let mut many: Vec<Change> = (0..MAX_WAITING as u32 + 2).map(jail).collect();
        assert_eq!((give_up(&mut many), &many[0]), (2, &jail(2)));
    }

    #[test]
    fn a_program_gets_values_as_arguments_only() {
        let hostile = "x; exit 3".to_owned();
        assert_eq!(run("test \"$0\" = 'x; exit 3'", std::slice::from_ref(&hostile)), Ok(0));
        assert_eq!(run("exit 7", &[]), Ok(7));
    }

    #[test]
    fn ipv6_addresses_are_left_out_where_they_are_not_allowed() {
        let address = |text: &str| text.parse::<IpAddr>().expect("it is one");
        assert_eq!(resolve("::1", true), Ok(vec![address("::1")]));
        assert_eq!(resolve("::1", false), Ok(vec![]));
        assert_eq!(resolve("127.0.0.1", false), Ok(vec![address("127.0.0.1")]));
    }

    #[test]
    fn words_of_a_file_come_without_comments() {
        let dir = tempfile::tempdir().expect("a scratch directory");
        let path = dir.path().join("list");
        std::fs::write(&path, "# head\n192.0.2.1, 192.0.2.2 ; note\n2001:db8::/32\nhost#1\n").expect("written");
        let expected = ["192.0.2.1", "192.0.2.2", "2001:db8::/32", "host#1"].map(str::to_owned);
        assert_eq!(words(&path), Ok(expected.into()));
        assert!(words(&dir.path().join("none")).is_err());
    }
}
