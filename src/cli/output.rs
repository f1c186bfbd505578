//! Data on stdout, as text, JSON or YAML; and the progress of a long scan on a terminal's stderr.

use std::io::{self, IsTerminal, Write};

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use crate::error::{Error, Kind};

/// How data is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people
    #[default]
    Text,
    /// One JSON document
    Json,
    /// One YAML document
    Yaml,
}

/// Writes `data` in the given format; `text` is its form for people. A reader that closes the pipe early is no error.
pub fn show(format: Format, data: &impl Serialize, text: &str) -> Result<(), Error> {
    let unwritable = |e: String| Error::new(Kind::Io, format!("cannot write the result: {e}"));
    let out = match format {
        Format::Text => format!("{text}\n"),
        Format::Json => serde_json::to_string_pretty(data).map_err(|e| unwritable(e.to_string()))? + "\n",
        Format::Yaml => serde_yaml::to_string(data).map_err(|e| unwritable(e.to_string()))?,
    };
    match io::stdout().lock().write_all(out.as_bytes()) {
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => Err(unwritable(e.to_string())),
        _ => Ok(()),
    }
}

/// Who looks at stdout.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Screen {
    /// A terminal, so whatever a sender wrote is made harmless; else a file or a program, which gets it as it is.
    pub terminal: bool,
    /// Colours may be used.
    pub colour: bool,
}

impl Screen {
    /// What stdout is.
    pub fn of_stdout() -> Screen {
        Screen { terminal: io::stdout().is_terminal(), colour: colour() }
    }
}

/// Whether colours may be used on stdout: a terminal, and `NO_COLOR` is not set.
pub fn colour() -> bool {
    io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// A bar over `bytes` bytes on stderr, which shows itself only on a terminal.
pub fn progress(bytes: u64) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}");
    ProgressBar::new(bytes).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
