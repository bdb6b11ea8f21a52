//! Deferred events: moved to the outbox when due.

use sqlx::PgConnection;

/// Most events moved by one call.
const BATCH: i64 = 1000;

/// Moves due events to the outbox. Returns how many.
pub(crate) async fn release_deferred(connection: &mut PgConnection) -> sqlx::Result<u64> {
    let released = sqlx::query(
        "-- release_deferred
         with due as materialized (
            select d.due_at, d.event_id from postrider.deferred d
             where d.due_at <= now() order by d.due_at, d.event_id limit $1
               for update skip locked
         ), removed as (
            delete from postrider.deferred d using due
             where d.due_at = due.due_at and d.event_id = due.event_id
            returning d.bucket, d.event_id, d.tenant
         )
         insert into postrider.outbox (bucket, event_id, tenant)
         select r.bucket, r.event_id, r.tenant from removed r order by r.bucket, r.event_id",
    )
    .bind(BATCH)
    .execute(connection)
    .await?;
    Ok(released.rows_affected())
}
