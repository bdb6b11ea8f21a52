//! Take deliveries of locked lanes: each becomes due again when its claim ends, under a fresh token that carries the mark of
//! the worker.

use std::time::Duration;

use sqlx::PgConnection;
use sqlx::postgres::PgRow;

use crate::claim::SUSPECTS_AT_ONCE;

/// How much longer than its request a claimed delivery stays ours: time to record the result.
pub(crate) const RECORDING_MARGIN: Duration = Duration::from_secs(10);

/// Deliveries that find out whether the receiver behind an open breaker is back.
pub(super) const PROBES: i32 = 3;

/// A delivery that so many workers died with is tried apart from the others.
pub(super) const SUSPECT: i16 = 2;

/// Keys of an inactive webhook looked at by one claim.
const KEYS_CLEARED: i64 = 1000;

/// A statement that takes deliveries: draws their token from the worker's mark, `$1`; picks them as the given common table
/// expressions say; ends with the columns of those picked.
macro_rules! take {
    ($name:literal, $picked:literal) => {
        concat!(
            "-- ",
            $name,
            "
         with claim as materialized (
            select ($1::bigint << 32) | (nextval('postrider.token_seq') & 4294967295) as token
         ), ",
            $picked,
            "
         select c.token, p.webhook_id, p.version, p.event_id, p.bucket, p.attempts, p.probes, p.redelivery,
                p.place is not null as in_order, p.is_open as is_probe, p.trips, e.tenant, e.type, e.payload::text as payload
           from picked p
          cross join claim c
           join postrider.event e on e.bucket = p.bucket and e.id = p.event_id
          order by p.webhook_id, p.due_at, p.event_id"
        )
    };
}

/// Due deliveries, of each lane as many as it may have. Those in order are due with their keys.
pub(super) async fn due(
    connection: &mut PgConnection,
    lanes: &[i64],
    most: &[i32],
    mark: i64,
) -> sqlx::Result<Vec<PgRow>> {
    sqlx::query(take!(
        "take due deliveries",
        "picked as materialized (
            select q.*, w.version, w.timeout_ms, l.opened_at is not null as is_open, l.trips
              from unnest($2::bigint[], $3::integer[]) as a (webhook_id, most)
              join postrider.webhook w on w.id = a.webhook_id
              join postrider.lane l on l.webhook_id = a.webhook_id
             cross join lateral (
                select d.ctid as tid, d.webhook_id, d.event_id, d.bucket, d.attempts, d.probes, d.due_at, d.place,
                       (d.redelivery + (d.token is not null)::integer)::smallint as redelivery
                  from postrider.delivery d
                 where d.webhook_id = a.webhook_id and d.due_at <= now()
                   and d.redelivery + (d.token is not null)::integer < $5
                 order by d.due_at, d.event_id limit a.most
                   for update skip locked
             ) q
             where w.is_active and w.paused_at is null
         ), claimed as (
            update postrider.delivery d
               set token = (select token from claim), redelivery = p.redelivery,
                   due_at = now() + (p.timeout_ms + $4) * interval '1 millisecond'
              from picked p
             where d.ctid = p.tid
         )"
    ))
    .bind(mark)
    .bind(lanes)
    .bind(most)
    .bind(RECORDING_MARGIN.as_millis() as i64)
    .bind(SUSPECT)
    .fetch_all(connection)
    .await
}

/// The first delivery of each due key.
pub(super) async fn first_of_keys(
    connection: &mut PgConnection,
    lanes: &[i64],
    most: &[i32],
    mark: i64,
) -> sqlx::Result<Vec<PgRow>> {
    let due: Vec<(i64, String)> = sqlx::query_as(
        "-- lock due keys, and all of a webhook that is inactive, to remove those that nothing waits for
         select q.webhook_id, q.ordering_key
           from unnest($1::bigint[], $2::integer[]) as a (webhook_id, most)
           left join postrider.webhook w on w.id = a.webhook_id
          cross join lateral (
                select k.webhook_id, k.ordering_key from postrider.ordered_key k
                 where k.webhook_id = a.webhook_id and (k.due_at <= now() or w.is_active is not true)
                 order by k.due_at limit case when w.is_active then a.most else $3 end
                   for update of k skip locked
          ) q",
    )
    .bind(lanes)
    .bind(most)
    .bind(KEYS_CLEARED)
    .fetch_all(&mut *connection)
    .await?;
    let (webhooks, keys): (Vec<i64>, Vec<String>) = due.into_iter().unzip();
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    // Again a statement of its own, which sees what was added before the keys were locked.
    remove_empty(connection, &webhooks, &keys).await?;
    sqlx::query(take!(
        "take first of keys",
        "picked as materialized (
            select q.*, a.ordering_key, w.version, w.timeout_ms, l.opened_at is not null as is_open, l.trips
              from unnest($2::bigint[], $3::text[]) as a (webhook_id, ordering_key)
              join postrider.webhook w on w.id = a.webhook_id and w.is_active and w.paused_at is null
              join postrider.lane l on l.webhook_id = a.webhook_id
             cross join lateral (
                select d.webhook_id, d.event_id, d.bucket, d.attempts, d.probes, d.due_at, d.place,
                       (d.redelivery + (d.token is not null)::integer)::smallint as redelivery
                  from postrider.delivery d
                 where d.webhook_id = a.webhook_id
                   and d.event_id = (select f.event_id from postrider.delivery f
                                      where f.webhook_id = a.webhook_id and f.ordering_key = a.ordering_key
                                        and f.place is not null
                                      order by f.place limit 1)
                   -- The result of a claim that has ended is just coming in: left to it, not waited for.
                   for update skip locked
             ) q
             -- A suspect is taken elsewhere, if it is its turn.
             where q.redelivery < $5
         ), claimed as (
            update postrider.delivery d
               set token = (select token from claim), redelivery = p.redelivery
              from picked p
             where d.webhook_id = p.webhook_id and d.event_id = p.event_id
         ), keys as (
            update postrider.ordered_key k
               set due_at = now() + (p.timeout_ms + $4) * interval '1 millisecond'
              from picked p
             where k.webhook_id = p.webhook_id and k.ordering_key = p.ordering_key
         )"
    ))
    .bind(mark)
    .bind(webhooks)
    .bind(keys)
    .bind(RECORDING_MARGIN.as_millis() as i64)
    .bind(SUSPECT)
    .fetch_all(connection)
    .await
}

/// Removes the rows of locked keys that have no delivery left.
async fn remove_empty(connection: &mut PgConnection, webhooks: &[i64], keys: &[String]) -> sqlx::Result<()> {
    sqlx::query(
        "-- remove_empty
         delete from postrider.ordered_key k
          using unnest($1::bigint[], $2::text[]) as a (webhook_id, ordering_key)
          where k.webhook_id = a.webhook_id and k.ordering_key = a.ordering_key
            and not exists (select from postrider.delivery d
                             where d.webhook_id = k.webhook_id and d.ordering_key = k.ordering_key
                               and d.place is not null)",
    )
    .bind(webhooks)
    .bind(keys)
    .execute(connection)
    .await?;
    Ok(())
}

/// Due deliveries that workers died with: a few that two died with, or one that more died with.
pub(super) async fn suspects(connection: &mut PgConnection, lanes: &[i64], mark: i64) -> sqlx::Result<Vec<PgRow>> {
    sqlx::query(take!(
        "take suspects",
        "candidates as materialized (
            select d.webhook_id, d.event_id, d.ordering_key, d.redelivery + (d.token is not null)::integer as redelivery,
                   row_number() over (order by d.redelivery + (d.token is not null)::integer, d.event_id) as number
              from postrider.delivery d
              left join postrider.ordered_key k on k.webhook_id = d.webhook_id and k.ordering_key = d.ordering_key
             where d.webhook_id = any ($2) and d.redelivery >= 1
               and d.redelivery + (d.token is not null)::integer >= $4
               and coalesce(k.due_at, d.due_at) <= now()
               and (d.place is null
                    or not exists (select from postrider.delivery f
                                    where f.webhook_id = d.webhook_id and f.ordering_key = d.ordering_key
                                      and f.place < d.place))
             order by number limit $5
         ), keys_locked as materialized (
            -- Whoever has a key may wait for the lane, which is ours: left to it, not waited for.
            select k.webhook_id, k.ordering_key
              from postrider.ordered_key k
              join candidates c on c.webhook_id = k.webhook_id and c.ordering_key = k.ordering_key
               for update of k skip locked
         ), picked as materialized (
            select d.webhook_id, d.event_id, d.bucket, d.attempts, d.probes, d.due_at, d.place, d.ordering_key,
                   c.redelivery::smallint as redelivery, w.version, w.timeout_ms,
                   l.opened_at is not null as is_open, l.trips
              from candidates c
              join postrider.delivery d on d.webhook_id = c.webhook_id and d.event_id = c.event_id
              join postrider.webhook w on w.id = d.webhook_id and w.is_active and w.paused_at is null
              join postrider.lane l on l.webhook_id = d.webhook_id
             where (c.number = 1 or c.redelivery = $4)
               and (d.place is null or (d.webhook_id, d.ordering_key) in (select webhook_id, ordering_key from keys_locked))
               for update of d skip locked
         ), claimed as (
            update postrider.delivery d
               set token = (select token from claim), redelivery = p.redelivery,
                   due_at = case when p.place is null
                                 then now() + (p.timeout_ms + $3) * interval '1 millisecond' else d.due_at end
              from picked p
             where d.webhook_id = p.webhook_id and d.event_id = p.event_id
         ), keys as (
            update postrider.ordered_key k
               set due_at = now() + (p.timeout_ms + $3) * interval '1 millisecond'
              from picked p
             where k.webhook_id = p.webhook_id and k.ordering_key = p.ordering_key
         )"
    ))
    .bind(mark)
    .bind(lanes)
    .bind(RECORDING_MARGIN.as_millis() as i64)
    .bind(SUSPECT)
    .bind(SUSPECTS_AT_ONCE as i64)
    .fetch_all(connection)
    .await
}
