//! Measures the worker with real Postgres, real sockets and the real binary, and prints the figures.
//!
//! `cargo build --release -p postrider -p postrider-tests && cargo run --release -p postrider-tests --bin bench -- all`
#![expect(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

mod drain;
mod enqueue;
mod latency;
mod order;
mod process;
mod receiver;
mod stage;

use std::env;

const USAGE: &str = "usage: bench all | drain [EVENTS] | latency [SECONDS] | enqueue [SECONDS] | order";

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let number = |default| arguments.get(1).map_or(default, |text| text.parse().expect(USAGE));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        match arguments.first().map(String::as_str) {
            Some("receiver") => receiver::serve().await,
            Some("drain") => drain::measure(number(200_000)).await,
            Some("latency") => latency::measure(number(20)).await,
            Some("enqueue") => enqueue::measure(number(10)).await,
            Some("order") => order::measure().await,
            Some("all") => {
                drain::measure(200_000).await;
                latency::measure(20).await;
                enqueue::measure(10).await;
                order::measure().await;
            }
            _ => eprintln!("{USAGE}"),
        }
    });
}
