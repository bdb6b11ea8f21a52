//! Deliver: the way of one delivery through sign, send, judge and record.

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use postrider_core::failure::DeadLetterReason;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::breaker::{Change, is_outage};
use crate::context::Context;
use crate::fan_out::Delivery;
use crate::health::Health;
use crate::judge::{Outcome, Verdict, judge};
use crate::lane::RECORDING_MARGIN;
use crate::metrics;
use crate::record::{Attempt, Hold, Next};
use crate::send::send;
use crate::sign::sign;
use crate::webhook::Webhook;

/// A request that takes longer leaves its slot to others, and goes on beside them.
const SLOT_TIME: Duration = Duration::from_millis(250);

/// Deliveries to a receiver that fails wait for a slot no longer than this: it has few, and many may wait.
const FAILING_PATIENCE: Duration = Duration::from_millis(50);

/// A probe that finds the receiver down uses up no retry of its delivery, so often. With the default times these are more
/// than two hours; then a delivery alone in its lane has its retries left, an hour apart.
const FREE_PROBES: i16 = 10;

/// A claim from a lane that is older than this, or than half the lease time, is not sent: it may end before the answer, or
/// its worker may count as dead by now. Another worker, perhaps with later deliveries of the same key, may be at it already.
const CLAIM_FRESH: Duration = Duration::from_secs(8);

/// Makes one attempt and records what came of it. Nothing is dropped on the way: what cannot be sent now goes to the
/// lane of its webhook.
pub(crate) async fn deliver(context: Arc<Context>, mut delivery: Delivery) {
    let webhook = delivery.webhook.clone();
    deliver_or_park(&context, &mut delivery, &webhook).await;
    drop(delivery);
    if webhook.wants_lane() {
        context.lane_clock.due_within(Duration::ZERO);
    }
}

/// Hands it to the lane of its webhook if it cannot be sent now anyway. `None` when it was.
pub(crate) fn unless_parked(context: &Context, mut delivery: Delivery) -> Option<Delivery> {
    if must_wait(context, &delivery) {
        park(context, &mut delivery, Duration::ZERO);
        return None;
    }
    Some(delivery)
}

fn must_wait(context: &Context, delivery: &Delivery) -> bool {
    let webhook = &delivery.webhook;
    match delivery.hold {
        Hold::Lease(_) => webhook.parks(),
        Hold::Lane { .. } => {
            webhook.is_paused
                || webhook.health.is_open() && !delivery.is_probe
                || delivery.claimed_at.elapsed() > CLAIM_FRESH.min(context.settings.lease_time / 2)
        }
    }
}

async fn deliver_or_park(context: &Context, delivery: &mut Delivery, webhook: &Webhook) {
    let begun = Instant::now();
    let slots = match wait_for_slots(context, delivery, begun).await {
        Ok(slots) => slots,
        Err(delay) => return park(context, delivery, delay),
    };
    // Much may have happened since it was handed out.
    if must_wait(context, delivery) {
        return park(context, delivery, Duration::ZERO);
    }
    delivery.attempts = delivery.attempts.saturating_add(1);
    let patience = begun + context.settings.park_after;
    let (attempt, outlived_its_batch) = match &webhook.target {
        Ok(target) => {
            let _open = context.open_request();
            let request = sign(delivery, target, delivery.attempts, SystemTime::now());
            // On the heap, because it is large and handed on: moving it costs more than the allocation.
            let sending = Box::pin(send(&context.egress, request, webhook.timeout, &context.cut_off));
            finish_or_park(context, delivery, slots, patience, sending).await
        }
        Err(failure) => {
            let attempt = Attempt {
                started: Instant::now(),
                duration: Duration::ZERO,
                outcome: Outcome::Failed(failure.clone()),
                response: Vec::new(),
            };
            (attempt, false)
        }
    };
    let change = webhook.health.after(
        &context.settings.breaker,
        webhook.max_in_flight,
        &attempt.outcome,
        attempt.duration,
        outlived_its_batch,
        random,
    );
    if delivery.is_probe && delivery.probes < FREE_PROBES && is_outage(&attempt.outcome) {
        delivery.probes = delivery.probes.saturating_add(1);
    }
    let counted = delivery.attempts.saturating_sub(delivery.probes);
    let verdict = judge(
        &webhook.retry,
        u32::from(counted.unsigned_abs()),
        &attempt.outcome,
        random,
    );
    tell(webhook, delivery, &attempt, verdict, change);
    let mut entry = delivery.entry(match verdict {
        Verdict::Delivered => Next::Delivered,
        Verdict::RetryAfter(delay) => Next::Wait(delay),
        Verdict::GiveUp(reason) => Next::GiveUp(reason),
    });
    entry.attempt = Some(attempt);
    entry.change = change;
    // It has come to a result: whatever workers died with, it was not this.
    entry.redelivery = 0;
    context.recorder.record(entry);
}

/// Says in metrics and log what happened.
fn tell(webhook: &Webhook, delivery: &Delivery, attempt: &Attempt, verdict: Verdict, change: Option<Change>) {
    metrics::attempt(attempt, verdict);
    if verdict == Verdict::GiveUp(DeadLetterReason::Gone) {
        metrics::webhook_disabled(DeadLetterReason::Gone, 1);
        tracing::warn!(webhook = %webhook.id, event = %delivery.event, "receiver answered 410 Gone, webhook disabled");
    }
    match change {
        Some(Change::Opened { duration, trips }) => {
            metrics::breaker_opened();
            tracing::warn!(webhook = %webhook.id, seconds = duration.as_secs_f64(), trips,
                           "breaker opened: the receiver only fails, its deliveries wait");
        }
        Some(Change::Recovered { closes: true }) => {
            metrics::breaker_closed();
            tracing::info!(webhook = %webhook.id, "breaker closed: the receiver is back");
        }
        Some(Change::Recovered { closes: false } | Change::Failed) | None => {}
    }
}

/// The right to have one request open: of the webhook, and of the worker.
struct Slots {
    webhook: OwnedSemaphorePermit,
    probation: Option<OwnedSemaphorePermit>,
    /// None when it went on beside the slots.
    worker: Option<OwnedSemaphorePermit>,
    is_slow: bool,
}

/// Waits for the delivery's turn as long as its webhook deserves. `Err` says after which delay it may try again.
async fn wait_for_slots(context: &Context, delivery: &Delivery, begun: Instant) -> Result<Slots, Duration> {
    let webhook = &delivery.webhook;
    let patience = if webhook.health.is_failing() && matches!(delivery.hold, Hold::Lease(_)) {
        begun + context.settings.park_after.min(FAILING_PATIENCE)
    } else {
        begun + context.settings.park_after
    };
    let turn = (webhook.pacer).take_turn(begun, patience.saturating_duration_since(begun))?;
    if turn.is_zero()
        && let Some(slots) = free_slots(context, webhook)
    {
        return Ok(slots);
    }
    let waiting = async {
        tokio::time::sleep(turn).await;
        let of_webhook = webhook.slots.clone().acquire_owned().await.ok()?;
        let probation = webhook.health.probation().await;
        let (of_worker, is_slow) = worker_slots(context, &webhook.health);
        Some(Slots {
            webhook: of_webhook,
            probation,
            worker: Some(of_worker.clone().acquire_owned().await.ok()?),
            is_slow,
        })
    };
    tokio::select! {
        biased;
        slots = waiting => slots.ok_or(Duration::ZERO),
        () = context.stop.drain.cancelled() => Err(Duration::ZERO),
        () = tokio::time::sleep_until(patience) => Err(Duration::ZERO),
    }
}

/// The slots without a wait, and so without a timer: the common case.
fn free_slots(context: &Context, webhook: &Webhook) -> Option<Slots> {
    let (of_worker, is_slow) = worker_slots(context, &webhook.health);
    Some(Slots {
        webhook: webhook.slots.clone().try_acquire_owned().ok()?,
        probation: webhook.health.try_probation().ok()?,
        worker: Some(of_worker.clone().try_acquire_owned().ok()?),
        is_slow,
    })
}

/// A receiver known to be slow does not take the slots of the others.
fn worker_slots<'a>(context: &'a Context, health: &Health) -> (&'a Arc<Semaphore>, bool) {
    if health.is_slow() {
        (&context.slow_slots, true)
    } else {
        (&context.slots, false)
    }
}

/// Hands an unsent delivery to the lane of its webhook.
fn park(context: &Context, delivery: &mut Delivery, delay: Duration) {
    metrics::parked();
    let entry = delivery.entry(Next::Wait(delay));
    context.recorder.record(entry);
}

/// Awaits the attempt. One that takes long first leaves its slot to others, then its batch: it moves to its lane while
/// still in flight. The second value says whether the request alone took longer than a batch may.
async fn finish_or_park(
    context: &Context,
    delivery: &mut Delivery,
    mut slots: Slots,
    patience: Instant,
    mut sending: Pin<Box<impl Future<Output = Attempt>>>,
) -> (Attempt, bool) {
    let health = delivery.webhook.health.clone();
    let begun = Instant::now();
    let slot_ends = patience.min(begun + SLOT_TIME);
    if let Ok(attempt) = tokio::time::timeout_at(slot_ends, &mut sending).await {
        return (attempt, false);
    }
    health.still_open(begun.elapsed(), false);
    if !slots.is_slow {
        // When the slow ones have no slot left either, it goes on without: those that begin next will have to wait.
        slots.worker = context.slow_slots.clone().try_acquire_owned().ok();
    }
    if let Ok(attempt) = tokio::time::timeout_at(patience, &mut sending).await {
        return (attempt, false);
    }
    // It may have waited for a slot before: that says nothing about the receiver.
    let is_slow = begun.elapsed() >= context.settings.park_after;
    health.still_open(begun.elapsed(), is_slow);
    if let Hold::Lease(lease) = &delivery.hold {
        metrics::parked();
        let token = lease.id;
        // The row shall not count the attempt before it has ended.
        delivery.attempts -= 1;
        let entry = delivery.entry(Next::StillInFlight(delivery.webhook.timeout + RECORDING_MARGIN));
        delivery.attempts += 1;
        context.recorder.record(entry);
        delivery.hold = Hold::Lane { token, in_order: false };
    }
    delivery.permit = None;
    let _held_to_the_end = (slots.webhook, slots.probation, slots.worker);
    let attempt = sending.await;
    let is_slow = attempt.duration >= context.settings.park_after;
    (attempt, is_slow)
}

/// Evenly spread in `[0, 1)`.
fn random() -> f64 {
    // Without randomness of the system the retries still work, only less spread.
    getrandom::u64().map_or(0.5, |bits| (bits >> 11) as f64 / (1_u64 << 53) as f64)
}
