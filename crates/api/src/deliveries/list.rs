//! `GET …/webhooks/{webhookId}/deliveries`

use axum::Json;
use axum::extract::State as Shared;
use postrider_core::ids::{EventId, WebhookId};
use serde::Serialize;
use utoipa::ToSchema;

use super::page::{Delivery, Wanted, page};
use crate::api::Api;
use crate::auth::Tenant;
use crate::error::ApiError;
use crate::fields::{Fields, text};
use crate::moment::Moment;
use crate::query::{QueryFields, WebhookParam};
use crate::webhooks::view;

/// Deliveries of a page, unless told, and at most.
const DEFAULT_LIMIT: u8 = 50;
const MAX_LIMIT: u8 = 100;

/// A page of deliveries.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DeliveryList {
    /// Newest event first. Can be fewer than asked for, even none, while `nextCursor` is there.
    deliveries: Vec<Delivery>,
    /// Send it as `cursor` to get the next page; null on the last one.
    #[schema(example = "evt_123")]
    next_cursor: Option<String>,
}

/// The deliveries of a webhook, newest event first
#[utoipa::path(
    get, operation_id = "list_deliveries", path = "/api/v1/chatbots/{chatbotId}/webhooks/{webhookId}/deliveries", tag = "deliveries",
    params(
        ("chatbotId" = String, Path), ("webhookId" = String, Path),
        ("state" = Option<super::state::State>, Query, description = "Only deliveries in this state."),
        ("since" = Option<String>, Query, description = "Only events of this moment or later, RFC 3339."),
        ("until" = Option<String>, Query, description = "Only events before this moment, RFC 3339."),
        ("limit" = Option<u8>, Query, description = "1 to 100, 50 by default.", minimum = 1, maximum = 100),
        ("cursor" = Option<String>, Query, description = "`nextCursor` of the page before."),
    ),
    responses((status = 200, body = DeliveryList), (status = 422, body = crate::error::ErrorBody))
)]
pub(crate) async fn list(
    Shared(api): Shared<Api>,
    tenant: Tenant,
    WebhookParam(webhook): WebhookParam,
    QueryFields(fields): QueryFields,
) -> Result<Json<DeliveryList>, ApiError> {
    view::exists(&api.pool, &tenant, webhook).await?;
    let page = page(&api.pool, read(webhook, fields)?).await?;
    let next_cursor = page.next_below.map(|below| EventId(below).to_string());
    Ok(Json(DeliveryList {
        deliveries: page.deliveries,
        next_cursor,
    }))
}

/// Reads the filters.
pub(crate) fn read(webhook: WebhookId, mut fields: Fields) -> Result<Wanted, ApiError> {
    let state = fields.take("state", |value| text(value)?.parse());
    let since = fields.take("since", |value| Moment::parse(&text(value)?));
    let until = fields.take("until", |value| Moment::parse(&text(value)?));
    let limit = fields.take("limit", |value| {
        let limit = text(value)?
            .parse()
            .ok()
            .filter(|limit| (1..=MAX_LIMIT).contains(limit));
        limit.ok_or_else(|| format!("must be from 1 to {MAX_LIMIT}"))
    });
    let cursor = fields.take("cursor", |value| {
        text(value)?
            .parse::<EventId>()
            .map_err(|_| "must be the nextCursor of another page".to_owned())
    });
    fields.finish()?;
    let until = until.map_or(i64::MAX, Moment::first_event_id);
    Ok(Wanted {
        webhook,
        from: since.map_or(0, Moment::first_event_id),
        below: cursor.map_or(until, |cursor| cursor.0.min(until)),
        state,
        limit: limit.unwrap_or(DEFAULT_LIMIT),
    })
}
