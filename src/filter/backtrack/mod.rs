//! Python's regular expressions, run as Python runs them: by backtracking, leftmost, first alternative first.
//!
//! An expression is read (`parser`) into a tree (`syntax`), that becomes a [`Program`] of instructions, and a [`Machine`]
//! runs it over a text. For dates, and for whatever the linear engine cannot do: look-around, back-references,
//! conditionals, atomic groups. Every instruction is a step, and a machine does not take more of them than it was given:
//! what that would need is [`TooCostly`].

mod asked;
pub mod charset;
mod machine;
mod parser;
mod program;
mod syntax;

pub use machine::{Machine, TooCostly, Window};
pub use parser::{Options, global_flags};
pub use program::{Bytes, Program};
