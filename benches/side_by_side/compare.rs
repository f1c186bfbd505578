//! The last run's results, and the kept ones that they are held against.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::logs::place;
use crate::report::Report;

/// Writes a run's results; rows that it did not measure stay as they were.
pub fn save(report: &Report) {
    let mut new = report.json();
    if let Some(old) = read(&last()) {
        let names: Vec<Value> = rows(&new).map(|row| row["row"].clone()).collect();
        let kept: Vec<Value> = rows(&old).filter(|row| !names.contains(&row["row"])).cloned().collect();
        if let Some(all) = new["rows"].as_array_mut() {
            all.extend(kept);
        }
    }
    let text = serde_json::to_string_pretty(&new).unwrap();
    fs::write(last(), &text).unwrap();
    if !kept().exists() {
        fs::write(kept(), &text).unwrap();
    }
}

/// Makes the last run the one to compare with.
pub fn keep() {
    match fs::copy(last(), kept()) {
        Ok(_) => println!("kept"),
        Err(e) => println!("there is no last run: {e}"),
    }
}

/// Prints our figures of the last run beside the kept one's.
pub fn show() {
    let (Some(last), Some(kept)) = (read(&last()), read(&kept())) else {
        return println!("there is nothing to compare yet");
    };
    for (name, run) in [("kept", &kept), ("last", &last)] {
        println!("{name}: {}  ", run["machine"][0].as_str().unwrap_or("?"));
    }
    println!("\n| row | figure | kept | last | last to kept |\n| --- | --- | --- | --- | --- |");
    for row in rows(&last) {
        let before: Vec<&Value> = rows(&kept).filter(|other| other["row"] == row["row"]).flat_map(figures).collect();
        for figure in figures(row).filter(|figure| figure["who"] == "sipjail") {
            let same = |other: &&&Value| ["who", "what", "unit"].iter().all(|key| other[*key] == figure[*key]);
            let Some(old) = before.iter().find(same) else { continue };
            let (Some(was), Some(is)) = (old["median"].as_f64(), figure["median"].as_f64()) else { continue };
            let better = if figure["better"] == "more" { is > was } else { is < was };
            let apart = is > figure_of(old, "high") || is < figure_of(old, "low");
            let word = match (apart && (is / was - 1.0).abs() > 0.02, better) {
                (false, _) => "",
                (true, true) => " better",
                (true, false) => " **worse**",
            };
            println!(
                "| {} | {} | {was:.4} {unit} | {is:.4} {unit} | ×{:.3}{word} |",
                row["row"].as_str().unwrap_or("?"),
                figure["what"].as_str().unwrap_or_default(),
                is / was,
                unit = figure["unit"].as_str().unwrap_or_default(),
            );
        }
    }
}

fn figure_of(figure: &Value, key: &str) -> f64 {
    figure[key].as_f64().unwrap_or_default()
}

fn rows(run: &Value) -> impl Iterator<Item = &Value> {
    run["rows"].as_array().into_iter().flatten()
}

fn figures(row: &Value) -> impl Iterator<Item = &Value> {
    row["figures"].as_array().into_iter().flatten()
}

fn read(path: &PathBuf) -> Option<Value> {
    serde_json::from_str(&fs::read_to_string(path).ok()?).ok()
}

fn last() -> PathBuf {
    place().join("last.json")
}

fn kept() -> PathBuf {
    place().join("kept.json")
}
