//! `sipjail run`: the daemon in the foreground.

use super::Cli;
use crate::daemon::{self, Options, Told};
use crate::error::Error;

/// Guard this host: the daemon in the foreground
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
pub struct Args {
    /// Decide and log, but ban nobody
    #[arg(long)]
    pub dry_run: bool,
}

/// Runs until somebody stops it.
pub fn run(args: &Args, cli: &Cli) -> Result<(), Error> {
    let told = Told { socket: cli.socket.clone(), ..Told::default() };
    daemon::run(&Options { conf: cli.conf.clone(), told, dry_run: args.dry_run, ..Options::default() })
}
