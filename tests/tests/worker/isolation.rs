//! One tenant's flood does not hold up others, not even those that share its bucket.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use postrider_tests::product::{Product, SOON};
use postrider_tests::receiver::Answer;
use postrider_tests::{Receiver, TestDatabase};
use tokio::sync::watch;

use crate::monitoring;

const FLOOD: i32 = 3000;

/// A tenant that shares the bucket of this one.
async fn neighbour_of(product: &Product, tenant: &str) -> String {
    sqlx::query_scalar(
        "select name from (select format('neighbour-%s', n) as name from generate_series(1, 100000) n) _
          where (hashtextextended(name, 0) & 255) = (hashtextextended($1, 0) & 255) limit 1",
    )
    .bind(tenant)
    .fetch_one(&product.pool)
    .await
    .unwrap()
}

#[tokio::test]
async fn a_tenant_behind_another_ones_flood_in_the_same_bucket_is_served_at_once() {
    let database = TestDatabase::new().await;
    let product = Product::on(&database);
    let slow = Receiver::start_with(|_| Answer::After(Duration::from_millis(50), Box::new(Answer::Status(200)))).await;
    let healthy = Receiver::start().await;
    let neighbour = neighbour_of(&product, "flooded").await;
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
async fn behind_a_flood_a_commit_that_comes_a_little_late_is_found_at_once() {
    let database = TestDatabase::new().await;
    let product = Product::on(&database);
    let hanging = Receiver::start_with(|_| Answer::Hang).await;
    let healthy = Receiver::start().await;
    let neighbour = neighbour_of(&product, "flooded").await;
    // Few at a time, so that the flood stays where it is.
    let patient = "max_in_flight = 1, timeout_ms = 60000";
    product.webhook_with("flooded", &hanging.url(), patient).await;
    product.webhook(&neighbour, &healthy.url()).await;
    let _worker = product.worker_with(&[("worker_park_after_ms", "60000")]).await;
    product.commit_many("flooded", FLOOD).await;
    hanging.wait_for(1, SOON).await;
    for _ in 0..20 {
        let begun = Instant::now();
        let mut late = product.pool.begin().await.unwrap();
        sqlx::query("select postrider.enqueue($1, 'LEAD_CREATED', '{}')")
            .bind(&neighbour)
            .execute(&mut *late)
            .await
            .unwrap();
        // One that was written later is found before: the flood was looked through that far.
        let count = healthy.count();
        product.commit(&neighbour, "LEAD_CREATED", "{}").await;
        healthy.wait_for(count + 1, SOON).await;
        late.commit().await.unwrap();
        let committed = Instant::now();
        healthy.wait_for(count + 2, SOON).await;
        // Unless the machine was slow: what comes more than two seconds late may take ten.
        if committed - begun < Duration::from_secs(1) {
            assert!(
                committed.elapsed() < Duration::from_secs(5),
                "{:?}",
                committed.elapsed()
            );
            return;
        }
    }
    panic!("the machine is too slow to be a little late");
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

/// Deliveries that wait in a lane, apart from requests still open.
const WAITING: &str = "select count(*) from postrider.delivery where token is null";

/// Resumes every webhook as the API does, all at once.
async fn resume_all(product: &Product) {
    sqlx::query(
        "with resumed as (update postrider.webhook set paused_at = null, version = version + 1)
         update postrider.lane set due_at = now()",
    )
    .execute(&product.pool)
    .await
    .unwrap();
}

#[tokio::test]
async fn a_webhook_has_no_more_requests_open_than_it_allows() {
    let database = TestDatabase::new().await;
    let product = Product::on(&database);
    let gate = watch::Sender::new(true);
    let opened = gate.subscribe();
    let receiver = Receiver::start_with(move |_| Answer::When(opened.clone(), Box::new(Answer::Status(200)))).await;
    product.webhook("bot", &receiver.url()).await;
    let _worker = product.worker().await;
    // It has answered well, so it is off probation.
    product.commit("bot", "LEAD_CREATED", "{}").await;
    product.wait_until_idle().await;

    gate.send_replace(false);
    product.commit_many("bot", 100).await;
    // Those that are open moved to the lane, and the others gave up waiting for their turn.
    product.wait_for(100, "select count(*) from postrider.delivery").await;
    assert_eq!(receiver.count(), 1 + 32);
    gate.send_replace(true);
    receiver.wait_for(101, SOON).await;
    product.wait_until_idle().await;
    assert_eq!(receiver.count(), 101);
}

#[tokio::test]
async fn due_lanes_have_equal_shares_of_a_claim() {
    const WEBHOOKS: usize = 40;
    let database = TestDatabase::new().await;
    let product = Product::on(&database);
    let receiver = Receiver::start().await;
    for number in 0..WEBHOOKS {
        let url = format!("{}/{number}", receiver.url());
        product.webhook_with("bot", &url, "paused_at = now()").await;
    }
    let _worker = product
        .worker_with(&[("worker_concurrency", "16"), ("worker_claim_batch", "32")])
        .await;
    product.commit_many("bot", 20).await;
    product.wait_for(20 * WEBHOOKS as i64, WAITING).await;
    resume_all(&product).await;
    let requests = receiver.wait_for(20 * WEBHOOKS, SOON).await;
    let mut times: HashMap<&str, usize> = HashMap::new();
    for request in &requests {
        let count = times.entry(&request.path).or_default();
        *count += 1;
        if *count == 10 {
            break;
        }
    }
    assert_eq!(
        times.len(),
        WEBHOOKS,
        "one had its tenth before others had any: {times:?}"
    );
}

#[tokio::test]
async fn requests_that_go_on_without_a_slot_are_counted_as_open() {
    let database = TestDatabase::new().await;
    let product = Product::on(&database);
    let receiver = Receiver::start_with(|_| Answer::Hang).await;
    for _ in 0..8 {
        product.webhook("bot", &receiver.url()).await;
    }
    // One slot, and four for slow requests.
    let mut worker = product
        .worker_with(&[("worker_concurrency", "1"), ("worker_heartbeat_interval_ms", "200")])
        .await;
    product.commit("bot", "LEAD_CREATED", "{}").await;
    receiver.wait_for(6, SOON).await;
    monitoring::wait_for(&mut worker, "postrider_requests_in_flight", 8.0).await;
    assert_eq!(receiver.count(), 8);
}

#[tokio::test]
async fn a_claim_of_a_lane_that_is_too_old_is_not_sent_but_claimed_anew() {
    let database = TestDatabase::new().await;
    let product = Product::on(&database);
    let gate = watch::Sender::new(false);
    let answer = Answer::When(gate.subscribe(), Box::new(Answer::Status(200)));
    let receiver = Receiver::start_with(move |_| answer.clone()).await;
    product
        .webhook_with("bot", &receiver.url(), "max_in_flight = 1, paused_at = now()")
        .await;
    // What waits for its turn does so for longer than a claim is good for, which is half the lease time.
    let mut worker = product
        .worker_with(&[
            ("worker_park_after_ms", "60000"),
            ("worker_lease_time_ms", "3000"),
            ("worker_heartbeat_interval_ms", "500"),
        ])
        .await;
    product.commit_many("bot", 2).await;
    product.wait_for(2, WAITING).await;
    let parked = monitoring::value(&mut worker, "postrider_parked_total").await;
    resume_all(&product).await;
    receiver.wait_for(1, SOON).await;
    product.wait_for(0, WAITING).await;
    tokio::time::sleep(Duration::from_millis(1600)).await;
    assert_eq!(receiver.count(), 1);
    gate.send_replace(true);
    product.wait_until_idle().await;
    assert_eq!(receiver.count(), 2);
    monitoring::wait_for(&mut worker, "postrider_parked_total", parked + 1.0).await;
}
