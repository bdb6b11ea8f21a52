-- webhooks::select: webhooks of a tenant with their statistics, oldest first.
-- $1 tenant, $2 one webhook of it, or null for all.
with wanted as materialized (
    select w.* from postrider.webhook w where w.tenant = $1 and ($2::bigint is null or w.id = $2)
), unfolded as (
    -- The view webhook_statistics would add up the deltas of every tenant.
    select w.id, sum(r.delivered) as delivered, sum(r.failed_attempts) as failed_attempts, sum(r.given_up) as given_up,
           max(r.last_triggered_at) as last_triggered_at, max(r.last_success_at) as last_success_at
      from postrider.stats_delta t
     cross join unnest(t.webhook_ids, t.delivered, t.failed_attempts, t.given_up, t.last_triggered_at, t.last_success_at)
        as r (webhook_id, delivered, failed_attempts, given_up, last_triggered_at, last_success_at)
      join wanted w on w.id = r.webhook_id
     group by w.id
)
select w.id, w.name, w.url, w.event_types, w.is_active, w.max_retries, w.retry_delay_ms, w.timeout_ms, w.max_in_flight,
       w.rate_limit_per_second, w.headers,
       case when w.previous_secret_expires_at > now() then w.previous_secret_expires_at end as previous_secret_expires_at,
       w.ordering, w.on_give_up, w.paused_at, w.disabled_at, w.disabled_reason, w.created_at, w.updated_at,
       -- The database's clock says whether the breaker is still open. While probes are on their way, open_until is when
       -- their claim ends.
       l.opened_at,
       case when l.opened_at is not null and not l.is_probing and l.open_until > now() then l.open_until end as next_probe_at,
       coalesce(l.trips, 0::smallint) as trips, l.failing_since,
       (select count(*) from postrider.ordered_key k where k.webhook_id = w.id and k.halted_at is not null) as halted_keys,
       coalesce(s.delivered, 0) + coalesce(u.delivered, 0)::bigint as delivered,
       coalesce(s.failed_attempts, 0) + coalesce(u.failed_attempts, 0)::bigint as failed_attempts,
       coalesce(s.given_up, 0) + coalesce(u.given_up, 0)::bigint as given_up,
       greatest(s.last_triggered_at, u.last_triggered_at) as last_triggered_at,
       greatest(s.last_success_at, u.last_success_at) as last_success_at
  from wanted w
  left join postrider.webhook_stats s on s.webhook_id = w.id
  left join unfolded u on u.id = w.id
  left join postrider.lane l on l.webhook_id = w.id
 order by w.id
