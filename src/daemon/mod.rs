//! The running daemon: threads, clock, signals, sockets, and the workers that do what is slow.
//!
//! ```text
//! follow ──failures, positions──┐
//! signals ──────────────────────┤ inbox ──> guard (engine, log) ──> workers (store, look-ups), actors (programs)
//! socket ──commands, replies────┘
//! ```
//!
//! A few failures the follower hands to the engine itself, see `desk`.

mod actors;
pub mod ahead;
pub mod background;
pub mod caller;
pub mod clock;
mod desk;
pub mod follow;
pub mod guard;
pub mod host;
pub mod inbox;
pub mod log;
mod lookout;
pub mod options;
pub mod pidfile;
pub mod pipe;
pub mod prepare;
pub mod signals;
pub mod socket;
pub mod sole;
pub mod workers;

pub use guard::run;
pub use options::{Guise, Options, Told};
