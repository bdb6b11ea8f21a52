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

/// Most attempts one answer looks through, newest events first: a quarter of a second of work.
const BOUND: i64 = 200_000;

/// How much older than the range an event may be whose retries are counted in it. The index has the order of events.
const LOOK_BACK: TimeDelta = TimeDelta::days(1);

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
    /// From here on everything is counted. Later than `since` when the webhook had more attempts than one answer looks
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
    let rows: Vec<Row> = sqlx::query_as(
        "-- stats::figures
         with looked_at as materialized (
             select a.event_id, a.started_at, a.duration_us, a.status, a.error
               from postrider.attempt a
              where a.webhook_id = $1 and a.event_id >= $2 and a.event_id < $3
              order by a.event_id desc
              limit $4
         ), edge as (
             select case when count(*) = $4 then postrider.time_of_id(min(l.event_id)) end as complete_since
               from looked_at l
         )
         select date_trunc($5, l.started_at, 'UTC') as begin,
                count(*) filter (where l.error is null) as delivered,
                count(*) filter (where l.error is not null) as failed,
                percentile_cont(array[0.5, 0.95, 0.99]::float8[]) within group (order by l.duration_us)
                    filter (where l.status is not null) as percentiles_us,
                (select e.complete_since from edge e) as complete_since
           from looked_at l
          where l.started_at >= $6 and l.started_at < $7
          group by grouping sets ((date_trunc($5, l.started_at, 'UTC')), ())",
    )
    .bind(webhook.0)
    .bind(Moment(wanted.since.0 - LOOK_BACK).first_event_id())
    // The clocks of the database and of the worker that dated the attempt are the same one.
    .bind(Moment(wanted.until.0 + TimeDelta::milliseconds(1)).first_event_id())
    .bind(BOUND)
    .bind(wanted.interval.as_str())
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
