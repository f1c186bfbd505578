//! The regex translation: an expression, a NUL, a text. The first character may ask for `m` (lines) or `w` (a window).
//!
//! Beside panics it looks for a relaxed form that misses what the exact one finds, for an automaton of ASCII texts that
//! differs from the one for any text, and for a backtracking engine that differs from the linear one.

#![no_main]

use libfuzzer_sys::fuzz_target;
use sipjail::filter::pyregex::Pattern;
use sipjail::filter::translate::{Dialect, Options, translate};

fuzz_target!(|input: &str| {
    let (expression, text) = input.split_once('\0').unwrap_or((input, "abc 192.0.2.1 é\n"));
    let (expression, options) = match (expression.strip_prefix('m'), expression.strip_prefix('w')) {
        (Some(rest), _) => (rest, Options { multiline: true, window: true }),
        (_, Some(rest)) => (rest, Options { multiline: false, window: true }),
        _ => (expression, Options::default()),
    };
    // A text of one line ends in its only line feed.
    let text = if options.window { text.to_owned() } else { text.replace('\n', " ") + "\n" };
    let exact = translate(expression, Dialect::Exact, options);
    let relaxed = translate(expression, Dialect::Relaxed, options);
    assert_eq!(exact.is_ok(), relaxed.is_ok(), "{exact:?} {relaxed:?}");
    let Ok(pattern) = Pattern::new(expression, options) else { return };
    let _may = pattern.may_explode();
    let Ok(found) = pattern.captures(&text) else { return };
    assert_eq!(pattern.is_match(&text), Ok(found.is_some()));
    if let Some(found) = &found {
        assert!(text.get(found.whole.clone()).is_some(), "{found:?}");
        found.groups.iter().flatten().for_each(|group| assert!(text.get(group.clone()).is_some(), "{found:?}"));
        if let Some(relaxed) = engine(&pattern.relaxed()) {
            assert!(relaxed.is_match(&text), "relaxed {}", pattern.relaxed());
        }
    }
    let exact = exact.expect("it compiled");
    if exact.backtracks {
        return;
    }
    // Where a word ends beside a mark the linear engine sees differently, and is not asked.
    let asked = text.is_ascii() || !exact.form.contains(r"\b") && !exact.form.contains(r"\B");
    if asked && let Some(engine) = engine(&exact.form) {
        let expected = engine.captures(&text);
        assert_eq!(found.as_ref().map(|found| found.whole.clone()), expected.as_ref().map(|c| c.get_match().range()));
        if let (Some(found), Some(expected)) = (&found, &expected) {
            let groups: Vec<_> = exact.names.iter().map(|(n, _)| expected.get(*n).map(|m| m.range())).collect();
            assert_eq!(found.groups.as_slice(), groups);
        }
    }
    // The same language on the other engine; what a letter outside of ASCII is they see differently.
    if text.is_ascii()
        && let Ok(other) = Pattern::new(&format!("{expression}(?=)"), options)
        && let Ok(other) = other.is_match(&text)
    {
        assert_eq!(other, found.is_some(), "backtracking: {other}");
    }
});

fn engine(text: &str) -> Option<regex::Regex> {
    regex::RegexBuilder::new(text).size_limit(10 << 20).build().ok()
}
