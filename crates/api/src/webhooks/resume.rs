//! `POST …/webhooks/{webhookId}/resume`

use axum::Json;
use axum::extract::State;

use super::view::{self, WebhookChanged};
use crate::api::Api;
use crate::auth::Tenant;
use crate::body::Body;
use crate::error::ApiError;
use crate::lane;
use crate::query::WebhookParam;

/// Lets the events of a paused webhook flow again
#[utoipa::path(
    post, operation_id = "resume_webhook", path = "/api/v1/chatbots/{chatbotId}/webhooks/{webhookId}/resume", tag = "webhooks",
    params(("chatbotId" = String, Path), ("webhookId" = String, Path)),
    responses((status = 200, body = WebhookChanged))
)]
pub(crate) async fn resume(
    State(api): State<Api>,
    tenant: Tenant,
    WebhookParam(webhook): WebhookParam,
    Body(fields): Body,
) -> Result<Json<WebhookChanged>, ApiError> {
    fields.finish()?;
    let mut transaction = api.pool.begin().await?;
    // A worker that found the webhook paused has put its lane off for ever.
    lane::make_due(&mut transaction, &tenant, webhook).await?;
    sqlx::query(
        "-- webhooks::resume
         update postrider.webhook set paused_at = null, version = version + 1, updated_at = now()
          where tenant = $1 and id = $2 and paused_at is not null",
    )
    .bind(tenant.as_str())
    .bind(webhook.0)
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await?;
    let row = view::one(&api.pool, &tenant, webhook).await?;
    Ok(Json(WebhookChanged {
        message: "Webhook resumed successfully",
        webhook: row.into(),
    }))
}
