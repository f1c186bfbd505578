//! fail2ban, `rg`, `cat` and sipjail on the same logs and the same kernel, in turn: one table of all that is to be fast.
//!
//! `cargo bench --bench side_by_side -- [--quick] [--slow] [--only ROW…]`, as root: everything runs in a network and process
//! namespace of its own, with configuration, sockets and databases in a scratch directory; the host's firewall is not
//! touched. What is missing (root, a program) is skipped with a word. The other machine's work is noise: programs take
//! turns, medians and spreads are shown, and what is compared is the processors' time wherever that is what is spent.
//!
//! The logs come from a seed and stay, like the results as JSON, under `target/side_by_side`. `--keep` makes the last run the one
//! that `--compare` compares with; `--only instructions` counts instructions, where no noise is.
#![expect(clippy::disallowed_methods, reason = "a bench runs programs and reads the clock")]
#![expect(clippy::unwrap_used, reason = "a bench that cannot go on may stop")]

mod attack;
mod compare;
mod daemon;
mod events;
mod idle;
mod instructions;
mod latency;
mod logs;
mod machine;
mod namespace;
mod programs;
mod report;
mod restart;
mod sample;
mod scan;
mod start;
mod world;

#[path = "../corpus/mod.rs"]
mod corpus;

#[path = "../../tests/events/pbx.rs"]
mod pbx;

use std::process::ExitCode;
use std::time::Instant;

use report::Report;

/// How much is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// Small logs, few rounds: whether it works at all.
    Quick,
    /// What the table is made of.
    Usual,
    /// And what takes minutes: fail2ban's restart, bursts of full size.
    Slow,
}

impl Effort {
    /// One of two numbers.
    pub fn of<T>(self, quick: T, usual: T) -> T {
        if self == Effort::Quick { quick } else { usual }
    }
}

/// A row of the table by its name, and what fills it.
struct Row {
    name: &'static str,
    kernel: bool,
    measure: fn(Effort, &mut Report),
}

const ROWS: [Row; 19] = [
    Row { name: "mixed", kernel: false, measure: scan::mixed },
    Row { name: "quiet", kernel: false, measure: scan::quiet },
    Row { name: "freeswitch", kernel: false, measure: scan::freeswitch },
    Row { name: "all-stock", kernel: false, measure: scan::all_stock },
    Row { name: "five-million", kernel: false, measure: scan::five_million },
    Row { name: "attack", kernel: false, measure: attack::lines },
    Row { name: "memory", kernel: false, measure: attack::memory },
    Row { name: "jails", kernel: false, measure: attack::different_jails },
    Row { name: "jails-alike", kernel: false, measure: attack::like_jails },
    Row { name: "latency", kernel: true, measure: latency::one },
    Row { name: "latency-events", kernel: true, measure: events::latency },
    Row { name: "burst", kernel: true, measure: latency::burst },
    Row { name: "burst-whole", kernel: true, measure: latency::whole_burst },
    Row { name: "restart", kernel: true, measure: restart::fifty_thousand },
    Row { name: "restart-million", kernel: true, measure: restart::million },
    Row { name: "idle", kernel: true, measure: idle::measure },
    Row { name: "ready", kernel: true, measure: start::ready },
    Row { name: "status", kernel: true, measure: start::status },
    Row { name: "instructions", kernel: false, measure: instructions::measure },
];

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if !words.iter().any(|word| word == "--bench") {
        println!("side_by_side: nothing to test; `cargo bench --bench side_by_side` measures");
        return ExitCode::SUCCESS;
    }
    let asked = match Asked::read(words.iter().map(String::as_str).filter(|word| *word != "--bench")) {
        Ok(asked) => asked,
        Err(why) => {
            eprintln!("side_by_side: {why}");
            return ExitCode::from(2);
        }
    };
    match asked {
        Asked::Keep => compare::keep(),
        Asked::Compare => compare::show(),
        Asked::Measure { only, effort } => match namespace::enter(&words) {
            namespace::Entered::Outside(code) => return code,
            namespace::Entered::Inside => measure(&only, effort, true),
            namespace::Entered::Refused(why) => {
                eprintln!("without namespaces ({why}): rows that need the kernel's sets are skipped");
                measure(&only, effort, false);
            }
        },
    }
    ExitCode::SUCCESS
}

fn measure(only: &[String], effort: Effort, kernel: bool) {
    let mut report = Report::new(effort);
    for row in ROWS.iter().filter(|row| only.is_empty() || only.iter().any(|name| name == row.name)) {
        report.begin(row.name);
        if row.kernel && !kernel {
            report.skip("needs root and namespaces");
        } else {
            eprintln!("{} …", row.name);
            let start = Instant::now();
            (row.measure)(effort, &mut report);
            eprintln!("  {:.1} s", start.elapsed().as_secs_f64());
        }
    }
    report.finish();
    // What proves nothing is not kept.
    if effort != Effort::Quick {
        compare::save(&report);
    }
    println!("{}", report.markdown());
}

/// What the command line asks for.
enum Asked {
    Measure { only: Vec<String>, effort: Effort },
    Keep,
    Compare,
}

impl Asked {
    fn read<'a>(words: impl Iterator<Item = &'a str>) -> Result<Asked, String> {
        let (mut only, mut effort, mut names) = (Vec::new(), Effort::Usual, false);
        for word in words {
            match word {
                "--quick" => effort = Effort::Quick,
                "--slow" => effort = Effort::Slow,
                "--keep" => return Ok(Asked::Keep),
                "--compare" => return Ok(Asked::Compare),
                "--only" => names = true,
                name if names && ROWS.iter().any(|row| row.name == name) => only.push(name.to_owned()),
                _ => {
                    let rows = ROWS.map(|row| row.name).join(" ");
                    return Err(format!(
                        "unknown word `{word}`: --quick, --slow, --keep, --compare, --only ROW…; rows: {rows}"
                    ));
                }
            }
        }
        Ok(Asked::Measure { only, effort })
    }
}
