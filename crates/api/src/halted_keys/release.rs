//! `POST …/webhooks/{webhookId}/halted-keys/release`

use axum::Json;
use axum::extract::State;
use postrider_core::ids::WebhookId;
use serde::Serialize;
use sqlx::PgConnection;
use utoipa::ToSchema;

use crate::api::Api;
use crate::auth::Tenant;
use crate::body::Body;
use crate::error::ApiError;
use crate::fields::text;
use crate::lane;
use crate::query::WebhookParam;
use crate::webhooks::view;

/// Which key is to be released.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "describes what is read field by field")]
pub(crate) struct ReleaseWanted {
    /// Without it, all halted keys of the webhook are released.
    #[schema(example = "conversation-7", required = false)]
    ordering_key: String,
}

/// What a release answers.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct KeysReleased {
    #[schema(example = "Halted keys released")]
    message: &'static str,
    /// How many were halted until now.
    #[schema(example = 1)]
    released: u64,
}

/// Lets the deliveries of halted keys go on
///
/// Without the one that was given up: it stays given up. To have it first, send it again instead; that releases its key
/// too.
#[utoipa::path(
    post, operation_id = "release_halted_keys", path = "/api/v1/chatbots/{chatbotId}/webhooks/{webhookId}/halted-keys/release",
    tag = "order",
    params(("chatbotId" = String, Path), ("webhookId" = String, Path)),
    request_body(content = ReleaseWanted),
    responses((status = 200, body = KeysReleased), (status = 422, body = crate::error::ErrorBody))
)]
pub(crate) async fn release(
    State(api): State<Api>,
    tenant: Tenant,
    WebhookParam(webhook): WebhookParam,
    Body(mut fields): Body,
) -> Result<Json<KeysReleased>, ApiError> {
    view::exists(&api.pool, &tenant, webhook).await?;
    let key = fields.take("orderingKey", text);
    fields.finish()?;
    // A text that the database cannot hold is no key.
    if key.as_ref().is_some_and(|key| key.contains('\0')) {
        return Err(ApiError::NotFound);
    }
    let mut transaction = api.pool.begin().await?;
    let released = halted(&mut transaction, webhook, key.as_deref()).await?;
    transaction.commit().await?;
    if released == 0 && key.is_some() {
        return Err(ApiError::NotFound);
    }
    Ok(Json(KeysReleased {
        message: "Halted keys released",
        released,
    }))
}

/// Releases every halted key of a webhook.
pub(crate) async fn all(connection: &mut PgConnection, webhook: WebhookId) -> sqlx::Result<()> {
    halted(connection, webhook, None).await.map(|_| ())
}

/// Releases one halted key, or all; says how many.
async fn halted(connection: &mut PgConnection, webhook: WebhookId, key: Option<&str>) -> sqlx::Result<u64> {
    let released = sqlx::query(
        "-- halted_keys::release: locked in the order of the keys, so that nobody deadlocks
         update postrider.ordered_key k
            set halted_at = null, due_at = now()
          where k.webhook_id = $1
            and k.ordering_key in (select h.ordering_key from postrider.ordered_key h
                                    where h.webhook_id = $1 and h.halted_at is not null
                                      and ($2::text is null or h.ordering_key = $2)
                                    order by h.ordering_key
                                      for update)",
    )
    .bind(webhook.0)
    .bind(key)
    .execute(&mut *connection)
    .await?
    .rows_affected();
    if released > 0 {
        lane::touch(connection, webhook).await?;
        lane::wake_workers(connection).await?;
    }
    Ok(released)
}
