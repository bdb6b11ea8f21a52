//! The one door: every route of an owner lies behind it.

use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{FromRequestParts, RawPathParams, Request, State};
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::cross_site;
use super::session::{Carrier, session_token};
use crate::api::Api;
use crate::dashboard::PageError;
use crate::error::ApiError;

/// Longest chatbot id, in characters: the same as in `postrider.check_event`.
const MAX_TENANT_LENGTH: usize = 200;

/// The chatbot of the path, known to be the caller's. Only the guard makes one.
#[derive(Debug, Clone)]
pub(crate) struct Tenant(String);

impl Tenant {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromRequestParts<Api> for Tenant {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &Api) -> Result<Self, ApiError> {
        // Missing only if a route was put beside the guard; then nobody gets in.
        parts.extensions.get::<Self>().cloned().ok_or(ApiError::NotFound)
    }
}

/// An error when the path is not UTF-8 once decoded; such a chatbot is nobody's.
type Path = Result<RawPathParams, RawPathParamsRejection>;

/// Lets a caller through to the API of a chatbot that is theirs.
pub(crate) async fn guard_api(State(api): State<Api>, path: Path, request: Request, next: Next) -> Response {
    match admit(&api, &path, request).await {
        Ok(request) => next.run(request).await,
        Err(error) => error.into_response(),
    }
}

/// Lets a caller through to the pages of a chatbot that is theirs.
pub(crate) async fn guard_page(State(api): State<Api>, path: Path, request: Request, next: Next) -> Response {
    match admit(&api, &path, request).await {
        Ok(request) => next.run(request).await,
        Err(error) => PageError(error).into_response(),
    }
}

async fn admit(api: &Api, path: &Path, mut request: Request) -> Result<Request, ApiError> {
    let session = session_token(request.headers(), &api.session_cookie).ok_or(ApiError::Unauthorized)?;
    if session.carrier == Carrier::Cookie {
        cross_site::check(request.method(), request.uri(), request.headers())?;
    }
    let user = api
        .auth
        .user(session.token)
        .await
        .map_err(ApiError::Auth)?
        .ok_or(ApiError::Unauthorized)?;
    let mut parameters = path.iter().flat_map(RawPathParams::iter);
    let chatbot = parameters
        .find(|(name, _)| *name == "chatbotId")
        .map_or("", |(_, value)| value);
    // Postgres has no text with a NUL in it, so such a chatbot is nobody's.
    let plausible =
        (1..=MAX_TENANT_LENGTH).contains(&chatbot.chars().count()) && !chatbot.chars().any(char::is_control);
    if !plausible || !api.auth.owns(&user, chatbot).await.map_err(ApiError::Auth)? {
        return Err(ApiError::NotFound);
    }
    let tenant = Tenant(chatbot.to_owned());
    request.extensions_mut().insert(tenant);
    Ok(request)
}
