//! Statistics: fold the deltas of the flushes into one row per webhook.

use sqlx::PgConnection;

/// Most deltas folded by one call: a second of flushes of a busy fleet.
const BATCH: i64 = 1000;

/// Folds deltas. Returns how many. Readers see the same totals before and after, because it is one statement.
pub(crate) async fn fold_stats(connection: &mut PgConnection) -> sqlx::Result<u64> {
    let folded: i64 = sqlx::query_scalar(
        "-- fold_stats
         with picked as materialized (
            select t.id from postrider.stats_delta t order by t.id limit $1 for update skip locked
         ), folded as (
            delete from postrider.stats_delta t using picked p where t.id = p.id
            returning t.webhook_ids, t.delivered, t.failed_attempts, t.given_up, t.last_triggered_at, t.last_success_at
         ), written as (
            insert into postrider.webhook_stats as s
                   (webhook_id, delivered, failed_attempts, given_up, last_triggered_at, last_success_at)
            select r.webhook_id, sum(r.delivered), sum(r.failed_attempts), sum(r.given_up), max(r.last_triggered_at),
                   max(r.last_success_at)
              from folded f
             cross join unnest(f.webhook_ids, f.delivered, f.failed_attempts, f.given_up, f.last_triggered_at,
                               f.last_success_at)
                   as r (webhook_id, delivered, failed_attempts, given_up, last_triggered_at, last_success_at)
              join postrider.webhook w on w.id = r.webhook_id
             group by r.webhook_id
             order by r.webhook_id
            on conflict (webhook_id) do update
               set delivered = s.delivered + excluded.delivered,
                   failed_attempts = s.failed_attempts + excluded.failed_attempts,
                   given_up = s.given_up + excluded.given_up,
                   last_triggered_at = greatest(s.last_triggered_at, excluded.last_triggered_at),
                   last_success_at = greatest(s.last_success_at, excluded.last_success_at)
         )
         select count(*) from folded",
    )
    .bind(BATCH)
    .fetch_one(connection)
    .await?;
    Ok(folded as u64)
}
