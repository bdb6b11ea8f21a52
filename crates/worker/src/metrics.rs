//! Every metric of the worker, in one place: name, unit, meaning.
//!
//! Labels take their values from closed sets, so the number of series is bounded: `reason` is a
//! [`FailureKind`] or a [`DeadLetterReason`], `statement` is the name of one of the worker's own statements.

use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use postrider_core::failure::{DeadLetterReason, FailureKind};

use crate::judge::{Outcome, Verdict};
use crate::record::Attempt;

/// Events taken from the outbox.
pub const EVENTS_CLAIMED: &str = "postrider_events_claimed_total";
/// Deliveries that succeeded.
pub const DELIVERIES: &str = "postrider_deliveries_total";
/// Attempts that failed, by `reason`.
pub const ATTEMPTS_FAILED: &str = "postrider_attempts_failed_total";
/// Attempts that were put off to a later retry.
pub const RETRIES: &str = "postrider_retries_total";
/// Deliveries given up, by `reason`.
pub const DEAD_LETTERS: &str = "postrider_dead_letters_total";
/// Deliveries of redelivered events that were settled already and not sent again.
pub const DUPLICATES_SKIPPED: &str = "postrider_duplicates_skipped_total";
/// Deliveries moved from the fast path to the lane of their webhook without having failed.
pub const PARKED: &str = "postrider_parked_total";
/// Events of dead workers and lost claims that went back to the outbox.
pub const EVENTS_GIVEN_BACK: &str = "postrider_events_given_back_total";
/// Events waiting in the outbox; counts to 1,000,000 at most.
pub const BACKLOG_EVENTS: &str = "postrider_backlog_events";
/// Age of the oldest event in the outbox, in seconds.
pub const BACKLOG_OLDEST_AGE: &str = "postrider_backlog_oldest_age_seconds";
/// Deliveries waiting in lanes; counts to 1,000,000 at most.
pub const WAITING_DELIVERIES: &str = "postrider_waiting_deliveries";
/// How long the most overdue lane has been due, in seconds.
pub const LANE_OVERDUE: &str = "postrider_lane_overdue_seconds";
/// Breakers of webhooks that opened, opened again after probes included.
pub const BREAKER_OPENED: &str = "postrider_breaker_opened_total";
/// Rounds of probes that open breakers let through.
pub const BREAKER_PROBED: &str = "postrider_breaker_probed_total";
/// Breakers that closed because the receiver was back.
pub const BREAKER_CLOSED: &str = "postrider_breaker_closed_total";
/// Webhooks whose breaker is open now.
pub const BREAKERS_OPEN: &str = "postrider_breakers_open";
/// Webhooks deactivated by postrider, by `reason`.
pub const WEBHOOKS_DISABLED: &str = "postrider_webhooks_disabled_total";
/// Ordering keys that wait for the owner of their webhook, because a delivery was given up.
pub const HALTED_KEYS: &str = "postrider_halted_keys";
/// Requests open now.
pub const REQUESTS_IN_FLIGHT: &str = "postrider_requests_in_flight";
/// Events of one claim.
pub const CLAIM_EVENTS: &str = "postrider_claim_events";
/// Entries of one flush.
pub const FLUSH_ENTRIES: &str = "postrider_flush_entries";
/// Duration of one claim statement, in seconds.
pub const CLAIM_DURATION: &str = "postrider_claim_duration_seconds";
/// Duration of one record statement, in seconds.
pub const RECORD_DURATION: &str = "postrider_record_duration_seconds";
/// Duration of one attempt, from the begin of the request to the end of the response, in seconds.
pub const REQUEST_DURATION: &str = "postrider_request_duration_seconds";
/// Statements that failed, by `statement`.
pub const DATABASE_ERRORS: &str = "postrider_database_errors_total";

const SECONDS: &[f64] = &[
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
];
const COUNTS: &[f64] = &[1.0, 2.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1000.0];

/// Installs the recorder of the process, once, and returns the handle that renders it.
pub(crate) fn install() -> anyhow::Result<PrometheusHandle> {
    static INSTALLED: OnceLock<PrometheusHandle> = OnceLock::new();
    static INSTALLING: Mutex<()> = Mutex::new(());

    let _one_at_a_time = INSTALLING.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(handle) = INSTALLED.get() {
        return Ok(handle.clone());
    }
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), SECONDS)?
        .set_buckets_for_metric(Matcher::Full(CLAIM_EVENTS.to_owned()), COUNTS)?
        .set_buckets_for_metric(Matcher::Full(FLUSH_ENTRIES.to_owned()), COUNTS)?
        .install_recorder()?;
    describe();
    begin_at_zero();
    Ok(INSTALLED.get_or_init(|| handle).clone())
}

/// A counter that appears only with its first event hides that event from `increase()`.
fn begin_at_zero() {
    for name in [
        EVENTS_CLAIMED,
        DELIVERIES,
        RETRIES,
        DUPLICATES_SKIPPED,
        PARKED,
        EVENTS_GIVEN_BACK,
        BREAKER_OPENED,
        BREAKER_PROBED,
        BREAKER_CLOSED,
    ] {
        counter!(name).absolute(0);
    }
    for reason in FailureKind::ALL {
        counter!(ATTEMPTS_FAILED, "reason" => reason.as_str()).absolute(0);
    }
    for reason in DeadLetterReason::ALL {
        counter!(DEAD_LETTERS, "reason" => reason.as_str()).absolute(0);
    }
    for reason in [DeadLetterReason::Gone, DeadLetterReason::Failing] {
        counter!(WEBHOOKS_DISABLED, "reason" => reason.as_str()).absolute(0);
    }
    for statement in ["claim", "record", "maintenance", "register"] {
        counter!(DATABASE_ERRORS, "statement" => statement).absolute(0);
    }
}

fn describe() {
    describe_counter!(EVENTS_CLAIMED, "Events taken from the outbox.");
    describe_counter!(DELIVERIES, "Deliveries that succeeded.");
    describe_counter!(ATTEMPTS_FAILED, "Attempts that failed, by reason.");
    describe_counter!(RETRIES, "Attempts that were put off to a later retry.");
    describe_counter!(DEAD_LETTERS, "Deliveries given up, by reason.");
    describe_counter!(
        DUPLICATES_SKIPPED,
        "Deliveries of redelivered events that were settled already."
    );
    describe_counter!(
        PARKED,
        "Deliveries moved from the fast path to the lane of their webhook without having failed."
    );
    describe_counter!(
        EVENTS_GIVEN_BACK,
        "Events of dead workers and lost claims that went back to the outbox."
    );
    describe_counter!(
        BREAKER_OPENED,
        "Breakers of webhooks that opened, opened again after probes included."
    );
    describe_counter!(BREAKER_PROBED, "Rounds of probes that open breakers let through.");
    describe_counter!(BREAKER_CLOSED, "Breakers that closed because the receiver was back.");
    describe_gauge!(BREAKERS_OPEN, "Webhooks whose breaker is open now.");
    describe_counter!(WEBHOOKS_DISABLED, "Webhooks deactivated by postrider, by reason.");
    describe_gauge!(HALTED_KEYS, "Ordering keys that wait for the owner of their webhook.");
    describe_gauge!(
        BACKLOG_EVENTS,
        "Events waiting in the outbox; counts to 1000000 at most."
    );
    describe_gauge!(BACKLOG_OLDEST_AGE, "Age of the oldest event in the outbox, in seconds.");
    describe_gauge!(
        WAITING_DELIVERIES,
        "Deliveries waiting in lanes; counts to 1000000 at most."
    );
    describe_gauge!(LANE_OVERDUE, "How long the most overdue lane has been due, in seconds.");
    describe_gauge!(REQUESTS_IN_FLIGHT, "Requests open now.");
    describe_histogram!(CLAIM_EVENTS, "Events of one claim.");
    describe_histogram!(FLUSH_ENTRIES, "Entries of one flush.");
    describe_histogram!(CLAIM_DURATION, "Duration of one claim statement, in seconds.");
    describe_histogram!(RECORD_DURATION, "Duration of one record statement, in seconds.");
    describe_histogram!(REQUEST_DURATION, "Duration of one attempt, in seconds.");
    describe_counter!(DATABASE_ERRORS, "Statements that failed, by statement.");
}

pub(crate) fn claimed(events: usize, duration: Duration) {
    counter!(EVENTS_CLAIMED).increment(events as u64);
    histogram!(CLAIM_EVENTS).record(events as f64);
    histogram!(CLAIM_DURATION).record(duration);
}

pub(crate) fn attempt(attempt: &Attempt, verdict: Verdict) {
    histogram!(REQUEST_DURATION).record(attempt.duration);
    match &attempt.outcome {
        Outcome::Response { error: None, .. } => {}
        Outcome::Response {
            error: Some(failure), ..
        }
        | Outcome::Failed(failure) => {
            counter!(ATTEMPTS_FAILED, "reason" => failure.kind.as_str()).increment(1);
        }
    }
    match verdict {
        Verdict::Delivered => counter!(DELIVERIES).increment(1),
        Verdict::RetryAfter(_) => counter!(RETRIES).increment(1),
        Verdict::GiveUp(reason) => dead_letter(reason),
    }
}

pub(crate) fn dead_letter(reason: DeadLetterReason) {
    counter!(DEAD_LETTERS, "reason" => reason.as_str()).increment(1);
}

pub(crate) fn duplicates_skipped(count: usize) {
    counter!(DUPLICATES_SKIPPED).increment(count as u64);
}

pub(crate) fn parked() {
    counter!(PARKED).increment(1);
}

pub(crate) fn given_back(events: u64) {
    counter!(EVENTS_GIVEN_BACK).increment(events);
}

pub(crate) fn flushed(entries: usize, duration: Duration) {
    histogram!(FLUSH_ENTRIES).record(entries as f64);
    histogram!(RECORD_DURATION).record(duration);
}

pub(crate) fn backlog(events: i64, oldest_age_seconds: f64) {
    gauge!(BACKLOG_EVENTS).set(events as f64);
    gauge!(BACKLOG_OLDEST_AGE).set(oldest_age_seconds);
}

pub(crate) fn waiting(deliveries: i64, overdue_seconds: f64) {
    gauge!(WAITING_DELIVERIES).set(deliveries as f64);
    gauge!(LANE_OVERDUE).set(overdue_seconds);
}

pub(crate) fn breaker_opened() {
    counter!(BREAKER_OPENED).increment(1);
}

pub(crate) fn breaker_probed() {
    counter!(BREAKER_PROBED).increment(1);
}

pub(crate) fn breaker_closed() {
    counter!(BREAKER_CLOSED).increment(1);
}

pub(crate) fn webhook_disabled(reason: DeadLetterReason, count: u64) {
    counter!(WEBHOOKS_DISABLED, "reason" => reason.as_str()).increment(count);
}

pub(crate) fn standing_still(breakers_open: i64, halted_keys: i64) {
    gauge!(BREAKERS_OPEN).set(breakers_open as f64);
    gauge!(HALTED_KEYS).set(halted_keys as f64);
}

pub(crate) fn requests_in_flight(count: usize) {
    gauge!(REQUESTS_IN_FLIGHT).set(count as f64);
}

pub(crate) fn database_error(statement: &'static str) {
    counter!(DATABASE_ERRORS, "statement" => statement).increment(1);
}
