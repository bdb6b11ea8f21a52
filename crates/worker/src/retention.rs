//! Retention: day partitions are made ahead and dropped when old.

use sqlx::{PgConnection, Row};

/// Advisory lock of the worker that does it; the functions are also safe without it.
const MAINTENANCE_LOCK: i64 = 8_103_510_517_862_818_086;

/// What one round did; `None` when another worker is at it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Partitions {
    pub(crate) created: i32,
    pub(crate) dropped: i32,
}

/// Makes missing partitions and drops those past retention that nothing waiting needs.
pub(crate) async fn keep_partitions(
    connection: &mut PgConnection,
    days_ahead: u32,
    retention_days: u32,
) -> sqlx::Result<Option<Partitions>> {
    let row = sqlx::query(
        "-- keep_partitions
         select postrider.create_partitions($2) as created, postrider.drop_partitions($3) as dropped
          where pg_try_advisory_xact_lock($1)",
    )
    .bind(MAINTENANCE_LOCK)
    .bind(days_ahead as i32)
    .bind(retention_days as i32)
    .fetch_optional(connection)
    .await?;
    row.map(|row| {
        Ok(Partitions {
            created: row.try_get("created")?,
            dropped: row.try_get("dropped")?,
        })
    })
    .transpose()
}
