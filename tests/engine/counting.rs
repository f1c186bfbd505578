use sipjail::addr::Id;
use sipjail::config::{IgnoreItem, JailSettings};
use sipjail::record::Level;
use sipjail::store::Change;
use sipjail::ticket::{Failure, Named, Who};
use sipjail::time::{Bantime, Span, Timestamp};

use crate::world::{START, World, action, failure, jail};

#[test]
fn at_maxretry_the_kernel_drops_in_the_same_call() {
    let mut world = World::new(vec![jail("sip")]);
    world.said();
    world.fail("sip", "192.0.2.1");
    world.fail("sip", "192.0.2.1");
    assert_eq!(world.kernel.holds("sip"), 0);
    world.fail("sip", "192.0.2.1");
    assert_eq!(world.kernel.timeout("sip", "192.0.2.1"), Some(Some(600)));
    assert_eq!(world.banned("sip"), ["192.0.2.1"]);
    let found = "[sip] Found 192.0.2.1 - 2026-11-20 10:00:00";
    assert_eq!(world.said(), [found, found, found, "[sip] Ban 192.0.2.1"]);
    let Some(Change::Ban { ticket, bantime, .. }) = world.changes.last() else { panic!("the ban is kept at once") };
    assert_eq!((ticket.failures, ticket.bancount), (3, 1));
    assert_eq!(*bantime, Bantime::For(Span::from_secs(600)));
}

#[test]
fn a_ban_counts_from_the_failure_and_not_from_when_it_was_read() {
    let mut world = World::new(vec![jail("sip")]);
    for _ in 0..3 {
        let time = Timestamp(world.now.0 - 99_500_000);
        world.failure("sip", Failure { time, ..failure(Who::Id(Id::parse("192.0.2.1"))) });
    }
    assert_eq!(world.kernel.timeout("sip", "192.0.2.1"), Some(Some(501)));
}

#[test]
fn a_ban_that_would_be_over_is_none() {
    let settings = sipjail::config::JailSettings { bantime: Bantime::For(Span::from_secs(60)), ..jail("sip") };
    let mut world = World::new(vec![settings]);
    for _ in 0..3 {
        let time = world.now - Span::from_secs(61);
        world.failure("sip", Failure { time, ..failure(Who::Id(Id::parse("192.0.2.1"))) });
    }
    assert!(world.heard(Level::Info, "[sip] Ignore 192.0.2.1, expired bantime"));
    assert_eq!((world.banned("sip").len(), world.kernel.holds("sip")), (0, 0));
}

#[test]
fn a_ban_ends_to_the_moment_and_says_so() {
    let mut world = World::new(vec![jail("sip")]);
    (0..3).for_each(|_| world.fail("sip", "192.0.2.1"));
    world.said();
    world.pass(600);
    assert_eq!(world.banned("sip").len(), 1);
    world.pass(1);
    assert_eq!(world.banned("sip").len(), 0);
    assert!(world.said().contains(&"[sip] Unban 192.0.2.1".to_owned()));
    assert_eq!(world.engine.status("sip").expect("it exists").total_banned, 1);
    assert_eq!(world.database.bans.len(), 1, "the history stays");
}

#[test]
fn findtime_is_an_estimate_and_ends_a_counter_to_the_moment() {
    let mut world = World::new(vec![jail("sip")]);
    for _ in 0..5 {
        world.fail("sip", "192.0.2.1");
        world.pass(500);
    }
    assert_eq!(world.banned("sip").len(), 0, "once in 500 s is below three in 600 s");
    world.pass(100);
    world.fail("sip", "192.0.2.2");
    let status = world.engine.status("sip").expect("it exists");
    assert_eq!((status.currently_failed, status.total_failed), (1, 6));
}

#[test]
fn failures_during_a_ban_prolong_it_in_the_kernel_and_in_what_is_kept() {
    let mut world = World::new(vec![jail("sip")]);
    (0..3).for_each(|_| world.fail("sip", "192.0.2.1"));
    world.said();
    world.pass(8);
    (0..3).for_each(|_| world.fail("sip", "192.0.2.1"));
    assert!(world.heard(Level::Notice, "[sip] 192.0.2.1 already banned"));
    assert_eq!(world.kernel.timeout("sip", "192.0.2.1"), Some(Some(600)));
    let status = world.engine.status("sip").expect("it exists");
    assert_eq!((status.currently_banned, status.total_banned), (1, 1));
    let mut world = world.restart(vec![jail("sip")], 595);
    assert_eq!(world.kernel.timeout("sip", "192.0.2.1"), Some(Some(5)));
    world.pass(6);
    assert_eq!(world.banned("sip").len(), 0);
}

#[test]
fn already_banned_is_said_the_louder_the_later_it_comes() {
    let mut world = World::new(vec![jail("sip")]);
    (0..3).for_each(|_| world.fail("sip", "192.0.2.1"));
    for (pass, level) in [(2, Level::Debug), (10, Level::Notice), (60, Level::Warning)] {
        world.log.clear();
        world.pass(pass);
        (0..3).for_each(|_| world.fail("sip", "192.0.2.1"));
        assert!(world.heard(level, "[sip] 192.0.2.1 already banned"), "{level}");
    }
}

#[test]
fn after_n_tries_bans_at_once() {
    let mut world = World::new(vec![jail("sip")]);
    let time = world.now;
    world.failure("sip", Failure { count: 7, time, ..failure(Who::Id(Id::parse("192.0.2.1"))) });
    assert_eq!(world.banned("sip"), ["192.0.2.1"]);
}

#[test]
fn who_is_ignored_is_not_counted() {
    let mut settings = jail("sip");
    settings.ignore.list = vec![IgnoreItem::Net(Id::parse("198.51.100.0/24"))];
    let mut world = World::new(vec![settings]);
    world.said();
    for id in ["198.51.100.7", "203.0.113.200", "127.0.0.1"] {
        (0..5).for_each(|_| world.fail("sip", id));
    }
    let said = world.said();
    assert!(said.contains(&"[sip] Ignore 198.51.100.7 by ip".to_owned()));
    assert!(said.contains(&"[sip] Ignore 203.0.113.200 by ignoreself rule".to_owned()));
    assert_eq!(world.kernel.calls(), 0);
    assert_eq!(world.engine.status("sip").expect("it exists").total_failed, 0);
}

#[test]
fn ten_thousand_attackers_are_banned_each_with_its_own_end() {
    let mut world = World::new(vec![jail("sip")]);
    let attackers: Vec<String> = (0..10_000).map(|i| format!("10.1.{}.{}", i / 250, i % 250)).collect();
    for round in 0..3 {
        for id in &attackers {
            world.fail("sip", id);
            world.now = world.now + Span(100);
        }
        assert_eq!(world.kernel.holds("sip"), if round == 2 { 10_000 } else { 0 });
    }
    assert_eq!(world.banned("sip"), attackers);
    world.pass(3600);
    assert_eq!((world.banned("sip").len(), world.kernel.holds("sip")), (0, 0));
    assert_eq!(world.log.iter().filter(|r| r.text.starts_with("[sip] Unban ")).count(), 10_000);
    assert!(world.database.counters.is_empty(), "{} counters were left", world.database.counters.len());
}

#[test]
fn hostile_names_stay_in_the_list_and_out_of_the_kernel() {
    let mut world = World::new(vec![jail("sip")]);
    let calls = world.kernel.calls();
    for name in ["bob", "\x1b[31m] Ban 192.0.2.1\n", "0.0.0.0/0x", "'; reboot; '", &"x".repeat(100_000), ""] {
        (0..3).for_each(|_| {
            let groups = Named::from([("user", name), ("by", "hand")]);
            let time = world.now;
            world.failure("sip", Failure { time, groups, ..failure(Who::Id(Id::Raw(name.into()))) });
        });
        assert!(world.heard(Level::Warning, "is no address"));
    }
    assert_eq!(world.banned("sip").len(), 6);
    assert_eq!(world.kernel.calls(), calls);
    world.pass(700);
    assert_eq!(world.banned("sip").len(), 0);
    assert_eq!(world.kernel.calls(), calls);
}

#[test]
fn a_dry_jail_lists_and_logs_but_bans_nobody() {
    let mut settings = jail("sip");
    settings.actions = vec![action("sendmail"), action("dryrun"), action("ipset")];
    let mut world = World::new(vec![settings]);
    (0..3).for_each(|_| world.fail("sip", "192.0.2.1"));
    assert!(world.heard(Level::Notice, "[sip] Ban 192.0.2.1"));
    assert_eq!(world.banned("sip"), ["192.0.2.1"]);
    world.pass(700);
    assert!(world.heard(Level::Notice, "[sip] Unban 192.0.2.1"));
    assert_eq!((world.kernel.calls(), world.kernel.sets()), (0, 0));
}

#[test]
fn an_idle_engine_sleeps() {
    let mut world = World::new(vec![jail("sip"), jail("ssh")]);
    let mut wakes = 0;
    let end = world.now + Span::from_secs(600);
    while let Some(due) = world.engine.due().filter(|due| *due <= end) {
        assert!(due > world.now);
        world.now = due;
        world.tick();
        wakes += 1;
    }
    assert!(wakes <= 40, "{wakes} times in ten minutes");
    assert!(world.now.secs() > START + 500);
}

#[test]
fn unknown_jails_are_passed_over() {
    let mut world = World::new(vec![jail("sip")]);
    world.fail("gone", "192.0.2.1");
    world.position("gone", 5);
    world.pass(60);
    assert!(world.changes.iter().all(|change| !matches!(change, Change::Position { .. })));
    let error = world.engine.status("sipp").expect_err("there is none");
    assert_eq!(error.message, "there is no jail `sipp`");
    assert_eq!(error.hint.as_deref(), Some("did you mean `sip`?"));
}

#[test]
fn counters_go_out_before_the_position_that_belongs_to_them_once_a_second() {
    let mut world = World::new(vec![jail("sip")]);
    world.pass(5);
    for i in 0..50 {
        world.fail("sip", "192.0.2.1");
        world.fail("sip", "192.0.2.2");
        world.position("sip", i);
    }
    world.changes.clear();
    assert!(world.engine.due() <= Some(world.now));
    world.tick();
    let kinds: Vec<&str> = world
        .changes
        .iter()
        .map(|change| match change {
            Change::Failures { .. } => "failures",
            Change::Position { position, .. } if position.offset == 49 => "position",
            _ => "other",
        })
        .collect();
    assert_eq!(kinds, ["failures", "position"]);
    world.fail("sip", "192.0.2.1");
    assert_eq!(world.engine.due(), Some(world.now + Span::from_secs(1)));
}

#[test]
fn where_nobody_keeps_counters_none_go_out_and_bans_do() {
    let mut world = World::new(vec![jail("sip")]);
    world.engine.keep_no_counters();
    world.pass(5);
    world.changes.clear();
    world.fail("sip", "192.0.2.1");
    (0..3).for_each(|_| world.fail("sip", "192.0.2.2"));
    world.pass(20);
    assert!(matches!(world.changes[..], [Change::Ban { .. }]), "{:?}", world.changes);
    assert_eq!(world.engine.status("sip").expect("it exists").currently_failed, 1);
}

#[test]
fn in_a_flood_counters_go_out_every_ten_seconds_each_once_and_the_position_waits_with_them() {
    let mut world = World::new(vec![jail("sip")]);
    world.tick();
    world.changes.clear();
    let begun = world.now;
    for second in 0..10 {
        world.now = begun + Span::from_secs(second);
        for attacker in 0..2000 {
            // Two at most, so that nobody is banned.
            if second < 2 {
                world.fail("sip", &format!("10.1.{}.{}", attacker / 250, attacker % 250));
            }
        }
        world.position("sip", second as u64);
        if world.engine.due() <= Some(world.now) {
            world.tick();
        }
    }
    assert_eq!(world.changes, []);
    world.now = begun + Span::from_secs(10);
    assert_eq!(world.engine.due(), Some(world.now));
    world.tick();
    let rows: Vec<usize> = world.changes.iter().map(Change::rows).collect();
    assert_eq!(rows, [2000, 1]);
}

#[test]
fn a_clock_that_is_set_back_does_not_stop_the_regular_work() {
    let mut world = World::new(vec![jail("sip")]);
    world.now = world.now - Span::from_secs(100_000);
    world.fail("sip", "192.0.2.1");
    world.tick();
    world.changes.clear();
    world.pass(1);
    assert!(!world.changes.is_empty());
}

#[test]
fn what_nobody_hears_is_not_put_into_words() {
    let mut world = World::new(vec![jail("sip")]);
    world.engine.hear_from(Level::Notice);
    (0..4).for_each(|_| world.fail("sip", "192.0.2.1"));
    assert_eq!(world.said().last().map(String::as_str), Some("[sip] Ban 192.0.2.1"));
    assert!(!world.heard(Level::Info, "[sip] Found 192.0.2.1"));
}

#[test]
fn what_a_second_line_tells_of_an_event_counts_only_without_dedupe() {
    for (dedupe, banned) in [(true, 0), (false, 1)] {
        let mut world = World::new(vec![JailSettings { dedupe, ..jail("sip") }]);
        for call in ["a", "b"] {
            for (name, words) in [("reason", "not authenticated"), ("event", "ChallengeResponseFailed")] {
                let groups = [("callid", call), (name, words)];
                let failure =
                    Failure { groups: groups.into(), time: world.now, ..failure(Who::Id(Id::parse("192.0.2.1"))) };
                world.failure("sip", failure);
            }
        }
        assert_eq!(world.banned("sip").len(), banned);
        assert_eq!(world.engine.uncounted("sip"), if dedupe { 2 } else { 0 });
    }
}
