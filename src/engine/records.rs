//! What the engine says, to the letter as fail2ban says it: other programs read these lines.
//!
//! `recidive` wants `Ban X` to be the end of its line, so nothing is ever appended there.

use jiff::tz::TimeZone;

use crate::addr::Id;
use crate::config::Spread;
use crate::jail::ignore::Rule;
use crate::jail::outage::{AT_ONCE, HOLD};
use crate::record::{Level, Record};
use crate::time::{Bantime, Span, Timestamp};

pub fn found(jail: &str, id: &Id, time: Timestamp, zone: &TimeZone) -> Record {
    filter(Level::Info, format!("[{jail}] Found {id} - {}", time.in_zone(zone)))
}

/// `weight` is what the failure counts for, `ban` whether that alone is enough.
pub fn attempt(jail: &str, id: &Id, time: Timestamp, zone: &TimeZone) -> Record {
    Record::new(Level::Info, "filter", format!("[{jail}] Attempt {id} - {}", time.in_zone(zone)))
}

pub fn found_bad(
    jail: &str,
    id: &Id,
    time: Timestamp,
    before: u32,
    weight: &str,
    ban: bool,
    zone: &TimeZone,
) -> Record {
    let (time, ban) = (time.in_zone(zone), if ban { ", Ban" } else { "" });
    observer(Level::Info, format!("[{jail}] Found {id}, bad - {time}, {before} # -> {weight}{ban}"))
}

pub fn ignored(jail: &str, id: &Id, rule: &Rule) -> Record {
    filter(Level::Info, format!("[{jail}] Ignore {id} by {rule}"))
}

pub fn trusted(jail: &str, id: &Id, time: Timestamp, zone: &TimeZone) -> Record {
    filter(Level::Info, format!("[{jail}] Trust {id} - {}", time.in_zone(zone)))
}

pub fn spared(jail: &str, id: &Id) -> Record {
    filter(Level::Info, format!("[{jail}] Ignore {id} by trust"))
}

pub fn distrusted(jail: &str, id: &Id, failures: u32) -> Record {
    let text = format!("[{jail}] {id} was on trust and is to be banned all the same, for {failures} failures");
    filter(Level::Warning, text)
}

pub fn restarted(jail: &str, time: Timestamp, zone: &TimeZone) -> Record {
    filter(Level::Info, format!("[{jail}] The PBX was started or reloaded - {}", time.in_zone(zone)))
}

pub fn outage(jail: &str, failed: usize) -> Record {
    let text = format!(
        "[{jail}] {failed} accounts that are known to log in failed within {} s, soon after the PBX was started or reloaded: \
         can it not reach what it asks about passwords? Failures of such accounts do not count for {} s",
        AT_ONCE.secs(),
        HOLD.secs()
    );
    filter(Level::Warning, text)
}

pub fn resolved(name: &str, addresses: &[std::net::IpAddr]) -> Record {
    let list: Vec<String> = addresses.iter().map(|ip| format!("'{ip}'")).collect();
    filter(Level::Warning, format!("Determined IP using DNS Lookup: {name} = {{{}}}", list.join(", ")))
}

pub fn unresolved(name: &str, why: &str) -> Record {
    filter(Level::Warning, format!("Unable to find a corresponding IP address for {name}: {why}"))
}

pub fn banned(jail: &str, id: &Id) -> Record {
    actions(Level::Notice, format!("[{jail}] Ban {id}"))
}

/// Of the number only those digits are said that it is known by.
pub fn spread(jail: &str, number: u64, addresses: usize, rule: &Spread) -> Record {
    let digits = rule.digits as usize;
    filter(
        Level::Notice,
        format!("[{jail}] …{number:0digits$} was dialled from {addresses} addresses within {}", rule.within),
    )
}

pub fn restored(jail: &str, id: &Id) -> Record {
    actions(Level::Notice, format!("[{jail}] Restore Ban {id}"))
}

pub fn unbanned(jail: &str, id: &Id) -> Record {
    actions(Level::Notice, format!("[{jail}] Unban {id}"))
}

pub fn flushed(jail: &str, firewall: &str) -> Record {
    actions(Level::Notice, format!("[{jail}] Flush ticket(s) with {firewall}"))
}

pub fn already_banned(jail: &str, id: &Id, level: Level) -> Record {
    actions(level, format!("[{jail}] {id} already banned"))
}

pub fn not_banned(id: &Id) -> Record {
    actions(Level::Debug, format!("{id} is not banned"))
}

pub fn expired(jail: &str, id: &Id) -> Record {
    actions(Level::Info, format!("[{jail}] Ignore {id}, expired bantime"))
}

/// Somebody was banned before, `last` being the newest time; the ban grows.
pub fn bad(jail: &str, id: &Id, before: u32, last: Timestamp, from: Bantime, to: Bantime, zone: &TimeZone) -> Record {
    let (last, from, to) = (last.in_zone(zone), length(from), length(to));
    observer(Level::Info, format!("[{jail}] IP {id} is bad: {before} # last {last} - incr {from} to {to}"))
}

pub fn increased(jail: &str, id: &Id, bancount: u32, bantime: Bantime, since: Timestamp, zone: &TimeZone) -> Record {
    let end = bantime.until(since).map_or("infinite".into(), |end| end.in_zone(zone));
    let length = length(bantime);
    observer(Level::Notice, format!("[{jail}] Increase Ban {id} ({bancount} # {length} -> {end})"))
}

pub fn started(jail: &str) -> Record {
    Record::new(Level::Info, "jail", format!("Jail '{jail}' started"))
}

pub fn stopped(jail: &str) -> Record {
    Record::new(Level::Info, "jail", format!("Jail '{jail}' stopped"))
}

/// A length of time as fail2ban shows it: three units at most, rounded more the longer it is.
fn length(bantime: Bantime) -> String {
    let Bantime::For(span) = bantime else { return "permanent".into() };
    in_units(span)
}

fn in_units(span: Span) -> String {
    let secs = span.as_secs_f64().max(0.0).round_ties_even();
    let (step, units): (f64, &[(u64, &str)]) = match secs as u64 {
        ..3595 => (1.0, &[(MINUTE, "m"), (1, "s")]),
        3595..DAY => (10.0, &[(HOUR, "h"), (MINUTE, "m")]),
        DAY..WEEK => (60.0, &[(DAY, "d"), (HOUR, "h"), (MINUTE, "m")]),
        WEEK..YEAR => (3600.0, &[(WEEK, "w"), (DAY, "d"), (HOUR, "h")]),
        YEAR.. => (86_400.0, &[(YEAR, "y"), (WEEK, "w"), (DAY, "d")]),
    };
    let mut rest = ((secs / step).round_ties_even() * step) as u64;
    let mut parts = Vec::new();
    for &(seconds, unit) in units {
        if rest >= seconds {
            parts.push(format!("{}{unit}", rest / seconds));
            rest %= seconds;
        }
    }
    if parts.is_empty() { "0".into() } else { parts.join(" ") }
}

fn filter(level: Level, text: String) -> Record {
    Record::new(level, "filter", text)
}

pub fn actions(level: Level, text: String) -> Record {
    Record::new(level, "actions", text)
}

fn observer(level: Level, text: String) -> Record {
    Record::new(level, "observer", text)
}

const MINUTE: u64 = 60;
const HOUR: u64 = 3600;
const DAY: u64 = 86_400;
const WEEK: u64 = 7 * DAY;
const YEAR: u64 = 365 * DAY;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_look_as_fail2ban_shows_them() {
        for (secs, shown) in [
            (0, "0"),
            (59, "59s"),
            (60, "1m"),
            (61, "1m 1s"),
            (3594, "59m 54s"),
            (3595, "1h"),
            (3655, "1h 1m"),
            (3671, "1h 1m"),
            (3715, "1h 2m"),
            (13_571, "3h 46m"),
            (86_395, "24h"),
            (86_430, "1d"),
            (86_431, "1d 1m"),
            (90_090, "1d 1h 2m"),
            (100_000, "1d 3h 47m"),
            (604_769, "6d 23h 59m"),
            (604_770, "7d"),
            (606_600, "1w"),
            (606_601, "1w 1h"),
            (610_200, "1w 2h"),
            (698_500, "1w 1d 2h"),
            (31_535_999, "52w 1d"),
            (31_534_199, "52w 23h"),
            (31_579_199, "1y"),
            (31_579_200, "1y 1d"),
            (33_701_000, "1y 3w 4d"),
            (629_145_600, "19y 49w 4d"),
        ] {
            assert_eq!(in_units(Span::from_secs(secs)), shown, "{secs}");
        }
    }

    #[test]
    fn growing_bans_are_told_as_fail2ban_tells_them() {
        let zone = TimeZone::UTC;
        let (id, since) = (Id::parse("192.0.2.1"), Timestamp::from_secs(1_795_170_349));
        let (from, to) = (Bantime::For(Span::from_secs(6)), Bantime::For(Span::from_secs(12)));
        let record = bad("sipt", &id, 1, Timestamp::from_secs(1_795_170_332), from, to, &zone);
        assert_eq!(record.text, "[sipt] IP 192.0.2.1 is bad: 1 # last 2026-11-20 10:25:32 - incr 6s to 12s");
        let record = increased("sipt", &id, 2, to, since, &zone);
        assert_eq!(record.text, "[sipt] Increase Ban 192.0.2.1 (2 # 12s -> 2026-11-20 10:26:01)");
        let record = increased("sipt", &id, 2, Bantime::Forever, since, &zone);
        assert_eq!(record.text, "[sipt] Increase Ban 192.0.2.1 (2 # permanent -> infinite)");
    }
}
