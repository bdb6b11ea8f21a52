//! Storms of `pg_terminate_backend` against every other session.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::finish;
use crate::options::Options;
use crate::outcome::Outcome;
use crate::stage::{Stage, ordinary, ordinary_load};
use crate::worker;

pub(super) async fn play(options: &Options) -> Outcome {
    let mut outcome = Outcome::default();
    let mut stage = Stage::set(options, "terminate", &ordinary()).await;
    let workers = vec![worker::start(&stage).await, worker::start(&stage).await];
    let generator = stage.produce(&ordinary_load(options.events, 300));
    let end = Instant::now() + Duration::from_secs(options.pick(options.seconds, 5, 60));
    let mut terminated = 0;
    while Instant::now() < end {
        let count: i64 = sqlx::query_scalar(
            "select count(pg_terminate_backend(pid)) from pg_stat_activity
              where pid <> pg_backend_pid() and backend_type = 'client backend' and random() < 0.7",
        )
        .fetch_one(&stage.pool)
        .await
        .unwrap_or(0);
        terminated += count;
        sleep(stage.random.milliseconds(5, 250)).await;
    }
    outcome.figure("sessions terminated", terminated as f64);
    finish(&stage, generator, workers, &mut outcome).await;
    outcome
}
