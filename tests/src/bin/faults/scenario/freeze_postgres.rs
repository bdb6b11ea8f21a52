//! Postgres frozen, as when its machine stands still, then going on: everybody's last sign of life looks old, and still
//! nobody is given up.

use std::time::Duration;

use nix::sys::signal::Signal;
use tokio::time::sleep;

use super::finish;
use crate::options::Options;
use crate::outcome::Outcome;
use crate::stage::{Stage, ordinary, ordinary_load};
use crate::worker::{self, CONCURRENCY, How};

/// The worker's defaults: how long it waits after a standstill before it judges others depends on them.
const SETTINGS: [(&str, &str); 2] = [
    ("worker_lease_time_ms", "15000"),
    ("worker_heartbeat_interval_ms", "3000"),
];

pub(super) async fn play(options: &Options) -> Outcome {
    let mut outcome = Outcome::default();
    let mut stage = Stage::set(options, "freeze_postgres", &ordinary()).await;
    stage.allowed.long_transactions = true;
    let how = || How {
        settings: &SETTINGS,
        ..How::default()
    };
    let workers = vec![
        worker::start_with(&stage, how()).await,
        worker::start_with(&stage, how()).await,
    ];
    let generator = stage.produce(&ordinary_load(options.events, 300));
    // Longer than the lease, and longer than a statement may take.
    let seconds = options.pick(options.seconds, 17, 30);
    sleep(Duration::from_secs(1)).await;
    stage.cluster.signal_all(Signal::SIGSTOP);
    sleep(Duration::from_secs(seconds)).await;
    stage.cluster.signal_all(Signal::SIGCONT);
    sleep(Duration::from_secs(1)).await;
    outcome.figure("frozen, s", seconds as f64);
    // A delivery of a lane is anybody's again 10 s after its timeout, whether or not its result could be recorded.
    stage.allowed.duplicates = workers.len() as u64 * CONCURRENCY;
    let workers = finish(&stage, generator, workers, &mut outcome).await;
    let declared = workers
        .iter()
        .filter(|worker| worker.stderr().contains("lease time and declared dead"))
        .count();
    outcome.check("nobody is declared dead", declared == 0, format!("{declared} were"));
    if declared > 0 {
        for worker in &workers {
            outcome.note(worker.stderr());
        }
    }
    outcome
}
