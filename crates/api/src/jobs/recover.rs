//! Sends again what was given up.

use sqlx::PgConnection;

use super::{BATCH, Job, Next, Progress};
use crate::lane;
use crate::moment::Moment;

/// Moves the next dead letters back to the lane of their webhook.
pub(super) async fn batch(connection: &mut PgConnection, job: &Job, since: Moment) -> sqlx::Result<Progress> {
    let lane = sqlx::query(
        "-- jobs::recover: the lane first, see the module lane
         insert into postrider.lane (webhook_id, due_at) select w.id, now() from postrider.webhook w where w.id = $1
         on conflict (webhook_id) do update set due_at = least(lane.due_at, excluded.due_at)",
    )
    .bind(job.webhook_id)
    .execute(&mut *connection)
    .await?;
    if lane.rows_affected() == 0 {
        // The webhook is gone; another job removes its dead letters.
        return Ok(Progress {
            position: job.position,
            moved: 0,
            next: Next::Finished,
        });
    }
    let (looked_at, position, moved): (i64, Option<i64>, i64) = sqlx::query_as(
        "-- jobs::recover
         with looked_at as materialized (
             -- In the order of the key, so that each batch is a short range however many there are. The time of giving
             -- up is not in that order: every dead letter is looked at once.
             select d.event_id, d.created_at
               from postrider.dead_letter d
              where d.webhook_id = $1 and d.event_id > $2
              order by d.event_id
              limit $3
         ), taken as (
             delete from postrider.dead_letter d
              using looked_at l
              where d.webhook_id = $1 and d.event_id = l.event_id and l.created_at between $4 and $5
             returning d.event_id, d.bucket
         ), waiting as (
             -- Attempts begin anew: a recovered delivery has all its retries.
             insert into postrider.delivery (webhook_id, event_id, bucket, attempts, due_at)
             select $1, t.event_id, t.bucket, 0, now() from taken t order by t.event_id
             on conflict do nothing
         )
         select (select count(*) from looked_at), (select max(l.event_id) from looked_at l), (select count(*) from taken)",
    )
    .bind(job.webhook_id)
    .bind(job.position)
    .bind(BATCH)
    .bind(since)
    .bind(job.created_at)
    .fetch_one(&mut *connection)
    .await?;
    if moved > 0 {
        lane::wake_workers(connection).await?;
    }
    let next = if looked_at < BATCH { Next::Finished } else { Next::Batch };
    Ok(Progress {
        position: position.unwrap_or(job.position),
        moved,
        next,
    })
}
