//! Retention: day partitions are made ahead and dropped when old.

use sqlx::{PgConnection, Row};

use crate::settings::Settings;

/// Advisory lock of the worker that does it; the functions are also safe without it.
const MAINTENANCE_LOCK: i64 = 8_103_510_517_862_818_086;

/// What one round did.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Partitions {
    pub(crate) created: i32,
    pub(crate) dropped: i32,
}

/// Makes missing partitions and drops those past retention that nothing waiting needs. Each statement is a transaction
/// of its own and touches the partitions of one table only, so that it cannot deadlock with readers of several.
pub(crate) async fn keep_partitions(connection: &mut PgConnection, settings: &Settings) -> sqlx::Result<Partitions> {
    let mut done = Partitions::default();
    let tables: Vec<String> =
        sqlx::query_scalar("-- partitioned_tables\n select unnest(postrider.partitioned_tables())")
            .fetch_all(&mut *connection)
            .await?;
    for table in tables {
        let create = "-- create_partitions
             select postrider.create_partitions($2, $3) as count where pg_try_advisory_xact_lock($1)";
        done.created += count(connection, create, &table, settings.partition_days_ahead).await?;
        let drop = "-- drop_partitions
             select postrider.drop_partitions($2, $3) as count where pg_try_advisory_xact_lock($1)";
        done.dropped += count(connection, drop, &table, settings.retention_days).await?;
    }
    Ok(done)
}

/// Zero too when another worker is at it.
async fn count(connection: &mut PgConnection, statement: &'static str, table: &str, days: u32) -> sqlx::Result<i32> {
    let row = sqlx::query(statement)
        .bind(MAINTENANCE_LOCK)
        .bind(table)
        .bind(days as i32)
        .fetch_optional(connection)
        .await?;
    row.map_or(Ok(0), |row| row.try_get("count"))
}
