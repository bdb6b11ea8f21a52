//! Backlog: how much waits, and for how long.

use sqlx::{PgConnection, Row};

use crate::metrics;

/// Counting stops here: beyond, the exact number tells nobody more.
const COUNT_LIMIT: i64 = 1_000_000;

/// Measures what waits and sets the gauges.
pub(crate) async fn measure_backlog(connection: &mut PgConnection) -> sqlx::Result<()> {
    let row = sqlx::query(
        "-- measure_backlog
         select o.events, coalesce(extract(epoch from now() - postrider.time_of_id(o.oldest)), 0)::float8 as oldest_age,
                d.deliveries, coalesce(extract(epoch from now() - l.due_at), 0)::float8 as overdue,
                (select count(*) from postrider.lane where opened_at is not null) as breakers_open,
                (select count(*) from postrider.ordered_key where halted_at is not null) as halted_keys
           from (select count(*) as events, min(event_id) as oldest
                   from (select event_id from (select event_id from postrider.outbox limit $1) _
                         union all
                         select event_id from (select event_id from postrider.ordered limit $1) _) _) o
          cross join (select count(*) as deliveries from (select from postrider.delivery limit $1) _) d
          cross join (select min(due_at) as due_at from postrider.lane where due_at < now()) l",
    )
    .bind(COUNT_LIMIT)
    .fetch_one(connection)
    .await?;
    metrics::backlog(row.try_get("events")?, row.try_get("oldest_age")?);
    metrics::standing_still(row.try_get("breakers_open")?, row.try_get("halted_keys")?);
    metrics::waiting(row.try_get("deliveries")?, row.try_get("overdue")?);
    Ok(())
}
