//! How fast deliveries go that must keep the order of their key: each waits until the one before it is recorded.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use postrider_tests::product::SOON;

use crate::stage::Stage;

/// Ordering keys, and events for all of them together.
const ROUNDS: [(i32, i32); 3] = [(1, 2_000), (10, 10_000), (100, 20_000)];

/// Measures the backlog of one webhook, at one, ten and a hundred keys.
pub(crate) async fn measure() {
    println!("order: one webhook with ordering = key, and a backlog for it");
    for (keys, events) in ROUNDS {
        let mut stage = Stage::start().await;
        sqlx::query("update postrider.webhook set ordering = 'key' where tenant = 'tenant_0'")
            .execute(&stage.product.pool)
            .await
            .unwrap();
        sqlx::query(
            "select postrider.enqueue_many(array_agg('tenant_0'::text), array_agg('LEAD_UPDATED'::text),
                                           array_agg('{}'::json), ordering_keys => array_agg(format('key %s', n % $2)))
               from generate_series(0, $1 - 1) n group by n / 500",
        )
        .bind(events)
        .bind(keys)
        .execute(&stage.product.pool)
        .await
        .unwrap();
        let mut worker = stage.product.worker().await;
        let begun = Instant::now();
        while stage.receiver.count().await < events as u64 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let seconds = begun.elapsed().as_secs_f64();
        worker.signal(Signal::SIGTERM);
        worker.wait(SOON).await;
        println!(
            "  {keys:>4} keys   {:>7.0} deliveries per second",
            f64::from(events) / seconds
        );
    }
}
