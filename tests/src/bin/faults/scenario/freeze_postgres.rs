//! Postgres frozen, as when its machine stands still, then going on.

use std::time::Duration;

use nix::sys::signal::Signal;
use tokio::time::sleep;

use super::finish;
use crate::options::Options;
use crate::outcome::Outcome;
use crate::stage::{Stage, ordinary, ordinary_load};
use crate::worker;

pub(super) async fn play(options: &Options) -> Outcome {
    let mut outcome = Outcome::default();
    let mut stage = Stage::set(options, "freeze_postgres", &ordinary()).await;
    let workers = vec![worker::start(&stage).await, worker::start(&stage).await];
    let generator = stage.produce(&ordinary_load(options.events, 300));
    // Longer than the lease, and longer than a statement may take.
    let seconds = options.pick(options.seconds, 11, 30);
    sleep(Duration::from_secs(1)).await;
    stage.cluster.signal_all(Signal::SIGSTOP);
    sleep(Duration::from_secs(seconds)).await;
    stage.cluster.signal_all(Signal::SIGCONT);
    sleep(Duration::from_secs(1)).await;
    outcome.figure("frozen, s", seconds as f64);
    finish(&stage, generator, workers, &mut outcome).await;
    outcome
}
