//! `POST …/webhooks/{webhookId}/deliveries/{deliveryId}/resend`

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use postrider_core::ids::{EventId, WebhookId};
use serde::Serialize;
use sqlx::PgConnection;
use utoipa::ToSchema;

use super::page::{self, Delivery};
use crate::api::Api;
use crate::auth::Tenant;
use crate::body::Body;
use crate::error::ApiError;
use crate::lane;
use crate::ordered::{self, Place};
use crate::query::{DeliveryParam, WebhookParam};
use crate::webhooks::view;

/// What a call that sends something answers.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DeliveryAccepted {
    #[schema(example = "Delivery will be sent again")]
    pub(crate) message: &'static str,
    pub(crate) delivery: Delivery,
}

/// Sends a delivery again
///
/// Whatever its state. One that was delivered or given up begins anew, with all its retries; one that waits is brought
/// forward. The receiver gets the same body and the same `webhook-id` as before.
///
/// In order (`ordering` `key`), one that was given up takes its place again, before the later ones of its ordering key,
/// and a halted key goes on. One that waits for earlier ones of its key keeps waiting for them. One that was delivered
/// has had its turn: it goes again at once, outside the order.
#[utoipa::path(
    post, operation_id = "resend_delivery", path = "/api/v1/chatbots/{chatbotId}/webhooks/{webhookId}/deliveries/{deliveryId}/resend",
    tag = "deliveries",
    params(("chatbotId" = String, Path), ("webhookId" = String, Path), ("deliveryId" = String, Path)),
    responses((status = 202, body = DeliveryAccepted), (status = 409, body = crate::error::ErrorBody))
)]
pub(crate) async fn resend(
    State(api): State<Api>,
    tenant: Tenant,
    WebhookParam(webhook): WebhookParam,
    DeliveryParam(event): DeliveryParam,
    Body(fields): Body,
) -> Result<(StatusCode, Json<DeliveryAccepted>), ApiError> {
    view::active(&api.pool, &tenant, webhook).await?;
    fields.finish()?;
    let mut transaction = api.pool.begin().await?;
    let bucket = bucket(&mut transaction, webhook, event).await?;
    if let Some(place) = take_dead_letter(&mut transaction, webhook, event).await? {
        ordered::put_back(&mut transaction, webhook, event, bucket, &place).await?;
    } else if !ordered::bring_forward(&mut transaction, webhook, event).await? {
        lane::send_now(&mut transaction, webhook, event, bucket).await?;
    }
    transaction.commit().await?;
    let delivery = page::one(&api.pool, webhook, event).await?;
    Ok((
        StatusCode::ACCEPTED,
        Json(DeliveryAccepted {
            message: "Delivery will be sent again",
            delivery,
        }),
    ))
}

/// Takes away the dead letter of a delivery, if there is one; its place, if it was in order.
async fn take_dead_letter(
    connection: &mut PgConnection,
    webhook: WebhookId,
    event: EventId,
) -> sqlx::Result<Option<Place>> {
    let taken: Option<(Option<i64>, Option<String>)> = sqlx::query_as(
        "-- deliveries::resend: first of all, so that two who send it again come one after the other
         with taken as (
             delete from postrider.dead_letter where webhook_id = $1 and event_id = $2 returning bucket, place
         )
         select t.place, e.ordering_key from taken t left join postrider.event e on e.bucket = t.bucket and e.id = $2",
    )
    .bind(webhook.0)
    .bind(event.0)
    .fetch_optional(connection)
    .await?;
    let Some((Some(number), Some(ordering_key))) = taken else {
        return Ok(None);
    };
    Ok(Some(Place { ordering_key, number }))
}

/// The bucket of an event that this webhook has had to do with.
async fn bucket(connection: &mut PgConnection, webhook: WebhookId, event: EventId) -> Result<i16, ApiError> {
    let found: Option<(i16, bool)> = sqlx::query_as(
        "-- deliveries::resend
         select d.bucket, exists (select from postrider.event e where e.bucket = d.bucket and e.id = $2)
           from (select bucket from postrider.delivery where webhook_id = $1 and event_id = $2
                 union all
                 select bucket from postrider.dead_letter where webhook_id = $1 and event_id = $2
                 union all
                 select bucket from postrider.attempt where webhook_id = $1 and event_id = $2) d
          limit 1",
    )
    .bind(webhook.0)
    .bind(event.0)
    .fetch_optional(connection)
    .await?;
    match found.ok_or(ApiError::NotFound)? {
        (bucket, true) => Ok(bucket),
        (_, false) => Err(ApiError::Conflict(
            "event_expired",
            "The event is no longer kept, so it cannot be sent",
        )),
    }
}
