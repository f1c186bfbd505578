//! `sipjail explain LINE…`: what every jail makes of a line, step by step.
//!
//! Each line goes through the filter of every jail as in the daemon, in the order given and with the state kept, so that
//! lines which tell a failure together can be given together. No line is dropped for its age; what its date means in
//! operation is said instead. Nobody is banned, no name is looked up and no program run: where one would be asked, that
//! is said. The database is not read, so earlier bans do not count.

mod judge;
mod report;

use std::ffi::OsString;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;

use super::{Cli, output};
use crate::config::Severity;
use crate::daemon::prepare::{self, Prepared};
use crate::daemon::{clock, host};
use crate::error::{Error, Kind};
use crate::text::printable;

use judge::Judge;
pub use report::Report;

/// Show what every jail makes of a line, step by step, and where a failregex stopped
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
pub struct Args {
    /// A log line; several are taken in order, and `-` stands for those on stdin
    #[arg(required = true, value_name = "LINE")]
    pub lines: Vec<OsString>,
    /// Only this jail; may be given several times
    #[arg(long, value_name = "JAIL")]
    pub jail: Vec<String>,
}

/// Explains the lines and shows the report.
pub fn run(args: &Args, cli: &Cli) -> Result<(), Error> {
    let zone = clock::zone();
    let now = clock::now();
    let Prepared { config, filters } = prepare::prepare(&cli.conf, &zone);
    for problem in config.problems.iter().filter(|problem| problem.severity == Severity::Error) {
        eprintln!("sipjail: {}", printable(&prepare::line(problem)));
    }
    let known: Vec<_> = config.jails.iter().map(|jail| jail.name.clone()).collect();
    if let Some(unknown) = args.jail.iter().find(|jail| !known.contains(jail)) {
        return Err(Error::unknown("jail", unknown, &known));
    }
    if known.is_empty() {
        return Err(Error::new(Kind::Config, "no jail is on").hint("`sipjail check` says why"));
    }
    let own = host::addresses();
    let jails = config.jails.iter().zip(filters);
    let wanted = jails.filter(|(jail, _)| args.jail.is_empty() || args.jail.contains(&jail.name));
    let mut judges: Vec<Judge<'_>> = wanted.map(|(jail, filter)| Judge::new(jail, filter, &own, &zone)).collect();
    let explain = |line: Vec<u8>| report::Line {
        jails: judges.iter_mut().map(|judge| judge.explain(&line, now)).collect(),
        line: String::from_utf8_lossy(&line).into_owned(),
    };
    let report = Report { lines: lines(args)?.into_iter().map(explain).collect() };
    output::show(cli.format, &report, &report.text(output::colour()))
}

/// The lines, without their newlines. Of a text with several, each is a line.
fn lines(args: &Args) -> Result<Vec<Vec<u8>>, Error> {
    let mut lines = Vec::new();
    for given in &args.lines {
        let mut text = given.as_bytes().to_vec();
        if text == b"-" {
            text.clear();
            let read = std::io::stdin().lock().take(MOST as u64 + 1).read_to_end(&mut text);
            read.map_err(|e| Error::new(Kind::Io, format!("cannot read stdin: {e}")))?;
        }
        let text = text.strip_suffix(b"\n").unwrap_or(&text);
        lines.extend(text.split(|byte| *byte == b'\n').map(<[u8]>::to_vec));
    }
    if lines.iter().map(|line| line.len() + 1).sum::<usize>() > MOST + 1 {
        let error = Error::new(Kind::Usage, format!("more than {} KiB are too much to explain", MOST >> 10));
        return Err(error.hint("`sipjail replay LOG` and `sipjail regex LOG FILTER` read whole logs"));
    }
    Ok(lines)
}

/// Bytes of all lines together.
const MOST: usize = 256 << 10;
