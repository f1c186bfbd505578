use std::path::PathBuf;

use sipjail::config::{IgnoreItem, JailSettings, UseDns};
use sipjail::engine::{Answer, Question};
use sipjail::record::Level;
use sipjail::ticket::{Failure, Who};

use crate::world::{World, failure, jail};

fn name(name: &str) -> Question {
    Question::Resolve(name.into())
}

fn addresses(list: &[&str]) -> Answer {
    Answer::Addresses(Ok(list.iter().map(|ip| ip.parse().expect("an address")).collect()))
}

fn fail_by_name(world: &mut World, host: &str) {
    let time = world.now;
    world.failure("sip", Failure { time, ..failure(Who::Name(host.into())) });
}

#[test]
fn a_slow_name_delays_nobody_else() {
    let mut world = World::new(vec![jail("sip")]);
    (0..3).for_each(|_| fail_by_name(&mut world, "slow.example"));
    (0..3).for_each(|_| world.fail("sip", "192.0.2.1"));
    assert_eq!(world.banned("sip"), ["192.0.2.1"]);
    assert_eq!(world.asked.len(), 1, "it is asked once");
    world.answer(&name("slow.example"), addresses(&["192.0.2.7", "2001:db8::7"]));
    assert_eq!(world.banned("sip"), ["192.0.2.1", "192.0.2.7", "2001:db8::7"]);
    let text = "Determined IP using DNS Lookup: slow.example = {'192.0.2.7', '2001:db8::7'}";
    assert!(world.heard(Level::Warning, text));
    fail_by_name(&mut world, "slow.example");
    assert!(world.asked.is_empty(), "the answer holds for five minutes");
    world.pass(301);
    fail_by_name(&mut world, "slow.example");
    assert_eq!(world.asked.len(), 1);
}

#[test]
fn a_name_without_addresses_counts_against_nobody_and_is_not_asked_again_soon() {
    let mut world = World::new(vec![JailSettings { usedns: UseDns::Yes, ..jail("sip") }]);
    (0..3).for_each(|_| fail_by_name(&mut world, "none.example"));
    world.answer(&name("none.example"), Answer::Addresses(Err("no such host".into())));
    assert!(world.heard(Level::Warning, "Unable to find a corresponding IP address for none.example: no such host"));
    fail_by_name(&mut world, "none.example");
    assert!(world.asked.is_empty());
    assert_eq!(world.engine.status("sip").expect("it exists").total_failed, 0);
}

#[test]
fn a_name_that_is_ignored_by_name_never_counts() {
    let mut settings = jail("sip");
    settings.ignore.list = vec![IgnoreItem::Name("trunk.example".into())];
    let mut world = World::new(vec![settings]);
    (0..3).for_each(|_| world.fail("sip", "192.0.2.1"));
    (0..3).for_each(|_| world.fail("sip", "192.0.2.2"));
    assert_eq!((world.banned("sip").len(), world.asked.len()), (0, 1));
    world.answer(&name("trunk.example"), addresses(&["192.0.2.1"]));
    assert_eq!(world.banned("sip"), ["192.0.2.2"]);
    assert!(world.heard(Level::Info, "[sip] Ignore 192.0.2.1 by dns"));
}

#[test]
fn a_file_is_read_again_after_a_second_and_may_stand_anywhere() {
    let path = PathBuf::from("/friends");
    let mut settings = jail("sip");
    settings.ignore.list = vec![IgnoreItem::File(path.clone()), IgnoreItem::Name("trunk.example".into())];
    let mut world = World::new(vec![settings]);
    let words = Question::Words(path);
    world.fail("sip", "192.0.2.1");
    assert_eq!(world.asked.len(), 2, "both are asked at the same time");
    world.answer(&words, Answer::Words(Ok(vec!["192.0.2.0/24".into()])));
    world.answer(&name("trunk.example"), addresses(&[]));
    assert!(world.heard(Level::Info, "[sip] Ignore 192.0.2.1 by file:/friends"));
    world.fail("sip", "192.0.2.1");
    assert!(world.asked.is_empty());
    world.pass(2);
    world.fail("sip", "192.0.2.1");
    world.answer(&words, Answer::Words(Err("No such file".into())));
    assert!(world.heard(Level::Warning, "cannot read `/friends` of ignoreip: No such file"));
    assert_eq!(world.engine.status("sip").expect("it exists").total_failed, 1);
}

#[test]
fn a_slow_file_and_a_slow_name_do_not_chase_each_other() {
    let path = PathBuf::from("/friends");
    let mut settings = jail("sip");
    settings.ignore.list = vec![IgnoreItem::File("/a".into()), IgnoreItem::File(path)];
    let mut world = World::new(vec![settings]);
    world.fail("sip", "192.0.2.1");
    world.pass(5);
    world.answer(&Question::Words("/a".into()), Answer::Words(Ok(Vec::new())));
    world.pass(5);
    world.answer(&Question::Words("/friends".into()), Answer::Words(Ok(Vec::new())));
    assert_eq!(world.engine.status("sip").expect("it exists").total_failed, 1);
    assert!(world.asked.is_empty());
}

#[test]
fn a_command_decides_and_an_addresss_failures_stay_in_order() {
    let mut settings = jail("sip");
    settings.ignore.command = Some("is-friend <ip> <F-USER>".into());
    let mut world = World::new(vec![settings]);
    for user in ["alice", "bob", "alice", "$(reboot)"] {
        let time = world.now;
        let groups = [("user", user)].into();
        let who = Who::Id(sipjail::addr::Id::parse("192.0.2.1"));
        world.failure("sip", Failure { time, groups, ..failure(who) });
    }
    let run = |user: &str| Question::Run {
        script: "f2bV_F_user=${0}\nis-friend 192.0.2.1 $f2bV_F_user".into(),
        args: vec![user.into()],
    };
    assert_eq!(world.asked.len(), 1, "the others wait for the first");
    world.answer(&run("alice"), Answer::Exit(Ok(1)));
    assert_eq!(world.engine.status("sip").expect("it exists").total_failed, 1);
    world.answer(&run("bob"), Answer::Exit(Ok(0)));
    assert!(world.heard(Level::Info, "[sip] Ignore 192.0.2.1 by command"));
    world.answer(&run("alice"), Answer::Exit(Ok(127)));
    assert!(world.heard(Level::Error, "ignorecommand ended with 127"));
    world.answer(&run("$(reboot)"), Answer::Exit(Err("timed out".into())));
    assert_eq!(world.banned("sip"), ["192.0.2.1"]);
}

#[test]
fn an_answer_that_never_comes_is_given_up() {
    let mut world = World::new(vec![jail("sip")]);
    fail_by_name(&mut world, "slow.example");
    world.pass(400);
    assert!(world.heard(Level::Warning, "slow.example: nobody answered"));
    world.answer(&name("slow.example"), addresses(&["192.0.2.1"]));
    assert_eq!(world.engine.status("sip").expect("it exists").total_failed, 0);
}

#[test]
fn when_too_many_wait_further_ones_are_counted_as_dropped() {
    let mut world = World::new(vec![jail("sip")]);
    for i in 0..25_000 {
        fail_by_name(&mut world, &format!("host{i}.example"));
    }
    assert_eq!(world.engine.status("sip").expect("it exists").dropped, 5000);
    assert_eq!(world.log.iter().filter(|r| r.text.contains("too many failures wait")).count(), 1);
    (0..3).for_each(|_| world.fail("sip", "192.0.2.1"));
    assert_eq!(world.banned("sip"), ["192.0.2.1"]);
}
