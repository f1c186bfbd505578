//! How bans grow, `bantime.increment` and its family: the settings go through our configuration and through fail2ban's
//! own jail, and the lengths are compared.
//!
//! Skipped, and said so, where no Python has fail2ban.

#[macro_use]
#[path = "common/counted.rs"]
mod counted;
#[path = "oracle/judge.rs"]
mod judge;

use std::fs;

use judge::Judge;
use serde_json::json;
use sipjail::config::{self, JailSettings};
use sipjail::jail::bantime::grown;
use sipjail::time::{Bantime, Span};

#[test]
fn bans_grow_as_long_as_fail2bans() {
    let Some(mut judge) = Judge::start(JUDGE) else { return };
    let (mut compared, mut wrong) = (0, Vec::new());
    for (base, options) in settings() {
        let jail = jail(base, &options);
        let answer = judge.ask(&[json!({ "base": base, "options": options, "counts": COUNTS })]).remove(0);
        for (count, theirs) in COUNTS.into_iter().zip(answer.as_array().expect("a list")) {
            let length = |random: f64| length(&jail, count, random);
            let theirs = theirs.as_f64().unwrap_or_else(|| panic!("{options:?}: {theirs}"));
            // Longer than any of our times: 292,000 years.
            let theirs = theirs.min(Span(i64::MAX).as_secs_f64());
            let (least, most) = (length(0.0), length(1.0));
            compared += 1;
            let near = 1e-6 + theirs.abs() * 1e-9;
            if !(least - near..=most + near).contains(&theirs) {
                wrong.push(format!("{base} {options:?} {count}: {least} to {most}, fail2ban {theirs}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    counted!("growing: fail2ban {}, {compared} lengths compared", judge.version);
}

#[test]
fn what_is_no_arithmetic_is_a_problem_with_its_place_and_the_jail_is_left_out() {
    for formula in [
        "ban.Time * os.system('x')",
        "__import__('os').system('x')",
        "ban.Time * (1 << ban.Count",
        "[x for x in (1,)][0]",
        "ban.Time if ban.Count",
        "ban.Jail",
        "math.factorial(ban.Count)",
        "lambda: 5",
    ] {
        let (config, dir) = load(600, &[("formula", formula)]);
        let problem = config.problems.iter().find(|p| p.message.contains("bantime.formula"));
        let problem = problem.unwrap_or_else(|| panic!("{formula}: {:?}", config.problems));
        assert_eq!(problem.severity, config::Severity::Error, "{formula}");
        assert_eq!(problem.jail.as_deref(), Some("door"));
        let place = problem.origin.to_string();
        assert!(place.contains("jail.conf:6:") && place.starts_with(dir.path().to_str().expect("text")), "{place}");
        assert!(config.jails.is_empty(), "{formula}");
    }
}

const COUNTS: [u32; 12] = [1, 2, 3, 4, 5, 6, 7, 10, 19, 20, 21, 40];

/// `bantime` and the options beside `bantime.increment`.
fn settings() -> Vec<(i64, Vec<(&'static str, &'static str)>)> {
    let mut all = vec![
        (600, vec![]),
        (600, vec![("factor", "2")]),
        (600, vec![("factor", "0.5")]),
        (600, vec![("factor", "1.0/3")]),
        (600, vec![("maxtime", "1h")]),
        (600, vec![("maxtime", "5m")]),
        (600, vec![("multipliers", "1 2 4 8 16 32 64")]),
        (600, vec![("multipliers", "1 2 4 8 16 32 64"), ("maxtime", "2h"), ("factor", "3")]),
        (60, vec![("multipliers", "1 5 30 60 300 720 1440 2880")]),
        (60, vec![("multipliers", "1 5 30 60 300 720 1440 2880"), ("factor", "2")]),
        (600, vec![("rndtime", "600")]),
        (600, vec![("rndtime", "10m"), ("maxtime", "1h")]),
        (1, vec![("factor", "7")]),
        (86_400, vec![]),
    ];
    for formula in [
        "ban.Time * (1<<(ban.Count if ban.Count<20 else 20)) * banFactor",
        "ban.Time * math.exp(float(ban.Count+1)*banFactor)/math.exp(1*banFactor)",
        "ban.Time * 0.5",
        "ban.Time // 7 + ban.Count % 3 + ban.Count ** 2 + 1e3",
        "ban.Time*10 >> 1",
        "min(ban.Time, 10) * max(ban.Count, 3, 2) * 100",
        "int(ban.Time / 7) * 100 + abs(-ban.Count)",
        "round(ban.Time / 7.0) * 100",
        "math.log(ban.Time) * 1000 + math.sqrt(ban.Count)",
        "math.log(ban.Time, 2) * 1000 + round(ban.Count / 7.0, 2)",
        "math.pow(2, ban.Count) + ban.Time",
        "ban.Time * (5 if ban.Count >= 3 else 2 if ban.Count == 2 else 1)",
        "(ban.Count > 2) * ban.Time + (ban.Count <= 4) * 2000 + (ban.Count != 3)",
        "ban.Time + random.random() * 0 + float(300)",
        "-(-ban.Time) * +2 # as in the manual",
    ] {
        all.push((600, vec![("formula", formula)]));
        all.push((600, vec![("formula", formula), ("factor", "2"), ("maxtime", "1d")]));
    }
    all
}

fn load(base: i64, options: &[(&str, &str)]) -> (config::Config, tempfile::TempDir) {
    let dir = tempfile::tempdir().expect("a scratch directory");
    let text = |name: &str, text: &str| fs::write(dir.path().join(name), text).expect("written");
    fs::create_dir(dir.path().join("filter.d")).expect("made");
    text("filter.d/door.conf", "[Definition]\nfailregex = ^x <HOST>$\n");
    let options: String =
        options.iter().map(|(name, value)| format!("bantime.{name} = {}\n", value.replace('%', "%%"))).collect();
    let head = format!("[door]\nenabled = true\nfilter = door\nbantime = {base}\nbantime.increment = true\n");
    text("jail.conf", &format!("{head}{options}"));
    (config::load(dir.path()), dir)
}

fn jail(base: i64, options: &[(&str, &str)]) -> JailSettings {
    let (config, _dir) = load(base, options);
    config.jails.into_iter().next().unwrap_or_else(|| panic!("{options:?}: {:?}", config.problems))
}

fn length(jail: &JailSettings, before: u32, random: f64) -> f64 {
    let grown = grown(jail.bantime, &jail.increment, before, &mut || random).expect("it has a value");
    let Some(Bantime::For(Span(micros))) = grown else { panic!("{grown:?}") };
    micros as f64 / 1e6
}

/// fail2ban's jail takes the options as its server would, and its observer computes.
const JUDGE: &str = r#"
import json, sys, logging
from fail2ban.server.jail import Jail
from fail2ban.server.observer import ObserverThread
logging.disable(logging.CRITICAL)
observer = ObserverThread()
for line in sys.stdin:
    ask = json.loads(line)
    jail = Jail("door")
    jail.database = object()
    for name, value in [["increment", "true"]] + ask["options"]:
        jail.setBanTimeExtra(name, value)
    lengths = [observer.calcBanTime(jail, ask["base"], n) for n in ask["counts"]]
    print(json.dumps(lengths), flush=True)
"#;
