//! The one place that reads the clock and asks where it hangs; everyone else is told the time and the zone.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use jiff::tz::TimeZone;

use crate::time::Timestamp;

/// The present.
#[expect(clippy::disallowed_methods, reason = "this is the clock")]
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

/// The host's zone: `TZ`, else `/etc/localtime`, else UTC. Read from that file itself where it decides: finding it by its
/// name begins with a walk through all zones that there are, and nobody here asks for the name.
pub fn zone() -> TimeZone {
    let elsewhere = ["TZ", "TZDIR"].iter().any(|name| std::env::var_os(name).is_some());
    let local = (!elsewhere).then(|| written_in(Path::new("/etc/localtime"))).flatten();
    local.unwrap_or_else(TimeZone::system)
}

fn written_in(file: &Path) -> Option<TimeZone> {
    TimeZone::tzif("", &std::fs::read(file).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_same(ours: &TimeZone, theirs: &TimeZone) {
        for weeks in 0..150 * 52 {
            let at = jiff::Timestamp::from_second(weeks * 604_800).expect("it is in range");
            assert_eq!(ours.to_offset(at), theirs.to_offset(at), "{at}");
        }
    }

    #[test]
    fn the_zone_is_that_of_the_system() {
        assert_same(&zone(), &TimeZone::system());
    }

    #[test]
    fn a_zone_is_the_same_by_its_file_and_by_its_name() {
        for name in ["Europe/Dublin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe"] {
            let file = Path::new("/usr/share/zoneinfo").join(name);
            match (written_in(&file), TimeZone::get(name)) {
                (Some(ours), Ok(theirs)) => assert_same(&ours, &theirs),
                _ => eprintln!("skipped: this host does not know {name}"),
            }
        }
    }
}
