//! The face of `fail2ban-client`: its options, its commands, what it prints of the answers, its exit codes.
//!
//! It speaks fail2ban's protocol, so it asks our daemon as well as fail2ban's own server. What a script may read is in
//! fail2ban's words; the usage and the greeting of the console are in ours.

pub mod asking;
pub mod pretty;
pub mod said;
pub mod usage;

mod console;
mod note;
mod reading;
mod serving;
mod settings;
mod stats;
mod typed;

use std::ffi::OsString;
use std::time::Duration;

use asking::print;
use note::Notes;
use reading::{Reading, Stream, Unread};
use settings::Settings;
use typed::{Dump, Outcome, Typed};

use super::Program;
use crate::compat::pickle::Plain;
use crate::daemon::caller;
use crate::record::Level;
use crate::word::Word;

/// Does what the words ask for, the program's name first, and gives the exit code.
pub fn run(words: Vec<OsString>, program: Program) -> u8 {
    if done(words, program) { 0 } else { FAILED }
}

/// What both programs exit with when something did not work.
const FAILED: u8 = 255;

fn done(words: Vec<OsString>, program: Program) -> bool {
    let texts: Vec<String> = words.iter().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
    let usage = if program == Program::Fail2banServer { usage::server } else { usage::client };
    let typed = match typed::read(&texts) {
        Outcome::Do(typed) => *typed,
        Outcome::Help => {
            print(&usage());
            return true;
        }
        Outcome::Say(text) => {
            print(&text);
            return true;
        }
        Outcome::Mistyped => {
            print(&usage());
            return nothing_set_up(program);
        }
        Outcome::Refused(why) => {
            print(&format!("ERROR: {why}"));
            return nothing_set_up(program);
        }
    };
    let mut notes = Notes::new(typed.verbose);
    let settings = match Settings::read(&typed, &mut notes) {
        Ok(settings) => settings,
        Err(why) => {
            print(&format!("ERROR: {why}"));
            if program == Program::Fail2banClient {
                notes.error(NO_INIT);
            }
            return false;
        }
    };
    notes.of(Level::Info, "", format!("Using socket file {}", settings.socket));
    let Settings { pidfile, loglevel, logtarget, .. } = &settings;
    notes.of(Level::Info, "", format!("Using pid file {pidfile}, [{loglevel}] logging to {logtarget}"));
    let mut client = Client { words, program, typed, settings, notes };
    if program == Program::Fail2banServer && client.typed.bare {
        return client.serve_bare();
    }
    client.act(&usage())
}

/// Says that there is not even a log to say it in; the server says nothing.
fn nothing_set_up(program: Program) -> bool {
    if program == Program::Fail2banClient {
        eprintln!("{NO_INIT}");
    }
    false
}

const NO_INIT: &str = "Init of command line failed";

/// What is at hand while commands are carried out.
struct Client {
    /// All that was typed, the program's name first.
    words: Vec<OsString>,
    program: Program,
    typed: Typed,
    settings: Settings,
    notes: Notes,
}

impl Client {
    /// What the options want, then the command.
    fn act(&mut self, usage: &str) -> bool {
        if self.typed.dump.is_some() || self.typed.test {
            let lenient = self.typed.dump.is_some();
            let stream = self.read(Reading { lenient, strict: self.typed.test, ..Reading::default() });
            if let Some(form) = self.typed.dump {
                let Some(stream) = &stream else {
                    print("ERROR: The configuration stream failed because of the invalid syntax.");
                    self.notes.error(NO_INIT);
                    return false;
                };
                let line = |word: &Word| if form == Dump::Pretty { pretty::pretty(word) } else { word.to_string() };
                print(&stream.commands.iter().map(line).collect::<Vec<_>>().join("\n"));
            }
            if self.typed.test && !stream.is_some_and(|stream| stream.whole) {
                self.notes.error("ERROR: test configuration failed");
                return false;
            }
            if self.typed.dump.is_some() || self.typed.command.is_empty() && !self.typed.interactive {
                if self.typed.test {
                    print("OK: configuration test is successful");
                }
                return true;
            }
        }
        let start = self.program == Program::Fail2banServer && !self.typed.interactive;
        let mut command = self.typed.command.clone();
        if command.is_empty() && start {
            command.push("start".to_owned());
        }
        if command.is_empty() && !self.typed.interactive {
            print(usage);
            return false;
        }
        (command.is_empty() || self.run(&command)) && (!self.typed.interactive || console::run(self))
    }

    /// Carries one command out.
    fn run(&mut self, command: &[String]) -> bool {
        match command.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["start"] => {
                let started = self.start();
                if !started && self.program == Program::Fail2banServer {
                    self.notes.error("Async configuration of server failed");
                }
                started
            }
            ["restart"] => self.restart(),
            ["restart", ref rest @ ..] => self.reload(&[&["--restart"], rest].concat()),
            ["reload", ref rest @ ..] => self.reload(rest),
            _ => asking::ask(self.settings.socket.as_ref(), command, &mut self.notes),
        }
    }

    fn reload(&mut self, words: &[&str]) -> bool {
        let options = words.iter().take_while(|word| ["--restart", "--unban", "--if-exists"].contains(word)).count();
        let (options, rest) = words.split_at(options);
        let jail = match rest {
            [] => "--all",
            [jail] => *jail,
            _ => {
                let words = Word::List(rest.iter().map(|word| Word::text(*word)).collect());
                self.notes.error(format!("Unexpected argument(s) for reload: {words}"));
                return false;
            }
        };
        let ping = Plain::List(vec!["ping".into()]);
        if caller::call(self.settings.socket.as_ref(), &ping, None).is_err() {
            self.notes.error("Could not find server");
            return false;
        }
        let Some(stream) = self.read(Reading { jail: (jail != "--all").then_some(jail), ..Reading::default() }) else {
            return false;
        };
        if self.typed.interactive {
            print("  ## reload ... ");
        }
        let options = options.iter().map(|word| Plain::from(*word)).collect();
        let stream = stream.commands.into_iter().map(Plain::from).collect();
        let request = vec!["reload".into(), jail.into(), Plain::List(options), Plain::List(stream)];
        asking::send(self.settings.socket.as_ref(), request, &["reload"], None, &mut self.notes)
    }

    fn restart(&mut self) -> bool {
        let stopped = asking::ask(self.settings.socket.as_ref(), &["stop".to_owned()], &mut self.notes);
        if stopped {
            let socket = self.settings.socket.as_ref();
            let gone = || (!caller::answers(socket) && !socket.exists()).then_some(());
            let _still_there = caller::wait_for(LAST_BREATH, gone);
        }
        self.start()
    }

    /// The configuration as commands; what is wrong with it is said.
    fn read(&mut self, reading: Reading<'_>) -> Option<Stream> {
        match reading.read(&self.typed.conf, &mut self.notes) {
            Ok(stream) => Some(stream),
            Err(Unread::Because(why)) => {
                self.notes.error(format!("Failed during configuration: {why}"));
                None
            }
            Err(Unread::BadJail) => None,
        }
    }
}

/// How long a server that was stopped may take to be gone.
const LAST_BREATH: Duration = Duration::from_secs(30);
