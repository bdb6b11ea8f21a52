//! deliver_after.

use std::time::{Duration, Instant};

use postrider_tests::product::{Product, SOON};
use postrider_tests::{Receiver, TestDatabase};

#[tokio::test]
async fn a_deferred_event_is_delivered_when_due_and_not_before() {
    let database = TestDatabase::new().await;
    let product = Product::on(&database);
    let receiver = Receiver::start().await;
    product.webhook("bot", &receiver.url()).await;
    let _worker = product.worker().await;
    let begun = Instant::now();
    sqlx::query("select postrider.enqueue('bot', 'LATER', '{}', deliver_after => now() + interval '2.5 s')")
        .execute(&product.pool)
        .await
        .unwrap();
    product.commit("bot", "NOW", "{}").await;
    let requests = receiver.wait_for(2, SOON).await;
    assert_eq!(requests[0].header("x-webhook-event"), Some("NOW"));
    assert_eq!(requests[1].header("x-webhook-event"), Some("LATER"));
    let waited = requests[1].at - begun;
    assert!(waited > Duration::from_millis(2500), "{waited:?}");
    product.wait_until_idle().await;
}
