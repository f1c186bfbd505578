//! What counts as a failure of its own: `countby` and `samefailtime`, over restarts too, and `spread`.

use sipjail::addr::{Id, Subnet};
use sipjail::config::{CountBy, IgnoreItem, JailSettings, Spread};
use sipjail::record::Level;
use sipjail::store::Change;
use sipjail::ticket::{Failure, Who};
use sipjail::time::{Span, Timestamp};

use crate::world::{World, failure, jail};

const DAY: i64 = 86_400;

/// Three accounts within three days.
fn slow() -> JailSettings {
    let countby = CountBy::User;
    let (findtime, samefailtime) = (Span::from_secs(3 * DAY), Span::from_secs(7 * DAY));
    JailSettings { countby, findtime, samefailtime, ..jail("slow") }
}

/// A number from three addresses within the hour.
fn toll() -> JailSettings {
    let spread = Spread { from: 3, ..Spread::default() };
    JailSettings { spread, findtime: Span::from_secs(3600), ..jail("toll") }
}

impl World {
    /// A failure of `id` that names something, now.
    fn named(&mut self, jail: &str, id: &str, group: &str, text: &str) {
        let groups = [(group, text)].into();
        let failure = Failure { time: self.now, groups, ..failure(Who::Id(Id::parse(id))) };
        self.failure(jail, failure);
    }

    fn uncounted(&self, jail: &str) -> (u64, u64, u64) {
        let status = self.engine.status(jail).expect("it exists");
        (status.total_failed, status.repeated, status.nameless)
    }
}

#[test]
fn one_stale_phone_is_no_scanner_however_long_it_tries() {
    let mut world = World::new(vec![slow(), JailSettings { countby: CountBy::Line, ..jail("sip") }]);
    for _ in 0..14 * 24 {
        world.named("slow", "192.0.2.1", "user", "100");
        world.pass(3600);
    }
    assert_eq!((world.banned("slow").len(), world.uncounted("slow")), (0, (2, 14 * 24 - 2, 0)));
    (0..3).for_each(|_| world.named("sip", "192.0.2.1", "user", "100"));
    assert_eq!(world.banned("sip"), ["192.0.2.1"], "the plain jail counts every guess");
}

#[test]
fn a_network_that_counts_as_one_has_its_accounts_together() {
    let mut world = World::new(vec![JailSettings { subnet: Subnet { v4: 32, v6: 64 }, ..slow() }]);
    for host in 1..5 {
        world.named("slow", &format!("2001:db8:1:2::{host}"), "user", "100");
    }
    assert_eq!(world.uncounted("slow"), (1, 3, 0));
    let mut world = world.restart(vec![JailSettings { subnet: Subnet { v4: 32, v6: 64 }, ..slow() }], 60);
    for account in ["100", "101", "102"] {
        assert_eq!(world.banned("slow").len(), 0);
        world.named("slow", "2001:db8:1:2::9", "user", account);
    }
    assert_eq!(world.banned("slow"), ["2001:db8:1:2::/64"]);
}

#[test]
fn a_scanner_is_caught_however_slow_it_is() {
    let mut world = World::new(vec![slow()]);
    for account in ["100", "101", "102"] {
        assert_eq!(world.banned("slow").len(), 0);
        world.named("slow", "192.0.2.1", "user", account);
        world.pass(DAY - 1);
    }
    assert!(world.heard(Level::Notice, "[slow] Ban 192.0.2.1"));
}

#[test]
fn who_is_banned_or_forgiven_begins_anew() {
    let mut world = World::new(vec![slow()]);
    for _ in 0..2 {
        for account in ["100", "101", "102"] {
            world.named("slow", "192.0.2.1", "user", account);
        }
        assert_eq!(world.banned("slow").len(), 1, "and the accounts of before count again");
        world.pass(601);
    }
    world.named("slow", "192.0.2.1", "user", "100");
    world.unban(None, "192.0.2.0/24");
    world.named("slow", "192.0.2.1", "user", "100");
    assert_eq!(world.uncounted("slow"), (8, 0, 0));
}

#[test]
fn what_names_no_account_counts_as_the_word_says() {
    for (countby, banned) in [(CountBy::Line, 1), (CountBy::User, 0), (CountBy::UserOrLine, 1)] {
        let mut world = World::new(vec![JailSettings { countby, ..slow() }]);
        world.named("slow", "192.0.2.1", "user", "100");
        world.named("slow", "192.0.2.1", "user", "");
        world.fail("slow", "192.0.2.1");
        assert_eq!(world.banned("slow").len(), banned, "{countby:?}");
        assert_eq!(world.uncounted("slow").2, if countby == CountBy::User { 2 } else { 0 });
    }
}

#[test]
fn many_tries_in_one_line_are_one_account() {
    let mut world = World::new(vec![slow()]);
    let groups = [("user", "100")].into();
    world.failure("slow", Failure { count: 50, time: world.now, groups, ..failure(Who::Id(Id::parse("192.0.2.1"))) });
    assert_eq!(world.banned("slow").len(), 0);
}

#[test]
fn accounts_are_known_after_a_restart_and_count_on() {
    let mut world = World::new(vec![slow()]);
    world.named("slow", "192.0.2.1", "user", "100");
    world.named("slow", "192.0.2.1", "user", "101");
    world.pass(10);
    for _ in 0..3 {
        // As after a `kill -9`: nothing is said at the end.
        world = world.restart(vec![slow()], DAY / 2);
        world.named("slow", "192.0.2.1", "user", "100");
        world.named("slow", "192.0.2.1", "user", "101");
        world.pass(10);
        assert_eq!(world.uncounted("slow"), (0, 2, 0));
    }
    world.named("slow", "192.0.2.1", "user", "102");
    assert_eq!(world.banned("slow"), ["192.0.2.1"]);
}

#[test]
fn jails_that_count_lines_keep_neither_key_nor_accounts() {
    let mut world = World::new(vec![jail("sip")]);
    world.named("sip", "192.0.2.1", "user", "100");
    world.pass(10);
    assert!(world.database.key.is_none());
    assert!(world.database.counters.values().all(|counter| counter.accounts.is_empty()));
    world = world.restart(vec![JailSettings { countby: CountBy::UserOrLine, ..jail("sip") }], 1);
    world.named("sip", "192.0.2.1", "user", "100");
    world.pass(10);
    let keys = world.changes.iter().filter(|change| matches!(change, Change::Key(_)));
    assert_eq!((keys.count(), world.database.key.is_some()), (1, true));
}

#[test]
fn a_number_from_three_addresses_bans_all_three() {
    let mut world = World::new(vec![toll()]);
    world.named("toll", "192.0.2.1", "number", "00972598285108");
    world.pass(1200);
    world.named("toll", "192.0.2.2", "number", "900972598285108");
    world.named("toll", "192.0.2.9", "number", "900972598285109");
    world.pass(1200);
    world.said();
    world.named("toll", "192.0.2.3", "number", "+972598285108");
    assert_eq!(world.banned("toll"), ["192.0.2.1", "192.0.2.2", "192.0.2.3"]);
    assert!(["192.0.2.1", "192.0.2.3"].iter().all(|id| world.kernel.timeout("toll", id) == Some(Some(600))));
    let said = world.said();
    assert!(said.contains(&"[toll] …598285108 was dialled from 3 addresses within 1h".to_owned()), "{said:?}");
    world.pass(60);
    world.named("toll", "192.0.2.4", "number", "972598285108");
    assert_eq!(world.banned("toll").len(), 4, "and who joins them");
}

#[test]
fn nobody_is_marked_who_was_ignored_or_forgiven_and_no_short_number_marks() {
    let mut world = World::new(vec![toll()]);
    for n in 1..=3 {
        world.named("toll", &format!("192.0.2.{n}"), "number", "9112");
        world.named("toll", &format!("192.0.2.{n}"), "other", "00972598285108");
    }
    assert_eq!(world.banned("toll").len(), 0);
    let mut world = World::new(vec![toll()]);
    world.named("toll", "192.0.2.1", "number", "00972598285108");
    world.named("toll", "192.0.2.2", "number", "00972598285108");
    world.unban(None, "192.0.2.1");
    let mut later = toll();
    later.ignore.list.push(IgnoreItem::Net("192.0.2.2/32".parse().expect("a network")));
    world.reload(vec![later]);
    world.named("toll", "192.0.2.3", "number", "00972598285108");
    assert_eq!(world.banned("toll"), ["192.0.2.3"]);
}

#[test]
fn without_spread_a_number_means_nothing() {
    let mut world = World::new(vec![JailSettings { spread: Spread::default(), ..toll() }]);
    for n in 1..=9 {
        world.named("toll", &format!("192.0.2.{n}"), "number", "00972598285108");
    }
    assert_eq!(world.banned("toll").len(), 0);
    assert!(world.now > Timestamp::default());
}
