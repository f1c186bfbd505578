//! One jail at work on the lines that are to be explained.

use std::net::IpAddr;

use jiff::tz::TimeZone;

use super::report::{By, Clock, Counted, Date, Ignored, Nearest, Outcome, Prefilter, Rule, Standing, Told};
use crate::addr::Id;
use crate::config::{IgnoreItem, JailSettings, Spanned};
use crate::daemon::workers;
use crate::engine::{Answer, Question};
use crate::filter::date::DateValue;
use crate::filter::near::Tracks;
use crate::filter::{Filter, Hit, Moment, Reason, Scan, Trace, Verdict};
use crate::jail::answers::Answers;
use crate::jail::ignore::{self, Case, Ignore, Judgement};
use crate::jail::{Jail, Key, Protected};
use crate::line::Unwrap;
use crate::source::unwrap::unwrap;
use crate::ticket::{Failure, Sign, Who};
use crate::time::{Bantime, Timestamp};

/// A jail, its filter and its counters.
pub struct Judge<'a> {
    jail: &'a JailSettings,
    filter: Filter,
    tracks: Tracks,
    scan: Scan,
    counts: Jail,
    own: &'a [IpAddr],
    zone: &'a TimeZone,
}

impl<'a> Judge<'a> {
    /// With nobody counted yet; `own` are this host's addresses.
    pub fn new(jail: &'a JailSettings, filter: Filter, own: &'a [IpAddr], zone: &'a TimeZone) -> Judge<'a> {
        let filter = filter.for_tools(false);
        Judge {
            tracks: filter.tracks(),
            scan: Scan::new(&[&filter], &[jail.unwrap != Unwrap::None]),
            counts: Jail::new(jail.clone()),
            jail,
            filter,
            own,
            zone,
        }
    }

    /// What the jail makes of a line.
    pub fn explain(&mut self, line: &[u8], now: Timestamp) -> Told {
        let unwrapped = unwrap(self.jail.unwrap, line);
        let moment = Moment { now, findtime: self.jail.findtime, live: false, time: unwrapped.time, before: &[] };
        let mut text = &*unwrapped.text;
        let mut written = None;
        if self.jail.journal.is_some() {
            // A line of the journal comes without its date; one that was copied from `journalctl` has it in front.
            let (time, end) = self.filter.leading_date(text, now).unwrap_or((now, 0));
            (written, text) = (Some(time), text[end..].trim_ascii_start());
        }
        // In the middle of a record every line is looked at.
        let torn = self.filter.is_torn();
        let trace = self.filter.trace(&self.tracks, text, written, &moment);
        let (date, time) = self.date(&trace, written, unwrapped.time, now);
        let settings = &self.jail.filter;
        let rule = |rules: &[Spanned], number: Option<usize>| Some(Rule::of(rules, number?));
        let nearest = trace.near.clone().map(|near| Nearest {
            of: if near.regex.is_some() { "failregex" } else { "prefregex" },
            rule: match near.regex {
                Some(number) => Rule::of(&settings.failregex, number),
                None => Rule::of(settings.prefregex.as_slice(), 0),
            },
            near,
        });
        // Behind the failregexes come the others.
        let failures = settings.failregex.len();
        let hit = trace.hit.as_ref();
        let sign = |sign, before| hit.filter(|hit| hit.sign == sign).map(|hit| hit.regex - before);
        let mut told = Told {
            jail: self.jail.name.clone(),
            outcome: Outcome::Missed,
            unwrapped: (text != line).then(|| String::from_utf8_lossy(text).into_owned()),
            date,
            prefilter: self.prefilter(line, torn),
            prefregex: trace.prefix,
            content: trace.content.clone(),
            failregex: rule(&settings.failregex, trace.failregex.filter(|number| *number < failures)),
            trustregex: rule(&settings.signs.trust, sign(Sign::LoggedIn, failures)),
            restartregex: rule(&settings.signs.restart, sign(Sign::Restarted, failures + settings.signs.trust.len())),
            groups: trace.groups.clone(),
            ignored: None,
            who: None,
            would_ask: Vec::new(),
            counted: None,
            gave_up: trace.gave_up,
            nearest,
            maxretry: self.jail.maxretry,
            findtime: self.jail.findtime.secs(),
            bantime: match self.jail.bantime {
                Bantime::Forever => None,
                Bantime::For(span) => Some(span.secs()),
            },
            trusttime: self.jail.trust.map(|trust| trust.time.secs()),
        };
        if let Some(rule) = rule(&settings.ignoreregex, trace.ignoreregex) {
            told.outcome = Outcome::Ignored;
            told.ignored = Some(Ignored { by: By::Ignoreregex, what: rule.text, place: rule.place });
        } else if let Some(hit) = trace.hit {
            self.hit(hit, time, now, &mut told);
        } else if trace.gave_up > 0 && trace.verdict == Verdict::Missed {
            told.outcome = Outcome::GaveUp;
        }
        told
    }

    fn prefilter(&self, line: &[u8], torn: bool) -> Prefilter {
        match self.scan.reason(line, 0) {
            Some(Reason::EveryLine) => Prefilter { candidate: true, literal: None, every_line: true },
            Some(Reason::Escape) => Prefilter { candidate: true, literal: None, every_line: false },
            Some(Reason::Literal(range)) => {
                let literal = line.get(range).map(|text| String::from_utf8_lossy(text).into_owned());
                Prefilter { candidate: true, literal, every_line: false }
            }
            None => Prefilter { candidate: torn, literal: None, every_line: false },
        }
    }

    /// The date as it is told, and the moment at which a failure is counted here.
    fn date(
        &self,
        trace: &Trace,
        journal: Option<Timestamp>,
        wrapper: Option<Timestamp>,
        now: Timestamp,
    ) -> (Date, Timestamp) {
        let dated = trace.date.as_ref();
        let (known, by) = match dated.map(|dated| dated.value) {
            _ if journal.is_some() => (journal, Some(Clock::Journal)),
            Some(DateValue::At(time)) => (Some(time), Some(Clock::Line)),
            Some(DateValue::Empty) => (Some(now), Some(Clock::Line)),
            Some(DateValue::Unparsable) | None => (wrapper, wrapper.map(|_| Clock::Wrapper)),
        };
        let skewed = known.is_some_and(|time| ((time - now).0 / 1_000_000).abs() > 60);
        let old = known.is_some_and(|time| time < now - self.jail.findtime);
        let date = Date {
            text: dated.map(|dated| trace.text.get(dated.cut.clone()).unwrap_or_default().to_owned()),
            template: dated.map(|dated| dated.template.clone()),
            time: known.map(|time| time.rfc3339(self.zone)),
            unparsable: dated.is_some_and(|dated| dated.value == DateValue::Unparsable),
            by,
            followed: match known {
                None => Standing::BeforeOrNow,
                Some(_) if skewed => Standing::Now,
                Some(_) => Standing::Dated,
            },
            from_the_start: match known {
                None => Standing::BeforeOrNever,
                Some(_) if old => Standing::Never,
                Some(time) if time > now => Standing::Now,
                Some(_) => Standing::Dated,
            },
        };
        (date, known.unwrap_or(now).min(now))
    }

    /// A failregex matched: whom does it mean, and does it count?
    fn hit(&mut self, hit: Hit, time: Timestamp, now: Timestamp, told: &mut Told) {
        let invalid = hit.invalid.clone();
        told.outcome = match (&hit.who, invalid.is_some(), hit.nofail) {
            (_, _, true) => Outcome::Helps,
            (None, true, _) => Outcome::Invalid,
            (None, false, _) => Outcome::Pending,
            (Some(_), ..) => Outcome::Counted,
        };
        told.who = hit.who.as_ref().map(Who::to_string).or(invalid);
        match hit.sign {
            Sign::Failed => {}
            Sign::LoggedIn => return told.outcome = Outcome::Trusted,
            Sign::Restarted => return told.outcome = Outcome::Restarted,
        }
        let Some(failure) = Hit { time: Some(time), ..hit }.failure() else { return };
        match failure.who.clone() {
            Who::Name(name) => {
                told.outcome = Outcome::Named;
                told.would_ask.push(format!("the addresses of `{name}`"));
            }
            Who::Id(id) => match self.ignored(&id, &failure, now, &mut told.would_ask) {
                Some(ignored) => {
                    told.outcome = Outcome::Ignored;
                    told.ignored = Some(ignored);
                }
                None => {
                    let id = self.counts.liable(id, self.own, &Answers::default(), &Protected::default(), now);
                    told.who = Some(id.to_string());
                    // The hashes are nobody else's, so any key will do.
                    let Some(tries) = self.counts.counted(&id, &failure, &Key::default()) else {
                        told.outcome = Outcome::Uncounted;
                        return;
                    };
                    let failures = self.counts.failures.add(&id, &failure, tries);
                    let bans = failures >= self.jail.maxretry;
                    if bans {
                        self.counts.forgive(&id);
                        told.outcome = Outcome::Banned;
                    }
                    told.counted = Some(Counted { tries, failures, bans });
                }
            },
        }
    }

    /// Which rule ignores somebody; what would have to be asked first counts as "no" here.
    fn ignored(&self, id: &Id, failure: &Failure, now: Timestamp, would_ask: &mut Vec<String>) -> Option<Ignored> {
        let mut rules = Ignore::new(&self.jail.ignore);
        let mut known = Answers::default();
        let mut ran: Option<(Question, Answer)> = None;
        loop {
            let told = ran.as_ref().map(|(question, answer)| (question, answer));
            let case = Case { jail: &self.jail.name, id, failure: Some(failure), arrived: now, ran: told };
            let questions = match rules.judge(&case, self.own, &known, now) {
                Judgement::Count => return None,
                Judgement::Ignore(rule) => return Some(self.by(&rule, id)),
                Judgement::Ask(questions) => questions,
            };
            for question in questions {
                let answer = match &question {
                    Question::Words(path) => Answer::Words(workers::words(path)),
                    _ => question.unanswered("nobody is asked here"),
                };
                match &question {
                    Question::Words(_) => {}
                    Question::Resolve(name) => would_ask.push(format!("the addresses of `{name}` (ignoreip)")),
                    Question::Run { script, .. } => would_ask.push(format!("ignorecommand: {script}")),
                }
                match question {
                    Question::Run { .. } => ran = Some((question, answer)),
                    _ => known.learn(&question, &answer, now),
                }
            }
        }
    }

    fn by(&self, rule: &ignore::Rule, id: &Id) -> Ignored {
        let touches = |item: &&IgnoreItem| matches!(item, IgnoreItem::Net(net) if net.contains(id) || id.contains(net));
        let (by, what) = match rule {
            ignore::Rule::Myself => (By::Ignoreself, "an address of this host".to_owned()),
            ignore::Rule::Ip => {
                let item = self.jail.ignore.list.iter().find(touches);
                let what = item.map(|item| match item {
                    IgnoreItem::Net(net) => net.to_string(),
                    IgnoreItem::Name(name) => name.clone(),
                    IgnoreItem::File(path) => path.display().to_string(),
                });
                (By::Ignoreip, what.unwrap_or_default())
            }
            ignore::Rule::File(path) => (By::Ignoreip, format!("file:{}", path.display())),
            ignore::Rule::Dns => (By::Ignoreip, "a host name".to_owned()),
            ignore::Rule::Command => (By::Ignorecommand, self.jail.ignore.command.clone().unwrap_or_default()),
        };
        Ignored { by, what, place: None }
    }
}

impl Rule {
    fn of(rules: &[Spanned], number: usize) -> Rule {
        let rule = rules.get(number);
        let place = rule.map(|rule| rule.origin.to_string()).filter(|place| !place.is_empty());
        Rule { number: number + 1, text: rule.map(|rule| rule.text.clone()).unwrap_or_default(), place }
    }
}
