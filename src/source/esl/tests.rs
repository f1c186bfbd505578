//! Real events and records, hostile ones, and bytes that are neither.

use proptest::prelude::*;

use super::*;

const GREETING: &[u8] = b"Content-Type: auth/request\n\n";
const ACCEPTED: &[u8] = b"Content-Type: command/reply\nReply-Text: +OK accepted\n\n";

fn hear(session: &mut Session, text: &[u8]) -> News {
    let mut news = News::default();
    session.take(text, &mut news);
    news
}

fn session() -> Session {
    Session::new(&Secret::new("pass"))
}

fn inside() -> Session {
    let mut session = session();
    hear(&mut session, GREETING);
    assert!(hear(&mut session, ACCEPTED).entered);
    session.output().clear();
    session
}

fn lines(text: &[u8]) -> (String, u64) {
    let news = hear(&mut inside(), text);
    (String::from_utf8(news.lines).expect("ASCII"), news.broken)
}

fn message(kind: &str, head: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("Content-Type: {kind}\nContent-Length: {}\n{head}\n", body.len());
    [head.as_bytes(), body].concat()
}

fn event(body: &str) -> Vec<u8> {
    message("text/event-plain", "", body.as_bytes())
}

fn record(file: &str, line: &str, body: &[u8]) -> Vec<u8> {
    message("log/data", &format!("Log-Level: 4\nLog-File: {file}\nLog-Line: {line}\nUser-Data: \n"), body)
}

fn fixture(name: &str) -> Vec<u8> {
    let path = format!("{}/tests/fixtures/freeswitch-1.10.12/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(path).expect("the fixture is there")
}

#[test]
fn it_logs_in_and_asks_for_events_and_the_log() {
    let mut session = session();
    hear(&mut session, GREETING);
    assert_eq!(session.output(), b"auth pass\n\n");
    session.output().clear();
    assert!(hear(&mut session, ACCEPTED).entered);
    let asked = format!("{}\n\nlog 6\n\n", events::WANTED);
    assert_eq!(String::from_utf8_lossy(session.output()), asked);
    let mut refused = super::tests::session();
    hear(&mut refused, GREETING);
    let news = hear(&mut refused, b"Content-Type: command/reply\nReply-Text: -ERR invalid\n\n");
    assert_eq!(news.refused.as_deref(), Some("it does not take the password"));
    let rude = b"Content-Type: text/rude-rejection\nContent-Length: 24\n\nAccess Denied, go away.\n";
    let why = "its list of addresses does not let us in";
    assert_eq!(hear(&mut super::tests::session(), rude).refused.as_deref(), Some(why));
}

/// How often each kind of line stands in what a real server said, in pieces of any size.
fn counts(name: &str) -> std::collections::BTreeMap<String, usize> {
    let mut session = session();
    let mut news = News::default();
    fixture(name).chunks(11).for_each(|piece| session.take(piece, &mut news));
    assert_eq!((news.broken, news.refused), (0, None), "{name}");
    let mut counts = std::collections::BTreeMap::new();
    for line in String::from_utf8(news.lines).expect("ASCII").lines() {
        let mut words = line.split(' ').skip(1);
        let (kind, from) = (words.next().expect("an event"), words.next().unwrap_or_default());
        *counts.entry(format!("{kind} {from}")).or_default() += 1;
    }
    counts
}

#[test]
fn what_a_real_server_wrote_is_believed() {
    let events = counts("events.txt");
    let count = |kind: &str| events.iter().filter(|(name, _)| name.starts_with(kind)).map(|(_, n)| n).sum::<usize>();
    let found = ["failure", "attempt", "pre", ""].map(|kind| match kind {
        "pre" => count("sofia::pre_register "),
        "" => count("sofia::register "),
        kind => count(&format!("sofia::register_{kind} ")),
    });
    assert_eq!(found, [36, 56, 105, 14], "{events:#?}");
    assert_eq!(events["sofia::wrong_call_state address=\"10.77.0.11\""], 24);
    assert_eq!(events["CHANNEL_HANGUP_COMPLETE address=\"10.77.0.13\""], 10);
    assert_eq!(events.keys().filter(|name| name.starts_with("CHANNEL")).count(), 1, "the good phone's are not");
    let records = counts("esl-log.txt");
    assert_eq!(records["log file=\"sofia_reg.c\""], 162, "{records:#?}");
    assert_eq!(records["log file=\"mod_event_socket.c\""], 1);
}

#[test]
fn what_a_caller_forged_stays_inside_of_a_value() {
    for name in ["injection-events.txt", "injection-esl-log.txt"] {
        let mut session = inside();
        let mut news = News::default();
        fixture(name).chunks(13).for_each(|piece| session.take(piece, &mut news));
        let shown = String::from_utf8(news.lines).expect("ASCII");
        assert!(shown.lines().count() > 20, "{name}");
        let victim = "10.77.0.99";
        assert!(!shown.contains(&format!(" address=\"{victim}\"")), "{name}");
        let own =
            |line: &&str| line.starts_with("ESL log file=\"sofia_reg.c\"") && line.ends_with(&format!("{victim}\""));
        assert_eq!(shown.lines().find(own), None, "{name}");
    }
}

#[test]
fn an_event_and_a_record_become_lines() {
    let body = "Event-Subclass: sofia%3A%3Aregister_failure\nEvent-Name: CUSTOM\nEvent-Calling-File: sofia_reg.c\n\
                profile-name: internal\nto-user: a%22%0Ab\nnetwork-ip: 192.0.2.7\nuser-agent: friendly-scanner\n\
                profile-name: internal\nnetwork-port: 5061\n\n";
    let expected = "ESL sofia::register_failure address=\"192.0.2.7\" port=\"5061\" profile-name=\"internal\" \
                    to-user=\"a%22%0Ab\" user-agent=\"friendly-scanner\"\n";
    assert_eq!(lines(&event(body)), (expected.to_owned(), 0));
    let verto = "Event-Subclass: verto%3A%3Alogin\nEvent-Name: CUSTOM\nEvent-Calling-File: mod_verto.c\n\
                 verto_profile_name: default\nverto_client_address: 2001%3Adb8%3A%3A7%3A5555\nverto_login: 1000\nverto_success: 0\n\n";
    let expected = "ESL verto::login address=\"2001:db8::7\" port=\"5555\" verto_success=\"0\" \
                    verto_profile_name=\"default\" verto_login=\"1000\"\n";
    assert_eq!(lines(&event(verto)), (expected.to_owned(), 0));
    let text = b"2026-11-20 11:22:56.384455 99.47% [WARNING] sofia_reg.c:1842 SIP auth failure for [\"a\n] from ip 192.0.2.7\n";
    let expected = "ESL log file=\"sofia_reg.c\" line=\"1842\" level=\"WARNING\" text=\"SIP auth failure for [%22a%0A] from ip 192.0.2.7\"\n";
    assert_eq!(lines(&record("sofia_reg.c", "1842", text)), (expected.to_owned(), 0));
}

#[test]
fn what_the_server_did_not_write_is_broken() {
    let good = "Event-Subclass: sofia%3A%3Aregister\nEvent-Calling-File: sofia_reg.c\nnetwork-ip: 192.0.2.7\n\n";
    for wrong in [
        good.replace("sofia_reg.c", "mod_dptools.c"),
        good.replace("Event-Calling-File: sofia_reg.c\n", ""),
        good.replace("\n\n", "\nnetwork-ip: 192.0.2.8\n\n"),
        good.replace("192.0.2.7", "host"),
    ] {
        assert_eq!(lines(&event(&wrong)), (String::new(), 1), "{wrong}");
    }
    assert_eq!(lines(&event(good)).1, 0);
    let text = b"2026-11-20 11:22:56.384455 [WARNING] sofia_reg.c:1842 Can't find user\n";
    for (file, line) in [("mod_dptools.c", "1842"), ("sofia_reg.c", "184"), ("", "")] {
        assert_eq!(lines(&record(file, line, text)), (String::new(), 0));
    }
}

#[test]
fn a_huge_message_is_passed_over_and_the_next_is_not() {
    let good = b"2026-11-20 11:22:56.384455 [ERR] sofia_reg.c:1 NO CONTACT! ip: 192.0.2.7, port: 5060\n";
    let text = [record("a.c", "1", &vec![b'x'; 3 * LONGEST_BODY]), record("sofia_reg.c", "1", good)].concat();
    let mut session = inside();
    let mut news = News::default();
    for piece in text.chunks(4096) {
        session.take(piece, &mut news);
        assert!(session.buffer.len() <= LONGEST_BODY + LONGEST_HEAD);
    }
    assert_eq!((news.broken, news.lines.iter().filter(|b| **b == b'\n').count()), (1, 1));
    let mut session = inside();
    for _ in 0..200 {
        hear(&mut session, &[b'x'; 4096]);
    }
    assert!(session.buffer.is_empty() && session.state == State::Refused);
}

proptest! {
    #[test]
    fn nothing_breaks_it(bytes in proptest::collection::vec(any::<u8>(), 0..300), at in 0usize..600, piece in 1usize..100) {
        let body = "Event-Subclass: sofia%3A%3Aregister\nEvent-Calling-File: sofia_reg.c\nnetwork-ip: 192.0.2.7\n\n";
        let mut text = [GREETING, ACCEPTED, &event(body), &record("sofia_reg.c", "1", b"d [ERR] sofia_reg.c:1 x")].concat();
        let at = at.min(text.len());
        text.splice(at..at, bytes);
        let mut session = session();
        let mut news = News::default();
        text.chunks(piece).for_each(|piece| session.take(piece, &mut news));
        prop_assert!(news.lines.iter().all(|byte| *byte == b'\n' || (b' '..=b'~').contains(byte)));
    }

    #[test]
    fn whatever_a_caller_is_called_stays_his_name(user in "[ -~\\n]{0,80}", piece in 1usize..100) {
        let escaped: String = user.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let body = format!("Event-Subclass: sofia%3A%3Aregister_failure\nEvent-Calling-File: sofia_reg.c\nto-user: {escaped}\nnetwork-ip: 192.0.2.7\n\n");
        let text = format!("2026-11-20 11:22:56.384455 [ERR] sofia_reg.c:1 Can't find user [{user}] from 192.0.2.7\n");
        let both = [event(&body), record("sofia_reg.c", "1", text.as_bytes())].concat();
        let mut session = inside();
        let mut news = News::default();
        both.chunks(piece).for_each(|piece| session.take(piece, &mut news));
        let shown = String::from_utf8(news.lines).expect("ASCII");
        let lines: Vec<&str> = shown.lines().collect();
        prop_assert_eq!(lines.len(), 2, "{}", &shown);
        prop_assert!(lines[0].starts_with("ESL sofia::register_failure address=\"192.0.2.7\" to-user=\""));
        prop_assert!(lines[1].ends_with("] from 192.0.2.7\"") && lines[1].matches('"').count() == 8, "{}", shown);
    }
}
