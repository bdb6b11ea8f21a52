//! What goes wrong in a request, and how it is answered.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;
use thiserror::Error;

use crate::lead::LeadError;

/// One field of the body that is not as it must be.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct FieldError {
    /// Name of the field, as in the JSON; in a bulk call with its place in front, such as `17.email`.
    pub field: String,
    /// What is allowed.
    pub message: String,
}

#[derive(Debug, Error)]
pub(crate) enum ApiError {
    #[error("Log in first: send the session cookie, or the session token as Authorization: Bearer")]
    NotLoggedIn,
    #[error("There is no such chatbot")]
    NoChatbot,
    #[error("Send the body as Content-Type: application/json")]
    NotJson,
    #[error("The body is not the expected JSON: {0}")]
    BadJson(#[from] serde_json::Error),
    #[error("Send 1 to {0} leads")]
    BadCount(usize),
    #[error(transparent)]
    Lead(#[from] LeadError),
}

impl From<sqlx::Error> for ApiError {
    fn from(error: sqlx::Error) -> Self {
        Self::Lead(LeadError::Database(error))
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let (status, code) = match &self {
            Self::NotLoggedIn => (StatusCode::UNAUTHORIZED, "unauthorized"),
            Self::NoChatbot => (StatusCode::NOT_FOUND, "not_found"),
            Self::NotJson => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type"),
            Self::BadJson(error) if error.is_data() => (StatusCode::UNPROCESSABLE_ENTITY, "invalid"),
            Self::BadJson(_) => (StatusCode::BAD_REQUEST, "malformed_json"),
            Self::BadCount(_) | Self::Lead(LeadError::Invalid(_)) => (StatusCode::UNPROCESSABLE_ENTITY, "invalid"),
            Self::Lead(LeadError::Event(_)) => (StatusCode::PAYLOAD_TOO_LARGE, "payload_too_large"),
            Self::Lead(LeadError::Database(error)) => {
                tracing::error!(%error, "the database failed");
                (StatusCode::INTERNAL_SERVER_ERROR, "internal")
            }
        };
        let message = match status {
            StatusCode::INTERNAL_SERVER_ERROR => "The server failed; try again".to_owned(),
            _ => self.to_string(),
        };
        let mut error = json!({ "code": code, "message": message });
        if let Self::Lead(LeadError::Invalid(fields)) = self {
            error["fields"] = json!(fields);
        }
        (status, Json(json!({ "error": error }))).into_response()
    }
}
