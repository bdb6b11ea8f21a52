//! Lanes: take due deliveries of webhooks that retry, were parked or are paused.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use postrider_core::envelope::envelope;
use postrider_core::failure::DeadLetterReason;
use postrider_core::ids::{EventId, WebhookId};
use sqlx::postgres::PgRow;
use sqlx::{Connection as _, PgConnection, Row};
use tokio::sync::OwnedSemaphorePermit;

use crate::claim::Subscription;
use crate::context::Context;
use crate::deliver::RECORDING_MARGIN;
use crate::fan_out::Delivery;
use crate::metrics;
use crate::record::Hold;

/// Most lanes of one claim.
const LANES: i64 = 100;

/// Most deliveries of one lane in one claim, so that a long lane shares the claim with the others.
const DELIVERIES_PER_LANE: i64 = 64;

/// Deliveries of an inactive or deleted webhook cleared away by one claim.
const CLEARED_PER_LANE: i64 = 1000;

/// What a claim of lanes found.
#[derive(Debug, Default)]
pub(crate) struct ClaimedLanes {
    /// Due lanes looked at: when more than none, it is worth looking again at once.
    pub(crate) lanes: usize,
    rows: Vec<PgRow>,
}

/// Takes due deliveries, a few of each due lane. The work grows with the lanes that are due, not with their length.
pub(crate) async fn claim_lanes(
    connection: &mut PgConnection,
    saturated: &[i64],
    limit: usize,
) -> sqlx::Result<ClaimedLanes> {
    let mut transaction = connection.begin().await?;
    let lanes: Vec<i64> = sqlx::query_scalar(
        "-- lock due lanes
         select l.webhook_id from postrider.lane l
          where l.due_at <= now() and l.webhook_id <> all ($1)
          order by l.due_at limit $2
            for update skip locked",
    )
    .bind(saturated)
    .bind(LANES)
    .fetch_all(&mut *transaction)
    .await?;
    if lanes.is_empty() {
        transaction.rollback().await?;
        return Ok(ClaimedLanes::default());
    }
    // Further statements, not one with the lock: they must see what was committed before the lock was ours. Whoever
    // adds a delivery or resumes a webhook touches the lane row too, so nothing can be overlooked.
    clear_inactive(&mut transaction, &lanes).await?;
    let rows = take_due(&mut transaction, &lanes, limit).await?;
    set_next_due(&mut transaction, &lanes).await?;
    transaction.commit().await?;
    Ok(ClaimedLanes {
        lanes: lanes.len(),
        rows,
    })
}

async fn take_due(connection: &mut PgConnection, lanes: &[i64], limit: usize) -> sqlx::Result<Vec<PgRow>> {
    sqlx::query(
        "-- take due deliveries
         with claim as materialized (
            select nextval('postrider.token_seq') as token
         ), picked as materialized (
            select q.*, w.version, w.timeout_ms
              from unnest($1::bigint[]) as l (webhook_id)
              join postrider.webhook w on w.id = l.webhook_id
             cross join lateral (
                select d.ctid as place, d.webhook_id, d.event_id, d.bucket, d.attempts, d.due_at
                  from postrider.delivery d
                 where d.webhook_id = l.webhook_id and d.due_at <= now()
                 order by d.due_at, d.event_id limit $2
                   for update skip locked
             ) q
             where w.is_active and w.paused_at is null
             limit $4
         ), claimed as (
            update postrider.delivery d
               set token = (select token from claim),
                   due_at = now() + (p.timeout_ms + $3) * interval '1 millisecond'
              from picked p
             where d.ctid = p.place
         )
         select c.token, p.webhook_id, p.version, p.event_id, p.bucket, p.attempts, e.tenant, e.type,
                e.payload::text as payload
           from picked p
          cross join claim c
           join postrider.event e on e.bucket = p.bucket and e.id = p.event_id
          order by p.due_at, p.event_id",
    )
    .bind(lanes)
    .bind(DELIVERIES_PER_LANE)
    .bind(RECORDING_MARGIN.as_millis() as i64)
    .bind(limit as i64)
    .fetch_all(connection)
    .await
}

/// What waits for a webhook that was deactivated becomes dead letters; what waits for a deleted one is removed.
async fn clear_inactive(connection: &mut PgConnection, lanes: &[i64]) -> sqlx::Result<()> {
    let cleared = sqlx::query(
        "-- clear_inactive
         with picked as materialized (
            select q.*, w.id is not null as exists, coalesce(w.disabled_reason, 'inactive') as reason
              from unnest($1::bigint[]) as l (webhook_id)
              left join postrider.webhook w on w.id = l.webhook_id
             cross join lateral (
                select d.webhook_id, d.event_id, d.bucket, d.attempts
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
         insert into postrider.dead_letter (webhook_id, event_id, bucket, attempts, reason)
         select p.webhook_id, p.event_id, p.bucket, p.attempts, p.reason from picked p where p.exists
         on conflict do nothing",
    )
    .bind(lanes)
    .bind(CLEARED_PER_LANE)
    .execute(connection)
    .await?;
    metrics::dead_letters(DeadLetterReason::Inactive, cleared.rows_affected());
    Ok(())
}

async fn set_next_due(connection: &mut PgConnection, lanes: &[i64]) -> sqlx::Result<()> {
    sqlx::query(
        "-- set_next_due: a paused webhook's lane is not due until it is resumed
         update postrider.lane l
            set due_at = case
                when exists (select from postrider.webhook w where w.id = l.webhook_id and w.is_active
                                                               and w.paused_at is not null) then 'infinity'
                else coalesce((select min(d.due_at) from postrider.delivery d where d.webhook_id = l.webhook_id),
                              'infinity')
            end
          where l.webhook_id = any ($1)",
    )
    .bind(lanes)
    .execute(connection)
    .await?;
    Ok(())
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

/// The deliveries behind the claimed rows.
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
        });
    }
    let webhooks = context
        .webhooks
        .get(connection, &context.settings, subscriptions)
        .await?;
    let mut deliveries = Vec::with_capacity(claimed.rows.len());
    for row in &claimed.rows {
        let Some(webhook) = webhooks.get(&WebhookId(row.try_get("webhook_id")?)) else {
            continue;
        };
        let event = EventId(row.try_get("event_id")?);
        let event_type: &str = row.try_get("type")?;
        let payload: &str = row.try_get("payload")?;
        deliveries.push(Delivery {
            event,
            event_type: Arc::from(event_type),
            bucket: row.try_get("bucket")?,
            body: Bytes::from(envelope(event_type, event, payload, row.try_get("tenant")?)),
            webhook: webhook.clone(),
            attempts: row.try_get("attempts")?,
            hold: Hold::Lane(row.try_get("token")?),
            permit: permits.split(1),
        });
    }
    Ok(deliveries)
}
