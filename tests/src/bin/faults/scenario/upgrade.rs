//! A rolling upgrade: an old build works, the new one migrates the schema under it, and its workers are replaced one by
//! one; then back again, where the schema is one with which the old build starts. That old and new work side by side
//! is seen in the database, where each worker counts what it has recorded.

use std::path::Path;
use std::time::Duration;

use postrider_tests::{Postrider, process};
use sqlx::Executor as _;
use sqlx::types::Uuid;
use tokio::time::{Instant, sleep};

use super::finish;
use crate::options::Options;
use crate::outcome::Outcome;
use crate::stage::{Stage, ordinary, ordinary_load};
use crate::webhooks::{Ordering, Wanted};
use crate::worker::{self, How};

/// How often an operator starts the migration again.
const MOST_TRIES: u32 = 10;

pub(super) async fn play(options: &Options) -> Outcome {
    let mut outcome = Outcome::default();
    let mut stage = Stage::set(options, "upgrade", &[]).await;
    let old = options.old_binary.as_deref();
    // What the old build does not know nobody asks for before the upgrade is over.
    let knows = |wanted: &Wanted| old.is_none() || wanted.ordering == Ordering::None;
    let wanted: Vec<Wanted> = ordinary().into_iter().filter(knows).collect();
    match old {
        Some(old) => replace_schema(&stage, old).await,
        None => outcome.note("no --old-binary: the same build plays the old and the new one"),
    }
    stage.webhooks(&wanted).await;

    let generator = stage.produce(&ordinary_load(options.events, 300));
    let pause = Duration::from_millis(options.pick(options.seconds.map(|seconds| seconds * 250), 800, 10_000));
    let mut workers = vec![start(&stage, old).await, start(&stage, old).await];
    sleep(pause).await;
    let (tries, changed) = migrate_under_load(&stage).await;
    outcome.figure("tries to migrate", f64::from(tries));
    outcome.check(
        "the schema migrates under working workers",
        changed.is_ok(),
        format!("{changed:?} after {tries} tries"),
    );
    let changed = changed.unwrap_or_default();
    outcome.note(changed.clone());
    let mut steps = vec![None, None];
    if changed.contains("already") {
        // An upgrade may have to be undone.
        steps.extend([old, old]);
    } else {
        outcome.note("no way back: the old build does not start with the new schema");
    }
    let mut side_by_side = 0;
    let mut failures = Vec::new();
    for binary in &steps {
        sleep(pause).await;
        workers.push(start(&stage, *binary).await);
        side_by_side += u64::from(all_record(&stage, &workers).await);
        sleep(pause / 2).await;
        failures.extend(worker::stop(&mut workers.remove(0).1).await.err());
    }
    outcome.figure("steps", steps.len() as f64);
    outcome.check(
        "old and new work side by side at each step",
        side_by_side == steps.len() as u64,
        format!("at {side_by_side} of {}", steps.len()),
    );
    outcome.check(
        "every worker ends well on SIGTERM",
        failures.is_empty(),
        format!("{failures:?}"),
    );
    let workers = workers.into_iter().map(|(_, worker)| worker).collect();
    finish(&stage, generator, workers, &mut outcome).await;
    outcome
}

/// Leaves the database as the old build makes it.
async fn replace_schema(stage: &Stage, old: &Path) {
    stage.pool.execute("drop schema postrider cascade").await.unwrap();
    migrate(stage, old).await.unwrap();
}

/// Migrates with the new build, again after a failure, which changes nothing: a lock that it did not get in time.
async fn migrate_under_load(stage: &Stage) -> (u32, Result<String, String>) {
    for tries in 1.. {
        let migrated = migrate(stage, &process::binary()).await;
        if migrated.is_ok() || tries == MOST_TRIES {
            return (tries, migrated);
        }
        sleep(Duration::from_secs(1)).await;
    }
    unreachable!("the loop returns")
}

/// Migrates, and returns what was said about it.
async fn migrate(stage: &Stage, binary: &Path) -> Result<String, String> {
    let output = tokio::process::Command::new(binary)
        .arg("migrate")
        .env("POSTRIDER_DATABASE_URL", stage.cluster.url())
        .output()
        .await
        .unwrap();
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() {
        Ok(said(&output.stdout))
    } else {
        Err(said(&output.stderr))
    }
}

/// A worker and its id in the database.
async fn start(stage: &Stage, binary: Option<&Path>) -> (Uuid, Postrider) {
    let how = How {
        binary,
        ..How::default()
    };
    let worker = worker::start_with(stage, how).await;
    let id = sqlx::query_scalar("select id from postrider.worker order by started_at desc limit 1")
        .fetch_one(&stage.pool)
        .await
        .unwrap();
    (id, worker)
}

/// Whether each of them records something that it did from now on, soon.
async fn all_record(stage: &Stage, workers: &[(Uuid, Postrider)]) -> bool {
    let ids: Vec<Uuid> = workers.iter().map(|(id, _)| *id).collect();
    let before = flushes(stage, &ids).await;
    let deadline = Instant::now() + Duration::from_secs(20);
    while Instant::now() < deadline {
        let now = flushes(stage, &ids).await;
        if now.len() == ids.len() && before.len() == ids.len() && now.iter().zip(&before).all(|(now, then)| now > then)
        {
            return true;
        }
        sleep(Duration::from_millis(50)).await;
    }
    false
}

/// How often each of them recorded something, in the order of their ids.
async fn flushes(stage: &Stage, ids: &[Uuid]) -> Vec<i64> {
    sqlx::query_scalar("select flushed from postrider.worker where id = any($1) order by id")
        .bind(ids)
        .fetch_all(&stage.pool)
        .await
        .unwrap()
}
