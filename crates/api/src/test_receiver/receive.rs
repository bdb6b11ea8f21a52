//! Taking in one request.

use axum::Json;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use serde::de::IgnoredAny;
use serde_json::{Value, json};

use super::Received;
use super::members::{members, text_member};
use crate::api::Api;
use crate::error::ApiError;
use crate::moment::Moment;
use crate::pretty::pretty;

/// Longest body, in bytes: the largest payload of an event, 256 KiB by default, with room for a raised limit.
const MAX_BODY_BYTES: usize = 1024 * 1024;

/// Logs an event and answers 200
///
/// For use as a webhook URL while developing. Takes any JSON.
#[utoipa::path(
    post, operation_id = "receive_test", path = "/api/test-webhook", tag = "test receiver",
    request_body(content = Object, description = "What a webhook delivers."),
    responses((status = 200, description = "Logged."), (status = 400, description = "Not JSON."))
)]
pub(crate) async fn receive(State(api): State<Api>, request: Request) -> Result<Json<Value>, ApiError> {
    let receiver = api.test_receiver.as_ref().ok_or(ApiError::NotFound)?;
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, MAX_BODY_BYTES)
        .await
        .map_err(|_| ApiError::BodyTooLarge {
            max_bytes: MAX_BODY_BYTES,
        })?;
    receiver.take_in(read(&parts.headers, body.to_vec())?);
    Ok(Json(json!({ "message": "Webhook received" })))
}

fn read(headers: &HeaderMap, body: Vec<u8>) -> Result<Received, ApiError> {
    let not_json = |error: &dyn std::error::Error| ApiError::MalformedJson(error.to_string());
    // Not into a value: it refuses 1e400 and deep nesting, which are JSON all the same.
    serde_json::from_slice::<IgnoredAny>(&body).map_err(|error| not_json(&error))?;
    let body = String::from_utf8(body).map_err(|error| not_json(&error))?;
    let members = members(&body);
    let header = |name: &str| {
        headers
            .get(name)
            .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    Ok(Received {
        time: Moment::now().to_string(),
        event: text_member(&members, "event"),
        chatbot: text_member(&members, "chatbotId"),
        signature: header("x-webhook-signature"),
        delivery: header("webhook-id"),
        attempt: header("x-webhook-attempt"),
        pretty: pretty(&body),
        body,
    })
}
