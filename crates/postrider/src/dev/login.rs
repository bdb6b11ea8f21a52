//! A link that logs the browser in: dev has no login page.

use axum::Router;
use axum::extract::{Path, Query};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Deserialize;

#[derive(Debug, Deserialize)]
struct Login {
    session: String,
}

/// `GET /dev/login/{chatbotId}?session=TOKEN` sets the session cookie and leads to the chatbot's webhooks.
pub(super) fn router() -> Router {
    Router::new().route("/dev/login/{chatbotId}", get(log_in))
}

async fn log_in(Path(chatbot_id): Path<String>, Query(login): Query<Login>) -> Response {
    let is_plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    // Nothing else is ever printed; and nothing else belongs in a header.
    if !is_plain(&chatbot_id) || !is_plain(&login.session) {
        return StatusCode::NOT_FOUND.into_response();
    }
    let cookie = format!("session={}; Path=/; HttpOnly; SameSite=Lax", login.session);
    let to = format!("/chatbots/{chatbot_id}/webhooks");
    (
        StatusCode::SEE_OTHER,
        [(header::SET_COOKIE, cookie), (header::LOCATION, to)],
    )
        .into_response()
}
