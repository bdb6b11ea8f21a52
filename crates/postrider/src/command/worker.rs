//! `postrider worker`.

use postrider_worker::Stop;

use super::{runtime, schema, waiting};
use crate::config::Config;
use crate::{logging, signals};

/// Runs a worker until a signal.
pub(crate) fn worker(config: &Config) -> anyhow::Result<()> {
    let worker = config.worker()?;
    logging::start(&config.log());
    runtime(worker.threads)?.block_on(async {
        let stop = Stop::default();
        signals::listen(stop.clone())?;
        let listener = waiting::bind(worker.monitoring_listen).await?;
        tracing::info!(address = %listener.local_addr()?, "serving health and metrics");
        let checking = schema::wait_and_check(&worker.settings.database);
        let listener = tokio::select! {
            listener = waiting::answer_while(listener, checking) => listener?,
            () = stop.drain.cancelled() => return Ok(()),
        };
        postrider_worker::run(worker.settings, Some(listener), stop).await
    })
}
