//! Workers killed with SIGKILL at random moments, each followed by the next.

use std::time::Duration;

use tokio::time::sleep;

use super::finish;
use crate::ledger::now_us;
use crate::options::Options;
use crate::outcome::Outcome;
use crate::stage::{Stage, ordinary, ordinary_load};
use crate::worker;

pub(super) async fn play(options: &Options) -> Outcome {
    let mut outcome = Outcome::default();
    let mut stage = Stage::set(options, "kill", &ordinary()).await;
    let kills = options.pick(options.kills, 4, 200);
    let generator = stage.produce(&ordinary_load(options.events, 300));
    let mut worker = worker::start(&stage).await;
    for _ in 0..kills {
        // Every now and then a backlog builds up while nobody works: the claims of the next are full.
        sleep(stage.random.milliseconds(50, 1500)).await;
        worker::kill(&mut worker).await;
        stage.kills.push(now_us());
        sleep(stage.random.milliseconds(0, 800)).await;
        worker = worker::start(&stage).await;
    }
    stage.allowed.duplicates = kills * (worker::CONCURRENCY + worker::FLUSH);
    stage.allowed.unrecorded = stage.allowed.duplicates;
    outcome.figure("kills", kills as f64);
    sleep(Duration::from_millis(500)).await;
    finish(&stage, generator, vec![worker], &mut outcome).await;
    let duplicates = outcome.figures["duplicates"];
    outcome.figure("duplicates per kill", duplicates / kills as f64);
    outcome
}
