//! One tenant's flood does not hold up others, not even those that share its bucket.

use std::time::Duration;

use postrider_tests::product::{Product, SOON};
use postrider_tests::receiver::Answer;
use postrider_tests::{Receiver, TestDatabase};

const FLOOD: i32 = 3000;

#[tokio::test]
async fn a_tenant_behind_another_ones_flood_in_the_same_bucket_is_served_at_once() {
    let database = TestDatabase::new().await;
    let product = Product::on(&database);
    let slow = Receiver::start_with(|_| Answer::After(Duration::from_millis(50), Box::new(Answer::Status(200)))).await;
    let healthy = Receiver::start().await;
    let neighbour: String = sqlx::query_scalar(
        "select name from (select format('neighbour-%s', n) as name from generate_series(1, 100000) n) _
          where (hashtextextended(name, 0) & 255) = (hashtextextended('flooded', 0) & 255) limit 1",
    )
    .fetch_one(&product.pool)
    .await
    .unwrap();
    product.webhook("flooded", &slow.url()).await;
    product.webhook(&neighbour, &healthy.url()).await;
    let _worker = product.worker().await;
    product.commit_many("flooded", FLOOD).await;
    slow.wait_for(50, SOON).await;
    for _ in 0..5 {
        product.commit(&neighbour, "LEAD_CREATED", "{}").await;
    }
    healthy.wait_for(5, SOON).await;
    // It has 32 requests at a time, of 50 ms each: it takes more than four seconds.
    assert!(
        slow.count() < FLOOD as usize / 2,
        "served only when {} of the flood had been",
        slow.count()
    );
    // What its receiver cannot take now stays in the outbox: nothing is moved to its lane.
    assert_eq!(product.number("select count(*) from postrider.delivery").await, 0);
    slow.wait_for(FLOOD as usize, SOON).await;
}

#[tokio::test]
async fn a_webhook_that_hangs_holds_up_no_other_webhook_of_its_tenant() {
    let database = TestDatabase::new().await;
    let product = Product::on(&database);
    let hanging = Receiver::start_with(|_| Answer::Hang).await;
    let healthy = Receiver::start().await;
    product.webhook("bot", &hanging.url()).await;
    product.webhook("bot", &healthy.url()).await;
    let _worker = product.worker().await;
    product.commit_many("bot", 1000).await;
    healthy.wait_for(1000, Duration::from_secs(10)).await;
    assert!(
        hanging.count() <= 4,
        "{} requests to the one that hangs",
        hanging.count()
    );
}
