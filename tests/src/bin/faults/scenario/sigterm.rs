//! Workers stopped with SIGTERM under load, one after the other: nothing is sent twice.

use super::finish;
use crate::options::Options;
use crate::outcome::Outcome;
use crate::stage::{Stage, ordinary, ordinary_load};
use crate::worker;
use tokio::time::sleep;

pub(super) async fn play(options: &Options) -> Outcome {
    let mut outcome = Outcome::default();
    let mut stage = Stage::set(options, "sigterm", &ordinary()).await;
    let generator = stage.produce(&ordinary_load(options.events, 300));
    let rounds = options.pick(options.sigterm_rounds, 6, 100);
    let mut failures = Vec::new();
    for _ in 0..rounds {
        let mut worker = worker::start(&stage).await;
        sleep(stage.random.milliseconds(20, 1200)).await;
        failures.extend(worker::stop(&mut worker).await.err());
    }
    outcome.figure("rounds", rounds as f64);
    outcome.check(
        "every worker ends well on SIGTERM",
        failures.is_empty(),
        format!("{failures:?}"),
    );
    let leases: i64 = sqlx::query_scalar("select count(*) from postrider.lease")
        .fetch_one(&stage.pool)
        .await
        .unwrap();
    outcome.check("no lease is left behind", leases == 0, leases);
    let last = worker::start(&stage).await;
    finish(&stage, generator, vec![last], &mut outcome).await;
    outcome
}
