//! Workers whose clocks are two hours ahead and two hours behind, beside one that is right.

use std::path::Path;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::finish;
use crate::ledger::now_us;
use crate::options::Options;
use crate::outcome::Outcome;
use crate::stage::{Stage, ordinary, ordinary_load};
use crate::worker::{self, How};

pub(super) async fn play(options: &Options) -> Outcome {
    let Some(library) = faketime() else {
        return Outcome::skipped("libfaketime is missing (package libfaketime)");
    };
    let mut outcome = Outcome::default();
    let stage = Stage::set(options, "clock", &ordinary()).await;
    let mut workers = vec![worker::start(&stage).await];
    for offset in ["+2h", "-2h"] {
        let environment = [
            ("LD_PRELOAD", library.as_str()),
            ("FAKETIME", offset),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
        ];
        let how = How {
            environment: &environment,
            ..How::default()
        };
        workers.push(worker::start_with(&stage, how).await);
    }
    let generator = stage.produce(&ordinary_load(options.events, 300));
    sleep(Duration::from_secs(options.pick(options.seconds, 4, 60))).await;
    // A worker is killed, so that the others judge its signs of life.
    worker::kill(&mut workers.remove(0)).await;
    let allowed = worker::CONCURRENCY + worker::FLUSH;
    let mut stage = stage;
    stage.allowed.duplicates = allowed;
    stage.allowed.unrecorded = allowed;
    until_given_up(&stage, workers.len()).await;
    finish(&stage, generator, workers, &mut outcome).await;
    times_are_the_database_s(&stage, &mut outcome).await;
    outcome
}

/// Waits until only the living are registered, while there are some to give up the dead one.
async fn until_given_up(stage: &Stage, living: usize) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while registered(stage).await > living as i64 && Instant::now() < deadline {
        sleep(Duration::from_millis(100)).await;
    }
}

async fn registered(stage: &Stage) -> i64 {
    sqlx::query_scalar("select count(*) from postrider.worker")
        .fetch_one(&stage.pool)
        .await
        .unwrap()
}

/// What is written into the database must be dated by the database's clock.
async fn times_are_the_database_s(stage: &Stage, outcome: &mut Outcome) {
    let off: i64 = sqlx::query_scalar(
        "select count(*) from postrider.attempt
          where abs(extract(epoch from started_at) - $1::float8) > 600",
    )
    .bind(now_us() as f64 / 1e6)
    .fetch_one(&stage.pool)
    .await
    .unwrap();
    outcome.check(
        "the history is dated by the database's clock",
        off == 0,
        format!("{off} rows hours off"),
    );
    let declared = registered(stage).await;
    outcome.check(
        "every worker left or was given up",
        declared == 0,
        format!("{declared} rows left"),
    );
}

fn faketime() -> Option<String> {
    let places = std::fs::read_dir("/usr/lib").ok()?.flatten();
    let found = places
        .map(|folder| folder.path().join("faketime/libfaketime.so.1"))
        .find(|path| Path::exists(path))?;
    Some(found.to_string_lossy().into_owned())
}
