//! The app's HTTP routes.

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::routing::post;
use axum::{Json, Router};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::PgPool;

use crate::error::ApiError;
use crate::lead::{self, Lead, NewLead};
use crate::session::require_owner;

/// Most leads of one bulk call.
const MAX_BULK: usize = 1000;

/// Largest body: a bulk call of leads with long messages.
const MAX_BODY_BYTES: usize = 16 * 1024 * 1024;

/// The routes of the app. `pool` connects as [`crate::ROLE`].
pub fn router(pool: PgPool) -> Router {
    Router::new()
        .route("/api/v1/chatbots/{chatbotId}/leads", post(create))
        .route("/api/v1/chatbots/{chatbotId}/leads/bulk", post(create_many))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .with_state(pool)
}

async fn create(
    State(pool): State<PgPool>,
    Path(chatbot_id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<(StatusCode, Json<Lead>), ApiError> {
    require_owner(&pool, &headers, &chatbot_id).await?;
    let new: NewLead = parse(&headers, &body)?;
    let lead = lead::create(&pool, &chatbot_id, new).await?;
    Ok((StatusCode::CREATED, Json(lead)))
}

#[derive(Debug, Serialize)]
struct Created {
    leads: Vec<Lead>,
    total: usize,
}

async fn create_many(
    State(pool): State<PgPool>,
    Path(chatbot_id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<(StatusCode, Json<Created>), ApiError> {
    require_owner(&pool, &headers, &chatbot_id).await?;
    let new: Vec<NewLead> = parse(&headers, &body)?;
    if !(1..=MAX_BULK).contains(&new.len()) {
        return Err(ApiError::BadCount(MAX_BULK));
    }
    let leads = lead::create_many(&pool, &chatbot_id, new).await?;
    Ok((
        StatusCode::CREATED,
        Json(Created {
            total: leads.len(),
            leads,
        }),
    ))
}

/// Parses a JSON body. The content type matters: without it, any site could post with the cookie of its visitor.
fn parse<T: DeserializeOwned>(headers: &HeaderMap, body: &[u8]) -> Result<T, ApiError> {
    let content_type = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    if !media_type.eq_ignore_ascii_case("application/json") {
        return Err(ApiError::NotJson);
    }
    Ok(serde_json::from_slice(body)?)
}
