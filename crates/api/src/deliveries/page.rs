//! Reading deliveries, a page at a time.

use postrider_core::ids::{EventId, WebhookId};
use serde::Serialize;
use sqlx::PgPool;
use utoipa::ToSchema;

use super::state::State;
use crate::error::ApiError;
use crate::moment::Moment;

/// Most rows of each place that one page looks through. A page can therefore have fewer deliveries than asked for, or
/// none, and still be followed by another.
const BOUND: i64 = 1000;

/// Which deliveries are wanted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted {
    pub(crate) webhook: WebhookId,
    /// Events with this id or a later one.
    pub(crate) from: i64,
    /// Events with an id below this.
    pub(crate) below: i64,
    pub(crate) state: Option<State>,
    pub(crate) limit: u8,
}

/// A page of deliveries, newest event first.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) deliveries: Vec<Delivery>,
    /// The next page has the events with an id below this; `None` when there is no next page.
    pub(crate) next_below: Option<i64>,
}

/// An event on its way to a webhook.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Delivery {
    /// The id of the event: what the receiver gets as `webhook-id`.
    #[schema(value_type = String, example = "evt_123")]
    pub(crate) id: EventId,
    /// The type of the event; null when its retention is over.
    #[schema(example = "LEAD_CREATED")]
    pub(crate) event: Option<String>,
    pub(crate) state: State,
    /// Requests made so far.
    #[schema(example = 1)]
    pub(crate) attempts: i64,
    /// When the next attempt is due, unless the webhook is paused; null when none is to come, or when an earlier event
    /// with the same ordering key must arrive first. While the breaker is open, not before its next probe.
    pub(crate) next_attempt_at: Option<Moment>,
    pub(crate) last_attempt_at: Option<Moment>,
    /// HTTP status of the last attempt; null when there was no answer.
    #[schema(example = 200)]
    pub(crate) last_status: Option<i16>,
    /// Kind of failure of the last attempt; null for a success.
    #[schema(example = "timeout")]
    pub(crate) last_error: Option<String>,
    /// Why it was given up: `exhausted`, `gone`, `failing`, `inactive` or `poison`.
    pub(crate) reason: Option<String>,
    /// The ordering key of the event; null when it has none, or its retention is over.
    #[schema(example = "conversation-7")]
    pub(crate) ordering_key: Option<String>,
    /// When the event happened.
    pub(crate) created_at: Moment,
}

#[derive(sqlx::FromRow)]
struct Row {
    below: Option<i64>,
    event_id: Option<i64>,
    state: Option<String>,
    due_at: Option<Moment>,
    reason: Option<String>,
    event_type: Option<String>,
    ordering_key: Option<String>,
    attempts: Option<i64>,
    last_attempt_at: Option<Moment>,
    last_status: Option<i16>,
    last_error: Option<String>,
}

/// Reads one page.
pub(crate) async fn page(pool: &PgPool, wanted: Wanted) -> Result<Page, ApiError> {
    let limit = i64::from(wanted.limit);
    let rows: Vec<Row> = sqlx::query_as(include_str!("page.sql"))
        .bind(wanted.webhook.0)
        .bind(wanted.from)
        .bind(wanted.below)
        .bind(wanted.state.map(State::as_str))
        .bind(limit + 1)
        .bind(BOUND.max(limit + 1))
        .fetch_all(pool)
        .await?;
    let edge = rows.first().and_then(|row| row.below);
    let mut deliveries: Vec<Delivery> = rows.into_iter().filter_map(Delivery::from_row).collect();
    let is_full = deliveries.len() > usize::from(wanted.limit);
    deliveries.truncate(usize::from(wanted.limit));
    let last = deliveries.last().map(|delivery| delivery.id.0);
    let next_below = if is_full { last } else { edge.map(|edge| edge + 1) };
    Ok(Page {
        deliveries,
        next_below: next_below.filter(|below| *below > wanted.from),
    })
}

/// Reads one delivery.
pub(crate) async fn one(pool: &PgPool, webhook: WebhookId, event: EventId) -> Result<Delivery, ApiError> {
    let wanted = Wanted {
        webhook,
        from: event.0,
        below: event.0.saturating_add(1),
        state: None,
        limit: 1,
    };
    page(pool, wanted).await?.deliveries.pop().ok_or(ApiError::NotFound)
}

impl Delivery {
    fn from_row(row: Row) -> Option<Self> {
        let id = EventId(row.event_id?);
        Some(Self {
            id,
            event: row.event_type,
            state: row.state?.parse().ok()?,
            attempts: row.attempts.unwrap_or_default(),
            next_attempt_at: row.due_at,
            last_attempt_at: row.last_attempt_at,
            last_status: row.last_status,
            last_error: row.last_error,
            reason: row.reason,
            ordering_key: row.ordering_key,
            created_at: Moment::of_event(id),
        })
    }
}
