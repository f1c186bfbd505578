//! fail2ban's protocol: what its tools say to its server, made of plain [`Word`](crate::word::Word)s.

pub mod stream;
