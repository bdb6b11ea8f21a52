//! The attempts of one delivery.

use postrider_core::ids::{EventId, WebhookId};
use serde::Serialize;
use sqlx::PgPool;
use utoipa::ToSchema;

use crate::error::ApiError;
use crate::moment::Moment;

/// Most attempts shown: a delivery that was sent again and again keeps only its last ones here.
const MAX_SHOWN: i64 = 200;

/// One request on the wire.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Attempt {
    /// Begins at 1, and anew when the delivery is sent again.
    #[schema(example = 1)]
    pub(crate) number: i16,
    pub(crate) started_at: Moment,
    /// From the begin of the request to the end of the response or the failure.
    #[schema(example = 12.345)]
    pub(crate) duration_ms: f64,
    /// HTTP status; null when there was no answer.
    #[schema(example = 200)]
    pub(crate) status: Option<i16>,
    /// Kind of failure; null for a success.
    #[schema(example = "timeout")]
    pub(crate) error: Option<String>,
    /// What exactly failed, for people.
    pub(crate) error_detail: Option<String>,
    /// The start of the response body, at most 1 KiB; what is not UTF-8 is replaced. Null when it was empty.
    pub(crate) response: Option<String>,
}

#[derive(sqlx::FromRow)]
struct Row {
    number: i16,
    started_at: Moment,
    duration_us: i32,
    status: Option<i16>,
    error: Option<String>,
    error_detail: Option<String>,
    response: Option<Vec<u8>>,
}

/// The attempts of a delivery, oldest first.
pub(crate) async fn attempts(pool: &PgPool, webhook: WebhookId, event: EventId) -> Result<Vec<Attempt>, ApiError> {
    let rows: Vec<Row> = sqlx::query_as(
        "-- deliveries::attempts
         select a.number, a.started_at, a.duration_us, a.status, a.error, a.error_detail, a.response
           from postrider.attempt a
          where a.webhook_id = $1 and a.event_id = $2
          order by a.started_at desc
          limit $3",
    )
    .bind(webhook.0)
    .bind(event.0)
    .bind(MAX_SHOWN)
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().rev().map(Attempt::from).collect())
}

impl From<Row> for Attempt {
    fn from(row: Row) -> Self {
        Self {
            number: row.number,
            started_at: row.started_at,
            duration_ms: f64::from(row.duration_us) / 1000.0,
            status: row.status,
            error: row.error,
            error_detail: row.error_detail,
            response: row.response.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()),
        }
    }
}
