//! `-i`: commands from a prompt, each line one.

use std::io::{self, Write};

use super::asking::print;
use super::{Client, usage};
use crate::config::journal;

/// Runs lines until one says so. False: they ended before.
pub fn run(client: &mut Client) -> bool {
    print(&format!("{}\n`help` shows the commands, `exit` ends.\n", usage::WHAT));
    let mut line = String::new();
    loop {
        prompt();
        line.clear();
        if !io::stdin().read_line(&mut line).is_ok_and(|read| read > 0) {
            print("");
            client.notes.error("EOF when reading a line");
            return false;
        }
        let Ok(words) = journal::words(&line) else {
            client.notes.error("No closing quotation");
            continue;
        };
        match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            [] => {}
            ["exit" | "quit"] => return true,
            ["help"] => print(&usage::client()),
            _ => drop(client.run(&words)),
        }
    }
}

fn prompt() {
    let mut stdout = io::stdout().lock();
    let _closed = stdout.write_all(b"fail2ban> ").and_then(|()| stdout.flush());
}
