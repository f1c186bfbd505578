//! Asking a server and printing what it says, or why nobody said anything.

use std::io::{self, ErrorKind, IsTerminal, Write};
use std::path::Path;
use std::time::Duration;

use super::note::Notes;
use super::said;
use crate::compat::pickle::Plain;
use crate::daemon::caller;
use crate::text::printable;

/// Sends words and prints the answer. False: it is an error, or there is none.
pub fn ask(socket: &Path, words: &[String], notes: &mut Notes) -> bool {
    let texts: Vec<&str> = words.iter().map(String::as_str).collect();
    let limit = match texts[..] {
        ["ping", seconds, ..] => match seconds.trim().parse().map(Duration::try_from_secs_f64) {
            Ok(Ok(limit)) if !limit.is_zero() => Some(limit),
            Ok(_) => None,
            Err(_) => {
                notes.error(format!("could not convert string to float: {}", Plain::from(seconds)));
                return false;
            }
        },
        _ => None,
    };
    let request = texts.iter().map(|word| Plain::from(*word)).collect();
    send(socket, request, &texts, limit, notes)
}

/// The same with a request that is more than words.
pub fn send(socket: &Path, request: Vec<Plain>, words: &[&str], limit: Option<Duration>, notes: &mut Notes) -> bool {
    match caller::call(socket, &Plain::List(request), limit) {
        Ok(reply) => heard(words, &reply, notes),
        Err(error) => {
            notes.error(no_answer(socket, &error, words.first() == Some(&"ping")));
            false
        }
    }
}

/// Sends a request whose answer nobody needs. False: it is an error, or there is none.
pub fn tell(socket: &Path, request: Vec<Plain>, notes: &mut Notes) -> bool {
    match caller::call(socket, &Plain::List(request), None) {
        Ok(reply) => match value(&reply) {
            Ok(_) => true,
            Err(why) => {
                notes.error(why.note);
                false
            }
        },
        Err(error) => {
            notes.error(no_answer(socket, &error, false));
            false
        }
    }
}

/// Prints a reply.
pub fn heard(words: &[&str], reply: &Plain, notes: &mut Notes) -> bool {
    match value(reply) {
        Ok(value) => print(&said::text(words, value)),
        Err(why) => {
            notes.error(why.note);
            why.text.iter().for_each(|text| print(text));
            return false;
        }
    }
    true
}

/// Prints lines; on a terminal without what could command it.
pub fn print(text: &str) {
    let mut text = format!("{text}\n");
    if io::stdout().is_terminal() {
        let harmless = |piece: &str| {
            let (piece, end) = piece.split_at(piece.len() - usize::from(piece.ends_with(['\n', '\t'])));
            printable(piece).into_owned() + end
        };
        text = text.split_inclusive(['\n', '\t']).map(harmless).collect();
    }
    // Who closed the pipe wants no more.
    let _closed = io::stdout().lock().write_all(text.as_bytes());
}

struct Refused {
    note: String,
    text: Option<String>,
}

fn value(reply: &Plain) -> Result<&Plain, Refused> {
    match reply {
        Plain::Tuple(pair) => match &pair[..] {
            [Plain::Int(0), value] => Ok(value),
            [_, raised] if let Some(arguments) = raised.arguments() => {
                Err(Refused { note: format!("NOK: {arguments}"), text: Some(said::refusal(raised)) })
            }
            _ => Err(Refused { note: format!("the answer {reply} is not understood"), text: None }),
        },
        Plain::List(word) if word[..] == ["SHUTDOWN".into()] => {
            Err(Refused { note: "the server is ending".to_owned(), text: None })
        }
        other => Err(Refused { note: other.plain(), text: None }),
    }
}

fn no_answer(socket: &Path, error: &io::Error, ping: bool) -> String {
    let path = socket.display();
    let what = in_pythons_words(error);
    match error.kind() {
        _ if !socket.exists() => format!("Failed to access socket path: {path}. Is fail2ban running?"),
        ErrorKind::PermissionDenied => format!("Permission denied to socket: {path}, (you must be root)"),
        _ if ping => what,
        _ => format!("[{what}] Unable to contact server. Is it running?"),
    }
}

fn in_pythons_words(error: &io::Error) -> String {
    match (error.kind(), error.raw_os_error()) {
        (ErrorKind::WouldBlock | ErrorKind::TimedOut, _) => "timed out".to_owned(),
        (_, Some(number)) => {
            let text = error.to_string();
            format!("[Errno {number}] {}", text.split(" (os error").next().unwrap_or_default())
        }
        _ => error.to_string(),
    }
}
