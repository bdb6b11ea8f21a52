//! Two workers, one of them stopped and continued at random moments: for less than the lease time, and for more, so that
//! the other takes over what the stopped one still believes to hold.

use nix::sys::signal::Signal;
use tokio::time::sleep;

use super::finish;
use crate::options::Options;
use crate::outcome::Outcome;
use crate::stage::{Stage, ordinary, ordinary_load};
use crate::worker::{self, CLAIM, CONCURRENCY, LEASE_TIME};

pub(super) async fn play(options: &Options) -> Outcome {
    let mut outcome = Outcome::default();
    let mut stage = Stage::set(options, "stop_worker", &ordinary()).await;
    stage.allowed.long_transactions = true;
    let workers = vec![worker::start(&stage).await, worker::start(&stage).await];
    let generator = stage.produce(&ordinary_load(options.events, 300));
    let rounds = options.pick(options.kills, 3, 40);
    let mut long_stops = 0;
    for round in 0..rounds {
        sleep(stage.random.milliseconds(100, 1000)).await;
        let stopped = &workers[stage.random.below(2) as usize];
        stopped.signal(Signal::SIGSTOP);
        if round % 2 == 0 {
            long_stops += 1;
            sleep(LEASE_TIME + stage.random.milliseconds(500, 2500)).await;
        } else {
            sleep(stage.random.milliseconds(50, 1500)).await;
        }
        stopped.signal(Signal::SIGCONT);
    }
    // What the stopped worker holds is claimed again by the other, and it sends the rest of it once it goes on.
    stage.allowed.duplicates = long_stops * (CONCURRENCY + 2 * CLAIM);
    outcome.figure("stops", rounds as f64);
    finish(&stage, generator, workers, &mut outcome).await;
    outcome
}
