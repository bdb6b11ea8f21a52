//! Deliveries in order: those of one ordering key go to their webhook one at a time, by their place.
//!
//! Such a delivery is never due itself; the `ordered_key` row of its key says when the first of them is. Whoever adds
//! one, or lets a key go on, locks that row first and the lane after it, as workers do, and writes both in the same
//! transaction. A worker that has the row looks with a fresh snapshot, so it overlooks nothing.

use postrider_core::ids::{EventId, WebhookId};
use sqlx::PgConnection;

use crate::lane;

/// Deliveries of a key looked through for one that a worker holds. It had the lowest place when it was claimed, so only
/// ones sent again since then can stand before it.
const LOOKED_THROUGH: i64 = 1000;

/// Where a delivery stands among those of its webhook.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) ordering_key: String,
    pub(crate) number: i64,
}

/// Adds a delivery at the place it had, which is before all that came later, and lets its key go on.
pub(crate) async fn put_back(
    connection: &mut PgConnection,
    webhook: WebhookId,
    event: EventId,
    bucket: i16,
    place: &Place,
) -> sqlx::Result<()> {
    set_free(connection, webhook, std::slice::from_ref(&place.ordering_key)).await?;
    lane::touch(connection, webhook).await?;
    sqlx::query(
        "-- ordered::put_back
         insert into postrider.delivery (webhook_id, event_id, bucket, attempts, due_at, ordering_key, place)
         values ($1, $2, $3, 0, 'infinity', $4, $5)
         on conflict do nothing",
    )
    .bind(webhook.0)
    .bind(event.0)
    .bind(bucket)
    .bind(&place.ordering_key)
    .bind(place.number)
    .execute(&mut *connection)
    .await?;
    lane::wake_workers(connection).await
}

/// Lets these keys go on: none is halted any more, and the first delivery of each is due now, unless a worker has one of
/// the key, after which the next is due anyway. The caller touches the lane.
pub(crate) async fn set_free(connection: &mut PgConnection, webhook: WebhookId, keys: &[String]) -> sqlx::Result<()> {
    sqlx::query(
        "-- ordered::set_free: in the order of the keys, so that nobody deadlocks
         insert into postrider.ordered_key (webhook_id, ordering_key, due_at)
         select distinct $1::bigint, k.ordering_key, now() from unnest($2::text[]) as k (ordering_key) order by 2
         on conflict (webhook_id, ordering_key) do update set halted_at = null",
    )
    .bind(webhook.0)
    .bind(keys)
    .execute(&mut *connection)
    .await?;
    // A further statement, now that the rows are locked: one snapshot for both would show a claim too late.
    sqlx::query(
        "-- ordered::set_free
         update postrider.ordered_key k
            set due_at = now()
          where k.webhook_id = $1 and k.ordering_key = any ($2) and k.due_at > now()
            -- Nothing of a halted key is on its way, whatever token a worker that died has left there.
            and (k.due_at = 'infinity'
                 or not exists (select from (select d.token from postrider.delivery d
                                              where d.webhook_id = $1 and d.ordering_key = k.ordering_key
                                                and d.place is not null
                                              order by d.place
                                              limit $3) f
                                 where f.token is not null))",
    )
    .bind(webhook.0)
    .bind(keys)
    .bind(LOOKED_THROUGH)
    .execute(connection)
    .await?;
    Ok(())
}

/// Brings a waiting delivery forward as far as its order allows: when it is the first of its key, the key is not halted,
/// and no worker has one of the key, it is due now. `false` when it does not wait in order.
pub(crate) async fn bring_forward(
    connection: &mut PgConnection,
    webhook: WebhookId,
    event: EventId,
) -> sqlx::Result<bool> {
    let key: Option<String> = sqlx::query_scalar(
        "-- ordered::bring_forward
         select d.ordering_key from postrider.delivery d
          where d.webhook_id = $1 and d.event_id = $2 and d.place is not null",
    )
    .bind(webhook.0)
    .bind(event.0)
    .fetch_optional(&mut *connection)
    .await?
    .flatten();
    let Some(key) = key else { return Ok(false) };
    sqlx::query(
        "-- ordered::bring_forward: as in set_free, what a worker has is looked at with the row locked
         select from postrider.ordered_key k where k.webhook_id = $1 and k.ordering_key = $2 for update",
    )
    .bind(webhook.0)
    .bind(&key)
    .execute(&mut *connection)
    .await?;
    let made_due = sqlx::query(
        "-- ordered::bring_forward
         update postrider.ordered_key k
            set due_at = least(k.due_at, now())
          where k.webhook_id = $1 and k.ordering_key = $2 and k.halted_at is null
            and (select (array_agg(f.event_id order by f.place))[1] = $3 and bool_and(f.token is null)
                   from (select d.event_id, d.place, d.token from postrider.delivery d
                          where d.webhook_id = $1 and d.ordering_key = $2 and d.place is not null
                          order by d.place
                          limit $4) f)",
    )
    .bind(webhook.0)
    .bind(&key)
    .bind(event.0)
    .bind(LOOKED_THROUGH)
    .execute(&mut *connection)
    .await?;
    if made_due.rows_affected() > 0 {
        lane::touch(connection, webhook).await?;
        lane::wake_workers(connection).await?;
    }
    Ok(true)
}
