//! The two calls. Each is one statement, so each works on a connection, in a transaction, or on a pool.

use sqlx::PgExecutor;
use sqlx::types::chrono::{DateTime, Utc};

use crate::{Event, EventId, InvalidEvent};

/// Why nothing was enqueued.
#[derive(Debug, thiserror::Error)]
pub enum EnqueueError {
    /// The event is malformed; nothing was sent to the database, and the transaction can go on.
    #[error("invalid event: {0}")]
    Invalid(#[from] InvalidEvent),
    /// An event of a batch is malformed; nothing was sent to the database, and the transaction can go on.
    #[error("invalid event {index} of the batch: {reason}")]
    InvalidInBatch {
        /// Place of the event in the batch, from 0.
        index: usize,
        /// What is wrong with it.
        reason: InvalidEvent,
    },
    /// The database failed or refused; Postgres has aborted the transaction.
    #[error("database error: {0}")]
    Database(#[from] sqlx::Error),
}

/// Writes an event. It is delivered once the surrounding transaction commits, and never if it rolls back, be it to a
/// savepoint. Returns the id of the event, or, when its idempotency key was used before, the id of the event that was
/// written then.
///
/// Pass a transaction as `&mut *transaction`. On a pool the event commits by itself.
///
/// # Errors
/// When the event is malformed (see [`Event::check`]), or the database fails.
pub async fn enqueue<'executor>(executor: impl PgExecutor<'executor>, event: &Event) -> Result<EventId, EnqueueError> {
    event.check()?;
    // The payload travels as text: sqlx would send json with a space in front of it.
    let id: i64 = sqlx::query_scalar("select postrider.enqueue($1, $2, $3::text::json, $4, $5, $6)")
        .bind(&event.tenant)
        .bind(&event.event_type)
        .bind(&event.payload)
        .bind(&event.idempotency_key)
        .bind(&event.ordering_key)
        .bind(event.deliver_after)
        .fetch_one(executor)
        .await?;
    Ok(EventId::from(id))
}

/// Writes many events in one statement, much faster than one by one. All are written or, on an error, none. Returns
/// their ids in the order of the events.
///
/// The statement holds the whole batch in memory: cut a long list into batches of some thousands.
///
/// # Errors
/// When an event is malformed (see [`Event::check`]), or the database fails.
pub async fn enqueue_many<'executor>(
    executor: impl PgExecutor<'executor>,
    events: &[Event],
) -> Result<Vec<EventId>, EnqueueError> {
    for (index, event) in events.iter().enumerate() {
        event
            .check()
            .map_err(|reason| EnqueueError::InvalidInBatch { index, reason })?;
    }
    if events.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<i64> = sqlx::query_scalar("select postrider.enqueue_many($1, $2, $3::text[]::json[], $4, $5, $6)")
        .bind(column(events, |event| event.tenant.as_str()))
        .bind(column(events, |event| event.event_type.as_str()))
        .bind(column(events, |event| event.payload.as_str()))
        .bind(optional_column(events, |event| event.idempotency_key.as_deref()))
        .bind(optional_column(events, |event| event.ordering_key.as_deref()))
        .bind(optional_column::<DateTime<Utc>>(events, |event| event.deliver_after))
        .fetch_one(executor)
        .await?;
    Ok(ids.into_iter().map(EventId::from).collect())
}

fn column<'events, T>(events: &'events [Event], field: impl Fn(&'events Event) -> T) -> Vec<T> {
    events.iter().map(field).collect()
}

/// `None` when no event has the field: the database then takes its fast path.
fn optional_column<'events, T>(
    events: &'events [Event],
    field: impl Fn(&'events Event) -> Option<T>,
) -> Option<Vec<Option<T>>> {
    let column = column(events, field);
    column.iter().any(Option::is_some).then_some(column)
}
