//! One flush: entries turned into the parallel arrays of `record.sql`.

use std::collections::HashSet;
use std::time::Duration;

use postrider_core::failure::DeadLetterReason;
use sqlx::{PgConnection, Row};
use uuid::Uuid;

use super::changes::Changes;
use super::{Attempt, Entry, Hold, Next};
use crate::judge::Outcome;

/// What the database said to a flush.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flushed {
    /// It is written down, now or by an earlier try whose answer was lost.
    Recorded,
    /// This worker was declared dead; nothing was written.
    WorkerGone,
    /// The worker's row changed under the statement; try again.
    Unclear,
}

#[derive(Debug, Default)]
struct Attempts {
    events: Vec<i64>,
    webhooks: Vec<i64>,
    buckets: Vec<i16>,
    numbers: Vec<i16>,
    ages_us: Vec<i64>,
    durations_us: Vec<i32>,
    statuses: Vec<Option<i16>>,
    errors: Vec<Option<&'static str>>,
    details: Vec<Option<String>>,
    responses: Vec<Option<Vec<u8>>>,
    started: Vec<tokio::time::Instant>,
}

#[derive(Debug, Default)]
struct Waiting {
    leases: Vec<i64>,
    webhooks: Vec<i64>,
    events: Vec<i64>,
    buckets: Vec<i16>,
    attempts: Vec<i16>,
    redeliveries: Vec<i16>,
    delays_ms: Vec<i64>,
    in_flight: Vec<bool>,
}

#[derive(Debug, Default)]
struct Settled {
    webhooks: Vec<i64>,
    events: Vec<i64>,
    tokens: Vec<i64>,
}

#[derive(Debug, Default)]
struct Postponed {
    webhooks: Vec<i64>,
    events: Vec<i64>,
    tokens: Vec<i64>,
    attempts: Vec<i16>,
    probes: Vec<i16>,
    redeliveries: Vec<i16>,
    delays_ms: Vec<i64>,
}

#[derive(Debug, Default)]
struct Buried {
    webhooks: Vec<i64>,
    events: Vec<i64>,
    buckets: Vec<i16>,
    attempts: Vec<i16>,
    reasons: Vec<&'static str>,
    leases: Vec<Option<i64>>,
}

/// Everything one statement writes.
#[derive(Debug, Default)]
pub(super) struct Flush {
    attempts: Attempts,
    waiting: Waiting,
    settled: Settled,
    postponed: Postponed,
    buried: Buried,
    finished_leases: Vec<i64>,
    gone_webhooks: Vec<i64>,
    changes: Changes,
    /// Whether a delivery in order is settled, so that the next of its key may go.
    frees_a_key: bool,
    parked_in_flight: HashSet<(i64, i64)>,
}

impl Flush {
    /// Whether the entry must wait for the next flush: the row it changes is only written by this one, and one statement
    /// does not see its own writes.
    pub(super) fn must_precede(&self, entry: &Entry) -> bool {
        matches!(entry.hold, Hold::Lane { .. }) && self.parked_in_flight.contains(&(entry.webhook.0, entry.event.0))
    }

    /// Adds an entry; what is left of it is the permit, to be dropped once the flush is recorded.
    pub(super) fn add(&mut self, entry: &mut Entry) {
        if let Some(attempt) = entry.attempt.take() {
            self.add_attempt(entry, attempt);
        }
        if let Some(change) = entry.change {
            self.changes.add(entry.webhook.0, change);
        }
        match (&entry.hold, entry.next) {
            (_, Next::Delivered) => self.settle_if_lane(entry),
            (Hold::Lease(lease), Next::Wait(delay)) => self.wait(entry, lease.id, delay, false),
            (Hold::Lease(lease), Next::StillInFlight(delay)) => self.wait(entry, lease.id, delay, true),
            (Hold::Lane { token, .. }, Next::Wait(delay)) => self.postpone(entry, *token, delay),
            // A delivery from a lane has its row already.
            (Hold::Lane { .. }, Next::StillInFlight(_)) => {}
            (_, Next::GiveUp(reason)) => {
                self.settle_if_lane(entry);
                self.bury(entry, reason);
            }
        }
        if let Hold::Lease(lease) = &entry.hold
            && lease.finish_one()
        {
            self.finish_lease(lease.id);
        }
    }

    pub(super) fn finish_lease(&mut self, lease_id: i64) {
        self.finished_leases.push(lease_id);
    }

    pub(super) fn finished_leases(&self) -> &[i64] {
        &self.finished_leases
    }

    /// Until the first delivery of those that this flush writes to lanes, or lets go, is due.
    pub(super) fn shortest_wait(&self) -> Option<Duration> {
        let delays = self.waiting.delays_ms.iter().chain(&self.postponed.delays_ms);
        let soonest = delays.min().map(|ms| Duration::from_millis(ms.unsigned_abs()));
        let at_once = self.frees_a_key || self.changes.recovers_any();
        if at_once { Some(Duration::ZERO) } else { soonest }
    }

    fn add_attempt(&mut self, entry: &Entry, attempt: Attempt) {
        let rows = &mut self.attempts;
        rows.events.push(entry.event.0);
        rows.webhooks.push(entry.webhook.0);
        rows.buckets.push(entry.bucket);
        rows.numbers.push(entry.attempts);
        rows.started.push(attempt.started);
        rows.durations_us
            .push(i32::try_from(attempt.duration.as_micros()).unwrap_or(i32::MAX));
        let (status, error, detail) = match attempt.outcome {
            Outcome::Response {
                status, error: None, ..
            } => (Some(status), None, None),
            Outcome::Response {
                status,
                error: Some(failure),
                ..
            } => (Some(status), Some(failure.kind.as_str()), Some(failure.detail)),
            Outcome::Failed(failure) => (None, Some(failure.kind.as_str()), Some(failure.detail)),
        };
        rows.statuses.push(status.map(|status| status as i16));
        rows.errors.push(error);
        rows.details.push(detail);
        rows.responses
            .push((!attempt.response.is_empty()).then_some(attempt.response));
    }

    fn wait(&mut self, entry: &Entry, lease_id: i64, delay: Duration, in_flight: bool) {
        let rows = &mut self.waiting;
        rows.leases.push(lease_id);
        rows.webhooks.push(entry.webhook.0);
        rows.events.push(entry.event.0);
        rows.buckets.push(entry.bucket);
        rows.attempts.push(entry.attempts);
        rows.redeliveries.push(entry.redelivery);
        rows.delays_ms.push(delay.as_millis() as i64);
        rows.in_flight.push(in_flight);
        if in_flight {
            self.parked_in_flight.insert((entry.webhook.0, entry.event.0));
        }
    }

    fn settle_if_lane(&mut self, entry: &Entry) {
        if let Hold::Lane { token, in_order } = entry.hold {
            self.frees_a_key |= in_order;
            self.settled.webhooks.push(entry.webhook.0);
            self.settled.events.push(entry.event.0);
            self.settled.tokens.push(token);
        }
    }

    fn postpone(&mut self, entry: &Entry, token: i64, delay: Duration) {
        let rows = &mut self.postponed;
        rows.webhooks.push(entry.webhook.0);
        rows.events.push(entry.event.0);
        rows.tokens.push(token);
        rows.attempts.push(entry.attempts);
        rows.probes.push(entry.probes);
        rows.redeliveries.push(entry.redelivery);
        rows.delays_ms.push(delay.as_millis() as i64);
    }

    fn bury(&mut self, entry: &Entry, reason: DeadLetterReason) {
        let rows = &mut self.buried;
        rows.webhooks.push(entry.webhook.0);
        rows.events.push(entry.event.0);
        rows.buckets.push(entry.bucket);
        rows.attempts.push(entry.attempts);
        rows.reasons.push(reason.as_str());
        rows.leases.push(match &entry.hold {
            Hold::Lease(lease) => Some(lease.id),
            Hold::Lane { .. } => None,
        });
        if reason == DeadLetterReason::Gone {
            self.gone_webhooks.push(entry.webhook.0);
        }
    }

    /// Sends the statement. May be repeated with the same number after an error: it takes effect once.
    pub(super) async fn send(
        &mut self,
        connection: &mut PgConnection,
        worker: Uuid,
        number: i64,
    ) -> sqlx::Result<Flushed> {
        let attempts = &mut self.attempts;
        attempts.ages_us = attempts
            .started
            .iter()
            .map(|started| started.elapsed().as_micros() as i64)
            .collect();
        let row = sqlx::query(include_str!("record.sql"))
            .bind(worker)
            .bind(number)
            .bind(&attempts.events)
            .bind(&attempts.webhooks)
            .bind(&attempts.buckets)
            .bind(&attempts.numbers)
            .bind(&attempts.ages_us)
            .bind(&attempts.durations_us)
            .bind(&attempts.statuses)
            .bind(&attempts.errors)
            .bind(&attempts.details)
            .bind(&attempts.responses)
            .bind(&self.waiting.leases)
            .bind(&self.waiting.webhooks)
            .bind(&self.waiting.events)
            .bind(&self.waiting.buckets)
            .bind(&self.waiting.attempts)
            .bind(&self.waiting.redeliveries)
            .bind(&self.waiting.delays_ms)
            .bind(&self.waiting.in_flight)
            .bind(&self.settled.webhooks)
            .bind(&self.settled.events)
            .bind(&self.settled.tokens)
            .bind(&self.postponed.webhooks)
            .bind(&self.postponed.events)
            .bind(&self.postponed.tokens)
            .bind(&self.postponed.attempts)
            .bind(&self.postponed.probes)
            .bind(&self.postponed.redeliveries)
            .bind(&self.postponed.delays_ms)
            .bind(&self.buried.webhooks)
            .bind(&self.buried.events)
            .bind(&self.buried.buckets)
            .bind(&self.buried.attempts)
            .bind(&self.buried.reasons)
            .bind(&self.buried.leases)
            .bind(&self.finished_leases)
            .bind(&self.changes.webhooks)
            .bind(&self.changes.words)
            .bind(&self.changes.open_ms)
            .bind(&self.changes.trips)
            .bind(&self.gone_webhooks)
            .fetch_one(connection)
            .await?;
        let flushed: Option<i64> = row.try_get("flushed")?;
        Ok(match (row.try_get("recorded")?, flushed) {
            (true, _) => Flushed::Recorded,
            (false, Some(reached)) if reached >= number => Flushed::Recorded,
            (false, None) => Flushed::WorkerGone,
            (false, Some(_)) => Flushed::Unclear,
        })
    }
}
