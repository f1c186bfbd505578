//! The face of `fail2ban-regex`: its options, its defaults, its words for what goes wrong, its exit codes.
//!
//! What it does is [`super::regex`]. Help is in our words; everything that a script may read is in fail2ban's.

use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory, Parser};

use super::output::{self, Format, Screen};
use super::regex::{Args, Refused, summary};
use crate::config::daemon;
use crate::error::{Error, Kind};
use crate::text::printable;

/// Try a filter or a failregex on a log or on one line
#[derive(Debug, Parser)]
#[command(name = "fail2ban-regex", bin_name = "fail2ban-regex", max_term_width = 100)]
#[command(version = concat!("1.0.2 (sipjail ", env!("CARGO_PKG_VERSION"), ")"))]
#[command(args_override_self = true, infer_long_args = true, disable_version_flag = true)]
pub struct Face {
    /// Directory of the configuration
    #[arg(short, long, value_name = "DIR", default_value = "/etc/fail2ban")]
    config: PathBuf,
    /// Print the version
    #[arg(long)]
    version: bool,
    /// Print only the number of the version of fail2ban that this behaves like
    #[arg(short = 'V')]
    short_version: bool,
    #[command(flatten)]
    args: Args,
}

/// Does what the words ask for, the program's name first, and gives the exit code.
pub fn run(words: Vec<OsString>) -> u8 {
    // A version is told whatever else is missing.
    for word in words.iter().skip(1).take_while(|word| *word != "--") {
        match word.to_str() {
            Some("-V") => return tell(VERSION),
            Some("--version") => return tell(Face::command().render_version().trim_end()),
            _ => {}
        }
    }
    match Face::try_parse_from(words) {
        Ok(face) => examine(face),
        Err(error) => mistyped(&error),
    }
}

fn tell(version: &str) -> u8 {
    let _closed = writeln!(std::io::stdout().lock(), "{version}");
    0
}

fn examine(mut face: Face) -> u8 {
    if face.short_version || face.version {
        return tell(VERSION);
    }
    if let Some((one, other)) = face.args.contradiction() {
        return helped(&format!("{one} and {other} are mutually exclusive."));
    }
    // Words that fail2ban takes for `no` without a word.
    if face.args.usedns.as_deref().is_some_and(|how| !["", "yes", "no", "warn", "raw"].contains(&how)) {
        face.args.usedns = Some("no".to_owned());
    }
    let out = face.args.form().is_some();
    if let Some(level) = face.args.log_level.as_deref().filter(|level| daemon::level(level).is_none()) {
        let error = Error::new(Kind::Usage, format!("there is no log level `{level}`"));
        return refused(&Refused::traced(error), out);
    }
    match super::examine(&face.args, &face.config) {
        Ok(Some(report)) => {
            let text = report.text(Screen::of_stdout());
            match output::show(Format::Text, &(), text.strip_suffix('\n').unwrap_or(&text)) {
                Ok(()) => 0,
                Err(error) => refused(&Refused::traced(error), true),
            }
        }
        Ok(None) => 0,
        Err(error) => refused(&error, out),
    }
}

/// Says what had been said until then, and the error as fail2ban-regex does: on stdout; what it has no word for, and
/// shows a traceback instead, on stderr.
fn refused(refused: &Refused, out: bool) -> u8 {
    let screen = Screen::of_stdout();
    let mut stdout = std::io::stdout().lock();
    if !out {
        let _closed = write!(stdout, "{}", summary::front(&refused.header, screen));
    }
    let message = in_its_words(&refused.reason);
    let message = if screen.terminal { printable(&message).into_owned() } else { message };
    let hint = refused.error.hint.as_deref().map(|hint| format!("  hint: {hint}"));
    if refused.error.kind == Kind::Host {
        let _closed = writeln!(stdout, "Error: systemd library not found. Exiting...");
        eprintln!("{}", printable(&refused.error.message));
        return REFUSED;
    }
    if refused.traced {
        eprintln!("ERROR: {}", printable(&refused.error.message));
    } else {
        let _closed = writeln!(stdout, "ERROR: {message}");
    }
    if let Some(hint) = hint {
        eprintln!("{}", printable(&hint));
    }
    if refused.traced { TRACED } else { REFUSED }
}

/// fail2ban's sentence for an error of ours: a capital at the beginning, other quotes.
fn in_its_words(message: &str) -> String {
    if message == "`maxlines` has to be 1 or more" {
        return "maxlines must be integer greater than zero".to_owned();
    }
    let message = message.replace("cannot add an empty regex", "cannot add empty regex");
    let (head, reason) = match message.split_once("`: ") {
        Some((head, reason)) if head.starts_with("unable to compile") => (format!("{head}`"), format!(":\n{reason}")),
        _ => (message, String::new()),
    };
    // What stands between the quotes may hold some of its own.
    let mut bytes = head.into_bytes();
    for at in [bytes.iter().position(|b| *b == b'`'), bytes.iter().rposition(|b| *b == b'`')].into_iter().flatten() {
        bytes[at] = b'\'';
    }
    if let Some(first) = bytes.first_mut() {
        first.make_ascii_uppercase();
    }
    String::from_utf8_lossy(&bytes).into_owned() + &reason
}

/// What was typed cannot be read: 2 for an option, 255 where LOG or FILTER is missing or something is left over.
fn mistyped(error: &clap::Error) -> u8 {
    let left_over = |word: Option<&ContextValue>| match word {
        Some(ContextValue::String(word)) => !word.starts_with('-'),
        _ => false,
    };
    match error.kind() {
        ErrorKind::DisplayHelp => {
            let _closed = error.print();
            0
        }
        ErrorKind::MissingRequiredArgument => helped("provide both <LOG> and <REGEX>."),
        ErrorKind::UnknownArgument if left_over(error.get(ContextKind::InvalidArg)) => {
            helped("provide both <LOG> and <REGEX>.")
        }
        _ => {
            let _closed = error.print();
            2
        }
    }
}

/// Shows the help, and the reason on stderr.
fn helped(why: &str) -> u8 {
    let _closed = Face::command().print_long_help();
    eprintln!("\nERROR: {why}");
    REFUSED
}

/// The version of fail2ban that scripts are told.
const VERSION: &str = "1.0.2";
/// What fail2ban-regex exits with where it says an error.
const REFUSED: u8 = 255;
/// What Python exits with behind a traceback.
const TRACED: u8 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Face::command().debug_assert();
    }

    #[test]
    fn errors_are_in_fail2bans_words() {
        assert_eq!(in_its_words("no failure-id group in `x`"), "No failure-id group in 'x'");
        assert_eq!(
            in_its_words("unable to compile regular expression `(`: open"),
            "Unable to compile regular expression '(':\nopen"
        );
        assert_eq!(in_its_words("cannot add an empty regex"), "Cannot add empty regex");
        assert_eq!(in_its_words("no failure-id group in `a`b`"), "No failure-id group in 'a`b'");
    }
}
