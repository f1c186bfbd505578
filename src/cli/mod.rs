//! cli

pub mod regex;
mod report;
