//! postrider as its users set it up: webhooks with known secrets, committed events, running workers.

use std::time::Duration;

use postrider_core::ids::{EventId, WebhookId};
use postrider_core::secret::{KeyRing, Secret};
use sqlx::{AssertSqlSafe, PgPool};
use tokio::process::Command;

use crate::process::command;
use crate::{Postrider, PrivateCluster, TestDatabase};

/// Encrypts the secrets of every test; worth nothing.
const ENCRYPTION_KEYS: &str = "test:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// How long a test waits for what must happen. Long, because it only ends the wait of a test that fails.
pub const SOON: Duration = Duration::from_secs(30);

/// A migrated database, and what is needed to run workers on it.
#[derive(Debug, Clone)]
pub struct Product {
    /// Connects as the superuser.
    pub pool: PgPool,
    worker_url: String,
}

/// A webhook and its secret.
#[derive(Debug)]
pub struct TestWebhook {
    /// Its id.
    pub id: WebhookId,
    /// What it signs with.
    pub secret: Secret,
}

/// Figures of one webhook, as the API shows them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Deliveries that succeeded.
    pub delivered: i64,
    /// Attempts that failed.
    pub failed_attempts: i64,
    /// Deliveries given up.
    pub given_up: i64,
}

impl Product {
    /// On the database of a test.
    #[must_use]
    pub fn on(database: &TestDatabase) -> Self {
        Self {
            pool: database.pool(),
            worker_url: database.url_as("postrider_worker"),
        }
    }

    /// On a cluster that the test will stop, kill or freeze.
    #[must_use]
    pub fn on_cluster(cluster: &PrivateCluster) -> Self {
        Self {
            pool: cluster.pool(),
            worker_url: cluster.url_as("postrider_worker"),
        }
    }

    /// A webhook subscribed to everything of this tenant.
    pub async fn webhook(&self, tenant: &str, url: &str) -> TestWebhook {
        self.webhook_with(tenant, url, "name = name").await
    }

    /// A webhook with other settings: an SQL `set` list such as `max_retries = 0`.
    pub async fn webhook_with(&self, tenant: &str, url: &str, settings: &'static str) -> TestWebhook {
        let key_ring = KeyRing::parse(ENCRYPTION_KEYS).unwrap();
        let secret = Secret::generate();
        let id: i64 = sqlx::query_scalar("select postrider.next_id()")
            .fetch_one(&self.pool)
            .await
            .unwrap();
        let mut transaction = self.pool.begin().await.unwrap();
        sqlx::query(
            "insert into postrider.webhook (id, tenant, name, url, event_types, secret)
             values ($1, $2, 'test', $3, '{*}', $4)",
        )
        .bind(id)
        .bind(tenant)
        .bind(url)
        .bind(key_ring.encrypt(&secret, tenant, WebhookId(id)))
        .execute(&mut *transaction)
        .await
        .unwrap();
        sqlx::query(AssertSqlSafe(format!(
            "update postrider.webhook set {settings} where id = {id}"
        )))
        .execute(&mut *transaction)
        .await
        .unwrap();
        transaction.commit().await.unwrap();
        TestWebhook {
            id: WebhookId(id),
            secret,
        }
    }

    /// Commits one event.
    pub async fn commit(&self, tenant: &str, event_type: &str, payload: &str) -> EventId {
        let id = sqlx::query_scalar("select postrider.enqueue($1, $2, $3::text::json)")
            .bind(tenant)
            .bind(event_type)
            .bind(payload)
            .fetch_one(&self.pool)
            .await
            .unwrap();
        EventId(id)
    }

    /// Commits so many LEAD_CREATED events in one transaction, with payloads `{"number":0}`, `{"number":1}` …
    pub async fn commit_many(&self, tenant: &str, count: i32) -> Vec<EventId> {
        let ids: Vec<i64> = sqlx::query_scalar(
            "select unnest(postrider.enqueue_many(array_agg($1::text), array_agg('LEAD_CREATED'::text),
                           array_agg(format('{\"number\":%s}', n)::json)))
               from generate_series(0, $2 - 1) n",
        )
        .bind(tenant)
        .bind(count)
        .fetch_all(&self.pool)
        .await
        .unwrap();
        ids.into_iter().map(EventId).collect()
    }

    /// Starts a worker that may reach loopback receivers, and waits until it runs.
    pub async fn worker(&self) -> Postrider {
        self.worker_with(&[]).await
    }

    /// Starts a worker with further settings, and waits until it runs.
    pub async fn worker_with(&self, settings: &[(&str, &str)]) -> Postrider {
        let mut worker = self.worker_starting(settings);
        worker.wait_for_stderr(SOON, |log| log.contains("worker runs")).await;
        worker
    }

    /// Starts a worker without waiting.
    #[must_use]
    pub fn worker_starting(&self, settings: &[(&str, &str)]) -> Postrider {
        Postrider::spawn_command(self.worker_command(settings))
    }

    /// The command that starts a worker.
    #[must_use]
    pub fn worker_command(&self, settings: &[(&str, &str)]) -> Command {
        let mut all = vec![
            ("database_url", self.worker_url.as_str()),
            ("encryption_keys", ENCRYPTION_KEYS),
            ("allow_http", "true"),
            ("allow_networks", "127.0.0.0/8,::1/128"),
            ("worker_monitoring_listen", "127.0.0.1:0"),
        ];
        all.extend_from_slice(settings);
        command(&["worker"], &all)
    }

    /// The webhook's figures now.
    pub async fn counts(&self, webhook: &TestWebhook) -> Counts {
        let (delivered, failed_attempts, given_up) = sqlx::query_as(
            "select delivered::int8, failed_attempts::int8, given_up::int8
               from postrider.webhook_statistics where webhook_id = $1",
        )
        .bind(webhook.id.0)
        .fetch_one(&self.pool)
        .await
        .unwrap();
        Counts {
            delivered,
            failed_attempts,
            given_up,
        }
    }

    /// Waits until the query, which yields one number, yields this one.
    ///
    /// # Panics
    /// When it does not soon.
    pub async fn wait_for(&self, expected: i64, query: &'static str) {
        let deadline = tokio::time::Instant::now() + SOON;
        loop {
            let found: i64 = sqlx::query_scalar(query).fetch_one(&self.pool).await.unwrap();
            if found == expected {
                return;
            }
            assert!(
                tokio::time::Instant::now() < deadline,
                "{query}: {found}, and not {expected} within {SOON:?}"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until nothing is left to do: no outbox row, no lease, no waiting delivery.
    pub async fn wait_until_idle(&self) {
        self.wait_for(
            0,
            "select (select count(*) from postrider.outbox) + (select count(*) from postrider.lease)
                  + (select count(*) from postrider.delivery) + (select count(*) from postrider.deferred)
                  + (select count(*) from postrider.ordered)",
        )
        .await;
    }

    /// One number.
    pub async fn number(&self, query: &'static str) -> i64 {
        sqlx::query_scalar(query).fetch_one(&self.pool).await.unwrap()
    }
}
