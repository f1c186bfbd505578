//! The one place that reads the clock; everyone else is told the time.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::time::Timestamp;

/// The present.
#[expect(clippy::disallowed_methods, reason = "this is the clock")]
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}
