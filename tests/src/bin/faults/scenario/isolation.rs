//! How much bad webhooks slow down healthy ones: from commit to arrival, first alone, then beside one that never
//! answers, one that takes 30 s, one tenant with a flood of waiting events, and one that fails everything.

use std::time::Duration;

use tokio::time::sleep;

use super::finish_worker;
use crate::check;
use crate::generator::{Load, commit_in_bulk};
use crate::latency::measure;
use crate::options::{Length, Options};
use crate::outcome::Outcome;
use crate::receiver::Behaviour;
use crate::stage::Stage;
use crate::webhooks::Wanted;
use crate::worker::{self, How, PRODUCTION};

const HEALTHY: u16 = 20;
const BLACK_HOLE: u16 = HEALTHY;
const SLOW: u16 = HEALTHY + 1;
const FLOODED: u16 = HEALTHY + 2;
const FAILING: u16 = HEALTHY + 3;
const ALL: u16 = HEALTHY + 4;

/// The promised limit of the 99th percentile.
const LIMIT_MS: f64 = 250.0;

/// The promised limit against the baseline.
const LIMIT_RATIO: f64 = 2.0;

pub(super) async fn play(options: &Options) -> Outcome {
    let mut outcome = Outcome::default();
    let mut stage = Stage::set(options, "isolation", &webhooks()).await;
    let waiting = options.pick(options.events, 20_000, 1_000_000);
    let seconds = options.pick(options.seconds, 10, 120);
    let how = How {
        settings: &PRODUCTION,
        ..How::default()
    };
    let worker = worker::start_with(&stage, how).await;

    // Connections open and statements prepared before either measurement.
    let healthy = load(0..HEALTHY, 50);
    measure(&stage, &healthy, 3).await;
    let baseline = measure(&stage, &healthy, seconds).await;
    commit_in_bulk(&stage.pool, &stage.ledger, FLOODED..FLOODED + 1, waiting).await;
    let bad = stage.produce(&load(BLACK_HOLE..ALL, 40));
    // Until the bad ones use all that they are going to use.
    sleep(Duration::from_secs(3)).await;
    let beside = measure(&stage, &healthy, seconds).await;
    let waiting_at_end = waiting_of_flooded(&stage).await;
    bad.stop().await;

    for (name, latency) in [("baseline", &baseline), ("beside bad ones", &beside)] {
        outcome.figure(&format!("{name}: p50, ms"), latency.p50);
        outcome.figure(&format!("{name}: p99, ms"), latency.p99);
        outcome.figure(&format!("{name}: max, ms"), latency.max);
    }
    outcome.figure("p99 against the baseline", beside.p99 / baseline.p99);
    outcome.figure("events of the flooded tenant", waiting as f64);
    outcome.figure(
        "events of the flooded tenant still waiting at the end",
        waiting_at_end as f64,
    );
    // A short run has too few events for the figure itself.
    if options.length() == Length::Long {
        outcome.check(
            "healthy p99 within 250 ms",
            beside.p99 <= LIMIT_MS,
            format!("{:.1} ms", beside.p99),
        );
        outcome.check(
            "healthy p99 within twice the baseline",
            beside.p99 <= LIMIT_RATIO * baseline.p99,
            format!("{:.1} ms, baseline {:.1} ms", beside.p99, baseline.p99),
        );
        outcome.check(
            "the flood lasted longer than the measurement",
            waiting_at_end > 0,
            waiting_at_end,
        );
    } else {
        outcome.check(
            "no healthy delivery waits for a bad receiver",
            beside.max < 5000.0,
            format!("{:.1} ms", beside.max),
        );
    }
    finish_worker(worker, &mut outcome).await;
    stage.allowed.waiting = true;
    check::reconcile(&stage, &mut outcome).await;
    outcome
}

fn webhooks() -> Vec<Wanted> {
    let behaviour = |tenant| match tenant {
        BLACK_HOLE => Behaviour::Hang,
        SLOW => Behaviour::Accept(Duration::from_secs(30)),
        // A flood that would be over at once shows nothing.
        FLOODED => Behaviour::Accept(Duration::from_millis(20)),
        FAILING => Behaviour::Status(500, Duration::ZERO),
        _ => Behaviour::Accept(Duration::ZERO),
    };
    let timeout_ms = |tenant| if tenant == SLOW { 30_000 } else { 15_000 };
    (0..ALL)
        .map(|tenant| Wanted {
            timeout_ms: timeout_ms(tenant),
            ..Wanted::of(tenant, behaviour(tenant))
        })
        .collect()
}

fn load(tenants: std::ops::Range<u16>, per_second: u64) -> Load {
    Load {
        producers: 2,
        tenants,
        events: None,
        per_second,
        pooled: false,
    }
}

async fn waiting_of_flooded(stage: &Stage) -> i64 {
    sqlx::query_scalar(
        "select (select count(*) from postrider.outbox where tenant = $1)
              + (select count(*) from postrider.delivery where webhook_id = $2)",
    )
    .bind(crate::webhooks::tenant_name(FLOODED))
    .bind(stage.hooks[usize::from(FLOODED)].id.0)
    .fetch_one(&stage.pool)
    .await
    .unwrap()
}
