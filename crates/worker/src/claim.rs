//! Claim: take waiting events from the outbox under a lease.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use postrider_core::ids::{EventId, WebhookId};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};
use uuid::Uuid;

use crate::flood::Floods;
use crate::identity::mark;

/// Number of buckets: `hash(tenant) % 256`.
pub(crate) const BUCKETS: usize = 256;

/// Late commits carry ids below the low-water mark; a look from zero this often finds them.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);

/// Events that two workers died with are tried so many at a time: most of them only happened to be there. Whichever
/// dies with a third worker is tried alone.
pub(crate) const SUSPECTS_AT_ONCE: usize = 25;

/// A webhook as it was when the event was claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Subscription {
    pub(crate) webhook: WebhookId,
    pub(crate) version: i64,
    /// Whether the breaker of its lane was open.
    pub(crate) is_open: bool,
    /// Whether its last attempt had failed.
    pub(crate) is_failing: bool,
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
    /// Whether some webhooks have their delivery already.
    pub(crate) may_be_settled: bool,
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

/// Where to look for events: those of a bucket with ids in a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Range {
    bucket: i16,
    after: i64,
    up_to: i64,
    most: usize,
}

impl Range {
    /// This one event.
    pub(crate) fn only(bucket: i16, event: EventId) -> Self {
        Self {
            bucket,
            after: event.0 - 1,
            up_to: event.0,
            most: 1,
        }
    }
}

/// Which events to take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    /// All but suspects.
    Ordinary,
    /// Suspects: events that workers died with more than once.
    Suspects,
}

/// What the worker remembers between claims: it makes them cheap and fair, and losing it loses nothing.
#[derive(Debug)]
pub(crate) struct ClaimCursor {
    low_water: [i64; BUCKETS],
    /// The highest id claimed in each bucket: where to go on after a look from zero.
    claimed_up_to: [i64; BUCKETS],
    /// Most events one bucket may contribute; raised when few buckets have work, so that a lone tenant fills the batch.
    per_bucket: usize,
    /// Rotates the order of the buckets, so that a full batch does not favour the first ones.
    first_bucket: usize,
    last_sweep: Option<tokio::time::Instant>,
    pub(crate) floods: Floods,
}

impl ClaimCursor {
    pub(crate) fn new() -> Self {
        Self {
            low_water: [0; BUCKETS],
            claimed_up_to: [0; BUCKETS],
            per_bucket: usize::MAX,
            first_bucket: 0,
            last_sweep: None,
            floods: Floods::default(),
        }
    }

    /// Makes the next claim look from zero.
    pub(crate) fn sweep(&mut self) {
        self.last_sweep = None;
    }

    fn begin(&mut self, limit: usize) -> Vec<Range> {
        if self.last_sweep.is_none_or(|at| at.elapsed() >= SWEEP_INTERVAL) {
            self.low_water = [0; BUCKETS];
            self.last_sweep = Some(tokio::time::Instant::now());
        }
        let most = self.per_bucket.min(limit);
        let order = (0..BUCKETS).map(|place| (place + self.first_bucket) % BUCKETS);
        let ranges = order.map(|bucket| Range {
            bucket: bucket as i16,
            after: self.low_water[bucket],
            up_to: i64::MAX,
            most: self.floods.limit(bucket as i16).map_or(most, |room| most.min(room)),
        });
        ranges.filter(|range| range.most > 0).collect()
    }

    /// Learns from a claim that looked at these ranges of whole buckets, and at those single events behind floods.
    fn end(&mut self, looked_at: &[Range], behind: &[Range], batch: Option<&Batch>, limit: usize) {
        let behind: HashSet<i64> = behind.iter().map(|range| range.up_to).collect();
        let mut seen = [false; BUCKETS];
        for event in batch
            .iter()
            .flat_map(|batch| &batch.groups)
            .flat_map(|group| &group.events)
        {
            // One found behind a flood says nothing about what lies before it.
            if behind.is_empty() || !behind.contains(&event.event.0) {
                let bucket = event.bucket as usize;
                seen[bucket] = true;
                self.low_water[bucket] = self.low_water[bucket].max(event.event.0);
                self.claimed_up_to[bucket] = self.claimed_up_to[bucket].max(event.event.0);
            }
        }
        let full = batch.is_some_and(|batch| batch.events >= limit);
        // A full batch ends in the last bucket that contributed; those behind it were not looked at.
        let last = looked_at.iter().rposition(|range| seen[range.bucket as usize]);
        let visited = if full {
            last.unwrap_or_default()
        } else {
            looked_at.len()
        };
        for range in looked_at[..visited].iter().filter(|range| !seen[range.bucket as usize]) {
            // A bucket that has run dry may be full of rows that are gone but not removed: step over them from now on.
            self.low_water[range.bucket as usize] = self.claimed_up_to[range.bucket as usize];
            self.floods.ran_dry(range.bucket);
        }
        let buckets_with_work = seen.iter().filter(|seen| **seen).count().max(1);
        self.per_bucket = limit.div_ceil(buckets_with_work);
        if full {
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
    let behind = cursor.floods.look_behind(connection).await?;
    let mut whole = cursor.begin(limit);
    // No event is to be found twice: a bucket is looked at up to the first one behind its flood.
    let mut first_behind: HashMap<i16, i64> = HashMap::new();
    for one in &behind {
        let first = first_behind.entry(one.bucket).or_insert(one.after);
        *first = one.after.min(*first);
    }
    for range in &mut whole {
        range.up_to = first_behind.get(&range.bucket).copied().unwrap_or(range.up_to);
    }
    let ranges = [behind.as_slice(), whole.as_slice()].concat();
    let batch = claim_ranges(connection, worker, &ranges, limit, Which::Ordinary).await?;
    cursor.end(&whole, &behind, batch.as_ref(), limit);
    Ok(batch)
}

/// Takes events that more than one worker died with: a few that two died with, or one that more died with. `None` when
/// there are none.
pub(crate) async fn claim_suspects(connection: &mut PgConnection, worker: Uuid) -> sqlx::Result<Option<Batch>> {
    let suspects: Vec<(i16, i64, i16)> = sqlx::query_as(
        "-- claim_suspects: those that fewer workers died with come first, so that they are cleared before others are tried
         select o.bucket, o.event_id, o.redelivery from postrider.outbox o
          where o.redelivery >= 2 order by o.redelivery, o.event_id limit $1",
    )
    .bind(SUSPECTS_AT_ONCE as i64)
    .fetch_all(&mut *connection)
    .await?;
    let together = suspects.iter().take_while(|suspect| suspect.2 == 2).count();
    let ranges: Vec<Range> = suspects[..together.max(1).min(suspects.len())]
        .iter()
        .map(|(bucket, event, _)| Range::only(*bucket, EventId(*event)))
        .collect();
    if ranges.is_empty() {
        return Ok(None);
    }
    claim_ranges(connection, worker, &ranges, ranges.len(), Which::Suspects).await
}

async fn claim_ranges(
    connection: &mut PgConnection,
    worker: Uuid,
    ranges: &[Range],
    limit: usize,
    which: Which,
) -> sqlx::Result<Option<Batch>> {
    let column = |value: fn(&Range) -> i64| ranges.iter().map(value).collect::<Vec<i64>>();
    let rows = sqlx::query(include_str!("claim.sql"))
        .bind(worker)
        .bind(ranges.iter().map(|range| range.bucket).collect::<Vec<i16>>())
        .bind(column(|range| range.after))
        .bind(column(|range| range.up_to))
        .bind(ranges.iter().map(|range| range.most as i32).collect::<Vec<i32>>())
        .bind(limit as i64)
        .bind(which == Which::Suspects)
        .bind(mark(worker))
        .fetch_all(connection)
        .await?;
    read_batch(&rows)
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
                .chunks_exact(3)
                .map(|one| Subscription {
                    webhook: WebhookId(one[0]),
                    version: one[1],
                    is_open: one[2] & 1 != 0,
                    is_failing: one[2] & 2 != 0,
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
            may_be_settled: row.try_get(8)?,
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

/// Of these pairs of event and webhook, those whose delivery was settled or waits in its lane.
pub(crate) async fn settled(
    connection: &mut PgConnection,
    events: &[i64],
    webhooks: &[i64],
) -> sqlx::Result<HashSet<(i64, i64)>> {
    let pairs: Vec<(i64, i64)> = sqlx::query_as(
        "-- settled
         select p.event_id, p.webhook_id from unnest($1::bigint[], $2::bigint[]) as p (event_id, webhook_id)
          where exists (select from postrider.attempt a
                         where a.webhook_id = p.webhook_id and a.event_id = p.event_id and a.error is null)
             or exists (select from postrider.delivery d where d.webhook_id = p.webhook_id and d.event_id = p.event_id)
             or exists (select from postrider.dead_letter d where d.webhook_id = p.webhook_id and d.event_id = p.event_id)",
    )
    .bind(events)
    .bind(webhooks)
    .fetch_all(connection)
    .await?;
    Ok(pairs.into_iter().collect())
}
