use sipjail::addr::Id;
use sipjail::firewall::{Entry, FirewallError};
use sipjail::record::Level;

use crate::world::{World, gone, jail};

fn refusal() -> Option<FirewallError> {
    Some(FirewallError::Kernel("cannot ban `192.0.2.1`".into(), "no buffer space".into()))
}

#[test]
fn what_the_firewall_refuses_stays_in_the_list_and_is_put_in_later() {
    let mut world = World::new(vec![jail("sip")]);
    world.kernel.state().broken = refusal();
    for i in 0..5 {
        (0..3).for_each(|_| world.fail("sip", &format!("192.0.2.{i}")));
    }
    assert_eq!((world.banned("sip").len(), world.kernel.holds("sip")), (5, 0));
    let errors = |world: &World| world.log.iter().filter(|r| r.level == Level::Error).count();
    assert_eq!(errors(&world), 1, "one line tells it");
    world.pass(40);
    assert!(errors(&world) >= 2);
    world.kernel.state().broken = None;
    world.pass(30);
    assert_eq!(world.kernel.holds("sip"), 5);
    assert_eq!(world.kernel.timeout("sip", "192.0.2.3"), Some(Some(530)));
    assert!(world.heard(Level::Warning, "5 bans or unbans that the firewall had refused are in place now"));
}

#[test]
fn an_unban_that_the_firewall_refused_is_made_up_for() {
    let mut world = World::new(vec![jail("sip")]);
    world.ban("sip", "192.0.2.1", Some(-1.0)).expect("it may be banned");
    world.kernel.state().broken = refusal();
    assert_eq!(world.unban(None, "192.0.2.1"), 1);
    assert_eq!(world.kernel.holds("sip"), 1);
    world.kernel.state().broken = None;
    world.pass(31);
    assert_eq!(world.kernel.holds("sip"), 0);
}

#[test]
fn unbanning_everybody_twice_forgets_no_debt() {
    let mut world = World::new(vec![jail("sip")]);
    world.ban("sip", "192.0.2.1", None).expect("it may be banned");
    world.kernel.state().broken = refusal();
    world.unban_all(None);
    world.ban("sip", "192.0.2.2", None).expect("it may be banned");
    world.unban_all(None);
    world.kernel.state().broken = None;
    world.pass(31);
    assert_eq!(world.kernel.holds("sip"), 0);
}

#[test]
fn one_entry_that_is_never_taken_does_not_hold_up_the_others() {
    let mut world = World::new(vec![jail("sip")]);
    world.kernel.state().broken = refusal();
    for i in 1..=4 {
        world.ban("sip", &format!("192.0.2.{i}"), None).expect("it may be banned");
    }
    world.kernel.state().broken = None;
    world.kernel.state().poison = Id::parse("192.0.2.1").as_net();
    world.pass(31);
    assert_eq!(world.kernel.holds("sip"), 3);
    assert!(world.heard(Level::Error, "1 bans or unbans are not in the firewall"));
}

#[test]
fn bans_that_somebody_took_out_of_a_set_come_back() {
    let mut world = World::new(vec![jail("sip")]);
    for i in 1..=4 {
        world.ban("sip", &format!("192.0.2.{i}"), None).expect("it may be banned");
    }
    world.kernel.state().sets["sip"].truncate(1);
    world.pass(31);
    assert_eq!(world.kernel.holds("sip"), 4);
    assert!(world.heard(Level::Warning, "[sip] 3 bans were missing in the firewall and are put back"));
    let lines = world.log.len();
    world.pass(62);
    assert_eq!(world.log.len(), lines, "nothing is missing, nothing is said");
}

#[test]
fn sets_that_somebody_emptied_are_filled_again() {
    let mut world = World::new(vec![jail("sip"), jail("ssh")]);
    for (jail, id) in [("sip", "192.0.2.1"), ("sip", "192.0.2.2"), ("ssh", "192.0.2.3")] {
        world.ban(jail, id, None).expect("it may be banned");
    }
    let mut set: indexmap::IndexMap<_, _> = Default::default();
    set.insert(gone(), None);
    world.kernel.state().sets.insert("sip".into(), set);
    world.pass(31);
    assert!(world.heard(Level::Warning, "the set of sip was gone"));
    assert_eq!((world.kernel.holds("sip"), world.kernel.holds("ssh")), (2, 1));
    assert_eq!(world.kernel.timeout("sip", "192.0.2.2"), Some(Some(569)));
}

#[test]
fn a_ban_longer_than_the_kernel_can_hold_is_renewed() {
    let mut world = World::new(vec![jail("sip")]);
    world.ban("sip", "192.0.2.1", Some(60.0 * 86_400.0)).expect("it may be banned");
    let max = i64::from(Entry::MAX_TIMEOUT);
    assert_eq!(world.kernel.timeout("sip", "192.0.2.1"), Some(Some(max)));
    for day in 0..60 {
        assert_eq!(world.kernel.holds("sip"), 1, "day {day}");
        world.pass(86_400);
    }
    world.pass(2);
    assert_eq!((world.kernel.holds("sip"), world.banned("sip").len()), (0, 0));
}

#[test]
fn a_ban_for_all_time_overflows_nothing() {
    let mut world = World::new(vec![jail("sip")]);
    world.ban("sip", "192.0.2.1", Some(1e300)).expect("it may be banned");
    world.ban("sip", "192.0.2.2", Some(629_145_600.0)).expect("it may be banned");
    world.pass(86_400 * 40);
    assert_eq!(world.kernel.holds("sip"), 2);
    let world = world.restart(vec![jail("sip")], 5);
    assert_eq!(world.kernel.holds("sip"), 2);
}
