//! How much bad webhooks slow down healthy ones: from commit to arrival, first alone, then beside one that never
//! answers, one that takes 30 s, one tenant with a flood of waiting events, and one that fails everything.

use std::time::Duration;

use tokio::time::sleep;

use crate::check;
use crate::generator::Generator;
use crate::ledger::Fate;
use crate::options::{Length, Options};
use crate::outcome::Outcome;
use crate::receiver::Behaviour;
use crate::stage::Stage;
use crate::webhooks::Wanted;
use crate::worker;

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
    // With the settings of production: the defaults.
    let how = worker::How {
        settings: &[
            ("worker_lease_time_ms", "15000"),
            ("worker_heartbeat_interval_ms", "3000"),
            ("worker_concurrency", "auto"),
        ],
        ..worker::How::default()
    };
    let mut worker = worker::start_with(&stage, how).await;

    let baseline = measure(&stage, seconds).await;
    flood(&stage, waiting).await;
    let bad = stage.produce(&load(BLACK_HOLE..ALL, 40));
    // Until the bad ones use all that they are going to use.
    sleep(Duration::from_secs(3)).await;
    let beside = measure(&stage, seconds).await;
    let waiting_at_end = waiting_of_flooded(&stage).await;
    bad.stop().await;

    for (name, latency) in [("baseline", &baseline), ("beside bad ones", &beside)] {
        outcome.figure(&format!("{name}: p50, ms"), latency.p50);
        outcome.figure(&format!("{name}: p99, ms"), latency.p99);
        outcome.figure(&format!("{name}: max, ms"), latency.max);
    }
    outcome.figure("events of the flooded tenant", waiting as f64);
    outcome.figure(
        "events of the flooded tenant still waiting at the end",
        waiting_at_end as f64,
    );
    // The debug build of the short form shares two cores with Postgres, receiver and producers: too coarse a measure for
    // the figure itself.
    if options.length == Length::Long {
        outcome.check(
            "healthy p99 within 250 ms",
            beside.p99 <= LIMIT_MS,
            format!("{:.1} ms", beside.p99),
        );
        let most = LIMIT_RATIO * baseline.p99;
        outcome.check(
            "healthy p99 within twice the baseline",
            beside.p99 <= most,
            format!("{:.1} ms, baseline {:.1} ms", beside.p99, baseline.p99),
        );
    } else {
        let found = format!("{:.1} ms", beside.p99);
        outcome.check(
            "no healthy delivery waits for a bad receiver",
            beside.max < 5000.0,
            found,
        );
    }
    let stopped = worker::stop(&mut worker).await;
    outcome.check(
        "the worker ends well on SIGTERM",
        stopped.is_ok(),
        format!("{stopped:?}"),
    );
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

fn load(tenants: std::ops::Range<u16>, per_second: u64) -> crate::generator::Load {
    crate::generator::Load {
        producers: 2,
        tenants,
        events: None,
        per_second,
        pooled: false,
    }
}

/// Milliseconds from the confirmed commit to the arrival.
struct Latency {
    p50: f64,
    p99: f64,
    max: f64,
}

/// Commits events for the healthy webhooks for so long.
async fn measure(stage: &Stage, seconds: u64) -> Latency {
    let first = stage.ledger.entries().len();
    let generator: Generator = stage.produce(&load(0..HEALTHY, 50));
    sleep(Duration::from_secs(seconds)).await;
    generator.stop().await;
    sleep(Duration::from_secs(2)).await;
    let entries = stage.ledger.entries();
    let arrivals = stage.receiver.shared.log.arrivals();
    let mut delays: Vec<f64> = arrivals
        .iter()
        .filter(|arrival| arrival.hook < HEALTHY && arrival.token as usize >= first)
        .filter_map(|arrival| Some((arrival, entries.get(arrival.token as usize)?)))
        .filter(|(_, entry)| entry.fate == Fate::Committed)
        // It may come before the answer to the commit.
        .map(|(arrival, entry)| arrival.at_us.saturating_sub(entry.committed_us) as f64 / 1000.0)
        .collect();
    delays.sort_by(f64::total_cmp);
    let quantile = |q: f64| delays[((delays.len() - 1) as f64 * q).round() as usize];
    Latency {
        p50: quantile(0.5),
        p99: quantile(0.99),
        max: quantile(1.0),
    }
}

/// Commits so many events of the flooded tenant at once.
async fn flood(stage: &Stage, events: u64) {
    let mut left = events;
    while left > 0 {
        let count = left.min(5000);
        let tokens: Vec<u64> = (0..count).map(|_| stage.ledger.open(FLOODED, u16::MAX, None)).collect();
        let types: Vec<&str> = tokens.iter().map(|token| crate::payload::event_type(*token)).collect();
        let payloads: Vec<String> = tokens.iter().map(|token| crate::payload::payload(*token)).collect();
        let ids: Vec<i64> = sqlx::query_scalar(
            "select unnest(postrider.enqueue_many(array_fill($1::text, array[cardinality($2::text[])]), $2,
                                                  $3::text[]::json[]))",
        )
        .bind(crate::webhooks::tenant_name(FLOODED))
        .bind(types)
        .bind(payloads)
        .fetch_all(&stage.pool)
        .await
        .unwrap();
        for (token, id) in tokens.iter().zip(ids) {
            stage.ledger.name(*token, id);
        }
        stage.ledger.close(&tokens, Fate::Committed);
        left -= count;
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
