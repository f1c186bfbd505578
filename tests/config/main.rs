//! The configuration against the original: the commands that `fail2ban-client -d` makes of a tree, value for value and in
//! order, and what fail2ban does where something is wrong. Each test says so and passes where fail2ban is not installed.

#[macro_use]
#[path = "../common/counted.rs"]
mod counted;
mod judge;
mod ours;
mod stream;
mod trees;
mod world;
mod wrong;
