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

/// An event of this many minutes ago with an ordering key.
pub(crate) async fn keyed_event(pool: &PgPool, minutes_ago: i32, key: &str) -> EventId {
    let event = event(pool, minutes_ago).await;
    sqlx::query("update postrider.event set ordering_key = $2 where id = $1")
        .bind(event.0)
        .bind(key)
        .execute(pool)
        .await
        .unwrap();
    event
}

/// A delivery that waits in order. Its key must be there, too.
pub(crate) async fn waiting_in_order(pool: &PgPool, webhook: WebhookId, event: EventId, key: &str, place: i64) {
    sqlx::query(
        "insert into postrider.delivery (webhook_id, event_id, bucket, attempts, due_at, ordering_key, place)
         values ($1, $2, 7, 0, 'infinity', $3, $4)",
    )
    .bind(webhook.0)
    .bind(event.0)
    .bind(key)
    .bind(place)
    .execute(pool)
    .await
    .unwrap();
}

/// An ordering key whose first delivery is due in an hour, and its lane.
pub(crate) async fn key(pool: &PgPool, webhook: WebhookId, key: &str) {
    sqlx::query(
        "with lane as (
            insert into postrider.lane (webhook_id, due_at) values ($1, now() + interval '1 hour') on conflict do nothing
         )
         insert into postrider.ordered_key (webhook_id, ordering_key, due_at)
         values ($1, $2, now() + interval '1 hour')",
    )
    .bind(webhook.0)
    .bind(key)
    .execute(pool)
    .await
    .unwrap();
}

/// An ordering key that was halted this many minutes ago, and its lane.
pub(crate) async fn halted_key(pool: &PgPool, webhook: WebhookId, name: &str, minutes_ago: i32) {
    key(pool, webhook, name).await;
    sqlx::query(
        "update postrider.ordered_key set due_at = 'infinity', halted_at = now() - $3 * interval '1 minute'
          where webhook_id = $1 and ordering_key = $2",
    )
    .bind(webhook.0)
    .bind(name)
    .bind(minutes_ago)
    .execute(pool)
    .await
    .unwrap();
}

/// A delivery in order that was given up this many minutes ago.
pub(crate) async fn given_up_in_order(pool: &PgPool, webhook: WebhookId, event: EventId, minutes_ago: i32, place: i64) {
    given_up(pool, webhook, event, minutes_ago).await;
    sqlx::query("update postrider.dead_letter set place = $3 where webhook_id = $1 and event_id = $2")
        .bind(webhook.0)
        .bind(event.0)
        .bind(place)
        .execute(pool)
        .await
        .unwrap();
}

/// A breaker that opened ten minutes ago for the third time and stays open for these seconds, or did until then.
pub(crate) async fn open_breaker(pool: &PgPool, webhook: WebhookId, seconds: i32) {
    sqlx::query(
        "insert into postrider.lane (webhook_id, due_at, opened_at, open_until, trips, failing_since, last_failed_at)
         select $1, u.until, now() - interval '10 minutes', u.until, 3, now() - interval '2 hours', now()
           from (select now() + $2 * interval '1 second' as until) u
         on conflict (webhook_id) do update
            set due_at = excluded.due_at, opened_at = excluded.opened_at, open_until = excluded.open_until,
                trips = excluded.trips, failing_since = excluded.failing_since, last_failed_at = excluded.last_failed_at",
    )
    .bind(webhook.0)
    .bind(seconds)
    .execute(pool)
    .await
    .unwrap();
}
