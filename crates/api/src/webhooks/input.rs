//! The fields of a webhook as a caller sends them.

use std::collections::BTreeMap;
use std::fmt::Display;

use postrider_core::address::WebhookUrl;
use postrider_core::event_type::Subscription;
use postrider_core::limits;
use postrider_core::ordering::{OnGiveUp, Ordering};
use serde_json::Value;

use super::headers;
use crate::api::Api;
use crate::error::ApiError;
use crate::fields::{Fields, boolean, text, whole_number};

/// Fields that were sent, each one checked.
#[derive(Debug)]
pub(super) struct WebhookInput {
    pub(super) name: Option<String>,
    pub(super) url: Option<WebhookUrl>,
    pub(super) event_types: Option<Subscription>,
    pub(super) is_active: Option<bool>,
    pub(super) max_retries: Option<i32>,
    pub(super) retry_delay_ms: Option<i32>,
    pub(super) timeout_ms: Option<i32>,
    pub(super) max_in_flight: Option<i32>,
    /// `Some(None)` takes the limit away.
    pub(super) rate_limit_per_second: Option<Option<i32>>,
    pub(super) headers: Option<BTreeMap<String, String>>,
    pub(super) ordering: Option<Ordering>,
    pub(super) on_give_up: Option<OnGiveUp>,
}

/// Fields that a new webhook cannot do without.
pub(super) const REQUIRED: [&str; 3] = ["name", "url", "eventTypes"];

impl WebhookInput {
    /// Reads and checks all fields, so that one answer names everything that is wrong.
    ///
    /// The host is looked up last, for at most two seconds.
    pub(super) async fn read(api: &Api, mut fields: Fields, required: &[&str]) -> Result<Self, ApiError> {
        for name in required {
            fields.require_present(name);
        }
        let policy = &api.address_policy;
        let input = Self {
            name: fields.take("name", |value| name(text(value)?)),
            url: fields.take("url", |value| {
                policy.check_url(&text(value)?).map_err(|error| error.to_string())
            }),
            event_types: fields.take("eventTypes", event_types),
            is_active: fields.take("isActive", boolean),
            max_retries: fields.take("maxRetries", |value| limited(value, limits::check_max_retries)),
            retry_delay_ms: fields.take("retryDelay", |value| limited(value, limits::check_retry_delay_ms)),
            timeout_ms: fields.take("timeoutMs", |value| limited(value, limits::check_timeout_ms)),
            max_in_flight: fields.take("maxInFlight", |value| limited(value, limits::check_max_in_flight)),
            rate_limit_per_second: fields.take("rateLimitPerSecond", |value| match value {
                Value::Null => Ok(None),
                value => limited(value, limits::check_rate_limit_per_second).map(Some),
            }),
            headers: fields.take("headers", headers::read),
            ordering: fields.take("ordering", |value| one_of(value, Ordering::ALL)),
            on_give_up: fields.take("onGiveUp", |value| one_of(value, OnGiveUp::ALL)),
        };
        if let Some(url) = &input.url
            && let Some(refusal) = api.resolver.refusal(policy, url).await
        {
            fields.problem("url", refusal);
        }
        fields.finish()?;
        Ok(input)
    }
}

fn one_of<W: Copy + Display>(value: Value, allowed: &[W]) -> Result<W, String> {
    let word = text(value)?;
    let known = allowed.iter().find(|one| one.to_string() == word);
    known.copied().ok_or_else(|| {
        let allowed: Vec<String> = allowed.iter().map(ToString::to_string).collect();
        format!("must be {}", allowed.join(" or "))
    })
}

fn name(name: String) -> Result<String, String> {
    limits::check_name(&name).map_err(|error| error.to_string())?;
    if name.trim().is_empty() {
        return Err("must not be blank".into());
    }
    Ok(name)
}

fn event_types(value: Value) -> Result<Subscription, String> {
    let Value::Array(entries) = value else {
        return Err("must be a list of event types".into());
    };
    let entries: Vec<String> = entries
        .into_iter()
        .map(text)
        .collect::<Result<_, _>>()
        .map_err(|_| "must be a list of texts".to_owned())?;
    Subscription::parse(&entries).map_err(|error| error.to_string())
}

fn limited(value: Value, check: impl Fn(i64) -> Result<i32, limits::LimitError>) -> Result<i32, String> {
    check(whole_number(value)?).map_err(|error| error.to_string())
}
