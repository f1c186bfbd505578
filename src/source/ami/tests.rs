//! Real events, hostile ones, and bytes that are neither.

use proptest::prelude::*;

use super::*;
use crate::config::Secret;

const GREETING: &str = "Asterisk Call Manager/11.0.0\r\n";

fn session() -> Session {
    Session::new("u", &Secret::new("pass"), false)
}

fn hear(session: &mut Session, text: &[u8]) -> News {
    let mut news = News::default();
    session.take(text, &mut news);
    news
}

/// A session that is in.
fn inside() -> Session {
    let mut session = session();
    hear(&mut session, GREETING.as_bytes());
    hear(&mut session, b"Response: Success\r\nChallenge: 1\r\n\r\n");
    assert!(hear(&mut session, b"Response: Success\r\nMessage: Authentication accepted\r\n\r\n").entered);
    session.output().clear();
    session
}

fn said(session: &mut Session) -> String {
    String::from_utf8(std::mem::take(session.output())).expect("text")
}

fn lines(text: &[u8]) -> (String, u64) {
    let news = hear(&mut inside(), text);
    (String::from_utf8(news.lines).expect("ASCII"), news.broken)
}

/// An event of this account.
fn invalid(account: &str) -> String {
    format!(
        "Event: InvalidAccountID\r\nPrivilege: security,all\r\nEventTV: 2026-11-20T10:22:11.451+0000\r\nSeverity: Error\r\n\
         Service: PJSIP\r\nEventVersion: 1\r\nAccountID: {account}\r\nSessionID: 1-2@x\r\n\
         LocalAddress: IPV4/UDP/192.0.2.100/5060\r\nRemoteAddress: IPV4/UDP/192.0.2.7/5062\r\n\r\n"
    )
}

const BROKEN: &str = "AMI Broken address=\"192.0.2.7\" port=\"5062\" transport=\"UDP\"\n";

#[test]
fn it_logs_in_by_the_challenge() {
    let mut session = session();
    assert_eq!(hear(&mut session, b"Asterisk Call Man"), News::default());
    hear(&mut session, b"ager/2.8.0\r\n");
    assert_eq!(said(&mut session), "Action: Challenge\r\nAuthType: MD5\r\n\r\n");
    hear(&mut session, b"Response: Success\r\nChallenge: 131142785\r\n\r\n");
    // The digest of `131142785pass`.
    let login = "Action: Login\r\nUsername: u\r\nAuthType: MD5\r\nKey: df0d3de6cba8e47f5d20c250158c78c9\r\n\
                 Events: security\r\n\r\n";
    assert_eq!(said(&mut session), login);
    assert!(hear(&mut session, b"Response: Success\r\nMessage: Authentication accepted\r\n\r\n").entered);
}

#[test]
fn without_a_challenge_the_secret_is_sent_to_this_host_alone() {
    let refusal = b"Response: Error\r\nMessage: Must specify AuthType\r\n\r\n";
    let mut far = session();
    hear(&mut far, GREETING.as_bytes());
    let news = hear(&mut far, refusal);
    let why = "it offers no challenge, and the secret is not sent readably to another host";
    assert_eq!(news.refused.as_deref(), Some(why));
    assert!(!said(&mut far).contains("pass"));
    let mut near = Session::new("u", &Secret::new("pass"), true);
    hear(&mut near, &[GREETING.as_bytes(), refusal].concat());
    assert!(said(&mut near).ends_with("Action: Login\r\nUsername: u\r\nSecret: pass\r\nEvents: security\r\n\r\n"));
}

#[test]
fn who_is_not_let_in_says_why() {
    let mut session = session();
    hear(&mut session, GREETING.as_bytes());
    hear(&mut session, b"Response: Success\r\nChallenge: 1\r\n\r\n");
    let news = hear(&mut session, b"Response: Error\r\nMessage: Authentication failed\r\n\r\n");
    assert_eq!(news.refused.as_deref(), Some("it does not let `u` in: Authentication failed"));
    let news = hear(&mut super::tests::session(), b"SSH-2.0-OpenSSH\r\n");
    assert_eq!(news.refused.as_deref(), Some("it is no manager interface: its greeting is another"));
}

#[test]
fn what_two_real_servers_wrote_is_believed() {
    for (version, events, handed_on, broken) in [("16", 92, 90, 0), ("22", 58, 53, 0)] {
        let path = format!("{}/tests/fixtures/asterisk-{version}/ami.txt", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read(path).expect("the fixture is there");
        let start = memmem::find(&text, b"Event: ").expect("events");
        let mut session = inside();
        let mut news = News::default();
        // In pieces, as they may come.
        text[start..].chunks(7).for_each(|piece| session.take(piece, &mut news));
        let shown = String::from_utf8(news.lines).expect("ASCII");
        println!("{version} {} {} {}\n{shown}", news.events, shown.lines().count(), news.broken);
        assert_eq!((news.events, shown.lines().count(), news.broken), (events, handed_on, broken), "{version}");
    }
}

#[test]
fn an_event_becomes_a_line() {
    let expected = "AMI InvalidAccountID address=\"192.0.2.7\" port=\"5062\" transport=\"UDP\" Service=\"PJSIP\" \
                    AccountID=\"%22100%22\" SessionID=\"1-2@x\" LocalAddress=\"IPV4/UDP/192.0.2.100/5060\" \
                    EventTV=\"2026-11-20T10:22:11.451+0000\"\n";
    assert_eq!(lines(invalid("\"100\"").as_bytes()), (expected.to_owned(), 0));
    let wider = invalid("1").replace("IPV4/UDP/192.0.2.7", "IPV6/WSS/2001:db8::7");
    assert!(lines(wider.as_bytes()).0.contains(" address=\"2001:db8::7\" port=\"5062\" transport=\"WSS\" "));
    let stamped = invalid("1").replace("all\r\n", "all\r\nTimestamp: 1.2\r\n");
    assert_eq!(lines(stamped.as_bytes()).1, 0);
}

#[test]
fn only_a_login_with_a_password_is_handed_on() {
    for (used, count) in [("1", 1), ("0", 0)] {
        let text = invalid("1").replace("InvalidAccountID", "SuccessfulAuth");
        let text = text.strip_suffix("\r\n").expect("its end").to_owned() + &format!("UsingPassword: {used}\r\n\r\n");
        let (lines, broken) = lines(text.as_bytes());
        assert_eq!((lines.lines().count(), broken), (count, 0), "{lines}");
    }
}

#[test]
fn a_forged_event_is_broken_and_its_sender_named() {
    for account in [
        "x\r\nEvent: SuccessfulAuth",
        "x\r\n\r\nEvent: SuccessfulAuth",
        "x\r\nRemoteAddress: IPV4/UDP/8.8.8.8/1",
        "x\r\nSessionID: y",
        "x\ny",
        "x\ry",
        "\r\n\r\nEvent: FailedACL\r\nPrivilege: ",
        "\r\n\r\nResponse: Goodbye",
    ] {
        let (shown, broken) = lines(invalid(account).as_bytes());
        assert!(broken > 0, "{account:?}");
        // What hides behind a forged reply is a reply.
        let expected = if account.contains("Response") { "" } else { BROKEN };
        assert_eq!(shown, expected, "{account:?}");
    }
    // Neither a second class, nor one that is missing, nor another order.
    let good = invalid("1");
    for wrong in [
        good.replace("Privilege: security,all\r\n", ""),
        good.replace("security,all", "system,all"),
        good.replace("Service: PJSIP\r\nEventVersion: 1\r\n", "EventVersion: 1\r\nService: PJSIP\r\n"),
        good.replace("Severity: Error\r\n", ""),
        good.replace("Severity: Error", "Severity=Error"),
    ] {
        assert_eq!(lines(wrong.as_bytes()), (BROKEN.to_owned(), 1), "{wrong}");
    }
    for nobody in [good.replace("192.0.2.7/", "192.0.2.700/"), good.replace("IPV4/UDP/192.0.2.7", "IPV6/UDP/192.0.2.7")]
    {
        assert_eq!(lines(nobody.as_bytes()), (String::new(), 1), "{nobody}");
    }
}

#[test]
fn a_huge_block_is_passed_over_and_the_next_is_not() {
    let mut session = inside();
    let mut news = News::default();
    let huge = invalid(&"x".repeat(3 * LONGEST_BLOCK)) + &invalid("1");
    for piece in huge.as_bytes().chunks(4096) {
        session.take(piece, &mut news);
        assert!(session.buffer.len() <= LONGEST_BLOCK + 4096);
    }
    assert_eq!((news.broken, news.lines.iter().filter(|b| **b == b'\n').count()), (1, 1));
}

/// What a caller may put into his name: 36 bytes at most.
fn account() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        Just("\r\n".to_owned()),
        Just("\n".to_owned()),
        Just("Event: ".to_owned()),
        Just("SessionID: 1".to_owned()),
        Just("Privilege: security".to_owned()),
        Just("RemoteAddress: IPV4/UDP/8.8.8.8/1".to_owned()),
        Just("LocalAddress: IPV4/UDP/8.8.8.8/1".to_owned()),
        "[ -~]{1,6}",
    ];
    let bounded = |words: Vec<String>| words.concat().chars().filter(char::is_ascii).take(36).collect();
    proptest::collection::vec(word, 1..6).prop_map(bounded)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_caller_is_named_by_his_own_address_or_not_at_all(account in account(), piece in 1usize..200) {
        let text = invalid(&account) + &invalid("next");
        let mut session = inside();
        let mut news = News::default();
        text.as_bytes().chunks(piece).for_each(|piece| session.take(piece, &mut news));
        let shown = String::from_utf8(news.lines).expect("ASCII");
        let lines: Vec<&str> = shown.lines().collect();
        prop_assert!(lines.iter().all(|line| line.contains(" address=\"192.0.2.7\" port=\"5062\" ")), "{}", shown);
        prop_assert!(!lines.iter().any(|line| line.starts_with("AMI SuccessfulAuth")));
        prop_assert!(lines.last().is_some_and(|line| line.contains(" AccountID=\"next\" ")), "{}", shown);
        // Nobody hides, but behind a reply that is none.
        let plain = !account.contains(['\r', '\n']);
        prop_assert_eq!(news.broken == 0, plain);
        prop_assert_eq!(lines.len(), 2, "{}", shown);
    }

    #[test]
    fn nothing_breaks_it(bytes in proptest::collection::vec(any::<u8>(), 0..300), at in 0usize..400) {
        let mut text = (GREETING.to_owned() + &invalid("1")).into_bytes();
        let at = at.min(text.len());
        text.splice(at..at, bytes);
        for mut session in [session(), inside()] {
            let news = hear(&mut session, &text);
            prop_assert!(news.lines.iter().all(|byte| *byte == b'\n' || (b' '..=b'~').contains(byte)));
        }
    }
}
