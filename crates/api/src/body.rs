//! The JSON body of a request: an object of at most 64 KiB.

use std::fmt;

use axum::body::to_bytes;
use axum::extract::{FromRequest, Request};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;

use crate::api::Api;
use crate::auth::is_json;
use crate::error::ApiError;
use crate::fields::Fields;

/// Longest body, in bytes.
pub(crate) const MAX_BODY_BYTES: usize = 64 * 1024;

/// The fields of the body. No body at all counts as `{}`: many calls have nothing to say.
#[derive(Debug)]
pub(crate) struct Body(pub(crate) Fields);

impl FromRequest<Api> for Body {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &Api) -> Result<Self, ApiError> {
        let declared_json = is_json(request.headers());
        let bytes = to_bytes(request.into_body(), MAX_BODY_BYTES)
            .await
            .map_err(|_| ApiError::BodyTooLarge {
                max_bytes: MAX_BODY_BYTES,
            })?;
        if bytes.is_empty() {
            return Ok(Self(Fields::default()));
        }
        if !declared_json {
            return Err(ApiError::NotJson);
        }
        let object: Object =
            serde_json::from_slice(&bytes).map_err(|error| ApiError::MalformedJson(error.to_string()))?;
        Ok(Self(Fields::new(object.0)))
    }
}

/// A JSON object with its members as they stand: a map would silently drop a name that stands twice.
struct Object(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor)
    }
}

struct ObjectVisitor;

impl<'de> Visitor<'de> for ObjectVisitor {
    type Value = Object;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(Object(members))
    }
}
