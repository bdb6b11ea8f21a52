//! The one way a request fails, and the one JSON shape of it. What the database said stays in our log.

use axum::Json;
use axum::http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tracing::{error, warn};
use utoipa::ToSchema;

use crate::auth::AuthError;

/// Why a request is not answered as asked.
#[derive(Debug)]
pub(crate) enum ApiError {
    /// Nobody is logged in.
    Unauthorized,
    /// A page of another site tried to use the cookie of a visitor.
    CrossSite,
    /// There is no such thing, or it is somebody else's: the two must look the same.
    NotFound,
    /// The path exists, this method of it does not.
    MethodNotAllowed,
    /// The body did not arrive in time.
    RequestTimeout,
    /// The body is too long.
    BodyTooLarge { max_bytes: usize },
    /// The body is not declared as JSON.
    NotJson,
    /// The body is declared as JSON but is none.
    MalformedJson(String),
    /// The body or the query is well-formed, and these fields of it are not acceptable.
    Invalid(Vec<FieldProblem>),
    /// It cannot be done in the present state of the webhook or delivery.
    Conflict(&'static str, &'static str),
    /// The database failed.
    Database(sqlx::Error),
    /// The main app could not say who the caller is.
    Auth(AuthError),
    /// Our own code failed.
    Defect,
}

/// One field that is not acceptable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct FieldProblem {
    /// Name of the field, as it was sent.
    #[schema(example = "maxRetries")]
    pub(crate) field: String,
    /// What is wrong with it, for people.
    #[schema(example = "must be from 0 to 20")]
    pub(crate) message: String,
}

/// What every failed request answers.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ErrorBody {
    error: ErrorDetail,
}

/// What went wrong.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ErrorDetail {
    /// A word for programs; never changes.
    #[schema(example = "validation_failed")]
    code: &'static str,
    /// A sentence for people; may change.
    message: String,
    /// With status 422: every field that is not acceptable.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    fields: Option<Vec<FieldProblem>>,
}

impl From<sqlx::Error> for ApiError {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
}

impl ApiError {
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::CrossSite => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::BodyTooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::NotJson => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::MalformedJson(_) => StatusCode::BAD_REQUEST,
            Self::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Conflict(..) => StatusCode::CONFLICT,
            Self::Database(_) | Self::Auth(_) | Self::Defect => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Unauthorized => "unauthorized",
            Self::CrossSite => "cross_site",
            Self::NotFound => "not_found",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::RequestTimeout => "request_timeout",
            Self::BodyTooLarge { .. } => "body_too_large",
            Self::NotJson => "unsupported_media_type",
            Self::MalformedJson(_) => "malformed_json",
            Self::Invalid(_) => "validation_failed",
            Self::Conflict(code, _) => code,
            Self::Database(_) | Self::Auth(_) | Self::Defect => "unavailable",
        }
    }

    pub(crate) fn message(&self) -> String {
        match self {
            Self::Unauthorized => {
                "Log in first: send the session cookie, or the session token as Authorization: Bearer".into()
            }
            Self::CrossSite => {
                "A request with the session cookie must come from a page of this site (Sec-Fetch-Site or Origin)".into()
            }
            Self::NotFound => "There is no such chatbot, webhook, delivery or halted key, or it is not yours".into(),
            Self::MethodNotAllowed => "This path does not know that method".into(),
            Self::RequestTimeout => "The request took too long to arrive".into(),
            Self::BodyTooLarge { max_bytes } => format!("The body must not have more than {max_bytes} bytes"),
            Self::NotJson => "Send the body as JSON, with Content-Type: application/json".into(),
            Self::MalformedJson(reason) => format!("The body is not a JSON object: {reason}"),
            Self::Invalid(problems) if problems.len() == 1 => "1 field is not acceptable".into(),
            Self::Invalid(problems) => format!("{} fields are not acceptable", problems.len()),
            Self::Conflict(_, message) => (*message).into(),
            Self::Database(_) | Self::Auth(_) | Self::Defect => {
                "This does not work at the moment; try again soon".into()
            }
        }
    }

    /// Logs what only we may know. Called once, where the answer is made.
    pub(crate) fn log(&self) {
        match self {
            Self::Database(error) => warn!(%error, "The API could not use the database"),
            Self::Auth(error) => warn!(%error, "The API could not find out who is calling"),
            Self::Defect => error!("A request made the API panic; please report it with the message above"),
            _ => {}
        }
    }

    /// Headers that belong to the status.
    pub(crate) fn mark(&self, response: &mut Response) {
        match self {
            Self::Unauthorized => {
                response
                    .headers_mut()
                    .insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            Self::Database(_) | Self::Auth(_) | Self::Defect => {
                response
                    .headers_mut()
                    .insert(RETRY_AFTER, HeaderValue::from_static("5"));
            }
            _ => {}
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        self.log();
        let detail = ErrorDetail {
            code: self.code(),
            message: self.message(),
            fields: match &self {
                Self::Invalid(problems) => Some(problems.clone()),
                _ => None,
            },
        };
        let mut response = (self.status(), Json(ErrorBody { error: detail })).into_response();
        self.mark(&mut response);
        response
    }
}
