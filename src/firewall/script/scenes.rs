//! Scenes with actions whose scripts only note that they ran: what fail2ban was seen to run, in its order.

mod stage;

use indexmap::IndexMap;

use super::{Deed, Method, Scripts};
use crate::config::Action;
use crate::record::Level;
use crate::ticket::{Past, Ticket};
use crate::time::{Bantime, Span, Timestamp};
use stage::{Scene, Stage, action, full, ticket};

/// What an action does at its start, at the first bans and at its end.
fn life(action: Action) -> Vec<String> {
    let mut scene = Scene::new(&[action]);
    scene.ban("192.0.2.1");
    scene.ban("192.0.2.2");
    scene.ban("2001:db8::1");
    scene.play(Deed::Stop);
    scene.ran()
}

#[test]
fn actions_start_with_the_jail_or_on_demand() {
    let bans = ["BAN 192.0.2.1", "BAN 192.0.2.2"];
    let without = ["actionflush", "actionunban"];
    let on = [("actionstart_on_demand", "true")];
    let off = [("actionstart_on_demand", "false")];
    let on_demand =
        [&["START inet4"], &bans[..], &["START inet6", "BAN 2001:db8::1", "STOP inet4", "STOP inet6"]].concat();
    assert_eq!(life(full(&[], &without, true)), on_demand);
    assert_eq!(life(full(&on, &without, false)), on_demand);
    let plain = [&["START"], &bans[..], &["BAN 2001:db8::1", "STOP", "STOP inet4", "STOP inet6"]].concat();
    assert_eq!(life(full(&[], &without, false)), plain);
    // fail2ban bans the IPv6 address without ever starting the action for it.
    assert_eq!(life(full(&off, &without, true)), on_demand);
    let same = action("a", &[("actionstart", "START"), ("actionstop", "STOP"), ("actionban", "BAN <ip>")], &[]);
    assert_eq!(life(same), [&["START"], &bans[..], &["BAN 2001:db8::1", "STOP"]].concat());
}

#[test]
fn a_start_on_demand_that_fails_is_tried_again_and_one_at_the_start_of_a_jail_is_not() {
    let mut scene = Scene::new(&[full(&[], &[], true)]);
    scene.breaks(&["START"]);
    scene.ban("192.0.2.1");
    assert_eq!(scene.ran(), ["START inet4"]);
    assert_eq!(
        scene.said(),
        ["Failed to execute ban jail 'sip' action 'a'"],
        "its end: Error starting action Jail('sip')/a: 'Script error'"
    );
    scene.breaks(&[]);
    scene.ban("192.0.2.2");
    assert_eq!(scene.ran(), ["START inet4", "BAN 192.0.2.2"]);
    let mut scene = Scene::new(&[]);
    scene.breaks(&["START"]);
    scene.follow(&[full(&[], &[], false)], false);
    scene.ban("192.0.2.1");
    assert_eq!(scene.ran(), ["START", "BAN 192.0.2.1"]);
    assert_eq!(
        scene.said(),
        ["Failed to start jail 'sip' action 'a': Error starting action Jail('sip')/a: 'Script error'"]
    );
}

#[test]
fn a_command_that_keeps_failing_is_run_exactly_twice() {
    for without in [&[][..], &["actioncheck"]] {
        let mut scene = Scene::new(&[full(&[], without, false)]);
        scene.ban("192.0.2.9");
        scene.ran();
        scene.breaks(&["BAN", "UNBAN"]);
        scene.ban("192.0.2.1");
        let bans = scene.ran().into_iter().filter(|text| text.starts_with("BAN")).count();
        scene.unban("192.0.2.9");
        let unbans = scene.ran().into_iter().filter(|text| text.starts_with("UNBAN")).count();
        assert_eq!((bans, unbans), (2, 2), "{without:?}");
    }
}

#[test]
fn a_failed_check_is_followed_by_a_repair_and_one_more_try() {
    let mut scene = Scene::new(&[full(&[], &[], true)]);
    scene.ban("192.0.2.1");
    scene.ran();
    scene.breaks(&["BAN", "CHECK"]);
    scene.ban("192.0.2.2");
    assert_eq!(
        scene.ran(),
        ["BAN 192.0.2.2", "CHECK inet4", "STOP inet4", "START inet4", "CHECK inet4"],
        "no second try in a broken environment"
    );
    assert_eq!(
        scene.said(),
        [
            "Invariant check failed. Trying to restore a sane environment",
            "Unable to restore environment",
            "Failed to execute ban jail 'sip' action 'a'"
        ]
    );
    let mut scene = Scene::new(&[full(&[("actionrepair", "REPAIR <family>")], &[], true)]);
    scene.breaks(&["BAN", "CHECK"]);
    scene.ban("192.0.2.2");
    assert_eq!(scene.ran(), ["START inet4", "BAN 192.0.2.2", "CHECK inet4", "REPAIR inet4", "CHECK inet4"]);
}

#[test]
fn an_unban_repairs_only_where_it_is_told_to() {
    let play = |more: &[(&str, &str)]| {
        let mut scene = Scene::new(&[full(more, &[], true)]);
        scene.ban("192.0.2.1");
        scene.breaks(&["UNBAN", "CHECK"]);
        scene.ran();
        scene.unban("192.0.2.1");
        (scene.ran(), scene.said())
    };
    let (ran, said) = play(&[]);
    assert_eq!(ran, ["UNBAN 192.0.2.1", "CHECK inet4"]);
    assert_eq!(said[0], "Invariant check failed. Unban is impossible.");
    let (ran, _) = play(&[("actionrepair_on_unban", "true")]);
    assert_eq!(ran, ["UNBAN 192.0.2.1", "CHECK inet4", "STOP inet4", "UNBAN 192.0.2.1"]);
}

#[test]
fn nothing_is_unbanned_where_nothing_was_ever_banned() {
    let mut scene = Scene::new(&[full(&[], &["actionflush"], false)]);
    scene.breaks(&["BAN"]);
    scene.ban("192.0.2.1");
    scene.ran();
    scene.unban("192.0.2.1");
    assert_eq!(scene.ran(), [""; 0]);
    scene.breaks(&[]);
    scene.ban("192.0.2.2");
    scene.ban("192.0.2.1");
    scene.unban("192.0.2.1");
    assert_eq!(scene.ran(), ["BAN 192.0.2.2", "BAN 192.0.2.1", "UNBAN 192.0.2.1"]);
}

#[test]
fn a_flush_lifts_at_once_where_it_can_and_one_by_one_where_not() {
    let other = Action { name: "b".into(), ..full(&[], &["actionflush", "actionstart", "actionreload"], false) };
    let mut scene = Scene::new(&[full(&[], &["actionstart"], true), other]);
    scene.ban("192.0.2.1");
    scene.ban("2001:db8::1");
    scene.ran();
    scene.flush();
    assert_eq!(scene.ran(), ["FLUSH inet4", "FLUSH inet6", "UNBAN 192.0.2.1", "UNBAN 2001:db8::1"]);
    scene.flush();
    assert_eq!(scene.ran(), [""; 0]);
    scene.ban("192.0.2.3");
    scene.ran();
    scene.play(Deed::Stop);
    let expected = ["FLUSH inet4", "UNBAN 192.0.2.3", "STOP", "STOP inet4", "STOP inet6", "STOP inet4", "STOP inet6"];
    assert_eq!(scene.ran()[..2], expected[..2]);
}

#[test]
fn a_flush_that_fails_is_said_and_looked_after() {
    let mut scene = Scene::new(&[full(&[], &[], true)]);
    scene.ban("192.0.2.1");
    scene.ran();
    scene.breaks(&["FLUSH"]);
    scene.flush();
    assert_eq!(scene.ran(), ["FLUSH inet4", "CHECK inet4"]);
    assert_eq!(
        scene.said(),
        [
            "Failed to flush bans in jail 'sip' action 'a': Error flushing action Jail('sip')/a: 'Script error'",
            "No flush occurred, do consistency check"
        ]
    );
    scene.play(Deed::Stop);
    assert_eq!(scene.ran(), ["FLUSH inet4", "CHECK inet4", "STOP inet4"], "what was not flushed is flushed at the end");
}

#[test]
fn a_text_that_failed_is_run_for_the_next_family_and_one_that_worked_is_not() {
    let alike = [("actionflush", "FLUSH <bantime> <failures> <timeout> <jail.banned>")];
    let mut scene = Scene::new(&[full(&alike, &["actionflush", "actioncheck"], true)]);
    scene.ban("192.0.2.1");
    scene.ban("2001:db8::1");
    scene.ran();
    scene.breaks(&["FLUSH"]);
    scene.flush();
    let flush = "FLUSH 600 0 60 <jail.banned>";
    assert_eq!(scene.ran(), [flush, flush]);
    scene.breaks(&[]);
    scene.flush();
    assert_eq!(scene.ran(), [flush]);
}

#[test]
fn an_action_for_all_that_never_worked_is_repaired_from_the_second_failure_on() {
    let mut scene = Scene::new(&[full(&[], &[], false)]);
    scene.breaks(&["BAN", "CHECK"]);
    scene.ran();
    scene.ban("192.0.2.1");
    assert_eq!(scene.ran(), ["BAN 192.0.2.1", "CHECK inet4", "CHECK inet4"]);
    scene.ban("192.0.2.2");
    assert_eq!(scene.ran(), ["BAN 192.0.2.2", "CHECK inet4", "STOP inet4", "START inet4", "CHECK inet4"]);
}

#[test]
fn who_gets_through_is_banned_again_where_the_action_had_lost_him() {
    let mut scene = Scene::new(&[full(&[("actionreban", "REBAN <ip> <bantime>")], &[], true)]);
    scene.ban("192.0.2.1");
    scene.ran();
    scene.again("192.0.2.1", 4);
    assert_eq!(scene.ran(), ["CHECK inet4"]);
    scene.again("192.0.2.1", 6);
    assert_eq!(scene.ran(), [""; 0], "looked after just now");
    scene.breaks(&["CHECK"]);
    scene.again("192.0.2.1", 8);
    let repaired = ["CHECK inet4", "STOP inet4", "START inet4", "CHECK inet4", "START inet4", "REBAN 192.0.2.1 608"];
    assert_eq!(scene.ran(), repaired);
    assert!(scene.said().contains(&"[sip] Reban 192.0.2.1, action 'a'".to_owned()));
}

#[test]
fn one_action_that_fails_stops_no_other_and_they_stop_in_reverse_order() {
    let one = |name: &str, bans: &str| {
        let stop = format!("STOP-{name}");
        let ban = format!("{bans}-{name} <ip>");
        action(name, &[("actionban", &ban), ("actionstart", "S"), ("actionstop", &stop)], &[])
    };
    let mut scene = Scene::new(&[one("a", "OK"), one("b", "BAD"), one("c", "OK")]);
    scene.breaks(&["BAD-b"]);
    scene.ban("192.0.2.1");
    scene.ran();
    scene.ban("192.0.2.2");
    assert_eq!(scene.ran(), ["OK-a 192.0.2.2", "BAD-b 192.0.2.2", "BAD-b 192.0.2.2", "OK-c 192.0.2.2"]);
    scene.play(Deed::Stop);
    assert_eq!(scene.ran(), ["STOP-c", "STOP-b", "STOP-a"]);
}

#[test]
fn a_reload_keeps_what_stays_and_a_new_action_takes_the_bans_on() {
    let mail = || action("mail", &[("actionban", "MAIL <ip>"), ("norestored", "true")], &[]);
    let mut scene = Scene::new(&[full(&[], &[], true)]);
    scene.ban("192.0.2.1");
    scene.ran();
    scene.follow(&[full(&[], &[], true)], true);
    assert_eq!(scene.ran(), ["RELOAD inet4"]);
    let new = action("new", &[("actionban", "NEW <ip> <restored>"), ("actionstart", "START-NEW")], &[]);
    scene.follow(&[full(&[], &[], true), new.clone(), mail()], true);
    assert_eq!(scene.ran(), ["RELOAD inet4", "START-NEW", "NEW 192.0.2.1 1"]);
    scene.follow(&[new, mail()], true);
    assert_eq!(scene.ran(), ["FLUSH inet4", "STOP inet4"]);
    let changed = action("new", &[("actionban", "CHANGED <ip>"), ("actionunban", "UNBAN <ip>")], &[]);
    scene.follow(&[changed, mail()], true);
    assert_eq!(scene.ran(), ["CHANGED 192.0.2.1"]);
    scene.ban("192.0.2.2");
    assert_eq!(scene.ran(), ["CHANGED 192.0.2.2", "MAIL 192.0.2.2"]);
    scene.follow(&[], true);
    assert_eq!(scene.ran(), ["UNBAN 192.0.2.1", "UNBAN 192.0.2.2"]);
}

#[test]
fn a_jail_that_had_no_scripts_hands_its_bans_over() {
    let mut scene = Scene::new(&[]);
    let bans = vec![Ticket { restored: true, ..ticket("192.0.2.1") }];
    scene.play(Deed::Follow { actions: vec![full(&[], &[], true)], bans, reload: true });
    assert_eq!(scene.ran(), ["START inet4", "BAN 192.0.2.1"]);
    scene.unban("192.0.2.1");
    assert_eq!(scene.ran(), ["UNBAN 192.0.2.1"]);
    scene.ban("192.0.2.2");
    scene.follow(&[], true);
    scene.ran();
    scene.follow(&[full(&[], &[], true)], true);
    assert_eq!(scene.ran(), [""; 0], "whoever was banned in between, nobody told");
}

#[test]
fn restored_bans_are_made_again_with_their_story_unless_nobody_wants_them() {
    let tell = action("tell", &[("actionban", "BAN <ip> <restored> <failures> <time> <bantime> <bancount>")], &[]);
    let mail = action("mail", &[("actionban", "MAIL <ip>"), ("norestored", "true")], &[]);
    let mut scene = Scene::new(&[tell, mail]);
    scene.stage.saved = Some(Ticket { failures: 7, ..ticket("192.0.2.1") });
    let bantime = Some(Bantime::For(Span::from_secs(3600)));
    let time = Timestamp::from_secs(1_795_170_394);
    let old = Ticket { restored: true, failures: 0, bantime, time, bancount: 2, ..ticket("192.0.2.1") };
    scene.play(Deed::Ban(Box::new(old)));
    assert_eq!(scene.ran(), ["BAN 192.0.2.1 1 7 1795170394 3600 2"]);
}

#[test]
fn every_tag_has_its_value() {
    let tags = [
        ("<ip> <fid> <family> <ip-rev> <ip-host>", "192.0.2.1 192.0.2.1 inet4 1.2.0.192. host.example"),
        ("<failures> <time> <bantime> <bancount> <restored>", "3 1795170257.09 600 1 0"),
        ("<jail.banned> <jail.banned_total> <jail.found> <jail.found_total> <jail.name>", "1 2 3 4 sip"),
        ("<ipfailures> <ipjailfailures> <fq-hostname> <sh-hostname>", "10 5 pbx.example pbx"),
        ("a<br>b<sp>c <unknowntag> <F-NONE>.", "a\nb c <unknowntag> ."),
        ("<F-USER> <F-IP4>", "bob 192.0.2.1"),
        ("<matches>|<ipmatches>", "f2bV_matches=$0 f2bV_ipmatches=$1 \n$f2bV_matches|$f2bV_ipmatches"),
        ("<raw-ticket>", "f2bV_raw_ticket=$0 \n$f2bV_raw_ticket"),
    ];
    for (text, expected) in tags {
        let mut scene = Scene::new(&[action("a", &[("actionban", text)], &[])]);
        scene.stage.past = Some(Past { failures: 5, matches: vec!["old".into(), "new".into()] });
        let groups = IndexMap::from([("user".to_owned(), "bob".to_owned())]);
        let ticket = Box::new(Ticket { groups, ..ticket("192.0.2.1") });
        scene.play(Deed::Ban(ticket));
        assert_eq!(scene.ran(), [expected], "{text}");
        if text == "<raw-ticket>" {
            let raw = "BanTicket: ip=192.0.2.1 time=1795170257.09 bantime=None bancount=1 #attempts=3 \
                       matches=['first', 'second']";
            assert_eq!(scene.stage.args, [[raw]]);
        }
    }
    let mut scene = Scene::new(&[action("a", &[("actionban", "<fid> <family> <ip-rev>. <ip-host> <ip>")], &[])]);
    scene.ban("bob");
    assert_eq!(scene.ran(), ["bob None . None bob"]);
    let mut scene = Scene::new(&[action("a", &[("actionban", "<fid> <ip> <ip-rev>")], &[])]);
    let groups = IndexMap::from([("ip".to_owned(), "192.0.2.7".to_owned())]);
    scene.play(Deed::Ban(Box::new(Ticket { groups, ..ticket("bob") })));
    assert_eq!(scene.ran(), ["bob 192.0.2.7 7.2.0.192."]);
}

#[test]
fn a_property_hides_a_tag_and_the_bans_length_is_no_property() {
    let properties = [("failures", "many"), ("bantime", "1"), ("family", "ipv4")];
    let mut scene = Scene::new(&[action("a", &[("actionban", "<failures> <bantime> <family>")], &properties)]);
    scene.ban("192.0.2.1");
    assert_eq!(scene.ran(), ["many 600 ipv4"]);
}

#[test]
fn what_an_unclean_end_left_behind_is_flushed_in_silence() {
    let mut scene = Scene { stage: Stage::default(), scripts: Scripts::new("sip", true) };
    scene.breaks(&["FLUSH"]);
    scene.follow(&[full(&[], &[], true)], false);
    assert_eq!((scene.ran(), scene.said()), (vec!["FLUSH inet4".to_owned(), "FLUSH inet6".to_owned()], vec![]));
    scene.play(Deed::Stop);
    scene.follow(&[full(&[], &[], true)], false);
    assert_eq!(scene.ran(), [""; 0], "once");
}

#[test]
fn an_action_does_by_hand_what_it_is_told() {
    let prolong = [("actionprolong", "PROLONG <ip> <bantime>")];
    let mut scene = Scene::new(&[full(&prolong, &[], true)]);
    let mut tell = |method, id: Option<&str>| {
        let ticket = id.map(|id| Box::new(ticket(id)));
        scene.play(Deed::Perform { action: "a".into(), method, ticket });
        scene.ran()
    };
    assert_eq!(tell(Method::Ban, Some("192.0.2.1")), ["START inet4", "BAN 192.0.2.1"]);
    assert_eq!(tell(Method::Prolong, Some("192.0.2.1")), ["PROLONG 192.0.2.1 600"]);
    assert_eq!(tell(Method::Reban, Some("192.0.2.1")), ["BAN 192.0.2.1"]);
    assert_eq!(tell(Method::Unban, Some("192.0.2.1")), ["UNBAN 192.0.2.1"]);
    assert_eq!(tell(Method::Reload, None), ["RELOAD inet4"]);
    assert_eq!(tell(Method::Flush, None), ["FLUSH inet4"]);
    assert_eq!(tell(Method::Stop, None), ["STOP inet4"]);
    assert_eq!(tell(Method::Start, None), ["START inet4"]);
    assert_eq!(scene.said(), [""; 0]);
}

#[test]
fn complaints_are_as_loud_as_fail2bans() {
    let mut scene = Scene::new(&[full(&[], &[], true)]);
    scene.breaks(&["BAN", "CHECK"]);
    scene.ban("192.0.2.1");
    let part = |part: &str| -> Vec<Level> {
        scene.stage.said.iter().filter(|record| record.part == part).map(|record| record.level).collect()
    };
    assert_eq!(part("CommandAction"), [Level::Error, Level::Critical]);
    assert_eq!(part("actions"), [Level::Error]);
    let last = &scene.stage.said.last().expect("it complained").text;
    assert!(last.starts_with("Failed to execute ban jail 'sip' action 'a' info 'ActionInfo({'ip': '192.0.2.1', "));
    assert!(last.ends_with("})': Error banning 192.0.2.1"), "{last}");
}
