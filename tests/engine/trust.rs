//! Trust for those who log in, and leniency after an outage.

use sipjail::addr::{Id, Subnet};
use sipjail::config::{JailSettings, Trust};
use sipjail::record::Level;
use sipjail::ticket::{Failure, Sign, Who};
use sipjail::time::Span;

use crate::world::{World, failure, jail};

const OFFICE: &str = "192.0.2.1";

/// A jail that trusts for six hours, and bans at three failures, on trust at ten.
fn lenient(name: &str) -> JailSettings {
    let trust = Trust { time: Span::from_secs(6 * 3600), maxretry: 10, outage: 3 };
    JailSettings { trust: Some(trust), ..jail(name) }
}

fn of(id: &str, user: &str, sign: Sign) -> Failure {
    let groups = [("user", user)].into();
    Failure { groups, sign, ..failure(Who::Id(Id::parse(id))) }
}

impl World {
    fn log_in(&mut self, jail: &str, id: &str, user: &str) {
        let time = self.now;
        self.failure(jail, Failure { time, ..of(id, user, Sign::LoggedIn) });
    }

    fn fail_as(&mut self, jail: &str, id: &str, user: &str) {
        let time = self.now;
        self.failure(jail, Failure { time, ..of(id, user, Sign::Failed) });
    }

    fn restart_pbx(&mut self, jail: &str) {
        let who = Who::Id(Id::Raw("".into()));
        let time = self.now;
        self.failure(jail, Failure { time, sign: Sign::Restarted, ..failure(who) });
    }

    fn trusted(&self, jail: &str) -> usize {
        self.engine.trusted(Some(jail), self.now).expect("the jail exists").len()
    }
}

#[test]
fn a_stale_phone_never_takes_an_office_down_and_a_cracker_behind_it_is_stopped() {
    let mut world = World::new(vec![lenient("sip")]);
    world.log_in("sip", OFFICE, "100");
    for _ in 0..2000 {
        world.fail_as("sip", OFFICE, "101");
        world.pass(10);
    }
    assert_eq!(world.banned("sip").len(), 0);
    let status = world.engine.status("sip").expect("it exists");
    assert!(status.spared > 1990, "{}", status.spared);
    world.log_in("sip", OFFICE, "100");
    for account in 0..9 {
        world.fail_as("sip", OFFICE, &format!("a{account}"));
        world.fail_as("sip", OFFICE, "101");
    }
    assert_eq!(world.banned("sip").len(), 0);
    world.fail_as("sip", OFFICE, "one more");
    assert_eq!(world.banned("sip"), [OFFICE]);
    assert!(world.heard(Level::Warning, "192.0.2.1 was on trust and is to be banned all the same"));
    assert_eq!(world.trusted("sip"), 0, "the next login is trusted anew");
}

#[test]
fn without_a_login_or_with_another_address_nothing_is_spared() {
    let mut world = World::new(vec![lenient("sip")]);
    world.log_in("sip", "192.0.2.2", "100");
    (0..3).for_each(|_| world.fail_as("sip", OFFICE, "100"));
    assert_eq!(world.banned("sip"), [OFFICE]);
}

#[test]
fn failures_that_name_no_account_count_each() {
    let mut world = World::new(vec![lenient("sip")]);
    world.log_in("sip", OFFICE, "100");
    (0..9).for_each(|_| world.fail("sip", OFFICE));
    assert_eq!(world.banned("sip").len(), 0);
    world.fail("sip", OFFICE);
    assert_eq!(world.banned("sip"), [OFFICE]);
}

#[test]
fn after_n_tries_of_one_account_is_one_account() {
    let mut world = World::new(vec![lenient("sip")]);
    world.log_in("sip", OFFICE, "100");
    for account in 0..9 {
        let time = world.now;
        world.failure("sip", Failure { time, count: 5, ..of(OFFICE, &account.to_string(), Sign::Failed) });
    }
    assert_eq!(world.banned("sip").len(), 0);
    world.fail_as("sip", OFFICE, "one more");
    assert_eq!(world.banned("sip"), [OFFICE]);
}

#[test]
fn a_login_protects_in_every_jail_that_trusts_and_in_no_other() {
    let mut world = World::new(vec![lenient("sip"), lenient("flood"), jail("strict")]);
    world.log_in("sip", OFFICE, "100");
    world.log_in("strict", "192.0.2.2", "100");
    for name in ["flood", "strict"] {
        (0..3).for_each(|_| world.fail_as(name, OFFICE, "101"));
    }
    assert_eq!((world.banned("flood").len(), world.banned("strict").len()), (0, 1));
    (0..3).for_each(|_| world.fail_as("flood", "192.0.2.2", "101"));
    assert_eq!(world.banned("flood"), ["192.0.2.2"], "nobody asked `strict` for logins");
}

#[test]
fn trust_is_refreshed_by_each_login_and_ends() {
    let mut world = World::new(vec![lenient("sip")]);
    for _ in 0..3 {
        world.log_in("sip", OFFICE, "100");
        world.pass(5 * 3600);
    }
    (0..5).for_each(|_| world.fail_as("sip", OFFICE, "100"));
    assert_eq!(world.banned("sip").len(), 0);
    world.pass(3601);
    (0..3).for_each(|_| world.fail_as("sip", OFFICE, "100"));
    assert_eq!(world.banned("sip"), [OFFICE]);
    let trusts = world.said().iter().filter(|text| text.starts_with("[sip] Trust 192.0.2.1 - ")).count();
    assert_eq!(trusts, 1);
}

#[test]
fn trust_survives_a_restart_with_its_accounts_and_a_login_costs_the_database_little() {
    let mut world = World::new(vec![lenient("sip")]);
    for _ in 0..60 {
        world.log_in("sip", OFFICE, "100");
        world.pass(1);
    }
    assert_eq!(world.changes.iter().filter(|c| matches!(c, sipjail::store::Change::Trust(_))).count(), 1);
    let mut world = world.restart(vec![lenient("sip")], 3600);
    (0..5).for_each(|_| world.fail_as("sip", OFFICE, "101"));
    assert_eq!((world.banned("sip").len(), world.trusted("sip")), (0, 1));
    world.restart_pbx("sip");
    let accounts = world.engine.trusted(None, world.now).expect("there is no jail to be wrong")[0].accounts;
    assert_eq!(accounts, 1);
    let mut world = world.restart(vec![lenient("sip")], 6 * 3600);
    assert_eq!(world.trusted("sip"), 0);
    world.pass(2 * 3600);
    assert!(world.database.trust.is_empty(), "what is over is forgotten");
}

#[test]
fn at_the_end_the_last_logins_are_kept() {
    let mut world = World::new(vec![lenient("sip")]);
    world.log_in("sip", OFFICE, "100");
    world.pass(300);
    world.log_in("sip", OFFICE, "100");
    world.stop(false);
    assert_eq!(world.database.trust.values().next().map(|lease| lease.last), Some(world.now));
}

#[test]
fn who_distrusts_an_address_means_the_network_that_it_is_counted_by() {
    let mut world = World::new(vec![JailSettings { subnet: Subnet { v4: 32, v6: 64 }, ..lenient("sip") }]);
    world.log_in("sip", "2001:db8:1:2::1", "100");
    world.log_in("sip", "2001:db8:1:2::2", "101");
    assert_eq!(world.engine.distrust(&Id::parse("2001:db8:1:2::1")), 2);
    (0..3).for_each(|_| world.fail_as("sip", "2001:db8:1:2::1", "102"));
    assert_eq!(world.banned("sip"), ["2001:db8:1:2::/64"]);
}

#[test]
fn who_is_distrusted_fails_as_everybody_does_until_the_next_login() {
    let mut world = World::new(vec![lenient("sip")]);
    world.log_in("sip", OFFICE, "100");
    world.log_in("sip", "192.0.2.7", "100");
    assert_eq!(world.engine.distrust(&Id::parse("192.0.2.1")), 1);
    assert_eq!(world.engine.distrust(&Id::parse("192.0.2.1")), 0);
    (0..3).for_each(|_| world.fail_as("sip", OFFICE, "101"));
    assert_eq!(world.banned("sip"), [OFFICE]);
    assert_eq!(world.engine.distrust(&Id::parse("192.0.2.0/24")), 1);
    world.pass(11);
    assert!(world.database.trust.is_empty());
}

#[test]
fn a_jail_whose_maxretry_is_the_larger_one_keeps_it() {
    let flood = JailSettings { maxretry: 30, ..lenient("flood") };
    let mut world = World::new(vec![flood]);
    world.log_in("flood", OFFICE, "100");
    (0..29).for_each(|_| world.fail("flood", OFFICE));
    assert_eq!(world.banned("flood").len(), 0);
    world.fail("flood", OFFICE);
    assert_eq!(world.banned("flood").len(), 1);
}

#[test]
fn an_earlier_ban_weighs_nothing_on_trust() {
    let grown = |name| {
        let increment = sipjail::config::Increment { enabled: true, ..Default::default() };
        JailSettings { increment, ..lenient(name) }
    };
    let mut world = World::new(vec![grown("sip")]);
    (0..3).for_each(|_| world.fail_as("sip", OFFICE, "101"));
    world.pass(700);
    world.log_in("sip", OFFICE, "100");
    (0..5).for_each(|n| world.fail_as("sip", OFFICE, &n.to_string()));
    assert_eq!(world.banned("sip").len(), 0);
}

/// Five phones of an office that the PBX knows.
fn office(world: &mut World) {
    (100..105).for_each(|account| world.log_in("sip", OFFICE, &account.to_string()));
}

/// They all fail.
fn all_fail(world: &mut World) -> u64 {
    let before = world.engine.status("sip").expect("it exists").total_failed;
    (100..105).for_each(|account| world.fail_as("sip", OFFICE, &account.to_string()));
    world.engine.status("sip").expect("it exists").total_failed - before
}

#[test]
fn after_an_outage_known_accounts_are_not_counted_for_a_minute_and_the_operator_is_told() {
    let mut world = World::new(vec![lenient("sip")]);
    office(&mut world);
    world.restart_pbx("sip");
    world.pass(5);
    assert_eq!(all_fail(&mut world), 3, "the fourth tells");
    assert!(world.heard(Level::Warning, "[sip] 4 accounts that are known to log in failed within 10 s"));
    world.pass(30);
    assert_eq!(all_fail(&mut world), 0);
    // What was not counted is no guilt afterwards; what failed from accounts that nobody knows there was.
    world.fail_as("sip", OFFICE, "admin");
    assert_eq!(world.engine.status("sip").expect("it exists").total_failed, 4);
}

#[test]
fn a_jail_that_trusts_for_a_short_time_takes_nothing_from_one_that_trusts_longer() {
    let short = Trust { time: Span::from_secs(600), maxretry: 10, outage: 3 };
    let mut world = World::new(vec![lenient("sip"), JailSettings { trust: Some(short), ..jail("short") }]);
    office(&mut world);
    world.pass(3600);
    world.log_in("short", "192.0.2.9", "200");
    world.log_in("short", OFFICE, "100");
    assert_eq!(
        world.said().iter().filter(|text| text.contains("Trust 192.0.2.1 ")).count(),
        1,
        "it was on trust all along"
    );
    world.restart_pbx("sip");
    assert_eq!(all_fail(&mut world), 3, "whose accounts are known");
}

#[test]
fn a_hold_spares_nobody_but_accounts_that_logged_in_from_where_they_fail() {
    let mut world = World::new(vec![lenient("sip")]);
    office(&mut world);
    world.restart_pbx("sip");
    all_fail(&mut world);
    (0..3).for_each(|_| world.fail_as("sip", "198.51.100.1", "100"));
    assert_eq!(world.banned("sip"), ["198.51.100.1"], "a stranger");
    for account in 0..7 {
        world.fail_as("sip", OFFICE, &format!("guess{account}"));
    }
    assert_eq!(world.banned("sip"), ["198.51.100.1", OFFICE], "and who walks over accounts from there");
}

#[test]
fn without_a_restart_known_accounts_that_fail_are_counted() {
    let mut world = World::new(vec![lenient("sip")]);
    office(&mut world);
    assert_eq!(all_fail(&mut world), 5);
    world.pass(3600);
    world.restart_pbx("sip");
    world.pass(301);
    office(&mut world);
    assert_eq!(all_fail(&mut world), 0, "they have failed before");
    assert!(!world.heard(Level::Warning, "accounts that are known"));
}

#[test]
fn a_jail_that_counts_networks_trusts_networks() {
    let subnet = sipjail::addr::Subnet { v4: 32, v6: 64 };
    let mut world = World::new(vec![JailSettings { subnet, ..lenient("sip") }]);
    world.log_in("sip", "2001:db8:1:2::7", "100");
    (0..40).for_each(|n| world.fail_as("sip", &format!("2001:db8:1:2::{n:x}"), "101"));
    assert_eq!(world.banned("sip").len(), 0, "one stale phone, whatever address it makes up");
    (0..3).for_each(|n| world.fail_as("sip", &format!("2001:db8:1:3::{n:x}"), "101"));
    assert_eq!(world.banned("sip"), ["2001:db8:1:3::/64"]);
    (0..10).for_each(|n| world.fail_as("sip", "2001:db8:1:2::9", &n.to_string()));
    assert_eq!(world.banned("sip").len(), 2);
    assert_eq!(world.trusted("sip"), 0);
}
