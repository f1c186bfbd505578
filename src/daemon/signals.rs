//! Signals become messages.

use std::io;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};
use signal_hook::iterator::Signals;

use super::inbox::{Inbox, Message, Signal};

/// Catches SIGTERM, SIGINT, SIGHUP and SIGUSR1 from now on.
pub fn catch(inbox: Inbox) -> io::Result<()> {
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP, SIGUSR1])?;
    let forward = move || {
        for signal in signals.forever() {
            let meaning = if matches!(signal, SIGTERM | SIGINT) { Signal::End } else { Signal::ReopenLog };
            if inbox.send(Message::Signal(meaning)).is_err() {
                return;
            }
        }
    };
    std::thread::Builder::new().name("signals".into()).spawn(forward).map(drop)
}
