//! A migrated database for one test, on a throwaway cluster that all tests share.

use std::sync::atomic::{AtomicU32, Ordering};

use sqlx::postgres::{PgConnectOptions, PgConnection, PgPoolOptions};
use sqlx::{AssertSqlSafe, Connection, Executor, PgPool};

use crate::shared_cluster::{self, SharedCluster};

/// A database of its own, removed when dropped.
#[derive(Debug)]
pub struct TestDatabase {
    name: String,
    cluster: &'static SharedCluster,
}

impl TestDatabase {
    /// A database with the current schema.
    pub async fn new() -> Self {
        let cluster = shared_cluster::join().await;
        Self::create(cluster, &cluster.template).await
    }

    /// A database without our schema.
    pub async fn empty() -> Self {
        Self::create(shared_cluster::join().await, "template0").await
    }

    async fn create(cluster: &'static SharedCluster, template: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("test_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let mut admin = PgConnection::connect_with(&cluster.options("postgres")).await.unwrap();
        // A process id may come again within the life of the cluster.
        admin
            .execute(AssertSqlSafe(format!("drop database if exists {name} with (force)")))
            .await
            .unwrap();
        admin
            .execute(AssertSqlSafe(format!("create database {name} template {template}")))
            .await
            .unwrap();
        admin.close().await.unwrap();
        Self { name, cluster }
    }

    /// Name of the database.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// URL of the database for the superuser.
    #[must_use]
    pub fn url(&self) -> String {
        self.cluster.url(&self.name)
    }

    /// URL under a role such as `postrider_worker`.
    #[must_use]
    pub fn url_as(&self, role: &str) -> String {
        format!("{}?options=-c%20role%3D{role}", self.url())
    }

    /// Options that connect as the superuser.
    #[must_use]
    pub fn options(&self) -> PgConnectOptions {
        self.cluster.options(&self.name)
    }

    /// Options that connect under a role such as `postrider_worker`.
    #[must_use]
    pub fn options_as(&self, role: &str) -> PgConnectOptions {
        self.options().options([("role", role)])
    }

    /// A new pool of at most five connections as the superuser.
    #[must_use]
    pub fn pool(&self) -> PgPool {
        PgPoolOptions::new()
            .max_connections(5)
            .connect_lazy_with(self.options())
    }

    /// A new pool of at most five connections under a role such as `postrider_worker`.
    #[must_use]
    pub fn pool_as(&self, role: &str) -> PgPool {
        PgPoolOptions::new()
            .max_connections(5)
            .connect_lazy_with(self.options_as(role))
    }
}

impl Drop for TestDatabase {
    /// Drops the database, connections and all. What fails is left to the end of the cluster.
    fn drop(&mut self) {
        let options = self.cluster.options("postgres");
        let statement = format!("drop database if exists {} with (force)", self.name);
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                let mut admin = PgConnection::connect_with(&options).await?;
                admin.execute(AssertSqlSafe(statement)).await?;
                admin.close().await?;
                anyhow::Ok(())
            })
        });
        let _ = dropped.join();
    }
}
