//! `POST …/webhooks/{webhookId}/test`: a sample event through the real pipeline, to one webhook.

mod sample;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use postrider_core::event_type::{EventType, LEAD_CREATED, Subscription};
use postrider_core::ids::{EventId, WebhookId};
use sqlx::PgPool;
use utoipa::ToSchema;

use crate::api::Api;
use crate::auth::Tenant;
use crate::body::Body;
use crate::deliveries::page;
use crate::deliveries::resend::DeliveryAccepted;
use crate::error::ApiError;
use crate::fields::text;
use crate::lane;
use crate::moment::Moment;
use crate::query::WebhookParam;
use crate::webhooks::view;

/// Which sample is wanted.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what is read field by field")]
pub(crate) struct TestWanted {
    /// The type of the event; by default the first that the webhook is subscribed to.
    #[schema(example = "LEAD_CREATED", required = false)]
    event: String,
}

/// Sends a sample event to a webhook
///
/// To this webhook only, on the way every event takes: signed, retried, recorded. Ask for the delivery to see what came
/// of it.
#[utoipa::path(
    post, operation_id = "send_test_event", path = "/api/v1/chatbots/{chatbotId}/webhooks/{webhookId}/test", tag = "webhooks",
    params(("chatbotId" = String, Path), ("webhookId" = String, Path)),
    request_body(content = TestWanted),
    responses((status = 202, body = DeliveryAccepted), (status = 409, body = crate::error::ErrorBody))
)]
pub(crate) async fn send(
    State(api): State<Api>,
    tenant: Tenant,
    WebhookParam(webhook): WebhookParam,
    Body(mut fields): Body,
) -> Result<(StatusCode, Json<DeliveryAccepted>), ApiError> {
    let row = view::one(&api.pool, &tenant, webhook).await?;
    let event_type = fields.take("event", |value| {
        text(value)?.parse::<EventType>().map_err(|error| error.to_string())
    });
    fields.finish()?;
    view::must_be_active(row.is_active)?;
    let subscribed = row.event_types.first().map_or(Subscription::ALL, String::as_str);
    let subscribed = if subscribed == Subscription::ALL {
        LEAD_CREATED
    } else {
        subscribed
    };
    let event_type = event_type.as_ref().map_or(subscribed, EventType::as_str);
    let event = write(&api.pool, &tenant, webhook, event_type).await?;
    let delivery = page::one(&api.pool, webhook, event).await?;
    Ok((
        StatusCode::ACCEPTED,
        Json(DeliveryAccepted {
            message: "Test event accepted",
            delivery,
        }),
    ))
}

async fn write(pool: &PgPool, tenant: &Tenant, webhook: WebhookId, event_type: &str) -> Result<EventId, ApiError> {
    let mut transaction = pool.begin().await?;
    let (event, bucket): (i64, i16) = sqlx::query_as(
        "-- test_event: without an outbox row, so that other webhooks do not get it
         insert into postrider.event (id, bucket, tenant, type, payload)
         values (postrider.next_id(), hashtextextended($1, 0) & 255, $1, $2, $3::text::json)
         returning id, bucket",
    )
    .bind(tenant.as_str())
    .bind(event_type)
    .bind(sample::payload(event_type, tenant.as_str(), Moment::now()))
    .fetch_one(&mut *transaction)
    .await?;
    lane::send_now(&mut transaction, webhook, EventId(event), bucket).await?;
    transaction.commit().await?;
    Ok(EventId(event))
}
