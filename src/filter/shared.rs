//! What was found in the line that many filters look at: an expression that several of them have is searched for once.
//!
//! Filters that include the same file have its prefregex and its records in common, and some of its failregexes (see
//! [`super::shelf`]). What such an expression finds depends on the text alone. So whoever hands a line to one filter after
//! the other hands along what those before have found.

use std::sync::Arc;

use super::backtrack::Machine;
use super::failregex::{FailRegex, Groups};
use super::haystack::Text;
use super::pyregex::{Match, TooCostly};
use super::torn::Records;
use super::{Filter, Moment, Verdict};
use crate::ticket::Failure;
use crate::time::Timestamp;

/// What was found in one line. It is right for every line: what is not this one's is forgotten. A copy knows nothing.
#[derive(Debug, Default)]
pub struct Shared {
    /// In the line without its date, by prefregexes.
    line: Found,
    /// In what a prefregex left of it.
    content: Found,
}

/// What was found in a text.
#[derive(Debug, Default)]
struct Found {
    text: String,
    /// With the steps that it took.
    regexes: Vec<(Arc<FailRegex>, Option<Match>, usize)>,
    /// By these it begins no record, or is a whole one.
    whole: Vec<Arc<Records>>,
}

impl Clone for Shared {
    fn clone(&self) -> Shared {
        Shared::default()
    }
}

impl Filter {
    /// [`Filter::line`], or with `written` [`Filter::line_at`], of a line that other filters look at too: `shared` is
    /// handed from one to the next.
    pub fn line_among(
        &mut self,
        line: &[u8],
        written: Option<Timestamp>,
        moment: &Moment<'_>,
        shared: &mut Box<Shared>,
        out: &mut Vec<Failure>,
    ) -> Verdict {
        std::mem::swap(&mut self.shared, shared);
        let verdict = self.failures(line, written, moment, out);
        std::mem::swap(&mut self.shared, shared);
        verdict
    }
}

impl Shared {
    /// What a prefregex finds in a line, see [`FailRegex::search_within`].
    pub(super) fn prefix(
        &mut self,
        regex: &Arc<FailRegex>,
        line: Text<'_>,
        machine: &mut Machine,
    ) -> Result<Option<Match>, TooCostly> {
        self.line.search(regex, line, machine)
    }

    /// What a failregex finds in what a prefregex left.
    pub(super) fn failure(
        &mut self,
        regex: &Arc<FailRegex>,
        content: Text<'_>,
        machine: &mut Machine,
    ) -> Result<Option<Match>, TooCostly> {
        self.content.search(regex, content, machine)
    }

    /// See [`Records::tears`].
    pub(super) fn tears(&mut self, records: &Arc<Records>, line: &str) -> Option<(usize, Groups)> {
        if Arc::strong_count(records) == 1 {
            return records.tears(line);
        }
        let whole = &mut self.line.of(line).whole;
        if whole.iter().any(|known| Arc::ptr_eq(known, records)) {
            return None;
        }
        let torn = records.tears(line);
        if torn.is_none() {
            whole.push(records.clone());
        }
        torn
    }
}

impl Found {
    /// The same steps are taken from the machine whether it is known or not, so that nobody's searches end elsewhere for it.
    fn search(
        &mut self,
        regex: &Arc<FailRegex>,
        text: Text<'_>,
        machine: &mut Machine,
    ) -> Result<Option<Match>, TooCostly> {
        if Arc::strong_count(regex) == 1 {
            return regex.search_within(text, machine);
        }
        let regexes = &mut self.of(&text).regexes;
        if let Some((_, found, steps)) = regexes.iter().find(|(known, ..)| Arc::ptr_eq(known, regex)) {
            machine.charge(*steps)?;
            return Ok(found.clone());
        }
        let before = machine.taken();
        let found = regex.search_within(text, machine)?;
        regexes.push((regex.clone(), found.clone(), machine.taken() - before));
        Ok(found)
    }

    /// The same, of this text.
    fn of(&mut self, text: &str) -> &mut Found {
        if self.text != text {
            self.text.clear();
            self.text.shrink_to(KEPT);
            self.text.push_str(text);
            self.regexes.clear();
            self.whole.clear();
        }
        self
    }
}

/// Bytes that are kept for the next line, which is seldom longer.
const KEPT: usize = 4096;

#[cfg(test)]
mod tests {
    use std::path::Path;

    use jiff::tz::TimeZone;
    use proptest::prelude::*;

    use crate::config;
    use crate::filter::{Filter, Forge, Moment, Shared};
    use crate::time::{Span, Timestamp};

    /// 2026-11-20 10:00:00 UTC.
    const NOW: Timestamp = Timestamp::from_secs(1_795_168_800);

    /// Those of the stock jails.
    fn filters() -> Vec<Filter> {
        let zone = TimeZone::UTC;
        let mut forge = Forge::new(&zone);
        let jails = config::load(Path::new("/nonexistent")).jails;
        jails.iter().map(|jail| forge.filter(jail).ok().unwrap().0).collect()
    }

    /// Each line of the sample logs that come with the tests.
    fn samples() -> Vec<Vec<u8>> {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/samples");
        let mut files: Vec<_> = dir.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        let files = files.iter().filter(|path| path.is_file()).map(|path| std::fs::read(path).unwrap());
        files.flat_map(|text| text.split(|b| *b == b'\n').map(<[u8]>::to_vec).collect::<Vec<_>>()).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(8))]

        /// Whoever looked before, in whatever order, and at which lines: each filter finds what it finds alone, with the
        /// same steps.
        #[test]
        fn each_filter_finds_what_it_finds_alone(
            lines in prop::collection::vec((any::<prop::sample::Index>(), any::<u32>(), any::<bool>()), 50..150),
        ) {
            let (samples, mut alone, mut shared) = (samples(), filters(), Box::<Shared>::default());
            let mut among = alone.clone();
            let moment = Moment { now: NOW, findtime: Span(i64::MAX), live: false, time: None, before: &[] };
            for (pick, who, backwards) in lines {
                let line = pick.get(&samples);
                let mut order: Vec<usize> = (0..alone.len()).filter(|number| who >> (number % 32) & 1 == 1).collect();
                if backwards {
                    order.reverse();
                }
                for number in order {
                    let (mut expected, mut found) = (Vec::new(), Vec::new());
                    let verdict = alone[number].line(line, &moment, &mut expected);
                    let same = among[number].line_among(line, None, &moment, &mut shared, &mut found);
                    prop_assert_eq!((same, &found), (verdict, &expected));
                    prop_assert_eq!(among[number].steps(), alone[number].steps());
                }
            }
        }
    }
}
