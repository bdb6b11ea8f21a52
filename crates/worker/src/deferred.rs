//! Deferred events: moved to the outbox when due. One that must be in order takes its place among the others then.

use sqlx::PgConnection;

/// Most events moved by one call.
const BATCH: i64 = 1000;

/// Moves due events to the outbox. Returns how many.
pub(crate) async fn release_deferred(connection: &mut PgConnection) -> sqlx::Result<u64> {
    let released: i64 = sqlx::query_scalar(
        "-- release_deferred
         with due as materialized (
            select d.due_at, d.event_id from postrider.deferred d
             where d.due_at <= now() order by d.due_at, d.event_id limit $1
               for update skip locked
         ), removed as (
            delete from postrider.deferred d using due
             where d.due_at = due.due_at and d.event_id = due.event_id
            returning d.bucket, d.event_id, d.tenant
         ), sorted as materialized (
            select r.*, e.ordering_key is not null
                        and exists (select from postrider.webhook w
                                     where w.tenant = r.tenant and w.ordering = 'key') as is_ordered
              from removed r
              left join postrider.event e on e.bucket = r.bucket and e.id = r.event_id
             order by r.bucket, r.event_id
         ), in_order as (
            insert into postrider.ordered (bucket, event_id, tenant)
            select s.bucket, s.event_id, s.tenant from sorted s where s.is_ordered
         ), at_will as (
            insert into postrider.outbox (bucket, event_id, tenant)
            select s.bucket, s.event_id, s.tenant from sorted s where not s.is_ordered
         )
         select count(*) from sorted",
    )
    .bind(BATCH)
    .fetch_one(connection)
    .await?;
    Ok(released as u64)
}
