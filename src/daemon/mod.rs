//! The running daemon: threads, clock, signals, sockets, and the workers that do what is slow.
//!
//! ```text
//! follow ──failures, positions──┐
//! signals ──────────────────────┤ inbox ──> guard (engine, log) ──> workers (store, look-ups)
//! socket ──commands, replies────┘
//! ```

pub mod ahead;
pub mod clock;
pub mod follow;
pub mod guard;
pub mod host;
pub mod inbox;
pub mod log;
pub mod pipe;
pub mod prepare;
pub mod signals;
pub mod socket;
mod sole;
pub mod workers;

pub use guard::{Options, run};
