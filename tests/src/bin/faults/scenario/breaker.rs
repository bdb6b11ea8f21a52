//! Receivers that are down for a while, each in its way. Their breakers open: what is committed meanwhile waits, with a
//! few probes and without burning retries, and arrives once the receivers are back. Healthy ones notice nothing.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::finish;
use crate::ledger::now_us;
use crate::options::Options;
use crate::outcome::Outcome;
use crate::rate::accepted_since;
use crate::receiver::{Behaviour, ClosedPort};
use crate::stage::{Stage, ordinary_load};
use crate::webhooks::Wanted;
use crate::worker;

/// How receivers are down that can still be reached. The next one refuses connections.
const DOWN: [Behaviour; 3] = [
    Behaviour::Status(503, Duration::ZERO),
    Behaviour::Reset,
    Behaviour::Hang,
];
const REFUSING: usize = DOWN.len();
const HEALTHY: usize = REFUSING + 1;
const ALL: usize = HEALTHY + 4;

/// Consecutive failures in one worker that open a breaker, requests of a webhook that may be open in one worker, and
/// probes each time a breaker half-opens: the product's defaults.
const FAILURES: u64 = 10;
const IN_FLIGHT: u64 = 32;
const PROBES: u64 = 3;

/// Workers that see the receivers go down, and one that starts while they are.
const WORKERS: u64 = 3;

pub(super) async fn play(options: &Options) -> Outcome {
    let mut outcome = Outcome::default();
    let refused = ClosedPort::reserve();
    let wanted: Vec<Wanted> = (0..ALL)
        .map(|place| Wanted {
            url: (place == REFUSING).then(|| format!("http://{}/{place}", refused.address)),
            timeout_ms: 500,
            // Until ten failures in a row have opened a breaker, retries count: no delivery must use them up before.
            max_retries: 10,
            ..Wanted::of(place as u16, Behaviour::Accept(Duration::ZERO))
        })
        .collect();
    let stage = Stage::set(options, "breaker", &wanted).await;
    let mut workers = vec![worker::start(&stage).await, worker::start(&stage).await];
    let mut load = ordinary_load(options.events, 240);
    load.tenants = 0..ALL as u16;
    let generator = stage.produce(&load);
    sleep(Duration::from_secs(1)).await;

    let outage = Duration::from_secs(options.pick(options.seconds, 8, 120));
    let begun = Instant::now();
    for (place, behaviour) in DOWN.into_iter().enumerate() {
        stage.receiver.behave(place, behaviour);
    }
    let opened = until_open(&stage, begun + outage).await;
    outcome.check(
        "the breaker of each receiver that is down opens",
        opened == HEALTHY as i64,
        format!("{opened} of {HEALTHY} open"),
    );
    // The next worker learns from the database that they are open.
    let stopped = worker::stop(&mut workers.remove(0)).await;
    outcome.check("a worker ends well on SIGTERM", stopped.is_ok(), format!("{stopped:?}"));
    workers.push(worker::start(&stage).await);
    tokio::time::sleep_until(begun + outage).await;

    let waiting = waiting(&stage).await;
    let back_us = now_us();
    for place in 0..REFUSING {
        stage.receiver.behave(place, Behaviour::Accept(Duration::ZERO));
    }
    let _listening = refused.open(&stage.receiver);
    // Events of before and after the return meet.
    sleep(Duration::from_secs(1)).await;
    finish(&stage, generator, workers, &mut outcome).await;

    bounded(&stage, outage, waiting, &mut outcome).await;
    let dead = outcome.figures["dead letters"];
    outcome.check(
        "probes and waiting burn no retry: nothing is given up",
        dead == 0.0,
        dead,
    );
    given_up(&stage, &mut outcome).await;
    let firsts = (0..HEALTHY as u16).map(|place| accepted_since(&stage, place, back_us).first().copied());
    let slowest = firsts.map(|first| first.map_or(f64::INFINITY, |first| (first - back_us) as f64 / 1e6));
    let slowest = slowest.fold(0.0, f64::max);
    outcome.figure("longest time from the return to the first delivery, s", slowest);
    let most = worker::LONGEST_OPEN.as_secs_f64() + 2.0;
    outcome.check(
        "a receiver that is back is noticed",
        slowest <= most,
        format!("{slowest:.1} s of {most}"),
    );
    let open = open(&stage).await;
    outcome.check("every breaker is closed at the end", open == 0, format!("{open} open"));
    outcome
}

/// Failed requests of each webhook, all of which belong to the time in which it was down.
async fn bounded(stage: &Stage, outage: Duration, waiting: i64, outcome: &mut Outcome) {
    let openings = worker::openings_within(outage);
    let most = WORKERS * (FAILURES + IN_FLIGHT) + PROBES * (openings + 1);
    let failed: i64 = sqlx::query_scalar(
        "select max(a.count) from (select count(*) from postrider.attempt where error is not null group by webhook_id) a",
    )
    .fetch_one(&stage.pool)
    .await
    .unwrap();
    outcome.figure("most failed requests of a webhook", failed as f64);
    outcome.figure("failed requests allowed", most as f64);
    outcome.figure("waiting when the receivers return", waiting as f64);
    outcome.check(
        "few requests while a receiver is down",
        failed as u64 <= most,
        format!("{failed} of {most}"),
    );
    outcome.check(
        "most events waited without a request",
        waiting > HEALTHY as i64 * failed,
        format!("{waiting} waited, {failed} requests at most to one webhook"),
    );
}

/// What is known about the deliveries given up.
async fn given_up(stage: &Stage, outcome: &mut Outcome) {
    let notes: Vec<String> = sqlx::query_scalar(
        "select format('given up as %s at %s: %s', d.reason, w.name,
                       string_agg(format('%s %s at %s', a.number, coalesce(a.error, 'success'), a.started_at::time), ', '
                                  order by a.started_at))
           from postrider.dead_letter d
           join postrider.webhook w on w.id = d.webhook_id
           join postrider.attempt a on a.event_id = d.event_id and a.webhook_id = d.webhook_id
          group by d.event_id, d.reason, w.name limit 5",
    )
    .fetch_all(&stage.pool)
    .await
    .unwrap();
    notes.into_iter().for_each(|note| outcome.note(note));
}

/// Breakers open now.
async fn open(stage: &Stage) -> i64 {
    sqlx::query_scalar("select count(*) from postrider.lane where opened_at is not null")
        .fetch_one(&stage.pool)
        .await
        .unwrap()
}

/// Waits until those of all that are down are open.
async fn until_open(stage: &Stage, deadline: Instant) -> i64 {
    loop {
        let open = open(stage).await;
        if open == HEALTHY as i64 || Instant::now() > deadline {
            return open;
        }
        sleep(Duration::from_millis(20)).await;
    }
}

async fn waiting(stage: &Stage) -> i64 {
    sqlx::query_scalar("select count(*) from postrider.delivery")
        .fetch_one(&stage.pool)
        .await
        .unwrap()
}
