//! A webhook as the API shows it. Never with its secret: that is shown once, where it is made.

use std::collections::BTreeMap;

use postrider_core::ids::WebhookId;
use serde::Serialize;
use sqlx::PgExecutor;
use sqlx::types::Json;
use utoipa::ToSchema;

use super::breaker::Breaker;
use crate::auth::Tenant;
use crate::error::ApiError;
use crate::moment::Moment;

/// A webhook and its statistics, as read.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(crate) struct WebhookRow {
    pub(crate) id: i64,
    pub(crate) name: String,
    pub(crate) url: String,
    pub(crate) event_types: Vec<String>,
    pub(crate) is_active: bool,
    pub(crate) max_retries: i32,
    pub(crate) retry_delay_ms: i32,
    pub(crate) timeout_ms: i32,
    pub(crate) max_in_flight: i32,
    pub(crate) rate_limit_per_second: Option<i32>,
    pub(crate) headers: Json<BTreeMap<String, String>>,
    pub(crate) previous_secret_expires_at: Option<Moment>,
    pub(crate) ordering: String,
    pub(crate) on_give_up: String,
    pub(crate) paused_at: Option<Moment>,
    pub(crate) disabled_at: Option<Moment>,
    pub(crate) disabled_reason: Option<String>,
    /// When the breaker opened; null while it is closed.
    pub(crate) opened_at: Option<Moment>,
    /// Until when it is open; null when it is not, or no longer.
    pub(crate) next_probe_at: Option<Moment>,
    pub(crate) trips: i16,
    pub(crate) failing_since: Option<Moment>,
    pub(crate) halted_keys: i64,
    pub(crate) created_at: Moment,
    pub(crate) updated_at: Moment,
    pub(crate) delivered: i64,
    pub(crate) failed_attempts: i64,
    pub(crate) given_up: i64,
    pub(crate) last_triggered_at: Option<Moment>,
    pub(crate) last_success_at: Option<Moment>,
}

/// All webhooks of a chatbot, oldest first.
pub(crate) async fn all(executor: impl PgExecutor<'_>, tenant: &Tenant) -> Result<Vec<WebhookRow>, ApiError> {
    let rows = sqlx::query_as(include_str!("select.sql"))
        .bind(tenant.as_str())
        .bind(None::<i64>)
        .fetch_all(executor)
        .await?;
    Ok(rows)
}

/// One webhook of a chatbot.
pub(crate) async fn one(
    executor: impl PgExecutor<'_>,
    tenant: &Tenant,
    webhook: WebhookId,
) -> Result<WebhookRow, ApiError> {
    sqlx::query_as(include_str!("select.sql"))
        .bind(tenant.as_str())
        .bind(webhook.0)
        .fetch_optional(executor)
        .await?
        .ok_or(ApiError::NotFound)
}

/// That a chatbot has this webhook.
pub(crate) async fn exists(executor: impl PgExecutor<'_>, tenant: &Tenant, webhook: WebhookId) -> Result<(), ApiError> {
    is_active(executor, tenant, webhook).await.map(|_| ())
}

/// That a chatbot has this webhook, and that it is active: nothing can be sent to one that is not.
pub(crate) async fn active(executor: impl PgExecutor<'_>, tenant: &Tenant, webhook: WebhookId) -> Result<(), ApiError> {
    must_be_active(is_active(executor, tenant, webhook).await?)
}

pub(crate) fn must_be_active(is_active: bool) -> Result<(), ApiError> {
    if is_active {
        return Ok(());
    }
    Err(ApiError::Conflict(
        "webhook_inactive",
        "The webhook is not active: set isActive to true first",
    ))
}

async fn is_active(executor: impl PgExecutor<'_>, tenant: &Tenant, webhook: WebhookId) -> Result<bool, ApiError> {
    sqlx::query_scalar("/* view::is_active */ select is_active from postrider.webhook where tenant = $1 and id = $2")
        .bind(tenant.as_str())
        .bind(webhook.0)
        .fetch_optional(executor)
        .await?
        .ok_or(ApiError::NotFound)
}

/// A webhook in a list.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Webhook {
    #[schema(value_type = String, example = "webhook_123")]
    id: WebhookId,
    #[schema(example = "Lead Notifications")]
    name: String,
    #[schema(example = "https://yourapp.com/webhooks/leads")]
    url: String,
    /// `["*"]` for all.
    #[schema(example = json!(["LEAD_CREATED"]))]
    event_types: Vec<String>,
    /// While false, no event is kept for it.
    is_active: bool,
    /// Retries after the first attempt.
    #[schema(example = 3)]
    max_retries: i32,
    /// Base of the exponential delay between attempts, in milliseconds.
    #[schema(example = 1000)]
    retry_delay: i32,
    /// Deliveries that succeeded.
    success_count: i64,
    /// Attempts that failed.
    failure_count: i64,
    /// When the last attempt began; null before the first.
    last_triggered_at: Option<Moment>,
    /// When the last successful attempt began; null before the first.
    last_success_at: Option<Moment>,
    created_at: Moment,
    /// When its configuration last changed.
    updated_at: Moment,
}

impl From<WebhookRow> for Webhook {
    fn from(row: WebhookRow) -> Self {
        Self {
            id: WebhookId(row.id),
            name: row.name,
            url: row.url,
            event_types: row.event_types,
            is_active: row.is_active,
            max_retries: row.max_retries,
            retry_delay: row.retry_delay_ms,
            success_count: row.delivered,
            failure_count: row.failed_attempts,
            last_triggered_at: row.last_triggered_at,
            last_success_at: row.last_success_at,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

/// A webhook with everything that can be set, and its state.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WebhookDetail {
    #[serde(flatten)]
    webhook: Webhook,
    /// Deliveries given up.
    given_up_count: i64,
    /// Limit of one whole attempt, response included, in milliseconds.
    #[schema(example = 15000)]
    timeout_ms: i32,
    /// Requests one worker may have open to it at a time.
    #[schema(example = 32)]
    max_in_flight: i32,
    /// Requests one worker may start per second; null for no limit.
    rate_limit_per_second: Option<i32>,
    /// Extra request headers.
    #[schema(example = json!({"X-Environment": "production"}))]
    headers: BTreeMap<String, String>,
    /// Whether events with the same ordering key arrive in order: `none` or `key`.
    #[schema(example = "none")]
    ordering: String,
    /// What one in order that was given up does to the later ones of its key: `skip` or `halt`.
    #[schema(example = "skip")]
    on_give_up: String,
    /// Until when the secret before the last rotation signs too; null when only one does.
    previous_secret_expires_at: Option<Moment>,
    /// Since when its events wait; null when it is not paused.
    paused_at: Option<Moment>,
    /// When postrider deactivated it; null when it is active, or its owner deactivated it.
    disabled_at: Option<Moment>,
    /// Why postrider deactivated it: `gone` (the receiver answered 410) or `failing` (nothing but failures for days).
    #[schema(example = "gone")]
    disabled_reason: Option<String>,
    breaker: Breaker,
    /// The first failure after the last success; null when the last attempt succeeded.
    failing_since: Option<Moment>,
    /// Ordering keys whose deliveries wait because one was given up.
    #[schema(example = 0)]
    halted_key_count: i64,
}

impl From<WebhookRow> for WebhookDetail {
    fn from(mut row: WebhookRow) -> Self {
        Self {
            given_up_count: row.given_up,
            timeout_ms: row.timeout_ms,
            max_in_flight: row.max_in_flight,
            rate_limit_per_second: row.rate_limit_per_second,
            headers: std::mem::take(&mut row.headers.0),
            ordering: std::mem::take(&mut row.ordering),
            on_give_up: std::mem::take(&mut row.on_give_up),
            previous_secret_expires_at: row.previous_secret_expires_at,
            paused_at: row.paused_at,
            disabled_at: row.disabled_at,
            disabled_reason: row.disabled_reason.take(),
            breaker: Breaker::from(&row),
            failing_since: row.failing_since,
            halted_key_count: row.halted_keys,
            webhook: row.into(),
        }
    }
}

/// What a call that changes a webhook answers.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WebhookChanged {
    #[schema(example = "Webhook updated successfully")]
    pub(crate) message: &'static str,
    pub(crate) webhook: WebhookDetail,
}
