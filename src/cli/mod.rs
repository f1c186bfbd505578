//! The faces that a person meets: the command line, declared once, and what needs no daemon.

pub mod check;
pub mod explain;
pub mod near;
pub mod output;
pub mod regex;
pub mod replay;
pub mod run;

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use jiff::tz::TimeZone;

use crate::command::Command;
use crate::daemon::{clock, prepare, socket};
use crate::error::Error;
use crate::word::Word;

pub use output::Format;

/// Guard an Asterisk or FreeSWITCH host: fail2ban's filters and jails, bans in the kernel's ipsets
#[derive(Clone, Debug, Parser)]
#[command(name = "sipjail", version, max_term_width = 100, disable_help_subcommand = true)]
#[command(
    after_help = "Without any configuration file the stock jails asterisk, freeswitch and recidive apply: each comes \
                        on when its log exists."
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
    Explain(explain::Args),
}

/// Does what was asked for and gives the exit code.
pub fn run(cli: &Cli) -> Result<u8, Error> {
    match &cli.face {
        Face::Run(args) => run::run(args, cli).map(|()| 0),
        Face::Daemon(command) => client(command, cli).map(|()| 0),
        Face::Regex(args) => try_regex(args, cli).map(|()| 0),
        Face::Replay(args) => replay::run(args, cli).map(|()| 0),
        Face::Check(args) => check_all(args, cli),
        Face::Explain(args) => explain::run(args, cli).map(|()| 0),
    }
}

fn try_regex(args: &regex::Args, cli: &Cli) -> Result<(), Error> {
    let bar = output::progress(0);
    let mut progress = |done, total| {
        bar.set_length(total);
        bar.set_position(done);
    };
    let report = regex::run(args, &cli.conf, clock::now(), &TimeZone::system(), &mut progress)?;
    bar.finish_and_clear();
    output::show(cli.format, &report, report.text().trim_end_matches('\n'))
}

fn check_all(args: &check::Args, cli: &Cli) -> Result<u8, Error> {
    if args.dump {
        let commands = check::dump(&crate::config::load(&cli.conf).written);
        let lines: Vec<String> = commands.iter().map(Word::to_string).collect();
        return output::show(cli.format, &commands, &lines.join("\n")).map(|()| 0);
    }
    let report = check::check(prepare::prepare(&cli.conf, &TimeZone::system()).config);
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
