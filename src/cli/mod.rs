//! cli

pub mod check;
pub mod regex;
mod report;
