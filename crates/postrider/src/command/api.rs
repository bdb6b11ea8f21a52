//! `postrider api`.

use std::time::Duration;

use anyhow::Context;
use axum::Router;
use postrider_api::{Api, SqlAuth};
use postrider_worker::Stop;

use super::{runtime, schema, waiting};
use crate::config::Config;
use crate::{logging, signals};

/// How long open requests may take after the first signal.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(15);

/// Serves the management API until a signal.
pub(crate) fn api(config: &Config) -> anyhow::Result<()> {
    let api = config.api()?;
    logging::start(&config.log());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    runtime(threads)?.block_on(async {
        let stop = Stop::default();
        signals::listen(stop.clone())?;
        let listener = waiting::bind(api.listen).await?;
        let starting = async {
            schema::wait_and_check(&api.settings.database).await?;
            anyhow::Ok(SqlAuth::connect(api.auth).await?)
        };
        let auth = tokio::select! {
            auth = starting => auth?,
            () = stop.drain.cancelled() => return Ok(()),
        };
        tracing::info!(address = %listener.local_addr()?, "serving the management API");
        let api = Api::new(api.settings, auth);
        let serving = postrider_api::serve(api, Router::new(), listener, stop.drain.clone());
        let too_long = async {
            stop.drain.cancelled().await;
            tokio::time::sleep(DRAIN_TIMEOUT).await;
        };
        tokio::select! {
            served = serving => served.context("the management API failed"),
            () = too_long => anyhow::bail!("open requests did not end within {} s", DRAIN_TIMEOUT.as_secs()),
        }
    })
}
