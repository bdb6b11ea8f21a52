//! `GET …/webhooks/{webhookId}/halted-keys`

use axum::Json;
use axum::extract::State;
use postrider_core::ids::WebhookId;
use serde::Serialize;
use sqlx::PgPool;
use utoipa::ToSchema;

use crate::api::Api;
use crate::auth::Tenant;
use crate::error::ApiError;
use crate::moment::Moment;
use crate::query::WebhookParam;
use crate::webhooks::view;

/// Most keys shown.
const MAX_SHOWN: i64 = 100;

/// Where counting what waits for one key ends.
pub(crate) const MAX_COUNTED: i64 = 1000;

/// The halted keys of a webhook.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct HaltedKeyList {
    /// The one that waits longest first, at most 100.
    halted_keys: Vec<HaltedKey>,
    /// All of them, also those beyond 100.
    #[schema(example = 1)]
    total: i64,
}

/// An ordering key whose deliveries wait.
#[derive(Debug, Serialize, ToSchema, sqlx::FromRow)]
#[serde(rename_all = "camelCase")]
pub(crate) struct HaltedKey {
    #[schema(example = "conversation-7")]
    pub(crate) ordering_key: String,
    /// When a delivery of it was given up.
    pub(crate) halted_at: Moment,
    /// Deliveries that wait behind the one given up; counted up to 1000.
    #[schema(example = 12)]
    pub(crate) waiting_count: i64,
}

/// The ordering keys that wait because a delivery was given up
#[utoipa::path(
    get, operation_id = "list_halted_keys", path = "/api/v1/chatbots/{chatbotId}/webhooks/{webhookId}/halted-keys", tag = "order",
    params(("chatbotId" = String, Path), ("webhookId" = String, Path)),
    responses((status = 200, body = HaltedKeyList))
)]
pub(crate) async fn list(
    State(api): State<Api>,
    tenant: Tenant,
    WebhookParam(webhook): WebhookParam,
) -> Result<Json<HaltedKeyList>, ApiError> {
    let total = view::one(&api.pool, &tenant, webhook).await?.halted_keys;
    let halted_keys = longest_halted(&api.pool, webhook).await?;
    Ok(Json(HaltedKeyList { halted_keys, total }))
}

/// The keys that wait longest.
pub(crate) async fn longest_halted(pool: &PgPool, webhook: WebhookId) -> Result<Vec<HaltedKey>, ApiError> {
    let keys = sqlx::query_as(
        "-- halted_keys::list
         select k.ordering_key, k.halted_at,
                (select count(*)
                   from (select from postrider.delivery d
                          where d.webhook_id = $1 and d.ordering_key = k.ordering_key and d.place is not null
                          limit $3) w) as waiting_count
           from postrider.ordered_key k
          where k.webhook_id = $1 and k.halted_at is not null
          order by k.halted_at, k.ordering_key
          limit $2",
    )
    .bind(webhook.0)
    .bind(MAX_SHOWN)
    .bind(MAX_COUNTED)
    .fetch_all(pool)
    .await?;
    Ok(keys)
}
