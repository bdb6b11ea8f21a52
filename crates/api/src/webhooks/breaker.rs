//! The breaker of a webhook as the API shows it. Workers move it; here it is only read.

use serde::Serialize;
use utoipa::ToSchema;

use super::view::WebhookRow;
use crate::moment::Moment;

/// What keeps deliveries from a receiver that only fails. While it is not closed, new ones wait and use up no retry.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Breaker {
    state: BreakerState,
    /// When it opened; null while it is closed.
    opened_at: Option<Moment>,
    /// When a few deliveries are tried next, unless something makes postrider try now: a test event, a delivery that is
    /// sent again, another URL. Null unless it is open.
    next_probe_at: Option<Moment>,
    /// How often it opened since it was last closed: each time for twice as long.
    #[schema(example = 0)]
    trips: i16,
}

/// What the breaker does to deliveries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum BreakerState {
    /// They are sent as they come.
    Closed,
    /// They wait.
    Open,
    /// A few are tried, or the next ones will be; the others wait for what comes of them.
    Probing,
}

impl BreakerState {
    pub(crate) fn of(webhook: &WebhookRow) -> Self {
        match (webhook.opened_at, webhook.next_probe_at) {
            (None, _) => Self::Closed,
            (Some(_), Some(_)) => Self::Open,
            (Some(_), None) => Self::Probing,
        }
    }
}

impl From<&WebhookRow> for Breaker {
    fn from(row: &WebhookRow) -> Self {
        Self {
            state: BreakerState::of(row),
            opened_at: row.opened_at,
            next_probe_at: row.next_probe_at,
            trips: row.trips,
        }
    }
}
