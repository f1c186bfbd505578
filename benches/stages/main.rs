//! Each stage by itself, in its own units: what a batch, a line, a failure, a ban costs. One program for all of them, since to
//! link one with the optimisation that a release has takes as long as to build the library.

mod bounded;
#[path = "../corpus/mod.rs"]
mod corpus;
mod engine;
mod filter;
mod firewall;
mod pipe;
mod source;
mod store;

criterion::criterion_main!(
    source::benches,
    filter::benches,
    bounded::benches,
    engine::benches,
    firewall::benches,
    store::benches,
    pipe::benches
);
