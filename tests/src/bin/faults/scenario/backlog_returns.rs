//! Many events wait for a receiver that is down; then it is back. Its lane drains as fast as events of a webhook with the
//! same receiver and the same limits take the fast path, or nearly so.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::finish;
use crate::generator::{Generator, commit_in_bulk};
use crate::ledger::now_us;
use crate::options::{Length, Options};
use crate::outcome::Outcome;
use crate::rate::{accepted_since, per_second};
use crate::receiver::Behaviour;
use crate::stage::Stage;
use crate::webhooks::Wanted;
use crate::worker::{self, How};

/// The webhook whose events take the fast path, and the one whose receiver is down for a while.
const FAST: u16 = 0;
const LANE: u16 = 1;

/// What both receivers take. With 32 requests of a webhook in flight, that allows 3200 a second.
const ANSWER: Duration = Duration::from_millis(10);

/// The promise.
const LEAST: f64 = 0.8;

/// How long any part of it may take.
const LONGEST: Duration = Duration::from_secs(3600);

/// Places, connections and claims of production; its leases too. Breakers as in the other scenarios: what is measured
/// begins when one closes.
const SETTINGS: [(&str, &str); 3] = worker::PRODUCTION;

pub(super) async fn play(options: &Options) -> Outcome {
    let mut outcome = Outcome::default();
    let wanted = [FAST, LANE].map(|tenant| Wanted::of(tenant, Behaviour::Accept(ANSWER)));
    let stage = Stage::set(options, "backlog_returns", &wanted).await;
    let events = options.pick(options.events, 3000, 1_000_000);
    let fast_events = events.min(50_000);

    commit_in_bulk(&stage.pool, &stage.ledger, FAST..FAST + 1, fast_events).await;
    let how = How {
        settings: &SETTINGS,
        ..How::default()
    };
    let worker = worker::start_with(&stage, how).await;
    until(&stage, FAST, 0, fast_events).await;
    let fast = per_second(&accepted_since(&stage, FAST, 0));

    stage
        .receiver
        .behave(usize::from(LANE), Behaviour::Status(503, Duration::ZERO));
    commit_in_bulk(&stage.pool, &stage.ledger, LANE..LANE + 1, events).await;
    let waiting = until_all_wait(&stage, events).await;
    outcome.check(
        "all of them wait for the receiver",
        waiting == events as i64,
        format!("{waiting} of {events}"),
    );
    let back_us = now_us();
    stage.receiver.behave(usize::from(LANE), Behaviour::Accept(ANSWER));
    until(&stage, LANE, back_us, events).await;
    let moments = accepted_since(&stage, LANE, back_us);
    let lane = per_second(&moments);

    outcome.figure("events", events as f64);
    outcome.figure("fast path, per second", fast);
    outcome.figure("lane, per second", lane);
    outcome.figure("lane against fast path", lane / fast);
    outcome.figure("first after the return, s", (moments[0] - back_us) as f64 / 1e6);
    // In a short run the probes are a part of it that counts.
    if options.length() == Length::Long {
        outcome.check(
            "the lane drains at 0.8 of the fast path's rate, or faster",
            lane >= LEAST * fast,
            format!("{lane:.0} and {fast:.0} per second"),
        );
    }
    finish(&stage, Generator::none(), vec![worker], &mut outcome).await;
    let dead = outcome.figures["dead letters"];
    outcome.check("nothing is given up", dead == 0.0, dead);
    outcome
}

/// Waits until a webhook has accepted so many events.
async fn until(stage: &Stage, hook: u16, since_us: u64, events: u64) {
    let deadline = Instant::now() + LONGEST;
    while (accepted_since(stage, hook, since_us).len() as u64) < events {
        assert!(Instant::now() < deadline, "not delivered within {LONGEST:?}");
        sleep(Duration::from_millis(200)).await;
    }
}

/// Waits until nothing is on its way any more, and says how many wait in the lane.
async fn until_all_wait(stage: &Stage, events: u64) -> i64 {
    let deadline = Instant::now() + LONGEST;
    loop {
        let waiting: i64 = sqlx::query_scalar("select count(*) from postrider.delivery")
            .fetch_one(&stage.pool)
            .await
            .unwrap();
        if waiting == events as i64 || Instant::now() > deadline {
            return waiting;
        }
        sleep(Duration::from_millis(200)).await;
    }
}
