//! `POST …/webhooks/{webhookId}/pause`

use axum::Json;
use axum::extract::State;

use super::view::{self, WebhookChanged};
use crate::api::Api;
use crate::auth::Tenant;
use crate::body::Body;
use crate::error::ApiError;
use crate::query::WebhookParam;

/// Lets the events of a webhook wait
///
/// They are kept and flow on resume, unlike those of a webhook with `isActive` false.
#[utoipa::path(
    post, operation_id = "pause_webhook", path = "/api/v1/chatbots/{chatbotId}/webhooks/{webhookId}/pause", tag = "webhooks",
    params(("chatbotId" = String, Path), ("webhookId" = String, Path)),
    responses((status = 200, body = WebhookChanged))
)]
pub(crate) async fn pause(
    State(api): State<Api>,
    tenant: Tenant,
    WebhookParam(webhook): WebhookParam,
    Body(fields): Body,
) -> Result<Json<WebhookChanged>, ApiError> {
    fields.finish()?;
    sqlx::query(
        "-- webhooks::pause
         update postrider.webhook set paused_at = now(), version = version + 1, updated_at = now()
          where tenant = $1 and id = $2 and paused_at is null",
    )
    .bind(tenant.as_str())
    .bind(webhook.0)
    .execute(&api.pool)
    .await?;
    let row = view::one(&api.pool, &tenant, webhook).await?;
    Ok(Json(WebhookChanged {
        message: "Webhook paused successfully",
        webhook: row.into(),
    }))
}
