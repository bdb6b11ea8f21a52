//! A commit that comes late, behind ids that were claimed long ago.

use std::time::{Duration, Instant};

use postrider_tests::product::{Product, SOON};
use postrider_tests::{Receiver, TestDatabase};

#[tokio::test]
async fn a_transaction_open_while_others_commit_is_delivered_within_two_seconds_of_its_commit() {
    let database = TestDatabase::new().await;
    let product = Product::on(&database);
    let receiver = Receiver::start().await;
    product.webhook("bot", &receiver.url()).await;
    let _worker = product.worker().await;

    let mut late = product.pool.begin().await.unwrap();
    sqlx::query("select postrider.enqueue('bot', 'LATE', '{}')")
        .execute(&mut *late)
        .await
        .unwrap();
    let mut others = 0;
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(10) {
        product.commit("bot", "LEAD_CREATED", "{}").await;
        others += 1;
        receiver.wait_for(others, SOON).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    late.commit().await.unwrap();
    let committed = Instant::now();
    let requests = receiver.wait_for(others + 1, SOON).await;
    let late = requests.last().unwrap();
    assert_eq!(late.header("x-webhook-event"), Some("LATE"));
    assert!(
        late.at - committed < Duration::from_secs(2),
        "{:?}",
        late.at - committed
    );
}
