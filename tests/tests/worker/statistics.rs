//! Figures: exact as soon as a flush commits.

use postrider_tests::product::{Counts, Product};
use postrider_tests::receiver::Answer;
use postrider_tests::{Receiver, TestDatabase};

#[tokio::test]
async fn figures_agree_with_history_before_and_after_folding() {
    let database = TestDatabase::new().await;
    let product = Product::on(&database);
    let receiver = Receiver::start_with(|request| {
        let body: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
        let number = body["data"]["number"].as_i64().unwrap();
        Answer::Status(if number % 3 == 0 { 500 } else { 200 })
    })
    .await;
    let webhook = product
        .webhook_with("bot", &receiver.url(), "max_retries = 1, retry_delay_ms = 100")
        .await;
    let _worker = product.worker_with(&[("worker_breaker_failures", "1000")]).await;
    product.commit_many("bot", 300).await;
    product.wait_until_idle().await;

    let expected = Counts {
        delivered: 200,
        failed_attempts: 200,
        given_up: 100,
    };
    assert_eq!(product.counts(&webhook).await, expected);
    product.wait_for(0, "select count(*) from postrider.stats_delta").await;
    assert_eq!(product.counts(&webhook).await, expected);
    assert_eq!(receiver.count(), 400);
    assert_eq!(
        product
            .number(
                "select count(*) from postrider.webhook_statistics s
                  where s.last_triggered_at = (select max(started_at) from postrider.attempt)
                    and s.last_success_at = (select max(started_at) from postrider.attempt where error is null)"
            )
            .await,
        1
    );
}
