//! Give back: leases that nobody works on return to the outbox.

use sqlx::PgConnection;
use std::time::Duration;
use uuid::Uuid;

/// The database's clock, in seconds since 1970.
pub(crate) async fn database_time(connection: &mut PgConnection) -> sqlx::Result<f64> {
    sqlx::query_scalar("-- database_time\n select extract(epoch from clock_timestamp())::float8")
        .fetch_one(connection)
        .await
}

/// Removes workers silent for `lease_time` and returns the events they held to the outbox, counted as redelivered.
/// Returns the number of events.
///
/// `just_now` is the [`database_time`] read right before. When much more time has passed on that clock, the database or
/// this worker stood still in between, everybody's last sign of life looks old, and nothing is done.
pub(crate) async fn give_back_of_dead_workers(
    connection: &mut PgConnection,
    me: Uuid,
    lease_time: Duration,
    just_now: f64,
) -> sqlx::Result<u64> {
    let returned = sqlx::query(
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
         )
         insert into postrider.outbox (bucket, event_id, tenant, redelivery)
         select e.bucket, e.id, e.tenant, h.redelivery + 1
           from lost l
          cross join unnest(l.event_ids, l.buckets, l.redeliveries) as h (event_id, bucket, redelivery)
           join postrider.event e on e.bucket = h.bucket and e.id = h.event_id
          order by e.bucket, e.id
         on conflict do nothing",
    )
    .bind(me)
    .bind(lease_time.as_millis() as i64)
    .bind(just_now)
    .execute(connection)
    .await?;
    Ok(returned.rows_affected())
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
