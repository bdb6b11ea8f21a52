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

use clap::Parser;

const EVENTS: u64 = 200_000;
const LATENCY_SECONDS: u64 = 20;
const ENQUEUE_SECONDS: u64 = 10;

/// Measures the worker with real Postgres, real sockets and the real binary.
#[derive(Debug, Parser)]
#[command(name = "bench")]
enum Measure {
    /// All that follows, with the default sizes
    All,
    /// How fast a backlog drains, what it costs in WAL, processor time and memory
    Drain {
        #[arg(default_value_t = EVENTS)]
        events: u64,
    },
    /// From the answer to the commit until the request arrives, at 50 events a second
    Latency {
        #[arg(default_value_t = LATENCY_SECONDS)]
        seconds: u64,
    },
    /// How fast events are written, against a plain insert of the same row
    Enqueue {
        #[arg(default_value_t = ENQUEUE_SECONDS)]
        seconds: u64,
    },
    /// How fast deliveries go that must keep the order of their key
    Order,
    /// The receiver of the others, a process of its own
    #[command(hide = true)]
    Receiver,
}

fn main() {
    let measure = Measure::parse();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        match measure {
            Measure::All => {
                drain::measure(EVENTS).await;
                latency::measure(LATENCY_SECONDS).await;
                enqueue::measure(ENQUEUE_SECONDS).await;
                order::measure().await;
            }
            Measure::Drain { events } => drain::measure(events).await,
            Measure::Latency { seconds } => latency::measure(seconds).await,
            Measure::Enqueue { seconds } => enqueue::measure(seconds).await,
            Measure::Order => order::measure().await,
            Measure::Receiver => receiver::serve().await,
        }
    });
}
