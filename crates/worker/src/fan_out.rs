//! Fan out: one event becomes one delivery for each subscribed webhook.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Deserialize;

use bytes::Bytes;
use postrider_core::envelope::envelope;
use postrider_core::event_type::is_operational;
use postrider_core::failure::DeadLetterReason;
use postrider_core::ids::{EventId, WebhookId};
use sqlx::PgConnection;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use crate::claim::{self, Batch, Claimed, ClaimedGroup};
use crate::context::Context;
use crate::health::Held;
use crate::metrics;
use crate::record::{Entry, Hold, Lease, Next};
use crate::webhook::Webhook;

/// An event this many workers died with is not tried again.
pub(crate) const POISON_REDELIVERIES: i16 = 5;

/// One event on its way to one webhook.
#[derive(Debug)]
pub(crate) struct Delivery {
    pub(crate) event: EventId,
    pub(crate) event_type: Arc<str>,
    pub(crate) bucket: i16,
    pub(crate) body: Bytes,
    pub(crate) webhook: Arc<Webhook>,
    /// Attempts made so far.
    pub(crate) attempts: i16,
    /// Those of them that do not count against the retries.
    pub(crate) probes: i16,
    /// Workers that died holding it, since its last result.
    pub(crate) redelivery: i16,
    /// Whether it finds out if the receiver is back.
    pub(crate) is_probe: bool,
    pub(crate) hold: Hold,
    pub(crate) claimed_at: Instant,
    pub(crate) permit: Option<OwnedSemaphorePermit>,
    /// Of a suspect: keeps others from being tried beside it until it is recorded.
    pub(crate) alone: Option<Arc<OwnedSemaphorePermit>>,
    #[expect(dead_code, reason = "held, not read")]
    pub(crate) held: Held,
}

impl Delivery {
    /// The line to record for it.
    pub(crate) fn entry(&mut self, next: Next) -> Entry {
        Entry {
            event: self.event,
            webhook: self.webhook.id,
            bucket: self.bucket,
            hold: self.hold.clone(),
            attempts: self.attempts,
            probes: self.probes,
            redelivery: self.redelivery,
            attempt: None,
            next,
            change: None,
            permit: self.permit.take(),
            alone: self.alone.take(),
        }
    }
}

/// Deliveries of a claimed batch. Events without a subscriber end here, as do those that killed too many workers.
/// `alone` is the right to try a suspect.
pub(crate) async fn fan_out(
    context: &Context,
    connection: &mut PgConnection,
    batch: Batch,
    permits: OwnedSemaphorePermit,
    alone: Option<OwnedSemaphorePermit>,
) -> sqlx::Result<Vec<Delivery>> {
    let wanted = batch
        .groups
        .iter()
        .flat_map(|group| group.subscriptions.iter().copied());
    let webhooks = context.webhooks.get(connection, &context.settings, wanted).await?;

    let lease_id = batch.lease_id;
    let mut pairs: Vec<Pair> = Vec::with_capacity(batch.events);
    for group in batch.groups {
        pairs.extend(subscribed(group, &webhooks));
    }
    leave_out_settled(connection, &mut pairs).await?;
    let (poisoned, sound): (Vec<Pair>, Vec<Pair>) =
        (pairs.into_iter()).partition(|pair| pair.event.redelivery >= POISON_REDELIVERIES);

    let count = |pairs: &[Pair]| pairs.iter().map(|pair| pair.webhooks.len()).sum::<usize>();
    let deliveries = count(&sound) + count(&poisoned);
    let lease = Arc::new(Lease::new(lease_id, deliveries));
    if deliveries == 0 {
        context.recorder.finish_empty(lease);
        return Ok(Vec::new());
    }
    for pair in poisoned {
        bury(context, &pair, &lease);
    }
    Ok(spread(sound, &lease, permits, alone.map(Arc::new)))
}

/// An event and the webhooks it goes to.
struct Pair {
    event: Claimed,
    event_type: Arc<str>,
    webhooks: Vec<Arc<Webhook>>,
}

fn subscribed(group: ClaimedGroup, webhooks: &HashMap<WebhookId, Arc<Webhook>>) -> impl Iterator<Item = Pair> {
    let now = Instant::now();
    let mut subscribed = Vec::with_capacity(group.subscriptions.len());
    for subscription in &group.subscriptions {
        if let Some(webhook) = webhooks.get(&subscription.webhook) {
            let (is_open, is_failing) = (subscription.is_open, subscription.is_failing);
            webhook.health.breaker(|breaker| breaker.see(is_open, is_failing, now));
            subscribed.push(webhook.clone());
        }
    }
    let event_type: Arc<str> = group.events.first().map_or("", |event| &event.event_type).into();
    let tells_of_webhooks = is_operational(&event_type);
    group.events.into_iter().map(move |event| {
        let mut webhooks = subscribed.clone();
        if tells_of_webhooks && let Some(about) = webhook_told_of(&event.payload) {
            webhooks.retain(|webhook| webhook.id != about);
        }
        Pair {
            event,
            event_type: event_type.clone(),
            webhooks,
        }
    })
}

/// The webhook that an operational event is about. It does not get it: what it cannot take, or what it failed to take,
/// would only be told to itself.
fn webhook_told_of(payload: &str) -> Option<WebhookId> {
    #[derive(Deserialize)]
    struct About {
        #[serde(rename = "webhookId")]
        webhook: WebhookId,
    }
    serde_json::from_str::<About>(payload).ok().map(|about| about.webhook)
}

/// Takes out the webhooks that have their delivery already: it came by way of `ordered`, or a worker died with it.
async fn leave_out_settled(connection: &mut PgConnection, pairs: &mut [Pair]) -> sqlx::Result<()> {
    let (mut events, mut webhooks) = (Vec::new(), Vec::new());
    for pair in pairs.iter().filter(|pair| pair.event.may_be_settled) {
        for webhook in &pair.webhooks {
            events.push(pair.event.event.0);
            webhooks.push(webhook.id.0);
        }
    }
    if events.is_empty() {
        return Ok(());
    }
    let settled = claim::settled(connection, &events, &webhooks).await?;
    for pair in pairs.iter_mut().filter(|pair| pair.event.may_be_settled) {
        let before = pair.webhooks.len();
        let event = pair.event.event.0;
        pair.webhooks
            .retain(|webhook| !settled.contains(&(event, webhook.id.0)));
        if pair.event.redelivery > 0 {
            metrics::duplicates_skipped(before - pair.webhooks.len());
        }
    }
    Ok(())
}

fn bury(context: &Context, pair: &Pair, lease: &Arc<Lease>) {
    let event = &pair.event;
    tracing::error!(event = %event.event, redeliveries = event.redelivery, "event given up: workers died holding it");
    for webhook in &pair.webhooks {
        metrics::dead_letter(DeadLetterReason::Poison);
        context.recorder.record(Entry {
            event: event.event,
            webhook: webhook.id,
            bucket: event.bucket,
            hold: Hold::Lease(lease.clone()),
            attempts: 0,
            probes: 0,
            redelivery: event.redelivery,
            attempt: None,
            next: Next::GiveUp(DeadLetterReason::Poison),
            change: None,
            permit: None,
            alone: None,
        });
    }
}

fn spread(
    pairs: Vec<Pair>,
    lease: &Arc<Lease>,
    mut permits: OwnedSemaphorePermit,
    alone: Option<Arc<OwnedSemaphorePermit>>,
) -> Vec<Delivery> {
    let claimed_at = Instant::now();
    let mut deliveries = Vec::new();
    for Pair {
        event,
        event_type,
        webhooks,
    } in pairs
    {
        let body = Bytes::from(envelope(&event_type, event.event, &event.payload, &event.tenant));
        for webhook in webhooks {
            deliveries.push(Delivery {
                event: event.event,
                event_type: event_type.clone(),
                bucket: event.bucket,
                body: body.clone(),
                held: webhook.health.hold(),
                webhook,
                attempts: 0,
                probes: 0,
                redelivery: event.redelivery,
                is_probe: false,
                hold: Hold::Lease(lease.clone()),
                claimed_at,
                // A batch with more deliveries than expected goes without; the next claim is smaller.
                permit: permits.split(1),
                alone: alone.clone(),
            });
        }
    }
    deliveries
}
