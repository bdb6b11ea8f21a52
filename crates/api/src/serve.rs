//! The API as a program of its own.

use axum::Router;
use axum::handler::Handler;
use axum::middleware::from_fn;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::api::Api;
use crate::error::ApiError;
use crate::jobs::carry_out_jobs;
use crate::routes::{frame, router};

/// Serves the API, and carries out its jobs, until `stop`; then finishes the requests that are open and returns.
/// Other routes, such as those of a demo, can be merged into `beside`.
///
/// # Errors
/// When the listener fails.
pub async fn serve(api: Api, beside: Router, listener: TcpListener, stop: CancellationToken) -> std::io::Result<()> {
    let stop = stop.child_token();
    let app = router(api.clone())
        .merge(beside)
        .fallback(not_found.layer(from_fn(frame)));
    let serving = axum::serve(listener, app).with_graceful_shutdown(stop.clone().cancelled_owned());
    let serve = async {
        let served = serving.await;
        stop.cancel();
        served
    };
    let (served, ()) = tokio::join!(serve, carry_out_jobs(api, stop.clone()));
    served
}

async fn not_found() -> ApiError {
    ApiError::NotFound
}
