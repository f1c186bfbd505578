//! The stock jails over one line of every form that a PBX is known to write, in every order of prefixes, and over logs
//! and lines that were made to mislead: who is counted, in which jail, and who never is.

#![expect(clippy::unwrap_used, reason = "a test may fail so")]

#[macro_use]
#[path = "../common/counted.rs"]
mod counted;
mod asterisk;
mod forms;
mod freeswitch;
mod freeswitch_hostile;
mod hostile;
mod page;
mod prefixes;
#[expect(dead_code, reason = "not all of it is needed here")]
#[path = "../../benches/corpus/random.rs"]
mod random;
mod samples;
mod table;
