//! Webhooks that have failed for days are deactivated.

use postrider_tests::product::{Product, SOON, TestWebhook};
use postrider_tests::{Receiver, TestDatabase};

/// Writes what days of failures leave in the lane, with one delivery that waits.
async fn has_failed(
    product: &Product,
    webhook: &TestWebhook,
    first: &'static str,
    last: &'static str,
    last_success: Option<&'static str>,
) {
    let event = product.commit("nobody", "LEAD_CREATED", "{}").await;
    sqlx::query(
        "insert into postrider.delivery (webhook_id, event_id, bucket, attempts, due_at)
         select $1, e.id, e.bucket, 2, now() + interval '1 hour' from postrider.event e where e.id = $2",
    )
    .bind(webhook.id.0)
    .bind(event.0)
    .execute(&product.pool)
    .await
    .unwrap();
    sqlx::query(
        "insert into postrider.lane (webhook_id, due_at, failing_since, last_failed_at)
         values ($1, now() + interval '1 hour', now() - $2::interval, now() - $3::interval)",
    )
    .bind(webhook.id.0)
    .bind(first)
    .bind(last)
    .execute(&product.pool)
    .await
    .unwrap();
    sqlx::query("insert into postrider.webhook_stats (webhook_id, last_success_at) values ($1, now() - $2::interval)")
        .bind(webhook.id.0)
        .bind(last_success)
        .execute(&product.pool)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_webhook_with_nothing_but_failures_for_days_is_deactivated_and_its_deliveries_are_kept() {
    let database = TestDatabase::new().await;
    let product = Product::on(&database);
    let receiver = Receiver::start().await;
    let failing = product.webhook("bot", "http://127.0.0.1:9/").await;
    let not_long_enough = product.webhook("bot", "http://127.0.0.1:9/").await;
    let silent_since = product.webhook("bot", "http://127.0.0.1:9/").await;
    let succeeded_between = product.webhook("bot", "http://127.0.0.1:9/").await;
    product
        .webhook_with("bot", &receiver.url(), "event_types = '{WEBHOOK_DISABLED}'")
        .await;
    has_failed(&product, &failing, "6 days", "1 minute", Some("7 days")).await;
    has_failed(&product, &not_long_enough, "4 days", "1 minute", None).await;
    has_failed(&product, &silent_since, "9 days", "8 days", None).await;
    has_failed(&product, &succeeded_between, "6 days", "1 minute", Some("3 days")).await;

    let mut worker = product.worker().await;
    let told = receiver.wait_for(1, SOON).await;
    let told: serde_json::Value = serde_json::from_slice(&told[0].body).unwrap();
    assert_eq!(told["event"], "WEBHOOK_DISABLED");
    assert_eq!(told["data"]["webhookId"], failing.id.to_string());
    assert_eq!(told["data"]["reason"], "failing");
    let deactivated: Vec<i64> = sqlx::query_scalar(
        "select id from postrider.webhook
          where not is_active and disabled_reason = 'failing' and disabled_at is not null and version = 2",
    )
    .fetch_all(&product.pool)
    .await
    .unwrap();
    assert_eq!(deactivated, [failing.id.0]);
    product
        .wait_for(
            1,
            "select count(*) from postrider.dead_letter where reason = 'failing' and attempts = 2",
        )
        .await;
    product.wait_for(3, "select count(*) from postrider.delivery").await;
    worker
        .wait_for_stderr(SOON, |log| log.contains("every attempt has failed for days"))
        .await;
}
