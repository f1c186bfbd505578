//! What counts as a failure of its own: `countby`, and `spread`.

use super::FilterSettings;
use crate::time::Span;

/// What a failure counts as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum CountBy {
    /// Each line, as for fail2ban.
    #[default]
    Line,
    /// Each account (`<F-USER>`) once in a while; a line that names none counts for nothing.
    User,
    /// Each account once in a while, and each line that names none.
    UserOrLine,
}

impl CountBy {
    /// The words for it.
    pub const WORDS: &[(&str, CountBy)] =
        &[("line", CountBy::Line), ("user", CountBy::User), ("user-or-line", CountBy::UserOrLine)];

    /// The word for this.
    pub fn word(self) -> &'static str {
        CountBy::WORDS.iter().find(|(_, countby)| *countby == self).map_or("line", |(word, _)| word)
    }
}

/// When a number (`<F-NUMBER>`) is dialled from so many addresses that all of them are banned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spread {
    /// From how many; 0: never.
    pub from: u32,
    /// Within which time.
    pub within: Span,
    /// By how many of its last digits a number is known; one with fewer is nobody's.
    pub digits: u32,
}

impl Spread {
    /// More digits than these no number has.
    pub const MOST_DIGITS: u32 = 18;
}

impl Default for Spread {
    fn default() -> Spread {
        Spread { from: 0, within: Span::from_secs(3600), digits: 9 }
    }
}

impl FilterSettings {
    /// Whether some expression has a group of this name, `<F-NAME>` or Python's.
    pub fn names(&self, group: &str) -> bool {
        let upper = group.to_uppercase();
        let ways = [format!("<F-{upper}>"), format!("<F-ALT_{upper}>"), format!("(?P<{group}>")];
        let all = self.prefregex.iter().chain(&self.failregex).chain(&self.eventregex);
        all.into_iter().any(|regex| ways.iter().any(|way| regex.text.contains(way)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Origin, Spanned};

    #[test]
    fn a_group_is_named_in_three_ways() {
        for (regex, named) in [
            ("^<ADDR> <F-USER>.*</F-USER>$", true),
            ("^<ADDR> <F-ALT_USER>.*</F-ALT_USER>$", true),
            ("^<ADDR> (?P<user>.*)$", true),
            ("^<ADDR> user$", false),
        ] {
            let failregex = vec![Spanned { text: regex.to_owned(), origin: Origin::default() }];
            assert_eq!(FilterSettings { failregex, ..FilterSettings::default() }.names("user"), named, "{regex}");
        }
    }
}
