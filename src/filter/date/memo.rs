//! What was found in earlier lines, for those that begin alike: the next line mostly has a date in the same place, and often
//! the same one.

use std::ops::Range;

use super::Found;
use super::mold::{Fit, Mold};
use super::parts::{Civil, Moment, Parsed};
use super::place::Match;
use super::template::Kind;
use crate::filter::backtrack::Machine;

/// Lines of a few shapes.
#[derive(Clone, Debug, Default)]
pub struct Memos {
    all: Vec<Memo>,
    /// Which of them was of use last.
    newest: usize,
    /// How often one was.
    uses: u64,
}

/// What a line gave, for the many lines that have the same date, or one that differs in a few digits.
#[derive(Clone, Debug)]
pub struct Memo {
    /// Of which template, by its id.
    pub template: usize,
    key: Key,
    /// What it matched.
    pub found: Match,
    /// The named groups of the match that say when.
    groups: Box<[(Box<str>, Range<usize>)]>,
    /// What that means, where it means the same at any time.
    pub moment: Option<Moment>,
    /// The same for those who ask, where a line that begins so has this date whatever follows.
    pub steady: Option<Found>,
    /// When it was last of use.
    used: u64,
}

#[derive(Clone, Debug)]
enum Key {
    /// The outcome depends on the first bytes of the line, and on nothing else.
    Head(Mold),
    /// The same window holds this text, behind this character.
    Window(Range<usize>, Option<char>, Box<str>),
}

impl Memo {
    /// Remembers a match, with how far into the line it looked; not if that is the whole line or too much of it.
    pub fn of(
        (template, kind): (usize, Kind),
        found: &Match,
        groups: Vec<(Box<str>, Range<usize>)>,
        line: &str,
        window: Option<Range<usize>>,
        machine: &Machine,
    ) -> Option<Memo> {
        let (far, saw_end) = machine.reach();
        let groups: Box<[_]> =
            groups.into_iter().filter(|(name, _)| kind != Kind::Civil || Civil::reads(name)).collect();
        let key = match window {
            None if saw_end || far > MEMO_BYTES => return None,
            None => {
                let head = &line.as_bytes()[..far];
                let says =
                    groups.iter().map(|(_, span)| span.clone()).chain((kind != Kind::Civil).then(|| found.cut.clone()));
                Key::Head(Mold::new(head, &machine.asked(line.as_bytes(), far), &says.collect::<Vec<_>>())?)
            }
            Some(window) if window.len() > MEMO_BYTES => return None,
            Some(window) => {
                let before = line[..window.start].chars().next_back();
                Key::Window(window.clone(), before, line[window].into())
            }
        };
        Some(Memo { template, key, found: found.clone(), groups, moment: None, steady: None, used: 0 })
    }

    /// Whether searching `line` must end with the same match, or with one at the same place.
    pub fn recall(&self, line: &str, window: Option<&Range<usize>>) -> Option<Fit> {
        match (&self.key, window) {
            (Key::Head(mold), None) => mold.fit(line.as_bytes()),
            (Key::Window(known, before, text), Some(window)) => {
                let same = known == window
                    && line[window.clone()] == **text
                    && line[..window.start].chars().next_back() == *before;
                same.then_some(Fit::Same)
            }
            _ => None,
        }
    }

    /// Takes the date of a line over that has one at the same place.
    pub fn renew(&mut self, line: &str, kind: Kind) {
        if let Key::Head(mold) = &mut self.key {
            mold.take(line.as_bytes());
        }
        let groups = self.groups.iter().map(|(name, span)| (&**name, &line[span.clone()]));
        self.found.parsed = Parsed::read(kind, &line[self.found.cut.clone()], groups);
        (self.moment, self.steady) = (None, None);
    }

    /// How many bytes at the start of a line settle its date and what surrounds it, and whether they do so for this line, which
    /// others may follow.
    pub fn head(&self, line: &[u8]) -> Option<(usize, Fit)> {
        match &self.key {
            Key::Head(mold) if mold.length() > self.found.whole.end => Some((mold.length(), mold.fit(line)?)),
            _ => None,
        }
    }
}

impl Memos {
    /// The one that was of use last.
    pub fn newest(&mut self) -> Option<&mut Memo> {
        self.all.get_mut(self.newest)
    }

    /// The first one that something is known of, the newest before the others.
    #[inline]
    pub fn find<T>(&self, known: impl Fn(&Memo) -> Option<T>) -> Option<(usize, T)> {
        let others = (0..self.all.len()).filter(|at| *at != self.newest);
        [self.newest].into_iter().chain(others).find_map(|at| Some((at, known(self.all.get(at)?)?)))
    }

    /// The one that was found there is of use.
    pub fn take(&mut self, at: usize) -> Option<&mut Memo> {
        if at != self.newest {
            self.uses += 1;
        }
        self.newest = at;
        let memo = self.all.get_mut(at)?;
        memo.used = self.uses;
        Some(memo)
    }

    /// One more, in the place of that which was of no use for longest.
    pub fn keep(&mut self, memo: Memo) {
        let at = match self.all.len() {
            MANY => (0..MANY).min_by_key(|at| self.all[*at].used).unwrap_or_default(),
            free => free,
        };
        self.uses += 1;
        self.newest = at;
        let memo = Memo { used: self.uses, ..memo };
        match self.all.get_mut(at) {
            Some(old) => *old = memo,
            None => self.all.push(memo),
        }
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.all.clear();
    }
}

/// Lines of how many shapes are remembered.
const MANY: usize = 8;
/// Longer texts are not worth remembering.
const MEMO_BYTES: usize = 256;

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;
    use proptest::prelude::*;

    use super::super::{Detector, Zones};
    use super::*;
    use crate::filter::backtrack::{Program, Window};
    use crate::time::Timestamp;

    /// 2026-10-25 01:30:00 UTC, when clocks in Berlin have just been put back.
    const NOW: Timestamp = Timestamp::from_secs(1_792_891_800);

    /// Of FreeSWITCH, behind syslog's prefix, a call or neither.
    const CALLS: &str = r"^(?:(?:(?:[A-Z][a-z][a-z] [ \d]\d|\d{4}-\d\d) )?(?:[^\s\[\]]{1,35} )?fs(?:\[\d+\])?:[ ])?(?:[\da-f]{4}-[\da-f]{2}[ ])?(%ExY)-%m-%d %H:%M:%S\.%f";

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]

        /// A detector that remembers finds what one finds that has to search each line, and leaves it in the same state.
        #[test]
        fn what_is_remembered_is_what_would_be_found(
            patterns in prop::sample::select(vec![
                &[][..], &[CALLS], &["{^LN-BEG}"], &[r"^(\[){DATE}\]", r"^(%b) %d %H:%M:%S"], &["EPOCH", "TAI64N"], &["{NONE}"],
                &[r"^\[(%Y-%m-%d) ({EPOCH})", r"^(x) {LEPOCH}"], &[r"^(%Y-%m-%d %H:%M:%S(?:\.%f)?)(?: %z)?"], &["%Y-%m-%d %H:%M:%S"],
            ]),
            lines in prop::collection::vec((0usize..12, 0u32..4, 0u32..3, "[0-9a-f]{4}-[0-9a-f]{2}", "[ a-f0-9.:é\\r+]{0,5}"), 1..40),
        ) {
            let zones = Zones { local: TimeZone::get("Europe/Berlin").unwrap(), logtimezone: None };
            let mut quick = Detector::new(patterns, zones).unwrap();
            let mut thorough = quick.clone();
            for (shape, second, minute, call, rest) in lines {
                let date = format!("2026-10-25 0{}:3{minute}:0{second}", minute + 1);
                let line = match shape {
                    0 => format!("[{date}] {rest}"),
                    1 => format!("{date}.{second}45{rest}"),
                    2 | 3 => format!("{call} {date}.00{minute}{second} {rest}"),
                    4 => format!("fs[{second}]: {date}.5{rest}"),
                    5 => format!("{date} +0{minute}00{rest}"),
                    6 => format!("Oct 2{second} 02:0{minute}:00 {rest}"),
                    7 => format!("@4000000069a40f2{second}0dd1f0f{minute} {rest}"),
                    8 => format!("[2026-02-2{} 1792891{second}0{minute}{rest}", minute + 8),
                    9 => format!("x 17928918{minute}{second}{rest}"),
                    10 => format!("{rest} {date}"),
                    _ => rest,
                };
                thorough.memos.clear();
                let found = quick.find(&line, NOW);
                prop_assert_eq!(&found, &thorough.find(&line, NOW), "{:?}", line);
                prop_assert_eq!(quick.last_offset, thorough.last_offset, "{:?}", line);
                prop_assert_eq!((quick.place.start, quick.place.end), (thorough.place.start, thorough.place.end), "{:?}", line);
                prop_assert!(quick.templates().eq(thorough.templates()), "{:?}", line);
                if let Some((again, length)) = quick.again(line.as_bytes(), NOW) {
                    prop_assert_eq!((Some(again), true), (found.as_ref(), length <= line.len()));
                }
            }
        }
    }

    proptest! {
        /// What is recalled of a line is what a search finds in it.
        #[test]
        fn a_memo_never_differs_from_a_search(
            pattern in prop::sample::select(vec![
                r"^(\d\d)-(?P<m>0?[1-9]|1[0-2])(?P<s>[-/])(?P<d>[1-2]\d|[0 ]?[1-9]|3[0-1])(?P=s)x",
                r"^(?:[^\[\]]*\bab\[\d+\]: )?(?P<y>20[012]\d)-\d\d(?=\b|\W|$)",
                r"^(?:\W{0,2})?((?i:(?P<b>jan|feb)) (?P<d>\d)(?!9)(?P<e>\d))",
                r"^(?P<a>\w)(?P=a)?(?P<n>\d{1,3})(?:\.|(?<=7)x|$)",
                r"(?=^|\b|\W)((?P<y>\d{2})-\d)",
            ]),
            first in "[0-3abx][0-9abn]-?[0-9jf]{1,2}[-/ .\\[]{0,2}[0-9]{0,3}[-/x: .]{0,2}[ab0-9]{0,3}",
            changes in prop::collection::vec((0usize..14, prop::char::range(' ', '~')), 0..4),
        ) {
            let program = Program::new(pattern).unwrap();
            let mut machine = Machine::default();
            let mut find = |text: &str| {
                machine.refill(100_000);
                let found = machine.search_asking(&program, Window { text, from: 0, to: text.len() }).unwrap();
                let spans = (0..program.slots / 2).map(|group| machine.group(group));
                found.then(|| (spans.collect::<Vec<_>>(), machine.reach(), machine.asked(text.as_bytes(), machine.reach().0)))
            };
            let Some((spans, (far, saw_end), same)) = find(&first) else { return Ok(()) };
            if saw_end {
                return Ok(());
            }
            let mut other: Vec<u8> = first.bytes().collect();
            for (at, c) in changes {
                if at < other.len() && (at >= far || same[at] >> (c as u32) & 1 == 1) {
                    other[at] = c as u8;
                }
            }
            let other = String::from_utf8(other).unwrap();
            prop_assert_eq!(find(&other).map(|(spans, ..)| spans), Some(spans), "{:?} {:?}", first, other);
        }
    }

    #[test]
    fn lines_of_a_known_shape_are_not_searched() {
        let zones = Zones { local: TimeZone::UTC, logtimezone: None };
        let mut detector = Detector::new(&[CALLS], zones).unwrap();
        let mut again = |line: &str| {
            let known = detector.again(line.as_bytes(), NOW).is_some();
            (known, detector.find(line, NOW).unwrap().cut).0
        };
        assert!(!again("2026-10-25 02:30:00.000001 a"));
        assert!(!again("2026-10-25 02:30:00.000001 a"), "only now is it searched by itself");
        assert!(again("2026-10-25 02:30:00.123456 b"));
        assert!(!again("7a3f-12 2026-10-25 02:30:00.000001 a"));
        assert!(again("9cc0-ab 2026-10-25 02:30:00.500000 c"));
        assert!(again("2026-10-25 02:30:00.654321 d"));
        assert!(again("2026-10-25 02:30:01.654321 d"));
        assert!(!again("2026-10-25 02:30:61.654321 d"), "such a second is left to those who say so");
        assert!(again("7b31-00 2026-10-25 02:30:00.999999 d"));
    }
}
