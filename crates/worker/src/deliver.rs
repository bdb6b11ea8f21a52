//! Deliver: the way of one delivery through sign, send, judge and record.

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use postrider_core::failure::DeadLetterReason;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use crate::context::Context;
use crate::fan_out::Delivery;
use crate::judge::{Outcome, Verdict, judge};
use crate::metrics;
use crate::record::{Attempt, Hold, Next};
use crate::send::send;
use crate::sign::sign;

/// How much longer than its request a claimed delivery stays ours: time to record the result.
pub(crate) const RECORDING_MARGIN: Duration = Duration::from_secs(10);

/// Makes one attempt and records what came of it. Nothing is dropped on the way: what cannot be sent now goes to the
/// lane of its webhook.
pub(crate) async fn deliver(context: Arc<Context>, mut delivery: Delivery) {
    let patience = Instant::now() + context.settings.park_after;
    let slots = match wait_for_slots(&context, &delivery, patience).await {
        Ok(slots) => slots,
        Err(delay) => return park(&context, delivery, delay),
    };
    delivery.attempts += 1;
    let webhook = delivery.webhook.clone();
    let attempt = match &webhook.target {
        Ok(target) => {
            let request = sign(&delivery, target, delivery.attempts, SystemTime::now());
            // On the heap, because it is large and handed on: moving it costs more than the allocation.
            let sending = Box::pin(send(&context.egress, request, webhook.timeout, &context.cut_off));
            finish_or_park(&context, &mut delivery, slots, patience, sending).await
        }
        Err(failure) => Attempt {
            started: Instant::now(),
            duration: Duration::ZERO,
            outcome: Outcome::Failed(failure.clone()),
            response: Vec::new(),
        },
    };

    let verdict = judge(
        &webhook.retry,
        u32::from(delivery.attempts.unsigned_abs()),
        &attempt.outcome,
        random,
    );
    metrics::attempt(&attempt, verdict);
    if verdict == Verdict::GiveUp(DeadLetterReason::Gone) {
        tracing::warn!(webhook = %webhook.id, event = %delivery.event, "receiver answered 410 Gone, webhook disabled");
    }
    let mut entry = delivery.entry(match verdict {
        Verdict::Delivered => Next::Delivered,
        Verdict::RetryAfter(delay) => Next::Wait(delay),
        Verdict::GiveUp(reason) => Next::GiveUp(reason),
    });
    entry.attempt = Some(attempt);
    context.recorder.record(entry);
}

/// The right to have one request open: of the webhook, and of the worker.
struct Slots {
    webhook: OwnedSemaphorePermit,
    worker: OwnedSemaphorePermit,
}

/// Waits for the delivery's turn, until `patience` ends. `Err` says after which delay it may try again.
async fn wait_for_slots(context: &Context, delivery: &Delivery, patience: Instant) -> Result<Slots, Duration> {
    let webhook = &delivery.webhook;
    if webhook.is_paused {
        return Err(Duration::ZERO);
    }
    let now = Instant::now();
    let turn = webhook.pacer.take_turn(now, patience.saturating_duration_since(now))?;
    if turn.is_zero()
        && let Some(slots) = free_slots(context, delivery)
    {
        return Ok(slots);
    }
    let waiting = async {
        tokio::time::sleep(turn).await;
        let of_webhook = webhook.slots.clone().acquire_owned().await.ok()?;
        let of_worker = context.slots.clone().acquire_owned().await.ok()?;
        Some(Slots {
            webhook: of_webhook,
            worker: of_worker,
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
fn free_slots(context: &Context, delivery: &Delivery) -> Option<Slots> {
    Some(Slots {
        webhook: delivery.webhook.slots.clone().try_acquire_owned().ok()?,
        worker: context.slots.clone().try_acquire_owned().ok()?,
    })
}

/// Hands an unsent delivery to the lane of its webhook.
fn park(context: &Context, mut delivery: Delivery, delay: Duration) {
    metrics::parked();
    let entry = delivery.entry(Next::Wait(delay));
    context.recorder.record(entry);
}

/// Awaits the attempt. One that outlives `patience` moves to its lane while still in flight, so that its batch is not
/// held by it, and its place in the worker goes to others.
async fn finish_or_park(
    context: &Context,
    delivery: &mut Delivery,
    slots: Slots,
    patience: Instant,
    mut sending: Pin<Box<impl Future<Output = Attempt>>>,
) -> Attempt {
    if let Ok(attempt) = tokio::time::timeout_at(patience, &mut sending).await {
        return attempt;
    }
    if let Hold::Lease(lease) = &delivery.hold {
        metrics::parked();
        let token = lease.id;
        // The row shall not count the attempt before it has ended.
        delivery.attempts -= 1;
        let entry = delivery.entry(Next::StillInFlight(delivery.webhook.timeout + RECORDING_MARGIN));
        delivery.attempts += 1;
        context.recorder.record(entry);
        delivery.hold = Hold::Lane(token);
    }
    delivery.permit = None;
    // A slow request keeps a slot only of its webhook, and of the slow ones while there are any.
    let slow = context.slow_slots.clone().try_acquire_owned();
    let _worker = match slow {
        Ok(slow) => {
            drop(slots.worker);
            slow
        }
        Err(_) => slots.worker,
    };
    let _webhook = slots.webhook;
    sending.await
}

/// Evenly spread in `[0, 1)`.
fn random() -> f64 {
    // Without randomness of the system the retries still work, only less spread.
    getrandom::u64().map_or(0.5, |bits| (bits >> 11) as f64 / (1_u64 << 53) as f64)
}
