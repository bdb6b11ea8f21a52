//! Putting deliveries into the lane of a webhook, where workers find them.
//!
//! Whoever changes what a lane holds, or may do, touches its `lane` row in the same transaction: workers lock that row
//! before they look. The row comes after that of a delivery and those of [`crate::ordered`] keys, and before the
//! webhook's own, as it does in the workers, so that nobody deadlocks.

use postrider_core::ids::{EventId, WebhookId};
use sqlx::PgConnection;

use crate::auth::Tenant;

/// Lets workers look at the lane now, if anything waits in it.
pub(crate) async fn make_due(connection: &mut PgConnection, tenant: &Tenant, webhook: WebhookId) -> sqlx::Result<()> {
    let made_due = sqlx::query(
        "-- lane::make_due
         update postrider.lane l set due_at = least(l.due_at, now())
           from postrider.webhook w
          where l.webhook_id = $2 and w.id = $2 and w.tenant = $1",
    )
    .bind(tenant.as_str())
    .bind(webhook.0)
    .execute(&mut *connection)
    .await?;
    if made_due.rows_affected() > 0 {
        wake_workers(connection).await?;
    }
    Ok(())
}

/// Forgets since when a webhook has failed: its owner says that it is mended. Otherwise it would be deactivated again for
/// its past.
pub(crate) async fn forget_failures(connection: &mut PgConnection, webhook: WebhookId) -> sqlx::Result<()> {
    sqlx::query(
        "-- lane::forget_failures
         update postrider.lane set failing_since = null, last_failed_at = null where webhook_id = $1",
    )
    .bind(webhook.0)
    .execute(connection)
    .await?;
    Ok(())
}

/// Makes the lane of a webhook due, also when nothing waited in it. An open breaker lets a few deliveries through then.
pub(crate) async fn touch(connection: &mut PgConnection, webhook: WebhookId) -> sqlx::Result<()> {
    sqlx::query(
        "-- lane::touch
         insert into postrider.lane (webhook_id, due_at) values ($1, now())
         on conflict (webhook_id) do update set due_at = least(lane.due_at, excluded.due_at)",
    )
    .bind(webhook.0)
    .execute(connection)
    .await?;
    Ok(())
}

/// Lets this delivery begin anew, now and outside any order. One that waits already is only brought forward; one that a
/// worker holds is left alone, since it is on its way, and so is one in order.
pub(crate) async fn send_now(
    connection: &mut PgConnection,
    webhook: WebhookId,
    event: EventId,
    bucket: i16,
) -> sqlx::Result<()> {
    sqlx::query(
        "-- lane::send_now: before what waits already, because an open breaker tries only the first few
         insert into postrider.delivery as d (webhook_id, event_id, bucket, attempts, due_at)
         select $1, $2, $3, 0,
                least(now(), (select min(w.due_at) from postrider.delivery w where w.webhook_id = $1)
                             - interval '1 millisecond')
         on conflict (webhook_id, event_id) do update set due_at = excluded.due_at
          where d.token is null and d.place is null",
    )
    .bind(webhook.0)
    .bind(event.0)
    .bind(bucket)
    .execute(&mut *connection)
    .await?;
    touch(connection, webhook).await?;
    wake_workers(connection).await
}

/// Wakes the workers when this transaction commits, if all of them sleep.
pub(crate) async fn wake_workers(connection: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::query("/* lane::wake_workers */ select postrider.wake_workers()")
        .execute(connection)
        .await?;
    Ok(())
}
