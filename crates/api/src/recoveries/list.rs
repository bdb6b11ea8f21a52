//! `GET …/webhooks/{webhookId}/recoveries`

use axum::Json;
use axum::extract::State;
use postrider_core::ids::WebhookId;
use serde::Serialize;
use sqlx::PgPool;
use utoipa::ToSchema;

use super::view::{Recovery, Row};
use crate::api::Api;
use crate::auth::Tenant;
use crate::error::ApiError;
use crate::query::WebhookParam;
use crate::webhooks::view;

/// The last recoveries of a webhook.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RecoveryList {
    /// Newest first, at most 50.
    recoveries: Vec<Recovery>,
}

/// The last recoveries of a webhook
#[utoipa::path(
    get, operation_id = "list_recoveries", path = "/api/v1/chatbots/{chatbotId}/webhooks/{webhookId}/recoveries", tag = "recoveries",
    params(("chatbotId" = String, Path), ("webhookId" = String, Path)),
    responses((status = 200, body = RecoveryList))
)]
pub(crate) async fn list(
    State(api): State<Api>,
    tenant: Tenant,
    WebhookParam(webhook): WebhookParam,
) -> Result<Json<RecoveryList>, ApiError> {
    view::exists(&api.pool, &tenant, webhook).await?;
    Ok(Json(RecoveryList {
        recoveries: latest(&api.pool, webhook).await?,
    }))
}

/// The last recoveries of a webhook, newest first.
pub(crate) async fn latest(pool: &PgPool, webhook: WebhookId) -> Result<Vec<Recovery>, ApiError> {
    let rows: Vec<Row> = sqlx::query_as(
        "-- recoveries::list
         select id, since, moved, created_at, finished_at
           from postrider.job where webhook_id = $1 and kind = 'recover' order by id desc limit 50",
    )
    .bind(webhook.0)
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().map(Recovery::from).collect())
}
