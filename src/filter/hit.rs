//! A match with all that is known then, and the failure that it proves.

use super::failregex::{Groups, is_of_failure};
use crate::ticket::{Failure, Who};
use crate::time::Timestamp;

/// A failregex that matched, with all that is known then.
#[derive(Clone, Debug, PartialEq)]
pub struct Hit {
    /// Which failregex, from 0.
    pub regex: usize,
    /// Whom it means; `None` for nobody.
    pub who: Option<Who>,
    /// Text in the place of an address that is none: then `who` is nobody.
    pub invalid: Option<String>,
    /// The host beside an identity that is not the host's.
    pub ip: Option<String>,
    /// When; `None` only in tools.
    pub time: Option<Timestamp>,
    /// The line itself or `logtimezone` says the zone of its date.
    pub zoned: bool,
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
        groups.retain(|name, _| is_of_failure(name));
        Some(failure(who, self.ip, groups, time, self.matches))
    }
}

/// The failure of somebody, with the groups that are no part of who it was and the host beside them.
pub fn failure(who: Who, ip: Option<String>, mut groups: Groups, time: Timestamp, matches: Vec<String>) -> Failure {
    groups.extend(ip.map(|ip| ("ip".to_owned(), ip)));
    let tries = groups.get("tries").and_then(|n| n.parse::<u32>().ok());
    Failure { who, time, count: tries.unwrap_or(1).clamp(1, MANY), matches, groups }
}

/// Tries that one line may stand for.
const MANY: u32 = 100;
