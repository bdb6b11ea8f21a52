//! What is committed is sent, what is rolled back never is; each to its own.

use std::time::{Duration, Instant};

use postrider_tests::product::{Product, SOON};
use postrider_tests::{Receiver, TestDatabase};
use sqlx::{Connection, PgConnection};

async fn enqueue(connection: &mut PgConnection, payload: &str) {
    sqlx::query("select postrider.enqueue('bot', 'LEAD_CREATED', $1::text::json)")
        .bind(payload)
        .execute(connection)
        .await
        .unwrap();
}

fn payloads(receiver: &Receiver) -> Vec<i64> {
    let number = |body: &[u8]| {
        let body: serde_json::Value = serde_json::from_slice(body).unwrap();
        body["data"]["number"].as_i64().unwrap()
    };
    let mut numbers: Vec<i64> = receiver
        .requests()
        .iter()
        .map(|request| number(&request.body))
        .collect();
    numbers.sort_unstable();
    numbers
}

#[tokio::test]
async fn an_event_of_a_rolled_back_transaction_or_savepoint_is_never_sent() {
    let database = TestDatabase::new().await;
    let product = Product::on(&database);
    let receiver = Receiver::start().await;
    product.webhook("bot", &receiver.url()).await;
    let _worker = product.worker().await;

    let mut connection = product.pool.acquire().await.unwrap();
    let mut rolled_back = connection.begin().await.unwrap();
    enqueue(&mut rolled_back, r#"{"number":1}"#).await;
    rolled_back.rollback().await.unwrap();

    let mut outer = connection.begin().await.unwrap();
    enqueue(&mut outer, r#"{"number":2}"#).await;
    let mut savepoint = outer.begin().await.unwrap();
    enqueue(&mut savepoint, r#"{"number":3}"#).await;
    savepoint.rollback().await.unwrap();
    enqueue(&mut outer, r#"{"number":4}"#).await;
    outer.commit().await.unwrap();

    product.wait_until_idle().await;
    // One more, so that anything sent by mistake has had its chance before.
    enqueue(&mut connection, r#"{"number":5}"#).await;
    receiver.wait_for(3, SOON).await;
    product.wait_until_idle().await;
    assert_eq!(payloads(&receiver), [2, 4, 5]);
}

#[tokio::test]
async fn a_committed_event_is_sent_once_to_each_active_webhook_subscribed_to_it() {
    let database = TestDatabase::new().await;
    let product = Product::on(&database);
    let receiver = Receiver::start().await;
    let url = |path: &str| format!("http://{}/{path}", receiver.address());
    product
        .webhook_with("bot", &url("exact"), "event_types = '{LEAD_CREATED}'")
        .await;
    product
        .webhook_with("bot", &url("two-types"), "event_types = '{LEAD_UPDATED,LEAD_CREATED}'")
        .await;
    product.webhook_with("bot", &url("all"), "event_types = '{*}'").await;
    product
        .webhook_with("bot", &url("other-type"), "event_types = '{LEAD_UPDATED}'")
        .await;
    product.webhook_with("bot", &url("inactive"), "is_active = false").await;
    product
        .webhook_with("other-bot", &url("other-tenant"), "event_types = '{*}'")
        .await;
    let _worker = product.worker().await;

    product.commit("bot", "LEAD_CREATED", "{}").await;
    product.commit("nobody", "LEAD_CREATED", "{}").await;
    product.wait_until_idle().await;

    let mut paths: Vec<String> = receiver.requests().iter().map(|request| request.path.clone()).collect();
    paths.sort();
    assert_eq!(paths, ["/all", "/exact", "/two-types"]);
    assert_eq!(product.number("select count(*) from postrider.attempt").await, 3);
}

#[tokio::test]
async fn a_changed_webhook_is_used_from_the_next_event_on() {
    let database = TestDatabase::new().await;
    let product = Product::on(&database);
    let receiver = Receiver::start().await;
    let webhook = product.webhook("bot", &receiver.url()).await;
    let _worker = product.worker().await;
    product.commit("bot", "LEAD_CREATED", "{}").await;
    receiver.wait_for(1, SOON).await;

    sqlx::query("update postrider.webhook set url = $2, version = version + 1 where id = $1")
        .bind(webhook.id.0)
        .bind(format!("http://{}/moved", receiver.address()))
        .execute(&product.pool)
        .await
        .unwrap();
    product.commit("bot", "LEAD_CREATED", "{}").await;
    let requests = receiver.wait_for(2, SOON).await;
    assert_eq!(requests[0].path, "/webhook");
    assert_eq!(requests[1].path, "/moved");
}

#[tokio::test]
async fn a_paused_webhook_keeps_its_events_and_they_flow_on_resume() {
    let database = TestDatabase::new().await;
    let product = Product::on(&database);
    let receiver = Receiver::start().await;
    let webhook = product.webhook_with("bot", &receiver.url(), "paused_at = now()").await;
    let _worker = product.worker().await;
    product.commit_many("bot", 20).await;
    product
        .wait_for(20, "select count(*) from postrider.delivery where token is null")
        .await;
    product.wait_for(0, "select count(*) from postrider.lease").await;
    assert_eq!(receiver.count(), 0);

    sqlx::query(
        "with resumed as (
            update postrider.webhook set paused_at = null, version = version + 1 where id = $1 returning id)
         update postrider.lane l set due_at = now() from resumed r where l.webhook_id = r.id",
    )
    .bind(webhook.id.0)
    .execute(&product.pool)
    .await
    .unwrap();
    receiver.wait_for(20, SOON).await;
    product.wait_until_idle().await;
    assert_eq!(payloads(&receiver), (0..20).collect::<Vec<i64>>());
    assert_eq!(product.counts(&webhook).await.delivered, 20);
}

#[tokio::test]
async fn what_waits_for_a_webhook_that_is_deactivated_becomes_dead_letters() {
    let database = TestDatabase::new().await;
    let product = Product::on(&database);
    let receiver = Receiver::start().await;
    let webhook = product.webhook_with("bot", &receiver.url(), "paused_at = now()").await;
    let _worker = product.worker().await;
    product.commit_many("bot", 5).await;
    product.wait_for(5, "select count(*) from postrider.delivery").await;
    sqlx::query(
        "with deactivated as (
            update postrider.webhook set is_active = false, version = version + 1 where id = $1 returning id)
         update postrider.lane l set due_at = now() from deactivated d where l.webhook_id = d.id",
    )
    .bind(webhook.id.0)
    .execute(&product.pool)
    .await
    .unwrap();
    product
        .wait_for(
            5,
            "select count(*) from postrider.dead_letter where reason = 'inactive'",
        )
        .await;
    product.wait_until_idle().await;
    assert_eq!(receiver.count(), 0);
}

/// The answer to a claim is lost, or the statement after it fails: the claimed events come back within seconds.
#[tokio::test]
async fn events_whose_claim_broke_off_half_way_are_delivered_soon() {
    let database = TestDatabase::new().await;
    let product = Product::on(&database);
    let receiver = Receiver::start().await;
    let _worker = product.worker().await;
    let before = product.webhook("bot", &receiver.url()).await;
    // Claims go on, but the worker cannot load what it must know of the webhook.
    let hide = "revoke select on postrider.webhook from postrider_worker;
                grant select (id, version, tenant, is_active, event_types) on postrider.webhook to postrider_worker";
    sqlx::raw_sql(hide).execute(&product.pool).await.unwrap();
    product.commit_many("bot", 10).await;
    product.wait_for(1, "select count(*) from postrider.lease").await;
    sqlx::raw_sql("grant select on postrider.webhook to postrider_worker")
        .execute(&product.pool)
        .await
        .unwrap();
    let granted = Instant::now();
    receiver.wait_for(10, SOON).await;
    assert!(granted.elapsed() < Duration::from_secs(5), "{:?}", granted.elapsed());
    product.wait_until_idle().await;
    assert_eq!(receiver.count(), 10);
    assert_eq!(product.counts(&before).await.delivered, 10);
}
