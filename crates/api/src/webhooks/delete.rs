//! `DELETE …/webhooks/{webhookId}`

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::Api;
use crate::auth::Tenant;
use crate::error::ApiError;
use crate::query::WebhookParam;

/// What a deletion answers.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WebhookDeleted {
    #[schema(example = "Webhook deleted successfully")]
    message: &'static str,
}

/// Deletes a webhook
///
/// It gets nothing from now on, what waits for it and what was given up is removed, and its history can no longer be
/// seen.
#[utoipa::path(
    delete, operation_id = "delete_webhook", path = "/api/v1/chatbots/{chatbotId}/webhooks/{webhookId}", tag = "webhooks",
    params(("chatbotId" = String, Path), ("webhookId" = String, Path)),
    responses((status = 200, body = WebhookDeleted))
)]
pub(crate) async fn delete(
    State(api): State<Api>,
    tenant: Tenant,
    WebhookParam(webhook): WebhookParam,
) -> Result<Json<WebhookDeleted>, ApiError> {
    let deleted = sqlx::query(
        "-- webhooks::delete: what it leaves behind can be millions of rows, so a job removes them
         with deleted as (
             delete from postrider.webhook where tenant = $1 and id = $2 returning id
         )
         insert into postrider.job (kind, webhook_id) select 'erase', d.id from deleted d",
    )
    .bind(tenant.as_str())
    .bind(webhook.0)
    .execute(&api.pool)
    .await?;
    if deleted.rows_affected() == 0 {
        return Err(ApiError::NotFound);
    }
    api.job_written.notify_one();
    Ok(Json(WebhookDeleted {
        message: "Webhook deleted successfully",
    }))
}
