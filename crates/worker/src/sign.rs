//! Sign: a delivery becomes a request.

use std::time::{SystemTime, UNIX_EPOCH};

use reqwest::header::{HeaderName, HeaderValue};
use reqwest::{Method, Request};

use crate::fan_out::Delivery;
use crate::webhook::Target;

const X_WEBHOOK_SIGNATURE: HeaderName = HeaderName::from_static("x-webhook-signature");
const X_WEBHOOK_EVENT: HeaderName = HeaderName::from_static("x-webhook-event");
const X_WEBHOOK_ATTEMPT: HeaderName = HeaderName::from_static("x-webhook-attempt");
const WEBHOOK_ID: HeaderName = HeaderName::from_static("webhook-id");
const WEBHOOK_TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const WEBHOOK_SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

/// Headers that differ from request to request.
const OWN_HEADERS: usize = 6;

/// Builds the request of attempt number `attempt`, signed at `now`.
///
/// `webhook-timestamp` is the time of the attempt, not of the event: receivers refuse old ones
/// (Standard Webhooks, "Signature scheme"), and a retry may come hours later.
pub(crate) fn sign(delivery: &Delivery, target: &Target, attempt: i16, now: SystemTime) -> Request {
    let unix_seconds = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64);
    let id = delivery.event.to_string();
    let mut signatures = target.signer.sign_standard(&id, unix_seconds, &delivery.body);
    if let Some((previous, expires_at)) = &target.previous
        && now < *expires_at
    {
        signatures.push(' ');
        signatures.push_str(&previous.sign_standard(&id, unix_seconds, &delivery.body));
    }

    let mut headers = target.headers.clone();
    // A clone has no room to spare; growing it header by header would copy it three times.
    headers.reserve(OWN_HEADERS);
    headers.insert(X_WEBHOOK_SIGNATURE, ascii(target.signer.sign_body(&delivery.body)));
    // Enqueueing checks the type; only a row written around it could hold anything else.
    if let Ok(event_type) = HeaderValue::from_str(&delivery.event_type) {
        headers.insert(X_WEBHOOK_EVENT, event_type);
    }
    headers.insert(X_WEBHOOK_ATTEMPT, HeaderValue::from(attempt));
    headers.insert(WEBHOOK_ID, ascii(id));
    headers.insert(WEBHOOK_TIMESTAMP, HeaderValue::from(unix_seconds));
    headers.insert(WEBHOOK_SIGNATURE, ascii(signatures));

    let mut request = Request::new(Method::POST, target.url.clone());
    *request.headers_mut() = headers;
    *request.body_mut() = Some(delivery.body.clone().into());
    request
}

fn ascii(text: String) -> HeaderValue {
    HeaderValue::try_from(text).expect("ids and signatures are visible ASCII")
}
