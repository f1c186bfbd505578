//! What a filter does with one line, step by step, in fail2ban's order: date, early ignoreregex, prefregex, failregex,
//! ignoreregex, groups of several lines, identity.

use std::borrow::Cow;

use super::failregex::{Groups, Identity, identify};
use super::notes::Note;
use super::pyregex::{Pattern, TooCostly};
use super::when::Place;
use super::{Filter, Moment, Verdict};
use crate::text::printable;
use crate::ticket::{Failure, Who};
use crate::time::Timestamp;

/// A failregex that matched, with all that is known then.
#[derive(Clone, Debug, PartialEq)]
pub struct Hit {
    /// Which failregex, from 0.
    pub regex: usize,
    /// Whom it means; `None` for nobody, or text that is no address.
    pub who: Option<Who>,
    /// When; `None` only in tools.
    pub time: Option<Timestamp>,
    /// It only helps other lines.
    pub nofail: bool,
    /// All groups by name.
    pub groups: Groups,
    /// Distinct users of a session.
    pub users: Vec<String>,
    /// The lines that matched.
    pub matches: Vec<String>,
}

impl Hit {
    /// The failure that it proves, if it proves one.
    pub fn failure(self) -> Option<Failure> {
        let (Some(who), Some(time), false) = (self.who, self.time, self.nofail) else { return None };
        let mut groups = self.groups;
        let host = ["ip4", "ip6"].iter().filter_map(|name| groups.get(*name)).find(|t| !t.is_empty()).cloned();
        groups.retain(|name, _| !WHO.contains(&name.as_str()) && !name.starts_with("skiplines"));
        if let (Who::Id(id), Some(host)) = (&who, host)
            && id.ip().is_none_or(|ip| host.parse() != Ok(ip))
            && id.as_net().is_none_or(|net| net.prefix_len() == net.max_prefix_len())
        {
            groups.insert("ip".into(), host);
        }
        let tries = groups.get("tries").and_then(|n| n.parse::<u32>().ok());
        Some(Failure { who, time, count: tries.unwrap_or(1).clamp(1, MANY), matches: self.matches, groups })
    }
}

impl Filter {
    /// Looks at one line and adds every match to `out`, also those that prove nothing. With `written` the source knows
    /// the time (a journal): then no date is looked for.
    pub fn hits(
        &mut self,
        line: &[u8],
        written: Option<Timestamp>,
        moment: &Moment<'_>,
        out: &mut Vec<Hit>,
    ) -> Verdict {
        let text = self.decoder.decode(line);
        if matches!(text, Cow::Owned(_)) && text.contains('\u{fffd}') {
            self.notes.daily(Note::Undecodable, moment.now, || {
                "a line holds bytes that are no text in this encoding, perhaps `logencoding` is wrong".into()
            });
        }
        let place = match written {
            Some(time) => self.clock.place_at(time, moment, self.checked, &mut self.notes),
            None => self.clock.place(&text, moment, self.checked, self.decoder, &mut self.notes),
        };
        let (time, cut) = match place {
            Place::TooOld => return Verdict::Dropped,
            Place::At(time, cut) => (Some(time), cut),
            Place::Unknown(cut) => (None, cut),
        };
        let mut haystack = String::with_capacity(text.len() + 1);
        haystack.push_str(text.get(..cut.start).unwrap_or(&text));
        haystack.push_str(text.get(cut.end..).unwrap_or_default());
        haystack.push('\n');
        if let Some(window) = &mut self.window {
            window.push(&text, &haystack);
            haystack = window.text();
        }
        self.search(&text, haystack, time, moment, out)
    }

    fn search(
        &mut self,
        line: &str,
        mut haystack: String,
        time: Option<Timestamp>,
        moment: &Moment<'_>,
        out: &mut Vec<Hit>,
    ) -> Verdict {
        let mut costly = Costly { count: &mut self.limits, first: None };
        if self.rules.ignores_early()
            && let Some(number) = ignored(&self.rules.ignore, &haystack, &mut costly)
        {
            self.ignore_hits[number] += 1;
            return Verdict::Ignored(number);
        }
        let mut common = Groups::new();
        if let Some(prefix) = &self.rules.prefix {
            let Some(groups) = costly.settle(prefix.search(&haystack)).map(|found| prefix.groups(&found, &haystack))
            else {
                costly.note(&mut self.notes, moment);
                return Verdict::Missed;
            };
            self.prefix_hits += 1;
            common = groups;
            if let Some(content) = common.shift_remove("content").filter(|c| !c.is_empty()) {
                haystack = content + "\n";
                if let Some(window) = &mut self.window {
                    window.replace(&haystack);
                }
            }
        }
        let mut verdict = Verdict::Missed;
        for (number, regex) in self.rules.fail.iter().enumerate() {
            let Some(found) = costly.settle(regex.search(&haystack)) else { continue };
            let (lines, searched) = match &mut self.window {
                Some(window) => window.take(&found.whole, &regex.skipped(&found)),
                None => (vec![line.to_owned()], String::new()),
            };
            let searched = if self.window.is_some() { &searched } else { &haystack };
            let mut better = |new: Verdict| {
                if !matches!(verdict, Verdict::Matched(_)) {
                    verdict = new;
                }
            };
            if let Some(ignore) = ignored(&self.rules.ignore, searched, &mut costly) {
                self.ignore_hits[ignore] += 1;
                better(Verdict::Ignored(ignore));
            } else if self.checked && time.is_none() {
                self.notes.daily(Note::Undated, moment.now, || {
                    format!(
                        "a match without a date does not count, perhaps `datepattern` is wrong: {}",
                        printable(line)
                    )
                });
                better(Verdict::Dropped);
            } else {
                let mut groups = common.clone();
                groups.extend(regex.groups(&found, &haystack));
                let joined = self.sessions.join(groups, lines, moment.now);
                let who = match identify(&joined.groups, self.rules.usedns) {
                    Identity::Known(who) => Some(who),
                    Identity::Nobody => None,
                    Identity::Invalid(text) => {
                        self.notes.debug(|| format!("`{}` is no address, so nobody failed", printable(&text)));
                        None
                    }
                };
                better(if joined.nofail { Verdict::Ignored(number) } else { Verdict::Matched(number) });
                let time = if self.checked { time.map(|t| t.min(moment.now)) } else { time };
                out.push(Hit {
                    regex: number,
                    who,
                    time,
                    nofail: joined.nofail,
                    groups: joined.groups,
                    users: joined.users,
                    matches: joined.matches,
                });
            }
            if !self.tries_all || self.window.is_some() {
                break;
            }
        }
        costly.note(&mut self.notes, moment);
        verdict
    }
}

fn ignored(patterns: &[Pattern], text: &str, costly: &mut Costly<'_>) -> Option<usize> {
    patterns.iter().position(|p| costly.settle(p.is_match(text).map(|m| m.then_some(()))).is_some())
}

/// Counts searches that were given up.
struct Costly<'a> {
    count: &'a mut u64,
    first: Option<()>,
}

impl Costly<'_> {
    fn settle<T>(&mut self, found: Result<Option<T>, TooCostly>) -> Option<T> {
        found.unwrap_or_else(|TooCostly| {
            *self.count += 1;
            self.first = Some(());
            None
        })
    }

    fn note(self, notes: &mut super::notes::Notes, moment: &Moment<'_>) {
        if self.first.is_some() {
            notes.daily(Note::TooCostly, moment.now, || {
                "a regex was given up on a line because it would have taken too long; the line did not match".into()
            });
        }
    }
}

/// Groups that are part of [`Who`] or of the machinery.
const WHO: [&str; 6] = ["ip4", "ip6", "dns", "fid", "cidr", "content"];
/// Tries that one line may stand for.
const MANY: u32 = 100;
