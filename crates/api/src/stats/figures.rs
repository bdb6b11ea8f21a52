//! Counting attempts.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use postrider_core::ids::WebhookId;
use serde::Serialize;
use sqlx::PgPool;
use utoipa::ToSchema;

use super::interval::Interval;
use crate::error::ApiError;
use crate::moment::Moment;

/// Most attempts of events of the range that one answer looks through, newest events first: a fifth of a second of work.
const BOUND: i64 = 200_000;

/// Most attempts of older events that are looked through for some made in the range: late retries, or what flowed when
/// a webhook was resumed. The index has the order of events, not of attempts.
const OLDER_BOUND: i64 = 10_000;

/// What is to be counted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted {
    pub(crate) interval: Interval,
    pub(crate) since: Moment,
    pub(crate) until: Moment,
}

/// What happened in a range of time.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Stats {
    pub(crate) interval: Interval,
    pub(crate) since: Moment,
    pub(crate) until: Moment,
    /// From here on all events are counted. Later than `since` when the range has more attempts than one answer looks
    /// through (200,000): ask for shorter ranges then.
    pub(crate) complete_since: Moment,
    pub(crate) totals: Figures,
    /// One for each interval, oldest first, also where nothing happened.
    pub(crate) points: Vec<Point>,
}

/// What happened in one interval.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Point {
    /// When the interval begins.
    pub(crate) time: Moment,
    #[serde(flatten)]
    pub(crate) figures: Figures,
}

/// Counts and latencies.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Figures {
    /// Attempts that succeeded, each of them a delivery.
    pub(crate) delivered: i64,
    /// Attempts that failed.
    pub(crate) failed: i64,
    /// Of the attempts that got an answer; null without one.
    pub(crate) latency_ms: Option<Latency>,
}

/// Percentiles of the time from the begin of the request to the end of the response, in milliseconds.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub(crate) struct Latency {
    pub(crate) p50: f64,
    pub(crate) p95: f64,
    pub(crate) p99: f64,
}

#[derive(sqlx::FromRow)]
struct Row {
    begin: Option<Moment>,
    delivered: i64,
    failed: i64,
    percentiles_us: Option<Vec<f64>>,
    complete_since: Option<Moment>,
}

/// Counts the attempts of a webhook.
pub(crate) async fn figures(pool: &PgPool, webhook: WebhookId, wanted: Wanted) -> Result<Stats, ApiError> {
    let rows: Vec<Row> = sqlx::query_as(include_str!("figures.sql"))
        .bind(webhook.0)
        .bind(wanted.since.first_event_id())
        // An event of the last millisecond can have its attempt in the same one.
        .bind(Moment(wanted.until.0 + TimeDelta::milliseconds(1)).first_event_id())
        .bind(BOUND)
        .bind(OLDER_BOUND)
        .bind(wanted.interval.length().num_seconds())
        .bind(wanted.since)
        .bind(wanted.until)
        .fetch_all(pool)
        .await?;
    let complete_since = rows.iter().find_map(|row| row.complete_since);
    let mut by_begin: BTreeMap<Option<Moment>, Figures> =
        rows.into_iter().map(|row| (row.begin, Figures::from(row))).collect();
    let totals = by_begin.remove(&None).unwrap_or_default();
    Ok(Stats {
        interval: wanted.interval,
        since: wanted.since,
        until: wanted.until,
        complete_since: complete_since.map_or(wanted.since, |edge| edge.max(wanted.since)),
        totals,
        points: points(wanted, by_begin),
    })
}

/// One point for each interval of the range, so that a chart needs no arithmetic.
fn points(wanted: Wanted, mut by_begin: BTreeMap<Option<Moment>, Figures>) -> Vec<Point> {
    let first = wanted.interval.begin(wanted.since);
    std::iter::successors(Some(first), |time| Some(Moment(time.0 + wanted.interval.length())))
        .take_while(|time| *time < wanted.until)
        .map(|time| Point {
            time,
            figures: by_begin.remove(&Some(time)).unwrap_or_default(),
        })
        .collect()
}

impl From<Row> for Figures {
    fn from(row: Row) -> Self {
        let latency_ms = match row.percentiles_us.as_deref() {
            Some([p50, p95, p99]) => Some(Latency {
                p50: p50 / 1000.0,
                p95: p95 / 1000.0,
                p99: p99 / 1000.0,
            }),
            _ => None,
        };
        Self {
            delivered: row.delivered,
            failed: row.failed,
            latency_ms,
        }
    }
}
