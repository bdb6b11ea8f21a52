//! Claim: take waiting events from the outbox under a lease.

use std::time::Duration;

use postrider_core::ids::{EventId, WebhookId};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};
use uuid::Uuid;

/// Number of buckets: `hash(tenant) % 256`.
const BUCKETS: usize = 256;

/// Late commits carry ids below the low-water mark; a look from zero this often finds them.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);

/// A webhook as it was when the event was claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Subscription {
    pub(crate) webhook: WebhookId,
    pub(crate) version: i64,
}

/// An event taken from the outbox.
#[derive(Debug)]
pub(crate) struct Claimed {
    pub(crate) event: EventId,
    pub(crate) bucket: i16,
    pub(crate) redelivery: i16,
    pub(crate) tenant: String,
    pub(crate) event_type: String,
    pub(crate) payload: String,
}

/// Events of one tenant and type, and the webhooks subscribed to them.
#[derive(Debug)]
pub(crate) struct ClaimedGroup {
    pub(crate) events: Vec<Claimed>,
    pub(crate) subscriptions: Vec<Subscription>,
}

/// One claimed batch.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) lease_id: i64,
    pub(crate) groups: Vec<ClaimedGroup>,
    pub(crate) events: usize,
    pub(crate) payload_bytes: usize,
}

/// What the worker remembers between claims: it makes them cheap and fair, and losing it loses nothing.
#[derive(Debug)]
pub(crate) struct ClaimCursor {
    low_water: [i64; BUCKETS],
    /// Most events one bucket may contribute; raised when few buckets have work, so that a lone tenant fills the batch.
    per_bucket: usize,
    /// Rotates the order of the buckets, so that a full batch does not favour the first ones.
    first_bucket: usize,
    last_sweep: Option<tokio::time::Instant>,
}

impl ClaimCursor {
    pub(crate) fn new() -> Self {
        Self {
            low_water: [0; BUCKETS],
            per_bucket: usize::MAX,
            first_bucket: 0,
            last_sweep: None,
        }
    }

    /// Makes the next claim look from zero.
    pub(crate) fn sweep(&mut self) {
        self.last_sweep = None;
    }

    fn begin(&mut self) -> (Vec<i16>, Vec<i64>) {
        if self.last_sweep.is_none_or(|at| at.elapsed() >= SWEEP_INTERVAL) {
            self.low_water = [0; BUCKETS];
            self.last_sweep = Some(tokio::time::Instant::now());
        }
        let order = (0..BUCKETS).map(|place| (place + self.first_bucket) % BUCKETS);
        order.map(|bucket| (bucket as i16, self.low_water[bucket])).unzip()
    }

    fn end(&mut self, batch: Option<&Batch>, limit: usize) {
        let mut seen = [false; BUCKETS];
        for event in batch
            .iter()
            .flat_map(|batch| &batch.groups)
            .flat_map(|group| &group.events)
        {
            let bucket = event.bucket as usize;
            seen[bucket] = true;
            self.low_water[bucket] = self.low_water[bucket].max(event.event.0);
        }
        let buckets_with_work = seen.iter().filter(|seen| **seen).count().max(1);
        self.per_bucket = limit.div_ceil(buckets_with_work);
        if batch.is_some_and(|batch| batch.events >= limit) {
            // The batch ended inside some bucket; go on behind the last one that contributed.
            self.first_bucket = (self.first_bucket + buckets_with_work) % BUCKETS;
        }
    }
}

/// Takes up to `limit` events. `None` when nothing waits.
pub(crate) async fn claim(
    connection: &mut PgConnection,
    worker: Uuid,
    cursor: &mut ClaimCursor,
    limit: usize,
) -> sqlx::Result<Option<Batch>> {
    let (buckets, low_water) = cursor.begin();
    let rows = sqlx::query(include_str!("claim.sql"))
        .bind(worker)
        .bind(buckets)
        .bind(low_water)
        .bind(cursor.per_bucket.min(limit) as i64)
        .bind(limit as i64)
        .fetch_all(connection)
        .await?;
    let batch = read_batch(&rows)?;
    cursor.end(batch.as_ref(), limit);
    Ok(batch)
}

fn read_batch(rows: &[PgRow]) -> sqlx::Result<Option<Batch>> {
    let Some(first) = rows.first() else { return Ok(None) };
    let mut batch = Batch {
        lease_id: first.try_get(0)?,
        groups: Vec::new(),
        events: rows.len(),
        payload_bytes: 0,
    };
    for row in rows {
        if let Some(flat) = row.try_get::<Option<Vec<i64>>, _>(7)? {
            let subscriptions = flat
                .chunks_exact(2)
                .map(|pair| Subscription {
                    webhook: WebhookId(pair[0]),
                    version: pair[1],
                })
                .collect();
            batch.groups.push(ClaimedGroup {
                events: Vec::new(),
                subscriptions,
            });
        }
        let payload: String = row.try_get(6)?;
        batch.payload_bytes += payload.len();
        let event = Claimed {
            event: EventId(row.try_get(1)?),
            bucket: row.try_get(2)?,
            redelivery: row.try_get(3)?,
            tenant: row.try_get(4)?,
            event_type: row.try_get(5)?,
            payload,
        };
        batch
            .groups
            .last_mut()
            .expect("the first row of a group carries its subscriptions")
            .events
            .push(event);
    }
    Ok(Some(batch))
}

/// Of a redelivered event: the webhooks for which the worker that died had settled it.
pub(crate) async fn settled(connection: &mut PgConnection, event: EventId, webhooks: &[i64]) -> sqlx::Result<Vec<i64>> {
    sqlx::query_scalar(
        "-- settled
         select a.webhook_id from postrider.attempt a
          where a.event_id = $1 and a.webhook_id = any ($2) and a.error is null
         union
         select d.webhook_id from postrider.delivery d where d.event_id = $1 and d.webhook_id = any ($2)
         union
         select d.webhook_id from postrider.dead_letter d where d.event_id = $1 and d.webhook_id = any ($2)",
    )
    .bind(event.0)
    .bind(webhooks)
    .fetch_all(connection)
    .await
}
