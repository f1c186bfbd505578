use sipjail::addr::Id;
use sipjail::config::{IgnoreItem, JailSettings};
use sipjail::engine::{Answer, Question};
use sipjail::record::Level;
use sipjail::store::Store;
use sipjail::time::{Bantime, Span, Timestamp};

use crate::world::{Database, Kernel, START, World, jail};

#[test]
fn bans_and_counters_survive_and_the_kernel_has_no_gap() {
    let mut world = World::new(vec![jail("sip")]);
    (0..3).for_each(|_| world.fail("sip", "192.0.2.1"));
    (0..2).for_each(|_| world.fail("sip", "192.0.2.2"));
    world.pass(5);
    let mut world = world.restart(vec![jail("sip")], 10);
    assert_eq!(world.said(), ["Jail 'sip' started", "[sip] Restore Ban 192.0.2.1"]);
    assert_eq!(world.kernel.timeout("sip", "192.0.2.1"), Some(Some(585)));
    let status = world.engine.status("sip").expect("it exists");
    assert_eq!((status.currently_failed, status.currently_banned, status.total_banned), (1, 1, 1));
    world.fail("sip", "192.0.2.2");
    assert_eq!(world.banned("sip"), ["192.0.2.1", "192.0.2.2"]);
}

#[test]
fn what_is_over_does_not_come_back_and_old_counters_are_forgotten() {
    let mut world = World::new(vec![jail("sip")]);
    (0..3).for_each(|_| world.fail("sip", "192.0.2.1"));
    world.fail("sip", "192.0.2.2");
    world.pass(5);
    assert_eq!(world.database.counters.len(), 1);
    let mut world = world.restart(vec![jail("sip")], 3600);
    assert_eq!((world.banned("sip").len(), world.kernel.holds("sip")), (0, 0));
    world.pass(2);
    assert!(world.database.counters.is_empty());
}

#[test]
fn after_a_kill_the_lines_since_the_last_position_are_not_punished_twice() {
    let mut world = World::new(vec![jail("sip")]);
    world.fail("sip", "192.0.2.1");
    world.position("sip", 100);
    world.pass(5);
    (0..2).for_each(|_| world.fail("sip", "192.0.2.1"));
    assert_eq!(world.kernel.holds("sip"), 1);
    // Killed before the counters went out; the two lines after offset 100 are read again.
    assert_eq!(world.database.positions[0].offset, 100);
    let mut world = world.restart(vec![jail("sip")], 1);
    (0..2).for_each(|_| world.fail("sip", "192.0.2.1"));
    assert!(world.heard(Level::Debug, "already banned"));
    let status = world.engine.status("sip").expect("it exists");
    assert_eq!((status.total_banned, status.currently_failed), (1, 0));
    assert_eq!(world.database.bans[0].ticket.bancount, 1);
}

#[test]
fn a_reload_before_the_position_is_there_counts_no_line_twice() {
    let mut world = World::new(vec![jail("sip"), jail("web")]);
    world.fail("sip", "192.0.2.1");
    world.position("sip", 100);
    world.pass(5);
    world.fail("sip", "192.0.2.1");
    world.reload(vec![jail("sip")]);
    // Killed; the line after offset 100 is read again.
    let mut world = world.restart(vec![jail("sip")], 1);
    world.fail("sip", "192.0.2.1");
    assert_eq!(world.banned("sip").len(), 0);
    world.fail("sip", "192.0.2.1");
    assert_eq!(world.banned("sip").len(), 1);
}

#[test]
fn what_only_the_kernel_knows_is_adopted() {
    let kernel = Kernel::default();
    kernel.put("sip", "192.0.2.1", Some(300));
    kernel.put("sip", "192.0.2.2", None);
    kernel.put("manual", "192.0.2.3", Some(60));
    kernel.put("gone", "192.0.2.4", Some(60));
    let world = World::on(vec![jail("sip")], kernel, Database::default(), START);
    assert_eq!(world.banned("sip"), ["192.0.2.1", "192.0.2.2"]);
    assert_eq!(world.banned("manual"), ["192.0.2.3"]);
    assert!(world.heard(Level::Notice, "[sip] Restore Ban 192.0.2.1"));
    assert_eq!(world.kernel.calls(), 0, "what is there is not touched");
    let world = world.restart(vec![jail("sip")], 100);
    assert_eq!(world.kernel.timeout("sip", "192.0.2.1"), Some(Some(200)));
    let mut world = world.restart(vec![jail("sip")], 100);
    world.pass(101);
    assert_eq!(world.banned("sip"), ["192.0.2.2"]);
    world.pass(86_400 * 3);
    assert_eq!(world.kernel.timeout("sip", "192.0.2.2"), Some(None));
}

#[test]
fn the_last_second_of_a_ban_in_the_kernel_is_no_new_ban() {
    let mut world = World::new(vec![jail("sip")]);
    (0..3).for_each(|_| world.fail("sip", "192.0.2.1"));
    for (left, count) in [(1, 0), (30, 1)] {
        let kernel = Kernel::default();
        kernel.put("sip", "192.0.2.1", Some(left));
        let database = Database { bans: world.database.bans.clone(), ..Database::default() };
        let next = World::on(vec![jail("sip")], kernel, database, START + 601);
        assert_eq!((next.banned("sip").len(), next.kernel.holds("sip")), (count, count), "{left} s were left");
    }
}

#[test]
fn a_shorter_bantime_or_a_new_ignoreip_ends_kept_bans() {
    let mut world = World::new(vec![jail("sip")]);
    for id in ["192.0.2.1", "198.51.100.1"] {
        (0..3).for_each(|_| world.fail("sip", id));
    }
    let mut settings = jail("sip");
    settings.ignore.list = vec![IgnoreItem::Net(Id::parse("198.51.100.0/24"))];
    let world = world.restart(vec![settings], 10);
    assert_eq!(world.banned("sip"), ["192.0.2.1"]);
    assert_eq!(world.kernel.holds("sip"), 1);
    let short = |secs| JailSettings { bantime: Bantime::For(Span::from_secs(secs)), ..jail("sip") };
    let world = world.restart(vec![short(60)], 10);
    assert_eq!(world.kernel.timeout("sip", "192.0.2.1"), Some(Some(40)));
    let world = world.restart(vec![short(25)], 10);
    assert_eq!((world.banned("sip").len(), world.kernel.holds("sip")), (0, 0));
}

#[test]
fn a_ban_that_a_name_ignores_is_lifted_when_the_name_is_known() {
    let mut world = World::new(vec![jail("sip")]);
    for id in ["192.0.2.1", "192.0.2.2"] {
        (0..3).for_each(|_| world.fail("sip", id));
    }
    let mut settings = jail("sip");
    settings.ignore.list = vec![IgnoreItem::Name("pbx.example".into())];
    let mut world = world.restart(vec![settings], 10);
    assert_eq!(world.kernel.holds("sip"), 2, "until then it holds");
    let addresses = vec!["192.0.2.2".parse().expect("an address")];
    world.answer(&Question::Resolve("pbx.example".into()), Answer::Addresses(Ok(addresses)));
    assert_eq!(world.banned("sip"), ["192.0.2.1"]);
    assert_eq!(world.kernel.holds("sip"), 1);
    assert!(world.heard(Level::Info, "[sip] Ignore 192.0.2.2 by dns"));
}

#[test]
fn a_row_whose_length_an_old_schema_did_not_keep_gets_the_jails() {
    let mut world = World::new(vec![jail("sip")]);
    world.ban("sip", "192.0.2.1", None).expect("it may be banned");
    world.database.bans[0].bantime = Bantime::For(Span(0));
    world.database.bans[0].ticket.bantime = None;
    let world = World::on(vec![jail("sip")], Kernel::default(), world.database, START + 100);
    assert_eq!(world.kernel.timeout("sip", "192.0.2.1"), Some(Some(500)));
}

#[test]
fn a_jail_that_comes_on_later_takes_back_its_own() {
    let mut world = World::new(vec![jail("sip"), jail("late")]);
    (0..3).for_each(|_| world.fail("late", "192.0.2.1"));
    (0..2).for_each(|_| world.fail("late", "192.0.2.2"));
    world.pass(2);
    let mut world = World::on(vec![jail("sip")], Kernel::default(), world.database, START + 60);
    assert_eq!(world.engine.jails(), ["sip"]);
    world.add_jail(jail("late"));
    assert_eq!(world.kernel.timeout("late", "192.0.2.1"), Some(Some(540)));
    world.fail("late", "192.0.2.2");
    assert_eq!(world.banned("late"), ["192.0.2.1", "192.0.2.2"]);
}

#[test]
fn stopping_keeps_everything_and_lifting_keeps_the_history() {
    let mut world = World::new(vec![jail("sip")]);
    (0..3).for_each(|_| world.fail("sip", "192.0.2.1"));
    world.fail("sip", "192.0.2.2");
    world.position("sip", 77);
    world.said();
    world.stop(false);
    assert_eq!(world.kernel.holds("sip"), 1);
    assert_eq!((world.database.counters.len(), world.database.positions.len()), (1, 1));
    assert_eq!(world.said(), ["Jail 'sip' stopped"]);

    let mut world = world.restart(vec![jail("sip")], 10);
    world.said();
    world.stop(true);
    assert_eq!(world.said(), ["[sip] Unban 192.0.2.1", "Jail 'sip' stopped"]);
    assert!(world.kernel.state().sets.is_empty());
    let world = world.restart(vec![jail("sip")], 10);
    assert_eq!(world.kernel.timeout("sip", "192.0.2.1"), Some(Some(580)));
}

#[test]
fn a_thousand_saved_bans_reach_the_kernel_in_one_call() {
    let mut world = World::new(vec![jail("sip")]);
    for i in 0..1000 {
        world.ban("sip", &format!("10.0.{}.{}", i / 250, i % 250), None).expect("it may be banned");
    }
    let world = World::on(vec![jail("sip")], Kernel::default(), world.database, START + 10);
    assert_eq!((world.kernel.holds("sip"), world.kernel.calls()), (1000, 1));
    let _: Timestamp = world.now;
}

#[test]
fn the_real_database_gives_back_what_it_was_given() {
    let dir = tempfile::tempdir().expect("there is room");
    let path = dir.path().join("bans.sqlite3");
    let mut world = World::new(vec![jail("sip")]);
    (0..3).for_each(|_| world.fail("sip", "192.0.2.1"));
    (0..2).for_each(|_| world.fail("sip", "2001:db8::2"));
    world.ban("sip", "198.51.100.0/24", Some(7200.0)).expect("it may be banned");
    world.ban("manual", "192.0.2.3", Some(-1.0)).expect("it may be banned");
    world.ban("sip", "192.0.2.4", None).expect("it may be banned");
    world.unban(None, "192.0.2.4");
    world.pass(2);
    let mut store = Store::open(&path, world.now, &mut Vec::new()).expect("it is new");
    store.apply(&world.changes).expect("there is room");
    let mut world =
        World::with(vec![jail("sip")], Kernel::default(), store.load().expect("it can be read"), START + 100);
    assert_eq!(world.banned("sip"), ["192.0.2.1", "198.51.100.0/24"]);
    assert_eq!(world.kernel.timeout("sip", "192.0.2.1"), Some(Some(500)));
    assert_eq!(world.kernel.timeout("sip", "198.51.100.0/24"), Some(Some(7100)));
    assert_eq!(world.kernel.timeout("manual", "192.0.2.3"), Some(None));
    world.fail("sip", "2001:db8::2");
    assert_eq!(world.kernel.timeout("sip", "2001:db8::2"), Some(Some(600)));
}
