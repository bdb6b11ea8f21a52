//! A thousand receivers that hang, fail, refuse and drip, with a thousand events waiting for each: the worker stays
//! small, and healthy webhooks are served.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::finish_worker;
use crate::check;
use crate::generator::{Load, commit_in_bulk};
use crate::latency::measure;
use crate::memory::{self, Course, growth};
use crate::options::{Length, Options};
use crate::outcome::Outcome;
use crate::receiver::{Behaviour, ClosedPort};
use crate::stage::Stage;
use crate::webhooks::Wanted;
use crate::worker::{self, How, PRODUCTION};

const HEALTHY: u16 = 10;

/// Events waiting for each bad receiver.
const EVENTS_EACH: u64 = 1000;

/// The promise.
const MEMORY_MB: f64 = 200.0;

/// Flat: so much of the earlier mean, at most. A little is the allocator's.
const GROWTH: f64 = 1.1;

/// The longest that a healthy delivery may take in the long form, which is far more than it should.
const HEALTHY_P99_MS: f64 = 1000.0;

/// How long it may take until every event waits for its receiver.
const LONGEST: Duration = Duration::from_secs(3600);

pub(super) async fn play(options: &Options) -> Outcome {
    let mut outcome = Outcome::default();
    let bad = if options.length() == Length::Short { 40 } else { 1000 };
    let refusing = ClosedPort::reserve();
    let wanted = (0..HEALTHY).map(|tenant| Wanted::of(tenant, Behaviour::Accept(Duration::ZERO)));
    let wanted = wanted.chain((0..bad).map(|number| bad_one(number, &format!("http://{}/", refusing.address))));
    let wanted: Vec<Wanted> = wanted.collect();
    let mut stage = Stage::set(options, "many_bad", &wanted).await;
    let events = options.pick(options.events, u64::from(bad) * 50, u64::from(bad) * EVENTS_EACH);
    let seconds = options.pick(options.seconds, 8, 600);
    let how = How {
        settings: &PRODUCTION,
        ..How::default()
    };
    let worker = worker::start_with(&stage, how).await;
    let from = Instant::now();
    commit_in_bulk(&stage.pool, &stage.ledger, HEALTHY..HEALTHY + bad, events).await;
    let taken_up = until_taken_up(&stage).await;
    outcome.check("every event waits for its receiver", taken_up, taken_up);
    outcome.figure("seconds until every event waits", from.elapsed().as_secs_f64());

    let course = Course::note(worker.pid());
    let load = Load {
        producers: 2,
        tenants: 0..HEALTHY,
        events: None,
        per_second: 50,
        pooled: false,
    };
    let healthy = measure(&stage, &load, seconds).await;
    let course = course.end().await;
    let (peak, growth) = (memory::peak_mb(worker.pid()), growth(&course));
    outcome.figure("bad receivers", f64::from(bad));
    outcome.figure("waiting", waiting(&stage).await as f64);
    outcome.figure("worker peak memory, MB", peak);
    outcome.figure("memory at the end against before", growth);
    outcome.figure("measured, s", course.len() as f64);
    outcome.figure("healthy: p50, ms", healthy.p50);
    outcome.figure("healthy: p99, ms", healthy.p99);
    outcome.check("the worker stays small", peak <= MEMORY_MB, format!("{peak:.0} MB"));
    outcome.check(
        "healthy webhooks are served",
        healthy.max.is_finite(),
        format!("{:.0} ms at most", healthy.max),
    );
    if options.length() == Length::Long {
        outcome.check("its memory is flat", growth <= GROWTH, format!("{growth:.2}"));
        outcome.check(
            "healthy p99 within a second",
            healthy.p99 <= HEALTHY_P99_MS,
            format!("{:.0} ms", healthy.p99),
        );
    }
    finish_worker(worker, &mut outcome).await;
    stage.allowed.waiting = true;
    check::reconcile(&stage, &mut outcome).await;
    outcome
}

fn bad_one(number: u16, refusing: &str) -> Wanted {
    let tenant = HEALTHY + number;
    let (behaviour, url) = match number % 4 {
        0 => (Behaviour::Hang, None),
        1 => (Behaviour::Status(500, Duration::ZERO), None),
        2 => (Behaviour::Close, Some(refusing.to_owned())),
        _ => (Behaviour::Drip, None),
    };
    Wanted {
        url,
        timeout_ms: 15_000,
        ..Wanted::of(tenant, behaviour)
    }
}

/// Waits until the outbox and the leases are empty: what is left waits in its lane.
async fn until_taken_up(stage: &Stage) -> bool {
    let deadline = Instant::now() + LONGEST;
    let query = "select exists (select from postrider.outbox) or exists (select from postrider.lease)";
    while Instant::now() < deadline {
        let left: bool = sqlx::query_scalar(query).fetch_one(&stage.pool).await.unwrap();
        if !left {
            return true;
        }
        sleep(Duration::from_millis(200)).await;
    }
    false
}

async fn waiting(stage: &Stage) -> i64 {
    sqlx::query_scalar("select count(*) from postrider.delivery")
        .fetch_one(&stage.pool)
        .await
        .unwrap()
}
