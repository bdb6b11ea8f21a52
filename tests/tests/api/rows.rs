//! What workers would have written.

use postrider_core::ids::{EventId, WebhookId};
use sqlx::PgPool;

/// The id of a webhook, from its path.
pub(crate) fn webhook_id(path: &str) -> WebhookId {
    path.rsplit('/').next().unwrap().parse().unwrap()
}

/// An event of this many minutes ago.
pub(crate) async fn event(pool: &PgPool, minutes_ago: i32) -> EventId {
    let id = sqlx::query_scalar(
        "insert into postrider.event (id, bucket, tenant, type, payload)
         values (postrider.first_id_at(now() - $1 * interval '1 minute')
                    + (nextval('postrider.event_id_seq') & 4194303), 7, 'clp123chatbot456', 'LEAD_CREATED', '{\"n\":1}')
         returning id",
    )
    .bind(minutes_ago)
    .fetch_one(pool)
    .await
    .unwrap();
    EventId(id)
}

/// An attempt that took 12.5 ms, a second after the event.
pub(crate) async fn attempt(pool: &PgPool, webhook: WebhookId, event: EventId, number: i16, status: Option<i16>) {
    let error = match status {
        Some(200..300) => None,
        Some(_) => Some("status"),
        None => Some("timeout"),
    };
    sqlx::query(
        "insert into postrider.attempt (event_id, webhook_id, started_at, duration_us, bucket, number, status, error,
                                        error_detail, response)
         values ($2, $1, postrider.time_of_id($2) + $3 * interval '1 second', 12500, 7, $3, $4, $5, $5 || ' happened',
                 case when $4 is not null then 'hello'::bytea end)",
    )
    .bind(webhook.0)
    .bind(event.0)
    .bind(number)
    .bind(status)
    .bind(error)
    .execute(pool)
    .await
    .unwrap();
}

/// A delivery that waits for another hour.
pub(crate) async fn waiting(pool: &PgPool, webhook: WebhookId, event: EventId, attempts: i16) {
    sqlx::query(
        "with lane as (
            insert into postrider.lane (webhook_id, due_at) values ($1, now() + interval '1 hour') on conflict do nothing
         )
         insert into postrider.delivery (webhook_id, event_id, bucket, attempts, due_at)
         values ($1, $2, 7, $3, now() + interval '1 hour')",
    )
    .bind(webhook.0)
    .bind(event.0)
    .bind(attempts)
    .execute(pool)
    .await
    .unwrap();
}

/// A delivery that was given up this many minutes ago.
pub(crate) async fn given_up(pool: &PgPool, webhook: WebhookId, event: EventId, minutes_ago: i32) {
    sqlx::query(
        "insert into postrider.dead_letter (webhook_id, event_id, bucket, attempts, reason, created_at)
         values ($1, $2, 7, 4, 'exhausted', now() - $3 * interval '1 minute')",
    )
    .bind(webhook.0)
    .bind(event.0)
    .bind(minutes_ago)
    .execute(pool)
    .await
    .unwrap();
}
