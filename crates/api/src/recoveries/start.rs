//! `POST …/webhooks/{webhookId}/recover`

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::view::{Recovery, Row};
use crate::api::Api;
use crate::auth::Tenant;
use crate::body::Body;
use crate::error::ApiError;
use crate::fields::text;
use crate::moment::Moment;
use crate::query::WebhookParam;
use crate::webhooks::view;

/// What is to be recovered.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what is read field by field")]
pub(crate) struct RecoveryWanted {
    /// Deliveries given up at this moment or later are sent again.
    since: Moment,
}

/// A recovery that begins.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RecoveryStarted {
    #[schema(example = "Recovery started")]
    message: &'static str,
    recovery: Recovery,
}

/// Sends everything again that was given up since a moment
///
/// The answer comes at once; the work goes on beside, in small steps, and survives a restart.
#[utoipa::path(
    post, operation_id = "start_recovery", path = "/api/v1/chatbots/{chatbotId}/webhooks/{webhookId}/recover", tag = "recoveries",
    params(("chatbotId" = String, Path), ("webhookId" = String, Path)),
    request_body(content = RecoveryWanted),
    responses(
        (status = 202, body = RecoveryStarted),
        (status = 409, body = crate::error::ErrorBody),
        (status = 422, body = crate::error::ErrorBody)
    )
)]
pub(crate) async fn start(
    State(api): State<Api>,
    tenant: Tenant,
    WebhookParam(webhook): WebhookParam,
    Body(mut fields): Body,
) -> Result<(StatusCode, Json<RecoveryStarted>), ApiError> {
    view::active(&api.pool, &tenant, webhook).await?;
    fields.require_present("since");
    let since = fields.take("since", |value| match Moment::parse(&text(value)?)? {
        since if since > Moment::now() => Err("must not be in the future".to_owned()),
        since => Ok(since),
    });
    fields.finish()?;
    let row: Row = sqlx::query_as(
        "-- recoveries::start
         insert into postrider.job (kind, webhook_id, since) values ('recover', $1, $2)
         returning id, since, moved, created_at, finished_at",
    )
    .bind(webhook.0)
    .bind(since)
    .fetch_one(&api.pool)
    .await?;
    api.job_written.notify_one();
    let answer = RecoveryStarted {
        message: "Recovery started",
        recovery: row.into(),
    };
    Ok((StatusCode::ACCEPTED, Json(answer)))
}
