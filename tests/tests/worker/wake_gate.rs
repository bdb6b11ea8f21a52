//! The wake gate under random interleavings: nothing waits longer than the fallback poll.

use std::time::{Duration, Instant};

use postrider_tests::product::{Product, SOON};
use postrider_tests::{Receiver, TestDatabase};

/// A small generator, so that a failing run can be repeated from its seed.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

/// Hundreds of short transactions of several producers, which linger before and after their insert, against workers
/// that fall asleep in between.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_waits_longer_than_the_fallback_poll() {
    const PRODUCERS: u64 = 4;
    const EACH: u64 = 100;
    let seed = u64::from(std::process::id());
    let database = TestDatabase::new().await;
    let product = Product::on(&database);
    let receiver = Receiver::start().await;
    product.webhook("bot", &receiver.url()).await;
    // So long that an event which only the fallback found stands out.
    let _workers = [
        product.worker_with(&[("worker_poll_interval_ms", "5000")]).await,
        product.worker_with(&[("worker_poll_interval_ms", "5000")]).await,
    ];

    let mut producers = Vec::new();
    for producer in 0..PRODUCERS {
        let pool = product.pool.clone();
        producers.push(tokio::spawn(async move {
            let mut random = Random(seed * PRODUCERS + producer);
            let mut committed = Vec::new();
            for _ in 0..EACH {
                let mut transaction = pool.begin().await.unwrap();
                tokio::time::sleep(Duration::from_millis(random.below(4))).await;
                let id: i64 = sqlx::query_scalar("select postrider.enqueue('bot', 'LEAD_CREATED', '{}')")
                    .fetch_one(&mut *transaction)
                    .await
                    .unwrap();
                tokio::time::sleep(Duration::from_millis(random.below(8))).await;
                if random.below(8) == 0 {
                    transaction.rollback().await.unwrap();
                } else {
                    transaction.commit().await.unwrap();
                    committed.push((format!("evt_{id}"), Instant::now()));
                }
                // Long enough, often, for every worker to fall asleep.
                tokio::time::sleep(Duration::from_millis(random.below(40))).await;
            }
            committed
        }));
    }
    let mut committed = Vec::new();
    for producer in producers {
        committed.extend(producer.await.unwrap());
    }
    let requests = receiver.wait_for(committed.len(), SOON).await;
    assert_eq!(requests.len(), committed.len());
    for (id, at) in committed {
        let request = requests
            .iter()
            .find(|request| request.header("webhook-id") == Some(&id))
            .unwrap();
        let waited = request.at.saturating_duration_since(at);
        assert!(waited < Duration::from_secs(2), "seed {seed}: {id} waited {waited:?}");
    }
}

#[tokio::test]
async fn without_the_gate_the_poll_finds_events() {
    let database = TestDatabase::new().await;
    let product = Product::on(&database);
    let receiver = Receiver::start().await;
    product.webhook("bot", &receiver.url()).await;
    let _worker = product
        .worker_with(&[("worker_wake", "poll"), ("worker_poll_interval_ms", "50")])
        .await;
    for count in 1..=5 {
        product.commit("bot", "LEAD_CREATED", "{}").await;
        receiver.wait_for(count, SOON).await;
    }
}
