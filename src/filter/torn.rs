//! Records that a sender's line break cuts in two: `recordregex` and `recordroom`, which are ours.
//!
//! Where a server writes a sender's text as it came, a line break in it begins a line of its own, and that may look like
//! any other. So from a line that begins like a record with `<F-TEXT/>` and does not end like it, nothing is believed by
//! itself until a line that does: then all of them are judged as one line, with `\n` (two characters) for each break, as
//! they would stand in a log format that escapes it. Its true sender is counted once; what the lines between would have
//! proved is only told.
//!
//! A record that says how many bytes of a sender follow (`<F-BYTES>`) is judged by its first line; what follows it, so
//! far, is not (64 KiB at most).

mod kinds;

use std::collections::VecDeque;

use super::date::DateValue;
use super::failregex::{Groups, Identity, identify};
use super::haystack::Haystack;
use super::hits::Told;
use super::{Filter, Moment, Verdict};
use crate::config::UseDns;
use crate::text::printable;
use crate::ticket::Who;
use crate::time::{Span, Timestamp};
use kinds::groups;

pub use kinds::Records;

/// A record that has begun and not ended.
#[derive(Clone, Debug)]
pub struct Torn {
    so_far: SoFar,
    /// Whose it is, where its begin says so.
    sender: Option<Who>,
    /// Whom its lines blame, not all if there are many.
    blamed: Vec<Who>,
}

#[derive(Clone, Debug)]
enum SoFar {
    /// It waits for the end of this kind; so many bytes have come since its first line.
    Open(Box<Whole>, usize, usize),
    /// So many bytes of a sender are still to come.
    Bytes(usize),
}

/// What is judged when the end has come, or is not to come any more.
#[derive(Clone, Debug)]
struct Whole {
    /// As it is shown.
    shown: String,
    /// What the expressions see.
    text: String,
    /// The same of its first line alone.
    first: (usize, usize),
    time: Option<Timestamp>,
}

fn named(groups: &Groups, usedns: UseDns) -> Option<Who> {
    match identify(groups, usedns) {
        Identity::Known(who) => Some(who),
        Identity::Nobody | Identity::Invalid(_) => None,
    }
}

impl Filter {
    /// Whether records may have several lines.
    pub fn has_records(&self) -> bool {
        self.rules.records.is_some()
    }

    /// Whether a record has begun and not ended: then the next line of its log has to be looked at, whatever it holds.
    pub fn is_torn(&self) -> bool {
        self.torn.is_some()
    }

    /// The record that waits for its end, to be given back with the next lines of its log by [`Filter::go_on`].
    pub fn torn(&self) -> Option<&Torn> {
        self.torn.as_ref()
    }

    /// Goes on with a log at whose last line this was taken.
    pub fn go_on(&mut self, torn: Option<Torn>) {
        self.torn = torn;
    }

    /// Takes the next line of a torn record; `None`: it is none of it, or there is no such record.
    pub(super) fn next_piece(&mut self, line: &[u8], moment: &Moment<'_>, told: &mut Told<'_>) -> Option<Verdict> {
        let Torn { so_far, sender, mut blamed } = self.torn.take()?;
        let text = self.decoder.decode(line).into_owned();
        match so_far {
            SoFar::Bytes(left) => {
                self.blame(&text, moment, &mut blamed);
                match left.saturating_sub(line.len() + 1) {
                    0 => self.warn(sender.as_ref(), &blamed, false, moment.now),
                    left => self.torn = Some(Torn { so_far: SoFar::Bytes(left), sender, blamed }),
                }
                Some(Verdict::Missed)
            }
            SoFar::Open(mut whole, kind, passed) => {
                let records = self.rules.records.as_ref()?;
                let end = records.end(kind, &format!("{text}\n"));
                let passed = passed + line.len() + 1;
                if end.is_none() && passed > records.room {
                    // It never ended. What it began with may prove something all the same.
                    whole.shown.truncate(whole.first.0);
                    whole.text.truncate(whole.first.1);
                    self.whole(*whole, moment, told);
                    return None;
                }
                self.blame(&text, moment, &mut blamed);
                whole.add(&text);
                let Some(end) = end else {
                    self.torn = Some(Torn { so_far: SoFar::Open(whole, kind, passed), sender, blamed });
                    return Some(Verdict::Missed);
                };
                let before = told.len();
                let verdict = self.whole(*whole, moment, told);
                let sender = named(&end, self.rules.usedns).or(sender);
                self.warn(sender.as_ref(), &blamed, told.len() > before, moment.now);
                Some(verdict)
            }
        }
    }

    /// Whether a line has to wait for others before it is judged; `text` is what the expressions see of it.
    pub(super) fn holds(&mut self, shown: &str, text: &str, time: Option<Timestamp>) -> bool {
        let records = self.rules.records.as_ref();
        let Some((kind, groups)) = records.and_then(|records| self.shared.tears(records, text)) else { return false };
        let so_far = match groups.get("bytes").map(|bytes| bytes.parse()) {
            Some(Ok(bytes)) if bytes > 0 => SoFar::Bytes(MOST.min(bytes)),
            Some(_) => return false,
            None => {
                let (shown, text) = (shown.to_owned(), text.trim_end_matches('\n').to_owned());
                let first = (shown.len(), text.len());
                SoFar::Open(Box::new(Whole { shown, text, first, time }), kind, 0)
            }
        };
        let waits = matches!(so_far, SoFar::Open(..));
        self.torn = Some(Torn { so_far, sender: named(&groups, self.rules.usedns), blamed: Vec::new() });
        waits
    }

    fn whole(&mut self, whole: Whole, moment: &Moment<'_>, told: &mut Told<'_>) -> Verdict {
        let Whole { shown, mut text, time, .. } = whole;
        text.push('\n');
        let mut haystack = Haystack::default();
        haystack.put(text);
        self.search(&shown, &mut haystack, time, moment, told.again())
    }

    /// Whom a line would blame that is not believed.
    fn blame(&mut self, line: &str, moment: &Moment<'_>, blamed: &mut Vec<Who>) {
        let records = self.rules.records.as_ref();
        let may_be_believed = || records.is_some_and(|all| all.may_be_believed(line, || self.literals(false).cloned()));
        if blamed.len() >= BLAMED || !may_be_believed() {
            return;
        }
        let cut = match self.clock.detector.find(line, moment.now) {
            Some(found) if matches!(found.time, DateValue::At(_) | DateValue::Empty) => found.cut,
            _ => 0..0,
        };
        let head = line.get(..cut.start).unwrap_or(line);
        let mut text = format!("{head}{}\n", line.get(cut.end..).unwrap_or_default());
        if let Some(prefix) = &self.rules.prefix {
            let Some(found) = prefix.search(&text).ok().flatten() else { return };
            if let Some(content) = prefix.content(&found) {
                text = format!("{}\n", &text[content]);
            }
        }
        let found = self.rules.fail.iter().find_map(|regex| groups(regex, &text));
        let who = found.and_then(|groups| named(&groups, self.rules.usedns));
        blamed.extend(who.filter(|who| !blamed.contains(who)));
    }

    /// Says who forged lines, where that harms somebody whom this filter would believe, or is a failure here.
    fn warn(&mut self, sender: Option<&Who>, blamed: &[Who], failed: bool, now: Timestamp) {
        let sender = sender.map_or_else(|| "somebody".to_owned(), Who::to_string);
        if blamed.is_empty() && !failed || !self.forgers.may_be_named(&sender, now) {
            return;
        }
        let named: Vec<String> = blamed.iter().map(Who::to_string).collect();
        let blamed = match &named[..] {
            [] => "they blame nobody".to_owned(),
            named => format!("they blame {}, who is not counted", printable(&named.join(", "))),
        };
        let text = format!("forged: {} sent what makes lines of its own in the log; {blamed}", printable(&sender));
        self.notes.warn(text);
    }
}

impl Whole {
    fn add(&mut self, line: &str) {
        for text in [&mut self.shown, &mut self.text] {
            text.push_str("\\n");
            text.push_str(line);
        }
    }
}

/// Who was named lately, so that a flood of forgeries fills no log.
#[derive(Clone, Debug, Default)]
pub struct Forgers {
    named: VecDeque<(String, Timestamp)>,
}

impl Forgers {
    fn may_be_named(&mut self, sender: &str, now: Timestamp) -> bool {
        self.named.retain(|(_, at)| *at <= now && now - *at < AGAIN);
        if self.named.iter().any(|(name, _)| name == sender) {
            return false;
        }
        if self.named.len() >= FORGERS {
            self.named.pop_front();
        }
        self.named.push_back((sender.to_owned(), now));
        true
    }
}

/// Bytes of a sender that follow a line, at most: a SIP message has 64 KiB. A line that says more hides no more.
const MOST: usize = 64 << 10;
/// Whom a record's lines blame, as far as it is told.
const BLAMED: usize = 4;
/// A sender is named again after this.
const AGAIN: Span = Span::from_secs(3600);
/// Senders who are known to have been named.
const FORGERS: usize = 64;

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;
    use crate::config::{FilterSettings, RecordSettings, Spanned};
    use crate::filter::Scan;
    use crate::filter::date::Zones;

    /// 2026-11-20 10:00:00 UTC.
    const NOW: Timestamp = Timestamp::from_secs(1_795_168_800);

    fn settings() -> FilterSettings {
        FilterSettings {
            prefregex: Some(Spanned::bare("^ <F-CONTENT>.+</F-CONTENT>$")),
            failregex: [
                "^call <ADDR> to '.*' refused$",
                "^bad <ADDR>$",
                "^by '.*' from <ADDR>$",
                "^junk from <ADDR>, \\d+ bytes:",
            ]
            .map(Spanned::bare)
            .to_vec(),
            record: RecordSettings {
                regex: [
                    "^ call <ADDR> to '<F-TEXT/>' refused$",
                    "^ by '<F-TEXT/>' from <ADDR>$",
                    "^ junk from <ADDR>, <F-BYTES>\\d+</F-BYTES> bytes:$",
                ]
                .map(Spanned::bare)
                .to_vec(),
                room: Some(100),
            },
            datepattern: vec![Spanned::bare("^%Y-%m-%d %H:%M:%S")],
            maxlines: 1,
            ..FilterSettings::default()
        }
    }

    fn filter() -> Filter {
        let zones = Zones { local: TimeZone::UTC, logtimezone: None };
        Filter::of(&settings(), UseDns::No, "auto", zones).unwrap().0
    }

    /// Who fails by these lines, each written now unless it goes on with another one.
    fn failed(filter: &mut Filter, lines: &str) -> Vec<String> {
        let moment = Moment { now: NOW, findtime: Span::from_secs(600), live: true, time: None, before: &[] };
        let mut found = Vec::new();
        for line in lines.replace("@", "2026-11-20 10:00:00 ").lines() {
            filter.line(line.as_bytes(), &moment, &mut found);
        }
        found.into_iter().map(|failure| failure.who.to_string()).collect()
    }

    #[test]
    fn what_a_line_break_makes_of_a_record_is_one_line_of_its_senders() {
        let mut filter = filter();
        let forged = "@call 192.0.2.1 to '9\n@bad 198.51.100.1\n\n@call 198.51.100.2 to 'x\nz' refused\n@bad 192.0.2.9";
        assert_eq!(failed(&mut filter, forged), ["192.0.2.1", "192.0.2.9"]);
        assert!(!filter.is_torn());
        let said = filter.records();
        assert_eq!(said.len(), 1);
        assert_eq!(
            said[0].text,
            "forged: 192.0.2.1 sent what makes lines of its own in the log; they blame 198.51.100.1, who is not counted"
        );
        // Its address stands at the end.
        assert_eq!(
            failed(&mut filter, "@by 'a\n@bad 198.51.100.1\n' from 192.0.2.2\n@by 'a' from 192.0.2.3"),
            ["192.0.2.2", "192.0.2.3"]
        );
        assert!(filter.records()[0].text.contains("192.0.2.2 sent"));
    }

    #[test]
    fn the_lines_are_shown_as_one() {
        let mut filter = filter();
        let moment = Moment { now: NOW, findtime: Span::from_secs(600), live: true, time: None, before: &[] };
        let mut found = Vec::new();
        for line in ["2026-11-20 09:59:30 call 192.0.2.1 to '9", "2020-01-01 00:00:00 bad 198.51.100.1", "' refused"] {
            filter.line(line.as_bytes(), &moment, &mut found);
        }
        let shown = "2026-11-20 09:59:30 call 192.0.2.1 to '9\\n2020-01-01 00:00:00 bad 198.51.100.1\\n' refused";
        assert_eq!(found[0].matches, [shown]);
        assert_eq!(found[0].time, NOW - Span::from_secs(30));
    }

    #[test]
    fn a_record_that_never_ends_hides_no_more_than_its_room() {
        let mut filter = filter();
        let lines = format!("@call 192.0.2.1 to '9\n@bad 198.51.100.1\n{}\n@bad 192.0.2.9", "x".repeat(100));
        assert_eq!(failed(&mut filter, &lines), ["192.0.2.9"]);
    }

    #[test]
    fn bytes_that_are_a_senders_prove_nothing_however_they_look() {
        let mut filter = filter();
        let packet = "@bad 198.51.100.1\n-- end\n@bad 198.51.100.2".replace("@", "2026-11-20 10:00:00 ");
        let lines = format!("@junk from 192.0.2.1, {} bytes:\n{packet}\n@bad 192.0.2.9", packet.len());
        assert_eq!(failed(&mut filter, &lines), ["192.0.2.1", "192.0.2.9"]);
        assert!(filter.records()[0].text.contains("192.0.2.1 sent"));
    }

    #[test]
    fn what_begins_a_record_is_looked_at_also_where_the_prefregex_stands_for_the_failregexes() {
        let mut settings = settings();
        settings.prefregex = Some(Spanned::bare("^ bad <F-CONTENT>.+</F-CONTENT>$"));
        settings.failregex = vec![Spanned::bare("^<ADDR>$")];
        let zones = Zones { local: TimeZone::UTC, logtimezone: None };
        let filter = Filter::of(&settings, UseDns::No, "auto", zones).unwrap().0;
        let mut lines = Vec::new();
        let block = b"x\n junk from 192.0.2.1, 5 bytes:\n bad 192.0.2.1\ny\n";
        Scan::new(&[&filter], &[false]).candidates(block, |line, _| lines.push(line.start));
        assert_eq!(lines, [2, 33]);
    }

    #[test]
    fn no_number_hides_all_that_follows() {
        let mut filter = filter();
        let lines = format!("@junk from 192.0.2.1, {} bytes:\n{}@bad 192.0.2.9", u64::MAX, "x\n".repeat(MOST / 2));
        assert_eq!(failed(&mut filter, &lines), ["192.0.2.1", "192.0.2.9"]);
    }

    #[test]
    fn what_is_not_believed_begins_no_record() {
        let mut filter = filter();
        let moment = Moment { now: NOW, findtime: Span::from_secs(600), live: true, time: None, before: &[] };
        for line in ["call 198.51.100.1 to '9", "junk from 198.51.100.1, 500 bytes:"] {
            filter.doubt(format!("2026-11-20 10:00:00 {line}").as_bytes(), &moment);
            assert_eq!(failed(&mut filter, "@bad 192.0.2.9"), ["192.0.2.9"]);
        }
    }

    #[test]
    fn a_sender_is_named_once_an_hour() {
        let mut filter = filter();
        let forged = "@call 192.0.2.1 to '9\n' refused\n".repeat(50);
        assert_eq!(failed(&mut filter, &forged).len(), 50);
        assert_eq!(filter.records().len(), 1);
    }

    #[test]
    fn what_begins_a_record_is_looked_at_and_what_says_nothing_of_its_end_is_refused() {
        let mut lines = Vec::new();
        let block = b"x\n junk from 192.0.2.1, 5 bytes:\n call 192.0.2.1 to '9\ny\n";
        Scan::new(&[&filter()], &[false]).candidates(block, |line, _| lines.push(line.start));
        assert_eq!(lines, [2, 33]);
        let wrong = |text: &str| {
            let record = RecordSettings { regex: vec![Spanned::bare(text)], room: None };
            Records::new(&record, UseDns::No).unwrap_err()[0].message.clone()
        };
        assert!(wrong("^ a (<F-TEXT/>) b$").contains("unable to compile"));
        assert_eq!(wrong("^ a b$"), "recordregex: neither `<F-TEXT/>` nor `<F-BYTES>` is in `^ a b$`");
    }
}
