//! Give back: leases that nobody works on return to the outbox, and deliveries that nobody works on to their lanes.

use sqlx::{PgConnection, Row};
use std::time::Duration;
use uuid::Uuid;

use crate::identity::mark;
use crate::lane::RECORDING_MARGIN;

/// The database's clock, in seconds since 1970.
pub(crate) async fn database_time(connection: &mut PgConnection) -> sqlx::Result<f64> {
    sqlx::query_scalar("-- database_time\n select extract(epoch from clock_timestamp())::float8")
        .fetch_one(connection)
        .await
}

/// What came back from dead workers.
#[derive(Debug, Default)]
pub(crate) struct GivenBack {
    /// Events that are in the outbox again.
    pub(crate) events: u64,
    /// Deliveries of lanes that are due again.
    pub(crate) deliveries: u64,
}

/// Removes workers silent for `lease_time` and returns what they held, to be counted as redelivered: events to the outbox,
/// deliveries to their lanes. Those in order stay until their claims end: while a worker that is only cut off may have a
/// request open, the next of the key must not be sent.
///
/// `just_now` is the [`database_time`] read right before. When much more time has passed on that clock, the database or
/// this worker stood still in between, everybody's last sign of life looks old, and nothing is done.
pub(crate) async fn give_back_of_dead_workers(
    connection: &mut PgConnection,
    me: Uuid,
    lease_time: Duration,
    just_now: f64,
) -> sqlx::Result<GivenBack> {
    let row = sqlx::query(
        "-- give_back_of_dead_workers
         with alive as materialized (
            select w.id from postrider.worker w
             where w.id = $1 and clock_timestamp() < to_timestamp($3) + interval '1 second'
         ), dead as (
            delete from postrider.worker w using alive
             where w.id <> alive.id and w.heartbeat_at < now() - $2 * interval '1 millisecond'
            returning w.id
         ), lost as (
            delete from postrider.lease l using alive
             where l.worker_id in (select d.id from dead d)
                or not exists (select from postrider.worker w where w.id = l.worker_id)
            returning l.event_ids, l.buckets, l.redeliveries
         ), returned as (
            insert into postrider.outbox (bucket, event_id, tenant, redelivery)
            select e.bucket, e.id, e.tenant, h.redelivery + 1
              from lost l
             cross join unnest(l.event_ids, l.buckets, l.redeliveries) as h (event_id, bucket, redelivery)
              join postrider.event e on e.bucket = h.bucket and e.id = h.event_id
             order by e.bucket, e.id
            on conflict do nothing
            returning event_id
         )
         select array(select d.id from dead d) as dead, (select count(*) from returned r) as events",
    )
    .bind(me)
    .bind(lease_time.as_millis() as i64)
    .bind(just_now)
    .fetch_one(&mut *connection)
    .await?;
    let dead: Vec<Uuid> = row.try_get("dead")?;
    let events: i64 = row.try_get("events")?;
    let deliveries = if dead.is_empty() {
        0
    } else {
        // Should this fail, they are due when their claims end.
        give_back_of_lanes(connection, &dead).await?
    };
    Ok(GivenBack {
        events: events.unsigned_abs(),
        deliveries,
    })
}

/// Makes deliveries due that dead workers hold of lanes. They keep the token, which says that a worker died with them.
async fn give_back_of_lanes(connection: &mut PgConnection, dead: &[Uuid]) -> sqlx::Result<u64> {
    let deliveries: i64 = sqlx::query_scalar(
        "-- give_back_of_lanes
         with held as (
            select d.webhook_id, d.event_id
              from postrider.lane l
              join postrider.webhook w on w.id = l.webhook_id
             cross join lateral (
                select d.webhook_id, d.event_id from postrider.delivery d
                 where d.webhook_id = l.webhook_id and d.place is null
                   and d.due_at > now() and d.due_at <= now() + (w.timeout_ms + $2) * interval '1 millisecond'
                   and (d.token >> 32) & 1073741823 = any ($1)
             ) d
             where l.due_at < 'infinity'
             order by d.webhook_id, d.event_id
         ), freed as (
            update postrider.delivery d set due_at = now()
              from held h
             where d.webhook_id = h.webhook_id and d.event_id = h.event_id and (d.token >> 32) & 1073741823 = any ($1)
            returning d.webhook_id
         ), lanes as materialized (
            select l.webhook_id from postrider.lane l
             where l.webhook_id in (select f.webhook_id from freed f)
             order by l.webhook_id
               for update
         ), due as (
            -- Probes that died with their worker are sent again; else an open breaker stays so until its time is over.
            update postrider.lane l
               set due_at = least(l.due_at, case when l.is_probing then now() else greatest(now(), l.open_until) end),
                   open_until = case when l.is_probing then now() else l.open_until end
              from lanes n
             where l.webhook_id = n.webhook_id
         )
         select count(*) from freed",
    )
    .bind(dead.iter().map(|worker| mark(*worker)).collect::<Vec<i64>>())
    .bind(RECORDING_MARGIN.as_millis() as i64)
    .fetch_one(connection)
    .await?;
    Ok(deliveries.unsigned_abs())
}

/// Returns leases of this worker that it does not know of: the answer to their claim was lost, so nothing of them was
/// sent. Returns the number of events.
pub(crate) async fn give_back_unknown(
    connection: &mut PgConnection,
    me: Uuid,
    known: &[i64],
    older_than: Duration,
) -> sqlx::Result<u64> {
    let returned = sqlx::query(
        "-- give_back_unknown
         with lost as (
            delete from postrider.lease l
             where l.worker_id = $1 and l.id <> all ($2) and l.claimed_at < now() - $3 * interval '1 millisecond'
            returning l.event_ids, l.buckets, l.redeliveries
         )
         -- Placed or not is not remembered: asking whether a webhook has its delivery already is right for both.
         insert into postrider.outbox (bucket, event_id, tenant, redelivery, placed)
         select e.bucket, e.id, e.tenant, h.redelivery, true
           from lost l
          cross join unnest(l.event_ids, l.buckets, l.redeliveries) as h (event_id, bucket, redelivery)
           join postrider.event e on e.bucket = h.bucket and e.id = h.event_id
          order by e.bucket, e.id
         on conflict do nothing",
    )
    .bind(me)
    .bind(known)
    .bind(older_than.as_millis() as i64)
    .execute(connection)
    .await?;
    Ok(returned.rows_affected())
}
