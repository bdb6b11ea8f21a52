//! The monitoring port: `/healthz`, `/readyz`, `/metrics`.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::net::TcpListener;

use crate::database::Database;

/// How often histograms are folded, whether or not anybody scrapes.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

#[derive(Clone)]
struct Monitor {
    database: Arc<Database>,
    metrics: PrometheusHandle,
}

/// Serves until dropped.
pub(crate) async fn serve(
    listener: TcpListener,
    database: Arc<Database>,
    metrics: PrometheusHandle,
) -> std::io::Result<()> {
    let router = Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(render))
        .route("/", get(render))
        .with_state(Monitor { database, metrics });
    axum::serve(listener, router).await
}

/// Folds histograms now and then, so that they do not grow between scrapes.
pub(crate) async fn keep_up(metrics: PrometheusHandle) {
    loop {
        tokio::time::sleep(UPKEEP_INTERVAL).await;
        metrics.run_upkeep();
    }
}

/// The process runs. Never touches the database: restarting the worker would not bring that back.
async fn healthz() -> &'static str {
    "ok\n"
}

/// The database answers, so this worker delivers.
async fn readyz(State(monitor): State<Monitor>) -> (StatusCode, &'static str) {
    if monitor.database.is_answering() {
        (StatusCode::OK, "ready\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "the database does not answer\n")
    }
}

async fn render(State(monitor): State<Monitor>) -> String {
    monitor.metrics.render()
}
