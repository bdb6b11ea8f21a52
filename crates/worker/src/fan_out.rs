//! Fan out: one event becomes one delivery for each subscribed webhook.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use postrider_core::envelope::envelope;
use postrider_core::failure::DeadLetterReason;
use postrider_core::ids::{EventId, WebhookId};
use sqlx::PgConnection;
use tokio::sync::OwnedSemaphorePermit;

use crate::claim::{self, Batch, Claimed, Subscription};
use crate::context::Context;
use crate::metrics;
use crate::record::{Entry, Hold, Lease, Next};
use crate::webhook::Webhook;

/// An event this many workers died with is not tried again.
const POISON_REDELIVERIES: i16 = 5;

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
    pub(crate) hold: Hold,
    pub(crate) permit: Option<OwnedSemaphorePermit>,
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
            attempt: None,
            next,
            permit: self.permit.take(),
        }
    }
}

/// Deliveries of a claimed batch. Events without a subscriber end here, as do those that killed too many workers.
pub(crate) async fn fan_out(
    context: &Context,
    connection: &mut PgConnection,
    batch: Batch,
    permits: OwnedSemaphorePermit,
) -> sqlx::Result<Vec<Delivery>> {
    let wanted = batch
        .groups
        .iter()
        .flat_map(|group| group.subscriptions.iter().copied());
    let webhooks = context.webhooks.get(connection, &context.settings, wanted).await?;

    let mut pairs: Vec<(Claimed, Arc<str>, Vec<Arc<Webhook>>)> = Vec::with_capacity(batch.events);
    let mut poisoned = Vec::new();
    for group in batch.groups {
        let subscribed = subscribed(&group.subscriptions, &webhooks);
        let event_type: Arc<str> = group.events.first().map_or("", |event| &event.event_type).into();
        for event in group.events {
            let unsettled = match event.redelivery {
                0 => subscribed.clone(),
                _ => without_settled(connection, &event, &subscribed).await?,
            };
            if event.redelivery >= POISON_REDELIVERIES {
                poisoned.push((event, unsettled));
            } else {
                pairs.push((event, event_type.clone(), unsettled));
            }
        }
    }

    let deliveries = pairs.iter().map(|(_, _, webhooks)| webhooks.len()).sum::<usize>();
    let buried = poisoned.iter().map(|(_, webhooks)| webhooks.len()).sum::<usize>();
    let lease = Arc::new(Lease::new(batch.lease_id, deliveries + buried));
    if deliveries + buried == 0 {
        context.recorder.finish_empty(lease);
        return Ok(Vec::new());
    }
    for (event, webhooks) in poisoned {
        bury(context, &event, &webhooks, &lease);
    }
    Ok(spread(pairs, &lease, permits))
}

fn subscribed(subscriptions: &[Subscription], webhooks: &HashMap<WebhookId, Arc<Webhook>>) -> Vec<Arc<Webhook>> {
    subscriptions
        .iter()
        .filter_map(|subscription| webhooks.get(&subscription.webhook).cloned())
        .collect()
}

async fn without_settled(
    connection: &mut PgConnection,
    event: &Claimed,
    subscribed: &[Arc<Webhook>],
) -> sqlx::Result<Vec<Arc<Webhook>>> {
    let ids: Vec<i64> = subscribed.iter().map(|webhook| webhook.id.0).collect();
    let settled = claim::settled(connection, event.event, &ids).await?;
    metrics::duplicates_skipped(settled.len());
    Ok(subscribed
        .iter()
        .filter(|webhook| !settled.contains(&webhook.id.0))
        .cloned()
        .collect())
}

fn bury(context: &Context, event: &Claimed, webhooks: &[Arc<Webhook>], lease: &Arc<Lease>) {
    tracing::error!(event = %event.event, redeliveries = event.redelivery, "event given up: workers died holding it");
    for webhook in webhooks {
        metrics::dead_letter(DeadLetterReason::Poison);
        context.recorder.record(Entry {
            event: event.event,
            webhook: webhook.id,
            bucket: event.bucket,
            hold: Hold::Lease(lease.clone()),
            attempts: 0,
            attempt: None,
            next: Next::GiveUp(DeadLetterReason::Poison),
            permit: None,
        });
    }
}

fn spread(
    pairs: Vec<(Claimed, Arc<str>, Vec<Arc<Webhook>>)>,
    lease: &Arc<Lease>,
    mut permits: OwnedSemaphorePermit,
) -> Vec<Delivery> {
    let mut deliveries = Vec::new();
    for (event, event_type, webhooks) in pairs {
        let body = Bytes::from(envelope(&event_type, event.event, &event.payload, &event.tenant));
        for webhook in webhooks {
            deliveries.push(Delivery {
                event: event.event,
                event_type: event_type.clone(),
                bucket: event.bucket,
                body: body.clone(),
                webhook,
                attempts: 0,
                hold: Hold::Lease(lease.clone()),
                // A batch with more deliveries than expected goes without; the next claim is smaller.
                permit: permits.split(1),
            });
        }
    }
    deliveries
}
