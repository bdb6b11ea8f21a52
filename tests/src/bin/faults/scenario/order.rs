//! Webhooks that want their events in order, with several workers, receivers that fail, keys that all producers share,
//! and workers that are killed, stopped and cut off. At some, a delivery given up halts its key.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::finish;
use crate::options::Options;
use crate::outcome::Outcome;
use crate::receiver::Behaviour;
use crate::stage::{Stage, ordinary_load};
use crate::webhooks::{Ordering, Wanted};
use crate::worker::{self, CONCURRENCY, FLUSH};

const TENANTS: u16 = 6;

pub(super) async fn play(options: &Options) -> Outcome {
    let mut outcome = Outcome::default();
    let mut stage = Stage::set(options, "order", &webhooks()).await;
    let mut workers = Vec::new();
    for _ in 0..3 {
        workers.push(worker::start(&stage).await);
    }
    let mut load = ordinary_load(options.events, 240);
    load.tenants = 0..TENANTS;
    let generator = stage.produce(&load);
    let end = Instant::now() + Duration::from_secs(options.pick(options.seconds, 8, 120));
    let (mut kills, mut faults) = (0, 0);
    while Instant::now() < end || faults < 3 {
        sleep(stage.random.milliseconds(200, 900)).await;
        let victim = stage.random.below(workers.len() as u64) as usize;
        // Each in its turn, so that a short run has them all.
        match faults % 3 {
            0 => {
                worker::kill(&mut workers[victim]).await;
                kills += 1;
                workers[victim] = worker::start(&stage).await;
            }
            1 => {
                let stopped = worker::stop(&mut workers[victim]).await;
                outcome.check("a worker ends well on SIGTERM", stopped.is_ok(), format!("{stopped:?}"));
                workers[victim] = worker::start(&stage).await;
            }
            _ => terminate_sessions(&stage).await,
        }
        faults += 1;
    }
    stage.allowed.duplicates = kills * (CONCURRENCY + FLUSH);
    stage.allowed.unrecorded = stage.allowed.duplicates;
    // A worker that is stopped may be in the middle of one.
    stage.allowed.long_transactions = true;
    outcome.figure("kills", kills as f64);
    outcome.figure("faults", f64::from(faults));
    finish(&stage, generator, workers, &mut outcome).await;

    let ordered = outcome.figures["deliveries in order"];
    outcome.check("there was something to order", ordered >= 100.0, ordered);
    let halted = halted_keys(&stage).await;
    outcome.figure("keys halted", halted as f64);
    outcome.check("deliveries given up halted their keys", halted > 0, halted);
    outcome
}

/// For each tenant one that passes over what it gives up, one that halts then, one that never gives up, and one that does
/// not care about order.
fn webhooks() -> Vec<Wanted> {
    let soon = Duration::from_millis(2);
    let mut wanted = Vec::new();
    for tenant in 0..TENANTS {
        for (ordering, behaviour, max_retries) in [
            (Ordering::Skip, Behaviour::RefuseShare(5, soon), 1),
            (Ordering::Halt, Behaviour::RefuseShare(3, soon), 1),
            (Ordering::Skip, Behaviour::FailShare(20, soon), 8),
            (Ordering::None, Behaviour::FailShare(10, soon), 3),
        ] {
            wanted.push(Wanted {
                ordering,
                max_retries,
                ..Wanted::of(tenant, behaviour)
            });
        }
    }
    wanted
}

async fn terminate_sessions(stage: &Stage) {
    // It may hit the session of this pool that runs it; the next one gets a new one.
    let _ = sqlx::query(
        "select pg_terminate_backend(pid) from pg_stat_activity
          where pid <> pg_backend_pid() and backend_type = 'client backend' and random() < 0.6",
    )
    .execute(&stage.pool)
    .await;
}

async fn halted_keys(stage: &Stage) -> i64 {
    sqlx::query_scalar("select count(*) from postrider.ordered_key where halted_at is not null")
        .fetch_one(&stage.pool)
        .await
        .unwrap()
}
