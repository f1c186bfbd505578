//! What an import took and what it refused, as data and as text.

use std::fmt::Write;

use indexmap::IndexMap;
use serde::Serialize;

use super::lists::Kind;
use crate::text::printable;

/// What became of the files.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Report {
    /// Nothing was changed.
    pub dry_run: bool,
    /// A daemon took it in; else it was written to the database for the next start.
    pub daemon: bool,
    /// The files, in the order given.
    pub files: Vec<File>,
    /// What came into which jail.
    pub jails: IndexMap<String, Counts>,
    /// Log positions that were taken.
    pub positions: usize,
    /// Log positions that were left: they are known, or a daemon reads on from its own.
    pub positions_left: usize,
    /// Addresses for `ignoreip`.
    pub allow: Vec<String>,
    /// What was not taken.
    pub refused: Vec<Refused>,
}

/// A file that was read.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct File {
    /// As named.
    pub file: String,
    /// What it is.
    pub kind: Kind,
    /// How many entries were understood.
    pub entries: usize,
    /// What is wrong with it as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub damage: Option<String>,
}

/// One jail's part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Counts {
    /// Bans that hold.
    pub banned: usize,
    /// Bans that hold once the jail is on.
    pub waiting: usize,
    /// Bans that are over; how often they were counts for `bantime.increment`.
    pub remembered: usize,
    /// Bans that were known already.
    pub known: usize,
}

/// Something that was not taken.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Refused {
    /// File and line, or file and row.
    pub place: String,
    /// What stands there.
    pub entry: String,
    /// Why not.
    pub reason: String,
}

impl Report {
    /// For a terminal.
    pub fn text(&self) -> String {
        let mut out = String::new();
        for File { file, kind, entries, damage } in &self.files {
            let what = match kind {
                Kind::Fail2ban => "a database",
                Kind::Ipset => "an ipset",
                Kind::Sipcheck => "a blacklist of SIPCheck's",
                Kind::List => "a list of addresses",
                Kind::Allow => "an allow list",
            };
            line(&mut out, &format!("{file}: {what}, entries read: {entries}"));
            if let Some(damage) = damage {
                line(&mut out, &format!("{file}: damaged ({damage}); this is what could still be read"));
            }
        }
        for Refused { place, entry, reason } in &self.refused {
            line(&mut out, &format!("{place}: `{entry}` is refused: {reason}"));
        }
        for (jail, counts) in &self.jails {
            let said: Vec<String> = [
                (counts.banned, if self.daemon || self.dry_run { "banned" } else { "banned from the next start on" }),
                (counts.waiting, "kept until the jail is on"),
                (counts.remembered, "over, remembered"),
                (counts.known, "known already"),
            ]
            .into_iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{count} {what}"))
            .collect();
            line(&mut out, &format!("jail {jail}: {}", said.join(", ")));
        }
        for (count, what) in [
            (self.positions, "log positions taken"),
            (self.positions_left, "log positions left as they are"),
            (self.refused.len(), "entries refused"),
        ] {
            if count > 0 {
                line(&mut out, &format!("{what}: {count}"));
            }
        }
        if self.dry_run {
            line(&mut out, "nothing was changed");
        }
        if !self.allow.is_empty() {
            line(&mut out, "to let these in, add them to ignoreip, under [DEFAULT] in jail.local:");
            line(&mut out, &format!("ignoreip = {}", self.allow.join("\n    ")));
        }
        out.truncate(out.trim_end().len());
        out
    }
}

/// Adds a line, harmless wherever it is shown; a file is not the operator's own writing.
fn line(out: &mut String, text: &str) {
    for text in text.split('\n') {
        let _never = writeln!(out, "{}", printable(text));
    }
}
