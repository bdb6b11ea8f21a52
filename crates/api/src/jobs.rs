//! Work that outlives a request: recoveries, and the removal of what a deleted webhook left behind. Each job is a row,
//! so it survives a restart, and any API process carries it on.

mod erase;
mod recover;

use std::time::Duration;

use postrider_core::ids::WebhookId;
use sqlx::{PgConnection, PgPool};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::api::Api;
use crate::moment::Moment;

/// Most rows one batch looks at: a transaction of some ten milliseconds.
const BATCH: i64 = 1000;

/// Between two batches, so that a long job leaves the database to the workers.
const BREATH: Duration = Duration::from_millis(10);

/// Longest time a job waits that another process wrote, or whose due time came.
const POLL: Duration = Duration::from_secs(5);

/// A job whose next batch is being done.
#[derive(Debug, sqlx::FromRow)]
struct Job {
    id: i64,
    kind: String,
    webhook_id: i64,
    since: Option<Moment>,
    position: i64,
    created_at: Moment,
}

impl Job {
    fn webhook(&self) -> WebhookId {
        WebhookId(self.webhook_id)
    }
}

/// What one batch did.
struct Progress {
    position: i64,
    moved: i64,
    next: Next,
}

/// When to go on with a job.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    /// With another batch, behind the jobs that wait longer.
    Batch,
    /// After this time.
    Later { seconds: i64 },
    /// Never: it is done.
    Finished,
}

/// Carries out jobs until `stop`. Every API process may run this: they share the work.
pub async fn carry_out_jobs(api: Api, stop: CancellationToken) {
    let mut failing = false;
    while !stop.is_cancelled() {
        match one_batch(&api.pool).await {
            Ok(true) => {
                failing = false;
                tokio::time::sleep(BREATH).await;
            }
            Ok(false) => {
                failing = false;
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = api.job_written.notified() => {}
                    () = tokio::time::sleep(POLL) => {}
                }
            }
            Err(error) => {
                if !failing {
                    warn!(%error, "Jobs cannot be carried out at the moment; trying again every {} s", POLL.as_secs());
                }
                failing = true;
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = tokio::time::sleep(POLL) => {}
                }
            }
        }
    }
}

/// Does one batch of the job that waited longest, all or nothing. `false` when no job is due, or others have them all.
async fn one_batch(pool: &PgPool) -> sqlx::Result<bool> {
    let mut transaction = pool.begin().await?;
    let job: Option<Job> = sqlx::query_as(
        "-- jobs::one_batch: the row lock says that the job is being worked on; it ends with the process.
         select id, kind, webhook_id, since, position, created_at
           from postrider.job
          where finished_at is null and due_at <= now()
          order by due_at, id
          limit 1
            for update skip locked",
    )
    .fetch_optional(&mut *transaction)
    .await?;
    let Some(job) = job else { return Ok(false) };
    let progress = match (job.kind.as_str(), job.since) {
        ("recover", Some(since)) => recover::batch(&mut transaction, &job, since).await?,
        _ => erase::batch(&mut transaction, &job).await?,
    };
    write_down(&mut transaction, &job, &progress).await?;
    if progress.next == Next::Finished {
        forget_old(&mut transaction).await?;
    }
    transaction.commit().await?;
    if progress.next == Next::Finished {
        info!(job = job.id, kind = job.kind, webhook = %job.webhook(), "A job is finished");
    }
    Ok(true)
}

async fn write_down(connection: &mut PgConnection, job: &Job, progress: &Progress) -> sqlx::Result<()> {
    let delay_seconds = match progress.next {
        Next::Later { seconds } => seconds,
        Next::Batch | Next::Finished => 0,
    };
    sqlx::query(
        "-- jobs::write_down
         update postrider.job
            set position = $2, moved = moved + $3, due_at = clock_timestamp() + $4 * interval '1 second',
                finished_at = case when $5 then clock_timestamp() end
          where id = $1",
    )
    .bind(job.id)
    .bind(progress.position)
    .bind(progress.moved)
    .bind(delay_seconds)
    .bind(progress.next == Next::Finished)
    .execute(connection)
    .await?;
    Ok(())
}

/// Removes jobs that nobody asks about any more.
async fn forget_old(connection: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::query("/* jobs::forget_old */ delete from postrider.job where finished_at < now() - interval '90 days'")
        .execute(connection)
        .await?;
    Ok(())
}
