//! The private Postgres with everything in it that the parts need.

use std::path::Path;

use anyhow::Context;
use postrider_core::ids::WebhookId;
use postrider_core::secret::{KeyRing, Secret};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPoolOptions};
use sqlx::{Connection, Executor, PgPool};

use crate::cluster::{Cluster, ClusterSettings};
use crate::migrate::migrate;

/// Name of the database.
const NAME: &str = "postrider";

/// Room for a worker, the API, the demo app, and for whoever tries things out.
const PARAMETERS: [(&str, &str); 3] = [
    ("max_connections", "200"),
    ("shared_buffers", "256MB"),
    ("max_wal_size", "4GB"),
];

/// The running database.
#[derive(Debug)]
pub(super) struct Database {
    cluster: Cluster,
    demo: PgPool,
}

impl Database {
    /// Starts Postgres and brings the schema and the demo's tables up to date.
    pub(super) async fn start(folder: &Path, binaries: Option<&Path>) -> anyhow::Result<Self> {
        let settings = ClusterSettings {
            folder: folder.to_path_buf(),
            binaries: binaries.map(Path::to_path_buf),
            parameters: PARAMETERS
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
        };
        let cluster = Cluster::start(settings).await?;
        if let Err(error) = prepare(&cluster).await {
            let _ = cluster.stop().await;
            return Err(error);
        }
        let demo = cluster
            .options(NAME)
            .options([("role", postrider_demo::ROLE)])
            .application_name("postrider-demo");
        let demo = PgPoolOptions::new().max_connections(10).connect_lazy_with(demo);
        Ok(Self { cluster, demo })
    }

    /// Options that connect under this role.
    pub(super) fn options_as(&self, role: &str) -> PgConnectOptions {
        self.cluster.options(NAME).options([("role", role)])
    }

    /// The demo app's pool.
    pub(super) fn demo(&self) -> PgPool {
        self.demo.clone()
    }

    /// URL for other programs.
    pub(super) fn url(&self) -> String {
        self.cluster.url(NAME)
    }

    /// The signing secret of a webhook, to check a signature as its receiver would.
    pub(super) async fn secret(&self, key_ring: &KeyRing, tenant: &str, webhook: WebhookId) -> anyhow::Result<Secret> {
        let mut connection = PgConnection::connect_with(&self.options_as("postrider_api")).await?;
        let stored: Vec<u8> =
            sqlx::query_scalar("/* dev::secret */ select secret from postrider.webhook where id = $1")
                .bind(webhook.0)
                .fetch_one(&mut connection)
                .await?;
        connection.close().await?;
        Ok(key_ring.decrypt(&stored, tenant, webhook)?)
    }

    /// Stops Postgres.
    pub(super) async fn stop(self) -> anyhow::Result<()> {
        self.demo.close().await;
        self.cluster.stop().await
    }
}

async fn prepare(cluster: &Cluster) -> anyhow::Result<()> {
    let mut admin = PgConnection::connect_with(&cluster.options("postgres")).await?;
    let exists: bool =
        sqlx::query_scalar("/* dev::prepare */ select exists (select from pg_database where datname = $1)")
            .bind(NAME)
            .fetch_one(&mut admin)
            .await?;
    if !exists {
        admin.execute("create database postrider").await?;
    }
    admin.close().await?;

    migrate(&cluster.options(NAME)).await?;
    let mut connection = PgConnection::connect_with(&cluster.options(NAME)).await?;
    postrider_demo::setup(&mut connection)
        .await
        .context("cannot make the tables of the demo app")?;
    Ok(connection.close().await?)
}
