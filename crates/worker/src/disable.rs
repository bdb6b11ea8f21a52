//! Disable: webhooks of which every attempt has failed for days are deactivated. What waits for them becomes dead letters,
//! which a recovery sends again once the receiver is mended.

use postrider_core::failure::DeadLetterReason;
use postrider_core::ids::WebhookId;
use sqlx::PgConnection;

use crate::metrics;

/// Deactivates webhooks that have failed for so many days, first and last failure that far apart and no success between.
pub(crate) async fn disable_failing(connection: &mut PgConnection, days: u32) -> sqlx::Result<()> {
    let disabled: Vec<i64> = sqlx::query_scalar(
        "-- disable_failing: the lane before the webhook, so that nobody deadlocks
         with failing as materialized (
            select l.webhook_id from postrider.lane l
             where l.failing_since < now() - $1 * interval '1 day'
               and l.last_failed_at - l.failing_since >= $1 * interval '1 day'
               and not exists (select from postrider.webhook_stats s
                                where s.webhook_id = l.webhook_id and s.last_success_at > l.failing_since)
             order by l.webhook_id
               for update skip locked
         ), due as (
            update postrider.lane l set due_at = now() from failing f where l.webhook_id = f.webhook_id
            returning l.webhook_id
         ), disabled as (
            update postrider.webhook w
               set is_active = false, disabled_at = clock_timestamp(), disabled_reason = 'failing', version = w.version + 1,
                   updated_at = clock_timestamp()
              from due d
             where w.id = d.webhook_id and w.is_active
            returning w.id
         ), told as materialized (
            select d.id, postrider.tell_disabled(d.id, 'failing') as event_id from disabled d
         )
         select t.id from told t",
    )
    .bind(f64::from(days))
    .fetch_all(connection)
    .await?;
    for webhook in &disabled {
        tracing::warn!(webhook = %WebhookId(*webhook), days, "every attempt has failed for days, webhook disabled");
    }
    metrics::webhook_disabled(DeadLetterReason::Failing, disabled.len() as u64);
    Ok(())
}
