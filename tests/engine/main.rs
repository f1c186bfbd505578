//! The engine as a whole, on a kernel and a database that are played by tables: what belongs here crosses more than one
//! of counters, bans, firewall and what is kept.

mod accounts;
mod acting;
mod by_hand;
mod counting;
mod firewall;
mod growing;
mod model;
mod networks;
mod protecting;
mod questions;
mod reload;
mod restart;
mod taking;
mod trust;
mod world;
