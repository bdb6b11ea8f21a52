//! No traffic between worker and Postgres for longer than the lease time, connections open; another worker, which can
//! reach Postgres, takes over.

use tokio::time::sleep;

use super::finish;
use crate::options::{Length, Options};
use crate::outcome::Outcome;
use crate::proxy::Proxy;
use crate::stage::{Stage, ordinary, ordinary_load};
use crate::worker::{self, CLAIM, CONCURRENCY, How, LEASE_TIME};

pub(super) async fn play(options: &Options) -> Outcome {
    let mut outcome = Outcome::default();
    let mut stage = Stage::set(options, "partition", &ordinary()).await;
    stage.allowed.long_transactions = true;
    let proxy = Proxy::plain(stage.database_address()).await;
    let through = How {
        database_url: Some(stage.url_through(proxy.address)),
        ..How::default()
    };
    let workers = vec![worker::start_with(&stage, through).await, worker::start(&stage).await];
    let generator = stage.produce(&ordinary_load(options.events, 300));
    let rounds = if options.length() == Length::Short { 1 } else { 10 };
    for round in 0..rounds {
        sleep(stage.random.milliseconds(500, 1500)).await;
        proxy.forward(false);
        // Longer than the lease at first; later also shorter, and longer than a statement may take.
        let most = if round == 0 { 5000 } else { 15_000 };
        sleep(LEASE_TIME + stage.random.milliseconds(500, most) - LEASE_TIME * u32::from(round % 2 == 1)).await;
        proxy.forward(true);
    }
    // A worker cut off goes on sending what it has claimed.
    stage.allowed.duplicates = rounds * (CONCURRENCY + 2 * CLAIM);
    outcome.figure("partitions", rounds as f64);
    finish(&stage, generator, workers, &mut outcome).await;
    outcome
}
