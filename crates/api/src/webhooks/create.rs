//! `POST …/webhooks`

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use postrider_core::ids::WebhookId;
use postrider_core::ordering::{OnGiveUp, Ordering};
use postrider_core::secret::Secret;
use serde::Serialize;
use utoipa::ToSchema;

use super::input::{REQUIRED, WebhookInput};
use crate::api::Api;
use crate::auth::Tenant;
use crate::body::Body;
use crate::error::ApiError;
use crate::moment::Moment;

/// A new webhook. The only answer, beside that of a rotation, that has a secret in it.
#[derive(Serialize, ToSchema)]
pub(crate) struct WebhookCreated {
    #[schema(example = "Webhook created successfully")]
    message: &'static str,
    webhook: NewWebhook,
    security: SecurityNote,
}

/// The new webhook and its secret.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NewWebhook {
    #[schema(value_type = String, example = "webhook_123")]
    id: WebhookId,
    #[schema(example = "Lead Notifications")]
    name: String,
    #[schema(example = "https://yourapp.com/webhooks/leads")]
    url: String,
    /// Shown this once.
    #[schema(example = "whsec_1234567890abcdef...")]
    secret: String,
    #[schema(example = json!(["LEAD_CREATED"]))]
    event_types: Vec<String>,
    is_active: bool,
    #[schema(example = 3)]
    max_retries: i32,
    #[schema(example = 1000)]
    retry_delay: i32,
    #[schema(example = 0)]
    success_count: i64,
    #[schema(example = 0)]
    failure_count: i64,
    created_at: Moment,
    updated_at: Moment,
}

/// How the secret is used.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SecurityNote {
    #[schema(example = "Store the secret securely. It will not be shown again.")]
    note: &'static str,
    #[schema(example = "X-Webhook-Signature")]
    header_name: &'static str,
    #[schema(example = "sha256=<hmac_signature>")]
    format: &'static str,
}

impl SecurityNote {
    pub(super) const TEXT: Self = Self {
        note: "Store the secret securely. It will not be shown again.",
        header_name: "X-Webhook-Signature",
        format: "sha256=<hmac_signature>",
    };
}

#[derive(sqlx::FromRow)]
struct Inserted {
    name: String,
    url: String,
    event_types: Vec<String>,
    is_active: bool,
    max_retries: i32,
    retry_delay_ms: i32,
    created_at: Moment,
    updated_at: Moment,
}

/// Subscribes a URL to events of a chatbot
///
/// Beside the fields of the example: `isActive`, `timeoutMs`, `maxInFlight`, `rateLimitPerSecond`, `headers`,
/// `ordering`, `onGiveUp`.
#[utoipa::path(
    post, operation_id = "create_webhook", path = "/api/v1/chatbots/{chatbotId}/webhooks", tag = "webhooks",
    params(("chatbotId" = String, Path)),
    request_body(content = crate::webhooks::WebhookFields),
    responses((status = 201, body = WebhookCreated), (status = 422, body = crate::error::ErrorBody))
)]
pub(crate) async fn create(
    State(api): State<Api>,
    tenant: Tenant,
    Body(fields): Body,
) -> Result<(StatusCode, Json<WebhookCreated>), ApiError> {
    let input = WebhookInput::read(&api, fields, &REQUIRED).await?;
    // The id first: the secret is encrypted for it.
    let id = sqlx::query_scalar("/* webhooks::create */ select postrider.next_id()")
        .fetch_one(&api.pool)
        .await?;
    let id = WebhookId(id);
    let secret = Secret::generate();
    let inserted: Inserted = sqlx::query_as(
        "-- webhooks::create: absent fields get the defaults of the table.
         insert into postrider.webhook
                (id, tenant, name, url, event_types, secret, is_active, max_retries, retry_delay_ms, timeout_ms,
                 max_in_flight, rate_limit_per_second, headers, ordering, on_give_up)
         values ($1, $2, $3, $4, $5, $6, coalesce($7, true), coalesce($8, 3), coalesce($9, 1000), coalesce($10, 15000),
                 coalesce($11, 32), $12, coalesce($13, '{}'), coalesce($14, 'none'), coalesce($15, 'skip'))
         returning name, url, event_types, is_active, max_retries, retry_delay_ms, created_at, updated_at",
    )
    .bind(id.0)
    .bind(tenant.as_str())
    .bind(input.name)
    .bind(input.url.as_ref().map(|url| url.as_str()))
    .bind(input.event_types.as_ref().map(|types| types.entries()))
    .bind(api.key_ring.encrypt(&secret, tenant.as_str(), id))
    .bind(input.is_active)
    .bind(input.max_retries)
    .bind(input.retry_delay_ms)
    .bind(input.timeout_ms)
    .bind(input.max_in_flight)
    .bind(input.rate_limit_per_second.flatten())
    .bind(input.headers.map(sqlx::types::Json))
    .bind(input.ordering.map(Ordering::as_str))
    .bind(input.on_give_up.map(OnGiveUp::as_str))
    .fetch_one(&api.pool)
    .await?;
    let webhook = NewWebhook {
        id,
        name: inserted.name,
        url: inserted.url,
        secret: secret.expose().to_owned(),
        event_types: inserted.event_types,
        is_active: inserted.is_active,
        max_retries: inserted.max_retries,
        retry_delay: inserted.retry_delay_ms,
        success_count: 0,
        failure_count: 0,
        created_at: inserted.created_at,
        updated_at: inserted.updated_at,
    };
    let answer = WebhookCreated {
        message: "Webhook created successfully",
        webhook,
        security: SecurityNote::TEXT,
    };
    Ok((StatusCode::CREATED, Json(answer)))
}
