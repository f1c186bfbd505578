//! Instructions, where time is noise: valgrind counts those of `replay` and `regex` on a small log, and subtracts their start.

use std::process::Command;

use crate::Effort;
use crate::corpus::{Corpus, Pbx};
use crate::logs::Log;
use crate::programs::{SIPJAIL, installed};
use crate::report::{INSTRUCTIONS, Report, Who};
use crate::sample::Sample;

pub fn measure(effort: Effort, report: &mut Report) {
    let lines = effort.of(1_000, 20_000);
    report.work(format!("instructions a line, start subtracted, {lines} lines"));
    if !installed("valgrind") {
        return report.skip("valgrind is not installed");
    }
    let kinds = [
        ("2 %", Corpus::mixed(Pbx::Asterisk, lines), "asterisk"),
        ("90 %", Corpus::under_attack(Pbx::Asterisk, lines), "asterisk"),
        ("FreeSWITCH, 2 %", Corpus::mixed(Pbx::FreeSwitch, lines), "freeswitch"),
    ];
    let empty = Log::new("empty", &Corpus::mixed(Pbx::Asterisk, 0));
    for (kind, corpus, filter) in kinds.into_iter().take(effort.of(1, 3)) {
        let log = Log::new("counted", &corpus);
        for program in ["replay", "regex"].into_iter().take(effort.of(1, 2)) {
            let count = |log: &Log| {
                let mut words = vec![program, log.path.to_str()?];
                words.extend(if program == "replay" { vec!["--jail", filter] } else { vec![filter] });
                counted(&words)
            };
            match count(&log).zip(count(&empty)) {
                Some((whole, start)) => {
                    let each = Sample::one((whole - start) / lines as f64);
                    report.figure(Who::Sipjail, format!("{program}, {kind}"), INSTRUCTIONS, each);
                }
                None => report.note(format!("valgrind does not count {program}")),
            }
        }
    }
}

fn counted(words: &[&str]) -> Option<f64> {
    let mut command = Command::new("valgrind");
    command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null", SIPJAIL, "-c", "/nonexistent"]);
    let out = command.args(words).env("TZ", "UTC").output().ok()?;
    let said = String::from_utf8_lossy(&out.stderr);
    said.lines().find_map(|line| line.split("Collected : ").nth(1)?.trim().parse().ok())
}
