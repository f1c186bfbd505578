//! A connection on which nothing is said, by a clock that the test sets.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};

use jiff::tz::TimeZone;

use sipjail::config;
use sipjail::daemon::follow::{FollowJail, Follower};
use sipjail::daemon::inbox::Message;
use sipjail::filter::Filter;
use sipjail::time::Timestamp;

use super::common::PATIENCE;
use super::pbx::{Pbx, invalid};
use super::world;

/// Takes messages until one is meant.
fn until(inbox: &Receiver<Message>, what: &str, mut meant: impl FnMut(&Message) -> bool) {
    loop {
        let message = inbox.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("{what}"));
        if meant(&message) {
            return;
        }
    }
}

#[test]
fn it_is_asked_each_minute_and_given_up_when_it_answers_no_more() {
    let pbx = Pbx::new();
    let world = world(&pbx, "ami", "asterisk");
    let jail =
        config::load(&world.path("conf")).jails.into_iter().find(|jail| jail.name == "door").expect("it is there");
    let (filter, _) = Filter::new(&jail, &TimeZone::UTC).expect("it compiles");
    let time = Arc::new(AtomicI64::new(1_795_168_800_000_000));
    let clock = time.clone();
    let (sender, inbox) = sync_channel(64);
    let clock = Arc::new(move || Timestamp(clock.load(Ordering::SeqCst)));
    let jails = vec![FollowJail::new(&jail, filter)];
    let follower =
        Follower::with_clock(jails, Vec::new(), clock, move |message| sender.send(message).is_ok()).expect("a thread");
    let later = |secs: i64| {
        time.fetch_add(secs * 1_000_000, Ordering::SeqCst);
        // Wakes it.
        follower.remember(Vec::new());
    };
    let mut guest = pbx.asterisk();
    until(&inbox, "it is let in", |m| matches!(m, Message::Heard { heard, .. } if heard.since.is_some()));
    later(61);
    assert_eq!(guest.hear("\r\n\r\n"), "Action: Ping");
    until(
        &inbox,
        "it wonders",
        |m| matches!(m, Message::Log(record) if record.text.contains("say `read = security`?")),
    );
    guest.send("Response: Success\r\nPing: Pong\r\n\r\n");
    guest.send(invalid("192.0.2.7", "1"));
    until(&inbox, "both were taken in", |m| matches!(m, Message::Failures(_)));
    later(61);
    assert_eq!(guest.hear("\r\n\r\n"), "Action: Ping");
    later(21);
    let silent = |why: &String| why == "it says nothing any more";
    until(
        &inbox,
        "it is given up",
        |m| matches!(m, Message::Heard { heard, .. } if heard.trouble.as_ref().is_some_and(silent)),
    );
    assert!(guest.has_gone());
    later(2);
    pbx.asterisk();
    follower.stop();
}
