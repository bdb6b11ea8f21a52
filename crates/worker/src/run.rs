//! The whole worker: start its tasks, wait for the end, drain.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::claim_loop::claim_until_drained;
use crate::context::Context;
use crate::database::Database;
use crate::identity::deregister;
use crate::maintenance::maintain;
use crate::record::{Recorder, record_until_closed};
use crate::settings::Settings;
use crate::stop::Stop;
use crate::{metrics, monitor};

/// How long the results of a drained worker may take to reach the database.
const RECORDING_TIMEOUT: Duration = Duration::from_secs(2);

/// Runs a worker until `stop`, serving the monitoring pages on `monitoring`.
///
/// A database that is away is waited for. After `stop.drain` nothing more is claimed, open requests finish, what was not
/// sent is given back, and the function returns `Ok`.
///
/// # Errors
/// When the worker cannot be set up, when one of its tasks dies, when the database is away while draining, and after
/// `stop.now`. What was in flight is then delivered again by another worker.
pub async fn run(settings: Settings, monitoring: Option<TcpListener>, stop: Stop) -> anyhow::Result<()> {
    let metrics_handle = metrics::install().context("cannot set up metrics")?;
    let database = Arc::new(Database::new(&settings));
    let (recorder, inbox) = Recorder::new();
    let context = Arc::new(Context::new(settings, stop.clone(), recorder, database.clone())?);

    let mut services = JoinSet::new();
    if let Some(listener) = monitoring {
        let serving = monitor::serve(listener, database.clone(), metrics_handle.clone());
        services.spawn(async move { serving.await.context("the monitoring port failed") });
    }
    services.spawn(async move {
        monitor::keep_up(metrics_handle).await;
        Ok(())
    });
    tokio::select! {
        () = register(&context) => {}
        () = stop.drain.cancelled() => return Ok(()),
        () = stop.now.cancelled() => anyhow::bail!("stopped at once"),
    }
    tracing::info!(worker = %context.identity.worker(), "worker runs");

    let maintaining = context.clone();
    services.spawn(async move {
        maintain(maintaining).await;
        Ok(())
    });
    let recording = context.clone();
    let mut recording = tokio::spawn(async move { record_until_closed(&recording, inbox).await });
    let mut claiming = tokio::spawn(claim_until_drained(context.clone()));

    tokio::select! {
        ended = services.join_next() => return Err(died(ended)),
        ended = &mut recording => return Err(died(Some(ended.map(Ok)))),
        ended = &mut claiming => ended.context("the claiming task died")?,
        () = context.failed.cancelled() => anyhow::bail!("a delivery task died"),
        () = stop.now.cancelled() => anyhow::bail!("stopped at once"),
    }

    tracing::info!(requests = context.requests_in_flight(), "draining");
    context.deliveries.close();
    let draining = async {
        if tokio::time::timeout(context.settings.drain_timeout, context.deliveries.wait())
            .await
            .is_err()
        {
            tracing::warn!(
                requests = context.requests_in_flight(),
                "cutting off requests that take too long"
            );
            context.cut_off.cancel();
            context.deliveries.wait().await;
        }
        context.recorder.close();
        (&mut recording).await.context("the recording task died")
    };
    tokio::select! {
        drained = tokio::time::timeout(context.settings.drain_timeout + RECORDING_TIMEOUT, draining) => {
            drained.context("results not recorded in time; they are delivered again by another worker")??;
        }
        ended = services.join_next() => return Err(died(ended)),
        () = context.failed.cancelled() => anyhow::bail!("a delivery task died"),
        () = stop.now.cancelled() => anyhow::bail!("stopped at once"),
    }
    leave(&context).await;
    tracing::info!("drained");
    Ok(())
}

/// Writes the worker's row, waiting for the database as long as it takes.
async fn register(context: &Context) {
    let mut backoff = context.database.backoff();
    let mut said = false;
    let database = &context.database;
    while let Err(error) = database.watch("register", context.identity.register(database)).await {
        if !said {
            tracing::error!(%error, "cannot register with the database, trying again until it answers");
            said = true;
        }
        backoff.wait().await;
    }
}

/// Removes the worker's row; its absence is only a courtesy, so a failure is not an error.
async fn leave(context: &Context) {
    let worker = context.identity.worker();
    let left = async {
        context
            .database
            .connection()
            .await?
            .run(|connection| deregister(connection, worker))
            .await
    };
    if let Err(error) = left.await {
        tracing::debug!(%error, "left without deregistering");
    }
}

fn died(ended: Option<Result<anyhow::Result<()>, tokio::task::JoinError>>) -> anyhow::Error {
    match ended {
        Some(Ok(Err(error))) => error,
        Some(Err(panic)) => anyhow::Error::new(panic).context("a task of the worker died"),
        Some(Ok(Ok(()))) | None => anyhow::anyhow!("a task of the worker ended by itself"),
    }
}
