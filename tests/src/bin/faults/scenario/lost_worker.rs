//! A worker is killed while it holds claimed events, beside one that goes on: how long until the other has sent them.

use std::collections::HashMap;
use std::time::Duration;

use sqlx::types::Uuid;
use tokio::time::{Instant, sleep};

use super::finish;
use crate::ledger::now_us;
use crate::options::{Length, Options};
use crate::outcome::Outcome;
use crate::receiver::Behaviour;
use crate::stage::{Stage, ordinary_load};
use crate::webhooks::Wanted;
use crate::worker::{self, CONCURRENCY, FLUSH, How, LEASE_TIME, PRODUCTION};

const TENANTS: u16 = 20;

/// The worker's default.
const DEFAULT_LEASE_TIME: Duration = Duration::from_secs(15);

/// The promise, beyond the lease time; and what a debug build on a machine that plays other scenarios may take.
const PROMISED: Duration = Duration::from_secs(1);
const ON_A_BUSY_MACHINE: Duration = Duration::from_secs(5);

/// Slow enough that a worker always holds something; and so slow that requests outlive their batch and move to lanes.
const ANSWERS: [Duration; 2] = [Duration::from_millis(300), Duration::from_millis(1500)];

pub(super) async fn play(options: &Options) -> Outcome {
    let mut outcome = Outcome::default();
    let wanted: Vec<Wanted> = (0..TENANTS).map(|tenant| Wanted::of(tenant, answer(tenant))).collect();
    let mut stage = Stage::set(options, "lost_worker", &wanted).await;
    let (settings, lease_time, beyond): (&[_], _, _) = match options.length() {
        Length::Short => (&[], LEASE_TIME, ON_A_BUSY_MACHINE),
        Length::Long => (&PRODUCTION, DEFAULT_LEASE_TIME, PROMISED),
    };
    let how = || How {
        settings,
        ..How::default()
    };
    let mut load = ordinary_load(options.events, options.pick(None, 100, 200));
    load.tenants = 0..TENANTS;
    let generator = stage.produce(&load);
    let mut doomed = worker::start_with(&stage, how()).await;
    let rounds = options.pick(options.kills, 1, 5);
    let (mut held, mut slowest, mut given_back) = ([0; 2], 0.0_f64, 0.0_f64);
    for _ in 0..rounds {
        let id = only_worker(&stage).await;
        let other = worker::start_with(&stage, how()).await;
        sleep(Duration::from_secs(1) + stage.random.milliseconds(0, 500)).await;
        until_it_holds_both(&stage, id).await;
        worker::kill(&mut doomed).await;
        let killed_us = now_us();
        stage.kills.push(killed_us);
        // How long receivers take is not what is measured.
        stage.receiver.recover();
        let leased = pending_of_leases(&stage, id).await;
        let of_lanes = pending_of_lanes(&stage, id).await;
        held = [held[0] + leased.len(), held[1] + of_lanes.len()];
        let pending = [leased, of_lanes].concat();
        given_back = given_back.max(until_given_back(&stage, id, killed_us, lease_time * 3).await);
        let longest = until_sent_again(&stage, &pending, killed_us, lease_time * 3).await;
        slowest = slowest.max(longest);
        doomed = other;
        for tenant in 0..TENANTS {
            stage.receiver.behave(usize::from(tenant), answer(tenant));
        }
    }
    stage.allowed.duplicates = rounds * (CONCURRENCY + FLUSH);
    stage.allowed.unrecorded = stage.allowed.duplicates;
    outcome.figure("leased to killed workers", held[0] as f64);
    outcome.figure("held of lanes by killed workers", held[1] as f64);
    outcome.figure("lease time, s", lease_time.as_secs_f64());
    outcome.figure("longest time to be given back, s", given_back);
    outcome.figure("longest time to deliver again, s", slowest);
    outcome.figure("beyond the lease time, s", slowest - lease_time.as_secs_f64());
    let most = (lease_time + beyond).as_secs_f64();
    outcome.check(
        "what a killed worker held is delivered again soon after the lease time",
        held.iter().all(|count| *count > 0) && slowest <= most,
        format!("{held:?} deliveries within {slowest:.2} s of {most} s"),
    );
    finish(&stage, generator, vec![doomed], &mut outcome).await;
    outcome
}

fn answer(tenant: u16) -> Behaviour {
    Behaviour::Accept(ANSWERS[usize::from(tenant) % ANSWERS.len()])
}

async fn only_worker(stage: &Stage) -> Uuid {
    sqlx::query_scalar("select id from postrider.worker order by started_at desc limit 1")
        .fetch_one(&stage.pool)
        .await
        .unwrap()
}

async fn holds_something(stage: &Stage, worker: Uuid) -> bool {
    sqlx::query_scalar("select exists (select from postrider.lease where worker_id = $1)")
        .bind(worker)
        .fetch_one(&stage.pool)
        .await
        .unwrap()
}

/// Seconds from the kill until its leases are gone; infinite when they stay.
async fn until_given_back(stage: &Stage, worker: Uuid, killed_us: u64, within: Duration) -> f64 {
    let deadline = Instant::now() + within;
    while holds_something(stage, worker).await {
        if Instant::now() > deadline {
            return f64::INFINITY;
        }
        sleep(Duration::from_millis(20)).await;
    }
    (now_us() - killed_us) as f64 / 1e6
}

/// Waits until it holds a lease and deliveries of lanes.
async fn until_it_holds_both(stage: &Stage, worker: Uuid) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !holds_something(stage, worker).await || pending_of_lanes(stage, worker).await.is_empty() {
        assert!(
            Instant::now() < deadline,
            "the worker does not hold both leases and lanes"
        );
        sleep(Duration::from_millis(5)).await;
    }
}

/// Deliveries of lanes that a dead worker holds: event and webhook.
async fn pending_of_lanes(stage: &Stage, worker: Uuid) -> Vec<(i64, i64)> {
    sqlx::query_as(
        "select d.event_id, d.webhook_id from postrider.delivery d
          where (d.token >> 32) & 1073741823 = ('x' || right($1::text, 8))::bit(32)::bigint & 1073741823",
    )
    .bind(worker)
    .fetch_all(&stage.pool)
    .await
    .unwrap()
}

/// Deliveries of the leases of a dead worker that are neither settled nor in their lane: event and webhook.
async fn pending_of_leases(stage: &Stage, worker: Uuid) -> Vec<(i64, i64)> {
    sqlx::query_as(
        "select e.id, w.id
           from postrider.lease l
          cross join unnest(l.event_ids) as i (id)
           join postrider.event e on e.id = i.id
           join postrider.webhook w on w.tenant = e.tenant
          where l.worker_id = $1
            and not exists (select from postrider.attempt a
                             where a.event_id = e.id and a.webhook_id = w.id and a.error is null)
            and not exists (select from postrider.delivery d where d.event_id = e.id and d.webhook_id = w.id)",
    )
    .bind(worker)
    .fetch_all(&stage.pool)
    .await
    .unwrap()
}

/// Seconds from the kill until the last of them arrives again; infinite when one does not.
async fn until_sent_again(stage: &Stage, pending: &[(i64, i64)], killed_us: u64, within: Duration) -> f64 {
    let deadline = Instant::now() + within;
    loop {
        let mut arrived: HashMap<(i64, i64), u64> = HashMap::new();
        for arrival in stage.receiver.shared.log.arrivals().iter() {
            if arrival.at_us > killed_us {
                let webhook = stage.hooks[usize::from(arrival.hook)].id.0;
                arrived.entry((arrival.event, webhook)).or_insert(arrival.at_us);
            }
        }
        let mut times = pending.iter().map(|pair| arrived.get(pair));
        let last = times.try_fold(killed_us, |last, at_us| Some(last.max(*at_us?)));
        if let Some(last) = last {
            return (last - killed_us) as f64 / 1e6;
        }
        if Instant::now() > deadline {
            return f64::INFINITY;
        }
        sleep(Duration::from_millis(50)).await;
    }
}
