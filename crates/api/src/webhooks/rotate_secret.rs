//! `POST …/webhooks/{webhookId}/rotate-secret`

use axum::Json;
use axum::extract::State;
use postrider_core::ids::WebhookId;
use postrider_core::secret::Secret;
use serde::Serialize;
use utoipa::ToSchema;

use super::create::SecurityNote;
use crate::api::Api;
use crate::auth::Tenant;
use crate::body::Body;
use crate::error::ApiError;
use crate::fields::whole_number;
use crate::moment::Moment;
use crate::query::WebhookParam;

/// How long both secrets sign, in seconds: a day unless told, a week at most.
const DEFAULT_OVERLAP_SECONDS: i64 = 24 * 60 * 60;
const MAX_OVERLAP_SECONDS: i64 = 7 * 24 * 60 * 60;

/// How a rotation is asked for.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "describes what is read field by field")]
pub(crate) struct Rotation {
    /// How long the old secret signs too, in seconds; 0: not at all.
    #[schema(default = 86_400, minimum = 0, maximum = 604_800, required = false)]
    overlap_seconds: i64,
}

/// A new secret. The only answer, beside that of a creation, that has a secret in it.
#[derive(Serialize, ToSchema)]
pub(crate) struct SecretRotated {
    #[schema(example = "Webhook secret rotated successfully")]
    message: &'static str,
    webhook: RotatedWebhook,
    security: SecurityNote,
}

/// The webhook and its new secret.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RotatedWebhook {
    #[schema(value_type = String, example = "webhook_123")]
    id: WebhookId,
    /// Shown this once.
    #[schema(example = "whsec_1234567890abcdef...")]
    secret: String,
    /// Until when the old secret signs too; null: it does not any more.
    previous_secret_expires_at: Option<Moment>,
    updated_at: Moment,
}

/// Gives a webhook a new secret
///
/// Until the overlap ends, `webhook-signature` carries a signature by each of the two secrets, and
/// `X-Webhook-Signature` one by the new secret. A second rotation within the overlap ends the oldest secret at once.
#[utoipa::path(
    post, operation_id = "rotate_secret", path = "/api/v1/chatbots/{chatbotId}/webhooks/{webhookId}/rotate-secret", tag = "webhooks",
    params(("chatbotId" = String, Path), ("webhookId" = String, Path)),
    request_body(content = Rotation),
    responses((status = 200, body = SecretRotated), (status = 422, body = crate::error::ErrorBody))
)]
pub(crate) async fn rotate_secret(
    State(api): State<Api>,
    tenant: Tenant,
    WebhookParam(webhook): WebhookParam,
    Body(mut fields): Body,
) -> Result<Json<SecretRotated>, ApiError> {
    let overlap = fields.take("overlapSeconds", |value| match whole_number(value)? {
        seconds if (0..=MAX_OVERLAP_SECONDS).contains(&seconds) => Ok(seconds),
        _ => Err(format!("must be from 0 to {MAX_OVERLAP_SECONDS}")),
    });
    fields.finish()?;
    let secret = Secret::generate();
    let rotated: Option<(Option<Moment>, Moment)> = sqlx::query_as(
        "-- webhooks::rotate_secret
         update postrider.webhook w
            set previous_secret = case when $4 > 0 then w.secret end,
                previous_secret_expires_at = case when $4 > 0 then now() + $4 * interval '1 second' end,
                secret = $3, version = w.version + 1, updated_at = now()
          where w.tenant = $1 and w.id = $2
         returning previous_secret_expires_at, updated_at",
    )
    .bind(tenant.as_str())
    .bind(webhook.0)
    .bind(api.key_ring.encrypt(&secret, tenant.as_str(), webhook))
    .bind(overlap.unwrap_or(DEFAULT_OVERLAP_SECONDS))
    .fetch_optional(&api.pool)
    .await?;
    let (previous_secret_expires_at, updated_at) = rotated.ok_or(ApiError::NotFound)?;
    let webhook = RotatedWebhook {
        id: webhook,
        secret: secret.expose().to_owned(),
        previous_secret_expires_at,
        updated_at,
    };
    let message = "Webhook secret rotated successfully";
    Ok(Json(SecretRotated {
        message,
        webhook,
        security: SecurityNote::TEXT,
    }))
}
