//! cli

pub mod check;
pub mod regex;
