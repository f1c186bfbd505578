//! What was read of the expressions of one host: what is spelt alike is read once.
//!
//! Filters that include the same file have its prefregex and its records in common, and most have their dates. What is
//! built of them later, with the first line that asks for it, they share as well.

use std::sync::Arc;

use super::date::{DatePatternError, Detector, Zones};
use super::failregex::FailRegex;
use super::torn::Records;
use super::translate::Options;
use crate::config::{Problem, RecordSettings, UseDns};

/// Keeps what it has read.
#[derive(Default)]
pub struct Shelf {
    regexes: Vec<(String, UseDns, Options, Arc<FailRegex>)>,
    records: Vec<(RecordSettings, UseDns, Arc<Records>)>,
    detectors: Vec<(Vec<String>, Option<i32>, Detector)>,
}

impl Shelf {
    /// See [`FailRegex::new`].
    pub fn regex(&mut self, text: &str, usedns: UseDns, options: Options) -> Result<Arc<FailRegex>, String> {
        let is = |of: &&(String, UseDns, Options, _)| (of.0.as_str(), of.1, of.2) == (text, usedns, options);
        if let Some((.., known)) = self.regexes.iter().find(is) {
            return Ok(known.clone());
        }
        let new = Arc::new(FailRegex::new(text, usedns, options)?);
        self.regexes.push((text.to_owned(), usedns, options, new.clone()));
        Ok(new)
    }

    /// See [`Records::new`].
    pub fn records(&mut self, settings: &RecordSettings, usedns: UseDns) -> Result<Option<Arc<Records>>, Vec<Problem>> {
        if let Some((.., known)) = self.records.iter().find(|of| (&of.0, of.1) == (settings, usedns)) {
            return Ok(Some(known.clone()));
        }
        let new = Records::new(settings, usedns)?.map(Arc::new);
        self.records.extend(new.iter().map(|new| (settings.clone(), usedns, new.clone())));
        Ok(new)
    }

    /// A detector that has seen no line, see [`Detector::new`]. All are for the same host.
    pub fn detector(&mut self, patterns: &[&str], zones: Zones) -> Result<Detector, DatePatternError> {
        let offset = zones.logtimezone;
        if let Some((.., known)) = self.detectors.iter().find(|of| of.0 == patterns && of.1 == offset) {
            return Ok(known.clone());
        }
        let new = Detector::new(patterns, zones)?;
        self.detectors.push((patterns.iter().map(|text| (*text).to_owned()).collect(), offset, new.clone()));
        Ok(new)
    }
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;
    use crate::config::Spanned;
    use crate::time::Timestamp;

    #[test]
    fn what_is_spelt_alike_and_meant_alike_is_read_once() {
        let mut shelf = Shelf::default();
        let mut read =
            |usedns, window| shelf.regex("^bad <HOST>$", usedns, Options { multiline: false, window }).unwrap();
        let first = read(UseDns::No, false);
        assert!(Arc::ptr_eq(&first, &read(UseDns::No, false)));
        assert!(!Arc::ptr_eq(&first, &read(UseDns::Warn, false)));
        assert!(!Arc::ptr_eq(&first, &read(UseDns::No, true)));
        assert!(shelf.regex("^bad (<HOST>$", UseDns::No, Options::default()).is_err());
        let settings = |text: &str| RecordSettings { regex: vec![Spanned::bare(text)], ..RecordSettings::default() };
        let mut read = |text| shelf.records(&settings(text), UseDns::No).unwrap().unwrap();
        let first = read("^by '<F-TEXT/>' from <ADDR>$");
        assert!(Arc::ptr_eq(&first, &read("^by '<F-TEXT/>' from <ADDR>$")));
        assert!(!Arc::ptr_eq(&first, &read("^to '<F-TEXT/>' from <ADDR>$")));
        assert!(shelf.records(&settings("^a b$"), UseDns::No).is_err());
        let mut read = |pattern, logtimezone| {
            let zones = Zones { local: TimeZone::UTC, logtimezone };
            let mut detector = shelf.detector(&[pattern], zones).unwrap();
            detector.find("2026-11-20 10:00:07", Timestamp::default()).map(|found| found.time)
        };
        assert_eq!(read("^%Y-%m-%d %H:%M:%S", None), read("^%Y-%m-%d %H:%M:%S", Some(0)));
        assert_ne!(read("^%Y-%m-%d %H:%M:%S", None), read("^%Y-%m-%d %H:%M:%S", Some(3600)));
        assert_ne!(read("^%Y-%m-%d %H:%M:%S", None), read("^%Y-%m-%d %H:%M", None));
    }
}
