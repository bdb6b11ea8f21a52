//! The monitoring port while the worker waits for its database: alive, but not ready.

use std::net::SocketAddr;

use anyhow::Context;
use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use tokio::net::TcpListener;

use crate::migrate::SchemaError;

/// Binds the port.
pub(super) async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address}"))
}

/// Answers on the port while `checking` goes on, and gives the port back.
///
/// # Errors
/// What the check says, or that the port failed.
pub(super) async fn answer_while(
    listener: TcpListener,
    checking: impl Future<Output = Result<(), SchemaError>>,
) -> anyhow::Result<TcpListener> {
    let kept = listener.into_std().context("cannot keep the monitoring port")?;
    let lent = kept
        .try_clone()
        .and_then(TcpListener::from_std)
        .context("cannot share the monitoring port")?;
    let router = Router::new().route("/healthz", get(async || "ok\n")).route(
        "/readyz",
        get(async || (StatusCode::SERVICE_UNAVAILABLE, "the database does not answer\n")),
    );
    tokio::select! {
        checked = checking => checked?,
        served = async { axum::serve(lent, router).await } => {
            served.context("the monitoring port failed")?;
        }
    }
    TcpListener::from_std(kept).context("cannot keep the monitoring port")
}
