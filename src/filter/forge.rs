//! The filters of many jails: what is alike is made once.
//!
//! Often several jails read a log with the same filter, for a short ban and a long one. A [`Forge`] knows what it has made,
//! and gives the second jail a copy of the first one's filter, which shares all that does not change: the expressions,
//! what is built of them later, the literals of the scan. [`Filter::is_twin`] tells them. What two filters have in common
//! without being alike, the [`Shelf`] knows.

use jiff::tz::TimeZone;

use super::Filter;
use super::date::Zones;
use super::shelf::Shelf;
use crate::config::{FilterSettings, JailSettings, Origin, Problem, UseDns};

/// Makes filters for one host.
pub struct Forge<'a> {
    zone: &'a TimeZone,
    made: Vec<Made>,
    shelf: Shelf,
}

/// A filter that has seen no line, and what there is to say of it; or why there is none.
type Outcome = Result<(Filter, Vec<Problem>), Vec<Problem>>;

/// One outcome and what it came of.
struct Made {
    settings: FilterSettings,
    usedns: UseDns,
    encoding: String,
    logtimezone: Option<i32>,
    outcome: Outcome,
}

impl Forge<'_> {
    /// One that has made nothing yet; `zone` is the local time zone.
    pub fn new(zone: &TimeZone) -> Forge<'_> {
        Forge { zone, made: Vec::new(), shelf: Shelf::default() }
    }

    /// A jail's filter, see [`Filter::new`].
    pub fn filter(&mut self, jail: &JailSettings) -> Outcome {
        let of_jail = |problems: &[Problem]| -> Vec<Problem> {
            let named = problems.iter().cloned().map(|p| p.of_jail(&jail.name));
            named.map(|p| Problem { origin: or(p.origin, &jail.origin), ..p }).collect()
        };
        match self.outcome(jail) {
            Ok((filter, problems)) => {
                let filter = Filter { neighbours: jail.neighbours, ..filter.clone() };
                Ok((filter, of_jail(problems)))
            }
            Err(problems) => Err(of_jail(problems)),
        }
    }

    fn outcome(&mut self, jail: &JailSettings) -> &Outcome {
        let at = self.made.iter().position(|made| made.is_for(jail)).unwrap_or_else(|| {
            let zones = Zones { local: self.zone.clone(), logtimezone: jail.logtimezone };
            self.made.push(Made {
                settings: jail.filter.clone(),
                usedns: jail.usedns,
                encoding: jail.logencoding.clone(),
                logtimezone: jail.logtimezone,
                outcome: Filter::with(&jail.filter, jail.usedns, &jail.logencoding, zones, &mut self.shelf),
            });
            self.made.len() - 1
        });
        &self.made[at].outcome
    }
}

impl Made {
    /// Whether the jail asks for the same, down to the places where problems would be shown.
    fn is_for(&self, jail: &JailSettings) -> bool {
        let (one, other) = (&self.settings, &jail.filter);
        (self.usedns, &self.encoding, self.logtimezone) == (jail.usedns, &jail.logencoding, jail.logtimezone)
            && one.maxlines == other.maxlines
            && one.prefregex == other.prefregex
            && one.failregex == other.failregex
            && one.ignoreregex == other.ignoreregex
            && one.datepattern == other.datepattern
            && one.record == other.record
            && (&one.signs.trust, &one.signs.restart) == (&other.signs.trust, &other.signs.restart)
    }
}

/// `origin`, or `other` where that stands in no file.
fn or(origin: Origin, other: &Origin) -> Origin {
    if origin == Origin::default() { other.clone() } else { origin }
}
