//! Duplicates: requests that a worker without faults would not have sent.

use std::collections::HashMap;

use crate::outcome::Outcome;
use crate::receiver::Arrival;
use crate::stage::Stage;

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

/// Adds the check: a request is a duplicate when the delivery was accepted before, or its attempt number was seen.
pub(super) async fn check(stage: &Stage, outcome: &mut Outcome) {
    let (duplicates, examples) = find(stage);
    let allowed = stage.allowed.duplicates;
    outcome.figure("duplicates", duplicates as f64);
    outcome.figure("duplicates allowed", allowed as f64);
    outcome.check(
        "duplicates within the bound",
        duplicates <= allowed,
        format!("{duplicates} of {allowed}"),
    );
    if duplicates > allowed {
        for example in examples {
            outcome.note(explain(stage, &example).await);
        }
    }
}

/// How many there are, and the first of them.
fn find(stage: &Stage) -> (u64, Vec<Example>) {
    let arrivals = stage.receiver.shared.log.arrivals();
    let mut seen: HashMap<(i64, u16), Seen> = HashMap::with_capacity(arrivals.len());
    let (mut duplicates, mut examples) = (0_u64, Vec::new());
    for arrival in arrivals.iter() {
        let before = seen.entry((arrival.event, arrival.hook)).or_default();
        if before.accepted || arrival.attempt <= before.attempt {
            duplicates += 1;
            if examples.len() < 3 {
                examples.push(Example {
                    arrival: *arrival,
                    before: *before,
                });
            }
        }
        before.accepted |= arrival.accepted;
        before.at_us = arrival.at_us;
        before.attempt = before.attempt.max(arrival.attempt);
    }
    (duplicates, examples)
}

/// The example, and what the history says about it.
async fn explain(stage: &Stage, example: &Example) -> String {
    let Example { arrival, before } = example;
    let history: Vec<String> = sqlx::query_scalar(
        "select format('attempt %s started %s took %s us: %s', number, started_at::time, duration_us,
                       coalesce(error, 'success'))
           from postrider.attempt where event_id = $1 and webhook_id = $2 order by started_at",
    )
    .bind(arrival.event)
    .bind(stage.hooks[usize::from(arrival.hook)].id.0)
    .fetch_all(&stage.pool)
    .await
    .unwrap();
    format!(
        "duplicate: evt_{} attempt {} came {} ms after attempt {} (accepted: {}); history: {}",
        arrival.event,
        arrival.attempt,
        arrival.at_us.saturating_sub(before.at_us) / 1000,
        before.attempt,
        before.accepted,
        history.join(", ")
    )
}
