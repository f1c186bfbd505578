//! daemon

pub mod follow;
pub mod pipe;
