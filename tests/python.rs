//! The engines against Python's `re`: the same expressions, the same texts, the same matches and groups.

#![expect(clippy::disallowed_methods, reason = "Python is the judge, and a test may ask it")]

#[macro_use]
#[path = "common/counted.rs"]
mod counted;
use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use sipjail::filter::pyregex::Pattern;
use sipjail::filter::translate::Options;

#[test]
fn both_engines_find_what_python_finds() {
    let cases = cases(6000);
    let Some(expected) = python(&cases) else {
        println!("skipped: no python3");
        return;
    };
    let (mut compared, mut matched) = (0, 0);
    let mut wrong = Vec::new();
    for ((expression, text), expected) in cases.iter().zip(&expected) {
        let pattern = Pattern::new(expression, Options::default());
        // Python's possessive repetitions and atomic groups are younger than some Pythons, so a refusal there says nothing.
        let (Ok(pattern), false) = (pattern, expected == "refused") else { continue };
        let Ok(found) = pattern.captures(text) else { panic!("{expression} is given up on {text:?}") };
        let found = found.map_or(Value::Null, |found| {
            let span = |range: &std::ops::Range<usize>| json!([chars(text, range.start), chars(text, range.end)]);
            let groups: Vec<Value> = found.groups.iter().map(|g| g.as_ref().map_or(Value::Null, span)).collect();
            json!([span(&found.whole), groups])
        });
        compared += 1;
        matched += usize::from(!found.is_null());
        if found != *expected {
            wrong.push(format!("{expression} on {text:?}: {found}, Python {expected}"));
        }
    }
    counted!("python: {compared} searches compared, {matched} of them matches");
    assert!(compared > 1000 && matched > 300, "{compared} {matched}");
    assert!(wrong.is_empty(), "{} of {compared}: {:#?}", wrong.len(), &wrong[..wrong.len().min(20)]);
}

/// Expressions for either engine, each with a text; always the same.
fn cases(count: usize) -> Vec<(String, String)> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 33) as usize % below
    };
    let mut all = Vec::new();
    while all.len() < count {
        let mut expression: String = (0..2 + next(9)).map(|_| PIECES[next(PIECES.len())]).collect();
        let open = expression.matches('(').count().saturating_sub(expression.matches(')').count());
        expression.push_str(&")".repeat(open));
        // With nothing ahead it is for the engine that backtracks.
        if next(2) == 0 {
            expression.push_str("(?=)");
        }
        if Pattern::new(&expression, Options::default()).is_err() {
            continue;
        }
        for _ in 0..3 {
            let text: String = (0..next(12)).map(|_| LETTERS[next(LETTERS.len())]).collect();
            all.push((expression.clone(), text + "\n"));
        }
    }
    all
}

fn python(cases: &[(String, String)]) -> Option<Vec<Value>> {
    let mut child =
        Command::new("python3").args(["-c", PROGRAM]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().ok()?;
    let mut stdin = child.stdin.take().expect("it is piped");
    let input = serde_json::to_vec(cases).expect("texts");
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().expect("it runs");
    writer.join().expect("no panic").expect("it reads");
    Some(serde_json::from_slice(&output.stdout).expect("it answers in JSON"))
}

fn chars(text: &str, at: usize) -> usize {
    text[..at].chars().count()
}

const PROGRAM: &str = r#"
import json, re, sys, warnings
warnings.simplefilter("ignore")
def one(expression, text):
    try:
        found = re.search(expression, text)
    except (re.error, RecursionError, OverflowError):
        return "refused"
    if found is None:
        return None
    return [found.span(), [found.span(n) if found.group(n) is not None else None for n in re.compile(expression).groupindex]]
json.dump([one(*case) for case in json.load(sys.stdin)], sys.stdout)
"#;

const PIECES: &[&str] = &[
    "a",
    "b",
    "c",
    "ab",
    "bca",
    "é",
    "K",
    "(?:",
    "(?:",
    "(",
    ")",
    ")",
    ")",
    "(?=",
    "(?!",
    "(?<=",
    "(?<!",
    "(?P<x>",
    "(?P<y>",
    "(?P=x)",
    "(?(x)",
    "(?(1)",
    "(?>",
    "(?i:",
    "(?s:",
    "(?-i:",
    "|",
    "|",
    "*",
    "+",
    "?",
    "*?",
    "+?",
    "??",
    "{2}",
    "{,2}",
    "{1,}",
    "{2,3}?",
    "++",
    "?+",
    "[ab]",
    "[^c]",
    "[a-c]",
    "[^\\W\\d]",
    "]",
    "{",
    "}",
    ".",
    ".*",
    ".*?",
    "$",
    "^",
    r"\w",
    r"\b",
    r"\B",
    r"\S",
    r"\s",
    r"\d",
    r"\W",
    r"\1",
    r"\2",
    r"\n",
    r"\Z",
    r"\A",
    r"\101",
    "(?#x)",
];
const LETTERS: &[&str] = &["a", "b", "c", "A", "B", "k", " ", "1", "é", "É", "_", "-", "\u{1c}", "\u{301}"];
