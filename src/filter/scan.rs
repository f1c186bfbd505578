//! One pass over a block for all filters of a log.
//!
//! A block goes in, the lines that some filter has to look at come out; most of a log never becomes more than bytes that
//! a search for a few texts ran over. That search has two stages. The first one is for all filters of the log: it looks for
//! their literals, and as soon as it has seen some of the log for a few short texts that stand for them ([`cover`]). Which
//! of them it finds in a line tells which filters may want it; for each of those the line is settled by its own literals, so
//! overlapping literals of different filters hide nothing from each other. A filter without literals gets every line.

use std::ops::Range;

use aho_corasick::packed::Searcher;

use super::cover::cover;
use super::finder::{Finder, beside};
use super::prefilter::{Literals, distinct, holds, reduce};

/// One pass over a block for all filters of a log. Copies share the automata.
#[derive(Clone, Debug)]
pub struct Scan {
    /// What is looked for on behalf of all filters that do not want every line; made when it is first needed.
    all: Option<Vec<First>>,
    /// The literals of each filter.
    literals: Vec<Literals>,
    own: Vec<Own>,
    /// Who wants every line.
    always: Filters,
    /// Bytes seen so far, and those after which it is time to learn from the log.
    seen: u64,
    learns: u64,
}

/// A set of filters by their places, a bit each; those behind the 63rd share the last one.
type Filters = u64;

/// One search over a block, and who may want the line in which each text was found.
#[derive(Clone, Debug)]
struct First {
    texts: Texts,
    filters: Vec<Filters>,
}

/// A byte by itself, or a literal too many, would take the vector instructions away from all literals; so those have searches
/// of their own.
#[derive(Clone, Debug)]
enum Texts {
    Literals(Finder),
    Escape,
}

/// Why a filter gets to see a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// No text is common to what it looks for, so it sees all.
    EveryLine,
    /// It holds this text, which a failregex asks for.
    Literal(Range<usize>),
    /// It holds an escape character: a terminal's colour may stand inside of a text that is looked for.
    Escape,
}

/// What one filter wants to see.
#[derive(Clone, Debug)]
struct Own {
    /// Lines that hold one of its literals; `None`: every line.
    literals: Option<Finder>,
    /// Also lines with an escape character: a colour may stand inside of a literal.
    coloured: bool,
}

impl Scan {
    /// From each filter's literals; `None` stands for a filter that has to see every line. The flag asks for lines with
    /// an escape character as well.
    pub(super) fn of(filters: Vec<(Option<Literals>, bool)>) -> Scan {
        let own = |(sets, coloured): &(Option<Literals>, bool)| Own {
            literals: sets.clone().and_then(|sets| Finder::of(&reduce(sets, EXACT))),
            coloured: *coloured,
        };
        let own: Vec<Own> = filters.iter().map(own).collect();
        let always =
            own.iter().enumerate().filter(|(_, own)| own.literals.is_none()).fold(0, |all, (i, _)| all | bit(i));
        let literals = filters.into_iter().zip(&own).map(|((sets, _), own)| sets.filter(|_| own.literals.is_some()));
        let literals = literals.map(Option::unwrap_or_default).collect();
        Scan { all: None, literals, own, always, seen: 0, learns: 0 }
    }

    /// Takes this for what the log holds: from now on the first stage looks for what is seldom in it. [`Scan::candidates`]
    /// learns by itself from large blocks, at four times the distance each time.
    pub fn learn(&mut self, sample: &[u8]) {
        let sample = &sample[..sample.len().min(SAMPLE)];
        let few = cover(&distinct(&self.literals.concat()), sample).filter(|texts| texts.len() <= FAST);
        // There is no search for them where the processor has no fitting instructions.
        if let Some((texts, searcher)) = few.and_then(|texts| Some((texts.clone(), Searcher::new(texts)?))) {
            self.all = Some(self.with_escape(vec![self.first(&texts, Finder::Few(searcher))]));
        }
    }

    /// What is looked for before anything is known of the log.
    fn unlearnt(&self) -> Vec<First> {
        let literals = reduce(self.literals.concat(), FAST);
        let first = literals.chunks(FAST).filter_map(|texts| Some(self.first(texts, Finder::of(texts)?)));
        self.with_escape(first.collect())
    }

    /// A search for these texts.
    fn first(&self, texts: &[Vec<u8>], finder: Finder) -> First {
        let filters = |text: &Vec<u8>| {
            let holds = |literals: &Literals| literals.iter().flatten().any(|literal| holds(literal, text));
            let holding = self.literals.iter().enumerate().filter(|(_, literals)| holds(literals));
            holding.fold(0, |all, (i, _)| all | bit(i))
        };
        First { filters: beside(texts, texts.iter().map(filters)), texts: Texts::Literals(finder) }
    }

    fn with_escape(&self, mut first: Vec<First>) -> Vec<First> {
        let coloured = self.own.iter().enumerate().filter(|(_, own)| own.coloured).fold(0, |all, (i, _)| all | bit(i));
        first.extend((coloured > 0).then(|| First { texts: Texts::Escape, filters: vec![coloured] }));
        first
    }

    /// Calls `found` for each line (as a range of `block`, without its newline) that one of the filters has to look at,
    /// with the index of that filter; in the order of the lines.
    pub fn candidates(&mut self, block: &[u8], mut found: impl FnMut(Range<usize>, usize)) {
        self.seen += block.len() as u64;
        if block.len() >= ENOUGH && self.seen >= self.learns {
            self.learn(block);
            self.learns = (4 * self.seen).max(AGAIN);
        }
        let all = self.all.take().unwrap_or_else(|| self.unlearnt());
        let mut next: Vec<Option<(usize, Filters)>> = all.iter().map(|first| first.find(block, 0)).collect();
        let mut at = 0;
        while at < block.len() {
            let hit = next.iter().flatten().map(|(hit, _)| *hit).min();
            let (start, within) = match (self.always, hit) {
                (0, None) => break,
                (0, Some(hit)) => (memchr::memrchr(b'\n', &block[at..hit]).map_or(at, |n| at + n + 1), hit),
                _ => (at, at),
            };
            let end = memchr::memchr(b'\n', &block[within..]).map_or(block.len(), |n| within + n);
            let mut may_want = self.always;
            for (first, next) in all.iter().zip(&mut next) {
                while let Some((hit, filters)) = next.filter(|(hit, _)| *hit < end) {
                    may_want |= filters;
                    // Of a filter alone no more has to be known.
                    *next = if self.own.len() == 1 { None } else { first.find(&block[..end], hit + 1) };
                    if next.is_none() {
                        *next = first.find(block, end);
                    }
                }
            }
            self.settle(block, start..end, may_want, &mut found);
            at = end + 1;
        }
        self.all = Some(all);
    }

    /// Why the filter with this index gets to see a line; `None`: it does not.
    pub fn reason(&self, line: &[u8], filter: usize) -> Option<Reason> {
        let own = self.own.get(filter)?;
        let Some(literals) = &own.literals else { return Some(Reason::EveryLine) };
        match literals.find(line) {
            Some((_, found)) => Some(Reason::Literal(found)),
            None => own.wants(line).then_some(Reason::Escape),
        }
    }

    fn settle(&self, block: &[u8], line: Range<usize>, may_want: Filters, found: &mut impl FnMut(Range<usize>, usize)) {
        for (i, own) in self.own.iter().enumerate().filter(|(i, _)| may_want & bit(*i) != 0) {
            if own.wants(&block[line.clone()]) {
                found(line.clone(), i);
            }
        }
    }
}

impl First {
    /// The first hit from `at` on.
    fn find(&self, block: &[u8], at: usize) -> Option<(usize, Filters)> {
        let text = block.get(at..)?;
        let (which, found) = match &self.texts {
            Texts::Literals(finder) => finder.find(text).map(|(which, found)| (which, found.start))?,
            Texts::Escape => (0, memchr::memchr(ESCAPE, text)?),
        };
        Some((at + found, self.filters[which]))
    }
}

/// The bit of a filter.
fn bit(filter: usize) -> Filters {
    1 << filter.min(63)
}

impl Own {
    fn wants(&self, line: &[u8]) -> bool {
        self.literals.as_ref().is_none_or(|literals| literals.find(line).is_some())
            || self.coloured && memchr::memchr(ESCAPE, line).is_some()
    }
}

/// What a terminal's colours begin with.
const ESCAPE: u8 = 0x1b;
/// Literals above which the search falls out of vector instructions.
const FAST: usize = 64;
/// Literals of one filter, which only ever looks at lines that the first stage found: coarser ones would let too many pass.
const EXACT: usize = 512;
/// Bytes of a log that say what it holds.
const SAMPLE: usize = 32 << 10;
/// A smaller block says nothing.
const ENOUGH: usize = 8 << 10;
/// Bytes after which they are asked for the second time.
const AGAIN: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;
    use proptest::prelude::*;

    use super::*;
    use crate::config::{FilterSettings, Spanned, UseDns};
    use crate::filter::date::Zones;
    use crate::filter::{Filter, Moment};
    use crate::time::{Span, Timestamp};

    fn set(literals: &[&str]) -> (Option<Literals>, bool) {
        (Some(vec![literals.iter().map(|l| l.as_bytes().to_vec()).collect()]), false)
    }

    fn run(scan: &mut Scan, block: &str) -> Vec<(String, usize)> {
        let mut out = Vec::new();
        scan.candidates(block.as_bytes(), |line, filter| out.push((block[line].to_owned(), filter)));
        out
    }

    #[test]
    fn overlapping_literals_hide_nothing_from_each_other() {
        let mut scan = Scan::of(vec![set(&["abcdef"]), set(&["cde"]), set(&["defgh", "nothing"])]);
        let found = run(&mut scan, "x\nabcdefgh\n--cde--\n\n");
        let long = "abcdefgh".to_owned();
        assert_eq!(found, [(long.clone(), 0), (long.clone(), 1), (long, 2), ("--cde--".to_owned(), 1)]);
    }

    #[test]
    fn a_filter_without_literals_gets_every_line() {
        let mut scan = Scan::of(vec![(None, false), set(&["cde"])]);
        let found = run(&mut scan, "a\n\ncde");
        assert_eq!(found, [("a".into(), 0), ("".into(), 0), ("cde".into(), 0), ("cde".into(), 1)]);
    }

    #[test]
    fn a_colour_is_a_reason_to_look() {
        let (literals, _) = set(&["cde"]);
        let mut scan = Scan::of(vec![(literals, true), set(&["fgh"])]);
        let block = "c\x1b[mde\nfgh\n-\ncde\n\x1b[mfgh\x1b\nfgh\n".to_owned() + &"-".repeat(400);
        let first = run(&mut scan, &block);
        let expected =
            [("c\x1b[mde", 0), ("fgh", 1), ("cde", 0), ("\x1b[mfgh\x1b", 0), ("\x1b[mfgh\x1b", 1), ("fgh", 1)];
        assert_eq!(first, expected.map(|(line, filter)| (line.to_owned(), filter)));
    }

    #[test]
    fn no_filters_and_empty_blocks_are_fine() {
        assert!(run(&mut Scan::of(vec![]), "a\nb\n").is_empty());
        assert!(run(&mut Scan::of(vec![set(&["cde"])]), "").is_empty());
        assert!(run(&mut Scan::of(vec![set(&["cde"])]), "\n").is_empty());
    }

    #[test]
    fn a_large_block_teaches_what_to_look_for() {
        let mut scan = Scan::of(vec![set(&["Event=\"BadPassword\"", "Event=\"BadAccount\""]), set(&["login denied"])]);
        let block = "Event=\"GoodPassword\"\n".repeat(ENOUGH / 20) + "Event=\"BadPassword\"\nlogin denied\n=\"Bad";
        let expected = [("Event=\"BadPassword\"".to_owned(), 0), ("login denied".to_owned(), 1)];
        assert_eq!(run(&mut scan, &block), expected);
        assert!(matches!(scan.all.as_deref(), Some([First { texts: Texts::Literals(Finder::Few(_)), .. }])));
        assert_eq!(scan.learns, AGAIN);
        assert_eq!(run(&mut scan, &block), expected);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(600))]

        /// Whatever was learnt: a line comes out for a filter if it holds one of its literals, and only then.
        #[test]
        fn what_was_learnt_loses_no_line_and_adds_none(
            filters in prop::collection::vec((prop::collection::vec("[a-c]{1,3}[a-c \"]{2,6}", 1..20), any::<bool>()), 1..5),
            sample in "([a-c \"]{0,12}\n){0,30}",
            block in "([a-c \"\x1b]{0,24}\n){0,30}[a-c]{0,9}",
        ) {
            let own = |(literals, coloured): &(Vec<String>, bool)| {
                (Some(literals.iter().map(|l| vec![l.clone().into_bytes()]).collect()), *coloured)
            };
            let mut scan = Scan::of(filters.iter().map(own).collect());
            scan.learn(sample.as_bytes());
            let wants = |line: &str, (literals, coloured): &(Vec<String>, bool)| {
                literals.iter().any(|l| line.contains(l)) || *coloured && line.contains('\x1b')
            };
            let mut expected = Vec::new();
            for line in block.lines() {
                let of_line = filters.iter().enumerate().filter(|(_, filter)| wants(line, filter));
                expected.extend(of_line.map(|(number, _)| (line.to_owned(), number)));
            }
            prop_assert_eq!(run(&mut scan, &block), expected);
        }

        /// Texts on both sides of a date are neighbours once it is cut out; no line is lost for that.
        #[test]
        fn what_a_filter_finds_a_scan_lets_through(
            datepattern in prop::sample::select(vec![
                "", r"^(?:[^\[]*\bab: )?(%ExY)-%m-%d", r"(%Y)-", "%Y-%m-%d", "{^LN-BEG}%Y", r"^\W*(20)\d\d\b", "x(%d)[/-]%m",
            ]),
            (failregex, text) in prop::sample::select(vec![
                (r"bad luck <HOST>", "bad luck 192.0.2.1"),
                (r"ab: -\d\d-\d\d worse <HOST>$", "ab: -11-20 worse 192.0.2.1"),
                (r"wor(?:se|st)-11 <HOST>", "worst-11 192.0.2.1"),
                (r"bad-11.*worst <HOST>", "ab: bad-11-20 worst 192.0.2.1"),
                (r"^\W*bad +<HOST>", " bad  192.0.2.1"),
                (r"(?:bad|worse) \W?luck/11 <HOST>", "worse luck/11 192.0.2.1"),
            ]),
            date in prop::sample::select(vec!["2026", "2026-11-20", " 2026 ", "x12/11", "x12-11", "[2026-11-20]", "2026-"]),
            at in any::<prop::sample::Index>(),
            before in prop::sample::select(vec!["", "ab: ", "[", "x"]),
        ) {
            let at = at.index(text.len());
            let line = [before, &text[..at], date, &text[at..]].concat();
            let settings = FilterSettings {
                maxlines: 1,
                failregex: vec![Spanned::bare(failregex)],
                datepattern: Some(Spanned::bare(datepattern)).filter(|pattern| !pattern.text.is_empty()).into_iter().collect(),
                ..FilterSettings::default()
            };
            let zones = Zones { local: TimeZone::UTC, logtimezone: None };
            let mut filter = Filter::of(&settings, UseDns::No, "auto", zones).unwrap().0.for_tools(true);
            let now = Timestamp::from_secs(1_795_168_800);
            let moment = Moment { now, findtime: Span::default(), live: false, time: None, before: &[] };
            let mut hits = Vec::new();
            filter.hits(line.as_bytes(), None, &moment, &mut hits);
            for escaped in [false, true] {
                let mut scan = Scan::new(&[&filter], &[escaped]);
                let found = run(&mut scan, &line);
                prop_assert!(hits.is_empty() || !found.is_empty(), "{:?}", line);
                scan.learn(line.as_bytes());
                prop_assert_eq!(run(&mut scan, &line), found);
            }
        }
    }
}
