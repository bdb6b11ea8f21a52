//! Fault and load harness: real workers on a real Postgres, faults by a seeded plan, and a checker that reconciles what
//! was committed with what arrived. See `docs/fault-harness.md`.
//!
//! `cargo build --release -p postrider -p postrider-tests && cargo run --release -p postrider-tests --bin faults -- short`
#![expect(clippy::unwrap_used, reason = "a test harness fails by panicking")]

mod check;
mod generator;
mod key;
mod latency;
mod ledger;
mod memory;
mod name_server;
mod namespace;
mod options;
mod outcome;
mod payload;
mod play;
mod proxy;
mod random;
mod rate;
mod receiver;
mod report;
mod scenario;
mod stage;
mod targets;
mod webhooks;
mod worker;

use std::process::ExitCode;

use clap::Parser as _;
use options::Options;

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(play::play(Options::parse()))
}
