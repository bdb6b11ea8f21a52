//! Sends again what was given up.

use postrider_core::ids::WebhookId;
use sqlx::PgConnection;

use super::{BATCH, Job, Next, Progress};
use crate::moment::Moment;
use crate::{lane, ordered};

/// Dead letters taken away by one batch, and how far it looked.
#[derive(sqlx::FromRow)]
struct Taken {
    looked_at: i64,
    position: Option<i64>,
    event_ids: Vec<i64>,
    buckets: Vec<i16>,
    /// Of those in order; null for the others.
    ordering_keys: Vec<Option<String>>,
    places: Vec<Option<i64>>,
}

/// Moves the next dead letters back to the lane of their webhook.
pub(super) async fn batch(connection: &mut PgConnection, job: &Job, since: Moment) -> sqlx::Result<Progress> {
    let webhook = job.webhook();
    if !exists(connection, webhook).await? {
        // Another job removes its dead letters.
        return Ok(Progress {
            position: job.position,
            moved: 0,
            next: Next::Finished,
        });
    }
    let taken = take(connection, job, since).await?;
    if !taken.event_ids.is_empty() {
        let keys: Vec<String> = taken.ordering_keys.iter().flatten().cloned().collect();
        if !keys.is_empty() {
            ordered::set_free(connection, webhook, &keys).await?;
        }
        lane::touch(connection, webhook).await?;
        put_back(connection, webhook, &taken).await?;
        lane::wake_workers(connection).await?;
    }
    let next = if taken.looked_at < BATCH {
        Next::Finished
    } else {
        Next::Batch
    };
    Ok(Progress {
        position: taken.position.unwrap_or(job.position),
        moved: taken.event_ids.len() as i64,
        next,
    })
}

async fn exists(connection: &mut PgConnection, webhook: WebhookId) -> sqlx::Result<bool> {
    sqlx::query_scalar("/* jobs::recover */ select exists (select from postrider.webhook where id = $1)")
        .bind(webhook.0)
        .fetch_one(connection)
        .await
}

async fn take(connection: &mut PgConnection, job: &Job, since: Moment) -> sqlx::Result<Taken> {
    sqlx::query_as(
        "-- jobs::recover::take
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
             returning d.event_id, d.bucket, d.place
         ), placed as (
             -- Without its event nobody knows its key any more, and nothing can be sent in any order.
             select t.event_id, t.bucket, e.ordering_key, case when e.ordering_key is not null then t.place end as place
               from taken t
               left join postrider.event e on t.place is not null and e.bucket = t.bucket and e.id = t.event_id
         )
         select (select count(*) from looked_at) as looked_at, (select max(l.event_id) from looked_at l) as position,
                coalesce(array_agg(p.event_id), '{}') as event_ids, coalesce(array_agg(p.bucket), '{}') as buckets,
                coalesce(array_agg(p.ordering_key), '{}') as ordering_keys, coalesce(array_agg(p.place), '{}') as places
           from placed p",
    )
    .bind(job.webhook_id)
    .bind(job.position)
    .bind(BATCH)
    .bind(since)
    .bind(job.created_at)
    .fetch_one(connection)
    .await
}

/// Attempts begin anew: a recovered delivery has all its retries.
async fn put_back(connection: &mut PgConnection, webhook: WebhookId, taken: &Taken) -> sqlx::Result<()> {
    sqlx::query(
        "-- jobs::recover::put_back
         insert into postrider.delivery (webhook_id, event_id, bucket, attempts, due_at, ordering_key, place)
         select $1, t.event_id, t.bucket, 0, case when t.place is null then now() else 'infinity' end, t.ordering_key,
                t.place
           from unnest($2::bigint[], $3::smallint[], $4::text[], $5::bigint[])
                as t (event_id, bucket, ordering_key, place)
          order by t.event_id
         on conflict do nothing",
    )
    .bind(webhook.0)
    .bind(&taken.event_ids)
    .bind(&taken.buckets)
    .bind(&taken.ordering_keys)
    .bind(&taken.places)
    .execute(connection)
    .await?;
    Ok(())
}
