//! A jail of which nothing is said yet: what fail2ban's server takes where no command says otherwise.

use super::{CountBy, Enabled, FilterSettings, Ignore, Increment, JailSettings, Origin, Spread, UseDns};
use crate::addr::Subnet;
use crate::line::{Neighbours, Unwrap};
use crate::time::{Bantime, Span};

impl JailSettings {
    /// Without filter, log and action.
    pub fn bare(name: &str, backend: &str) -> JailSettings {
        JailSettings {
            name: name.to_owned(),
            origin: Origin::default(),
            enabled: Enabled::Yes,
            backend: backend.to_owned(),
            filter: FilterSettings { maxlines: 1, ..FilterSettings::default() },
            journal: None,
            events: None,
            logpath: Vec::new(),
            logpath_first: false,
            logencoding: "auto".to_owned(),
            logtimezone: None,
            unwrap: Unwrap::None,
            neighbours: Neighbours::None,
            usedns: UseDns::Warn,
            subnet: Subnet::NONE,
            maxretry: 3,
            maxmatches: 5,
            findtime: Span::from_secs(600),
            bantime: Bantime::For(Span::from_secs(600)),
            increment: Increment::default(),
            ignore: Ignore { myself: true, ..Ignore::default() },
            protect: false,
            dedupe: false,
            trust: None,
            countby: CountBy::Line,
            samefailtime: Span::from_secs(3600),
            spread: Spread::default(),
            actions: Vec::new(),
        }
    }
}
