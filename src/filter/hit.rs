//! A match with all that is known then, and the failure that it proves.

use super::failregex::{Groups, is_of_failure};
use crate::ticket::{Failure, Named, Sign, Who};
use crate::time::Timestamp;

/// A failregex that matched, with all that is known then.
#[derive(Clone, Debug, PartialEq)]
pub struct Hit {
    /// Which failregex, from 0.
    pub regex: usize,
    /// What that is a sign of; the failregexes come first.
    pub sign: Sign,
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
        let groups = self.groups.iter().map(|(name, text)| (&**name, &**text)).filter(|(name, _)| is_of_failure(name));
        Some(Failure { sign: self.sign, ..failure(who, self.ip.as_deref(), groups, time, self.matches) })
    }
}

/// The failure of somebody, with the groups that are no part of who it was and the host beside them.
pub fn failure<'a>(
    who: Who,
    ip: Option<&'a str>,
    groups: impl Iterator<Item = (&'a str, &'a str)> + Clone,
    time: Timestamp,
    matches: Vec<String>,
) -> Failure {
    // It wins over a group of that name.
    let groups = groups.filter(|(name, _)| ip.is_none() || *name != "ip");
    let tries = groups.clone().find(|(name, _)| *name == "tries").and_then(|(_, n)| n.parse::<u32>().ok());
    let groups = Named::new(groups.chain(ip.map(|ip| ("ip", ip))));
    Failure { who, time, count: tries.unwrap_or(1).clamp(1, MANY), matches, groups, sign: Sign::Failed }
}

/// Tries that one line may stand for.
const MANY: u32 = 100;

#[cfg(test)]
mod tests {
    use std::path::Path;

    use jiff::tz::TimeZone;

    use crate::config::{self, FilterSettings, JailSettings, Spanned, UseDns};
    use crate::filter::{Filter, Moment};
    use crate::time::{Span, Timestamp};

    /// Failures of lines, and those that their hits prove.
    fn both(jail: &JailSettings, lines: &[&[u8]]) -> usize {
        let filter = || Filter::new(jail, &TimeZone::UTC).unwrap().0;
        let (mut by_line, mut by_hit) = (filter(), filter());
        let now = Timestamp::from_secs(1_795_168_800);
        let moment = Moment { now, findtime: Span(i64::MAX), live: true, time: None, before: b"" };
        let mut count = 0;
        for line in lines {
            let (mut failures, mut hits) = (Vec::new(), Vec::new());
            let verdict = by_line.line(line, &moment, &mut failures);
            assert_eq!(by_hit.hits(line, None, &moment, &mut hits), verdict);
            let proven: Vec<_> = hits.into_iter().filter_map(super::Hit::failure).collect();
            assert_eq!(failures, proven, "{}", String::from_utf8_lossy(line));
            count += failures.len();
        }
        let said = |filter: &mut Filter| filter.records().into_iter().map(|record| record.text).collect::<Vec<_>>();
        assert_eq!(said(&mut by_line), said(&mut by_hit));
        count
    }

    #[test]
    fn what_a_line_proves_by_itself_is_what_its_hit_proves() {
        let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/samples");
        let files = samples.read_dir().unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file());
        let logs: Vec<Vec<u8>> = files.map(|path| std::fs::read(path).unwrap()).collect();
        let lines: Vec<&[u8]> = logs.iter().flat_map(|log| log.split(|byte| *byte == b'\n')).collect();
        let jails = config::load(Path::new("/nonexistent")).jails;
        assert!(jails.iter().map(|jail| both(jail, &lines)).sum::<usize>() > 50);
    }

    #[test]
    fn groups_of_every_kind_prove_the_same_either_way() {
        let mut jail = config::load(Path::new("/nonexistent")).jails.remove(0);
        let failregex = [
            r"^ a <F-USER>\w+</F-USER> (?:(?P<tries>\d+) )?<HOST>$",
            r"^ b (?:<F-ID>\S*</F-ID> )?<SUBNET>$",
            r"^ c <F-USER>\w*</F-USER>,<F-ALT_USER>\w*</F-ALT_USER> <ADDR>$",
            r"^ d <F-MLFID>\w+</F-MLFID>(?: <F-NOFAIL>help</F-NOFAIL>)?(?: <F-USER>\w+</F-USER>)?(?: <ADDR>)?$",
            r"^ e <F-NOFAIL>x</F-NOFAIL> <HOST>$",
            r"^ f(?: <ADDR>)?$",
            r"^ a.* g <F-CONTENT>\w+</F-CONTENT> <HOST>",
        ];
        jail.filter = FilterSettings {
            failregex: failregex.map(Spanned::bare).to_vec(),
            ignoreregex: vec![Spanned::bare("bob")],
            maxlines: 1,
            ..FilterSettings::default()
        };
        let rest = [
            "a bob 192.0.2.1",
            "a eve 5 192.0.2.1",
            "a eve 500 [2001:db8::1]",
            "a eve 7 host.example",
            "a eve 999.0.2.1",
            "b 198.51.100.7/24",
            "b x/1 198.51.100.7",
            "b  198.51.100.7",
            "b 198.51.100.7 198.51.100.7",
            "c ,alice 192.0.2.1",
            "c carol,alice ::ffff:192.0.2.1",
            "d s1 help 192.0.2.1",
            "d s1 dave",
            "d s2 192.0.2.2",
            "e x 192.0.2.3",
            "f",
            "f 2001:db8::2",
            "f 1.2.3",
            "a é g word 192.0.2.4",
        ];
        let lines: Vec<String> = rest.iter().map(|rest| format!("2026-11-20 10:00:00 {rest}")).collect();
        let lines: Vec<&[u8]> = lines.iter().map(|line| line.as_bytes()).chain([&b"a eve 192.0.2.9"[..]]).collect();
        for usedns in [UseDns::No, UseDns::Warn, UseDns::Raw] {
            jail.usedns = usedns;
            assert!(both(&jail, &lines) > 8);
        }
        jail.filter.maxlines = 3;
        assert!(both(&jail, &lines) > 8);
        jail.filter.maxlines = 1;
        jail.filter.prefregex = Some(Spanned::bare(r"^<F-CONTENT>.+</F-CONTENT>$"));
        assert!(both(&jail, &lines) > 8);
        jail.filter.prefregex = Some(Spanned::bare(r"^<F-CONTENT> (?P<kind>\w) .+</F-CONTENT>$"));
        assert!(both(&jail, &lines) > 6);
    }
}
