use std::net::IpAddr;

use sipjail::addr::Subnet;
use sipjail::config::{IgnoreItem, JailSettings};
use sipjail::engine::{Answer, Question, Taken};
use sipjail::record::Level;
use sipjail::ticket::SavedBan;

use crate::world::{World, jail};

fn protecting(name: &str) -> JailSettings {
    JailSettings { protect: true, ..jail(name) }
}

fn fail(world: &mut World, jail: &str, id: &str) {
    (0..3).for_each(|_| world.fail(jail, id));
}

fn resolve(name: &str) -> Question {
    Question::Resolve(name.into())
}

fn addresses(list: &[&str]) -> Answer {
    Answer::Addresses(Ok(list.iter().map(|ip| ip.parse::<IpAddr>().expect("an address")).collect()))
}

#[test]
fn who_is_protected_is_counted_and_not_banned_and_that_is_said_once_an_hour() {
    let mut world = World::new(vec![protecting("sip"), jail("plain")]);
    world.protect(&[("192.0.2.1", "match of [carrier] in pjsip.conf:12"), ("198.51.100.0/24", "the other")]);
    fail(&mut world, "sip", "192.0.2.1");
    assert!(world.heard(
        Level::Warning,
        "[sip] 192.0.2.1 is not banned: it is protected as match of [carrier] in pjsip.conf:12"
    ));
    assert_eq!(world.engine.status("sip").expect("it exists").total_failed, 3);
    for _ in 0..5 {
        world.log.clear();
        world.pass(700);
        fail(&mut world, "sip", "192.0.2.1");
        assert!(!world.heard(Level::Warning, "not banned"));
    }
    world.pass(200);
    fail(&mut world, "sip", "192.0.2.1");
    assert!(world.heard(Level::Warning, "192.0.2.1 is not banned"));
    fail(&mut world, "sip", "198.51.100.77");
    fail(&mut world, "sip", "203.0.113.1");
    fail(&mut world, "plain", "192.0.2.1");
    assert_eq!((world.banned("sip"), world.banned("plain")), (vec!["203.0.113.1".into()], vec!["192.0.2.1".into()]));
    assert_eq!(world.kernel.holds("sip"), 1);
}

#[test]
fn a_name_protects_once_it_is_known_and_its_last_good_answer_holds() {
    let mut world = World::new(vec![protecting("sip")]);
    world.protect(&[("sip.example", "the trunk")]);
    fail(&mut world, "sip", "192.0.2.1");
    assert_eq!(world.banned("sip"), ["192.0.2.1"], "no ban waits for a name server");
    world.answer(&resolve("sip.example"), addresses(&["192.0.2.1", "192.0.2.2"]));
    assert_eq!((world.banned("sip").len(), world.kernel.holds("sip")), (0, 0), "what was wrong is put right");
    assert!(world.heard(Level::Warning, "192.0.2.1 is not banned: it is protected as the trunk"));
    fail(&mut world, "sip", "192.0.2.2");
    assert_eq!(world.banned("sip").len(), 0);
    world.pass(301);
    world.said();
    for _ in 0..3 {
        world.answer(&resolve("sip.example"), Answer::Addresses(Err("the server is down".into())));
        world.pass(90);
    }
    assert_eq!(world.said().iter().filter(|text| text.contains("the server is down")).count(), 1, "said once");
    fail(&mut world, "sip", "192.0.2.1");
    assert_eq!(world.banned("sip").len(), 0);
    world.reload(vec![protecting("sip")]);
    fail(&mut world, "sip", "192.0.2.1");
    assert_eq!(world.banned("sip").len(), 0, "nor does a reload forget");
    world.answer(&resolve("sip.example"), addresses(&["192.0.2.9"]));
    fail(&mut world, "sip", "192.0.2.1");
    assert_eq!(world.banned("sip"), ["192.0.2.1"], "it moved");
}

#[test]
fn in_a_network_with_somebody_protected_each_of_the_others_is_banned_for_itself() {
    let settings = JailSettings { subnet: Subnet { v4: 24, v6: 64 }, ..protecting("sip") };
    let mut world = World::new(vec![settings]);
    world.protect(&[("2001:db8:1:2::5", "a"), ("192.0.2.5", "b")]);
    for host in ["2001:db8:1:2::5", "2001:db8:1:2::6", "2001:db8:1:3::6", "192.0.2.5", "192.0.2.6", "198.51.100.1"] {
        fail(&mut world, "sip", host);
    }
    assert_eq!(world.banned("sip"), ["2001:db8:1:2::6", "2001:db8:1:3::/64", "192.0.2.6", "198.51.100.0/24"]);
}

#[test]
fn nobody_is_put_back_or_taken_in_who_is_protected_now() {
    let mut world = World::new(vec![jail("sip"), jail("other")]);
    for id in ["192.0.2.1", "192.0.2.2"] {
        fail(&mut world, "sip", id);
    }
    world.kernel.put("sip", "192.0.2.3", Some(500));
    world.kernel.put("sip", "192.0.2.4", Some(500));
    let saved: Vec<SavedBan> = world.database.bans.values().cloned().collect();
    world.protected = vec![("192.0.2.1", "the trunk"), ("192.0.2.3", "the proxy")];
    let mut world = world.restart(vec![protecting("sip")], 10);
    assert_eq!(world.banned("sip"), ["192.0.2.2", "192.0.2.4"]);
    assert_eq!(world.kernel.timeout("sip", "192.0.2.1"), None);
    assert_eq!(world.kernel.timeout("sip", "192.0.2.3"), None);
    for said in ["192.0.2.1 is not banned: it is protected as the trunk", "192.0.2.3 is not banned"] {
        assert_eq!(world.log.iter().filter(|record| record.text.contains(said)).count(), 1, "{said}");
    }
    let outcomes = world.take_in(saved, false);
    assert_eq!(outcomes, [Taken::Refused("it is protected as the trunk".into()), Taken::Known]);
}

#[test]
fn by_hand_it_takes_force_and_that_holds_through_a_restart() {
    let mut world = World::new(vec![protecting("sip"), jail("plain")]);
    let list = [("192.0.2.1", "the trunk"), ("sip.example", "another")];
    world.protect(&list);
    let refused = world.ban("sip", "192.0.2.1", None).expect_err("it is protected");
    assert_eq!(refused, "`192.0.2.1` is not banned: it is protected as the trunk");
    assert!(world.ban("sip", "192.0.2.0/28", None).expect_err("it holds one").contains("it holds 192.0.2.1"));
    assert!(world.ban("manual", "192.0.2.1", None).is_err() && world.ban("plain", "192.0.2.1", None) == Ok(true));
    assert_eq!(world.ban_anyway("sip", "192.0.2.1"), Ok(true));
    world.answer(&resolve("sip.example"), addresses(&["192.0.2.7"]));
    assert_eq!(world.banned("sip"), ["192.0.2.1"], "another list lifts nothing that was meant");
    world.protected = vec![list[0]];
    let world = world.restart(vec![protecting("sip")], 10);
    assert_eq!(world.banned("sip"), ["192.0.2.1"]);
    assert_eq!(world.kernel.timeout("sip", "192.0.2.1"), Some(Some(590)));
}

#[test]
fn protect_may_be_switched_on_and_off_by_a_reload() {
    let mut world = World::new(vec![jail("sip")]);
    world.protect(&[("192.0.2.1", "the trunk")]);
    fail(&mut world, "sip", "192.0.2.1");
    assert_eq!(world.banned("sip"), ["192.0.2.1"]);
    world.reload(vec![protecting("sip")]);
    assert_eq!((world.banned("sip").len(), world.kernel.holds("sip")), (0, 0));
    world.reload(vec![jail("sip")]);
    fail(&mut world, "sip", "192.0.2.1");
    assert_eq!(world.banned("sip"), ["192.0.2.1"]);
}

#[test]
fn names_of_ignoreip_are_asked_ahead_and_their_last_good_answer_holds() {
    let mut settings = jail("sip");
    settings.ignore.list = vec![IgnoreItem::Name("office.example".into())];
    let mut world = World::new(vec![settings]);
    world.answer(&resolve("office.example"), addresses(&["192.0.2.1"]));
    fail(&mut world, "sip", "192.0.2.2");
    assert_eq!(world.banned("sip"), ["192.0.2.2"], "nobody waits");
    world.pass(400);
    world.answer(&resolve("office.example"), Answer::Addresses(Err("the server is down".into())));
    world.pass(400);
    fail(&mut world, "sip", "192.0.2.1");
    fail(&mut world, "sip", "192.0.2.3");
    assert_eq!(world.banned("sip"), ["192.0.2.3"]);
}

#[test]
fn a_jail_that_begins_to_protect_lets_go_whether_it_is_reloaded_alone_or_with_all() {
    for alone in [true, false] {
        let mut world = World::new(vec![jail("sip"), protecting("other")]);
        world.protect(&[("192.0.2.1", "the trunk")]);
        fail(&mut world, "sip", "192.0.2.1");
        fail(&mut world, "sip", "203.0.113.1");
        assert_eq!(world.banned("sip"), ["192.0.2.1", "203.0.113.1"]);
        match alone {
            true => world.add_jail(protecting("sip")),
            false => world.reload(vec![protecting("sip"), protecting("other")]),
        }
        assert_eq!((world.banned("sip"), world.kernel.holds("sip")), (vec!["203.0.113.1".to_owned()], 1), "{alone}");
    }
}
