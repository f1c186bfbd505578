//! The faces of `fail2ban-client` and `fail2ban-server` against the stock programs: the same words, on the same tree, to the
//! same server; what is printed, and how it ends.
//!
//! Skipped, and said so, where fail2ban is not installed, and where a server of our own would need a root's namespace.

#![allow(clippy::disallowed_methods, reason = "a test runs programs, starts threads and reads the clock")]

#[macro_use]
#[path = "../common/counted.rs"]
mod counted;
#[path = "../common/mod.rs"]
mod common;

mod asked;
mod background;
mod foreground;
mod install;
mod offline;
mod printed;
mod program;
