//! The logs that the benches are made of: the same from the same seed, with the shares and lengths that they promise, and
//! with attacks that the stock filters count one by one.

use std::path::Path;

use jiff::tz::TimeZone;
use sipjail::config;
use sipjail::daemon::pipe::{Pipe, PipeJail};
use sipjail::filter::Filter;
use sipjail::line::Batch;
use sipjail::ticket::Sign;
use sipjail::time::{Span, Timestamp};

#[path = "../benches/corpus/mod.rs"]
mod corpus;

use corpus::{Corpus, Pbx, Tally};

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_one_others() {
    for pbx in [Pbx::Asterisk, Pbx::FreeSwitch] {
        let corpus = Corpus::mixed(pbx, 2_000);
        assert_eq!(made(&corpus), made(&corpus));
        assert_ne!(made(&corpus).0, made(&Corpus { seed: corpus.seed + 1, ..corpus }).0);
    }
}

#[test]
fn shares_and_lengths_are_as_promised() {
    for (corpus, attacks, length) in [
        (Corpus::mixed(Pbx::Asterisk, 200_000), 0.02, 184.0),
        (Corpus::quiet(Pbx::Asterisk, 200_000), 0.0005, 184.0),
        (Corpus::under_attack(Pbx::Asterisk, 100_000), 0.9, 249.0),
        (Corpus::mixed(Pbx::FreeSwitch, 200_000), 0.02, 131.0),
    ] {
        let (log, tally) = made(&corpus);
        let of = |n: usize| n as f64 / tally.lines as f64;
        assert_eq!((log.len(), lines(&log).count()), (tally.bytes, corpus.lines));
        assert!((of(tally.attacks) / attacks - 1.0).abs() < 0.2, "{corpus:?}: {tally:?}");
        assert!((of(tally.bytes) / length - 1.0).abs() < 0.02, "{corpus:?}: {} bytes a line", of(tally.bytes));
        if attacks < 0.5 {
            assert!((of(tally.look_alikes) / 0.16 - 1.0).abs() < 0.05, "{corpus:?}: {tally:?}");
        }
    }
}

#[test]
fn each_attack_is_one_failure_and_nothing_else_is() {
    let asterisk = ["asterisk", "asterisk-toll", "sip-mgmt"];
    for (corpus, names) in [
        (Corpus::mixed(Pbx::Asterisk, 20_000), &asterisk[..]),
        (Corpus::under_attack(Pbx::Asterisk, 60_000), &asterisk),
        (Corpus::mixed(Pbx::FreeSwitch, 20_000), &["freeswitch"]),
    ] {
        let (log, tally) = made(&corpus);
        let jails = config::load(Path::new("/nonexistent")).jails;
        let jails = jails.iter().filter(|jail| names.contains(&&*jail.name)).map(|jail| {
            let filter = Filter::new(jail, &TimeZone::UTC).expect("stock filters compile").0;
            PipeJail { name: jail.name.as_str().into(), filter, unwrap: jail.unwrap, findtime: Span(i64::MAX) }
        });
        let mut pipe = Pipe::new(jails.collect());
        let (mut route, mut found) = (pipe.route_to_all(), Vec::new());
        let batch = Batch { bytes: &log, live: false, time: None };
        pipe.batch(&mut route, &batch, Timestamp::from_secs(corpus.start), &mut found);
        // Good phones log in, too.
        found.retain(|(_, failure)| failure.sign == Sign::Failed);
        let mut who: Vec<String> = found.iter().map(|(_, failure)| format!("{:?}", failure.who)).collect();
        who.sort();
        who.dedup();
        assert_eq!(found.len(), tally.attacks, "{names:?}");
        assert_eq!(who.len(), tally.attacks.min(corpus.addresses as usize), "{names:?}");
    }
}

fn made(corpus: &Corpus) -> (Vec<u8>, Tally) {
    let mut log = Vec::new();
    let tally = corpus.write(&mut log).expect("memory takes it");
    (log, tally)
}

fn lines(log: &[u8]) -> impl Iterator<Item = &[u8]> {
    log.split_inclusive(|byte| *byte == b'\n').map(|line| &line[..line.len() - 1])
}
