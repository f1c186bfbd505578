//! cli

pub mod check;
