//! Several workers on one outbox.

use std::collections::HashSet;

use postrider_tests::product::{Product, SOON};
use postrider_tests::{Receiver, TestDatabase};

async fn share(workers: usize) {
    const EVENTS: usize = 3000;
    let database = TestDatabase::new().await;
    let product = Product::on(&database);
    let receiver = Receiver::start().await;
    for tenant in ["a", "b", "c"] {
        product.webhook(tenant, &receiver.url()).await;
    }
    let mut running = Vec::new();
    for _ in 0..workers {
        running.push(product.worker().await);
    }
    for _ in 0..10 {
        for tenant in ["a", "b", "c"] {
            product.commit_many(tenant, (EVENTS / 30) as i32).await;
        }
    }
    receiver.wait_for(EVENTS, SOON * 2).await;
    product.wait_until_idle().await;
    let requests = receiver.requests();
    let ids: HashSet<&str> = requests
        .iter()
        .map(|request| request.header("webhook-id").unwrap())
        .collect();
    assert_eq!(ids.len(), EVENTS);
    assert_eq!(requests.len(), EVENTS, "something was sent twice");
}

#[tokio::test]
async fn two_workers_send_nothing_twice_and_lose_nothing() {
    share(2).await;
}

#[tokio::test]
async fn four_workers_send_nothing_twice_and_lose_nothing() {
    share(4).await;
}
