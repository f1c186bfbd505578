//! What is logged of actions: each script that failed with what it printed and how it ended, and what was given up then.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::Regex;

use crate::scenario::{Jail, Played, owner};
use crate::side::timeless;

/// The lines of each jail's actions, in order; and those that name no jail, counted.
pub type Lines = (BTreeMap<String, Vec<String>>, BTreeMap<String, usize>);

/// Reads a log for what is of actions, without what is a run's own.
pub fn lines(jails: &[Jail], played: &Played) -> Lines {
    let mut of_jails: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut of_none: BTreeMap<String, usize> = BTreeMap::new();
    // Whose script it is that a line is about.
    let mut scripts: BTreeMap<String, String> = BTreeMap::new();
    // That it could not end a group which had ended by then depends on chance, and is said by the original alone.
    let records = records(&played.log).into_iter().filter(|(_, _, message)| !message.ends_with("No such process"));
    for (logger, level, message) in records {
        // A record of ours is one line.
        let line = |message: &str| format!("{logger} {level} {}", timeless(&message.replace("\\x0a", "\n")));
        let of = |text: &str| owner(jails, text);
        match logger {
            "fail2ban.utils" if ["ERROR", "INFO", "CRITICAL", "WARNING"].contains(&level) => {
                let Some((script, text)) = message.split_once(" -- ") else {
                    // A hint, which ours gives with other advice.
                    let hint = message.split_inclusive("not found\".").next().unwrap_or_default();
                    *of_none.entry(line(hint)).or_default() += 1;
                    continue;
                };
                if text.starts_with("exec: ") {
                    scripts.insert(script.to_owned(), of(text));
                }
                let jail = scripts.get(script).cloned().unwrap_or_else(|| of(text));
                of_jails.entry(jail).or_default().push(line(text));
            }
            "fail2ban.actions" if message.contains("Failed to ") => {
                let message = INFO.replace(&message, "info$1");
                of_jails.entry(of(&message)).or_default().push(line(&message));
            }
            // Said when it is asked for; ours then goes on at once.
            "fail2ban.actions" if message.contains("Flush ") => *of_none.entry(line(&message)).or_default() += 1,
            // How often depends on what is known to differ.
            "fail2ban.CommandAction" => _ = of_none.insert(line(&message), 1),
            _ => {}
        }
    }
    (of_jails, of_none)
}

/// Logger, level and message of each record; a message may have several lines.
fn records(log: &str) -> Vec<(&str, &str, String)> {
    let mut all: Vec<(&str, &str, String)> = Vec::new();
    for line in log.lines() {
        match RECORD.captures(line) {
            Some(found) => {
                let [logger, level, message] = [1, 2, 3].map(|at| found.get(at).map_or("", |m| m.as_str()));
                all.push((logger, level, message.to_owned()));
            }
            None => {
                if let Some((_, _, message)) = all.last_mut() {
                    message.push('\n');
                    message.push_str(line);
                }
            }
        }
    }
    all
}

static RECORD: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} (\S+) +\[\d+\]: (\S+) +(.*)$").expect("it is sound")
});

/// How a ticket is shown is Python's own.
static INFO: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"(?s)info '.*'(: Error)").expect("it is sound"));
