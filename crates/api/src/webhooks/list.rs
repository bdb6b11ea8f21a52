//! `GET …/webhooks`

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::view::{self, Webhook};
use crate::api::Api;
use crate::auth::Tenant;
use crate::error::ApiError;

/// The webhooks of a chatbot.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WebhookList {
    /// Oldest first.
    webhooks: Vec<Webhook>,
    #[schema(example = 1)]
    total: usize,
}

/// The webhooks of a chatbot
#[utoipa::path(
    get, operation_id = "list_webhooks", path = "/api/v1/chatbots/{chatbotId}/webhooks", tag = "webhooks",
    params(("chatbotId" = String, Path)),
    responses((status = 200, body = WebhookList))
)]
pub(crate) async fn list(State(api): State<Api>, tenant: Tenant) -> Result<Json<WebhookList>, ApiError> {
    let rows = view::all(&api.pool, &tenant).await?;
    Ok(Json(WebhookList {
        total: rows.len(),
        webhooks: rows.into_iter().map(Webhook::from).collect(),
    }))
}
