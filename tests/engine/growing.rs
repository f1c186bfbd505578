use sipjail::config::{Increment, JailSettings};
use sipjail::record::Level;
use sipjail::time::{Bantime, Span};

use crate::world::{World, jail};

fn growing(name: &str) -> JailSettings {
    JailSettings {
        maxretry: 5,
        bantime: Bantime::For(Span::from_secs(6)),
        increment: Increment { enabled: true, ..Increment::default() },
        ..jail(name)
    }
}

#[test]
fn who_comes_back_is_banned_sooner_and_longer() {
    let mut world = World::new(vec![growing("sip")]);
    for (lines, secs) in [(5, 6), (3, 12), (2, 24), (1, 48), (1, 96)] {
        for line in 1..=lines {
            assert_eq!(world.banned("sip").len(), 0, "before line {line} of {lines}");
            world.fail("sip", "192.0.2.1");
        }
        assert_eq!(world.kernel.timeout("sip", "192.0.2.1"), Some(Some(secs)), "the first entry is the right one");
        world.pass(secs + 1);
    }
}

#[test]
fn growing_is_told_in_fail2bans_words() {
    let mut world = World::new(vec![growing("sip")]);
    (0..5).for_each(|_| world.fail("sip", "192.0.2.1"));
    world.pass(60);
    world.said();
    (0..3).for_each(|_| world.fail("sip", "192.0.2.1"));
    assert_eq!(
        world.said(),
        [
            "[sip] Found 192.0.2.1 - 2026-11-20 10:01:00",
            "[sip] Found 192.0.2.1, bad - 2026-11-20 10:01:00, 1 # -> 2.0",
            "[sip] Found 192.0.2.1 - 2026-11-20 10:01:00",
            "[sip] Found 192.0.2.1, bad - 2026-11-20 10:01:00, 1 # -> 2.0",
            "[sip] Found 192.0.2.1 - 2026-11-20 10:01:00",
            "[sip] Found 192.0.2.1, bad - 2026-11-20 10:01:00, 1 # -> 2.0",
            "[sip] Ban 192.0.2.1",
            "[sip] IP 192.0.2.1 is bad: 1 # last 2026-11-20 10:00:00 - incr 6s to 12s",
            "[sip] Increase Ban 192.0.2.1 (2 # 12s -> 2026-11-20 10:01:12)",
        ]
    );
}

#[test]
fn the_history_survives_a_restart_and_a_restored_ban_is_not_counted_again() {
    let mut world = World::new(vec![growing("sip")]);
    (0..5).for_each(|_| world.fail("sip", "192.0.2.1"));
    let world = world.restart(vec![growing("sip")], 2);
    assert_eq!(world.engine.banned(None).expect("all jails")[0].before, 0);
    let mut world = world.restart(vec![growing("sip")], 60);
    assert_eq!(world.banned("sip").len(), 0);
    (0..3).for_each(|_| world.fail("sip", "192.0.2.1"));
    assert_eq!(world.kernel.timeout("sip", "192.0.2.1"), Some(Some(12)));
    assert_eq!(world.engine.banned(None).expect("all jails")[0].before, 1);
}

#[test]
fn bans_of_every_jail_count_with_overalljails_and_each_once() {
    let everywhere = |name| JailSettings {
        increment: Increment { enabled: true, overalljails: true, ..Increment::default() },
        ..jail(name)
    };
    let mut world = World::new(vec![everywhere("a"), everywhere("b")]);
    for (jail, secs) in [("a", 600), ("b", 1200), ("a", 2400), ("b", 4800)] {
        for _ in 0..3 {
            if world.banned(jail).is_empty() {
                world.fail(jail, "192.0.2.1");
            }
        }
        assert_eq!(world.kernel.timeout(jail, "192.0.2.1"), Some(Some(secs)));
        world.pass(secs + 1);
    }
}

#[test]
fn unbanning_forgives() {
    let mut world = World::new(vec![growing("sip")]);
    (0..5).for_each(|_| world.fail("sip", "192.0.2.1"));
    assert_eq!(world.unban(Some("sip"), "192.0.2.1"), 1);
    assert_eq!((world.kernel.holds("sip"), world.database.bans.len()), (0, 0));
    (0..4).for_each(|_| world.fail("sip", "192.0.2.1"));
    assert_eq!(world.banned("sip").len(), 0);
    world.fail("sip", "192.0.2.1");
    assert_eq!(world.kernel.timeout("sip", "192.0.2.1"), Some(Some(6)));
}

#[test]
fn a_formula_without_a_value_falls_back_to_bantime() {
    let mut settings = growing("sip");
    settings.increment.formula = sipjail::expr::Expr::parse("ban.Time / (ban.Count - 1)").expect("well formed");
    let mut world = World::new(vec![settings]);
    (0..5).for_each(|_| world.fail("sip", "192.0.2.1"));
    world.pass(60);
    (0..3).for_each(|_| world.fail("sip", "192.0.2.1"));
    assert!(world.heard(Level::Warning, "bantime.formula"));
    assert_eq!(world.kernel.timeout("sip", "192.0.2.1"), Some(Some(6)));
}

#[test]
fn old_history_is_purged() {
    let mut world = World::new(vec![growing("sip")]);
    (0..5).for_each(|_| world.fail("sip", "192.0.2.1"));
    world.pass(2 * 86_400);
    (0..4).for_each(|_| world.fail("sip", "192.0.2.1"));
    assert_eq!(world.banned("sip").len(), 0, "nothing is known of the first ban any more");
}
