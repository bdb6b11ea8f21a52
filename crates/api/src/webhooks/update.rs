//! `PUT` and `PATCH …/webhooks/{webhookId}`

use axum::Json;
use axum::extract::State;
use postrider_core::ids::WebhookId;
use postrider_core::ordering::{OnGiveUp, Ordering};
use sqlx::PgConnection;

use super::input::WebhookInput;
use super::view::{self, WebhookChanged};
use crate::api::Api;
use crate::auth::Tenant;
use crate::body::Body;
use crate::error::ApiError;
use crate::query::WebhookParam;
use crate::{halted_keys, lane};

/// Changes any fields of a webhook
///
/// What is not sent stays. Activating a webhook that postrider deactivated takes the reason away. With an open breaker,
/// another `url` or `isActive` makes postrider try now. Setting `onGiveUp` to `skip`, or `ordering` to `none`, releases
/// the halted keys.
#[utoipa::path(
    put, operation_id = "update_webhook", path = "/api/v1/chatbots/{chatbotId}/webhooks/{webhookId}", tag = "webhooks",
    params(("chatbotId" = String, Path), ("webhookId" = String, Path)),
    request_body(content = crate::webhooks::WebhookFields, description = "Any of the fields."),
    responses((status = 200, body = WebhookChanged), (status = 422, body = crate::error::ErrorBody))
)]
pub(crate) async fn update(
    State(api): State<Api>,
    tenant: Tenant,
    WebhookParam(webhook): WebhookParam,
    Body(fields): Body,
) -> Result<Json<WebhookChanged>, ApiError> {
    // Before the fields are judged: to others, all webhooks look the same.
    view::one(&api.pool, &tenant, webhook).await?;
    let input = WebhookInput::read(&api, fields, &[]).await?;
    let mut transaction = api.pool.begin().await?;
    if input.on_give_up == Some(OnGiveUp::Skip) || input.ordering == Some(Ordering::None) {
        // Nobody would come to release what was halted under the choice before.
        halted_keys::release::all(&mut transaction, webhook).await?;
    }
    if input.is_active.is_some() || input.url.is_some() {
        // What waits must be sent, or become dead letters, now and not when the next retry is due. A breaker that is
        // open for the URL before lets a few through, to see whether this one is better.
        lane::make_due(&mut transaction, &tenant, webhook).await?;
    }
    if input.is_active == Some(true) {
        lane::forget_failures(&mut transaction, webhook).await?;
    }
    write(&mut transaction, &tenant, webhook, &input).await?;
    transaction.commit().await?;
    let row = view::one(&api.pool, &tenant, webhook).await?;
    Ok(Json(WebhookChanged {
        message: "Webhook updated successfully",
        webhook: row.into(),
    }))
}

/// The same with `PATCH`
#[utoipa::path(
    patch, operation_id = "patch_webhook", path = "/api/v1/chatbots/{chatbotId}/webhooks/{webhookId}", tag = "webhooks",
    params(("chatbotId" = String, Path), ("webhookId" = String, Path)),
    request_body(content = crate::webhooks::WebhookFields, description = "Any of the fields."),
    responses((status = 200, body = WebhookChanged), (status = 422, body = crate::error::ErrorBody))
)]
pub(crate) async fn patch(
    state: State<Api>,
    tenant: Tenant,
    webhook: WebhookParam,
    body: Body,
) -> Result<Json<WebhookChanged>, ApiError> {
    update(state, tenant, webhook, body).await
}

async fn write(
    connection: &mut PgConnection,
    tenant: &Tenant,
    webhook: WebhookId,
    input: &WebhookInput,
) -> Result<(), ApiError> {
    let written = sqlx::query(
        "-- webhooks::update
         update postrider.webhook w
            set name = coalesce($3, w.name), url = coalesce($4, w.url), event_types = coalesce($5, w.event_types),
                is_active = coalesce($6, w.is_active),
                disabled_at = case when $6 then null else w.disabled_at end,
                disabled_reason = case when $6 then null else w.disabled_reason end,
                max_retries = coalesce($7, w.max_retries), retry_delay_ms = coalesce($8, w.retry_delay_ms),
                timeout_ms = coalesce($9, w.timeout_ms), max_in_flight = coalesce($10, w.max_in_flight),
                rate_limit_per_second = case when $11 then $12 else w.rate_limit_per_second end,
                headers = coalesce($13, w.headers), ordering = coalesce($14, w.ordering),
                on_give_up = coalesce($15, w.on_give_up),
                version = w.version + 1, updated_at = now()
          where w.tenant = $1 and w.id = $2",
    )
    .bind(tenant.as_str())
    .bind(webhook.0)
    .bind(&input.name)
    .bind(input.url.as_ref().map(|url| url.as_str()))
    .bind(input.event_types.as_ref().map(|types| types.entries()))
    .bind(input.is_active)
    .bind(input.max_retries)
    .bind(input.retry_delay_ms)
    .bind(input.timeout_ms)
    .bind(input.max_in_flight)
    .bind(input.rate_limit_per_second.is_some())
    .bind(input.rate_limit_per_second.flatten())
    .bind(input.headers.as_ref().map(sqlx::types::Json))
    .bind(input.ordering.map(Ordering::as_str))
    .bind(input.on_give_up.map(OnGiveUp::as_str))
    .execute(connection)
    .await?;
    if written.rows_affected() == 0 {
        Err(ApiError::NotFound)
    } else {
        Ok(())
    }
}
