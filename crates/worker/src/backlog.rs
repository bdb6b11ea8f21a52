//! Backlog: how much waits, and for how long.

use sqlx::{PgConnection, Row};

use crate::metrics;

/// Counting stops here: beyond, the exact number tells nobody more.
const COUNT_LIMIT: i64 = 1_000_000;

/// Rows of one statement. Each is a transaction of its own, so that none keeps old rows alive for long.
const COUNTED_AT_ONCE: i64 = 100_000;

/// Measures what waits and sets the gauges.
pub(crate) async fn measure_backlog(connection: &mut PgConnection) -> sqlx::Result<()> {
    let outbox = count(connection, Waiting::Outbox).await?;
    let ordered = count(connection, Waiting::Ordered).await?;
    let deliveries = count(connection, Waiting::Delivery).await?;
    let row = sqlx::query(
        "-- measure_backlog
         select coalesce(extract(epoch from now() - postrider.time_of_id(least(o.oldest, r.oldest))), 0)::float8 as oldest_age,
                coalesce(extract(epoch from now() - l.due_at), 0)::float8 as overdue,
                (select count(*) from postrider.lane where opened_at is not null) as breakers_open,
                (select count(*) from postrider.ordered_key where halted_at is not null) as halted_keys
           from (select min(first.event_id) as oldest
                   from generate_series(0, 255) as b (number)
                  cross join lateral (select w.event_id from postrider.outbox w where w.bucket = b.number
                                       order by w.event_id limit 1) first) o
          cross join (select min(first.event_id) as oldest
                        from generate_series(0, 255) as b (number)
                       cross join lateral (select w.event_id from postrider.ordered w where w.bucket = b.number
                                            order by w.event_id limit 1) first) r
          cross join (select min(due_at) as due_at from postrider.lane where due_at < now()) l",
    )
    .fetch_one(connection)
    .await?;
    metrics::backlog((outbox + ordered).min(COUNT_LIMIT), row.try_get("oldest_age")?);
    metrics::standing_still(row.try_get("breakers_open")?, row.try_get("halted_keys")?);
    metrics::waiting(deliveries, row.try_get("overdue")?);
    Ok(())
}

/// Where something waits.
#[derive(Debug, Clone, Copy)]
enum Waiting {
    Outbox,
    Ordered,
    Delivery,
}

impl Waiting {
    /// Two statements that go through the table by its primary key, behind a place in it: to the place so many rows on, and
    /// to the end with a count.
    fn statements(self) -> (&'static str, &'static str) {
        macro_rules! by {
            ($table:literal, $first:literal) => {
                (
                    concat!(
                        "-- count: next place\n select w.",
                        $first,
                        "::int8, w.event_id from postrider.",
                        $table,
                        " w
                          where (w.",
                        $first,
                        ", w.event_id) > ($1, $2) order by w.",
                        $first,
                        ", w.event_id
                         offset $3 limit 1"
                    ),
                    concat!(
                        "-- count: to the end\n select count(*) from postrider.",
                        $table,
                        " w
                          where (w.",
                        $first,
                        ", w.event_id) > ($1, $2)"
                    ),
                )
            };
        }
        match self {
            Self::Outbox => by!("outbox", "bucket"),
            Self::Ordered => by!("ordered", "bucket"),
            Self::Delivery => by!("delivery", "webhook_id"),
        }
    }
}

/// How many rows there are, up to the limit.
async fn count(connection: &mut PgConnection, waiting: Waiting) -> sqlx::Result<i64> {
    let (next_place, to_the_end) = waiting.statements();
    let mut place = (-1_i64, 0_i64);
    let mut counted = 0;
    while counted < COUNT_LIMIT {
        let next: Option<(i64, i64)> = sqlx::query_as(next_place)
            .bind(place.0)
            .bind(place.1)
            .bind(COUNTED_AT_ONCE - 1)
            .fetch_optional(&mut *connection)
            .await?;
        let Some(next) = next else {
            let rest: i64 = sqlx::query_scalar(to_the_end)
                .bind(place.0)
                .bind(place.1)
                .fetch_one(&mut *connection)
                .await?;
            return Ok(counted + rest);
        };
        counted += COUNTED_AT_ONCE;
        place = next;
    }
    Ok(COUNT_LIMIT)
}
