//! Runs what was asked for, shows what went wrong, and exits with its code.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

use sipjail::cli::{Cli, Program, fail2ban_client, fail2ban_regex};
use sipjail::text;

fn main() -> ExitCode {
    let words: Vec<_> = std::env::args_os().collect();
    let program = Program::called_as(words.first().map(|name| &**name));
    match program {
        Program::Fail2banRegex => ExitCode::from(fail2ban_regex::run(words)),
        Program::Fail2banClient | Program::Fail2banServer => ExitCode::from(fail2ban_client::run(words, program)),
        Program::Sipjail => sipjail(),
    }
}

fn sipjail() -> ExitCode {
    match sipjail::cli::run(&Cli::parse()) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            let mut stderr = std::io::stderr().lock();
            let _closed = writeln!(stderr, "sipjail: {}", text::printable(&error.message));
            if let Some(hint) = &error.hint {
                let _closed = writeln!(stderr, "  hint: {}", text::printable(hint));
            }
            ExitCode::from(error.exit_code())
        }
    }
}
