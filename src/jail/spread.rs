//! `spread`: a number that is dialled from many addresses is one attacker behind many.
//!
//! Toll fraud looks for a way out with one number and a thousand prefixes, a few tries from each of the addresses it has. So a
//! number is known by its last digits, and when it comes from enough addresses within a while, all of them are guilty.
//!
//! The number is a sender's choice, so it may not be enough for a ban of somebody else. Whose failures a filter gives a
//! number to has dialled without an account: a customer who misdials has one, and is not here. What is short is nobody's
//! number: 112 and 911 are dialled by everybody. And nobody is banned for a number that he has not dialled himself: another
//! is marked by it only if a packet with his address says so. Who can forge those (an INVITE over UDP) can forge as many as
//! ban by themselves; with `spread` not below `maxretry` the first ban takes as many lines as without. Once a number is known,
//! one line is enough for each further address, so there a forged packet does as much as `maxretry` of them: whoever must not
//! be hit is on trust, protected or ignored.

use super::lately::{Lately, VALUES};
use crate::addr::Id;
use crate::config::Spread;
use crate::ticket::Failure;

/// From where numbers were dialled, each number by its last digits. A restart forgets them.
#[derive(Debug, Default)]
pub struct Numbers {
    dialled: Lately<u64, Id>,
}

impl Numbers {
    /// Everybody who has dialled the number of this failure lately, if they are enough, with the digits that it is known by.
    pub fn dialled(&mut self, rule: &Spread, id: &Id, failure: &Failure) -> Option<(u64, Vec<Id>)> {
        if rule.from == 0 {
            return None;
        }
        let known = last_digits(failure.groups.get("number")?, rule.digits)?;
        self.dialled.is_new(&known, id.clone(), rule.within, failure.time);
        let lately = self.dialled.of(&known).iter().filter(|(_, since)| *since > failure.time - rule.within);
        let from: Vec<Id> = lately.map(|(id, _)| id.clone()).collect();
        (from.len() >= (rule.from as usize).min(VALUES)).then_some((known, from))
    }
}

/// The last `digits` digits of a number, which may hold `+`, `*` and the like; nothing if it has fewer.
fn last_digits(number: &str, digits: u32) -> Option<u64> {
    let all: Vec<u8> = number.bytes().filter(u8::is_ascii_digit).collect();
    let first = all.len().checked_sub(digits as usize)?;
    Some(all[first..].iter().fold(0, |known: u64, digit| known.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ticket::{Named, Sign, Who};
    use crate::time::Timestamp;

    const RULE: Spread = Spread { from: 3, within: crate::time::Span::from_secs(3600), digits: 9 };

    /// Who is marked after these calls: seconds, last byte of the address, number.
    fn marked(calls: &[(i64, u8, &str)]) -> usize {
        let mut numbers = Numbers::default();
        let mut marked = Vec::new();
        for (secs, from, number) in calls {
            let id = Id::Ip([192, 0, 2, *from].into());
            let groups = Named::from([("number", *number)]);
            let time = Timestamp::from_secs(1_000_000 + secs);
            let failure =
                Failure { who: Who::Id(id.clone()), time, count: 1, matches: Vec::new(), groups, sign: Sign::Failed };
            marked.extend(numbers.dialled(&RULE, &id, &failure).map(|(_, from)| from.len()));
        }
        marked.last().copied().unwrap_or(0)
    }

    #[test]
    fn a_number_is_the_same_behind_every_prefix() {
        assert_eq!(marked(&[(0, 1, "00972598285108"), (10, 2, "900972598285108"), (20, 3, "+972598285108")]), 3);
        assert_eq!(marked(&[(0, 1, "00972598285108"), (10, 2, "00972598285108"), (20, 3, "00972598285109")]), 0);
    }

    #[test]
    fn three_times_from_one_address_is_not_three_addresses() {
        assert_eq!(marked(&[(0, 1, "00972598285108"), (1, 1, "972598285108"), (2, 1, "972598285108")]), 0);
    }

    #[test]
    fn what_is_long_ago_does_not_mark() {
        assert_eq!(marked(&[(0, 1, "598285108"), (1, 2, "598285108"), (3600, 3, "598285108")]), 0);
        assert_eq!(marked(&[(0, 1, "598285108"), (1, 2, "598285108"), (3599, 3, "598285108")]), 3);
    }

    #[test]
    fn a_short_number_is_nobodys() {
        for number in ["112", "911", "9112", "12345678", "", "+*#"] {
            assert_eq!(marked(&[(0, 1, number), (1, 2, number), (2, 3, number)]), 0, "{number}");
        }
        assert_eq!(last_digits("+49 (30) 1234-56789", 9), Some(123_456_789));
        assert_eq!(last_digits("123456789012345678", 18), Some(123_456_789_012_345_678));
    }
}
