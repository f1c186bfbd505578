//! From a failure to a ban: whose it is, whether it counts, and whether it is one too many.

use std::sync::Arc;

use super::banning::Placed;
use super::trusting::limit;
use super::{Engine, Parked, Request, Waiting, acting, records};
use crate::addr::Id;
use crate::config::UseDns;
use crate::jail::ignore::{Case, Judgement};
use crate::jail::{Answer, Question, bantime};
use crate::record::Level;
use crate::ticket::{Failure, Sign, Ticket, Who};
use crate::time::{Span, Timestamp};

/// A question with its answer.
type Told<'a> = Option<(&'a Question, &'a Answer)>;

impl Engine {
    /// Takes in what filters found.
    pub(super) fn hear_all(&mut self, found: &[(Arc<str>, Failure)], now: Timestamp, out: &mut Vec<Request>) {
        let mut last: Option<(&Arc<str>, usize)> = None;
        for (name, failure) in found {
            if failure.sign != Sign::Failed {
                self.told(name, failure, out);
                continue;
            }
            // Most are of the jail of the one before, whose name other threads have in hand: it is not even read.
            let at = match last.filter(|(known, _)| Arc::ptr_eq(known, name)) {
                Some((_, at)) => at,
                None => match self.jails.get_index_of(name) {
                    Some(at) => at,
                    None => continue,
                },
            };
            last = Some((name, at));
            match failure.who {
                Who::Id(_) if self.parking.is_idle() => self.judge((at, name), failure, now, None, now, out),
                _ => {
                    let what = Waiting::Failure(failure.clone());
                    self.arrive(Parked { jail: name.clone(), what, arrived: now }, None, now, out);
                }
            }
        }
    }

    /// Takes in something that is new, or that has waited for `told`.
    pub(super) fn arrive(&mut self, parked: Parked, told: Told<'_>, now: Timestamp, out: &mut Vec<Request>) {
        match self.parking.follow(parked) {
            Ok(None) => {}
            Ok(Some(Parked { jail, what, arrived })) => match what {
                Waiting::Failure(Failure { who: Who::Name(_), .. }) => {
                    self.resolve(jail, what, arrived, told, now, out)
                }
                Waiting::Failure(failure) => {
                    let Some(at) = self.jails.get_index_of(&jail) else { return };
                    self.judge((at, &jail), &failure, arrived, told, now, out);
                }
                Waiting::Restored(ids) => self.judge_restored(jail, ids, arrived, now, out),
            },
            Err((jail, question)) => self.no_room(jail, &question, now, out),
        }
    }

    /// A worker answers.
    pub(super) fn answered(&mut self, token: u64, answer: &Answer, now: Timestamp, out: &mut Vec<Request>) {
        let Some((question, queue)) = self.parking.close(token) else { return };
        if self.answers.is_news(&question, answer) {
            out.extend(complaint(&question, answer).map(Request::Log));
        }
        self.answers.learn(&question, answer, now);
        if let Question::Resolve(name) = &question {
            self.rename_protected(name, now, out);
        }
        for parked in queue {
            self.arrive(parked, Some((&question, answer)), now, out);
        }
    }

    /// Answers in place of workers that never did, so that nobody waits for ever.
    pub(super) fn give_up_waiting(&mut self, now: Timestamp, out: &mut Vec<Request>) {
        for (token, question) in self.parking.overdue(now) {
            self.answered(token, &question.unanswered("nobody answered"), now, out);
        }
    }

    /// Lifts restored bans whose identity is ignored after all; `ignorecommand` is not asked about them.
    pub(super) fn judge_restored(
        &mut self,
        name: Arc<str>,
        ids: Vec<Id>,
        arrived: Timestamp,
        now: Timestamp,
        out: &mut Vec<Request>,
    ) {
        let Some(jail) = self.jails.get_mut(&name) else { return };
        let mut unknown = Vec::new();
        let mut questions = Vec::new();
        for id in ids.into_iter().filter(|id| jail.bans.get(id).is_some()).collect::<Vec<_>>() {
            let case = Case { jail: &name, id: &id, failure: None, arrived, ran: None };
            match jail.ignore.judge(&case, &self.own, &self.answers, now) {
                Judgement::Count => {}
                Judgement::Ignore(rule) => {
                    out.push(Request::Log(records::ignored(&name, &id, &rule)));
                    jail.bans.remove(&id);
                    self.guard.unban(&name, jail, &id, now, out);
                    acting::unban(&name, jail, &id, out);
                }
                Judgement::Ask(asked) => {
                    questions = asked;
                    unknown.push(id);
                }
            }
        }
        if !unknown.is_empty() {
            let parked = Parked { jail: name, what: Waiting::Restored(unknown), arrived };
            self.park(parked, questions, now, out);
        }
    }

    /// A host name stands where an address should: one failure for each of its addresses.
    fn resolve(
        &mut self,
        name: Arc<str>,
        what: Waiting,
        arrived: Timestamp,
        told: Told<'_>,
        now: Timestamp,
        out: &mut Vec<Request>,
    ) {
        let Waiting::Failure(failure) = what else { return };
        let Who::Name(host) = &failure.who else { return };
        let Some(jail) = self.jails.get(&name) else { return };
        let warn = jail.settings.usedns == UseDns::Warn;
        let Some(addresses) = self.answers.name(host, now).map(<[_]>::to_vec) else {
            let question = Question::Resolve(host.clone());
            let parked = Parked { jail: name, what: Waiting::Failure(failure), arrived };
            return self.park(parked, vec![question], now, out);
        };
        if warn && !addresses.is_empty() {
            out.push(Request::Log(records::resolved(host, &addresses)));
        }
        for ip in addresses {
            let failure = Failure { who: Who::Id(Id::from(ip)), ..failure.clone() };
            let parked = Parked { jail: name.clone(), what: Waiting::Failure(failure), arrived };
            self.arrive(parked, told, now, out);
        }
    }

    fn judge(
        &mut self,
        (at, name): (usize, &Arc<str>),
        failure: &Failure,
        arrived: Timestamp,
        told: Told<'_>,
        now: Timestamp,
        out: &mut Vec<Request>,
    ) {
        let Some((_, jail)) = self.jails.get_index_mut(at) else { return };
        let Who::Id(id) = &failure.who else { return };
        let case = Case { jail: name, id, failure: Some(failure), arrived, ran: told };
        match jail.ignore.judge(&case, &self.own, &self.answers, now) {
            Judgement::Count if !jail.is_new(failure, now) => {}
            Judgement::Count => self.count((at, name), id, failure, now, out),
            Judgement::Ignore(rule) => out.push(Request::Log(records::ignored(name, id, &rule))),
            Judgement::Ask(questions) => {
                let parked = Parked { jail: name.clone(), what: Waiting::Failure(failure.clone()), arrived };
                self.park(parked, questions, now, out);
            }
        }
    }

    fn count(
        &mut self,
        (at, name): (usize, &Arc<str>),
        id: &Id,
        failure: &Failure,
        now: Timestamp,
        out: &mut Vec<Request>,
    ) {
        let Some((_, jail)) = self.jails.get_index(at) else { return };
        // Who is counted as a network has his accounts and his trust as one.
        let liable = jail.liable(id.clone(), &self.own, &self.answers, &self.protected, now);
        if self.is_spared(at, &liable, failure, out) {
            return;
        }
        let Some((_, jail)) = self.jails.get_index_mut(at) else { return };
        let Some(tries) = jail.counted(&liable, failure, &self.key.0) else { return };
        if self.hears <= Level::Info {
            out.push(Request::Log(records::found(name, id, failure.time, &self.zone)));
        }
        self.tally((at, name), &liable, failure, tries, now, out);
    }

    /// Adds a failure, as so many tries of `id`, to its counter in the jail at this place, and bans where that is one too
    /// many.
    pub(super) fn tally(
        &mut self,
        (at, name): (usize, &Arc<str>),
        id: &Id,
        failure: &Failure,
        mut tries: u32,
        now: Timestamp,
        out: &mut Vec<Request>,
    ) {
        let Some((_, jail)) = self.jails.get_index_mut(at) else { return };
        let time = failure.time;
        let lenient = limit(&self.trusted, jail, id, time);
        let maxretry = lenient.unwrap_or(jail.settings.maxretry);
        if lenient.is_some() && failure.groups.get("user").is_some() {
            // "After 5 tries" of one account is one account.
            tries = 1;
        }
        jail.failures.clean(now);
        let spread = jail.numbers.dialled(&jail.settings.spread, id, failure);
        let mut retry = jail.failures.add(id, failure, tries);
        if jail.settings.increment.enabled
            && lenient.is_none()
            && let Some(row) = self.history.get(id, name)
            && time > row.time
        {
            let (weight, shown) = bantime::weight(row.bancount, maxretry);
            let record = records::found_bad(name, id, time, row.bancount, &shown, weight >= maxretry, &self.zone);
            out.push(Request::Log(record));
            if retry < maxretry {
                retry = jail.failures.raise(id, weight - 1);
            }
        }
        if let Some((number, mut ids)) = spread {
            let spared = |id: &Id| limit(&self.trusted, jail, id, time).is_some();
            ids.retain(|id| jail.ignore.at_once(id, &self.own).is_none() && !spared(id));
            out.push(Request::Log(records::spread(name, number, ids.len(), &jail.settings.spread)));
            // What others did is judged now, so their bans count from now.
            ids.iter().for_each(|id| self.sentence(name, id, Some(time), now, out));
        }
        if retry >= maxretry {
            if lenient.is_some() {
                self.end_trust(name, id, retry, out);
            }
            self.sentence(name, id, None, now, out);
        }
    }

    /// Bans somebody whose failures are too many, from `since` or his last one on.
    fn sentence(&mut self, name: &Arc<str>, id: &Id, since: Option<Timestamp>, now: Timestamp, out: &mut Vec<Request>) {
        let Some(jail) = self.jails.get_mut(name) else { return };
        let Some(sentence) = jail.failures.take(id) else { return };
        jail.accounts.forget(id);
        let id = id.clone();
        let (time, failures) = (since.unwrap_or(sentence.last()), sentence.failures());
        // Of somebody who is banned until then anyway, nobody reads the story.
        let told = jail.bans.get(&id).is_none_or(|ban| jail.bans.prolongs(ban, time, None));
        let (groups, matches) = if told { sentence.story() } else { Default::default() };
        let ticket = Ticket { id, time, bantime: None, bancount: 1, failures, matches, groups, restored: false };
        let _: Placed = self.place(name, ticket, now, out);
    }

    fn park(&mut self, parked: Parked, questions: Vec<Question>, now: Timestamp, out: &mut Vec<Request>) {
        if let Err((jail, question)) = self.parking.park(parked, questions, now, out) {
            self.no_room(jail, &question, now, out);
        }
    }

    fn no_room(&mut self, jail: Arc<str>, question: &Question, now: Timestamp, out: &mut Vec<Request>) {
        if self.drop_said.is_none_or(|last| now < last || now >= last + Span::from_secs(60)) {
            self.drop_said = Some(now);
            let about = match question {
                Question::Resolve(name) => format!("the addresses of `{name}`"),
                Question::Run { .. } => "ignorecommand".to_owned(),
                Question::Words(path) => format!("the file `{}`", path.display()),
            };
            let text = format!("[{jail}] too many failures wait for {about}: further ones are not counted");
            out.push(Request::Log(crate::record::Record::new(Level::Warning, "filter", text)));
        }
        *self.dropped.entry(jail).or_default() += 1;
    }
}

/// What an operator should know of an answer.
fn complaint(question: &Question, answer: &Answer) -> Option<crate::record::Record> {
    use crate::record::Record;
    match (question, answer) {
        (Question::Resolve(name), Answer::Addresses(Err(why))) => Some(records::unresolved(name, why)),
        (Question::Resolve(name), Answer::Addresses(Ok(found))) if found.is_empty() => {
            Some(records::unresolved(name, "it has none"))
        }
        (Question::Words(path), Answer::Words(Err(why))) => {
            let text = format!("cannot read `{}` of ignoreip: {why}; nobody is ignored by it", path.display());
            Some(Record::new(Level::Warning, "filter", text))
        }
        (Question::Run { script, .. }, Answer::Exit(Ok(code))) if !matches!(code, 0 | 1) => {
            let text =
                format!("ignorecommand ended with {code}, which is neither 0 nor 1, and ignores nobody: {script}");
            Some(Record::new(Level::Error, "filter", text))
        }
        (Question::Run { script, .. }, Answer::Exit(Err(why))) => {
            Some(Record::new(Level::Error, "filter", format!("ignorecommand ignores nobody: {why}: {script}")))
        }
        _ => None,
    }
}
