//! A durable Postgres, a receiver process, and webhooks for many tenants.

use postrider_tests::PrivateCluster;
use postrider_tests::product::Product;

use crate::receiver::Receiver;

/// Events are spread over so many tenants with one webhook each.
pub(crate) const TENANTS: i32 = 100;

/// Bytes of one payload.
pub(crate) const PAYLOAD_BYTES: usize = 600;

pub(crate) struct Stage {
    pub(crate) product: Product,
    pub(crate) receiver: Receiver,
    pub(crate) cluster: PrivateCluster,
}

impl Stage {
    /// Postgres as it is run in production, except for its memory: durable, with `fsync`.
    pub(crate) async fn start() -> Self {
        let cluster = PrivateCluster::start_with(&[
            ("shared_buffers", "512MB"),
            ("max_wal_size", "8GB"),
            ("checkpoint_timeout", "30min"),
        ])
        .await;
        let product = Product::on_cluster(&cluster);
        let receiver = Receiver::start().await;
        for tenant in 0..TENANTS {
            product.webhook(&format!("tenant_{tenant}"), &receiver.url).await;
        }
        Self {
            product,
            receiver,
            cluster,
        }
    }

    /// Commits events in transactions of one each would take long: this backlog comes in bulk.
    pub(crate) async fn fill(&self, events: i32) {
        sqlx::query(
            "select postrider.enqueue_many(array_agg(format('tenant_%s', n % $2)), array_agg('LEAD_CREATED'::text),
                                           array_agg(format('{\"message\":\"%s\"}', repeat('x', $3))::json))
               from generate_series(0, $1 - 1) n group by n / 500",
        )
        .bind(events)
        .bind(TENANTS)
        .bind(PAYLOAD_BYTES as i32 - 14)
        .execute(&self.product.pool)
        .await
        .unwrap();
    }
}
