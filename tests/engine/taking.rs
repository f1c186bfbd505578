use sipjail::addr::Id;
use sipjail::config::{IgnoreItem, Increment, JailSettings};
use sipjail::engine::{Answer, Question, Taken, mark_chosen};
use sipjail::ticket::{SavedBan, Ticket};
use sipjail::time::{Bantime, Timestamp};

use crate::world::{START, World, jail};

/// A ban of another program: since so many seconds before the world began, how long, how often.
fn theirs(jail: &str, id: &str, ago: i64, secs: i64, bancount: u32) -> SavedBan {
    let bantime = Bantime::from_secs_f64(secs as f64);
    let ticket = Ticket {
        id: Id::parse(id),
        time: Timestamp::from_secs(START - ago),
        bantime: Some(bantime),
        bancount,
        failures: 3,
        matches: vec!["line".into()],
        groups: Default::default(),
        restored: true,
    };
    SavedBan { jail: jail.into(), ticket, bantime }
}

#[test]
fn what_holds_bites_at_once_and_in_one_call() {
    let mut world = World::new(vec![jail("sip")]);
    let calls = world.kernel.calls();
    let bans = (0..500).map(|n| theirs("sip", &format!("10.0.{}.{}", n / 250, n % 250), 60, 600, 1)).collect();
    assert!(world.take_in(bans, false).iter().all(|outcome| *outcome == Taken::Banned));
    assert_eq!((world.kernel.calls() - calls, world.kernel.holds("sip")), (1, 500));
    assert_eq!(world.kernel.timeout("sip", "10.0.0.1"), Some(Some(540)), "what is left of it");
    assert_eq!(world.database.bans.len(), 500);
    assert!(world.said().iter().filter(|text| text.starts_with("[sip] Restore Ban 10.0.")).count() == 500);
    world.pass(541);
    assert_eq!((world.kernel.holds("sip"), world.banned("sip").len()), (0, 0));
}

#[test]
fn settings_decide_as_they_do_at_a_start() {
    let mut world = World::new(vec![jail("sip")]);
    let chosen = {
        let mut ban = theirs("sip", "192.0.2.4", 60, 9000, 1);
        ban.ticket.failures = 0;
        mark_chosen(&mut ban.ticket);
        ban
    };
    let bans = vec![
        theirs("sip", "192.0.2.1", 60, 9000, 1),
        theirs("sip", "192.0.2.2", 700, 9000, 1),
        theirs("sip", "192.0.2.3", 700, -1, 1),
        chosen,
    ];
    let outcomes = world.take_in(bans, false);
    assert_eq!(outcomes, [Taken::Banned, Taken::Remembered, Taken::Banned, Taken::Banned]);
    let timeouts = ["192.0.2.1", "192.0.2.3", "192.0.2.4"].map(|id| world.kernel.timeout("sip", id));
    assert_eq!(timeouts, [Some(Some(540)), Some(None), Some(Some(8940))]);
    let world = world.restart(vec![jail("sip")], 1);
    assert_eq!(world.banned("sip").len(), 3, "the next start agrees");
}

#[test]
fn history_grows_the_next_ban_and_nothing_is_forgotten_or_counted_twice() {
    let growing =
        || JailSettings { increment: Increment { enabled: true, ..Increment::default() }, maxretry: 1, ..jail("sip") };
    let mut world = World::new(vec![growing()]);
    world.fail("sip", "192.0.2.1");
    let bans = || vec![theirs("sip", "192.0.2.1", 5000, 600, 3), theirs("sip", "192.0.2.2", 5000, 600, 2)];
    assert_eq!(world.take_in(bans(), false), [Taken::Known, Taken::Remembered]);
    assert_eq!(world.take_in(bans(), false), [Taken::Known, Taken::Known]);
    assert_eq!(world.kernel.timeout("sip", "192.0.2.1"), Some(Some(600)), "the newer ban holds");
    let mut world = world.restart(vec![growing()], 601);
    for (id, secs) in [("192.0.2.1", 4800), ("192.0.2.2", 2400)] {
        world.fail("sip", id);
        assert_eq!(world.kernel.timeout("sip", id), Some(Some(secs)));
    }
}

#[test]
fn a_later_end_counts_and_an_earlier_one_does_not() {
    let mut world = World::new(vec![jail("sip")]);
    world.ban("sip", "192.0.2.1", Some(100.0)).expect("it may be banned");
    world.pass(10);
    for (ago, left) in [(-5, 595), (-6, 596)] {
        assert_eq!(world.take_in(vec![theirs("sip", "192.0.2.1", ago, 600, 1)], false), [Taken::Known]);
        assert_eq!(world.kernel.timeout("sip", "192.0.2.1"), Some(Some(left)));
    }
    assert_eq!(world.take_in(vec![theirs("sip", "192.0.2.1", -7, 60, 1)], false), [Taken::Known]);
    assert_eq!(world.kernel.timeout("sip", "192.0.2.1"), Some(Some(596)));
}

#[test]
fn a_jail_that_is_not_on_gets_its_bans_when_it_is() {
    let mut world = World::new(vec![jail("sip")]);
    let bans = vec![theirs("late", "192.0.2.1", 60, 600, 1), theirs("late", "192.0.2.2", 700, 600, 1)];
    assert_eq!(world.take_in(bans, false), [Taken::Waiting, Taken::Remembered]);
    world.add_jail(jail("late"));
    assert_eq!(world.banned("late"), ["192.0.2.1"]);
}

#[test]
fn nobody_is_taken_in_who_must_not_be_banned() {
    let mut settings = jail("sip");
    let office = IgnoreItem::Net(Id::parse("198.51.100.0/24"));
    settings.ignore.list = vec![office, IgnoreItem::Name("trunk.example".into())];
    let mut world = World::new(vec![settings]);
    let ids = ["198.51.100.7", "127.0.0.1", "203.0.113.0/24", "::/0", "bob", "192.0.2.7"];
    let bans: Vec<_> = ids.iter().map(|id| theirs("sip", id, 60, 600, 1)).collect();
    let outcomes = world.take_in(bans, false);
    assert!(outcomes[..5].iter().all(|outcome| matches!(outcome, Taken::Refused(_))), "{outcomes:?}");
    assert_eq!((world.banned("sip"), world.database.bans.len()), (vec!["192.0.2.7".to_owned()], 1));
    // A name takes time; then it counts.
    let address = "192.0.2.7".parse().expect("an address");
    world.answer(&Question::Resolve("trunk.example".into()), Answer::Addresses(Ok(vec![address])));
    assert_eq!((world.banned("sip").len(), world.kernel.holds("sip")), (0, 0));
}

#[test]
fn a_rehearsal_only_says_it() {
    let mut world = World::new(vec![jail("sip")]);
    let bans = vec![theirs("sip", "192.0.2.1", 60, 600, 1), theirs("manual", "192.0.2.2", 60, 600, 1)];
    assert_eq!(world.take_in(bans, true), [Taken::Banned, Taken::Banned]);
    assert_eq!((world.kernel.holds("sip"), world.database.bans.len(), world.engine.jails().len()), (0, 0, 1));
    assert_eq!(world.said(), ["Jail 'sip' started"]);
}
