//! `GET …/webhooks/{webhookId}`

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::view::{self, WebhookDetail};
use crate::api::Api;
use crate::auth::Tenant;
use crate::error::ApiError;
use crate::query::WebhookParam;

/// One webhook.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WebhookRead {
    webhook: WebhookDetail,
}

/// One webhook with all its settings
#[utoipa::path(
    get, operation_id = "read_webhook", path = "/api/v1/chatbots/{chatbotId}/webhooks/{webhookId}", tag = "webhooks",
    params(("chatbotId" = String, Path), ("webhookId" = String, Path)),
    responses((status = 200, body = WebhookRead))
)]
pub(crate) async fn read(
    State(api): State<Api>,
    tenant: Tenant,
    WebhookParam(webhook): WebhookParam,
) -> Result<Json<WebhookRead>, ApiError> {
    let row = view::one(&api.pool, &tenant, webhook).await?;
    Ok(Json(WebhookRead { webhook: row.into() }))
}
