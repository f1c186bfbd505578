//! What the engine asks of actions that run commands, and in which order.

use indexmap::IndexMap;
use sipjail::addr::Id;
use sipjail::config::{Action, JailSettings, Kind};
use sipjail::engine::{Leave, Request};
use sipjail::firewall::script::{Deed, Method};
use sipjail::time::{Bantime, Span};
use sipjail::word::Word;

use crate::world::{World, action, jail};

fn script(name: &str, flushes: bool) -> Action {
    let commands =
        [("actionban", "ban"), ("actionunban", "unban"), ("actionflush", if flushes { "flush" } else { "" })];
    let commands = commands.map(|(name, text)| (name.to_owned(), Word::text(text)));
    Action { name: name.into(), kind: Kind::Commands { commands: commands.into(), properties: IndexMap::new() } }
}

fn with(actions: &[Action]) -> JailSettings {
    JailSettings { actions: actions.to_vec(), maxretry: 1, ..jail("sip") }
}

/// The deeds since the last call, shortly.
fn deeds(world: &mut World) -> Vec<String> {
    let told = |deed: Deed| match deed {
        Deed::Follow { actions, bans, reload } => {
            let names: Vec<String> = actions.into_iter().map(|action| action.name).collect();
            format!("follow [{}] with {} bans{}", names.join(" "), bans.len(), if reload { ", reload" } else { "" })
        }
        Deed::Ban(ticket) => format!("ban {}{}", ticket.id, if ticket.restored { " again" } else { "" }),
        Deed::Again { id, bantime, .. } => format!("{id} gets through, {}", bantime.as_secs_f64()),
        Deed::Unban(id) => format!("unban {id}"),
        Deed::Flush => "flush".into(),
        Deed::Stop => "stop".into(),
        Deed::Perform { action, method, ticket } => {
            format!("{action} {method:?} {}", ticket.map_or(String::new(), |ticket| ticket.id.to_string()))
        }
    };
    world.deeds.drain(..).map(|(jail, deed)| format!("{jail}: {}", told(deed))).collect()
}

#[test]
fn the_kernel_and_the_log_come_before_the_scripts_and_the_database_too() {
    let mut world = World::new(vec![with(&[action("ipset"), script("a", true)])]);
    let mut out = Vec::new();
    world.engine.ban("sip", Id::parse("192.0.2.1"), None, world.now, &mut out).expect("it may be banned");
    assert!(world.kernel.timeout("sip", "192.0.2.1").is_some());
    let place = |wanted: fn(&Request) -> bool| out.iter().position(wanted).expect("it is there");
    let logged = place(|request| matches!(request, Request::Log(record) if record.text == "[sip] Ban 192.0.2.1"));
    let acted = place(|request| matches!(request, Request::Act { .. }));
    assert!(logged < acted);
    let Request::Act { counters, .. } = &out[acted] else { panic!("it is one") };
    assert_eq!((counters.banned, counters.banned_total, counters.found), (1, 1, 0));
}

#[test]
fn every_end_of_a_ban_is_told() {
    let mut world = World::new(vec![with(&[script("a", true)])]);
    assert_eq!(deeds(&mut world), ["sip: follow [a] with 0 bans"]);
    world.fail("sip", "192.0.2.1");
    world.fail("sip", "192.0.2.2");
    assert_eq!(deeds(&mut world), ["sip: ban 192.0.2.1", "sip: ban 192.0.2.2"]);
    assert_eq!((world.kernel.sets(), world.kernel.calls()), (0, 0), "nothing goes into the kernel");
    world.unban(None, "192.0.2.1");
    world.unban(None, "192.0.2.1");
    assert_eq!(deeds(&mut world), ["sip: unban 192.0.2.1"]);
    world.fail("sip", "192.0.2.2");
    world.pass(10);
    world.fail("sip", "192.0.2.2");
    assert_eq!(deeds(&mut world), ["sip: 192.0.2.2 gets through, 610"]);
    world.pass(601);
    assert_eq!(deeds(&mut world), ["sip: unban 192.0.2.2"]);
    world.fail("sip", "192.0.2.3");
    world.said();
    world.unban_all(None);
    assert_eq!(deeds(&mut world), ["sip: ban 192.0.2.3", "sip: flush"]);
    assert_eq!(world.said(), ["[sip] Flush ticket(s) with a", "[sip] Unban 192.0.2.3"]);
}

#[test]
fn the_length_of_a_ban_is_final_before_the_scripts_hear_of_it() {
    let mut settings = with(&[script("a", true)]);
    settings.increment.enabled = true;
    let mut world = World::new(vec![settings]);
    let lengths = |world: &mut World| -> Vec<Option<Bantime>> {
        let bans = world.deeds.drain(..).filter_map(|(_, deed)| match deed {
            Deed::Ban(ticket) => Some(ticket.bantime),
            _ => None,
        });
        bans.collect()
    };
    world.fail("sip", "192.0.2.1");
    world.pass(601);
    world.fail("sip", "192.0.2.1");
    let grown = Bantime::For(Span::from_secs(1200));
    assert_eq!(lengths(&mut world).last(), Some(&Some(grown)));
}

#[test]
fn restored_bans_are_told_again_after_the_actions() {
    let mut world = World::new(vec![with(&[script("a", true)])]);
    world.fail("sip", "192.0.2.1");
    let mut world = world.restart(vec![with(&[script("a", true)])], 60);
    assert_eq!(deeds(&mut world), ["sip: follow [a] with 0 bans", "sip: ban 192.0.2.1 again"]);
}

#[test]
fn changed_actions_are_told_with_the_bans_only_where_nobody_knows_them() {
    let mut world = World::new(vec![with(&[action("ipset")])]);
    world.fail("sip", "192.0.2.1");
    assert_eq!(deeds(&mut world), [""; 0]);
    world.reload(vec![with(&[action("ipset"), script("a", true)])]);
    assert_eq!(deeds(&mut world), ["sip: follow [a] with 1 bans, reload"]);
    world.reload(vec![with(&[action("ipset"), script("a", true)])]);
    assert_eq!(deeds(&mut world), ["sip: follow [a] with 0 bans, reload"]);
    world.add_jail(with(&[action("ipset"), script("a", true)]));
    assert_eq!(deeds(&mut world), [""; 0], "nothing has changed");
    world.add_jail(with(&[script("b", true), script("c", false)]));
    assert_eq!(deeds(&mut world), ["sip: follow [b c] with 0 bans"]);
    assert_eq!(world.kernel.holds("sip"), 0, "scripts alone carry the bans out now");
    world.reload(vec![with(&[action("ipset")])]);
    assert_eq!(deeds(&mut world), ["sip: follow [] with 0 bans, reload"]);
    assert_eq!(world.kernel.holds("sip"), 1);
    world.reload(vec![with(&[script("b", true)])]);
    deeds(&mut world);
    world.reload(vec![]);
    assert_eq!(deeds(&mut world), ["sip: stop"]);
}

#[test]
fn at_the_end_scripts_are_stopped_unless_all_is_kept() {
    for (leave, expected, lifted) in [
        (Leave::Nothing, &["a: stop", "b: stop"][..], ["[a] Unban 192.0.2.1", "[b] Unban 192.0.2.1"].as_slice()),
        (Leave::Kernel, &["a: stop", "b: stop"], &["[a] Unban 192.0.2.1"]),
        (Leave::All, &[], &[]),
    ] {
        let of = |name: &str, actions: &[Action]| JailSettings { name: name.into(), ..with(actions) };
        let jails = vec![of("a", &[script("x", true)]), of("b", &[action("ipset"), script("x", true)])];
        let mut world = World::new(jails);
        world.fail("a", "192.0.2.1");
        world.fail("b", "192.0.2.1");
        deeds(&mut world);
        world.said();
        world.leave(leave);
        assert_eq!(deeds(&mut world), expected, "{leave:?}");
        let unbans: Vec<String> = world.said().into_iter().filter(|text| text.contains("Unban")).collect();
        assert_eq!(unbans, lifted, "{leave:?}");
        assert_eq!(world.kernel.holds("b"), usize::from(leave != Leave::Nothing), "{leave:?}");
    }
}

#[test]
fn an_action_can_be_told_by_hand_and_the_wrong_one_is_named() {
    let mut world = World::new(vec![with(&[action("ipset"), script("iptables", true)])]);
    deeds(&mut world);
    let mut out = Vec::new();
    let mut tell = |action: &str, method, id: Option<&str>| {
        world.engine.act("sip", action, method, id.map(Id::parse), world.now, &mut out).map_err(|e| e.hint)
    };
    assert_eq!(tell("iptables", Method::Ban, Some("192.0.2.1")), Ok(()));
    assert_eq!(tell("iptable", Method::Flush, None), Err(Some("did you mean `iptables`?".into())));
    assert!(tell("ipset", Method::Flush, None).is_err() && tell("iptables", Method::Ban, None).is_err());
    assert!(
        matches!(&out[..], [Request::Act { deed: Deed::Perform { ticket: Some(ticket), .. }, .. }] if !ticket.restored)
    );
}
