//! Retries, and how they end.

use std::time::{Duration, SystemTime};

use postrider_tests::product::{Counts, Product, SOON};
use postrider_tests::receiver::{Answer, in_turn};
use postrider_tests::{Receiver, TestDatabase};

#[tokio::test]
async fn a_delivery_that_keeps_failing_becomes_a_dead_letter_after_all_its_retries() {
    let database = TestDatabase::new().await;
    let product = Product::on(&database);
    let receiver = Receiver::start_with(|_| Answer::Response(500, Vec::new(), b"oh no".to_vec())).await;
    let webhook = product
        .webhook_with("bot", &receiver.url(), "max_retries = 2, retry_delay_ms = 100")
        .await;
    let _worker = product.worker().await;
    product.commit("bot", "LEAD_CREATED", "{}").await;
    product
        .wait_for(
            1,
            "select count(*) from postrider.dead_letter where reason = 'exhausted' and attempts = 3",
        )
        .await;

    assert_eq!(receiver.count(), 3);
    assert_eq!(
        product.counts(&webhook).await,
        Counts {
            delivered: 0,
            failed_attempts: 3,
            given_up: 1
        }
    );
    product.wait_until_idle().await;
    type Row = (i16, Option<i16>, Option<String>, Option<Vec<u8>>);
    let attempts: Vec<Row> =
        sqlx::query_as("select number, status, error, response from postrider.attempt order by number")
            .fetch_all(&product.pool)
            .await
            .unwrap();
    let failed = |number| (number, Some(500), Some("status".to_owned()), Some(b"oh no".to_vec()));
    assert_eq!(attempts, [failed(1), failed(2), failed(3)]);
}

#[tokio::test]
async fn a_delivery_that_recovers_is_counted_with_its_failures() {
    let database = TestDatabase::new().await;
    let product = Product::on(&database);
    let receiver = Receiver::start_with(in_turn([Answer::Status(503), Answer::Garbage, Answer::Status(204)])).await;
    let webhook = product
        .webhook_with("bot", &receiver.url(), "retry_delay_ms = 100")
        .await;
    let _worker = product.worker().await;
    product.commit("bot", "LEAD_CREATED", "{}").await;
    receiver.wait_for(3, SOON).await;
    product.wait_until_idle().await;
    assert_eq!(
        product.counts(&webhook).await,
        Counts {
            delivered: 1,
            failed_attempts: 2,
            given_up: 0
        }
    );
    assert_eq!(product.number("select count(*) from postrider.dead_letter").await, 0);
}

#[tokio::test]
async fn without_retries_the_first_failure_is_the_last() {
    let database = TestDatabase::new().await;
    let product = Product::on(&database);
    let receiver = Receiver::start_with(|_| Answer::Status(400)).await;
    product.webhook_with("bot", &receiver.url(), "max_retries = 0").await;
    let _worker = product.worker().await;
    product.commit("bot", "LEAD_CREATED", "{}").await;
    product
        .wait_for(1, "select count(*) from postrider.dead_letter where attempts = 1")
        .await;
    product.wait_until_idle().await;
    assert_eq!(receiver.count(), 1);
}

#[tokio::test]
async fn retry_after_is_waited_for_as_seconds_and_as_a_date() {
    let database = TestDatabase::new().await;
    let product = Product::on(&database);
    // A date counts whole seconds, so two of them may be little more than one.
    let date = |_: &postrider_tests::receiver::Request| {
        let at = SystemTime::now() + Duration::from_secs(3);
        Answer::RetryAfter(503, httpdate::fmt_http_date(at))
    };
    let receiver = Receiver::start_with(move |request| match request.header("x-webhook-attempt") {
        Some("1") => Answer::RetryAfter(429, "2".to_owned()),
        Some("2") => date(request),
        _ => Answer::Status(200),
    })
    .await;
    product
        .webhook_with("bot", &receiver.url(), "retry_delay_ms = 100")
        .await;
    let _worker = product.worker().await;
    product.commit("bot", "LEAD_CREATED", "{}").await;
    let requests = receiver.wait_for(3, SOON).await;
    let waited = |n: usize| requests[n].at - requests[n - 1].at;
    assert!(waited(1) >= Duration::from_secs(2), "{:?}", waited(1));
    assert!(waited(2) >= Duration::from_millis(1900), "{:?}", waited(2));
}

#[tokio::test]
async fn a_receiver_that_is_gone_disables_its_webhook() {
    let database = TestDatabase::new().await;
    let product = Product::on(&database);
    let receiver = Receiver::start_with(|_| Answer::Status(410)).await;
    let webhook = product.webhook("bot", &receiver.url()).await;
    let _worker = product.worker().await;
    product.commit("bot", "LEAD_CREATED", "{}").await;
    product
        .wait_for(
            1,
            "select count(*) from postrider.dead_letter where reason = 'gone' and attempts = 1",
        )
        .await;
    product
        .wait_for(
            1,
            "select count(*) from postrider.webhook
              where not is_active and disabled_reason = 'gone' and disabled_at is not null and version = 2",
        )
        .await;
    product.wait_until_idle().await;

    product.commit("bot", "LEAD_CREATED", "{}").await;
    product.wait_until_idle().await;
    assert_eq!(receiver.count(), 1);
    assert_eq!(product.counts(&webhook).await.given_up, 1);
}
