//! Jails of the same filter: what they find together is what each would have found alone, whatever they read together and
//! what apart.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use jiff::tz::TimeZone;
use proptest::prelude::*;
use sipjail::config::{self, FilterSettings, JailSettings, Spanned, UseDns};
use sipjail::daemon::pipe::{Pipe, PipeJail, Route};
use sipjail::filter::Forge;
use sipjail::line::{Batch, Unwrap};
use sipjail::ticket::Failure;
use sipjail::time::{Span, Timestamp};

/// 2026-11-20 10:00:00 UTC.
const NOW: Timestamp = Timestamp::from_secs(1_795_168_800);

/// A filter that looks at lines one by one, one that remembers sessions, and one that sees lines together.
fn filter(kind: usize) -> FilterSettings {
    let failregex = [
        vec![r"^\s*bad <HOST>$", r"^\s*<F-USER>\w+</F-USER> worse <HOST>$"],
        vec![
            r"^\s*<F-NOFAIL>open</F-NOFAIL> <F-MLFID>\w</F-MLFID> <HOST>$",
            r"^\s*<F-USER>\w+</F-USER> worse <F-MLFID>\w</F-MLFID>$",
            r"^\s*<F-MLFFORGET>close</F-MLFFORGET> <F-MLFID>\w</F-MLFID>$",
        ],
        vec![r"^\s*open (?P<id>\w) .*<SKIPLINES>\s*worse (?P=id) <HOST>$"],
    ];
    FilterSettings {
        failregex: failregex[kind].iter().copied().map(Spanned::bare).collect(),
        ignoreregex: vec![Spanned::bare("friend")],
        maxlines: if kind == 2 { 4 } else { 1 },
        ..FilterSettings::default()
    }
}

/// A jail by the number of its filter, whether its lines may be wrapped, and its `findtime` in minutes.
type Wish = (usize, bool, i64);

fn jails(wishes: &[Wish]) -> Vec<PipeJail> {
    let zone = TimeZone::UTC;
    let stock = config::load(Path::new("/nonexistent")).jails.swap_remove(0);
    let mut forge = Forge::new(&zone);
    let jail = |(number, &(kind, wrapped, minutes)): (usize, &Wish)| {
        let settings = JailSettings {
            name: format!("jail{number}"),
            filter: filter(kind),
            usedns: UseDns::No,
            logtimezone: None,
            ..stock.clone()
        };
        let (filter, _) = forge.filter(&settings).unwrap_or_else(|problems| panic!("{problems:?}"));
        let unwrap = if wrapped { Unwrap::Auto } else { Unwrap::None };
        PipeJail { name: settings.name.as_str().into(), filter, unwrap, findtime: Span::from_secs(60 * minutes) }
    };
    wishes.iter().enumerate().map(jail).collect()
}

/// Some lines of a log that some of the jails read.
#[derive(Clone, Debug)]
struct Part {
    readers: Vec<bool>,
    live: bool,
    lines: String,
}

/// Each jail's failures, those of all parts in their order.
type Found = HashMap<Arc<str>, Vec<Failure>>;

fn read(pipe: &mut Pipe, routes: &mut [(Vec<usize>, Route)], at: usize, part: &Part, found: &mut Found) {
    let mut out = Vec::new();
    let batch = Batch { bytes: part.lines.as_bytes(), live: part.live, time: None };
    pipe.batch(&mut routes[at].1, &batch, NOW, &mut out);
    out.into_iter().for_each(|(jail, failure)| found.entry(jail).or_default().push(failure));
}

/// Which of the jails read a part, by their places.
fn readers(part: &Part, jails: usize) -> Vec<usize> {
    (0..jails).filter(|jail| part.readers[*jail]).collect()
}

/// All jails in one pipe.
fn together(wishes: &[Wish], parts: &[Part], exchanged: usize) -> Found {
    let (mut pipe, mut found, mut routes) = (Pipe::new(jails(wishes)), Found::new(), Vec::new());
    for (number, part) in parts.iter().enumerate() {
        if number == exchanged {
            // As with a reload of nothing: routes are made anew, and the jails go on.
            pipe.exchange(|_| true, Vec::new());
            routes.clear();
        }
        let wanted = readers(part, wishes.len());
        let at = routes.iter().position(|(jails, _)| *jails == wanted).unwrap_or_else(|| {
            routes.push((wanted.clone(), pipe.route(&wanted)));
            routes.len() - 1
        });
        read(&mut pipe, &mut routes, at, part, &mut found);
    }
    found
}

/// Each jail in a pipe of its own.
fn alone(wishes: &[Wish], parts: &[Part]) -> Found {
    let mut found = Found::new();
    for (number, jail) in jails(wishes).into_iter().enumerate() {
        let mut pipe = Pipe::new(vec![jail]);
        let mut routes = vec![(vec![0], pipe.route(&[0]))];
        for part in parts.iter().filter(|part| part.readers[number]) {
            read(&mut pipe, &mut routes, 0, part, &mut found);
        }
    }
    found
}

fn lines() -> impl Strategy<Value = String> {
    let text = prop::sample::select(vec![
        "bad 192.0.2.1",
        "bad 192.0.2.2",
        "bob worse 192.0.2.3",
        "friend worse 192.0.2.3",
        "open a 192.0.2.4",
        "open b 192.0.2.5",
        "bob worse a",
        "eve worse b",
        "close a",
        "worse a 192.0.2.6",
        "nothing at all",
    ]);
    let date = prop::sample::select(vec![
        "2026-11-20 09:59:50 ",
        "2026-11-20 09:57:00 ",
        "2026-11-20 09:52:00 ",
        "2026-11-20 08:00:00 ",
        "",
    ]);
    prop::collection::vec((date, text), 1..6)
        .prop_map(|lines| lines.into_iter().map(|(date, text)| format!("{date}{text}\n")).collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(120))]

    #[test]
    fn jails_find_together_what_each_finds_alone(
        wishes in prop::collection::vec((0usize..3, any::<bool>(), prop::sample::select(vec![5i64, 5, 10])), 2..6),
        parts in prop::collection::vec((prop::collection::vec(prop::bool::weighted(0.8), 6), any::<bool>(), lines()), 1..8),
        exchanged in 0usize..10,
    ) {
        let parts: Vec<Part> =
            parts.into_iter().map(|(readers, live, lines)| Part { readers, live, lines }).collect();
        prop_assert_eq!(together(&wishes, &parts, exchanged), alone(&wishes, &parts));
    }
}

#[test]
fn jails_of_one_filter_share_what_is_built_of_it_and_others_do_not() {
    let zone = TimeZone::UTC;
    let mut forge = Forge::new(&zone);
    let mut stock = config::load(Path::new("/nonexistent")).jails;
    let mut made = |jail: &JailSettings| forge.filter(jail).unwrap_or_else(|problems| panic!("{problems:?}")).0;
    let one = made(&stock[0]);
    stock[0].name = "other".to_owned();
    assert!(made(&stock[0]).is_twin(&one));
    assert!(!made(&stock[1]).is_twin(&one));
    stock[0].usedns = UseDns::Raw;
    assert!(!made(&stock[0]).is_twin(&one));
}
