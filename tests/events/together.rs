//! Asterisk's logs and its events in one jail: `messages`, `security` and the manager interface tell of the same tries, and
//! each try counts once.

use std::time::{Duration, Instant};

use serde_json::json;

use super::common::{Daemon, World, now, wait_until};
use super::pbx::{Guest, Pbx};
use super::{banned, end, world};

/// Asterisk's two logs, its events, and a jail that reads and hears all of it; three tries are too many.
struct Lab {
    world: World,
    daemon: Daemon,
    guest: Guest,
    /// When the first try was told of, at the earliest.
    begun: Instant,
    /// It listens as long as this is here.
    _pbx: Pbx,
}

/// A try, as `messages`, `security` and the manager interface tell of it.
type Try = [String; 3];

impl Lab {
    fn new() -> Lab {
        let pbx = Pbx::new();
        let world = world(&pbx, "ami[logs=yes]", "asterisk[mode=accounts]");
        let security = world.path("security").display().to_string();
        world.append("conf/jail.local", format!("dedupe = true\nlogpath_also = {security}\n"));
        world.write("security", "");
        let mut daemon = world.run();
        let guest = pbx.asterisk();
        daemon.wait_for("are heard");
        Lab { world, daemon, guest, begun: Instant::now(), _pbx: pbx }
    }

    /// Tells of tries, in these places one after the other: `m`, `s` and `a`.
    fn tell(&mut self, places: &str, tries: &[Try]) {
        for place in places.chars() {
            for [messages, security, event] in tries {
                match place {
                    'm' => self.world.append("door.log", messages),
                    's' => self.world.append("security", security),
                    _ => self.guest.send(event),
                }
            }
        }
    }

    /// What is counted once all that was told before is handled: in each place somebody else, told of nowhere else, comes
    /// last. Nothing where it took longer than lines without a Call-ID may lie apart, with a second for their date.
    fn counted(mut self) -> Option<(u64, Vec<String>)> {
        let mut quick = true;
        for (place, who) in [("a", "198.51.100.3"), ("m", "198.51.100.1"), ("s", "198.51.100.2")] {
            self.tell(place, &[chan_sip(who), chan_sip(who), chan_sip(who)]);
            self.daemon.wait_for(&format!("Ban {who}"));
            quick &= place != "a" || self.begun.elapsed() < Duration::from_secs(1);
        }
        let found = || self.world.json(&["status", "door"])["filter"]["total_failed"].as_u64();
        wait_until("all are counted", || found() >= Some(9));
        let (found, mut banned) = (found().expect("a number"), banned(&self.world));
        banned.retain(|address| !address.starts_with("198.51.100."));
        assert_eq!(super::heard(&self.world)["broken"], json!(0));
        end(&self.world, self.daemon);
        quick.then_some((found - 9, banned))
    }
}

/// What is counted of this, on a host that has a moment for it.
fn counted(told: impl Fn(&mut Lab)) -> (u64, Vec<String>) {
    for _ in 0..30 {
        let mut lab = Lab::new();
        told(&mut lab);
        if let Some(counted) = lab.counted() {
            return counted;
        }
    }
    panic!("this host takes more than a second for a few lines, thirty times");
}

/// A REGISTER of an account that PJSIP does not know: it says so twice in each place.
fn pjsip(address: &str, call: &str) -> Try {
    let head = format!("[{}] NOTICE[7] res_pjsip/pjsip_distributor.c:", now());
    let notice = |why: &str| {
        format!(
            "{head} Request 'REGISTER' from '<sip:9@192.0.2.1>' failed for '{address}:5060' (callid: {call}) - {why}\n"
        )
    };
    let told = |name: &str, more: &[(&str, &str)]| security(name, "PJSIP", call, address, more);
    let (log, events) = ["InvalidAccountID", "ChallengeResponseFailed"]
        .map(|name| match name {
            "InvalidAccountID" => told(name, &[]),
            _ => told(name, &[("Challenge", "1/2"), ("Response", "3"), ("ExpectedResponse", "")]),
        })
        .into_iter()
        .unzip::<_, _, String, String>();
    [notice("No matching endpoint found") + &notice("Failed to authenticate"), log, events]
}

/// A wrong password for chan_sip, which names no Call-ID.
fn chan_sip(address: &str) -> Try {
    let head = format!("[{}] NOTICE[7] chan_sip.c:", now());
    let notice =
        format!("{head} Registration from '\"9\" <sip:9@192.0.2.1>' failed for '{address}:5060' - Wrong password\n");
    let more = [("Challenge", "1"), ("ReceivedChallenge", "1"), ("ReceivedHash", "2")];
    let (log, event) = security("InvalidPassword", "SIP", "0x7f3a9c001e08", address, &more);
    [notice, log, event]
}

/// A security event as `security` and as the manager interface has it.
fn security(name: &str, service: &str, session: &str, address: &str, more: &[(&str, &str)]) -> (String, String) {
    let (local, remote) = ("IPV4/UDP/192.0.2.1/5060", format!("IPV4/UDP/{address}/5060"));
    let mut fields = vec![
        ("EventTV", "2026-11-20T10:22:11.451+0000"),
        ("Severity", "Error"),
        ("Service", service),
        ("EventVersion", "1"),
        ("AccountID", "9"),
        ("SessionID", session),
        ("LocalAddress", local),
        ("RemoteAddress", &remote),
    ];
    fields.extend(more);
    let log: String = fields.iter().map(|(name, value)| format!(",{name}=\"{value}\"")).collect();
    let event: String = fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let log = format!("[{}] SECURITY[7] res_security_log.c: SecurityEvent=\"{name}\"{log}\n", now());
    (log, format!("Event: {name}\r\nPrivilege: security,all\r\n{event}\r\n"))
}

#[test]
fn a_try_that_stands_in_two_logs_and_comes_as_an_event_counts_once() {
    let counted = counted(|lab| {
        // Each order in which the three may be read.
        for (n, places) in ["msa", "mas", "sma", "sam", "ams", "asm"].into_iter().enumerate() {
            let pjsip = |k: usize| pjsip(&format!("192.0.2.{}", 10 + n), &format!("call-{k}"));
            lab.tell(places, &[pjsip(1), pjsip(2)]);
            let address = format!("192.0.2.{}", 20 + n);
            lab.tell(places, &[chan_sip(&address), chan_sip(&address)]);
        }
    });
    assert_eq!(counted, (24, vec![]), "two tries each of twelve addresses");
}

#[test]
fn the_third_try_is_one_too_many_wherever_it_is_told() {
    let counted = counted(|lab| {
        for (n, last) in ["m", "s", "a"].into_iter().enumerate() {
            let (caller, peer) = (format!("192.0.2.{}", 10 + n), format!("192.0.2.{}", 20 + n));
            lab.tell("msa", &[pjsip(&caller, "1"), pjsip(&caller, "2"), chan_sip(&peer), chan_sip(&peer)]);
            lab.tell(last, &[pjsip(&caller, "3"), chan_sip(&peer)]);
        }
    });
    let all = ["192.0.2.10", "192.0.2.11", "192.0.2.12", "192.0.2.20", "192.0.2.21", "192.0.2.22"];
    assert_eq!(counted, (18, all.map(str::to_owned).into()));
}
