//! Who is never counted: `ignoreself`, `ignoreip`, `ignorecommand`, `ignorecache`.
//!
//! Cheap tests come first (own addresses, then addresses and networks in one sorted list), then the cache, then names
//! and files in the order written, the command last. So neither a name server nor the cache can take away what an
//! address in `ignoreip` gives. Unlike fail2ban's, a `file:` may stand anywhere in the list, and a network is ignored as
//! soon as a part of it is: a ban of it would hit an address that must never be banned.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

use crate::addr::Id;
use crate::config::{self, IgnoreItem};
use crate::jail::aged::Aged;
use crate::jail::answers::Answers;
use crate::jail::question::{Answer, Question};
use crate::jail::ranges::Ranges;
use crate::jail::tags::Subject;
use crate::ticket::Failure;
use crate::time::{Span, Timestamp};

/// A jail's ignore rules.
#[derive(Debug)]
pub struct Ignore {
    myself: bool,
    ranges: Ranges,
    slow: Vec<Slow>,
    command: Option<String>,
    cache: Option<Cache>,
}

/// What is asked: whether failures of this identity count.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    /// In which jail.
    pub jail: &'a str,
    /// Who.
    pub id: &'a Id,
    /// Its failure; without one (a ban that is restored) neither cache nor command is asked.
    pub failure: Option<&'a Failure>,
    /// When it came up: a file that was read since then is fresh enough.
    pub arrived: Timestamp,
    /// What a program answered, if one was asked because of this case.
    pub ran: Option<(&'a Question, &'a Answer)>,
}

/// The outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// It counts.
    Count,
    /// It does not, by this rule.
    Ignore(Rule),
    /// These have to be answered first; never empty.
    Ask(Vec<Question>),
}

/// Which rule ignores somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rule {
    /// `ignoreself`.
    Myself,
    /// An address or a network of `ignoreip`.
    Ip,
    /// A name of `ignoreip`.
    Dns,
    /// A file of `ignoreip`.
    File(PathBuf),
    /// `ignorecommand`.
    Command,
}

impl fmt::Display for Rule {
    /// As fail2ban's log has it, after `Ignore X by `.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Rule::Myself => f.write_str("ignoreself rule"),
            Rule::Ip => f.write_str("ip"),
            Rule::Dns => f.write_str("dns"),
            Rule::File(path) => write!(f, "file:{}", path.display()),
            Rule::Command => f.write_str("command"),
        }
    }
}

#[derive(Debug)]
enum Slow {
    Name(String),
    File(PathBuf),
}

#[derive(Debug)]
struct Cache {
    key: String,
    outcomes: Aged<String, Option<Rule>>,
}

impl Ignore {
    /// The rules as the settings say them.
    pub fn new(settings: &config::Ignore) -> Ignore {
        let nets = settings.list.iter().filter_map(|item| match item {
            IgnoreItem::Net(id) => Some(id),
            IgnoreItem::Name(_) | IgnoreItem::File(_) => None,
        });
        let slow = settings.list.iter().filter_map(|item| match item {
            IgnoreItem::Net(_) => None,
            IgnoreItem::Name(name) => Some(Slow::Name(name.clone())),
            IgnoreItem::File(path) => Some(Slow::File(path.clone())),
        });
        Ignore {
            myself: settings.myself,
            ranges: nets.collect(),
            slow: slow.collect(),
            command: settings.command.clone().filter(|c| !c.is_empty()),
            cache: settings
                .cache
                .as_ref()
                .map(|cache| Cache { key: cache.key.clone(), outcomes: Aged::new(cache.max_count, cache.max_time) }),
        }
    }

    /// What can be said at once: own addresses, addresses and networks.
    pub fn at_once(&self, id: &Id, own: &[IpAddr]) -> Option<Rule> {
        if self.myself && is_own(id, own) {
            return Some(Rule::Myself);
        }
        self.ranges.touches(id).then_some(Rule::Ip)
    }

    /// Whether a network holds somebody who is not counted, as far as is known: a file as it was last read, however long ago.
    pub fn spares(&self, jail: &str, net: &Id, own: &[IpAddr], known: &Answers, now: Timestamp) -> bool {
        let case = Case { jail, id: net, failure: None, arrived: Timestamp(i64::MIN), ran: None };
        is_own(net, own)
            || self.ranges.touches(net)
            || self.is_slow() && matches!(self.slowly(&case, known, now), Ok(Some(_)))
    }

    /// Whether names or files may ignore somebody whom [`Ignore::at_once`] does not.
    pub fn is_slow(&self) -> bool {
        !self.slow.is_empty()
    }

    /// Whether failures of somebody count, as far as `known` tells.
    pub fn judge(&mut self, case: &Case<'_>, own: &[IpAddr], known: &Answers, now: Timestamp) -> Judgement {
        if let Some(rule) = self.at_once(case.id, own) {
            return Judgement::Ignore(rule);
        }
        let subject = case.failure.map(|failure| Subject { jail: case.jail, id: case.id, failure });
        let key = match (&self.cache, &subject) {
            (Some(cache), Some(subject)) => Some(subject.plain(&cache.key)),
            _ => None,
        };
        if let (Some(cache), Some(key)) = (&self.cache, &key)
            && let Some(outcome) = cache.outcomes.get(key, now)
        {
            return outcome.clone().map_or(Judgement::Count, Judgement::Ignore);
        }
        let outcome = match self.slowly(case, known, now) {
            Ok(Some(rule)) => Some(rule),
            Ok(None) => match self.command_says(case, subject.as_ref()) {
                Ok(outcome) => outcome,
                Err(question) => return Judgement::Ask(vec![question]),
            },
            Err(questions) => return Judgement::Ask(questions),
        };
        if let (Some(cache), Some(key)) = (&mut self.cache, key) {
            cache.outcomes.put(key, outcome.clone(), now);
        }
        outcome.map_or(Judgement::Count, Judgement::Ignore)
    }

    /// Names and files; all that is not known yet is asked at the same time.
    fn slowly(&self, case: &Case<'_>, known: &Answers, now: Timestamp) -> Result<Option<Rule>, Vec<Question>> {
        let mut unknown = Vec::new();
        let since = case.arrived.min(now - FILE_LIFE);
        for slow in &self.slow {
            match slow {
                Slow::Name(name) => match name_holds(name, case.id, known, now) {
                    Some(true) => return Ok(Some(Rule::Dns)),
                    Some(false) => {}
                    None => unknown.push(Question::Resolve(name.clone())),
                },
                Slow::File(path) => {
                    let Some(words) = known.file(path, since) else {
                        unknown.push(Question::Words(path.clone()));
                        continue;
                    };
                    if words.ranges.touches(case.id) || words.others.contains(&*case.id.to_string()) {
                        return Ok(Some(Rule::File(path.clone())));
                    }
                    for name in words.others.iter().filter(|w| w.contains('.')) {
                        match name_holds(name, case.id, known, now) {
                            Some(true) => return Ok(Some(Rule::File(path.clone()))),
                            Some(false) => {}
                            None => unknown.push(Question::Resolve(name.clone())),
                        }
                    }
                }
            }
        }
        if unknown.is_empty() { Ok(None) } else { Err(unknown) }
    }

    fn command_says(&self, case: &Case<'_>, subject: Option<&Subject<'_>>) -> Result<Option<Rule>, Question> {
        let (Some(command), Some(subject)) = (&self.command, subject) else { return Ok(None) };
        let question = subject.script(command);
        match case.ran {
            Some((asked, answer)) if *asked == question => {
                Ok(matches!(answer, Answer::Exit(Ok(0))).then_some(Rule::Command))
            }
            _ => Err(question),
        }
    }
}

/// Whether `id` is, or holds, an address of this host or of loopback.
pub fn is_own(id: &Id, own: &[IpAddr]) -> bool {
    let Some(net) = id.as_net() else { return false };
    net.addr().is_loopback() || own.iter().any(|ip| net.contains(ip))
}

/// Whether a host name stands for `id`; `None`: has to be asked. A raw identity is no address, so nobody is asked.
fn name_holds(name: &str, id: &Id, known: &Answers, now: Timestamp) -> Option<bool> {
    let Some(net) = id.as_net() else { return Some(false) };
    Some(known.name(name, now)?.iter().any(|ip| net.contains(ip)))
}

/// How long the words of a file are taken as fresh.
const FILE_LIFE: Span = Span::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::IgnoreCache;
    use crate::ticket::{Named, Sign, Who};

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_secs(secs)
    }

    fn failure(id: &Id) -> Failure {
        let groups = Named::from([("user", "alice")]);
        Failure { who: Who::Id(id.clone()), time: at(0), count: 1, matches: Vec::new(), groups, sign: Sign::Failed }
    }

    fn judge(ignore: &mut Ignore, id: &str, known: &Answers, ran: Option<(&Question, &Answer)>) -> Judgement {
        let id = Id::parse(id);
        let failure = failure(&id);
        let case = Case { jail: "sip", id: &id, failure: Some(&failure), arrived: at(0), ran };
        ignore.judge(&case, &["203.0.113.9".parse().expect("an address")], known, at(0))
    }

    fn by_ip() -> Judgement {
        Judgement::Ignore(Rule::Ip)
    }

    #[test]
    fn addresses_networks_and_own_addresses_are_ignored_at_once() {
        let list = ["192.0.2.0/24", "198.51.100.7"].map(|t| IgnoreItem::Net(Id::parse(t))).to_vec();
        let mut ignore = Ignore::new(&config::Ignore { myself: true, list, ..Default::default() });
        let known = Answers::default();
        for (id, expected) in [
            ("192.0.2.200", by_ip()),
            ("198.51.100.7", by_ip()),
            ("198.51.100.0/24", by_ip()),
            ("198.51.100.8", Judgement::Count),
            ("203.0.113.9", Judgement::Ignore(Rule::Myself)),
            ("203.0.113.0/28", Judgement::Ignore(Rule::Myself)),
            ("127.0.0.1", Judgement::Ignore(Rule::Myself)),
            ("::1", Judgement::Ignore(Rule::Myself)),
            ("bob", Judgement::Count),
        ] {
            assert_eq!(judge(&mut ignore, id, &known, None), expected, "{id}");
        }
    }

    #[test]
    fn a_name_is_asked_for_and_a_file_may_stand_before_it() {
        let file = PathBuf::from("/friends");
        let list = vec![IgnoreItem::File(file.clone()), IgnoreItem::Name("pbx.example".into())];
        let mut ignore = Ignore::new(&config::Ignore { list, ..Default::default() });
        let mut known = Answers::default();
        let words = Question::Words(file.clone());
        let name = Question::Resolve("pbx.example".into());
        let asked = judge(&mut ignore, "192.0.2.1", &known, None);
        assert_eq!(asked, Judgement::Ask(vec![words.clone(), name.clone()]));
        known.learn(&words, &Answer::Words(Ok(vec!["192.0.2.0/28".into(), "bob".into()])), at(0));
        known.learn(&name, &Answer::Addresses(Ok(vec!["198.51.100.1".parse().expect("an address")])), at(0));
        assert_eq!(judge(&mut ignore, "192.0.2.1", &known, None), Judgement::Ignore(Rule::File(file.clone())));
        assert_eq!(judge(&mut ignore, "bob", &known, None), Judgement::Ignore(Rule::File(file)));
        assert_eq!(judge(&mut ignore, "198.51.100.1", &known, None), Judgement::Ignore(Rule::Dns));
        assert_eq!(judge(&mut ignore, "198.51.100.2", &known, None), Judgement::Count);
    }

    #[test]
    fn a_name_is_never_asked_for_the_sake_of_a_raw_identity() {
        let list = vec![IgnoreItem::Name("bob".into())];
        let mut ignore = Ignore::new(&config::Ignore { list, ..Default::default() });
        assert_eq!(judge(&mut ignore, "bob", &Answers::default(), None), Judgement::Count);
    }

    #[test]
    fn a_program_that_ends_with_zero_ignores() {
        let command = Some("is-friend <ip> <F-USER>".to_owned());
        let mut ignore = Ignore::new(&config::Ignore { command, ..Default::default() });
        let known = Answers::default();
        let Judgement::Ask(questions) = judge(&mut ignore, "192.0.2.1", &known, None) else { panic!("it asks") };
        for (exit, expected) in [
            (Ok(0), Judgement::Ignore(Rule::Command)),
            (Ok(1), Judgement::Count),
            (Ok(127), Judgement::Count),
            (Err("timed out".to_owned()), Judgement::Count),
        ] {
            let answer = Answer::Exit(exit);
            assert_eq!(judge(&mut ignore, "192.0.2.1", &known, Some((&questions[0], &answer))), expected);
        }
        let answer = Answer::Exit(Ok(0));
        let other = judge(&mut ignore, "192.0.2.2", &known, Some((&questions[0], &answer)));
        assert!(matches!(other, Judgement::Ask(_)), "another address has its own answer");
    }

    #[test]
    fn the_cache_spares_the_program_but_never_hides_ignoreip() {
        let mut settings = config::Ignore { command: Some("is-friend <F-USER>".into()), ..Default::default() };
        settings.list = vec![IgnoreItem::Net(Id::parse("192.0.2.7"))];
        settings.cache = Some(IgnoreCache { key: "<F-USER>".into(), max_count: 10, max_time: Span::from_secs(60) });
        let mut ignore = Ignore::new(&settings);
        let known = Answers::default();
        let Judgement::Ask(questions) = judge(&mut ignore, "192.0.2.1", &known, None) else { panic!("it asks") };
        let answer = Answer::Exit(Ok(1));
        assert_eq!(judge(&mut ignore, "192.0.2.1", &known, Some((&questions[0], &answer))), Judgement::Count);
        assert_eq!(judge(&mut ignore, "192.0.2.2", &known, None), Judgement::Count);
        assert_eq!(judge(&mut ignore, "192.0.2.7", &known, None), by_ip());
    }
}
