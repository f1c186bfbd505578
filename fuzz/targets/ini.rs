//! The INI reader and what stands behind it: any text, read as a file of two layers, every option interpolated and taken
//! apart as a list of actions.
//!
//! Beside panics it looks for places outside of the text, for values that forgot where a line was written, and for texts
//! that grow beyond measure.

#![no_main]

use std::path::Path;
use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use sipjail::config::interpolate::Scope;
use sipjail::config::merge::Merged;
use sipjail::config::{Origin, brackets, ini, interpolate, value::Value};

fuzz_target!(|text: &str| {
    let path: Arc<Path> = Arc::from(Path::new("x.conf"));
    // A form feed parts the layers.
    let mut merged = Merged::default();
    for layer in text.splitn(2, '\x0c') {
        let lines = ini::universal_lines(layer).count();
        let (ini, problems) = ini::parse(&path, layer);
        problems.iter().for_each(|problem| inside(&problem.origin, lines));
        for section in ini.sections.values() {
            inside(&section.origin, lines);
            section.options.values().for_each(|value| placed(value, lines));
        }
        merged.add(&ini);
    }
    let lines = ini::universal_lines(text).count();
    for (name, section) in &merged.sections {
        let scope = Scope::new(&merged, name);
        for option in section.options.keys().chain(merged.defaults.keys()) {
            let Ok(Some(value)) = scope.get(option) else { continue };
            assert!(value.text().len() <= LONGEST, "{} bytes", value.text().len());
            placed(&value, lines);
            let _refused = brackets::parse(value.text());
            brackets::split(value.text()).into_iter().for_each(|range| drop(value.slice(range)));
            let _references = interpolate::references(value.text()).count();
        }
    }
});

fn inside(origin: &Origin, lines: usize) {
    assert!(origin.line <= lines.max(1), "{origin}");
    assert!(origin.column == 0 || origin.width > 0, "{origin}");
}

fn placed(value: &Value, lines: usize) {
    value.lines().for_each(|line| inside(&line.origin, lines));
    inside(&value.origin_at(value.text().len()), lines);
}

/// Bytes that a value may grow to.
const LONGEST: usize = 4 << 20;
