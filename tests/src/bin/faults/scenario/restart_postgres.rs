//! Postgres stopped with mode immediate and started again: the worker goes on by itself.

use std::time::Duration;

use nix::sys::signal::Signal;
use tokio::time::{Instant, sleep};

use super::finish;
use crate::ledger::{Fate, now_us};
use crate::options::Options;
use crate::outcome::Outcome;
use crate::stage::{Stage, ordinary, ordinary_load};
use crate::worker::{self, CLAIM, CONCURRENCY};

/// The promised time to the first delivery after Postgres is back.
const PROMISED: Duration = Duration::from_secs(5);

pub(super) async fn play(options: &Options) -> Outcome {
    let mut outcome = Outcome::default();
    let mut stage = Stage::set(options, "restart_postgres", &ordinary()).await;
    let generator = stage.produce(&ordinary_load(options.events, 300));
    let worker = worker::start(&stage).await;
    let rounds = options.pick(options.kills, 2, 20);
    let mut longest = Duration::ZERO;
    for round in 0..rounds {
        sleep(stage.random.milliseconds(500, 1500)).await;
        let signal = if round % 2 == 0 {
            Signal::SIGQUIT
        } else {
            Signal::SIGKILL
        };
        stage.cluster.crash(signal).await;
        sleep(stage.random.milliseconds(0, 3000)).await;
        stage.cluster.start_again().await;
        longest = longest.max(until_new_events_arrive(&stage).await);
    }
    // A crash may undo the last claims, whose commit does not wait for the disk: what was claimed and not recorded.
    stage.allowed.duplicates = rounds * (CONCURRENCY + 2 * CLAIM);
    outcome.figure("restarts", rounds as f64);
    outcome.figure("longest time to deliver again, s", longest.as_secs_f64());
    outcome.check(
        "delivering again within 5 s of the return",
        longest <= PROMISED,
        format!("{longest:?}"),
    );
    finish(&stage, generator, vec![worker], &mut outcome).await;
    outcome
}

/// How long until an event arrives that was committed after now.
async fn until_new_events_arrive(stage: &Stage) -> Duration {
    let begun = Instant::now();
    let begun_us = now_us();
    while begun.elapsed() < PROMISED * 4 {
        let is_new = {
            let entries = stage.ledger.entries();
            let arrivals = stage.receiver.shared.log.arrivals();
            let recent = arrivals.iter().rev().take_while(|arrival| arrival.at_us > begun_us);
            recent
                .filter_map(|arrival| entries.get(arrival.token as usize))
                .any(|entry| entry.fate == Fate::Committed && entry.committed_us > begun_us)
        };
        if is_new {
            break;
        }
        sleep(Duration::from_millis(10)).await;
    }
    begun.elapsed()
}
