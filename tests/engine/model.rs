use std::collections::BTreeMap;

use proptest::prelude::*;
use sipjail::config::{Increment, JailSettings};
use sipjail::firewall::FirewallError;
use sipjail::time::Span;

use crate::world::{World, jail};

/// What may happen to a guard.
#[derive(Clone, Debug)]
enum Step {
    Fail(u8),
    BanByHand(u8, Option<i32>),
    Unban(u8),
    UnbanNetwork,
    UnbanAll,
    Pass(u16),
    Break,
    Mend,
    Restart(u16),
    Reload(u16),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        12 => (0..6_u8).prop_map(Step::Fail),
        2 => (0..6_u8, prop::option::of(prop_oneof![Just(-1), 1..5000_i32])).prop_map(|(i, t)| Step::BanByHand(i, t)),
        2 => (0..6_u8).prop_map(Step::Unban),
        1 => Just(Step::UnbanNetwork),
        1 => Just(Step::UnbanAll),
        6 => (0..900_u16).prop_map(Step::Pass),
        1 => Just(Step::Break),
        1 => Just(Step::Mend),
        1 => (0..900_u16).prop_map(Step::Restart),
        1 => (1..2000_u16).prop_map(Step::Reload),
    ];
    prop::collection::vec(step, 1..80)
}

fn settings(bantime: u16) -> Vec<JailSettings> {
    let bantime = sipjail::time::Bantime::For(Span::from_secs(bantime.into()));
    let increment = Increment { enabled: true, ..Increment::default() };
    vec![JailSettings { bantime, increment, ..jail("sip") }, JailSettings { bantime, ..jail("ssh") }]
}

fn address(i: u8) -> String {
    if i.is_multiple_of(2) { format!("192.0.2.{i}") } else { format!("2001:db8::{i}") }
}

/// Who is banned until when (in whole seconds from now), by the engine and by the kernel.
fn views(world: &World) -> [BTreeMap<(String, String), Option<i64>>; 2] {
    let now = world.now;
    let left = |until: sipjail::time::Timestamp| ((until - now).0 + 999_999) / 1_000_000;
    let bans = world.engine.banned(None).expect("all jails");
    // A ban still stands in the moment of its end, an entry of the kernel does not.
    let engine =
        bans.iter().filter(|b| b.until != Some(now)).map(|b| ((b.jail.clone(), b.id.to_string()), b.until.map(left)));
    let kernel = world.engine.jails().into_iter().flat_map(|jail| {
        (0..6).filter_map(move |i| Some(((jail.clone(), address(i)), world.kernel.timeout(&jail, &address(i))?)))
    });
    [engine.collect(), kernel.collect()]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_kernel_drops_whom_the_engine_lists_whatever_happened(steps in steps()) {
        let mut bantime = 600;
        let mut world = World::new(settings(bantime));
        for step in steps {
            match step {
                Step::Fail(i) => world.fail(if i < 4 { "sip" } else { "ssh" }, &address(i)),
                Step::BanByHand(i, secs) => {
                    let jail = ["sip", "ssh", "manual"][usize::from(i) % 3];
                    let _ = world.ban(jail, &address(i), secs.map(f64::from));
                }
                Step::Unban(i) => drop(world.unban(None, &address(i))),
                Step::UnbanNetwork => drop(world.unban(None, "192.0.2.0/29")),
                Step::UnbanAll => drop(world.unban_all(None)),
                Step::Pass(secs) => world.pass(secs.into()),
                Step::Break => {
                    world.kernel.state().broken = Some(FirewallError::Kernel("it".into(), "is broken".into()));
                }
                Step::Mend => world.kernel.state().broken = None,
                Step::Restart(secs) => {
                    world.kernel.state().broken = None;
                    world = world.restart(settings(bantime), secs.into());
                }
                Step::Reload(secs) => {
                    bantime = secs;
                    world.reload(settings(bantime));
                }
            }
        }
        world.kernel.state().broken = None;
        world.pass(31);
        world.tick();
        let [engine, kernel] = views(&world);
        prop_assert_eq!(engine, kernel);
    }
}
