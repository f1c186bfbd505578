use sipjail::config::JailSettings;
use sipjail::store::Change;
use sipjail::time::{Bantime, Span};

use crate::world::{World, action, jail};

fn with_bantime(name: &str, secs: i64) -> JailSettings {
    JailSettings { bantime: Bantime::For(Span::from_secs(secs)), ..jail(name) }
}

#[test]
fn bans_and_counters_stay_and_follow_the_new_settings() {
    let mut world = World::new(vec![jail("sip")]);
    (0..3).for_each(|_| world.fail("sip", "192.0.2.1"));
    world.ban("sip", "192.0.2.9", Some(100.0)).expect("it may be banned");
    (0..2).for_each(|_| world.fail("sip", "192.0.2.2"));
    world.pass(10);
    world.reload(vec![with_bantime("sip", 3600)]);
    assert_eq!(world.kernel.timeout("sip", "192.0.2.1"), Some(Some(3590)));
    assert_eq!(world.kernel.timeout("sip", "192.0.2.9"), Some(Some(90)), "its length was chosen");
    world.fail("sip", "192.0.2.2");
    assert_eq!(world.kernel.timeout("sip", "192.0.2.2"), Some(Some(3600)));
    world.reload(vec![with_bantime("sip", 5)]);
    world.pass(1);
    assert_eq!(world.banned("sip"), ["192.0.2.9", "192.0.2.2"]);
    assert_eq!(world.kernel.timeout("sip", "192.0.2.1"), None);
    world.reload(vec![JailSettings { maxretry: 1, ..jail("sip") }]);
    world.fail("sip", "192.0.2.3");
    assert_eq!(world.kernel.timeout("sip", "192.0.2.3"), Some(Some(600)));
}

#[test]
fn a_jail_not_named_any_more_ends_and_may_come_back_with_its_bans() {
    let mut world = World::new(vec![jail("sip"), jail("ssh")]);
    (0..3).for_each(|_| world.fail("ssh", "192.0.2.1"));
    world.said();
    world.reload(vec![jail("new"), jail("sip")]);
    assert_eq!(world.engine.jails(), ["new", "sip"]);
    assert_eq!(world.said(), ["[ssh] Unban 192.0.2.1", "Jail 'ssh' stopped", "Jail 'new' started"]);
    assert!(!world.kernel.state().sets.contains_key("ssh"));
    assert!(world.changes.contains(&Change::Jail { name: "ssh".into(), enabled: false }));
    assert_eq!(world.database.bans.len(), 1);
    world.pass(100);
    world.reload(vec![jail("sip"), jail("ssh")]);
    assert_eq!(world.kernel.timeout("ssh", "192.0.2.1"), Some(Some(500)));
}

#[test]
fn a_jail_may_turn_dry_and_back() {
    let mut world = World::new(vec![jail("sip")]);
    (0..3).for_each(|_| world.fail("sip", "192.0.2.1"));
    world.reload(vec![JailSettings { actions: vec![action("dryrun")], ..jail("sip") }]);
    assert_eq!(world.banned("sip"), ["192.0.2.1"]);
    assert!(world.kernel.state().sets.is_empty());
    (0..3).for_each(|_| world.fail("sip", "192.0.2.2"));
    world.pass(10);
    world.reload(vec![jail("sip")]);
    assert_eq!(world.kernel.timeout("sip", "192.0.2.1"), Some(Some(590)));
    assert_eq!(world.kernel.timeout("sip", "192.0.2.2"), Some(Some(590)));
}

#[test]
fn adding_a_jail_twice_is_a_change_of_settings() {
    let mut world = World::new(vec![jail("sip")]);
    (0..2).for_each(|_| world.fail("sip", "192.0.2.1"));
    world.add_jail(with_bantime("sip", 50));
    world.fail("sip", "192.0.2.1");
    assert_eq!(world.kernel.timeout("sip", "192.0.2.1"), Some(Some(50)));
    assert_eq!(world.engine.jails(), ["sip"]);
}
