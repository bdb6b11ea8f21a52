//! Lanes: take due deliveries of webhooks that retry, were parked, are paused, or want order.

mod take;

pub(crate) use take::RECORDING_MARGIN;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use postrider_core::envelope::envelope;
use postrider_core::failure::DeadLetterReason;
use postrider_core::ids::{EventId, WebhookId};
use sqlx::postgres::PgRow;
use sqlx::{Connection as _, PgConnection, Row};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use crate::claim::Subscription;
use crate::context::Context;
use crate::fan_out::{Delivery, POISON_REDELIVERIES};
use crate::identity::mark;
use crate::metrics;
use crate::record::{Hold, Next};

/// Most lanes of one claim.
const LANES: usize = 100;

/// Deliveries of an inactive or deleted webhook cleared away by one claim.
const CLEARED_PER_LANE: i64 = 1000;

/// Deliveries taken for a webhook that this worker knows nothing of.
const FIRST_DELIVERIES: usize = 16;

/// A lane of which nothing could be taken, although it is due, is put off by so much.
const PUT_OFF: Duration = Duration::from_millis(20);

/// What a claim of lanes found.
#[derive(Debug, Default)]
pub(crate) struct ClaimedLanes {
    /// Due lanes looked at: when more than none, it is worth looking again at once.
    pub(crate) lanes: usize,
    rows: Vec<PgRow>,
    /// Webhooks whose lanes have more that is due.
    waiting: Vec<i64>,
    claimed_at: Option<Instant>,
    alone: Option<OwnedSemaphorePermit>,
}

/// Takes due deliveries, a few of each due lane. The work grows with the lanes that are due, not with their length.
pub(crate) async fn claim_lanes(
    context: &Context,
    connection: &mut PgConnection,
    saturated: &[i64],
    limit: usize,
) -> sqlx::Result<ClaimedLanes> {
    let claimed_at = Instant::now();
    let mut transaction = connection.begin().await?;
    // With each, whether its breaker is open: what is taken are probes then.
    let lanes: Vec<(i64, bool)> = sqlx::query_as(
        "-- lock due lanes
         select l.webhook_id, l.opened_at is not null as is_open from postrider.lane l
          where l.due_at <= now() and l.webhook_id <> all ($1)
          order by l.due_at limit $2
            for update skip locked",
    )
    .bind(saturated)
    .bind(LANES.min(limit) as i64)
    .fetch_all(&mut *transaction)
    .await?;
    if lanes.is_empty() {
        transaction.rollback().await?;
        return Ok(ClaimedLanes::default());
    }
    // Further statements, not one with the lock: they must see what was committed before the lock was ours. Whoever
    // adds a delivery or resumes a webhook touches the lane row too, so nothing can be overlooked.
    let ids: Vec<i64> = lanes.iter().map(|(id, _)| *id).collect();
    clear_inactive(&mut transaction, &ids).await?;
    // Of each lane an equal share of the claim, so that none waits for the others. A lane that got nothing would be put
    // off: there are no more than shares.
    let share = limit / lanes.len();
    let rooms = context.webhooks.rooms(&ids, FIRST_DELIVERIES);
    let mut most: Vec<i32> = rooms.into_iter().map(|room| room.min(share as i32)).collect();
    for ((_, is_open), most) in lanes.iter().zip(&mut most) {
        if *is_open {
            *most = (*most).min(take::PROBES);
        }
    }
    let mark = mark(context.identity.worker());
    let mut rows = take::due(&mut transaction, &ids, &most, mark).await?;
    rows.extend(take::first_of_keys(&mut transaction, &ids, &most, mark).await?);
    let alone = context.alone.clone().try_acquire_owned().ok();
    let suspects = match &alone {
        Some(_) => take::suspects(&mut transaction, &ids, mark).await?,
        None => Vec::new(),
    };
    let alone = alone.filter(|_| !suspects.is_empty());
    rows.extend(suspects);
    let mut taken: Vec<i64> = rows
        .iter()
        .map(|row| row.try_get("webhook_id"))
        .collect::<sqlx::Result<_>>()?;
    taken.dedup();
    let waiting = set_next_due(&mut transaction, &ids, &taken).await?;
    transaction.commit().await?;
    Ok(ClaimedLanes {
        lanes: lanes.len(),
        rows,
        waiting,
        claimed_at: Some(claimed_at),
        alone,
    })
}

/// What waits for a webhook that was deactivated becomes dead letters; what waits for a deleted one is removed.
async fn clear_inactive(connection: &mut PgConnection, lanes: &[i64]) -> sqlx::Result<()> {
    let cleared: Vec<String> = sqlx::query_scalar(
        "-- clear_inactive
         with picked as materialized (
            select q.*, w.id is not null as exists, coalesce(w.disabled_reason, 'inactive') as reason
              from unnest($1::bigint[]) as l (webhook_id)
              left join postrider.webhook w on w.id = l.webhook_id
             cross join lateral (
                select d.webhook_id, d.event_id, d.bucket, d.attempts, d.place
                  from postrider.delivery d
                 where d.webhook_id = l.webhook_id
                 order by d.due_at, d.event_id limit $2
                   for update skip locked
             ) q
             where w.is_active is not true
         ), removed as (
            delete from postrider.delivery d using picked p
             where d.webhook_id = p.webhook_id and d.event_id = p.event_id
         )
         insert into postrider.dead_letter (webhook_id, event_id, bucket, attempts, reason, place)
         select p.webhook_id, p.event_id, p.bucket, p.attempts, p.reason, p.place from picked p where p.exists
         on conflict do nothing
         returning reason",
    )
    .bind(lanes)
    .bind(CLEARED_PER_LANE)
    .fetch_all(connection)
    .await?;
    for reason in cleared.iter().filter_map(|reason| reason.parse().ok()) {
        metrics::dead_letter(reason);
    }
    Ok(())
}

/// Sets each lane to its next due time, at the earliest now, so that due lanes take turns. Returns the webhooks of which
/// more is due already.
async fn set_next_due(connection: &mut PgConnection, lanes: &[i64], taken: &[i64]) -> sqlx::Result<Vec<i64>> {
    let next: Vec<(i64, bool)> = sqlx::query_as(
        "-- set_next_due: a paused webhook's lane is not due until it is resumed; that of an open breaker not before its
         -- probes have an answer, or their claim ends
         with next as materialized (
            select l.webhook_id, w.is_active and w.paused_at is not null as is_paused,
                   l.opened_at is not null and l.webhook_id = any ($2) as is_probing,
                   now() + (coalesce(w.timeout_ms, 0) + $4) * interval '1 millisecond' as claim_end,
                   coalesce(least((select min(d.due_at) from postrider.delivery d where d.webhook_id = l.webhook_id),
                                  (select min(k.due_at) from postrider.ordered_key k where k.webhook_id = l.webhook_id)),
                            'infinity') as due_at
              from postrider.lane l
              left join postrider.webhook w on w.id = l.webhook_id
             where l.webhook_id = any ($1)
         )
         update postrider.lane l
            set due_at = case when n.is_paused then 'infinity'
                              when n.is_probing then n.claim_end
                              when l.webhook_id = any ($2) then greatest(n.due_at, now())
                              else greatest(n.due_at, now() + $3 * interval '1 millisecond') end,
                is_probing = n.is_probing,
                open_until = case when n.is_probing then n.claim_end else l.open_until end
           from next n
          where l.webhook_id = n.webhook_id
         returning l.webhook_id, n.due_at <= now() and n.is_paused is not true",
    )
    .bind(lanes)
    .bind(taken)
    .bind(PUT_OFF.as_millis() as i64)
    .bind(take::RECORDING_MARGIN.as_millis() as i64)
    .fetch_all(connection)
    .await?;
    Ok(next.into_iter().filter(|(_, waits)| *waits).map(|(id, _)| id).collect())
}

/// How long until a lane or a deferred event is due; `None` when nothing waits for a time.
pub(crate) async fn next_due(connection: &mut PgConnection, saturated: &[i64]) -> sqlx::Result<Option<Duration>> {
    let seconds: Option<f64> = sqlx::query_scalar(
        "-- next_due
         select extract(epoch from least(
                    (select l.due_at from postrider.lane l
                      where l.due_at < 'infinity' and l.webhook_id <> all ($1) order by l.due_at limit 1),
                    (select d.due_at from postrider.deferred d order by d.due_at limit 1)) - clock_timestamp())::float8",
    )
    .bind(saturated)
    .fetch_one(connection)
    .await?;
    Ok(seconds.map(|seconds| Duration::from_secs_f64(seconds.clamp(0.0, 3600.0))))
}

/// The deliveries behind the claimed rows. Those that killed too many workers end here.
pub(crate) async fn read_deliveries(
    context: &Context,
    connection: &mut PgConnection,
    claimed: ClaimedLanes,
    mut permits: OwnedSemaphorePermit,
) -> sqlx::Result<Vec<Delivery>> {
    let mut subscriptions = Vec::with_capacity(claimed.rows.len());
    for row in &claimed.rows {
        subscriptions.push(Subscription {
            webhook: WebhookId(row.try_get("webhook_id")?),
            version: row.try_get("version")?,
            is_open: false,
            is_failing: false,
        });
    }
    let webhooks = context
        .webhooks
        .get(connection, &context.settings, subscriptions)
        .await?;
    for webhook in webhooks.values() {
        webhook.health.set_lane_waits(claimed.waiting.contains(&webhook.id.0));
    }
    let mut probed = HashSet::new();
    let alone = claimed.alone.map(Arc::new);
    let claimed_at = claimed.claimed_at.unwrap_or_else(Instant::now);
    let mut deliveries = Vec::with_capacity(claimed.rows.len());
    for row in &claimed.rows {
        let Some(webhook) = webhooks.get(&WebhookId(row.try_get("webhook_id")?)) else {
            continue;
        };
        let event = EventId(row.try_get("event_id")?);
        let event_type: &str = row.try_get("type")?;
        let payload: &str = row.try_get("payload")?;
        let redelivery: i16 = row.try_get("redelivery")?;
        let is_probe: bool = row.try_get("is_probe")?;
        if is_probe && probed.insert(webhook.id) {
            let trips = row.try_get("trips")?;
            webhook.health.breaker(|breaker| breaker.probe(trips));
            metrics::breaker_probed();
            tracing::info!(webhook = %webhook.id, "breaker lets probes through");
        }
        let mut delivery = Delivery {
            event,
            event_type: Arc::from(event_type),
            bucket: row.try_get("bucket")?,
            body: Bytes::from(envelope(event_type, event, payload, row.try_get("tenant")?)),
            held: webhook.health.hold(),
            webhook: webhook.clone(),
            attempts: row.try_get("attempts")?,
            probes: row.try_get("probes")?,
            redelivery,
            is_probe,
            hold: Hold::Lane {
                token: row.try_get("token")?,
                in_order: row.try_get("in_order")?,
            },
            claimed_at,
            permit: permits.split(1),
            alone: if redelivery >= take::SUSPECT {
                alone.clone()
            } else {
                None
            },
        };
        if redelivery >= POISON_REDELIVERIES {
            tracing::error!(event = %event, webhook = %webhook.id, redeliveries = redelivery,
                            "event given up: workers died holding it");
            metrics::dead_letter(DeadLetterReason::Poison);
            context
                .recorder
                .record(delivery.entry(Next::GiveUp(DeadLetterReason::Poison)));
        } else {
            deliveries.push(delivery);
        }
    }
    Ok(deliveries)
}
