//! sipjail guards an Asterisk or FreeSWITCH host: it follows the PBX's logs, runs fail2ban's filter language over them,
//! keeps jails, and puts bans into the kernel's ipsets.
//!
//! ```text
//!    bytes        Line          Failure        Decision         entry with a timeout
//! log ────> source ────> filter ───────> jail ─────────> firewall ────────────> kernel
//!           └── daemon/follow ──┘        └──────── engine ────────┘
//!                                           ^            └── store (bans, positions, counters)
//!              socket, signals ─── Command ─┘
//! ```
//!
//! The modules stand in the order in which a byte meets them, and imports point down:
//!
//! | floor | modules | may do |
//! | --- | --- | --- |
//! | 4 faces | [`cli`] | talk to a person |
//! | 3 daemon | [`daemon`] → [`compat`] → [`command`] → [`engine`] | `daemon`: threads, clock, signals, sockets; the others none of these |
//! | 2 stages | [`source`] [`filter`] [`jail`] [`firewall`] [`store`] | their own resource and no other stage |
//! | 1 settings | [`config`] | read configuration files |
//! | 0 leaves | [`mod@line`] [`ticket`] [`addr`] [`time`] [`zone`] [`expr`] [`text`] [`record`] [`script`] [`word`] [`error`] | nothing: plain values |

pub mod addr;
pub mod error;
pub mod expr;
pub mod line;
pub mod record;
pub mod script;
pub mod text;
pub mod ticket;
pub mod time;
pub mod word;
pub mod zone;

pub mod config;

pub mod filter;
pub mod firewall;
pub mod jail;
pub mod source;
pub mod store;

pub mod command;
pub mod compat;
pub mod daemon;
pub mod engine;

pub mod cli;
