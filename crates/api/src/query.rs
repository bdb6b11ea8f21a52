//! The query and the ids of a path.

use axum::extract::{FromRequestParts, Query, RawPathParams};
use axum::http::request::Parts;
use postrider_core::ids::{EventId, WebhookId};
use serde_json::Value;

use crate::api::Api;
use crate::error::ApiError;
use crate::fields::Fields;

/// The fields of the query, all of them texts.
#[derive(Debug)]
pub(crate) struct QueryFields(pub(crate) Fields);

impl FromRequestParts<Api> for QueryFields {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &Api) -> Result<Self, ApiError> {
        let pairs: Vec<(String, String)> = Query::try_from_uri(&parts.uri)
            .map(|Query(pairs)| pairs)
            .unwrap_or_default();
        Ok(Self(Fields::new(
            pairs
                .into_iter()
                .map(|(name, value)| (name, Value::String(value)))
                .collect(),
        )))
    }
}

/// The webhook a path names. It need not exist.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WebhookParam(pub(crate) WebhookId);

impl FromRequestParts<Api> for WebhookParam {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, ApiError> {
        path_id(parts, api, "webhookId").await.map(Self)
    }
}

/// The delivery a path names, by its event. It need not exist.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DeliveryParam(pub(crate) EventId);

impl FromRequestParts<Api> for DeliveryParam {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, ApiError> {
        path_id(parts, api, "deliveryId").await.map(Self)
    }
}

/// What is not even an id names nothing, so it is answered like an id that names nothing.
pub(crate) async fn path_id<T: std::str::FromStr>(parts: &mut Parts, api: &Api, name: &str) -> Result<T, ApiError> {
    let parameters = RawPathParams::from_request_parts(parts, api)
        .await
        .map_err(|_| ApiError::NotFound)?;
    let id = parameters
        .iter()
        .find(|(found, _)| *found == name)
        .and_then(|(_, text)| text.parse().ok());
    id.ok_or(ApiError::NotFound)
}
