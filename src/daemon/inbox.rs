//! The one way into the engine: a bounded channel. Whoever is faster than the engine waits.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use crate::command::Told;
use crate::compat::pickle::Plain;
use crate::engine::Answer;
use crate::line::Position;
use crate::record::Record;
use crate::ticket::Failure;

/// What reaches the engine's loop.
pub enum Message {
    /// A few failures, in the order of their lines. More may come, and at last the position behind them.
    Failures(Vec<(Arc<str>, Failure)>),
    /// All failures before these positions have been sent.
    Positions(Vec<(Arc<str>, Position)>),
    /// A jail reads these logs from now on.
    Files {
        /// Which jail.
        jail: Arc<str>,
        /// All its logs.
        files: Vec<PathBuf>,
    },
    /// A jail's filter gave lines up, because they would have cost unbounded time.
    GaveUp {
        /// Which jail.
        jail: Arc<str>,
        /// How many since the last message.
        more: u64,
    },
    /// The engine was told something directly, and what it wants done waits at its desk.
    Look,
    /// Somebody has something to say in the log.
    Log(Record),
    /// A worker found something out.
    Answer {
        /// The number of the question.
        token: u64,
        /// The answer.
        answer: Answer,
    },
    /// A client asks; the reply goes back through the channel.
    Client {
        /// The command's words.
        words: Vec<String>,
        /// Takes the reply.
        reply: SyncSender<Told>,
    },
    /// A client that speaks fail2ban's protocol asks.
    Foreign {
        /// The request.
        request: Plain,
        /// Takes the reply.
        reply: SyncSender<Plain>,
    },
    /// A signal arrived.
    Signal(Signal),
}

/// A signal that means something to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGTERM, SIGINT: end, bans stay.
    End,
    /// SIGHUP, SIGUSR1: open the log file again.
    ReopenLog,
}

/// Senders of messages; the receiver is the engine's loop.
pub type Inbox = SyncSender<Message>;

/// Messages that may wait; the logs themselves are the longer queue.
pub const CAPACITY: usize = 64;
