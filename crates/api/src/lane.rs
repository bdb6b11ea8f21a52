//! Putting deliveries into the lane of a webhook, where workers find them.
//!
//! Whoever changes what a lane holds, or may do, touches its `lane` row in the same transaction: workers lock that row
//! before they look. The row comes before the webhook's own, as it does in the workers, so that nobody deadlocks.

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

/// Lets this delivery begin anew, now. One that waits already is only brought forward; one that a worker holds is left
/// alone, since it is on its way.
pub(crate) async fn send_now(
    connection: &mut PgConnection,
    webhook: WebhookId,
    event: EventId,
    bucket: i16,
) -> sqlx::Result<()> {
    sqlx::query(
        "-- lane::send_now: the lane first, see the module
         with lane as (
             insert into postrider.lane (webhook_id, due_at) values ($1, now())
             on conflict (webhook_id) do update set due_at = least(lane.due_at, excluded.due_at)
             returning webhook_id
         )
         insert into postrider.delivery as d (webhook_id, event_id, bucket, attempts, due_at)
         select l.webhook_id, $2, $3, 0, now() from lane l
         on conflict (webhook_id, event_id) do update set due_at = now() where d.token is null",
    )
    .bind(webhook.0)
    .bind(event.0)
    .bind(bucket)
    .execute(&mut *connection)
    .await?;
    wake_workers(connection).await
}

/// Wakes the workers when this transaction commits, if all of them sleep.
pub(crate) async fn wake_workers(connection: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::query("/* lane::wake_workers */ select postrider.wake_workers()")
        .execute(connection)
        .await?;
    Ok(())
}
