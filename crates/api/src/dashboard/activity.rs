//! What webhooks did lately: for the sparklines, and since when one fails.

use std::collections::HashMap;

use chrono::TimeDelta;
use sqlx::PgPool;

use crate::error::ApiError;
use crate::moment::Moment;

/// Slots of a sparkline.
pub(super) const SLOTS: usize = 24;

/// Most attempts looked through for one webhook. A busy one has a shorter sparkline, which says so.
const BOUND: i64 = 1000;

/// The last hours of one webhook.
#[derive(Debug, Clone)]
pub(super) struct Activity {
    /// Where the first slot begins: a day ago, or later for a busy webhook.
    pub(super) since: Moment,
    /// Attempts of each slot that succeeded, and that failed.
    pub(super) slots: [(i64, i64); SLOTS],
    /// The first failure after the last success, as far as it was looked for.
    pub(super) failing_since: Option<Moment>,
}

impl Activity {
    /// Of a webhook that did nothing.
    pub(super) fn none(now: Moment) -> Self {
        Self {
            since: a_day_before(now),
            slots: [(0, 0); SLOTS],
            failing_since: None,
        }
    }

    pub(super) fn delivered(&self) -> i64 {
        self.slots.iter().map(|(delivered, _)| delivered).sum()
    }

    pub(super) fn failed(&self) -> i64 {
        self.slots.iter().map(|(_, failed)| failed).sum()
    }
}

fn a_day_before(now: Moment) -> Moment {
    Moment(now.0 - TimeDelta::days(1))
}

#[derive(sqlx::FromRow)]
struct Row {
    webhook_id: i64,
    since: Moment,
    slot: i32,
    delivered: i64,
    failed: i64,
    failing_since: Option<Moment>,
}

/// Reads the last hours of these webhooks.
pub(super) async fn activity(pool: &PgPool, webhooks: &[i64], now: Moment) -> Result<HashMap<i64, Activity>, ApiError> {
    let since = a_day_before(now);
    let rows: Vec<Row> = sqlx::query_as(include_str!("activity.sql"))
        .bind(webhooks)
        .bind(since.first_event_id())
        .bind(BOUND)
        .bind(since)
        .bind(now)
        .bind(SLOTS as i32)
        .fetch_all(pool)
        .await?;
    let mut found: HashMap<i64, Activity> = HashMap::new();
    for row in rows {
        let activity = found.entry(row.webhook_id).or_insert_with(|| Activity {
            since: row.since,
            failing_since: row.failing_since,
            ..Activity::none(now)
        });
        if let Some(slot) = usize::try_from(row.slot - 1)
            .ok()
            .and_then(|place| activity.slots.get_mut(place))
        {
            *slot = (row.delivered, row.failed);
        }
    }
    Ok(found)
}
