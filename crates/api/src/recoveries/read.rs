//! `GET …/webhooks/{webhookId}/recoveries/{recoveryId}`

use axum::Json;
use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use serde::Serialize;
use utoipa::ToSchema;

use super::view::{Recovery, RecoveryId, Row};
use crate::api::Api;
use crate::auth::Tenant;
use crate::error::ApiError;
use crate::query::{WebhookParam, path_id};
use crate::webhooks::view;

/// The recovery a path names. It need not exist.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RecoveryParam(RecoveryId);

impl FromRequestParts<Api> for RecoveryParam {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, ApiError> {
        path_id(parts, api, "recoveryId").await.map(Self)
    }
}

/// One recovery.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RecoveryRead {
    recovery: Recovery,
}

/// How far a recovery is
#[utoipa::path(
    get, operation_id = "read_recovery", path = "/api/v1/chatbots/{chatbotId}/webhooks/{webhookId}/recoveries/{recoveryId}", tag = "recoveries",
    params(("chatbotId" = String, Path), ("webhookId" = String, Path), ("recoveryId" = String, Path)),
    responses((status = 200, body = RecoveryRead))
)]
pub(crate) async fn read(
    State(api): State<Api>,
    tenant: Tenant,
    WebhookParam(webhook): WebhookParam,
    RecoveryParam(recovery): RecoveryParam,
) -> Result<Json<RecoveryRead>, ApiError> {
    view::exists(&api.pool, &tenant, webhook).await?;
    let row: Option<Row> = sqlx::query_as(
        "-- recoveries::read
         select id, since, moved, created_at, finished_at
           from postrider.job where webhook_id = $1 and id = $2 and kind = 'recover'",
    )
    .bind(webhook.0)
    .bind(recovery.0)
    .fetch_optional(&api.pool)
    .await?;
    Ok(Json(RecoveryRead {
        recovery: row.ok_or(ApiError::NotFound)?.into(),
    }))
}
