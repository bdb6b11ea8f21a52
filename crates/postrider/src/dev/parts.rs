//! The parts, each under its own role: the app with the API and the test receiver on one port, and the worker.

use std::thread;
use std::time::Duration;

use anyhow::Context;
use postrider_api::test_receiver::TestReceiver;
use postrider_api::{Api, SqlAuth, SqlAuthSettings};
use postrider_core::address::AddressPolicy;
use postrider_core::secret::KeyRing;
use postrider_worker::Stop;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::client::Client;
use super::database::Database;
use super::ports::Ports;
use super::{LOOK_AGAIN_AFTER, login};
use crate::command::runtime;
use crate::config::{Config, WorkerConfig};

/// How long open requests of the app may take at the end.
const APP_DRAIN: Duration = Duration::from_secs(5);

/// The worker's settings: as given, but on the private database, and open to this machine unless asked otherwise.
pub(super) fn worker_config(
    config: &Config,
    database: &Database,
    key_ring: &KeyRing,
    strict_egress: bool,
) -> anyhow::Result<WorkerConfig> {
    let (url, keys) = (database.url(), key_ring.expose());
    let values = [
        ("database_url", url.as_str()),
        ("database_role", ""),
        ("encryption_keys", keys.as_str()),
    ];
    let mut worker = config.worker_with(&values)?;
    worker.settings.database = database.options_as("postrider_worker");
    if !strict_egress {
        let policy: &mut AddressPolicy = &mut worker.settings.address_policy;
        policy.allow_http = true;
        for network in ["127.0.0.0/8", "::1/128"] {
            policy
                .allow_networks
                .push(network.parse().context("the loopback networks are networks")?);
        }
    }
    Ok(worker)
}

/// The running parts.
#[derive(Debug)]
pub(super) struct Parts {
    running: JoinSet<anyhow::Result<()>>,
}

impl Parts {
    /// Starts the parts and waits until the worker is ready.
    pub(super) async fn start(
        worker: WorkerConfig,
        database: &Database,
        ports: &Ports,
        receiver: TestReceiver,
        stop: Stop,
    ) -> anyhow::Result<Self> {
        let auth = SqlAuth::connect(SqlAuthSettings {
            database: database.options_as(postrider_demo::ROLE),
            session_query: postrider_demo::SESSION_QUERY.to_owned(),
            ownership_query: postrider_demo::OWNERSHIP_QUERY.to_owned(),
        })
        .await?;
        let api = postrider_api::Settings {
            address_policy: worker.settings.address_policy.clone(),
            test_receiver: Some(receiver),
            ..postrider_api::Settings::new(database.options_as("postrider_api"), worker.settings.key_ring.clone())
        };
        let beside = postrider_demo::router(database.demo()).merge(login::router());
        let listener = TcpListener::from_std(ports.app()?).context("cannot serve the port of the app")?;
        let app_stop = CancellationToken::new();
        let app = postrider_api::serve(Api::new(api, auth), beside, listener, app_stop.clone());
        let mut running = JoinSet::new();
        running.spawn(serve(app, app_stop.clone()));

        let monitoring = ports.monitoring()?;
        let (ended, worker_ended) = oneshot::channel();
        // A thread and a runtime of its own: what the app does costs the worker nothing.
        let run = move || {
            let run = || {
                runtime(worker.threads)?.block_on(async {
                    let listener = TcpListener::from_std(monitoring).context("cannot serve the monitoring port")?;
                    postrider_worker::run(worker.settings, Some(listener), stop).await
                })
            };
            let _ = ended.send(run());
        };
        thread::Builder::new()
            .name("worker".to_owned())
            .spawn(run)
            .context("cannot start the worker's thread")?;
        running.spawn(async move {
            let ended = worker_ended.await;
            // Only now: its last deliveries may go to the test receiver.
            app_stop.cancel();
            ended.context("the worker died")?
        });
        let mut parts = Self { running };

        let ready = async {
            let client = Client::new(ports.url())?;
            let url = format!("{}/readyz", ports.monitoring_url());
            while !client.succeeds(&url).await {
                tokio::time::sleep(LOOK_AGAIN_AFTER).await;
            }
            anyhow::Ok(())
        };
        tokio::select! {
            ready = ready => ready.map(|()| parts),
            died = parts.died() => Err(died),
        }
    }

    /// Waits for a part that ends although nobody asked it to.
    pub(super) async fn died(&mut self) -> anyhow::Error {
        match self.running.join_next().await {
            Some(Ok(Err(error))) => error,
            Some(Err(panic)) => anyhow::Error::new(panic).context("a part died"),
            Some(Ok(Ok(()))) | None => anyhow::anyhow!("a part ended by itself"),
        }
    }

    /// Stops the worker, then the app.
    pub(super) async fn stop(mut self, stop: &Stop) -> anyhow::Result<()> {
        stop.drain.cancel();
        let mut stopped = Ok(());
        while let Some(ended) = self.running.join_next().await {
            stopped = stopped.and(ended.context("a part died").flatten());
        }
        stopped
    }
}

/// Serves the app until `stop`, and then lets open requests finish for a while.
async fn serve(app: impl Future<Output = std::io::Result<()>>, stop: CancellationToken) -> anyhow::Result<()> {
    let too_long = async {
        stop.cancelled().await;
        tokio::time::sleep(APP_DRAIN).await;
    };
    tokio::select! {
        served = app => served.context("the app failed"),
        () = too_long => Ok(()),
    }
}
