//! Duplicates: requests that a worker without faults would not have sent.

use std::collections::HashMap;

use super::database::Found;
use crate::outcome::Outcome;
use crate::receiver::Arrival;
use crate::stage::Stage;
use crate::worker::{CONCURRENCY, FLUSH};

/// What the receiver saw of one delivery.
#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    accepted: bool,
    /// When the last request came, in microseconds since 1970.
    at_us: u64,
    /// Highest attempt number.
    attempt: u16,
}

/// A duplicate, and what was seen of the delivery before it.
#[derive(Debug)]
struct Example {
    arrival: Arrival,
    before: Seen,
}

/// All duplicates.
#[derive(Debug, Default)]
struct Duplicates {
    count: u64,
    /// The first of them.
    examples: Vec<Example>,
    /// By the number of the kill that followed the request repeated.
    of_kills: HashMap<usize, u64>,
    /// Attempts that the receiver accepted too late.
    late_answers: u64,
}

/// Adds the check: a request is a duplicate when the delivery was accepted before, or its attempt number was seen.
pub(super) async fn check(stage: &Stage, found: &Found, outcome: &mut Outcome) {
    let Duplicates {
        count: duplicates,
        examples,
        of_kills,
        late_answers,
    } = find(stage, found);
    let allowed = stage.allowed.duplicates;
    outcome.figure("duplicates", duplicates as f64);
    outcome.figure("late answers", late_answers as f64);
    outcome.figure("duplicates allowed", allowed as f64);
    outcome.check(
        "duplicates within the bound",
        duplicates <= allowed,
        format!("{duplicates} of {allowed}"),
    );
    if !stage.kills.is_empty() {
        let most = of_kills.values().max().copied().unwrap_or(0);
        outcome.figure("most duplicates of one kill", most as f64);
        let bound = CONCURRENCY + FLUSH;
        outcome.check(
            "duplicates of each kill within the bound",
            most <= bound,
            format!("{most} of {bound}"),
        );
    }
    if duplicates > allowed {
        for example in examples {
            outcome.note(explain(stage, &example).await);
        }
    }
}

fn find(stage: &Stage, database: &Found) -> Duplicates {
    let arrivals = stage.receiver.shared.log.arrivals();
    let mut seen: HashMap<(i64, u16), Seen> = HashMap::with_capacity(arrivals.len());
    let mut found = Duplicates::default();
    for arrival in arrivals.iter() {
        let before = seen.entry((arrival.event, arrival.hook)).or_default();
        let webhook = stage.hooks[usize::from(arrival.hook)].id.0;
        if before.accepted || arrival.attempt <= before.attempt {
            found.count += 1;
            let kill = stage.kills.partition_point(|at_us| *at_us < before.at_us);
            if kill < stage.kills.len() {
                *found.of_kills.entry(kill).or_default() += 1;
            }
            if found.examples.len() < 3 {
                found.examples.push(Example {
                    arrival: *arrival,
                    before: *before,
                });
            }
        }
        // An answer that came too late is none: the sender has to try again.
        let is_late = database.timed_out.contains(&(arrival.event, webhook, arrival.attempt));
        found.late_answers += u64::from(arrival.accepted && is_late);
        before.accepted |= arrival.accepted && !is_late;
        before.at_us = arrival.at_us;
        before.attempt = before.attempt.max(arrival.attempt);
    }
    found
}

/// The example, and what the history says about it.
async fn explain(stage: &Stage, example: &Example) -> String {
    let Example { arrival, before } = example;
    let hook = &stage.hooks[usize::from(arrival.hook)];
    let key = stage
        .ledger
        .entries()
        .get(arrival.token as usize)
        .and_then(|entry| entry.key);
    let history: Vec<String> = sqlx::query_scalar(
        "select format('attempt %s started %s took %s us: %s', number, started_at::time, duration_us,
                       coalesce(error, 'success'))
           from postrider.attempt where event_id = $1 and webhook_id = $2 order by started_at",
    )
    .bind(arrival.event)
    .bind(hook.id.0)
    .fetch_all(&stage.pool)
    .await
    .unwrap();
    format!(
        "duplicate: evt_{} with key {:?} at {} with ordering {:?}: attempt {} came {} ms after attempt {} (accepted: {}); \
         history: {}",
        arrival.event,
        key,
        hook.id,
        hook.ordering,
        arrival.attempt,
        arrival.at_us.saturating_sub(before.at_us) / 1000,
        before.attempt,
        before.accepted,
        history.join(", ")
    )
}
