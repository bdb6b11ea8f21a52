//! `GET …/webhooks/{webhookId}/deliveries/{deliveryId}`

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::attempts::{Attempt, attempts};
use super::page::{self, Delivery};
use crate::api::Api;
use crate::auth::Tenant;
use crate::error::ApiError;
use crate::query::{DeliveryParam, WebhookParam};
use crate::webhooks::view;

/// A delivery and each of its requests.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DeliveryRead {
    delivery: Delivery,
    /// Oldest first; the last 200 of them.
    attempts: Vec<Attempt>,
}

/// One delivery with every attempt
#[utoipa::path(
    get, operation_id = "read_delivery", path = "/api/v1/chatbots/{chatbotId}/webhooks/{webhookId}/deliveries/{deliveryId}", tag = "deliveries",
    params(("chatbotId" = String, Path), ("webhookId" = String, Path), ("deliveryId" = String, Path)),
    responses((status = 200, body = DeliveryRead))
)]
pub(crate) async fn read(
    State(api): State<Api>,
    tenant: Tenant,
    WebhookParam(webhook): WebhookParam,
    DeliveryParam(event): DeliveryParam,
) -> Result<Json<DeliveryRead>, ApiError> {
    view::exists(&api.pool, &tenant, webhook).await?;
    let delivery = page::one(&api.pool, webhook, event).await?;
    let attempts = attempts(&api.pool, webhook, event).await?;
    Ok(Json(DeliveryRead { delivery, attempts }))
}
