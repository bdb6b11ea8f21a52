//! Order: events that must arrive in the order of their commits go to the lanes of the webhooks that want it.
//!
//! They come in the order of their places, which is that of their commits (`postrider.take_places`). Whoever moves those
//! of a bucket has the bucket's turn until the commit, so that none overtakes another on the way. In a lane only the first
//! delivery of each key may be sent, and `ordered_key` says when.

use sqlx::{Connection as _, PgConnection};

/// Most events of a bucket moved at a time.
const BATCH: i64 = 500;

/// Moves ordered events to the lanes of the webhooks that want order, and to the outbox for all others. Returns how many.
pub(crate) async fn place_ordered(connection: &mut PgConnection) -> sqlx::Result<u64> {
    let is_any: bool = sqlx::query_scalar("-- place_ordered\n select exists (select from postrider.ordered)")
        .fetch_one(&mut *connection)
        .await?;
    if !is_any {
        return Ok(0);
    }
    let mut transaction = connection.begin().await?;
    let buckets = take_turns(&mut transaction).await?;
    if buckets.is_empty() {
        transaction.rollback().await?;
        return Ok(0);
    }
    // A statement of its own: it must see what whoever had the turn before has moved.
    let moved = move_to_lanes(&mut transaction, &buckets).await?;
    transaction.commit().await?;
    Ok(moved)
}

async fn take_turns(connection: &mut PgConnection) -> sqlx::Result<Vec<i16>> {
    sqlx::query_scalar(
        "-- take_turns: of the buckets that have something, found one after the other however much each has
         with recursive waiting as (
            (select o.bucket from postrider.ordered o where o.place is not null order by o.bucket limit 1)
            union all
            select (select o.bucket from postrider.ordered o
                     where o.bucket > w.bucket and o.place is not null order by o.bucket limit 1)
              from waiting w where w.bucket is not null
         )
         select t.bucket from postrider.turn t
          where t.side = 'claim' and t.bucket in (select w.bucket from waiting w)
          order by t.bucket
            for update skip locked",
    )
    .fetch_all(connection)
    .await
}

async fn move_to_lanes(connection: &mut PgConnection, buckets: &[i16]) -> sqlx::Result<u64> {
    let moved: i64 = sqlx::query_scalar(
        "-- move_to_lanes
         with picked as materialized (
            select q.* from unnest($1::smallint[]) as b (bucket)
             cross join lateral (
                select o.bucket, o.event_id, o.tenant, o.place from postrider.ordered o
                 where o.bucket = b.bucket and o.place is not null order by o.place limit $2
             ) q
         ), removed as (
            delete from postrider.ordered o using picked p where o.bucket = p.bucket and o.event_id = p.event_id
         ), wanted as materialized (
            select w.id as webhook_id, p.event_id, p.bucket, p.place, e.ordering_key
              from picked p
              join postrider.event e on e.bucket = p.bucket and e.id = p.event_id
              join postrider.webhook w on w.tenant = p.tenant and w.is_active and w.ordering = 'key'
                                      and w.event_types && array[e.type, '*']
         ), keys as (
            -- Locks the row of a key that is there: a worker that found the key empty is about to remove it.
            insert into postrider.ordered_key (webhook_id, ordering_key, due_at)
            select distinct w.webhook_id, w.ordering_key, now() from wanted w order by w.webhook_id, w.ordering_key
            on conflict (webhook_id, ordering_key) do update set due_at = excluded.due_at where false
            returning webhook_id
         ), waiting as (
            insert into postrider.delivery (webhook_id, event_id, bucket, attempts, due_at, ordering_key, place)
            select w.webhook_id, w.event_id, w.bucket, 0, 'infinity', w.ordering_key, w.place
              from wanted w cross join (select count(*) from keys) after_keys
             order by w.webhook_id, w.event_id
            on conflict do nothing
            returning webhook_id
         ), lanes as (
            -- After the keys, as everywhere. Parts that do not ask for each other run in no order that can be relied on.
            insert into postrider.lane as l (webhook_id, due_at)
            select distinct w.webhook_id, now() from wanted w cross join (select count(*) from waiting) after_waiting
             order by w.webhook_id
            on conflict (webhook_id) do update
               set due_at = least(l.due_at, greatest(excluded.due_at, l.open_until))
             where l.due_at > greatest(excluded.due_at, l.open_until)
         ), others as (
            insert into postrider.outbox (bucket, event_id, tenant, placed)
            select p.bucket, p.event_id, p.tenant, true from picked p
             where exists (select from postrider.webhook w
                            where w.tenant = p.tenant and w.is_active and w.ordering <> 'key')
             order by p.bucket, p.event_id
         )
         select count(*) from picked",
    )
    .bind(buckets)
    .bind(BATCH)
    .fetch_one(connection)
    .await?;
    Ok(moved as u64)
}
