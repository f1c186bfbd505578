use sipjail::addr::Id;
use sipjail::config::{Ignore, IgnoreItem, JailSettings};
use sipjail::record::Level;

use crate::world::{World, action, jail};

#[test]
fn a_ban_by_hand_holds_at_once_and_says_whether_it_is_new() {
    let mut world = World::new(vec![jail("sip")]);
    assert_eq!(world.ban("sip", "192.0.2.1", None), Ok(true));
    assert_eq!(world.kernel.timeout("sip", "192.0.2.1"), Some(Some(600)));
    world.pass(10);
    assert_eq!(world.ban("sip", "192.0.2.1", Some(60.0)), Ok(false));
    assert_eq!(world.kernel.timeout("sip", "192.0.2.1"), Some(Some(590)), "an earlier end does not count");
    assert_eq!(world.ban("sip", "192.0.2.1", Some(-1.0)), Ok(false));
    assert_eq!(world.kernel.timeout("sip", "192.0.2.1"), Some(None));
    assert_eq!(world.ban("sip", "192.0.2.0/28", Some(60.0)), Ok(true));
    assert_eq!(world.kernel.timeout("sip", "192.0.2.0/28"), Some(Some(60)));
}

#[test]
fn attempts_by_hand_count_each_line_and_ban_at_maxretry() {
    let mut world = World::new(vec![jail("sip")]);
    assert_eq!(world.attempt("sip", "192.0.2.1", &[]), Ok(true));
    assert_eq!(world.banned("sip"), [] as [&str; 0]);
    assert_eq!(world.attempt("sip", "192.0.2.1", &["one", "two"]), Ok(true));
    assert_eq!(world.banned("sip"), ["192.0.2.1"]);
    assert_eq!(world.engine.status("sip").expect("it is there").total_failed, 2);
    let ignored = JailSettings {
        ignore: Ignore { list: vec![IgnoreItem::parse("192.0.2.2").expect("it is one")], ..Ignore::default() },
        ..jail("sip")
    };
    world.reload(vec![ignored]);
    assert_eq!(world.attempt("sip", "192.0.2.2", &["a", "b", "c", "d"]), Ok(false));
    assert!(world.attempt("nosuch", "192.0.2.2", &[]).is_err());
}

#[test]
fn a_jail_that_is_taken_away_comes_back_with_its_bans() {
    let mut world = World::new(vec![jail("sip"), jail("ssh")]);
    world.ban("ssh", "192.0.2.1", None).expect("it may be banned");
    world.remove("ssh");
    assert_eq!(world.engine.jails(), ["sip"]);
    assert!(!world.kernel.state().sets.contains_key("ssh"));
    world.reload(vec![jail("sip"), jail("ssh")]);
    assert_eq!(world.banned("ssh"), ["192.0.2.1"]);
}

#[test]
fn for_ever_and_a_chosen_length_survive_a_restart() {
    let mut world = World::new(vec![jail("sip")]);
    world.ban("sip", "192.0.2.1", Some(-1.0)).expect("it may be banned");
    world.ban("sip", "192.0.2.2", Some(7200.0)).expect("it may be banned");
    let mut world = world.restart(vec![jail("sip")], 3600);
    assert_eq!(world.kernel.timeout("sip", "192.0.2.1"), Some(None));
    assert_eq!(world.kernel.timeout("sip", "192.0.2.2"), Some(Some(3600)));
    world.pass(3601);
    assert_eq!(world.banned("sip"), ["192.0.2.1"]);
}

#[test]
fn the_jail_manual_comes_when_it_is_used_and_stays_over_reload_and_restart() {
    let mut world = World::new(vec![jail("sip")]);
    assert_eq!(world.engine.jails(), ["sip"]);
    assert_eq!(world.ban("manual", "192.0.2.1", None), Ok(true));
    assert_eq!(world.kernel.timeout("manual", "192.0.2.1"), Some(Some(600)));
    world.reload(vec![jail("ssh")]);
    assert_eq!(world.engine.jails(), ["ssh", "manual"]);
    let world = world.restart(vec![jail("sip")], 100);
    assert_eq!(world.engine.jails(), ["sip", "manual"]);
    assert_eq!(world.kernel.timeout("manual", "192.0.2.1"), Some(Some(500)));
    let world = world.restart(vec![jail("sip")], 1000);
    assert_eq!(world.engine.jails(), ["sip"]);
}

#[test]
fn the_jail_manual_is_as_dry_as_all_others() {
    let mut settings = jail("sip");
    settings.actions = vec![action("dryrun")];
    let mut world = World::new(vec![settings]);
    assert_eq!(world.ban("manual", "192.0.2.1", None), Ok(true));
    assert_eq!(world.kernel.calls(), 0);
}

#[test]
fn nobody_locks_himself_out() {
    let mut world = World::new(vec![jail("sip")]);
    for (id, message) in [
        ("0.0.0.0/0", "`0.0.0.0/0` would ban everybody"),
        ("::/0", "`::/0` would ban everybody"),
        ("203.0.113.200", "`203.0.113.200` is, or holds, an address of this host"),
        ("203.0.113.0/24", "`203.0.113.0/24` is, or holds, an address of this host"),
        ("127.0.0.1", "`127.0.0.1` is, or holds, an address of this host"),
        ("pbx.example", "`pbx.example` is neither an address nor a network"),
    ] {
        assert_eq!(world.ban("sip", id, None), Err(message.to_owned()));
        assert_eq!(world.ban("manual", id, None), Err(message.to_owned()));
    }
    assert_eq!(world.engine.jails(), ["sip"], "an error makes no jail");
    assert_eq!(world.ban("spi", "192.0.2.1", None), Err("there is no jail `spi`".to_owned()));
    assert_eq!(world.ban("sip", "192.0.2.1", Some(0.0)), Ok(true), "it ends with this very moment");
    assert!(world.ban("sip", "192.0.2.2", Some(-5.0)).is_err());
}

#[test]
fn who_is_in_ignoreip_may_be_banned_by_hand_but_it_is_said() {
    let mut settings = jail("sip");
    settings.ignore.list = vec![IgnoreItem::Net(Id::parse("192.0.2.0/24"))];
    let mut world = World::new(vec![settings.clone()]);
    assert_eq!(world.ban("sip", "192.0.2.1", None), Ok(true));
    assert!(world.heard(Level::Warning, "although ignoreip holds it"));
    let mut world = world.restart(vec![settings], 10);
    assert_eq!(world.said().last().map(String::as_str), Some("[sip] Ignore 192.0.2.1 by ip"));
    assert_eq!((world.banned("sip").len(), world.kernel.holds("sip")), (0, 0));
}

#[test]
fn unbanning_a_network_lifts_all_in_it_in_every_jail() {
    let mut world = World::new(vec![jail("sip"), jail("ssh")]);
    for (jail, id) in [("sip", "192.0.2.1"), ("sip", "192.0.2.0/28"), ("ssh", "192.0.2.1"), ("ssh", "198.51.100.1")] {
        world.ban(jail, id, None).expect("it may be banned");
    }
    world.fail("sip", "192.0.2.9");
    assert_eq!(world.unban(None, "192.0.2.0/24"), 3);
    assert_eq!(world.banned("ssh"), ["198.51.100.1"]);
    assert_eq!((world.kernel.holds("sip"), world.kernel.holds("ssh")), (0, 1));
    assert_eq!(world.engine.status("sip").expect("it exists").currently_failed, 0);
    assert_eq!(world.database.bans.len(), 1);
    assert_eq!(world.unban(Some("sip"), "192.0.2.1"), 0);
    assert!(world.heard(Level::Debug, "192.0.2.1 is not banned"));
}

#[test]
fn unbanning_everybody_forgets_even_those_whose_ban_is_over() {
    let mut world = World::new(vec![jail("sip"), jail("ssh")]);
    world.ban("sip", "192.0.2.1", Some(10.0)).expect("it may be banned");
    world.pass(20);
    world.ban("sip", "192.0.2.2", None).expect("it may be banned");
    world.ban("ssh", "192.0.2.3", None).expect("it may be banned");
    world.said();
    assert_eq!(world.unban_all(Some("sip")), 1);
    assert_eq!(world.said(), ["[sip] Flush ticket(s) with ipset", "[sip] Unban 192.0.2.2"]);
    assert_eq!(world.database.bans.len(), 1);
    assert_eq!(world.unban_all(None), 1);
    assert_eq!((world.database.bans.len(), world.kernel.holds("ssh")), (0, 0));
}
