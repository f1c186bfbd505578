//! What was typed: options as `getopt` reads them, up to the first word that is none; from there on the command.

use std::path::PathBuf;
use std::time::Duration;

use crate::time;

/// What was typed.
#[derive(Clone, Debug)]
pub struct Typed {
    /// `-c`
    pub conf: PathBuf,
    /// `-s`
    pub socket: Option<String>,
    /// `-p`
    pub pidfile: Option<String>,
    /// `--pname`
    pub pname: String,
    /// `--loglevel`
    pub loglevel: Option<String>,
    /// `--logtarget`
    pub logtarget: Option<String>,
    /// `--syslogsocket`
    pub syslogsocket: Option<String>,
    /// `-d`, `--dp`
    pub dump: Option<Dump>,
    /// `-t`
    pub test: bool,
    /// `-i`
    pub interactive: bool,
    /// One up for each `-v`, one down for each `-q`.
    pub verbose: i32,
    /// `-x`
    pub force: bool,
    /// `-f`, unless `-b` stands behind it.
    pub foreground: bool,
    /// `--async`
    pub bare: bool,
    /// `--timeout`
    pub timeout: Duration,
    /// The command and its words.
    pub command: Vec<String>,
}

/// How the command stream is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dump {
    /// A command a line.
    Plain,
    /// Long ones on several lines.
    Pretty,
}

/// What comes of what was typed.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// Something is to be done.
    Do(Box<Typed>),
    /// The usage is wanted.
    Help,
    /// This is the answer.
    Say(String),
    /// An option cannot be meant: the usage says what can.
    Mistyped,
    /// A value cannot be used, and why.
    Refused(String),
}

/// Reads words, the program's name not among them.
pub fn read(words: &[String]) -> Outcome {
    let (options, command) = match split(words) {
        Some(split) => split,
        None => return Outcome::Mistyped,
    };
    let mut typed = Typed { command, ..Typed::default() };
    for (name, value) in options {
        match name {
            "c" | "conf" => typed.conf = value.into(),
            "s" | "socket" => typed.socket = Some(value),
            "p" | "pidfile" => typed.pidfile = Some(value),
            "pname" => typed.pname = value,
            "loglevel" => typed.loglevel = Some(value),
            "logtarget" => typed.logtarget = Some(value),
            "syslogsocket" => typed.syslogsocket = Some(value),
            "d" => typed.dump = Some(Dump::Plain),
            "dp" | "dump-pretty" => typed.dump = Some(Dump::Pretty),
            "t" | "test" => typed.test = true,
            "i" => typed.interactive = true,
            "v" => typed.verbose += 1,
            "q" => typed.verbose -= 1,
            "x" => typed.force = true,
            "f" => typed.foreground = true,
            "b" => typed.foreground = false,
            "async" => typed.bare = true,
            "timeout" => match time::seconds(&value) {
                Ok(seconds) => typed.timeout = Duration::try_from_secs_f64(seconds).unwrap_or_default(),
                Err(_) => return Outcome::Refused(not_a_time(&value)),
            },
            "str2sec" => {
                return match time::seconds(&value) {
                    Ok(seconds) => Outcome::Say(python_number(&value, seconds)),
                    Err(_) => Outcome::Refused(not_a_time(&value)),
                };
            }
            "h" | "help" => return Outcome::Help,
            "V" => return Outcome::Say(VERSION.to_owned()),
            _ => return Outcome::Say(format!("Fail2Ban v{VERSION}")),
        }
    }
    Outcome::Do(Box::new(typed))
}

impl Default for Typed {
    fn default() -> Typed {
        Typed {
            conf: "/etc/fail2ban".into(),
            socket: None,
            pidfile: None,
            pname: "fail2ban-server".to_owned(),
            loglevel: None,
            logtarget: None,
            syslogsocket: None,
            dump: None,
            test: false,
            interactive: false,
            verbose: 0,
            force: false,
            foreground: false,
            bare: false,
            timeout: Duration::from_secs(30),
            command: Vec::new(),
        }
    }
}

/// The version of fail2ban that this behaves like.
pub const VERSION: &str = "1.0.2";

/// Short options, those with a value with a colon.
const SHORT: [&str; 14] = ["c:", "s:", "p:", "x", "f", "b", "d", "t", "i", "v", "q", "h", "V", ""];

/// Long options, those with a value with an equals sign; one may be shortened as long as it is no other.
const LONG: [&str; 15] = [
    "loglevel=",
    "logtarget=",
    "syslogsocket=",
    "test",
    "async",
    "conf=",
    "pidfile=",
    "pname=",
    "socket=",
    "timeout=",
    "str2sec=",
    "help",
    "version",
    "dp",
    "dump-pretty",
];

type Options = Vec<(&'static str, String)>;

/// Options with their values, and what stands behind them; `None`: one is unknown, or lacks its value.
fn split(words: &[String]) -> Option<(Options, Vec<String>)> {
    let (mut options, mut at) = (Vec::new(), 0);
    while let Some(word) = words.get(at) {
        if !word.starts_with('-') || word == "-" {
            break;
        }
        at += 1;
        if word == "--" {
            break;
        }
        if let Some(long) = word.strip_prefix("--") {
            let (name, value) = long.split_once('=').map_or((long, None), |(name, value)| (name, Some(value)));
            let option = meant(name)?;
            match (option.strip_suffix('='), value) {
                (Some(option), Some(value)) => options.push((option, value.to_owned())),
                (Some(option), None) => {
                    options.push((option, words.get(at)?.clone()));
                    at += 1;
                }
                (None, None) => options.push((option, String::new())),
                (None, Some(_)) => return None,
            }
            continue;
        }
        let mut letters = word[1..].chars();
        while let Some(letter) = letters.next() {
            let option = SHORT.into_iter().find(|option| option.starts_with(letter))?;
            let Some(option) = option.strip_suffix(':') else {
                options.push((option, String::new()));
                continue;
            };
            let rest = letters.as_str();
            if rest.is_empty() {
                options.push((option, words.get(at)?.clone()));
                at += 1;
            } else {
                options.push((option, rest.to_owned()));
            }
            break;
        }
    }
    Some((options, words[at..].to_vec()))
}

fn meant(name: &str) -> Option<&'static str> {
    let mut possible = LONG.into_iter().filter(|option| option.starts_with(name));
    let exact = LONG.into_iter().find(|option| option.trim_end_matches('=') == name);
    exact.or_else(|| possible.next().filter(|_| possible.next().is_none()))
}

/// A number of seconds as Python prints it: a fraction where one may have come about.
fn python_number(text: &str, seconds: f64) -> String {
    let units = text.split(|c: char| !c.is_ascii_alphabetic()).map(str::to_lowercase);
    let long = units.into_iter().any(|unit| unit.starts_with("mo") || unit.starts_with('y'));
    if long || text.contains('.') || text.replace("//", "").contains('/') {
        format!("{seconds:?}")
    } else {
        format!("{seconds:.0}")
    }
}

/// Python's words for a name where a time should stand, ours for everything else.
fn not_a_time(text: &str) -> String {
    let word = |c: char| c.is_alphanumeric() || c == '_';
    let names = text.split(|c| !word(c));
    let name = names.into_iter().find(|name| name.starts_with(|c: char| c.is_alphabetic() || c == '_'));
    match name {
        Some(name) => format!("name '{name}' is not defined"),
        None => format!("`{text}` is not a length of time"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(words: &str) -> Outcome {
        read(&words.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn options_end_where_the_command_begins() {
        let Outcome::Do(typed) = typed("-c /a -vvs/b --log=x --logl INFO -f -- -x start -t") else {
            let Outcome::Do(typed) = typed("-c /a -vvs/b --logt=x --logl INFO -f -- -x start -t") else { panic!() };
            assert_eq!((typed.conf.to_str(), typed.socket.as_deref(), typed.verbose), (Some("/a"), Some("/b"), 2));
            assert_eq!((typed.logtarget.as_deref(), typed.loglevel.as_deref()), (Some("x"), Some("INFO")));
            assert_eq!((typed.foreground, typed.force, typed.test), (true, false, false));
            assert_eq!(typed.command, ["-x", "start", "-t"]);
            return;
        };
        panic!("`--log` means two options: {typed:?}");
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for words in ["--bogus", "-Z", "-c", "--t ping", "--help=1", "--socket"] {
            assert!(matches!(typed(words), Outcome::Mistyped), "{words}");
        }
        let Outcome::Refused(why) = typed("--timeout x ping") else { panic!() };
        assert_eq!(why, "name 'x' is not defined");
    }

    #[test]
    fn seconds_look_like_pythons_numbers() {
        for (text, expected) in
            [("1d12h", "129600"), ("1mo", "2629800.0"), ("6/2", "3.0"), ("10.5", "10.5"), ("10M", "600"), ("-1", "-1")]
        {
            let Outcome::Say(said) = typed(&format!("--str2sec={text}")) else { panic!("{text}") };
            assert_eq!(said, expected, "{text}");
        }
    }
}
