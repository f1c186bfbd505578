//! No line and no expression costs unbounded time: steps are counted, never times (those stand in `benches/stages/bounded.rs`).

#[path = "bounded/corpus.rs"]
mod corpus;

use std::path::{Path, PathBuf};

use corpus::{HOSTILE, LENGTHS, LIVE, crafted, filter, line, settings};
use sipjail::config::{self, FilterSettings};
use sipjail::filter::Filter;

#[test]
fn a_hostile_line_takes_no_more_steps_than_it_has_and_is_counted_when_they_are_gone() {
    for (expression, parts) in HOSTILE {
        let mut filter = filter(&settings(expression)).unwrap_or_else(|| panic!("{expression} is refused"));
        for length in LENGTHS {
            let line = line(*parts, length);
            let before = filter.backtrack_limits();
            let spent = look(&mut filter, &line, expression);
            assert_eq!(filter.backtrack_limits() > before, spent, "{expression} on {length} bytes");
            let records = filter.records();
            let said = records.iter().any(|record| record.text.contains("would have taken too long"));
            assert!(!said || spent, "{expression}: {records:?}");
        }
        let given_up = filter.backtrack_limits();
        println!("{given_up} of {} lines given up: {expression}", LENGTHS.len());
    }
}

#[test]
fn look_around_is_not_given_up_for_repeating_a_repetition() {
    for expression in [r"^(?:(?!zz)a+)+$ <HOST>", r"^(?:(?!zz)\w+\s?)+(?<!b): <HOST>", r"^(?:a|a|ab)*(?<!b)c <HOST>"] {
        let (_, parts) = HOSTILE.iter().find(|(known, _)| *known == expression).expect("it stands in the corpus");
        let mut filter = filter(&settings(expression)).expect("it compiles");
        for length in [60, 500, 4000] {
            let line = line(*parts, length);
            assert!(!look(&mut filter, &line, expression), "{expression} on {length} bytes");
            let (_, steps) = filter.steps();
            assert!(steps <= 20_000 + 40 * length, "{expression}: {steps} steps on {length} bytes");
        }
    }
}

#[test]
fn no_stock_expression_is_given_up_on_a_line_that_is_made_for_it() {
    for dir in trees() {
        let (mut count, mut most) = (0, 0);
        for (name, settings) in filters(&dir) {
            let Some(mut filter) = filter(&settings) else { continue };
            for line in [60, 2000].iter().flat_map(|length| crafted(&settings, *length)) {
                look(&mut filter, &line, &name);
                let (_, steps) = filter.steps();
                assert!(
                    steps < STEPS + STEPS_PER_BYTE * line.len() || settings.maxlines > 1,
                    "{name}: {steps}: {line}"
                );
                (count, most) = (count + 1, steps.max(most));
            }
        }
        println!("{}: {count} lines, at most {most} steps", dir.display());
    }
}

/// Whether the line was given up, for its date or by an expression.
fn look(filter: &mut Filter, line: &str, name: &str) -> bool {
    filter.hits(line.as_bytes(), None, &LIVE, &mut Vec::new());
    let (date, expressions) = filter.steps();
    let date_has = DATE_STEPS + DATE_STEPS_PER_BYTE * line.len();
    assert!(date <= date_has, "{name}: {date} steps for the date of {} bytes", line.len());
    // A window of several lines has no more than one line of the longest kind.
    assert!(expressions <= STEPS + STEPS_PER_BYTE * LONGEST, "{name}: {expressions} steps on {} bytes", line.len());
    date == date_has || expressions >= STEPS + STEPS_PER_BYTE * (line.len() + 1).min(LONGEST)
}

/// What a line may take, as `pyregex` and `date` have it.
const STEPS: usize = 150_000;
const STEPS_PER_BYTE: usize = 5;
const LONGEST: usize = 64 << 10;
const DATE_STEPS: usize = 80_000;
const DATE_STEPS_PER_BYTE: usize = 3;

/// Our own tree, and fail2ban's where it is installed.
fn trees() -> Vec<PathBuf> {
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).to_owned();
    let theirs = std::env::var_os("SIPJAIL_F2B_CONFIG").map_or_else(|| "/etc/fail2ban".into(), PathBuf::from);
    [ours, theirs].into_iter().filter(|dir| dir.join("filter.d").is_dir()).collect()
}

fn filters(dir: &Path) -> Vec<(String, FilterSettings)> {
    let files = std::fs::read_dir(dir.join("filter.d")).expect("it can be read");
    let names = files.filter_map(|file| Some(file.ok()?.file_name().to_str()?.strip_suffix(".conf")?.to_owned()));
    let mut names: Vec<String> = names.collect();
    names.sort();
    names.into_iter().filter_map(|name| Some((name.clone(), config::filter(dir, &name).ok()?))).collect()
}
