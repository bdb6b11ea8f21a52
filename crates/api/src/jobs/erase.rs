//! Removes what a deleted webhook left behind.

use sqlx::PgConnection;

use super::{BATCH, Job, Next, Progress};

/// A worker that held deliveries of the webhook can still write down what came of them: looked at again after this, in
/// seconds.
const LAST_LOOK: i64 = 120;

/// Removes the next waiting deliveries and dead letters, then the ordering keys; with the last of them the lane, the
/// statistics and the other jobs. Attempts stay until their retention ends, but nothing leads to them.
pub(super) async fn batch(connection: &mut PgConnection, job: &Job) -> sqlx::Result<Progress> {
    let removed: i64 = sqlx::query_scalar(
        "-- jobs::erase
         with waiting as (
             delete from postrider.delivery
              where webhook_id = $1
                and event_id in (select d.event_id from postrider.delivery d where d.webhook_id = $1 limit $2)
             returning 1
         ), given_up as (
             delete from postrider.dead_letter
              where webhook_id = $1
                and event_id in (select d.event_id from postrider.dead_letter d where d.webhook_id = $1 limit $2)
             returning 1
         )
         select (select count(*) from waiting) + (select count(*) from given_up)",
    )
    .bind(job.webhook_id)
    .bind(BATCH)
    .fetch_one(&mut *connection)
    .await?;
    // Never in one transaction with the deliveries: some workers lock a key before its delivery, some after it.
    let removed = match removed {
        0 => erase_keys(connection, job).await?,
        removed => removed,
    };
    if removed > 0 {
        return Ok(Progress {
            position: job.position,
            moved: removed,
            next: Next::Batch,
        });
    }
    for statement in [
        "/* jobs::erase */ delete from postrider.lane where webhook_id = $1",
        "/* jobs::erase */ delete from postrider.webhook_stats where webhook_id = $1",
        "/* jobs::erase */ delete from postrider.job where webhook_id = $1 and kind = 'recover'",
    ] {
        sqlx::query(statement)
            .bind(job.webhook_id)
            .execute(&mut *connection)
            .await?;
    }
    // The position of this kind says how often everything was gone.
    let next = if job.position == 0 {
        Next::Later { seconds: LAST_LOOK }
    } else {
        Next::Finished
    };
    Ok(Progress {
        position: 1,
        moved: 0,
        next,
    })
}

async fn erase_keys(connection: &mut PgConnection, job: &Job) -> sqlx::Result<i64> {
    let erased = sqlx::query(
        "-- jobs::erase: in the order of the keys, so that nobody deadlocks
         delete from postrider.ordered_key
          where webhook_id = $1
            and ordering_key in (select k.ordering_key from postrider.ordered_key k
                                  where k.webhook_id = $1 order by k.ordering_key limit $2 for update)",
    )
    .bind(job.webhook_id)
    .bind(BATCH)
    .execute(connection)
    .await?;
    Ok(erased.rows_affected() as i64)
}
