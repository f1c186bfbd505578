//! What was found out lately: addresses of names for five minutes, words of files for a second.
//!
//! Names that the configuration says are looked up again before anybody needs them, every five minutes (no resolver tells a
//! program how long its answer holds), and what they meant last holds until there is another answer.
//! A name without addresses is remembered too, and a file that could not be read for a minute: a name server or a disk
//! that is down is not asked again with every line of a log.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use crate::addr::Id;
use crate::jail::aged::Aged;
use crate::jail::question::{Answer, Question};
use crate::jail::ranges::Ranges;
use crate::time::{Span, Timestamp};

/// Answers that still hold.
#[derive(Debug)]
pub struct Answers {
    names: Aged<String, Vec<IpAddr>>,
    kept: HashMap<String, Kept>,
    files: HashMap<PathBuf, File>,
}

/// What an ignore file says.
#[derive(Debug, Default)]
pub struct Words {
    /// Its addresses and networks.
    pub ranges: Ranges,
    /// All other words: host names, and names that a filter may give as an identity.
    pub others: HashSet<String>,
}

/// A name that is looked up again and again.
#[derive(Debug, Default)]
struct Kept {
    /// What it meant last; none: it was never answered.
    addresses: Vec<IpAddr>,
    asked: Option<Timestamp>,
    /// The last look-up gave nothing.
    failing: bool,
}

#[derive(Debug)]
struct File {
    read: Timestamp,
    readable: bool,
    source: Vec<String>,
    words: Words,
}

impl Default for Answers {
    fn default() -> Answers {
        Answers { names: Aged::new(MAX_NAMES, NAME_LIFE), kept: HashMap::new(), files: HashMap::new() }
    }
}

impl Answers {
    /// The addresses of a name; none if it has none. `None`: has to be asked.
    pub fn name(&self, name: &str, now: Timestamp) -> Option<&[IpAddr]> {
        match self.last(name) {
            [] => self.names.get(name, now).map(Vec::as_slice),
            addresses => Some(addresses),
        }
    }

    /// What a name that is kept meant last.
    pub fn last(&self, name: &str) -> &[IpAddr] {
        self.kept.get(name).map_or(&[], |kept| &kept.addresses)
    }

    /// Keeps the answers of these names, and of no others.
    pub fn keep(&mut self, names: &BTreeSet<&str>) {
        self.kept.retain(|name, _| names.contains(name.as_str()));
        for name in names.iter().take(MAX_NAMES) {
            if !self.kept.contains_key(*name) {
                self.kept.insert((*name).to_owned(), Kept::default());
            }
        }
    }

    /// Names that are to be looked up now; they count as asked.
    pub fn due(&mut self, now: Timestamp) -> Vec<String> {
        let mut due = Vec::new();
        for (name, kept) in &mut self.kept {
            let pause = if kept.failing { ERROR_LIFE } else { NAME_LIFE };
            if kept.asked.is_none_or(|asked| now < asked || now >= asked + pause) {
                kept.asked = Some(now);
                due.push(name.clone());
            }
        }
        due.sort();
        due
    }

    /// Everything is to be found out anew; until then, what names meant last holds.
    pub fn doubt(&mut self) {
        let kept = std::mem::take(&mut self.kept);
        *self = Answers { kept, ..Answers::default() };
        self.kept.values_mut().for_each(|kept| kept.asked = None);
    }

    /// Whether an answer tells something that the last one did not.
    pub fn is_news(&self, question: &Question, answer: &Answer) -> bool {
        match (question, answer) {
            (Question::Resolve(name), Answer::Addresses(found)) => {
                let gives = found.as_ref().is_ok_and(|found| !found.is_empty());
                self.kept.get(name).is_none_or(|kept| gives || !kept.failing)
            }
            _ => true,
        }
    }

    /// The words of a file as it was at `since` or later; empty if it could not be read. `None`: has to be asked.
    pub fn file(&self, path: &Path, since: Timestamp) -> Option<&Words> {
        let file = self.files.get(path)?;
        let since = if file.readable { since } else { since - ERROR_LIFE };
        (file.read >= since).then_some(&file.words)
    }

    /// Remembers an answer, unless it is a program's.
    pub fn learn(&mut self, question: &Question, answer: &Answer, now: Timestamp) {
        match (question, answer) {
            (Question::Resolve(name), Answer::Addresses(found)) => {
                let mut addresses = found.clone().unwrap_or_default();
                addresses.truncate(MAX_ADDRESSES);
                if let Some(kept) = self.kept.get_mut(name) {
                    kept.failing = addresses.is_empty();
                    if !kept.failing {
                        kept.addresses.clone_from(&addresses);
                    }
                }
                self.names.put(name.clone(), addresses, now);
            }
            (Question::Words(path), Answer::Words(found)) => self.learn_words(path, found.as_deref().ok(), now),
            // A worker that mixes up its answers is as good as one that found nothing.
            (Question::Resolve(name), _) => self.names.put(name.clone(), Vec::new(), now),
            (Question::Words(path), _) => self.learn_words(path, None, now),
            (Question::Run { .. }, _) => {}
        }
    }

    fn learn_words(&mut self, path: &Path, found: Option<&[String]>, now: Timestamp) {
        let source = found.unwrap_or_default();
        if let Some(file) = self.files.get_mut(path)
            && file.source == source
        {
            (file.read, file.readable) = (now, found.is_some());
            return;
        }
        let (addresses, others): (Vec<Id>, Vec<Id>) =
            source.iter().map(|w| Id::parse(w)).partition(|id| id.as_net().is_some());
        let words =
            Words { ranges: addresses.iter().collect(), others: others.iter().map(ToString::to_string).collect() };
        let file = File { read: now, readable: found.is_some(), source: source.to_vec(), words };
        self.files.insert(path.to_owned(), file);
    }
}

/// Names remembered at most.
const MAX_NAMES: usize = 1000;

/// Addresses of one name that count; whoever owns the name chooses how many it has.
const MAX_ADDRESSES: usize = 64;

const NAME_LIFE: Span = Span::from_secs(300);

/// How much longer a file that could not be read is left alone.
const ERROR_LIFE: Span = Span::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_secs(secs)
    }

    #[test]
    fn names_hold_for_five_minutes_even_without_addresses() {
        let mut answers = Answers::default();
        let question = Question::Resolve("pbx.example".into());
        assert_eq!(answers.name("pbx.example", at(0)), None);
        answers.learn(&question, &Answer::Addresses(Err("no such name".into())), at(0));
        assert_eq!(answers.name("pbx.example", at(299)), Some(&[][..]));
        assert_eq!(answers.name("pbx.example", at(300)), None);
    }

    #[test]
    fn what_a_kept_name_meant_last_holds_until_there_is_another_answer() {
        let mut answers = Answers::default();
        let question = Question::Resolve("sip.example".into());
        let good = |n: u8| Answer::Addresses(Ok(vec![IpAddr::from([192, 0, 2, n])]));
        answers.keep(&BTreeSet::from(["sip.example"]));
        assert_eq!((answers.due(at(0)), answers.due(at(1))), (vec!["sip.example".to_owned()], vec![]));
        answers.learn(&question, &good(1), at(0));
        assert!(answers.due(at(299)).is_empty() && answers.due(at(300)).len() == 1);
        let bad = Answer::Addresses(Err("the server is down".into()));
        assert!(answers.is_news(&question, &bad));
        answers.learn(&question, &bad, at(300));
        assert!(!answers.is_news(&question, &bad), "it is said once");
        assert_eq!(answers.name("sip.example", at(9000)), Some(&[IpAddr::from([192, 0, 2, 1])][..]));
        assert_eq!(answers.due(at(360)).len(), 1, "after a failure it is asked sooner");
        answers.doubt();
        assert_eq!((answers.last("sip.example").len(), answers.due(at(361)).len()), (1, 1));
        answers.learn(&question, &good(2), at(361));
        assert_eq!(answers.last("sip.example"), [IpAddr::from([192, 0, 2, 2])]);
        answers.keep(&BTreeSet::new());
        assert_eq!(answers.last("sip.example").len(), 0);
    }

    #[test]
    fn a_file_is_split_into_addresses_and_other_words() {
        let mut answers = Answers::default();
        let path = PathBuf::from("/friends");
        let words = ["192.0.2.0/24", "2001:db8::1", "pbx.example", "bob"].map(str::to_owned).to_vec();
        answers.learn(&Question::Words(path.clone()), &Answer::Words(Ok(words)), at(10));
        let words = answers.file(&path, at(9)).expect("it was read");
        assert!(words.ranges.touches(&Id::parse("192.0.2.7")));
        assert!(words.others.contains("bob") && words.others.contains("pbx.example"));
        assert!(answers.file(&path, at(11)).is_none());
    }

    #[test]
    fn a_file_that_cannot_be_read_is_left_alone_for_a_minute() {
        let mut answers = Answers::default();
        let path = PathBuf::from("/friends");
        answers.learn(&Question::Words(path.clone()), &Answer::Words(Err("gone".into())), at(10));
        assert!(answers.file(&path, at(70)).is_some());
        assert!(answers.file(&path, at(71)).is_none());
    }
}
