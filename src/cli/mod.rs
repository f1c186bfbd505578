//! The faces that a person meets: the command line, declared once, and what needs no daemon.

pub mod check;
pub mod explain;
pub mod fail2ban_client;
pub mod fail2ban_regex;
pub mod import;
pub mod jails;
pub mod near;
pub mod output;
pub mod regex;
pub mod replay;
pub mod run;

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use clap::{Parser, Subcommand};

use crate::command::Command;
use crate::daemon::{clock, prepare, socket, workers};
use crate::error::{Error, Kind};
use crate::word::Word;

pub use output::{Format, Screen};

/// Guard an Asterisk or FreeSWITCH host: fail2ban's filters and jails, bans in the kernel's ipsets
#[derive(Clone, Debug, Parser)]
#[command(name = "sipjail", version, max_term_width = 100, disable_help_subcommand = true)]
#[command(
    after_help = "Without any configuration file the stock jails apply, for Asterisk, FreeSWITCH, Kamailio and OpenSIPS: \
                        each comes on when its log exists."
)]
pub struct Cli {
    /// Directory of the configuration
    #[arg(short, long, global = true, value_name = "DIR", default_value = "/etc/sipjail")]
    pub conf: PathBuf,
    /// Socket of the daemon; default is what the configuration says, else /run/sipjail/sipjail.sock
    #[arg(short, long, global = true, value_name = "PATH")]
    pub socket: Option<PathBuf>,
    /// How data is shown: `text`, `json` or `yaml`
    #[arg(long, global = true, value_enum, default_value_t, value_name = "FORMAT", hide_possible_values = true)]
    pub format: Format,
    /// What to do.
    #[command(subcommand)]
    pub face: Face,
}

/// Everything that can be asked for.
#[derive(Clone, Debug, Subcommand)]
#[expect(missing_docs, reason = "each command's own doc comment is its help text")]
pub enum Face {
    Run(run::Args),
    #[command(flatten)]
    Daemon(Command),
    Regex(regex::Args),
    Replay(replay::Args),
    Check(check::Args),
    Jails(jails::Args),
    Explain(explain::Args),
    Import(import::Args),
}

/// The programs that this one is, by the name under which it was called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// Itself.
    Sipjail,
    /// fail2ban's tool of that name.
    Fail2banRegex,
    /// fail2ban's client.
    Fail2banClient,
    /// fail2ban's server; with most words it is its client.
    Fail2banServer,
}

impl Program {
    /// By the file name in `argv[0]`; an unknown name is sipjail's.
    pub fn called_as(argv0: Option<&OsStr>) -> Program {
        match argv0.and_then(|path| Path::new(path).file_name()).and_then(OsStr::to_str) {
            Some("fail2ban-regex") => Program::Fail2banRegex,
            Some("fail2ban-client") => Program::Fail2banClient,
            Some("fail2ban-server") => Program::Fail2banServer,
            _ => Program::Sipjail,
        }
    }
}

/// Does what was asked for and gives the exit code.
pub fn run(cli: &Cli) -> Result<u8, Error> {
    match &cli.face {
        Face::Run(args) => run::run(args, cli).map(|()| 0),
        Face::Daemon(command) => client(command, cli).map(|()| 0),
        Face::Regex(args) => try_regex(args, cli).map(|()| 0),
        Face::Replay(args) => replay::run(args, cli).map(|()| 0),
        Face::Check(args) => check_all(args, cli),
        Face::Jails(args) => jails::run(args, cli).map(|()| 0),
        Face::Explain(args) => explain::run(args, cli).map(|()| 0),
        Face::Import(args) => import::run(args, cli),
    }
}

fn try_regex(args: &regex::Args, cli: &Cli) -> Result<(), Error> {
    if args.form().is_some() && cli.format != Format::Text {
        let error = Error::new(Kind::Usage, "`--out` and `--format` contradict each other");
        return Err(error.hint("`--format json` shows the summary as data, `--out` prints the failures alone"));
    }
    let Some(report) = examine(args, &cli.conf).map_err(|refused| refused.error)? else { return Ok(()) };
    let text = if cli.format == Format::Text { report.text(Screen::of_stdout()) } else { String::new() };
    output::show(cli.format, &report, text.strip_suffix('\n').unwrap_or(&text))
}

/// Runs a filter over a log with the present, the host's zone, its name server and a bar on a terminal.
fn examine(args: &regex::Args, conf: &Path) -> Result<Option<regex::Report>, regex::Refused> {
    let (start, zone) = (clock::now(), clock::zone());
    let bar = output::progress(0);
    let mut world = regex::World {
        conf,
        now: start,
        zone: &zone,
        screen: Screen::of_stdout(),
        stdout: &mut io::BufWriter::new(io::stdout()),
        look_up: &mut |name| workers::resolve(name, true).unwrap_or_default(),
        progress: &mut |done, total| {
            bar.set_length(total);
            bar.set_position(done);
        },
    };
    let report = regex::run(args, &mut world);
    bar.finish_and_clear();
    let seconds = (clock::now() - start).as_secs_f64().max(0.0);
    report.map(|report| report.map(|report| regex::Report { seconds: Some(seconds), ..report }))
}

fn check_all(args: &check::Args, cli: &Cli) -> Result<u8, Error> {
    if args.dump {
        let commands = check::dump(&crate::config::load(&cli.conf).written);
        let lines: Vec<String> = commands.iter().map(Word::to_string).collect();
        return output::show(cli.format, &commands, &lines.join("\n")).map(|()| 0);
    }
    let mut prepared = prepare::prepare(&cli.conf, &clock::zone());
    prepared.remark();
    prepared.config.problems.extend(check::advice(&prepared.config, Path::new(check::LOGGER)));
    let report = check::check(prepared.config);
    output::show(cli.format, &report, report.text(output::colour()).trim_end_matches('\n'))?;
    Ok(u8::from(report.failed()))
}

fn client(command: &Command, cli: &Cli) -> Result<(), Error> {
    let reply = socket::ask(&cli.socket_path(), command.words())?;
    let text = match cli.format {
        Format::Text => command.text(&reply)?,
        _ => String::new(),
    };
    output::show(cli.format, &reply, &text)
}

impl Cli {
    /// Where the daemon listens: as told, else as configured.
    pub fn socket_path(&self) -> PathBuf {
        self.socket.clone().unwrap_or_else(|| crate::config::main(&self.conf).socket)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_known_by_its_file_name() {
        let called = |name: &str| Program::called_as(Some(OsStr::new(name)));
        assert_eq!(called("/usr/bin/fail2ban-regex"), Program::Fail2banRegex);
        assert_eq!(called("fail2ban-regex"), Program::Fail2banRegex);
        assert_eq!(called("./fail2ban-client"), Program::Fail2banClient);
        assert_eq!(called("fail2ban-server"), Program::Fail2banServer);
        assert_eq!(called("/usr/bin/fail2ban-regex/sipjail"), Program::Sipjail);
        assert_eq!(Program::called_as(None), Program::Sipjail);
    }
}
