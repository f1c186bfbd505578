use std::path::PathBuf;

use sipjail::addr::{Id, Subnet};
use sipjail::config::{IgnoreItem, JailSettings};
use sipjail::jail::question::{Answer, Question};
use sipjail::record::Level;
use sipjail::store::Change;

use crate::world::{World, action, jail};

/// A jail that takes a /64 for one host.
fn by_network(name: &str) -> JailSettings {
    JailSettings { subnet: Subnet { v4: 32, v6: 64 }, ..jail(name) }
}

#[test]
fn failures_from_all_over_a_network_are_one_hosts() {
    let mut world = World::new(vec![by_network("sip")]);
    world.said();
    for id in ["2001:db8:1:2::1", "2001:db8:1:2:ffff::7", "2001:db8:1:3::1", "2001:db8:1:2:a:b:c:d"] {
        world.fail("sip", id);
    }
    let said = world.said();
    assert!(said.contains(&"[sip] Found 2001:db8:1:2:ffff::7 - 2026-11-20 10:00:00".to_owned()), "{said:?}");
    assert_eq!(said.last().map(String::as_str), Some("[sip] Ban 2001:db8:1:2::/64"));
    assert_eq!(world.banned("sip"), ["2001:db8:1:2::/64"]);
    assert_eq!(world.kernel.timeout("sip", "2001:db8:1:2::/64"), Some(Some(600)));
    assert_eq!(world.engine.status("sip").expect("it exists").currently_failed, 1, "the neighbour counts for itself");
    let kept = world.database.bans.keys().map(|(_, id)| id.to_string()).collect::<Vec<_>>();
    assert_eq!(kept, ["2001:db8:1:2::/64"]);
    for _ in 0..3 {
        world.fail("sip", "192.0.2.1");
    }
    assert_eq!(world.banned("sip"), ["2001:db8:1:2::/64", "192.0.2.1"]);
}

#[test]
fn a_networks_ban_survives_a_restart_and_grows_as_one() {
    let mut settings = by_network("sip");
    settings.increment.enabled = true;
    let mut world = World::new(vec![settings.clone()]);
    (1..4).for_each(|host| world.fail("sip", &format!("2001:db8:1:2::{host}")));
    world = world.restart(vec![settings.clone()], 10);
    assert_eq!(world.banned("sip"), ["2001:db8:1:2::/64"]);
    assert_eq!(world.kernel.timeout("sip", "2001:db8:1:2::/64"), Some(Some(590)));
    world.pass(700);
    assert_eq!(world.banned("sip").len(), 0);
    (1..4).for_each(|host| world.fail("sip", &format!("2001:db8:1:2:3::{host}")));
    assert_eq!(world.kernel.timeout("sip", "2001:db8:1:2::/64"), Some(Some(1200)));
}

#[test]
fn unban_of_an_address_lifts_the_network_that_it_was_banned_by() {
    let mut world = World::new(vec![by_network("sip"), jail("plain")]);
    world.ban("plain", "2001:db8:1:2::/64", None).expect("it is one");
    (1..5).for_each(|host| world.fail("sip", &format!("2001:db8:1:2::{host}")));
    assert_eq!(world.unban(None, "2001:db8:1:2::99"), 1, "what was said by name is lifted by name");
    assert_eq!((world.banned("sip").len(), world.kernel.holds("sip")), (0, 0));
    assert_eq!(world.banned("plain"), ["2001:db8:1:2::/64"]);
    assert!(world.changes.iter().any(|change| matches!(change,
        Change::Unban { jail, id } if jail == "sip" && *id == Id::parse("2001:db8:1:2::/64"))));
    assert_eq!(world.engine.status("sip").expect("it exists").currently_failed, 0, "its failures are forgotten too");
    world.ban("sip", "2001:db8::1", None).expect("it is one");
    assert_eq!(world.banned("sip"), ["2001:db8::1"], "a ban by hand is what was said");
    assert_eq!(world.unban(Some("sip"), "2001:db8::1"), 1);
}

#[test]
fn where_a_friend_lives_in_the_network_each_of_the_others_is_counted_for_itself() {
    let mut settings = by_network("sip");
    let name = "office.example".to_owned();
    settings.ignore.list = vec![IgnoreItem::Net(Id::parse("2001:db8:1:2::5")), IgnoreItem::Name(name.clone())];
    let mut world = World::new(vec![settings]);
    world.fail("sip", "2001:db8:1:3::1");
    let office = vec!["2001:db8:1:3::ffff".parse().expect("an address")];
    world.answer(&Question::Resolve(name), Answer::Addresses(Ok(office)));
    for _ in 0..3 {
        for id in ["2001:db8:1:2::5", "2001:db8:1:2::66", "2001:db8:1:3::1", "2001:db8:1:3::ffff"] {
            world.fail("sip", id);
        }
    }
    assert_eq!(world.banned("sip"), ["2001:db8:1:3::1", "2001:db8:1:2::66"]);
}

#[test]
fn a_friend_in_a_file_is_not_forgotten_while_a_command_takes_its_time() {
    let mut settings = by_network("sip");
    let file = PathBuf::from("/etc/friends");
    settings.ignore.list = vec![IgnoreItem::File(file.clone())];
    settings.ignore.command = Some("ask <ip>".into());
    let mut world = World::new(vec![settings]);
    for host in 6..9 {
        world.fail("sip", &format!("2001:db8:1:2::{host}"));
        world.answer(&Question::Words(file.clone()), Answer::Words(Ok(vec!["2001:db8:1:2::5".into()])));
        world.pass(2);
        let question = world.asked.first().expect("the command is asked").1.clone();
        world.answer(&question, Answer::Exit(Ok(1)));
    }
    let status = world.engine.status("sip").expect("it exists");
    assert_eq!((status.banned.len(), status.currently_failed), (0, 3));
}

#[test]
fn a_reload_with_another_prefix_keeps_bans_and_counts_anew() {
    let mut world = World::new(vec![by_network("sip")]);
    (1..4).for_each(|host| world.fail("sip", &format!("2001:db8:1:2::{host}")));
    let wider = JailSettings { subnet: Subnet { v4: 24, v6: 56 }, ..jail("sip") };
    world.reload(vec![wider]);
    assert_eq!(world.banned("sip"), ["2001:db8:1:2::/64"]);
    (1..4).for_each(|net| world.fail("sip", &format!("2001:db8:1:{net}::1")));
    (1..4).for_each(|host| world.fail("sip", &format!("192.0.2.{host}")));
    assert_eq!(world.banned("sip"), ["2001:db8:1:2::/64", "2001:db8:1::/56", "192.0.2.0/24"]);
    assert_eq!(world.unban(None, "2001:db8:1:2::1"), 2, "both stand in its way");
    let mut world = world.restart(vec![jail("sip")], 1);
    assert_eq!(world.banned("sip"), ["192.0.2.0/24"], "what is banned stays so, whatever is counted now");
    world.said();
    (0..3).for_each(|_| world.fail("sip", "192.0.2.9"));
    assert!(world.heard(Level::Notice, "[sip] Ban 192.0.2.9"));
}

#[test]
fn scripts_are_told_the_network() {
    let settings = JailSettings { actions: vec![action("own")], ..by_network("sip") };
    let mut world = World::new(vec![settings]);
    world.deeds.clear();
    (1..4).for_each(|host| world.fail("sip", &format!("2001:db8:1:2::{host}")));
    let told: Vec<String> = world.deeds.iter().map(|(_, deed)| format!("{deed:?}")).collect();
    assert!(told.len() == 1 && told[0].contains("Net(2001:db8:1:2::/64)"), "{told:?}");
}
